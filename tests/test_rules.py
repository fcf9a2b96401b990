"""Rules that schemas declare: what each kind finds, what it leaves alone, what is declared wrongly."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal

import duckdb
import frictionless
import msgspec
import pyarrow as pa
import pytest
from hub import ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_sample_data import FILES, generate, table

from datahub.errors import CatalogError
from datahub.record import codes
from datahub.validation.rules import check_rules, run_rules
from datahub.validation.rules.kinds import CODES, KINDS

TODAY = dt.date(2026, 1, 10)
TYPES = {"integer": "BIGINT", "number": "DECIMAL(18,6)", "date": "DATE", "datetime": "TIMESTAMPTZ",
         "time": "TIME", "boolean": "BOOLEAN", "year": "INTEGER"}  # fmt: skip
SCHEMAS = sorted({*(ROOT / "schemas").glob("*.json")} - {ROOT / "schemas/catalog-record.json"})
RULED = [name for name, file in FILES.items() if "datahub:rules" in (
    ROOT / "schemas" / f"{file.schema}.json").read_text(encoding="utf-8")]  # fmt: skip


def schema_of(fields, *rules):
    """A schema of fields given as `name type` with rules; times are Beijing's."""
    zone = {"timezone": "+08:00"}
    pairs = [text.rsplit(" ", 1) for text in fields]
    listed = [{"name": n, "type": t} | (zone if t == "datetime" else {}) for n, t in pairs]
    named = [{"name": f"r{i}"} | rule for i, rule in enumerate(rules)]
    return {"fields": listed, "datahub:rules": named}


def load(db, name, fields, rows, types=None):
    """Create a table of typed columns and row numbers from 2 on."""
    quoted = ['"' + field["name"].replace('"', '""') + '"' for field in fields]
    kinds = [(types or {}).get(f["name"], TYPES.get(f["type"], "VARCHAR")) for f in fields]
    columns = ", ".join(f"{n} {k}" for n, k in zip(quoted, kinds, strict=True))
    db.execute(f'CREATE TABLE "{name}" ({columns}, "__row" BIGINT)')
    marks = ", ".join("?" * (len(quoted) + 1))
    if rows:
        db.executemany(
            f'INSERT INTO "{name}" VALUES ({marks})', [[*r, i] for i, r in enumerate(rows, start=2)]
        )


def ran(fields, rows, *rules, types=None, related=None, kept=100, today=TODAY):
    """Results of rules over rows; related resources as {name: (fields, rows)}."""
    schema = schema_of(fields, *rules)
    assert check_rules(schema) == []
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'America/New_York'")  # must not matter
        load(db, "t", schema["fields"], rows, types)
        for name, (names, values) in (related or {}).items():
            load(db, f"view {name}", schema_of(names)["fields"], values)
        views = {name: f"view {name}" for name in related or {}}
        return run_rules(db, "t", schema, today=today, related=views, kept=kept)


def broken(fields, rows, rule, **more):
    """Row numbers that break one rule, all counted."""
    (result,) = ran(fields, rows, rule, **more)
    assert result.count == len(result.rows)
    assert not result.skipped
    return list(result.rows)


def column(values):
    """Rows of one column."""
    return [[value] for value in values]


# Comparisons ------------------------------------------------------------------------------

DATES = ["a date", "b date"]
D = dt.date


@pytest.mark.parametrize(
    ("op", "rows"),
    [("<", [3, 4]), ("<=", [4]), ("=", [2, 4]), ("!=", [3]), (">=", [2]), (">", [2, 3])],
)
def test_fields_are_compared(op, rows):
    """A rule tells the rows whose fields do not compare as it says; empty ones are left alone."""
    day, later = D(2024, 2, 29), D(2024, 3, 1)
    data = [[day, later], [day, day], [later, day], [None, day], [day, None], [None, None]]
    assert broken(DATES, data, {"kind": "compare", "left": "a", "op": op, "right": "b"}) == rows


@pytest.mark.parametrize(
    ("field", "value", "op", "values", "rows"),
    [
        ("a integer", 0, ">=", [0, -1, 1, None], [3]),
        ("a number", 0.1, "<=", [Decimal("0.1"), Decimal("0.11"), None], [3]),
        ("a number", "0.10", "=", [Decimal("0.1"), Decimal("0.11")], [3]),
        ("a year", 2020, ">=", [2019, 2020], [2]),
        ("a date", "2026-01-10", "<", [D(2026, 1, 9), D(2026, 1, 10)], [3]),
        ("a date", "today", "<=", [D(2026, 1, 10), D(2026, 1, 11), None], [3]),
        ("a time", "06:00", ">=", [dt.time(5, 59, 59), dt.time(6)], [2]),
        ("a boolean", True, "=", [True, False, None], [3]),
        ("a string", "鄂'E\"", "!=", ["鄂'E\"", "x", None], [2]),
        ("a yearmonth", "2024-10", ">=", ["2024-9", "2024-10", "2025-01", "x", None], [2]),
        ("a datetime", "2026-01-10T00:00:00", "<", ["2026-01-09T15:59:59Z", "2026-01-09T16:00:00Z"], [3]),
        ("a datetime", "2026-01-10T00:00:00Z", "<", ["2026-01-09T23:59:59Z", "2026-01-10T00:00:00Z"], [3]),
    ],
)  # fmt: skip
def test_fields_are_compared_with_constants(field, value, op, values, rows):
    """A constant is read as a value of the field, a time without an offset in its zone."""
    rule = {"kind": "compare", "left": "a", "op": op, "value": value}
    assert broken([field], column(values), rule) == rows


