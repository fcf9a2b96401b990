"""People and their tokens; a token is kept as a digest and shown once."""

from __future__ import annotations

import secrets
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from datahub.errors import PersonUnknown, TokenInvalid
from datahub.model import Person, Role
from datahub.store import audit
from datahub.store.tables import people, tokens

if TYPE_CHECKING:
    from datetime import datetime

    from datahub.store.engine import Db

PREFIX = "dh_"
"""Tokens begin with this, so that leaked ones can be searched for."""


def _digest(token: str) -> str:
    # A token is 256 random bits: a plain digest cannot be guessed back, no slow hash is needed.
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def save(db: Db, person: Person) -> None:
    """Add a person or change their title, role and publisher."""
    values = {"title": person.title, "role": person.role.value, "publisher": person.publisher}
    changed = db.execute(people.update().where(people.c.name == person.name).values(**values))
    if changed.rowcount == 0:
        db.execute(people.insert().values(name=person.name, **values))


def get(db: Db, name: str) -> Person:
    """Return one person.

    Raises:
        PersonUnknown: there is none of this name.

    """
    row = db.execute(sa.select(people).where(people.c.name == name)).first()
    if row is None:
        raise PersonUnknown(person=name[:80])
    return _person(row)


def _person(row: Any) -> Person:
    return Person(name=row.name, title=row.title, role=Role(row.role), publisher=row.publisher)


def create_token(db: Db, name: str, *, days: int, now: datetime, who: str) -> str:
    """Make a token for a person and return it; only its digest is kept.

    Raises:
        PersonUnknown: there is no such person.

    """
    get(db, name)
    token = PREFIX + secrets.token_urlsafe(32)
    identifier = secrets.token_hex(4)
    at = now.isoformat()
    db.execute(
        tokens.insert().values(
            id=identifier,
            digest=_digest(token),
            person=name,
            created=at,
            expires=(now + timedelta(days=days)).isoformat(),
        )
    )
    audit.append(db, at, who, "token:created", f"{name}/{identifier}")
    return token


def by_token(db: Db, token: str, now: datetime) -> Person:
    """Return whose token this is.

    Raises:
        TokenInvalid: it is unknown, revoked or expired.

    """
    query = sa.select(people, tokens.c.expires, tokens.c.revoked).join(
        tokens, tokens.c.person == people.c.name
    )
    row = db.execute(query.where(tokens.c.digest == _digest(token))).first()
    if row is None or row.revoked is not None or row.expires <= now.isoformat():
        raise TokenInvalid
    return _person(row)


def list_tokens(db: Db) -> list[dict[str, Any]]:
    """All tokens without anything secret."""
    shown = [tokens.c[n] for n in ("id", "person", "created", "expires", "revoked")]
    return [row._asdict() for row in db.execute(sa.select(*shown).order_by(tokens.c.created))]


def revoke_token(db: Db, identifier: str, *, now: datetime, who: str) -> bool:
    """End a token; tell whether there was one to end."""
    changed = db.execute(
        tokens.update()
        .where(tokens.c.id == identifier, tokens.c.revoked.is_(None))
        .values(revoked=now.isoformat())
    )
    if changed.rowcount:
        audit.append(db, now.isoformat(), who, "token:revoked", identifier)
    return bool(changed.rowcount)
