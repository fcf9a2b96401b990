"""Limits by cost, shared between processes; compression; scripts of other sites; request ids."""

from __future__ import annotations

import asyncio
import gzip
import os
import re
import signal
import socket
import subprocess
import threading
import time
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import httpx
import pytest
import zstandard
from hub import Hub
from litestar.testing import TestClient
from own_store import own_store, publish, table

from datahub.settings import Settings
from datahub.store.budgets import _LEASE, _LEASES_AT, _SLOT, _SLOTS, Budgets, Levels, name_of
from datahub.web.app import create_app, serving
from datahub.web.compression import Compression
from datahub.web.limits import Limits, Meter, Sharing

ROWS = "/api/v1/datasets/lamps/resources/lamps/rows"
FILE = "/d/lamps/1/lamps.csv"
LASTING = quote("select max(a.r * b.r) from range(1000000) a(r), range(1000000) b(r)")
POLICY = re.compile(r'"(\w+)";q=(\d+)(?:;w=(\d+))?;qu="([a-z-]+)"')


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A data folder with a small release."""
    place = tmp_path_factory.mktemp("limits")
    store = own_store(place)
    publish(store, table(40_000))
    store.close()
    return place


@pytest.fixture(scope="module")
def pair(folder):
    """A service with two web processes and narrow limits; each test comes from its own address."""
    hub = Hub(
        folder / "data", workers=2, proxied=1, limit_window=60, anonymous_requests=60,
        anonymous_heavy=1, key_requests=0, key_seconds=0, key_bytes=1_500_000, key_heavy=1,
        limit_guesses=10, limit_new_keys=3, sql_seconds=60, sql_children=2,
    )  # fmt: skip
    hub.start()
    yield hub
    hub.stop()


@pytest.fixture
def opened(tmp_path):
    """Make a service in this process, with settings; returns a client of it."""
    clients = []

    def make(**settings):
        store = own_store(tmp_path, proxied=True, **settings)
        clients.append(TestClient(serving(create_app(store))))
        return clients[-1].__enter__()

    yield make
    for client in clients:
        client.__exit__()


def from_(address, **headers):
    """Headers of a request that a proxy took from an address."""
    return {"X-Forwarded-For": f"203.0.113.9, {address}"} | headers


def answered(hub, address, path, times=1, **headers):
    """Ask often, each time by a new connection: any process may answer."""

    def ask(_):
        return httpx.get(hub.url + path, headers=from_(address, **headers), timeout=60)

    with ThreadPoolExecutor(4) as pool:
        return list(pool.map(ask, range(times)))


# Budgets ----------------------------------------------------------------------------------


def test_two_processes_share_a_budget(pair):
    """Of 150 requests in a few seconds as many pass as one process would let: 60 a minute."""
    began = time.monotonic()
    found = answered(pair, "192.0.2.1", "/api/v1/vocabularies", 150)
    seconds = time.monotonic() - began
    passed = [item for item in found if item.status_code == 200]
    refused = [item for item in found if item.status_code == 429]
    assert len(passed) + len(refused) == 150
    assert 60 <= len(passed) <= 62 + seconds
    problem = refused[-1].json()
    assert (problem["code"], problem["facts"]["limit"]) == ("limit-reached", "requests")
    assert "/api/v1/keys" in problem["detail"]
    assert "/api/v1/keys" in problem["detail_zh"]
    assert refused[-1].headers["x-request-id"] == problem["request_id"]
    assert refused[-1].headers["x-ratelimit-remaining"] == "0"
    assert answered(pair, "192.0.2.2", "/api/v1/vocabularies")[0].status_code == 200
    page = answered(pair, "192.0.2.1", "/datasets/lamps", Accept="text/html")[0]
    assert (page.status_code, page.headers["content-type"][:9]) == (429, "text/html")
    assert page.headers["retry-after"].isdecimal()
    assert answered(pair, "192.0.2.1", "/health/live")[0].status_code == 200


def test_who_claims_other_addresses_is_known_by_the_last(pair):
    """What a client writes into X-Forwarded-For itself does not hide it."""
    statuses = Counter()
    for number in range(70):
        headers = {"X-Forwarded-For": f"198.51.100.{number}, 192.0.2.3"}
        statuses[httpx.get(f"{pair.url}/api/v1/vocabularies", headers=headers).status_code] += 1
    assert statuses[429] >= 1


def test_downloads_count_by_bytes(pair):
    """Two hundred small ranges pass, as a download in parallel sends them; whole files add up."""
    made = httpx.post(f"{pair.url}/api/v1/keys", json={"label": "x"}, headers=from_("192.0.2.4"))
    key = made.json()["key"]
    headers = {"X-API-Key": key}
    found = answered(pair, "192.0.2.4", FILE, 200, Range="bytes=0-999", **headers)
    assert {item.status_code for item in found} == {206}
    whole = answered(pair, "192.0.2.4", FILE, **headers)[0]
    size = len(whole.content)
    assert whole.status_code == 200
    assert size > 600_000
    second = answered(pair, "192.0.2.4", FILE, 2, **headers)
    assert {item.status_code for item in second} <= {200, 429}
    last = answered(pair, "192.0.2.4", FILE, **headers)[0]
    assert (last.status_code, last.json()["facts"]["limit"]) == (429, "bytes")
    # The next process to end writes it down; here only what the headers tell is asked.
    assert last.headers["x-ratelimit-resource"] == "bytes"


def test_files_count_by_bytes_alone_and_a_key_can_be_made_at_any_limit(pair):
    """Ranges pass beyond the limit of requests; the advice of a refusal can be followed."""
    own = from_("192.0.2.40")
    ranges = answered(pair, "192.0.2.40", FILE, 80, Range="bytes=0-9")
    assert {item.status_code for item in ranges} == {206}
    found = answered(pair, "192.0.2.40", "/api/v1/vocabularies", 80)
    assert Counter(item.status_code for item in found)[200] >= 60
    problem = next(item for item in found if item.status_code == 429).json()
    assert problem["facts"]["limit"] == "requests"
    assert "POST /api/v1/keys makes you a key" in problem["detail"]
    assert "（/d/…，不计次数）" in problem["detail_zh"]
    for path, status in ((FILE, 200), (f"/api/v1/sql/jobs/{'0' * 32}/result", 404), ("/keys", 200)):
        assert answered(pair, "192.0.2.40", path)[0].status_code == status
    made = [httpx.post(f"{pair.url}/api/v1/keys", json={"label": "x"}, headers=own, timeout=60)
            for _ in range(4)]  # fmt: skip
    assert [item.status_code for item in made] == [201] * 3 + [429]
    assert made[-1].json()["facts"]["limit"] == "keys"
    assert "Use a key that you have" in made[-1].json()["detail"]
    key = made[0].json()["key"]
    again = answered(pair, "192.0.2.40", "/api/v1/vocabularies", **{"X-API-Key": key})
    assert again[0].status_code == 200


def test_the_advice_is_that_of_the_limit(opened):
    """Bytes: less of them; who has a key is not sent for another."""
    client = opened(anonymous_bytes=1000, key_bytes=1000)
    key = client.post("/api/v1/keys", json={"label": "x"}, headers=from_("192.0.2.42")).json()
    for headers, more in ((from_("192.0.2.41"), True), ({"X-API-Key": key["key"]}, False)):
        for _ in range(3):
            found = client.get("/catalog.ttl", headers=headers)
        problem = found.json()
        assert (found.status_code, problem["facts"]["limit"]) == (429, "bytes")
        assert "fewer columns" in problem["detail"]
        assert "请只取需要的列" in problem["detail_zh"]
        assert "/d/" not in problem["detail"]
        assert ("POST /api/v1/keys" in problem["detail"]) is more


def test_a_key_may_spend_more_than_an_address():
    """As the documentation says, without any setting."""
    own = Settings()
    for name in ("seconds", "bytes", "requests", "heavy"):
        assert getattr(own, f"key_{name}") > getattr(own, f"anonymous_{name}")


def test_waiting_as_told_is_enough(opened):
    """After Retry-After seconds the next request passes; before, it does not."""
    client = opened(limit_window=8, anonymous_requests=8)
    found = [client.get("/api/v1/vocabularies", headers=from_("192.0.2.5")) for _ in range(30)]
    refused = [item for item in found if item.status_code == 429]
    assert refused
    again = client.get("/api/v1/vocabularies", headers=from_("192.0.2.5"))
    seconds = int(again.headers["retry-after"]) if again.status_code == 429 else 0
    assert seconds <= 2
    time.sleep(seconds)
    passed = client.get("/api/v1/vocabularies", headers=from_("192.0.2.5"))
    assert passed.status_code == 200


def test_work_is_counted(opened):
    """A budget of work ends by what requests take, not by their number; it comes back."""
    client = opened(limit_window=4, anonymous_seconds=0.05)
    statuses = []
    for _ in range(400):
        found = client.get("/catalog.ttl", headers=from_("192.0.2.6"))
        statuses.append(found.status_code)
        if found.status_code == 429:
            break
    problem = found.json()
    assert statuses.count(200) >= 1
    assert (problem["facts"]["limit"], problem["retryable"]) == ("work", True)
    assert found.headers["retry-after"] == str(problem["facts"]["retry_after"])
    time.sleep(int(found.headers["retry-after"]))
    assert client.get("/catalog.ttl", headers=from_("192.0.2.6")).status_code == 200


def left(hub, address):
    """Milliseconds of work that an address has left, as a request of a moment tells them."""
    found = httpx.get(f"{hub.url}/api/v1/datasets", headers=from_(address))
    assert found.headers["x-ratelimit-resource"] == "work"
    return int(found.headers["x-ratelimit-remaining"])


def test_the_work_of_children_and_jobs_is_charged(tmp_path):
    """Who asks pays what a child took of a processor, at once or in a job; others pay nothing."""
    own_store(tmp_path, "lamps").close()
    hub = Hub(tmp_path / "data", proxied="true", limit_window=36_000, anonymous_seconds=30)
    hub.start()
    try:
        sql = "select sum(a.range % 7 + b.range % 3) as n from range(20000) a, range(3000) b"
        before, others = left(hub, "192.0.2.30"), left(hub, "192.0.2.31")
        asked = {"params": {"q": sql}, "headers": from_("192.0.2.30"), "timeout": 60}
        assert httpx.get(f"{hub.url}/api/v1/sql", **asked).status_code == 200
        once = before - left(hub, "192.0.2.30")
        assert 100 < once < 10_000  # its CPU, a busy machine's wall clock aside
        key = hub.post("/api/v1/keys", json={"label": "x"}).json()["key"]
        for headers in (from_("192.0.2.30"), {"X-API-Key": key}):
            made = httpx.post(
                f"{hub.url}/api/v1/sql/jobs", json={"q": sql}, headers=headers, timeout=60
            )
            job = made.headers["location"]
            until = time.monotonic() + 60
            while hub.get(job).json()["state"] != "done" and time.monotonic() < until:
                time.sleep(0.1)
        until = time.monotonic() + 30
        while (now := left(hub, "192.0.2.30")) > before - once - 100 and time.monotonic() < until:
            time.sleep(0.2)
        assert now < before - once - 100
        assert others - left(hub, "192.0.2.31") < 100
        while time.monotonic() < until:
            headers = {"X-API-Key": key}
            told = httpx.get(f"{hub.url}/api/v1/keys/self/usage", headers=headers).json()
            counted = sum(day["milliseconds"] for day in told["data"])
            if counted > 100:
                break
            time.sleep(0.2)
        assert counted > 100
    finally:
        hub.stop()


def test_a_child_that_ends_after_its_request_is_paid(tmp_path):
    """A meter that is over counts no more time of this process, and charges what comes late."""
    store = own_store(tmp_path, anonymous_seconds=10)
    limits = Limits(None, store)
    address = name_of("address", "late")
    meter = Meter(limits, address, address, limits.anonymous, None)
    meter.work()
    meter.end()
    meter.work()  # a task that was cancelled goes on to its end
    assert limits.sharing._requests == 0
    meter.pay(2.0)
    levels, _ = limits.budgets.admit(address, limits.anonymous.quota)
    assert 1900 < levels.work <= 2100
    store.close()


def test_headers_tell_the_policy(opened):
    """Every limited answer tells the quotas and the nearest one's rest; probes and people none."""
    client = opened(anonymous_bytes=5_000_000)
    for path, status in ((ROWS, 404), ("/api/v1/datasets", 200), ("/nowhere", 404)):
        found = client.get(path)
        told = {name: (int(most), w, unit)
                for name, most, w, unit in POLICY.findall(found.headers["ratelimit-policy"])}  # fmt: skip
        assert found.status_code == status
        assert told == {
            "work": (600_000, "600", "milliseconds"),
            "bytes": (5_000_000, "600", "content-bytes"),
            "requests": (2_000_000, "600", "requests"),
            "heavy": (3, "", "concurrent-requests"),
        }
        name, left, _ = re.fullmatch(
            r'"(\w+)";r=(\d+);t=(\d+)', found.headers["ratelimit"]
        ).groups()
        assert found.headers["x-ratelimit-resource"] == name
        assert found.headers["x-ratelimit-remaining"] == left
        assert found.headers["x-ratelimit-limit"] == str(told[name][0])
    assert "ratelimit" not in client.get("/health/live").headers


