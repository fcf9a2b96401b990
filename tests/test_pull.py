"""pull and verify over HTTP: in parallel, broken off, against servers that lie, and the real one."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, contextmanager, suppress
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from datahub.cli.fetch import _alone
from datahub.errors import DatahubError, DigestMismatch, ServiceUnavailable
from datahub.errors_signing import ProofInvalid
from datahub.guard import download as downloading
from datahub.guard.download import PIECE, Wanted, download, measure
from datahub.guard.outbound import Service
from datahub.store.verify import MANIFEST, PROOFS, verify_folder

DATA = bytes(range(256)) * 64
BIG = (b"%015d\n" * (PIECE // 16)) % tuple(range(PIECE // 16)) * 2 + b"the end"


# A server that lies -----------------------------------------------------------------------


@contextmanager
def serving(answer):
    """A server on this machine that answers every GET by a function of the request."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            asked.append(self.headers.get("Range"))
            with suppress(BrokenPipeError, ConnectionResetError):  # it has heard enough
                answer(self)
            self.close_connection = True

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        service = Service(f"http://127.0.0.1:{server.server_port}")
        try:
            yield service, asked
        finally:
            service.close()
            server.shutdown()
            thread.join()


def say(request, body, status=200, **headers):
    """Send an answer with a length that is true, unless the headers say otherwise."""
    request.send_response(status)
    for name, value in ({"Content_Length": len(body)} | headers).items():
        if value is not None:
            request.send_header(name.replace("_", "-"), str(value))
    request.end_headers()
    request.wfile.write(body)


def honest(data):
    """A server that knows ranges."""

    def answer(request):
        asked = request.headers.get("Range")
        if asked is None:
            say(request, data)
            return
        start, stop = (int(n) for n in asked.removeprefix("bytes=").split("-"))
        place = f"bytes {start}-{stop}/{len(data)}"
        say(request, data[start : stop + 1], 206, Content_Range=place)

    return answer


def endless(request):
    """A body that never ends."""
    say(request, b"", Content_Length=None)
    for _ in range(4096):
        request.wfile.write(bytes(1 << 16))


def other_bytes(request):
    """A file of the same length with other bytes, whatever range is asked for."""
    say(request, bytes(len(DATA)))


LIES = {
    "other bytes": (DigestMismatch, other_bytes),
    "data without end": (ProofInvalid, endless),
    "a longer file": (ProofInvalid, lambda r: say(r, DATA + b"x")),
    "a shorter file": (ProofInvalid, lambda r: say(r, DATA[:-1])),
    "a length that is too large": (ProofInvalid, lambda r: say(r, DATA, Content_Length=1 << 40)),
    "fewer bytes than the length": (
        ServiceUnavailable,
        lambda r: say(r, DATA[:100], Content_Length=len(DATA)),
    ),
    "an answer cut off": (ServiceUnavailable, lambda r: say(r, DATA[:100], Content_Length=None)),
    "no HTTP": (ServiceUnavailable, lambda r: r.wfile.write(b"\0" * 100)),
}


@pytest.fixture
def swift(monkeypatch):
    """Tries that follow each other at once."""
    monkeypatch.setattr(downloading, "_wait", lambda *_: 0.0)


def wanted(data, name="a.bin"):
    """A file to download."""
    return Wanted(path=f"/d/x/1/{name}", bytes=len(data), sha256=sha256(data).hexdigest())


def fetch(service, target, data, jobs=4):
    """Download one file; True when it was fetched, False when it was there."""
    (new,) = download(service, [(wanted(data), target)], jobs=jobs, seen=lambda *_: None)
    return new


