"""What is acknowledged survives: killed processes, dying children, full disks, planted faults."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hub import Hub
from own_store import approved, get, hand_in, own_store, run, table, write_catalog

from datahub.errors import DatahubError, DecisionVoid, FileError, StorageFull, TableInvalid
from datahub.guard import process
from datahub.guard.child import Limits
from datahub.model import State
from datahub.pipeline import advance, recover
from datahub.store.verify import verify_store

HERE = Path(__file__).parent
OTHERS = (b"datahub.cli", b"command.py")
GIB = 1 << 30


# Children ---------------------------------------------------------------------------------


def child(name: str, argument: dict, *, seconds: int = 20, memory: int = GIB) -> dict:
    """Run a function of child_functions.py in a child."""
    target, limits = f"child_functions:{name}", Limits(memory, seconds)
    return process.run(target, argument, returns=dict, limits=limits, folder=HERE)


def children() -> list[str]:
    """State letters of this process's children but services and `command`; Z is a zombie."""
    pids = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    own = [
        p
        for p in pids
        if not any(name in Path(f"/proc/{p}/cmdline").read_bytes() for name in OTHERS)
    ]
    return [Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split()[0] for p in own]


@pytest.mark.parametrize("argument", [{"a": 1}, {"文": "宜昌\n"}, {"big": "x" * 3_000_000}])
def test_a_result_comes_back(argument):
    """What the function returns is what the caller gets, large arguments included."""
    assert child("echo", argument) == argument


@pytest.mark.parametrize(
    ("name", "argument", "code"),
    [
        ("ours", {"found": "编号"}, "header-missing"),
        ("unexpected", {"path": "x"}, "file-unreadable"),
        ("leave", {"code": 0}, "parser-crashed"),
        ("leave", {"code": 3}, "parser-crashed"),
        ("crash", {"address": 0}, "parser-crashed"),
        ("hoard", {"bytes": 8 * GIB}, "memory-limit"),
        ("no_room", {"errno": 28}, "storage-full"),
        ("no_room", {"errno": 5}, "file-unreadable"),
        ("nowhere", {}, "file-unreadable"),
    ],
)
def test_every_end_of_a_child_has_its_code(name, argument, code):
    """However a child ends, the caller gets an error of our tree without a server path."""
    with pytest.raises(DatahubError) as caught:
        child(name, argument)
    told = str(caught.value)
    assert caught.value.code == code
    assert "/srv" not in told
    assert str(HERE) not in told
    assert children() == []


def test_facts_cross_the_border():
    """An error raised in the child keeps its facts and its Chinese text."""
    with pytest.raises(DatahubError) as caught:
        child("ours", {"found": "编号"})
    assert caught.value.facts == {"file": "a.csv", "searched": 3, "expected": "id", "found": "编号"}
    assert "第一行是：编号" in caught.value.text_zh


def test_signal_is_named():
    """A crash by a signal tells which."""
    with pytest.raises(DatahubError) as caught:
        child("crash", {"address": 0})
    assert caught.value.facts["signal"] == "SIGSEGV"


@pytest.mark.parametrize(
    ("name", "argument"),
    [("spin", {}), ("spin_threads", {"threads": 2}), ("spawn", {"seconds": "54321"})],
)
def test_a_child_that_never_ends_is_stopped(name, argument):
    """After its seconds a child and all it started are gone, and the code says time."""
    start = time.monotonic()
    with pytest.raises(DatahubError) as caught:
        child(name, argument, seconds=2)
    assert caught.value.code == "time-limit"
    assert time.monotonic() - start < 4
    assert children() == []
    assert not subprocess.run(
        ["pgrep", "-f", "^sleep 54321"], capture_output=True, check=False
    ).stdout


def test_a_result_that_is_too_large_is_refused():
    """A hundred megabytes are no result; the caller does not collect them all."""
    with pytest.raises(DatahubError) as caught:
        child("flood", {"bytes": 100 << 20})
    assert caught.value.facts["signal"] == "result-too-large"
    assert children() == []


def test_a_child_inherits_no_secrets(monkeypatch):
    """Tokens, proxies and passwords of the service are not in a child's environment."""
    for name in ("DATAHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY", "PYTHONPATH"):
        monkeypatch.setenv(name, "canary")
    found = child("environment", {"x": "y"})
    assert "canary" not in found.values()
    assert (found["LANG"], found["x"]) == ("C.UTF-8", "y")


def test_many_children_leave_no_handles():
    """Ten children later this process has as many open files as before."""
    handles = Path("/proc/self/fd")
    before = len(list(handles.iterdir()))
    for number in range(10):
        with contextlib.suppress(DatahubError):
            child("echo" if number % 2 else "leave", {"code": 1})
    assert len(list(handles.iterdir())) == before


@pytest.mark.parametrize("kind", [StorageFull, FileError, TableInvalid, DecisionVoid])
def test_errors_survive_the_pipelines_database(kind):
    """The pipeline's engine keeps errors pickled: each comes back as what it was, facts and all."""
    found = pickle.loads(pickle.dumps(kind(file="a.csv")))  # noqa: S301 - our own
    assert (type(found), found.facts) == (kind, {"file": "a.csv"})


