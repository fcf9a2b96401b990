"""Measure against the raw DuckDB and the raw disk, in one run; ratios go into the README.

    python tests/bench.py [--rows N] [--keep]

Every pair is measured in turns, the best of each counts. Absolute times of one machine do not
repeat; ratios of one run do, more or less.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import bench_bytes
import bench_rows
import bench_search
import bench_sql
import bench_validation
import duckdb
import httpx
import msgspec
import pyarrow.csv
from hub import ROOT, Hub

from datahub.clock import stamp
from datahub.model import FileIn, Person, Role, State
from datahub.settings import load
from datahub.stages.detect import detect
from datahub.stages.receive import receive
from datahub.stages.release import release
from datahub.stages.review import review
from datahub.store import open_store, submissions

UNLIMITED = {"anonymous_seconds": 0, "anonymous_bytes": 0, "anonymous_requests": 0}
FIGURES = ROOT / ".bench" / "figures.json"
PAGE = 100
FIELDS = [
    ("id", "integer"), ("code", "string"), ("name", "string"), ("day", "date"),
    ("time", "datetime"), ("district", "string"), ("amount", "number"), ("rate", "number"),
    ("count", "integer"), ("lon", "number"), ("lat", "number"), ("note", "string"),
]  # fmt: skip


def main() -> None:
    """Run all measurements, or those parts that are named, and write the figures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--keep", action="store_true", help="leave figures and README as they are")
    parser.add_argument("--only", default="", help=f"parts: {', '.join(PARTS)}")
    options = parser.parse_args()
    chosen = options.only.split(",") if options.only else list(PARTS)
    figures = json.loads(FIGURES.read_text()) if options.only and FIGURES.exists() else {}
    for part in chosen:
        with tempfile.TemporaryDirectory(prefix="datahub-bench-") as temporary:
            found = PARTS[part](Path(temporary), options.rows)
        figures |= found | {"measures": figures.get("measures", {}) | found.get("measures", {})}
    print(table(figures))
    if not options.keep:
        FIGURES.parent.mkdir(exist_ok=True)
        FIGURES.write_text(json.dumps(figures, indent=2) + "\n")
        write_readme(figures)


