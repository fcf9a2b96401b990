"""Write the sample files of this catalog: seeded, so that every run gives the same bytes.

What is made up, and how one sees that it is, stands in `sample_base`; each of the other
modules has the generators of some datasets and lists their files.

    python catalogs/yichang/sample.py OUTDIR [--seed N]
"""

from __future__ import annotations

import argparse
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sample_base import Sample

MODULES = (
    "sample_first",
    "sample_places",
    "sample_services",
    "sample_market",
    "sample_living",
    "sample_lists",
    "sample_sites",
    "sample_affairs",
    "sample_terms",
)


def files() -> tuple[Sample, ...]:
    """Return the files of all modules, in their order."""
    found = [import_module(name).FILES for name in MODULES if find_spec(name)]
    return tuple(file for part in found for file in part)


def write_all(out: Path, seed: int) -> dict[str, int]:
    """Write every sample file below a folder and return the rows of each."""
    counts = {}
    for file in files():
        path = out / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = file.rows(seed)
        file.write(path, rows)
        counts[file.path] = len(rows)
    return counts


def main() -> None:
    """Read the command line, write the files, print one line for each."""
    parser = argparse.ArgumentParser(description="Write the sample files of this catalog.")
    parser.add_argument("outdir", type=Path)
    parser.add_argument("--seed", type=int, default=2025)
    args = parser.parse_args()
    for path, rows in write_all(args.outdir, args.seed).items():
        print(f"{path}\t{rows} rows")


if __name__ == "__main__":
    main()
