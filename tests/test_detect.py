"""Stage detect: what a file is, what is doubtful about it, and what is refused."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import zlib
from decimal import Decimal
from pathlib import Path

import corpus
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datahub.errors import FileError
from datahub.model import Table
from datahub.validation.reading import Slot
from datahub.validation.screening import screen
from datahub.validation.sniff import Probe, sniff

PLAIN = {"fields": [{"name": "id", "type": "integer"}, {"name": "name", "type": "string"}]}
GOOD = "id,name\n1,宜昌市西陵区\n2,东山大道\n3,伍家岗区\n"
MIB = 1 << 20


@pytest.fixture
def look(tmp_path):
    """Detect a file of these bytes."""

    def found(data: bytes, name: str = "a.csv", schema: dict = PLAIN, **more: object) -> Table:
        source = tmp_path / "source"
        source.write_bytes(data)
        copy = str(tmp_path / "copy.csv")
        return sniff(
            Probe(
                path=str(source),
                name=name,
                bytes=len(data),
                sha256="",
                schema=schema,
                copy=copy,
                **more,
            )
        )

    return found


@pytest.fixture
def refused(look):
    """Code and facts with which a file of these bytes is refused."""

    def found(*args: object, **more: object) -> tuple[str, dict]:
        with pytest.raises(FileError) as caught:
            look(*args, **more)
        told = caught.value
        assert "…" not in told.text_zh.replace(" …", ""), told.text_zh
        assert told.text_en
        return told.code, told.facts

    return found


def rows(table: Table) -> list[list[str]]:
    """Records from the header on."""
    with Path(table.path).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter=table.dialect.delimiter))[
            table.dialect.header_row - 1 :
        ]


def codes(table: Table) -> list[str]:
    """Codes of the notices."""
    return [notice.code for notice in table.notices]


# The corpus -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scored(samples):
    """Score of the whole corpus."""
    if not corpus.SHARED.exists():
        pytest.skip("the folder ../shared/data is not here")
    return corpus.score(corpus.Maker(corpus.sources(samples), 1).all())


def test_precision_of_every_claim(scored):
    """Of two hundred files and more, what is claimed of each is true, kind by kind."""
    print(corpus.report(scored))
    assert sum(scored.files.values()) >= 200
    assert {c: scored.precision(c) for c in scored.claims if scored.precision(c) < 0.97} == {}
    assert {c: scored.recall(c) for c in scored.claims if scored.recall(c) < 0.9} == {}


def test_no_wrong_guess_is_silent(scored):
    """No file of the corpus is read as something else without a notice or an error."""
    assert scored.silent == []


# Encodings --------------------------------------------------------------------------------------


def test_ambiguity_shows_both_readings(look):
    """A short text that reads in two encodings is told with a sample of each."""
    (notice,) = look("id,name\n1,路\n".encode("gb18030")).notices
    assert (notice.code, notice.severity) == ("D02", "warn")
    assert "路" in notice.zh
    assert "·" in notice.zh
    assert "charset" in notice.en


def test_a_declared_charset_ends_the_doubt(look):
    """The owner's word decides between two plausible encodings, without a notice."""
    table = look("id,name\n1,路\n".encode("gb18030"), charset="gb18030")
    assert (rows(table)[1], table.notices) == (["1", "路"], ())


def test_big5_is_read(look):
    """Traditional text in Big5 arrives in its own characters."""
    table = look("id,name\n1,臺北市中正區重慶南路\n2,高雄縣鳳山鎮\n".encode("big5"))
    assert (table.encoding, rows(table)[2]) == ("big5", ["2", "高雄縣鳳山鎮"])


def test_two_encodings_in_one_file(refused):
    """A file that changes its encoding on the way is refused with the line of the change."""
    data = b"id,name\n1,a\n" + "2,宜昌市西陵区伍家岗区\n".encode("gb18030") * 40
    code, facts = refused(data + "3,点军区猇亭区夷陵区\n".encode() + "4,东山\n".encode("gb18030"))
    assert code in ("encoding-unclear", "encoding-unknown")
    assert "43" in str(facts) or facts.get("line") == 3