def measure_base(folder: Path, rows: int) -> dict:
    """Release, pages, an export and downloads against the bare tools, on a fresh data folder."""
    source = folder / "bench.csv"
    say(f"generating {rows:,} rows × {len(FIELDS)} columns")
    generate(source, rows)
    size = source.stat().st_size
    hub = Hub(folder / "data", catalog=catalog(folder), **UNLIMITED)
    hub.data.mkdir()
    hub.register()
    say("release from CSV, and bare DuckDB COPY of the same file")
    released = measure_release(hub, source)
    parquet = hub.data / "public" / "bench" / "1" / "bench.parquet"
    hub.start()
    try:
        say("pages over HTTP, and the same query in bare DuckDB")
        pages = {
            f"page at row {start:,}": measure_page(hub, parquet, start)
            for start in (0, rows * 9 // 10)
        }
        say("a filtered export as CSV over HTTP, and bare Arrow writing it")
        export = measure_export(hub, parquet)
        say("download over HTTP, and cat")
        download = measure_download(hub, parquet)
    finally:
        hub.stop()
    return {
        "rows": rows,
        "columns": len(FIELDS),
        "csv_bytes": size,
        "cores": os.cpu_count(),
        "duckdb": duckdb.__version__,
        "measures": released | pages | {"export as CSV": export, "download": download},
    }


def measure_validation(folder: Path, rows: int) -> dict:
    """Validation against Frictionless."""
    return {"measures": bench_validation.measure(folder, rows, say)}


def measure_search(folder: Path, _rows: int) -> dict:
    """The search: kept queries, and catalogs of three sizes."""
    return {"search": bench_search.measure(folder, say)}


def measure_rows(folder: Path, rows: int) -> dict:
    """Rows against the peers, at the size asked for and at ten times of it."""
    found = {}
    for size in (rows, 10 * rows):
        own = folder / str(size)
        own.mkdir()
        found[f"{size:,}"] = bench_rows.measure(own, size, say)
    return {"peers": found}


def measure_bytes(folder: Path, _rows: int) -> dict:
    """Downloads against nginx."""
    say("downloads, here and from nginx")
    against = {"unit": "s", "against": "nginx, sendfile"}
    return {"measures": {n: f | against for n, f in bench_bytes.measure(folder).items()}}


def measure_sql(_folder: Path, _rows: int) -> dict:
    """SQL against bare DuckDB."""
    say("questions in SQL, here and in bare DuckDB")
    return {"sql": bench_sql.measure()}


PARTS = {
    "base": measure_base,
    "bytes": measure_bytes,
    "sql": measure_sql,
    "rows": measure_rows,
    "validation": measure_validation,
    "search": measure_search,
}


def say(text: str) -> None:
    """Show what is going on."""
    print(f"· {text}", file=sys.stderr, flush=True)


def generate(path: Path, rows: int) -> None:
    """Write a seeded CSV of mixed types with Chinese text."""
    chance = random.Random(7)
    names = ["西陵区", "伍家岗区", "点军区", "猇亭区", "夷陵区", "宜都市", "当阳市", "枝江市"]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([name for name, _ in FIELDS])
        for i in range(rows):
            day = f"20{10 + i % 15:02d}-{1 + i % 12:02d}-{1 + i % 28:02d}"
            writer.writerow([
                i, f"{i * 7919 % 1000000:08d}", f"示例企业{i % 50000}", day,
                f"{day}T{i % 24:02d}:{i % 60:02d}:00", chance.choice(names),
                f"{chance.uniform(0, 1e6):.2f}", f"{chance.random():.4f}", chance.randrange(1000),
                f"{chance.uniform(110.9, 111.9):.6f}", f"{chance.uniform(30.3, 31.1):.6f}",
                "" if i % 5 else "备注，含逗号",
            ])  # fmt: skip


def catalog(folder: Path) -> Path:
    """Make a catalog with the one dataset that is measured."""
    own = folder / "catalogs" / "bench"
    (own / "datasets" / "bench").mkdir(parents=True)
    shutil.copy(ROOT / "catalogs" / "yichang" / "catalog.yaml", own)
    schema = {"fields": [{"name": name, "type": kind} for name, kind in FIELDS]}
    package = {
        "name": "bench", "title": "基准", "description": "测速用的表。", "licenses": [{"name": "CC-BY-4.0"}],
        "resources": [{"name": "bench", "path": "bench.csv", "schema": schema}],
        "catalog": {"publisher": "yc-env", "theme": "07", "openness": "open", "code": "307001/1",
                    "update_cycle": "static", "issued": "2025-01-01", "share_type": "1",
                    "grade": "L1", "crs": "CGCS2000", "timezone": "+08:00"},
    }  # fmt: skip
    (own / "datasets" / "bench" / "datapackage.yaml").write_text(json.dumps(package))
    return own


def measure_release(hub: Hub, source: Path) -> dict:
    """Time the release stage on a submission that was approved, against COPY."""
    store = open_store(load(data=hub.data))
    ours, bare = [], []
    for _ in range(3):
        bare.append(clock(lambda: copy(source, hub.data / "bare.parquet")))
        approved = approve(store, source)
        ours.append(clock(lambda entry=approved: release(store, entry)))
    store.close()
    return {"release from CSV": pair(min(ours), min(bare), "s", "DuckDB COPY … TO Parquet, zstd")}


def copy(source: Path, target: Path) -> None:
    """Convert a CSV to Parquet as DuckDB does by itself."""
    with duckdb.connect() as db:
        db.execute(
            f"copy (from read_csv('{source}')) to '{target}' (format parquet, compression zstd)"
        )


def approve(store, source: Path):
    """Bring the file up to the point of release; validation is not what is measured here."""
    owner = Person(name="owner", title="", role=Role.OPERATOR)
    incoming = store.objects.incoming(1 << 40)
    with source.open("rb") as file:
        while chunk := file.read(1 << 20):
            incoming.write(chunk)
    digest = incoming.keep()
    part = FileIn(resource="bench", name="bench.csv", bytes=incoming.bytes, sha256=digest)
    found = detect(store, receive(store, owner, "bench", [part]))
    with store.catalog.write() as db:
        submissions.save_report(db, found.id, {"typed": {}})  # the release converts by itself
    for state in (State.VALIDATED, State.SCREENED, State.IN_REVIEW):
        with store.catalog.write() as db:
            found = submissions.move(db, found, state, who="bench", at=stamp(store.clock))
    return review(store, msgspec.structs.replace(owner, name="judge"), found.id, "approve", "")


def measure_page(hub: Hub, parquet: Path, start: int) -> dict:
    """Time one page of rows over HTTP against its query in bare DuckDB."""
    path = "/api/v1/datasets/bench/resources/bench/rows"
    params = {"limit": PAGE, "version": 1, "offset": start}
    sql = (
        f"select * from read_parquet('{parquet}', file_row_number=true) "
        f"where file_row_number between {start} and {start + PAGE}"
    )
    with httpx.Client(base_url=hub.url) as client, duckdb.connect() as db:
        db.execute("set threads=1; set parquet_metadata_cache=true; set enable_progress_bar=false")

        def ours() -> None:
            assert len(client.get(path, params=params).json()["data"]) == PAGE

        def bare() -> None:
            assert len(db.execute(sql).fetchall()) == PAGE + 1

        times = [(clock(ours), clock(bare)) for _ in range(40)][3:]
    return pair(min(t[0] for t in times), min(t[1] for t in times), "s", "the query in bare DuckDB")


def measure_export(hub: Hub, parquet: Path) -> dict:
    """Time rows that a filter lets through, as CSV over HTTP, against Arrow writing the same."""
    path = f"{hub.url}/api/v1/datasets/bench/resources/bench/export.csv?id=gte.10"
    sql = f"from read_parquet('{parquet}') where id >= 10"
    ours, bare = [], []
    with Path(os.devnull).open("wb") as nowhere, duckdb.connect() as db:
        db.execute("set threads=1; set enable_progress_bar=false")

        def arrow() -> None:
            reader = db.execute(sql).to_arrow_reader(122_880)
            with pyarrow.csv.CSVWriter(nowhere, reader.schema) as writer:
                for batch in reader:
                    writer.write_batch(batch)

        for _ in range(3):
            call = ["curl", "-sfg", "-o", os.devnull, path]
            ours.append(clock(lambda call=call: subprocess.run(call, check=True)))
            bare.append(clock(arrow))
    return pair(min(ours), min(bare), "s", "Arrow writing the same rows, one thread")


def measure_download(hub: Hub, parquet: Path) -> dict:
    """Bytes per second of a download against cat of the same file, both to nowhere."""
    url = f"{hub.url}/d/bench/1/{parquet.name}"
    size = parquet.stat().st_size
    http, cat = [], []
    with Path(os.devnull).open("wb") as nowhere:
        for _ in range(10):
            http.append(
                clock(lambda: subprocess.run(["curl", "-s", "-o", os.devnull, url], check=True))
            )
            cat.append(
                clock(lambda: subprocess.run(["cat", str(parquet)], stdout=nowhere, check=True))
            )
    return pair(min(http), min(cat), "s", "cat of the file") | {"bytes": size}


def clock(work: Callable[[], object]) -> float:
    """Seconds that work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def pair(ours: float, bare: float, unit: str, against: str) -> dict:
    """Two times and their ratio: how many times as long as the bare tool."""
    return {"ours": ours, "bare": bare, "unit": unit, "against": against, "ratio": ours / bare}


def table(figures: dict) -> str:
    """Figures as a Markdown table."""
    lines = [
        (
            f"{figures['rows']:,} rows × {figures['columns']} columns, "
            f"{figures['csv_bytes'] / 1e6:.0f} MB of CSV, {figures['cores']} cores, "
            f"DuckDB {figures['duckdb']}; best of several turns in one run."
        ),
        "",
        "| measure | ours | bare | ratio | bare is |",
        "|---|---|---|---|---|",
    ]
    for name, found in figures["measures"].items():
        lines.append(f"| {name} | {_shown(found)} | {found['against']} |")
    if "sql" in figures:
        lines += ["", *sql_table(figures["sql"])]
    for found in figures.get("peers", {}).values():
        lines += ["", bench_rows.table(found)]
    if "search" in figures:
        lines += ["", bench_search.table(figures["search"])]
    return "\n".join(lines)


def sql_table(found: dict) -> list[str]:
    """Questions in SQL over HTTP, and the same in bare DuckDB that has the tables open."""
    lines = ["| SQL | p50 | p95 | bare DuckDB | added |", "|---|---|---|---|---|"]
    for name, item in found.items():
        if "a second" in item:
            lines.append(f"| {name} | {item['a second']:.0f} a second | | | |")
        else:
            cells = (f"{item[key]:.1f} ms" for key in ("ours", "p95", "bare", "added"))
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _shown(found: dict) -> str:
    """Both times and the ratio: how many times as long as the bare tool, or as fast."""
    ours, bare = (_time(found.get(key)) for key in ("ours", "bare"))
    if "times" in found:
        return f"{ours} | {bare} | **{found['times']:.1f}× as fast**"
    return f"{ours} | {bare} | " + (f"**{found['ratio']:.2f}×**" if "ratio" in found else "—")


def _time(seconds: float | None) -> str:
    if seconds is None:
        return "—"
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def write_readme(figures: dict) -> None:
    """Put the table between the README's markers."""
    path = ROOT / "README.md"
    if not path.exists():
        return
    marked = re.compile(r"(<!-- bench -->\n).*?(<!-- /bench -->)", re.DOTALL)
    path.write_text(marked.sub(lambda m: f"{m[1]}{table(figures)}\n{m[2]}", path.read_text()))


if __name__ == "__main__":
    main()
