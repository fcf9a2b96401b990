"""Verdicts equal Frictionless's: seeded cases, single cells, every corner by name, planted faults.

The generator, the reference and the comparison are in differential.py; fuzz.py runs more cases.
"""

from __future__ import annotations

import random
from dataclasses import replace
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from differential import ANYTHING, KINDS, V2_SCHEMA, Case, Maker, case, check, compare, reference
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datahub.validation import columns, integrity, kernels, keys, ledger, scan, table_pass
from datahub.validation import reference as judging

CHUNKS, CASES = 20, 100


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_seeded_cases(chunk, tmp_path):
    """Random schemas over random dirty tables get the report of Frictionless, error by error."""
    seeds = range(chunk * CASES, (chunk + 1) * CASES)
    differing = [seed for seed in seeds if compare(case(seed), tmp_path)]
    assert not differing, f"seeds {differing}\n{check(differing[0], tmp_path, seconds=20)}"


def test_a_seed_gives_one_case():
    """The same seed makes the same case, whatever was made before."""
    assert [case(seed) for seed in (5, 6, 5)][::2] == [case(5), case(5)]
    assert case(5).sheet.data() == case(5).sheet.data() != case(6).sheet.data()


# Single cells ------------------------------------------------------------------------------


def one_cell(descriptor: dict, text: str, **more: object) -> Case:
    """A table whose last row holds the text, quoted.

    The rows before keep it from being the one that the engine lets Frictionless judge anyway.
    """
    field = {"name": "x", **descriptor}
    schema = {"fields": [{"name": "id", "type": "string"}, field], **more}
    quoted = text.replace('"', '""')
    data = f'id,x\n-,\n-,\n1,"{quoted}"\n'
    return Case.of(schema, data.encode("utf-8", "surrogatepass"))


def verdict(found: Case, folder) -> str:
    """What both sides say: ok, refused, or "row type" of each error; they must agree."""
    assert compare(found, folder) is None
    report = reference(found, folder, 1000)
    if report is None:
        return "refused"
    errors = [error for task in report["tasks"] for error in task["errors"]]
    return ", ".join(f"{e.get('rowNumber', '')} {e['type']}".strip() for e in errors) or "ok"


@settings(
    max_examples=250,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    seed=st.integers(0, 10_000),
    text=st.one_of(
        st.none(),
        st.sampled_from(ANYTHING),
        st.text(
            st.sampled_from("0123456789+-.eE_xX,:TZ/ \u00a0１٣−年月日nNaAiIfF\n\x00\x0b"),
            max_size=24,
        ),
        st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    ),
)
def test_single_cells(seed, text, tmp_path):
    """One cell of any type under any constraint is judged as Frictionless judges it."""
    column = Maker(seed).column("x")
    chance = random.Random(seed)
    if text is None:  # a value made for the type, with one character changed
        value = chance.choice(column.clean + column.dirty)
        place = chance.randrange(len(value) + 1)
        text = (
            value[:place]
            + chance.choice("0١ ._-+xe\n\u00a0")
            + value[place + chance.randrange(2) :]
        )
    descriptor = {key: value for key, value in column.descriptor.items() if key != "name"}
    assert compare(one_cell(descriptor, text), tmp_path) is None


BAD = "4 type-error"
OUT = "4 constraint-error"


def integer(**constraints: object) -> dict:
    """An integer field."""
    return {"type": "integer", "constraints": constraints}


def number(**constraints: object) -> dict:
    """A number field."""
    return {"type": "number", "constraints": constraints}


def string(**constraints: object) -> dict:
    """A string field."""
    return {"type": "string", "constraints": constraints}