@pytest.mark.usefixtures("swift")
@pytest.mark.parametrize("lie", LIES)
def test_lying_servers_give_no_file(tmp_path, lie):
    """Whatever a server sends instead of a file, no file of that name comes into being."""
    error, answer = LIES[lie]
    with serving(answer) as (service, _):
        with pytest.raises(error):
            fetch(service, tmp_path / "a.bin", DATA)
        ((_, wrong),) = measure(service, [wanted(DATA)], jobs=1)
        assert wrong is not None
    assert not (tmp_path / "a.bin").exists()


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (endless, ProofInvalid),
        (lambda r: say(r, bytes(2000)), ProofInvalid),
        (lambda r: say(r, b"{}", Content_Length=900), ServiceUnavailable),
    ],
    ids=["endless", "oversized", "cut off"],
)
def test_documents_are_bounded(answer, error):
    """A document is read to its limit and no further."""
    with serving(answer) as (service, _), pytest.raises(error):
        service.document("/chain.json", 1000)


@pytest.mark.usefixtures("swift")
def test_an_endless_error_is_cut(tmp_path):
    """An error whose text never ends is an error."""

    def answer(request):
        say(request, b"", 404, Content_Length=None)
        for _ in range(4096):
            request.wfile.write(bytes(1 << 16))

    with serving(answer) as (service, _), pytest.raises(DatahubError, match="not-found"):
        fetch(service, tmp_path / "a.bin", DATA)


def test_a_big_file_comes_in_pieces(tmp_path):
    """A big file is asked for in ranges of 16 MiB, which make up the file; a second time, nothing."""
    with serving(honest(BIG)) as (service, asked):
        assert fetch(service, tmp_path / "a.bin", BIG)
        assert sorted(asked) == sorted(
            [
                f"bytes=0-{PIECE - 1}",
                f"bytes={PIECE}-{2 * PIECE - 1}",
                f"bytes={2 * PIECE}-{len(BIG) - 1}",
            ]
        )
        assert not fetch(service, tmp_path / "a.bin", BIG)
        assert len(asked) == 3
    assert (tmp_path / "a.bin").read_bytes() == BIG
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_pieces_that_are_whole_are_kept(tmp_path):
    """After a kill only the pieces that were not whole are fetched again."""
    part = bytearray(BIG)
    part[PIECE : 2 * PIECE] = bytes(PIECE)
    (tmp_path / "a.bin.part").write_bytes(part)
    (tmp_path / "a.bin.pieces").write_text(f"0\n{2 * PIECE}\n{PIECE // 16}")  # torn last line
    with serving(honest(BIG)) as (service, asked):
        assert fetch(service, tmp_path / "a.bin", BIG)
    assert asked == [f"bytes={PIECE}-{2 * PIECE - 1}"]
    assert (tmp_path / "a.bin").read_bytes() == BIG


def test_pieces_without_their_bytes(tmp_path):
    """When the part was deleted, what was noted of its pieces counts no more."""
    (tmp_path / "a.bin.pieces").write_text(f"0\n{PIECE}\n{2 * PIECE}\n")
    with serving(honest(BIG)) as (service, asked):
        assert fetch(service, tmp_path / "a.bin", BIG)
    assert len(asked) == 3
    assert (tmp_path / "a.bin").read_bytes() == BIG


def test_two_pulls_into_a_folder_take_turns(tmp_path):
    """A second pull into a folder waits for the first one, and then has it alone."""
    order = []

    def second():
        with _alone(tmp_path):
            order.append("second")

    with _alone(tmp_path):
        waiting = threading.Thread(target=second)
        waiting.start()
        waiting.join(0.3)
        assert waiting.is_alive()
        order.append("first")
    waiting.join(30)
    assert order == ["first", "second"]


def test_a_server_without_ranges(tmp_path):
    """A server that sends the whole file for every range still gives the file."""
    with serving(lambda r: say(r, BIG)) as (service, _):
        assert fetch(service, tmp_path / "a.bin", BIG)
    assert (tmp_path / "a.bin").read_bytes() == BIG


@pytest.mark.usefixtures("swift")
def test_a_range_of_another_place(tmp_path):
    """A server that answers with another range than was asked for is refused."""

    def answer(request):
        say(request, DATA[:100], 206, Content_Range=f"bytes 0-99/{len(DATA)}")

    (tmp_path / "a.bin.part").write_bytes(DATA[:200])
    with serving(answer) as (service, _), pytest.raises(ProofInvalid):
        fetch(service, tmp_path / "a.bin", DATA)


