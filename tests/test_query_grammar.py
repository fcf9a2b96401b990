"""The grammar of questions to rows: what parses, what is refused and where, and what it means."""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal

import duckdb
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from datahub.errors import DatahubError, ParameterInvalid, ParameterUnknown
from datahub.forms.columns import Column
from datahub.serve.query import conditions, parse, plan, text, tree
from datahub.serve.query.outputs import of_table
from datahub.serve.query.tree import Comparison, Group, Operand, Pick, Sort
from datahub.web.api import resource_openapi

KINDS = (
    *("BIGINT", "INTEGER", "DECIMAL(9,2)", "DOUBLE", "BOOLEAN", "DATE", "TIME", "VARCHAR"),
    *("TIMESTAMP", "TIMESTAMP WITH TIME ZONE"),
)
MEMORY = duckdb.connect(config={"threads": 1})
COLUMNS = (
    Column(name="n", kind="BIGINT", type="integer"),
    Column(name="价格", kind="DECIMAL(9,2)", type="number"),
    Column(name="f", kind="DOUBLE", type="number"),
    Column(name="ok", kind="BOOLEAN", type="boolean"),
    Column(name="day", kind="DATE", type="date"),
    Column(name="t", kind="TIMESTAMP WITH TIME ZONE", zone="+08:00", type="datetime"),
    Column(name="名称", kind="VARCHAR"),
    Column(name="limit", kind="BIGINT", type="integer"),
    Column(name="a.b", kind="VARCHAR"),
    Column(name="列 名", kind="VARCHAR"),
    Column(name='q"uote', kind="VARCHAR"),
    Column(name="tags", kind="VARCHAR", type="array"),
)


def where(*pairs):
    """Compiled condition of parameters on COLUMNS."""
    return plan.compiled(plan.read(pairs, COLUMNS), COLUMNS).where


# Trees and their text ---------------------------------------------------------------------

NAMES = st.one_of(st.sampled_from([c.name for c in COLUMNS]), st.text(min_size=1).filter(str.strip))
VALUES = st.text()
SINGLE = (*tree.COMPARISONS, "isdistinct", *tree.PATTERNS, *tree.SEARCHES)


def operands(aggregates=tree.AGGREGATES):
    """Columns, aggregates of them, and count()."""
    return st.one_of(
        st.builds(Operand, column=NAMES),
        st.builds(Operand, column=NAMES, aggregate=st.sampled_from(aggregates)),
        st.just(Operand(column=None, aggregate="count")),
    )


def comparisons():
    """Every kind of condition."""
    lists = st.lists(VALUES, max_size=4).map(tuple)
    common = {"operand": operands(), "negated": st.booleans()}
    return st.one_of(
        st.builds(Comparison, operator=st.sampled_from(SINGLE), value=VALUES, **common),
        st.builds(
            Comparison, operator=st.just("is"), value=st.sampled_from(tree.IS_VALUES), **common
        ),
        st.builds(Comparison, operator=st.sampled_from(("in", *tree.LISTS)), value=lists, **common),
        st.builds(
            Comparison,
            operator=st.sampled_from(tree.MODIFIED),
            value=lists,
            each=st.sampled_from(("any", "all")),
            **common,
        ),
    )


def nodes():
    """Trees of conditions, a few deep."""
    return st.recursive(
        comparisons(),
        lambda inner: st.builds(
            Group,
            kind=st.sampled_from(("and", "or")),
            items=st.lists(inner, min_size=1, max_size=3).map(tuple),
            negated=st.booleans(),
        ),
        max_leaves=6,
    )


