"""Files become tables, verdicts and typed columns: sniff, judge, write, export, in process."""

from __future__ import annotations

import csv
import datetime as dt
import io
import os
import shutil
from decimal import Decimal
from pathlib import Path

import frictionless
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
from frictionless import formats
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datahub.errors import DatahubError
from datahub.guard.child import Limits
from datahub.guard.process import run
from datahub.model import Dialect, Table
from datahub.validation import validate
from datahub.validation.export import Export, export
from datahub.validation.judge import Job, Slot, judge
from datahub.validation.sniff import Probe, sniff
from datahub.validation.writing import write_typed

TEXT = "id,name\n1,宜昌\n2,东山\n"
PLAIN = {"fields": [{"name": "id", "type": "integer"}, {"name": "name", "type": "string"}]}


def schema(*fields: dict, **more: object) -> dict:
    """Table schema of these fields."""
    return {"fields": list(fields), **more}


def probe(folder: Path, data: bytes, table_schema: dict = PLAIN, **more: object) -> Probe:
    """Write a file and describe it as stage detect does."""
    source = folder / "source"
    source.write_bytes(data)
    return Probe(
        path=str(source), name=more.pop("name", "a.csv"), bytes=len(data), sha256="0" * 64,
        schema=table_schema, copy=str(folder / "copy.csv"), **more,
    )  # fmt: skip


def rows_of(table: Table, table_schema: dict) -> list[dict]:
    """Typed rows of a table."""
    path = Path(table.path).with_suffix(".typed")
    write_typed(path, table_schema, (table,))
    return pq.ParquetFile(path).read().to_pylist()


def workbook(folder: Path, fill) -> bytes:
    """Bytes of a workbook that `fill` writes in."""
    path = folder / "made.xlsx"
    with xlsxwriter.Workbook(path) as book:
        fill(book)
    return path.read_bytes()


def sheet_of(folder: Path, rows: list[list], *, name: str = "Sheet1", before=None) -> bytes:
    """Bytes of a workbook with one sheet of these rows."""

    def fill(book) -> None:
        if before is not None:
            before(book)
        date, stamp = (
            book.add_format({"num_format": f}) for f in ("yyyy-mm-dd", "yyyy-mm-dd hh:mm")
        )
        sheet = book.add_worksheet(name)
        for number, row in enumerate(rows):
            for column, cell in enumerate(row):
                shape = stamp if isinstance(cell, dt.datetime) else date
                sheet.write(number, column, cell, shape if isinstance(cell, dt.date) else None)

    return workbook(folder, fill)


# Encodings --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "encoding", "copied"),
    [
        (TEXT.encode(), "utf-8", False),
        (TEXT.encode("utf-8-sig"), "utf-8", True),
        (TEXT.encode("gb18030"), "gb18030", True),
        (b"\xff\xfe" + TEXT.encode("utf-16-le"), "utf-16", True),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "utf-16", True),
        (TEXT.encode("utf-16-le"), "utf-16-le", True),
        (TEXT.encode("utf-16-be"), "utf-16-be", True),
    ],
    ids=["utf8", "bom", "gb18030", "utf16le-bom", "utf16be-bom", "utf16le", "utf16be"],
)
def test_encoding_is_found(tmp_path, data, encoding, copied):
    """Each encoding is recognised without being told, and the text arrives whole."""
    table = sniff(probe(tmp_path, data))
    assert (table.encoding, table.copied) == (encoding, copied)
    assert Path(table.path).read_bytes() == TEXT.encode()


@pytest.mark.parametrize(
    ("text_encoding", "charset", "bom"),
    [
        ("utf-8", "utf-8", b""),
        ("utf-8", "utf-8", b"\xef\xbb\xbf"),
        ("gb18030", "gb18030", b""),
        ("utf-16-le", "utf-16-le", b""),
        ("utf-16-le", "utf-16-le", b"\xff\xfe"),
        ("utf-16-be", "utf-16-be", b"\xfe\xff"),
        ("utf-16-le", "utf-16", b"\xff\xfe"),
        ("utf-16-le", "utf-16", b""),
    ],
)
def test_declared_charset_that_is_right(tmp_path, text_encoding, charset, bom):
    """A right declaration gives clean text, with or without a byte order mark."""
    table = sniff(probe(tmp_path, bom + TEXT.encode(text_encoding), charset=charset))
    assert Path(table.path).read_bytes().removeprefix(b"\xef\xbb\xbf") == TEXT.encode()
    assert validate(table, PLAIN)["valid"]


