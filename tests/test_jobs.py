"""Jobs: from the line to the file, told apart from half of one, whoever is killed meanwhile."""

from __future__ import annotations

import base64
import io
import time
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import httpx
import pyarrow.parquet as pq
import pytest
from hub import Hub
from own_store import own_store, publish, swift, table

from datahub.clock import stamp
from datahub.errands.compute import recover, sweep
from datahub.errors import DatahubError
from datahub.errors_jobs import JobLimit, JobUnknown
from datahub.errors_query import QueryBusy, QueryLimit
from datahub.model import Pin
from datahub.store import jobs
from datahub.store.jobs import Result

JOBS = "/api/v1/sql/jobs"
ENDLESS = "select count(*) as n from range(1000000) a, range(1000000) b, range(1000) c"
SLOW = "select sum(a.range % 7 + b.range % 3) as n from range(20000) a, range(6000) b"
ROOM = 1 << 30
LAMPS = {"dataset": "lamps", "resource": "lamps", "version": 1}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    """A service on a small catalog, with one table; jobs take six seconds at most."""
    folder = tmp_path_factory.mktemp("jobs")
    store = own_store(folder, "lamps", "trees")
    with pytest.MonkeyPatch.context() as patch:
        swift(patch)
        publish(store, table(5000), dataset="lamps")
        publish(store, table(20), dataset="trees")
        publish(store, table(25), dataset="trees")
    store.close()
    own = Hub(folder / "data", catalog=folder / "catalog", job_seconds=6, sql_seconds=2)
    own.start()
    yield own
    own.stop()


def hand_in(hub, q, **body):
    """Hand a job in from an address of its own, and return it."""
    answered = hub.post(JOBS, json={"q": q} | body)
    assert answered.status_code == 202, answered.text
    return answered.json()


def test_every_version_that_was_read_is_told(hub):
    """A table read in two versions is told twice: in JSON, in headers, in jobs and on the page."""
    new = 'select count(*) as n from "trees@v2" n anti join "trees@v1" o on n.id = o.id, trees'
    both = [{"dataset": "trees", "resource": "trees", "version": number} for number in (2, 1)]
    answered = hub.get("/api/v1/sql", params={"q": new})
    assert (answered.json()["data"], answered.json()["versions"]) == ([{"n": 125}], both)
    assert answered.headers["x-versions"] == "trees.trees=2, trees.trees=1"
    job = wait(hub, hand_in(hub, new, format="json"))
    assert (job["versions"], hub.get(job["links"]["result"]).json()["versions"]) == (both, both)
    page = hub.get("/sql", params={"q": new}, headers={"Accept": "text/html"}).text
    assert "<code>trees.trees</code> 第 2 版" in page
    assert "<code>trees.trees</code> 第 1 版" in page


