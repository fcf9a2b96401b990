"""Frictionless itself: the reference of every verdict. Nobody else touches its internals.

Pinned is all that frictionless would otherwise guess (format, encoding, dialect). A resource can
be judged whole, or only on chosen rows: its own row code then sees those rows alone, in order and
under their own numbers, with look-up tables that hold what these rows refer to.
"""

from __future__ import annotations

import contextlib
import functools
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import frictionless
from frictionless import formats, schemes
from frictionless.resources import TableResource
from frictionless.vendors import stringcase

from datahub.model import Dialect, Json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

VERSION = version("frictionless")
# Every error spells its dozen property names anew: a fifth of the time of a report.
stringcase.snakecase = functools.lru_cache(4096)(stringcase.snakecase)
_V2 = "https://datapackage.org/profiles/2.0/dataresource.json"
_CACHED: tuple[str, ...] = ("plugins", "methods")
NO_FIELD = 1 << 24
"""No field number is as large; what concerns a whole row stands behind it."""
Lookup = tuple[list[Json], list[list[str]]]  # field descriptors, rows of texts


@contextlib.contextmanager
def few_plugins() -> Iterator[None]:
    """Let frictionless know local CSV files and rows in memory only.

    No plugin that happens to be installed has a say then, none is looked for, and no scheme reads
    from the network.
    """
    known: dict[str, Any] = frictionless.system.__dict__
    kept = {name: known.pop(name) for name in _CACHED if name in known}
    known["plugins"] = {
        "local": schemes.local.LocalPlugin(),
        "csv": formats.csv.CsvPlugin(),
        "inline": formats.inline.InlinePlugin(),
    }
    try:
        yield
    finally:
        for name in _CACHED:
            known.pop(name, None)
        known.update(kept)


@dataclass(frozen=True)
class Given:
    """A UTF-8 CSV file, its schema and dialect, and the tables its foreign keys refer to."""

    name: str
    path: str
    schema: Json
    dialect: Dialect | Json  # of ours, or a Frictionless descriptor
    encoding: str = "utf-8"
    related: Mapping[str, Given] = field(default_factory=dict)


@dataclass(frozen=True)
class Opened:
    """What frictionless knows after the header: labels, expected fields, errors so far."""

    labels: list[str]
    fields: list[Any]  # one per label, in the file's order
    primary_key: list[str]
    foreign_keys: list[Json]
    errors: list[Any]


def open_header(given: Given) -> Opened:
    """Read header and sample.

    Raises:
        frictionless.FrictionlessException: the schema or the file cannot be read at all.

    """
    resource = _resource(given)
    resource.to_descriptor(validate=True)
    foreign_keys = resource.schema.foreign_keys
    resource.schema.foreign_keys = []  # else the tables they refer to would be read
    with resource:
        header = resource.header
        return Opened(
            list(header.labels),
            header.get_expected_fields(),
            list(resource.schema.primary_key),
            list(foreign_keys),
            list(header.errors),
        )


def judge_whole(given: Given, *, limit_errors: int, limit_rows: int | None = None) -> Json:
    """Report of frictionless on the whole file, row by row."""
    report = _packaged(given).validate(limit_errors=limit_errors, limit_rows=limit_rows)
    return _descriptor(report, given.name)


def judge_rows(
    given: Given,
    rows: Iterable[tuple[int, list[str]]],
    *,
    total: int,
    lookups: Mapping[str, Lookup],
    limit_errors: int,
) -> Json:
    """Report of frictionless on chosen rows of a file of `total` rows.

    `lookups` gives, per resource that foreign keys refer to, the rows that `rows` need to find.
    """
    resource = _resource(given, _Chosen)
    tables = {name: _inline(name, *lookup) for name, lookup in lookups.items()}
    own = tables.pop("", None) or tables.pop(given.name, None)
    resource.choose(rows, total, own)
    frictionless.Package(resources=[resource, *tables.values()])
    return _descriptor(resource.validate(limit_errors=limit_errors), given.name)


class ErrorStream:
    """Every error of a file, header first, as frictionless reads it row by row."""

    def __init__(self, given: Given) -> None:
        self._given = given
        self.rows = 0

    def __iter__(self) -> Iterator[Json]:
        """Read the file; `rows` counts on."""
        with _packaged(self._given) as resource:
            yield from (error.to_descriptor() for error in resource.header.errors)
            try:
                for row in resource.row_stream:
                    self.rows += 1
                    yield from (error.to_descriptor() for error in row.errors)
            except frictionless.FrictionlessException as failed:  # bytes in no encoding, say
                yield failed.error.to_descriptor()


def fields_of(schema: Json) -> Any:
    """Return frictionless's schema, for its fields and keys."""
    return frictionless.Schema.from_descriptor(schema)


def fault(kind: str, note: str, **more: Any) -> Json:
    """Return an error of frictionless's taxonomy for what it does not tell itself."""
    found: Json = _ERRORS[kind](note=note, **more).to_descriptor()
    return found


