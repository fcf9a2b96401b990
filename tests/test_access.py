"""Who may do what: every route with every kind of caller, and that tokens stay secret."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hub import sample_files

from datahub import settings
from datahub.errors import TokenInvalid
from datahub.model import Person, Role
from datahub.store import audit, open_store, people

CALLERS = ("nobody", "garbage", "expired", "revoked", "foreign", "steward", "reviewer", "operator")
BAD = b"reg_no,name\nX,Y\n"
DATASET = "/api/v1/datasets/air_hourly"
RESOURCE = f"{DATASET}/resources/air_hourly"


@pytest.fixture(scope="module")
def store(server):
    """The stores of the running service, opened beside it."""
    opened = open_store(settings.load(data=server.data))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def tokens(server, store):
    """A token of every kind of caller; clinics belongs to the steward's publisher."""
    now = datetime.now(UTC)
    late = Person(name="late", title="late", role=Role.OPERATOR)
    with store.catalog.write() as db:
        people.save(db, late)
        expired = people.create_token(db, "late", days=1, now=now - timedelta(days=2), who="test")
        revoked = people.create_token(db, "late", days=1, now=now, who="test")
        identifier = people.list_tokens(db)[-1]["id"]
    done = server.cli("token", "revoke", identifier)
    assert done.returncode == 0, done.stderr
    return {
        "nobody": "",
        "garbage": "dh_" + "x" * 43,
        "expired": expired,
        "revoked": revoked,
        "foreign": server.token("steward", "yc-env"),
        "steward": server.token("steward", "yc-health"),
        "reviewer": server.token("reviewer"),
        "operator": server.token("operator"),
    }


@pytest.fixture(scope="module")
def waiting(server, samples, tokens):
    """A submission to clinics that waits for a decision, handed in by its steward."""
    sent = server.submit("clinics", *sample_files(samples, "clinics"), token=tokens["steward"])
    found = server.settle(sent.json()["id"])
    assert found["state"] == "in_review", found
    return found["id"]


@pytest.fixture(scope="module")
def rejected(server, tokens):
    """A submission to clinics that was rejected."""
    sent = server.submit("clinics", ("file", "x.csv", BAD), token=tokens["steward"])
    found = server.settle(sent.json()["id"])
    assert found["state"] == "rejected", found
    return found["id"]


# Every route with every caller ------------------------------------------------------------

