"""The native API: lists, records, reports, its own description, and one shape for every error."""

from __future__ import annotations

import json
import re
import time

import httpx
import pytest
from hub import CATALOG, ROOT

from datahub import errors

DATASETS = [path.parent.name for path in CATALOG.glob("datasets/*/datapackage.yaml")]
SHAPE = {
    *("type", "title", "status", "detail", "detail_zh", "code", "facts", "retryable"),
    "errors",
    *("instance", "request_id"),
}
INSIDE = ("/work", "/tmp", "Traceback", "site-packages", ".py", "sqlite", "duckdb", "litestar")
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "multipart/form-data; boundary=x"}
DECIDE = "/api/v1/submissions/0123456789abcdef/decisions"
SUBMIT = "/api/v1/datasets/clinics/submissions"


def names(answered):
    """Names of the datasets of a list."""
    assert answered.status_code == 200, answered.text[:500]
    return [item["name"] for item in answered.json()["data"]]


def listed(server, **params):
    """Names of the datasets that a query finds."""
    return names(server.get("/api/v1/datasets", params=params))


def part(headers, body):
    """One part of a multipart body."""
    return b"--x\r\n" + headers + b"\r\n\r\n" + body + b"\r\n--x--\r\n"


# Datasets ---------------------------------------------------------------------------------


def test_the_list_has_all_datasets(server):
    """Every registered dataset is listed, published or not, ordered by title."""
    found = server.get("/api/v1/datasets").json()
    assert sorted(item["name"] for item in found["data"]) == sorted(DATASETS)
    titles = [item["title"] for item in found["data"]]
    assert titles == sorted(titles)
    assert (found["total"], found["limit"], found["offset"]) == (len(DATASETS), 100, 0)


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"publisher": "yc-env"}, {"air_hourly", "air_stations", "noise", "water_quality"}),
        ({"theme": "04"}, {"bus", "bus_arrival", "parking_charging"}),
        ({"theme": "04", "openness": "conditional"}, {"bus_arrival"}),
        ({"openness": "open", "theme": "09"}, {"clinics"}),
        ({"openness": "closed"}, set()),
        ({"publisher": "yc-env", "theme": "04"}, set()),
        ({"publisher": "nobody"}, set()),
        ({"q": "空气质量"}, {"air_hourly", "air_stations"}),
        ({"q": "公交"}, {"bus", "bus_arrival"}),
        ({"q": "医院"}, {"clinics"}),
        ({"q": "AIR_HOURLY"}, {"air_hourly", "air_stations"}),
        ({"q": "ａｉｒ＿ｈｏｕｒｌｙ"}, {"air_hourly", "air_stations"}),
        ({"q": "公交 站点"}, {"bus", "bus_arrival"}),
        ({"q": "公交　站点"}, {"bus", "bus_arrival"}),
        ({"q": "公交 空气"}, set()),
        ({"q": "100%"}, set()),
        ({"q": "没有这个词"}, set()),
        ({"q": "'; drop table datasets; --"}, set()),
    ],
)
def test_narrowing_the_list(server, params, expected):
    """Publisher, theme, openness and words narrow the list; width and case of letters do not matter."""
    assert set(listed(server, **params)) == expected


@pytest.mark.parametrize("text", ["", " ", "　"])
def test_no_words_narrow_nothing(server, text):
    """A query of blanks finds everything."""
    assert len(listed(server, q=text)) == len(DATASETS)


def test_paging_the_list(server):
    """Pages of ten join up to the whole list, each with the total."""
    starts = range(0, len(DATASETS) + 10, 10)
    pages = [server.get("/api/v1/datasets", params={"limit": 10, "offset": n}) for n in starts]
    assert [len(names(page)) for page in pages] == [
        max(0, min(10, len(DATASETS) - start)) for start in starts
    ]
    assert [name for page in pages for name in names(page)] == listed(server)
    assert {page.json()["total"] for page in pages} == {len(DATASETS)}


@pytest.mark.parametrize("text", ["a " * 1200, "a" * 55_000, "优 " * 3000])
def test_long_queries_are_answered_or_refused(server, text):
    """A query of thousands of words or letters is no server error."""
    assert server.get("/api/v1/datasets", params={"q": text}).status_code in (200, 400, 414)


