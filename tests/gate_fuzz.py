"""Attacks spliced into statements that are allowed, judged by the gate and by an eye of its own.

`python tests/gate_fuzz.py SEED CASES` prints as JSON how many were tried and let through, and what
of those that were let through should not have been; exit code 1 if anything.
"""

from __future__ import annotations

import copy
import json
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attacks
import duckdb
from test_sql import QUESTIONS

from datahub.errors import DatahubError
from datahub.serve.sql import gate

LISTED = Path(gate.__file__).with_name("functions.json")
ALLOWED = {name for topic in json.loads(LISTED.read_text()) for name in topic["names"]}
ALLOWED |= {"range", "generate_series", "unnest"}
SYSTEM = ("duckdb_", "pg_", "pragma_", "sqlite_")
ODD = (
    "with recursive t(n) as (select 1 union all select n + 1 from t where n < 4) from t",
    "with a as materialized (select 1 as x), b as (from a) select * from a, b where a.x = b.x",
    "select * exclude (name) replace (upper(stage) as stage) rename (region as s) from schools",
    "select columns(c -> c like 'n%'), columns('s.*') from schools limit 5 offset 1",
    "select distinct on (stage) name from schools order by stage, name desc nulls last limit 10%",
    "select stage, count(*) from schools group by grouping sets ((stage), ()) having count(*) > 1",
    "select sum(students) over w from schools window w as (order by name rows 2 preceding)",
    "select list(name order by name) filter (where students > 1), [x for x in [1] if x > 0]",
    "from (values (1, 'a'), (2, 'b')) t(n, s) asof join schools u on t.n >= u.students",
    "select * from schools tablesample 10% positional join (select 1), lateral (select 2) l",
    "select s.name collate nocase, ('[1]'::json)->0, {'a': [1, 2][1:]}.a, $v::int from schools s",
    "select case when 1 in (select 1) then 1 end, exists (from schools), try(1 / 0), #1",
    "select 1 union by name select 2 as b except select 3 intersect select 4 order by all",
    "with recursive t(k, v) using key (k) as (select 1, 1 union select k, v + 1 from t) from t",
    "from range(1, 5) with ordinality, unnest([1]) u(x), generate_series(1, 3) g",
    "select from_json('1', '\"INT\"'), null::struct(a int[3])[], 'a' between 'a' and 'b'",
)
"""Statements that may run, one for every place where an expression or a table can stand."""
NAMES = ("duckdb_views", "sqlite_master", "duc\u212adb_views", "pg_settings", "DUCKDB_TABLES", "t")
PIECES = (
    *("current_setting('x')", "getenv('HOME')", "(select sql from sqlite_master)", "current_user"),
    *("query('x')", "(from read_text('/etc/passwd'))", "null::int[65536][65536]", "main.version()"),
)


def parsed(run: duckdb.DuckDBPyConnection, sql: str) -> Any:
    """Tree of a statement, or None."""
    (text,) = run.execute("select json_serialize_sql(?::varchar)", [sql]).fetchone()
    tree = json.loads(text)
    return None if tree["error"] else tree


def nodes(value: Any) -> Iterator[tuple[Any, Any]]:
    """All places of a tree, each as what holds it and under which key."""
    for key, part in value.items() if isinstance(value, dict) else enumerate(value):
        yield value, key
        if isinstance(part, (dict, list)):
            yield from nodes(part)


def kind(part: Any) -> str:
    """Say what may stand in the place of a part."""
    if not isinstance(part, dict):
        return "nothing" if part is None else "other"
    if "class" in part:
        return "expression"
    return "query" if str(part.get("type")).endswith("_NODE") else str("alias" in part)


def mutant(chance: random.Random, good: list[Any], bad: dict[str, list[Any]]) -> Any:
    """Put one to three parts of attacks into a statement that is allowed."""
    tree = copy.deepcopy(chance.choice(good))
    for _ in range(chance.randint(1, 3)):
        holder, key = chance.choice(list(nodes(tree["statements"])))
        old = holder[key]
        if key in ("table_name", "cte_name", "key"):
            holder[key] = chance.choice(NAMES)
        elif key == "function_name":
            holder[key] = chance.choice(("getenv", "read_text", "current_setting", "query"))
        else:
            here = kind(old) if kind(old) in bad else "expression"
            new = copy.deepcopy(chance.choice(bad[here]))
            if isinstance(old, list) and chance.random() < 0.7:
                old.append(new)
            elif kind(old) != "other":
                holder[key] = new
    return tree


def faults(tree: Any, known: set[tuple[str, str]]) -> list[str]:
    """Functions and tables, wherever they stand in a tree, that are not allowed."""
    found, names, tables = [], set(), []
    for holder, key in nodes(tree):
        part = holder[key]
        if key == "function_name" and part.encode().lower().decode() not in ALLOWED:
            found.append(f"function {part}")
        if key == "table_name" and "schema_name" in holder:
            tables.append(holder)
        if key in ("key", "cte_name") and isinstance(part, str):
            names.add(part.encode().lower().decode())
        if key == "size" and isinstance(part, int) and part > 10_000:
            found.append(f"array of {part}")
        if part == "SHOW_REF":
            found.append("SHOW")
    for table in tables:
        name = table["table_name"]
        own = (table["schema_name"].replace("main", ""), name)
        if table["catalog_name"] == "memory" and own in known:
            continue
        folded = name.encode().lower().decode()
        bare = not (table["catalog_name"] or table["schema_name"])
        if not bare or folded not in names or folded.startswith(SYSTEM):
            found.append(f"table {name}")
    return found


def judged(run: duckdb.DuckDBPyConnection, tree: Any) -> tuple[bool, list[str]]:
    """Tell whether a tree is let through, as a child does; and what is wrong with that."""
    try:
        known = set(gate.check(tree, "").names)
    except (DatahubError, KeyError, TypeError, AttributeError, ValueError):
        return False, []  # trees that no parser makes may lack parts
    try:
        (text,) = run.execute("select json_deserialize_sql(?::json)", [json.dumps(tree)]).fetchone()
        again = parsed(run, text)
        if again is None:
            return False, []
        gate.check(again, text, known)
    except (duckdb.Error, DatahubError):
        return False, []
    return True, [f"{fault}: {text[:300]}" for fault in faults(again, known)]


def main() -> None:
    """Try so many mutants of a seed."""
    seed, cases = int(sys.argv[1]), int(sys.argv[2])
    chance, run = random.Random(seed), duckdb.connect()
    good = [tree for sql in (*QUESTIONS, *ODD) if (tree := parsed(run, sql))]
    wrong = [
        f"refused: {sql}" for sql in ODD if not judged(run, copy.deepcopy(parsed(run, sql)))[0]
    ]
    texts = [a.sql for a in attacks.ATTACKS if a.outcome == attacks.REFUSED and len(a.sql) < 300]
    bad: dict[str, list[Any]] = {"expression": [], "query": [], "True": []}
    for sql in [*texts, *(f"select {piece}" for piece in PIECES)]:
        tree = parsed(run, sql) if "\0" not in sql else None
        for holder, key in nodes(tree["statements"]) if tree else ():
            bad.get(kind(holder[key]), []).append(holder[key])
    passed = 0
    for _ in range(cases):
        through, found = judged(run, mutant(chance, good, bad))
        passed += through
        wrong += found
    told = {"cases": cases, "passed": passed, "good": len(good), "wrong": wrong[:20]}
    print(json.dumps(told | {"pieces": {name: len(items) for name, items in bad.items()}}))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
