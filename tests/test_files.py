"""Published files over HTTP: whole, in ranges, conditional, and as other people's tools read them."""

from __future__ import annotations

import base64
import http.client
import json
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime, parsedate_to_datetime
from hashlib import sha256

import duckdb
import frictionless
import httpx
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datahub.model import Distribution
from datahub.serve.files import Content, answer, etag

CSV = "/d/schools/1/schools.csv"
PUBLISHED = ("air_hourly", "schools", "bus", "admin_license")
IMMUTABLE = "public, max-age=31536000, immutable"
LATEST = "public, max-age=60, must-revalidate"


def served(server, path=CSV, **headers):
    """Answer to GET with these headers."""
    return server.get(path, headers=headers)


def files_of(server, dataset):
    """Files of the latest release, as the API lists them."""
    return server.get(f"/api/v1/datasets/{dataset}/releases").json()[0]["files"]


@pytest.fixture(scope="module")
def whole(server):
    """The CSV of schools, all of its bytes."""
    return served(server).content


@pytest.fixture(scope="module")
def tag(server):
    """Entity tag of the CSV of schools."""
    return served(server).headers["etag"]


@pytest.fixture(scope="module")
def downloads(server, tmp_path_factory):
    """Every file of the published datasets, downloaded: folder by dataset."""
    root = tmp_path_factory.mktemp("downloads")
    for dataset in PUBLISHED:
        (root / dataset).mkdir()
        for file in files_of(server, dataset):
            (root / dataset / file["path"]).write_bytes(server.get(file["url"]).content)
    return root


# Whole files ------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [CSV, "/d/schools/latest/schools.parquet", "/d/bus/1/SHA256SUMS"])
@pytest.mark.parametrize("extra", [{}, {"Range": "bytes=3-9"}])
def test_head_has_the_headers_of_get(server, path, extra):
    """HEAD answers with the status and headers of GET, and no body."""
    get = served(server, path, **extra)
    head = httpx.head(server.url + path, headers=extra)
    differing = {"date", "x-request-id", "ratelimit", "x-ratelimit-remaining"}
    assert head.status_code == get.status_code
    assert {k: v for k, v in head.headers.items() if k not in differing} == {
        k: v for k, v in get.headers.items() if k not in differing
    }
    assert head.content == b""
    assert int(head.headers["content-length"]) == len(get.content)


def test_head_keeps_the_connection(server):
    """HEAD and GET follow each other on one connection, as remote readers of Parquet ask."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as client:
        client.connect()
        local = client.sock.getsockname()
        for method in ("HEAD", "GET", "HEAD", "HEAD", "GET"):
            client.request(method, CSV)
            answered = client.getresponse()
            body = answered.read()
            assert (answered.status, len(body) > 0) == (200, method == "GET")
            assert client.sock.getsockname() == local


@pytest.mark.parametrize("dataset", PUBLISHED)
def test_bytes_are_what_the_catalog_promises(server, dataset):
    """Length, digest, entity tag and Repr-Digest of every file agree with its bytes."""
    for file in files_of(server, dataset):
        answered = server.get(file["url"])
        digest = sha256(answered.content)
        encoded = base64.b64encode(digest.digest()).decode()
        assert (file["bytes"], file["sha256"]) == (len(answered.content), digest.hexdigest())
        assert answered.headers["etag"] == f'"sha256-{digest.hexdigest()}"'
        assert answered.headers["repr-digest"] == f"sha-256=:{encoded}:"
        assert "content-encoding" not in answered.headers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("accept-ranges", "bytes"),
        ("x-content-type-options", "nosniff"),
        ("content-security-policy", "sandbox; default-src 'none'"),
        ("content-type", "text/csv; charset=utf-8"),
        (
            "content-disposition",
            "attachment; filename=\"schools.csv\"; filename*=UTF-8''schools.csv",
        ),
        ("cache-control", IMMUTABLE),
    ],
)
def test_headers_of_a_file(server, name, value):
    """A file is an attachment of its type, never sniffed, for ever the same under its number."""
    assert served(server).headers[name] == value


def test_compression_is_never_applied(server, whole):
    """A client that accepts gzip gets the very bytes: their digest is their name."""
    answered = served(server, CSV, **{"Accept-Encoding": "gzip, br, zstd"})
    assert "content-encoding" not in answered.headers
    assert answered.content == whole


def test_latest_is_the_numbered_release(server, whole, tag):
    """`latest` answers in place with the newest release's bytes and says which it is."""
    answered = served(server, "/d/schools/latest/schools.csv")
    assert answered.status_code == 200
    assert answered.content == whole
    assert answered.headers["etag"] == tag
    assert answered.headers["content-location"] == CSV
    assert answered.headers["cache-control"] == LATEST


