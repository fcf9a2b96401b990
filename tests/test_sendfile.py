"""Bodies that the kernel sends: every byte right, and no reader, slow, dead or gone, a burden."""

from __future__ import annotations

import http.client
import os
import random
import socket
import threading
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import parse_qs

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st

from datahub.web.protocol import BoundedHttp
from datahub.web.sendfile import EXTENSION, FileShorter, send_stretch

SIZE = 9_000_017
DATA = random.Random(11).randbytes(SIZE)
HUGE = 5 << 30


class Impatient(BoundedHttp):
    """As served, with the waiting shortened."""

    head_seconds = 1.0
    patience = 1.0


class Service:
    """A server in a thread that sends stretches of files; `query` of the address says which."""

    def __init__(self, folder):
        (folder / "data").write_bytes(DATA)
        with (folder / "huge").open("wb") as file:
            file.truncate(HUGE)
        self.handles = {name: os.open(folder / name, os.O_RDONLY) for name in ("data", "huge")}
        self.ended = []
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self.socket.getsockname()[1]
        config = uvicorn.Config(
            self.app, interface="asgi3", http=Impatient, log_level="critical", lifespan="off",
            timeout_graceful_shutdown=10,
        )  # fmt: skip
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([self.socket],))
        self.thread.start()

    async def app(self, scope, _receive, send):
        """Answer with the stretch that the query names."""
        query = {k: v[0] for k, v in parse_qs(scope["query_string"].decode()).items()}
        handle = self.handles[query.get("file", "data")]
        start, length = int(query.get("start", 0)), int(query.get("length", SIZE))
        if "cold" in query:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        if "chunks" in query:
            del scope["extensions"][EXTENSION]
        framed, lead = "framed" in query, b"<" * int(query.get("lead", 1))
        headers = [] if framed else [(b"content-length", str(len(lead) + length + 1).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": lead, "more_body": True})
        try:
            await send_stretch(scope, send, handle, start, length)
            await send({"type": "http.response.body", "body": b">", "more_body": False})
            self.ended.append("done")
        except FileShorter:
            self.ended.append("shorter")
            raise

    def connect(self, room=None):
        """Connect, with room in the socket for so many bytes."""
        peer = socket.socket()
        if room:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        peer.settimeout(20)
        peer.connect(("127.0.0.1", self.port))
        return peer

    def stop(self):
        """End in an orderly way."""
        self.server.should_exit = True
        self.thread.join(20)
        for handle in self.handles.values():
            os.close(handle)
        self.socket.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory):
    """A server for all tests here."""
    found = Service(tmp_path_factory.mktemp("sendfile"))
    assert body(found, "length=10") == wrapped(0, 10)  # the event loop is there from now on
    yield found
    found.stop()


def ask(query="", *, version="1.1"):
    """Request as it goes over the wire."""
    return f"GET /?{query} HTTP/{version}\r\nHost: x\r\n\r\n".encode()


def wrapped(start=0, length=SIZE):
    """Body that the stretch is answered with."""
    return b"<" + DATA[start : start + length] + b">"


def body(service, query):
    """Body of an answer on a connection of its own."""
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)) as client:
        client.request("GET", f"/?{query}")
        return client.getresponse().read()


def descriptors():
    """How many files and sockets this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def until(true, seconds=40):
    """Wait for something; the machine may be busy."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


@settings(max_examples=60, deadline=None)
@given(
    start=st.integers(0, SIZE - 1),
    length=st.one_of(st.integers(1, 70_000), st.integers(1, SIZE)),
    form=st.sampled_from(["", "&cold=1", "&chunks=1", "&framed=1"]),
)
def test_every_stretch_is_the_files_bytes(service, start, length, form):
    """Any stretch arrives byte for byte: from the page cache, from the disk, in chunks."""
    length = min(length, SIZE - start)
    assert body(service, f"start={start}&length={length}{form}") == wrapped(start, length)


def test_places_beyond_two_gigabytes(service):
    """Positions are not cut to 32 bits."""
    assert body(service, f"file=huge&start={HUGE - 1000}&length=1000") == b"<" + bytes(1000) + b">"


def test_one_connection_serves_many(service):
    """Keep-alive goes on after a body that the kernel sent."""
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=20)) as client:
        for start in (0, 5, SIZE - 9):
            client.request("GET", f"/?start={start}&length=9")
            assert client.getresponse().read() == wrapped(start, 9)


def test_pipelined_requests_are_answered_in_order(service):
    """Requests sent at once, before any answer, get their bodies one after the other."""
    places = [(0, SIZE), (100, 3), (7, 3_000_000), (SIZE - 1, 1)]
    with service.connect() as peer:
        peer.sendall(b"".join(ask(f"start={at}&length={n}") for at, n in places))
        stream = peer.makefile("rb")
        for at, n in places:
            while (line := stream.readline().strip()) != b"":
                assert line
            assert stream.read(n + 2) == wrapped(at, n)


def test_the_kernel_waits_for_the_server(service):
    """What the server still holds for a slow client comes before the stretch, not after."""
    with service.connect(room=4096) as peer:
        peer.sendall(ask("lead=12000000&length=1000", version="1.0"))
        time.sleep(0.3)
        answer = peer.makefile("rb").read()
    assert answer.partition(b"\r\n\r\n")[2] == b"<" * 11_999_999 + wrapped(0, 1000)


