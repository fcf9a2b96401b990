"""Statements that somebody tries who wants more than data: by family, with what must become of each.

`python tests/attacks.py` runs all of them on a service of its own, the slow ones too;
test_attacks.py runs the same with the slow ones sampled.
"""

from __future__ import annotations

import dataclasses
import itertools
import sys
import tempfile
import time
from pathlib import Path

import httpx
from hub import TLS, sample_hub

REFUSED, BOUNDED, HARMLESS = "refused", "bounded", "harmless"
"""4xx; 4xx or an answer that says that it was cut; 200, because nothing is wrong with it."""


@dataclasses.dataclass(frozen=True)
class Attack:
    """A statement, and what must become of it."""

    family: str
    sql: str
    outcome: str = REFUSED
    slow: bool = False
    params: dict | None = None

    @property
    def id(self) -> str:
        """Family and the beginning of the statement."""
        return f"{self.family}: {self.sql[:60]}"


def _of(family: str, *statements: str, **more) -> list[Attack]:
    return [Attack(family, sql, **more) for sql in statements]


_FILES = (
    *(
        "/etc/passwd",
        "/etc/hostname",
        "../../catalog.sqlite",
        "catalog.sqlite",
        "/proc/self/environ",
    ),
    *("/proc/self/fd/3", "/proc/self/maps", "file:///etc/passwd", "/work", "~/.ssh/id_rsa"),
)
_READERS = (
    *("read_csv('{}')", "read_csv_auto('{}')", "read_text('{}')", "read_blob('{}')"),
    *("read_json('{}')", "read_json_auto('{}')", "read_ndjson('{}')", "read_parquet('{}')"),
    *("parquet_scan('{}')", "parquet_metadata('{}')", "parquet_schema('{}')", "glob('{}')"),
    *("parquet_file_metadata('{}')", "parquet_kv_metadata('{}')", "sniff_csv('{}')", "'{}'"),
    *("parquet_bloom_probe('{}', 'a', 1)", "read_duckdb('{}')", "read_json_objects('{}')"),
    *("parquet_full_metadata('{}')", "read_ndjson_objects('{}')"),
)
READS = [
    Attack("file reads", f"select * from {reader.format(file)}")
    for reader, file in zip(_READERS, itertools.cycle(_FILES), strict=False)
] + _of(
    "file reads",
    *("select * from read_csv(['/etc/passwd', '/etc/group'])", "from '/etc/passwd'"),
    *('from "/etc/passwd"', "select * from '/proc/self/fd/*'", 'select * from "x.parquet"'),
    *("select (select content from read_text('/etc/passwd'))", "select * from read_text('*')"),
    "with t as (select * from read_text('/etc/passwd')) select * from t",
    "select * from schools where name in (select content from read_text('/etc/passwd'))",
    "select * from schools, lateral (select * from read_text('/etc/passwd'))",
    "select * replace (current_setting('threads') as name) from schools",
    "select * replace ((select content from read_text('/etc/passwd')) as name) from schools",
    "select columns(lambda c: getenv(c) = 'x') from schools",
    "select * from schools order by getenv('HOME')",
    "select * from schools limit (select len(content) from read_text('/etc/passwd'))",
    "select name from schools group by name having getenv('HOME') is null",
    "select sum(students) filter (where getenv('HOME') is null) from schools",
    "select sum(students) over (partition by getenv('HOME')) from schools",
    "select sum(students) over w from schools window w as (order by getenv('HOME'))",
    "select distinct on (getenv('HOME')) name from schools",
    "select list(name order by getenv('HOME')) from schools",
    "select a.name from schools a join schools b on getenv('HOME') is null",
    "select name from schools qualify getenv('HOME') is null",
    "values (getenv('HOME'))",
    "select case when true then getenv('HOME') end",
    "select [getenv('HOME') for x in [1]]",
    "select {'a': getenv('HOME')}",
    "select 1 in (select content from read_text('/etc/passwd'))",
    "select exists (from read_text('/etc/passwd'))",
    "with recursive t(n) as (select 1 union all select len(getenv('HOME')) from t) from t",
    "with t as materialized (select getenv('HOME')) from t",
    "select name from schools union select getenv('HOME')",
    "select name from schools group by grouping sets ((getenv('HOME')))",
    "select unnest([getenv('HOME')])",
    "select * from unnest([getenv('HOME')])",
    "select * from range(len(getenv('HOME')))",
    "select * from range(10 order by getenv('HOME'))",
    "select * from unnest([1] order by (select content from read_text('/etc/passwd')))",
    "select name from schools limit getenv('HOME')::int",
    "select try(getenv('HOME'))",
    "select name collate nocase from schools order by getenv('HOME') collate nocase",
    "select getenv('HOME')::varchar, cast(getenv('HOME') as int)",
    "select name between getenv('A') and getenv('B') from schools",
    "select sum(students) over (order by students rows len(getenv('HOME')) preceding) from schools",
    "select * from read_csv('http://127.0.0.1:8000/metrics')",
    "select * from read_parquet('s3://bucket/x.parquet')",
    "select * from 'https://example.org/x.csv'",
    "select * from read_text($f)",
    "select list_transform(['/etc/passwd'], lambda f: read_text(f))",
)
_TARGETS = ("/tmp/x.csv", "/proc/self/fd/6", "catalog.sqlite", "/proc/self/fd/7")
WRITES = [
    Attack("file writes", f"copy (select 1) to '{target}' ({options})")
    for target in _TARGETS
    for options in ("format csv", "use_tmp_file false", "format parquet, use_tmp_file false")
] + _of(
    "file writes",
    *(
        "copy schools to '/tmp/x.csv'",
        "copy schools from '/etc/passwd'",
        "export database '/tmp/x'",
    ),
    *("import database '/tmp/x'", "copy from database memory to other", "checkpoint"),
    *(
        "force checkpoint",
        "vacuum",
        "analyze",
        "create table x as select 1",
        "create view x as select 1",
    ),
    *("create or replace view schools as select 1", "drop view schools", "drop table schools"),
    *("insert into schools values (1)", "update schools set name = 'x'", "delete from schools"),
    *("truncate schools", "alter table schools add column x int", "create macro f(x) as x"),
    *("create type t as enum ('a')", "create sequence s", "create index i on schools (name)"),
    *(
        "create temp table x as select * from schools",
        "create schema x",
        "comment on table schools is 'x'",
    ),
    *(
        "select * from enable_logging(storage='file', storage_path='/tmp/l')",
        "select * from checkpoint()",
    ),
    "merge into schools using schools s on true when matched then delete",
    "with x as (insert into schools values (1) returning *) select * from x",
)
ATTACHES = _of(
    "attach",
    *("attach '/tmp/x.db'", "attach ':memory:' as m", "attach 'catalog.sqlite' (type sqlite)"),
    *(
        "attach '/proc/self/fd/6'",
        "attach 'https://example.org/x.db'",
        "detach memory",
        "use memory",
    ),
    *("attach if not exists '/etc/passwd' as p", "attach 'postgres:dbname=x' (type postgres)"),
    *("select * from memory.main.schools", "select * from system.main.schools", "use system"),
    *("select * from temp.main.x", "create database x", "select * from x.y.z"),
    'select * from "memory"."main"."schools"',
)
SETTINGS = _of(
    "settings",
    *(
        "set enable_external_access=true",
        "set lock_configuration=false",
        "set memory_limit='100GB'",
    ),
    *("reset all", "pragma enable_profiling", "set threads=64", "set temp_directory='/tmp'"),
    *(
        "pragma database_list",
        "pragma show_tables",
        "pragma version",
        "pragma table_info('schools')",
    ),
    *("select current_setting('memory_limit')", "set global threads=8", "set session schema='x'"),
    *("select * from duckdb_settings()", "select * from pragma_user_agent()", "set variable x = 1"),
    *("select getvariable('x')", "set allowed_paths=['/etc/passwd']", "reset lock_configuration"),
    *(
        "set allowed_directories=['/']",
        "select set_config('a', 'b', false)",
        "pragma disable_optimizer",
    ),
    "set custom_extension_repository='http://127.0.0.1'",
)
EXTENSIONS = _of(
    "extensions and secrets",
    *("install httpfs", "load httpfs", "load '/tmp/x.duckdb_extension'", "force install spatial"),
    *("install httpfs from community", "update extensions", "create secret s (type s3)"),
    *("create persistent secret s (type http)", "drop secret s", "select * from duckdb_secrets()"),
    *("select * from which_secret('s3://x', 's3')", "select * from duckdb_extensions()"),
    *("install 'http://127.0.0.1/x.duckdb_extension'", "load sqlite_scanner"),
)
_SYSTEM = (
    *("duckdb_tables", "duckdb_views", "duckdb_columns", "duckdb_databases", "duckdb_schemas"),
    *(
        "duckdb_functions",
        "duckdb_memory",
        "duckdb_temporary_files",
        "duckdb_logs",
        "duckdb_keywords",
    ),
    *("duckdb_external_file_cache", "duckdb_variables", "pragma_database_size", "duckdb_types"),
    *("duckdb_prepared_statements", "duckdb_dependencies", "pragma_platform", "pragma_version"),
    *("pg_timezone_names", "icu_calendar_names", "duckdb_optimizers", "duckdb_log_contexts"),
)
SYSTEM = [Attack("system tables", f"select * from {name}()") for name in _SYSTEM] + _of(
    "system tables",
    *("select * from sqlite_master", "select * from sqlite_schema", "select * from duckdb_tables"),
    *("select * from information_schema.tables", "select * from information_schema.columns"),
    *(
        "select * from pg_catalog.pg_class",
        "select * from pg_tables",
        "select * from pragma_database_list",
    ),
    *("show tables", "show all tables", "describe schools", "summarize schools", "show databases"),
    *("select * from (show tables)", "select * from (describe schools)", "explain select 1"),
    *(
        "explain analyze select 1",
        "select current_user",
        "select user",
        "select current_database()",
    ),
    *(
        "select current_schema()",
        "select version()",
        "select current_query()",
        "select txid_current()",
    ),
    *("select filename from schools", "select * from schools where filename like '/%'"),
    *(
        "select file_row_number from schools",
        "select rowid from schools",
        "select pg_get_viewdef(1)",
    ),
    "select * from sqlite_master, (with sqlite_master as (select 1) select * from sqlite_master)",
    "with sqlite_master as (select * from sqlite_master) select * from sqlite_master",
    "select * from (with duckdb_views as (select 1 a) select 1) t, duckdb_views",
    "select pg_typeof(1), stats(name) from schools",
    "select * from schools union all select sql from sqlite_master",
)
_OWN = ("duckdb_views", "sqlite_master", "pg_settings", "pragma_database_list")
SYSTEM += [
    Attack("system tables", sql.format(name))
    for name in _OWN
    for sql in (  # the left of a recursive query is asked before the query has its name
        "with recursive {0} as (select * from {0} union all select * from {0}) from {0}",
        "with recursive {0} as (from {0} union from {0}) select * from {0}, schools",
        "with {0} as (select 1) from {0}",
        "select * from schools, (with recursive {0} as (from {0} union from {0}) from {0})",
    )
] + _of(
    "system tables",  # the sign of Kelvin is a k to Python, and a letter of its own to DuckDB
    'with "duc\u212adb_views" as (select 1) select sql from duckdb_views',
    'with "duc\u212adb_databases" as (select 1) select path from duckdb_databases',
    'with recursive "duc\u212adb_logs" as (select 1 union from duckdb_logs) from duckdb_logs',
)
PARSER = _of(
    "parser tricks",
    *(
        "select 1; select 2",
        "select 1; drop view schools",
        ";",
        "",
        "   ",
        "-- nothing",
        "/* nothing",
    ),
    *(
        "select 1 /*",
        "select 1 --\n; attach 'x'",
        "select 'a",
        'select "a',
        "select $$a",
        "selec 1",
    ),
    *(
        "select 1) union (select 2",
        "select 1) t; attach 'x' --",
        ") limit 0; copy (select 1) to 'x' --",
    ),
    *(
        "select (1",
        "prepare p as select 1",
        "execute p",
        "deallocate p",
        "begin",
        "commit",
        "rollback",
    ),
    *(
        "call pragma_version()",
        "do $$ x $$",
        "grant all on x to y",
        "kill 1",
        "shutdown",
        "\\copy x",
    ),
    *(
        "select 1\x00; attach 'x'",
        "ＳＥＬＥＣＴ 1",
        "\ufeffattach 'x'",
        "SELECT 1 INTO x",
    ),
    *(
        "from schools at (version => 1)",
        "select * from schools$$",
        'select 1 as ""',
        "select :a, ?",
    ),
    *(
        "select 1;;;attach 'x'",
        "select 1\u2028;attach 'x'",
        "/**/attach/**/'x'",
        "from (attach 'x')",
    ),
    "pivot schools on stage using count(*)",
    "select * from schools pivot (count(*) for stage in ('小学'))",
    "unpivot schools on classes, students",
)
DYNAMIC = _of(
    "dynamic SQL",
    *(
        "select * from query('attach ''x''')",
        "select * from query('select 1')",
        "from query_table('schools')",
    ),
    *("select json_execute_serialized_sql('{}')", "from json_execute_serialized_sql('{}')"),
    *(
        "select json_serialize_sql('select 1')",
        "select json_deserialize_sql('{}')",
        "select eval('1')",
    ),
    *("pragma json_execute_serialized_sql('{}')", "select * from query($q)", "select exec('id')"),
    *("select json_serialize_plan('select 1')", "from query_table(['schools', 'sqlite_master'])"),
    "select list_transform([1], lambda x: query('select 1'))",
    "from arrow_scan(1, 2, 3)",
    "from python_map_function(1)",
    "from pandas_scan(1)",
    "from seq_scan('x')",
)
ENVIRONMENT = _of(
    "environment and processes",
    *(
        "select getenv('PATH')",
        "select getenv('DATAHUB_TOKEN')",
        "select system('id')",
        "select shell('id')",
    ),
    *(
        "select pg_read_file('/etc/passwd')",
        "select load_extension('x')",
        "select readfile('/etc/passwd')",
    ),
    *("select current_connection_id()", "select get_block_size('memory')", "select pg_sleep(1)"),
    *("select sleep_ms(100)", "select inet_server_addr()", "select pg_postmaster_start_time()"),
    *(
        "select parse_path('/etc/passwd')",
        "select nextval('s')",
        "select currval('s')",
        "select setseed(0.5)",
    ),
    *("select write_log('x')", "select error('x')", "select parse_duckdb_log_message('x', 'y')"),
    "select icu_sort_key('a', 'de')",
)
_BIG = "select count(*) from range(1000000) a, range(1000000) b"
MEMORY = _of(
    "memory bombs",
    *("select repeat('a', 2000000000)", "select len(range(200000000))", "select lpad('a', 2147483647, 'b')"),
    *("select rpad('a', 2147483647, 'b')", "select printf('%2000000000d', 1)", "select bar(1, 0, 9, 1e9)"),
    *("select format('{:2000000000}', 1)", "select list_resize([1], 2000000000)", "select bitstring('1', 999999999)"),
    *("select array_resize([1], 2000000000, 1)", "select list_reduce(range(50000000), lambda a, b: a + b)"),
    *("select * from range(1000000000000)", "select generate_series(1, 1000000000)", "select * from repeat(1, 1000000000)"),
    *("select range(n) from (select 1000000000 n)", "select * from generate_series(1, (select 1000000000))"),
    *("select to_base(1, 2, 1000000000)", "select equi_width_bins(0, 1, 1000000000, true)"),
    *("select null::int[65536][65536][65536][65536]", "select null::struct(a int[1000])[1000]"),
    *("select from_json('1', '\"INT[65536][65536]\"')", "select from_json('1', '\"INT\\u005b65536]\"')"),
    *("select json_transform('1', '\"INT ARRAY[65536]\"')", "select from_json('1', '\"INT[' || '65536]\"')"),
    *("select range(0, 10000000000, 1.000000)", "select * from range(0, 1000000000000, 1000.0000)"),
    *("select * from repeat_row(1, num_rows => 1000000000)", "select range(-1000000000, 1000000000)"),
) + _of(
    "memory bombs",
    "with recursive t(s) as (select 'x' union all select s || s from t) select max(length(s)) from t",
    "select string_agg(a.range::text || b.range) from range(10000) a, range(100000) b",
    "select list(a.range) from range(10000) a, range(100000) b",
    "select count(distinct a.range * 1000000 + b.range) from range(100000) a, range(100000) b",
    "select a.range, b.range from range(100000) a, range(100000) b order by a.range * b.range desc",
    "with recursive t(l) as (select [1] union all select list_concat(l, l) from t) select max(len(l)) from t",
    "select histogram(a.range * 1000000 + b.range) from range(100000) a, range(100000) b",
    outcome=BOUNDED, slow=True,
)  # fmt: skip
CPU = _of(
    "CPU bombs",
    "select levenshtein(name, name) from schools",
    "select damerau_levenshtein('a', 'b')",
    "select editdist3('a', 'b')",
    "select list_transform(range(10000), lambda a: list_transform(range(10000), lambda b: "
    "list_transform(range(10000), lambda c: a * b * c)))",
) + _of(
    "CPU bombs",
    _BIG,
    "select a.range from range(1000000) a, range(1000000) b where a.range * b.range = -7",
    "select sum(md5_number) from (select hash(a.range * b.range) md5_number "
    "from range(1000000) a, range(1000000) b)",
    "select list_transform(range(10000), lambda a: list_transform(range(10000), lambda b: a * b))",
    "select count(*) from range(100000) a, range(100000) b "
    "where regexp_matches(a.range::text || b.range::text, '(.*)(.*)(.*)(.*)(.*)[a-z]$')",
    "select factorial(a.range::int % 30) from range(1000000) a, range(1000000) b where a.range < 0",
    outcome=BOUNDED, slow=True,
)  # fmt: skip
RECURSION = _of(
    "recursion",
    "with recursive t(n) as (select 1 union all select n + 1 from t) select max(n) from t",
    "with recursive t(n) as (select 1 union all select n from t) select count(*) from t",
    "with recursive t(n) as (select 1 union all select a.n + b.n from t a, t b) select count(*) from t",
    "with " + ", ".join(
        ["t0 as (select * from range(10))"]
        + [f"t{i} as (select a.range from t{i - 1} a, t{i - 1} b)" for i in range(1, 6)]
    ) + " select count(*) from t5",
    "select count(*) from " + ", ".join(f"range(100) t{i}" for i in range(20)),
    outcome=BOUNDED, slow=True,
)  # fmt: skip
NESTING = _of(
    "nesting and length",
    "select " + "(select " * 300 + "1" + ")" * 300,
    "select " + "[" * 400 + "1" + "]" * 400,
    "select " + "not " * 2000 + "true",
    "select 1" + " + 1" * 5000,
    "select " + "case when true then " * 400 + "1" + " end" * 400,
    "select '" + "a" * 25_000 + "'",
    "select 1" + " " * 25_000,
    "select * from " + "(select * from " * 400 + "schools" + ")" * 400,
    "select " + "abs(" * 500 + "1" + ")" * 500,
    "select " + ",".join(["1"] * 9000) + ",",
    "select '" + "中" * 20_001 + "'",
    " union all ".join(["select 1"] * 1500),
    "select * from " + ", ".join(f'"d{i}"."r"' for i in range(100)),
    "select {'a': " * 400 + "1" + "}" * 400,
) + _of(
    "nesting and length",
    "select 1 in (" + ",".join(map(str, range(3000))) + ")",
    "select " + "(" * 3000 + "1" + ")" * 3000,
    "select " + "- " * 2000 + "1",
    "select\u200b1",
    outcome=HARMLESS,
)
OTHERS = _of(
    "other people's data",
    *("select * from housing", 'select * from "housing"."housing"', "select * from bus_arrival"),
    *('select * from "schools@v99"."schools"', 'select * from "schools@v0"."schools"', "select * from nobody"),
    *('select * from "schools@v-1"."schools"', 'select * from "schools@"."other"', "select * from clinics"),
    *('select * from "schools@1; drop"."schools"', 'select * from "../schools"."schools"', 'select * from "."'),
    *('select * from "schools"."../../catalog"', 'select * from "schools@v1@v2"."schools"', 'from "@v1"'),
    *('select * from "schools"."schools.parquet"', 'select * from "schools"."manifest"', 'from "%"."%"'),
    *("select * from social_aid", "select * from received", "select * from submissions", "select * from tokens"),
    'select * from "schools@v99999999999999999999"."schools"', "select * from admin_penalty",
)  # fmt: skip
LOGGING = _of(
    "timing, logging, poisoning",
    *("select * from enable_logging()", "select * from disable_logging()", "select * from enable_profiling()"),
    *("pragma enable_verification", "select * from truncate_duckdb_logs()", "set log_query_path='/tmp/x'"),
    *("select * from test_all_types()", "select * from test_vector_types(null::int)", "select * from summary((select 1))"),
    *("select * from duckdb_logs_parsed('x')", "select * from duckdb_profiling_settings()", "set profiling_output='/tmp/x'"),
    *("create or replace macro count(x) as 0", "select * from force_checkpoint()", "select current_query_id()"),
)  # fmt: skip
PARAMETERS = [
    Attack("parameters and names", "select * from schools where name = $n", HARMLESS, params={"n": text})
    for text in ("' or 1=1 --", "'; attach 'x'; --", "\x00", "$n", "{}", "a" * 5000, "\\'", "$(id)")
] + [
    Attack("parameters and names", sql, params=params)
    for sql, params in (
        ("select * from $t", {"t": "schools"}),
        ("select * from identifier($t)", {"t": "sqlite_master"}),
        ("select $n", {"n": {"a": 1}}),
        ("select $n", {}),
        ("select 1", {"n": 1}),
        ("select ?", {"1": 1}),
        ("select $1", {"1": 1}),
        ("select * from read_text($f)", {"f": "/etc/passwd"}),
        ("select * from range($n)", {"n": 1000000000000}),
        ("select $n::int", {"n": "1; attach 'x'"}),
        ("select " + ",".join(f"$p{i}" for i in range(200)), {f"p{i}": i for i in range(200)}),
        ("select $n", {"n": "a" * 200_000}),
        ('select * from schools order by $n collate "/etc/passwd"', {"n": "name"}),
        ("select name as \"'; attach 'x'; --\", nope from schools", None),
    )
] + _of(
    "parameters and names",
    *("select 1 as \"'; attach 'x'; --\"", 'select 1 as """"', "select 1 as \"a\"\"b'c\", 2 as \"a\"\"b'c\""),
    *('select 1 as "<script>alert(1)</script>"', 'select 1 as "中文; drop"', 'select 1 as "row", 2 as "rows"'),
    outcome=HARMLESS,
)  # fmt: skip
RESULTS = _of(
    "result bombs",
    "select * from range(1000000)",
    "select a.*, b.* from air_hourly a, air_hourly b",
    "select [x.name for x in [s]] from schools s, range(1000000)",
    "select string_agg(name, '') over () from schools, range(1000)",
    "select * from schools a, schools b, schools c order by a.name",
    "select (select list(name) from schools) from range(100000)",
    "select " + ", ".join(f"name as n{i}" for i in range(900)) + " from schools, range(1000)",
    "select unnest(range(10000)), range(10000) from range(1000000)",
    outcome=BOUNDED, slow=True,
)  # fmt: skip