PUBLIC = (200, 401, 401, 401, 200, 200, 200, 200)
OWNERS = (401, 401, 401, 401, 403, 400, 403, 400)
RECORD = (401, 401, 401, 401, 403, 422, 403, 422)
OWN = (401, 401, 401, 401, 404, 200, 200, 200)
KEYS = (401, 401, 401, 401, 403, 403, 403, 403)  # of people: a key's own affairs
NO_WEBHOOK = (401, 401, 401, 401, 404, 404, 404, 404)
MISSING = (404, 401, 401, 401, 404, 404, 404, 404)
MATRIX = {
    # method, path, body: nobody, garbage, expired, revoked, foreign, steward, reviewer, operator
    ("GET", "/api/v1/datasets", None): PUBLIC,
    ("GET", DATASET, None): PUBLIC,
    ("GET", f"{DATASET}/releases", None): PUBLIC,
    ("GET", f"{RESOURCE}/schema", None): PUBLIC,
    ("GET", f"{RESOURCE}/report", None): PUBLIC,
    ("GET", f"{RESOURCE}/rows", None): PUBLIC,
    ("GET", f"{RESOURCE}/rows.csv", None): PUBLIC,
    ("GET", f"{RESOURCE}/export?aqi=gt.300", None): PUBLIC,
    ("GET", f"{RESOURCE}/export.xml?aqi=gt.300", None): PUBLIC,
    ("GET", "/rest/air_hourly.air_hourly", None): PUBLIC,
    ("GET", "/api/v1/sql?q=select+1", None): PUBLIC,
    ("POST", "/api/v1/sql", '{"q": "select 1"}'): PUBLIC,
    ("POST", "/api/v1/sql/check", '{"q": "select 1"}'): PUBLIC,
    ("POST", "/api/v1/sql/jobs", '{"q": "select 1"}'): (202, 401, 401, 401, 202, 202, 202, 202),
    ("GET", "/api/v1/sql/jobs", None): PUBLIC,
    ("GET", "/api/v1/sql/jobs/none", None): MISSING,
    ("GET", "/api/v1/sql/jobs/none/result", None): MISSING,
    ("DELETE", "/api/v1/sql/jobs/none", None): MISSING,
    ("GET", "/api/v1/queries", None): PUBLIC,
    ("POST", "/api/v1/queries", "{}"): (401, 401, 401, 401, 400, 400, 400, 400),
    ("GET", "/api/v1/queries/none", None): MISSING,
    ("PUT", "/api/v1/queries/none", '{"title": "x", "sql": "select 1"}'): NO_WEBHOOK,
    ("DELETE", "/api/v1/queries/none", None): NO_WEBHOOK,
    ("GET", "/api/v1/queries/none/versions", None): MISSING,
    ("GET", "/api/v1/queries/none/1", None): MISSING,
    ("GET", "/api/v1/queries/none/1/rows", None): MISSING,
    ("GET", "/api/v1/sql/tables", None): PUBLIC,
    ("GET", "/api/v1/sql/functions", None): PUBLIC,
    ("GET", f"{RESOURCE}/stats", None): PUBLIC,
    ("GET", f"{RESOURCE}/values/none", None): (400, 401, 401, 401, 400, 400, 400, 400),
    ("GET", f"{RESOURCE}/profile", None): PUBLIC,
    ("GET", f"{RESOURCE}/snippets", None): PUBLIC,
    ("GET", f"{RESOURCE}/openapi.json", None): PUBLIC,
    ("GET", "/d/air_hourly/latest/manifest.json", None): PUBLIC,
    ("GET", "/d/air_hourly/latest", None): PUBLIC,
    ("GET", "/.well-known/datahub-keys.json", None): PUBLIC,
    ("GET", "/d/air_hourly/chain.json", None): PUBLIC,
    ("GET", "/d/air_hourly/latest/manifest.json.sig", None): PUBLIC,
    ("POST", "/api/v1/keys", '{"label": "test"}'): (201, 401, 401, 401, 201, 201, 201, 201),
    ("GET", "/api/v1/keys/self", None): KEYS,
    ("DELETE", "/api/v1/keys/self", None): KEYS,
    ("POST", "/api/v1/keys/self/rotate", None): KEYS,
    ("GET", "/api/v1/keys/self/usage", None): KEYS,
    ("GET", "/openapi.json", None): PUBLIC,
    ("GET", "/health/live", None): PUBLIC,
    ("GET", "/health/ready", None): PUBLIC,
    ("GET", "/metrics", None): PUBLIC,
    ("GET", "/", None): PUBLIC,
    ("GET", "/datasets/air_hourly", None): PUBLIC,
    ("GET", "/datasets/air_hourly/resources/air_hourly", None): PUBLIC,
    ("GET", "/datasets/air_hourly/versions", None): PUBLIC,
    ("GET", "/sql?q=select+1", None): PUBLIC,
    ("POST", "/sql", "{}"): (400, 401, 401, 401, 400, 400, 400, 400),  # no form
    ("GET", "/keys", None): PUBLIC,
    ("POST", "/keys", "{}"): (400, 401, 401, 401, 400, 400, 400, 400),
    ("POST", "/keys/usage", "{}"): (400, 401, 401, 401, 400, 400, 400, 400),
    ("GET", "/docs", None): PUBLIC,
    ("GET", "/api/v1/datasets/clinics/package", None): PUBLIC,
    ("PUT", "/api/v1/datasets/clinics", "{}"): RECORD,
    ("GET", "/api/v1/datasets/clinics/status", None): PUBLIC,
    ("POST", "/api/v1/datasets/clinics/status", '{"status": "deprecated"}'): OWNERS,  # no reason
    ("POST", "/api/v1/datasets/clinics/name", '{"name": "x y"}'): OWNERS,
    ("GET", "/api/v1/datasets/gazette/series", None): (
        *(404, 401, 401, 401, 404, 404, 404, 404),  # nothing is released
    ),
    ("GET", "/api/v1/proposals", None): (401, 401, 401, 401, 200, 200, 200, 200),
    ("GET", "/api/v1/proposals/none", None): (401, 401, 401, 401, 404, 404, 404, 404),
    ("POST", "/api/v1/proposals/none/decision", '{"verdict": "approve"}'): (
        *(401, 401, 401, 401, 403, 403, 404, 404),
    ),
    ("GET", "/api/v1/funnel", None): PUBLIC,
    ("GET", "/api/v1/publishers", None): PUBLIC,
    ("GET", "/api/v1/publishers/yc-health", None): PUBLIC,
    ("GET", "/api/v1/regions", None): PUBLIC,
    ("GET", "/api/v1/totals?by=theme", None): PUBLIC,
    ("GET", "/api/v1/vocabularies", None): PUBLIC,
    ("GET", "/api/v1/vocabularies/grade", None): PUBLIC,
    ("GET", "/api/v1/glossary", None): PUBLIC,
    ("GET", "/api/v1/glossary/school-district", None): PUBLIC,
    ("GET", "/api/v1/glossary/school-district/versions/1", None): PUBLIC,
    ("PUT", "/api/v1/glossary/school-district", "{}"): (
        *(401, 401, 401, 401, 428, 428, 428, 428),  # 428: no If-Match
    ),
    ("POST", "/api/v1/glossary/school-district/decision", "{}"): (
        *(401, 401, 401, 401, 403, 403, 400, 400),
    ),
    ("POST", "/api/v1/glossary/school-district/retirement", "{}"): (
        *(401, 401, 401, 401, 403, 403, 400, 400),
    ),
    ("GET", "/api/v1/search?q=a", None): PUBLIC,
    ("GET", "/api/v1/suggest?q=a", None): PUBLIC,
    ("GET", "/api/v1/search/misses", None): (401, 401, 401, 401, 403, 403, 403, 200),
    ("GET", "/api/v1/catalog", None): PUBLIC,
    ("GET", "/catalog.json", None): PUBLIC,
    ("GET", "/catalog.ndjson", None): PUBLIC,
    ("GET", "/catalog.csv", None): PUBLIC,
    ("GET", "/catalog.xlsx", None): PUBLIC,
    ("GET", "/catalog.jsonld", None): PUBLIC,
    ("GET", "/catalog.ttl", None): PUBLIC,
    ("GET", "/feed.atom", None): PUBLIC,
    ("GET", "/feed.json", None): PUBLIC,
    ("GET", "/sitemap.xml", None): PUBLIC,
    ("GET", "/publishers", None): PUBLIC,
    ("GET", "/regions", None): PUBLIC,
    ("GET", "/statistics", None): PUBLIC,
    ("GET", "/glossary", None): PUBLIC,
    ("GET", "/glossary/school-district", None): PUBLIC,
    ("POST", f"{DATASET}/releases/99/withdrawal", '{"reason": "x"}'): (
        *(401, 401, 401, 401, 403, 403, 404, 404),
    ),
    ("POST", "/api/v1/datasets/clinics/submissions", None): (
        *(401, 401, 401, 401, 403, 422, 403, 422),  # 422: there is no byte in the body
    ),
    ("GET", "/api/v1/submissions", None): (401, 401, 401, 401, 200, 200, 200, 200),
    ("GET", "/api/v1/submissions/{waiting}", None): OWN,
    ("GET", "/api/v1/submissions/{rejected}/report", None): OWN,
    ("GET", "/api/v1/submissions/{rejected}/report.csv", None): OWN,
    ("GET", "/api/v1/submissions/{rejected}/report.xlsx", None): OWN,
    ("POST", "/api/v1/submissions/{waiting}/decisions", '{"verdict": "return"}'): (
        *(401, 401, 401, 401, 403, 403, 400, 400),  # 400: a return needs a reason
    ),
    ("GET", f"{DATASET}/versions", None): PUBLIC,
    ("GET", f"{RESOURCE}/diff", None): (
        *(404, 401, 401, 401, 404, 404, 404, 404),  # there is one version only
    ),
    ("GET", f"{DATASET}/versions/1..99/diff", None): (*(404, 401, 401, 401, 404, 404, 404, 404),),
    ("GET", "/api/v1/changes", None): PUBLIC,
    ("GET", "/api/v1/webhooks", None): (401, 401, 401, 401, 200, 200, 200, 200),
    ("POST", "/api/v1/webhooks", "{}"): (401, 401, 401, 401, 400, 400, 400, 400),
    ("GET", "/api/v1/webhooks/none", None): NO_WEBHOOK,
    ("DELETE", "/api/v1/webhooks/none", None): NO_WEBHOOK,
    ("POST", "/api/v1/webhooks/none/ping", None): NO_WEBHOOK,
    ("GET", "/api/v1/webhooks/none/deliveries", None): NO_WEBHOOK,
    ("POST", "/api/v1/webhooks/none/deliveries/1/redelivery", None): NO_WEBHOOK,
    ("POST", "/api/v1/submissions/{rejected}/withdrawal", None): (
        *(401, 401, 401, 401, 404, 409, 403, 409),
    ),
}
CELLS = [
    pytest.param(*route, caller, status, id=f"{route[0]} {route[1]} {caller}")
    for route, row in MATRIX.items()
    for caller, status in zip(CALLERS, row, strict=True)
]