@pytest.mark.parametrize(
    ("text_encoding", "charset"),
    [("gb18030", "utf-8"), ("utf-8", "gb18030"), ("utf-16", "utf-8"), ("utf-8", "utf-16")],
)
def test_declared_charset_that_is_wrong(tmp_path, text_encoding, charset):
    """A wrong declaration is refused; it never becomes broken characters in public."""
    with pytest.raises(DatahubError) as caught:
        sniff(probe(tmp_path, TEXT.encode(text_encoding), charset=charset))
    assert caught.value.code in ("encoding-unknown", "header-missing")


def test_bytes_in_no_encoding_are_named_by_place(tmp_path):
    """Undecodable bytes are told by line and byte offset."""
    with pytest.raises(DatahubError) as caught:
        sniff(probe(tmp_path, b"id,name\n1,a\n2,\xff\xfe\x80b\n"))
    assert caught.value.code == "encoding-unknown"
    assert (caught.value.facts["line"], caught.value.facts["offset"]) == (3, 14)


def test_offset_is_exact_behind_a_split_character(tmp_path):
    """The byte offset is right although a character lay across the reader's pieces."""
    head = b"id,name\n" + b"1,a\n" * 262_141 + b"1,a"  # 1 MiB less one byte
    data = head + "宜".encode() + b"\n2,\xff\n"
    with pytest.raises(DatahubError) as caught:
        sniff(probe(tmp_path, data))
    assert caught.value.facts["offset"] == data.index(b"\xff")


@pytest.mark.parametrize("data", [b"\xff\xfe", b"\xfe\xff", "\r\n\r\n".encode("utf-16")])
def test_empty_utf16_is_empty(tmp_path, data):
    """A UTF-16 file of nothing but its mark and blanks is told to be empty."""
    with pytest.raises(DatahubError) as caught:
        sniff(probe(tmp_path, data))
    assert caught.value.code == "file-empty"


@pytest.mark.parametrize("length", [150_000, 1_500_000])
def test_line_limit_holds_in_the_middle_of_a_file(tmp_path, length):
    """A line over the limit is refused wherever it stands, also between short ones."""
    data = b"id,name\n1,b\n2," + b"a" * length + b"\n3,c\n"
    with pytest.raises(DatahubError) as caught:
        sniff(probe(tmp_path, data, line_bytes=100_000))
    assert (caught.value.code, caught.value.facts["line"]) == ("line-too-long", 3)


