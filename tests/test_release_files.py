"""Tests of what a release consists of: every form, parts, originals, documents, the same twice."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import itertools
import json
import struct
import threading
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING
from zlib import crc32

import duckdb
import frictionless
import mlcroissant
import openpyxl
import pytest
import xlsxwriter
from mlcroissant._src.core import constants
from own_store import REVIEWER, STEWARD, own_store, package, run, swift, table, write_dataset

from datahub.forms.columns import columns_of, json_row
from datahub.model import FileIn, Release, State
from datahub.serve.croissant import croissant
from datahub.stages.receive import receive
from datahub.stages.register import register
from datahub.stages.review import review
from datahub.store import Store, releases, submissions
from datahub.store.derived import LINES, Derived
from datahub.store.verify import verify_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA = {
    "fields": [
        {"name": "id", "type": "integer"},
        {"name": "code", "type": "string"},
        {"name": "名称", "type": "string", "title": "名称"},
        {"name": "day", "type": "date"},
        {"name": "at", "type": "datetime", "timezone": "+08:00"},
        {"name": "amount", "type": "number"},
        {"name": "lon", "type": "number"},
        {"name": "lat", "type": "number"},
    ],
    "primaryKey": ["id"],
}
HEAD = "id,code,名称,day,at,amount,lon,lat\n"
ROW = '{n},00{n:05},"“引号""、逗号,\n换行”{n}",2025-01-0{d},2025-01-01T08:00:00,{n}.50,111.{n:03},30.5\n'


def places(rows: int = 30, head: str = HEAD) -> bytes:
    """CSV that fits SCHEMA; some cells are missing, one text looks like a formula."""
    lines = [ROW.format(n=n, d=1 + n % 9) for n in range(1, rows + 1)]
    return (head + "".join(lines) + f"{rows + 1},000099,=1+1,,,,,\n").encode()


def make(folder: Path, **settings: object) -> Store:
    """Store with dataset `spots`, which has places and a time zone."""
    store = own_store(folder, **settings)
    descriptor = package("spots")
    descriptor["catalog"] |= {"crs": "CGCS2000", "timezone": "+08:00"}
    write_dataset(folder / "catalog", descriptor, SCHEMA)
    register(store, folder / "catalog")
    return store


def publish(
    store: Store, *files: tuple[str, bytes], dataset: str = "spots"
) -> tuple[Path, Release]:
    """Hand in files under their names, approve them; the public folder and the release."""
    taken = []
    for name, data in files:
        incoming = store.objects.incoming(1 << 30)
        incoming.write(data)
        sha = incoming.keep()
        taken.append(FileIn(resource=dataset, name=name, bytes=len(data), sha256=sha))
    submission = receive(store, STEWARD, dataset, taken)
    assert run(store, submission) is State.IN_REVIEW, told(store, submission.id)
    review(store, REVIEWER, submission.id, "approve", "")
    assert run(store, submission) is State.RELEASED, told(store, submission.id)
    with store.catalog.read() as db:
        release = releases.get(db, dataset, None)
    return store.objects.public(dataset, release.version), release


def told(store: Store, submission: str) -> object:
    """What became of a submission."""
    with store.catalog.read() as db:
        found = submissions.get(db, submission)
        return found.problem, submissions.get_report(db, found)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Store with `spots`; stages run in this process."""
    swift(monkeypatch)
    return make(tmp_path)


def forms(release: Release) -> list[tuple[str, str | None, int | None]]:
    """Name, form and part of every file."""
    return [(file.path, file.form, file.part) for file in release.files]


def test_a_release_has_every_form(store: Store) -> None:
    """Parquet, CSV, NDJSON, XLSX, GeoJSON and statistics, each measured as it is on the disk."""
    folder, release = publish(store, ("点位.csv", places()))
    assert forms(release) == [
        ("spots.parquet", "parquet", None),
        ("spots.csv", "csv", None),
        ("spots.ndjson", "ndjson", None),
        ("spots.xlsx", "xlsx", None),
        ("spots.geojson", "geojson", None),
        ("spots.stats.json", "stats", None),
        ("datapackage.json", None, None),
        ("manifest.json", None, None),
        ("SHA256SUMS", None, None),
    ]
    for file in release.files:
        data = (folder / file.path).read_bytes()
        assert file.bytes == len(data)
        assert file.sha256 == hashlib.sha256(data).hexdigest()
        assert file.crc32 == crc32(data)
    assert {file.rows for file in release.files[:5]} == {31}
    listed = json.loads((folder / "manifest.json").read_bytes())["files"]
    assert [(f["path"], f["form"], f["crc32"]) for f in listed] == [
        (file.path, file.form, file.crc32) for file in release.files[:-2]
    ]
    assert list(verify_folder(folder)) == []