def test_no_limits_where_they_are_off(opened):
    """Quotas of 0 are none."""
    client = opened(anonymous_seconds=0, anonymous_bytes=0, anonymous_requests=0, anonymous_heavy=0)
    found = client.get("/api/v1/datasets").headers
    assert not {"ratelimit", "ratelimit-policy", "x-ratelimit-limit"} & set(found)


# Keys -------------------------------------------------------------------------------------


def test_guessing_is_limited_by_address(pair):
    """After ten wrong keys an address is refused unheard, by tokens, too; others are not."""
    found = [
        answered(pair, "192.0.2.7", ROWS, Authorization=f"Bearer {kind}_{'x' * 40}{n:03}")[0]
        for n in range(8)
        for kind in ("dk", "dh")
    ]
    codes = [item.json()["code"] for item in found]
    assert codes.count("limit-reached") >= 5
    assert codes[:10] == ["key-invalid", "token-invalid"] * 5
    assert found[-1].json()["facts"]["limit"] == "guesses"
    assert found[-1].headers["retry-after"].isdecimal()
    assert answered(pair, "192.0.2.7", ROWS)[0].status_code == 200
    other = answered(pair, "192.0.2.8", ROWS, Authorization="Bearer dk_wrong")[0]
    assert other.status_code == 401