@pytest.mark.parametrize(
    ("types", "row", "right"),
    [
        (("BIGINT", "DECIMAL(38,0)"), (5, Decimal("9" * 38)), True),
        (("VARCHAR", "DECIMAL(38,0)"), ("1" + "0" * 38, Decimal("9" * 38)), False),
        (("VARCHAR", "VARCHAR"), ("9" * 50, "1" + "0" * 50), True),
        (("VARCHAR", "BIGINT"), ("-" + "9" * 50, -(2**63)), True),
    ],
)
def test_huge_integers_are_compared_exactly(types, row, right):
    """Integers of any length compare as numbers, whatever column types they came in."""
    rule = {"kind": "compare", "left": "a", "op": "<=", "right": "b"}
    fields = ["a integer", "b integer"]
    rows = broken(fields, [row], rule, types=dict(zip("ab", types, strict=True)))
    assert rows == ([] if right else [2])


@pytest.mark.parametrize(
    ("types", "row", "right"),
    [
        (("DECIMAL(38,30)", "DECIMAL(38,0)"), (Decimal("0.5"), Decimal("9" * 38)), True),
        (("DOUBLE", "DECIMAL(18,2)"), (float("nan"), Decimal(1)), True),
        (("DOUBLE", "DECIMAL(18,2)"), (float("inf"), Decimal(1)), True),
        (("DOUBLE", "DECIMAL(18,2)"), (1.5, Decimal("1.25")), False),
    ],
)
def test_numbers_of_other_types_are_compared(types, row, right):
    """Decimals that no decimal holds together are compared as doubles; what is no number is not."""
    rule = {"kind": "compare", "left": "a", "op": "<=", "right": "b"}
    types = dict(zip("ab", types, strict=True))
    assert broken(["a number", "b number"], [row], rule, types=types) == ([] if right else [2])


# Sums and days ----------------------------------------------------------------------------

SUM = {"kind": "sum", "total": "t", "parts": ["a", "b"]}
MONEY = ["t number", "a number", "b number"]


@pytest.mark.parametrize(
    ("more", "rows"),
    [
        ({}, [3, 4]),
        ({"tolerance": 0.01}, [4]),
        ({"op": ">="}, [3]),
        ({"op": "<="}, [4]),
        ({"emptyIsZero": True}, [3, 4, 5]),
    ],
)
def test_sums(more, rows):
    """A total is compared with its parts exactly, within a tolerance, or as a bound."""
    data = [
        ["0.30", "0.10", "0.20"], ["0.30", "0.11", "0.20"], ["0.40", "0.10", "0.20"],
        ["0.30", "0.10", None], [None, "1", "1"], ["1", None, None],
    ]  # fmt: skip
    assert broken(MONEY, data, SUM | more) == rows


def test_sums_do_not_overflow():
    """Parts at the end of their type's range are added up without an error."""
    most = 2**63 - 1
    fields = ["t integer", "a integer", "b integer"]
    assert broken(fields, [[most, most, most], [most, most, 0]], SUM) == [2]
    huge = Decimal("9" * 38)
    wide = dict.fromkeys("tab", "DECIMAL(38,0)")
    assert broken(fields, [[huge, huge, huge], [huge, huge, 0]], SUM, types=wide) == [2]
    doubles = dict.fromkeys("tab", "DOUBLE")
    assert broken(MONEY, [[0.3, 0.1, 0.2], [0.31, 0.1, 0.2]], SUM, types=doubles) == [3]


@pytest.mark.parametrize(("tolerance", "rows"), [(0, [3, 4]), (1, [4])])
def test_days(tolerance, rows):
    """A number of days agrees with the dates it is counted between."""
    rule = {"kind": "days", "from": "a", "to": "b", "total": "n", "tolerance": tolerance}
    data = [[D(2024, 2, 28), D(2024, 3, 1), n] for n in (2, 3, 4, None)] + [
        [None, D(2024, 1, 1), 9]
    ]
    assert broken([*DATES, "n integer"], data, rule) == rows


# Filled and empty -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "rows"),
    [
        ([], [3, 4, 6]),
        ([{"field": "kind", "in": ["变更", "撤销"]}], [3]),
        ([{"field": "kind", "notIn": ["有效"]}], [3, 6]),
        ([{"field": "kind", "empty": True}], [4]),
        ([{"field": "kind", "empty": False}, {"field": "kind", "notIn": ["变更"]}], [6]),
    ],
)
def test_present_where_conditions_hold(when, rows):
    """Fields must be filled where all conditions hold; an empty field is in no list of values."""
    data = [["有效", "x"], ["变更", None], [None, None], ["撤销", "x"], ["无效", None]]
    assert broken(["kind string", "why string"], data,
                  {"kind": "present", "fields": ["why"], "when": when}) == rows  # fmt: skip


def test_absent():
    """Fields must be empty; one that is filled is enough to break the rule."""
    rule = {"kind": "absent", "fields": ["a", "b"], "when": [{"field": "n", "in": [1, 2]}]}
    data = [[1, None, None], [1, "x", None], [2, None, "x"], [3, "x", "x"], [None, "x", "x"]]
    assert broken(["n integer", "a string", "b string"], data, rule) == [3, 4]


# Periods ----------------------------------------------------------------------------------

CODE_ROWS = [
    ["420521", D(1990, 1, 1), D(2001, 12, 31)],
    ["420506", D(2002, 1, 1), None],
    ["420500", None, D(1992, 1, 1)],
    ["420500", D(1993, 1, 1), None],
]
PERIOD = {"kind": "period", "key": ["code"], "at": "day",
          "reference": {"resource": "codes", "key": ["id"], "from": "since", "to": "until"}}  # fmt: skip
