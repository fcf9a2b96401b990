"""Tests of the forms: every value in every form, told as it is, never a crash."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import duckdb
import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datahub.errors_forms import FormUnfit
from datahub.forms import sheets
from datahub.forms.columns import Column, columns_of
from datahub.forms.geometry import geometry_of
from datahub.forms.names import FORMS
from datahub.forms.write import encode, expressions

if TYPE_CHECKING:
    from collections.abc import Callable

    from datahub.model import Json

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
    sql: str,
    form: str,
    schema: Json | None = None,
    crs: str = "",
    table: pa.Table | None = None,
) -> bytes:
    """Run a query (of `table`, as t) as an answer in this form does, in small batches."""
    with duckdb.connect() as db:
        if table is not None:
            db.register("t", table)
        described = db.execute(f"describe {sql}").fetchall()
        columns = columns_of([(row[0], row[1]) for row in described], schema or {"fields": []})
        list_ = expressions(FORMS[form], columns, crs)
        reader = db.execute(f"select {list_} from ({sql})").to_arrow_reader(3)
        return b"".join(encode(FORMS[form], columns, reader, title="表<1>", schema=reader.schema))


def cells(data: bytes) -> list[list[object]]:
    """Rows of a workbook."""
    sheet = openpyxl.load_workbook(io.BytesIO(data)).active
    return [list(row) for row in sheet.iter_rows(values_only=True)]


def elements(data: bytes) -> list[dict[str, str]]:
    """Rows of an XML document."""
    return [
        {cell.get("name", cell.tag): cell.text or "" for cell in row}
        for row in ET.fromstring(data)  # noqa: S314 - our own
    ]


def parsed(data: bytes, form: str) -> list[Any]:
    """Rows as somebody else's reader sees them."""
    return READERS[form](data if FORMS[form].binary else data.decode())


def strict(text: str) -> Any:
    """JSON without what Python takes beside it; numbers with all their digits."""
    return json.loads(text, parse_constant=pytest.fail, parse_float=Decimal)


def separated(text: str, separator: str) -> list[list[str]]:
    """Records of CSV or TSV below the header."""
    return list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))[1:]


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


READERS: dict[str, Callable[[Any], list[Any]]] = {
    "json": lambda text: strict(f"[{text}]"),
    "ndjson": lambda text: [strict(line) for line in text.split("\n")[:-1]],
    "csv": lambda text: separated(text, ","),
    "tsv": lambda text: separated(text, "\t"),
    "xlsx": lambda data: cells(data)[1:],
    "xml": lambda text: elements(text.encode()),
    "geojson": lambda text: strict(text)["features"],
    "parquet": lambda data: records(pq.read_table(io.BytesIO(data))),
    "arrow": lambda data: records(pa.ipc.open_stream(data).read_all()),
}


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


@pytest.mark.parametrize("form", [name for name in FORMS if name != "geojson"])
def test_no_rows(form: str) -> None:
    """An answer without rows is whole in every form."""
    assert parsed(written("select 1 as a, 'x' as b where false", form), form) == []