def test_late_characters_count(look):
    """Bytes beyond ASCII that first come after megabytes of ASCII decide all the same."""
    data = b"id,name\n" + b"1,a\n" * 600_000 + "2,宜昌市西陵区东山大道\n".encode("gb18030") * 3
    assert look(data).encoding == "gb18030"


def test_chinese_all_over_a_large_file(look):
    """Samples from the middle of a file are whole characters: nothing foreign is seen in them."""
    data = (
        b"id,name\n" + "7,西陵区第9小学，宜昌市西陵区东山大道附3号，是\n".encode("gb18030") * 60_000
    )
    table = look(data)
    assert (table.encoding, table.notices) == ("gb18030", ())


# CSV --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("row", [2, 3, 400])
def test_open_quote_names_its_row(refused, row, end):
    """A quote that is never closed is refused with the row and the line where it opens."""
    lines = ['"id",name', *(f'{n},"a{end}b"' for n in range(1, 600))]
    lines[row - 1] = f'{row},"open'
    code, facts = refused(end.join([*lines[:row], *(f"{n},x" for n in range(600)), ""]).encode())
    assert (code, facts["row"], facts["line"]) == ("quote-open", row, 2 * row - 2)


def test_an_inch_mark_is_no_open_quote(look):
    """A quotation mark within an unquoted cell opens nothing."""
    assert rows(look(b'id,name\n1,5" pipe\n2,b\n'))[1:] == [["1", '5" pipe'], ["2", "b"]]


def test_apostrophes_are_no_quotes(look):
    """An apostrophe at the start of a cell does not become the quote of a file that has others."""
    table = look(b'id,name\n1,"a,b"\n2,\'tis\n')
    assert (table.dialect.quote_char, rows(table)[2]) == ('"', ["2", "'tis"])


def test_backslash_escapes_are_told(look):
    """Quotes escaped by a backslash are no CSV: a notice counts them."""
    notices = look(b'id,name\n1,"a \\"b\\" c"\n').notices
    assert [(n.code, n.count) for n in notices] == [("D05", 2)]


def test_swallowed_rows_are_found(look):
    """A quote that opens in one row and closes in a later one is a finding with its row."""
    schema = {"fields": [{"name": n} for n in "abcd"]}
    table = look(b'a,b,c,d\n1,2,3,4\n1,2,3,"x\n5,6,7,8\n9,9,9,y"\n1,2,3,4\n', schema=schema)
    found = screen((Slot(name="t", schema=schema, tables=(table,)),))
    assert [(f.rule, f.rows, f.field) for f in found if f.rule == "Q17"] == [("Q17", (3,), "d")]


# Workbooks --------------------------------------------------------------------------------------

SHEETS = corpus.BOOKS
HEAD = [["id", "name"], ["1", "宜昌"], ["2", "东山"]]


@pytest.mark.parametrize("kind", SHEETS)
def test_two_equal_sheets_are_not_guessed(refused, kind):
    """Two visible sheets with the header and data are refused, both named."""
    data = SHEETS[kind]([("甲", HEAD, False, []), ("乙", HEAD, False, [])])
    assert refused(data, f"a.{kind}") == ("table-unclear", {"file": f"a.{kind}", "found": "甲、乙"})


@pytest.mark.parametrize("kind", SHEETS)
def test_an_empty_twin_is_told(look, kind):
    """Of two sheets with the header the one with data is taken, and the other is named."""
    table = look(
        SHEETS[kind]([("模板", HEAD[:1], False, []), ("乙", HEAD, False, [])]), f"a.{kind}"
    )
    assert (table.sheet, codes(table), rows(table)) == ("乙", ["D11"], HEAD)
    assert "模板" in table.notices[0].zh