def test_making_keys_is_limited_by_address(pair):
    """An address makes three keys, and is told when it may make the next."""
    found = [
        httpx.post(f"{pair.url}/api/v1/keys", json={"label": "x"}, headers=from_("2001:db8::1"))
        for _ in range(4)
    ]
    assert [item.status_code for item in found] == [201, 201, 201, 429]
    assert found[-1].json()["facts"]["limit"] == "keys"
    headers = from_("2001:db8::ffff:1")  # a neighbour in the same network of IPv6
    again = httpx.post(f"{pair.url}/api/v1/keys", json={"label": "x"}, headers=headers)
    assert again.status_code == 429
    assert 1 <= int(again.headers["retry-after"]) <= 21


# Heavy requests ---------------------------------------------------------------------------


def _holders(data):
    """Processes that work on heavy requests just now."""
    found = (data / "run" / "budgets").read_bytes()[_LEASES_AT:]
    return [pid for _, pid, _ in _LEASE.iter_unpack(found) if pid]


def test_heavy_requests_of_a_killed_process_are_over(pair):
    """One at a time: a second one is told to wait; kill -9 of the process that works frees it."""
    url, headers = f"{pair.url}/api/v1/sql?q={LASTING}", from_("192.0.2.10")

    def ask():
        with pytest.raises(httpx.TransportError):
            httpx.get(url, headers=headers, timeout=60)

    first = threading.Thread(target=ask)
    first.start()
    until = time.monotonic() + 20
    while not (working := _holders(pair.data)) and time.monotonic() < until:
        time.sleep(0.05)
    small = f"{pair.url}/api/v1/sql?q=select+42"
    refused = httpx.get(small, headers=headers, timeout=30)
    assert (refused.status_code, refused.json()["code"]) == (429, "too-many-at-once")
    assert refused.headers["retry-after"] == "5"
    light = httpx.get(pair.url + ROWS, headers=headers)
    assert light.status_code == 200
    os.kill(working[0], signal.SIGKILL)
    first.join()
    found = answered(pair, "192.0.2.10", "/api/v1/sql?q=select+42+as+n")[0]
    assert (found.status_code, found.json()["data"]) == (200, [{"n": 42}])
    pair.wait_ready()


