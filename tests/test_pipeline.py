"""From submission to release and back: versions, withdrawal, return, several files, retries."""

from __future__ import annotations

import csv
import io
import json
from hashlib import sha256

import pyarrow.parquet as pq
import pytest
from hub import Hub
from own_store import (
    REVIEWER,
    STEWARD,
    approved,
    get,
    hand_in,
    own_store,
    publish,
    run,
    swift,
    table,
    write_catalog,
)

from datahub import pipeline
from datahub.errors import DigestMismatch, OwnSubmission, ReleaseWithdrawn, StateError, StorageFull
from datahub.model import Person, Role, State
from datahub.pipeline import advance, recover, withdraw_release
from datahub.stages import release as release_stage
from datahub.stages.review import review
from datahub.store import releases, submissions
from datahub.store.verify import verify_store


@pytest.fixture(autouse=True, scope="module")
def _swift():
    """Run the stages' functions in this process."""
    with pytest.MonkeyPatch.context() as patch:
        swift(patch)
        yield


@pytest.fixture
def store(tmp_path):
    """A store with the dataset `lamps`."""
    own = own_store(tmp_path)
    yield own
    own.close()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A running service with a small catalog; each test has a dataset of its own."""
    folder = tmp_path_factory.mktemp("small")
    names = ("down", "back", "chain", "halves", "taken")
    hub = Hub(folder / "data", catalog=write_catalog(folder / "catalog", *names))
    hub.data.mkdir()
    hub.register()
    hub.start()
    yield hub
    hub.stop()


def release(hub: Hub, dataset: str, data: bytes) -> dict:
    """Publish one file; return the submission."""
    found = hub.publish(dataset, (dataset, f"{dataset}.csv", data))
    assert found["state"] == "released", found
    return found


def withdraw(hub: Hub, dataset: str, version: int, reason: str):
    """Take a release down over HTTP."""
    path = f"/api/v1/datasets/{dataset}/releases/{version}/withdrawal"
    return hub.post(path, token=hub.token("operator"), json={"reason": reason})


def test_withdrawn_release(small):
    """A withdrawn release answers 410 with its reason, its files leave public/, latest falls back."""
    for rows in (11, 12):
        release(small, "down", table(rows))
    answer = withdraw(small, "down", 2, "含有错误数据")
    assert answer.status_code < 300, answer.text
    gone = small.get("/d/down/2/down.csv")
    listed = {r["version"]: r for r in small.get("/api/v1/datasets/down/releases").json()}
    assert (gone.status_code, gone.json()["code"]) == (410, "release-withdrawn")
    assert "含有错误数据" in gone.json()["detail_zh"]
    assert small.get("/d/down/latest/down.csv").content == table(11)
    assert "含有错误数据" in json.dumps(listed[2], ensure_ascii=False)
    assert not (small.data / "public/down/2").exists()
    assert small.cli("verify").returncode == 0


def test_a_withdrawn_number_is_not_used_again(small):
    """After the only release went down, latest is unknown and the next one is number two."""
    release(small, "back", table(11))
    assert withdraw(small, "back", 1, "撤").status_code < 300
    assert small.get("/d/back/latest/back.csv").status_code in (404, 410)
    assert release(small, "back", table(12))["version"] == 2
    assert small.get("/d/back/latest/back.csv").content == table(12)
    assert withdraw(small, "back", 1, "撤").status_code in (409, 410)


def test_releases_chain_by_digest(small):
    """The second manifest names the digest of the first one."""
    versions = [release(small, "chain", table(rows))["version"] for rows in (11, 12)]
    first, second = (small.get(f"/d/chain/{n}/manifest.json").content for n in versions)
    assert versions == [1, 2]
    assert json.loads(first)["previous"] is None
    assert json.loads(second)["previous"] == sha256(first).hexdigest()


def test_two_files_for_one_resource(hub, samples):
    """A CSV cut in two gives one table in the order of the files."""
    data = (samples / "air_hourly" / "air_hourly.csv").read_bytes()
    head, *lines = data.splitlines(keepends=True)
    lines = lines[:3000]
    halves = head + b"".join(lines[:1000]), head + b"".join(lines[1000:])
    found = hub.publish(
        "air_hourly", *(("air_hourly", f"{n}.csv", h) for n, h in enumerate(halves))
    )
    assert found["state"] == "released", found
    folder = hub.data / "public" / "air_hourly" / str(found["version"])
    assert (folder / "air_hourly.csv").read_bytes().split() == (head + b"".join(lines)).split()
    ids = [row.split(",")[:2] for row in b"".join(lines).decode().splitlines()]
    assert pq.read_table(folder / "air_hourly.parquet").num_rows == len(ids) == 3000


def test_files_of_one_resource_in_different_shapes(store):
    """Files in other encodings and dialects become one table in the order handed in."""
    second = table(3, 20).decode().replace(",", ";").encode("gb18030")
    folder = publish(store, table(10), second, "名录\n".encode() + table(2, 40))
    rows = list(csv.reader(io.StringIO((folder / "lamps.csv").read_text())))
    ids = [*range(1, 11), *range(20, 23), 40, 41]
    assert [row[0] for row in rows] == ["id", *map(str, ids)]
    assert pq.read_table(folder / "lamps.parquet")["id"].to_pylist() == ids


@pytest.mark.parametrize(("verdict", "state"), [("return", "returned"), ("decline", "declined")])
def test_a_refusal_ends_a_submission(store, verdict, state):
    """A returned or declined submission keeps the reason, and nothing becomes public."""
    submission = hand_in(store)
    run(store, submission)
    after = review(store, REVIEWER, submission.id, verdict, "缺少说明")
    assert (after.state, after.decision.reason, after.decision.person) == (
        state,
        "缺少说明",
        "wang",
    )
    assert run(store, submission).value == state
    with pytest.raises(StateError):
        review(store, REVIEWER, submission.id, "approve", "")
    assert not list(store.objects.releases())


def test_nobody_decides_on_their_own(store):
    """The submitter cannot approve, whatever the role."""
    submission = hand_in(store)
    run(store, submission)
    own = Person(name=STEWARD.name, title="", role=Role.OPERATOR)
    with pytest.raises(OwnSubmission):
        review(store, own, submission.id, "approve", "")
    assert get(store, submission).state is State.IN_REVIEW


def test_withdrawing_a_submission(small):
    """A submission in review can be taken back once; then nobody can decide on it."""
    answer = small.submit("taken", ("taken", "taken.csv", table()))
    found = small.settle(answer.json()["id"])
    path = f"/api/v1/submissions/{found['id']}"
    first, second = (small.post(f"{path}/withdrawal", token=small.token("operator")) for _ in "ab")
    late = small.post(
        f"{path}/decisions", token=small.token("reviewer"), json={"verdict": "approve"}
    )
    assert (first.status_code, first.json()["state"]) == (200, "withdrawn")
    assert (second.status_code, late.status_code) == (409, 409)
    assert small.get("/api/v1/datasets/taken/releases").json() == []


@pytest.mark.parametrize("how", ["decline", "withdrawn"])
def test_copies_of_private_data_go_when_a_submission_is_over(store, how):
    """What the stages left in work/ is removed when a person ends a submission."""
    submission = hand_in(store, table().decode().replace(",", ";").encode("gb18030"))
    run(store, submission)
    if how == "decline":
        review(store, REVIEWER, submission.id, "decline", "不")
    else:
        with store.catalog.write() as db:
            submissions.move(db, get(store, submission), State.WITHDRAWN, who="li", at="x")
    advance(store, submission.id)
    recover(store)
    assert [p.name for p in store.objects.work(submission.id).glob("*.csv")] in ([], ["errors.csv"])


def test_withdrawn_while_it_is_released(store, monkeypatch):
    """A submission taken back in the last moment is not released and leaves nothing in public/."""
    submission, publish_folder = approved(store), type(store.objects).publish

    def publish_late(objects, staged, dataset, version) -> None:
        publish_folder(objects, staged, dataset, version)
        with store.catalog.write() as db:
            submissions.move(db, get(store, submission), State.WITHDRAWN, who="li", at="x")

    monkeypatch.setattr(type(store.objects), "publish", publish_late)
    assert run(store, submission) is State.WITHDRAWN
    assert list(verify_store(store)) == []


@pytest.mark.parametrize("damage", ["altered", "missing"])
def test_a_damaged_original_rejects_with_its_own_code(store, damage):
    """An original that is not what was received ends the release with digest-mismatch."""
    submission = approved(store)
    path = store.objects.received(submission.files[0].sha256)
    path.unlink() if damage == "missing" else path.write_bytes(table(5))
    assert run(store, submission) is State.REJECTED
    assert get(store, submission).problem["code"] == DigestMismatch.code


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"id,name\nx,a\n", "table-invalid"),
        (b"id,name\n", "findings-block"),
        (b"a,b\n1,2\n", "header-missing"),
        (table() + b"99,13812345678\n", "findings-block"),
    ],
)  # fmt: skip
def test_rejection_has_its_code(store, data, code):
    """A fault of the file rejects the submission with the code of the fault."""
    submission = hand_in(store, data)
    assert run(store, submission) is State.REJECTED
    assert get(store, submission).problem["code"] == code


def test_a_fault_of_ours_rejects_nothing(store, monkeypatch):
    """A full disk is raised to be tried again; the submission stays where it was."""
    submission = hand_in(store)

    def full(_store, _submission):
        raise StorageFull

    with monkeypatch.context() as patched:
        patched.setitem(pipeline.STAGES, State.RECEIVED, full)
        pytest.raises(StorageFull, advance, store, submission.id)
    assert get(store, submission).state is State.RECEIVED
    assert run(store, submission) is State.IN_REVIEW


def test_advance_on_what_waits_for_a_person(store):
    """The machine does nothing with a submission that is in review or over."""
    submission = hand_in(store)
    run(store, submission)
    before = get(store, submission)
    assert advance(store, submission.id) is State.IN_REVIEW
    assert get(store, submission) == before


def test_taking_down_survives_a_crash_between_catalog_and_files(store, monkeypatch):
    """When the move of the files is lost, the worker's start makes up for it."""
    folder = publish(store)
    monkeypatch.setattr(type(store.objects), "take_down", lambda *_: None)
    withdraw_release(store, "lamps", 1, reason="错", who="op")
    monkeypatch.undo()
    assert folder.exists()
    recover(store)
    assert not folder.exists()
    assert (store.objects.withdrawn("lamps", 1) / "lamps.csv").read_bytes() == table()
    assert list(verify_store(store)) == []


def test_withdrawing_twice_is_refused(store):
    """The second withdrawal is refused with the first one's reason."""
    publish(store)
    withdraw_release(store, "lamps", 1, reason="一", who="op")
    with pytest.raises(ReleaseWithdrawn) as caught:
        withdraw_release(store, "lamps", 1, reason="二", who="op")
    assert "一" in caught.value.text_zh


def test_released_files_are_read_only(store):
    """No file of a release can be written to by accident."""
    folder = publish(store)
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o444}


def test_releasing_again_gives_the_same_bytes(store, monkeypatch):
    """A release that failed at its last step is made again with the same digests."""
    submission, visible = approved(store), release_stage._make_visible
    seen = []

    def fail_once(*arguments):
        seen.append(arguments[-1])
        if len(seen) == 1:
            raise StorageFull
        return visible(*arguments)

    monkeypatch.setattr(release_stage, "_make_visible", fail_once)
    pytest.raises(StorageFull, advance, store, submission.id)
    assert run(store, submission) is State.RELEASED
    assert seen[0] == seen[1]
    with store.catalog.read() as db:
        assert [r.manifest_sha256 for r in releases.find(db)] == seen[:1]