def test_a_number_has_no_content_location(server):
    """A numbered file is its own location."""
    assert "content-location" not in served(server).headers


def test_v_before_the_number_is_the_same_release(server, whole, tag):
    """`v1` is release 1, whose own address it tells."""
    answered = served(server, "/d/schools/v1/schools.csv")
    assert (answered.content, answered.headers["etag"]) == (whole, tag)
    assert answered.headers["content-location"] == CSV
    assert answered.headers["cache-control"] == IMMUTABLE


def test_links_tell_where_more_is_told(server):
    """Link names the description, the list of all files, and the newest of this one (RFC 8288)."""
    links = served(server).links
    assert {name: link["url"] for name, link in links.items()} == {
        "describedby": "/d/schools/1/datapackage.json",
        "collection": "/d/schools/1",
        "latest-version": "/d/schools/latest/schools.csv",
    }
    for link in links.values():
        assert server.get(link["url"]).status_code == 200


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"{CSV}?download=1", "parameter-unknown"),
        (f"{CSV}?BOM=1", "parameter-unknown"),
        (f"{CSV}?bom=perhaps", "parameter-invalid"),
        ("/d/schools/1/schools.parquet?bom=1", "parameter-unknown"),
        ("/d/schools/1/bundle.zip?bom=1", "parameter-unknown"),
        ("/d/schools/1/?all=1", "parameter-unknown"),
    ],
)
def test_parameters_that_mean_nothing_are_refused(server, path, code):
    """A file takes no parameter but `bom`, and that only where it is CSV."""
    answered = server.get(path)
    assert (answered.status_code, answered.json()["code"]) == (400, code)


def test_csv_with_a_byte_order_mark(server, whole, tag):
    """`?bom=1` puts the mark before the bytes: a representation with a tag and length of its own."""
    answered = served(server, f"{CSV}?bom=1")
    assert answered.content == b"\xef\xbb\xbf" + whole
    assert int(answered.headers["content-length"]) == len(whole) + 3
    assert answered.headers["etag"] not in (tag, "")
    assert "repr-digest" not in answered.headers
    assert served(server, f"{CSV}?bom=0").headers["etag"] == tag


@pytest.mark.parametrize("text", ["0-0", "1-4", "2-2", "3-", "-5", "0-99999999"])
def test_ranges_with_a_byte_order_mark(server, whole, tag, text):
    """Ranges count the mark; the tag of the plain file is not one of this."""
    first, _, last = text.partition("-")
    wanted = (
        slice(int(first), int(last) + 1 if last else None) if first else slice(-int(last), None)
    )
    answered = served(server, f"{CSV}?bom=1", Range=f"bytes={text}")
    assert (answered.status_code, answered.content) == (206, (b"\xef\xbb\xbf" + whole)[wanted])
    spliced = served(server, f"{CSV}?bom=1", Range=f"bytes={text}", **{"If-Range": tag})
    assert spliced.status_code == 200


# Conditions -------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["{}", "W/{}", "*", '"x", {}', '{} , "y"', '"a",W/{}'])
def test_if_none_match_that_matches_is_304(server, tag, form):
    """If-None-Match compares weakly, takes lists and `*`, and answers 304 with the tag alone."""
    answered = served(server, CSV, **{"If-None-Match": form.format(tag)})
    assert (answered.status_code, answered.content) == (304, b"")
    assert answered.headers["etag"] == tag
    assert answered.headers["cache-control"] == IMMUTABLE


@pytest.mark.parametrize("form", ['"sha256-00"', 'W/"x"', '"x", "y"', "", "sha256"])
def test_if_none_match_of_another_file_is_200(server, whole, form):
    """An entity tag of something else gets the file."""
    answered = served(server, CSV, **{"If-None-Match": form})
    assert (answered.status_code, answered.content) == (200, whole)


def test_304_wins_over_a_range(server, tag):
    """A matching If-None-Match is answered before any range."""
    assert served(server, CSV, **{"If-None-Match": tag, "Range": "bytes=0-1"}).status_code == 304


