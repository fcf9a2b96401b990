"""Query children: what they cannot do even if the gate fails, how they end, who waits for them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
from hub import ROOT

from datahub.errors import DatahubError, ServiceUnavailable
from datahub.errors_query import QueryBusy, QueryLimit, SqlInvalid
from datahub.forms.columns import Column
from datahub.forms.names import FORMS
from datahub.serve import asking
from datahub.serve.asking import Bounds, Question
from datahub.serve.reading import Table
from datahub.settings import Settings

HANG = "select levenshtein(repeat('a', 100000), repeat('b', 100000)) as n"
LONG = "select count(*) as n from range(1000000) a, range(1000000) b"


class Children:
    """`datahub queries` on a data folder with one table, and asking it."""

    def __init__(self, data: Path, **settings: object) -> None:
        data.mkdir(parents=True, exist_ok=True)
        self.settings = Settings(data=data, **settings)
        self.reading = SimpleNamespace(store=SimpleNamespace(settings=self.settings))
        path = data / "lamps.parquet"
        query = "select i as id, '灯' || i as name from range(1000) t(i)"
        duckdb.execute(f"copy ({query}) to '{path}'")
        path.chmod(0o444)
        columns = (Column("id", "BIGINT", type="integer"), Column("name", "VARCHAR"))
        self.table = Table(
            dataset="lamps", version=1, resource="lamps", digest="0" * 64, path=path, rows=1000,
            columns=columns, schema={"fields": []}, files=(), latest=True,
        )  # fmt: skip
        environment = os.environ | {
            f"DATAHUB_{name.upper()}": str(value) for name, value in settings.items()
        }
        self.zygote = subprocess.Popen(
            [sys.executable, "-m", "datahub.cli", "queries", "--data", str(data)],
            env=environment | {"DATAHUB_LOG": "error"},
        )
        self.wait(lambda: len(self.pids()) == 2 * self.settings.sql_children)

    def wait(self, ready) -> None:
        """Wait for a state of the processes."""
        until = time.monotonic() + 60
        while not ready():
            assert time.monotonic() < until
            time.sleep(0.05)

    def pids(self) -> set[int]:
        """Children that are there."""
        try:
            text = Path(f"/proc/{self.zygote.pid}/task/{self.zygote.pid}/children").read_text()
        except OSError:
            return set()
        return {int(pid) for pid in text.split()}

    def busy(self) -> set[int]:
        """Children that have a question: they have closed the socket that all wait on."""
        return {pid for pid in self.pids() if _sockets(pid) == 1 and _connected(pid)}

    async def until_busy(self) -> None:
        """Wait until a child works."""
        while not self.busy():  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.02)

    async def answer(self, sql, **more):
        """Ask; return the ending and the bytes."""
        found = await asking.ask(
            self.reading, Question(sql=sql, **more), lambda _schema, _name: self.table
        )
        data = b"".join([chunk async for chunk in found.chunks])
        return found.ending, data

    def ask(self, sql, **more):
        """Ask and wait."""
        return asyncio.run(self.answer(sql, **more))

    def works(self) -> bool:
        """Tell whether the next question is answered rightly."""
        return self.ask("select count(*) as n from lamps")[1] == b'{"n":1000}'

    def stop(self) -> None:
        """End it."""
        self.zygote.terminate()
        self.zygote.wait(timeout=30)


def _sockets(pid: int) -> int:
    try:
        links = [str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()]
    except OSError:
        return 0
    return sum(link.startswith("socket:") for link in links)


def _connected(pid: int) -> bool:
    """Tell whether a process has burned time of a processor: it works."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return False
    return int(fields[11]) + int(fields[12]) > 20  # ticks of 10 ms


@contextmanager
def own_children(data: Path, **settings):
    """Children of the test's own."""
    children = Children(data, **settings)
    try:
        yield children
    finally:
        children.stop()


