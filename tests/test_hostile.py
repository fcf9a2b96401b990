"""Hostile and broken files over HTTP: refused with a clear code, and the service stays up."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import struct
import time
import zipfile
from pathlib import Path

import httpx
import pytest
import xlsxwriter
from hub import Hub, sample_files
from own_store import table, write_catalog

from datahub.errors import DatahubError
from datahub.validation.sniff import Probe, sniff

MIB = 1 << 20


@pytest.fixture(scope="module")
def tight(tmp_path_factory):
    """A small service with low limits: 8 s, 1 GiB of memory, 64 MB of upload and of unpacking."""
    folder = tmp_path_factory.mktemp("tight")
    catalog = write_catalog(folder / "catalog", "lamps")
    limits = {"child_seconds": 8, "child_memory": 1 << 30, "upload_bytes": 64 * MIB}
    hub = Hub(folder / "data", catalog=catalog, unpacked_bytes=256 * MIB, **limits)
    hub.data.mkdir()
    hub.register()
    hub.fill("lamps", ("lamps", "lamps.csv", table()))
    hub.start()
    yield hub
    hub.stop()


def workbook(rows: list[list]) -> bytes:
    """A workbook with one sheet."""
    stream = io.BytesIO()
    with xlsxwriter.Workbook(stream, {"in_memory": True}) as book:
        sheet = book.add_worksheet()
        for number, row in enumerate(rows):
            sheet.write_row(number, 0, row)
    return stream.getvalue()


GOOD_BOOK = workbook([["id", "name"], *([n, f"路灯{n}"] for n in range(12))])


def rebuilt(name: str, content: bytes) -> bytes:
    """A good workbook with one member replaced."""
    stream = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(GOOD_BOOK)) as source,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for entry in source.infolist():
            target.writestr(
                entry.filename, content if entry.filename == name else source.read(entry)
            )
    return stream.getvalue()


SHEET = "xl/worksheets/sheet1.xml"
OPEN = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha">'
    + "".join(f'<!ENTITY {b} "{f"&{a};" * 20}">' for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    + f']>{OPEN}<sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>&i;</t></is></c></row></sheetData></worksheet>'
)  # fmt: skip
DEEP = OPEN + "<sheetData>" + "<row>" * 200_000 + "</row>" * 200_000 + "</sheetData></worksheet>"
FAR = f'{OPEN}<sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>id</t></is></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData></worksheet>'


def zeros_bomb() -> bytes:
    """A workbook whose sheet is 240 MB of blanks."""
    return rebuilt(SHEET, b" " * (240 * MIB))


def lying_bomb() -> bytes:
    """The same, with a directory and a local header that claim a thousand bytes."""
    data = bytearray(zeros_bomb())
    real, lie = struct.pack("<I", 240 * MIB), struct.pack("<I", 1000)
    return bytes(data.replace(real, lie))


def plain_zip() -> bytes:
    """An archive that is no workbook."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("lamps.csv", table())
    return stream.getvalue()


def rejected(hub: Hub, name: str, data: bytes) -> dict:
    """Hand in a file that must not pass; check what holds for every rejection."""
    answer = hub.submit("lamps", ("lamps", name, data))
    if answer.status_code == 201:
        found = hub.settle(answer.json()["id"])
        assert found["state"] == "rejected", found
        problem = found["problem"]
    else:
        assert answer.status_code < 500
        problem = answer.json()
    check_text(hub, problem)
    healthy(hub)
    return problem


def check_text(hub: Hub, problem: dict) -> None:
    """Chinese for the owner, and no path of the server."""
    told = problem.get("detail_zh") or problem.get("zh") or str(problem)
    assert re.search("[一-鿿]{4}", told), problem
    for leak in (str(hub.data), "/work", "received/", "Traceback", "site-packages"):
        assert leak not in str(problem)


def healthy(hub: Hub) -> None:
    """The service is ready, staging is empty, what was released is served unchanged."""
    assert hub.get("/health/ready").status_code == 200
    assert list((hub.data / "staging").iterdir()) == []
    assert hub.get("/d/lamps/1/lamps.csv").content == table()