def test_ndjson_is_what_an_answer_says(store: Store) -> None:
    """The lines are byte for byte the rows of the API, and the index says where each begins."""
    folder, release = publish(store, ("点位.csv", places()))
    parquet = folder / "spots.parquet"
    with duckdb.connect() as db:
        kinds = db.execute("describe from read_parquet(?)", [str(parquet)]).fetchall()
        row = json_row(columns_of([kind[:2] for kind in kinds], SCHEMA))
        rows = db.execute(f"select {row} from read_parquet(?)", [str(parquet)]).fetchall()
    data = (folder / "spots.ndjson").read_bytes()
    assert data.decode() == "".join(f"{row}\n" for (row,) in rows)
    assert json.loads(rows[0][0]) == {
        "id": 1, "code": "0000001", "名称": '“引号"、逗号,\n换行”1', "day": "2025-01-02",
        "at": "2025-01-01T08:00:00+08:00", "amount": 1.5, "lon": 111.001, "lat": 30.5,
    }  # fmt: skip
    index = Derived(store.objects.root / "cache").folder(release.files[0].sha256) / LINES
    offsets = struct.unpack("<32Q", index.read_bytes())
    pairs = itertools.pairwise(offsets)
    assert [data[start:end].decode() for start, end in pairs] == [f"{r}\n" for (r,) in rows]
    assert offsets[-1] == len(data)


def test_a_workbook_keeps_codes_and_shows_times(store: Store) -> None:
    """Codes keep their zeros, days and times are Excel's, what looks like a formula is a text."""
    folder, _ = publish(store, ("点位.csv", places()))
    sheet = openpyxl.load_workbook(folder / "spots.xlsx").active
    head, first, *_, last = sheet.iter_rows()
    assert [cell.value for cell in head] == [field["name"] for field in SCHEMA["fields"]]
    assert [cell.value for cell in first[:3]] == [1, "0000001", '“引号"、逗号,\n换行”1']
    assert [str(cell.value) for cell in first[3:5]] == [
        "2025-01-02 00:00:00",
        "2025-01-01 08:00:00",
    ]
    assert first[4].number_format == 'yyyy-mm-dd hh:mm:ss"+08:00"'
    assert [cell.value for cell in first[5:]] == [1.5, 111.001, 30.5]
    assert [(cell.value, cell.data_type) for cell in last[1:4]] == [
        ("000099", "s"), ("=1+1", "s"), (None, "n"),
    ]  # fmt: skip


def test_geojson_has_a_feature_a_row(store: Store) -> None:
    """Each row is a feature with its point and all its columns; without place it has none."""
    folder, _ = publish(store, ("点位.csv", places()))
    found = json.loads((folder / "spots.geojson").read_bytes())
    assert found["type"] == "FeatureCollection"
    assert len(found["features"]) == 31
    first, last = found["features"][0], found["features"][-1]
    assert first["geometry"] == {"type": "Point", "coordinates": [111.001, 30.5]}
    assert first["properties"]["code"] == "0000001"
    assert last["geometry"] is None
    assert last["properties"]["名称"] == "=1+1"