@pytest.fixture(scope="module")
def children(tmp_path_factory):
    """Children on a folder that only its owner may enter, as pytest's are."""
    with own_children(tmp_path_factory.mktemp("jail") / "data", sql_children=2) as found:
        yield found


# Confinement ------------------------------------------------------------------------------

HARM = (
    *("reads a file", "reads by path", "makes a file", "starts a program", "connects"),
    *("removes the table", "overwrites its table", "lists a folder"),
)


def probe(tmp_path, kind: str, user: int) -> dict:
    """Run the probe as a user, with a published table in a folder that only its owner may enter."""
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o700)
    file = folder / "t.parquet"
    duckdb.execute(f"copy (select 42 as a) to '{file}'")
    file.chmod(0o444)
    for path in (folder, file):
        os.chown(path, user, user)
    before = file.read_bytes()
    handle = os.open(file, os.O_RDONLY)
    command = [sys.executable, str(ROOT / "tests" / "jail_probe.py"), kind, str(handle), str(file)]
    drop = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--"] if user else []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        done = subprocess.run(
            [*drop, *command, str(listener.getsockname()[1])], pass_fds=(handle,),
            env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    os.close(handle)
    Path("/tmp/jail-probe").unlink(missing_ok=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    left = file if file.exists() else Path(f"{file}.gone")
    return found | {"harmed": left.read_bytes() != before or left != file}


@pytest.mark.skipif(os.geteuid() != 0, reason="changes users")
@pytest.mark.parametrize("user", [0, 1000])
def test_a_confined_process_does_no_harm(tmp_path, user):
    """As root's and as anybody's: it reads the table it was handed, and nothing else works."""
    if user and not shutil.which("setpriv"):
        pytest.skip("no setpriv")
    found = probe(tmp_path, "confined", user)
    assert found["reads its table"] is True
    assert [name for name in HARM if found[name]] == []
    assert found["harmed"] is False
    assert found["user"] == (user or 65534)
    assert found["becomes root"] is False


@pytest.mark.skipif(os.geteuid() != 0, reason="overwrites as root")
def test_without_the_jail_the_same_harms(tmp_path):
    """The control: DuckDB's own lock-down lets a published file be overwritten, and all the rest."""
    found = probe(tmp_path, "free", 0)
    assert [name for name in HARM if not found[name]] == []
    assert found["harmed"] is True


def test_children_are_confined_before_they_hear_a_question(children):
    """Waiting children have no rights, no network, no environment, and limits."""
    assert children.works()
    time.sleep(0.5)  # those of the tests before are gone by then
    children.wait(lambda: len(children.pids()) == 4)
    for pid in children.pids():
        status = dict(
            line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        )
        assert status["NoNewPrivs"] == "1"
        assert Path(f"/proc/{pid}/oom_score_adj").read_text() == "1000\n"
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert "Max core file size        0                    0" in limits
        assert "Max address space         unlimited" not in limits
        if os.geteuid() == 0:
            assert status["Uid"].split() == ["65534"] * 4
            assert status["Gid"].split() == ["65534"] * 4
            assert status["Groups"].strip() == ""
            assert status["CapEff"] == "0" * 16
            assert Path(f"/proc/{pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()


# Ends -------------------------------------------------------------------------------------


def test_each_question_has_a_child_of_its_own(children):
    """What one question leaves behind no other finds."""
    sql = "select count(*) as n from lamps"
    before = children.pids()
    assert children.ask(sql)[1] == children.ask(sql)[1] == b'{"n":1000}'
    children.wait(lambda: len(children.pids() - before) >= 2)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_a_child_that_dies_is_told_of(children, number):
    """Whoever waits for it gets an error of ours; the next question is answered."""

    async def die():
        asked = asyncio.ensure_future(children.answer(LONG, bounds=Bounds(seconds=20)))
        await children.until_busy()
        for pid in children.busy():
            os.kill(pid, number)
        return await asked

    with pytest.raises(QueryLimit):
        asyncio.run(die())
    assert children.works()


@pytest.mark.parametrize("sql", [HANG, LONG])
def test_a_deadline_is_kept(children, sql):
    """What does not heed an interrupt is killed; either way the time is told, and soon."""
    began = time.monotonic()
    with pytest.raises(QueryLimit) as caught:
        children.ask(sql, trusted=True, bounds=Bounds(seconds=0.5))
    assert time.monotonic() - began < 5
    assert "0.5" in caught.value.text_en or "time" in caught.value.text_en
    assert children.works()


@pytest.mark.parametrize(
    "sql",
    ["select len(range(400000000)) as n", "select length(repeat('a', 4000000000)) as n",
     "select len(list_transform(range(300000000), lambda x: x + 1)) as n"],
)  # fmt: skip
def test_memory_is_bounded(children, sql):
    """What DuckDB's own limit lets through ends at the address space: an error, no dead machine."""
    with pytest.raises(QueryLimit):
        children.ask(sql, trusted=True, bounds=Bounds(seconds=20))
    assert children.works()


def test_who_leaves_frees_the_child(children):
    """A child whose asker hung up ends at once, in the middle of its question."""

    async def leave():
        asked = asyncio.ensure_future(children.answer(LONG, bounds=Bounds(seconds=30)))
        await children.until_busy()
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked

    asyncio.run(leave())
    children.wait(lambda: not children.busy())
    assert children.works()


# Streams ----------------------------------------------------------------------------------


def test_a_long_stream_takes_little_memory(children):
    """Millions of rows to a slow reader: the child stays small, the ending tells how many."""

    async def slowly():
        question = Question(
            sql="select range as id, 'some text' as t from range(1000000)", trusted=True,
            whole=False, form=FORMS["ndjson"],
            bounds=Bounds(seconds=60, rows=1 << 62, bytes=1 << 40),
        )  # fmt: skip
        answer = await asking.ask(children.reading, question, lambda *_: children.table)
        size = most = pieces = 0
        async for chunk in answer.chunks:
            size, pieces = size + len(chunk), pieces + 1
            if pieces % 20 == 0:
                most = max([most, *map(_private, children.pids())])
        return answer.ending, size, most

    ending, size, most = asyncio.run(slowly())
    assert (ending.rows, ending.bytes, ending.truncated) == (1_000_000, size, None)
    assert size > 25 << 20
    assert most < 150 << 20


def _private(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in text.splitlines() if "Private_Dirty" in line)


def test_a_stream_is_cut_at_its_bytes(children):
    """The bound on bytes holds within one batch, and is told."""
    ending, data = children.ask(
        "select * from lamps", trusted=False, form=FORMS["csv"], bounds=Bounds(bytes=100)
    )
    assert ending.truncated == "bytes"
    assert 0 < ending.rows < 20
    assert len(data) < 200


# The line of those who wait ------------------------------------------------------------------


def test_a_full_line_is_told(tmp_path, monkeypatch):
    """With one child at work others wait, a while only; then they are told when to come again."""

    async def two(children):
        first = asyncio.ensure_future(children.answer(LONG, bounds=Bounds(seconds=3)))
        await children.until_busy()
        monkeypatch.setattr(asking, "QUEUE_SECONDS", 0.4)
        with pytest.raises(QueryBusy) as caught:
            await children.answer("select 1")
        assert caught.value.facts["retry_after"] >= 0
        monkeypatch.setattr(asking, "QUEUE_SECONDS", 30)
        assert (await children.answer("select 1 as a"))[1] == b'{"a":1}'
        with pytest.raises(QueryLimit):
            await first

    with own_children(tmp_path / "data", sql_children=1) as children:
        asyncio.run(two(children))


def test_no_service_is_told(tmp_path):
    """Without `datahub queries` a question is answered 503, not by a fault."""
    reading = SimpleNamespace(store=SimpleNamespace(settings=Settings(data=tmp_path)))
    (tmp_path / "run").mkdir()
    with pytest.raises(ServiceUnavailable):
        asyncio.run(asking.ask(reading, Question(sql="select 1"), lambda *_: None))


def test_a_killed_parent_leaves_nothing(tmp_path):
    """Children die with the process that forked them; in a path longer than an address, too."""
    children = Children(tmp_path / ("长" * 40) / ("x" * 90) / "data", sql_children=1)
    try:
        assert children.works()
        children.wait(lambda: len(children.pids()) == 2)
        pids = children.pids()
        children.zygote.kill()
        children.zygote.wait()
        children.wait(lambda: not any(_alive(pid) for pid in pids))
        with pytest.raises(DatahubError):
            children.ask("select 1")
    finally:
        children.zygote.kill()
        children.zygote.wait()


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


FILES = "/proc/self/fd/"
PAST_THE_GATE = (
    "select filename from read_parquet('{own}', filename=true)",
    "select filename from read_blob('{own}')", "select file from glob('{own}')",
    "select file_name from parquet_metadata('{own}')", "select * from parquet_file_metadata('{own}')",
    "select sql from duckdb_views()", "select * from duckdb_settings()",
    "select current_setting('allowed_paths')", "select path from duckdb_external_file_cache()",
    "select * from duckdb_databases()", "select * from duckdb_tables()", "from duckdb_logs()",
    "select * from duckdb_secrets()", "select * from duckdb_temporary_files()",
    "select count(*) from read_parquet('{real}')", "select file from glob('{real}')",
    "select count(*) from read_parquet('{own}/../lamps.parquet')", "select file from glob('{folder}/*')",
    "select file from glob('/*')", "select file from glob('/proc/self/fd/*')",
    "select content from read_text('/proc/self/maps')", "select content from read_text('/etc/passwd')",
    "select content from read_text('/proc/self/mountinfo')",
    "select content from read_text('/proc/self/fdinfo/{number}')",
    "select content from read_text('/proc/self/environ')", "select getenv('HOME')",
    "select * from sniff_csv('{own}')", "select * from read_csv('{own}')",
)  # fmt: skip


def test_behind_the_gate_nobody_learns_where_files_are(children):
    """Settings, metadata, virtual columns and errors name a descriptor at most, never a path."""
    real = str(children.table.path)
    columns = 'select * from (select current_setting(\'allowed_paths\')) s, "lamps"."lamps" limit 1'
    _, data = children.ask(columns, trusted=True)
    (own,) = re.findall(rb"/proc/(?:self|\d+)/fd/(\d+)", data)
    places = {"own": FILES + own.decode(), "number": own.decode(), "real": real,
              "folder": str(children.table.path.parent)}  # fmt: skip
    told = []
    for statement in PAST_THE_GATE:
        inner = statement.format(**places)
        inner = inner if inner.startswith("select") else f"select * {inner}"
        sql = f'select * from ({inner}) s, (select count(*) as n from "lamps"."lamps") limit 50'
        try:
            _, data = children.ask(sql, trusted=True)
        except DatahubError as error:
            told.append((statement, str(error)))
        else:
            told.append((statement, data.decode()))
            assert "{real}" not in statement, statement
    for statement, text in told:
        assert places["folder"] not in text, statement
    assert sum(FILES in text for _, text in told) >= 5  # the statements do reach the files


def test_a_table_on_another_file_system_is_read(children, monkeypatch):
    """Where no link can be made, the file is opened by its name."""

    def refuse(*_):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(asking.os, "link", refuse)
    _, data = children.ask('select count(*) as n from "lamps"."lamps"', trusted=True)
    assert b"1000" in data


def test_a_trusted_question_only_reads(children):
    """Even a question of ours is one SELECT; it knows the numbers of rows, a user's does not."""
    _, data = children.ask('select max(file_row_number) as n from "lamps"."lamps"', trusted=True)
    assert data == b'{"n":999}'
    for trusted in (True, False):
        with pytest.raises(SqlInvalid):
            children.ask("copy (select 1) to '/tmp/x'", trusted=trusted)
    with pytest.raises(SqlInvalid):
        children.ask("select file_row_number from lamps")
