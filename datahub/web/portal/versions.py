"""The versions page of a dataset: what each holds, and how neighbours differ.

Differences that were computed before are told; others are compared when somebody asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import msgspec
from anyio.to_thread import run_sync

from datahub.errors import DatahubError, ParameterInvalid
from datahub.model import Json, Struct
from datahub.serve import difference as comparing
from datahub.serve import difference_lines as telling
from datahub.serve import versions as listing
from datahub.serve.difference import Window
from datahub.store import records
from datahub.web.limits import meter_of
from datahub.web.portal import words
from datahub.web.portal.render import page
from datahub.web.problems import wants_page

if TYPE_CHECKING:
    from litestar import Request, Response

    from datahub.model import Dataset
    from datahub.serve.difference import Counts, Difference
    from datahub.serve.reading import Reading, Table

VERSIONS = 20
"""Versions a page."""
LINES = 50
"""Rows of a comparison that are shown."""
_CELLS = 6  # of a row that came or went
WHATS = {"added": "新增", "removed": "删除", "changed": "修改"}


class Change(Struct, frozen=True):
    """How a resource differs from the version before: not at all, in counts, or nobody knows."""

    resource: str
    title: str
    rows: int | None
    same: bool
    counts: Counts | None
    schema: list[str]  # what changed in the table schema, in words
    link: str  # to the comparison; empty: there is nothing to compare with


class Entry(Struct, frozen=True):
    """A version and what changed in it."""

    version: listing.Version
    changes: list[Change]


class Line(Struct, frozen=True):
    """A row that differs."""

    what: str
    key: str
    cells: list[tuple[str, str | None, str]]  # column, old (None: there is none), new


class Comparison(Struct, frozen=True):
    """Two versions of a resource, compared."""

    title: str
    older: int
    newer: int
    counts: Counts
    lines: list[Line]
    more: int
    api: str


async def answer(request: Request[Any, Any, Any], name: str) -> Response[str]:
    """Answer with the list, and with a comparison where the address asks for one.

    Raises:
        DatahubError: there is no such dataset; for programs also what a comparison raises.

    """
    reading: Reading = request.app.state.reading
    asked = {key: str(request.query_params.get(key, "")) for key in ("resource", "from", "to")}
    found, error = None, None
    if asked["resource"]:
        try:
            meter = meter_of(request)
            if meter is not None:
                await meter.hold()
            found = await run_sync(_compared, reading, name, asked)
        except DatahubError as refused:
            if not wants_page(request.scope):
                raise
            error = refused
    before = str(request.query_params.get("before", ""))
    values = await run_sync(_listed, reading, name, before)
    status = error.status if error else 200
    return page("versions.html", status=status, compared=found, error=error, **values)


def _listed(reading: Reading, name: str, before: str) -> dict[str, Any]:
    below = _number("before", before) if before else None
    found = listing.versions(reading.store, name, as_of=None, before=below, limit=VERSIONS)
    with reading.store.catalog.read() as db:
        dataset = records.get_dataset(db, name)
    titles = {r["name"]: str(r.get("title") or r["name"]) for r in dataset.package["resources"]}
    held = [v.version for v in found.data if v.links]
    following = f"/datasets/{name}/versions?before={found.data[-1].version}" if found.next else ""
    return {
        "dataset": dataset,
        "total": found.total,
        "entries": [_entry(reading, dataset, version, titles, held) for version in found.data],
        "following": following,
        "choices": held if len(held) > 1 else [],
        "resources": list(titles.items()),
        "whats": WHATS,
    }


def _entry(
    reading: Reading,
    dataset: Dataset,
    version: listing.Version,
    titles: dict[str, str],
    held: list[int],
) -> Entry:
    older = next((number for number in held if number < version.version), None)
    changes = []
    for resource in version.resources:
        before = _table(reading, dataset.name, resource.name, older)
        after = _table(reading, dataset.name, resource.name, version.version)
        both = before is not None and after is not None
        query = urlencode({"resource": resource.name, "from": older, "to": version.version})
        changes.append(
            Change(
                resource=resource.name,
                title=titles.get(resource.name, resource.name),
                rows=resource.rows,
                same=bool(before and after and before.digest == after.digest),
                counts=comparing.known(reading, before, after) if before and after else None,
                schema=[change["zh"] for change in resource.schema_changes],
                link=f"/datasets/{dataset.name}/versions?{query}#compared" if both else "",
            )
        )
    return Entry(version, changes)


def _table(reading: Reading, dataset: str, resource: str, version: int | None) -> Table | None:
    """Table of a version, or None where it has none that may be read."""
    try:
        return None if version is None else reading.table(dataset, resource, version)
    except DatahubError:
        return None


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 10):  # noqa: PLR2004 - digits
        raise ParameterInvalid(name=name, value=text[:40], reason_zh="应为版本号，如 2",
                               reason_en="give the number of a version, as 2")  # fmt: skip
    return int(text)


# Comparing --------------------------------------------------------------------------------------


def _compared(reading: Reading, name: str, asked: dict[str, str]) -> Comparison:
    older, newer = _number("from", asked["from"]), _number("to", asked["to"])
    before = reading.table(name, asked["resource"], older)
    after = reading.table(name, asked["resource"], newer)
    found = comparing.difference(reading, before, after)
    _, total = found.lines_of(None)
    lines = telling.json_lines(reading, found, Window(start=0, count=min(LINES, total)))
    titles = {f["name"]: str(f.get("title") or f["name"]) for f in after.schema["fields"]}
    package = reading.package(name, newer)
    resource = next(r for r in package["resources"] if r["name"] == after.resource)
    return Comparison(
        title=str(resource.get("title") or after.resource),
        older=older,
        newer=newer,
        counts=found.counts,
        lines=[_line(msgspec.json.decode(line), found, titles) for line in lines],
        more=total - len(lines),
        api=f"/api/v1/datasets/{name}/resources/{after.resource}/diff?from={older}&to={newer}",
    )


def _line(told: Json, found: Difference, titles: dict[str, str]) -> Line:
    what, times = told["what"], told.get("times", 1)
    label = WHATS[what] + (f" ×{times}" if times > 1 else "")
    cells: list[tuple[str, str | None, str]]
    if what == "changed":
        cells = [
            (titles.get(column, column), words.cell(pair["old"]), words.cell(pair["new"]))
            for column, pair in told["columns"].items()
        ]
        return Line(label, _key(told["key"]), cells)
    row = told["row"]
    key = {name: row[name] for name in found.counts.key if name in row}
    rest = [(name, value) for name, value in row.items() if name not in key and value is not None]
    cells = [(titles.get(name, name), None, words.cell(value)) for name, value in rest[:_CELLS]]
    return Line(label, _key(key), cells)


def _key(key: Json) -> str:
    return "，".join(words.cell(value) for value in key.values())