def test_a_record(server):
    """A dataset's record has its publisher, theme, licence and resources with links that work."""
    found = server.get("/api/v1/datasets/bus").json()
    assert found["publisher"] == {"id": "yc-bus", "title": "宜昌公交集团"}
    assert found["theme"] == {"code": "04", "title": "交通运输"}
    assert found["licenses"][0]["name"] == "CC-BY-4.0"
    assert [(r["name"], r["rows"]) for r in found["resources"]] == [
        *(("lines", 228), ("stops", 900), ("line_stops", 4037))
    ]
    for resource in found["resources"]:
        for name, link in resource["links"].items():
            assert server.get(link).status_code == 200, name


def test_a_record_without_release(server):
    """A dataset that published nothing yet has a record, but no rows and no files."""
    found = server.get("/api/v1/datasets/admin_penalty").json()
    assert found["latest"] is None
    assert [list(r["links"]) for r in found["resources"]] == [["schema"]]
    assert server.get("/api/v1/datasets/admin_penalty/releases").json() == []


def test_releases(server):
    """A release lists its files with sizes, digests, media types and numbered addresses."""
    (release,) = server.get("/api/v1/datasets/schools/releases").json()
    assert (release["version"], release["latest"], release["withdrawn"]) == (1, True, None)
    assert {f["path"]: (f["media_type"], f["rows"]) for f in release["files"]} == {
        "schools.parquet": ("application/vnd.apache.parquet", 400),
        "schools.csv": ("text/csv; charset=utf-8", 400),
        "schools.ndjson": ("application/x-ndjson", 400),
        "schools.xlsx": (
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            400,
        ),
        "schools.original.xlsx": (
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            None,
        ),
        "schools.geojson": ("application/geo+json", 400),
        "schools.stats.json": ("application/json", None),
        "datapackage.json": ("application/json", None),
        "manifest.json": ("application/json", None),
        "SHA256SUMS": ("text/plain; charset=utf-8", None),
    }
    assert all(f["url"] == f"/d/schools/1/{f['path']}" for f in release["files"])


@pytest.mark.parametrize(
    ("dataset", "resource", "file"),
    [
        *(("air_hourly", "air_hourly", "air_hourly"), ("clinics", "clinics", "clinics")),
        *(("bus", "lines", "bus_lines"), ("bus", "line_stops", "bus_line_stops")),
        *(("schools", "schools", "schools"), ("admin_license", "admin_license", "admin_license")),
    ],
)
def test_schemas_are_those_of_the_repository(server, dataset, resource, file):
    """The schema served is the file in schemas/ that submissions are validated against."""
    served = server.get(f"/api/v1/datasets/{dataset}/resources/{resource}/schema").json()
    assert served == json.loads((ROOT / "schemas" / f"{file}.json").read_bytes())


@pytest.mark.parametrize(("resource", "rows"), [("lines", 228), ("line_stops", 4037)])
def test_the_report_of_a_release(server, resource, rows):
    """The report tells that the data is valid, how many rows were read, and by which engine."""
    found = server.get(f"/api/v1/datasets/bus/resources/{resource}/report").json()
    assert (found["valid"], found["version"]) == (True, 1)
    assert found["engine"]["name"] in ("columns", "frictionless")
    assert found["engine"]["differences"] == 0
    assert [task["name"] for task in found["tasks"]] == [resource]
    assert found["tasks"][0]["stats"]["rows"] == rows


# Submissions as data ----------------------------------------------------------------------


def test_a_submission_is_followed_to_its_end(server):
    """A bad file is rejected with counts by type, and every error is in the CSV."""
    bad = b"place_id,kind\nX,Y\n"
    sent = server.submit("parking_charging", ("file", "坏.csv", bad))
    assert sent.status_code == 201
    assert sent.headers["location"] == f"/api/v1/submissions/{sent.json()['id']}"
    found = server.settle(sent.json()["id"])
    assert found["state"] == "rejected"
    assert found["problem"]["detail_zh"] != found["problem"]["detail"]
    assert found["files"][0]["name"] == "坏.csv"
    assert "path" not in json.dumps(found["detected"])