# Planted faults ---------------------------------------------------------------------------


FAULTS = [
    ("datahub.stages.release.write_file", 1),
    ("datahub.stages.release.write_file", 3),
    ("datahub.store.objects.seal", 1),
    ("datahub.store.objects.sync_folder", 1),
    ("datahub.store.objects.sync_folder", 2),
    ("datahub.store.objects.sync_folder", 3),
    ("datahub.store.objects.Path.rename", 1),
    ("datahub.store.releases.records.set_latest", 1),
    ("datahub.store.releases.audit.append", 1),
    ("datahub.store.submissions.audit.append", 1),
    ("datahub.stages.release.submissions.move", 1),
]


def failing(original, at: int, error: Exception):
    """Stand-in for a function that raises at its n-th call."""
    calls = iter(range(1, 1000))

    def call(*arguments, **named):
        if next(calls) == at:
            raise error
        return original(*arguments, **named)

    return call


@pytest.fixture
def ready(tmp_path):
    """A store with an approved submission."""
    store = own_store(tmp_path)
    yield store, approved(store)
    store.close()


@pytest.mark.parametrize(("place", "at"), FAULTS)
def test_a_fault_in_a_release_leaves_nothing_half(ready, monkeypatch, place, at):
    """Whatever step fails: not released, no release visible, staging empty; the retry succeeds."""
    import operator

    store, submission = ready
    parts = place.split(".")
    module = __import__(".".join(parts[:3]), fromlist=["x"])
    target = operator.attrgetter(".".join(parts[3:-1]))(module) if parts[3:-1] else module
    fault = failing(getattr(target, parts[-1]), at, OSError(5, "input/output error"))
    with monkeypatch.context() as patched:
        patched.setattr(target, parts[-1], fault)
        pytest.raises(OSError, advance, store, submission.id)
    assert get(store, submission).state is State.APPROVED
    assert [f for f in verify_store(store) if f.kind != "unowned"] == []
    assert run(store, submission) is State.RELEASED
    assert list(verify_store(store)) == []
    assert list((store.objects.root / "staging").iterdir()) == []
    assert [version for _, version, _ in store.objects.releases()] == [1]


def test_recovery_sweeps_what_a_killed_worker_left(ready):
    """Half-written staging folders and folders without a release are gone after a start."""
    store, submission = ready
    (store.objects.staging() / "half.csv").write_text("x")
    folder = store.objects.public("lamps", 7)
    folder.mkdir(parents=True)
    (folder / "lamps.csv").write_text("x")
    recover(store)
    assert list((store.objects.root / "staging").iterdir()) == []
    assert not folder.exists()
    assert run(store, submission) is State.RELEASED


def test_recovery_sweeps_uploads_that_nobody_finishes(ready):
    """An upload cut off by kill -9 of the web process is swept once it is a day old."""
    store, _ = ready
    old, young = (store.objects.incoming(9) for _ in "ab")
    yesterday = time.time() - 25 * 3600
    os.utime(old._path, (yesterday, yesterday))
    recover(store)
    assert (old._path.exists(), young._path.exists()) == (False, True)
    for upload in (old, young):
        upload.drop()


def test_originals_of_refused_uploads_do_not_stay(tmp_path):
    """Files of a refused request are swept after a day; those of a submission stay for ever."""
    store = own_store(tmp_path)
    kept = hand_in(store, table(30)).files[0].sha256
    with pytest.raises(DatahubError):
        hand_in(store, table(), b"", dataset="lamps")
    yesterday = time.time() - 25 * 3600
    for original in (store.objects.root / "received").iterdir():
        os.utime(original, (yesterday, yesterday))
    recover(store)
    assert [p.name for p in (store.objects.root / "received").iterdir()] == [kept]


# Killed processes -------------------------------------------------------------------------


@contextlib.contextmanager
def service(folder: Path, **settings):
    """A running service with a small catalog."""
    own = Hub(folder / "data", catalog=write_catalog(folder / "catalog", "lamps"), **settings)
    own.data.mkdir(exist_ok=True)
    own.register()
    own.start()
    try:
        yield own
    finally:
        own.stop()


def clean(own: Hub) -> None:
    """Nothing is wrong with the data folder, and nothing in public/ is unowned."""
    done = own.cli("verify")
    assert done.returncode == 0, done.stdout + done.stderr


def submit(own: Hub, data: bytes = b"") -> str:
    """Hand in a table; return the submission's id."""
    answer = own.submit("lamps", ("lamps", "lamps.csv", data or table(4000)))
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A service of this module's own, to be killed and started again."""
    with service(tmp_path_factory.mktemp("kill")) as running:
        yield running


def kill(own: Hub, which: str) -> None:
    """Kill -9 a process of the service and wait until it answers again."""
    own.kill(which)
    own.start() if which == "supervisor" else own.wait_ready()


