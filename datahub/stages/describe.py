"""Stage describe: one record comes through the API; judged, planned, then saved or proposed.

The same rules as for a catalog folder. Attributes that are fixed at registration (openness,
sharing, grade) are not changed at once: the whole change becomes a proposal that another person
decides on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from datahub.clock import stamp
from datahub.errors import DatasetUnknown, NameInvalid, PublisherForeign
from datahub.errors_catalog import DatasetMoved, RecordChanged, RecordInvalid
from datahub.guard.child import Limits
from datahub.guard.process import run
from datahub.guard.text import check_name
from datahub.model import Dataset, Json, Person, Role, Struct
from datahub.record.compare import compare
from datahub.record.completeness import score
from datahub.record.problems import Problem
from datahub.record.rules import check, complete, guarded
from datahub.store import audit, proposals, records, surroundings

if TYPE_CHECKING:
    from datahub.store import Db, Store

_CHECKER = "datahub.validation.descriptors:problems"
_SHOWN = 8


class Draft(Struct, frozen=True):
    """What putting a record would do, and what is wrong with it."""

    action: str  # add, change, propose, same, or invalid
    dataset: str
    digest: str
    base_digest: str  # of the record as it is; "" while there is none
    changes: list[Json]
    guarded: list[str]  # changed fields that need a second person
    problems: list[Json]  # all of them, with field, rule, zh and en
    duplicates: list[Json]  # datasets of other publishers that look the same
    score: int
    missing: list[Json]  # what would make the record more complete
    proposal: str | None = None


def judge(store: Store, person: Person, name: str, given: Json) -> tuple[Draft, Json]:
    """Say what putting a record would do, without saving anything; return its package too.

    Raises:
        DatasetMoved: the name is a former one.
        DatasetGone: the dataset is a tombstone.
        PublisherForeign: the record is, or would be, of a publisher that is not the person's.

    """
    with store.catalog.read() as db:
        current = _current(db, name)
        _check_rights(db, person, current, given)
        package, problems = _assemble(db, name, given, current)
        if not problems:
            context = surroundings.context(db, name)
            package = complete(package, context)
            problems = check(package, context) + list(_keys(package, context.datasets))
    if not problems:
        problems = _judge_schemas(store, package)
    with store.catalog.read() as db:
        return _draft(db, name, package, current, problems), package


def put(
    store: Store, person: Person, name: str, given: Json, *, reason: str, match: str | None
) -> Draft:
    """Save a record, or propose the change when it touches what is fixed at registration.

    Raises:
        RecordInvalid: it breaks rules; all of them are told.
        RecordChanged: `match` (If-Match) is not the present record.
        PublisherForeign: the publisher is not the person's.

    """
    draft, package = judge(store, person, name, given)
    now = stamp(store.clock)
    with store.catalog.write() as db:
        current = _current(db, name)
        _check_match(name, current, match)
        if draft.problems:
            raise invalid(draft.problems)
        if (current.digest if current else "") != draft.base_digest:
            raise RecordChanged(dataset=name, etag=f'"{current.digest if current else ""}"')
        if draft.action == "same":
            return draft
        if draft.action == "propose":
            identifier = proposals.add(
                db,
                package=package,
                digest=draft.digest,
                base_digest=draft.base_digest,
                changes=draft.changes,
                proposer=person.name,
                reason=reason,
                now=now,
            )
            return msgspec.structs.replace(draft, proposal=identifier)
        records.save_dataset(db, package, digest=draft.digest, now=now, score=draft.score)
        what = "dataset:registered" if draft.action == "add" else "dataset:changed"
        audit.append(db, now, person.name, what, name, before=draft.base_digest,
                     after=draft.digest)  # fmt: skip
    return draft


def invalid(problems: list[Json]) -> RecordInvalid:
    """Make the error that lists all problems."""
    shown, more = problems[:_SHOWN], len(problems) > _SHOWN
    return RecordInvalid(
        count=len(problems),
        list_zh="；".join(f"{p['field']}：{p['zh']}" for p in shown) + ("；…" if more else ""),
        list_en="; ".join(f"{p['field']}: {p['en']}" for p in shown) + ("; …" if more else ""),
        problems=problems,
    )


def check_owner(person: Person, publisher: str, title: str, dataset: str) -> None:
    """Let stewards manage the records of their own publisher only.

    Raises:
        PublisherForeign: it is somebody else's.

    """
    if person.role is not Role.OPERATOR and person.publisher != publisher:
        raise PublisherForeign(dataset=dataset, publisher=title, own=person.publisher or "—")


def _current(db: Db, name: str) -> Dataset | None:
    try:
        found = records.get_dataset(db, name)
    except DatasetMoved:
        raise
    except DatasetUnknown:
        return None
    if found.status == "tombstone":
        records.check_alive(db, name)
    return found


def _check_rights(db: Db, person: Person, current: Dataset | None, given: Json) -> None:
    if current is not None:
        check_owner(person, current.publisher, current.publisher_title, current.name)
    record = given.get("catalog")
    wanted = record.get("publisher") if isinstance(record, dict) else None
    known = {item["id"]: item["title"] for item in records.get_publishers(db)}
    if isinstance(wanted, str) and wanted in known:
        check_owner(person, wanted, known[wanted], str(given.get("name", ""))[:80])


def _check_match(name: str, current: Dataset | None, match: str | None) -> None:
    if match is None:
        return
    tag = f'"{current.digest}"' if current else ""
    wanted = [item.strip().removeprefix("W/") for item in match.split(",")]
    if not (current and ("*" in wanted or tag in wanted)):
        raise RecordChanged(dataset=name, etag=tag or "—")


def _assemble(
    db: Db, name: str, given: Json, current: Dataset | None
) -> tuple[Json, list[Problem]]:
    """Descriptor with its schemas in it, and what keeps it from being judged at all."""
    problems = list(_named(name, given.get("name", name)))
    package = {"name": name} | given
    record = package.get("catalog")
    kept = current.record.get("catalog") if current else None
    if isinstance(record, dict):
        record = {k: v for k, v in record.items() if k != "catalog"}
        package["catalog"] = record | ({"catalog": kept} if kept else {})
    resources = package.get("resources")
    if not isinstance(resources, list) or not resources:
        told = "a list of resources is expected"
        return package, [*problems, Problem("resources", "mandatory", "应是资源的列表", told)]
    found = []
    for number, item in enumerate(resources):
        resource, faults = _resource(db, number, item)
        found.append(resource)
        problems += faults
    package["resources"] = found
    names = [r.get("name") for r in found if isinstance(r, dict)]
    for number, own in enumerate(names):
        if own in names[:number]:
            place, en = f"resources.{number}.name", f"'{own}' is repeated"
            problems.append(Problem(place, "duplicate-name", f"资源名“{own}”重复", en))
    if problems:  # the record's own rules are told in the same answer
        context = surroundings.context(db, name)
        known = {p.field for p in problems}
        problems += [p for p in check(package, context) if p.field not in known]
    return package, problems


def _named(name: str, given: Any) -> list[Problem]:
    if given != name:
        zh = f"应与地址里的“{name}”一致；更名请用 POST …/name"
        en = f"it must be '{name}' as in the address; rename by POST …/name"
        return [Problem("name", "name-differs", zh, en)]
    try:
        check_name(name, "数据集名 dataset name")
    except NameInvalid as error:
        return [Problem("name", "name", error.text_zh, error.text_en)]
    return []


def _resource(db: Db, number: int, item: Any) -> tuple[Any, list[Problem]]:
    place = f"resources.{number}"
    if not isinstance(item, dict):
        return item, [Problem(place, "type", "应是键值映射", "a mapping is expected")]
    problems = []
    try:
        check_name(str(item.get("name", "")), "资源名 resource name")
    except NameInvalid as error:
        problems.append(Problem(f"{place}.name", "name", error.text_zh, error.text_en))
    schema = item.get("schema")
    if isinstance(schema, str):
        found = surroundings.schema_named(db, schema)
        if found is None:
            zh, en = f"目录里没有表结构“{schema[:80]}”", f"no schema '{schema[:80]}' is known here"
            problems.append(Problem(f"{place}.schema", "unknown-schema", zh, en))
        item = item | {"schema": found or {}}
    elif not isinstance(schema, dict) or not schema:
        told = "a table schema is mandatory"
        problems.append(Problem(f"{place}.schema", "mandatory", "缺少表结构", told))
    return item, problems


def _keys(package: Json, others: Any) -> list[Problem]:
    """Foreign keys to nowhere."""
    problems = []
    own = {r["name"]: _fields(r["schema"]) for r in package["resources"]}
    for number, resource in enumerate(package["resources"]):
        keys = resource["schema"].get("foreignKeys")
        for key in keys if isinstance(keys, list) else ():
            reference = key.get("reference") if isinstance(key, dict) else None
            if not isinstance(reference, dict):
                continue  # what the schema's own check tells
            target = str(reference.get("resource", ""))
            fields = reference.get("fields", [])
            wanted = {fields} if isinstance(fields, str) else set(map(str, fields))
            known = _target(target, resource["name"], own, others)
            place = f"resources.{number}.schema.foreignKeys"
            if known is None:
                zh = f"外键引用了不存在的资源“{target[:80]}”"
                en = f"a foreign key refers to '{target[:80]}', which does not exist"
                problems.append(Problem(place, "foreign-key", zh, en))
            elif not wanted <= known:
                lacking = ", ".join(sorted(wanted - known))
                zh = f"外键引用的字段 {lacking} 在“{target or resource['name']}”里不存在"
                en = f"a foreign key refers to {lacking}, no field there"
                problems.append(Problem(place, "foreign-key", zh, en))
    return problems


def _target(target: str, itself: str, own: dict[str, set[str]], others: Any) -> set[str] | None:
    if "/" not in target:
        return own.get(target or itself)
    dataset, _, resource = target.partition("/")
    schemas = others.get(dataset) or {}
    return _fields(schemas[resource]) if resource in schemas else None


def _fields(schema: Any) -> set[str]:
    fields = schema.get("fields") if isinstance(schema, dict) else None
    return {str(f.get("name")) for f in fields or () if isinstance(f, dict)}


def _judge_schemas(store: Store, package: Json) -> list[Problem]:
    """Let the validation's own libraries look at schemas and package, in a child."""
    settings = store.settings
    folder = store.objects.staging()
    try:
        found = run(
            _CHECKER,
            package,
            returns=list[tuple[str, str, str, str]],
            limits=Limits(settings.child_memory, min(30, settings.child_seconds)),
            folder=folder,
        )
    finally:
        store.objects.discard(folder)
    return [Problem(*item) for item in found]


def _draft(
    db: Db, name: str, package: Json, current: Dataset | None, problems: list[Problem]
) -> Draft:
    told = [p._asdict() for p in problems]
    base = current.digest if current else ""
    if told:
        return Draft(action="invalid", dataset=name, digest="", base_digest=base, changes=[],
                     guarded=[], problems=told, duplicates=[], score=0, missing=[])  # fmt: skip
    digest = records.package_digest(package)
    old = current.package if current else {"resources": [], "catalog": {}}
    differing = compare(old, package) if current else []
    fixed = [item.field for item in guarded(old, package)] if current else []
    points, missing = score(package)
    if current is None:
        action = "add"
    elif digest == current.digest and not current.retired:
        action = "same"
    else:
        action = "propose" if fixed else "change"
    return Draft(
        action=action,
        dataset=name,
        digest=digest,
        base_digest=base,
        changes=msgspec.to_builtins(differing),
        guarded=fixed,
        problems=[],
        duplicates=msgspec.to_builtins(surroundings.duplicates(db, package)),
        score=points,
        missing=msgspec.to_builtins(missing),
    )
