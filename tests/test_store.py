"""The store: audit chain, field ids, verification, tokens, writers side by side, states."""

from __future__ import annotations

import itertools
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
from own_store import (
    STEWARD,
    get,
    hand_in,
    own_store,
    package,
    publish,
    swift,
    table,
    write_dataset,
)

from datahub.errors import (
    PersonUnknown,
    ReleaseUnknown,
    StateError,
    SubmissionUnknown,
    TokenInvalid,
)
from datahub.model import TRANSITIONS, State, may_move
from datahub.settings import Settings
from datahub.stages.register import register
from datahub.store import audit, open_store, people, records, releases, submissions
from datahub.store.verify import verify_folder, verify_store

MORNING = datetime(2026, 3, 1, 8, tzinfo=UTC)


@pytest.fixture(autouse=True, scope="module")
def _swift():
    """Run the stages' functions in this process."""
    with pytest.MonkeyPatch.context() as patch:
        swift(patch)
        yield


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    """Data folder with two releases of one dataset, to be copied and damaged."""
    folder = tmp_path_factory.mktemp("store")
    store = own_store(folder)
    publish(store)
    publish(store, table(20))
    store.close()
    return folder / "data"


@pytest.fixture
def data(original, tmp_path) -> Path:
    """A copy of the data folder of the test's own."""
    return Path(shutil.copytree(original, tmp_path / "data"))


def faults(data: Path) -> list[tuple[str, str]]:
    """Kind and place of everything that verifying finds."""
    store = open_store(Settings(data=data))
    found = [(fault.kind, fault.place) for fault in verify_store(store)]
    store.close()
    return found


def sql(data: Path, statement: str) -> None:
    """Change the catalog behind the product's back."""
    with closing(sqlite3.connect(data / "catalog.sqlite")) as db:
        db.execute(statement)
        db.commit()


def rewrite(path: Path, data: bytes) -> None:
    """Write a file that is read-only."""
    path.chmod(0o644)
    path.write_bytes(data)


def flip(path: Path, place: int, bit: int = 0) -> None:
    """Flip one bit."""
    data = bytearray(path.read_bytes())
    data[place] ^= 1 << bit
    rewrite(path, bytes(data))


# Verification -----------------------------------------------------------------------------


def test_a_clean_folder_has_no_faults(data):
    """Nothing is reported where nothing is wrong."""
    assert faults(data) == []
    assert list(verify_folder(data / "public/lamps/2")) == []