def test_no_geojson_without_place_or_in_a_shifted_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GCJ-02 is no system that GeoJSON can tell: a map would be wrong by half a kilometre."""
    swift(monkeypatch)
    store = own_store(tmp_path)
    descriptor = package("spots")
    descriptor["catalog"] |= {"crs": "GCJ02", "timezone": "+08:00"}
    write_dataset(tmp_path / "catalog", descriptor, SCHEMA)
    register(store, tmp_path / "catalog")
    for dataset, data in (("spots", places()), ("lamps", table())):
        folder, _ = publish(store, ("a.csv", data), dataset=dataset)
        assert not list(folder.glob("*.geojson"))
        assert (folder / f"{dataset}.xlsx").exists()


@pytest.mark.parametrize("name", ["点位.csv", "点位.tsv"])
def test_big_files_come_in_parts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Parts end where a record ends, each CSV has the header, together they are the whole."""
    swift(monkeypatch)
    data = places(200)
    text = data.decode().replace(",", "\t").encode() if name.endswith(".tsv") else data
    whole, _ = publish(make(tmp_path / "whole"), (name, text))
    folder, release = publish(make(tmp_path / "parts", part_bytes=4000), (name, text))
    for form, head in (("csv", HEAD.encode()), ("ndjson", b"")):
        parts = [file for file in release.files if file.form == form]
        assert len(parts) > 3
        assert [p.part for p in parts] == list(range(1, len(parts) + 1))
        assert [p.path for p in parts] == [f"spots.part-{p.part:04}.{form}" for p in parts]
        assert all(part.bytes <= 4000 for part in parts)
        assert sum(part.rows or 0 for part in parts) == 201
        bodies = [(folder / part.path).read_bytes() for part in parts]
        assert all(body.startswith(head) for body in bodies)
        joined = head + b"".join(body.removeprefix(head) for body in bodies)
        assert joined == (whole / f"spots.{form}").read_bytes()
    assert list(verify_folder(folder)) == []
    report = frictionless.validate(str(folder / "datapackage.json"))
    assert report.valid, report.flatten(["type", "note"])
    (resource,) = frictionless.Package(str(folder / "datapackage.json")).resources
    assert len(resource.read_rows()) == 201


def test_a_foreign_key_reads_all_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What refers to a released table in parts finds rows of its last part, too."""
    swift(monkeypatch)
    store = make(tmp_path, part_bytes=2000)
    publish(store, ("点位.csv", places(100)))
    reference = {"resource": "spots/spots", "fields": ["id"]}
    schema = {
        "fields": [{"name": "spot", "type": "integer"}],
        "foreignKeys": [{"fields": ["spot"], "reference": reference}],
    }
    write_dataset(tmp_path / "catalog", package("uses"), schema)
    register(store, tmp_path / "catalog")
    _, release = publish(store, ("uses.csv", b"spot\n1\n99\n101\n"), dataset="uses")
    assert release.version == 1


def workbook(rows: list[list[object]], *, sheets: int = 1, author: str = "") -> bytes:
    """A workbook as somebody would send it."""
    target = io.BytesIO()
    with xlsxwriter.Workbook(target) as book:
        book.set_properties({"author": author})
        for number in range(sheets):
            sheet = book.add_worksheet()
            for line, row in enumerate(rows if not number else [["备注"], ["内部"]]):
                sheet.write_row(line, 0, row)
    return target.getvalue()


ROWS: list[list[object]] = [["id", "name"], [1, "路灯"], [2, "=1+1"]]
BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize(
    ("name", "data", "kept"),
    [
        ("a.csv", table(), []),
        ("a.csv", "id,name\n1,路灯\n2,灯\n".encode("gb18030"), ["lamps.original.csv"]),
        ("a.csv", "id;name\n1;路灯\n".encode(), ["lamps.original.csv"]),
        ("a.csv", "联系人：张三 13800000000\nid,name\n1,路灯\n".encode(), []),
        ("a.ndjson", '{"id": 1, "name": "路灯"}\n'.encode(), ["lamps.original.ndjson"]),
        ("a.json", '[{"id": 1, "name": "路灯"}]'.encode(), ["lamps.original.json"]),
        ("a.json", '{"by": "张三", "data": [{"id": 1, "name": "路灯"}]}'.encode(), []),
        ("a.xlsx", workbook(ROWS), ["lamps.original.xlsx"]),
        ("a.xlsx", workbook(ROWS, sheets=2), []),
        ("a.xlsx", workbook(ROWS, author="张三"), []),
        ("a.xlsx", workbook([["路灯一览"], *ROWS]), []),
    ],
    ids=["csv-as-it-is", "gb18030", "semicolons", "rows-above", "ndjson", "json", "json-around",
         "workbook", "two-sheets", "author", "title-above"],
)  # fmt: skip
def test_originals_go_out_only_when_they_hold_nothing_else(
    store: Store, name: str, data: bytes, kept: list[str]
) -> None:
    """What was not judged and reviewed is not published: other sheets, names, rows above."""
    folder, release = publish(store, (name, data), dataset="lamps")
    found = [file for file in release.files if file.form == "original"]
    assert [file.path for file in found] == kept
    assert all((folder / file.path).read_bytes() == data for file in found)
    assert not any("张三".encode() in path.read_bytes() for path in folder.iterdir())


def test_an_archive_is_no_original(store: Store) -> None:
    """A ZIP may hold more than the table."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a.csv", table())
    _, release = publish(store, ("a.zip", packed.getvalue()), dataset="lamps")
    assert "original" not in {file.form for file in release.files}


