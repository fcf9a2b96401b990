"""Other people's programs, as they are, download and read a release over HTTP."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from hashlib import sha256
from pathlib import Path

import duckdb
import duckdb_extension_httpfs
import frictionless
import httpx
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uvicorn
from own_store import own_store, publish, swift, table

from datahub.pipeline import withdraw_release
from datahub.web.app import HeadAsGet, Outermost, create_app
from datahub.web.protocol import BoundedHttp

ROWS = 150_000
QUIET = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "timeout": 60}


class Site:
    """A service in a thread on a data folder of its own, with datasets lamps and poles."""

    def __init__(self, folder):
        self.store = own_store(folder, "lamps", "poles")
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        app = Outermost(HeadAsGet(create_app(self.store)))
        config = uvicorn.Config(app, interface="asgi3", http=BoundedHttp, log_config=None)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, args=([self.socket],))
        self.thread.start()
        end = time.monotonic() + 30
        while not self.server.started:
            assert time.monotonic() < end
            time.sleep(0.02)

    def at(self, name, version=1):
        """Address of a file of lamps."""
        return f"{self.url}/d/lamps/{version}/{name}"

    def folder(self, version=1):
        """The published files."""
        return self.store.objects.public("lamps", version)

    def bytes(self, name, version=1):
        """Bytes of a published file."""
        return (self.folder(version) / name).read_bytes()

    def stop(self):
        """End in an orderly way."""
        self.server.should_exit = True
        self.thread.join(30)
        self.socket.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A service with release 1 of lamps."""
    with pytest.MonkeyPatch.context() as patch:
        swift(patch)
        found = Site(tmp_path_factory.mktemp("clients"))
        publish(found.store, table(ROWS))
    yield found
    found.stop()


def program(name):
    """Skip where a program is not installed."""
    if not shutil.which(name):
        pytest.skip(f"{name} is not installed")
    return name


def run(*command, cwd, **options):
    """Run a program and return its exit code."""
    return subprocess.run([*map(str, command)], cwd=cwd, check=False, **QUIET | options).returncode


def begun(site, folder, name, count=200_000):
    """Leave the first bytes of a file, as a download that broke off does."""
    path = folder / name
    path.write_bytes(site.bytes(name)[:count])
    return path


# Download programs ------------------------------------------------------------------------


def test_curl_goes_on(site, tmp_path):
    """`curl -C -` completes a file that broke off, byte for byte."""
    path = begun(site, tmp_path, "lamps.csv")
    assert run(program("curl"), "-sf", "-C", "-", "-O", site.at("lamps.csv"), cwd=tmp_path) == 0
    assert path.read_bytes() == site.bytes("lamps.csv")


