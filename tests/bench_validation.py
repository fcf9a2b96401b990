"""Measure validation against Frictionless, the bare CSV read and a bare typed COPY, in one run.

    python tests/bench_validation.py [--rows N] [--large]

Every figure is of a cold process (`--large` adds 10 and 50 million rows and 20 GB).
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import hashlib
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import xlsxwriter

from datahub.guard.child import Limits
from datahub.guard.process import run
from datahub.model import Table
from datahub.validation.judge import Job, Slot
from datahub.validation.sniff import Probe

DISTRICTS = ["西陵区", "伍家岗区", "点军区", "猇亭区", "夷陵区", "宜都市", "当阳市", "枝江市"]
LIMITS = Limits(64 << 30, 7200)
SCHEMA = {
    "fields": [
        {"name": "id", "type": "string", "constraints": {"required": True, "pattern": "[A-Z]{2}[0-9]{10}"}},
        {"name": "code", "type": "string", "constraints": {"pattern": "[0-9]{8}"}},
        {"name": "name", "type": "string", "constraints": {"required": True, "maxLength": 40}},
        {"name": "day", "type": "date", "constraints": {"minimum": "2000-01-01"}},
        {"name": "time", "type": "datetime"},
        {"name": "district", "type": "string", "constraints": {"enum": DISTRICTS}},
        {"name": "amount", "type": "number", "constraints": {"minimum": 0}},
        {"name": "rate", "type": "number", "constraints": {"minimum": 0, "maximum": 1}},
        {"name": "count", "type": "integer", "constraints": {"minimum": 0, "maximum": 1000}},
        {"name": "lon", "type": "number", "constraints": {"minimum": 100, "maximum": 120}},
        {"name": "lat", "type": "number", "constraints": {"minimum": 20, "maximum": 40}},
        {"name": "note", "type": "string"},
    ],
    "primaryKey": ["id"],
}  # fmt: skip


def rows(count: int, *, bad: float = 0.0, all_bad: bool = False) -> Iterator[list[str]]:
    """Seeded rows in mixed key order; `bad` is the share of cells that break the schema."""
    chance = random.Random(11)
    for i in range(count):
        day = f"20{10 + i % 15:02d}-{1 + i % 12:02d}-{1 + i % 28:02d}"
        row = [
            f"YC{i * 2654435761 % (1 << 33):010d}", f"{i * 7919 % 1000000:08d}", f"示例企业{i % 50000}", day,
            f"{day}T{i % 24:02d}:{i % 60:02d}:00", DISTRICTS[i % 8], f"{chance.uniform(0, 1e6):.2f}",
            f"{chance.random():.4f}", str(chance.randrange(1000)), f"{chance.uniform(110.9, 111.9):.6f}",
            f"{chance.uniform(30.3, 31.1):.6f}", "" if i % 5 else "备注，含逗号",
        ]  # fmt: skip
        if all_bad:
            row = [f"坏{i}" * 30 if n == 2 else f"坏{i}" for n in range(11)] + [""]
        elif bad:
            for n in range(11):
                if chance.random() < bad:
                    row[n] = "坏值" * 25
        yield row


def write_rows(path: Path, given: Iterator[list[str]], encoding: str = "utf-8") -> Path:
    """Write a CSV under the schema's header."""
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([field["name"] for field in SCHEMA["fields"]])
        writer.writerows(given)
    return path


def table_of(path: Path) -> Table:
    """Describe a plain CSV as stage detect would."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Table(path=str(path), name=path.name, bytes=path.stat().st_size, sha256=digest)


@contextlib.contextmanager
def cores(count: int) -> Iterator[None]:
    """Let this process and its children use so many cores."""
    all_of_them = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(sorted(all_of_them)[:count]))
    try:
        yield
    finally:
        os.sched_setaffinity(0, all_of_them)


def timed(work: Callable[[], object], times: int = 2) -> float:
    """Seconds of the best of some turns."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return min(found)


def judge(folder: Path, table: Table, *, typed: bool, schema: dict | None = None) -> dict:
    """Judge a table in a cold child, as stage validate does."""
    slot = Slot(name="t", schema=schema or SCHEMA, tables=(table,))
    out = folder / "typed"
    out.mkdir(exist_ok=True)
    job = Job(slots=(slot,), folder=str(folder), errors_csv=str(folder / "errors.csv"),
              typed=str(out) if typed else "")  # fmt: skip
    return run("datahub.validation.judge:judge", job, returns=dict, limits=LIMITS, folder=folder)