CELLS = [
    # integers by int() of the stripped text
    (integer(), "1_000", "ok"), (integer(), "+7", "ok"), (integer(), "007", "ok"), (integer(), "１２", "ok"),
    (integer(), "\u00a012\u00a0", "ok"), (integer(), "٣", "ok"), (integer(), "3\x1f", "ok"), (integer(), "\x1c3", "ok"),
    (integer(), "1.0", BAD), (integer(), "1e5", BAD), (integer(), "0x1F", BAD), (integer(), "0X1f", BAD),
    (integer(), "−1", BAD), (integer(), "1__0", BAD), (integer(), "_1", BAD), (integer(), "1 2", BAD), (integer(), "²", BAD),
    (integer(), "1\x00", BAD), (integer(), "\ufeff1", BAD), (integer(), "9" * 4300, "ok"), (integer(), "9" * 4301, BAD),
    (integer(), "9223372036854775808", "ok"), (integer(maximum=2**63), "9223372036854775808", "ok"),
    (integer(maximum=2**63), "9223372036854775809", OUT), (integer(minimum=-(2**63)), "-9223372036854775809", OUT),
    (integer(minimum="01"), "1", "ok"), (integer(minimum="1"), "０", OUT), (integer(maximum=5), "5", "ok"),
    (integer(maximum=5), "6", OUT), (integer(enum=["1", "2"]), "01", "ok"), (integer(enum=["01"]), "+1", "ok"),
    (integer(enum=[1, "x"]), "1", "ok"), (integer(enum=["x"]), "1", OUT), (integer(enum=[1.0]), "1", "ok"),
    (integer(enum=[True]), "1", OUT), (integer(minimum=1, maximum=0), "-1", OUT),
    ({"type": "integer", "bareNumber": False}, "(5)", "ok"), ({"type": "integer", "bareNumber": False}, "10%", "ok"),
    ({"type": "integer", "bareNumber": False}, "$1,000", BAD), ({"type": "integer", "bareNumber": False}, "-€5", BAD),
    # numbers by Decimal() of the stripped text
    (number(), "1_0.5", "ok"), (number(), ".5", "ok"), (number(), "5.", "ok"), (number(), "1e3", "ok"), (number(), "NaN", "ok"),
    (number(), "sNaN", "ok"), (number(), "nan123", "ok"), (number(), "-inf", "ok"), (number(), "Infinity", "ok"),
    (number(), "１.５", "ok"), (number(), "1,000", BAD), (number(), "1٫5", BAD), (number(), "0x1F", BAD), (number(), "+-6", BAD),
    (number(), "1__0", "ok"), (number(), "infinit", BAD), (number(), "1e400", "ok"), (number(), "1e1000000000000000000", BAD),
    (number(minimum=0), "NaN", OUT), (number(minimum=0), "sNaN", "refused"), (number(minimum=0), "-inf", OUT),
    (number(maximum=1), "inf", OUT), (number(minimum="0.10"), "0.1", "ok"), (number(maximum="0.1"), "0.10000000000000000000000001", OUT),
    (number(maximum="9007199254740992"), "9007199254740993", OUT), (number(maximum="1e2"), "100.0", "ok"),
    (number(enum=["1.0"]), "1", "ok"), (number(enum=["NaN"]), "NaN", OUT), (number(maximum=0.1), "0.1", "ok"),
    ({"type": "number", "floatNumber": True}, "1e400", "ok"), ({"type": "number", "floatNumber": True}, "sNaN", BAD),
    ({"type": "number", "floatNumber": True, "constraints": {"maximum": "0.1"}}, "0.10000000000000000000000001", "ok"),
    ({"type": "number", "groupChar": ","}, "1,2,3", "ok"), ({"type": "number", "decimalChar": ","}, "1.5", BAD),
    ({"type": "number", "decimalChar": ","}, "1,5", "ok"), ({"type": "number", "groupChar": ".", "decimalChar": ","}, "1.000,5", "ok"),
    ({"type": "number", "bareNumber": False}, "$1.5", "ok"), ({"type": "number", "bareNumber": False}, "10%", "ok"),
    # booleans by membership
    ({"type": "boolean"}, "TRUE", "ok"), ({"type": "boolean"}, "tRUE", BAD), ({"type": "boolean"}, " true", BAD),
    ({"type": "boolean", "trueValues": ["x"]}, "true", BAD), ({"type": "boolean", "trueValues": ["1"], "falseValues": ["1"]}, "1", "ok"),
    ({"type": "boolean", "trueValues": ["1"], "falseValues": ["1"], "constraints": {"enum": ["1"]}}, "1", "ok"),
    ({"type": "boolean", "constraints": {"enum": [True]}}, "1", "ok"), ({"type": "boolean", "constraints": {"enum": ["true"]}}, "0", OUT),
    # dates by strptime
    ({"type": "date"}, "2020-1-1", "ok"), ({"type": "date"}, "２０２０-01-01", "ok"), ({"type": "date"}, " 2020-01-01", BAD),
    ({"type": "date"}, "2020-01-01 ", BAD), ({"type": "date"}, "0000-01-01", BAD), ({"type": "date"}, "0001-01-01", "ok"),
    ({"type": "date"}, "9999-12-31", "ok"), ({"type": "date"}, "10000-01-01", BAD), ({"type": "date"}, "2023-02-29", BAD),
    ({"type": "date"}, "1900-02-29", BAD), ({"type": "date"}, "2000-02-29", "ok"), ({"type": "date"}, "2020/01/01", BAD),
    ({"type": "date"}, "20200101", BAD), ({"type": "date"}, "2020-01-01T00:00:00", BAD), ({"type": "date"}, "2020-W01-1", BAD),
    ({"type": "date", "constraints": {"minimum": "2020-1-1"}}, "2020-01-01", "ok"),
    ({"type": "date", "constraints": {"maximum": "2020-01-01"}}, "2020-1-2", OUT),
    ({"type": "date", "constraints": {"enum": ["2020-1-1"]}}, "2020-01-01", "ok"),
    ({"type": "date", "format": "%Y/%m/%d"}, " 2020/1/1", BAD), ({"type": "date", "format": "%Y/%m/%d"}, "2020/ 1/ 1", BAD),
    ({"type": "date", "format": "%d/%m/%Y"}, "1/2/2020", "ok"), ({"type": "date", "format": "%d.%m.%y"}, "1.1.68", "ok"),
    ({"type": "date", "format": "%Y年%m月%d日"}, "2020年1月2日", "ok"), ({"type": "date", "format": "%b %d %Y"}, "JAN 1 2020", "ok"),
    ({"type": "date", "format": "%Q"}, "2020-01-01", BAD), ({"type": "date", "format": "any"}, "20200102", "ok"),
    # times
    ({"type": "datetime"}, "2020-01-01T00:00:00Z", "ok"), ({"type": "datetime"}, "2020-01-01x00:00:00", "ok"),
    ({"type": "datetime"}, "2020-01-01é00:00:00", BAD), ({"type": "datetime"}, "2020-01-01T24:00:00", "ok"),
    ({"type": "datetime"}, "2020-01-01T24:00:01", BAD), ({"type": "datetime"}, "2020-01-01T23:59:60", BAD),
    ({"type": "datetime"}, "2020-01-01T00:00:00,123", "ok"), ({"type": "datetime"}, "2020-01-01T00:00:00+08", "ok"),
    ({"type": "datetime"}, "2020-01-01T00:00", BAD), ({"type": "datetime"}, "2020-01-01T00:00+08:00", BAD),
    ({"type": "datetime"}, "2020-01-01T00:00:00.123456789", "ok"), ({"type": "datetime"}, "2020-W01-1T00:00:00", "ok"),
    ({"type": "datetime"}, "0000-01-01T00:00:00", BAD), ({"type": "datetime"}, "2020-01-01T00:00:00+24:00", BAD),
    ({"type": "datetime", "constraints": {"minimum": "2020-01-01T00:00:00"}}, "2019-12-31T24:00:00", "ok"),
    ({"type": "datetime", "constraints": {"minimum": "2020-01-01T00:00:00"}}, "2020-01-01T00:00:00Z", "refused"),
    ({"type": "datetime", "constraints": {"minimum": "2020-01-01T00:00:00Z"}}, "2020-01-01T07:59:59+08:00", OUT),
    ({"type": "time"}, "12:34:56+08:00", "ok"), ({"type": "time"}, "12:34", BAD), ({"type": "time"}, "24:00:00", "ok"),
    ({"type": "time"}, "1:02:03", BAD), ({"type": "time", "format": "%H:%M"}, "1:2", "ok"),
    # years, durations, places, JSON
    ({"type": "year"}, "+202", "ok"), ({"type": "year"}, " 202", "ok"), ({"type": "year"}, "2_02", "ok"), ({"type": "year"}, "20200", BAD),
    ({"type": "year"}, "-001", BAD), ({"type": "yearmonth"}, " 2020 - 1 ", "ok"), ({"type": "yearmonth"}, "20-1", "ok"),
    ({"type": "yearmonth"}, "99999-12", "ok"), ({"type": "yearmonth"}, "2020-13", BAD), ({"type": "duration"}, "P1Y", "ok"),
    ({"type": "duration"}, "1D", BAD), ({"type": "geopoint"}, "1e2,0", "ok"), ({"type": "geopoint"}, "181,0", BAD),
    ({"type": "geopoint", "format": "array"}, '"12"', "ok"), ({"type": "geopoint", "format": "object"}, '{"lon":1,"lat":2}', "ok"),
    ({"type": "array"}, "[NaN]", "ok"), ({"type": "array"}, "[" * 3000, BAD), ({"type": "object"}, '{"a":1,"a":2}', "ok"),
    ({"type": "array", "constraints": {"minLength": 2}}, "[1]", OUT), ({"type": "object", "constraints": {"enum": ['{"a": 1}']}}, '{"a":1}', "ok"),
    ({"type": "array", "arrayItem": {"type": "integer"}}, '["x"]', BAD), ({"type": "list", "itemType": "integer"}, "1,x", BAD),
    ({"type": "list", "itemType": "integer"}, "1, 2", "ok"), ({"type": "list", "delimiter": ""}, "a", "refused"),
    ({"type": "geojson"}, '{"type":"Point","coordinates":[1,2]}', "ok"), ({"type": "geojson"}, '{"type":"Nope"}', BAD),
    # text
    ({"type": "string", "format": "uri"}, "a:b", "ok"), ({"type": "string", "format": "uri"}, "a", BAD),
    ({"type": "string", "format": "email"}, "a@b", BAD), ({"type": "string", "format": "binary"}, "!!!!", "ok"),
    ({"type": "string", "format": "binary"}, "YQ", BAD), ({"type": "string", "format": "uuid"}, "12345678123456781234567812345678", "ok"),
    (string(maxLength=1), "𠮷", "ok"), (string(maxLength=1), "e\u0301", OUT), (string(minLength=2), "é", OUT),
    (string(minLength=2), "e\u0301", "ok"), (string(pattern="a|b"), "ax", "ok"), (string(pattern="a|b"), "xb", OUT),
    (string(pattern="a"), "a\n", "ok"), (string(pattern="a"), "a\nb", OUT), (string(pattern=r"\d+"), "１２", "ok"),
    (string(pattern=r"\w+"), "宜昌", "ok"), (string(pattern=r"\D+"), "１", OUT), (string(pattern=r"\s"), "\x0b", "ok"),
    (string(pattern=r"[^\d]+"), "１", OUT), (string(pattern=r"\W"), "é", OUT), (string(pattern=r"\bé\b"), "é", "ok"),
    (string(pattern="a{,2}"), "aa", "ok"), (string(pattern="a{,2}"), "a{,2}", OUT), (string(pattern=r"\u4e00"), "一", "ok"),
    (string(pattern=""), "a", OUT), (string(pattern="(.)\\1"), "aa", "ok"), (string(pattern="(?=a).*"), "ab", "ok"),
    (string(pattern="(?i)x"), "x", "refused"), (string(pattern="["), "x", "refused"), (string(pattern=r"\p{L}"), "x", "refused"),
    (string(pattern="a{2}{3}"), "x", "refused"), (string(pattern="[[:alpha:]]+"), "ab", OUT), (string(pattern="[[:alpha:]]+"), "a]", "ok"), (string(enum=["é"]), "e\u0301", OUT),
    (string(enum=[1]), "1", OUT), ({"type": "any", "constraints": {"enum": [1]}}, "1", OUT),
    # bounds that are none
    (integer(minimum="x"), "1", "refused"), ({"type": "date", "constraints": {"maximum": "soon"}}, "2020-01-01", "refused"),
    (integer(minimum="x"), "y", BAD), ({"type": "integer", "missingValues": ["-"], "constraints": {"required": True}}, "-", "2 type-error, 3 type-error, 4 constraint-error"),
]  # fmt: skip


