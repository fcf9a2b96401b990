"""政务词条: every version of every entry, who proposed it and who decided.

A proposal is a new version, in review until another person decides. What holds is the last
approved version, unless a later one retires the entry.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa

from datahub.errors import StateError
from datahub.errors_glossary import (
    TermChanged,
    TermInvalid,
    TermPending,
    TermTaken,
    TermUnknown,
    TermVersionUnknown,
)
from datahub.model import Json, Struct
from datahub.record.glossary import OPEN, STATES, Term, fold, parse, words
from datahub.store import audit
from datahub.store import changes as catalog_changes
from datahub.store.tables import datasets, glossary, publishers, terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from datahub.store.engine import Db

_ENDED = ("approved", "retired")
_ZONE = timezone(timedelta(hours=8))


class Edition(Struct, frozen=True):
    """One version of an entry, with its state and the decision on it."""

    term: Term
    state: str
    author: str
    at: str
    decision: Json | None = None  # person, verdict, reason, at

    @property
    def version(self) -> int:
        """Number of the version."""
        return self.term.version


def today_of(now: str = "") -> date:
    """Return the day at a time, as the city's calendar has it."""
    at = datetime.fromisoformat(now) if now else datetime.now(_ZONE)
    return at.astimezone(_ZONE).date()


def edition_of(row: Any) -> Edition:
    """Read a row of the table."""
    return Edition(
        term=msgspec.json.decode(row.record, type=Term),
        state=row.state,
        author=row.author,
        at=row.at,
        decision=msgspec.json.decode(row.decision) if row.decision else None,
    )


def last_decided() -> sa.Select[Any]:
    """Query the last version of each entry that was approved or retired it."""
    last = (
        sa.select(glossary.c.id, sa.func.max(glossary.c.version).label("version"))
        .where(glossary.c.state.in_(_ENDED))
        .group_by(glossary.c.id)
        .subquery()
    )
    same = sa.and_(glossary.c.id == last.c.id, glossary.c.version == last.c.version)
    return sa.select(glossary).join(last, same).order_by(glossary.c.id)


def holding(db: Db) -> dict[str, Edition]:
    """Entries in force by id, expired ones too."""
    rows = db.execute(last_decided().where(glossary.c.state == "approved"))
    return {row.id: edition_of(row) for row in rows}


def in_state(db: Db, state: str) -> list[Edition]:
    """Versions in a state; of those approved or retired, the last of each entry."""
    if state in _ENDED:
        query = last_decided().where(glossary.c.state == state)
    else:
        query = sa.select(glossary).where(glossary.c.state == state).order_by(glossary.c.seq)
    return [edition_of(row) for row in db.execute(query)]


def versions(db: Db, identifier: str) -> list[Edition]:
    """Every version of an entry, the newest first.

    Raises:
        TermUnknown: there is no such entry.

    """
    query = sa.select(glossary).where(glossary.c.id == identifier)
    found = [edition_of(row) for row in db.execute(query.order_by(glossary.c.version.desc()))]
    if not found:
        raise TermUnknown(term=identifier[:80])
    return found


def in_force(editions: Sequence[Edition]) -> Edition | None:
    """The version that holds, of an entry's versions; None when proposed only, or retired."""
    ended = [item for item in editions if item.state in _ENDED]
    last = max(ended, key=lambda item: item.version, default=None)
    return last if last is not None and last.state == "approved" else None


def version(db: Db, identifier: str, number: int) -> Edition:
    """One version of an entry.

    Raises:
        TermUnknown: there is no such entry.
        TermVersionUnknown: it has no such version.

    """
    found = versions(db, identifier)
    for item in found:
        if item.version == number:
            return item
    shown = ", ".join(str(item.version) for item in found)
    raise TermVersionUnknown(term=identifier, version=number, allowed=shown)


def propose(
    db: Db, raw: Json, identifier: str, *, who: str, now: str, draft: bool = False
) -> Edition:
    """Add a version that waits for a decision (or, as a draft, for its author).

    An author's own open version of the entry gives way to it.

    Raises:
        TermInvalid, TermTaken: a field breaks a rule, or a word belongs to another entry.
        TermPending: somebody else's version waits.

    """
    term = parse(raw, identifier, today_of(now))
    check(db, [term])
    rows = db.execute(sa.select(glossary).where(glossary.c.id == identifier)).all()
    known = [edition_of(row) for row in rows]
    number = max((item.version for item in known), default=0) + 1
    for item in known:
        if item.state not in OPEN:
            continue
        if item.author != who:
            raise TermPending(term=identifier, version=item.version)
        _settle(db, item, "declined", {"person": who, "verdict": "replaced",
                "reason": f"由第 {number} 版代替 replaced", "at": now})  # fmt: skip
    state = "draft" if draft else "in_review"
    day = term.reviewed or today_of(now).isoformat()  # whoever proposes has looked at it
    term = msgspec.structs.replace(term, version=number, reviewed=day)
    return insert(db, term, state, who=who, now=now, what="proposed")


