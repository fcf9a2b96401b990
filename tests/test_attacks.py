"""Every attack of the corpus against a running service: refused or bounded, and nothing is left of it."""

from __future__ import annotations

import hashlib
import random
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
