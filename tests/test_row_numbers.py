"""Columns that are called as DuckDB calls the number of a row, or a file's name, have their values.

Everything that numbers rows must number them otherwise there.
"""

from __future__ import annotations

import io

import duckdb
import httpx
import openpyxl
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from hub import Hub
from own_store import package, publish, swift, write_catalog, write_dataset

from datahub.forms.columns import numbered, row_number
from datahub.settings import Settings
from datahub.stages.register import register
from datahub.store import open_store

NAMES = ("file_row_number", "rowid", "filename", "row number")
FIELDS = [{"name": NAMES[0], "type": "integer"}, *({"name": n} for n in NAMES[1:])]
FIELDS.append({"name": "v", "type": "integer"})
ROWS = 30
BASE = "/api/v1/datasets/odd/resources/odd"


def row(number, times=1):
    """Values of a row, in the order of the columns."""
    return 1000 - number, f"r{number:02}", f"f{number}.csv", f"n{number}", number * times


def table(times=1):
    """CSV of the table."""
    lines = [",".join(map(str, row(number, times))) for number in range(ROWS)]
    return "\n".join([",".join((*NAMES, "v")), *lines, ""]).encode()


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A service with two versions of the table."""
    folder = tmp_path_factory.mktemp("numbers")
    catalog = write_catalog(folder / "catalog")
    write_dataset(catalog, package("odd"), {"fields": FIELDS, "primaryKey": [NAMES[0]]})
    store = open_store(Settings(data=folder / "data"))
    register(store, catalog)
    with pytest.MonkeyPatch.context() as patch:
        swift(patch)
        publish(store, table(times=2), dataset="odd")
        publish(store, table(), dataset="odd")
    store.close()
    own = Hub(folder / "data", catalog=catalog).start()
    yield own
    own.stop()


def _texts(separator):
    return lambda body: [line.split(separator) for line in body.decode().splitlines()[1:]]


def _tables(read):
    return lambda body: [list(found.values()) for found in read(io.BytesIO(body)).to_pylist()]


READERS = {
    "csv": _texts(","),
    "tsv": _texts("\t"),
    "parquet": _tables(pq.read_table),
    "arrow": _tables(lambda file: pyarrow.ipc.open_stream(file).read_all()),
    "xlsx": lambda body: list(openpyxl.load_workbook(io.BytesIO(body)).active.values)[1:],
}


@pytest.mark.parametrize("form", READERS)
@pytest.mark.parametrize("what", ["rows", "export"])
def test_every_form_has_the_columns_own_values(hub, what, form):
    """Whole, filtered and ordered, by page and as an export."""
    for query, numbers in (
        ("", range(ROWS)),
        ("?v=gte.20", range(20, ROWS)),
        ("?v=lt.5&order=file_row_number.asc", [4, 3, 2, 1, 0]),
        ("?v=lt.25&order=rowid.desc", range(24, -1, -1)),
    ):
        answered = httpx.get(f"{hub.url}{BASE}/{what}.{form}{query}", follow_redirects=True)
        assert answered.status_code == 200, answered.text
        found = [tuple(map(str, values)) for values in READERS[form](answered.content)]
        assert found == [tuple(map(str, row(number))) for number in numbers], query


def test_json_and_what_counts_values(hub):
    """Pages, facets, distinct values, statistics and the profile."""
    asked = "/rows?file_row_number=in.(999,990)&facet=rowid&order=filename.desc"
    found = hub.get(BASE + asked).json()
    assert [tuple(item.values()) for item in found["data"]] == [row(10), row(1)]
    assert [item["value"] for item in found["facets"]["rowid"]["values"]] == ["r01", "r10"]
    page = hub.get(f"{BASE}/rows?select=rowid,file_row_number&v=gte.5&limit=2").json()
    assert page["data"] == [{"rowid": f"r0{n}", "file_row_number": 1000 - n} for n in (5, 6)]
    cursor = page["page"]["next"]
    following = hub.get(f"{BASE}/rows?select=rowid,file_row_number&v=gte.5&limit=2&cursor={cursor}")
    assert [item["rowid"] for item in following.json()["data"]] == ["r07", "r08"]
    values = hub.get(f"{BASE}/values/file_row_number?order=value&limit=2").json()
    assert [item["value"] for item in values["data"]] == [971, 972]
    columns = {item["name"]: item for item in hub.get(f"{BASE}/stats").json()["columns"]}
    assert (columns["file_row_number"]["min"], columns["rowid"]["distinct"]) == (971, ROWS)
    first = hub.get(f"{BASE}/profile").json()["first"]
    assert tuple(first[3].values()) == row(3)


def test_sql_and_other_clients(hub):
    """A child's tables have the columns, and nothing of their own beside them."""
    sql = 'select file_row_number, rowid, filename, "row number", v from odd where v = 7'
    found = hub.get("/api/v1/sql", params={"q": sql}).json()
    assert [tuple(item.values()) for item in found["data"]] == [row(7)]
    star = hub.get("/api/v1/sql", params={"q": "select * from odd limit 1"}).json()
    assert [field["name"] for field in star["fields"]] == [*NAMES, "v"]
    rest = hub.get("/rest/odd.odd?select=file_row_number,rowid&order=rowid.desc&limit=1").json()
    assert rest == [{"file_row_number": 971, "rowid": "r29"}]


def test_the_difference_of_versions(hub):
    """By the key of that name: values are compared, not the numbers of rows."""
    found = hub.get("/api/v1/datasets/odd/versions/1..2/diff?limit=1").json()
    assert found["counts"] == {"removed": 0, "added": 0, "changed": ROWS - 1, "unchanged": 1}
    assert found["data"] == [
        {"what": "changed", "key": {NAMES[0]: 999}, "columns": {"v": {"old": 2, "new": 1}}}
    ]


@pytest.mark.parametrize(
    ("names", "row_name"),
    [
        (("a", "rowid"), "file_row_number"),
        (("a", "FILE_ROW_NUMBER"), '"row number"'),
        (("file_row_number", "Row Number", "row number_"), '"row number__"'),
    ],
)
def test_rows_are_numbered_whatever_columns_are_called(tmp_path, names, row_name):
    """From 0 in the order of the file, beside all columns, whatever the number is called."""
    file = str(tmp_path / "t.parquet")
    listed = ", ".join(f'range * {n + 2} as "{name}"' for n, name in enumerate(names))
    duckdb.sql(f"copy (select {listed} from range(5000)) to '{file}' (format parquet)")
    assert row_number(names) == row_name
    quoted = ", ".join(f'"{name}"' for name in names)
    found = duckdb.sql(f"select {row_name}, {quoted} from {numbered(repr(file), names)}").fetchall()
    assert found == [(n, *(n * (k + 2) for k in range(len(names)))) for n in range(5000)]