CODE_LIST = {"codes": (["id string", "since date", "until date"], CODE_ROWS)}


@pytest.mark.parametrize(
    ("code", "day", "right"),
    [
        ("420521", D(1990, 1, 1), True), ("420521", D(2001, 12, 31), True),
        ("420521", D(2002, 1, 1), False), ("420521", D(1989, 12, 31), False),
        ("420506", D(2002, 1, 1), True), ("420506", D(2099, 1, 1), True),
        ("420500", D(1900, 1, 1), True), ("420500", D(1992, 7, 1), False),
        ("420500", D(1993, 1, 1), True), ("unknown", D(2000, 1, 1), False),
        (None, D(2000, 1, 1), True), ("420521", None, True),
    ],
)  # fmt: skip
def test_a_date_lies_in_the_validity_of_its_code(code, day, right):
    """Both ends belong to a validity, an empty end is open, gaps and unknown codes are told."""
    fields = ["code string", "day date"]
    found = broken(fields, [[code, day]], PERIOD, related=CODE_LIST)
    assert found == ([] if right else [2])


def test_half_open_validity_and_spans():
    """The end of a half-open validity is not in it; a span must lie in one validity as a whole."""
    fields, last = ["code string", "day date", "end date"], D(2001, 12, 31)
    data = [["420521", last, last], ["420500", D(1991, 1, 1), D(1994, 1, 1)]]
    half = PERIOD | {"halfOpen": True}
    assert broken(fields, data[:1], half, related=CODE_LIST) == [2]
    span = {k: v for k, v in PERIOD.items() if k != "at"} | {"from": "day", "to": "end"}
    assert broken(fields, data, span, related=CODE_LIST) == [3]
    assert broken(fields, data[:1], span | {"halfOpen": True}, related=CODE_LIST) == []


def test_keys_of_other_types_refer_as_text():
    """A code that one table has as a number and the other as text is the same code."""
    rows = [[420521, D(2000, 1, 1)], [420521, D(2003, 1, 1)]]
    assert broken(["code integer", "day date"], rows, PERIOD, related=CODE_LIST) == [3]


@pytest.mark.parametrize(
    ("related", "told"),
    [
        ({}, "no resource 'codes'"),
        ({"codes": (["id string", "since date"], [])}, "no column 'until'"),
        ({"codes": (["id string", "since year", "until year"], [])}, "another type than 'day'"),
    ],
)
def test_a_rule_that_cannot_be_evaluated_is_told(related, told):
    """Where the other table is missing or fits not, the result says so and counts nothing."""
    (result,) = ran(["code string", "day date"], [["x", D(2000, 1, 1)]], PERIOD, related=related)
    assert (result.skipped, result.count, result.checked) == (True, 0, 0)
    assert told in result.en
    assert "未能核对" in result.zh


def test_a_column_that_is_not_there_is_told():
    """A view without a rule's column skips that rule only."""
    schema = schema_of(["a integer", "b integer"], *(
        {"kind": "compare", "left": name, "op": ">", "value": 0} for name in "ab"))  # fmt: skip
    with duckdb.connect() as db:
        load(db, "t", schema["fields"][:1], [[0]])
        one, other = run_rules(db, "t", schema, today=TODAY)
    assert (one.count, one.skipped, other.skipped) == (1, False, True)


OVERLAP = {"kind": "no-overlap", "key": ["k"], "from": "a", "to": "b"}


@pytest.mark.parametrize(
    ("more", "spans", "rows"),
    [
        ({}, [(1, 9), (10, 20), (21, None)], []),
        ({}, [(1, 10), (10, 20)], [3]),
        ({"halfOpen": True}, [(1, 10), (10, 20), (19, 20)], [4]),
        ({}, [(1, 30), (2, 3), (5, 6)], [3, 4]),  # the second ends before the third begins
        ({}, [(1, None), (5, 6)], [3]),
        ({}, [(5, 6), (1, None)], [2]),  # the later span is told, wherever it stands
        ({}, [(None, 3), (None, 5)], [3]),
        ({}, [(None, 3), (4, 5), (None, None)], [3, 4]),
        ({}, [(9, 1), (2, 3)], []),  # an end before its start is another rule's finding
        ({}, [(5, 5), (5, 5)], [3]),
    ],
)
def test_no_overlap(more, spans, rows):
    """Of two spans that overlap the later one is told; other keys and empty keys do not meet."""

    def day(number):
        return number and D(2024, 1, number)

    data = [["x", day(a), day(b)] for a, b in spans]
    data += [["y", D(2024, 1, 1), None], [None, D(2024, 1, 1), None], [None, D(2024, 1, 1), None]]
    assert sorted(broken(["k string", *DATES], data, OVERLAP | more)) == rows


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("year", [(2000, 2001), (2001, None)]),
        ("integer", [(1, 2), (2, None)]),
        ("yearmonth", [("2000-1", "2000-12"), ("2000-12", None)]),
        (
            "datetime",
            [
                ("2000-01-01 00:00:00+00", "2000-01-02 00:00:00+00"),
                ("2000-01-02 00:00:00+00", None),
            ],
        ),
        ("time", [("06:00", "07:00"), ("07:00", None)]),
    ],
)
def test_spans_of_every_type(kind, values):
    """Spans of years, months, instants and times of day overlap like those of dates."""
    fields = ["k string", f"a {kind}", f"b {kind}"]
    (result,) = ran(fields, [["x", *v] for v in values], OVERLAP)
    assert result.rows == (3,)
    assert result.samples[0].endswith(" / row 2")