@pytest.mark.parametrize(("method", "path", "body", "caller", "status"), CELLS)
def test_every_route_with_every_caller(
    server, tokens, waiting, rejected, method, path, body, caller, status
):
    """Each caller gets what the table says, on each route; a refusal is a problem."""
    address = server.url + path.format(waiting=waiting, rejected=rejected)
    headers = {"Authorization": f"Bearer {tokens[caller]}"} if tokens[caller] else {}
    headers["Content-Type"] = "application/json"
    answered = httpx.request(method, address, headers=headers, content=body, timeout=60)
    assert answered.status_code == status, answered.text[:300]
    if status >= 400:
        assert answered.headers["content-type"] == "application/problem+json"


def test_the_table_lists_every_route(server):
    """A route that is described but not in the table above has no expected answer: add it."""
    described = server.get("/openapi.json").json()["paths"]
    listed = {(method, _template(path)) for method, path, _ in MATRIX}
    known = {(m.upper(), _template(path)) for path, item in described.items() for m in item}
    assert known - listed == set()


def _template(path):
    """Path with its names blanked out."""
    path = path.split("?")[0]
    named = (
        "air_hourly",
        "air_hourly.air_hourly",
        "clinics",
        "99",
        "1..99",
        "latest",
        "manifest.json",
    )
    named += ("gazette", "none", "yc-health", "grade", "school-district", "1")
    parts = ["*" if p[0] == "{" or p in named else p for p in path.split("/")[1:] if p]
    return "/" + "/".join(parts)


