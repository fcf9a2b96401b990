"""The change feed: in order, resumable, waiting, cheap to ask again; linked with the Atom feed."""

from __future__ import annotations

import json
import threading
import time
from hashlib import sha256

import httpx
import pytest
from litestar.testing import TestClient
from own_store import STEWARD, own_store, publish, swift, table

from datahub.clock import stamp
from datahub.pipeline import withdraw_release
from datahub.store import aliases, changes
from datahub.web.app import create_app


@pytest.fixture
def store(tmp_path):
    """A store with two registered datasets."""
    return own_store(tmp_path, "lamps", "trees")


@pytest.fixture
def client(store):
    """An application on the store; it closes it."""
    with TestClient(create_app(store)) as opened:
        yield opened


def happen(store, name, what="changed"):
    """Let something happen to a dataset; the number of the change."""
    with store.catalog.write() as db:
        changes.append(db, stamp(store.clock), name, what)
        return changes.last(db)


def lines(answered):
    """Lines of an answer."""
    assert answered.status_code == 200, answered.text
    return [json.loads(line) for line in answered.text.splitlines()]


def test_a_line_of_each_kind(store, client, monkeypatch):
    """Lines tell what happened to which dataset, with the digest of a release's manifest."""
    swift(monkeypatch)
    since = int(client.get("/api/v1/changes").headers["x-last-seq"])
    publish(store, table())
    withdraw_release(store, "lamps", 1, reason="错", who="wang")
    released, withdrawn = lines(client.get(f"/api/v1/changes?since={since}"))
    assert (released["dataset"], released["what"], released["version"]) == ("lamps", "released", 1)
    assert released["title"] == "数据集 lamps"
    assert released["urls"]["manifest"] == "/d/lamps/1/manifest.json"
    kept = store.objects.withdrawn("lamps", 1) / "manifest.json"
    assert released["manifest"] == sha256(kept.read_bytes()).hexdigest()
    assert (withdrawn["what"], withdrawn["manifest"]) == ("withdrawn", None)
    assert set(withdrawn["urls"]) == {"page", "record"}
    assert released["seq"] < withdrawn["seq"]


def test_forms(client):
    """NDJSON unless Accept or format says JSON; both hold the same lines."""
    plain = client.get("/api/v1/changes")
    assert plain.headers["content-type"] == "application/x-ndjson"
    whole = client.get("/api/v1/changes", headers={"Accept": "application/json"}).json()
    assert whole["data"] == lines(plain)
    assert whole["last"] == int(plain.headers["x-last-seq"]) == whole["data"][-1]["seq"]
    assert client.get("/api/v1/changes?format=json").json() == whole


def test_walking_with_links(store, client):
    """Pages of three join up to the whole feed, and the last link waits for what comes."""
    for _ in range(7):
        happen(store, "lamps")
    whole, found, address = lines(client.get("/api/v1/changes")), [], "/api/v1/changes?limit=3"
    while page := lines(answered := client.get(address)):
        found += page
        address = answered.links["next"]["url"]
    assert found == whole
    number = happen(store, "trees")
    assert [line["seq"] for line in lines(client.get(address))] == [number]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("dataset=lamps", [("lamps", "changed"), ("lamps", "status")]),
        ("what=status", [("lamps", "status"), ("trees", "status")]),
        ("what=status,retired&dataset=trees", [("trees", "status")]),
        ("what=glossary", [("", "glossary")]),
        ("dataset=nothing", []),
    ],
)
def test_narrowing(store, client, query, expected):
    """Dataset and kind narrow the feed; the number to go on from is that of the whole."""
    since = happen(store, "trees", "renamed")
    for name, what in [("lamps", "changed"), ("lamps", "status"), ("trees", "status")]:
        happen(store, name, what)
    last = happen(store, "", "glossary")
    answered = client.get(f"/api/v1/changes?since={since}&{query}")
    assert [(line["dataset"], line["what"]) for line in lines(answered)] == expected
    assert answered.headers["x-last-seq"] == str(last)