def test_heavy_requests_wait_for_each_other(pair):
    """Eight short questions at once, one allowed at a time, are all answered."""
    found = answered(pair, "192.0.2.11", "/api/v1/sql?q=select+1", 8)
    assert {item.status_code for item in found} == {200}
    assert not _holders(pair.data)


# The file of budgets ----------------------------------------------------------------------


class Turned:
    """A clock that tests turn on."""

    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    """A clock that stands."""
    return Turned()


@pytest.fixture
def two(tmp_path, clock):
    """Two maps of one file, as of two processes."""
    maps = [Budgets(tmp_path / "run" / "budgets", 100, clock) for _ in range(2)]
    yield maps
    for item in maps:
        item.close()


QUOTA = Levels(work=1000, bytes=500)
ONE = name_of("address", "192.0.2.1")


def test_levels_sink_steadily(two, clock):
    """What one process spends the other sees; a tenth of the window gives a tenth back."""
    two[0].spend(ONE, QUOTA, Levels(work=600, bytes=100))
    clock.now += 10
    assert two[1].spend(ONE, QUOTA, Levels()) == Levels(work=500, bytes=50)
    clock.now += 100
    assert two[0].spend(ONE, QUOTA, Levels()) == Levels()


def test_a_level_is_paid_off_in_a_window(two, clock):
    """However much was spent, after one window a caller is admitted; as told, not earlier."""
    two[0].spend(ONE, QUOTA, Levels(work=1e12))
    levels, admitted = two[1].admit(ONE, QUOTA)
    seconds, name = two[1].wait(levels, QUOTA)
    assert (admitted, levels.work, seconds, name) == (False, 2000, 101, "work")
    clock.now += seconds - 1.1
    assert not two[0].admit(ONE, QUOTA)[1]
    clock.now += 1.1
    assert two[0].admit(ONE, QUOTA)[1]


