"""Stored queries: SQL with parameters under a name; a change is a new version, versions stay.

A name that was given up is not given again, so that what was cited stays what it was.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from datahub.errors_jobs import QueryNameTaken, QueryStoreFull, QueryUnknown
from datahub.model import Json, Pin, Struct
from datahub.store.tables import stored_queries as table

if TYPE_CHECKING:
    from datahub.store.engine import Db

EACH = 500
"""Versions of one owner's queries at most."""
_CODED = ("parameters", "tables")


class StoredQuery(Struct, frozen=True):
    """A version of a stored query."""

    name: str
    version: int
    title: str
    description: str
    sql: str
    parameters: list[Json]
    tables: list[Pin]
    owner: str
    created: str
    retired: str | None = None

    def says_the_same(self, other: StoredQuery) -> bool:
        """Whether two versions differ in nothing that was written."""
        apart = {"version": 0, "created": "", "owner": ""}
        return msgspec.structs.replace(self, **apart) == msgspec.structs.replace(other, **apart)


def new_name(db: Db) -> str:
    """Return a name that nobody has."""
    while True:
        name = f"q-{secrets.token_hex(4)}"
        if not versions(db, name):
            return name


def create(db: Db, query: StoredQuery) -> StoredQuery:
    """Store the first version of a query.

    Raises:
        QueryNameTaken: the name is in use, or was.
        QueryStoreFull: its owner has too many.

    """
    there = versions(db, query.name)
    if there and there[0].retired:
        raise QueryNameTaken(
            name=query.name, state_zh="曾被使用，现已停用", state_en="was used and is retired",
            hint_zh="停用的名称不再分配，请换一个", hint_en="take another one",
        )  # fmt: skip
    if there:
        raise QueryNameTaken(
            name=query.name, state_zh="已被使用", state_en="is in use",
            hint_zh=f"修改它用 PUT /api/v1/queries/{query.name}，或换一个名称",
            hint_en=f"change it by PUT /api/v1/queries/{query.name}, or take another name",
        )  # fmt: skip
    return _insert(db, query)


def change(db: Db, query: StoredQuery) -> StoredQuery:
    """Store a next version, unless it says what the present one says.

    Raises:
        QueryUnknown, QueryNameTaken: there is no such query, or it is retired.
        QueryStoreFull: its owner has too many.

    """
    present = get(db, query.name)
    if present.retired:
        raise QueryNameTaken(
            name=query.name, state_zh="已停用", state_en="is retired",
            hint_zh="旧版本仍可使用，新查询请换一个名称",
            hint_en="its versions stay; take another name for a new one",
        )  # fmt: skip
    if query.says_the_same(present):
        return present
    return _insert(db, msgspec.structs.replace(query, version=present.version + 1))


def _insert(db: Db, query: StoredQuery) -> StoredQuery:
    mine = sa.select(sa.func.count()).select_from(table).where(table.c.owner == query.owner)
    if (db.scalar(mine) or 0) >= EACH:
        raise QueryStoreFull(limit=EACH)
    coded = {name: msgspec.json.encode(getattr(query, name)).decode() for name in _CODED}
    db.execute(table.insert().values(**msgspec.structs.asdict(query) | coded))
    return query


def _query(row: Any) -> StoredQuery:
    found = dict(row._mapping)  # noqa: SLF001 - its public name
    return StoredQuery(
        **{str(name): value for name, value in found.items() if name not in _CODED},
        parameters=msgspec.json.decode(found["parameters"]),
        tables=msgspec.json.decode(found["tables"], type=list[Pin]),
    )


def versions(db: Db, name: str) -> list[StoredQuery]:
    """All versions of a query, newest first; none if there is no such query."""
    query = sa.select(table).where(table.c.name == name)
    return [_query(row) for row in db.execute(query.order_by(table.c.version.desc()))]


def get(db: Db, name: str, version: int | None = None) -> StoredQuery:
    """Return a version of a query, the newest if none is named.

    Raises:
        QueryUnknown: there is no such query, or no such version.

    """
    there = versions(db, name)
    found = next((item for item in there if version in (None, item.version)), None)
    if found is None:
        hint = ("", "")
        if there:
            newest = there[0].version
            hint = (
                f"的第 {version} 版（有 1 至 {newest}）",
                f" v{version} (there are 1 to {newest})",
            )
        raise QueryUnknown(name=name[:80], hint_zh=hint[0], hint_en=hint[1])
    return found


def find(db: Db, text: str, *, limit: int, offset: int) -> tuple[int, list[StoredQuery]]:
    """Newest versions of queries that hold all words of a text, and how many there are."""
    newest = sa.select(table.c.name, sa.func.max(table.c.version)).group_by(table.c.name)
    chosen: list[sa.ColumnElement[bool]] = [
        sa.tuple_(table.c.name, table.c.version).in_(newest),
        table.c.retired.is_(None),
    ]
    looked_at = table.c.name + "\n" + table.c.title + "\n" + table.c.description
    chosen += [looked_at.icontains(word, autoescape=True) for word in text.split()]
    total = db.scalar(sa.select(sa.func.count()).select_from(table).where(*chosen)) or 0
    page = sa.select(table).where(*chosen).order_by(table.c.created.desc(), table.c.name)
    return total, [_query(row) for row in db.execute(page.limit(limit).offset(offset))]


def retire(db: Db, name: str, now: str) -> None:
    """Take a query from the lists; its versions stay, its name is not given again."""
    still = sa.and_(table.c.name == name, table.c.retired.is_(None))
    db.execute(table.update().where(still).values(retired=now))