@pytest.mark.parametrize(
    ("form", "status"),
    [("{}", 200), ("*", 200), ('"x", {}', 200), ('"x"', 412), ("W/{}", 412), ("", 412)],
)
def test_if_match(server, tag, form, status):
    """If-Match compares strongly (RFC 9110 §13.1.1): a weak or other tag is 412."""
    assert served(server, CSV, **{"If-Match": form.format(tag)}).status_code == status


def test_if_match_comes_first(server, tag):
    """A failing If-Match is 412 even when If-None-Match would say 304 (RFC 9110 §13.2.2)."""
    answered = served(server, CSV, **{"If-Match": '"x"', "If-None-Match": tag})
    assert answered.status_code == 412


@pytest.mark.parametrize(
    ("days", "condition", "status"),
    [
        (0, "If-Modified-Since", 304),
        (1, "If-Modified-Since", 200),  # not the very date: `latest` may have become an older one
        (-1, "If-Modified-Since", 200),
        (0, "If-Unmodified-Since", 200),
        (1, "If-Unmodified-Since", 200),
        (-1, "If-Unmodified-Since", 412),
    ],
)
def test_conditions_on_dates(server, days, condition, status):
    """Last-Modified is the date of the release; dates are asked only where no tag is."""
    text = served(server).headers["last-modified"]
    asked = format_datetime(parsedate_to_datetime(text) + timedelta(days=days), usegmt=True)
    assert served(server, CSV, **{condition: asked}).status_code == status
    by_tag = {"If-Modified-Since": "If-None-Match", "If-Unmodified-Since": "If-Match"}
    both = {condition: asked, by_tag[condition]: '"x"' if "Un" not in condition else "*"}
    assert served(server, CSV, **both).status_code == 200


@pytest.mark.parametrize("text", ["", "yesterday", "Sat, 99 Nov 2026 00:00:00 GMT", "9" * 4000])
def test_what_is_no_date_is_ignored(server, text):
    """A date that cannot be read makes no condition (RFC 9110 §13.1.3, §13.1.4)."""
    for condition in ("If-Modified-Since", "If-Unmodified-Since"):
        assert served(server, CSV, **{condition: text}).status_code == 200


@pytest.mark.parametrize("status", [412, 416])
def test_a_refused_request_is_not_cacheable_for_ever(server, status):
    """What was refused for one request's conditions is not kept for a year."""
    header = {"If-Match": '"x"'} if status == 412 else {"Range": "bytes=99999999-"}
    answered = served(server, CSV, **header)
    assert answered.status_code == status
    assert "immutable" not in answered.headers.get("cache-control", "")


# Ranges -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "start", "stop"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, None),
        ("bytes=-7", -7, None),
        ("bytes=-99999999999", 0, None),
        ("bytes=5-99999999999", 5, None),
        ("bytes = 3-4", 3, 5),
        ("Bytes=3-4", 3, 5),  # names of units have no case (RFC 9110 §14.1)
        ("bytes=0-", 0, None),
    ],
)
def test_one_range(server, whole, text, start, stop):
    """One range gets 206, exactly those bytes, and says where they stand."""
    answered = served(server, CSV, Range=text)
    expected = whole[start:stop]
    first = start if start >= 0 else len(whole) + start
    assert (answered.status_code, answered.content) == (206, expected)
    place = f"bytes {first}-{first + len(expected) - 1}/{len(whole)}"
    assert answered.headers["content-range"] == place


def test_the_last_byte(server, whole):
    """The last byte is reachable from both ends, the one after it is not."""
    last = len(whole) - 1
    assert served(server, CSV, Range=f"bytes={last}-{last}").content == whole[-1:]
    assert served(server, CSV, Range="bytes=-1").content == whole[-1:]
    assert served(server, CSV, Range=f"bytes={last + 1}-").status_code == 416


@pytest.mark.parametrize("text", ["bytes=99999999-", "bytes=99999999-99999999999", "bytes=-0"])
def test_beyond_the_end(server, whole, text):
    """A range that holds no byte is 416 and tells the size."""
    answered = served(server, CSV, Range=text)
    assert answered.headers["content-range"] == f"bytes */{len(whole)}"
    problem = answered.json()
    assert (answered.status_code, problem["code"]) == (416, "bytes-beyond")
    assert problem["facts"] == {"size": len(whole), "last": len(whole) - 1}
    assert f"bytes=0-{len(whole) - 1}" in problem["detail_zh"]
    assert answered.headers["content-type"] == "application/problem+json"


