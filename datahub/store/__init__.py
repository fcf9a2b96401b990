"""What is kept: the catalog (all SQL on our own tables) and the objects (files)."""

from datahub.store.engine import Catalog, Db
from datahub.store.objects import Objects
from datahub.store.stores import Store, open_store

__all__ = ["Catalog", "Db", "Objects", "Store", "open_store"]
