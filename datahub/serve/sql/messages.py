"""What who asks and a query child say to each other, in this order.

Asked → Reads → Given (with the open files) → Head → pieces of the answer → Ending. Instead of any
of the child's words, Failed may come.
"""

from __future__ import annotations

from typing import Any

import msgspec

from datahub.forms.columns import Column  # noqa: TC001 - of a struct
from datahub.forms.names import FORMS, Form
from datahub.model import Json, Struct


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
    shape: str = "objects"  # of a row in JSON: objects or arrays
    title: str = ""  # of a sheet or an XML document
    crs: str = ""  # coordinate system of the record, for GeoJSON
    only_check: bool = False  # parse and bind; tell columns and an estimate of rows


class Reads(Struct, frozen=True, tag="reads"):
    """Tables that a question reads, as it names them; its text in one way of writing."""

    names: list[tuple[str, str]]
    places: list[dict[str, int]]  # of each name in a user's text: line, column, offset; or empty
    text: str
    changing: bool  # the clock or chance has a part in the result


class GivenTable(Struct, frozen=True):
    """A table under the name that the question has for it; its file is the next of those given."""

    schema: str
    name: str
    columns: tuple[Column, ...]


class Given(Struct, frozen=True):
    """The tables, in the order of their files; after those a file for the answer."""

    tables: list[GivenTable]


class Ending(Struct, frozen=True, tag="ending"):
    """How an answer ended."""

    rows: int
    bytes: int
    seconds: float
    truncated: str | None = None  # rows, bytes, time; None: it is whole
    cpu: float = 0.0  # seconds of a processor, from the question on


class Head(Struct, frozen=True, tag="head"):
    """Begin an answer: what is known before its pieces."""

    fields: list[Json]  # name and DuckDB type of each column
    ending: Ending | None = None
    in_file: bool = False  # its bytes are in the file that was given
    estimate: int | None = None  # of rows, when the question was only checked


class Failed(Struct, frozen=True, tag="failed"):
    """An error of our tree."""

    code: str
    facts: Json