@settings(deadline=None, max_examples=150)
@given(st.lists(nodes(), min_size=1, max_size=3))
def test_conditions_come_back(found):
    """Conditions written as text are parsed to the same tree, whatever stands in names and values."""
    written = ",".join(map(text.node, found))
    assert parse.logic("or", "or", f"({written})").items == tuple(found)
    assert parse.having(written) == tuple(found)


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_selections_come_back(data):
    """What is selected comes back from its text: aliases, casts on both sides, aggregates."""
    casts = st.none() | st.sampled_from(sorted(tree.CASTS))
    found = data.draw(
        st.lists(
            st.one_of(
                st.just(Pick(operand=None)),
                st.builds(
                    Pick,
                    operand=st.builds(Operand, column=NAMES),
                    alias=st.none() | NAMES,
                    before=casts,
                ),
                st.builds(
                    Pick,
                    operand=st.builds(
                        Operand, column=NAMES, aggregate=st.sampled_from(tree.AGGREGATES)
                    ),
                    alias=st.none() | NAMES,
                    before=casts,
                    after=casts,
                ),
                st.builds(
                    Pick,
                    operand=st.just(Operand(column=None, aggregate="count")),
                    alias=st.none() | NAMES,
                    after=casts,
                ),
            ),
            min_size=1,
            max_size=5,
        )
    )
    assert parse.select(",".join(map(text.pick, found))) == tuple(found)