# Dialects ---------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
@pytest.mark.parametrize("quote", ['"', "'"])
def test_delimiter_and_quote(tmp_path, delimiter, quote):
    """Every delimiter with every quote gives the same cells."""
    cell = f"{quote}a{delimiter}b{quote}"
    text = f"id{delimiter}{quote}name{quote}\n1{delimiter}{cell}\n"
    table = sniff(probe(tmp_path, text.encode()))
    assert (table.dialect.delimiter, table.dialect.quote_char) == (delimiter, quote)
    assert rows_of(table, PLAIN) == [{"id": 1, "name": f"a{delimiter}b"}]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_line_ends(tmp_path, end):
    """All three line ends give the same rows and the same row numbers of errors."""
    table = sniff(probe(tmp_path, end.join(["id,name", "1,a", "x,b", ""]).encode()))
    (error,) = validate(table, PLAIN)["tasks"][0]["errors"]
    assert (error["type"], error["rowNumber"]) == ("type-error", 3)
    good = sniff(probe(tmp_path, end.join(["id,name", "1,a", "2,b", ""]).encode()))
    assert rows_of(good, PLAIN) == [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
def test_title_rows_above_the_header(tmp_path, end):
    """Title rows, one with a line break in a cell, are passed over; row numbers count records."""
    lines = [f'"宜昌市{end}名录",', "制表：2026,", "id,name", "1,a", "x,b", ""]
    table = sniff(probe(tmp_path, end.join(lines).encode()))
    assert (table.dialect.header_row, table.dialect.header_line) == (3, 4)
    (error,) = validate(table, PLAIN)["tasks"][0]["errors"]
    assert (error["type"], error["rowNumber"]) == ("type-error", 5)
    good = sniff(probe(tmp_path, end.join([*lines[:4], "2,b", ""]).encode()))
    assert [row["name"] for row in rows_of(good, PLAIN)] == ["a", "b"]


def test_header_that_is_not_there(tmp_path):
    """A file without any expected label is told what was looked for and what stood there."""
    with pytest.raises(DatahubError) as caught:
        sniff(probe(tmp_path, "编号;名称\n1;a\n".encode()))
    assert caught.value.code == "header-missing"
    assert caught.value.facts["expected"] == "id, name"
    assert caught.value.facts["found"] == "编号;名称"


# Workbooks --------------------------------------------------------------------------------


def test_workbook_title_row(tmp_path):
    """The title row of a sheet is passed over and rows keep the sheet's own numbers."""
    data = sheet_of(tmp_path, [["名录\n2026"], ["id", "name"], [1, "a"], ["x", "b"]])
    table = sniff(probe(tmp_path, data, name="a.xlsx"))
    assert (table.format, table.sheet, table.dialect.header_row) == ("xlsx", "Sheet1", 2)
    (error,) = validate(table, PLAIN)["tasks"][0]["errors"]
    assert (error["rowNumber"], error["fieldName"]) == (4, "id")


def test_workbook_second_sheet_holds_the_table(tmp_path):
    """The sheet with the header is found behind another one."""

    def cover(book) -> None:
        book.add_worksheet("封面").write(0, 0, "说明")

    data = sheet_of(tmp_path, [["id", "name"], [1, "a"]], name="数据", before=cover)
    table = sniff(probe(tmp_path, data, name="a.xlsx"))
    assert table.sheet == "数据"
    assert rows_of(table, PLAIN) == [{"id": 1, "name": "a"}]


def test_workbook_hidden_sheet_is_ignored(tmp_path):
    """A hidden sheet is not published, although it has the header."""

    def hidden(book) -> None:
        book.add_worksheet("首页").write(0, 0, "说明")
        sheet = book.add_worksheet("隐藏")
        sheet.write_row(0, 0, ["id", "name"])
        sheet.hide()

    with pytest.raises(DatahubError) as caught:
        sniff(probe(tmp_path, workbook(tmp_path, hidden), name="a.xlsx"))
    assert caught.value.code == "header-missing"


def test_workbook_with_a_chart_sheet(tmp_path):
    """A chart on a sheet of its own does not hinder reading the table."""

    def chart(book) -> None:
        picture = book.add_chart({"type": "line"})
        picture.add_series({"values": "=Sheet1!$A$2:$A$2"})
        book.add_chartsheet("图").set_chart(picture)

    data = sheet_of(tmp_path, [["id", "name"], [1, "a"]], before=chart)
    assert sniff(probe(tmp_path, data, name="a.xlsx")).sheet == "Sheet1"


def test_workbook_cells_of_every_type(tmp_path):
    """Dates, times, whole numbers, fractions and yes-no cells arrive as the schema's types."""
    fields = [("d", "date"), ("t", "datetime"), ("i", "integer"), ("n", "number"), ("b", "boolean"), ("c", "string")]  # fmt: skip
    wanted = schema(*({"name": n, "type": k} for n, k in fields))
    row = [dt.date(2026, 3, 1), dt.datetime(2026, 3, 1, 8, 30), 7, 1.25, True, 420502]  # noqa: DTZ001
    table = sniff(probe(tmp_path, sheet_of(tmp_path, [[n for n, _ in fields], row]), wanted, name="a.xlsx"))  # fmt: skip
    assert validate(table, wanted)["valid"]
    assert rows_of(table, wanted) == [
        {"d": row[0], "t": row[1], "i": 7, "n": Decimal("1.25"), "b": True, "c": "420502"}
    ]


@pytest.mark.parametrize(
    ("field", "cell", "read"),
    [
        ({"type": "date", "format": "%Y/%m/%d"}, dt.date(2026, 3, 1), dt.date(2026, 3, 1)),
        ({"type": "boolean", "trueValues": ["是"], "falseValues": ["否"]}, True, True),
    ],
    ids=["date pattern", "boolean words"],
)
def test_workbook_real_cells_under_a_text_pattern(tmp_path, field, cell, read):
    """A real date or yes-no cell is good, whatever the pattern says about texts."""
    wanted = schema({"name": "v"} | field)
    table = sniff(probe(tmp_path, sheet_of(tmp_path, [["v"], [cell]]), wanted, name="a.xlsx"))
    assert validate(table, wanted)["valid"]
    assert rows_of(table, wanted) == [{"v": read}]


def test_workbook_blank_rows_below_and_labels_beside(tmp_path):
    """Formatted but empty rows below and columns beside the table are not data."""

    def fill(book) -> None:
        sheet, bold = book.add_worksheet(), book.add_format({"bold": True})
        sheet.write_row(0, 0, ["id", "name"])
        sheet.write_row(1, 0, [1, "a"])
        sheet.write_blank(0, 3, None, bold)
        sheet.write_blank(900, 1, None, bold)

    table = sniff(probe(tmp_path, workbook(tmp_path, fill), name="a.xlsx"))
    assert Path(table.path).read_text() == "id,name\n1,a\n"


# Reports ----------------------------------------------------------------------------------

RICH = schema(
    {"name": "id", "type": "integer", "constraints": {"required": True, "minimum": 1, "maximum": 99}},
    {"name": "kind", "constraints": {"enum": ["a", "b"]}},
    {"name": "code", "constraints": {"pattern": "[A-Z]\\d", "unique": True}},
    {"name": "day", "type": "date"},
    primaryKey=["id"],
)  # fmt: skip
HEAD = "id,kind,code,day\n"
GOOD = "1,a,A1,2026-01-01\n"
ERRORS = [
    ("type-error", HEAD + "x,a,A1,2026-01-01\n"),
    ("type-error", HEAD + GOOD + "2,a,A2,1.1.2026\n"),
    ("constraint-error", HEAD + ",a,A1,2026-01-01\n"),
    ("constraint-error", HEAD + "1,c,A1,2026-01-01\n"),
    ("constraint-error", HEAD + "1,a,a1,2026-01-01\n"),
    ("constraint-error", HEAD + "0,a,A1,2026-01-01\n"),
    ("constraint-error", HEAD + "100,a,A1,2026-01-01\n"),
    ("extra-cell", HEAD + GOOD[:-1] + ",more\n"),
    ("missing-cell", HEAD + "1,a,A1\n"),
    ("blank-row", HEAD + GOOD + "\n2,a,A2,2026-01-01\n"),
    ("blank-row", HEAD + GOOD + ",,,\n"),
    ("primary-key", HEAD + GOOD + "1,b,A2,2026-01-01\n"),
    ("unique-error", HEAD + GOOD + "2,b,A1,2026-01-01\n"),
    ("missing-label", "id,kind,code\n1,a,A1\n"),
    ("extra-label", HEAD[:-1] + ",more\n" + GOOD[:-1] + ",x\n"),
    ("incorrect-label", "id,kind,code,date\n" + GOOD),
    ("duplicate-label", "id,kind,code,code\n" + GOOD),
    ("blank-label", "id,,code,day\n" + GOOD),
]


def direct(path: Path, table_schema: dict) -> list[tuple]:
    """Errors that frictionless itself finds in a plain CSV file."""
    resource = frictionless.resources.TableResource(
        path=path.name, basepath=str(path.parent), format="csv", encoding="utf-8",
        dialect=frictionless.Dialect(controls=[formats.CsvControl(delimiter=",")]),
        schema=frictionless.Schema.from_descriptor(table_schema),
    )  # fmt: skip
    return positions(resource.validate().to_descriptor())


def positions(report: dict) -> list[tuple]:
    """Type and place of every error of a report."""
    names = ("type", "rowNumber", "fieldNumber", "fieldName", "cell", "note")
    return [tuple(e.get(n) for n in names) for t in report["tasks"] for e in t["errors"]]


@pytest.mark.parametrize(("kind", "text"), ERRORS)
def test_errors_are_those_of_frictionless(tmp_path, kind, text):
    """Types, rows, columns and notes of errors are those of frictionless on the same file."""
    table = sniff(probe(tmp_path, text.encode(), RICH))
    report = validate(table, RICH)
    assert kind in {error[0] for error in positions(report)}
    assert positions(report) == direct(Path(table.path), RICH)
    assert report["totals"]["errors"] == len(positions(report))


def slot(folder: Path, name: str, table_schema: dict, *texts: str) -> Slot:
    """Resource handed in as these files."""
    tables = []
    for number, text in enumerate(texts):
        place = folder / f"{name}-{number}"
        place.mkdir()
        tables.append(sniff(probe(place, text.encode(), table_schema, name=f"{name}-{number}.csv")))
    return Slot(name=name, schema=table_schema, tables=tuple(tables))


def judged(folder: Path, *slots: Slot) -> dict:
    """Report on these resources."""
    return judge(Job(slots=slots, folder=str(folder), errors_csv=str(folder / "errors.csv")))


def test_foreign_key_over_resources(tmp_path):
    """A key is looked up in the other resource, although that came in two files with titles."""
    key = [{"fields": ["line"], "reference": {"resource": "lines", "fields": ["id"]}}]
    lines = schema({"name": "id"}, primaryKey=["id"])
    stops = schema({"name": "stop"}, {"name": "line"}, foreignKeys=key)
    report = judged(
        tmp_path,
        slot(tmp_path, "lines", lines, "名录\nid\nL1\n", "id\nL2\n"),
        slot(tmp_path, "stops", stops, "stop,line\na,L1\nb,L2\nc,L9\n"),
    )
    (error,) = [e for task in report["tasks"] for e in task["errors"]]
    assert (error["type"], error["rowNumber"], error["fieldNames"]) == ("foreign-key", 4, ["line"])


def test_foreign_key_to_the_resource_itself_over_files(tmp_path):
    """A key into its own resource sees the rows of all its files."""
    key = [{"fields": ["up"], "reference": {"resource": "", "fields": ["id"]}}]
    units = schema({"name": "id"}, {"name": "up"}, foreignKeys=key)
    report = judged(tmp_path, slot(tmp_path, "units", units, "id,up\n1,\n", "id,up\n2,1\n"))
    assert positions(report) == []


def test_error_limit_keeps_totals_and_the_whole_list(tmp_path):
    """Of 3,000 errors a report keeps 1,000, its totals and errors.csv have all of them."""
    text = "id,name\n" + "".join(f"x{n},=1+{n}\n" for n in range(3000))
    report = judged(tmp_path, slot(tmp_path, "t", PLAIN, text))
    data = (tmp_path / "errors.csv").read_bytes()
    rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"))))
    assert len(report["tasks"][0]["errors"]) == report["stats"]["errors"] == 1000
    assert report["totals"]["errors"] == report["totals"]["types"]["type-error"] == 3000
    assert report["totals"]["rows"] == 3000
    assert data.startswith(b"\xef\xbb\xbf")
    assert (len(rows), rows[3000][2]) == (3001, "3001")


@pytest.mark.parametrize("cell", ["=1+1", "+x", "-x", "@x", "\tx", "＝1"])
def test_error_list_has_no_formula(tmp_path, cell):
    """A cell that a spreadsheet would calculate is neutralised in the list of errors."""
    judged(tmp_path, slot(tmp_path, "t", PLAIN, f'id,name\n"{cell}",a\n-5.5,b\n'))
    rows = list(csv.reader(io.StringIO((tmp_path / "errors.csv").read_text("utf-8-sig"))))
    assert [row[5] for row in rows[1:]] == ["'" + cell, "-5.5"]


def test_key_repeated_across_files(tmp_path):
    """A key of the first file is found again in the second, with that file's row number."""
    text = "名录\nid,name\n3,a\n1,b\n"
    keyed = PLAIN | {"primaryKey": "id"}
    report = judged(tmp_path, slot(tmp_path, "t", keyed, "id,name\n1,a\n2,b\n", text))
    first, second = report["tasks"]
    (error,) = second["errors"]
    assert (first["errors"], first["valid"], second["valid"]) == ([], True, False)
    assert (error["type"], error["rowNumber"], second["place"]) == ("primary-key", 4, "t-1.csv")
    assert "position 2" in error["note"]


@pytest.mark.parametrize("second", ["01", "+1", " 1", "１"])
def test_key_repeated_across_files_in_another_spelling(tmp_path, second):
    """Keys are compared as values, across files as within one."""
    keyed = PLAIN | {"primaryKey": ["id"]}
    both = judged(tmp_path, slot(tmp_path, "t", keyed, "id,name\n1,a\n", f"id,name\n{second},b\n"))
    one = judged(tmp_path, slot(tmp_path, "u", keyed, f"id,name\n1,a\n{second},b\n"))
    assert one["totals"]["types"] == {"primary-key": 1}
    assert both["totals"]["types"] == {"primary-key": 1}


def test_unique_value_repeated_across_files(tmp_path):
    """A column that must be unique is so over all files of the resource."""
    unique = schema({"name": "id", "constraints": {"unique": True}}, {"name": "name"})
    report = judged(tmp_path, slot(tmp_path, "t", unique, "id,name\n1,a\n", "id,name\n1,b\n"))
    assert report["totals"]["types"] == {"unique-error": 1}


def test_report_has_no_server_path(tmp_path):
    """The report names the file as its owner does; no folder of the server is in it."""
    report = judged(tmp_path, slot(tmp_path, "t", RICH, HEAD + "x\n"))
    assert report["tasks"][0]["place"] == "t-0.csv"
    assert str(tmp_path) not in str(report)
    assert str(tmp_path) not in (tmp_path / "errors.csv").read_text("utf-8-sig")


@pytest.mark.parametrize(
    ("field", "cell"),
    [
        ({"type": "array", "constraints": {"unique": True}}, "[1]"),
        ({"type": "number", "constraints": {"minimum": 1}}, "sNaN"),
        ({"type": "datetime", "constraints": {"minimum": "2020-01-01T00:00:00"}}, "2021-01-01T00:00:00Z"),
        ({"constraints": {"pattern": "("}}, "a"),
    ],
    ids=["unhashable", "snan", "aware-naive", "bad-regex"],
)  # fmt: skip
def test_what_frictionless_chokes_on_is_an_error_of_the_table(tmp_path, field, cell):
    """Where frictionless itself raises, the report has one error that names the reason."""
    wanted = schema({"name": "v"} | field, {"name": "w"})
    given = slot(tmp_path, "t", wanted, f"v,w\n{cell},1\n{cell},2\n")
    job = Job(slots=(given,), folder=str(tmp_path), errors_csv=str(tmp_path / "errors.csv"))
    report = run(
        "datahub.validation.judge:judge",
        job,
        returns=dict,
        limits=Limits(4 << 30, 60),
        folder=tmp_path,
    )
    assert (report["valid"], report["totals"]["types"]) == (False, {"check-error": 1})
    assert str(tmp_path) not in str(report)


# Typed columns ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "cells", "kind", "values"),
    [
        ({"type": "number"}, ["1.10", "-0.005", "1e2"], pa.decimal128(18, 3), ["1.10", "-0.005", "100"]),
        ({"type": "number"}, ["12345678901234567890.123456789", "0.1"], None, ["12345678901234567890.123456789", "0.1"]),
        ({"type": "number", "groupChar": ","}, ["1,234.5", "6"], None, ["1234.5", "6"]),
        ({"type": "number", "bareNumber": False}, ["10%", "￥7"], None, ["10", "7"]),
        ({"type": "integer"}, ["9223372036854775807", "-7"], pa.int64(), [9223372036854775807, -7]),
        ({"type": "integer"}, ["1" * 30, "2"], pa.decimal128(38, 0), [int("1" * 30), 2]),
        ({"type": "integer"}, ["-" + "1" * 38, "2"], pa.decimal128(38, 0), [-int("1" * 38), 2]),
        ({"type": "integer"}, ["1_000", "０７"], pa.int64(), [1000, 7]),
        ({"type": "date", "format": "%Y/%m/%d"}, ["2026/3/1", "2025/12/31"], pa.date32(), [dt.date(2026, 3, 1), dt.date(2025, 12, 31)]),
        ({"type": "date", "format": "%Y年%m月%d日"}, ["2026年03月01日"], pa.date32(), [dt.date(2026, 3, 1)]),
        ({"type": "time"}, ["08:30:00"], pa.time64("us"), [dt.time(8, 30)]),
        ({"type": "year"}, ["2026"], pa.int32(), [2026]),
        ({"type": "boolean", "trueValues": ["是"], "falseValues": ["否"]}, ["是", "否"], pa.bool_(), [True, False]),
        ({"type": "boolean"}, ["true", "0"], pa.bool_(), [True, False]),
        ({"type": "string"}, ["007", "420502000000000001"], pa.string(), ["007", "420502000000000001"]),
    ],
)  # fmt: skip
def test_typed_values(tmp_path, field, cells, kind, values):
    """Values are exact in their own type, and codes stay text."""
    wanted = schema({"name": "v"} | field, {"name": "w"})
    text = "v,w\n" + "".join(f'"{cell}",x\n' for cell in cells)
    table = sniff(probe(tmp_path, text.encode(), wanted))
    assert validate(table, wanted)["valid"]
    found = [row["v"] for row in rows_of(table, wanted)]
    written = pq.read_schema(Path(table.path).with_suffix(".typed"))
    assert kind is None or written.field("v").type == kind
    assert found == [Decimal(v) if field["type"] == "number" else v for v in values]