FILES = ("lamps.csv", "lamps.parquet", "datapackage.json", "manifest.json", "SHA256SUMS")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0, 0.5, -1])
def test_a_flipped_bit_is_found(data, name, place):
    """One bit flipped at the start, the middle or the end of any file is found and named."""
    path = data / "public/lamps/1" / name
    flip(path, place if place in (0, -1) else path.stat().st_size // 2)
    found = faults(data)
    assert found
    assert all(kind in ("altered", "unreadable", "missing", "extra") for kind, _ in found)
    assert all(where.startswith("public/lamps/1/") for _, where in found)


def test_every_flipped_bit_of_the_sums_is_found(data):
    """SHA256SUMS itself is protected, line ends included."""
    path = data / "public/lamps/1/SHA256SUMS"
    whole = path.read_bytes()
    store = open_store(Settings(data=data))
    missed = []
    for place, bit in itertools.product(range(60, len(whole), 7), range(8)):
        rewrite(path, whole)
        flip(path, place, bit)
        missed += [] if list(verify_store(store)) else [(place, bit)]
    for place in [n for n, byte in enumerate(whole) if byte == ord("\n")]:
        rewrite(path, whole)
        flip(path, place)
        missed += [] if list(verify_store(store)) else [(place, 0)]
    store.close()
    assert missed == []


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_found(data, name):
    """A file that lost its last byte is found."""
    path = data / "public/lamps/1" / name
    rewrite(path, path.read_bytes()[:-1])
    assert faults(data)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_found(data, name):
    """A file that is gone is found."""
    (data / "public/lamps/1" / name).unlink()
    assert any(kind in ("missing", "unreadable") for kind, _ in faults(data))


def test_an_extra_file_is_found(data):
    """A file that no manifest lists is found in the release, beside it and above it."""
    places = ["public/lamps/1/more.csv", "public/lamps/more", "public/more.csv"]
    for place in places:
        (data / place).write_text("x")
    assert {where for _, where in faults(data)} == set(places)


def test_swapped_files_are_found(data):
    """Two files that changed places are both found."""
    one, two = (data / f"public/lamps/{n}/lamps.csv" for n in (1, 2))
    first = one.read_bytes()
    rewrite(one, two.read_bytes())
    rewrite(two, first)
    places = [f"public/lamps/{n}/lamps.csv" for n in (1, 2)]
    assert sorted(faults(data)) == [("altered", place) for place in places]


def test_swapped_releases_are_found(data):
    """Two whole releases that changed places are found, although each is whole in itself."""
    public = data / "public/lamps"
    for before, after in (("1", "3"), ("2", "1"), ("3", "2")):
        (public / before).rename(public / after)
    assert sorted(faults(data)) == [("altered", f"public/lamps/{n}/manifest.json") for n in (1, 2)]


def test_a_forged_manifest_with_fitting_sums_is_found(data):
    """A release rewritten so that it agrees with itself does not agree with the catalog."""
    folder = data / "public/lamps/1"
    csv, manifest, sums = (folder / n for n in ("lamps.csv", "manifest.json", "SHA256SUMS"))
    before = [sha256(p.read_bytes()).hexdigest() for p in (csv, manifest)]
    rewrite(csv, csv.read_bytes() + b"999,x\n")
    digest = sha256(csv.read_bytes()).hexdigest()
    rewrite(manifest, manifest.read_bytes().replace(before[0].encode(), digest.encode()))
    now = sha256(manifest.read_bytes()).hexdigest()
    rewrite(sums, sums.read_bytes().replace(before[0].encode(), digest.encode()).replace(before[1].encode(), now.encode()))  # fmt: skip
    assert list(verify_folder(folder)) == []
    assert faults(data) == [("altered", "public/lamps/1/manifest.json")]


@pytest.mark.parametrize("name", ["3", "01", "１", "x"])
def test_a_folder_that_no_release_owns_is_found(data, name):
    """A folder in public/ that the catalog does not know is found, whatever its spelling."""
    shutil.copytree(data / "public/lamps/1", data / "public/lamps" / name)
    assert faults(data) == [("unowned", f"public/lamps/{name}")]


def test_a_lost_folder_is_found(data):
    """A release whose folder is gone is found."""
    shutil.rmtree(data / "public/lamps/1")
    assert faults(data) == [("lost", "public/lamps/1")]


def test_an_altered_original_is_found(data):
    """An original that is not its digest any more is found."""
    path = min((data / "received").iterdir())
    flip(path, 3)
    assert faults(data) == [("altered", f"received/{path.name}")]


def test_a_lost_original_is_found(data):
    """An original that a submission came from and that is gone is found."""
    path = min((data / "received").iterdir())
    path.unlink()
    assert [where for _, where in faults(data)] == [f"received/{path.name}"]


@pytest.mark.parametrize(
    "change",
    [
        "update releases set manifest_sha256 = 'x' where version = 1",
        "update releases set files = replace(files, '\"rows\":12', '\"rows\":13') where version = 1",
    ],
    ids=["manifest digest", "files"],
)
def test_an_altered_catalog_entry_is_found(data, change):
    """What the catalog says of a release's files is held against the release."""
    sql(data, change)
    assert faults(data)


# Audit ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        "update audit set who = 'x' where seq = 3",
        "update audit set after = 'x' where seq = 3",
        "update audit set at = '2020-01-01T00:00:00.000Z' where seq = 3",
        "update audit set subject = subject || 'x' where seq = 3",
        "update audit set digest = 'x' where seq = 3",
        "delete from audit where seq = 2",
    ],
)
def test_an_altered_audit_row_is_found(data, change):
    """The chain breaks at the first row that was altered or follows one that was removed."""
    sql(data, change)
    assert faults(data) == [("chain", "audit/3")]


def test_every_step_of_a_release_is_audited(data):
    """A submission's way is in the audit log, from receipt to release."""
    with closing(sqlite3.connect(data / "catalog.sqlite")) as db:
        rows = db.execute("select what from audit order by seq").fetchall()
    steps = ["received", "detected", "validated", "screened", "in_review", "approved"]
    way = [f"submission:{s}" for s in steps] + ["release:published", "submission:released"]
    assert [row[0] for row in rows] == ["catalog:lists", "dataset:registered", *way, *way]