@pytest.mark.parametrize("number_", range(len(CELLS)))
def test_corners_of_cells(number_, tmp_path):
    """Each cell has the verdict that is written beside it, from both sides."""
    descriptor, text, expected = CELLS[number_]
    assert verdict(one_cell(descriptor, text), tmp_path) == expected, (descriptor, text)


# Whole tables ------------------------------------------------------------------------------


def fields(*kinds: str, **more: object) -> dict:
    """A schema with fields a, b, c of these types."""
    named = [{"name": name, "type": kind} for name, kind in zip("abcdef", kinds, strict=False)]
    return {"fields": named, **more}


def unique(kind: str, **more: object) -> dict:
    """A schema of a unique field a and a string b."""
    return fields(kind, "string", **more) | {
        "fields": [
            {"name": "a", "type": kind, "constraints": {"unique": True}},
            {"name": "b", "type": "string"},
        ]
    }


def refers(kind: str, to: str, **more: object) -> dict:
    """A schema whose field a refers to r of the resource `to`."""
    key = {"fields": ["a"], "reference": {"resource": to, "fields": ["r" if to else "b"]}}
    return fields(kind, kind, foreignKeys=[key], **more)


IS = fields("integer", "string")
OTHER = {"fields": [{"name": "r", "type": "number"}]}
TEXTS = {"fields": [{"name": "r", "type": "string"}]}

