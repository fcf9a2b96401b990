"""Free SQL over HTTP against the same question in bare DuckDB: what gate, jail and HTTP cost.

    python tests/bench_sql.py [data folder with a released schools and air_hourly]

Both are asked in turns; each question is another text, so that no answer was kept.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import duckdb
import httpx
from hub import CATALOG, Hub, sample_files

TURNS, CLIENTS = 100, 3
QUESTIONS = {
    "a number": "select {n} as n",
    "a group by of 400 rows": "select stage, count(*) + {n} as n from schools.schools group by all",
    "ten rows of 400": "select * from schools.schools where students > {n} order by 1 limit 10",
    "a group by of 43,800 rows": "select level, count(*) + {n} as n from air_hourly.air_hourly "
    "group by all",
    "a join": "select s.stage, count(*) + {n} as n from schools.schools s, "
    "schools.schools t where s.region = t.region group by all",
}


def measure(data: Path | None = None) -> dict[str, dict[str, float]]:
    """Figures by question: p50 and p95 of ours and p50 of bare DuckDB in ms, what ours adds to it."""
    if data is not None:
        return _measured(Hub(data, anonymous_heavy=0))
    with tempfile.TemporaryDirectory(prefix="datahub-bench-sql-") as folder:
        hub = Hub(Path(folder) / "data", anonymous_heavy=0)
        hub.data.mkdir()
        hub.register()
        hub.start()
        script = [sys.executable, str(CATALOG / "sample.py"), f"{folder}/samples"]
        subprocess.run(script, check=True, capture_output=True)
        for dataset in ("schools", "air_hourly"):
            hub.publish(dataset, *sample_files(Path(folder) / "samples", dataset))
        hub.stop()
        return _measured(hub)


def _measured(hub: Hub) -> dict[str, dict[str, float]]:
    hub.start()
    try:
        with httpx.Client(base_url=hub.url, timeout=60) as client, _bare(hub.data) as bare:
            return {name: _pair(client, bare, sql) for name, sql in QUESTIONS.items()} | {
                f"a number, {CLIENTS} clients": _many(client)
            }
    finally:
        hub.stop()


def _bare(data: Path) -> duckdb.DuckDBPyConnection:
    """DuckDB with the same tables, warm."""
    connection = duckdb.connect()
    connection.execute("set threads=1; set parquet_metadata_cache=true")
    for name in ("schools", "air_hourly"):
        connection.execute(f"create schema {name}")
        file = data / "public" / name / "1" / f"{name}.parquet"
        connection.execute(f"create view {name}.{name} as from read_parquet('{file}')")
    return connection


def _pair(client: httpx.Client, bare: duckdb.DuckDBPyConnection, sql: str) -> dict[str, float]:
    ours, theirs = [], []
    for n in range(TURNS + 5):
        text = sql.format(n=n)
        ours.append(_clock(lambda text=text: _asked(client, text)))
        theirs.append(_clock(lambda text=text: bare.execute(text).fetchall()))
    ours, theirs = sorted(ours[5:]), sorted(theirs[5:])
    return {
        "ours": statistics.median(ours),
        "p95": ours[int(len(ours) * 0.95)],
        "bare": statistics.median(theirs),
        "added": statistics.median(ours) - statistics.median(theirs),
    }


def _many(client: httpx.Client) -> dict[str, float]:
    """Questions a second of many clients at a time."""
    began = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(lambda n: _asked(client, f"select {n} as m"), range(4 * CLIENTS)))
    return {"a second": 4 * CLIENTS / (time.perf_counter() - began)}


def _asked(client: httpx.Client, sql: str) -> None:
    answered = client.get("/api/v1/sql", params={"q": sql})
    assert answered.status_code == 200, answered.text


def _clock(action: Callable[[], object]) -> float:
    """Milliseconds that an action takes."""
    began = time.perf_counter()
    action()
    return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    found = measure(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
    print(json.dumps(found, ensure_ascii=False, indent=1))