@settings(deadline=None)
@given(
    st.lists(
        st.builds(
            Sort,
            operand=operands(),
            descending=st.booleans(),
            nulls=st.sampled_from((None, "first", "last")),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_orders_come_back(found):
    """An order comes back from its text."""
    assert parse.order(",".join(map(text.sort, found))) == tuple(found)


def test_one_question_has_one_text():
    """Ways of writing a question differ, its canonical text does not; order of conditions neither."""
    first = plan.read([("n", "eq.1"), ("名称", "in.(a,b)"), ("select", "n,价格")], COLUMNS)
    other = plan.read(
        [('"名称"', 'in.("a","b")'), ("select", ' n ,"价格"'), ("n", "eq.1")], COLUMNS
    )
    assert first.canonical == other.canonical
    assert first.canonical != plan.read([("n", "eq.2")], COLUMNS).canonical


# Whatever comes in ------------------------------------------------------------------------

PARAMETERS = st.one_of(
    st.sampled_from([*plan.PARAMETERS, *(c.name for c in COLUMNS), '"limit"']), st.text()
)
PIECES = st.one_of(
    st.text(max_size=8),
    st.sampled_from(
        [
            *(f"{name}." for name in tree.OPERATORS),
            *("not.", "(", ")", "{", "}", ",", '"', "\\", "::", "and(", "or(", "n", "名称"),
            *("count()", ".avg()", "(any)", "in.(1,2)", "*", "null", ".desc"),
        ]
    ),
)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(PARAMETERS, st.lists(PIECES, max_size=8).map("".join)), max_size=3))
def test_any_text_is_understood_or_refused(pairs):
    """Whatever parameters come: SQL with as many values as places for them, or an error of ours."""
    found, error = understood(pairs)
    if error is None:
        assert found.where.sql.count("?") == len(found.where.values)
    else:
        assert error.status == 400
        assert error.text_zh
        assert error.text_en


def understood(pairs):
    """Plan of parameters, or the error of our tree; anything else breaks the test."""
    try:
        return plan.compiled(plan.read(pairs, COLUMNS), COLUMNS), None
    except DatahubError as error:
        return None, error


MALFORMED = [
    # parameter, value, what the error tells
    ("n", "", "operator"),
    ("n", "150", "eq.150"),
    ("n", "eq", "eq."),
    ("n", "=.5", "operator"),
    ("n", "EQ.5", "operator"),
    ("n", "eq..5", "whole number"),
    ("n", "eq.1.5", "whole number"),
    ("n", "eq.", "whole number"),
    ("n", "eq.null", "whole number"),
    ("n", "eq.1e3", "whole number"),
    ("n", "eq.٣", "whole number"),
    ("n", "eq." + "9" * 39, "whole number"),
    ("n", "not.5", "operator"),
    ("n", "not.not.eq.5", "operator"),
    ("n", "not.", "operator"),
    ("n", "like.5*", "takes"),
    ("n", "fts.5", "takes"),
    ("n", "cs.{1}", "takes"),
    ("n", "is.maybe", "is.null"),
    ("n", "is.", "is.null"),
    ("n", "is.true", "BOOLEAN"),
    ("n", "in.1,2", "(a,b)"),
    ("n", "in.(1,2", "end"),
    ("n", "in.(1,x)", "whole number"),
    ("n", "in.(1,2)3", "nothing more"),
    ("n", 'in.("1"2)', "quote"),
    ("n", 'in.("1)', "not closed"),
    ("n", "in(any).{1}", "(any)"),
    ("n", "eq(some).{1}", "(any)"),
    ("n", "eq(any).1", "{a,b}"),
    ("n", "eq(any).{1,x}", "whole number"),
    ("n", "between.1", "operator"),
    ("n", "overlaps.1", "operator"),
    ("价格", "gt.cheap", "number"),
    ("价格", "gt.NaN", "number"),
    ("价格", "gt.Infinity", "number"),
    ("价格", "gt.1e999999999", "number"),
    ("ok", "eq.1", "true"),
    ("ok", "eq.yes", "true"),
    ("day", "eq.2025-13-01", "date"),
    ("day", "eq.2025-02-30", "date"),
    ("day", "eq.yesterday", "date"),
    ("t", "gt.1735689600", "2025-01-31"),
    ("t", "gt.25:00", "2025-01-31"),
    ("名称", "like." + "a" * 1001, "1000"),
    ("名称", "fts.a b c d e f g h i j k", "words"),
    ("名称", "fts.", "words"),
    ("tags", "cs.a", "{a,b}"),
    ("tags", "cs.{a", "end"),
    ("or", "", "(column"),
    ("or", "()", "name"),
    ("or", "(n.eq.1", "expected"),
    ("or", "(n.eq.1))", "nothing more"),
    ("or", "n.eq.1", "(column"),
    ("or", "(n)", "operator"),
    ("or", "(n.eq.1,)", "name"),
    ("or", "(none.eq.1)", "no such column"),
    ("or", "(n.avg().gt.5)", "having"),
    ("or", "(a.b.eq.1)", "operator"),
    ("and", "(" * 20 + ")" * 20, "name"),
    ("and", "and(n.eq.1)", "(column"),
    ("and", "(" + "or(" * 30 + "n.eq.1" + ")" * 31, "deep"),
    ("and", "(" + ",".join(["n.eq.1"] * 201) + ")", "200"),
    ("not.or", "(n.eq.1 or n.eq.2)", "whole number"),
    ("select", "", "name"),
    ("select", "none", "no such column"),
    ("select", "n,", "name"),
    ("select", "n,n", "alias"),
    ("select", "a:n,A:f", "alias"),
    ("select", "n.avg(),f.avg()", "alias"),
    ("select", "n::money", "type"),
    ("select", "n::", "type"),
    ("select", "n.mode()", "aggregate"),
    ("select", "名称.sum()", "no sum"),
    ("select", "other(*)", "/api/v1/sql"),
    ("select", "x:", "name"),
    ("select", 'x:"', "not closed"),
    ("select", "n;drop table t", "no such column"),
    ("select", ",".join(["n"] * 501), "500"),
    ("order", "", "name"),
    ("order", "n.down", "asc"),
    ("order", ",".join(["n"] * 65), "64 items"),
    ("order", "n.desc.nulls", "nullsfirst"),
    ("order", "n.desc.nullslast.x", "nothing more"),
    ("order", "none", "no such column"),
    ("order", "n.", "asc"),
    ("order", "count().desc", "having"),
    ("having", "count().gt.1", "select has no aggregate"),
    ("having", "", "name"),
    ("facet", "none", "no such column"),
    ("facet", "", "name"),
    ("q", "", "words"),
    ("q", "a" * 201, "200"),
    ("q", "一 二 三 四 五 六 七 八 九 十 十一", "words"),
    ("geo.bbox", "1,2,3,4", "longitude"),
    ("geo.within", "1,2,3", "longitude"),
]


@pytest.mark.parametrize(("name", "value", "told"), MALFORMED, ids=range(len(MALFORMED)))
def test_malformed_questions_tell_the_parameter(name, value, told):
    """A malformed parameter is refused by its name, saying what would be right, in two languages."""
    with pytest.raises(ParameterInvalid) as caught:
        where((name, value))
    assert caught.value.status == 400
    assert caught.value.facts["name"] == name
    assert told in caught.value.text_en
    assert re.search("[\u4e00-\u9fff]", caught.value.text_zh)


@pytest.mark.parametrize("name", ["", "nope", "N", "列名", '""', '"nope"', "a", "limit ", "rowid"])
def test_unknown_parameters_are_refused(name):
    """A parameter that is no column is refused with the columns there are."""
    with pytest.raises(ParameterUnknown, match="名称"):
        where((name, "eq.1"))


def test_errors_tell_the_position():
    """The error of a text says at which character it is wrong."""
    with pytest.raises(ParameterInvalid, match="at character 12") as caught:
        where(("or", "(n.eq.1,价格.bad.2)"))
    assert caught.value.facts["position"] == 12


def test_too_much_is_refused():
    """Lists of 10,000 values are fine; more than 20,000 or a quarter of a megabyte are not."""
    found = where(("n", f"in.({','.join(map(str, range(10_000)))})"))
    assert found.values == (list(range(10_000)),)
    for values in (range(20_001), [10**30 + n for n in range(10_000)]):
        with pytest.raises(ParameterInvalid) as caught:
            where(("n", f"in.({','.join(map(str, values))})"))
        assert caught.value.facts["name"] == "n"


@pytest.mark.parametrize("name", ["select", "order", "q", "geo.bbox", "facet"])
def test_parameters_that_come_once(name):
    """A parameter that may come once is refused the second time."""
    with pytest.raises(ParameterInvalid):
        where((name, "n"), (name, "n"))


# What it means ----------------------------------------------------------------------------

ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(-3, 3),
        st.none() | st.sampled_from(["", "a", "A", "ab", "Ａb", "中文", "b%", "x_y", "a\\"]),
        st.none() | st.booleans(),
        st.none() | st.decimals(-2, 2, places=2),
    ),
    max_size=8,
)
TYPED = (
    Column(name="n", kind="BIGINT", type="integer"),
    Column(name="s", kind="VARCHAR"),
    Column(name="ok", kind="BOOLEAN", type="boolean"),
    Column(name="d", kind="DECIMAL(9,2)", type="number"),
)
TEXTS = ["", "a", "A", "ab", "中", "%", "_", "a*", "*b", "x\\_y", "\\", "a_", "%a%"]
WHOLE = st.integers(-3, 3).map(str)
CHOICES = {
    "n": WHOLE,
    "s": st.sampled_from(TEXTS),
    "ok": st.sampled_from(["true", "false"]),
    "d": st.decimals(-2, 2, places=3).map(str),
}


