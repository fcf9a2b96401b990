"""Differential tests of validation: random schemas and dirty tables, judged by Frictionless and us.

    case(seed)              a schema, a table as raw bytes, a dialect: the same for the same seed
    compare(case, folder)   None when both verdicts are equal, else the first difference
    shrink(case, folder)    a smaller case that still differs
    paste(case, reason)     a named test to paste into tests/test_differential.py

The reference is built here, not through datahub: nothing of it is shared with what is tested.
"""

from __future__ import annotations

import codecs
import contextlib
import copy
import csv
import functools
import json
import os
import pprint
import random
import re
import time
import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

import frictionless
from frictionless import formats
from frictionless.resources import TableResource
from frictionless.vendors import stringcase

from datahub.validation import columns, integrity, keys, scan, validate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

stringcase.snakecase = functools.cache(stringcase.snakecase)  # a sixth of the time, on both sides

Json = dict[str, Any]

V2_SCHEMA = "https://datapackage.org/profiles/2.0/tableschema.json"
V2_RESOURCE = "https://datapackage.org/profiles/2.0/dataresource.json"
_OWN = ("tasks", "valid", "errors", "warnings", "stats")  # what a report of Frictionless has
_WHOLE = ("bytes", "md5", "sha256", "rows")  # ours are of the whole file, also in a cut run
_MISSING = object()


# Cases -------------------------------------------------------------------------------------


@dataclass
class Line:
    """One line of a file: its cells as they stand there, quotes and all."""

    cells: list[str]
    end: str = "\n"


@dataclass
class Sheet:
    """A file: lines that can be dropped one by one, or plain bytes."""

    lines: list[Line] = field(default_factory=list)
    delimiter: str = ","
    encoding: str = "utf-8"
    bom: bool = False
    raw: bytes | None = None

    def data(self) -> bytes:
        """The bytes of the file; a lone surrogate DCXX stands for the byte XX."""
        if self.raw is not None:
            return self.raw
        text = "".join(self.delimiter.join(line.cells) + line.end for line in self.lines)
        bom = codecs.BOM_UTF8 if self.bom and self.encoding == "utf-8" else b""
        return bom + _encode(text, self.encoding)


@dataclass
class Case:
    """What validate() is called with, once for every limit of errors."""

    schema: Json
    sheet: Sheet
    dialect: Json = field(default_factory=dict)
    encoding: str = "utf-8"
    related: dict[str, tuple[Json, Sheet]] = field(default_factory=dict)
    limits: tuple[int, ...] = (1000,)
    limit_rows: int | None = None
    block: int | None = None  # bytes that the engine reads at once
    seed: int | None = None

    @classmethod
    def of(cls, schema: Json, data: bytes, **more: Any) -> Case:
        """A case from plain bytes, those of related resources included."""
        related = {
            name: (other, Sheet(raw=raw)) for name, (other, raw) in more.pop("related", {}).items()
        }
        return cls(schema, Sheet(raw=data), related=related, **more)


def _encode(text: str, encoding: str) -> bytes:
    try:
        return text.encode(encoding, "surrogateescape")
    except UnicodeError:
        return "".join(map(_encodable(encoding), text)).encode(encoding)


def _encodable(encoding: str) -> Callable[[str], str]:
    def kept(char: str) -> str:
        try:
            char.encode(encoding)
        except UnicodeError:
            return "?"
        return char

    return kept


# The reference and the comparison ----------------------------------------------------------


def reference(case: Case, folder: Path, limit: int) -> Json | None:
    """The report of Frictionless, everything pinned; None when it raises something of its own."""
    try:
        resource = _resource(case, "table", case.schema, folder / "table.csv", case.dialect)
        others = [
            _resource(case, name, schema, folder / f"{name}.csv", None)
            for name, (schema, _) in case.related.items()
        ]
        if "foreignKeys" in case.schema:
            frictionless.Package(resources=[resource, *others])
        with mock.patch.object(csv.Sniffer, "sniff", side_effect=csv.Error("all is pinned")):
            report = resource.validate(limit_errors=limit, limit_rows=case.limit_rows)
        found: Json = report.to_descriptor()
    except Exception:  # noqa: BLE001 - whatever it raises
        return None
    return found


def _resource(
    case: Case, name: str, schema: Json, path: Path, dialect: Json | None
) -> TableResource:
    more = {"schema_profile": V2_RESOURCE} if "$schema" in schema else {}
    return TableResource(
        name=name,
        path=path.name,
        basepath=str(path.parent),
        scheme="file",
        format="csv",
        encoding="utf-8" if dialect is None else case.encoding,
        dialect=_dialect(dialect or {}),
        schema=frictionless.Schema.from_descriptor(copy.deepcopy(schema)),
        **more,
    )


def _dialect(said: Json) -> frictionless.Dialect:
    control = said.get("csv", {})
    return frictionless.Dialect(
        header=said.get("header", True),
        header_rows=list(said.get("headerRows", [1])),
        header_join=said.get("headerJoin", " "),
        header_case=said.get("headerCase", True),
        comment_char=said.get("commentChar"),
        comment_rows=list(said.get("commentRows", [])),
        skip_blank_rows=said.get("skipBlankRows", False),
        controls=[
            formats.CsvControl(
                delimiter=control.get("delimiter", ","),
                line_terminator=control.get("lineTerminator", "\r\n"),
                quote_char=control.get("quoteChar", '"'),
                double_quote=control.get("doubleQuote", True),
                escape_char=control.get("escapeChar"),
                skip_initial_space=control.get("skipInitialSpace", False),
            )
        ],
    )


def compare(case: Case, folder: Path) -> str | None:
    """Judge a case on both sides; None when equal, else the first difference."""
    (folder / "table.csv").write_bytes(case.sheet.data())
    for name, (_, sheet) in case.related.items():
        (folder / f"{name}.csv").write_bytes(sheet.data())
    with warnings.catch_warnings(), _blocks(case.block):
        warnings.simplefilter("ignore")
        reports = {limit: reference(case, folder, limit) for limit in case.limits}
        complete = [report for report in reports.values() if report and not _limited(report)]
        whole = complete[0] if complete else reference(case, folder, 0)
        for limit, expected in reports.items():
            difference = _compare_one(case, folder, limit, expected, whole)
            if difference:
                return f"limit_errors={limit}: {difference}"
    return None


@contextlib.contextmanager
def _blocks(size: int | None) -> Iterator[None]:
    """Let the engine read, hold back and remember little at once: blocks have borders."""
    with contextlib.ExitStack() as stack:
        for module, name, value in _SMALL if size else ():
            stack.enter_context(mock.patch.object(module, name, value))
        if size:
            stack.enter_context(mock.patch.object(scan, "_BLOCKS", (size, 64 << 20)))
        yield


_SMALL = (
    (columns, "_REMEMBERED", 3),
    (keys, "_LOOSE", 2),
    (keys, "_HELD", 4),
    (keys, "_AT_ONCE", 3),
    (integrity, "_WAITING", 2),
)


def _compare_one(
    case: Case, folder: Path, limit: int, expected: Json | None, whole: Json | None
) -> str | None:
    try:
        found = validate(
            folder / "table.csv",
            copy.deepcopy(case.schema),
            dialect=copy.deepcopy(case.dialect),
            encoding=case.encoding,
            related={
                name: (copy.deepcopy(schema), folder / f"{name}.csv")
                for name, (schema, _) in case.related.items()
            },
            limit_errors=limit,
            limit_rows=case.limit_rows,
        )
        json.dumps(found)
    except Exception as error:  # noqa: BLE001 - it must not raise, whatever it is
        return f"ours raised {type(error).__name__}: {error}"
    if expected is None:
        refused = found["valid"] is False and any(task["errors"] for task in found["tasks"])
        return None if refused else f"the reference raised, ours says {_short(found)}"
    difference = _first_difference(*_comparable(expected, found))
    if not difference and not case.limit_rows and whole is not None:
        difference = _first_difference(_totals(whole), _clean_totals(found["totals"]), "totals")
    if not difference and found["engine"]["differences"]:
        return f"equal only because Frictionless judged again: {found['engine']['why']}"
    return difference


