"""API keys: made by anybody, rotated, revoked, misplaced; what they own, what is counted."""

from __future__ import annotations

import re
import sqlite3
from datetime import UTC, datetime, timedelta

import pytest
from litestar.testing import TestClient
from own_store import own_store, publish, table

from datahub.store import keys
from datahub.web.app import create_app, serving

ROWS = "/api/v1/datasets/lamps/resources/lamps/rows"
FILE = "/d/lamps/1/lamps.csv"


class Turned:
    """A clock that tests turn on."""

    def __init__(self):
        self.now = datetime(2030, 1, 1, 12, tzinfo=UTC)

    def __call__(self):
        return self.now


@pytest.fixture(scope="module")
def clock():
    """The clock of the module's service."""
    return Turned()


@pytest.fixture(scope="module")
def store(tmp_path_factory, clock):
    """A store with a small release."""
    opened = own_store(tmp_path_factory.mktemp("keys"), clock=clock, proxied=True)
    publish(opened, table(40_000))
    return opened


@pytest.fixture(scope="module")
def app(store):
    """The routes."""
    return create_app(store)


@pytest.fixture(scope="module")
def client(app):
    """The service in this process, as a web process wraps it; it closes the store."""
    with TestClient(serving(app)) as opened:
        yield opened


def made(client, label="课题", **headers):
    """Make a key; return what was answered."""
    answered = client.post("/api/v1/keys", json={"label": label}, headers=headers)
    assert answered.status_code == 201, answered.text
    return answered.json()


def own(client, key, method="GET", path=""):
    """Ask about a key by itself; return status and document."""
    headers = {"Authorization": f"Bearer {key}"}
    answered = client.request(method, f"/api/v1/keys/self{path}", headers=headers)
    return answered.status_code, answered.json()


def test_a_key_is_shown_once_and_kept_as_a_digest(client, store):
    """The answer has the key; nothing in the data folder does, nor does any other answer."""
    key = made(client)
    assert re.fullmatch(r"dk_[A-Za-z0-9_-]{43}", key["key"])
    status, seen = own(client, key["key"])
    assert (status, seen["id"], seen["label"]) == (200, key["id"], "课题")
    assert "key" not in seen
    kept = [path for path in store.settings.data.rglob("*") if path.is_file()]
    assert store.settings.data / "catalog.sqlite" in kept
    assert not [path.name for path in kept if key["key"].encode() in path.read_bytes()]


@pytest.mark.parametrize("header", ["Bearer {}", "bearer  {}", "{}", "x"])
def test_places_of_a_key(client, header):
    """A key is taken as Bearer, raw, and as X-API-Key."""
    key = made(client)["key"]
    headers = {"X-API-Key": key} if header == "x" else {"Authorization": header.format(key)}
    assert client.get("/api/v1/keys/self", headers=headers).status_code == 200


@pytest.mark.parametrize("name", ["key", "token", "apikey", "api_key", "access_token", "x", "密钥"])
@pytest.mark.parametrize("path", [ROWS, "/api/v1/keys/self", FILE, "/nowhere"])
def test_a_key_in_the_address_is_refused(client, name, path):
    """Whatever the parameter is called, a key in it is refused, with the reason and the way."""
    answered = client.get(path, params={name: keys.PREFIX + "a" * 43})
    problem = answered.json()
    assert (answered.status_code, problem["code"]) == (401, "key-misplaced")
    assert problem["facts"]["name"] == name.encode().decode("utf-8")
    assert "X-API-Key" in problem["detail"]
    assert "X-API-Key" in problem["detail_zh"]
    assert answered.headers["www-authenticate"].startswith("Bearer")
    assert "a" * 43 not in answered.text


@pytest.mark.parametrize(
    "name", ["X-API-Key", "x_api_key", "API-KEY", "apiKey", "ApiKey", "Access-Token"]
)
def test_a_key_by_any_spelling_is_misplaced(client, name):
    """Whatever stands there is none to send in an address."""
    answered = client.get("/api/v1/datasets", params={name: "abc"})
    assert (answered.status_code, answered.json()["code"]) == (401, "key-misplaced")


@pytest.mark.parametrize(
    "query", ["name=eq.dk_1", "name=like.*key*", "name=eq.token", '"key"=eq.1']
)
def test_values_that_are_no_keys_are_values(client, query):
    """Conditions on columns may hold such words; a column of such a name is asked for in quotes."""
    answered = client.get(f"{ROWS}?{query}")
    assert answered.status_code == (400 if '"key"' in query else 200)
    assert answered.status_code == 200 or answered.json()["code"] != "key-misplaced"


@pytest.mark.parametrize("label", ["", "  ", "x" * 101, "a\nb", None, 5])
def test_labels_that_are_none(client, label):
    """A key needs a name of visible characters."""
    answered = client.post("/api/v1/keys", json={"label": label})
    assert (answered.status_code, answered.json()["code"]) == (400, "body-invalid")


def test_rotation(client, clock):
    """The new key has the id and the webhooks; the former one works for 24 hours, and ends then."""
    first = made(client)
    status, second = own(client, first["key"], "POST", "/rotate")
    assert (status, second["id"]) == (201, first["id"])
    assert second["former_until"] == keys.at(clock.now + timedelta(hours=24))
    status, seen = own(client, first["key"])
    assert (status, seen["replaced"], seen["expires"]) == (200, True, second["former_until"])
    assert own(client, second["key"])[1]["replaced"] is False
    assert own(client, first["key"], "POST", "/rotate")[1]["code"] == "key-replaced"
    before = clock.now
    clock.now = before + timedelta(hours=24, milliseconds=-1)
    assert own(client, first["key"])[0] == 200
    clock.now = before + timedelta(hours=24)
    assert own(client, first["key"])[1]["code"] == "key-invalid"
    assert own(client, second["key"])[0] == 200
    clock.now = before


