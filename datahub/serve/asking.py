"""Ask a query child: the only place where a user's SQL runs, and where large answers are made.

A child is forked ahead of its question by `datahub queries` (guard.jail), serves one question over
a Unix socket and ends. It has no files of its own: those of the tables it may read are handed to
it as open descriptors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from datahub.errors import ServiceUnavailable
from datahub.forms.names import FORMS, Form
from datahub.model import Json, Struct

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from dataclasses import dataclass

    from datahub.serve.reading import Reading, Table
else:
    from dataclasses import dataclass


class Bounds(Struct, frozen=True):
    """What an answer may take; where one of them ends it, the answer says which."""

    seconds: float = 5.0
    rows: int = 10_000
    bytes: int = 50 << 20


class Question(Struct, frozen=True):
    """SQL over tables, and how the answer is wanted."""

    sql: str
    values: dict[str, Any] | list[Any] = msgspec.field(default_factory=dict)
    """Named parameters ($name) of a user's SQL, or positional ones of ours."""
    trusted: bool = False
    """Ours: compiled from a typed tree, so that it needs no gate. A user's is never trusted."""
    form: Form = FORMS["json"]
    bounds: Bounds = Bounds()
    whole: bool = True
    """Collect the answer before its head is sent, so that the head can say whether it is cut."""


class Ending(Struct, frozen=True):
    """How an answer ended."""

    rows: int
    bytes: int
    seconds: float
    truncated: str | None = None  # rows, bytes, time; None: it is whole


@dataclass
class Answer:
    """Head of an answer at once; its bytes as they come; `ending` once they all came."""

    fields: list[Json]  # name and DuckDB type of each column
    chunks: AsyncIterator[bytes]
    ending: Ending | None = None  # known at once when the question asked for the whole
    versions: dict[str, int] | None = None  # "dataset.resource" -> version that was read


async def ask(
    reading: Reading,  # noqa: ARG001
    question: Question,  # noqa: ARG001
    resolve: Callable[[str, str], Table],  # noqa: ARG001
) -> Answer:
    """Ask a question; `resolve(schema, name)` gives the table of each name that it reads.

    Raises:
        SqlInvalid: a user's SQL is refused or wrong, with position and hint.
        QueryLimit: it took too much time or memory.
        ServiceUnavailable: all children are busy, or none are there.

    """
    raise ServiceUnavailable(reason_zh="查询服务没有启动", reason_en="no query service")