# Tokens -----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["{}", "Bearer {}", "bearer {}", "BEARER   {}", "Bearer {} "])
def test_forms_of_a_token(server, tokens, form):
    """A token is taken as Bearer, in any case, and raw as CKAN clients send it."""
    header = {"Authorization": form.format(tokens["reviewer"]).strip()}
    assert server.get("/api/v1/submissions", headers=header).status_code == 200


@pytest.mark.parametrize("change", [str.upper, str.lower, lambda t: t[:-1], lambda t: t + "x"])
def test_a_token_almost_right_is_wrong(server, tokens, change):
    """A token with a letter changed, missing or added is none."""
    answered = server.get("/api/v1/submissions", token=change(tokens["reviewer"]))
    assert (answered.status_code, answered.json()["code"]) == (401, "token-invalid")


def test_which_way_a_token_is_invalid_is_not_told(server, tokens):
    """Unknown, expired and revoked tokens get the same words."""
    told = [server.get("/api/v1/submissions", token=tokens[c]).json() for c in CALLERS[1:4]]
    apart = {"request_id"}
    first, second, third = [{k: v for k, v in t.items() if k not in apart} for t in told]
    assert first == second == third


@pytest.mark.parametrize("place", ["query", "cookie", "x-api-key"])
def test_tokens_in_other_places_are_not_taken(server, tokens, place):
    """A token in the address or a cookie, where logs and sites would see it, is not a token."""
    token = tokens["operator"]
    params = {"token": token, "access_token": token} if place == "query" else {}
    headers = {"Cookie": f"token={token}"} if place == "cookie" else {"X-API-Key": token}
    answered = server.get("/api/v1/submissions", params=params, headers=headers)
    assert answered.status_code == 401