@pytest.mark.parametrize("zone", ["+08:00", "Asia/Shanghai"])
def test_zoned_times_are_one_instant(tmp_path, zone):
    """Times with and without an offset become the same instant in the column's zone."""
    wanted = schema({"name": "v", "type": "datetime", "timezone": zone}, {"name": "w"})
    cells = ["2026-01-01T08:00:00+08:00", "2026-01-01T00:00:00Z", "2026-01-01T08:00:00"]
    table = sniff(probe(tmp_path, ("v,w\n" + "".join(f"{c},x\n" for c in cells)).encode(), wanted))
    found = [row["v"].astimezone(dt.UTC) for row in rows_of(table, wanted)]
    assert found == [dt.datetime(2026, 1, 1, tzinfo=dt.UTC)] * 3


def test_offsets_without_a_column_zone_are_not_lost(tmp_path):
    """Texts with different offsets keep telling different instants apart."""
    wanted = schema({"name": "v", "type": "datetime"}, {"name": "w"})
    text = b"v,w\n2026-01-01T08:00:00+08:00,x\n2026-01-01T00:00:00Z,y\n"
    first, second = rows_of(sniff(probe(tmp_path, text, wanted)), wanted)
    assert first["v"] == second["v"]


@pytest.mark.parametrize("level", ["schema", "field"])
def test_missing_values(tmp_path, level):
    """What the schema, or a field, calls missing is null; elsewhere it is text."""
    wanted = schema({"name": "v", "type": "number"}, {"name": "w"})
    (wanted if level == "schema" else wanted["fields"][0])["missingValues"] = ["NA", ""]
    table = sniff(probe(tmp_path, b"v,w\nNA,x\n1.5,NA\n,y\n", wanted))
    found = rows_of(table, wanted)
    assert [row["v"] for row in found] == [None, Decimal("1.5"), None]
    assert found[1]["w"] == (None if level == "schema" else "NA")


