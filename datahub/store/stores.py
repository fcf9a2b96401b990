"""The two stores and the settings, as one argument for every stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from datahub.clock import Clock, system_clock
from datahub.store.engine import Catalog
from datahub.store.objects import Objects

if TYPE_CHECKING:
    from datahub.settings import Settings


@dataclass(frozen=True)
class Store:
    """Catalog and objects of one data folder."""

    settings: Settings
    catalog: Catalog
    objects: Objects
    clock: Clock

    def close(self) -> None:
        """Give the connections back."""
        self.catalog.close()


def open_store(settings: Settings, clock: Clock = system_clock) -> Store:
    """Open (and on first use create or migrate) the stores in `settings.data`.

    Raises:
        StorageFull: there is no room to create them.

    """
    data = settings.data.absolute()
    objects = Objects(data, free_bytes=settings.free_bytes)
    catalog = Catalog(data / "catalog.sqlite")
    return Store(settings, catalog, objects, clock)