@pytest.mark.parametrize("jump", [-900.0, -1e9])
def test_a_clock_that_began_anew_locks_nobody_out(two, clock, jump):
    """After a restart of the machine levels sink from then on."""
    two[0].spend(ONE, QUOTA, Levels(work=2000))
    clock.now += jump
    assert not two[1].admit(ONE, QUOTA)[1]
    two[1].spend(ONE, QUOTA, Levels())
    clock.now += 101
    assert two[1].admit(ONE, QUOTA)[1]


def test_a_torn_file_locks_nobody_out(tmp_path, clock):
    """Whatever bytes stand in the file, callers are admitted within two windows."""
    file = tmp_path / "run" / "budgets"
    Budgets(file, 100, clock).close()
    slot = _SLOT.pack(ONE, float("nan"), *[float("nan")] * 5)
    file.write_bytes(slot * _SLOTS + b"\xff" * (file.stat().st_size - len(slot) * _SLOTS))
    budgets = Budgets(file, 100, clock)
    assert budgets.admit(ONE, QUOTA)[1]
    assert budgets.take(ONE, 1) is not None
    budgets.close()


def test_more_callers_than_places(tmp_path, clock):
    """The file does not grow; who rested longest is forgotten."""
    budgets = Budgets(tmp_path / "run" / "budgets", 100, clock)
    size = (tmp_path / "run" / "budgets").stat().st_size
    for number in range(3 * _SLOTS):
        clock.now += 0.0001
        budgets.spend(name_of("address", str(number)), QUOTA, Levels(work=900))
    last = budgets.spend(name_of("address", str(3 * _SLOTS - 1)), QUOTA, Levels())
    assert last.work == pytest.approx(900, abs=1)
    assert (tmp_path / "run" / "budgets").stat().st_size == size
    budgets.close()