def test_a_failed_condition_tells_the_tag(server):
    """Who holds another edition learns the tag of the present one; HEAD has no body."""
    answered = served(server, CSV, **{"If-Match": '"x"'})
    problem = answered.json()
    assert (answered.status_code, problem["code"]) == (412, "condition-failed")
    assert answered.headers["etag"] in problem["detail_zh"]
    head = httpx.head(server.url + CSV, headers={"If-Match": '"x"'})
    assert (head.status_code, head.content) == (412, b"")


def test_the_address_of_bytes_with_a_mark_has_it(server):
    """Content-Location leads to the very bytes, with a byte order mark or without."""
    latest = CSV.replace("/1/", "/latest/")
    for query, mark in (("", b""), ("?bom=1", b"\xef\xbb\xbf")):
        answered = served(server, latest + query)
        address = answered.headers["content-location"]
        assert address == CSV + query
        assert served(server, address).content == answered.content
        assert answered.content.startswith(mark)


@pytest.mark.parametrize(
    "text",
    [
        *("bytes=0-1,4-5", "bytes=0-1, -1", "lines=0-1", "bytes", "bytes=", "bytes=-", "=0-1"),
        *("bytes=a-b", "bytes=5-4", "bytes=--1", "bytes=1-2-3", "bytes=0x1-2", "0-1", ""),
        *("bytes=1.5-2", "bytes=+1-2", f"bytes=0-{'9' * 4000}", f"bytes=-{'9' * 4000}"),
    ],
)
def test_other_forms_get_the_whole(server, whole, text):
    """Several ranges, other units and what is no range get 200 and the whole file."""
    answered = served(server, CSV, Range=text)
    assert (answered.status_code, answered.content) == (200, whole)
    assert "content-range" not in answered.headers


@pytest.mark.parametrize(
    ("form", "status"),
    [("{}", 206), ('"x"', 200), ("W/{}", 200), ("Sat, 21 Nov 2026 00:00:00 GMT", 200)],
)
def test_if_range(server, whole, tag, form, status):
    """If-Range with the very tag keeps the range; anything else gets the whole file."""
    answered = served(server, CSV, Range="bytes=10-", **{"If-Range": form.format(tag)})
    assert answered.status_code == status
    assert answered.content == (whole[10:] if status == 206 else whole)


def test_parallel_ranges_make_the_file(server):
    """Parts fetched in parallel, in pieces of odd size, put together have the file's digest."""
    file = next(f for f in files_of(server, "air_hourly") if f["path"] == "air_hourly.csv")
    step = 300_007
    texts = [f"bytes={at}-{at + step - 1}" for at in range(0, file["bytes"], step)]
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda text: served(server, file["url"], Range=text).content, texts))
    assert len(parts) > 10
    assert sha256(b"".join(parts)).hexdigest() == file["sha256"]


# What is not there ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "code", "named"),
    [
        ("/d/nowhere/1/x.csv", "dataset-unknown", "nowhere"),
        ("/d/school/1/schools.csv", "dataset-unknown", "schools"),
        ("/d/schools/99/schools.csv", "release-unknown", "latest 1"),
        ("/d/schools/first/schools.csv", "release-unknown", "latest"),
        ("/d/schools/-1/schools.csv", "release-unknown", "latest"),
        ("/d/schools/1/school.csv", "file-unknown", "schools.csv"),
        ("/d/schools/1/SCHOOLS.CSV", "file-unknown", "schools.csv"),
        ("/d/admin_penalty/latest/admin_penalty.csv", "release-unknown", "admin_penalty"),
        ("/d/schools/99", "release-unknown", "latest 1"),
        ("/d/schools/01", "release-unknown", "v3"),
        ("/d/schools", "not-found", ""),
        ("/d", "not-found", ""),
    ],
)
def test_unknown_names_are_told(server, path, code, named):
    """What is not there is a 404 problem that names what is."""
    answered = server.get(path)
    problem = answered.json()
    assert (answered.status_code, problem["code"]) == (404, code)
    assert answered.headers["content-type"] == "application/problem+json"
    assert named in json.dumps(problem["facts"]) + problem["detail"]