def test_a_dataset_keeps_its_changes_under_another_name(store, client):
    """After renaming, both names find all changes, each told under the name of its time."""
    before = happen(store, "lamps")
    with store.catalog.write() as db:
        now = stamp(store.clock)
        aliases.rename(db, store.objects, "lamps", "lights", who=STEWARD.name, now=now)
    by_old = lines(client.get("/api/v1/changes?dataset=lamps"))
    assert by_old == lines(client.get("/api/v1/changes?dataset=lights"))
    (line,) = [line for line in by_old if line["seq"] == before]
    assert (line["dataset"], line["urls"]["page"]) == ("lamps", "/datasets/lights")
    assert {line["title"] for line in by_old} == {"数据集 lamps"}


def test_asking_again_costs_nothing(store, client):
    """A feed that has not changed is 304; one that has is not."""
    tag = client.get("/api/v1/changes").headers["etag"]
    again = client.get("/api/v1/changes", headers={"If-None-Match": f"W/{tag}"})
    assert (again.status_code, again.content) == (304, b"")
    happen(store, "lamps")
    assert client.get("/api/v1/changes", headers={"If-None-Match": tag}).status_code == 200


def test_waiting_for_a_change(store, client):
    """An answer that would be empty is held back until something happens, or the time is over."""
    since = happen(store, "lamps")
    began = time.monotonic()
    assert lines(client.get(f"/api/v1/changes?since={since}&wait=0.5")) == []
    assert 0.5 <= time.monotonic() - began < 5
    timer = threading.Timer(0.5, happen, (store, "trees"))
    timer.start()
    (line,) = lines(client.get(f"/api/v1/changes?since={since}&wait=20"))
    timer.join()
    assert line["dataset"] == "trees"
    assert time.monotonic() - began < 15


def test_following_while_things_happen(store, client):
    """Readers that go on from where they were miss nothing and get nothing twice."""
    since = happen(store, "lamps")
    count, written = 120, []

    def write(name):
        written.extend(happen(store, name) for _ in range(count // 2))

    writers = [threading.Thread(target=write, args=(name,)) for name in ("lamps", "trees")]
    for writer in writers:
        writer.start()
    found, until = [], time.monotonic() + 60
    while len(found) < count and time.monotonic() < until:
        answered = client.get(f"/api/v1/changes?since={since}&limit=7&wait=1")
        found += [line["seq"] for line in lines(answered)]
        since = answered.headers["x-last-seq"]
    for writer in writers:
        writer.join()
    assert found == sorted(written)


def test_many_wait_without_a_thread_each(server):
    """Sixty readers that wait keep nobody from being answered."""
    since = int(server.get("/api/v1/changes?since=999999&limit=1").headers["x-last-seq"])
    done = []

    def wait():
        with httpx.Client(timeout=30) as own:
            done.append(own.get(f"{server.url}/api/v1/changes?since={since}&wait=3").status_code)

    waiters = [threading.Thread(target=wait) for _ in range(60)]
    for waiter in waiters:
        waiter.start()
    time.sleep(1)
    began = time.monotonic()
    assert server.get("/api/v1/datasets").status_code == 200
    assert time.monotonic() - began < 3
    for waiter in waiters:
        waiter.join()
    assert done == [200] * 60


def test_the_feeds_know_each_other(client):
    """The change feed links the Atom feed, and that one the change feed."""
    links = client.get("/api/v1/changes").links
    assert links["alternate"]["url"] == "/feed.atom"
    atom = client.get("/feed.atom").text
    assert 'rel="alternate" type="application/x-ndjson"' in atom
    assert "/api/v1/changes" in atom


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("since=-1", "parameter-invalid"),
        ("since=x", "parameter-invalid"),
        ("since=99999999999999999999999", "parameter-invalid"),
        ("limit=0", "parameter-invalid"),
        ("limit=10001", "parameter-invalid"),
        ("what=exploded", "parameter-invalid"),
        ("wait=31", "parameter-invalid"),
        ("wait=nan", "parameter-invalid"),
        ("format=csv", "parameter-invalid"),
        ("after=1", "parameter-unknown"),
    ],
)
def test_wrong_questions(server, query, code):
    """A parameter that is none is refused with what would be right."""
    answered = server.get(f"/api/v1/changes?{query}")
    assert (answered.status_code, answered.json()["code"]) == (400, code), answered.text