def test_leases_are_shared_and_given_back(two):
    """Two processes have as many as one caller may; others have their own."""
    first, second = two[0].take(ONE, 2), two[1].take(ONE, 2)
    assert None not in (first, second)
    assert two[0].take(ONE, 2) is None
    assert two[0].take(name_of("key", "k"), 2) is not None
    two[1].give(first)
    assert two[0].take(ONE, 2) == first


def test_time_is_shared_by_those_who_work(monkeypatch):
    """Two requests that overlap pay half each for that time; all time is paid once."""
    now = [0.0]
    monkeypatch.setattr("datahub.web.limits.time.perf_counter", lambda: now[0])
    sharing = Sharing()
    first = sharing.enter()
    now[0] = 1.0
    second = sharing.enter()
    now[0] = 3.0
    assert sharing.leave(first) == 2.0
    now[0] = 4.0
    assert sharing.leave(second) == 2.0


# Compression ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client(folder):
    """The service in this process, on the module's release."""
    from datahub import settings
    from datahub.store import open_store

    store = open_store(settings.Settings(data=folder / "data"))
    with TestClient(serving(create_app(store))) as opened:
        yield opened


TEXTS = (
    f"{ROWS}?limit=500", f"{ROWS}.csv?limit=500", f"{ROWS}.ndjson?limit=500",
    "/catalog.ttl", "/catalog.jsonld", "/catalog.ndjson", "/openapi.json", "/docs", "/datasets/lamps",
)  # fmt: skip


def unpacked(coding, packed):
    """Bytes as they were before they were packed."""
    if coding == "gzip":
        return gzip.decompress(packed)
    return zstandard.ZstdDecompressor().decompressobj().decompress(packed)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@pytest.mark.parametrize("path", TEXTS)