@st.composite
def questions(draw):
    """A condition on the typed columns that is valid."""
    name = draw(st.sampled_from(sorted(CHOICES)))
    ops = [*tree.COMPARISONS, "in", "is", "isdistinct", *(["like", "ilike"] if name == "s" else [])]
    operator = draw(st.sampled_from(ops))
    each = draw(st.sampled_from((None, "any", "all"))) if operator in tree.MODIFIED else None
    if operator == "is":
        more = ["true", "false", "unknown"] if name == "ok" else []
        value = draw(st.sampled_from(["null", "not_null", *more]))
    elif operator == "in" or each:
        value = tuple(draw(st.lists(CHOICES[name], max_size=3)))
    else:
        value = draw(CHOICES[name])
    operand = Operand(column=name)
    return Comparison(
        operand=operand, operator=operator, value=value, each=each, negated=draw(st.booleans())
    )


TREES = st.recursive(
    questions(),
    lambda inner: st.builds(
        Group,
        kind=st.sampled_from(("and", "or")),
        items=st.lists(inner, min_size=1, max_size=3).map(tuple),
        negated=st.booleans(),
    ),
    max_leaves=5,
)


def both(values):
    """AND of three-valued truths."""
    values = list(values)
    return False if False in values else None if None in values else True


def either(values):
    """OR of three-valued truths."""
    values = list(values)
    return True if True in values else None if None in values else False


def negation(value):
    """NOT of a three-valued truth."""
    return None if value is None else not value


def judged(node, row):
    """Truth of a condition for a row, in plain Python."""
    if isinstance(node, Group):
        found = (both if node.kind == "and" else either)(judged(i, row) for i in node.items)
    else:
        found = compared(node, row[node.operand.column])
    return negation(found) if node.negated else found