def test_a_token_ends_on_time(store):
    """A token of one day is taken until a day has passed, and not at that moment."""
    made = datetime(2030, 1, 1, tzinfo=UTC)
    with store.catalog.write() as db:
        people.save(db, Person(name="day", title="day", role=Role.REVIEWER))
        token = people.create_token(db, "day", days=1, now=made, who="test")
        before = made + timedelta(days=1, microseconds=-1)
        assert people.by_token(db, token, before).name == "day"
        with pytest.raises(TokenInvalid):
            people.by_token(db, token, made + timedelta(days=1))


def test_revoking_ends_a_token_at_once(server):
    """A token works until it is revoked, and not for the next request after."""
    done = server.cli("token", "create", "gone", "--role", "reviewer", "--json", check=True)
    token = json.loads(done.stdout)["token"]
    assert server.get("/api/v1/submissions", token=token).status_code == 200
    listed = json.loads(server.cli("token", "list", "--json", check=True).stdout)
    (mine,) = [item["id"] for item in listed if item["person"] == "gone"]
    server.cli("token", "revoke", mine, check=True)
    assert server.get("/api/v1/submissions", token=token).status_code == 401


def test_a_changed_role_counts_at_once(server):
    """Who is no reviewer any more cannot decide with a token of that time."""
    done = server.cli("token", "create", "moved", "--role", "reviewer", "--json", check=True)
    token = json.loads(done.stdout)["token"]
    change = ("--role", "steward", "--publisher", "yc-env")
    server.cli("token", "create", "moved", *change, check=True)
    path = "/api/v1/submissions/x/decisions"
    answered = server.post(path, token=token, json={"verdict": "approve"})
    assert (answered.status_code, answered.json()["code"]) == (403, "forbidden")


def test_tokens_are_kept_nowhere(server, tokens):
    """No token stands in the log or in any file of the data folder."""
    for token in tokens.values():
        server.get("/api/v1/submissions", token=token)
    secrets = [token.encode() for token in tokens.values() if token]
    kept = [path for path in server.data.rglob("*") if path.is_file()]
    assert server.data / "catalog.sqlite" in kept
    for path in kept:
        data = path.read_bytes()
        assert not [s for s in secrets if s in data], path.name
    assert not [s for s in secrets if s.decode() in server.log()]


def test_lists_of_tokens_have_no_secret(server, tokens):
    """`token list` shows who and until when, never a token or its digest."""
    shown = server.cli("token", "list", "--json", check=True).stdout
    assert set(json.loads(shown)[0]) == {"id", "person", "created", "expires", "revoked"}
    assert not [token for token in tokens.values() if token and token in shown]


