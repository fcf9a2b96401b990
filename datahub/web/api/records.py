"""Routes on records: a steward puts one, another person decides on what was proposed."""

from __future__ import annotations

from typing import Annotated, Any, Literal, cast

from litestar import Request, Response, Router, get, post, put
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter

from datahub.clock import stamp
from datahub.errors import BodyInvalid
from datahub.errors_catalog import ProposalSuperseded, ProposalUnknown
from datahub.model import Json, Person, Role, Struct
from datahub.stages import describe
from datahub.store import Db, proposals, records
from datahub.store.proposals import STATES_ZH, Proposal
from datahub.web.access import Permission, person_of
from datahub.web.api.datasets import HANDLERS, check_names, store_of

_PUBLIC = {"permission": Permission.CATALOG_READ}
_WRITE = {"permission": Permission.RECORD_WRITE}
_READ = {"permission": Permission.PROPOSAL_READ}
_VERDICTS = ("approve", "decline")
StateName = Literal["pending", "approved", "declined", "superseded", "all"]
_STATUS = {"add": 201, "propose": 202}
_RESULT_ZH = {
    "add": "新增",
    "change": "变更",
    "propose": "变更须由另一人审核",
    "same": "没有变化",
    "invalid": "不符合规则",
}


class RecordResult(Struct, frozen=True):
    """What putting a record did or, as a plan, would do."""

    action: str  # add, change, propose, same, invalid
    action_zh: str
    saved: bool
    dataset: str
    digest: str
    changes: list[Json]
    guarded: list[str]
    problems: list[Json]
    duplicates: list[Json]
    score: int
    missing: list[Json]
    proposal: str | None
    links: dict[str, str]


class ProposalView(Struct, frozen=True):
    """A change of a record that needs, or had, a second person."""

    id: str
    dataset: str
    state: str
    state_zh: str
    proposer: str
    reason: str
    created: str
    changes: tuple[Json, ...]
    digest: str
    base_digest: str
    decision: Json | None
    links: dict[str, str]


class ProposalDetail(ProposalView, frozen=True):
    """A proposal with the whole record as it would be."""

    package: Json


class VerdictOnProposal(Struct, frozen=True, forbid_unknown_fields=True):
    """A decision on a proposal: approve, or decline with a reason."""

    verdict: str
    reason: str = ""


@get(
    "/{dataset:str}/package",
    opt=_PUBLIC,
    sync_to_thread=True,
    summary="A dataset's descriptor",
)
def get_package(request: Request[Any, Any, Any], dataset: FromPath[str]) -> Response[Json]:
    """The Data Package descriptor with record and schemas, as PUT takes it; ETag is its digest."""
    with store_of(request).catalog.read() as db:
        found = records.get_dataset(db, dataset)
    return Response(found.package, headers={"etag": f'"{found.digest}"'})


@put(
    "/{dataset:str}",
    opt=_WRITE,
    sync_to_thread=True,
    summary="Add or change a record",
)
def put_record(
    request: Request[Any, Any, Any],
    dataset: FromPath[str],
    data: JSONBody[dict[str, Any]],
    plan: Annotated[
        bool, QueryParameter(description="say what would change, save nothing")
    ] = False,
    reason: Annotated[str, QueryParameter(max_length=500, description="for who decides")] = "",
    if_match: Annotated[str | None, HeaderParameter(name="If-Match")] = None,
) -> Response[RecordResult]:
    """Put a Data Package descriptor; a resource's schema is inline or names a known one.

    201 added, 200 changed, 202 proposed because a second person decides on what is fixed at
    registration, 412 when If-Match is not the present record, 422 with all problems.
    """
    check_names(request, ("plan", "reason"))
    store, person = store_of(request), person_of(request)
    if plan:
        draft, _ = describe.judge(store, person, dataset, data)
        return Response(_result(draft, saved=False), status_code=200)
    draft = describe.put(store, person, dataset, data, reason=reason, match=if_match)
    view = _result(draft, saved=draft.action in ("add", "change"))
    headers = {"etag": f'"{draft.base_digest if draft.action == "propose" else draft.digest}"'}
    if draft.action in _STATUS:
        headers["location"] = view.links.get("proposal", view.links["self"])
    return Response(view, status_code=_STATUS.get(draft.action, 200), headers=headers)


