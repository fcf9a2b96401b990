"""Records over HTTP: stewards put them, all problems are told, what is fixed needs a second person."""

from __future__ import annotations

import copy
import json

import httpx
import pytest
from hub import Hub
from own_store import SCHEMA, own_store, package, write_catalog

from datahub.errors import StateError
from datahub.errors_catalog import OwnProposal
from datahub.store import audit, changes, proposals, records

PUBLISHERS = [
    {"id": "p1", "title": "环境局", "credit_code": "11420500MB0000019T", "region": "420500"},
    {"id": "p2", "title": "园林局", "credit_code": "11420500MB0000027M", "region": "420500"},
]
NAMES = ("lamps", "trees", "roads", "bins", "parks", "wells")


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A running service with a small catalog of two publishers; each test has its own dataset."""
    folder = tmp_path_factory.mktemp("records")
    catalog = write_catalog(folder / "catalog", *NAMES, publishers=PUBLISHERS)
    own = Hub(folder / "data", catalog=catalog)
    own.data.mkdir()
    own.register()
    own.start()
    yield own
    own.stop()


def put(hub: Hub, body: object, name: str = "", *, token: str = "", **options):
    """PUT a descriptor as a steward of p1, unless told otherwise."""
    name = name or body["name"]
    headers = {"Authorization": f"Bearer {token or hub.token('steward', 'p1')}"}
    headers |= options.pop("headers", {})
    return httpx.put(
        f"{hub.url}/api/v1/datasets/{name}", json=body, headers=headers, timeout=60, **options
    )


def described(hub: Hub, name: str) -> tuple[dict, str]:
    """Descriptor of a dataset and its ETag."""
    answer = hub.get(f"/api/v1/datasets/{name}/package")
    return answer.json(), answer.headers["etag"]


def new(name: str, **record: object) -> dict:
    """Descriptor of a dataset that is not there yet, its schema inline."""
    body = package(name)
    body["resources"][0]["schema"] = copy.deepcopy(SCHEMA)
    body["catalog"] |= record
    return body


def test_a_steward_adds_and_changes_a_record(hub):
    """Adding answers 201, changing 200, the same again changes nothing; the record is there."""
    body = new("benches")
    added = put(hub, body)
    assert added.status_code == 201, added.text
    assert added.headers["location"] == "/api/v1/datasets/benches"
    assert hub.get("/api/v1/datasets/benches").json()["digest"] == added.json()["digest"]
    body["title"] = "公园座椅"
    changed = put(hub, body)
    assert (changed.status_code, changed.json()["action"]) == (200, "change")
    (difference,) = changed.json()["changes"]
    assert difference == {"field": "title", "before": "数据集 benches", "after": "公园座椅"}
    assert put(hub, body).json()["action"] == "same"
    view = hub.get("/api/v1/datasets/benches").json()
    assert (view["title"], view["data_updated"], view["status"]) == ("公园座椅", None, "active")
    assert view["milestones"]["catalogued"][:10] == view["created"][:10]
    assert view["record"]["region"] == "420500"
    assert 0 < view["completeness"] <= 100


def test_a_plan_saves_nothing(hub):
    """plan=true says what would change, with all problems, and leaves the record as it is."""
    body, etag = described(hub, "trees")
    body["title"] = "行道树"
    shown = put(hub, body, params={"plan": "true"})
    assert (shown.status_code, shown.json()["action"], shown.json()["saved"]) == (
        200,
        "change",
        False,
    )
    body["catalog"]["theme"] = "77"
    shown = put(hub, body, params={"plan": "true"}).json()
    assert (shown["action"], [p["field"] for p in shown["problems"]]) == (
        "invalid",
        ["catalog.theme"],
    )
    assert described(hub, "trees")[1] == etag


def test_a_lost_update_is_refused(hub):
    """If-Match with an older ETag answers 412; without If-Match the last one wins."""
    body, etag = described(hub, "roads")
    assert put(hub, body | {"title": "道路甲"}, headers={"If-Match": etag}).status_code == 200
    late = put(hub, body | {"title": "道路乙"}, headers={"If-Match": etag})
    assert (late.status_code, late.json()["code"]) == (412, "record-changed")
    now = described(hub, "roads")[1]
    assert (
        put(hub, body | {"title": "道路乙"}, headers={"If-Match": f'"x", {now}'}).status_code == 200
    )
    assert put(hub, body | {"title": "道路丙"}).status_code == 200
    assert put(hub, new("nowhere"), headers={"If-Match": "*"}).status_code == 412
    assert hub.get("/api/v1/datasets/nowhere").status_code == 404


def test_all_problems_are_told(hub):
    """A wrong record is refused with every field, rule and both languages; nothing is saved."""
    body = new("wrong", theme="77", openness="conditional", grade="L9", code="12")
    body |= {"title": "长" * 300, "description": "<script>alert(1)</script>"}
    del body["catalog"]["update_cycle"]
    body["resources"].append({"name": "../x", "schema": "no_such"})
    answer = put(hub, body)
    assert answer.status_code == 422
    problems = answer.json()["facts"]["problems"]
    assert all(p["field"] and p["rule"] and p["zh"] and p["en"] for p in problems)
    fields = {p["field"] for p in problems}
    assert {
        "title", "catalog.theme", "catalog.grade", "catalog.code", "catalog.update_cycle",
        "catalog.open_condition", "resources.1.name", "resources.1.schema",
    } <= fields  # fmt: skip
    assert hub.get("/api/v1/datasets/wrong").status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda s: s.update(fields=[{"name": "id", "type": "intger"}]), "resources.0.schema"),
        (lambda s: s.update(primaryKey=["nope"]), "resources.0.schema"),
        (lambda s: s["fields"][1].update(constraints={"pattern": "("}), "resources.0.schema"),
        (
            lambda s: s.update(foreignKeys=[{"fields": "id", "reference": {"resource": "bins/bins", "fields": "nope"}}]),
            "resources.0.schema.foreignKeys",
        ),
        (
            lambda s: s.update(foreignKeys=[{"fields": "id", "reference": {"resource": "none/x", "fields": "id"}}]),
            "resources.0.schema.foreignKeys",
        ),
    ],
    ids=["type", "primary key", "pattern", "field elsewhere", "dataset elsewhere"],
)  # fmt: skip
def test_schemas_are_judged(hub, change, field):
    """A schema that could not judge data, or a foreign key to nowhere, is refused by its place."""
    body = new("judged")
    change(body["resources"][0]["schema"])
    answer = put(hub, body)
    assert answer.status_code == 422, answer.text
    assert field in {p["field"] for p in answer.json()["facts"]["problems"]}


def test_schemas_by_name(hub):
    """A resource may name a schema that the catalog knows: of a dataset, or dataset/resource."""
    for number, reference in enumerate(("bins", "bins/bins", "schemas/bins.json")):
        body = new(f"named{number}")
        body["resources"][0]["schema"] = reference
        assert put(hub, body).status_code == 201
        assert described(hub, f"named{number}")[0]["resources"][0]["schema"] == SCHEMA


def test_stewards_keep_to_their_publisher(hub):
    """A steward of another publisher, a reviewer and a stranger are refused, each told why."""
    body, etag = described(hub, "parks")
    other = put(hub, body | {"title": "别人的"}, token=hub.token("steward", "p2"))
    assert other.status_code == 403
    assert "环境局" in other.json()["detail_zh"]
    assert put(hub, body, token=hub.token("reviewer")).status_code == 403
    assert httpx.put(f"{hub.url}/api/v1/datasets/parks", json=body).status_code == 401
    given_away = body | {"catalog": body["catalog"] | {"publisher": "p2"}}
    assert put(hub, given_away).status_code == 403
    foreign = new("foreign", publisher="p2")
    assert put(hub, foreign).status_code == 403
    assert described(hub, "parks")[1] == etag
    assert put(hub, body | {"title": "公园"}, token=hub.token("operator")).status_code == 200


def test_what_is_fixed_needs_a_second_person(hub):
    """Openness, sharing and grade change by a proposal that another person approves."""
    body, etag = described(hub, "lamps")
    closed = {"openness": "closed", "closed_reason": "N03", "legal_basis": "条例第三条"}
    wanted = body | {"catalog": body["catalog"] | closed}
    answer = put(hub, wanted, params={"reason": "含商业秘密"})
    assert (answer.status_code, answer.json()["saved"]) == (202, False)
    assert "catalog.openness" in answer.json()["guarded"]
    assert described(hub, "lamps")[1] == etag
    path = answer.headers["location"]
    assert put(hub, wanted).headers["location"] == path
    steward, reviewer = hub.token("steward", "p1"), hub.token("reviewer")
    assert hub.get(path).status_code == 401
    assert hub.get(path, token=hub.token("steward", "p2")).status_code == 404
    shown = hub.get(path, token=steward).json()
    assert (shown["state"], shown["reason"]) == ("pending", "含商业秘密")
    listed = hub.cli("proposals", "list", "--json", token=reviewer)
    assert shown["id"] in {item["id"] for item in json.loads(listed.stdout)}
    decide = {"verdict": "approve"}
    assert hub.post(f"{path}/decision", token=steward, json=decide).status_code == 403
    assert hub.post(f"{path}/decision", token=reviewer, json={"verdict": "yes"}).status_code == 400
    empty = hub.post(f"{path}/decision", token=reviewer, json={"verdict": "decline"})
    assert empty.status_code == 400
    done = hub.cli("proposals", "decide", shown["id"], "--approve", token=reviewer)
    assert "已批准" in done.stdout
    assert hub.get("/api/v1/datasets/lamps").json()["openness"] == "closed"
    assert hub.post(f"{path}/decision", token=reviewer, json=decide).status_code == 409


def test_an_operator_does_not_decide_on_their_own(hub):
    """Whatever the role: who proposed does not decide, and a stale proposal is superseded."""
    body, _ = described(hub, "wells")
    operator = hub.token("operator")
    answer = put(hub, body | {"catalog": body["catalog"] | {"grade": "L2"}}, token=operator)
    path = answer.headers["location"]
    own = hub.post(f"{path}/decision", token=operator, json={"verdict": "approve"})
    assert (own.status_code, own.json()["code"]) == (403, "own-proposal")
    assert put(hub, body | {"title": "水井"}).status_code == 200
    late = hub.post(f"{path}/decision", token=hub.token("reviewer"), json={"verdict": "approve"})
    assert (late.status_code, late.json()["code"]) == (409, "proposal-superseded")
    assert hub.get(path, token=operator).json()["state"] == "superseded"
    assert hub.get("/api/v1/datasets/wells").json()["record"]["grade"] == "L1"


def test_a_possible_duplicate_is_shown(hub):
    """The same columns under a similar title at another publisher are shown before saving."""
    body = new("bins_again", publisher="p2", code="30701001/5550001") | {"title": "数据集 bins"}
    shown = put(hub, body, token=hub.token("steward", "p2"), params={"plan": "true"}).json()
    assert "bins" in {item["like"] for item in shown["duplicates"]}


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"[]", 400), (b"{", 400), (b'"x"', 400), (b"{}", 422), (b'{"name": 5}', 422), (b"[" * 5000, 400)],
)  # fmt: skip
def test_bodies_that_are_no_descriptor(hub, content, status):
    """What is no descriptor is refused in our words."""
    headers = {"Authorization": f"Bearer {hub.token('steward', 'p1')}", "Content-Type": "application/json"}  # fmt: skip
    answer = httpx.put(f"{hub.url}/api/v1/datasets/odd", content=content, headers=headers)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail_zh"]


def test_large_bodies_and_wrong_names(hub):
    """A body beyond 1 MB, a name that is none, and one that is not the address's are refused."""
    assert put(hub, new("fat") | {"description": "x" * 1_100_000}).status_code == 413
    assert put(hub, new("Bad Name"), "Bad%20Name").status_code == 422
    answer = put(hub, new("one"), "two")
    assert answer.json()["facts"]["problems"][0]["rule"] == "name-differs"
    assert (
        put(hub, new("codes", code=described(hub, "bins")[0]["catalog"]["code"])).status_code == 422
    )