KINDS = pa.schema(
    [
        ("文字", pa.string()),
        ("whole", pa.int64()),
        ("exact", pa.decimal128(38, 9)),
        ("day", pa.date32()),
        ("moment", pa.timestamp("us", tz="UTC")),
        ("flag", pa.bool_()),
    ]
)
SCHEMA = {"fields": [{"name": "moment", "type": "datetime", "timezone": "+08:00"}]}
ZONE = dt.timezone(dt.timedelta(hours=8))
TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.text(st.sampled_from("\",;\t\r\n <>&'\\_x0041=+-@汉字😀\x01\x1f\x85\u2028\ufffe")),
)
ROWS = st.lists(
    st.tuples(
        TEXTS | st.none(),
        st.integers(-(1 << 63), (1 << 63) - 1) | st.none(),
        st.decimals(-(10**28), 10**28, places=9) | st.none(),
        st.dates(dt.date(1, 1, 1)) | st.none(),
        st.datetimes(dt.datetime(1, 1, 2), dt.datetime(9999, 12, 30), timezones=st.just(dt.UTC))  # noqa: DTZ001 - bounds
        | st.none(),
        st.booleans() | st.none(),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_every_table_comes_back(rows: list[tuple[Any, ...]]) -> None:
    """Whatever stands in a table is read back from every form by somebody else's reader."""
    columns = [
        pa.array(column, kind.type)
        for column, kind in zip(zip(*rows, strict=True), KINDS, strict=True)
    ]
    table = pa.Table.from_arrays(columns, schema=KINDS)
    names = KINDS.names
    found = {
        form: parsed(written("select * from t", form, SCHEMA, table=table), form)
        for form in ("ndjson", "csv", "tsv", "xlsx", "xml", "parquet", "arrow")
    }
    for form in ("parquet", "arrow"):
        assert [tuple(row.values()) for row in found[form]] == rows
    texts = [[text_of(value) for value in row] for row in rows]
    assert found["csv"] == [["" if text is None else text for text in row] for row in texts]
    assert found["tsv"] == found["csv"]
    for number, row in enumerate(rows):
        told = texts[number]
        line = found["ndjson"][number]
        assert list(line) == names
        assert (line["文字"], line["whole"], line["flag"]) == (row[0], row[1], row[5])
        assert line["exact"] == row[2]
        assert [line["day"], line["moment"]] == told[3:5]
        shown = {
            name: pictured(text) for name, text in zip(names, told, strict=True) if text is not None
        }
        assert found["xml"][number] == shown
        in_sheet(found["xlsx"][number], row, told)


def text_of(value: Any) -> str | None:
    """Text of a value as CSV has it."""
    if isinstance(value, dt.datetime):
        local = value.astimezone(ZONE)
        return local.isoformat()
    if isinstance(value, Decimal):
        return f"{value:.9f}"
    if isinstance(value, bool):
        return str(value).lower()
    return None if value is None else str(value)


def pictured(text: str) -> str:
    """Text as XML can tell it."""
    shown = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", lambda m: chr(0x2400 + ord(m[0])), text)
    return re.sub("[\ufffe\uffff]", "\ufffd", shown)


def in_sheet(cells: list[Any], row: tuple[Any, ...], told: list[str | None]) -> None:
    """Check cells of a workbook: values where Excel holds them exactly, else their texts."""
    text = re.sub("[\ufffe\uffff]", "\ufffd", row[0]) if row[0] else None
    assert unescaped(cells[0] or "") == (text or "")
    for place in (1, 2):
        cell = cells[place]
        if row[place] is None:
            assert cell is None
        elif isinstance(cell, str):
            assert cell == told[place]
        else:
            assert Decimal(repr(cell)) == row[place]
    if row[3] is not None:
        held = cells[3].date() if isinstance(cells[3], dt.datetime) else cells[3]
        assert held in (row[3], told[3])
        assert isinstance(cells[3], dt.datetime) == (row[3] >= dt.date(1900, 3, 1))
    assert cells[5] is row[5]


def unescaped(text: str) -> str:
    """Text of a cell without the escapes of ECMA-376 (22.9.2.19)."""
    return re.sub("_x([0-9A-Fa-f]{4})_", lambda found: chr(int(found[1], 16)), text)


def test_csv_tells_nothing_from_an_empty_text() -> None:
    """NULL is an empty cell, an empty text is quoted; a line is never blank."""
    sql = "select * from (values (null, ''), ('a', null)) t(a, \"b,c\")"
    assert written(sql, "csv") == b'a,"b,c"\n,""\na,\n'
    assert written("select * from (values (null), ('a')) t(x)", "csv") == b'x\n""\na\n'
    assert written(sql, "tsv") == b'a\tb,c\n\t""\na\t\n'


def test_xml_names() -> None:
    """A name that XML has not is an attribute; Chinese ones are names."""
    sql = """select 1 as "编码", 2 as "a b", 3 as "1<", 4 as field, 5 as xmlish, null as gone"""
    assert written(sql, "xml").decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>\n<rows title="表&lt;1&gt;">\n'
        '<row><编码>1</编码><field name="a b">2</field><field name="1&lt;">3</field>'
        '<field name="field">4</field><field name="xmlish">5</field></row>\n</rows>\n'
    )


def test_what_does_not_fit_a_sheet_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text too long, too many rows: an error that says so, never a cut."""
    with pytest.raises(FormUnfit, match="32,767 characters in a cell"):
        written("select repeat('长', 32768) as x", "xlsx")
    assert cells(written("select repeat('长', 32767) as x", "xlsx"))[1] == ["长" * 32767]
    monkeypatch.setattr(sheets, "ROWS", 10)
    assert len(cells(written("from range(10)", "xlsx"))) == 11
    with pytest.raises(FormUnfit, match="10 rows"):
        written("from range(11)", "xlsx")


POINT = {"type": "Point", "coordinates": [111.25, 30.5]}
SHAPE = '{"type": "Point", "coordinates": [111.25, 30.5]}'


@pytest.mark.parametrize(
    ("cell", "kind", "shape"),
    [
        ("'111.25, 30.5'", {"type": "geopoint"}, "default"),
        ("'[111.25, 30.5]'", {"type": "geopoint", "format": "array"}, "array"),
        ('\'{"lon": 111.25, "lat": 30.5}\'', {"type": "geopoint", "format": "object"}, "object"),
        (f"'{SHAPE}'", {"type": "geojson"}, "geometry"),
        (f'\'{{"type": "Feature", "geometry": {SHAPE}}}\'', {"type": "geojson"}, "feature"),
    ],
    ids=["default", "array", "object", "geometry", "feature"],
)
def test_places_of_every_kind(cell: str, kind: Json, shape: str) -> None:
    """Geopoints in all three formats and GeoJSON become geometries; NULL has none."""
    schema = {"fields": [{"name": "p"} | kind]}
    sql = f"select 1 as n, {cell} as p union all select 2, null"
    first, second = parsed(written(sql, "geojson", schema), "geojson")
    assert first["geometry"] == POINT, shape
    assert second["geometry"] is None
    assert first["properties"]["n"] == 1
    assert ("p" in first["properties"]) == (kind["type"] == "geopoint")


@pytest.mark.parametrize("names", [("lon", "lat"), ("LNG", "Lat"), ("经度", "纬度")])
def test_pairs_of_coordinates(names: tuple[str, str]) -> None:
    """Numbers named as coordinates are a point; what is nowhere on Earth is none."""
    lon, lat = names
    sql = f'select * from (values (111.25, 30.5), (30.5, 111.25), (null, 30)) t("{lon}", "{lat}")'
    found = parsed(written(sql, "geojson", crs="WGS84"), "geojson")
    assert [feature["geometry"] for feature in found] == [POINT, None, None]


def test_no_geometry_is_told() -> None:
    """Texts called lon and lat, or a shifted system, are no places for GeoJSON."""
    texts = [Column(name="lon", kind="VARCHAR"), Column(name="lat", kind="VARCHAR")]
    assert geometry_of(texts) is None
    numbers = [Column(name="lon", kind="DOUBLE"), Column(name="lat", kind="DOUBLE")]
    assert geometry_of(numbers, "CGCS2000") is not None
    assert geometry_of(numbers, "GCJ02") is None
    with pytest.raises(FormUnfit, match="no geometry"):
        written("select 1 as a", "geojson")