@pytest.mark.parametrize("cell", ['"a""b"', 'a"b', '"a"b', '"a\nb"', '" a "', "a'b", '"a,b"'])
def test_odd_quotes_read_alike(tmp_path, cell):
    """Arrow and frictionless read oddly quoted cells alike."""
    table = sniff(probe(tmp_path, f"id,name\n1,{cell}\n2,z\n".encode()))
    assert rows_of(table, PLAIN) == reference(Path(table.path), PLAIN)


def reference(path: Path, table_schema: dict) -> list[dict]:
    """Rows as frictionless's own reader yields them."""
    resource = frictionless.resources.TableResource(
        path=path.name, basepath=str(path.parent), format="csv", encoding="utf-8",
        dialect=frictionless.Dialect(controls=[formats.CsvControl(delimiter=",")]),
        schema=frictionless.Schema.from_descriptor(table_schema),
    )  # fmt: skip
    with resource.open() as opened:
        return [row.to_dict() for row in opened.row_stream]


# Distributions ----------------------------------------------------------------------------


def exported(folder: Path, table_schema: dict, *tables: Table) -> Path:
    """Folder with the distributions of these tables."""
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    ids = {field["name"]: n for n, field in enumerate(table_schema["fields"], 1)}
    export(Export(resource="t", schema=table_schema, tables=tables, field_ids=ids, folder=str(out)))
    return out


