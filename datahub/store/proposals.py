"""Proposals: changes of a record that need a second person, kept until somebody decides.

A proposal holds the whole package as it would be. It applies only to the record it was made
from: when that changed meanwhile, the proposal is superseded and has to be made again.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import sqlalchemy as sa

from datahub.errors import BodyInvalid, StateError
from datahub.errors_catalog import OwnProposal, ProposalUnknown
from datahub.model import Json, Struct
from datahub.store import audit, records
from datahub.store.tables import proposals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datahub.store.engine import Db

Verdict = Literal["approve", "decline"]
STATES_ZH = {
    "pending": "待审核",
    "approved": "已批准",
    "declined": "未批准",
    "superseded": "已失效",
}


class Proposal(Struct, frozen=True):
    """A proposed change of a record."""

    id: str
    dataset: str
    package: Json  # as it would be
    digest: str  # of that package
    base_digest: str  # of the record that it changes
    changes: tuple[Json, ...]  # field, before, after
    proposer: str
    reason: str
    created: str
    state: str  # pending, approved, declined, superseded
    decision: Json | None = None  # verdict, person, reason, at


def _proposal(row: Any) -> Proposal:
    return Proposal(
        id=row.id,
        dataset=row.dataset,
        package=msgspec.json.decode(row.package),
        digest=row.digest,
        base_digest=row.base_digest,
        changes=tuple(msgspec.json.decode(row.changes)),
        proposer=row.proposer,
        reason=row.reason,
        created=row.created,
        state=row.state,
        decision=msgspec.json.decode(row.decision) if row.decision else None,
    )


def add(
    db: Db,
    *,
    package: Json,
    digest: str,
    base_digest: str,
    changes: Sequence[Json],
    proposer: str,
    reason: str,
    now: str,
) -> str:
    """Keep a change until somebody decides and return its id; the same one again is the same."""
    name = package["name"]
    again = sa.select(proposals.c.id).where(
        proposals.c.dataset == name,
        proposals.c.state == "pending",
        proposals.c.digest == digest,
        proposals.c.base_digest == base_digest,
    )
    known: str | None = db.scalar(again)
    if known is not None:
        return known
    identifier = secrets.token_hex(8)
    db.execute(
        proposals.insert().values(
            id=identifier,
            dataset=name,
            package=msgspec.json.encode(package).decode(),
            digest=digest,
            base_digest=base_digest,
            changes=msgspec.json.encode(list(changes)).decode(),
            proposer=proposer,
            reason=reason,
            created=now,
            state="pending",
        )
    )
    subject = f"{name}/{identifier}"
    audit.append(db, now, proposer, "proposal:created", subject, before=base_digest, after=digest)
    return identifier


def find(db: Db, *, dataset: str | None = None, state: str | None = None) -> list[Proposal]:
    """Proposals, newest first, of one dataset or in one state if told so."""
    query = sa.select(proposals).order_by(proposals.c.seq.desc())
    if dataset is not None:
        query = query.where(proposals.c.dataset == dataset)
    if state is not None:
        query = query.where(proposals.c.state == state)
    return [_proposal(row) for row in db.execute(query)]


def pending(db: Db, dataset: str | None = None) -> list[Proposal]:
    """Proposals that wait for a decision, newest first."""
    return find(db, dataset=dataset, state="pending")


def get(db: Db, identifier: str) -> Proposal:
    """Return one proposal.

    Raises:
        ProposalUnknown: there is none with this id.

    """
    row = db.execute(sa.select(proposals).where(proposals.c.id == identifier)).first()
    if row is None:
        raise ProposalUnknown(proposal=identifier[:80])
    return _proposal(row)


def decide(
    db: Db, identifier: str, *, verdict: Verdict, who: str, reason: str, now: str
) -> Proposal:
    """Record a decision; an approved change is applied in the same transaction.

    When the record is not the one that the proposal was made from, the proposal comes back
    superseded: the caller keeps the transaction and tells it (`ProposalSuperseded`).

    Raises:
        ProposalUnknown: there is no such proposal.
        OwnProposal: the person proposed it.
        StateError: it is decided already.
        BodyInvalid: a refusal has no reason.

    """
    found = get(db, identifier)
    if found.proposer == who:
        raise OwnProposal
    if found.state != "pending":
        raise StateError(
            what="proposal", id=identifier, state=f"{STATES_ZH[found.state]} {found.state}",
            action_zh="再次审核", action_en="decided on again",
        )  # fmt: skip
    if verdict == "decline" and not reason.strip():
        raise BodyInvalid(
            reason_zh="不批准时必须填写理由（reason）", reason_en="a refusal needs a reason"
        )
    dataset = records.get_dataset(db, found.dataset)
    after = {"approve": "approved", "decline": "declined"}[verdict]
    if verdict == "approve" and dataset.digest != found.base_digest:
        after = "superseded"
    decision = {"verdict": verdict, "person": who, "reason": reason, "at": now}
    _close(db, found.id, after, decision)
    audit.append(db, now, who, f"proposal:{after}", f"{found.dataset}/{found.id}",
                 before=found.base_digest, after=found.digest)  # fmt: skip
    if after == "approved":
        records.save_dataset(db, found.package, digest=found.digest, now=now)
        audit.append(db, now, who, "dataset:changed", found.dataset,
                     before=found.base_digest, after=found.digest)  # fmt: skip
        for other in pending(db, found.dataset):
            _close(db, other.id, "superseded", decision | {"reason": found.id})
    return get(db, identifier)


def _close(db: Db, identifier: str, state: str, decision: Json) -> None:
    values = {"state": state, "decision": msgspec.json.encode(decision).decode()}
    db.execute(proposals.update().where(proposals.c.id == identifier).values(**values))