@pytest.mark.parametrize("kind", SHEETS)
def test_a_header_only_in_a_hidden_sheet(refused, kind):
    """A hidden sheet is never read; that it has the header is told."""
    data = SHEETS[kind]([("封面", [["说明"]], False, []), ("藏", HEAD, True, [])])
    code, facts = refused(data, f"a.{kind}")
    assert code == "header-missing"
    assert "藏" in facts["found"]


@pytest.mark.parametrize(("kind", "place"), [("xlsx", "B2:B3"), ("xls", "B2:B3"), ("ods", "")])
def test_merged_cells_are_placed(look, kind, place):
    """Merged cells among the data are told with their place; a merged title is fine."""
    (notice,) = look(
        SHEETS[kind]([("表", [HEAD[0], HEAD[1], ["2", ""]], False, [(1, 2, 1, 1)])]), f"a.{kind}"
    ).notices
    assert (notice.code, notice.count) == ("D14", 1)
    assert place in notice.zh


def test_cut_workbooks_are_refused(refused):
    """An .xls or .xlsx that was cut off is a damaged workbook."""
    big = [*HEAD, *([str(n), "x" * 40] for n in range(900))]
    for kind in ("xls", "xlsx"):
        data = SHEETS[kind]([("表", big, False, [])])
        assert refused(data[: len(data) // 2], f"a.{kind}")[0] == "file-unreadable"


# JSON -------------------------------------------------------------------------------------------


def test_json_keeps_digits_and_nests(look):
    """Numbers keep their digits, nested values are JSON text, null is empty, keys are united."""
    data = '[{"id":1,"name":1.10},{"name":null,"id":123456789012345678},{"id":3,"x":{"a":[1.0,true,"宜"]}}]'
    assert rows(look(data.encode(), "a.json")) == [
        ["id", "name", "x"], ["1", "1.10", ""], ["123456789012345678", "", ""], ["3", "", '{"a":[1.0,true,"宜"]}'],
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        '[{"id":1,"name":"a"}]', '{"data":[{"id":1,"name":"a"}]}', '[["id","name"],[1,"a"]]',
        '{"code":0,"data":{"list":[{"id":1,"name":"a"}],"tags":["x"]}}', '{"id":1,"name":"a"}\n',
        '\n {"id":1,"name":"a"}\n\n', '[["名录"],["id","name"],[1,"a"]]',
    ],
)  # fmt: skip
def test_json_shapes(look, text):
    """Arrays of objects and of arrays, envelopes and single lines are the same table."""
    assert rows(look(text.encode(), "a.json")) == [["id", "name"], ["1", "a"]]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('[{"id":1,"name":"a"},{"id":', "format-broken"),
        ('[{"id":1,"id":2}]', "format-broken"),
        ('[{"id":1},[2]]', "format-broken"),
        ('[{"id":1}] x', "format-broken"),
        ('[{"id":1,"name":"\\ud800"}]', "format-broken"),
        ("[" * 100_000, "format-broken"),
        ('{"a":[{"id":1}],"b":[{"id":1}]}', "table-unclear"),
        ('[{"编号":1}]', "header-missing"),
        ("[1,2,3]", "header-missing"),
    ],
)  # fmt: skip
def test_json_that_is_refused(refused, text, code):
    """What is cut off, doubled, mixed, too deep or no table has its own error."""
    assert refused(text.encode(), "a.json")[0] == code


def test_json_key_that_nobody_has(look):
    """A field that no record has is an empty column and a notice."""
    table = look(b'[{"id":1},{"id":2}]', "a.json")
    assert [(n.code, n.field, n.count) for n in table.notices] == [("D21", "name", 2)]


def test_json_larger_than_its_pieces(look):
    """An array of several megabytes is read whole, in pieces."""
    records = [{"id": n, "name": f"路灯{n}" * 5} for n in range(60_000)]
    found = rows(look(json.dumps(records, ensure_ascii=False).encode(), "a.json"))
    assert len(found) == 60_001
    assert found[-1] == ["59999", "路灯59999" * 5]


# Archives and Parquet ---------------------------------------------------------------------------


