"""What a child process is told to do in tests of guard.process; each takes one argument."""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import threading
import time

from datahub.errors import HeaderMissing


def echo(argument: dict) -> dict:
    """Give the argument back."""
    return argument


def ours(argument: dict) -> dict:
    """Raise an error of our tree with facts."""
    raise HeaderMissing(file="a.csv", searched=3, expected="id", found=argument["found"])


def unexpected(argument: dict) -> dict:
    """Raise an error that nobody foresaw, with a server path in it."""
    raise ZeroDivisionError("/srv/secret/" + argument["path"])


def leave(argument: dict) -> dict:
    """End the process without a word."""
    os._exit(argument["code"])


def crash(argument: dict) -> dict:
    """Read from address zero."""
    ctypes.string_at(argument["address"])
    return argument


def spin(argument: dict) -> dict:
    """Never come back."""
    while True:
        argument["n"] = 1


def spin_threads(argument: dict) -> dict:
    """Never come back, on two processors at once."""
    data = bytes(64 << 20)

    def burn() -> None:
        while True:
            hashlib.sha256(data)

    for _ in range(argument["threads"]):
        threading.Thread(target=burn, daemon=True).start()
    time.sleep(3600)
    return argument


def spawn(argument: dict) -> dict:
    """Start a grandchild that would outlive everything, then never come back."""
    subprocess.Popen(["sleep", argument["seconds"]])
    time.sleep(3600)
    return argument


def hoard(argument: dict) -> dict:
    """Ask for more memory than there may be."""
    return {"length": len(bytearray(argument["bytes"]))}


def flood(argument: dict) -> dict:
    """Give back more than a result may be."""
    return {"text": "a" * argument["bytes"]}


def environment(argument: dict) -> dict:
    """Give back the environment."""
    return dict(os.environ) | argument


def no_room(argument: dict) -> dict:
    """Hit a full disk."""
    raise OSError(argument["errno"], "no room", "/srv/secret/file")