def _comparable(expected: Json, found: Json) -> tuple[Json, Json]:
    one = {key: copy.deepcopy(expected[key]) for key in _OWN}
    two = {key: copy.deepcopy(found.get(key, _MISSING)) for key in _OWN}
    for report in (one, two):
        report["stats"].pop("seconds", None)
    for left, right in zip(one["tasks"], two["tasks"], strict=False):
        cut = _cut(left)
        # Errors first: they tell more than their number does.
        left.update({name: left.pop(name) for name in list(left) if name != "errors"})
        for task in (left, right):
            task.pop("place", None)
            task["stats"].pop("seconds", None)
        for name in _WHOLE:
            unread = name != "rows" and not (name in left["stats"] and name in right["stats"])
            if cut or unread:
                left["stats"].pop(name, None)
                right["stats"].pop(name, None)
    return one, two


def _cut(task: Json) -> bool:
    """Whether Frictionless stopped before the end of the file."""
    return bool(task["warnings"]) or "sha256" not in task["stats"]


def _limited(report: Json) -> bool:
    return any("error limit" in text for task in report["tasks"] for text in task["warnings"])


def _totals(whole: Json) -> Json:
    errors = [error for task in whole["tasks"] for error in task["errors"]]
    totals: Json = {"errors": len(errors), "types": {}, "fields": {}}
    for error in errors:
        totals["types"][error["type"]] = totals["types"].get(error["type"], 0) + 1
        if error.get("fieldName"):
            name = error["fieldName"]
            totals["fields"][name] = totals["fields"].get(name, 0) + 1
    if not any(_cut(task) for task in whole["tasks"]):
        totals["rows"] = sum(task["stats"].get("rows", 0) for task in whole["tasks"])
    return totals


def _clean_totals(totals: Json) -> Json:
    return {key: totals.get(key) for key in ("errors", "types", "fields", "rows")}


def _first_difference(left: Any, right: Any, place: str = "report") -> str | None:
    """Where two JSON values differ first; `rows` may be missing from expected totals."""
    if isinstance(left, dict) and isinstance(right, dict):
        keys = list(left) + [key for key in right if key not in left]
        if place == "totals" and "rows" not in left:
            keys.remove("rows")
        pairs = ((key, left.get(key, _MISSING), right.get(key, _MISSING)) for key in keys)
        found = (_first_difference(a, b, f"{place}.{key}") for key, a, b in pairs)
        return next((difference for difference in found if difference), None)
    if isinstance(left, list) and isinstance(right, list):
        found = (
            _first_difference(a, b, f"{place}[{index}]")
            for index, (a, b) in enumerate(zip(left, right, strict=False))
        )
        difference = next((difference for difference in found if difference), None)
        if difference or len(left) == len(right):
            return difference
        index = min(len(left), len(right))
        rest = left[index] if len(left) > index else right[index]
        who = "only the reference has" if len(left) > index else "only ours has"
        return f"{place}: {len(left)} expected, {len(right)} found; {who} {_short(rest)}"
    same = left == right and type(left) is type(right)
    return None if same else f"{place}: {_short(left)} expected, {_short(right)} found"


def _short(value: Any) -> str:
    if value is _MISSING:
        return "nothing"
    text = repr(value)
    return text if len(text) < 400 else f"{text[:390]}…"


# Values ------------------------------------------------------------------------------------


def _words(text: str, *more: str) -> list[str]:
    """Words of a text, and what has spaces in it."""
    return [*text.split(" "), *more]


_PLAIN = ("a", "b", "abc", "宜昌", "x y", "foo", "1", "2", "0", "东山", "A", "é", "k7", "12")

ANYTHING = (
    "", " ", "  ", "\t", "NA", "-", "--", "None", "null", "nan", "é", "e\u0301", "𠮷野", "👩\u200d👩\u200d👧", "０",
    "\u00a0", "\u2028", "\x00", "\x0b", "\x0c", "\x1c", "\x1f", "\x85", "\u3000", "\ufeff", "a\nb", "a\rb",
    "a\r\nb", "\n", "a\n", "'", '"', '""', "a,b", ";", "#", "# x", 'a"b', "\\", "\\n", "中 文", "宜昌市", "true",
    "1", "0", "-1", "1.5", "x", "2020-01-01", "a ", " a", "N/A", "1 ", "a\\,b", "a|b", "a;b", "a\tb", "=1+1",
)  # fmt: skip

_INTEGERS = _words(
    "0 1 2 3 10 12 99 -1 -5 100 +7 007 01 1_000 １２ ٣ 9223372036854775807 "
    "9223372036854775808 -0 +0 00 -9223372036854775808 -9223372036854775809 "
    "123456789012345678901234567890 1.0 1e5 0x1F 0X1f 0x -0x1 1__0 _1 1_ --1 +-1 −1 + - "
    "0b1 1,000 ① ² Ⅷ 1. true inf 1e0 (5) 10% $1,000 €5 -5% a-5 5- ¥１２ % --5 -$5 １% 5a6 －5 "
    "＋5 1\u200b 0_1 𝟙",
    "\xa012", " 3 ", "12\u2003", "3\x1f", "\x1c3", "1 2", "- 5", "1\x00", "\ufeff1", "\t4",
    "4\n", "5\x85", "",
)  # fmt: skip

_NUMBERS = _words(
    "0 1 2 10 1.0 1.5 2.50 -3.25 100 0.1 0.10 00.1 .5 5. -0.0 1e3 1E-3 1e0 1E2 1_0.5 NaN "
    "nan -nan +NaN nan123 sNaN snan -sNaN sNaN12 -inf inf +inf INF Infinity +Infinity "
    "-Infinity 1e400 -1e400 1e-400 １.５ ٣ 1e999999 1e1000000 1e-1000000 9007199254740993 "
    "9007199254740992 0.30000000000000004 0.3 1.7976931348623157e308 1.8e308 1,000 1.2.3 "
    "0x1F 0x1p3 １．５ ٫ 1٫5 1e e5 +-6 1__0.5 _1.5 1._5 1_e5 1e5_0 infinite nan(1) 1.5f 1d "
    "$1 (1.5) 50% 1.000,5 1,000.5 1'000 --1 inf1 +.5 . -. 1e+5 NaN1 1,5 ,1 1, 1,2,3 1,,2 "
    "−1.5 1_000 007 +7 1@5 1.5@ 100000000000000000000000.5 1.5e 1.5E5 $1.5 -$1.5 1.5USD "
    "12-5 TRUE",
    " 2.5 ", "\xa02.5", "2.5\u3000", "1 000", "1 000,5", "1 .5", "1e 5", "nan ", "0.1111111111111111111111111111111111111111",
    "", "1\x00", "\ufeff1.5", "3\x1f", "1.5\n", "0.0000000000000000000000000000001", "99999999999999999.99",
)  # fmt: skip

_BOOLEANS = _words(
    "true True TRUE 1 false False FALSE 0 tRUE t yes no y n 是 否 Y N 01 on 2 １",
    " true", "true ", "",
)  # fmt: skip

_DATES = _words(
    "2020-01-01 2020-1-1 2020-02-29 0001-01-01 9999-12-31 2020-01-1 2020-12-31 2021-06-15 "
    "2022-11-30 1999-09-09 ２０２０-01-01 0000-01-01 2023-02-29 2020-13-01 2020-00-10 "
    "20200101 2020/01/01 2020/1/1 2020-01-01T00:00:00 20-01-01 10000-01-01 02020-01-01 "
    "-2020-01-01 +2020-01-01 2020-01-32 2020－01－01 2020-01-0１ 202-01-01 2020-W01-1 "
    "2020-001 1900-02-29 2000-02-29 2020-01-01Z 31.12.20 1.1.68 01.01.69 31.12.2020 "
    "2020年1月2日 2020年01月02日 2020年13月02日 31/12/2020 1/2/2020 12/31/2020 2020-0-1 2020-1 May "
    "1970-01-01 1969-12-31",
    " 2020-01-01", "2020-01-01 ", "2020-01-01\n", "2020 01 01", "1 May 2020", "May 1 2020",
    "Jan 01 2020", "jan 01 2020", "JAN 1 2020", "2020-01-01 10:00", " 2020/01/01", "2020/ 1/ 1",
    "", "2020-01-01\x00", "2020- 1-1", "2020年 1月2日", "2020-01-01 00:00:00",
)  # fmt: skip