def test_plain_file_is_copied_byte_for_byte(tmp_path):
    """A UTF-8 CSV with its header on top keeps its digest, odd spelling and all."""
    data = 'id,name\r\n 1 ,"宜""昌"\r\n'.encode()
    out = exported(tmp_path, PLAIN, sniff(probe(tmp_path, data)))
    assert (out / "t.csv").read_bytes() == data


@pytest.mark.parametrize("data", [TEXT.encode("gb18030"), f"名录\n{TEXT}".encode(), TEXT.replace(",", ";").encode()])  # fmt: skip
def test_csv_distribution_validates_alike(tmp_path, data):
    """The published CSV is UTF-8 with commas, and valid with as many rows."""
    before = sniff(probe(tmp_path, data))
    path = exported(tmp_path, PLAIN, before) / "t.csv"
    after = Table(path=str(path), name="t.csv", bytes=0, sha256="", dialect=Dialect())
    assert path.read_text() == TEXT
    assert validate(after, PLAIN)["totals"] == validate(before, PLAIN)["totals"]
    assert validate(after, PLAIN)["valid"]


def test_parquet_has_field_ids(tmp_path):
    """Every Parquet column carries its field id."""
    out = exported(tmp_path, PLAIN, sniff(probe(tmp_path, TEXT.encode())))
    found = pq.read_schema(out / "t.parquet")
    assert [f.metadata[b"PARQUET:field_id"] for f in found] == [b"1", b"2"]


