"""Runs commands of `datahub` in processes of their own, without the second that each takes to load.

One process loads what the commands need, and forks a child for each command: with the command's
arguments, variables, folder and streams it goes on as `python -m datahub.cli` would, and ends as
that would. This file is that process, too.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from datahub.cli import main

NEEDED = (
    *("datahub.cli.commands", "datahub.store", "datahub.stages.register", "datahub.forms.write"),
    *("datahub.guard.download", "datahub.guard.process", "rich.progress", "rich.table"),
)
"""What commands load when they run; all of it may be forked, for none of it starts a thread."""
OWN = ("serve", "demo")
"""Commands that start processes and live long: they are started as anybody starts them."""


def run(
    arguments: list[str], environment: dict[str, str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """Run `datahub ARGUMENTS` to its end, as `subprocess.run` does it.

    Raises:
        subprocess.TimeoutExpired: it took longer; it is killed then.

    """
    loaded = _loaded(frozenset(_lasting(os.environ | {"COLUMNS": environment["COLUMNS"]}).items()))
    if (arguments[:1] and arguments[0] in OWN) or dict(loaded.variables) != _lasting(environment):
        return subprocess.run(
            [sys.executable, "-m", "datahub.cli", *arguments],
            env=environment, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
    return loaded.run(arguments, environment, timeout)


def _lasting(environment: dict[str, str]) -> dict[str, str]:
    """Variables that may change how modules are loaded; ours are read by each command."""
    ours = ("DATAHUB_", "PYTEST_")
    return {name: value for name, value in environment.items() if not name.startswith(ours)}


class _Loaded:
    """The process with everything loaded, seen from the tests."""

    def __init__(self, variables: frozenset[tuple[str, str]]) -> None:
        self.variables = variables
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env=dict(variables) | {"PYTHONPATH": str(Path(__file__).parent.parent)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        atexit.register(self._end)

    def run(
        self, arguments: list[str], environment: dict[str, str], timeout: float
    ) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryDirectory(prefix="command-") as name:
            out, err = Path(name) / "out", Path(name) / "err"
            request = [arguments, environment, str(Path.cwd()), str(out), str(err)]
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
            pid = int(self._process.stdout.readline())
            in_time = select.select([self._process.stdout], [], [], timeout)[0]
            if not in_time:
                os.kill(pid, signal.SIGKILL)
            code = int(self._process.stdout.readline())
            if not in_time:
                raise subprocess.TimeoutExpired(arguments, timeout)
            return subprocess.CompletedProcess(arguments, code, out.read_text(), err.read_text())

    def _end(self) -> None:
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


_loaded = functools.cache(_Loaded)


def _serve() -> None:
    """Fork a child for each request of standard input; tell its id, then how it ended."""
    for module in NEEDED:
        importlib.import_module(module)
    gc.freeze()  # or each child looks through all of it at its end
    with os.fdopen(os.dup(1), "w") as told:
        while line := sys.stdin.readline():
            pid = os.fork()
            if not pid:
                told.close()
                _become(*json.loads(line))
                main()
                sys.exit()
            print(pid, file=told, flush=True)
            print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), file=told, flush=True)


def _become(
    arguments: list[str], environment: dict[str, str], folder: str, out: str, err: str
) -> None:
    """Take on a command's arguments, variables, folder and streams."""
    sys.argv = ["datahub", *arguments]
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    new = os.O_WRONLY | os.O_CREAT
    for number, (path, how) in enumerate(((os.devnull, os.O_RDONLY), (out, new), (err, new))):
        handle = os.open(path, how)
        os.dup2(handle, number)
        os.close(handle)


if __name__ == "__main__":
    _serve()