def test_a_raw_body_is_a_file(server):
    """One file may be the raw body, its name in the query."""
    sent = server.post(
        f"{SUBMIT}?filename=表.csv", token=server.token("operator"), content=b"a,b\n1,2\n"
    )
    assert sent.status_code == 201, sent.text
    assert sent.json()["files"][0] | {"sha256": ""} == {
        "resource": "clinics", "name": "表.csv", "bytes": 8, "sha256": "", "charset": "",
    }  # fmt: skip
    assert server.settle(sent.json()["id"])["state"] == "rejected"


def test_a_note_comes_along(server):
    """A part named note is the note to the reviewer, not a file."""
    sent = server.post(
        SUBMIT, token=server.token("operator"),
        files=[("note", (None, "补充十二月")), ("file", ("x.csv", b"a\n1\n"))],
    )  # fmt: skip
    assert sent.json()["note"] == "补充十二月"
    assert len(sent.json()["files"]) == 1


# Health, metrics, description -------------------------------------------------------------


def test_health(server):
    """The process is live, and ready with a count of the work that waits."""
    assert server.get("/health/live").json() == {"status": "live"}
    ready = server.get("/health/ready").json()
    assert ready["status"] == "ready"
    assert ready["waiting"] >= 0


def test_metrics_count_requests(server):
    """Prometheus finds requests by method, path template and status; the count goes up."""

    def count():
        text = server.get("/metrics").text
        line = r'datahub_requests_total\{.*path="/api/v1/datasets/\{dataset\}",status_code="200"\} (\S+)'
        found = re.search(line, text)
        return float(found[1]) if found else 0.0

    before = count()
    server.get("/api/v1/datasets/schools")
    until = time.monotonic() + 5  # a request is counted after its answer has gone out
    while count() == before and time.monotonic() < until:
        time.sleep(0.05)
    assert count() == before + 1


def test_request_ids_differ(server):
    """Every answer, of whatever status, has a request id of its own; a problem repeats it."""
    paths = ["/api/v1/datasets", "/api/v1/none", "/d/schools/1/schools.csv", "/", "/d/x/1/y"] * 3
    answered = [server.get(path) for path in paths]
    ids = [a.headers["x-request-id"] for a in answered]
    assert len(set(ids)) == len(paths)
    for one in answered:
        if one.status_code == 404:
            assert one.json()["request_id"] == one.headers["x-request-id"]


@pytest.mark.parametrize(
    "path",
    [
        *("/api/v1/datasets", "/api/v1/datasets/bus", "/api/v1/datasets/bus/releases", "/"),
        *("/api/v1/datasets/bus/resources/lines/rows?limit=2", "/openapi.json", "/health/live"),
        *("/api/v1/datasets/none", "/api/v1/submissions", "/docs", "/datasets/bus"),
    ],
)
def test_head_is_get_without_a_body(server, path):
    """HEAD has the status, length and type of GET, and no body."""
    plain = {"Accept-Encoding": "identity"}  # a compressed length is not known ahead
    head, get = httpx.head(server.url + path, headers=plain), server.get(path, headers=plain)
    assert (head.status_code, head.content) == (get.status_code, b"")
    for name in ("content-length", "content-type"):
        assert head.headers[name] == get.headers[name]


@pytest.fixture(scope="module")
def described(server):
    """The API's own description."""
    return server.get("/openapi.json").json()


def test_openapi_is_of_its_version(described):
    """/openapi.json is OpenAPI 3.1 with a title, a version and paths; every reference resolves."""
    assert described["openapi"].startswith("3.1")
    assert described["info"]["title"]
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(described)):
        at = described
        for step in reference.split("/"):
            at = at[step]


def operations(described):
    """Every operation: method, path, description."""
    return [(m, p, op) for p, item in described["paths"].items() for m, op in item.items()]


def test_every_route_is_documented(described):
    """All routes under /api/v1 are described: what they do, and a schema of the good answer."""
    found = {(m, p): op for m, p, op in operations(described) if p.startswith("/api/v1")}
    assert len(found) >= 14
    for key, op in found.items():
        assert op["summary"], key
        (good,) = [r for status, r in op["responses"].items() if status in ("200", "201", "202")]
        (media,) = good["content"].items()
        assert media[1]["schema"], key