TABLES = [
    ("clean", IS, b"a,b\n1,x\n2,y\n", {}, "ok"),
    ("empty file", IS, b"", {}, "source-error"),
    ("header only", IS, b"a,b\n", {}, "ok"),
    ("header without line end", IS, b"a,b", {}, "ok"),
    ("only a line end", IS, b"\n", {}, "source-error"),
    ("blank lines count", IS, b"a,b\n\n1,x\n,\ny,z\n", {}, "2 blank-row, 4 blank-row, 5 type-error"),
    ("a line of spaces is a short row", IS, b"a,b\n  \n1,x\n", {}, "2 type-error, 2 missing-cell"),
    ("blank row beats extra cells", IS, b"a,b\n,,x,y\n", {}, "2 blank-row"),
    ("an empty line is blank, missing or not", fields("integer", "string", missingValues=["-"]), b"a,b\n\n", {}, "2 blank-row"),
    ("empty cells are text where they are not missing", fields("string", "string", missingValues=[]), b"a,b\n,\n", {}, "ok"),
    ("None of a short row may be missing", fields("string", "string", missingValues=["None"]), b"a,b\nx\nNone,None\n", {}, "2 missing-cell, 3 blank-row"),
    ("missing values are exact", fields("integer", missingValues=["NA"]), b"a\nNA \n na\n", {}, "2 type-error, 3 type-error"),
    ("a row of missing values", fields("integer", "string", missingValues=["NA", "-"]), b"a,b\nNA,-\n", {}, "2 blank-row"),
    ("missing values of a field", {"fields": [{"name": "a", "type": "integer", "missingValues": ["-"]}, {"name": "b", "type": "string"}]}, b"a,b\n-,x\n,y\n", {}, "3 type-error"),
    ("objects as missing values", IS | {"$schema": V2_SCHEMA, "missingValues": [{"value": "-", "label": "none"}]}, b"a,b\n-,x\n,y\n", {}, "3 type-error"),
    ("extra and missing cells", IS, b"a,b\n1\n1,x,y\n", {}, "2 missing-cell, 3 extra-cell"),
    ("rows are records", IS, b'a,b\n1,"x\ny\n\nz"\nw,z\n', {}, "3 type-error"),
    ("CR ends lines", IS, b"a,b\r1,x\rw,y\r", {}, "3 type-error"),
    ("mixed line ends", IS, b"a,b\r\n1,x\n2,y\rw,z", {}, "4 type-error"),
    ("CR CR LF gives blank rows", IS, b"a,b\r\r\n1,x\r\r\n", {}, "2 blank-row, 4 blank-row"),
    ("NUL is text", IS, b"a,b\n1,x\x00y\n\x002,z\n", {}, "3 type-error"),
    ("NUL in the header", fields("integer", "string"), b"a,b\x00\n1,x\nw,y\n", {}, "incorrect-label, 3 type-error"),
    ("U+2028 ends no line", IS, "a,b\n1,x\u2028y\nw,z\n".encode(), {}, "3 type-error"),
    ("U+0085 ends no line", IS, "a,b\n1,x\u0085y\nw,z\n".encode(), {}, "3 type-error"),
    ("FF and VT end no line", IS, b"a,b\n1,x\x0cy\x0bz\nw,z\n", {}, "3 type-error"),
    ("BOM", IS, b"\xef\xbb\xbfa,b\n1,x\n", {}, "ok"),
    ("two BOMs", IS, b"\xef\xbb\xbf\xef\xbb\xbfa,b\n1,x\n", {}, "incorrect-label"),
    ("quoted header behind a BOM", IS, b'\xef\xbb\xbf"a","b"\n1,x\n', {}, "ok"),
    ("an open quote swallows the rest", IS, b'a,b\n1,"x\nw,y\nw,z\n', {}, "ok"),
    ("a quote inside is text", IS, b'a,b\n1,x"y\nw,z"\n', {}, "3 type-error"),
    ("text behind a quote stays", fields("string", "string"), b'a,b\n"p"q,x\n', {}, "ok"),
    ("no final line end", IS, b"a,b\n1,x\nw,y", {}, "3 type-error"),
    ("invalid utf-8", IS, b"a,b\n1,x\n2,\xff\n", {}, "encoding-error"),
    ("invalid utf-8, late", IS, b"a,b\n" + b"1,x\n" * 5000 + b"2,\xff\n", {}, "encoding-error"),
    ("gb18030", IS, "a,b\n1,宜昌\nw,𠮷\n".encode("gb18030"), {"encoding": "gb18030"}, "3 type-error"),
    ("utf-16", IS, "a,b\n1,宜昌\nw,𠮷\n".encode("utf-16"), {"encoding": "utf-16"}, "3 type-error"),
    # headers
    ("labels are trimmed", IS, b" a ,b\t\n1,x\n", {}, "ok"),
    ("labels have a case", IS, b"A,b\n1,x\n", {}, "incorrect-label"),
    ("labels without case", IS, b"A,B\n1,x\n", {"dialect": {"headerCase": False}}, "ok"),
    ("duplicate label", IS, b"a,a\n1,x\n", {}, "duplicate-label"),
    ("blank label", IS, b"a,\n1,x\n", {}, "blank-label"),
    ("extra label", IS, b"a,b,c\n1,x,y\n", {}, "extra-label"),
    ("missing label", IS, b"a\n1\nw\n", {}, "missing-label, 3 type-error"),
    ("swapped labels", IS, b"b,a\nx,1\n", {}, "incorrect-label, incorrect-label, 2 type-error"),
    ("equal takes any order", fields("integer", "string", fieldsMatch="equal"), b"b,a\nx,1\ny,w\n", {}, "3 type-error"),
    ("subset takes more labels", fields("integer", fieldsMatch="subset"), b"b,a\nx,1\ny,w\n", {}, "3 type-error"),
    ("superset takes fewer labels", fields("integer", "string", fieldsMatch="superset"), b"b\nx\n", {}, "ok"),
    ("partial wants one", fields("integer", "string", fieldsMatch="partial"), b"x\ny\n", {}, "unmatched-header"),
    ("equal refuses duplicates", fields("integer", "string", fieldsMatch="equal"), b"a,a\n1,x\n", {}, "error"),
    ("header in row 3", IS, b"t\n\na,b\n1,x\nw,y\n", {"dialect": {"headerRows": [3]}}, "5 type-error"),
    ("header in two rows", {"fields": [{"name": "a b", "type": "integer"}]}, b"a\nb\nw\n", {"dialect": {"headerRows": [1, 2]}}, "3 type-error"),
    ("no header", IS, b"1,x\nw,y\n", {"dialect": {"header": False}}, "2 type-error"),
    ("comments", IS, b"a,b\n#1,x\nw,y\n", {"dialect": {"commentChar": "#"}}, "3 type-error"),
    ("blank rows skipped", IS, b"a,b\n\nw,y\n", {"dialect": {"skipBlankRows": True}}, "3 type-error"),
    ("semicolon and apostrophe", IS, b"a;b\n1;'x;''y'\nw;z\n", {"dialect": {"csv": {"delimiter": ";", "quoteChar": "'"}}}, "3 type-error"),
    ("nothing is sniffed", fields("string"), b"a\nx;y\nz;w\n", {}, "ok"),
    ("no second look for the header", IS, b"t\na,b\n1,x\n", {}, "missing-label, incorrect-label, 2 type-error, 2 extra-cell, 3 extra-cell"),
    # keys
    ("keys are compared as values", fields("integer", "string", primaryKey="a"), b"a,b\n1,x\n01,y\n", {}, "3 primary-key"),
    ("numbers as keys", fields("number", "string", primaryKey="a"), b"a,b\n1,x\n1.0,y\n1e0,z\n", {}, "3 primary-key, 4 primary-key"),
    ("minus one is not minus two", unique("integer"), b"a,b\n-1,x\n-2,y\n", {}, "ok"),
    ("minus one spelt otherwise", unique("integer"), b"a,b\n-1,x\n-01,y\n -1,z\n", {}, "3 unique-error, 4 unique-error"),
    ("long integers spelt otherwise", unique("integer"), b"a,b\n9223372036854775807,x\n9223372036854775807 ,y\n", {}, "3 unique-error"),
    ("integers beyond doubles differ", unique("integer"), b"a,b\n9007199254740993,x\n9007199254740992,y\n", {}, "ok"),
    ("decimals beyond doubles differ", unique("number"), b"a,b\n0.1,x\n0.1000000000000000055511151231257827,y\n", {}, "ok"),
    ("zero has no sign", unique("number"), b"a,b\n0,x\n-0,y\n-0.00,z\n", {}, "3 unique-error, 4 unique-error"),
    ("NaN is not NaN", unique("number"), b"a,b\nNaN,x\nNaN,y\n", {}, "ok"),
    ("nothing is never repeated", unique("integer"), b"a,b\n,x\n,y\n", {}, "ok"),
    ("a key of nothing", fields("integer", "string", primaryKey="a"), b"a,b\n,x\n1,y\n", {}, "2 primary-key"),
    ("a key in part of nothing", fields("integer", "string", "string", primaryKey=["a", "b"]), b"a,b,c\n1,,x\n1,,y\n,,z\n", {}, "3 primary-key, 4 primary-key"),
    ("a key that is no value", fields("integer", "string", primaryKey="a"), b"a,b\nw,x\nw,y\n", {}, "2 type-error, 2 primary-key, 3 type-error, 3 primary-key"),
    ("keys far apart", fields("integer", "string", primaryKey="a"), b"a,b\n" + b"".join(b"%d,x\n" % n for n in range(900)) + b"007,y\n", {}, "902 primary-key"),
    ("keys in ragged rows count", fields("integer", "string", primaryKey="a"), b"a,b\n1\n1,x\n1,y,z\n", {}, "2 missing-cell, 3 primary-key, 4 extra-cell, 4 primary-key"),
    ("a unique array cannot be", unique("array"), b"a,b\n[1],x\n", {}, "refused"),
    ("a unique signalling NaN cannot be", unique("number"), b"a,b\nsNaN,x\n", {}, "refused"),
    ("durations as keys", unique("duration"), b"a,b\nP1D,x\nPT24H,y\nP1Y,z\nP12M,w\n", {}, "3 unique-error"),
    ("a foreign key", refers("integer", "other"), b"a,b\n1,1\n2,2\n,3\n", {"related": {"other": (OTHER, b"r\n1.0\n")}}, "3 foreign-key"),
    ("a foreign key to another type", refers("string", "other"), b"a,b\n1,1\n", {"related": {"other": (OTHER, b"r\n1\n")}}, "2 foreign-key"),
    ("a foreign key is no value", refers("integer", "other"), b"a,b\nw,1\n", {"related": {"other": (OTHER, b"r\n1\n")}}, "2 type-error"),
    ("a foreign key into nothing", refers("string", "other"), b"a,b\nx,1\n", {"related": {"other": (TEXTS, b"r\n")}}, "2 foreign-key"),
    ("a foreign key to itself", refers("integer", ""), b"a,b\n1,2\n2,01\n3,1\n", {}, "4 foreign-key"),
    ("a foreign key to nowhere", refers("integer", "nowhere"), b"a,b\n1,2\n", {}, "resource-error"),
]  # fmt: skip