def frictionless(path: Path, count: int, kind: str = "csv", encoding: str = "utf-8") -> float:
    """Seconds of Frictionless in a cold process, all errors told."""
    code = f"""
import frictionless, json
from frictionless import formats
from frictionless.resources import TableResource
r = TableResource(path={path.name!r}, basepath={str(path.parent)!r}, format={kind!r},
    encoding={encoding!r}, dialect=frictionless.Dialect(header_rows=[1]),
    schema=frictionless.Schema.from_descriptor(json.loads({json.dumps(SCHEMA)!r})))
report = r.validate(limit_errors=0)
assert report.tasks[0].stats["rows"] == {count}, report.tasks[0].stats
"""
    return timed(lambda: subprocess.run([sys.executable, "-c", code], check=True), 1)


def bare_read(path: Path) -> float:
    """Seconds to read the CSV with Arrow and do nothing with it, imports included."""
    code = f"""
from pyarrow import csv
import pyarrow as pa
names = {[f["name"] for f in SCHEMA["fields"]]!r}
options = csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()))
for _ in csv.open_csv({str(path)!r}, convert_options=options,
                      read_options=csv.ReadOptions(block_size=4 << 20)): pass
"""
    return timed(lambda: subprocess.run([sys.executable, "-c", code], check=True))


def bare_copy(path: Path) -> float:
    """Seconds of DuckDB's own typed COPY of the CSV to Parquet, in a cold process."""
    kinds = {
        "integer": "BIGINT",
        "number": "DECIMAL(18,6)",
        "date": "DATE",
        "datetime": "TIMESTAMP",
    }
    columns = {f["name"]: kinds.get(f["type"], "VARCHAR") for f in SCHEMA["fields"]}
    code = f"""
import duckdb
duckdb.sql("COPY (SELECT * FROM read_csv('{path}', header=true, columns={columns!r}))"
           " TO '{path}.bare.parquet' (FORMAT parquet, COMPRESSION zstd)")
"""
    return timed(lambda: subprocess.run([sys.executable, "-c", code], check=True))