def test_http_1_0_gets_the_whole_and_the_end(service):
    """HTTP/1.0 has the connection closed after the last byte."""
    with service.connect() as peer:
        peer.sendall(ask(version="1.0"))
        answer = peer.makefile("rb").read()
    assert answer.partition(b"\r\n\r\n")[2] == wrapped()


def test_a_file_that_is_shorter_is_broken_off(service):
    """A body that cannot be complete ends without its length, so that nobody takes it for whole."""
    with pytest.raises(http.client.IncompleteRead):
        body(service, f"start={SIZE - 10}&length=20")
    until(lambda: service.ended[-1:] == ["shorter"])


@pytest.mark.parametrize("form", ["", "&chunks=1"])
def test_a_slow_reader_gets_everything(service, form):
    """A client that takes a little at a time is never cut off, however long it takes."""
    got = b""
    with service.connect(room=4096) as peer:
        peer.sendall(ask(form))
        while part := peer.recv(8192 if len(got) < 200_000 else 1 << 20):
            got += part
            if len(got) < 200_000:
                time.sleep(0.1)
            if got.endswith(b">") and len(got) > SIZE:
                break
    assert got.partition(b"\r\n\r\n")[2] == wrapped()


@pytest.mark.parametrize("form", ["", "&chunks=1"])
def test_a_dead_reader_is_cut_off(service, form):
    """A client that takes nothing for the time of patience loses its connection."""
    connections = service.server.server_state.connections
    until(lambda: not connections)  # of tests before
    with service.connect(room=4096) as peer:
        peer.sendall(ask(f"file=huge&length={HUGE}{form}"))
        until(lambda: connections)
        until(lambda: not connections)


def test_a_client_who_leaves_leaves_nothing_behind(service):
    """Clients that go in the middle, politely or not, cost no descriptor and no task."""
    until(lambda: not service.server.server_state.connections)
    before = descriptors()
    for linger in (False, True) * 5:
        peer = service.connect(room=4096)
        peer.sendall(ask(f"file=huge&length={HUGE}"))
        peer.recv(1000)
        if linger:  # closes with a reset
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.close()
    until(lambda: not service.server.server_state.tasks)
    until(lambda: descriptors() <= before)


def test_two_hundred_slow_readers_stop_nobody(service, monkeypatch):
    """While 200 clients dawdle over a huge file, others are served at once; memory stays."""
    monkeypatch.setattr(Impatient, "patience", 30)
    until(lambda: not service.server.server_state.connections)
    before = descriptors()
    resident = memory()
    peers = [service.connect(room=4096) for _ in range(200)]
    for peer in peers:
        peer.sendall(ask(f"file=huge&length={HUGE}"))
    until(lambda: len(service.server.server_state.tasks) >= 200)
    times = []
    for _ in range(10):
        began = time.perf_counter()
        assert body(service, "length=1000000") == wrapped(0, 1_000_000)
        times.append(time.perf_counter() - began)
    assert sorted(times)[5] < 1
    assert memory() - resident < 60 << 20
    for peer in peers:
        peer.close()
    until(lambda: descriptors() <= before)


def test_a_huge_file_takes_no_memory(service):
    """A gigabyte goes out while the process grows by next to nothing."""
    resident, got, buffer = memory(), 0, bytearray(1 << 20)
    with service.connect() as peer:
        peer.sendall(ask(f"file=huge&length={1 << 30}", version="1.0"))
        while n := peer.recv_into(buffer):
            got += n
    assert got > 1 << 30
    assert memory() - resident < 30 << 20


def memory():
    """Bytes of this process that are resident and its own: pages of files do not count."""
    lines = Path("/proc/self/status").read_text().splitlines()
    words = dict(line.split(":") for line in lines)
    return int(words["RssAnon"].split()[0]) << 10


def test_rubbish_never_gets_into_a_body(service):
    """What is no request, sent while a file comes, ends the connection: no 400 within the bytes."""
    with service.connect() as peer:
        peer.sendall(ask())
        answer = peer.recv(100_000)
        peer.sendall(b"\0\1\2 rubbish\r\n\r\n" * 10)
        try:
            while part := peer.recv(1 << 20):
                answer += part
        except ConnectionResetError:
            pass
    got = answer.partition(b"\r\n\r\n")[2]
    assert got == wrapped()[: len(got)]


@pytest.mark.parametrize("sent", [b"", b"GET /", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: "])
def test_a_head_that_does_not_come_is_not_awaited(service, sent):
    """Connections that say nothing, or never finish saying it, are closed in time."""
    with service.connect() as peer:
        peer.sendall(sent)
        began = time.monotonic()
        for letter in b"drip" * 3:
            time.sleep(0.1)
            if sent and time.monotonic() - began < 0.9:
                peer.sendall(bytes([letter]))
        assert peer.recv(100) == b""
        assert time.monotonic() - began < 6


def test_stopping_waits_for_a_download(tmp_path):
    """A service that is told to end finishes the download that is going on, then goes."""
    own = Service(tmp_path)
    with own.connect() as peer:
        peer.sendall(ask())
        answer = peer.recv(1000)
        own.server.should_exit = True
        time.sleep(0.3)
        while part := peer.recv(1 << 20):
            answer += part
    assert answer.partition(b"\r\n\r\n")[2] == wrapped()
    own.stop()
    assert not own.thread.is_alive()