@pytest.mark.parametrize("name", [row[0] for row in TABLES])
def test_corners_of_tables(name, tmp_path):
    """Each table has the verdict that is written beside it, from both sides."""
    schema, data, more, expected = next(row[1:] for row in TABLES if row[0] == name)
    found = Case.of(schema, data, limits=(1000, 0, 1, 2), **more)
    assert verdict(found, tmp_path) == expected


# What random cases found in the engine, made small.
FOUND = {
    "no comparison in a ragged row": Case.of(
        {"fields": [{"name": "a", "type": "time", "constraints": {"minimum": "10:00:00"}}, {"name": "b", "type": "string"}]},
        b"a,b\n11:00:00,x\n12:00:00,x\n11:00:00Z,x,y\n",
    ),
    "no values are true": Case.of(
        {"fields": [{"name": "a", "type": "boolean", "trueValues": [], "falseValues": [" true"]}]}, b"a\n1\n"
    ),
    "the year 0 behind a good row": Case.of(fields("datetime", "number"), b"a,b\n,\n,1\n0000-01-01T00:00:00,2\n"),
    "instants at the ends of time": Case.of(
        unique("datetime"), b"a,b\n0001-01-01T00:00:00+08:00,x\n9999-12-31T23:59:59-08:00,x\n0001-01-01T00:00:00+08:00,y\n"
    ),
    "two foreign keys to one resource": Case.of(
        fields("number", foreignKeys=[{"fields": ["a"], "reference": {"resource": "other", "fields": ["r"]}}] * 2),
        b"a\n1031.5\n1\n",
        related={"other": (OTHER | {"missingValues": ["0"]}, b'r\n1031.5,1,"x",x\n')},
    ),
    "a key in a ragged row of the other table": Case.of(
        refers("integer", "other"), b"a,b\n,1\n1010,2\n", related={"other": (OTHER, b"r\n-9223372036854775808\n1010,x\n1018\n")}
    ),
    "a foreign key to one field twice": Case.of(
        fields("integer", "integer", foreignKeys=[{"fields": ["a", "b"], "reference": {"resource": "other", "fields": ["r", "r"]}}]),
        b"a,b\n1,1\n1,2\n",
        related={"other": (OTHER, b"r\n1\n2\n")},
    ),
    "a foreign key to no field twice": Case.of(
        fields("integer", "integer", foreignKeys=[{"fields": ["a", "b"], "reference": {"resource": "other", "fields": ["q", "q"]}}]),
        b"a,b\n1,1\n,\n",
        related={"other": (OTHER, b"r\n1\n2\n")},
    ),
    "an offset of a day": Case.of(
        refers("time", "other"), b"a,b\n12:34:56+24:00,12:00:00\n", related={"other": (fields("time"), b"a\n12:34:56+24:00\n")}
    ),
    "a foreign key to itself without rows": Case.of(refers("string", ""), b'"'),
    "mark alone": Case.of(fields("string"), b"\xef\xbb\xbf"),
    "the bad byte behind the limit": Case.of(IS, b"a,b\n" + b"w,x\n" * 200 + b"2,\xff\n", limits=(1, 7, 0)),
    "all rows too short, with a key": Case.of(
        fields("integer", "string", primaryKey="a"), b"a,b,c\n" + b"".join(b"%d,x\n" % (n % 400) for n in range(900))
    ),
}  # fmt: skip


