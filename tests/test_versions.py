"""Versions: the list with what changed in form, and the difference of two, row by row."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import tempfile
from collections import Counter
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import duckdb
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from litestar.testing import TestClient
from own_store import own_store, publish, swift, table

from datahub.forms.columns import columns_of
from datahub.pipeline import withdraw_release
from datahub.serve.difference import WHATS, Difference, Side, Task, Window, compare
from datahub.serve.difference_lines import column_changes, csv_text, json_lines
from datahub.serve.engine import Engine
from datahub.web.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator

RESOURCE = "/api/v1/datasets/lamps/resources/lamps"


@pytest.fixture(scope="module")
def reading() -> Iterator[SimpleNamespace]:
    """What a page of a difference is read with."""
    engine = Engine()
    yield SimpleNamespace(engine=engine)
    engine.close()


def side(folder: Path, name: str, arrow: pa.Table, **types: str) -> Side:
    """A version: a table written as Parquet."""
    path = folder / f"{name}.parquet"
    pq.write_table(arrow, path)
    kinds = duckdb.sql(f"describe from read_parquet('{path}')").fetchall()
    fields = [{"name": n, "type": types.get(n, "string")} for n in arrow.column_names]
    columns = columns_of([(k[0], k[1]) for k in kinds], {"fields": fields})
    return Side(path=str(path), rows=arrow.num_rows, columns=columns)


def differing(reading, folder: Path, a: Side, b: Side, *key: str) -> tuple[Difference, list[dict]]:
    """Compare two versions; the difference and all its lines."""
    target = folder / "diff"
    task = Task(a=a, b=b, keys=(key,) if key else (), target=str(target))
    found = Difference(a=a, b=b, counts=compare(task), path=target)
    lines = json_lines(reading, found, Window(start=0, count=sum(found.counts.lines)))
    return found, [json.loads(line) for line in lines]


# Against a reference in Python --------------------------------------------------------------

CELLS = st.one_of(st.none(), st.sampled_from(["", "甲", "乙", '"', "a,b", "\n", "😀"]))
NUMBERS = st.one_of(st.none(), st.integers(0, 4))
ROWS = st.lists(st.tuples(NUMBERS, CELLS, NUMBERS), max_size=12)
SCHEMA = pa.schema([("编号", pa.int64()), ("名 称", pa.string()), ('q"x', pa.int32())])


def arrow(rows) -> pa.Table:
    """Rows as a table of the three columns."""
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, SCHEMA, strict=True)], SCHEMA)


def record(row) -> dict:
    """A row as JSON has it."""
    return dict(zip(SCHEMA.names, row, strict=True))


def unique(rows) -> bool:
    """Whether the first column is a key."""
    return len({row[0] for row in rows}) == len(rows)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(ROWS, ROWS, st.booleans())
def test_differences_like_a_reference(reading, before, after, dedupe):
    """By key, NULL keys too; without one, or where it is not unique, as multisets of whole rows."""
    if dedupe:
        before, after = ([*{row[0]: row for row in rows}.values()] for rows in (before, after))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        a, b = side(folder, "a", arrow(before)), side(folder, "b", arrow(after))
        found, lines = differing(reading, folder, a, b, "编号")
    by_key = unique(before) and unique(after)
    assert found.counts.by == ("key" if by_key else "row")
    assert lines == (_by_key(before, after) if by_key else _by_row(before, after))
    times = Counter(dict.fromkeys(WHATS, 0))
    for line in lines:
        times[line["what"]] += line.get("times", 1)
    assert {what: found.counts.many(what) for what in WHATS} == dict(times)
    assert found.counts.unchanged == len(after) - times["added"] - times["changed"]


def _by_key(before, after) -> list[dict]:
    old, new = ({row[0]: row for row in rows} for rows in (before, after))
    changed = []
    for key, row in new.items():
        if key in old and old[key] != row:
            cells = {
                name: {"old": x, "new": y}
                for name, x, y in zip(SCHEMA.names, old[key], row, strict=True)
                if x != y
            }
            changed.append({"what": "changed", "key": {"编号": key}, "columns": cells})
    return [
        *({"what": "removed", "row": record(row)} for key, row in old.items() if key not in new),
        *({"what": "added", "row": record(row)} for key, row in new.items() if key not in old),
        *changed,
    ]


def _by_row(before, after) -> list[dict]:
    old, new = Counter(before), Counter(after)
    return [
        {"what": what, "times": count, "row": record(row)}
        for what, counted in (("removed", old - new), ("added", new - old))
        for row, count in counted.items()
    ]


# Types, columns -----------------------------------------------------------------------------


def test_values_compare_and_not_their_spelling(reading, tmp_path):
    """Scale, width and kind of numbers do not matter; a column that became text neither."""
    a = pa.table(
        {
            "id": pa.array(["1", "2", "3"]),
            "费用": pa.array(
                [Decimal("1.50"), Decimal("2.00"), Decimal("3.10")], pa.decimal128(9, 2)
            ),
            "n": pa.array([1, 2, 3], pa.int64()),
            "big": pa.array([Decimal(10) ** 30, Decimal(2), None], pa.decimal128(38, 0)),
            "x": pa.array([0.1, float("nan"), 2.0]),
            "at": pa.array([dt.datetime(2026, 1, 1, tzinfo=dt.UTC)] * 3, pa.timestamp("us", "UTC")),
        }
    )
    b = pa.table(
        {
            "id": pa.array([1, 2, 3], pa.int32()),
            "费用": pa.array([Decimal("1.5"), Decimal("2.00001"), Decimal("3.1")], pa.decimal128(20, 5)),
            "n": pa.array([Decimal("1.0"), Decimal("2.0"), Decimal("3.5")], pa.decimal128(5, 1)),
            "big": pa.array([Decimal("1E30"), Decimal("2.5"), None], pa.decimal128(38, 6)),
            "x": pa.array([Decimal("0.1"), Decimal(1), Decimal(2)], pa.decimal128(5, 1)),
            "at": a["at"],
        }
    )  # fmt: skip
    found, lines = differing(
        reading,
        tmp_path,
        side(tmp_path, "a", a, id="string", at="datetime"),
        side(tmp_path, "b", b, id="integer", at="datetime"),
        "id",
    )
    assert [(line["key"]["id"], sorted(line["columns"])) for line in lines] == [
        *((2, ["big", "x", "费用"]), (3, ["n"])),
    ]
    assert lines[0]["columns"]["费用"] == {"old": 2.0, "new": 2.00001}
    assert (found.counts.by, found.counts.changed, found.counts.unchanged) == ("key", 2, 1)
    assert column_changes(found).retyped == [{"name": "id", "before": "string", "after": "integer"}]


def test_columns_that_came_and_went(reading, tmp_path):
    """Rows compare by the columns of both; the others are told once, and with added rows."""
    a = pa.table({"id": [1, 2], "旧": ["x", "y"], "name": ["甲", "乙"]})
    b = pa.table({"name": ["甲", "丙", "丁"], "id": [1, 2, 3], "新": [True, False, None]})
    a_side, b_side = side(tmp_path, "a", a), side(tmp_path, "b", b, 新="boolean")
    found, lines = differing(reading, tmp_path, a_side, b_side, "id")
    changes = column_changes(found)
    assert (changes.added, changes.removed) == (
        [{"name": "新", "type": "boolean"}],
        [{"name": "旧", "type": "string"}],
    )
    assert lines == [
        {"what": "added", "row": {"name": "丁", "id": 3, "新": None}},
        {"what": "changed", "key": {"id": 2}, "columns": {"name": {"old": "乙", "new": "丙"}}},
    ]
    text = csv_text(reading, found, Window(start=0, count=2))
    assert list(csv.reader(io.StringIO(text))) == [
        ["what", "times", "name", "id", "新", "旧"],
        ["added", "1", "丁", "3", "", ""],
        ["before", "1", "乙", "2", "", "y"],
        ["after", "1", "丙", "2", "false", ""],
    ]


@pytest.mark.parametrize(
    ("a", "b", "counts"),
    [
        ({"x": [1, 2]}, {"y": [1, 2]}, (2, 2, 0)),  # no column in common
        ({"file_row_number": [5, 6]}, {"file_row_number": [6, 7]}, (1, 1, 1)),
        ({"#": [1], "##": [2]}, {"#": [1], "##": [3]}, (1, 1, 0)),
        ({"x": []}, {"x": [1]}, (1, 0, 0)),
        ({"x": [[1, 2], None]}, {"x": [[1, 2], [None]]}, (1, 1, 1)),
    ],
    ids=range(5),
)
def test_odd_tables(reading, tmp_path, a, b, counts):
    """Tables with nothing in common, with names of our own, empty ones and lists."""
    typed = pa.table({"x": pa.array([], pa.int64())}) if a == {"x": []} else pa.table(a)
    found, lines = differing(
        reading, tmp_path, side(tmp_path, "a", typed), side(tmp_path, "b", pa.table(b))
    )
    assert (found.counts.added, found.counts.removed, found.counts.unchanged) == counts
    assert len(lines) == counts[0] + counts[1]


# Over HTTP ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client(tmp_path_factory) -> Iterator[TestClient]:
    """An application with four versions of the lamps, of which the second is withdrawn."""
    folder = tmp_path_factory.mktemp("versions")
    moment = dt.datetime(2026, 1, 1, 4, tzinfo=dt.UTC)
    store = own_store(folder, "lamps", "trees", clock=lambda: moment)
    with pytest.MonkeyPatch.context() as patch:
        swift(patch)
        for data in (
            table(12),
            table(3),
            table(12, first=3).replace("路灯5\n".encode(), "新灯\n".encode()),
            table(1200),
        ):
            publish(store, data)
            moment += dt.timedelta(days=1)
    withdraw_release(store, "lamps", 2, reason="错了", who="wang")
    with TestClient(create_app(store)) as opened:
        yield opened


def test_the_list_of_versions(client):
    """Newest first with rows, bytes, digests and links that work; tombstones with their reason."""
    found = client.get("/api/v1/datasets/lamps/versions").json()
    assert [v["version"] for v in found["data"]] == [4, 3, 2, 1]
    assert [v["rows"] for v in found["data"]] == [1200, 12, 3, 12]
    assert [v["latest"] for v in found["data"]] == [True, False, False, False]
    assert (found["total"], found["next"]) == (4, None)
    newest, _, gone, _ = found["data"]
    assert (gone["reason"], gone["resources"], gone["links"]) == ("错了", [], {})
    (resource,) = newest["resources"]
    assert (resource["name"], resource["rows"], resource["schema_changes"]) == ("lamps", 1200, [])
    manifest = client.get(newest["links"]["manifest"])
    assert resource["sha256"] in manifest.text
    assert client.get(newest["links"]["diff"].format(resource="lamps")).status_code == 200


@pytest.mark.parametrize(
    ("query", "versions", "total"),
    [
        *(("as_of=2026-01-03", [3, 2, 1], 3), ("as_of=2026-01-01", [1], 1), ("as_of=2025-12-31", [], 0)),
        *(("as_of=2026-01-02T12:00:00%2B08:00", [2, 1], 2), ("limit=2", [4, 3], 4)),
        *(("limit=2&before=3", [2, 1], 4), ("before=1", [], 4)),
    ],
)  # fmt: skip
def test_narrowing_the_list(client, query, versions, total):
    """A date shows what was released by its end; pages follow each other."""
    found = client.get(f"/api/v1/datasets/lamps/versions?{query}").json()
    assert ([v["version"] for v in found["data"]], found["total"]) == (versions, total)


def test_a_dataset_without_versions(client):
    """A dataset that released nothing has an empty list."""
    assert client.get("/api/v1/datasets/trees/versions").json()["data"] == []


def test_a_difference(client):
    """Counts and rows of two versions; the address of numbered ones may be kept for ever."""
    answered = client.get(f"{RESOURCE}/diff?from=1&to=v3")
    found = answered.json()
    assert (found["by"], found["key"], found["versions"]) == ("key", ["id"], {"from": 1, "to": 3})
    assert found["counts"] == {"removed": 2, "added": 2, "changed": 1, "unchanged": 9}
    assert found["data"] == [
        {"what": "removed", "row": {"id": 1, "name": "路灯1"}},
        {"what": "removed", "row": {"id": 2, "name": "路灯2"}},
        {"what": "added", "row": {"id": 13, "name": "路灯13"}},
        {"what": "added", "row": {"id": 14, "name": "路灯14"}},
        {"what": "changed", "key": {"id": 5}, "columns": {"name": {"old": "路灯5", "new": "新灯"}}},
    ]
    assert answered.headers["cache-control"] == "public, max-age=31536000, immutable"
    again = client.get(
        f"{RESOURCE}/diff?from=1&to=3", headers={"If-None-Match": answered.headers["etag"]}
    )
    assert (again.status_code, again.content) == (304, b"")


def test_a_difference_as_a_path(client):
    """The same difference stands under versions/1..3/diff."""
    found = client.get("/api/v1/datasets/lamps/versions/1..v3/diff?resource=lamps").json()
    assert found == client.get(f"{RESOURCE}/diff?from=1&to=3").json()
    assert client.get("/api/v1/datasets/lamps/versions/1..3/diff").json() == found


@pytest.mark.parametrize("span", ["3", "1-3", "..3", "1..", "1..x", "a..b", "...", "1..2..3"])
def test_spans_that_are_none(client, span):
    """What is no pair of versions is refused."""
    answered = client.get(f"/api/v1/datasets/lamps/versions/{span}/diff")
    assert (answered.status_code, answered.json()["code"]) == (400, "parameter-invalid")


def test_the_version_before_is_meant_unless_said(client):
    """Unasked, the latest is compared with the newest before it that is not withdrawn."""
    found = client.get(f"{RESOURCE}/diff?to=3").json()
    assert found["versions"] == {"from": 1, "to": 3}
    latest = client.get(f"{RESOURCE}/diff?limit=0")
    assert latest.json()["versions"] == {"from": 3, "to": 4}
    assert latest.json()["data"] == []
    assert latest.headers["cache-control"] == "public, max-age=60"


@pytest.mark.parametrize("what", ["", "added", "removed", "changed"])
@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_walking_the_pages(client, what, form):
    """All pages together have every line once, of all kinds or of one."""
    address, lines = (
        f"{RESOURCE}/diff?limit=500&format={form}" + (f"&what={what}" if what else ""),
        [],
    )
    while address:
        answered = client.get(address)
        texts = answered.text.splitlines()
        lines += answered.json()["data"] if form == "json" else [json.loads(t) for t in texts]
        address = answered.links.get("next", {}).get("url")
    counts = Counter(line["what"] for line in lines)
    expected = {"added": 1188, "removed": 0, "changed": 1}
    # Version 3 has the lamps 3 to 14: 1 and 2 came back, 15 to 1200 came.
    wanted = {k: n for k, n in expected.items() if n and what in ("", k)}
    assert dict(counts) == wanted
    assert len({msgspec.json.encode(line) for line in lines}) == len(lines)


def test_forms_by_accept(client):
    """The form is chosen by Accept or by name."""
    asked = {"Accept": "text/csv"}
    answered = client.get(f"{RESOURCE}/diff?from=1&to=3", headers=asked)
    assert answered.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.reader(io.StringIO(answered.text)))
    assert rows[0] == ["what", "times", "id", "name"]
    assert rows[-2:] == [["before", "1", "5", "路灯5"], ["after", "1", "5", "新灯"]]


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("from=2&to=3", 410, "release-withdrawn"),
        ("from=9", 404, "release-unknown"),
        ("to=1", 404, "release-unknown"),
        ("from=x", 400, "parameter-invalid"),
        ("cursor=x", 400, "cursor-invalid"),
        ("from=1&to=3&cursor=6", 400, "cursor-invalid"),
        ("limit=10001", 400, "parameter-invalid"),
        ("limit=-1", 400, "parameter-invalid"),
        ("what=moved", 400, "parameter-invalid"),
        ("format=xml", 400, "parameter-invalid"),
        ("form=csv", 400, "parameter-unknown"),
    ],
)
def test_wrong_questions(client, query, status, code):
    """A version, cursor or parameter that is none is refused with what would be right."""
    answered = client.get(f"{RESOURCE}/diff?{query}")
    assert (answered.status_code, answered.json()["code"]) == (status, code), answered.text


def test_a_lost_difference_is_made_again(client):
    """What is kept may be removed at any time."""
    kept = client.app.state.reading.derived.root
    before = client.get(f"{RESOURCE}/diff?from=1&to=3").content
    files = list(kept.glob("*/diff-*"))
    assert {file.suffix for file in files} == {".json", ".parquet"}
    for file in files:
        file.unlink()
    assert client.get(f"{RESOURCE}/diff?from=1&to=3").content == before