# Check digits -----------------------------------------------------------------------------

ORACLES = {
    "credit-code": codes.is_credit_code,
    "organisation-code": codes.is_organisation_code,
    "citizen-id": codes.is_citizen_id,
    "bank-card": codes.is_bank_card,
}
SEEDS = {
    "credit-code": ["91350100M000100Y43", "114205000000002380", "N2420506MF0000005K"],
    "organisation-code": ["MB0000019", "MB000001-9", "00003734-1", "D2143569X"],
    "citizen-id": ["11010519491231002X", "440524188001010014", "42050219000101004x"],
    "bank-card": ["6200000000000005", "4111111111111111", "6222021234567890128"],
}
NEAR = st.sampled_from([text for seeds in SEEDS.values() for text in seeds]).flatmap(
    lambda seed: st.tuples(
        st.just(seed), st.integers(0, len(seed) - 1), st.sampled_from("0123456789AXZxO-０ \n")
    ).map(lambda t: t[0][: t[1]] + t[2] + t[0][t[1] + 1 :])
)
MADE = {
    "credit-code": st.text("0123456789ABCDEFGHJKLMNPQRTUWXY", min_size=18, max_size=18),
    "organisation-code": st.from_regex(r"[0-9A-Z]{8}-?[0-9X]", fullmatch=True),
    "citizen-id": st.from_regex(
        r"[1-9][0-9]{5}(18|19|20)[0-9]{2}(0[0-9]|1[0-3])[0-3][0-9][0-9]{3}[0-9Xx]", fullmatch=True
    ),
    "bank-card": st.from_regex(r"[0-9]{12,20}", fullmatch=True),
}


@pytest.mark.parametrize("code", CODES)
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_check_digits_in_sql_are_those_of_codes(code, data):
    """SQL and Python agree on made-up codes, codes one character off, and any text."""
    texts = data.draw(st.lists(MADE[code] | NEAR | st.text(), min_size=20, max_size=60))
    texts = [t for t in texts if ("\x00" not in t and t.isprintable()) or "\n" in t] + SEEDS[code]
    rule = {"kind": "check-digit", "field": "c", "code": code}
    wrong = [row for row, text in enumerate(texts, start=2) if not ORACLES[code](text)]
    assert broken(["c string"], column(texts), rule) == wrong


@pytest.mark.parametrize("code", CODES)
def test_only_one_check_digit_is_right(code):
    """Of all check digits a code could end with one is right; nothing is said of empty cells."""
    stem = SEEDS[code][0][:-1]
    texts = [stem + last for last in "0123456789ABCDEFGHJKLMNPQRTUWXY"]
    rule = {"kind": "check-digit", "field": "c", "code": code}
    (result,) = ran(["c string"], column([*texts, None]), rule)
    assert (result.checked, result.count) == (31, 30)
    assert SEEDS[code][0] in texts


def test_vectors_of_the_standards():
    """Published codes pass, whatever letters they begin with."""
    assert codes.is_organisation_code("D2143569-X")
    assert not codes.is_organisation_code("D2143569-0")
    assert not codes.is_organisation_code("D2143569--X")
    assert not codes.is_organisation_code("d2143569X")
    assert codes.is_bank_card("4111111111111111")
    assert not codes.is_bank_card("0" * 12)
    assert not codes.is_bank_card("0" * 20)
    assert not codes.is_bank_card("abc")
    assert all(ORACLES[code](text) for code, texts in SEEDS.items() for text in texts[:1])


def test_a_field_declares_its_check():
    """`datahub:check` at a field is a rule of its own, named after the field."""
    schema = schema_of(["c string"])
    schema["fields"][0]["datahub:check"] = "credit-code"
    del schema["datahub:rules"]
    assert check_rules(schema) == []
    with duckdb.connect() as db:
        load(db, "t", schema["fields"], column(["91350100M000100Y43", "91350100M000100Y44"]))
        (result,) = run_rules(db, "t", schema, today=TODAY)
    assert (result.rule, result.kind, result.rows) == ("check:c", "check-digit", (3,))
    assert result.samples == ("c=91350100M000100Y44",)


# Places -----------------------------------------------------------------------------------

PLACE = ["x number", "y number"]
SQUARE = [[[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]]
HOLE = [[[4, 4], [6, 4], [6, 6], [4, 6], [4, 4]]]


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ({"bbox": [0, 0, 10, 10]}, [8, 9, 10]),
        ({"region": {"type": "Polygon", "coordinates": SQUARE}}, [8, 9, 10]),
        ({"region": {"type": "Polygon", "coordinates": SQUARE + HOLE}}, [2, 8, 9, 10]),
        ({"region": "POLYGON ((0 0, 10 0, 10 10, 0 10))"}, [8, 9, 10]),
        ({"region": "MULTIPOLYGON (((0 0, 2 0, 2 2, 0 2)), ((9 9, 11 9, 11 11, 9 11)))"},
         [2, 4, 6, 7, 8, 9]),
    ],
)  # fmt: skip
def test_places_lie_inside(where, rows):
    """Borders belong to a region, holes do not; a place without both coordinates is left alone."""
    data = [["5", "5"], ["0", "0"], ["10", "5"], ["10", "10"], ["5", "0"], ["4", "3"], ["-0.01", "5"],
            ["5", "10.01"], ["11", "11"], [None, "50"], ["50", None]]  # fmt: skip
    assert broken(PLACE, data, {"kind": "within", "lon": "x", "lat": "y"} | where) == rows