def test_a_changed_file_is_begun_anew(tmp_path):
    """When the whole file comes instead of the rest, the old beginning is not kept."""
    (tmp_path / "a.bin.part").write_bytes(b"old beginning")
    with serving(lambda r: say(r, DATA)) as (service, asked):
        assert fetch(service, tmp_path / "a.bin", DATA)
    assert asked == [f"bytes=13-{len(DATA) - 1}"]
    assert (tmp_path / "a.bin").read_bytes() == DATA


@pytest.mark.usefixtures("swift")
def test_a_broken_line_goes_on(tmp_path):
    """A connection that breaks again and again is taken up where it was."""

    def answer(request):
        asked = request.headers.get("Range")
        start = int(asked.removeprefix("bytes=").split("-")[0]) if asked else 0
        place = {"Content_Range": f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"} if asked else {}
        rest = DATA[start:]
        say(request, rest[:5000], 206 if asked else 200, **place | {"Content_Length": len(rest)})

    with serving(answer) as (service, asked):
        assert fetch(service, tmp_path / "a.bin", DATA)
    assert (tmp_path / "a.bin").read_bytes() == DATA
    assert len(asked) == 4


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_waited_for(tmp_path, status):
    """A server that asks for patience is asked again when it said."""
    told = {"code": "unavailable", "facts": {"reason_zh": "忙", "reason_en": "busy"}}
    left = [2]

    def answer(request):
        if left[0]:
            left[0] -= 1
            say(request, json.dumps(told).encode(), status, Retry_After=0)
        else:
            say(request, DATA)

    with serving(answer) as (service, asked):
        assert fetch(service, tmp_path / "a.bin", DATA)
    assert len(asked) == 3


# The real service -------------------------------------------------------------------------


def ok(done):
    """Standard output of a command that ended well."""
    assert done.returncode == 0, (done.stdout[-500:], done.stderr[-1500:])
    return done.stdout


@pytest.fixture(scope="module")
def pulled(server, tmp_path_factory):
    """Two datasets, pulled."""
    to = tmp_path_factory.mktemp("pulled")
    ok(server.cli("pull", "air_hourly", "--to", to, "--jobs", 8))
    return to / "air_hourly" / "1"


def test_a_pulled_folder_has_its_proofs(server, pulled):
    """Keys, chain and signature come along, byte for byte as the service gives them."""
    for name in PROOFS:
        at = "/.well-known/" if "keys" in name else "/d/air_hourly/"
        path = f"{at}1/{name}" if "sig" in name else f"{at}{name}"
        assert (pulled / name).read_bytes() == server.get(path).content


def test_one_bit_is_found_offline(server, pulled, tmp_path):
    """A folder verifies offline; with one bit flipped anywhere it does not, and the place is named."""
    folder = shutil.copytree(pulled, tmp_path / "air_hourly" / "1")
    assert list(verify_folder(folder)) == []
    for name, kind in (("air_hourly.parquet", "altered"), ("chain.json", "forged")):
        whole = (folder / name).read_bytes()
        data = bytearray(whole)
        data[len(data) // 2] ^= 1
        (folder / name).write_bytes(data)
        done = server.cli("verify", folder, "--json")
        (fault,) = json.loads(done.stdout)
        assert (done.returncode, fault["place"]) == (1, name)
        assert fault["kind"] in (kind, "unreadable")
        (folder / name).write_bytes(whole)


def test_a_folder_without_proofs(server, pulled, tmp_path):
    """A folder without its signature is refused, unless digests alone are asked for."""
    folder = shutil.copytree(pulled, tmp_path / "air_hourly" / "1")
    (folder / "manifest.json.sig").unlink()
    done = server.cli("verify", folder)
    assert done.returncode == 1
    assert "unsigned" in done.stdout
    assert "--unsigned" in done.stdout
    ok(server.cli("verify", folder, "--unsigned"))


@pytest.mark.parametrize("path", ["/d/bus/latest", "/d/bus/1/stops.csv", "/datasets/bus"])
def test_an_address_verifies(server, path):
    """The address of a release, a file or a page verifies: documents and every byte behind them."""
    assert "✓" in ok(server.cli("verify", server.url + path))


def test_another_service_at_the_address(server, tmp_path):
    """Once a key is pinned, another one at the same address is refused, in words; --key decides."""
    path = tmp_path / "trust.json"
    listed = json.loads(ok(server.cli("release", "keys", "--json")))
    ok(server.cli("verify", f"{server.url}/d/bus/1", "--manifest-only"))  # pins its key
    trust = json.loads((server.data.parent / "trust.json").read_text())
    (known,) = [s for s in trust["services"] if server.url in s["sites"]]
    known["keys"][0] |= {"id": "0" * 64}
    path.write_text(json.dumps({"services": [known]}))
    environment = server.environment
    try:
        server.environment = environment | {"DATAHUB_TRUST": str(path)}
        done = server.cli("verify", f"{server.url}/d/bus/1", "--manifest-only")
        assert (done.returncode, "stranger" in done.stdout) == (1, True)
        assert server.cli("pull", "bus", "--to", tmp_path / "x").returncode == 1
        assert not (tmp_path / "x").exists()
        key = listed[-1]["id"]
        ok(server.cli("verify", f"{server.url}/d/bus/1", "--manifest-only", "--key", key))
    finally:
        server.environment = environment


class SlowLine(threading.Thread):
    """A line to a port that stops in the middle: after so many bytes nothing comes any more."""

    def __init__(self, port, limit):
        super().__init__()
        self.port, self.left, self.over = port, limit, threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.carriers = []

    def run(self):
        """Carry one connection after the other, each in both directions."""
        while not self.over.is_set():
            client, _ = self.listener.accept()
            server = socket.create_connection(("127.0.0.1", self.port))
            for pair in ((client, server), (server, client)):
                self.carriers.append(threading.Thread(target=self.carry, args=pair))
                self.carriers[-1].start()

    def carry(self, source, target):
        """Carry bytes one way until there are none, or enough of them."""
        with closing(source), suppress(OSError):
            while data := source.recv(4096):
                self.left -= len(data)
                if self.left < 0:
                    self.over.wait(60)
                    return
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def end(self):
        """Cut the line."""
        self.over.set()
        socket.create_connection(self.listener.getsockname()).close()  # wakes the one who waits
        self.join()
        for carrier in self.carriers:
            carrier.join()
        self.listener.close()


def test_a_killed_pull_goes_on(server, pulled, tmp_path):
    """A pull that is killed in the middle leaves no wrong file; run again, it ends and verifies."""
    line = SlowLine(server.port, 600_000)
    line.start()
    command = ("pull", "air_hourly", "--to", str(tmp_path), "--server", line.address)
    with subprocess.Popen(
        [sys.executable, "-m", "datahub.cli", *command],
        env=server.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as child:  # fmt: skip
        until = time.monotonic() + 60
        while line.left >= 0 and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.5)
        child.kill()
    line.end()
    folder = tmp_path / "air_hourly" / "1"
    parts = {path.name: path.stat().st_size for path in folder.glob("*.part")}
    assert sum(parts.values()) > 0  # how much of it was written yet is a matter of moments
    assert not (folder / "air_hourly.csv").exists()
    ok(server.cli("pull", "air_hourly", "--to", tmp_path))
    for path in pulled.iterdir():
        assert (folder / path.name).read_bytes() == path.read_bytes(), path.name
    assert {path.name for path in folder.iterdir()} == {path.name for path in pulled.iterdir()}
    assert MANIFEST in {path.name for path in folder.iterdir()}
    ok(server.cli("verify", folder))
