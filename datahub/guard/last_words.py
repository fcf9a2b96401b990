"""What a child process says of an error that nobody expected: one JSON line, as all logs are.

Without structlog, which a child of one task would load for this alone.
"""

from __future__ import annotations

import sys
import traceback
from datetime import UTC, datetime

import msgspec


def log_error(event: str) -> None:
    """Write the error that is being handled to standard error, where the log is."""
    line = {
        "exception": traceback.format_exc(),
        "event": event,
        "level": "error",
        "timestamp": datetime.now(UTC).isoformat(),
    }
    sys.stderr.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stderr.flush()