def test_several_originals_are_numbered(store: Store) -> None:
    """Each file of a table goes out under a number."""
    files = (("a.csv", table(3)), ("b.csv", table(3, first=4)))
    folder, release = publish(store, *files, dataset="lamps")
    found = [file.path for file in release.files if file.form == "original"]
    assert found == ["lamps.original-1.csv", "lamps.original-2.csv"]
    assert (folder / found[1]).read_bytes() == table(3, first=4)


def test_the_same_data_gives_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two releases of one file differ in nothing but what names them."""
    swift(monkeypatch)
    store = make(tmp_path)
    one, first = publish(store, ("点位.csv", places()))
    two, _ = publish(store, ("点位.csv", places()))
    for file in first.files:
        if file.resource:
            assert (one / file.path).read_bytes() == (two / file.path).read_bytes(), file.path


def test_no_workbook_where_a_text_is_too_long(store: Store) -> None:
    """A text is never cut: the release has no workbook then."""
    data = f"id,name\n1,{'长' * 40_000}\n".encode()
    folder, release = publish(store, ("a.csv", data), dataset="lamps")
    assert "xlsx" not in {file.form for file in release.files}
    assert not (folder / "lamps.xlsx").exists()
    assert "ndjson" in {file.form for file in release.files}


def test_the_release_goes_on_without_an_index(store: Store) -> None:
    """The index of lines only saves work."""
    (store.objects.root / "cache").write_text("no folder")
    _, release = publish(store, ("a.csv", table()), dataset="lamps")
    assert release.version == 1


@pytest.fixture
def site(store: Store) -> Iterator[tuple[str, Release]]:
    """A release and its folder behind an HTTP server, and the address."""
    _, release = publish(store, ("点位.csv", places()))
    handler = functools.partial(Quiet, directory=store.objects.root / "public")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", release
    server.shutdown()
    thread.join()
    server.server_close()


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A file server that says nothing."""

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def test_frictionless_validates_the_package(site: tuple[str, Release]) -> None:
    """The Data Package is valid by its address, with sizes and digests that are true."""
    base, _ = site
    report = frictionless.validate(f"{base}/spots/1/datapackage.json")
    assert report.valid, report.flatten(["type", "note"])
    described = frictionless.Package(f"{base}/spots/1/datapackage.json").to_descriptor()
    assert described["$schema"] == "https://datapackage.org/profiles/2.0/datapackage.json"
    assert described["resources"][0]["path"] == "spots.csv"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_mlcroissant_reads_rows(
    site: tuple[str, Release], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Croissant description leads to the rows, whose digest is checked."""
    base, release = site
    monkeypatch.setattr(constants, "DOWNLOAD_PATH", type(constants.DOWNLOAD_PATH)(tmp_path / "mlc"))
    with store.catalog.read() as db:
        described = releases.get_package(db, "spots", 1)
    text = croissant(described, release, f"{base}/site").replace(b"/site/d/", b"/")
    (tmp_path / "croissant.json").write_bytes(text)
    found = mlcroissant.Dataset(tmp_path / "croissant.json")
    assert not found.metadata.issues.errors
    rows = list(found.records("spots"))
    assert len(rows) == 31
    assert rows[0]["spots/code"] == b"0000001"
    assert rows[0]["spots/amount"] == 1.5
    assert str(rows[0]["spots/at"]) == "2025-01-01 00:00:00+00:00"
    assert json.loads(text)["distribution"][1]["sha256"] == release.files[1].sha256
