"""A service of its own with a table whose columns are called as nobody would wish."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub import Hub
from own_store import package, publish, write_catalog, write_dataset

from datahub.settings import Settings
from datahub.stages.register import register
from datahub.store import open_store

if TYPE_CHECKING:
    from pathlib import Path

FIELDS = [
    {"name": "编号", "title": "编号", "type": "integer"},
    {"name": "select", "title": "等级", "type": "string"},
    {"name": "选/择", "title": "选择", "type": "string"},
    {"name": "limit", "title": "限值", "type": "integer", "unit": "μg/m³"},
    {"name": "大小 (㎡)", "title": "大小", "type": "number"},
    {"name": 'o\'neil "x"', "type": "string"},
    {"name": "a.b,c&d=e+f#%", "type": "string"},
]
SCHEMA = {"fields": FIELDS, "primaryKey": ["编号"]}
LEVELS = ("优", "良", "a'b", 'c"d', "e,f", "g.h", "100%")
ROWS = 35


def odd_table() -> bytes:
    """CSV of the table."""
    head = '编号,select,选/择,limit,大小 (㎡),"o\'neil ""x""","a.b,c&d=e+f#%"\n'
    lines = []
    for number in range(1, ROWS + 1):
        level = LEVELS[number % len(LEVELS)].replace('"', '""')
        lines.append(
            f'{number},"{level}",{"是" if number % 2 else "否/无"},{number % 4},{number}.50,x,+y\n'
        )
    return (head + "".join(lines)).encode()


def odd_hub(folder: Path) -> Hub:
    """Publish the table and start a service on it; the caller stops it."""
    catalog = write_catalog(folder / "catalog")
    write_dataset(catalog, package("odd"), SCHEMA)
    store = open_store(Settings(data=folder / "data"))
    register(store, catalog)
    publish(store, odd_table(), dataset="odd")
    store.close()
    return Hub(folder / "data").start()
