"""What is kept: the catalog (all SQL on our own tables) and the objects (files).

Names are found when they are asked for: commands that only speak HTTP need not wait for SQL.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datahub.store.engine import Catalog, Db
    from datahub.store.objects import Objects
    from datahub.store.stores import Store, open_store

__all__ = ["Catalog", "Db", "Objects", "Store", "open_store"]

_MODULES = {
    "Catalog": "engine",
    "Db": "engine",
    "Objects": "objects",
    "Store": "stores",
    "open_store": "stores",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(name)
    return getattr(import_module(f"datahub.store.{_MODULES[name]}"), name)