WRITER = """
import sys
from pathlib import Path
from datahub.settings import Settings
from datahub.store import audit, open_store
store = open_store(Settings(data=Path(sys.argv[1])))
for number in range(20):
    with store.catalog.write() as db:
        audit.append(db, "2026-01-01", sys.argv[2], "test", str(number))
"""


def test_writers_side_by_side_keep_the_chain(tmp_path):
    """Eight processes that append at once lose no entry and leave one unbroken chain."""
    store = own_store(tmp_path)
    command = [sys.executable, "-c", WRITER, str(tmp_path / "data")]
    writers = [subprocess.Popen([*command, str(n)]) for n in range(8)]
    assert [writer.wait(timeout=60) for writer in writers] == [0] * 8
    with store.catalog.read() as db:
        assert audit.broken_link(db) is None
        count = db.exec_driver_sql("select count(*) from audit where what = 'test'").scalar()
    assert count == 160


def test_a_failed_transaction_leaves_nothing(tmp_path):
    """When a block raises, neither its rows nor its audit entry stay."""
    store = own_store(tmp_path)

    def fail() -> None:
        with store.catalog.write() as db:
            records.retire_dataset(db, "lamps", now="x")
            audit.append(db, "x", "x", "x", "x")
            raise ZeroDivisionError

    pytest.raises(ZeroDivisionError, fail)
    with store.catalog.read() as db:
        assert not records.get_dataset(db, "lamps").retired
        assert audit.broken_link(db) is None


# Field ids --------------------------------------------------------------------------------


def test_field_ids_stay_with_their_column(tmp_path):
    """A column keeps its id; one that is dropped and comes back has it again; none is reused."""
    store = own_store(tmp_path)
    with store.catalog.write() as db:
        steps = [["id", "name"], ["name"], ["new", "name"], ["id", "name", "new", "more"]]
        found = [
            {n: ids[n] for n in names}
            for names in steps
            for ids in [records.assign_field_ids(db, "lamps", "lamps", names)]
        ]
    assert found[0] == {"id": 1, "name": 2}
    assert found[1:3] == [{"name": 2}, {"new": 3, "name": 2}]
    assert found[3] == {"id": 1, "name": 2, "new": 3, "more": 4}


def test_field_ids_are_per_resource(tmp_path):
    """Two resources with equal column names have ids of their own."""
    store = own_store(tmp_path)
    with store.catalog.write() as db:
        one = records.assign_field_ids(db, "lamps", "a", ["x", "y"])
        two = records.assign_field_ids(db, "lamps", "b", ["y"])
    assert (one, two) == ({"x": 1, "y": 2}, {"y": 1})


def test_released_parquet_keeps_ids_over_a_changed_schema(tmp_path):
    """A column moved in the schema has the same id in the next release's Parquet."""
    import pyarrow.parquet as pq

    store = own_store(tmp_path)
    first = publish(store)
    fields = [{"name": "name"}, {"name": "note"}, {"name": "id", "type": "integer"}]
    write_dataset(tmp_path / "catalog", package(), {"fields": fields})
    register(store, tmp_path / "catalog")
    text = "name,note,id\n" + "".join(f"灯,,{n}\n" for n in range(12))
    second = publish(store, text.encode())
    ids = [
        {f.name: int(f.metadata[b"PARQUET:field_id"]) for f in pq.read_schema(p / "lamps.parquet")}
        for p in (first, second)
    ]
    assert ids == [{"id": 1, "name": 2}, {"name": 2, "note": 3, "id": 1}]


# Tokens -----------------------------------------------------------------------------------


def person_at(store, token: str, now: datetime) -> str:
    """Name of the token's person at this time."""
    with store.catalog.read() as db:
        return people.by_token(db, token, now).name


def test_a_token_expires_by_the_clock(tmp_path):
    """A token for one day is good until the day is over, and not a moment longer."""
    store = own_store(tmp_path)
    with store.catalog.write() as db:
        people.save(db, STEWARD)
        token = people.create_token(db, "li", days=1, now=MORNING, who="test")
    end = MORNING + timedelta(days=1)
    assert person_at(store, token, end - timedelta(microseconds=1)) == "li"
    for late in (end, end + timedelta(microseconds=1), end + timedelta(days=4000)):
        with pytest.raises(TokenInvalid):
            person_at(store, token, late)