# Decisions --------------------------------------------------------------------------------


@pytest.mark.parametrize("verdict", ["approve", "return", "decline"])
def test_nobody_decides_on_their_own(server, samples, verdict):
    """The submitter is refused whatever the role and the verdict, and the submission still waits."""
    operator = server.token("operator")
    sent = server.submit("clinics", *sample_files(samples, "clinics"), token=operator).json()
    server.settle(sent["id"])
    body = {"verdict": verdict, "reason": "x"}
    answered = server.post(f"{sent['links']['decisions']}", token=operator, json=body)
    assert (answered.status_code, answered.json()["code"]) == (403, "own-submission")
    assert server.settle(sent["id"])["state"] == "in_review"


def test_a_new_role_does_not_lift_the_rule(server, samples):
    """Who handed in as steward and became reviewer since still cannot decide on it."""
    make = ("token", "create", "climber", "--json", "--role")
    first = server.cli(*make, "steward", "--publisher", "yc-health", check=True)
    token = json.loads(first.stdout)["token"]
    sent = server.submit("clinics", *sample_files(samples, "clinics"), token=token).json()
    server.settle(sent["id"])
    second = json.loads(server.cli(*make, "operator", check=True).stdout)["token"]
    body = {"verdict": "approve"}
    for held in (token, second):
        answered = server.post(sent["links"]["decisions"], token=held, json=body)
        assert (answered.status_code, answered.json()["code"]) == (403, "own-submission")


@pytest.mark.parametrize("verdict", ["return", "decline"])
@pytest.mark.parametrize("reason", ["", "   ", "\n"])
def test_a_refusal_needs_a_reason(server, tokens, waiting, verdict, reason):
    """A return or refusal without words is 400 and decides nothing."""
    body = {"verdict": verdict, "reason": reason}
    path = f"/api/v1/submissions/{waiting}/decisions"
    answered = server.post(path, token=tokens["reviewer"], json=body)
    assert (answered.status_code, answered.json()["code"]) == (400, "body-invalid")
    assert server.settle(waiting)["state"] == "in_review"


@pytest.mark.parametrize("verdict", ["approve", "return", "decline"])
def test_only_what_waits_is_decided(server, tokens, rejected, verdict):
    """A decision on what is over is 409 and tells the state."""
    body = {"verdict": verdict, "reason": "x"}
    path = f"/api/v1/submissions/{rejected}/decisions"
    answered = server.post(path, token=tokens["reviewer"], json=body)
    assert (answered.status_code, answered.json()["code"]) == (409, "wrong-state")
    assert "rejected" in answered.json()["detail"]


def test_one_decision_counts(server, samples, tokens):
    """After a return the submission is over: a second decision is 409, the first one stays."""
    sent = server.submit("clinics", *sample_files(samples, "clinics"), token=tokens["steward"])
    identifier = server.settle(sent.json()["id"])["id"]
    path = f"/api/v1/submissions/{identifier}/decisions"
    first = {"verdict": "return", "reason": "请补充床位数"}
    assert server.post(path, token=tokens["reviewer"], json=first).status_code == 201
    again = server.post(path, token=tokens["operator"], json={"verdict": "approve"})
    assert again.status_code == 409
    found = server.get(f"/api/v1/submissions/{identifier}", token=tokens["steward"]).json()
    assert (found["state"], found["decision"]["reason"]) == ("returned", "请补充床位数")
    assert found["decision"]["person"] == "reviewer-all"


def test_taking_back(server, samples, tokens):
    """A steward takes back what waits; then nobody can approve it."""
    sent = server.submit("clinics", *sample_files(samples, "clinics"), token=tokens["steward"])
    base = f"/api/v1/submissions/{server.settle(sent.json()['id'])['id']}"
    answered = server.post(f"{base}/withdrawal", token=tokens["steward"])
    assert (answered.status_code, answered.json()["state"]) == (200, "withdrawn")
    body = {"verdict": "approve"}
    late = server.post(f"{base}/decisions", token=tokens["reviewer"], json=body)
    assert late.status_code == 409