def test_swapped_coordinates_are_told():
    """A place that would be inside with its coordinates exchanged is told as such."""
    rule = {"kind": "within", "lon": "x", "lat": "y", "bbox": [110.2, 29.9, 112.1, 31.6]}
    (result,) = ran(PLACE, [["30.7", "111.3"], ["111.3", "30.7"], ["0", "0"]], rule)
    assert result.rows == (2, 4)
    assert "其中 1 行的经纬度像是写反了" in result.zh
    assert "In 1 of them" in result.en


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    points=st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), min_size=1, max_size=60),
    star=st.lists(st.integers(2, 20), min_size=5, max_size=12),
)
def test_regions_agree_with_a_plain_count(points, star):
    """For any star the bands find what counting the crossings of every edge finds."""
    import math

    turn = 2 * math.pi / len(star)
    ring = [(20 + r * math.cos(i * turn + 0.1), 20 + r * math.sin(i * turn + 0.1))
            for i, r in enumerate(star)]  # fmt: skip
    edges = list(zip(ring, ring[1:] + ring[:1], strict=True))

    def inside(x, y):
        return sum(
            (a[1] > y) != (b[1] > y) and x < a[0] + (y - a[1]) / (b[1] - a[1]) * (b[0] - a[0])
            for a, b in edges
        ) % 2  # fmt: skip

    region = {"type": "Polygon", "coordinates": [[*map(list, ring)]]}
    rule = {"kind": "within", "lon": "x", "lat": "y", "region": region}
    wrong = [row for row, p in enumerate(points, start=2) if not inside(*p)]
    assert broken(PLACE, points, rule) == wrong


# Freshness --------------------------------------------------------------------------------

FRESH = {"kind": "fresh", "field": "d", "days": 7}


@pytest.mark.parametrize(
    ("days", "rows"),
    [
        ([D(2026, 1, 3), D(2020, 1, 1)], []),
        ([D(2020, 1, 1), D(2026, 1, 2)], [3]),
        ([D(2026, 1, 2), D(2026, 1, 11)], [2]),  # a date to come is not news
        ([D(2026, 1, 2), None], [2]),
        ([None], []),
        ([], []),
    ],
)
def test_the_newest_date_is_fresh(days, rows):
    """The newest date that is not in the future is told when it is too old."""
    assert broken(["d date"], column(days), FRESH) == rows


@pytest.mark.parametrize(
    ("moment", "rows"), [("2026-01-02T16:00:00Z", []), ("2026-01-02T15:59:59Z", [2])]
)
def test_instants_are_fresh_by_the_day_of_their_zone(moment, rows):
    """Midnight is that of the field's zone, wherever the machine is."""
    assert broken(["d datetime"], [[moment], ["2026-01-10T16:00:00Z"]], FRESH) == rows


def test_the_newest_of_each_group_is_fresh():
    """With `by` each group has a newest row, and those that are too old are counted."""
    new, old = D(2026, 1, 9), D(2025, 1, 1)
    data = [["a", new], ["b", old], ["b", D(2024, 1, 1)], ["c", old], [None, old]]
    (result,) = ran(["k string", "d date"], data, FRESH | {"by": ["k"]})
    assert (result.checked, result.count, result.rows) == (3, 2, (3, 5))
    assert result.samples == ("d=2025-01-01, k=b", "d=2025-01-01, k=c")


# What is told -----------------------------------------------------------------------------


def test_a_result_says_where_what_and_what_would_be_right():
    """Both languages name the rule, the rows, an example and what the rule asks for."""
    rule = {"kind": "compare", "name": "valid-period", "title": "有效期起止顺序", "left": "b",
            "op": ">=", "right": "a", "severity": "warn"}  # fmt: skip
    data = [[D(2024, 1, n), D(2024, 1, 9)] for n in range(1, 31)]
    (result,) = ran(DATES, data, rule, kept=10)
    assert (result.checked, result.count, result.severity) == (30, 21, "warn")
    assert result.rows == tuple(range(11, 21))
    assert result.fields == ("b", "a")
    assert result.samples[0] == "b=2024-01-09, a=2024-01-10"
    assert len(result.samples) == 5
    assert result.zh == (
        "有效期起止顺序：21 处不符合（第 11、12、13、14、15 行等；"
        "例：b=2024-01-09, a=2024-01-10）。b应不早于a。"
    )
    assert result.en == (
        "valid-period: 21 of 30 rows break it (first in rows 11, 12, 13, 14, 15; such as "
        "b=2024-01-09, a=2024-01-10): b should be no earlier than a."
    )
    assert (result.right_zh, result.right_en) == ("b应不早于a", "b should be no earlier than a")


