"""Rows over HTTP against the peers: the same questions in turn, in one run on one machine.

    python tests/bench_rows.py [--rows N] [--only Datasette,ROAPI] [--csv FILE]

Each question is asked of everybody in turn, another form of it each time, so that nobody can
answer from a cache of answers; ours is then asked the same again, which is told beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import bench
from bench_peers import PEERS, Connection, Peer, at_once, get, resident
from hub import Hub

from datahub.settings import load
from datahub.stages.release import release
from datahub.store import open_store

ROUNDS = 40
QUESTIONS = {
    "page": "page 1 of 100",
    "filters": "two filters, 100 rows",
    "key": "by key",
    "group": "group by, 8 groups of all rows",
    "order": "order by a float, 100 rows",
    "deep": "page at row 0.9 N",
}
DISTRICTS = ["西陵区", "伍家岗区", "点军区", "猇亭区", "夷陵区", "宜都市", "当阳市", "枝江市"]
_ROWS = "/api/v1/datasets/bench/resources/bench/rows"


class Ours(Peer):
    """This product with two web processes, as it is run."""

    name = "ours"

    def __init__(self, hub: Hub, table: dict) -> None:
        super().__init__(hub.data.parent, table)
        self.hub, self.port = hub, hub.port

    def start(self) -> None:
        """Start it, and wait until what is asked has been prepared in the background."""
        try:
            self.hub.start()
        except AssertionError:  # a busy machine
            self.hub.wait_ready(600)
        self.child = self.hub.child
        connection = Connection(self.port)
        cache = self.hub.data / "cache" / self.table["digest"]
        until = time.monotonic() + 1200
        while time.monotonic() < until:
            for question in QUESTIONS:
                with suppress(AssertionError):
                    connection.ask(self.request(question, 0))
            if all((cache / name).exists() for name in ("rows.duckdb", "values-0", "top-7-asc")):
                break
            time.sleep(0.5)
        connection.close()

    def request(self, question: str, number: int) -> bytes:
        n, table = number, self.table
        district = table["districts"][n % len(table["districts"])]
        plain: dict[str, Any] = {"count": "none"}
        asked: dict[str, Any] = {
            "page": {"offset": n * 7},
            "filters": {"district": f"eq.{district}", "amount": f"gte.{n * 997}"},
            "key": {"id": f"eq.{table['ids'][n % 100_000]}"},
            "group": {"select": "district,n:count(),a:amount.avg()", "id": f"gte.{n}"},
            "order": {"order": "rate", "offset": n * 100},
            "deep": {"offset": table["deep"] + n * 100},
        }[question]
        return get(_ROWS, **asked, **plain)

    def rows(self, body: bytes) -> list[dict]:
        found: list[dict] = json.loads(body)["data"]
        return found

    def memory(self) -> int:
        """Resident bytes of the larger of the web processes."""
        children = Path(f"/proc/{self.hub.child.pid}/task/{self.hub.child.pid}/children")
        found = [
            resident(int(child))
            for child in children.read_text().split()
            if b"web" in Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        ]
        return max(found)

    def stop(self) -> None:
        """End it."""
        self.hub.stop()


def measure(
    folder: Path, rows: int, say: Callable[[str], None], *, source: Path | None = None,
    only: list[str] | None = None, rounds: int = ROUNDS,
) -> dict:  # fmt: skip
    """Publish a table, start the peers with it, ask everybody; figures by question and name."""
    ours = publish(folder, rows, say, source)
    failed: dict[str, str] = {}
    running: list[Peer] = []
    try:
        for peer in [
            ours,
            *(kind(folder, ours.table) for kind in PEERS if not only or kind.name in only),
        ]:
            say(f"starting {peer.name}")
            try:
                running.append(peer)  # to be ended, whatever happens
                peer.start()
            except Exception as error:
                if peer is ours:
                    raise
                failed[peer.name] = str(error)[:300]
                say(f"{peer.name} does not run: {failed[peer.name]}")
        present = [peer for peer in running if peer.name not in failed]
        found = ask_all(present, say, rounds)
    finally:
        for peer in running:
            peer.stop()
    return {
        "rows": rows,
        "columns": len(bench.FIELDS),
        "cores": os.cpu_count(),
        "failed": failed,
    } | found


def publish(folder: Path, rows: int, say: Callable[[str], None], source: Path | None) -> Ours:
    """Release the table in a hub of its own."""
    made = source or folder / "bench.csv"
    if not made.exists():
        say(f"generating {rows:,} rows × {len(bench.FIELDS)} columns")
        bench.generate(made, rows)
    if (folder / "data").exists():  # kept by a run before
        hub = Hub(folder / "data", workers=2)
        return Ours(hub, table_of(hub, made, rows))
    hub = Hub(folder / "data", catalog=bench.catalog(folder), workers=2)
    hub.data.mkdir()
    hub.register()
    say("releasing")
    store = open_store(load(data=hub.data))
    release(store, bench.approve(store, made))
    store.close()
    return Ours(hub, table_of(hub, made, rows))


def table_of(hub: Hub, source: Path, rows: int) -> dict:
    """What questions need to know of the table."""
    public = hub.data / "public" / "bench" / "1"
    manifest = json.loads((public / "manifest.json").read_text())
    (digest,) = [f["sha256"] for f in manifest["files"] if f["path"] == "bench.parquet"]
    chance = random.Random(3)
    return {
        "csv": source, "parquet": public / "bench.parquet", "digest": digest,
        "kinds": dict(bench.FIELDS), "districts": DISTRICTS, "deep": rows * 9 // 10,
        "ids": [chance.randrange(rows) for _ in range(100_000)],
    }  # fmt: skip


def ask_all(peers: list[Peer], say: Callable[[str], None], rounds: int) -> dict:
    """Ask every question of every peer in turn; times in seconds."""
    askers = {peer.name: peer.asker() for peer in peers}
    figures: dict[str, dict] = {}
    differ: list[str] = []
    for question, title in QUESTIONS.items():
        say(f"asking: {title}")
        differ += agree(question, peers, askers)
        figures[question] = in_turn(question, peers, askers, rounds)
        for peer in peers:
            figures[question][peer.name]["at_once"] = at_once(peer.asker, question)
    memory = {peer.name: peer.memory() for peer in peers}
    return {"questions": figures, "memory": memory, "differ": differ}


def in_turn(question: str, peers: list[Peer], askers: dict, rounds: int) -> dict[str, dict]:
    """Ask a question of everybody, round by round in another form; median and 95th of 100."""
    times: dict[str, list[float]] = {peer.name: [] for peer in peers} | {"ours again": []}
    for number in range(rounds + 5):
        for name, form in [*((peer.name, number + 1) for peer in peers), ("ours again", 0)]:
            ask = askers[name.split()[0]]
            began = time.perf_counter()
            ask(question, form)
            times[name].append(time.perf_counter() - began)
    counted = {name: sorted(found[5:]) for name, found in times.items()}
    return {
        name: {"p50": statistics.median(found), "p95": found[rounds * 95 // 100]}
        for name, found in counted.items()
    }


def agree(question: str, peers: list[Peer], askers: dict) -> list[str]:
    """Tell who answers the first form of a question otherwise than we do."""
    answers = {
        peer.name: told(question, peer.rows(askers[peer.name](question, 0))) for peer in peers
    }
    return [
        f"{name}: {QUESTIONS[question]}"
        for name, answer in answers.items()
        if answer != answers["ours"]
    ]


def told(question: str, rows: list[dict]) -> object:
    """What must be the same in all answers to a question."""
    if question == "group":
        return sorted((row["district"], int(row["n"]), round(float(row["a"]), 2)) for row in rows)
    if question == "order":  # ties may come in any order
        return [round(float(row["rate"]), 4) for row in rows]
    return [(int(row["id"]), row["name"], round(float(row["amount"]), 2)) for row in rows]


def table(figures: dict) -> str:
    """Figures as a Markdown table."""
    names = [name for name in figures["memory"] if name != "ours"]
    lines = [
        (
            f"{figures['rows']:,} rows × {figures['columns']} columns, {figures['cores']} cores; "
            "p50 / p95 in ms of one client · requests a second of 16 clients. Every request "
            "differs from those before; “again” is the same one once more."
        ),
        "",
        f"| question | ours | ours again | {' | '.join(names)} |",
        f"|---|{'---|' * (len(names) + 2)}",
    ]
    for question, title in QUESTIONS.items():
        found = figures["questions"][question]
        cells = [_cell(found[name]) for name in ("ours", "ours again", *names)]
        behind = [name for name in names if found[name]["p50"] < found["ours"]["p50"]]
        lines.append(f"| {title}{' ⚠' if behind else ''} | {' | '.join(cells)} |")
    memory = " | ".join(
        f"{size / 1e6:.0f} MB" if (size := figures["memory"][name]) else "—" for name in names
    )
    lines.append(
        f"| memory (ours: a web process) | {figures['memory']['ours'] / 1e6:.0f} MB | | {memory} |"
    )
    lines += ["", *(f"{name} did not run: {why}" for name, why in figures["failed"].items())]
    lines += [f"Another answer than ours: {text}." for text in figures["differ"]]
    return "\n".join(lines)


def _cell(found: dict) -> str:
    rate = f" · {found['at_once']:.0f}/s" if "at_once" in found else ""
    return f"{found['p50'] * 1000:.2f} / {found['p95'] * 1000:.1f}{rate}"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", default="", help="peers by name, separated by commas")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--csv", type=Path, help="a table made before by `bench.generate`")
    parser.add_argument("--folder", type=Path, help="where to work and to keep what was made")
    options = parser.parse_args()
    only = [name for name in options.only.split(",") if name]
    with tempfile.TemporaryDirectory(prefix="datahub-rows-") as temporary:
        folder = options.folder or Path(temporary)
        found = measure(
            folder, options.rows, bench.say,
            source=options.csv, only=only, rounds=options.rounds,
        )  # fmt: skip
    print(json.dumps(found), file=sys.stderr)
    print(table(found))


if __name__ == "__main__":
    main()