def test_descriptions_are_of_what_a_route_does(described):
    """Each operation has words of its own; none speaks of how its handler is run."""
    for method, path, op in operations(described):
        assert op["description"], (method, path)
        for word in ("anyio", "thread", "callable"):
            assert word not in op["description"].lower(), (method, path)


def test_documented_media_types_have_names(described):
    """The answer of a documented operation has a media type, as report.csv has text/csv."""
    for method, path, op in operations(described):
        for status, answer in op["responses"].items():
            assert all(name for name in answer.get("content", {})), (method, path, status)


def test_documented_errors_have_their_real_shape(described):
    """Errors are described as what they are: application/problem+json with code and detail_zh."""
    for method, path, op in operations(described):
        for status, answer in op["responses"].items():
            if status[0] in "45":
                assert list(answer["content"]) == ["application/problem+json"], (method, path)


def test_the_upload_body_is_documented(described):
    """Who generates a client finds that files are handed in as multipart/form-data."""
    op = described["paths"]["/api/v1/datasets/{dataset}/submissions"]["post"]
    assert "multipart/form-data" in op["requestBody"]["content"]


def test_routes_with_a_token_say_so(described):
    """Operations that need a token declare it."""
    for method, path, op in operations(described):
        if "submission" in path or "withdrawal" in path:
            assert op.get("security"), (method, path)


def test_parameters_have_their_public_names(described):
    """Documented parameters are those that the API takes."""
    op = described["paths"]["/api/v1/submissions"]["get"]
    assert {p["name"] for p in op["parameters"]} == {"dataset", "state", "limit"}


# Errors -----------------------------------------------------------------------------------

WRONG_GETS = [
    ("/nowhere", 404, "not-found"),
    ("/api/v1", 404, "not-found"),
    ("/api/v1/datasets/none", 404, "dataset-unknown"),
    ("/api/v1/datasets/%00", 404, "dataset-unknown"),
    ("/api/v1/datasets/%ff%fe", 404, "dataset-unknown"),
    ("/api/v1/datasets/..%2f..", 404, None),
    ("/api/v1/datasets/" + "x" * 60_000, 404, "dataset-unknown"),
    ("/api/v1/datasets?limit=0", 400, "parameter-invalid"),
    ("/api/v1/datasets?limit=1001", 400, "parameter-invalid"),
    ("/api/v1/datasets?limit=x", 400, "parameter-invalid"),
    ("/api/v1/datasets?offset=-1", 400, "parameter-invalid"),
    ("/api/v1/datasets?offset=99999999999999999999", 400, "parameter-invalid"),
    ("/api/v1/datasets?openness=ajar", 400, "parameter-invalid"),
    ("/api/v1/datasets/none/releases", 404, "dataset-unknown"),
    ("/api/v1/datasets/bus/resources/none/schema", 404, "resource-unknown"),
    ("/api/v1/datasets/bus/resources/none/report", 404, "resource-unknown"),
    ("/api/v1/datasets/admin_penalty/resources/admin_penalty/report", 404, "release-unknown"),
    ("/api/v1/datasets/bus/resources/lines/rows?x=1", 400, "parameter-unknown"),
    ("/api/v1/datasets/bus/resources/lines/rows?price=cheap", 400, "parameter-invalid"),
    ("/api/v1/submissions", 401, "token-missing"),
    ("/d/schools/7/x", 404, "release-unknown"),
    ("/static/none.css", 404, "not-found"),
    ("/?page=0", 400, "parameter-invalid"),
    ("/datasets/none", 404, "dataset-unknown"),
]


def check_problem(answered, status, code):
    """One error shape, with texts in both languages and nothing of the inside."""
    problem = answered.json()
    assert (answered.status_code, problem["status"]) == (status, status), answered.text[:500]
    assert answered.headers["content-type"] == "application/problem+json"
    assert set(problem) == SHAPE
    assert code in (None, problem["code"])
    known = errors.codes()[problem["code"]]
    assert problem["type"] == f"/docs#error-{known.code}"
    assert problem["detail"]
    assert re.search("[\u4e00-\u9fff]", problem["detail_zh"])
    assert "has the value '…'" not in problem["detail"]
    assert not [word for word in INSIDE if word in answered.text.replace("/docs#", "")]