def test_a_problem_names_the_address_that_was_asked(server):
    """`instance` of a problem is the path of the request, also under /d."""
    assert server.get("/d/schools/1/nothing.csv").json()["instance"] == "/d/schools/1/nothing.csv"


@pytest.mark.parametrize(
    "version",
    ["01", "v01", "V1", "v", "vv1", "0000000000000000015", "1" + "0" * 30, "１", "1.0", "+1"],
)
def test_a_version_has_one_spelling(server, version):
    """Only `1` and `v1` are version 1: other spellings would be other immutable addresses of its bytes."""
    assert server.get(f"/d/schools/{version}/schools.csv").status_code == 404


OUTSIDE = ("..", "%2e%2e", "%2E%2e", ".%2e", "%252e%252e", "..%5c", "%c0%ae%c0%ae", "..%00", "．．")


@pytest.mark.parametrize("dots", OUTSIDE)
@pytest.mark.parametrize("slash", ["/", "%2f", "%5c", "%252f"])
@pytest.mark.parametrize("target", ["catalog.sqlite", "etc/passwd", "schools/1/schools.csv"])
def test_no_name_leaves_the_folder(server, dots, slash, target):
    """Dot-dot in whatever encoding is 404 or 400, and nothing outside is ever sent."""
    for base in ("/d/schools/1/", "/d/schools/", "/d/"):
        raw = base + slash.join([dots] * 3 + target.split("/"))
        request = b"GET " + raw.encode() + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        status = _raw(server, request).split(b" ", 2)[1]
        assert status in (b"400", b"404"), raw


def _raw(server, request):
    """Send bytes as they are, without a client that normalises, and read until the end."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as peer:
        peer.sendall(request)
        found = b""
        while part := peer.recv(65536):
            found += part
    return found


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH"])
def test_files_are_read_only(server, method, whole):
    """Other methods are 405 with Allow (RFC 9110 §15.5.6), and the file stays what it is."""
    answered = httpx.request(method, server.url + CSV, content=b"x")
    assert answered.status_code == 405
    assert {m.strip() for m in answered.headers["allow"].split(",")} >= {"GET", "HEAD"}
    assert served(server).content == whole


@pytest.mark.parametrize(
    "path", [CSV, "/d/schools/1/none", "/d/none/1/none", "/api/v1/datasets", "/api/v1/none"]
)
@pytest.mark.parametrize("extra", [{}, {"Range": "bytes=0-1"}, {"Range": "bytes=99999999-"}])
def test_one_cross_origin_header(server, path, extra):
    """A browser on another site finds exactly one Access-Control-Allow-Origin, twice is refused."""
    answered = served(server, path, Origin="https://example.org", **extra)
    assert answered.headers.get_list("access-control-allow-origin") == ["*"]


@pytest.mark.parametrize(
    "path",
    [CSV, "/api/v1/datasets/schools/resources/schools/rows?limit=1", "/api/v1/none",
     "/rest/schools.schools?limit=1", "/catalog.json", "/api/v1/search?q=x&q=%ff"],
)  # fmt: skip
@pytest.mark.parametrize("head", [{}, {"Range": "bytes=99999999-"}, {"If-Match": '"x"'}])
def test_answers_are_open_to_all_origins_whoever_asked(server, path, head):
    """A shared cache may give a browser what it kept for curl: the header is always there."""
    for origin in ({}, {"Origin": "https://example.org"}) * 2:  # the second pair may be kept ones
        answered = served(server, path, **head, **origin)
        assert answered.headers.get_list("access-control-allow-origin") == ["*"]
        assert "ETag" in answered.headers["access-control-expose-headers"]
        assert "origin" not in answered.headers.get("vary", "").lower()


def test_preflight_lets_ranges_through(server):
    """A browser may send Range from another site."""
    asked = {"Origin": "https://x.org", "Access-Control-Request-Method": "GET"}
    asked["Access-Control-Request-Headers"] = "range"
    answered = httpx.options(server.url + CSV, headers=asked)
    assert answered.status_code in (200, 204)
    assert "GET" in answered.headers["access-control-allow-methods"]
    allowed = answered.headers["access-control-allow-headers"].lower()
    assert "*" in allowed or "range" in allowed


# Other people's tools ---------------------------------------------------------------------


@pytest.mark.parametrize("dataset", PUBLISHED)
def test_sums_agree_with_the_files(downloads, dataset):
    """SHA256SUMS names every other file of the release with the digest of its bytes."""
    folder = downloads / dataset
    lines = (folder / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    present = {p.name: sha256(p.read_bytes()).hexdigest() for p in folder.iterdir()}
    del present["SHA256SUMS"]
    assert sums == present


@pytest.mark.parametrize("dataset", PUBLISHED)
def test_manifest_lists_all_files(server, downloads, dataset):
    """manifest.json lists every file but itself and the sums, with sizes and digests."""
    manifest = json.loads((downloads / dataset / "manifest.json").read_bytes())
    listed = {(f["path"], f["bytes"], f["sha256"]) for f in manifest["files"]}
    wanted = {(f["path"], f["bytes"], f["sha256"]) for f in files_of(server, dataset)}
    apart = {"manifest.json", "SHA256SUMS"}
    assert listed == {item for item in wanted if item[0] not in apart}
    assert (manifest["dataset"], manifest["version"]) == (dataset, 1)
    release = server.get(f"/api/v1/datasets/{dataset}/releases").json()[0]
    digest = sha256((downloads / dataset / "manifest.json").read_bytes()).hexdigest()
    assert release["manifest_sha256"] == digest


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("dataset", PUBLISHED)
def test_frictionless_accepts_the_package(downloads, dataset):
    """datapackage.json is a valid Data Package whose data frictionless finds valid."""
    path = str(downloads / dataset / "datapackage.json")
    assert (
        frictionless.Package.metadata_validate(
            json.loads((downloads / dataset / "datapackage.json").read_bytes())
        )
        is not None
    )
    report = frictionless.validate(path)
    assert report.valid, report.flatten(["type", "note"])
    assert report.stats["errors"] == 0


@pytest.mark.filterwarnings("ignore")
def test_frictionless_reads_the_rows(downloads):
    """frictionless.Package reads every row of the CSV, typed by the schema."""
    package = frictionless.Package(str(downloads / "schools" / "datapackage.json"))
    rows = package.get_resource("schools").read_rows()
    assert len(rows) == 400
    assert rows[0]["school_id"] == "2142000001"
    assert rows[0]["name"] == "枝江市示例第001号幼儿园"


@pytest.mark.parametrize("dataset", PUBLISHED)
def test_package_tells_size_and_hash(downloads, dataset):
    """Each resource of the package has its CSV's path, bytes and sha256 hash."""
    package = json.loads((downloads / dataset / "datapackage.json").read_bytes())
    assert package["version"] == "1"
    for resource in package["resources"]:
        data = (downloads / dataset / resource["path"]).read_bytes()
        assert resource["bytes"] == len(data)
        assert resource["hash"] == f"sha256:{sha256(data).hexdigest()}"