_CLOCKS = _words(
    "00:00:00 23:59:59 12:34:56 09:05:01 24:00:00 24:00:01 12:34:56.789 12:34:56Z "
    "12:34:56z 12:34:56+08:00 12:34:56+08 12:34:56+0800 12:34:56-00:00 12:34:56+24:00 "
    "12:34 1:02:03 12:34:60 12:34:56,5 12:34:56.1 12:34:56.123456 12:34:56.1234567 "
    "12:34:56.123456789 123456 12:3456 ２２:00:00 T12:34:56 00:00:00-23:59 12:34:56. "
    "12:34:56.+08:00 12:34:56UTC 23:60:00 25:00:00 12:34:56+08:00:00 00:00:00.000 "
    "12:34:56.7890 04:34:56Z 12-34-56 12:34:5 -1:00:00"
)  # fmt: skip

_DATETIMES = [f"{day}{between}{clock}" for clock in _CLOCKS for day, between in (("2020-01-01", "T"),)] + [
    "2020-01-01 00:00:00", "2020-01-01x00:00:00", "2020-01-01é00:00:00", "2020-01-01\u300000:00:00",
    "2020-W01-1T00:00:00", "2020-001T00:00:00", "2020-01-01T00:00", "20200101T000000", "20200101T00:00:00",
    "2020-01-01T0:00:00", "2020-01-01T00:00:00 ", " 2020-01-01T00:00:00", "0000-01-01T00:00:00",
    "0001-01-01T00:00:00", "9999-12-31T23:59:59", "9999-12-31T24:00:00", "1677-01-01T00:00:00",
    "2300-01-01T00:00:00", "2020-02-30T00:00:00", "２０２０-01-01T00:00:00", "2020-01-02T00:00:00+08:00",
    "2020-01-01T16:00:00Z", "2020-06-30T12:00:00", "2021-03-04T05:06:07", "0001-01-01T00:00:00+08:00",
    "9999-12-31T23:59:59-08:00", "2020-01-01", "", "2020-01-01 10:00", "2020-01-01T00:00:00.000000",
    "2020-01-01\n00:00:00", "2020-01-01,00:00:00", "2020-1-1T00:00:00", "2020-01-01T00:00:00\x00",
    "2020-01-01 00:00:00 ", "2020/01/01 00:00:00", "2020-01-01-00:00:00", "2020-01-01_00:00:00",
]  # fmt: skip

_YEARS = _words(
    "2020 1999 2000 2024 0000 9999 +202 2_02 -001 20 20200 ２０２０ abcd 1.00 1e03 0x7e ٢٠٢٠ "
    "𝟚𝟘𝟚𝟘 ２０２ 0001 2020.0",
    " 202", "202 ", "", "20\xa02", "202\x1f", " 2020", "2020 ",
)  # fmt: skip

_YEARMONTHS = _words(
    "2020-01 2020-1 2020-12 1999-07 20-1 99999-12 2020-00 2020-13 -2020-01 2020-01-01 "
    "202001 2020/01 １０-1 2020-+1 +2020-01 1_0-0_1 0-1 2020- -1 2020-1.0 2020-１",
    " 2020 - 1 ", "", "2020-01 ", "2020 -01",
)  # fmt: skip

_DURATIONS = _words(
    "P1Y P1D PT1H P1Y2M3DT4H5M6S P1W P7D PT24H PT3600S -P1D PT1.5S P12M P PT 1D P1 p1d "
    "P0Y P0D PT0S PT36H P1DT12H +P1D P0.5Y PT1,5S P1Y1W P-1D P0001-01-01T00:00:00 P٣D P1M "
    "P30D PT60M",
    "", " P1D", "P1D ",
)  # fmt: skip

_GEOPOINTS = [
    "90.5,45", "0,0", "-71.1,42.3", "111.3,30.7", "1e2,0", "180,90", "-180,-90", "180.0001,0", "0,91", "1", "1,2,3",
    " 1 , 2 ", "NaN,0", "nan,nan", "sNaN,0", "inf,0", "１,２", "1_0,2", ",", "a,b", "(1,2)", "1, 2", "1.0,2.0", "1,2",
    "[90,45]", "[1,2,3]", '["1","2"]', "[1.5,2]", "[true,false]", "[null,1]", "[NaN,1]", "{}", "[1e2,0]", '"12"',
    '{"a":1,"b":2}', '{"lon":1,"lat":2}', '{"lat":2,"lon":"1"}', '{"lon":1}', '{"lon":1,"lat":2,"x":3}', "[]",
    '{"lon": 200, "lat": 0}', "[1, 2]", "[0.1,0.2]", "null", "",
]  # fmt: skip

_GEOJSONS = [
    '{"type":"Point","coordinates":[1,2]}', '{"type":"Feature","geometry":null,"properties":null}',
    '{"type":"FeatureCollection","features":[]}', '{"type":"Topology","objects":{},"arcs":[]}', '{"type":"Point"}',
    '{"type":"Nope"}', "{}", "[]", "x", "null", "", '{"type":"Point","coordinates":["a","b"]}', "1",
    ' {"type":"Point","coordinates":[1,2]}', '{"type":"LineString","coordinates":[[1,2],[3,4]]}', "{",
]  # fmt: skip

_ARRAYS = [
    "[]", "[1]", "[1,2]", '[1,"a"]', "[NaN]", " [1]", "{}", "1", "null", '"x"', "[1,]", "[1", "[[1]]", "[Infinity]",
    "[1]\n", "[1] x", "['a']", "\ufeff[]", "[1e999]", '["a","b","c"]', "[1, 2]", "[null]", "[true]", "[1.0]", "",
    '["2020-01-01"]', "[3,2,1]", "[" * 3000,
]  # fmt: skip

_OBJECTS = [
    "{}", '{"a":1}', '{"a": 1}', '{"a":1,"a":2}', '{"a":1,"b":2}', "[]", "null", "{a:1}", "", "{", '{"a":NaN}',
    ' {"a":1} ', "1", '{"b":2,"a":1}', '"x"', '{"a":"宜昌"}', '{"a":{"b":[]}}', '{"a":1}x',
]  # fmt: skip

_LISTS = [
    "a,b", "a", ",", "1,2", "1", "1, 2", "1,x", "1,,2", "a;b", "1;2;3", "true,false", "1.5,2", "2020-01-01", "x", "",
    "00:00:00", "2020-01-01T00:00:00,2020-01-01T00:00:01", "0x1F", "１,２", " ", "1,2,3,4,5", "a|b",
]  # fmt: skip

_STRINGS = [
    *_PLAIN, "ab", "ax", "xb", "ABC", "aa", "aaa", "aaaa", "foo bar", "１", "１２", "a1", "a\n", "a\nb", "\n", "宜", "é",
    "e\u0301", "_", "-", "aA", "K", "ſ", "\x0b", "\x85", "\u2028", "a ", " a", "\\u4e00", "{,2}", "a{,2}",
    "[:alpha:]", "l]", "xxxxx", "𠮷", "𠮷野家", "👍🏽", "", "3\n", "ß", "İ", "i̇", "abab", "a.b", "a-b", "bb", "ac", "bc",
    "\x00", "a\x00b", "\ufeffa", "٣", "²", "ａ",
]  # fmt: skip