@pytest.mark.parametrize("block", [None, 20])
@pytest.mark.parametrize("name", FOUND)
def test_found_by_fuzzing(name, block, tmp_path):
    """What once differed is equal, also when few rows are read at once."""
    assert compare(replace(FOUND[name], block=block), tmp_path) is None


def test_the_kinds_are_all_types():
    """Every field type of Frictionless is generated."""
    known = {
        "any",
        "array",
        "boolean",
        "date",
        "datetime",
        "duration",
        "geojson",
        "geopoint",
        "integer",
        "list",
    }
    known |= {"number", "object", "string", "time", "year", "yearmonth"}
    assert {descriptor.get("type", "any") for _, descriptor, _ in KINDS} == known


# Planted faults ----------------------------------------------------------------------------


def _without(name: str):
    """A maker of string kernels that does not know a constraint."""

    def make(field):
        rest = {key: value for key, value in field.constraints.items() if key != name}
        return STRING(SimpleNamespace(format=field.format, constraints=rest))

    return make


def _unanchored(field):
    """A maker of string kernels whose patterns match anywhere."""
    given = dict(field.constraints)
    if "pattern" in given:
        given["pattern"] = f".*(?:{given['pattern']}).*"
    return STRING(SimpleNamespace(format=field.format, constraints=given))