EXAMPLES = [
    ({"kind": "compare", "left": "n", "op": "<", "value": 1}, "n应小于 1"),
    ({"kind": "compare", "left": "d", "op": "<=", "value": "today"}, "d应不晚于 2026-01-10"),
    ({"kind": "compare", "left": "ok", "op": "=", "value": False}, "ok应等于 false"),
    ({"kind": "sum", "total": "n", "parts": ["m"], "tolerance": 0.5}, "n应等于m之和（可差 0.5）"),
    ({"kind": "days", "from": "d", "to": "e", "total": "n", "tolerance": 1}, "的天数（可差 1 天）"),
    ({"kind": "present", "fields": ["s"], "when": [{"field": "s", "empty": True}]}, "当s为空时，s应填写"),
    ({"kind": "absent", "fields": ["s"], "when": [{"field": "n", "notIn": [1, 2]}]}, "当n不为“1”、“2”时"),
    ({"kind": "no-overlap", "key": ["s"], "from": "d", "to": "e"}, "同一s的各行，d至e不应重叠"),
    ({"kind": "check-digit", "field": "s", "code": "bank-card"}, "s应为校验码正确的银行卡号"),
    ({"kind": "within", "lon": "n", "lat": "m", "bbox": [0, 0, 1, 1]}, "n、m应在经度 0 至 1、纬度 0 至 1"),
    ({"kind": "within", "lon": "n", "lat": "m", "region": "POLYGON((0 0,1 0,1 1))"}, "规则所列区域"),
    ({"kind": "fresh", "field": "d", "days": 7, "by": ["s"]}, "每个s的d的最新值应不早于 2026-01-03"),
    ({"kind": "period", "key": ["s"], "at": "d",
      "reference": {"key": ["s"], "from": "d", "to": "e"}}, "d应在本表中同一s的有效期（d 至 e）之内"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "zh"), EXAMPLES)
def test_every_kind_says_what_it_asks_for(rule, zh):
    """Each kind has a sentence in both languages, for an empty table, too."""
    fields = ["n integer", "m number", "d date", "e date", "s string", "ok boolean"]
    (result,) = ran(fields, [], rule)
    assert zh in result.right_zh
    assert result.right_en
    assert (result.count, result.rows, result.samples) == (0, (), ())
    assert "没有可核对的行" in result.zh


def test_every_kind_is_among_the_examples():
    """No kind is left out of the sentences that are tested."""
    assert {rule["kind"] for rule, _ in EXAMPLES} == set(KINDS)


@pytest.mark.parametrize(
    ("code", "value"), [("citizen-id", "110105194912310021"), ("bank-card", "6200000000000009")]
)
def test_samples_never_show_personal_data(code, value):
    """Numbers of people and of cards are masked, also where another rule shows the field."""
    schema = schema_of(["c string"], {"kind": "compare", "left": "c", "op": "!=", "value": value})
    schema["fields"][0]["datahub:check"] = code
    with duckdb.connect() as db:
        load(db, "t", schema["fields"], column([value]))
        results = run_rules(db, "t", schema, today=TODAY)
    assert [r.count for r in results] == [1, 1]
    assert all(value[3:-2] not in repr(r.samples) for r in results)


def test_samples_mask_what_screening_finds_and_cut_long_texts():
    """A mobile number in any field is masked, a long text is cut."""
    rule = {"kind": "absent", "fields": ["c"]}
    (result,) = ran(["c string"], column(["张三13812345678", "长" * 200]), rule)
    assert "13812345678" not in result.samples[0]
    assert result.samples[1] == f"c={'长' * 40}…"


def test_times_are_told_in_their_zone():
    """A sample shows an instant as the field's zone has it."""
    rule = {"kind": "absent", "fields": ["t"]}
    (result,) = ran(["t datetime"], [["2026-01-09T16:00:00Z"]], rule)
    assert result.samples == ("t=2026-01-10T00:00:00+08:00",)


@pytest.mark.parametrize(
    "name",
    ['a"; DROP TABLE t; --', "有效期 至", "select", "a'b", "$v0", "?", "c0", "r", "total", "held", "%", "A.b"],
)  # fmt: skip
def test_a_field_name_is_only_a_name(name):
    """Hostile names, keywords and names like our own columns are quoted, and nothing happens."""
    other = {"kind": "compare", "left": name, "op": ">=", "right": "b"}
    rules = [
        other,
        {"kind": "no-overlap", "key": ["k"], "from": "b", "to": name},
        {"kind": "period", "key": ["k"], "at": name, "reference": {"key": ["k"], "from": "b", "to": name}},
        {"kind": "fresh", "field": name, "days": 1, "by": ["k"]},
        {"kind": "present", "fields": [name], "when": [{"field": "k", "in": ["'; DROP TABLE t; --"]}]},
    ]  # fmt: skip
    data = [["x", D(2025, 1, 2), D(2025, 1, 1)], ["x", D(2025, 1, 1), D(2025, 1, 2)]]
    results = ran(["k string", f"{name} date", "b date"], data, *rules)
    assert [r.count for r in results] == [1, 0, 0, 1, 0]
    assert results[0].rows == (3,)


def test_rules_that_are_wrong_are_not_run():
    """Evaluating what was never checked is refused."""
    with duckdb.connect() as db, pytest.raises(CatalogError, match="unknown"):
        run_rules(db, "t", {"fields": [], "datahub:rules": [{"kind": "sql"}]}, today=TODAY)


def test_a_schema_without_rules_has_no_results():
    """Nothing is looked at where nothing is declared."""
    with duckdb.connect() as db:
        assert run_rules(db, "no table", {"fields": [{"name": "a"}]}, today=TODAY) == []


# Declarations -----------------------------------------------------------------------------

