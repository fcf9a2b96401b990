"""Which releases a statement read when it was checked, and reading the same ones again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datahub.errors_catalog import DatasetMoved
from datahub.model import Pin, TableVersion
from datahub.serve.sql.tables import resolver

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from datahub.serve.reading import Reading, Table

    Resolve = Callable[[str, str], Table]


def noting(resolve: Resolve, into: list[Pin], *, latest: bool = False) -> Resolve:
    """Find tables as `resolve` does, and note them.

    With `latest`, one that was found as the latest is noted so, without its number.
    """

    def find(schema: str, name: str) -> Table:
        table = resolve(schema, name)
        version = None if latest and table.latest else table.version
        into.append(Pin(schema, name, table.dataset, table.resource, version))
        return table

    return find


def pinned(reading: Reading, pins: Iterable[Pin]) -> Resolve:
    """Find tables as they were noted; those without a version as SQL does."""
    known = {(pin.schema, pin.name): pin for pin in pins}
    anew = resolver(reading)

    def find(schema: str, name: str) -> Table:
        pin = known.get((schema, name))
        if pin is None or pin.version is None:
            return anew(schema, name)
        try:
            return reading.table(pin.dataset, pin.resource, pin.version)
        except DatasetMoved as moved:
            return reading.table(str(moved.facts["now"]), pin.resource, pin.version)

    return find


def versions(pins: Iterable[Pin]) -> list[TableVersion]:
    """Every pinned table with its version, each once; a table may be read in several."""
    return list(dict.fromkeys(
        TableVersion(pin.dataset, pin.resource, pin.version) for pin in pins if pin.version
    ))  # fmt: skip
