"""The kept query set: how well the search answers it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import yaml

QUERIES = Path(__file__).with_name("queries.yaml")
PAGE = 10


def queries() -> list[tuple[str, str, tuple[str, ...], bool]]:
    """Kind, query, datasets that answer it, and whether it is held out."""
    kinds = yaml.safe_load(QUERIES.read_text(encoding="utf-8"))
    return [
        (kind, str(query), tuple(wanted), bool(at % 2))
        for kind, rows in kinds.items()
        for at, (query, *wanted) in enumerate(rows)
    ]


def score(find: Callable[[str], list[str]], present: set[str]) -> dict:
    """Success on the first page and mean reciprocal rank: all, tuned, held out, by kind."""
    ranks: list[tuple[str, str, bool, int]] = []
    for kind, query, wanted, held in queries():
        there = [name for name in wanted if name in present]
        if not there:
            continue
        found = find(query)[:PAGE]
        rank = next((at for at, name in enumerate(found, 1) if name in there), 0)
        ranks.append((kind, query, held, rank))
    kinds = dict.fromkeys(kind for kind, *_ in ranks)
    return {
        "all": _figures(ranks),
        "tuned": _figures([r for r in ranks if not r[2]]),
        "held out": _figures([r for r in ranks if r[2]]),
        "kinds": {kind: _figures([r for r in ranks if r[0] == kind]) for kind in kinds},
        "missed": [(query, rank) for _, query, _, rank in ranks if rank != 1],
    }


def _figures(ranks: list[tuple[str, str, bool, int]]) -> dict:
    places = [rank for *_, rank in ranks]
    size = max(1, len(places))
    return {
        "queries": len(places),
        "success": sum(rank > 0 for rank in places) / size,
        "mrr": sum(1 / rank for rank in places if rank) / size,
    }