# What others may see ----------------------------------------------------------------------


def test_a_foreign_steward_learns_nothing(server, tokens, waiting):
    """A submission of another publisher is as unknown as one that never was: the same words."""
    path = "/api/v1/submissions/{}"
    real = server.get(path.format(waiting), token=tokens["foreign"]).json()
    made_up = server.get(path.format("0" * 16), token=tokens["foreign"]).json()
    assert real["code"] == made_up["code"] == "submission-unknown"
    assert real["detail"] == made_up["detail"].replace("0" * 16, waiting)


def test_a_list_shows_ones_own(server, tokens, waiting, rejected):
    """A steward's list has every submission of their publisher's and no other."""
    own = server.get("/api/v1/submissions?limit=1000", token=tokens["steward"]).json()
    foreign = server.get("/api/v1/submissions?limit=1000", token=tokens["foreign"]).json()
    assert {waiting, rejected} <= {item["id"] for item in own}
    assert {item["dataset"] for item in own} == {"clinics"}
    assert {item["dataset"] for item in foreign} == {"air_hourly"}
    asked = server.get("/api/v1/submissions?dataset=clinics", token=tokens["foreign"])
    assert asked.json() == []


def test_a_limit_counts_ones_own(server, tokens, waiting):
    """With limit=1 a steward gets their newest one, though others handed in since."""
    assert server.get(f"/api/v1/submissions/{waiting}", token=tokens["steward"]).status_code == 200
    found = server.get("/api/v1/submissions?limit=1", token=tokens["foreign"]).json()
    assert [item["dataset"] for item in found] == ["air_hourly"]


def test_nothing_stays_of_a_refused_upload(server, tokens):
    """A steward who may not submit for a dataset leaves no byte behind."""
    folder = server.data / "received"
    before = {path.name for path in folder.iterdir()}
    body = b"a,b\n" + b"never,kept\n" * 1000
    answered = server.submit("clinics", ("file", "x.csv", body), token=tokens["foreign"])
    assert (answered.status_code, answered.json()["code"]) == (403, "publisher-foreign")
    assert {path.name for path in folder.iterdir()} == before


def test_submissions_are_not_public(server, waiting, rejected):
    """What was handed in and not released is under no public address."""
    for identifier in (waiting, rejected):
        for path in ("/d/{}", "/d/clinics/{}/x", "/api/v1/submissions/{}", "/received/{}"):
            assert server.get(path.format(identifier)).status_code in (401, 404)


# The trail --------------------------------------------------------------------------------


def test_decisions_are_in_the_audit_log(server, store, samples, tokens):
    """Who handed in, who returned and when stands in the log, and its chain holds."""
    sent = server.submit("clinics", *sample_files(samples, "clinics"), token=tokens["steward"])
    identifier = server.settle(sent.json()["id"])["id"]
    body = {"verdict": "decline", "reason": "重复"}
    server.post(f"/api/v1/submissions/{identifier}/decisions", token=tokens["reviewer"], json=body)
    with store.catalog.read() as db:
        query = "select who, what from audit where subject = ? order by seq"
        rows = [tuple(row) for row in db.exec_driver_sql(query, (identifier,))]
        assert audit.broken_link(db) is None
    assert rows[0] == ("steward-yc-health", "submission:received")
    assert rows[-1] == ("reviewer-all", "submission:declined")


def test_the_store_verifies_after_all_this(server, tokens, waiting, rejected):
    """`datahub verify` finds every release, every original and the audit chain intact."""
    assert waiting != rejected
    server.get("/api/v1/submissions", token=tokens["garbage"])
    done = server.cli("verify", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, [])