@pytest.mark.parametrize(("path", "status", "code"), WRONG_GETS)
def test_wrong_gets(server, path, status, code):
    """Whatever is wrong with a GET is told in the one shape."""
    check_problem(server.get(path), status, code)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "TRACE"])
@pytest.mark.parametrize("path", ["/api/v1/datasets", "/api/v1/submissions", "/health/live", "/"])
def test_methods_that_are_not_there(server, method, path):
    """A method that an address lacks is 405, with the ones that it has in Allow."""
    answered = httpx.request(method, server.url + path)
    check_problem(answered, 405, "method-not-allowed")
    assert "GET" in answered.headers["allow"]


@pytest.mark.parametrize("path", ["/api/v1/datasets", "/d/schools/1/schools.csv", "/", "/none"])
def test_bare_options(server, path):
    """OPTIONS from a client that is no browser is no server error."""
    assert httpx.options(server.url + path).status_code < 500


DEEP = b"[" * 100_000
WRONG_DECISIONS = [
    (JSON, DEEP, 400, None),
    (JSON, b'{"verdict":' + DEEP, 400, None),
    (JSON, b'{"x":' + DEEP + b"]" * 100_000 + b"}", 400, None),
    (JSON, b"", 400, None),
    (JSON, b"approve", 400, None),
    (JSON, b"\xff\xfe\x00", 400, None),
    (JSON, b"null", 400, "body-invalid"),
    (JSON, b"[]", 400, "body-invalid"),
    (JSON, b"{}", 400, "body-invalid"),
    (JSON, b'{"verdict": 1}', 400, "body-invalid"),
    (JSON, b'{"verdict": "maybe"}', 400, "body-invalid"),
    (JSON, b'{"verdict": "approve", "force": true}', 400, "body-invalid"),
    (JSON, b'{"verdict": "approve", "reason": null}', 400, "body-invalid"),
    (JSON, b'{"verdict": "return", "reason": "\\ud800"}', 400, None),
    (JSON, b'{"verdict": "approve", "reason": "' + b"x" * 1_100_000 + b'"}', 413, "body-too-large"),
    (JSON, b'{"verdict": "approve"}', 404, "submission-unknown"),
    ({"Content-Type": "application/xml"}, b"<verdict/>", 400, None),
    ({"Content-Type": "application/x-www-form-urlencoded"}, b"verdict=approve", 400, None),
    (FORM, part(b'Content-Disposition: form-data; name="verdict"', b"approve"), 400, None),
    ({"Content-Type": "application/json; charset=utf-7"}, b"+AHs-", 400, None),
    ({"Content-Type": ""}, b"\x00", 400, None),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "body", "status", "code"), WRONG_DECISIONS)
def test_wrong_bodies(server, headers, body, status, code):
    """A body that is deep, no JSON, of another type or with unknown fields is refused, never a 500."""
    answered = server.post(
        DECIDE, token=server.token("reviewer"), headers=dict(headers), content=body
    )
    check_problem(answered, status, code)


def test_an_empty_body_tells_what_is_needed(server):
    """Who sends no body reads which field is missing, not the framework's name for it."""
    answered = server.post(DECIDE, token=server.token("reviewer"), headers=dict(JSON), content=b"")
    assert "'data'" not in answered.json()["detail"]


