"""JSON logs, one object a line, control characters escaped by the encoding."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

import msgspec
import structlog

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure(level: str) -> None:
    """Log from this level on to standard error, as JSON."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=_json),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS.get(level, 20)),
        logger_factory=structlog.BytesLoggerFactory(file=sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Line())
    logging.basicConfig(level=LEVELS.get(level, 20), handlers=[handler])


class _Line(logging.Formatter):
    """What libraries log by the standard library, such as uvicorn, as lines like our own."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object, with the traceback if there is one."""
        line = {"logger": record.name, "event": record.getMessage()}
        line["level"] = record.levelname.lower()
        line["timestamp"] = datetime.fromtimestamp(record.created, UTC).isoformat()
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _json(line).decode()


def _json(event: object, **_: object) -> bytes:
    return msgspec.json.encode(event, enc_hook=repr)
