"""What libraries say and errors of children that nobody expected are lines of the log like all."""

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


def test_what_libraries_log_is_json():
    """Lines of the standard library's logging, with and without a traceback."""
    code = (
        "import logging\nfrom datahub.logs import configure\nconfigure('info')\n"
        "log = logging.getLogger('uvicorn.error')\nlog.debug('no')\nlog.warning('%s\\n行', '坏')\n"
        "try:\n    raise ValueError('x')\nexcept ValueError:\n    log.exception('failed')\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, timeout=60)
    warned, failed = map(json.loads, ran.stderr.splitlines())
    assert (warned["logger"], warned["level"], warned["event"]) == (
        "uvicorn.error",
        "warning",
        "坏\n行",
    )
    assert warned["timestamp"].endswith("+00:00")
    assert (failed["level"], failed["event"]) == ("error", "failed")
    assert "ValueError: x" in failed["exception"]