FIELDS = ["n integer", "m number", "d date", "e date", "t datetime", "s string", "ok boolean"]


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ("x", "rule 1 is no object"),
        ({"kind": "sql", "query": "1"}, "rule 'r0': kind 'sql' is unknown; known are compare"),
        ({"kind": []}, "kind [] is unknown"),
        ({"kind": "compare", "name": "", "left": "n", "op": "<", "value": 1}, "'name' is missing"),
        ({"kind": "compare", "left": "x", "op": "<", "value": 1}, "rule 'r0': field 'x' is not among"),
        ({"kind": "compare", "left": "n", "op": "~", "value": 1}, "rule 'r0': Invalid enum value '~'"),
        ({"kind": "compare", "left": "n", "op": "<", "value": 1, "x": 1}, "unknown field `x`"),
        ({"kind": "compare", "left": "n", "op": "<"}, "field 'n': compare it with either"),
        ({"kind": "compare", "left": "n", "op": "<", "right": "m", "value": 1}, "with either"),
        ({"kind": "compare", "left": "n", "op": "<", "right": "n"}, "field 'n' is named twice"),
        ({"kind": "compare", "left": "n", "op": "<", "right": "d"}, "'n' and 'd' are integer and date"),
        ({"kind": "compare", "left": "d", "op": "<", "right": "t"}, "are date and datetime"),
        ({"kind": "compare", "left": "s", "op": "<", "value": "a"}, "field 's' is string, which '<'"),
        ({"kind": "compare", "left": "n", "op": "<", "value": "abc"}, "field 'n': 'abc' is no integer"),
        ({"kind": "compare", "left": "n", "op": "<", "value": True}, "True is no integer"),
        ({"kind": "compare", "left": "m", "op": "<", "value": "1e999999"}, "'1e999999' is no number"),
        ({"kind": "compare", "left": "d", "op": "<", "value": "2024-02-30"}, "is no date"),
        ({"kind": "compare", "left": "n", "op": "<", "value": 1, "severity": "fatal"}, "'fatal'"),
        ({"kind": "sum", "total": "n", "parts": []}, "'parts' is empty"),
        ({"kind": "sum", "total": "n", "parts": ["m", "m"]}, "field 'm' is named twice"),
        ({"kind": "sum", "total": "n", "parts": ["s"]}, "field 's' is string, not number or integer"),
        ({"kind": "sum", "total": "n", "parts": ["m"], "tolerance": -1}, "is negative"),
        ({"kind": "days", "from": "d", "to": "t", "total": "n"}, "field 't' is datetime, not date"),
        ({"kind": "present", "fields": ["s"], "when": [{"field": "x", "empty": True}]}, "field 'x' is not"),
        ({"kind": "present", "fields": ["s"], "when": [{"field": "n"}]}, "field 'n': a condition has one of"),
        ({"kind": "present", "fields": ["s"], "when": [{"field": "n", "in": []}]}, "1 to 1000 values"),
        ({"kind": "present", "fields": ["s"], "when": [{"field": "n", "in": ["x"]}]}, "'x' is no integer"),
        ({"kind": "period", "key": ["s"], "at": "d", "reference":
          {"resource": "c", "key": ["a", "b"], "from": "f", "to": "t"}}, "'key' has 1 fields"),
        ({"kind": "period", "key": ["s"], "reference":
          {"resource": "c", "key": ["a"], "from": "f", "to": "t"}}, "give either 'at' or both"),
        ({"kind": "period", "key": ["s"], "at": "d", "reference":
          {"key": ["s"], "from": "f", "to": "e"}}, "field 'f' is not among the fields"),
        ({"kind": "no-overlap", "key": [], "from": "d", "to": "e"}, "'key' is empty"),
        ({"kind": "no-overlap", "key": ["s"], "from": "ok", "to": "e"}, "field 'ok' is boolean"),
        ({"kind": "check-digit", "field": "n", "code": "credit-code"}, "field 'n' is integer, not string"),
        ({"kind": "check-digit", "field": "s", "code": "isbn"}, "Invalid enum value 'isbn'"),
        ({"kind": "within", "lon": "s", "lat": "m", "bbox": [0, 0, 1, 1]}, "field 's' is string"),
        ({"kind": "within", "lon": "n", "lat": "m"}, "fields 'n', 'm': give either 'bbox' or 'region'"),
        ({"kind": "within", "lon": "n", "lat": "m", "bbox": [31, 112, 29, 110]}, "is not west, south"),
        ({"kind": "within", "lon": "n", "lat": "m", "bbox": [0, 0, 1]}, "rule 'r0': "),
        ({"kind": "within", "lon": "n", "lat": "m", "region": {"type": "Point"}}, "region "),
        ({"kind": "within", "lon": "n", "lat": "m", "region": "POLYGON((0 0,1 1,2))"}, "two numbers"),
        ({"kind": "within", "lon": "n", "lat": "m", "region": "POLYGON((0 0,1 1)"}, "pair up"),
        ({"kind": "within", "lon": "n", "lat": "m", "region": "POLYGON((0 0,1 0,2 0))"}, "without an area"),
        ({"kind": "within", "lon": "n", "lat": "m", "region": "POLYGON((0 0,999 0,1 1))"}, "in degrees"),
        ({"kind": "within", "lon": "n", "lat": "m", "region": "LINESTRING(0 0,1 1)"}, "must be a POLYGON"),
        ({"kind": "fresh", "field": "s", "days": 1}, "field 's' is string, not date or datetime"),
        ({"kind": "fresh", "field": "d", "days": -1}, "field 'd': days -1"),
    ],
)  # fmt: skip
def test_a_wrong_declaration_is_told(rule, problem):
    """The note names the rule, the field and what is wrong with it."""
    schema = schema_of(FIELDS)
    schema["datahub:rules"] = [rule if isinstance(rule, str) else {"name": "r0"} | rule]
    (note, *_) = check_rules(schema)
    assert problem in note
    assert "rule" in note