_EMAILS = [
    "user@example.com", "a@b.c", "a@b", "a@b.co", "user@例子.com", "@x.com", "a b@c.com", "a@b.co\n", "", "x",
    "USER@EXAMPLE.COM", "a@[127.0.0.1]", "a..b@example.com", "us.er+tag@example.org", "é@example.com", " a@b.co",
]  # fmt: skip
_URIS = [
    "http://a.b", "https://example.com/a?b=c#d", "a:b", "a", "http://a b", "mailto:x@y", "//x", "http://", "1a:b",
    "http://[::1]", "http://[x", "urn:isbn:1", "http://例", "", ":", "http://a.b\n", "HTTP://A.B", "http://a:x",
]  # fmt: skip
_UUIDS = [
    "12345678-1234-5678-1234-567812345678", "12345678123456781234567812345678", "", "x", "1234",
    "{12345678-1234-5678-1234-567812345678}", "urn:uuid:12345678-1234-5678-1234-567812345678",
    "00000000-0000-0000-0000-000000000000", "ABCDEF12-1234-5678-1234-567812345678",
    "g2345678-1234-5678-1234-567812345678", " 12345678-1234-5678-1234-567812345678", "1-2-3-4",
    "１2345678-1234-5678-1234-567812345678", "1234567812345678123456781234567",
]  # fmt: skip
_BINARIES = [
    "YQ==",
    "YWI=",
    "YWJj",
    "YQ",
    "!!!!",
    "",
    "宜",
    "Y Q = =",
    "YQ=",
    "YQ==x",
    "=",
    "A",
    "YQ==\n",
]

_PATTERNS = (
    r"[a-z]+", r"a|b", r"^a$", r"a$", r"\d+", r"\w+", r"\s*", r"\bfoo\b", r".*", r".+", "", r"(?=a).*", r"(.)\1",
    r"a{,2}", r"[[:alpha:]]+", r"\u4e00", r"[\u4e00-\u9fff]+", r"[^a]", r"\D+", r"\W", r"\S+", r"\D+", r"\W", r"[^\d]+", r"a{,2}", r"(?:a|b)c", r"a{2,3}",
    r"[一-龥]+", r"(?P<x>a)", r"\A.*\Z", r".{2}", r"\x41", r"a(?#c)", r"a++", r"(?>a)b", r"a\n?", r"[\d]", r"\.",
    r"x*", r"(?i:abc)", r"(?!a).*", r"a|", r"|a", r"[^\d]+", r"(a|b)+", r"a{0}", r"[a-z0-9_]*", r".{1,3}", r"(?:)", r"\d{1,3}",
    r"[\w-]+", r"[\s\S]*", r"x{1001}", r"\n", r"é", r"𠮷.*", r"k", r"[^一]", r"a\Z", r"a$|b", r"[a&&b]", r"\0", r"\07", r"a\b",
    r"a|b|c", r"\d\d|k.*", r".|..", r"\w|\W", r"^", r"$", r"a^b", r"\$", r"[$]", r"(?s:.*)", r"[]a]+", r"[a^]+", r"(?:a|ab)(?:c|bcd)?",
)  # fmt: skip
_BAD_PATTERNS = (
    r"(?i)abc", r"a\z", r"[", r"*a", r"(?s).*", r"[a-", r"\p{L}", r"\pL", r"\Qa\E", r"(?x) a b", r"\C", r"(?m)^a$", r"(?P=x)", r"\k",
    r"(?<x>a)", r"a{2}{3}", r"a**", r"[z-a]", r"x{2,1}", r"(", r")", r"\u12",
)  # fmt: skip

# Values that a filter may take for valid: by type, or by pattern where RE2 is not Python's re.
_TRAPS = {
    "integer": ("0x1F", "0X1f", "1.0"),
    "number": ("0x1F", "1,000"),
    "date": ("0000-01-01", "2023-02-29"),
    "datetime": ("0000-01-01T00:00:00", "2020-01-01T00:00", "20200101T000000"),
    r"\D+": ("１", "１２", "٣"), r"\W": ("é", "宜", "٣"), r"\S+": ("\x0b", "\x85", "\u2028"), r"[^\d]+": ("１", "٣"),
    r"a{,2}": ("a{,2}",), r"[[:alpha:]]+": ("abc", "foo"), r"\bfoo\b": ("foo bar",), r"a\b": ("aé",),
}  # fmt: skip

# type, format and further properties -> candidates; the first ones are mostly valid
KINDS: tuple[tuple[int, Json, Any], ...] = (
    (14, {"type": "integer"}, _INTEGERS),
    (2, {"type": "integer", "bareNumber": False}, _INTEGERS),
    (13, {"type": "number"}, _NUMBERS),
    (1, {"type": "number", "groupChar": ","}, _NUMBERS),
    (1, {"type": "number", "decimalChar": ","}, _NUMBERS),
    (1, {"type": "number", "groupChar": ".", "decimalChar": ","}, _NUMBERS),
    (1, {"type": "number", "groupChar": " ", "decimalChar": "@"}, _NUMBERS),
    (1, {"type": "number", "groupChar": ""}, _NUMBERS),
    (1, {"type": "number", "decimalChar": "."}, _NUMBERS),
    (1, {"type": "number", "bareNumber": False}, _NUMBERS),
    (1, {"type": "number", "bareNumber": False, "groupChar": ","}, _NUMBERS),
    (1, {"type": "number", "bareNumber": True}, _NUMBERS),
    (2, {"type": "number", "floatNumber": True}, _NUMBERS),
    (7, {"type": "boolean"}, _BOOLEANS),
    (1, {"type": "boolean", "trueValues": ["yes", "y", "是"], "falseValues": ["no", "n", "否"]}, _BOOLEANS),
    (1, {"type": "boolean", "trueValues": ["1", "x", ""], "falseValues": ["0", "1"]}, _BOOLEANS),
    (1, {"type": "boolean", "trueValues": [], "falseValues": [" true"]}, _BOOLEANS),
    (1, {"type": "boolean", "trueValues": ["Y"]}, _BOOLEANS),
    (12, {"type": "date"}, _DATES),
    (1, {"type": "date", "format": "%Y/%m/%d"}, _DATES),
    (1, {"type": "date", "format": "%d.%m.%y"}, _DATES),
    (1, {"type": "date", "format": "%Y年%m月%d日"}, _DATES),
    (1, {"type": "date", "format": "%d/%m/%Y"}, _DATES),
    (1, {"type": "date", "format": "%b %d %Y"}, _DATES),
    (1, {"type": "date", "format": "%Y%m%d"}, _DATES),
    (1, {"type": "date", "format": "%Y-%m-%d"}, _DATES),
    (1, {"type": "date", "format": "%Q"}, _DATES),
    (1, {"type": "date", "format": "any"}, [d for d in _DATES if re.fullmatch(r"(?a:\d{4}-\d\d-\d\d|\d{8}).*", d)]),
    (10, {"type": "datetime"}, _DATETIMES),
    (1, {"type": "datetime", "format": "%Y-%m-%d %H:%M"}, _DATETIMES),
    (1, {"type": "datetime", "format": "%Y-%m-%dT%H:%M:%S%z"}, _DATETIMES),
    (1, {"type": "datetime", "format": "any"}, _DATETIMES),
    (4, {"type": "time"}, [*_CLOCKS, "", " 12:34:56"]),
    (1, {"type": "time", "format": "%H:%M"}, [*_CLOCKS, ""]),
    (1, {"type": "time", "format": "any"}, [*_CLOCKS, ""]),
    (3, {"type": "year"}, _YEARS),
    (3, {"type": "yearmonth"}, _YEARMONTHS),
    (2, {"type": "duration"}, _DURATIONS),
    (2, {"type": "geopoint"}, _GEOPOINTS),
    (1, {"type": "geopoint", "format": "array"}, _GEOPOINTS),
    (1, {"type": "geopoint", "format": "object"}, _GEOPOINTS),
    (1, {"type": "geopoint", "format": "nope"}, _GEOPOINTS),
    (2, {"type": "geojson"}, _GEOJSONS),
    (1, {"type": "geojson", "format": "topojson"}, _GEOJSONS),
    (2, {"type": "array"}, _ARRAYS),
    (1, {"type": "array", "arrayItem": {"type": "integer", "constraints": {"minimum": 2}}}, _ARRAYS),
    (2, {"type": "object"}, _OBJECTS),
    (2, {"type": "list"}, _LISTS),
    (1, {"type": "list", "itemType": "integer"}, _LISTS),
    (1, {"type": "list", "itemType": "date", "delimiter": ";"}, _LISTS),
    (1, {"type": "list", "itemType": "number", "delimiter": "|"}, _LISTS),
    (3, {"type": "any"}, _STRINGS),
    (1, {}, _STRINGS),
    (22, {"type": "string"}, _STRINGS),
    (1, {"type": "string", "format": "email"}, _EMAILS),
    (1, {"type": "string", "format": "uri"}, _URIS),
    (1, {"type": "string", "format": "uuid"}, _UUIDS),
    (1, {"type": "string", "format": "binary"}, _BINARIES),
)  # fmt: skip