def decide(
    db: Db, identifier: str, number: int, *, verdict: str, reason: str, who: str, now: str
) -> Edition:
    """Approve or decline a version that is in review.

    Raises:
        StateError: it is not in review.
        TermChanged: a newer version holds by now.
        TermTaken: by now a word of it belongs to another entry.

    """
    item = version(db, identifier, number)
    if item.state != "in_review":
        raise StateError(
            what="词条版本 glossary version",
            id=f"{identifier}/{number}",
            state=STATES[item.state],
            action_zh="审核",
            action_en="decided on",
        )
    if verdict == "approve":
        newer = [other.version for other in versions(db, identifier) if other.state in _ENDED]
        if max(newer, default=0) > number:  # approving would change nothing
            raise TermChanged(term=identifier, current=max(newer), given=number)
        check(db, [item.term])
    decision = {"person": who, "verdict": verdict, "reason": reason, "at": now}
    after = _settle(db, item, "approved" if verdict == "approve" else "declined", decision)
    _note(db, after, who=who, now=now, what=after.state, before=item.state)
    return after


def retire(
    db: Db, identifier: str, *, reason: str, who: str, now: str, verdict: str = "retire"
) -> Edition:
    """End an entry by a last version; its words are free again.

    Raises:
        StateError: it is not in force.

    """
    known = versions(db, identifier)
    current = in_force(known)
    if current is None:
        raise StateError(
            what="词条 glossary entry",
            id=identifier,
            state=STATES[known[0].state],
            action_zh="停用",
            action_en="retired",
        )
    term = msgspec.structs.replace(current.term, version=known[0].version + 1)
    decision = {"person": who, "verdict": verdict, "reason": reason, "at": now}
    return insert(db, term, "retired", who=who, now=now, what="retired", decision=decision)


def _settle(db: Db, item: Edition, state: str, decision: Json) -> Edition:
    where = sa.and_(glossary.c.id == item.term.id, glossary.c.version == item.version)
    db.execute(glossary.update().where(where).values(state=state, decision=_text(decision)))
    return msgspec.structs.replace(item, state=state, decision=decision)


def insert(
    db: Db, term: Term, state: str, *, who: str, now: str, what: str, decision: Json | None = None
) -> Edition:
    """Write a version, with its entry in the audit log; readers are told when it counts."""
    db.execute(
        glossary.insert().values(
            id=term.id,
            version=term.version,
            state=state,
            record=_text(term),
            author=who,
            at=now,
            decision=None if decision is None else _text(decision),
        )
    )
    found = Edition(term=term, state=state, author=who, at=now, decision=decision)
    _note(db, found, who=who, now=now, what=what)
    return found


def _note(db: Db, item: Edition, *, who: str, now: str, what: str, before: str = "") -> None:
    subject = f"{item.term.id}/{item.version}"
    audit.append(db, now, who, f"glossary:{what}", subject, before=before, after=item.state)
    if item.state in _ENDED:  # what readers see has changed
        catalog_changes.append(db, now, catalog_changes.CATALOG, "glossary")


def _text(value: Any) -> str:
    return msgspec.json.encode(value, order="sorted").decode()


# Rules between entries ----------------------------------------------------------------------


def check(
    db: Db, entries: Iterable[Term], *, coming: Mapping[str, Iterable[str]] | None = None
) -> None:
    """See that entries fit the catalog: owner, region, datasets, and words of one entry only.

    `coming` names what will be in the catalog by then, by the field that refers to it.

    Raises:
        TermInvalid: something is named that does not exist.
        TermTaken: a word belongs to another entry in force, or to two of these.

    """
    found = list(entries)
    own = {term.id for term in found}
    taken = {
        fold(word): item.term
        for item in holding(db).values()
        if item.term.id not in own
        for _, word in words(item.term)
    }
    known = {
        "owner": set(db.scalars(sa.select(publishers.c.id))),
        "region": {"", *db.scalars(sa.select(terms.c.code).where(terms.c.kind == "region"))},
        "related_datasets": set(db.scalars(sa.select(datasets.c.name))),
    }
    known = {field: names.union((coming or {}).get(field, ())) for field, names in known.items()}
    for term in found:
        _check_known(term, known)
        for field, word in words(term):
            other = taken.get(fold(word))
            if other is not None:
                raise TermTaken(
                    term=term.id, field=field, word=word, other=other.id, other_title=other.term
                )
        taken |= {fold(word): term for _, word in words(term)}


def _check_known(term: Term, known: dict[str, set[str]]) -> None:
    what = {"owner": ("机构", "publisher"), "region": ("地区", "region"),
            "related_datasets": ("数据集", "dataset")}  # fmt: skip
    for field, (zh, en) in what.items():
        value = getattr(term, field)
        for name in (value,) if isinstance(value, str) else value:
            if name not in known[field]:
                raise TermInvalid(
                    term=term.id,
                    field=field,
                    reason_zh=f"没有{zh}“{name}”",
                    reason_en=f"there is no {en} '{name}'",
                )
