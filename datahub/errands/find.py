"""Writes the search index: what this takes (dictionaries, buffers) no web process has to hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datahub.search.follow import Follower

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from datahub.store import Store

_known: dict[Path, Follower] = {}  # of the stores of this process


def find(store: Store, _stopping: Callable[[], bool]) -> None:
    """Bring the index to the catalog's last change, and return."""
    root = store.objects.root
    if root not in _known:
        _known[root] = Follower(store)
    _known[root].step()