@pytest.mark.parametrize(
    ("one", "other", "contradict"),
    [
        (("n", "<", "m"), ("n", ">", "m"), True),
        (("n", "<", "m"), ("m", "<", "n"), True),
        (("n", "<=", "m"), ("m", "<=", "n"), False),
        (("n", "=", "m"), ("n", "!=", "m"), True),
        (("n", ">=", 10), ("n", "<=", 5), True),
        (("n", ">", 5), ("n", "<=", 5), True),
        (("n", ">=", 5), ("n", "<=", 5), False),
        (("n", ">", 5), ("n", "<", 10), False),
        (("n", "=", 0), ("n", "=", 1), True),
        (("n", "=", 0), ("m", "=", 1), False),
    ],
)
def test_rules_that_contradict_each_other_are_told(one, other, contradict):
    """Two comparisons that no value can keep are a mistake; those of certain rows may be meant."""

    def compare(left, op, right):
        key = "right" if isinstance(right, str) else "value"
        return {"kind": "compare", "left": left, "op": op, key: right}

    notes = check_rules(schema_of(FIELDS, compare(*one), compare(*other)))
    assert bool(notes) is contradict
    assert all("'r0' and 'r1' contradict each other on field 'n'" in note for note in notes)
    some = {"when": [{"field": "ok", "in": [True]}]}
    assert check_rules(schema_of(FIELDS, compare(*one) | some, compare(*other))) == []


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"datahub:rules": {}}, "'datahub:rules' must be a list"),
        ({"datahub:rules": [{"kind": "fresh", "name": "x", "field": "a", "days": 1}] * 2}, "same name"),
        ({"datahub:rules": [{"kind": "x"}] * 101}, "at most 100 rules"),
        ({"datahub:rule": []}, "key 'datahub:rule' is unknown"),
        ({"fields": [{"name": "a", "datahub:check": "isbn"}]}, "field 'a': datahub:check 'isbn' is unknown"),
        ({"fields": [{"name": "a", "datahub:check": ["x"]}]}, "is unknown; known are credit-code"),
        ({"fields": [{"name": "a", "datahub:rules": []}]}, "field 'a': key 'datahub:rules' is unknown"),
        ({"fields": [{"name": "a", "type": "integer", "datahub:check": "bank-card"}]}, "field 'a' is integer"),
        ({"fields": [{"name": "a", "datahub:check": "bank-card"}, {"name": "A"}]}, "only in case"),
        ({"fields": [{"name": "a", "datahub:check": "bank-card"}, {"name": "__ROW"}]}, "row numbers"),
    ],
)  # fmt: skip
def test_a_wrong_schema_is_told(change, problem):
    """Misplaced and misspelt keys, repeated names and unknown codes are told by name."""
    schema = {"fields": [{"name": "a", "type": "date"}]} | change
    assert any(problem in note for note in check_rules(schema)), check_rules(schema)


@pytest.mark.parametrize("fields", [None, {}, [1, {"name": 2}, {}], [{"name": "a", "type": []}]])
def test_a_broken_schema_is_no_crash(fields):
    """What is no schema is left to the check of schemas."""
    rule = {"kind": "fresh", "name": "x", "field": "a", "days": 1}
    assert check_rules({"fields": fields, "datahub:rules": [rule]}) != []


def test_required_fields_cannot_be_absent():
    """A rule against a constraint of the same field is told."""
    schema = schema_of(["a string"], {"kind": "absent", "fields": ["a"]})
    schema["fields"][0]["constraints"] = {"required": True}
    assert check_rules(schema) == ["rule 'r0': field 'a' is required, it cannot be empty"]
    both = [{"kind": "absent", "fields": ["s"]}, {"kind": "present", "fields": ["s"]}]
    assert "cannot be filled and empty" in check_rules(schema_of(FIELDS, *both))[0]


def test_dates_of_yaml_are_constants():
    """A YAML schema gives dates as dates; they are read like their text."""
    rule = {"kind": "compare", "left": "d", "op": ">", "value": D(2024, 1, 1)}
    assert broken(["d date"], column([D(2024, 1, 1), D(2024, 1, 2)]), rule) == [2]


# The schemas of this repository -----------------------------------------------------------


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda p: p.stem)
def test_declared_rules_are_right_and_frictionless_takes_them(path):
    """Every schema's rules can be evaluated, and its keys do not trouble frictionless."""
    schema = json.loads(path.read_text(encoding="utf-8"))
    assert check_rules(schema) == []
    read = frictionless.Schema.from_descriptor(schema)
    assert read.to_descriptor().get("datahub:rules") == schema.get("datahub:rules")


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """Generate the sample files once."""
    return generate(tmp_path_factory.mktemp("rules"))


@pytest.mark.parametrize("name", RULED)
def test_sample_data_keeps_the_rules(name, sample):
    """What the generator writes breaks no rule of its schema."""
    schema = json.loads((ROOT / "schemas" / f"{FILES[name].schema}.json").read_text("utf-8"))
    header, *rows = table(sample, name)
    missing = {*schema["missingValues"]}
    cells = {
        label: pa.array([None if r[i] in missing else r[i] for r in rows], pa.string())
        for i, label in enumerate(header)
    }
    cells["__row"] = pa.array(range(2, len(rows) + 2), pa.int64())
    types = {f["name"]: TYPES.get(f["type"], "VARCHAR") for f in schema["fields"]}
    listed = ", ".join(
        f'"{n}" = \'是\' AS "{n}"' if k == "BOOLEAN" else f'CAST("{n}" AS {k}) AS "{n}"'
        for n, k in types.items()
    )
    with duckdb.connect() as db:
        db.register("cells", pa.table(cells))
        db.execute(f"CREATE TABLE t AS SELECT __row, {listed} FROM cells")
        results = run_rules(db, "t", schema, today=D(2026, 1, 5))
    assert [r for r in results if r.count or r.skipped] == []
    assert results
    assert msgspec.json.encode(results)