def wait(hub, job, *states, seconds=40):
    """Wait until a job is in one of these states."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = hub.get(f"{JOBS}/{job['id']}").json()
        if found["state"] in (states or ("done", "failed")):
            return found
        time.sleep(0.1)
    raise AssertionError(found)


def forget(hub, job):
    """Delete a job."""
    return httpx.delete(f"{hub.url}{JOBS}/{job['id']}", timeout=30)


# A job's life ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_a_job_from_the_line_to_its_file(hub, form):
    """It is told when it is handed in what it will read, and afterwards what came of it."""
    q = 'select id, name as "名称" from lamps where id > $least order by id'
    answered = hub.post(JOBS, json={"q": q, "params": {"least": 10}, "format": form})
    assert answered.status_code == 202, answered.text
    made = answered.json()
    assert answered.headers["location"] == f"{JOBS}/{made['id']}" == made["links"]["self"]
    assert (len(made["id"]), made["state"]) == (32, "waiting")
    assert (made["versions"], made["rows"]) == ([LAMPS], None)
    assert int(answered.headers["retry-after"]) >= 1
    found = wait(hub, made)
    assert (found["state"], found["rows"], found["truncated"]) == ("done", 4990, None), found
    result = hub.get(found["links"]["result"])
    assert result.status_code == 200
    digest = sha256(result.content).hexdigest()
    assert (found["sha256"], found["bytes"]) == (digest, len(result.content))
    assert result.headers["etag"] == f'"sha256-{digest}"'
    told = base64.b64encode(bytes.fromhex(digest)).decode()
    assert result.headers["repr-digest"] == f"sha-256=:{told}:"
    assert f"job-{made['id'][:8]}.{form}" in result.headers["content-disposition"]
    week = datetime.fromisoformat(found["expires"]) - datetime.fromisoformat(found["ended"])
    assert week == timedelta(days=7)
    if form == "csv":
        lines = result.text.splitlines()
        assert (lines[0], lines[1], len(lines)) == ("id,名称", "11,路灯11", 4991)
    elif form == "json":
        read = result.json()
        assert (len(read["data"]), read["data"][0]) == (4990, {"id": 11, "名称": "路灯11"})
        assert (read["rows"], read["truncated"], read["versions"]) == (
            *(4990, False),
            [LAMPS],
        )
    else:
        read = pq.read_table(io.BytesIO(result.content))
        assert (read.column_names, read.num_rows) == (["id", "名称"], 4990)


def test_a_result_in_ranges(hub):
    """Any range of it, on a condition or not; what the client has is not sent again."""
    found = wait(hub, hand_in(hub, "select * from lamps order by id", format="csv"))
    address = found["links"]["result"]
    whole = hub.get(address)
    etag = whole.headers["etag"]
    assert len(whole.content) > 64 << 10  # so that it goes by sendfile
    for asked, right in (("bytes=5-20", slice(5, 21)), ("bytes=-7", slice(-7, None))):
        part = hub.get(address, headers={"Range": asked, "If-Range": etag})
        assert (part.status_code, part.content) == (206, whole.content[right])
    other = hub.get(address, headers={"Range": "bytes=5-20", "If-Range": '"other"'})
    assert (other.status_code, other.content) == (200, whole.content)
    assert hub.get(address, headers={"Range": "bytes=9999999-"}).status_code == 416
    assert hub.get(address, headers={"If-None-Match": etag}).status_code == 304
    head = httpx.head(hub.url + address)
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(whole.content)))


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"q": "select nme from lamps"}, 400, "sql-invalid"),
        ({"q": "select * from nowhere"}, 404, "dataset-unknown"),
        ({"q": 'select * from "lamps@v9"'}, 404, "release-unknown"),
        ({"q": "copy lamps to 'x'"}, 400, "sql-invalid"),
        ({"q": "select * from read_csv('/etc/passwd')"}, 400, "sql-invalid"),
        ({"q": "select $a as a"}, 400, "sql-invalid"),
        ({"q": "select 1", "params": {"a": {"b": 1}}}, 400, "body-invalid"),
        ({"q": "select 1", "format": "docx"}, 404, "form-unknown"),
        ({"q": "select 1 as n", "format": "geojson"}, 406, "form-unfit"),
        ({"q": "select 1", "rows": 5}, 400, "body-invalid"),
        ({}, 400, "body-invalid"),
    ],
)
def test_mistakes_are_told_when_it_is_handed_in(hub, body, status, code):
    """What cannot run is refused with the words of SQL, and nothing waits for it."""
    answered = hub.post(JOBS, json=body)
    assert answered.status_code == status, answered.text
    assert answered.json()["code"] == code
    assert answered.json()["detail_zh"] != answered.json()["detail"]


def test_a_job_that_fails_tells_why(hub):
    """A value that is wrong only in the data fails the job; its result says the same."""
    found = wait(hub, hand_in(hub, "select name::int as n from lamps", format="csv"))
    assert (found["state"], found["problem"]["code"]) == ("failed", "sql-invalid")
    assert "路灯" in found["problem"]["detail_zh"]
    result = hub.get(f"{JOBS}/{found['id']}/result")
    assert (result.status_code, result.json()["code"]) == (409, "job-failed")
    assert found["rows"] is None
    assert "result" not in found["links"]


def test_a_job_has_a_time(hub):
    """What takes longer is ended; a job has more time than a question."""
    assert hub.post("/api/v1/sql", json={"q": ENDLESS}).json()["code"] == "query-limit"
    found = wait(hub, hand_in(hub, ENDLESS))
    assert (found["state"], found["problem"]["code"]) == ("failed", "query-limit")
    began, ended = (datetime.fromisoformat(found[name]) for name in ("started", "ended"))
    assert ended - began > timedelta(seconds=5)


def test_a_job_that_is_deleted(hub):
    """Waiting, running or done, it goes: nobody works on it, its file is gone, its id unknown."""
    done = wait(hub, hand_in(hub, "select 1 as n"))
    endless = [hand_in(hub, ENDLESS) for _ in range(3)]
    wait(hub, endless[1], "running")
    early = hub.get(f"{JOBS}/{endless[1]['id']}/result")
    assert (early.status_code, early.json()["code"]) == (409, "job-unfinished")
    assert int(early.headers["retry-after"]) >= 1
    waiting = hub.get(f"{JOBS}/{endless[2]['id']}").json()
    assert (waiting["state"], waiting["position"]) == ("waiting", 1)
    assert hub.post("/api/v1/sql", json={"q": "select 1 as n"}).status_code == 200
    for job in (done, *endless):
        assert forget(hub, job).status_code == 200
        for path in (job["id"], f"{job['id']}/result"):
            answered = hub.get(f"{JOBS}/{path}")
            assert (answered.status_code, answered.json()["code"]) == (404, "job-unknown")
    assert forget(hub, done).status_code == 404
    assert wait(hub, hand_in(hub, "select 2 as n"), seconds=5)["state"] == "done"
    assert not [p for p in (hub.data / "results").iterdir() if p.name.startswith(done["id"])]


def test_five_at_a_time(hub):
    """An address has five jobs in line at most; who holds a token has their own line and list."""
    mine = [hand_in(hub, ENDLESS) for _ in range(5)]
    answered = hub.post(JOBS, json={"q": "select 1"})
    assert (answered.status_code, answered.json()["code"]) == (429, "job-limit")
    assert "retry-after" in answered.headers
    token = hub.token("steward", "p1")
    own = hub.post(JOBS, json={"q": "select 1"}, token=token).json()
    assert own["position"] == 1  # its owner had none yet
    assert [job["id"] for job in hub.get(JOBS, token=token).json()] == [own["id"]]
    assert hub.get(JOBS).json() == []
    key = hub.post("/api/v1/keys", json={"label": "作业"}).json()["key"]
    keyed = hub.post(JOBS, json={"q": "select 1"}, token=key).json()
    assert [job["id"] for job in hub.get(JOBS, token=key).json()] == [keyed["id"]]
    foreign = forget(hub, own)
    assert (foreign.status_code, foreign.json()["code"]) == (403, "not-yours")
    for job in mine:
        assert forget(hub, job).status_code == 200
    assert wait(hub, own)["state"] == "done"


def test_the_worker_is_killed(hub):
    """A job whose worker is killed is begun again, and its result is whole."""
    job = hand_in(hub, SLOW, format="csv")
    wait(hub, job, "running")
    hub.kill("worker")
    assert hub.get(f"{JOBS}/{job['id']}/result").status_code == 409
    found = wait(hub, job)
    assert (found["state"], found["attempts"]) == ("done", 2), found
    result = hub.get(found["links"]["result"])
    assert sha256(result.content).hexdigest() == found["sha256"]
    assert result.text.splitlines()[0] == "n"
    assert not list((hub.data / "results").glob("*.new"))


@pytest.mark.parametrize("identifier", ["0" * 32, "..%2f..%2fcatalog.sqlite", "%00", "x" * 5000])
def test_ids_that_nobody_has(hub, identifier):
    """An id that was not told is 404, and no path."""
    for path in (identifier, f"{identifier}/result"):
        assert hub.get(f"{JOBS}/{path}").status_code == 404


# The line and what is kept --------------------------------------------------------------------


class Clock:
    """A clock that tests turn."""

    def __init__(self) -> None:
        self.now = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


@pytest.fixture
def store(tmp_path):
    """A store with a clock of its own."""
    own = own_store(tmp_path, clock=Clock())
    yield own
    own.close()


def made(store, owner, **changes):
    """Put a job in line."""
    given = {"sql": "select 1", "values": {"a": 1}, "form": "csv", "room": ROOM}
    given["versions"] = [Pin("", "lamps", "lamps", "lamps", 1)]
    with store.catalog.write() as db:
        return jobs.create(db, owner=owner, now=stamp(store.clock), **(given | changes))


def begun(store):
    """Begin the next job."""
    with store.catalog.write() as db:
        return jobs.begin(db, stamp(store.clock))


def done(store, job, size=10):
    """Finish a job with a file of so many bytes."""
    (jobs.folder(store) / job.id).write_bytes(b"x" * size)
    with store.catalog.write() as db:
        return jobs.finish(db, job, Result(1, size, "0" * 64, None), stamp(store.clock))


def state(store, job):
    """State of a job, and its attempts."""
    with store.catalog.read() as db:
        found = jobs.get(db, job.id)
    return found.state, found.attempts


def test_owners_take_turns(store):
    """Who hands in many jobs keeps nobody waiting longer than one of them takes."""
    for owner in ("a", "a", "a", "a", "b", "b", "c"):
        made(store, owner)
    order = []
    while (job := begun(store)) is not None:
        order.append(job.owner)
        done(store, job)
    assert order == ["a", "b", "c", "a", "b", "a", "a"]


def test_a_job_comes_back_as_it_was(store):
    """What was handed in is what is worked on."""
    job = made(store, "a", values={"名": ["值", 1, None, True]})
    found = begun(store)
    assert (found.values, found.versions) == (job.values, job.versions)
    assert (found.state, found.attempts) == ("running", 1)


def test_interruptions_are_counted(store):
    """A job is begun three times at most; one that was only put off is not counted."""
    job = made(store, "a")
    for attempt in (1, 2):
        assert begun(store).attempts == attempt
        recover(store)
        assert state(store, job) == ("waiting", attempt)
    put_off = begun(store)
    with store.catalog.write() as db:
        jobs.again(db, put_off, counted=False, now=stamp(store.clock))
    assert state(store, job) == ("waiting", 2)
    assert begun(store).attempts == 3
    recover(store)
    assert state(store, job) == ("failed", 3)
    with store.catalog.read() as db:
        assert jobs.get(db, job.id).problem["code"] == "job-abandoned"


def test_what_no_job_owns_is_swept(store):
    """A file that a killed worker left is removed; one of a job that is done stays."""
    kept, half = made(store, "a"), made(store, "a")
    done(store, begun(store))
    begun(store)
    folder = jobs.folder(store)
    for name in (half.id, f"{half.id}.new", "other"):
        (folder / name).write_bytes(b"half")
    recover(store)
    assert [path.name for path in folder.iterdir()] == [kept.id]


def test_nobody_wants_it_any_more(store):
    """A job that was deleted while it ran is not done, and nothing makes it appear again."""
    job = made(store, "a")
    running = begun(store)
    with store.catalog.write() as db:
        jobs.delete(db, job.id)
    assert done(store, running) is False
    with store.catalog.write() as db:
        jobs.fail(db, running, QueryLimit(), stamp(store.clock))
        jobs.again(db, running, counted=True, now=stamp(store.clock))
        with pytest.raises(JobUnknown):
            jobs.get(db, job.id)


def test_results_are_kept_a_week(store):
    """After seven days the file is gone and the job says so; after four weeks it is forgotten."""
    job = made(store, "a")
    done(store, begun(store))
    path = jobs.folder(store) / job.id
    store.clock.now += timedelta(days=7, seconds=-1)
    sweep(store)
    assert (state(store, job)[0], path.exists()) == ("done", True)
    store.clock.now += timedelta(seconds=2)
    sweep(store)
    assert (state(store, job)[0], path.exists()) == ("gone", False)
    store.clock.now += timedelta(days=22)
    sweep(store)
    with store.catalog.read() as db, pytest.raises(JobUnknown):
        jobs.get(db, job.id)


def test_bounds_of_the_line(store, monkeypatch):
    """One owner has five in line, everybody together what the line holds."""
    monkeypatch.setattr(jobs, "ALL", 6)
    for _ in range(5):
        made(store, "a")
    with pytest.raises(JobLimit):
        made(store, "a")
    made(store, "b")
    with pytest.raises(QueryBusy):
        made(store, "b")


def test_bounds_of_the_room(store):
    """One owner's results take an eighth of the room, and no job comes in when it is full."""
    for owner, size in (("a", 125), ("b", 124), ("c", 751)):
        made(store, owner)
        done(store, begun(store), size)
    with pytest.raises(JobLimit):
        made(store, "a", room=1000)
    with pytest.raises(QueryBusy):
        made(store, "b", room=1000)
    assert made(store, "b", room=1001)


def test_problems_keep_their_words(store):
    """What a job failed with is told in both languages."""
    job = made(store, "a")
    error: DatahubError = QueryLimit(reason_zh="超过 6 秒", reason_en="more than 6 seconds")
    with store.catalog.write() as db:
        jobs.fail(db, jobs.begin(db, stamp(store.clock)), error, stamp(store.clock))
        found = jobs.get(db, job.id)
    assert found.problem == {"code": error.code, "facts": error.facts}