def test_curl_goes_on_with_a_bundle(site, tmp_path):
    """A bundle, which is on no disk, goes on where it broke off and is a whole archive then."""
    whole = httpx.get(site.at("bundle.zip")).content
    (tmp_path / "bundle.zip").write_bytes(whole[: len(whole) // 3])
    assert run(program("curl"), "-sf", "-C", "-", "-O", site.at("bundle.zip"), cwd=tmp_path) == 0
    assert (tmp_path / "bundle.zip").read_bytes() == whole
    assert run(program("unzip"), "-tq", "bundle.zip", cwd=tmp_path) == 0


def test_wget_goes_on(site, tmp_path):
    """`wget -c` does, too, and gives the file the time of the release."""
    path = begun(site, tmp_path, "lamps.csv")
    assert run(program("wget"), "-q", "-c", site.at("lamps.csv"), cwd=tmp_path) == 0
    assert path.read_bytes() == site.bytes("lamps.csv")


def test_wget_fetches_a_list(site, tmp_path):
    """`wget -i urls.txt` fetches every file; `sha256sum -c SHA256SUMS` agrees with them."""
    (tmp_path / "urls.txt").write_bytes(httpx.get(site.at("urls.txt")).content)
    assert run(program("wget"), "-q", "-i", "urls.txt", cwd=tmp_path) == 0
    assert run("sha256sum", "-c", "--strict", "SHA256SUMS", cwd=tmp_path) == 0
    (tmp_path / "lamps.csv").write_bytes(b"swapped")
    assert run("sha256sum", "-c", "--strict", "SHA256SUMS", cwd=tmp_path) == 1


def test_aria2_in_parallel(site, tmp_path):
    """`aria2c -x4 -s4` puts four ranges together, and checks them by the digest."""
    digest = sha256(site.bytes("lamps.csv")).hexdigest()
    command = (program("aria2c"), "-q", "-x4", "-s4", "-k", "1M", f"--checksum=sha-256={digest}")
    assert run(*command, site.at("lamps.csv"), cwd=tmp_path) == 0
    assert (tmp_path / "lamps.csv").read_bytes() == site.bytes("lamps.csv")


def test_aria2_goes_on(site, tmp_path):
    """`aria2c -c` completes what another program began."""
    path = begun(site, tmp_path, "lamps.csv")
    assert run(program("aria2c"), "-q", "-c", site.at("lamps.csv"), cwd=tmp_path) == 0
    assert path.read_bytes() == site.bytes("lamps.csv")


def test_aria2_reads_the_metalink(site, tmp_path):
    """`aria2c -M bundle.meta4` fetches every file and refuses one whose digest is another."""
    text = httpx.get(site.at("bundle.meta4")).text
    (tmp_path / "bundle.meta4").write_text(text)
    command = (program("aria2c"), "-q", "-V", "-M")
    assert run(*command, "bundle.meta4", cwd=tmp_path) == 0
    for path in site.folder().iterdir():
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()
    digest = sha256(site.bytes("lamps.csv")).hexdigest()
    (tmp_path / "wrong.meta4").write_text(text.replace(digest, "0" * 64))
    (tmp_path / "again").mkdir()
    assert run(*command, "../wrong.meta4", cwd=tmp_path / "again") != 0


# A new release while a download is on the way ---------------------------------------------


@pytest.fixture(scope="module")
def changed(tmp_path_factory):
    """A service whose `latest` is release 2; somebody has the beginning of release 1."""
    with pytest.MonkeyPatch.context() as patch:
        swift(patch)
        found = Site(tmp_path_factory.mktemp("changed"))
        publish(found.store, table(5000))
        found.old = httpx.get(found.at("lamps.csv", "latest")).headers["etag"]
        publish(found.store, table(9000, first=100_000))
    yield found
    found.stop()


def test_a_resume_over_a_new_release_gets_the_new_file(changed):
    """If-Range with the old tag is answered by the whole new file, and says that it is."""
    asked = {"Range": "bytes=1000-", "If-Range": changed.old}
    answer = httpx.get(changed.at("lamps.csv", "latest"), headers=asked)
    assert (answer.status_code, answer.content) == (200, changed.bytes("lamps.csv", 2))
    assert answer.headers["content-location"] == "/d/lamps/2/lamps.csv"


@pytest.mark.parametrize(
    ("command", "condition", "code"),
    [
        (("curl", "-sf", "-C", "-", "-O", "-H"), "If-Range", 33),
        (("wget", "-q", "-c", "--header"), "If-Match", 8),  # of a 200 wget takes the rest
    ],
)
def test_programs_do_not_splice(changed, tmp_path, command, condition, code):
    """With a condition curl and wget refuse to go on over a new release; the old bytes stay."""
    path = begun(changed, tmp_path, "lamps.csv", 1000)
    program(command[0])
    address = changed.at("lamps.csv", "latest")
    assert run(*command, f"{condition}: {changed.old}", address, cwd=tmp_path) == code
    assert path.read_bytes() == changed.bytes("lamps.csv")[:1000]


def test_a_numbered_release_goes_on(changed, tmp_path):
    """Under its number the old release is completed as if nothing had come."""
    path = begun(changed, tmp_path, "lamps.csv", 1000)
    assert run(program("curl"), "-sf", "-C", "-", "-O", changed.at("lamps.csv"), cwd=tmp_path) == 0
    assert path.read_bytes() == changed.bytes("lamps.csv")


def test_pull_never_mixes_releases(changed, tmp_path):
    """`datahub pull` gets the newest beside what it has begun of an older one."""
    old = tmp_path / "lamps" / "1"
    old.mkdir(parents=True)
    (old / "lamps.csv.part").write_bytes(changed.bytes("lamps.csv")[:1000])
    command = (sys.executable, "-m", "datahub.cli", "pull", "lamps", "--to", tmp_path)
    settings = os.environ | {"DATAHUB_SERVER": changed.url}
    assert run(*command, cwd=tmp_path, env=settings) == 0
    for path in changed.folder(2).iterdir():
        assert (tmp_path / "lamps" / "2" / path.name).read_bytes() == path.read_bytes()
    assert [path.name for path in old.iterdir()] == ["lamps.csv.part"]


def test_a_withdrawal_stops_no_download(site, monkeypatch):
    """A bundle that is on its way when its release is withdrawn comes whole; then it is gone."""
    swift(monkeypatch)
    publish(site.store, table(60_000), dataset="poles")
    address = f"{site.url}/d/poles/1/bundle.zip"
    whole = httpx.get(address).content
    with socket.socket() as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.connect(site.socket.getsockname())
        peer.sendall(b"GET /d/poles/1/bundle.zip HTTP/1.0\r\nHost: x\r\n\r\n")
        got = peer.recv(1000)
        withdraw_release(site.store, "poles", 1, reason="试验", who="test")
        while part := peer.recv(1 << 20):
            got += part
    assert got.partition(b"\r\n\r\n")[2] == whole
    for method in ("GET", "HEAD"):
        assert httpx.request(method, address).status_code == 410


# Programs that read tables ----------------------------------------------------------------


@pytest.fixture(scope="module")
def remote():
    """DuckDB with the httpfs extension of its wheel."""
    (extension,) = Path(duckdb_extension_httpfs.__file__).parent.rglob("httpfs.duckdb_extension")
    with duckdb.connect(config={"allow_unsigned_extensions": "true"}) as db:
        db.execute(f"load '{extension}'")
        yield db


def test_duckdb_reads_ranges(site, remote):
    """DuckDB's httpfs filters a remote Parquet file, and reads CSV, also of `latest`."""
    asked = "select count(*), min(name), max(id) from read_parquet(?) where id > 149990"
    wanted = (10, f"路灯{ROWS - 9}", ROWS)
    assert remote.execute(asked, [site.at("lamps.parquet")]).fetchone() == wanted
    assert remote.execute(asked, [site.at("lamps.parquet", "latest")]).fetchone() == wanted
    count = remote.execute("select count(*) from read_csv(?)", [site.at("lamps.csv")]).fetchone()
    assert count == (ROWS,)


def test_polars_scans(site):
    """Polars scans the Parquet file lazily, by ranges, and reads the CSV."""
    found = pl.scan_parquet(site.at("lamps.parquet")).filter(pl.col("id") == 77_777).collect()
    assert found.rows() == [(77_777, "路灯77777")]
    assert pl.read_csv(site.at("lamps.csv")).shape == (ROWS, 2)


def test_pandas_reads(site):
    """Pandas reads CSV (with a byte order mark, too) and Parquet from their addresses."""
    for name in ("lamps.csv", "lamps.csv?bom=1"):
        frame = pd.read_csv(site.at(name))
        assert list(frame.columns) == ["id", "name"]
        assert frame["id"].sum() == ROWS * (ROWS + 1) // 2
    assert pd.read_parquet(site.at("lamps.parquet"))["name"].iloc[-1] == f"路灯{ROWS}"


def test_pyarrow_reads(site):
    """Arrow reads the Parquet bytes as they came."""
    found = pq.read_table(pa.BufferReader(httpx.get(site.at("lamps.parquet")).content))
    assert (found.num_rows, found.column_names) == (ROWS, ["id", "name"])


@pytest.mark.filterwarnings("ignore")
def test_frictionless_validates_the_address(site, changed):
    """`frictionless validate URL/datapackage.json` finds the remote package and its data valid."""
    report = frictionless.validate(changed.at("datapackage.json", 2))
    assert report.valid, report.flatten(["type", "note"])
    assert report.tasks[0].stats["rows"] == 9000
    package = frictionless.Package(site.at("datapackage.json"))
    assert (
        package.get_resource("lamps").hash
        == f"sha256:{sha256(site.bytes('lamps.csv')).hexdigest()}"
    )
