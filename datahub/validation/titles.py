"""Headers of titles: a file may name its columns as people do (统一社会信用代码, not uscc).

Only where that leaves no doubt: every label is a name or a title of exactly one field. The table
gets a copy with the names in its header; rows and their numbers stay as they are.
"""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import IO, TYPE_CHECKING

import msgspec

from datahub.model import Json, Notice, Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from datahub.validation.probing import Probe


def _titles(schema: Json) -> dict[str, str]:
    """Name by title; titles that several fields have, or that name another field, are none."""
    fields = schema["fields"]
    names = {field["name"] for field in fields}
    titles = [str(field.get("title") or "").strip() for field in fields]
    return {
        title: field["name"]
        for title, field in zip(titles, fields, strict=True)
        if title and title not in names and titles.count(title) == 1
    }


def by_title(schema: Json, labels: Sequence[str] | None) -> Json | None:
    """Return the schema with its fields called by title, those in `labels` or all; None if none."""
    titles = {name: title for title, name in _titles(schema).items()}
    chosen = {
        name: title
        for name, title in titles.items()
        if labels is None or title in {label.strip() for label in labels}
    }
    if not chosen:
        return None
    fields = [
        field | {"name": chosen.get(field["name"], field["name"])} for field in schema["fields"]
    ]
    return schema | {"fields": fields}


def names_of(labels: Sequence[str], schema: Json) -> list[str] | None:
    """Return the names that a header of titles stands for; None where it is not clearly one."""
    names, titles = {field["name"] for field in schema["fields"]}, _titles(schema)
    shown = [label.strip() for label in labels]
    found = [label if label in names else titles.get(label, "") for label in shown]
    if "" in found or len(set(found)) < len(found) or found == shown:
        return None
    return found


def rename(probe: Probe, table: Table) -> Table:
    """Give a table the names of its fields as labels, where its header has their titles."""
    with Path(table.path).open(encoding="utf-8", newline="") as file:
        labels = _header(file, table)[1]
    names = names_of(labels, probe.schema)
    if names is None:
        return table
    renamed = with_labels(table, names, probe.copy)
    notice = Notice(
        code="D06",
        severity="note",
        zh=f"文件“{probe.name}”的表头是字段的中文名称，已按字段名读取。",
        en=f"The header of '{probe.name}' has the fields' titles; they were read as their names.",
    )
    return msgspec.structs.replace(renamed, notices=(*renamed.notices, notice))


def with_labels(table: Table, labels: Sequence[str], target: str) -> Table:
    """Write a table with other labels to `target`, which may be where it is."""
    part = Path(target + ".part")
    dialect = table.dialect
    with (
        Path(table.path).open(encoding="utf-8", newline="") as source,
        part.open("w", encoding="utf-8", newline="") as into,
    ):
        before, _ = _header(source, table)
        into.writelines(before)
        writer = csv.writer(
            into, delimiter=dialect.delimiter, quotechar=dialect.quote_char, lineterminator="\n"
        )
        writer.writerow(labels)
        shutil.copyfileobj(source, into, 1 << 20)
    part.replace(target)
    return msgspec.structs.replace(
        table,
        path=target,
        copied=True,
        dialect=msgspec.structs.replace(dialect, header_line=len(before) + 1),
    )


def _header(file: IO[str], table: Table) -> tuple[list[str], list[str]]:
    """Read to the end of the header: the lines before it, and its labels."""
    dialect, lines = table.dialect, list[str]()

    def read() -> Iterator[str]:
        for _ in range(dialect.header_line):
            lines.append(file.readline())
            yield lines[-1]

    reader = csv.reader(read(), delimiter=dialect.delimiter, quotechar=dialect.quote_char)
    before, labels = 0, list[str]()
    for number, cells in enumerate(reader, start=1):
        if number == dialect.header_row:
            labels = cells
            break
        before = len(lines)
    return lines[:before], labels