@pytest.mark.parametrize(
    ("name", "data", "code"),
    [
        ("a.csv", b"", "file-empty"),
        ("a.csv", b"\n\n \r\n", "file-empty"),
        ("a.csv", b"\xef\xbb\xbf", "file-empty"),
        ("a.csv", bytes(5000), "file-empty"),
        ("a.csv", b"id,name\n", "findings-block"),
        ("a.csv", b"%PDF-1.7\n%\xe2\xe3", "format-mismatch"),
        ("a.csv", b"\x89PNG\r\n\x1a\n" + bytes(100), "format-mismatch"),
        ("a.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "format-mismatch"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "file-unreadable"),
        ("a.csv", b"\x1f\x8b\x08" + bytes(100), "format-mismatch"),
        ("a.csv", b"PAR1" + bytes(100), "format-mismatch"),
        ("a.csv", b"<!DOCTYPE html><table><tr><td>id</td></tr></table>", "format-mismatch"),
        ("a.csv", b"<html>id,name\n1,a\n", "format-mismatch"),
        ("a.csv", bytes(range(256)) * 40, "format-mismatch"),
        ("a.xlsx", table(), "format-mismatch"),
        ("a.csv", plain_zip(), "format-mismatch"),
        ("a.xlsx", plain_zip(), "format-mismatch"),
        ("a.xlsx", GOOD_BOOK[: len(GOOD_BOOK) // 2], "file-unreadable"),
        ("a.xlsx", GOOD_BOOK[:-10], "file-unreadable"),
        ("a.xlsx", b"PK\x03\x04" + bytes(500), "file-unreadable"),
        ("a.csv", "id,name\n1,caf\u00e9 \u00fc\n".encode("latin-1"), "encoding-unknown"),
        ("a.csv", b"id,name\n1,\xff\xff\n", "encoding-unknown"),
        ("a.csv", "编号,名称\n1,灯\n".encode(), "header-missing"),
        ("a.csv", b"id,name\n9223372036854775808000000000000000000000000000000,x\n" * 1, "ok"),
    ],
)  # fmt: skip
def test_broken_files(tight, name, data, code):
    """Each broken file is refused with its own code, in Chinese, without harm to the service."""
    if code == "ok":
        found = tight.settle(tight.submit("lamps", ("lamps", name, data)).json()["id"])
        assert found["state"] == "in_review"
    else:
        assert rejected(tight, name, data)["code"] == code


def test_what_would_be_right_is_told(tight):
    """A wrong format says which formats are right, a missing header which columns."""
    wrong = rejected(tight, "a.csv", b"%PDF-1.7\n")
    header = rejected(tight, "a.csv", "编号;名称\n1;a\n".encode())
    assert "CSV" in str(wrong.get("detail_zh", wrong))
    assert "id, name" in str(header)


def test_a_workbook_named_csv_is_read(tight):
    """Content counts, not the name: a good workbook named .csv goes to review."""
    answer = tight.submit("lamps", ("lamps", "a.csv", GOOD_BOOK))
    assert tight.settle(answer.json()["id"])["state"] == "in_review"


@pytest.mark.parametrize(
    ("data", "allowed"),
    [
        (zeros_bomb, {"archive-bomb"}),
        (lying_bomb, {"archive-bomb", "memory-limit", "file-unreadable", "parser-crashed", "time-limit"}),
        (lambda: rebuilt(SHEET, LAUGHS.encode()), {"file-unreadable", "header-missing", "memory-limit", "parser-crashed"}),
        (lambda: rebuilt(SHEET, DEEP.encode()), {"file-unreadable", "header-missing", "parser-crashed", "file-empty"}),
        (lambda: rebuilt(SHEET, FAR.encode()), {"memory-limit", "time-limit", "parser-crashed", "file-unreadable", "sheet-too-wide"}),
        (lambda: rebuilt("xl/workbook.xml", b"<workbook/>"), {"file-unreadable", "file-empty"}),
    ],
    ids=["bomb", "lying bomb", "laughs", "deep", "far cell", "no sheets"],
)  # fmt: skip
def test_hostile_workbooks(tight, data, allowed):
    """Bombs and crafted XML end in a rejection within the limits."""
    assert rejected(tight, "a.xlsx", data())["code"] in allowed


def test_a_directory_that_lies_about_sizes_is_a_lie():
    """The lying bomb really claims small sizes, so that the test above tests what it says."""
    sizes = {e.filename: e.file_size for e in zipfile.ZipFile(io.BytesIO(lying_bomb())).infolist()}
    assert sizes[SHEET] == 1000


# Requests ---------------------------------------------------------------------------------


def raw(hub: Hub, content, *, query: str = "", kind: str = "text/csv", dataset: str = "lamps"):
    """POST a raw body."""
    path = f"/api/v1/datasets/{dataset}/submissions{query}"
    headers = {"content-type": kind}
    return hub.post(path, token=hub.token("operator"), content=content, headers=headers)


@pytest.mark.parametrize(
    ("encoding", "charset", "code"),
    [
        ("gb18030", "utf-8", "encoding-unknown"),
        ("utf-8", "gbk", "encoding-unknown"),
        ("utf-16", "utf-8", "encoding-unknown"),
    ],
)
def test_wrong_charset_label(tight, encoding, charset, code):
    """A label that is not what the bytes are is refused."""
    answer = raw(tight, table().decode().encode(encoding), kind=f"text/csv; charset={charset}")
    found = tight.settle(answer.json()["id"])
    assert (found["state"], (found["problem"] or {}).get("code")) == ("rejected", code)


def test_unknown_charset_label(tight):
    """A label nobody knows is refused at once, with those that are known."""
    answer = raw(tight, table(), kind="text/csv; charset=klingon")
    assert (answer.status_code, answer.json()["code"]) == (400, "parameter-invalid")
    assert "gb18030" in answer.json()["detail_zh"]
    healthy(tight)


@pytest.mark.parametrize(
    "name",
    ["../../../etc/passwd", "..\\..\\a.csv", "/etc/passwd", "a\nb.csv", "a\rb.csv", "a\0b.csv", "灯" * 100 + ".csv", "..", ".", "   ", "a\u2028b.csv"],
)  # fmt: skip
def test_file_names_that_are_refused(tight, name):
    """A name with a path, a control character or too many bytes is refused, visibly spelled."""
    answer = httpx.post(
        tight.url + "/api/v1/datasets/lamps/submissions", params={"filename": name},
        content=table(), headers={"authorization": f"Bearer {tight.token('operator')}"}, timeout=30,
    )  # fmt: skip
    code = "parameter-invalid" if "\0" in name else "name-invalid"
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert not {"\n", "\r", "\0"} & set(answer.json()["detail_zh"])
    healthy(tight)


@pytest.mark.parametrize(
    "name", ["", "\u202efdp.csv", "名录（终）.csv", "a b'\".csv", "CON.csv", "-rf.csv", "😀.csv"]
)
def test_file_names_that_pass(tight, name):
    """An odd name is only a name: it comes back as it was given and never becomes a path."""
    answer = httpx.post(
        tight.url + "/api/v1/datasets/lamps/submissions", params={"filename": name},
        content=table(), headers={"authorization": f"Bearer {tight.token('operator')}"}, timeout=30,
    )  # fmt: skip
    assert answer.status_code == 201, answer.text
    assert answer.json()["files"][0]["name"] == (name or "data.csv")
    stored = [p.name for p in (tight.data / "received").iterdir()]
    assert all(re.fullmatch("[0-9a-f]{64}", entry) for entry in stored)


@pytest.mark.parametrize("dataset", ["nowhere", "Lamps", "..%2f..%2fetc", "a%00b", "灯" * 50])
def test_unknown_dataset(tight, dataset):
    """A dataset that is not there is told so."""
    answer = raw(tight, table(), dataset=dataset)
    assert answer.status_code in (400, 404)
    assert re.search("[一-鿿]", answer.json()["detail_zh"])
    healthy(tight)


def test_a_resource_without_its_file(server, samples):
    """A dataset of three resources with two files is refused with what is missing."""
    answer = server.submit("bus", *sample_files(samples, "bus")[:2])
    assert (answer.status_code, answer.json()["code"]) == (422, "submission-incomplete")
    assert all(name in answer.json()["detail_zh"] for name in ("lines", "stops", "line_stops"))


def test_a_part_too_many(server, samples):
    """A part for a resource that the dataset does not have is refused."""
    answer = server.submit("bus", *sample_files(samples, "bus"), ("more", "more.csv", b"a\n"))
    assert (answer.status_code, answer.json()["code"]) == (422, "submission-incomplete")


def test_too_many_parts(tight):
    """Hundreds of parts are refused."""
    answer = tight.submit("lamps", *[("lamps", f"{n}.csv", b"x") for n in range(300)])
    assert (answer.status_code, answer.json()["code"]) == (400, "body-invalid")
    healthy(tight)


PART = b'--b\r\ncontent-disposition: form-data; name="lamps"; filename="lamps.csv"\r\n\r\n'


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data; boundary=b", PART + table()),
        ("multipart/form-data; boundary=b", PART + table() + b"\r\n--b"),
        ("multipart/form-data; boundary=b", PART[:30]),
        ("multipart/form-data; boundary=b", b""),
        ("multipart/form-data; boundary=b", b"--b--\r\n"),
        ("multipart/form-data; boundary=b", b"nonsense"),
        ("multipart/form-data; boundary=b", b"--b\r\nx\r\n\r\nx\r\n--b--\r\n"),
        ("multipart/form-data; boundary=b", b"--b\r\n" + b"x: y\r\n" * 5000 + b"\r\n\r\n--b--\r\n"),
        ("multipart/form-data", PART + table() + b"\r\n--b--\r\n"),
        ("multipart/form-data; boundary=" + "b" * 5000, PART),
    ],
)
def test_malformed_multipart(tight, kind, body):
    """A malformed or truncated multipart body is refused and leaves nothing."""
    answer = raw(tight, body, kind=kind)
    assert (answer.status_code, answer.json()["code"]) == (400, "body-invalid")
    assert re.search("[一-鿿]", answer.json()["detail_zh"])
    healthy(tight)


@pytest.mark.parametrize("way", ["raw", "multipart"])
def test_a_body_over_the_limit(tight, way):
    """More bytes than a submission may have get 413, and nothing stays."""
    data = b"a" * (65 * MIB)
    answer = raw(tight, data) if way == "raw" else tight.submit("lamps", ("lamps", "a.csv", data))
    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")
    assert answer.json()["facts"]["limit"] == 64 * MIB
    healthy(tight)


def test_files_over_the_limit_together(tight):
    """The limit is that of all files together, and it is the limit that is told."""
    data = b"a" * (40 * MIB)
    answer = tight.submit("lamps", ("lamps", "1.csv", data), ("lamps", "2.csv", data))
    assert (answer.status_code, answer.json()["code"]) == (413, "body-too-large")
    assert answer.json()["facts"]["limit"] == 64 * MIB
    healthy(tight)


def test_an_endless_line_over_http(tight):
    """A streamed file of one long line is refused by its line length."""
    chunk = b"a" * MIB
    answer = raw(tight, (chunk for _ in range(60)))
    found = tight.settle(answer.json()["id"])
    assert (found["state"], found["problem"]["code"]) == ("rejected", "line-too-long")
    healthy(tight)


def test_a_file_of_one_line_of_two_gigabytes(tmp_path):
    """Two gigabytes without a line break are refused after the first few megabytes."""
    if shutil.disk_usage(tmp_path).free < 6 << 30:
        pytest.skip("less than 6 GB free")
    path, chunk = tmp_path / "long.csv", b"a" * (16 * MIB)
    with path.open("wb") as file:
        for _ in range(128):
            file.write(chunk)
    given = {"fields": [{"name": "id"}]}
    told = Probe(
        path=str(path),
        name="a.csv",
        bytes=2 << 30,
        sha256="",
        schema=given,
        copy=str(tmp_path / "c"),
    )
    try:
        with pytest.raises(DatahubError) as caught:
            sniff(told)
    finally:
        path.unlink()
    assert caught.value.code == "line-too-long"
    assert not (tmp_path / "c").exists()


# Limits of the children -------------------------------------------------------------------


@contextlib.contextmanager
def running(tmp_path, folder: Path, **settings):
    """A service of the test's own with one release."""
    hub = Hub(tmp_path / "data", catalog=folder, **settings)
    hub.data.mkdir()
    hub.register()
    hub.fill("lamps", ("lamps", "a.csv", table()))
    hub.start()
    try:
        yield hub
    finally:
        hub.stop()


def tall_book() -> bytes:
    """A small file with one cell far down and far right: a gigabyte once it is a grid."""
    return rebuilt(SHEET, FAR.replace("1048576", "9000").encode())


def test_a_file_that_takes_too_long(tmp_path):
    """A file that cannot be judged in its seconds is refused by time; the next one passes."""
    folder = write_catalog(tmp_path / "catalog", "lamps")
    with running(tmp_path, folder, child_seconds=4) as hub:
        slow = b"id,name\n" + b"".join(b"x%d,a\n" % n for n in range(1_500_000))
        assert rejected(hub, "a.csv", slow)["code"] == "time-limit"
        found = hub.settle(hub.submit("lamps", ("lamps", "a.csv", table(20))).json()["id"])
        assert found["state"] == "in_review"


def test_a_file_that_takes_too_much_memory(tmp_path):
    """A small file that would unfold to gigabytes is refused; the next one passes."""
    folder = write_catalog(tmp_path / "catalog", "lamps")
    with running(tmp_path, folder, child_memory=1200 * MIB) as hub:
        allowed = ("memory-limit", "parser-crashed", "sheet-too-wide")
        assert rejected(hub, "a.xlsx", tall_book())["code"] in allowed
        found = hub.settle(hub.submit("lamps", ("lamps", "a.csv", table(20))).json()["id"])
        assert found["state"] == "in_review"


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("id,name\n1,a\0b\n", "rejected"),
        ("id,name\r\n1,a\n2,b\r3,c\n", "in_review"),
        ("id,name" + "," * 20_000 + "\n1,a\n", "rejected"),
        ("id,name\n1," + "x" * 200_000 + "\n", "in_review"),
        ("id,name\n=1+1,@x\n", "rejected"),
    ],
    ids=["nul", "mixed ends", "wide", "big cell", "formula"],
)
def test_odd_text(tight, text, state):
    """Odd but decodable text has a verdict, never a fault of the service."""
    found = tight.settle(tight.submit("lamps", ("lamps", "a.csv", text.encode())).json()["id"])
    assert found["state"] == state, found["problem"]
    healthy(tight)


def test_an_open_quote_does_not_pass_in_silence(tight):
    """A quote that is never closed swallows all rows below it: it is rejected, or a finding tells."""
    text = 'id,name\n1,"never closed\n' + "".join(f"{n},b\n" for n in range(2, 40))
    found = tight.settle(tight.submit("lamps", ("lamps", "a.csv", text.encode())).json()["id"])
    told = [finding["zh"] for finding in found["findings"]]
    assert found["state"] == "rejected" or any("引号" in words for words in told), told


def children(pid: int) -> str:
    """The child processes of every thread of a process."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return "".join(path.read_text() for path in tasks).strip()


def test_nothing_was_left_by_all_this(tight):
    """The folder of the service verifies clean, and no child outlives the work it was for."""
    worker, deadline = tight.pid("worker"), time.monotonic() + 60
    while children(worker) and time.monotonic() < deadline:
        time.sleep(0.2)  # other tests hand in files and do not wait for their verdict
    assert not children(worker)
    done = tight.cli("verify")
    assert done.returncode == 0, done.stdout