FAMILIES = (
    *(READS, WRITES, ATTACHES, SETTINGS, EXTENSIONS, SYSTEM, PARSER, DYNAMIC, ENVIRONMENT),
    *(MEMORY, CPU, RECURSION, NESTING, OTHERS, LOGGING, PARAMETERS, RESULTS),
)
ATTACKS = [attack for family in FAMILIES for attack in family]
INSIDE = (
    *("/work", "/proc", "/tmp", "/home", "/root", "Traceback", "site-packages", '.py"', "fd/"),
    *("duckdb", "catalog.sqlite", "Errno", "pyarrow", "memory.main", "65534"),
)
"""Words that tell of our inside; those that the attack itself said do not count."""


def leaked(attack: Attack, text: str) -> list[str]:
    """Words of our inside in an answer, other than those of the question."""
    said = (attack.sql + str(attack.params or "")).lower()
    return [word for word in INSIDE if word.lower() in text.lower() and word.lower() not in said]


def fits(attack: Attack, answered) -> bool:
    """Tell whether an answer is what must become of an attack."""
    status = answered.status_code
    if attack.outcome == HARMLESS:
        return status == 200
    if attack.outcome == BOUNDED and status == 200:
        return len(answered.content) <= 52 << 20
    return 400 <= status < 500