@pytest.mark.parametrize("delay", [0.0, 1.0])
@pytest.mark.parametrize("which", ["worker", "web", "supervisor"])
def test_kill_9_after_every_acknowledgement(own, which, delay):
    """Killed after a submission and in its release, the service goes on with both by itself."""
    found = submit(own)
    time.sleep(delay)
    kill(own, which)
    assert own.settle(found)["state"] == "in_review"
    path = f"/api/v1/submissions/{found}/decisions"
    answer = own.post(path, token=own.token("reviewer"), json={"verdict": "approve"})
    assert answer.status_code == 201
    time.sleep(delay / 2)
    kill(own, which)
    ended = own.settle(found, until={"released", "rejected"})
    versions = [r["version"] for r in own.get("/api/v1/datasets/lamps/releases").json()]
    assert (ended["state"], ended["version"]) == ("released", max(versions))
    assert sorted(versions) == list(range(1, len(versions) + 1))
    clean(own)


def child_of_worker(own: Hub, seconds: float = 30) -> int:
    """Process id of a parsing child of the worker."""
    worker, until = own.pid("worker"), time.monotonic() + seconds
    while time.monotonic() < until:
        for task in Path(f"/proc/{worker}/task").iterdir():
            with contextlib.suppress(OSError):
                for pid in (task / "children").read_text().split():
                    if b"datahub.guard.child" in Path(f"/proc/{pid}/cmdline").read_bytes():
                        return int(pid)
        time.sleep(0.01)
    raise ProcessLookupError("no child")


def test_a_child_killed_from_outside(own):
    """When the parser is killed the submission has a clear code or goes on; the worker lives."""
    found, worker = submit(own), own.pid("worker")
    os.kill(child_of_worker(own), signal.SIGKILL)
    ended = own.settle(found)
    assert ended["state"] == "in_review" or ended["problem"]["code"] == "parser-crashed"
    assert own.pid("worker") == worker
    assert own.settle(submit(own, table(50)))["state"] == "in_review"


# A full disk ------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 24 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"mount is not permitted: {done.stderr.strip()}")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_refuses_and_recovers(small_disk):
    """What does not fit gets 507 and leaves nothing; releases are served; with room it works."""
    with service(small_disk, free_bytes=4 << 20) as own:
        first = own.publish("lamps", ("lamps", "lamps.csv", table(50)))
        assert first["state"] == "released"
        ballast = small_disk / "ballast"
        room = os.statvfs(small_disk)
        ballast.write_bytes(bytes(room.f_bavail * room.f_frsize - (6 << 20)))
        big = table(400_000)
        answer = own.submit("lamps", ("lamps", "lamps.csv", big))
        assert (answer.status_code, answer.json()["code"]) == (507, "storage-full")
        assert answer.json()["retryable"] is True
        assert list((own.data / "staging").iterdir()) == []
        assert own.get("/d/lamps/1/lamps.csv").content == table(50)
        clean(own)
        ballast.unlink()
        found = own.publish("lamps", ("lamps", "lamps.csv", table(60)))
        assert (found["state"], found["version"]) == ("released", 2)
        clean(own)


FULL_FOR_A_WHILE = """
import sys, time
from pathlib import Path
from datahub import pipeline
from datahub.errors import StorageFull
from datahub.model import MACHINE_STATES, State
from datahub.settings import Settings
from datahub.store import open_store, submissions

left, detect = [8], pipeline.STAGES[State.RECEIVED]

def full(store, submission):
    if left[0]:
        left[0] -= 1
        raise StorageFull
    return detect(store, submission)

pipeline.STAGES[State.RECEIVED], pipeline.RETRY_SECONDS = full, 0.2
store, until = open_store(Settings(data=Path(sys.argv[1]))), time.monotonic() + 60

def over():
    with store.catalog.read() as db:
        state = submissions.get(db, sys.argv[2]).state
    return state not in MACHINE_STATES or time.monotonic() > until

pipeline.work(store, over)
"""


def test_a_disk_that_is_full_for_a_while(tmp_path):
    """What was acknowledged waits for room however often the disk is full, then it goes on."""
    store = own_store(tmp_path)
    submission = hand_in(store)
    command = [sys.executable, "-c", FULL_FOR_A_WHILE, str(tmp_path / "data"), submission.id]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    after = get(store, submission)
    assert (after.state, after.problem) == (State.IN_REVIEW, None)


def test_no_room_is_told_in_our_words(tmp_path):
    """A write beyond the reserve raises storage-full and keeps nothing."""
    store = own_store(tmp_path, free_bytes=1 << 60)
    incoming = store.objects.incoming(100)
    with pytest.raises(StorageFull):
        incoming.write(b"x")
    incoming.drop()
    assert list((store.objects.root / "staging").iterdir()) == []


def test_two_uploads_of_the_same_bytes_at_once(tmp_path):
    """The same file handed in twice at the same time is kept once and whole."""
    store, data = own_store(tmp_path), table(2000)
    digests: list[str] = []

    def upload() -> None:
        incoming = store.objects.incoming(1 << 20)
        for place in range(0, len(data), 1000):
            incoming.write(data[place : place + 1000])
        digests.append(incoming.keep())

    threads = [threading.Thread(target=upload) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(digests)) == 1
    assert [p.read_bytes() for p in (store.objects.root / "received").iterdir()] == [data]