def measure(folder: Path, count: int, say: Callable[[str], None]) -> dict:
    """Measure everything on `count` rows; return the lines of the table."""
    clean = write_rows(folder / "clean.csv", rows(count))
    dirty = write_rows(folder / "dirty.csv", rows(count, bad=0.002))
    tables = {"clean": table_of(clean), "dirty": table_of(dirty)}
    say("validate: ours, on one core and on all")
    ours: dict[tuple[str, int, bool], float] = {}
    for kind in tables:
        for number in (1, 2):
            for typed in (False, True) if kind == "clean" else (False,):
                with cores(number):
                    ours[kind, number, typed] = timed(
                        lambda k=kind, t=typed: judge(folder, tables[k], typed=t), 3
                    )
    say("validate: the bare CSV read, and DuckDB's typed COPY")
    read, copied = bare_read(clean), bare_copy(clean)
    say("validate: Frictionless itself (minutes)")
    with cores(1):
        theirs = {"clean": frictionless(clean, count), "dirty": frictionless(dirty, count)}
    found = {}
    for (kind, number, typed), seconds in ours.items():
        name = f"validate {count:,} rows, {kind}, {number} core{'s' * (number > 1)}"
        name += ", Parquet beside it" * typed
        found[name] = against(theirs[kind], seconds, "frictionless")
    found["validate, clean, 2 cores, against the bare CSV read"] = pair(
        ours["clean", 2, False], read, "Arrow reading the CSV, cold"
    )
    found["validate with Parquet, 2 cores"] = pair(
        ours["clean", 2, True], copied, "DuckDB typed COPY to Parquet, cold"
    )
    return found | formats(folder, count // 10, say) | spoilt(folder, count, say)


def against(theirs: float, ours: float, base: str) -> dict:
    """How many times as fast, and rows."""
    return {"ours": ours, "bare": theirs, "unit": "s", "against": base, "times": theirs / ours}


def pair(ours: float, bare: float, base: str) -> dict:
    """How many times as long."""
    return {"ours": ours, "bare": bare, "unit": "s", "against": base, "ratio": ours / bare}


def formats(folder: Path, count: int, say: Callable[[str], None]) -> dict:
    """XLSX, GB18030 and NDJSON: detection, validation and typed Parquet against Frictionless."""
    say("validate: XLSX, GB18030 CSV and NDJSON")
    given = list(rows(count))
    names = [field["name"] for field in SCHEMA["fields"]]
    book = folder / "book.xlsx"
    with xlsxwriter.Workbook(book, {"constant_memory": True}) as target:
        sheet = target.add_worksheet()
        for number, row in enumerate([names, *given]):
            for column, cell in enumerate(row):
                if number and column in (6, 7, 8, 9, 10):
                    sheet.write_number(number, column, float(cell))
                else:
                    sheet.write_string(number, column, cell)
    coded = write_rows(folder / "coded.csv", iter(given), "gb18030")
    lines = folder / "lines.ndjson"
    with lines.open("w", encoding="utf-8") as file:
        for row in given:
            typed = [float(c) if n in (6, 7, 9, 10) else int(c) if n == 8 else c or None
                     for n, c in enumerate(row)]  # fmt: skip
            file.write(json.dumps(dict(zip(names, typed, strict=True)), ensure_ascii=False) + "\n")
    found = {}
    for path, kind, encoding in (
        (book, "xlsx", "utf-8"),
        (coded, "csv", "gb18030"),
        (lines, "ndjson", "utf-8"),
    ):
        own = timed(lambda p=path: detected(folder, p), 2)
        with cores(1):
            theirs = frictionless(path, count, kind, encoding)
        found[
            f"detect and validate {count:,} rows, {path.suffix[1:]} {encoding if kind == 'csv' else ''}".strip()
        ] = against(own and theirs, own, "frictionless")
    return found


def detected(folder: Path, path: Path) -> None:
    """Detect and judge one file, each in a child, as the pipeline does."""
    probe = Probe(path=str(path), name=path.name, bytes=path.stat().st_size, sha256="", schema=SCHEMA,
                  copy=str(folder / "copy.csv"))  # fmt: skip
    table = run(
        "datahub.validation.sniff:sniff", probe, returns=Table, limits=LIMITS, folder=folder
    )
    report = judge(folder, table, typed=True)
    assert report["valid"], report["totals"]


def spoilt(folder: Path, count: int, say: Callable[[str], None]) -> dict:
    """A file in which every cell is wrong: bounded time, and totals of all of it."""
    say("validate: a file in which every cell is wrong")
    path = write_rows(folder / "spoilt.csv", rows(count, all_bad=True))
    table = table_of(path)
    began = time.perf_counter()
    report = judge(folder, table, typed=False)
    seconds = time.perf_counter() - began
    assert report["totals"]["rows"] == count
    assert report["totals"]["errors"] == 11 * count, report["totals"]
    path.unlink()
    (folder / "errors.csv").unlink()
    return {f"{count:,} rows, every cell wrong, all {11 * count:,} errors listed": {
        "ours": seconds, "unit": "s", "against": "—"}}  # fmt: skip


def large(folder: Path, say: Callable[[str], None]) -> dict:
    """10 and 50 million rows and 20 GB: rate against one million, and peak memory."""
    found = {}
    one = table_of(write_rows(folder / "one.csv", rows(1_000_000)))
    base = timed(lambda: judge(folder, one, typed=True), 2)
    chunk = Path(one.path).read_bytes()
    head, body = chunk.split(b"\n", 1)
    for million in (10, 50, 160):
        path = folder / "many.csv"
        with path.open("wb") as file:
            file.write(head + b"\n")
            for turn in range(million):  # other keys, other sizes of the same rows
                file.write(body.replace(b"YC", _prefix(turn)))
        say(f"validate: {million} million rows, {path.stat().st_size >> 20} MB")
        table = table_of(path)
        began = time.perf_counter()
        pid = os.fork()
        if pid == 0:
            report = judge(folder, table, typed=True)
            peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
            (folder / "peak").write_text(f"{peak} {report['totals']['rows']} {report['valid']}")
            os._exit(0)
        os.waitpid(pid, 0)
        seconds = time.perf_counter() - began
        peak, total, valid = (folder / "peak").read_text().split()
        assert (int(total), valid) == (million * 1_000_000, "True"), (total, valid)
        found[f"validate {million} million rows ({path.stat().st_size / 1e9:.1f} GB)"] = {
            "ours": seconds, "unit": "s", "against": "one million rows",
            "ratio": seconds / million / base, "peak_mb": int(peak) >> 10}  # fmt: skip
        path.unlink()
    return found


def _prefix(turn: int) -> bytes:
    """Two letters that make the keys of a turn its own."""
    return bytes([65 + turn // 26, 65 + turn % 26])


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--large", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="datahub-bench-") as temporary:
        say = lambda text: print(f"· {text}", file=sys.stderr, flush=True)  # noqa: E731
        found = (large if options.large else measure)(
            Path(temporary), *(() if options.large else (options.rows,)), say
        )
    for name, line in found.items():
        print(name, {k: round(v, 2) if isinstance(v, float) else v for k, v in line.items()})


if __name__ == "__main__":
    main()