def test_a_revoked_token_is_refused_and_only_that(tmp_path):
    """Revoking ends one token; a second of the same person stays good; twice is told."""
    store = own_store(tmp_path)
    with store.catalog.write() as db:
        people.save(db, STEWARD)
        one, two = (people.create_token(db, "li", days=1, now=MORNING, who="t") for _ in "ab")
        known = {t["id"] for t in people.list_tokens(db)}
        query = "select id from tokens where digest = ?"
        row = db.exec_driver_sql(query, (sha256(one.encode()).hexdigest(),)).scalar()
        ended = [people.revoke_token(db, row, now=MORNING, who="t") for _ in "ab"]
    assert (row in known, ended) == (True, [True, False])
    assert person_at(store, two, MORNING) == "li"
    with pytest.raises(TokenInvalid):
        person_at(store, one, MORNING)


@pytest.mark.parametrize("token", ["", "dh_", "dh_x", "\ud800", "x" * 10_000, "dh_' or 1=1 --"])
def test_unknown_tokens_are_refused(tmp_path, token):
    """Whatever is no token of ours is refused alike."""
    store = own_store(tmp_path)
    with pytest.raises(TokenInvalid):
        person_at(store, token, MORNING)


def test_a_token_is_not_in_the_catalog(tmp_path):
    """The catalog keeps a digest, not the token."""
    store = own_store(tmp_path)
    with store.catalog.write() as db:
        people.save(db, STEWARD)
        token = people.create_token(db, "li", days=1, now=MORNING, who="test")
    store.close()
    files = (tmp_path / "data").glob("catalog.sqlite*")
    assert not any(token.encode() in path.read_bytes() for path in files)


def test_a_token_for_nobody_is_refused(tmp_path):
    """A token needs a person who is there."""
    store = own_store(tmp_path)
    with store.catalog.write() as db, pytest.raises(PersonUnknown):
        people.create_token(db, "nobody", days=1, now=MORNING, who="test")


# States -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def waiting(tmp_path_factory):
    """A store with one submission, whose state each test sets as it likes."""
    store = own_store(tmp_path_factory.mktemp("states"))
    yield store, hand_in(store)
    store.close()


@pytest.mark.parametrize(
    ("before", "after"), [p for p in itertools.product(State, State) if not may_move(*p)]
)
def test_steps_outside_the_table_are_refused(waiting, before, after):
    """A step that the state machine does not have is refused and changes nothing."""
    store, submission = waiting
    with store.catalog.write() as db:
        db.exec_driver_sql("update submissions set state = ?", (before.value,))
    now = get(store, submission)
    with pytest.raises(StateError), store.catalog.write() as db:
        submissions.move(db, now, after, who="test", at="2026-01-01")
    assert get(store, submission) == now


@pytest.mark.parametrize(("before", "after"), [(b, a) for b, s in TRANSITIONS.items() for a in s])
def test_steps_of_the_table_are_taken_once(waiting, before, after):
    """A step of the table is taken; the same step by somebody who saw the old state is not."""
    store, submission = waiting
    with store.catalog.write() as db:
        db.exec_driver_sql("update submissions set state = ?", (before.value,))
    now = get(store, submission)
    with store.catalog.write() as db:
        assert submissions.move(db, now, after, who="test", at="x").state is after
    with pytest.raises(StateError), store.catalog.write() as db:
        submissions.move(db, now, after, who="test", at="x")


def test_final_states_have_no_way_out():
    """Released, rejected, returned, declined and withdrawn are ends."""
    ends = {state for state, ways in TRANSITIONS.items() if not ways}
    assert ends == {State.RELEASED, State.REJECTED, State.RETURNED, State.DECLINED, State.WITHDRAWN}


def test_what_is_not_there_is_told(data):
    """Unknown submissions and releases are told by our errors, with what there is instead."""
    store = open_store(Settings(data=data))
    with store.catalog.read() as db:
        with pytest.raises(SubmissionUnknown):
            submissions.get(db, "x")
        with pytest.raises(ReleaseUnknown) as caught:
            releases.get(db, "lamps", 9)
        assert releases.get(db, "lamps", None).version == 2
        assert msgspec.json.encode(releases.get_package(db, "lamps", 9)) == b"{}"
    store.close()
    assert "[2, 1]" in caught.value.text_zh