_ERRORS = {
    error.type: error
    for error in (
        frictionless.errors.CheckError,
        frictionless.errors.CompressionError,
        frictionless.errors.EncodingError,
        frictionless.errors.FormatError,
        frictionless.errors.PrimaryKeyError,
        frictionless.errors.SourceError,
        frictionless.errors.UniqueError,
    )
}


def empty_task(name: str, errors: Sequence[Json]) -> Json:
    """Task of a table that was not read, and why."""
    return {
        "name": name,
        "type": "table",
        "valid": not errors,
        "place": "",
        "labels": [],
        "stats": {"errors": len(errors), "warnings": 0, "seconds": 0.0},
        "warnings": [],
        "errors": list(errors),
    }


def _descriptor(report: Any, name: str) -> Json:
    found: Json = report.to_descriptor()
    if not found["tasks"]:  # a fault of the schema or dialect: nothing was read
        found["tasks"] = [empty_task(name, found["errors"])]
    return found


# Resources --------------------------------------------------------------------------------


class _OnlyRows(frictionless.Dialect):
    """A dialect whose content is the chosen rows; header and sample are read as ever."""

    rows: Iterable[tuple[int, list[str]]] = ()
    total = 0
    of: Any = None

    def read_enumerated_content_stream(self, cell_stream: Any) -> Iterator[tuple[int, list[str]]]:
        if isinstance(cell_stream, list):  # the sample
            yield from super().read_enumerated_content_stream(cell_stream)
            return
        yield from self.rows
        self.of.stats.rows = self.total


class _Chosen(TableResource):
    """A table of which only chosen rows are judged."""

    def choose(
        self, rows: Iterable[tuple[int, list[str]]], total: int, own: TableResource | None
    ) -> None:
        """Choose rows; `own` is what foreign keys to the resource itself look in."""
        dialect = self.dialect
        dialect.rows, dialect.total, dialect.of = rows, total, self
        self._own = own

    def to_copy(self, **options: Any) -> Any:
        """Give the table to look keys up in: frictionless copies a resource for that."""
        return self._own if self._own is not None else super().to_copy(**options)


def _packaged(given: Given) -> TableResource:
    resource: TableResource = _resource(given)
    others = [_resource(other) for name, other in given.related.items() if name != given.name]
    frictionless.Package(resources=[resource, *others])  # foreign keys look through it
    return resource


def _resource(given: Given, kind: type[TableResource] = TableResource) -> Any:
    path = Path(given.path)
    # A schema that says it is of version 2 is one only within a resource of version 2.
    profile: Json = {"schema_profile": _V2} if "$schema" in given.schema else {}
    return kind(
        **profile,
        name=given.name,
        path=path.name,
        basepath=str(path.parent),
        scheme="file",
        format="csv",
        encoding=given.encoding,
        dialect=pinned(given.dialect, _OnlyRows if kind is _Chosen else frictionless.Dialect),
        schema=frictionless.Schema.from_descriptor(given.schema),
    )


def _inline(name: str, fields: list[Json], rows: list[list[str]]) -> TableResource:
    return TableResource(
        name=name or "self",
        data=[[entry["name"] for entry in fields], *rows],
        dialect=frictionless.Dialect(header_rows=[1]),
        schema=frictionless.Schema.from_descriptor({"fields": fields, "fieldsMatch": "exact"}),
    )


def pinned(
    dialect: Dialect | Json, kind: type[frictionless.Dialect] = frictionless.Dialect
) -> frictionless.Dialect:
    """Return the dialect with nothing left to guess (Table Dialect's defaults)."""
    if isinstance(dialect, Dialect):
        dialect = {
            "headerRows": [dialect.header_row],
            "csv": {"delimiter": dialect.delimiter, "quoteChar": dialect.quote_char},
        }
    found = kind.from_descriptor(dialect)
    if not found.has_defined("header") and not found.has_defined("header_rows"):
        found.header_rows = [1]
    given: Any = found.get_control("csv") if found.has_control("csv") else formats.CsvControl()
    found.set_control(
        formats.CsvControl(
            delimiter=given.delimiter,
            line_terminator=given.line_terminator,
            quote_char=given.quote_char,
            double_quote=given.double_quote,
            escape_char=given.escape_char,
            null_sequence=given.null_sequence,
            skip_initial_space=given.skip_initial_space,
        )
    )
    return found


def is_plain(descriptor: Json) -> Dialect | None:
    """Our dialect for a descriptor; None where it has what only frictionless itself reads."""
    dialect = pinned(descriptor)
    control: Any = dialect.get_control("csv")
    plain = (
        dialect.header
        and len(dialect.header_rows) == 1
        and dialect.header_case
        and not dialect.comment_char
        and not dialect.comment_rows
        and not dialect.skip_blank_rows
        and not control.escape_char
        and not control.skip_initial_space
        and all(len(c) == 1 and c.isascii() for c in (control.delimiter, control.quote_char))
        and control.delimiter != control.quote_char
        and control.delimiter not in "\r\n"
        and control.quote_char not in "\r\n"
    )
    if not plain:
        return None
    return Dialect(
        delimiter=control.delimiter,
        quote_char=control.quote_char,
        header_row=dialect.header_rows[0],
    )
