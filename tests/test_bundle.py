"""All files of a release as one ZIP that is on no disk, and the lists for download programs."""

from __future__ import annotations

import io
import shutil
import subprocess
import zipfile
from datetime import UTC, datetime
from hashlib import sha256
from xml.etree import ElementTree as ET
from zlib import crc32

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datahub.model import Distribution
from datahub.serve.bundle import bundle, tag
from datahub.serve.checksums import Checksums
from datahub.serve.pieces import Folder, Stretch, cut, size

RELEASED = "2026-03-05T06:07:08.900Z"
TEXTS = {
    "一.csv": "编号,名称\n1,路灯\n".encode(),
    "empty.txt": b"",
    "b.parquet": bytes(range(256)) * 99,
}
BUNDLE = "/d/bus/1/bundle.zip"
METALINK = "{urn:ietf:params:xml:ns:metalink}"


def distribution(path, data, **more):
    """File of a release with these bytes."""
    given = {"bytes": len(data), "sha256": sha256(data).hexdigest(), "crc32": crc32(data)}
    return Distribution(path=path, media_type="text/plain", **given | more)


FILES = [distribution(path, data) for path, data in TEXTS.items()]


class Joined(io.RawIOBase):
    """The bytes that pieces make, to be read at any place; files come from `folder`."""

    def __init__(self, pieces, folder):
        self.pieces, self.folder, self.at = pieces, folder, 0
        self.size = size(pieces)

    def seekable(self):
        return True

    def seek(self, offset, whence=0):
        self.at = offset + (0, self.at, self.size)[whence]
        return self.at

    def tell(self):
        return self.at

    def read(self, count=-1):
        left = max(0, self.size - self.at)
        count = left if count is None or count < 0 else min(count, left)
        parts = [self.folder.read(piece) for piece in cut(self.pieces, self.at, count)]
        self.at += count
        return b"".join(parts)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The files of TEXTS, open."""
    path = tmp_path_factory.mktemp("bundle")
    for name, data in TEXTS.items():
        (path / name).write_bytes(data)
    found = Folder(path)
    yield found
    found.close()


@pytest.fixture(scope="module")
def archive(folder):
    """Bytes of the bundle of TEXTS."""
    return Joined(bundle("灯/3", FILES, RELEASED), folder).read()


# The archive ------------------------------------------------------------------------------


def test_python_reads_it(archive):
    """Names in UTF-8 below one folder, the very bytes, dates of the release, stored."""
    with zipfile.ZipFile(io.BytesIO(archive)) as found:
        assert found.testzip() is None
        assert {i.filename: found.read(i) for i in found.infolist()} == {
            f"灯/3/{path}": data for path, data in TEXTS.items()
        }
        for item in found.infolist():
            assert item.date_time == (2026, 3, 5, 6, 7, 8)
            assert item.compress_type == zipfile.ZIP_STORED
            assert item.flag_bits == 1 << 11
            assert item.external_attr >> 16 == 0o100644


def test_unzip_reads_it(archive, tmp_path):
    """Info-ZIP tests and unpacks it, and gives the files the time of the release."""
    if not shutil.which("unzip"):
        pytest.skip("unzip is not installed")
    path = tmp_path / "b.zip"
    path.write_bytes(archive)
    subprocess.run(["unzip", "-tq", path], check=True, capture_output=True)
    subprocess.run(["unzip", "-q", path, "-d", tmp_path], check=True, env={"LC_ALL": "C.UTF-8"})
    for name, data in TEXTS.items():
        unpacked = tmp_path / "灯" / "3" / name
        assert unpacked.read_bytes() == data
        at = datetime(2026, 3, 5, 6, 7, 8, tzinfo=UTC).timestamp()
        assert unpacked.stat().st_mtime == at


@given(data=st.data())
def test_any_cut_is_the_slice(archive, folder, data):
    """Pieces of any range are the same bytes as the slice of the whole."""
    pieces = bundle("灯/3", FILES, RELEASED)
    assert size(pieces) == len(archive)
    start = data.draw(st.integers(0, len(archive)))
    length = data.draw(st.integers(0, len(archive) - start))
    got = b"".join(folder.read(piece) for piece in cut(pieces, start, length))
    assert got == archive[start : start + length]


def test_cut_takes_no_more_than_it_needs():
    """A range within one file is one stretch of it."""
    pieces = (b"abc", Stretch(file="x", start=0, length=10), b"def")
    assert list(cut(pieces, 4, 5)) == [Stretch(file="x", start=1, length=5)]
    assert list(cut(pieces, 2, 2)) == [b"c", Stretch(file="x", start=0, length=1)]
    assert list(cut(pieces, 0, 0)) == []
    assert list(cut(pieces, 12, 99)) == [Stretch(file="x", start=9, length=1), b"def"]


def test_an_open_folder_survives_its_renaming(tmp_path):
    """What was opened before a withdrawal is read to its end; what is not there is told."""
    (tmp_path / "a").mkdir()
    for name in "xy":
        (tmp_path / "a" / name).write_bytes(name.encode() * 5)
    folder = Folder(tmp_path / "a")
    assert folder.read(Stretch(file="x", start=1, length=9)) == b"xxxx"
    (tmp_path / "a").rename(tmp_path / "b")
    assert folder.read(Stretch(file="y", start=0, length=5)) == b"yyyyy"
    with pytest.raises(FileNotFoundError):
        folder.handle("z")
    folder.close()
    with pytest.raises(FileNotFoundError):
        Folder(tmp_path / "a")


def test_the_same_release_gives_the_same_tag(archive, folder):
    """Bytes and tag depend on files and date alone; each of them changes the tag."""
    again = Joined(bundle("灯/3", FILES, RELEASED), folder).read()
    assert again == archive
    tags = {
        tag("灯/3", FILES, RELEASED),
        tag("灯/4", FILES, RELEASED),
        tag("灯/3", FILES[:-1], RELEASED),
        tag("灯/3", FILES, "2026-03-05T06:07:09.900Z"),
        tag("灯/3", [*FILES[:-1], distribution("b.parquet", b"other")], RELEASED),
    }
    assert len(tags) == 5
    assert tag("灯/3", FILES, RELEASED) in tags


@pytest.mark.parametrize("huge", [0xFFFFFFFE, 0xFFFFFFFF, 5 << 30])
def test_zip64_where_it_must_be(tmp_path, huge):
    """Files and places beyond 4 GiB get ZIP64 fields, and what comes behind is still found."""
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(huge)
    (tmp_path / "after").write_bytes(b"behind it")
    files = [
        Distribution(path="huge", bytes=huge, sha256="0" * 64, media_type="x", crc32=7),
        distribution("after", b"behind it"),
    ]
    folder = Folder(tmp_path)
    with zipfile.ZipFile(Joined(bundle("d", files, RELEASED), folder)) as found:
        sizes = [(item.file_size, item.compress_size) for item in found.infolist()]
        assert sizes == [(huge, huge), (9, 9)]
        assert found.read("d/after") == b"behind it"
        with found.open("d/huge") as first:
            assert first.read(10) == bytes(10)
    folder.close()


def test_more_files_than_a_short_counts(tmp_path):
    """65,535 entries and more need ZIP64, too."""
    (tmp_path / "x").write_bytes(b"")
    files = [distribution(f"{n}", b"") for n in range(65_536)]
    folder = Folder(tmp_path)
    with zipfile.ZipFile(Joined(bundle("d", files, RELEASED), folder)) as found:
        assert len(found.infolist()) == 65_536
    folder.close()


# Checksums of older releases --------------------------------------------------------------


def test_checksums_are_reckoned_once(tmp_path):
    """A file without CRC-32 gets it from its bytes; then the file is not read again."""
    data = TEXTS["b.parquet"]
    (tmp_path / "b.parquet").write_bytes(data)
    files = [distribution("b.parquet", data, crc32=None), distribution("c", b"c")]
    known = Checksums()
    assert [file.path for file in known.missing(files)] == ["b.parquet"]
    known.reckon(tmp_path, files)
    assert known.missing(files) == []
    (tmp_path / "b.parquet").unlink()
    known.reckon(tmp_path, files)
    assert [file.crc32 for file in known.completed(files)] == [crc32(data), crc32(b"c")]


# Over HTTP --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def served(server):
    """The bundle of bus as it is served."""
    return server.get(BUNDLE)


@pytest.fixture(scope="module")
def listed(server):
    """Files of the release."""
    return server.get("/d/bus/1/").json()["files"]


def test_a_bundle_holds_every_file(served, listed):
    """The bundle of a release has each of its files, the sums among them, with their digests."""
    assert (served.status_code, served.headers["content-type"]) == (200, "application/zip")
    with zipfile.ZipFile(io.BytesIO(served.content)) as found:
        assert found.testzip() is None
        digests = {i.filename: sha256(found.read(i)).hexdigest() for i in found.infolist()}
    assert digests == {f"bus/1/{file['path']}": file["sha256"] for file in listed}
    assert "bus/1/SHA256SUMS" in digests


def test_the_length_is_known_before(server, served):
    """HEAD tells the length, ranges, tag and name without a byte of the archive."""
    head = httpx.head(server.url + BUNDLE).headers
    assert int(head["content-length"]) == len(served.content)
    assert head["accept-ranges"] == "bytes"
    assert head["etag"] == served.headers["etag"]
    assert 'filename="bus-1.zip"' in head["content-disposition"]
    assert "repr-digest" not in head


@pytest.mark.parametrize("text", ["0-9", "100-200", "5000-400000", "-500", "70000-"])
def test_ranges_of_a_bundle(server, served, text):
    """A range of the bundle, across headers and files, is that slice."""
    first, _, last = text.partition("-")
    wanted = (
        slice(int(first), int(last) + 1 if last else None) if first else slice(-int(last), None)
    )
    got = server.get(BUNDLE, headers={"Range": f"bytes={text}", "If-Range": served.headers["etag"]})
    assert (got.status_code, got.content) == (206, served.content[wanted])


def test_a_bundle_is_not_spliced(server, served):
    """If-Range with another release's tag gets the whole, If-None-Match with its own 304."""
    ranged = {"Range": "bytes=10-", "If-Range": '"zip-other"'}
    got = server.get(BUNDLE, headers=ranged)
    assert (got.status_code, got.content) == (200, served.content)
    same = server.get(BUNDLE, headers={"If-None-Match": served.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")


def test_latest_bundle_is_the_numbered_one(server, served):
    """`latest` has the same bytes, the same tag, and says where they stand for good."""
    latest = server.get("/d/bus/latest/bundle.zip")
    assert latest.content == served.content
    assert latest.headers["etag"] == served.headers["etag"]
    assert latest.headers["content-location"] == BUNDLE


def test_urls_are_absolute_and_work(server, listed):
    """urls.txt has the address of every file on the host that was asked, one a line."""
    answer = server.get("/d/bus/latest/urls.txt")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.text.splitlines() == [server.url + file["url"] for file in listed]
    assert "immutable" not in answer.headers["cache-control"]


def test_metalink_tells_sizes_and_digests(server, listed):
    """bundle.meta4 is Metalink 4 (RFC 5854): name, size, SHA-256 and address of every file."""
    answer = server.get("/d/bus/1/bundle.meta4")
    assert answer.headers["content-type"] == "application/metalink4+xml"
    root = ET.fromstring(answer.content)  # noqa: S314 - ours
    assert root.tag == f"{METALINK}metalink"
    found = [
        {
            "path": file.get("name"),
            "bytes": int(file.findtext(f"{METALINK}size")),
            "sha256": file.find(f"{METALINK}hash[@type='sha-256']").text,
            "url": file.findtext(f"{METALINK}url").removeprefix(server.url),
        }
        for file in root.findall(f"{METALINK}file")
    ]
    assert found == [{name: file[name] for name in found[0]} for file in listed]


@pytest.mark.parametrize("name", ["urls.txt", "bundle.meta4"])
def test_lists_are_of_the_host_that_was_asked(server, name):
    """Another Host gets other addresses under another tag; the same one gets 304."""
    path = f"/d/bus/1/{name}"
    mine = server.get(path)
    other = server.get(path, headers={"Host": "data.example.cn"})
    assert "http://data.example.cn/d/bus/1/stops.csv" in other.text
    assert server.url not in other.text
    assert mine.headers["etag"] != other.headers["etag"]
    again = server.get(path, headers={"If-None-Match": mine.headers["etag"]})
    assert again.status_code == 304
    assert server.get(path, headers={"Range": "bytes=5-9"}).content == mine.content[5:10]


def test_a_release_lists_its_files(server, listed):
    """/d/DATASET/VERSION names every file, and where all of them come at once."""
    found = server.get("/d/bus/latest").json()
    assert (found["dataset"], found["version"]) == ("bus", 1)
    assert found["files"] == listed
    assert found["bundle"] == BUNDLE
    for name in ("urls", "metalink", "croissant"):
        assert server.get(found[name]).status_code == 200
    assert server.get("/d/bus/v1/").json() == found
