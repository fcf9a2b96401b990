"""Tests of the forms: every value in every form, told as it is, never a crash."""

from __future__ import annotations

import csv
import io
import json
from xml.etree import ElementTree

import duckdb
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datahub.forms.columns import columns_of
from datahub.forms.names import FORMS
from datahub.forms.write import encode, expressions

VALUES = [
    "1::tinyint", "255::utinyint", "18446744073709551615::ubigint", "9007199254740993",
    "170141183460469231731687303715884105727::hugeint", "'1'::bignum",
    "340282366920938463463374607431768211455::uhugeint", "1.5::float", "0.1::double", "1e300",
    "'nan'::double", "'-inf'::float", "1.10::decimal(9,2)", "0.123456789012345678::decimal(18,18)",
    "123456789012345678901234567890.12::decimal(38,2)", "true", "''", "'a\"b,c;d\te\r\nf'",
    "'<&>]]>'", "'_x0041_'", "'  a  '", "'=1+1'", "chr(0) || chr(1) || chr(31) || chr(65534)",
    "'\\x00\\xAA'::blob", "date '2020-01-01'", "date '1899-12-31'", "date '0044-03-15 (BC)'",
    "'infinity'::date", "timestamp '2020-01-01 10:00:00'", "timestamp '2020-01-01 10:00:00.123456'",
    "'infinity'::timestamp", "'-infinity'::timestamptz", "timestamptz '2020-01-01 00:00:00+08'",
    "timestamp_ns '2020-01-01 00:00:00.123456789'", "timestamp_s '2020-01-01 00:00:00'",
    "timestamp_ms '2020-01-01 00:00:00.5'", "time '10:00:01'", "time '10:00:01.5'",
    "timetz '10:00:00+08'", "interval '3 months 2 days'", "'b'::enum('a', 'b')",
    "'0b50c0ea-0000-4000-8000-000000000000'::uuid", "[1, null]", "['nan'::double]::double[]",
    "array_value(1, 2)", "{'a': 1, 'b': 'inf'::double}", "{'NaN': 'NaN', 'x': ',NaN,'}",
    "map {'a': 1}", "map {[1]: 2}", "union_value(k := 1)", "'101'::bit", "'{\"a\": [NaN]}'::json",
    "'{\"a\": 1}'::json", "null", "row(1, 'x')", "[{'t': timestamp '2020-01-01'}]",
    "{'b': '\\xAA'::blob, 'i': interval 1 day}", "[]", "[[null]]", "{'a': '<\"&'}",
]  # fmt: skip
"""A value of every DuckDB type, and what is odd of each."""


def written(
    sql: str, form: str, schema: dict | None = None, crs: str = "", title: str = "表"
) -> bytes:
    """Run a query as an answer in this form does, in small batches."""
    with duckdb.connect() as db:
        described = db.execute(f"describe {sql}").fetchall()
        columns = columns_of([(row[0], row[1]) for row in described], schema or {"fields": []})
        list_ = expressions(FORMS[form], columns, crs)
        reader = db.execute(f"select {list_} from ({sql})").to_arrow_reader(3)
        return b"".join(encode(FORMS[form], columns, reader, title=title, schema=reader.schema))


def cells(data: bytes) -> list[list[object]]:
    """Rows of a workbook."""
    sheet = openpyxl.load_workbook(io.BytesIO(data)).active
    return [list(row) for row in sheet.iter_rows(values_only=True)]


def elements(data: bytes) -> list[dict[str, str]]:
    """Rows of an XML document."""
    return [
        {cell.get("name", cell.tag): cell.text or "" for cell in row}
        for row in ElementTree.fromstring(data)
    ]


def parsed(data: bytes, form: str) -> list:
    """Rows as somebody else's reader sees them."""
    text = data.decode() if not FORMS[form].binary else ""
    match form:
        case "json":
            return json.loads(f"[{text}]", parse_constant=pytest.fail)
        case "ndjson":
            return [json.loads(line, parse_constant=pytest.fail) for line in text.splitlines()]
        case "csv" | "tsv":
            separator = "," if form == "csv" else "\t"
            return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))[1:]
        case "xlsx":
            return cells(data)[1:]
        case "xml":
            return elements(data)
        case "geojson":
            return json.loads(text, parse_constant=pytest.fail)["features"]
        case "parquet":
            return records(pq.read_table(io.BytesIO(data)))
        case _:
            return records(pa.ipc.open_stream(data).read_all())


def records(table: pa.Table) -> list[dict[str, object]]:
    """Rows of an Arrow table; what Python has no object for stays Arrow's."""
    return [
        {name: told(table.column(name)[row]) for name in table.column_names}
        for row in range(table.num_rows)
    ]


def told(scalar: pa.Scalar) -> object:
    """Python object of a scalar, if it has one."""
    try:
        return scalar.as_py()
    except OverflowError:
        return scalar


@pytest.mark.parametrize("form", [name for name in FORMS if name != "geojson"])
@pytest.mark.parametrize("value", VALUES)
def test_every_value_has_every_form(value: str, form: str) -> None:
    """A result of any DuckDB type is written in every form, and others' readers take it."""
    sql = f"select {value} as x, 1 as n union all select null, 2"
    rows = parsed(written(sql, form), form)
    assert len(rows) == 2
    if form in ("json", "ndjson", "parquet", "arrow"):
        assert [row["n"] for row in rows] == [1, 2]
        assert rows[1]["x"] is None
