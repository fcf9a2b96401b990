"""Fuzz validation against Frictionless: random cases in worker processes until enough were run.

    python tests/fuzz.py [--cases 100000] [--seed S] [--jobs 2] [--failures 5]

Every failure is shrunk and printed as a test to paste; exit code 1 when there was any.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from differential import check

if TYPE_CHECKING:
    from collections.abc import Iterator

_CHUNK = 20


def judge(seeds: range, *, seconds: float) -> list[str]:
    """Compare the cases of some seeds (in a worker)."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        found = (check(seed, Path(folder), seconds=seconds) for seed in seeds)
        return [test for test in found if test]


def chunks(first: int, count: int) -> Iterator[range]:
    """Seeds in portions for the workers."""
    for start in range(first, first + count, _CHUNK):
        yield range(start, min(start + _CHUNK, first + count))


def progress(done: int, count: int, failures: int, began: float) -> None:
    """One line that is written over."""
    pace = done / max(time.monotonic() - began, 0.001)
    left = (count - done) / max(pace, 0.001)
    line = f"{done}/{count} cases, {failures} failed, {pace:.0f} a second, {left:.0f} s left"
    print(f"\r{line:<70}", end="", file=sys.stderr, flush=True)


def main() -> int:
    """Run the cases; 1 when some differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1_000_000, help="the first seed")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--failures", type=int, default=5, help="stop after so many")
    parser.add_argument("--shrink", type=float, default=60, help="seconds to spend on each")
    said = parser.parse_args()
    began, done, failures = time.monotonic(), 0, 0
    work = partial(judge, seconds=said.shrink)
    portions = chunks(said.seed, said.cases)
    with multiprocessing.get_context("spawn").Pool(said.jobs) as pool:
        for tests in pool.imap_unordered(work, portions):
            done += _CHUNK
            for test in tests:
                failures += 1
                print(f"\n{test}", flush=True)
            progress(min(done, said.cases), said.cases, failures, began)
            if failures >= said.failures:
                break
    print(file=sys.stderr)
    print(f"seeds {said.seed} to {said.seed + min(done, said.cases) - 1}: {failures} differ")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