CELLS = {
    "string": st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12),
    "integer": st.integers(-(10**36), 10**36).map(str) | st.sampled_from(["007", "+3", "1_000", " 5"]),
    "number": st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=6).map(str)
    | st.sampled_from([".5", "5.", "1e3", "-0", "1_0.5", "１.５"]),
    "date": st.dates(dt.date(1000, 1, 1)).map(str) | st.just("2026-1-2"),
}  # fmt: skip


@st.composite
def tables(draw) -> tuple[list[str], list[list[str]]]:
    """Types of up to four columns, and rows of texts that fit them."""
    kinds = draw(st.lists(st.sampled_from(sorted(CELLS)), min_size=1, max_size=4))
    row = st.tuples(*(st.just("") | CELLS[kind] for kind in kinds)).map(list)
    return kinds, draw(st.lists(row.filter(any), max_size=8))


@settings(
    max_examples=int(os.environ.get("DATAHUB_EXAMPLES", "60")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(tables())
def test_parquet_is_what_frictionless_reads(tmp_path, made):
    """Any valid table reads back from Parquet as frictionless's own reader yields it."""
    kinds, rows = made
    wanted = schema(*({"name": f"c{n}", "type": kind} for n, kind in enumerate(kinds)))
    path = tmp_path / "any.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([[f["name"] for f in wanted["fields"]], *rows])
    table = sniff(probe(tmp_path, path.read_bytes(), wanted, charset="utf-8"))
    if validate(table, wanted)["valid"]:
        found = pq.read_table(exported(tmp_path, wanted, table) / "t.parquet").to_pylist()
        assert [list(row.values()) for row in found] == [list(r.values()) for r in reference(path, wanted)]  # fmt: skip
