"""Validate any table without the service: a path, a stream, a DuckDB relation, an Arrow table."""

from __future__ import annotations

import atexit
import codecs
import csv
import functools
import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from datahub.errors import FileEmpty, FileError, HeaderMissing
from datahub.model import Dialect, Table
from datahub.validation import reference
from datahub.validation.engine import judge_table
from datahub.validation.judging import report_of
from datahub.validation.reference import Given
from datahub.validation.request import Request
from datahub.validation.sniff import Probe, sniff

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from datahub.model import Json

_CHUNK = 1 << 20
_LINE_BYTES = 16 << 20
_UNPACKED_BYTES = 64 << 30
_ERROR_TYPES = {
    "encoding-unknown": "encoding-error",
    "format-unknown": "format-error",
    "format-mismatch": "format-error",
    "archive-bomb": "compression-error",
}


def validate(
    source: Any,
    schema: Json,
    *,
    name: str = "table",
    dialect: Json | None = None,
    encoding: str | None = None,
    related: Mapping[str, tuple[Json, Any]] | None = None,
    limit_errors: int = 1000,
    limit_rows: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Json:
    """Judge a table against a Frictionless table schema; return the report as JSON.

    `source` is a path, a binary stream, a table that was detected, a DuckDB relation or anything
    Arrow can read as a table (of these two the texts are judged that their CSV would hold). A
    `dialect` (Table Dialect descriptor) pins all that it does not say to the standard's defaults;
    without one, encoding, delimiter and header row are found out. `related` gives schema and source
    of the resources that foreign keys refer to. `progress` is called with the number of rows judged
    so far.

    The report is Frictionless's own (`valid`, `stats`, `tasks` with `errors`, the first
    `limit_errors` of them, all when 0), and beside it `totals` over the whole table, `groups` of
    errors in words, and `engine`, which tells how it was judged. Bytes that cannot be read as a
    table give a report too, with one error of the type that Frictionless has for it.

    Raises:
        OSError: the file cannot be opened.

    """
    with tempfile.TemporaryDirectory(prefix="datahub-") as temporary:
        folder = Path(temporary)
        try:
            table = _table(source, schema, folder / "table", dialect=dialect, encoding=encoding)
            tables = {
                other: _table(
                    there,
                    its,
                    folder / f"related-{number}",
                    dialect=None if dialect is None else {},
                )
                for number, (other, (its, there)) in enumerate((related or {}).items())
            }
        except FileError as error:
            return _unread(name, error)
        schemas = {other: its for other, (its, _) in (related or {}).items()}
        request = _request(
            name, table, schema, dialect, {n: (schemas[n], tables[n]) for n in tables}
        )
        request.limit_errors, request.limit_rows = limit_errors, limit_rows
        request.on_rows = progress
        return report_of([(table, judge_table(request))])


def _request(
    name: str, table: Table, schema: Json, dialect: Json | None,
    related: Mapping[str, tuple[Json, Table]],
) -> Request:  # fmt: skip
    plain = dialect is None or reference.is_plain(dialect) is not None
    undecoded = table.encoding != "utf-8" and not table.copied
    given = Given(
        name=name,
        path=table.path,
        schema=schema,
        dialect=table.dialect if plain else dialect or {},
        encoding=table.encoding if undecoded else "utf-8",
        related={
            other: Given(other, there.path, its, there.dialect)
            for other, (its, there) in related.items()
        },
    )
    tables = {other: there for other, (_, there) in related.items()}
    vectorised = plain and not undecoded
    return Request(given, table, _spill(), related=tables, vectorised=vectorised)


@functools.cache
def _spill() -> Path:
    """Folder of this process for what does not fit in memory."""
    folder = tempfile.mkdtemp(prefix="datahub-spill-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _table(
    source: Any, schema: Json, base: Path, *, dialect: Json | None = None,
    encoding: str | None = None,
) -> Table:  # fmt: skip
    if isinstance(source, Table):  # detected already
        return source
    base.mkdir()
    path, name = _on_disk(source, base)
    size, digest = path.stat().st_size, _digest(path)
    if dialect is None and encoding is None:
        probe = Probe(
            path=str(path), name=name, bytes=size, sha256=digest, schema=schema,
            copy=str(base / "copy.csv"), line_bytes=_LINE_BYTES, unpacked_bytes=_UNPACKED_BYTES,
        )  # fmt: skip
        try:
            return sniff(probe)
        except (HeaderMissing, FileEmpty):  # frictionless has its own words for these
            pass
    plain = reference.is_plain(dialect or {}) or Dialect()
    read = _utf8(path, encoding or "utf-8", base / "text.csv")
    found = Table(
        path=str(path), name=name, bytes=size, sha256=digest, encoding=encoding or "utf-8"
    )
    if read is None:
        codec = codecs.lookup(found.encoding).name
        return msgspec.structs.replace(found, encoding=_MARKED.get(codec, found.encoding))
    line = _header_line(read, plain)
    return msgspec.structs.replace(
        found,
        path=str(read),
        encoding="utf-8",
        dialect=msgspec.structs.replace(plain, header_line=line),
        copied=read != path,
    )


def detected(source: Any, base: Path, *, encoding: str = "") -> Table:
    """Find out how a source is read without knowing its columns; copies go to `base`.

    Raises:
        FileError: it cannot be read as a table.

    """
    base.mkdir()
    path, name = _on_disk(source, base)
    probe = Probe(
        path=str(path), name=name, bytes=path.stat().st_size, sha256=_digest(path),
        schema={"fields": []}, copy=str(base / "copy.csv"), charset=encoding,
        line_bytes=_LINE_BYTES, unpacked_bytes=_UNPACKED_BYTES,
    )  # fmt: skip
    return sniff(probe)


def _on_disk(source: Any, base: Path) -> tuple[Path, str]:
    if isinstance(source, (str, Path)):
        return Path(source).absolute(), Path(source).name
    path = base / "source.csv"
    if hasattr(source, "read"):
        with path.open("wb") as file:
            shutil.copyfileobj(source, file, _CHUNK)
        return path, Path(str(getattr(source, "name", "stream"))).name
    _write_csv(source, path)
    return path, "table.csv"


def _write_csv(source: Any, path: Path) -> None:
    """Write a DuckDB relation or an Arrow table as CSV; null is an empty cell."""
    import duckdb

    if isinstance(source, duckdb.DuckDBPyRelation):
        source.write_csv(str(path), header=True, na_rep="")
        return
    with duckdb.connect() as db:
        db.from_arrow(source).write_csv(str(path), header=True, na_rep="")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _utf8(path: Path, encoding: str, copy: Path) -> Path | None:
    """Return the file as UTF-8 without byte order mark; None where frictionless must decode it."""
    with path.open("rb") as file:
        head = file.read(4)
    codec = codecs.lookup(encoding).name
    if codec == "utf-8":
        if not head.startswith(codecs.BOM_UTF8):
            return path
        codec = "utf-8-sig"
    elif codec in ("utf-16-le", "utf-16-be") and head.startswith(_BOMS[codec]):
        codec = "utf-16"
    with path.open(encoding=codec, newline="") as source, copy.open("wb") as target:
        try:
            text = source.read(_CHUNK)
            if text.startswith("\ufeff"):  # a second mark is a character: Arrow would drop it too
                return None
            while text:
                target.write(text.encode())
                text = source.read(_CHUNK)
        except UnicodeError:
            return None
    return copy


_MARKED = {"utf-8": "utf-8-sig"}
_BOMS = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}


def _header_line(path: Path, dialect: Dialect) -> int:
    """Physical line on which the header row ends."""
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        reader = csv.reader(file, delimiter=dialect.delimiter, quotechar=dialect.quote_char)
        for number, _ in enumerate(reader, start=1):
            if number == dialect.header_row:
                break
        return max(1, reader.line_num)


def _unread(name: str, error: FileError) -> Json:
    kind = _ERROR_TYPES.get(error.code, "source-error")
    task = reference.empty_task(name, [reference.fault(kind, str(error))])
    return {
        "valid": False,
        "stats": {"tasks": 1, "errors": 1, "warnings": 0, "seconds": 0.0},
        "warnings": [],
        "errors": [],
        "tasks": [task],
        "totals": {"errors": 1, "types": {kind: 1}, "fields": {}, "rows": 0},
        "groups": [],
        "rules": [],
        "notices": [],
        "engine": {"name": "none", "frictionless": reference.VERSION, "why": error.code},
        "problem": {"code": error.code, "facts": error.facts},
    }
