"""API keys and their usage. Whoever wants a key makes one; it is shown once and kept as a digest.

A key is a row with an id that stays: when it is rotated, the row gets the digest of the new
secret, and the old secret a row of its own that stands for the first one until its grace is over.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from datahub.clock import stamp
from datahub.errors_limits import KeyInvalid, KeyReplaced
from datahub.model import Struct
from datahub.store.tables import api_keys, usage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from datahub.store.engine import Db

PREFIX = "dk_"
"""Keys begin with this, so that leaked ones can be searched for."""
GRACE = timedelta(hours=24)
"""That the former secret of a rotated key still works."""


class Key(Struct, frozen=True):
    """An API key; `expires` is that of the secret that was used."""

    id: str
    label: str
    created: str
    expires: str
    replaced: bool = False  # the secret that was used is the former one


class Counts(Struct, frozen=True):
    """What a key, or everybody without one, was answered on a day (UTC).

    Milliseconds are those of the server, with those of query children and of jobs that ended.
    """

    day: str
    requests: int
    refused: int
    bytes: int
    milliseconds: int


def _digest(secret: str) -> str:
    # 256 random bits: looking the digest up tells by its time nothing that helps to guess one.
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def at(moment: datetime) -> str:
    """Write a time in the form that the catalog stores, which sorts as text."""
    return stamp(lambda: moment)


def create(db: Db, label: str, *, days: int, now: datetime) -> tuple[Key, str]:
    """Make a key; return it with its secret, of which only the digest is kept."""
    secret = PREFIX + secrets.token_urlsafe(32)
    key = Key(
        id=secrets.token_hex(8),
        label=label,
        created=at(now),
        expires=at(now + timedelta(days=days)),
    )
    db.execute(
        api_keys.insert().values(
            id=key.id,
            digest=_digest(secret),
            label=label,
            created=key.created,
            expires=key.expires,
        )
    )
    return key, secret


def by_secret(db: Db, secret: str, now: datetime) -> Key:
    """Return whose secret this is.

    Raises:
        KeyInvalid: it is unknown, revoked or expired; which of them is not told.

    """
    own, key = api_keys.alias("own"), api_keys.alias("key")
    found = db.execute(
        sa.select(key.c.id, key.c.label, key.c.created, key.c.revoked)
        .add_columns(own.c.expires, own.c.replaced_by, key.c.expires.label("ends"))
        .join_from(own, key, key.c.id == sa.func.coalesce(own.c.replaced_by, own.c.id))
        .where(own.c.digest == _digest(secret))
    ).first()
    if found is None or found.revoked is not None or min(found.expires, found.ends) <= at(now):
        raise KeyInvalid
    return Key(
        id=found.id,
        label=found.label,
        created=found.created,
        expires=found.expires,
        replaced=found.replaced_by is not None,
    )


def rotate(db: Db, key: Key, *, days: int, now: datetime) -> tuple[Key, str]:
    """Give a key a new secret; the present one works until its grace is over.

    A secret that a former rotation left ends at once: at most two work at a time.

    Raises:
        KeyReplaced: `key` was found by its former secret.

    """
    if key.replaced:
        raise KeyReplaced
    secret = PREFIX + secrets.token_urlsafe(32)
    row = db.execute(sa.select(api_keys).where(api_keys.c.id == key.id)).one()
    db.execute(api_keys.delete().where(api_keys.c.replaced_by == key.id))
    renewed = Key(
        id=key.id,
        label=row.label,
        created=row.created,
        expires=at(now + timedelta(days=days)),
    )
    changed = {"digest": _digest(secret), "expires": renewed.expires}
    db.execute(api_keys.update().where(api_keys.c.id == key.id).values(**changed))
    db.execute(
        api_keys.insert().values(
            id=secrets.token_hex(8),
            digest=row.digest,
            label=row.label,
            created=row.created,
            expires=min(row.expires, at(now + GRACE)),
            replaced_by=key.id,
        )
    )
    return renewed, secret


def revoke(db: Db, key: Key, now: datetime) -> None:
    """End a key, and with it the former secret."""
    row = api_keys.c.id == key.id
    db.execute(api_keys.update().where(row).values(revoked=at(now)))


# Usage ------------------------------------------------------------------------------------


def add_usage(db: Db, counts: Mapping[tuple[str, str], tuple[int, int, int, int]]) -> None:
    """Add to what was counted: (key or "", day) -> requests, refused, bytes, milliseconds."""
    names = ("requests", "refused", "bytes", "milliseconds")
    for (key, day), amounts in counts.items():
        row: dict[str, Any] = dict(zip(names, amounts, strict=True))
        added = insert(usage).values(key=key, day=day, **row)
        sums = {name: usage.c[name] + added.excluded[name] for name in names}
        db.execute(added.on_conflict_do_update(index_elements=["key", "day"], set_=sums))


def read_usage(db: Db, key: str, days: int) -> list[Counts]:
    """Return what was counted for a key, newest day first."""
    query = sa.select(usage).where(usage.c.key == key).order_by(usage.c.day.desc()).limit(days)
    return [
        Counts(row.day, row.requests, row.refused, row.bytes, row.milliseconds)
        for row in db.execute(query)
    ]