def _sql(query, *paths):
    with duckdb.connect() as db:
        return db.execute(query, [str(path) for path in paths]).fetchall()


def _parquet(downloads, name):
    return next(downloads.glob(f"*/{name}.parquet"))


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        *(("air_hourly", 43_800), ("schools", 400), ("admin_license", 5000)),
        *(("lines", 228), ("stops", 900), ("line_stops", 4037)),
    ],
)
def test_parquet_and_csv_hold_the_same_rows(downloads, name, rows):
    """DuckDB reads as many rows from the Parquet file as from the CSV beside it."""
    path = _parquet(downloads, name)
    csv = path.with_suffix(".csv")
    assert _sql("select count(*) from read_parquet(?)", path) == [(rows,)]
    assert _sql("select count(*) from read_csv(?, all_varchar=true)", csv) == [(rows,)]


@pytest.mark.parametrize(
    "name", ["air_hourly", "schools", "admin_license", "lines", "stops", "line_stops"]
)
def test_parquet_form(downloads, name):
    """Every column has a field id of its own and is compressed with zstd."""
    with pq.ParquetFile(_parquet(downloads, name)) as file:
        ids = [int(f.metadata[b"PARQUET:field_id"]) for f in file.schema_arrow]
        group = file.metadata.row_group(0)
    assert sorted(ids) == list(range(1, len(ids) + 1))
    kinds = {group.column(n).compression for n in range(group.num_columns)}
    assert kinds == {"ZSTD"}