READ = {"n": int, "s": str, "ok": lambda text: text == "true", "d": Decimal}


def compared(test, value):
    """Truth of one comparison."""
    if test.operator == "is":
        wanted = {"null": value is None, "not_null": value is not None, "unknown": value is None}
        return wanted.get(test.value, value is (test.value == "true"))
    if test.operator == "in":
        return either(single("eq", value, given, test) for given in test.value)
    if test.each:
        join = either if test.each == "any" else both
        return join(single(test.operator, value, given, test) for given in test.value)
    return single(test.operator, value, test.value, test)


def single(operator, value, given, test):
    """Truth of a comparison with one value."""
    if operator in ("like", "ilike"):
        return None if value is None else bool(pattern(given, operator).fullmatch(value))
    wanted = READ[test.operand.column](given)
    if operator == "isdistinct":
        return value is None or value != wanted
    if value is None:
        return None
    return {
        "eq": value == wanted,
        "neq": value != wanted,
        "gt": value > wanted,
        "gte": value >= wanted,
        "lt": value < wanted,
        "lte": value <= wanted,
    }[operator]


def pattern(given, operator):
    r"""LIKE of PostgreSQL as a regular expression; * is %, a \ at the end stands for itself."""
    parts = re.findall(r"\\.|\\$|.", given, re.DOTALL)
    known = {"%": ".*", "*": ".*", "_": ".", "\\": r"\\"}
    regex = "".join(known.get(part) or re.escape(part[-1]) for part in parts)
    return re.compile(regex, re.DOTALL | (re.IGNORECASE if operator == "ilike" else 0))


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(rows=ROWS, node=TREES)
def test_conditions_mean_what_python_means(rows, node):
    """The rows that a tree lets through are those that plain Python finds, NULLs included."""
    listed = [dict(zip(READ, row, strict=True)) for row in rows]
    expected = [n for n, row in enumerate(listed) if judged(node, row) is True]
    assert found_rows(rows, text.node(node)) == expected


def found_rows(rows, written):
    """Numbers of the rows that DuckDB finds for conditions in brackets."""
    bound = plan.compiled(plan.read([("and", f"({written})")], TYPED), TYPED).where
    cursor = MEMORY.cursor()
    cursor.execute(
        "create or replace temp table t (r int, n bigint, s varchar, ok bool, d decimal(9,2))"
    )
    if rows:
        cursor.executemany(
            "insert into t values (?, ?, ?, ?, ?)", [(n, *row) for n, row in enumerate(rows)]
        )
    sql = f"select r from t where {bound.sql} order by r"
    return [row for (row,) in cursor.execute(sql, bound.values).fetchall()]


_TEXTS = st.one_of(
    st.text(max_size=20),
    st.from_regex(r"[-+]?[0-9.eE_]{1,12}", fullmatch=True),
    st.datetimes().map(dt.datetime.isoformat),
    st.dates().map(dt.date.isoformat),
    st.sampled_from(["true", "NaN", "sNaN", "Infinity", "1e999999999", "a\\", "((", "[", "%_%"]),
)


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.filter_too_much])
@given(kind=st.sampled_from(KINDS), operator=st.sampled_from(tree.OPERATORS), value=_TEXTS)
def test_whatever_is_understood_runs(kind, operator, value):
    """A condition that was accepted can be carried out on a column of its type."""
    assume(operator not in ("match", "imatch"))  # a regular expression is DuckDB's to refuse
    column = Column(name="c", kind=kind, zone="+08:00")
    try:
        bound = plan.compiled(plan.read([("c", f"{operator}.{value}")], [column]), [column]).where
    except DatahubError:
        assume(False)
    query = f"select count(*) from (select null::{kind} as c) as t where {bound.sql}"
    assert MEMORY.cursor().execute(query, bound.values).fetchone() in ((0,), (1,))


