"""Every attack of the corpus against a running service: refused or bounded, and nothing is left of it."""

from __future__ import annotations

import hashlib
import random
import re
import statistics
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attacks
import duckdb
import pytest

SLOW = 6
"""Slow attacks of a run, drawn from all; `python tests/attacks.py` runs every one."""
MEMORY = 40 << 20
"""That the web process may be larger afterwards: caches, not answers."""


def test_the_corpus_is_broad():
    """At least 250 statements in at least 12 families, most of which must be refused."""
    families = Counter(attack.family for attack in attacks.ATTACKS)
    assert len(attacks.ATTACKS) >= 250
    assert len(families) >= 12
    refused = sum(attack.outcome == attacks.REFUSED for attack in attacks.ATTACKS)
    assert refused > 0.8 * len(attacks.ATTACKS)


def digests(folder: Path) -> dict[str, str]:
    """Digest of every public file."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def memory(pid: int) -> int:
    """Bytes that a process holds."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) << 10


def pace(server) -> float:
    """Median seconds of a small question."""
    taken = []
    for n in range(7):
        began = time.monotonic()
        answered = server.get("/api/v1/sql", params={"q": f"select count(*) + {n} from schools"})
        assert answered.json()["rows"] == 1
        taken.append(time.monotonic() - began)
    return statistics.median(taken)


VIRTUAL = ("filename", "file_row_number", "file_index", "rowid", "file_path", "_metadata")
ASKING = (
    "select {0} from schools", "select s.{0} from schools s", "select count({0}) from schools",
    "select schools.schools.{0} from schools.schools", "select columns('{0}') from schools",
    "select s['{0}'] from schools s", "select * from schools order by {0}",
)  # fmt: skip
CURIOUS = [sql.format(name) for name in VIRTUAL for sql in ASKING] + [
    "explain select * from schools", "explain analyze select * from schools", "describe schools",
    "summarize schools", "show all tables", "pragma table_info('schools')", "from duckdb_views()",
    "from duckdb_views", "from duckdb_settings", "from duckdb_settings()", "from duckdb_logs",
    "select current_setting('allowed_paths')", "from information_schema.views", "from pg_views",
    "from pg_catalog.pg_views", "from sqlite_master", "from duckdb_external_file_cache()",
    "from memory.information_schema.tables", "from system.main.duckdb_views", "from memory.main.x",
    "from pragma_storage_info('schools')", "from query_table(['/proc/self/fd/4'])",
    "from '/proc/self/fd/4'", 'from "/proc/self/fd/4"', 'from "/proc/self"."fd/4"', 'from "fd/4"',
    'from "schools"."../../x"', 'from "schools@v1/../bus"."lines"', 'from "../bus"."lines"',
    "select name::int from schools", "select name::bit from schools", "select name::uuid from schools",
    "select strptime(name, '%Y') from schools", "select name collate x from schools",
    "select regexp_extract(name, '(') from schools", "select error(name) from schools",
    "select * from schools natural join schools t(a) using (b)", "select s.x from schools s, s",
    "select * from schools at (version => 1)", "select columns('(') from schools",
    "select name from schools group by students", "select sum(name) from schools",
    "select name from schools limit 'x'", "select unnest(name) from schools",
    "select * from schools tablesample reservoir(99999999999)", "select stats(name) from schools",
    "select * from schools union select 1", "select list_aggregate([name], 'x') from schools",
]  # fmt: skip
"""Statements that would tell where a table's file is, or whose errors might."""
INSIDE = re.compile(r"/proc|/fd/|\.parquet|/tmp|public/|data/|allowed_paths=|memory\.")


def test_no_statement_learns_where_files_are(server):
    """Virtual columns, views, settings, plans, errors: refused, or an answer without any path."""
    refused = 0
    for sql in CURIOUS:
        answered = server.get("/api/v1/sql", params={"q": sql, "limit": 5})
        assert answered.status_code in (200, 400, 404), (sql, answered.text)
        refused += answered.status_code != 200
        text = answered.text
        for word in re.findall(r"[^\s\"'(),]+", sql):  # what the client said may be said again
            text = text.replace(word, "") if len(word) > 4 else text
        assert not INSIDE.search(text), (sql, answered.text)
        assert str(server.data) not in answered.text
    assert refused >= len(CURIOUS) - 3


def test_an_error_with_a_part_of_a_letter_is_told(server):
    """Where DuckDB quotes one byte of a Chinese character, the error is told all the same."""
    answered = server.get("/api/v1/sql", params={"q": "select name::bit from schools"})
    assert answered.status_code == 400
    assert "conversion" in answered.json()["detail"]
    assert "值不能转换" in answered.json()["detail_zh"]


def test_every_attack_is_withstood(server):
    """All fast attacks and some slow ones: right status, nothing told, files, memory, speed as before."""
    slow = [attack for attack in attacks.ATTACKS if attack.slow]
    tried = [attack for attack in attacks.ATTACKS if not attack.slow]
    tried += random.sample(slow, SLOW)
    random.shuffle(tried)
    before, began = digests(server.data / "public"), pace(server)
    held = memory(server.pid("web"))
    with ThreadPoolExecutor(2) as pool:
        wrong = [
            found for found in pool.map(lambda a: attacks.judged(server.url, a), tried) if found
        ]
    assert wrong == []
    assert digests(server.data / "public") == before
    assert memory(server.pid("web")) < held + MEMORY
    assert pace(server) < max(3 * began, 0.5)
    zygote = server.pid("queries")
    children = Path(f"/proc/{zygote}/task/{zygote}/children").read_text().split()
    assert sum(memory(int(pid)) for pid in children) < len(children) * (160 << 20)


HARMFUL = (
    ("file reads", "select content from read_text('/etc/hostname')"),
    ("file writes", "copy (select 666) to '{file}' (format csv, use_tmp_file false)"),
    ("system tables", "select sql from duckdb_views() where sql like '%read_parquet%'"),
    ("settings", "select value from duckdb_settings() where name = 'allowed_paths'"),
)


@pytest.mark.parametrize(("family", "sql"), HARMFUL)
def test_without_the_service_the_same_harms(server, tmp_path, family, sql):
    """The control: on a connection of one's own the attack works, through the service it does not."""
    file = tmp_path / "t.parquet"
    connection = duckdb.connect()
    connection.execute(f"copy (select 1 as a) to '{file}'")
    connection.execute(f"create view t as from read_parquet('{file}')")
    before = file.read_bytes()
    found = connection.execute(sql.format(file=file)).fetchall()
    assert found
    assert (file.read_bytes() == before) is (family != "file writes")
    attack = attacks.Attack(family, sql.format(file=file))
    assert attacks.judged(server.url, attack) is None
    assert 400 <= attacks.send(server.url, attack).status_code < 500
