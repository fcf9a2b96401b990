"""Who hands in what is worked on later: jobs and stored queries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datahub.errors import TokenMissing
from datahub.web.access import caller_of
from datahub.web.limits import meter_of

if TYPE_CHECKING:
    from litestar import Request

ANONYMOUS = "address:"


def asker_of(request: Request[Any, Any, Any]) -> str:
    """Return `key:ID`, `person:NAME`, or `address:DIGEST` of who is nobody in particular."""
    try:
        return caller_of(request)
    except TokenMissing:
        meter = meter_of(request)
        return ANONYMOUS + (meter.address.hex() if meter else "")