def _result(draft: describe.Draft, *, saved: bool) -> RecordResult:
    links = {"self": f"/api/v1/datasets/{draft.dataset}"}
    if draft.proposal:
        links["proposal"] = f"/api/v1/proposals/{draft.proposal}"
    return RecordResult(
        action=draft.action,
        action_zh=_RESULT_ZH[draft.action],
        saved=saved,
        dataset=draft.dataset,
        digest=draft.digest,
        changes=draft.changes,
        guarded=draft.guarded,
        problems=draft.problems,
        duplicates=draft.duplicates,
        score=draft.score,
        missing=draft.missing,
        proposal=draft.proposal,
        links=links,
    )


@get("/proposals", opt=_READ, sync_to_thread=True, summary="List proposals")
def list_proposals(
    request: Request[Any, Any, Any],
    dataset: Annotated[str | None, QueryParameter()] = None,
    in_state: Annotated[StateName, QueryParameter(name="state")] = "pending",
) -> list[ProposalView]:
    """Proposals that wait for a decision, newest first; `state` shows others."""
    check_names(request, ("dataset", "state"))
    store, person = store_of(request), person_of(request)
    state = None if in_state == "all" else in_state
    with store.catalog.read() as db:
        name = dataset and (records.current_name(db, dataset) or dataset)
        found = proposals.find(db, dataset=name, state=state)
        return [_view(item) for item in found if _may_see(db, person, item)]


@get(
    "/proposals/{proposal:str}",
    opt=_READ,
    sync_to_thread=True,
    summary="A proposal",
)
def get_proposal(request: Request[Any, Any, Any], proposal: FromPath[str]) -> ProposalDetail:
    """What would change, who proposed it and why, and the whole record as it would be."""
    with store_of(request).catalog.read() as db:
        return _detail(_visible(db, person_of(request), proposal))


@post(
    "/proposals/{proposal:str}/decision",
    opt={"permission": Permission.PROPOSAL_DECIDE},
    sync_to_thread=True,
    status_code=200,
    summary="Decide on a proposal",
    tags=["records"],
)
def decide(
    request: Request[Any, Any, Any],
    proposal: FromPath[str],
    data: JSONBody[VerdictOnProposal],
) -> ProposalDetail:
    """Approve, which applies the change, or decline; never one's own proposal."""
    if data.verdict not in _VERDICTS:
        shown = ", ".join(_VERDICTS)
        raise BodyInvalid(
            reason_zh=f"verdict 应为 {shown} 之一", reason_en=f"verdict must be one of {shown}"
        )
    store, person = store_of(request), person_of(request)
    verdict = cast("proposals.Verdict", data.verdict)
    now = stamp(store.clock)
    with store.catalog.write() as db:
        found = proposals.decide(
            db, proposal, verdict=verdict, who=person.name, reason=data.reason.strip(), now=now
        )
    if found.state == "superseded":
        raise ProposalSuperseded(proposal=found.id, dataset=found.dataset)
    return _detail(found)


def _may_see(db: Db, person: Person, item: Proposal) -> bool:
    if person.role is not Role.STEWARD:
        return True
    return records.get_dataset(db, item.dataset).publisher == person.publisher


def _visible(db: Db, person: Person, identifier: str) -> Proposal:
    found = proposals.get(db, identifier)
    if not _may_see(db, person, found):  # that it exists is not theirs to know
        raise ProposalUnknown(proposal=identifier[:80])
    return found


def _fields(item: Proposal) -> dict[str, Any]:
    path = f"/api/v1/proposals/{item.id}"
    return {
        "id": item.id,
        "dataset": item.dataset,
        "state": item.state,
        "state_zh": STATES_ZH[item.state],
        "proposer": item.proposer,
        "reason": item.reason,
        "created": item.created,
        "changes": item.changes,
        "digest": item.digest,
        "base_digest": item.base_digest,
        "decision": item.decision,
        "links": {"self": path, "decision": f"{path}/decision",
                  "dataset": f"/api/v1/datasets/{item.dataset}"},
    }  # fmt: skip


def _view(item: Proposal) -> ProposalView:
    return ProposalView(**_fields(item))


def _detail(item: Proposal) -> ProposalDetail:
    return ProposalDetail(**_fields(item), package=item.package)


# One router has all routes of a path: two would each bring an OPTIONS of their own.
datasets_router = Router(
    path="/api/v1/datasets",
    route_handlers=[*HANDLERS, get_package, put_record],
    tags=["datasets"],
)
router = Router(
    path="/api/v1", route_handlers=[list_proposals, get_proposal, decide], tags=["proposals"]
)
