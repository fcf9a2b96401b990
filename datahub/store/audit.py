"""The audit log: append only, in the same transaction as what it tells, chained by SHA-256."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec
import sqlalchemy as sa

from datahub.store.tables import audit

if TYPE_CHECKING:
    from collections.abc import Iterable

    from datahub.store.engine import Db

_SHOWN = [audit.c[name] for name in ("at", "who", "what", "subject", "before", "after")]


def append(
    db: Db, at: str, who: str, what: str, subject: str, *, before: str = "", after: str = ""
) -> None:
    """Add one entry: who did what to which subject, with digests or states before and after."""
    last = db.scalar(sa.select(audit.c.digest).order_by(audit.c.seq.desc()).limit(1)) or ""
    entry = (at, who, what, subject, before, after)
    db.execute(
        audit.insert().values(
            at=at,
            who=who,
            what=what,
            subject=subject,
            before=before,
            after=after,
            digest=_link(last, entry),
        )
    )


def append_all(db: Db, at: str, who: str, entries: Iterable[tuple[str, str, str, str]]) -> None:
    """Add many entries of one person: what, subject, before, after; the chain is read once."""
    last = db.scalar(sa.select(audit.c.digest).order_by(audit.c.seq.desc()).limit(1)) or ""
    rows = []
    for what, subject, before, after in entries:
        last = _link(last, (at, who, what, subject, before, after))
        rows.append(
            {
                "at": at,
                "who": who,
                "what": what,
                "subject": subject,
                "before": before,
                "after": after,
                "digest": last,
            }
        )
    if rows:
        db.execute(audit.insert(), rows)


def broken_link(db: Db) -> int | None:
    """Check the chain; return the number of the first entry that does not fit, or None."""
    last = ""
    for row in db.execute(sa.select(audit.c.seq, audit.c.digest, *_SHOWN).order_by(audit.c.seq)):
        if row.digest != _link(last, tuple(row[2:])):
            return int(row.seq)
        last = row.digest
    return None


def _link(last: str, entry: tuple[str, ...]) -> str:
    return sha256(last.encode() + msgspec.json.encode(entry)).hexdigest()