def test_two_rotations_end_the_first_key(client):
    """At most two secrets work at a time."""
    first = made(client)["key"]
    second = own(client, first, "POST", "/rotate")[1]["key"]
    third = own(client, second, "POST", "/rotate")[1]["key"]
    assert [own(client, key)[0] for key in (first, second, third)] == [401, 200, 200]


def test_revoking(client):
    """The next request with the key is refused, on public routes, too; so is the former one."""
    former = made(client)["key"]
    key = own(client, former, "POST", "/rotate")[1]["key"]
    assert client.get(ROWS, headers={"X-API-Key": key}).status_code == 200
    status, told = own(client, key, "DELETE")
    assert (status, told["webhooks"]) == (200, 0)
    for secret in (key, former):
        answered = client.get(ROWS, headers={"X-API-Key": secret})
        assert (answered.status_code, answered.json()["code"]) == (401, "key-invalid")


def test_a_key_ends_on_time(client, clock):
    """It works for 365 days, and not at that moment, although it was known a moment before."""
    key = made(client)
    before = clock.now
    assert key["expires"] == keys.at(before + timedelta(days=365))
    clock.now = before + timedelta(days=365, milliseconds=-1)
    assert own(client, key["key"])[0] == 200
    clock.now = before + timedelta(days=365)
    assert own(client, key["key"])[0] == 401
    clock.now = before


@pytest.mark.parametrize(
    "change", [str.upper, lambda k: k[:-1], lambda k: k + "x", lambda _: "dk_"]
)
def test_a_key_almost_right_is_wrong(client, change):
    """Which way a key is wrong is not told."""
    status, problem = own(client, change(made(client)["key"]))
    assert status == 401
    assert problem["code"] in ("key-invalid", "token-invalid")  # DK_… is not called a key


def test_a_key_has_the_rights_of_everybody(client):
    """A key reads what all may read; what people do is forbidden, and names the right."""
    headers = {"X-API-Key": made(client)["key"]}
    assert client.get("/api/v1/datasets", headers=headers).status_code == 200
    for method, path in (("GET", "/api/v1/submissions"), ("PUT", "/api/v1/datasets/lamps")):
        answered = client.request(method, path, headers=headers, json={})
        assert (answered.status_code, answered.json()["code"]) == (403, "forbidden")


def test_webhooks_belong_to_their_key(client):
    """A key makes webhooks, sees its own only, keeps them when rotated; revoking ends them."""
    first, other = made(client)["key"], made(client)["key"]
    body = {"url": "https://93.184.216.34/hook"}
    answered = client.post("/api/v1/webhooks", json=body, headers={"X-API-Key": first})
    assert answered.status_code == 201, answered.text
    hook = f"/api/v1/webhooks/{answered.json()['id']}"
    assert client.get(hook, headers={"X-API-Key": other}).status_code == 404
    assert client.get("/api/v1/webhooks", headers={"X-API-Key": other}).json() == []
    second = own(client, first, "POST", "/rotate")[1]["key"]
    for key in (first, second):
        assert client.get(hook, headers={"X-API-Key": key}).status_code == 200
    assert own(client, second, "DELETE")[1]["webhooks"] == 1


def test_usage_is_what_was_answered(app, client, store):
    """Requests, refused ones and bytes add up to what came, from kept answers and files, too."""
    key = made(client)
    headers = {"X-API-Key": key["key"], "Accept-Encoding": "gzip"}
    sent = 0
    for path in (ROWS, ROWS, FILE, f"{ROWS}?x=1", "/nowhere"):
        with client.stream("GET", path, headers=headers) as answered:
            sent += sum(len(part) for part in answered.iter_raw())
    client.head(FILE, headers=headers)
    app.state.limits.usage.flush()
    path = "/api/v1/keys/self/usage"
    (day,) = client.get(path, headers=headers).json()["data"]
    assert (day["day"], day["requests"], day["refused"], day["bytes"]) == (
        "2030-01-01", 6, 0, sent,
    )  # fmt: skip
    assert sent > (store.settings.data / "public/lamps/1/lamps.csv").stat().st_size


def test_counts_of_several_processes_add_up(store):
    """What processes add to a day is summed."""
    with store.catalog.write() as db:
        keys.add_usage(db, {("k", "2030-01-02"): (3, 1, 500, 20)})
        keys.add_usage(db, {("k", "2030-01-02"): (4, 0, 50, 2), ("k", "2030-01-03"): (1, 1, 1, 1)})
    with store.catalog.read() as db:
        found = keys.read_usage(db, "k", 30)
        assert keys.read_usage(db, "nobody", 30) == []
    assert found == [
        keys.Counts("2030-01-03", 1, 1, 1, 1),
        keys.Counts("2030-01-02", 7, 1, 550, 22),
    ]


def test_nothing_that_was_counted_is_lost_at_the_end(tmp_path):
    """A process that ends in an orderly way writes what it has counted."""
    opened = own_store(tmp_path)
    with TestClient(serving(create_app(opened))) as client:
        for _ in range(7):
            client.get("/api/v1/datasets")
    with sqlite3.connect(opened.catalog.path) as db:
        assert db.execute("select requests, refused from usage where key = ''").fetchall() == [
            (7, 0)
        ]
    db.close()