def _first_check_dropped(maker):
    """A maker of kernels without the guard of the year."""

    def make(field):
        kernel = maker(field)
        del kernel._checks[:1]
        return kernel

    return make


def _changed(function, **attributes: object):
    """A constructor that sets other attributes at its end."""

    def init(self, *args, **more):
        function(self, *args, **more)
        for name, value in attributes.items():
            setattr(self, name, value)

    return init


def _on_result(function, change):
    """The function with its result changed."""
    return lambda *args, **more: change(function(*args, **more))


def _hexadecimal(present):
    """Parse integers as Arrow does, hexadecimal ones too."""
    return kernels.Caster(kernels._INTEGER)(present, pa.int64())


def _bytes(compare, limit):
    """Compare the length in bytes."""
    return lambda column: compare(pc.binary_length(column), limit)


def _doubles(field):
    """A maker of number kernels that compares doubles."""
    read = field.create_value_reader()
    bounds = {
        name: float(read(field.constraints[name]))
        for name in kernels._BOUNDS
        if name in field.constraints
    }
    checks = [
        kernels._against(kernels._BOUNDS[name], pa.scalar(bound)) for name, bound in bounds.items()
    ]
    return kernels.Kernel(kernels._parse_float(), checks)


def _swallow(*_args, **_more) -> None:
    """Do nothing."""