@given(name=st.text(min_size=1))
def test_names_are_one_identifier(name):
    """A column of the table is one SQL identifier for any name without NUL."""
    name = name.replace("\x00", "")
    quoted = of_table(name).removeprefix("t.")
    assert quoted[0] == quoted[-1] == '"'
    assert quoted[1:-1].replace('""', "").count('"') == 0
    assert quoted[1:-1].replace('""', '"') == name


@pytest.mark.parametrize(
    ("pair", "sql", "values"),
    [
        (('"limit"', "eq.5"), 't."limit" = ?', (5,)),
        (("a.b", "eq.x"), 't."a.b" = ?', ("x",)),
        (('"a.b"', "eq.x,(y)"), 't."a.b" = ?', ("x,(y)",)),
        (("列 名", 'eq."x"'), 't."列 名" = ?', ('"x"',)),
        (('"q\\"uote"', "eq.x"), 't."q""uote" = ?', ("x",)),
        (("or", '("a.b".eq."x,y",列 名.eq.z)'), '(t."a.b" = ?) or (t."列 名" = ?)', ("x,y", "z")),
        (("not.and", "(n.eq.1,n.lt.5)"), 'not ((t."n" = ?) and (t."n" < ?))', (1, 5)),
        (("名称", "like.*中*"), 't."名称" like ?', ("%中%",)),
        (("名称", "ilike.A%"), 'lower(t."名称") like lower(?)', ("A%",)),
        (("名称", "plfts.中文 二"), '(contains(t."名称", ?)) and (contains(t."名称", ?))', ("中文", "二")),
        (("名称", "phfts.中文 二"), 'contains(t."名称", ?)', ("中文 二",)),
        (("n", "not.in.(1,2)"), 'not (t."n" in (?, ?))', (1, 2)),
        (("n", "eq(any).{1,2}"), '(t."n" = ?) or (t."n" = ?)', (1, 2)),
        (("n", "in.()"), "false", ()),
        (("ok", "is.unknown"), 't."ok" is not distinct from null', ()),
        (("t", "gte.2025-07-01"), 't."t" >= ?', (dt.datetime(2025, 7, 1, tzinfo=dt.timezone(dt.timedelta(hours=8))),)),
    ],
)  # fmt: skip
def test_conditions_as_sql(pair, sql, values):
    """Names come from the schema and are quoted; values are bound."""
    assert where(pair) == conditions.Bound(sql, values)


# Arrays and objects -----------------------------------------------------------------------

_ARRAYS = (
    "t",
    ['["t1", "u1"]', '["t1"]', "[]", None, '[null,"a b"]', "[1, 2.5]", '["x,y"]', "[NaN]"],
)
_OBJECTS = ("t", ['{"a": 1, "b": [1, 2]}', '{"a":2}', None])


@pytest.mark.parametrize(
    ("type_", "condition", "expected"),
    [
        ("array", "eq.{t1,u1}", [0]),
        ("array", 'eq.["t1","u1"]', [0]),
        ("array", 'eq.[ "t1" , "u1" ]', [0]),
        ("array", "eq.{ t1 , u1 }", [0]),
        ("array", "eq.{}", [2]),
        ("array", "eq.[]", [2]),
        ("array", 'eq.{NULL,"a b"}', [4]),
        ("array", "eq.{1,2.5}", [5]),
        ("array", 'eq.{"x,y"}', [6]),
        ("array", 'neq.["t1", "u1"]', [1, 2, 4, 5, 6, 7]),
        ("array", "not.eq.{t1,u1}", [1, 2, 4, 5, 6, 7]),
        ("array", "isdistinct.{t1}", [0, 2, 3, 4, 5, 6, 7]),
        ("array", 'in.("{t1,u1}","[\\"t1\\"]")', [0, 1]),
        ("array", 'eq(any).{"{t1,u1}","{1,2.5}"}', [0, 5]),
        ("array", 'neq(all).{"{t1,u1}","{1,2.5}"}', [1, 2, 4, 6, 7]),
        ("array", "cs.{t1}", [0, 1]),
        ("object", 'eq.{"b":[1,2],"a":1}', []),
        ("object", 'eq.{"a":1,"b":[1,2]}', [0]),
        ("object", 'in.("{\\"a\\" : 2}")', [1]),
        ("geojson", 'neq.{ "a" : 2 }', [0]),
    ],
)
def test_arrays_and_objects_are_compared_by_value(type_, condition, expected):
    """How a cell or a value is spaced does not matter; {a,b} and JSON say the same array."""
    name, cells = _ARRAYS if type_ == "array" else _OBJECTS
    column = Column(name=name, kind="VARCHAR", type=type_)
    bounds = [
        plan.compiled(plan.read([pair], [column]), [column]).where
        for pair in (("t", condition), ("and", f"(t.{condition})"))
        if pair[0] == "t" or "[" not in condition
    ]
    listed = ", ".join(f"({place}, ?)" for place in range(len(cells)))
    for bound in bounds:
        found = MEMORY.execute(
            f"select n from (values {listed}) t(n, t) where {bound.sql} order by n",
            [*cells, *bound.values],
        ).fetchall()
        assert [n for (n,) in found] == expected


