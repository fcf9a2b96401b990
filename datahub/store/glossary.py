"""政务词条 as readers take them, and as a catalog folder declares them (glossary.yaml).

Entries of a folder come approved; every change is a new version (see `editions`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa

from datahub.errors_glossary import TermInvalid
from datahub.model import Json, Struct
from datahub.record.glossary import Term, changes, expired, parse
from datahub.store.editions import (
    Edition,
    check,
    edition_of,
    holding,
    insert,
    last_decided,
    retire,
    today_of,
)
from datahub.store.tables import glossary

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import date

    from datahub.store.engine import Db

__all__ = ["Synced", "Term", "approved", "plan", "sync"]

_REGISTERED = "registered"
_LEFT = "left"  # retired because it is no longer in its folder


class Synced(Struct, frozen=True):
    """What a catalog folder's entries change, by id."""

    added: tuple[str, ...]
    changed: tuple[str, ...]
    retired: tuple[str, ...] = ()


def approved(db: Db, today: date | None = None) -> list[Term]:
    """Entries that feed the search: approved, not retired, not expired; by id."""
    day = today or today_of()
    return [item.term for item in holding(db).values() if not expired(item.term, day)]


def sync(
    db: Db, entries: Iterable[Json], now: str, who: str, *, catalog: str = ""
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Make a catalog folder's entries hold; return the ids of those added and those changed.

    An entry that people changed or retired since it was registered stays as they decided until
    the folder says something new. With the name of a catalog, those that left it are retired.

    Raises:
        TermInvalid, TermTaken: an entry has a mistake; nothing is changed.

    """
    found = list(entries)
    planned = plan(db, found, now, catalog=catalog)
    parsed = {term.id: term for term in _parsed(found, now)}
    last = sa.select(glossary.c.id, sa.func.max(glossary.c.version)).group_by(glossary.c.id)
    numbers = {row[0]: row[1] for row in db.execute(last)}
    decision = {"person": who, "verdict": _REGISTERED, "reason": catalog, "at": now}
    for identifier in planned.added + planned.changed:
        term = msgspec.structs.replace(parsed[identifier], version=numbers.get(identifier, 0) + 1)
        insert(db, term, "approved", who=who, now=now, what=_REGISTERED, decision=decision)
    for identifier in planned.retired:
        reason = f"不再在目录文件夹 {catalog} 中 left the folder"
        retire(db, identifier, reason=reason, who=who, now=now, verdict=_LEFT)
    return planned.added, planned.changed + planned.retired


def plan(
    db: Db,
    entries: Iterable[Json],
    now: str,
    *,
    catalog: str = "",
    coming: Mapping[str, Iterable[str]] | None = None,
) -> Synced:
    """What `sync` would change; `coming` names what will be in the catalog by then.

    Raises:
        TermInvalid, TermTaken: an entry has a mistake.

    """
    wanted = _parsed(entries, now)
    check(db, wanted, coming=coming)
    current, declared, ended = holding(db), _declared(db), _ended(db)
    added: list[str] = []
    changed: list[str] = []
    for term in wanted:
        now_held = current.get(term.id)
        last = declared.get(term.id)
        same = last is not None and not changes(last.term, term)
        if now_held is None:
            added += [] if same and term.id in ended else [term.id]
        elif changes(now_held.term, term) and not same:
            changed.append(term.id)
    names = {term.id for term in wanted}
    left = [
        identifier
        for identifier, item in declared.items()
        if catalog and (item.decision or {}).get("reason") == catalog
        if identifier in current and identifier not in names
    ]
    return Synced(added=tuple(added), changed=tuple(changed), retired=tuple(left))


def _ended(db: Db) -> set[str]:
    """Entries that a person retired."""
    rows = db.execute(last_decided().where(glossary.c.state == "retired"))
    found = {row.id: edition_of(row).decision or {} for row in rows}
    return {identifier for identifier, it in found.items() if it.get("verdict") != _LEFT}


def _parsed(entries: Iterable[Json], now: str) -> list[Term]:
    found: dict[str, Term] = {}
    for raw in entries:
        identifier = raw.get("id") if isinstance(raw, dict) else None
        if not isinstance(identifier, str) or identifier in found:
            repeated = identifier in found
            raise TermInvalid(
                term=str(identifier)[:80],
                field="id",
                reason_zh="重复" if repeated else "缺少编号，或没有写成文字",
                reason_en="it is repeated" if repeated else "an id (text) is mandatory",
            )
        found[identifier] = parse(raw, identifier, today_of(now))
    return list(found.values())


def _declared(db: Db) -> dict[str, Edition]:
    """Last version of each entry that came from a catalog folder."""
    query = sa.select(glossary).where(glossary.c.state == "approved").order_by(glossary.c.version)
    found = [edition_of(row) for row in db.execute(query)]
    return {
        item.term.id: item
        for item in found
        if item.decision is not None and item.decision.get("verdict") == _REGISTERED
    }