_UNHASHABLE = ("array", "object", "list", "geojson")
_JSON_BOUNDS = {
    "integer": (0, 1, -5, 12, 1.0, 10**20),
    "number": (0, 1, 1.5, 0.1, -3.25, 1e300),
    "year": (2000,),
}
_EQUAL: dict[str, tuple[tuple[str, ...], ...]] = {  # spellings of one value
    "integer": (
        ("1", "01", "+1", " 1", "1 ", "１", "0_1"), ("2", "02"), ("10", "1_0", "010"), ("0", "-0", "00"),
        ("-1", " -1", "-01", "-0_1"), ("-2", "-2 "), ("9223372036854775807", "+9223372036854775807", "9223372036854775807 "),
        ("2305843009213693951", "+2305843009213693951"), ("2305843009213693952", "2305843009213693952 "),
        ("-9223372036854775808", "-9223372036854775808 "), ("18446744073709551616", "0018446744073709551616"),
        ("9007199254740993", "+9007199254740993"), ("9007199254740992", " 9007199254740992"),
    ),
    "number": (("1", "1.0", "1e0", "01.00", "+1", "１"), ("0.5", ".5", "5e-1"), ("100", "1e2", "1E+2"), ("0", "-0", "0e5"), ("NaN",),
        ("1e400", "1E+400"), ("inf", "Infinity"), ("-1", "-1.0", "-1 "), ("9007199254740993", "9007199254740993.0"),
        ("9007199254740992", "9007199254740992.00"), ("0.1", "0.10", "0_0.1"), ("0.1000000000000000055511151231257827",),
        ("18446744073709551616", "18446744073709551616.0"), ("1e-400", "0.1e-399")),
    "date": (("2020-01-01", "2020-1-1", "2020-01-1"), ("2021-06-15", "2021-6-15")),
    "datetime": (
        ("2020-01-01T00:00:00", "2020-01-01 00:00:00", "2020-01-01T00:00:00.000", "2019-12-31T24:00:00"),
        ("2020-01-01T08:00:00+08:00", "2020-01-01T00:00:00Z", "2019-12-31T16:00:00-08:00"),
        ("0001-01-01T00:00:00+08:00",), ("9999-12-31T23:59:59-08:00",), ("0001-01-01T00:00:00",), ("9999-12-31T23:59:59",),
    ),
    "time": (("12:00:00", "12:00:00.0", "12:00:00,000"), ("20:00:00+08:00", "12:00:00Z")),
    "year": (("2020", "２０２０"), ("0202", "+202", " 202")),
    "yearmonth": (("2020-01", "2020-1", " 2020 - 1 "), ("2021-12",)),
    "boolean": (("true", "1", "TRUE"), ("false", "0")),
    "duration": (("P1D", "PT24H", "+P1D"), ("P1Y", "P12M"), ("P0D", "PT0S", "P0Y")),
    "geopoint": (("1,2", "1.0,2", " 1 , 2 ", "1e0,2"), ("0,0", "-0,0")),
    "string": (("a",), ("A",), ("a ",), ("é",), ("e\u0301",), ("1",), ("01",), ("K1",), ("k1",), ("K2",)),
}  # fmt: skip
_NAMES = ("编号", "B", "b", "my field", "x,y", 'q"t', " pad", "ID", "a", "count", "ä", "1", "İ")


def supported(kind: Json) -> list[str]:
    """Constraints that Frictionless knows for a type."""
    select = frictionless.system.select_field_class
    return list(select(kind.get("type", "string")).supported_constraints)


@dataclass
class Column:
    """A field with values that conform, values that do not, and keys that repeat or do not."""

    descriptor: Json
    clean: list[str]
    dirty: list[str]
    key: bool = False
    wild: float = 0.4  # share of odd cells that may hold anything

    @property
    def type(self) -> str:
        """Type of the field; string is what Frictionless takes when there is none."""
        return str(self.descriptor.get("type", "any"))