def test_parquet_keeps_values(downloads, samples):
    """Chinese text, codes and decimals come back exactly as handed in."""
    path, csv = _parquet(downloads, "lines"), samples / "bus" / "lines.csv"
    typed = _sql("select name, price::varchar, company_uscc from read_parquet(?)", path)
    texts = _sql("select name, price, company_uscc from read_csv(?, all_varchar=true)", csv)
    assert typed == texts
    ((kind,),) = _sql("select distinct typeof(price) from read_parquet(?)", path)
    assert kind.startswith("DECIMAL")


def test_parquet_sums_are_exact(downloads, samples):
    """A sum over a decimal column equals the sum of the texts that were handed in."""
    path, csv = _parquet(downloads, "air_hourly"), samples / "air_hourly" / "air_hourly.csv"
    texts = _sql("select co from read_csv(?, all_varchar=true)", csv)
    expected = sum(Decimal(text) for (text,) in texts if text not in (None, "NA"))
    assert _sql("select sum(co) from read_parquet(?)", path) == [(expected,)]


def test_missing_values_are_null(downloads, samples):
    """NA of the file is null in Parquet, as many times as it stands in the file."""
    path, csv = _parquet(downloads, "air_hourly"), samples / "air_hourly" / "air_hourly.csv"
    texts = _sql("select so2 from read_csv(?, all_varchar=true)", csv)
    expected = sum(text in (None, "NA") for (text,) in texts)
    assert expected > 0
    assert _sql("select count(*) - count(so2) from read_parquet(?)", path) == [(expected,)]


def test_times_are_points_in_time(downloads):
    """Local time without zone becomes the right instant: midnight in Beijing is 16:00 UTC."""
    path = _parquet(downloads, "air_hourly")
    first = datetime(2024, 12, 31, 16, tzinfo=UTC).timestamp()
    assert _sql("select min(epoch(time)) from read_parquet(?)", path) == [(first,)]


# Properties of the decision ---------------------------------------------------------------

_NUMBER = st.one_of(st.just(""), st.integers(0, 2000).map(str), st.integers(0, 10**30).map(str))
_RANGE = st.one_of(
    st.text(max_size=40),
    st.builds("bytes={}-{}".format, _NUMBER, _NUMBER),
    st.from_regex(r"[bB]ytes ?= ?[0-9,\- ]{0,20}", fullmatch=True),
)


def _content(size):
    digest = sha256(str(size).encode()).hexdigest()
    tag = etag(Distribution(path="x.csv", bytes=size, sha256=digest, media_type="text/csv"))
    return Content(name="x.csv", bytes=size, tag=tag, media_type="text/csv", sha256=digest)


@given(text=_RANGE, size=st.integers(0, 10**12))
def test_every_range_has_an_answer(text, size):
    """Any Range header gets 200, 206 or 416, with a window inside the file as the headers say."""
    found = answer(_content(size), {"range": text})
    headers = dict(found.headers)
    assert found.status in (200, 206, 416)
    assert int(headers["content-length"]) == found.length
    if found.status == 206:
        first, last, all_ = map(int, re.findall(r"\d+", headers["content-range"]))
        assert 0 <= found.start == first <= last < size == all_
        assert found.length == last - first + 1
    elif found.status == 200:
        assert (found.start, found.length) == (0, size)
        assert "content-range" not in headers
    else:
        assert (found.length, headers["content-range"]) == (0, f"bytes */{size}")


@given(first=st.integers(0, 500), length=st.integers(1, 500), size=st.integers(1, 500))
def test_a_range_is_a_slice(first, length, size):
    """bytes=a-b is what Python slices as [a:b+1]."""
    text = f"bytes={first}-{first + length - 1}"
    found = answer(_content(size), {"range": text})
    data = bytes(n % 251 for n in range(size))
    wanted = data[first : first + length]
    assert data[found.start : found.start + found.length] == wanted
    assert found.status == (206 if wanted else 416)


@given(condition=st.text(max_size=60), name=st.sampled_from(["if-match", "if-none-match"]))
def test_conditions_never_fail(condition, name):
    """Any text in a condition gets 200, 304 or 412."""
    found = answer(_content(10), {name: condition})
    assert found.status in ({200, 304} if name == "if-none-match" else {200, 412})


@given(size=st.integers(0, 10**6))
def test_the_tag_is_strong(size):
    """The entity tag is the quoted digest, without W/."""
    assert re.fullmatch(r'"sha256-[0-9a-f]{64}"', _content(size).tag)
