"""What stands around the rows of an answer in JSON: how it ended, and what was read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from datahub.model import Json
    from datahub.serve.asking import Answer


def around(form: str, answer: Answer, shape: str = "objects") -> tuple[bytes, bytes]:
    """Bytes before and after the rows; those after tell of the ending, when it is known."""
    if form != "json":
        return b"", b""
    ending = answer.ending
    rest: Json = {"fields": answer.fields}
    if ending is not None:
        rest |= {
            "rows": ending.rows,
            "truncated": ending.truncated is not None,
            "reason": ending.truncated,
            "versions": answer.versions,
            "seconds": ending.seconds,
            "shape": shape,
        }
    return b'{"data":[', b"]," + msgspec.json.encode(rest)[1:]