def test_gzip_and_zip_with_one_table(look):
    """A table in an archive is read as itself; beside it a read-me does not matter."""
    packed = gzip.compress(GOOD.encode("gb18030"), mtime=0)
    zipped = corpus.to_zip({"数据/表.csv": GOOD, "说明.txt": "x", "__MACOSX/._表.csv": b"\0"})
    for table in (look(packed, "a.csv.gz"), look(zipped, "a.zip")):
        assert (table.copied, rows(table)[1]) == (True, ["1", "宜昌市西陵区"])


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"a.csv": GOOD, "b.csv": GOOD}, "table-unclear"),
        ({"a.zip": b"PK"}, "archive-unfit"),
        ({"a.csv": corpus.to_zip({"b.csv": GOOD})}, "archive-unfit"),
        ({"a.csv": gzip.compress(GOOD.encode(), mtime=0)}, "archive-unfit"),
        ({"a.pdf": b"%PDF"}, "archive-unfit"),
        ({}, "archive-unfit"),
    ],
)
def test_zip_that_is_refused(refused, members, code):
    """Several tables, none, or an archive within are refused."""
    assert refused(corpus.to_zip(members), "a.zip")[0] == code


def test_bombs_are_refused_by_what_comes_out(refused):
    """Gzip, ZIP and Parquet that unfold to far more than they are get refused on the way."""
    pressed = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(pressed.compress(b"a,b\n" * (MIB // 4)) for _ in range(80)) + pressed.flush()
    assert refused(bomb, "a.csv.gz")[0] == "archive-bomb"
    assert refused(corpus.to_zip({"a.csv": b" " * (80 * MIB)}), "a.zip")[0] == "archive-bomb"
    out = io.BytesIO()
    nulls = pa.nulls(40_000_000, pa.int64())
    pq.write_table(pa.table({"id": nulls, "name": nulls}), out)
    assert refused(out.getvalue(), "a.parquet")[0] == "archive-bomb"


def test_parquet_values_are_exact(look):
    """Decimals, nanoseconds, dates, booleans, lists and nulls arrive as the fields read them."""
    fields = [
        ("id", "integer"),
        ("d", "number"),
        ("t", "datetime"),
        ("y", "date"),
        ("b", "boolean"),
        ("l", "array"),
    ]
    stamp = pa.array([1767225600_000000001, None], pa.timestamp("ns"))
    table = pa.table({
        "id": [2**62, None], "d": [Decimal("1.10"), None], "t": stamp, "y": [dt.date(2026, 1, 2), None],
        "b": [True, None], "l": [[1, 2], None],
    })  # fmt: skip
    out = io.BytesIO()
    pq.write_table(table, out)
    schema = {"fields": [{"name": n, "type": k} for n, k in fields]}
    assert rows(look(out.getvalue(), "a.parquet", schema))[1:] == [
        [str(2**62), "1.10", "2026-01-01T00:00:00.000000001", "2026-01-02", "true", "[1,2]"], [""] * 6,
    ]  # fmt: skip


# What is refused --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "name", "code"),
    [
        (b"id,name\n1,a\0b\n", "a.csv", "nul-found"),
        (b"id,name\n" + b"1,a\n" * 40_000 + b"2,\0\n", "a.csv", "nul-found"),
        (b"id,name" + b"," * 20_000 + b"\n1,a\n", "a.csv", "columns-too-many"),
        (b"id,name\n1,a\n" + b"1," * 500_000 + b"\n", "a.csv", "columns-too-many"),
        (GOOD.encode(), "a.parquet", "format-mismatch"),
        (GOOD.encode(), "a.xls", "format-mismatch"),
        (gzip.compress(GOOD.encode(), mtime=0), "a.csv", "format-mismatch"),
        (gzip.compress(GOOD.encode(), mtime=0)[:-12], "a.csv.gz", "file-unreadable"),
        (corpus.to_parquet(HEAD)[:-6], "a.parquet", "format-broken"),
        (corpus.to_parquet(HEAD)[:40] + corpus.to_parquet(HEAD)[60:], "a.parquet", "format-broken"),
        (b"<html><table><tr><td>id</td></tr></table>", "a.xls", "format-mismatch"),
    ],
)  # fmt: skip
def test_bad_bytes(refused, data, name, code):
    """NUL, endless rows, lying names and cut files each have an error that says so."""
    assert refused(data, name)[0] == code


def test_a_wrong_but_readable_name_is_told(look):
    """A workbook named .xls and JSON named .csv are read as what they are, with a notice."""
    book = SHEETS["xlsx"]([("表", HEAD, False, [])])
    assert codes(look(book, "a.xls")) == ["D01"]
    assert codes(look(b'[{"id":1,"name":"a"}]', "a.csv")) == ["D01"]


# Damage -----------------------------------------------------------------------------------------

FIELDS = {
    "fields": [
        {"name": "id", "type": "integer"},
        {"name": "name", "type": "string"},
        {"name": "n", "type": "number"},
        {"name": "code", "type": "string", "constraints": {"pattern": r"\d{6}"}},
    ]
}


@pytest.mark.parametrize(
    ("row", "code", "column"),
    [
        ("1,宜\ufffd市,1,420502", "Q13", "name"),
        ("1,锟斤拷锟斤拷,1,420502", "Q13", "name"),
        ("1,å®œæ˜Œå¸‚,1,420502", "Q13", "name"),
        ("1,瀹滄槍甯傝タ闄靛尯,1,420502", "Q13", "name"),
        ("1,a,1,4.2E+17", "Q14", "code"),
        ('1,a,"1,234",420502', "Q18", "n"),
        ("1,a,１２,420502", "Q19", "n"),
        ("1,a,1,４２０５０２", "Q19", "code"),
        ("1,a,1,10100", "Q20", "code"),
    ],
)  # fmt: skip
def test_damage_is_told_by_row(look, row, code, column):
    """Each kind of damage is a notice with field, count, rows below titles and ragged rows."""
    text = f'"名\n录"\nid,name,n,code\n7,好,1,420502\n7,x\n\n{row}\n{row}\n'
    (notice,) = look(text.encode(), schema=FIELDS).notices
    assert (notice.code, notice.field, notice.count, notice.rows) == (code, column, 2, (6, 7))


@pytest.mark.parametrize(
    "row", ["1,瑾瑜路１号楼,1.5,420502", "1,café naïve,1e3,420502", "1,濮阳街道洹北,1,420502", '1,"1,234",1,420502']
)  # fmt: skip
def test_what_is_no_damage(look, row):
    """Rare names, accents, exponents of numbers and lists in text are left alone."""
    assert look(f"id,name,n,code\n{row}\n".encode(), schema=FIELDS).notices == ()


def test_a_sample_never_shows_a_long_number(look):
    """A full-width telephone number in a notice is masked."""
    (notice,) = look("id,name\n1,１３８１２３４５６７８\n".encode()).notices
    assert "３４５６" not in notice.sample + notice.zh


def test_notices_become_findings(look):
    """Stage screen tells what stage detect noticed, once."""
    table = look("id,name\n1,宜\ufffd市\n2,b\n".encode())
    found = screen((Slot(name="t", schema=PLAIN, tables=(table,)),))
    assert [(f.rule, f.severity, f.rows) for f in found if f.rule != "Q08"] == [
        ("Q13", "warn", (2,))
    ]


def test_rounded_codes_are_found(look):
    """Codes of which only fifteen digits are left are a finding, a single one is not."""
    many = "id,name\n" + "".join(f"{n},4205021990{n:05d}000\n" for n in range(10, 40))
    one = "id,name\n1,420502199001011000\n2,420502199001011235\n3,420502199001011236\n"
    for text, told in ((many, 30), (one, 0)):
        found = screen((Slot(name="t", schema=PLAIN, tables=(look(text.encode()),)),))
        assert sum(f.count for f in found if f.rule == "Q14") == told