def test_put_from_a_file(hub, tmp_path):
    """The command reads YAML with schemas beside it, shows a plan, saves, and tells all problems."""
    body = new("filed")
    folder = tmp_path / "filed"
    write_catalog(tmp_path / "c", "filed")
    file = tmp_path / "c/datasets/filed/datapackage.yaml"
    token = hub.token("steward", "p1")
    planned = hub.cli("dataset", "put", file, "--plan", token=token)
    assert "新增" in planned.stdout, planned.stderr
    assert hub.get("/api/v1/datasets/filed").status_code == 404
    done = hub.cli("dataset", "put", file, "--json", token=token, check=True)
    assert json.loads(done.stdout)["saved"] is True
    folder.mkdir()
    bad = folder / "bad.json"
    bad.write_text(json.dumps(body | {"title": ""}), encoding="utf-8")
    refused = hub.cli("dataset", "put", bad, token=token)
    assert refused.returncode == 3
    assert "title [mandatory]" in refused.stdout


# In the store --------------------------------------------------------------------------------


def test_proposals_in_the_store(tmp_path):
    """A proposal applies once, to the record it was made from, by another person, and is audited."""
    store = own_store(tmp_path, "lamps")
    with store.catalog.write() as db:
        base = records.get_dataset(db, "lamps")
        wanted = base.package | {"title": "路灯"}
        given = {"package": wanted, "digest": records.package_digest(wanted), "base_digest": base.digest,
                 "changes": [], "proposer": "li", "reason": "", "now": "2026-01-02"}  # fmt: skip
        first = proposals.add(db, **given)
        assert proposals.add(db, **given) == first
        other = proposals.add(db, **given | {"digest": "other"})
        with pytest.raises(OwnProposal):
            proposals.decide(db, first, verdict="approve", who="li", reason="", now="2026-01-03")
        before = changes.last(db)
        done = proposals.decide(
            db, first, verdict="approve", who="wang", reason="", now="2026-01-03"
        )
        assert done.state == "approved"
        assert records.get_dataset(db, "lamps").title == "路灯"
        assert [c.what for c in changes.since(db, before)] == ["changed"]
        assert proposals.get(db, other).state == "superseded"
        with pytest.raises(StateError):
            proposals.decide(db, other, verdict="approve", who="wang", reason="", now="2026-01-03")
        assert proposals.pending(db, "lamps") == []
        assert audit.broken_link(db) is None
    store.close()