@pytest.mark.parametrize(
    ("type_", "condition"),
    [
        *(("array", f"eq.{text}") for text in ("t1", "{t1", "{a}b", "{a,,b}", "{{a}}", '{"a}')),
        *(("array", f"neq.{text}") for text in ("", "[1", '{"a":1}', '["\\ud800"]', '["a"')),
        ("array", "in.(t1,t2)"),
        *(("object", f"isdistinct.{text}") for text in ("{a}", "[1]", "1", "", "{" * 9000)),
    ],
)
def test_what_is_no_array_is_refused_by_name(type_, condition):
    """A value that is neither {a,b} nor JSON finds nothing silently: it is told what is right."""
    column = Column(name="t", kind="VARCHAR", type=type_)
    with pytest.raises(ParameterInvalid) as caught:
        plan.compiled(plan.read([("t", condition)], [column]), [column])
    assert caught.value.facts["name"] == "t"
    assert caught.value.facts["reason_zh"] != caught.value.facts["reason_en"]


# The patterns that the description of a resource gives ------------------------------------

_TOLD = ("1", "-7", "+38", "1.5", "1e3", ".5", "True", "false", "2025-01-31", "20250131", "08:30",
         "2025-01-31T08:00:00", "2025-01-31 08:00:00+08:00", "2025-12-29T23:59:59.5Z", "中\n文",
         "", "a*", "{a,b}", '["a", 1]', '{"a": [1]}', "NULL", "not_null", "unknown")  # fmt: skip


@given(
    st.sampled_from(
        [
            *COLUMNS,
            Column(name="o", kind="VARCHAR", type="object"),
            Column(name="l", kind="BIGINT[]", type="array"),
        ]
    ),
    st.sampled_from(tree.OPERATORS),
    st.sampled_from(["", "(any)", "(all)"]),
    st.sampled_from(["", "not."]),
    st.one_of(st.lists(st.sampled_from(_TOLD), min_size=1, max_size=2), st.lists(st.text())),
    st.sampled_from(["{0}", "{{{0}}}", "({0})"]),
)
@settings(max_examples=1500)
def test_every_condition_that_is_taken_fits_its_pattern(column, operator, each, no, values, form):
    """The description of a resource forbids nothing that its rows take."""
    listed = ",".join(f'"{value}"' if "," in value else value for value in values)
    condition = f"{no}{operator}{each}.{form.format(listed)}"
    try:
        plan.compiled(plan.read([(text.quoted(column.name), condition)], [*COLUMNS, column]),
                      [*COLUMNS, column])  # fmt: skip
    except DatahubError:
        assume(False)
    assert re.search(resource_openapi._pattern(column), condition), condition


@pytest.mark.parametrize(
    ("name", "condition"),
    [
        *(("n", "5"), ("n", "eq.x"), ("n", "like.5"), ("n", "in.1,2"), ("n", "between.1")),
        *(("ok", "eq.1"), ("名称", "cs.{a}"), ("tags", "cs.a"), ("day", "2025-01-31")),
    ],
)
def test_what_is_no_condition_fits_no_pattern(name, condition):
    """A pattern still tells conditions from what is none."""
    (column,) = (column for column in COLUMNS if column.name == name)
    assert not re.search(resource_openapi._pattern(column), condition)