FILE = b'Content-Disposition: form-data; name="file"; filename="a.csv"'
WRONG_UPLOADS = [
    ({"Content-Type": "multipart/form-data"}, b"a", 400, "body-invalid"),
    (FORM, b"", 400, "body-invalid"),
    (FORM, b"--x--\r\n", 400, "body-invalid"),
    (FORM, b"--x\r\n" + FILE + b"\r\n\r\nabc", 400, "body-invalid"),
    (FORM, part(b"A: b", b"abc"), 400, "body-invalid"),
    (FORM, part(FILE.replace(b"a.csv", b"../../a.csv"), b"abc"), 400, "name-invalid"),
    (FORM, part(FILE.replace(b"a.csv", b"\xff.csv"), b"abc"), 400, None),
    (FORM, part(FILE.replace(b"a.csv", b"a" * 300), b"abc"), 400, "name-invalid"),
    (
        FORM,
        part(FILE + b"\r\nContent-Type: text/csv; charset=klingon", b"a"),
        400,
        "parameter-invalid",
    ),
    (FORM, part(FILE.replace(b'"file"', b'"other"'), b"abc"), 422, "submission-incomplete"),
    (FORM, part(FILE, b""), 422, "file-empty"),
    (FORM, part(b'Content-Disposition: form-data; name="note"', b"x"), 400, "body-invalid"),
    (FORM, b"--x\r\n" + b"A: b\r\n" * 5000, 400, "body-invalid"),
    (FORM, (b"--x\r\n" + FILE + b"\r\n\r\na\r\n") * 300 + b"--x--\r\n", 400, "body-invalid"),
    ({"Content-Type": "text/csv; charset=klingon"}, b"a", 400, "parameter-invalid"),
    ({"Content-Type": "text/csv"}, b"", 422, "file-empty"),
]


@pytest.mark.parametrize(("headers", "body", "status", "code"), WRONG_UPLOADS)
def test_wrong_uploads(server, headers, body, status, code):
    """An upload that is malformed, cut off, empty or misnamed is refused with what would be right."""
    answered = server.post(
        SUBMIT, token=server.token("operator"), headers=dict(headers), content=body
    )
    check_problem(answered, status, code)


@pytest.mark.parametrize(
    "query", ["filename=../x.csv", "filename=x%00.csv", "filename=..", "filename=%0a"]
)
def test_wrong_file_names_of_raw_bodies(server, query):
    """A file name with folders or control characters is refused."""
    answered = server.post(f"{SUBMIT}?{query}", token=server.token("operator"), content=b"a")
    check_problem(answered, 400, "parameter-invalid" if "%00" in query else "name-invalid")


@pytest.mark.parametrize("version", ["0", "99", "99999999999999999999999"])
def test_withdrawing_what_is_not_there(server, version):
    """A release that never was is 404 under the number that was asked."""
    path = f"/api/v1/datasets/schools/releases/{version}/withdrawal"
    answered = server.post(path, token=server.token("reviewer"), json={"reason": "x"})
    check_problem(answered, 404, "release-unknown")
    assert version[:18] in answered.json()["detail"]


@pytest.mark.parametrize("body", [{"reason": ""}, {"reason": "  "}, {}, {"reason": 1}])
def test_withdrawing_needs_a_reason(server, body):
    """A release is not withdrawn without a public reason."""
    path = "/api/v1/datasets/schools/releases/1/withdrawal"
    answered = server.post(path, token=server.token("reviewer"), json=body)
    check_problem(answered, 400, "body-invalid")


def test_a_wrong_state_is_told_by_its_public_name(server):
    """The parameter that is named in an error is the one that was sent."""
    answered = server.get("/api/v1/submissions?state=bogus", token=server.token("operator"))
    check_problem(answered, 400, "parameter-invalid")
    assert answered.json()["facts"]["name"] == "state"
    assert answered.json()["facts"]["value"] == "bogus"


def test_a_giant_header_is_refused(server):
    """A megabyte of header is refused or cut off, not taken into memory."""
    try:
        status = server.get("/health/live", headers={"X-Giant": "y" * (1 << 20)}).status_code
    except httpx.TransportError:
        status = 431
    assert 400 <= status < 500


@pytest.mark.parametrize(
    "token", ["", "x" * 9000, "dh_", "Bearer", "Basic eDp5", "\u00e4", "a b c", "'--"]
)
def test_odd_authorization_headers(server, token):
    """Any Authorization header that is no token is a 401 that says how to ask."""
    header = {b"authorization": token.encode("latin-1")}
    answered = httpx.get(server.url + "/api/v1/submissions", headers=header)
    check_problem(answered, 401, None)
    assert answered.headers["www-authenticate"].startswith("Bearer")