def send(url: str, attack: Attack, timeout: float = 60) -> httpx.Response:
    """Ask what an attack asks, with parameters as JSON."""
    body = {"q": attack.sql, "params": attack.params or {}}
    if attack.slow:
        body["timeout_ms"] = 1500
    return httpx.post(f"{url}/api/v1/sql", json=body, timeout=timeout, verify=TLS)


def judged(url: str, attack: Attack) -> str | None:
    """What is wrong with the answer to an attack; None: nothing."""
    answered = send(url, attack)
    if not fits(attack, answered):
        return f"{attack.id!r}: {answered.status_code} {answered.text[:200]}"
    words = leaked(attack, answered.text[:100_000])
    return f"{attack.id!r}: tells {words}: {answered.text[:300]}" if words else None


def main() -> None:
    """Run all attacks on a service of their own, or on the one whose address is given."""
    if len(sys.argv) > 1:
        report(sys.argv[1])
        return
    with tempfile.TemporaryDirectory() as folder:
        hub = sample_hub(Path(folder), "schools", "air_hourly", "bus")
        try:
            report(hub.url)
        finally:
            hub.stop()


def report(url: str) -> None:
    """Run all attacks and print how many were withstood."""
    began, wrong = time.monotonic(), []
    for attack in ATTACKS:
        found = judged(url, attack)
        if found:
            wrong.append(found)
            print(found, flush=True)
    seconds = time.monotonic() - began
    families = len({attack.family for attack in ATTACKS})
    print(f"{len(ATTACKS) - len(wrong)} of {len(ATTACKS)} attacks in {families} families withstood "
          f"in {seconds:.0f} s")  # fmt: skip
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