def test_texts_are_compressed(client, path, coding):
    """Compressed or not, twice or at once, the same text comes; its tag says it is weak."""
    bare = client.get(path, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in bare.headers
    assert "accept-encoding" in bare.headers["vary"].lower()
    for _ in range(2):
        with client.stream("GET", path, headers={"Accept-Encoding": coding}) as found:
            packed = b"".join(found.iter_raw())
        assert found.headers["content-encoding"] == coding
        assert unpacked(coding, packed) == bare.content
        assert len(packed) < len(bare.content)
        assert found.headers.get("content-length", str(len(packed))) == str(len(packed))
        assert "accept-encoding" in found.headers["vary"].lower()
        if "etag" in bare.headers:
            tag = found.headers["etag"]
            assert tag.removeprefix("W/") == bare.headers["etag"].removeprefix("W/")
            assert tag.startswith("W/")
            given = {"If-None-Match": tag, "Accept-Encoding": coding}
            unchanged = client.get(path, headers=given)
            assert (unchanged.status_code, unchanged.content) == (304, b"")
            assert unchanged.headers["etag"] == tag
    head = client.head(path, headers={"Accept-Encoding": coding})
    assert (head.status_code, head.headers.get("content-encoding")) == (200, coding)
    assert head.headers.get("content-length", str(len(packed))) == str(len(packed))


@pytest.mark.parametrize(
    ("accepts", "coding"),
    [
        ("gzip", "gzip"), ("GZIP", "gzip"), ("x-gzip", "gzip"), ("br, gzip;q=0.5", "gzip"),
        ("deflate, gzip;q=1.0, *;q=0.5", "gzip"), ("gzip;q=0.001", "gzip"),
        ("gzip, deflate, br, zstd", "zstd"), ("zstd, gzip", "zstd"), ("ZSTD;q=0.1", "zstd"),
        ("gzip;q=0.9, zstd;q=0.8", "gzip"), ("zstd;q=0, gzip", "gzip"), ("*", "zstd"),
        ("gzip;q=0, *", "zstd"), ("zstd;q=0, *", "gzip"), ("zstd;q=0.5, identity;q=0.5", "zstd"),
        ("", None), ("identity", None), ("gzip;q=0", None), ("*;q=0", None), ("br", None),
        ("identity, gzip;q=0.5", None), ("gzip;q=x", None), ("identity, zstd;q=0.9", None),
    ],
)  # fmt: skip
def test_accept_encoding_is_read_as_it_is_meant(client, accepts, coding):
    """Weights count; among equals zstd comes first; what is forbidden or liked less is not sent."""
    found = client.get("/openapi.json", headers={"Accept-Encoding": accepts})
    assert found.headers.get("content-encoding") == coding


def test_pieces_of_a_stream_can_be_read_as_they_come():
    """Each piece that goes out unpacks to what was sent so far, and the end is the end."""
    pieces = [f"路灯 {number}\n".encode() * 40 for number in range(5)]
    for coding in ("gzip", "zstd"):
        sent = asyncio.run(streamed(pieces, coding))
        reader = (
            zlib.decompressobj(31)
            if coding == "gzip"
            else (zstandard.ZstdDecompressor().decompressobj())
        )
        assert [reader.decompress(part) for part in sent] == [*pieces, b""]
        assert reader.eof


async def streamed(pieces, coding):
    """Bodies of the messages in which Compression sends a stream."""
    sent = []

    async def app(_scope, _receive, send):
        headers = [(b"content-type", b"text/csv")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def send(message):
        if message["type"] == "http.response.body":
            sent.append(message["body"])

    accepts = [(b"accept-encoding", coding.encode())]
    scope = {"type": "http", "method": "GET", "path": "/x", "headers": accepts}
    await Compression(app)(scope, None, send)
    return sent


def test_clients_unpack_what_they_ask_for(server, tmp_path):
    """As httpx and curl do of themselves: fewer bytes on the way, the same text."""
    path = "/api/v1/datasets/air_hourly/resources/air_hourly/rows.csv?limit=2000"
    bare = httpx.get(server.url + path, headers={"Accept-Encoding": "identity"})
    found = httpx.get(server.url + path)
    assert (found.headers["content-encoding"], found.text) == ("zstd", bare.text)
    assert found.num_bytes_downloaded < len(bare.content) / 4
    for accepts in ("gzip", "zstd"):
        target = tmp_path / accepts
        command = ["curl", "-s", "--compressed", "-H", f"Accept-Encoding: {accepts}"]
        subprocess.run([*command, "-o", target, server.url + path], check=True, timeout=60)
        packed = target.read_bytes()
        if packed[:4] == b"\x28\xb5\x2f\xfd":  # a curl that was built without zstd
            packed = unpacked("zstd", packed)
        assert packed == bare.content


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        (FILE, {}),
        (FILE, {"Range": "bytes=0-4999"}),
        ("/d/lamps/1/bundle.zip", {}),
        ("/d/lamps/1/manifest.json", {}),
        (f"{ROWS}?limit=1", {}),
        (f"{ROWS}.parquet?limit=1", {}),
    ],
)
def test_what_is_not_compressed(client, path, headers):
    """Published files and ranges never, nor what is small or packed already."""
    found = client.get(path, headers={"Accept-Encoding": "gzip, zstd"} | headers)
    assert "content-encoding" not in found.headers
    if path.startswith("/d/"):
        assert found.headers["etag"].startswith('"')
        assert int(found.headers["content-length"]) == len(found.content)


