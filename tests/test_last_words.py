"""Errors of child processes that nobody expected are lines of the log like all others."""

from __future__ import annotations

import json
import subprocess
import sys


def test_an_error_of_a_child_is_one_json_line():
    """The traceback, with its Chinese and its line ends, is in one object."""
    code = (
        "from datahub.guard.last_words import log_error\n"
        "try:\n    raise ValueError('坏\\n行')\n"
        "except ValueError:\n    log_error('child.failed')\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    (line,) = ran.stderr.splitlines()
    told = json.loads(line)
    assert (told["event"], told["level"]) == ("child.failed", "error")
    assert "ValueError: 坏\n行" in told["exception"]