STRING, DATE, BOOLEAN = (kernels._MAKERS[name] for name in ("string", "date", "boolean"))
RUN, COLUMN = table_pass.TablePass, columns.Column
YES = lambda texts: pa.array([True] * len(texts))  # noqa: E731 - a mask

FAULTS = {  # what is replaced by what; a seed that catches it, where the search begins
    "integers in hexadecimal": (kernels, "_parse_integer", lambda: _hexadecimal, 938),
    "the year 0 of dates": (kernels._MAKERS, "date", _first_check_dropped(DATE), 55),
    "the year 0 of times": (kernels, "_YEAR_1", pa.scalar(-(1 << 62), pa.timestamp("us")), 348),
    "length in bytes": (kernels, "_length", _bytes, 81),
    "patterns unanchored": (kernels._MAKERS, "string", _unanchored, 205),
    "patterns ignored": (kernels._MAKERS, "string", _without("pattern"), 21),
    "every pattern for RE2": (kernels, "is_sound_pattern", lambda _: True, 845),
    "enum ignored": (kernels._MAKERS, "string", _without("enum"), 164),
    "enum of dates ignored": (kernels._KNOWN, "date", {*kernels._BOUNDS, "enum"}, 374),
    "lengths ignored": (kernels._MAKERS, "string", _without("minLength"), 81),
    "exclusive minimum is a minimum": (kernels._BOUNDS, "exclusiveMinimum", pc.greater_equal, 170),
    "exclusive maximum is a maximum": (kernels._BOUNDS, "exclusiveMaximum", pc.less_equal, 87),
    "no minimum": (kernels._BOUNDS, "minimum", lambda values, _: YES(values), 289),
    "no maximum": (kernels._BOUNDS, "maximum", lambda values, _: YES(values), 9),
    "numbers as doubles": (kernels._MAKERS, "number", _doubles, 220),
    "a kernel for every setting": (kernels, "_need", _swallow, 27),
    "false before true": (kernels._MAKERS, "boolean", lambda f: BOOLEAN(SimpleNamespace(true_values=[*f.true_values, *f.false_values, "t", "y"], false_values=[])), 150),
    "required ignored": (COLUMN, "__init__", _changed(COLUMN.__init__, _must_read_missing=False), 2),
    "no missing values": (COLUMN, "__init__", _changed(COLUMN.__init__, _missing=pa.array([], pa.string())), 64),
    "keys as they are spelt": (COLUMN, "_stand_in", lambda _, value: value if value is None or isinstance(value, str) else -1, 46),
    "keys without case": (COLUMN, "exact_key", _on_result(COLUMN.exact_key, pc.utf8_lower), 661),
    "rows shift behind ragged ones": (scan.Scan, "row", lambda self, good: self._table.dialect.header_row + 1 + good, 0),
    "empty lines unseen": (scan.Scan, "empty", frozenset(), 0),
    "blank rows unseen": (RUN, "_judge", _on_result(RUN._judge, lambda found: (found[0], None)), 0),
    "ragged rows unjudged": (RUN, "_take_ragged", _swallow, 0),
    "repeated keys unjudged": (keys.Keys, "judge_repeated", _swallow, 2),
    "blank keys unjudged": (keys.Keys, "_note_blank", _swallow, 44),
    "foreign keys not looked up": (keys.Keys, "judge_foreign", _swallow, 25),
    "no rows to refer to": (integrity.Integrity, "lookups", lambda *_: {}, 25),
    "columns in the order of names": (judging, "open_header", _on_result(judging.open_header, lambda found: replace(found, fields=sorted(found.fields, key=lambda field: field.name))), 33),
    "one fault is enough": (ledger.Ledger, "first_rows", _on_result(ledger.Ledger.first_rows, lambda rows: rows[:1]), 0),
}  # fmt: skip


def caught(name: str, seed: int, folder) -> str | None:
    """How a case differs with a fault that is planted, and only with it."""
    place, attribute, fault, _ = FAULTS[name]
    with pytest.MonkeyPatch.context() as patch:
        if isinstance(place, dict):
            patch.setitem(place, attribute, fault)
        else:
            patch.setattr(place, attribute, fault)
        difference = compare(case(seed), folder)
    return difference if difference and compare(case(seed), folder) is None else None


@pytest.mark.parametrize("name", FAULTS)
def test_planted_faults_are_caught(name, tmp_path):
    """Each unsound change of the engine makes some seeded case differ."""
    first, last = FAULTS[name][-1], CHUNKS * CASES
    seeds = (*range(first, last), *range(first))
    found = ((seed, caught(name, seed, tmp_path)) for seed in seeds)
    seed, difference = next((entry for entry in found if entry[1]), (None, None))
    print(f"{name}: seed {seed}: {difference}")
    assert seed is not None