# Scripts of other sites, request ids --------------------------------------------------------


@pytest.mark.parametrize("path", [ROWS, FILE, "/api/v1/sql", "/api/v1/keys/self", "/catalog.ttl"])
def test_preflight(client, path):
    """Any site's script may send keys, conditions and ranges."""
    asked = {"Origin": "https://example.org", "Access-Control-Request-Method": "GET"}
    wanted = "authorization,x-api-key,if-none-match,range"
    found = client.options(path, headers=asked | {"Access-Control-Request-Headers": wanted})
    assert (found.status_code, found.headers["access-control-allow-origin"]) == (204, "*")
    allowed = found.headers["access-control-allow-headers"].lower().split(", ")
    assert set(wanted.split(",")) <= set(allowed)
    assert "access-control-allow-credentials" not in found.headers
    assert re.fullmatch(r"[0-9a-f]{16}", found.headers["x-request-id"])


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (ROWS, {}, 200),
        (f"{ROWS}?x=1", {}, 400),
        ("/nowhere", {}, 404),
        (ROWS, {"X-API-Key": "dk_x"}, 401),
        (f"{ROWS}?key=dk_{'x' * 43}", {}, 401),
        (ROWS, {"X-Long": "x" * 70_000}, 431),
    ],
)
def test_scripts_may_read_every_answer(client, path, headers, status):
    """Errors, too, and those of before any route; limits and ids are among what is exposed."""
    found = client.get(path, headers=headers | {"Origin": "https://example.org"})
    assert found.status_code == status
    assert found.headers["access-control-allow-origin"] == "*"
    exposed = found.headers["access-control-expose-headers"].lower().split(", ")
    told = {name for name in found.headers if name.startswith(("x-r", "rate", "retry", "link"))}
    assert told <= set(exposed)
    assert re.fullmatch(r"[0-9a-f]{16}", found.headers["x-request-id"])


def test_what_is_no_http_has_an_id(pair):
    """The protocol's own refusal is a problem with an id."""
    with socket.create_connection(("127.0.0.1", pair.port)) as connection:
        connection.sendall(b"HELLO\r\n\r\n")
        found = connection.recv(65536).decode()
    assert found.startswith("HTTP/1.1 400 ")
    identifier = re.search(r"x-request-id: ([0-9a-f]{16})\r\n", found).group(1)
    assert f'"request_id":"{identifier}"' in found


def test_a_proxys_id_is_kept(pair):
    """Behind a proxy the request keeps its id, if it is one."""
    for sent, kept in (("edge-0123456789", True), ("x y z 12345678", False), ("short", False)):
        headers = from_("192.0.2.12") | {"X-Request-Id": sent}
        found = httpx.get(f"{pair.url}/api/v1/vocabularies", headers=headers).headers[
            "x-request-id"
        ]
        assert (found == sent) is kept


def test_a_client_does_not_choose_its_id(client):
    """Without a proxy an id that came with the request would pass for another's."""
    found = client.get("/api/v1/datasets", headers={"X-Request-Id": "edge-0123456789"})
    assert found.headers["x-request-id"] != "edge-0123456789"
