"""The gate of SQL without a service: what was found to slip through it, and what it must let pass."""

from __future__ import annotations

import json
import subprocess
import sys

import duckdb
import pytest
from hub import ROOT

from datahub.errors_query import SqlInvalid
from datahub.serve.sql import gate


def judged(sql: str) -> gate.Verdict:
    """Judge a statement."""
    (text,) = duckdb.execute("select json_serialize_sql(?::varchar)", [sql]).fetchone()
    return gate.check(json.loads(text), sql)


def test_attacks_spliced_into_allowed_statements_are_seen():
    """3,000 mutants: of those let through, no function and no table but the allowed ones."""
    command = [sys.executable, str(ROOT / "tests" / "gate_fuzz.py"), "5", "3000"]
    done = subprocess.run(
        command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert told["wrong"] == []
    assert told["cases"] == 3000
    assert 300 < told["passed"] < 2700
    assert min(told["pieces"].values()) > 100


def test_the_left_of_a_recursive_query_is_no_way_to_system_tables():
    """It is asked before its name is known: there the name is a dataset's."""
    found = judged("with recursive t as (select * from t union select * from t) from t")
    assert set(found.names) == {("", "t")}


def test_the_sign_of_kelvin_is_no_k():
    """Names are compared as DuckDB does, which folds letters of ASCII alone."""
    found = judged('with "\u212a" as (select 1), "É" as (select 2) select * from k, "é"')
    assert set(found.names) == {("", "k"), ("", "é")}
    assert judged("with Ab as (select 1) select * from aB").names == {}


def test_no_query_of_with_has_the_name_of_a_system_table():
    """Whatever DuckDB has of its own where a dataset stands alone begins with a word of these."""
    own = duckdb.execute(
        "select view_name from duckdb_views() where internal and schema_name != 'information_schema'"
    ).fetchall()
    assert len(own) > 20
    for (name,) in own:
        with pytest.raises(SqlInvalid):
            judged(f'with "{name.upper()}" as (select 1) select 1')


def test_what_is_written_anew_names_no_table_that_was_not_judged():
    """In the text that runs every table has its catalog, or a WITH."""
    (text,) = duckdb.execute("select json_serialize_sql('from duckdb_views')").fetchone()
    with pytest.raises(SqlInvalid):
        gate.check(json.loads(text), "", {("", "schools")})
    with pytest.raises(SqlInvalid):
        gate.check(json.loads(text), "", set())


@pytest.mark.parametrize(
    "sql",
    ["select null::int[65536][65536][65536][65536]", "select try_cast(1 as struct(a int[200])[200])",
     "select from_json('1', '\"INT[3]\"')", "select from_json('1', '\"INT\\u005b3]\"')",
     "select json_transform('1', '\"INT[' || '3]\"')", "select from_json('1', $s)"],
)  # fmt: skip
def test_a_type_takes_no_memory(sql):
    """DuckDB makes room for all items of a fixed array before there is one."""
    with pytest.raises(SqlInvalid):
        judged(sql)


@pytest.mark.parametrize(
    "sql",
    ["select [x for x in [y for y in [1, 2] if y > 1] if x > 0]", "select null::float[3][100]",
     "select list_transform(l, x -> list_filter(x, y -> (y->'a') > 1)) from t",
     "select from_json('{}', '{\"a\": [\"INT[]\"]}')", "select ((j->'a')->'b')->'c' from t"],
)  # fmt: skip
def test_what_is_harmless_passes(sql):
    """Comprehensions with a condition, short arrays, types of JSON, paths of any length."""
    judged(sql)


def test_lambdas_within_one_another_are_counted():
    """Two may multiply, three may not; one after the other they do not multiply."""
    chained = "list_filter(" * 4 + "[1]" + ", lambda x: x > 0)" * 4
    judged(f"select {chained}")
    with pytest.raises(SqlInvalid):
        judged("select list_transform([1], a -> [[c for c in [1]] for b in [1]])")


def test_a_series_is_bounded_by_whole_numbers():
    """A decimal's digits are not its value."""
    for sql in ("select * from range(0, 1000000000, 1000.00)", "select range(0, 99999, 1.0000)"):
        with pytest.raises(SqlInvalid):
            judged(sql)
    judged("select range(-5, 5), * from generate_series(10, 0, -1)")


def test_every_part_of_a_table_function_is_looked_at():
    """An order in its brackets, too."""
    with pytest.raises(SqlInvalid):
        judged("select * from range(10 order by getenv('HOME'))")