class Maker:
    """Makes one case from a seed."""

    def __init__(self, seed: int) -> None:
        self.seed, self.rng = seed, random.Random(seed)

    def chance(self, share: float) -> bool:
        """True that often."""
        return self.rng.random() < share

    # Fields

    def kind(self) -> tuple[Json, list[str]]:
        """A type with its properties, and candidates for its cells."""
        weights = [weight for weight, _, _ in KINDS]
        _, descriptor, values = self.rng.choices(KINDS, weights)[0]
        return copy.deepcopy(descriptor), list(values)

    def column(self, name: str) -> Column:
        """A field of any kind with constraints, and values for it."""
        descriptor, values = self.kind()
        descriptor["name"] = name
        hashable = descriptor.get("type") not in _UNHASHABLE
        key = self.chance(0.25 if hashable else 0.02)
        if key:
            values = [
                text for spelt in _EQUAL.get(descriptor.get("type", ""), ()) for text in spelt
            ] or values
        constraints = self.constraints(descriptor, values)
        if key and self.chance(0.5):
            constraints["unique"] = True
        if constraints:
            descriptor["constraints"] = constraints
        if self.chance(0.04):
            descriptor["missingValues"] = self.missing_values()
        if self.chance(0.03):
            descriptor["title"] = "标题"
        if self.chance(0.01):
            descriptor["example"] = self.rng.choice(values)
        return self.focused(self.sorted(descriptor, values, key=key))

    def focused(self, column: Column) -> Column:
        """Often few different values: one odd spelling among plain ones, or all spelt alike."""
        plain, odd = column.clean[:6], self.rng.choice(column.clean or [""])
        few = self.rng.sample(column.clean, min(len(column.clean), self.rng.randint(1, 4)))
        column.clean = self.rng.choice(
            (column.clean, column.clean, plain, plain, [*plain, odd], few)
        )
        column.wild = self.rng.choice((0, 0, 0, 0.3, 0.8))
        pattern = column.descriptor.get("constraints", {}).get("pattern")
        traps = [text for text in _TRAPS.get(pattern or column.type, ()) if text in column.dirty]
        if traps and self.chance(0.6 if pattern else 0.2):
            return replace(column, clean=plain, dirty=traps, wild=0)
        if self.chance(0.2 if pattern else 0.7) and column.dirty:
            column.dirty = self.rng.sample(
                column.dirty, min(len(column.dirty), self.rng.randint(1, 2))
            )
        return column

    def sorted(self, descriptor: Json, values: list[str], *, key: bool) -> Column:
        """Column whose values were told apart by the reader of Frictionless."""
        column = Column(descriptor, [], [], key)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                read = frictionless.Field.from_descriptor(
                    copy.deepcopy(descriptor)
                ).create_cell_reader()
            except Exception:  # noqa: BLE001 - a bad pattern or bound
                return replace(column, clean=values, dirty=values)
            for value in values:
                try:
                    cell, notes = read(value)
                    good = notes is None and cell is not None
                except Exception:  # noqa: BLE001 - NaN against a bound and the like
                    good = self.chance(0.05)
                (column.clean if good else column.dirty).append(value)
        return column

    def constraints(self, kind: Json, values: list[str]) -> Json:
        """Some constraints that the type takes; seldom impossible ones."""
        found: Json = {}
        known = supported(kind)
        for name in known:
            share = {"required": 0.2, "enum": 0.12, "pattern": 0.35}.get(name, 0.2)
            share = 0.005 if name.startswith("exclusive") else share
            if not self.chance(share):
                continue
            found[name] = self.constraint(name, kind, values)
        return found

    def constraint(self, name: str, kind: Json, values: list[str]) -> Any:
        """The value of one constraint."""
        if name == "required":
            return self.chance(0.9)
        if name == "pattern":
            return self.rng.choice(_PATTERNS if self.chance(0.97) else _BAD_PATTERNS)
        if name in ("minLength", "maxLength"):
            return self.rng.choice((0, 1, 1, 2, 2, 3, 4, 5, 10))
        return self.enum(values) if name == "enum" else self.bound(kind, values)

    def enum(self, values: list[str]) -> list[Any]:
        """Members of an enum, now and then of a wrong type."""
        members: list[Any] = []
        members += self.rng.sample(values, min(len(values), self.rng.randint(1, 8)))
        if self.chance(0.15):
            members += self.rng.choice(([1], [True], [None], [1.5], ["zz"], [], [[1]], [{"a": 1}]))
        return members

    def bound(self, kind: Json, values: list[str]) -> Any:
        """A bound, mostly one that lets many values through."""
        type_ = kind.get("type", "any")
        if self.chance(0.03):
            return self.rng.choice(("x", "", None, [], "sNaN", "NaN", True))
        if type_ in _JSON_BOUNDS and self.chance(0.5):
            return self.rng.choice(_JSON_BOUNDS[type_])
        mild = values[: max(8, len(values) // 3)]
        return self.rng.choice(mild if self.chance(0.9) else values)

    def missing_values(self) -> list[Any]:
        """A list of missing values."""
        return self.rng.choice(
            (
                [],
                ["-"],
                ["NA", ""],
                ["None"],
                [""],
                ["", "null", "nan"],
                ["0"],
                ["宜昌"],
                [" ", ""],
                ["a", "1"],
            )
        )

    # Schemas

    def names(self, count: int) -> list[str]:
        """Names of fields."""
        names = [f"f{number}" for number in range(1, count + 1)]
        if self.chance(0.15):
            odd = self.rng.sample(_NAMES, min(count, self.rng.randint(1, 3)))
            for name in odd:
                names[self.rng.randrange(count)] = name
        if len(set(names)) < count and not self.chance(0.05):
            names = [f"{name}{i}" if name in names[:i] else name for i, name in enumerate(names)]
        return names

    def schema(self, columns: list[Column]) -> Json:
        """Table schema over columns, with keys."""
        schema: Json = {"fields": [column.descriptor for column in columns]}
        if self.chance(0.3):
            schema["missingValues"] = self.missing_values()
        bounded = any(
            {"minimum", "maximum"} & set(c.descriptor.get("constraints", {})) for c in columns
        )
        if self.chance(0.5 if bounded else 0.06):
            self.modern(schema)
        if self.chance(0.2):
            modes = ("exact", "equal", "subset", "superset", "partial")
            schema["fieldsMatch"] = self.rng.choice(modes)
        if self.chance(0.25):
            hashable = [column for column in columns if column.type not in _UNHASHABLE] or columns
            chosen = [column for column in columns if column.key] or hashable
            parts = self.rng.sample(chosen, min(len(chosen), self.rng.choice((1, 1, 2, 3))))
            for column in parts:
                column.key = True
            key = [column.descriptor["name"] for column in parts]
            schema["primaryKey"] = key[0] if len(key) == 1 and self.chance(0.3) else key
        return schema

    def modern(self, schema: Json) -> None:
        """Make it a schema of Data Package v2: exclusive bounds, missing values as objects."""
        schema["$schema"] = V2_SCHEMA
        for descriptor in schema["fields"]:
            bounds = descriptor.get("constraints", {})
            for name in ("minimum", "maximum"):
                if name in bounds and self.chance(0.8):
                    bounds[f"exclusive{name.title()}"] = bounds.pop(name)
        if self.chance(0.4):
            entries = schema.get("missingValues", ["", "-"])
            schema["missingValues"] = [
                {"value": entry, "label": f"label {i}"} if self.chance(0.8) else {"value": entry}
                for i, entry in enumerate(entries)
            ]

    # Files

    def dialect(self) -> Json:
        """A dialect descriptor; mostly says nothing."""
        if self.chance(0.6):
            return {}
        control = self.options(
            (0.5, "delimiter", (";", "|", "\t", ",", " ")),
            (0.2, "quoteChar", ("'", '"', "'", "`", "")),
            (0.05, "skipInitialSpace", (True,)),
            (0.05, "escapeChar", ("\\",)),
            (0.05, "doubleQuote", (False,)),
            (0.03, "lineTerminator", ("\n", ";")),
        )
        said: Json = {"csv": control} if control else {}
        return said | self.options(
            (0.15, "headerRows", ([2], [3], [2], [3], [1, 2], [1, 3], [])),
            (0.03, "headerJoin", ("-", "")),
            (0.06, "header", (False,)),
            (0.08, "headerCase", (False,)),
            (0.08, "commentChar", ("#",)),
            (0.05, "commentRows", ([2, 4], [1, 3], [5], [102])),
            (0.08, "skipBlankRows", (True,)),
        )

    def options(self, *known: tuple[float, str, tuple[Any, ...]]) -> Json:
        """Each option that often, with one of its values."""
        chosen = [(name, values) for share, name, values in known if self.chance(share)]
        return {name: copy.deepcopy(self.rng.choice(values)) for name, values in chosen}

    def rows(self) -> int:
        """How many rows a table has."""
        size = self.rng.random()
        if size < 0.04:
            return 0
        if size < 0.84:
            return self.rng.randint(1, 30)
        if size < 0.95:
            return self.rng.randint(90, 130)
        return self.rng.randint(200, 2500)

    def cell(self, column: Column, row: int, dirt: float) -> str:
        """The text of a cell, before it is quoted."""
        rng = self.rng
        if column.key and rng.random() > dirt / 2:
            return self.key_value(column, row)
        if rng.random() < dirt:
            return rng.choice(
                column.dirty if column.dirty and rng.random() > column.wild else ANYTHING
            )
        return rng.choice(column.clean or column.dirty)

    def key_value(self, column: Column, row: int) -> str:
        """A value that mostly differs from row to row, now and then spelt otherwise."""
        spelt = _EQUAL.get(column.type)
        if spelt and self.chance(self.repeats):
            return self.rng.choice(self.rng.choice(spelt))
        number = row if self.chance(1 - self.repeats / 3) else self.rng.randint(0, row)
        makers: dict[str, Callable[[int], str]] = {
            "integer": lambda n: str(1000 + n),
            "number": lambda n: f"{1000 + n}.5",
            "date": lambda n: f"{1900 + n // 336}-{n // 28 % 12 + 1:02}-{n % 28 + 1:02}",
            "datetime": lambda n: (
                f"2001-01-{n // 1440 % 28 + 1:02}T{n // 60 % 24:02}:{n % 60:02}:00"
            ),
            "string": lambda n: f"k{n}",
            "any": lambda n: f"k{n}",
        }
        maker = makers.get(column.type)
        return maker(number) if maker else self.rng.choice(column.clean or column.dirty)

    def raw(self, text: str, delimiter: str, quote: str) -> str:
        """A cell as a careless program writes it."""
        rng = self.rng
        special = any(char in text for char in (delimiter, quote or '"', "\n", "\r"))
        if quote and (rng.random() < 0.98 if special else rng.random() < 0.08):
            return quote + text.replace(quote, quote * 2) + quote
        if rng.random() > self.careless:
            return text
        return rng.choice(
            (f"{quote}{text}", f"{text}{quote}", f"{quote}{text}{quote}x", f" {quote}{text}{quote}",
             f"{quote}{text}{quote} ", f"x{quote}{text}{quote}", f" {text}", f"{text} ", f"{quote}{quote}",
             f"{text}\x00", f"\ufeff{text}", f"{text}\u2028", f"\\{text}", f"{text}\\")
        )  # fmt: skip

    def sheet(
        self, columns: list[Column], *, dialect: Json, encoding: str, count: int, dirt: float
    ) -> Sheet:
        """A file with the columns: titles, header, rows, and what goes wrong in files."""
        rng = self.rng
        control = dialect.get("csv", {})
        delimiter, quote = control.get("delimiter", ","), control.get("quoteChar", '"')
        ends = rng.choices(
            (["\n"], ["\r\n"], ["\r"], ["\n", "\r\n", "\r", "\r\r\n"]), (60, 25, 7, 4)
        )[0]
        self.careless = rng.choice((0, 0, 0, 0.002, 0.02)) if dirt else 0
        self.repeats = rng.choice((0, 0.01, 0.1, 0.5))
        lines = [
            Line([self.raw(text, delimiter, quote) for text in cells], rng.choice(ends))
            for cells in [*self.head(columns, dialect), *self.body(columns, count, dirt)]
        ]
        if lines and self.chance(0.2):
            lines[-1].end = ""
        sheet = Sheet(lines, delimiter, encoding, bom=self.chance(0.08))
        self.damage(sheet, dirt)
        return sheet

    def head(self, columns: list[Column], dialect: Json) -> Iterator[list[str]]:
        """Title lines and the header, mostly with the names of the fields."""
        if not dialect.get("header", True):
            return
        rows = dialect.get("headerRows", [1])
        names = [column.descriptor["name"] for column in columns]
        for _ in range(1, rows[-1] if rows else 1):
            yield list(self.rng.choice((["报表"], [""], [], names, ["# t", "x"])))
        yield names if self.chance(0.72) else self.wrong_labels(names)

    def wrong_labels(self, names: list[str]) -> list[str]:
        """Labels that are not quite the names."""
        rng, place = self.rng, self.rng.randrange(len(names))
        before, after = names[:place], names[place + 1 :]
        return rng.choice(
            (
                [*before, rng.choice(names), *after],
                [*before, rng.choice(("", " ", "\u00a0")), *after],
                [*before, rng.choice(("extra", "f1", "", "f2")), names[place], *after],
                before + after,
                rng.sample(names, len(names)),
                [f" {name}  " for name in names],
                [name.upper() for name in names],
                [*names, rng.choice(("more", "", "f1"))],
                rng.choice(([], ["x"], names * 2, ["a\nb", *names])),
            )
        )

    def body(self, columns: list[Column], count: int, dirt: float) -> Iterator[list[str]]:
        """The rows, some ragged or blank."""
        ragged = self.rng.choice((0, 0, 0.02, 0.1)) if dirt else 0
        blank = self.rng.choice((0, 0, 0.02, 0.1)) if dirt else 0
        history: list[list[str]] = []
        for row in range(count):
            if self.chance(blank):
                yield self.rng.choice(
                    (
                        [],
                        [""] * len(columns),
                        [" "],
                        ["\t"],
                        ["# note"],
                        ["NA"] * len(columns),
                        ["-"] * len(columns),
                        ['""'],
                    )
                )
            cells = [self.cell(column, row, dirt) for column in columns]
            if history and self.chance(self.repeats / 20):
                cells = list(self.rng.choice(history))
            if row % 50 == 0:
                history.append(list(cells))
            if self.chance(ragged):
                if self.chance(0.5):
                    del cells[self.rng.randint(0, len(cells)) :]
                else:
                    cells += self.rng.choices(("", "x", "1", " ", "宜"), k=self.rng.randint(1, 3))
            yield cells

    def damage(self, sheet: Sheet, dirt: float) -> None:
        """Now and then one fault that concerns the whole file."""
        if not dirt or not sheet.lines or not self.chance(0.08):
            return
        line = self.rng.choice(sheet.lines)
        if not line.cells:
            line.cells = [""]
        place = self.rng.randrange(len(line.cells))
        bad = "\udcff" if sheet.encoding in ("utf-8", "gb18030", "big5") else "\x00"
        line.cells[place] += self.rng.choice(
            (bad, "\x00", '"', "\ufeff", "\u2028", "\x85", "\r", "\n", "\x1a", "\udce5")
        )
        if sheet.encoding != "utf-8":
            line.cells[place] = line.cells[place].replace("\udce5", "")

    # Foreign keys

    def foreign(self, columns: list[Column], schema: Json) -> dict[str, tuple[Json, Sheet]]:
        """Foreign keys of the schema, and the resource that they name."""
        able = [column for column in columns if column.type not in _UNHASHABLE] or columns
        parts = self.rng.sample(able, min(len(able), self.rng.choice((1, 1, 1, 2))))
        names = [column.descriptor["name"] for column in parts]
        for column in parts:
            column.key = column.key or self.chance(0.7)
        if self.chance(0.25):  # to itself
            others = [self.rng.choice(columns).descriptor["name"] for _ in parts]
            resource = self.rng.choice(("", "table"))
            schema["foreignKeys"] = [
                {"fields": names, "reference": {"resource": resource, "fields": others}}
            ]
            return {}
        targets = []
        for index, column in enumerate(parts):
            descriptor = copy.deepcopy(column.descriptor) | {"name": f"r{index}"}
            descriptor.pop("constraints", None)
            if self.chance(0.25):
                descriptor = {
                    "name": f"r{index}",
                    "type": self.rng.choice(("integer", "number", "string", "any")),
                }
            targets.append(replace(column, descriptor=descriptor))
        other: Json = {"fields": [column.descriptor for column in targets]}
        if self.chance(0.2):
            other["missingValues"] = self.missing_values()
        self.rng.shuffle(other["fields"])
        dirt = self.rng.choice((0, 0, 0.1, 0.4))
        by_name = {column.descriptor["name"]: column for column in targets}
        order = [by_name[descriptor["name"]] for descriptor in other["fields"]]
        rows = self.rng.choice((0, 1, 5, 40))
        sheet = self.sheet(order, dialect={}, encoding="utf-8", count=rows, dirt=dirt)
        fields = [column.descriptor["name"] for column in targets]
        if self.chance(0.03):
            fields = ["nowhere"] * len(fields)
        reference_ = {"resource": "other" if self.chance(0.97) else "nowhere", "fields": fields}
        schema["foreignKeys"] = [{"fields": names, "reference": reference_}]
        if self.chance(0.2):
            again = {"resource": "other", "fields": fields[:1]}
            schema["foreignKeys"].append({"fields": names[:1], "reference": again})
        return {"other": (other, sheet)}

    # All of it

    def case(self) -> Case:
        """The case."""
        rng, count = self.rng, self.rows()
        wide = self.chance(0.015)
        width = 60 if wide else rng.choice((1, 1, 2, 2, 3, 3, 4, 5, 6))
        count = min(count, 10) if wide else count if count < 200 else count // width
        dirt = rng.choice((0, 0, 0.01, 0.03, 0.1, 0.3, 0.8) if count < 200 else (0, 0, 0.002, 0.01))
        if count >= 200 and self.chance(0.06):
            dirt, count = 0.3, min(count, 300)
        dialect = self.dialect()
        encoding = rng.choices(
            ("utf-8", "utf-8-sig", "gb18030", "utf-16", "big5"), (85, 4, 6, 3, 2)
        )[0]
        columns = [self.column(name) for name in self.names(width)]
        if count >= 200 or wide:
            self.soften(columns)
        schema = self.schema(columns)
        self.repeats, self.careless = 0.1, 0.0
        related = self.foreign(columns, schema) if self.chance(0.15) else {}
        if schema.get("fieldsMatch", "exact") != "exact" and self.chance(0.6):
            columns = rng.sample(columns, len(columns))
        sheet = self.sheet(columns, dialect=dialect, encoding=encoding, count=count, dirt=dirt)
        if self.chance(0.015):
            sheet = Sheet(
                raw=rng.choice(
                    (
                        b"",
                        b"\n",
                        b"\r\n\r\n",
                        b"\xef\xbb\xbf",
                        b",",
                        b" ",
                        b"\x00",
                        b'"',
                        b"\n\n\nf1\n1",
                    )
                )
            )
        return Case(
            schema=schema,
            sheet=sheet,
            dialect=dialect,
            encoding=encoding,
            related=related,
            limits=rng.choice(((1000,), (1000,), (1000,), (0,), (1000, 1), (1000, 2), (3,), (7,))),
            limit_rows=rng.choice((1, 2, 5, 100)) if self.chance(0.03) else None,
            block=rng.choice((100, 300, 1000, 4000)) if self.chance(0.25) else None,
            seed=self.seed,
        )

    def soften(self, columns: list[Column]) -> None:
        """Drop the constraints of columns where nothing conforms: long tables stay mostly clean."""
        for index, column in enumerate(columns):
            if len(column.clean) < 3 or not column.dirty:
                column.descriptor.pop("constraints", None)
                columns[index] = self.sorted(
                    column.descriptor, column.clean + column.dirty, key=column.key
                )


def case(seed: int) -> Case:
    """The case of a seed."""
    return Maker(seed).case()


# Shrinking ---------------------------------------------------------------------------------


def shrink(case: Case, folder: Path, *, seconds: float = 60) -> Case:
    """The smallest case found in some time that still differs in the same place."""
    end = time.monotonic() + seconds
    wanted = _place(compare(case, folder))
    if not wanted:
        return case
    progress = True
    while progress and time.monotonic() < end:
        progress = False
        for smaller in _smaller(case):
            if time.monotonic() > end:
                break
            if _place(compare(smaller, folder)) == wanted:
                case, progress = smaller, True
                break
    return case


def _place(difference: str | None) -> str:
    """Where a difference is, and of which kind, without the values."""
    told = (difference or "").split(": ", 1)[-1]
    return re.sub(r"\d+", "", re.sub(r"'.*", "", told, flags=re.DOTALL))[:60]


def _smaller(case: Case) -> Iterator[Case]:
    """Simpler cases, the boldest first."""
    if len(case.limits) > 1:
        for limit in case.limits:
            yield replace(case, limits=(limit,))
    if case.limit_rows:
        yield replace(case, limit_rows=None)
    if case.block:
        yield replace(case, block=None)
    for key in case.dialect:
        yield replace(case, dialect={k: v for k, v in case.dialect.items() if k != key})
    for sheet in _smaller_sheets(case.sheet):
        yield replace(case, sheet=sheet)
    yield from _smaller_related(case)
    for index in range(len(case.schema["fields"])):
        yield _without(case, index)
    for schema in _smaller_schemas(case.schema):
        yield replace(case, schema=schema)
    if case.encoding != "utf-8" and case.sheet.raw is None:
        yield replace(case, encoding="utf-8", sheet=replace(case.sheet, encoding="utf-8"))


def _smaller_related(case: Case) -> Iterator[Case]:
    for name, (schema, sheet) in case.related.items():
        yield replace(case, related={k: v for k, v in case.related.items() if k != name})
        for less in _smaller_sheets(sheet):
            yield replace(case, related=case.related | {name: (schema, less)})
        for simple in _smaller_schemas(schema):
            yield replace(case, related=case.related | {name: (simple, sheet)})


def _smaller_sheets(sheet: Sheet) -> Iterator[Sheet]:
    if sheet.raw is not None:
        return
    lines = sheet.lines
    size = len(lines) // 2
    while size:
        for start in range(0, len(lines), size):
            yield replace(sheet, lines=lines[:start] + lines[start + size :])
        size //= 2
    if sheet.bom:
        yield replace(sheet, bom=False)
    if any(line.end != "\n" for line in lines):
        yield replace(sheet, lines=[Line(line.cells, "\n") for line in lines])
    if len(lines) > 12:
        return
    for index, line in enumerate(lines):
        for place, cell in enumerate(line.cells):
            simple = [
                short for short in ("", "1", "a", cell[:-1], cell[1:]) if _simpler(short, cell)
            ]
            for text in simple:
                cells = [*line.cells[:place], text, *line.cells[place + 1 :]]
                yield replace(
                    sheet, lines=[*lines[:index], Line(cells, line.end), *lines[index + 1 :]]
                )


def _simpler(text: str, than: str) -> bool:
    return (len(text), text) < (len(than), than) and than not in ("", "1", "a")


def _without(case: Case, index: int) -> Case:
    """The case without a field, its column, and the keys it takes part in."""
    schema = copy.deepcopy(case.schema)
    name = schema["fields"].pop(index).get("name")
    for key in ("primaryKey", "foreignKeys"):
        if name in json.dumps(schema.get(key, ""), ensure_ascii=False):
            schema.pop(key, None)
    lines = [
        Line(line.cells[:index] + line.cells[index + 1 :], line.end) for line in case.sheet.lines
    ]
    return replace(case, schema=schema, sheet=replace(case.sheet, lines=lines))


def _smaller_schemas(schema: Json) -> Iterator[Json]:
    for key in schema:
        if key != "fields":
            yield {k: v for k, v in schema.items() if k != key}
    for index, descriptor in enumerate(schema["fields"]):
        for simple in _smaller_fields(descriptor):
            yield schema | {
                "fields": [*schema["fields"][:index], simple, *schema["fields"][index + 1 :]]
            }


def _smaller_fields(descriptor: Json) -> Iterator[Json]:
    for key in descriptor:
        if key not in ("name", "type"):
            yield {k: v for k, v in descriptor.items() if k != key}
    constraints = descriptor.get("constraints", {})
    for key, value in constraints.items():
        rest = {k: v for k, v in constraints.items() if k != key}
        if rest:
            yield descriptor | {"constraints": rest}
        if isinstance(value, list) and len(value) > 1:
            for half in (value[: len(value) // 2], value[len(value) // 2 :]):
                yield descriptor | {"constraints": constraints | {key: half}}


def paste(case: Case, reason: str) -> str:
    """A named test for tests/test_differential.py."""
    more: Json = {}
    if case.dialect:
        more["dialect"] = case.dialect
    if case.encoding != "utf-8":
        more["encoding"] = case.encoding
    if case.related:
        more["related"] = {
            name: (schema, sheet.data()) for name, (schema, sheet) in case.related.items()
        }
    if case.limits != (1000,):
        more["limits"] = case.limits
    if case.limit_rows:
        more["limit_rows"] = case.limit_rows
    if case.block:
        more["block"] = case.block
    shown = [pprint.pformat(case.schema, width=96, sort_dicts=False), repr(case.sheet.data())]
    shown += [
        f"{key}={pprint.pformat(value, width=90, sort_dicts=False)}" for key, value in more.items()
    ]
    arguments = "".join(f"        {text},\n".replace("\n ", "\n         ") for text in shown)
    return (
        f"# seed {case.seed}: {reason}\n"
        f"def test_found_{case.seed}(tmp_path):\n"
        f'    """Both sides agree on what the fuzzer found with seed {case.seed}."""\n'
        f"    found = Case.of(\n{arguments}    )\n"
        f"    assert compare(found, tmp_path) is None\n"
    )


def check(seed: int, folder: Path, *, seconds: float = 60) -> str | None:
    """Compare one seeded case; a test to paste when it differs."""
    os.environ.setdefault("TZ", "UTC")
    reason = compare(case(seed), folder)
    if reason is None:
        return None
    small = shrink(case(seed), folder, seconds=seconds)
    return paste(small, compare(small, folder) or reason)
