"""The command line as people and scripts use it: help, exit codes, JSON, and words instead of tracebacks."""

from __future__ import annotations

import csv
import io
import json
import shutil
from hashlib import sha256

import pytest
from hub import CATALOG, ROOT, Hub

from datahub.store.verify import LEFT_OUT, PROOFS, verify_folder

SCHEMAS = ROOT / "schemas"
DATASETS = len(list(CATALOG.glob("datasets/*/datapackage.yaml")))
COMMANDS = (
    *("register", "serve", "worker", "demo", "submit", "status", "review", "withdraw", "query"),
    *("pull", "verify", "validate", "release list", "token create", "token list", "token revoke"),
)


@pytest.fixture
def outside(tmp_path):
    """A command line with a data folder of its own and no service."""
    own = Hub(tmp_path / "data")
    own.data.mkdir()
    return own


@pytest.fixture(scope="module")
def bad_file(tmp_path_factory, samples):
    """Air quality with a text in so2, a level of its own making and a repeated key."""
    lines = (samples / "air_hourly" / "air_hourly.csv").read_text().splitlines()[:101]
    lines[5] = lines[5].replace(",9,", ",high,", 1)
    lines[7] = lines[7].replace("良", "很好")
    lines[9] = lines[8]
    path = tmp_path_factory.mktemp("bad") / "坏.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def ok(done):
    """Standard output of a command that ended well."""
    assert done.returncode == 0, (done.stdout[-500:], done.stderr[-1500:])
    return done.stdout


def failed(done, code):
    """What a command said that ended with this code, without a traceback."""
    assert "Traceback" not in done.stderr, done.stderr[-1500:]
    assert done.returncode == code, (done.stdout[-500:], done.stderr[-500:])
    return done.stdout + done.stderr


def digests(folder):
    """Digest of every file in a folder, but for the documents that prove a release."""
    files = (path for path in folder.iterdir() if path.name not in PROOFS)
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in files}


# Help -------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(outside, command):
    """--help tells in Chinese and English what a command does, and shows an example of it."""
    shown = ok(outside.cli(*command.split(), "--help"))
    assert f"例：datahub {command.split()[0]}" in shown
    assert "·" in shown


def test_help_lists_the_commands(outside):
    """`datahub --help` lists every command and the exit codes."""
    shown = ok(outside.cli("--help"))
    assert all(command.split()[0] in shown for command in COMMANDS)
    assert "0 done, 1 data invalid or not verified, 2 usage, 3 refused, 4 try again later" in shown


# Exit codes -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ("nothing",),
        ("query",),
        ("query", "air_hourly", "--where", "aqi"),
        ("query", "air_hourly", "--limit", "many"),
        ("submit", "clinics"),
        ("submit", "clinics", "/no/such.csv"),
        ("review", "abc"),
        ("review", "abc", "--approve", "--return"),
        ("withdraw", "schools", "1"),
        ("validate", "/no/such.csv", "--schema", "x.json"),
        ("token", "create", "li", "--role", "steward"),
        ("token", "create", "li", "--role", "steward", "--publisher", "nobody"),
        ("token", "create", "li", "--role", "king"),
        ("token", "create", "li", "--role", "reviewer", "--days", "0"),
        ("token", "revoke", "nothing"),
    ],
)
def test_a_wrong_command_line_is_2(outside, arguments):
    """What is wrong with the command line itself ends with 2 and says what."""
    assert failed(outside.cli(*arguments), 2)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("status",), "token-missing"),
        (("submit", "clinics", str(SCHEMAS / "clinics.json")), "token-missing"),
        (("review", "abc", "--approve"), "token-missing"),
        (("withdraw", "schools", "1", "--reason", "x"), "token-missing"),
        (("query", "nowhere"), "dataset-unknown"),
        (("query", "bus/nothing"), "resource-unknown"),
        (("query", "air_hourly", "--where", "colour=eq.1"), "parameter-unknown"),
        (("query", "air_hourly", "--where", "aqi=high"), "parameter-invalid"),
        (("query", "air_hourly", "--limit", "0"), "parameter-invalid"),
        (("query", "air_hourly", "--version", "9"), "release-unknown"),
        (("pull", "nowhere"), "dataset-unknown"),
        (("pull", "schools", "--version", "9"), "release-unknown"),
        (("pull", "admin_penalty"), "release-unknown"),
        (("release", "list", "nowhere"), "dataset-unknown"),
    ],
)
def test_a_refused_request_is_3(server, arguments, code):
    """What the service refuses ends with 3, in Chinese and English, with the error's code."""
    said = failed(server.cli(*arguments), 3)
    assert f"[{code}]" in said
    assert "✗" in said


@pytest.mark.parametrize("token", ["garbage", "dh_" + "x" * 43])
@pytest.mark.parametrize("arguments", [("status",), ("review", "abc", "--approve")])
def test_a_wrong_token_is_3(server, token, arguments):
    """A token that is not valid ends with 3 and says where to get another."""
    said = failed(server.cli(*arguments, token=token), 3)
    assert "[token-invalid]" in said
    assert "令牌无效" in said


def test_a_token_no_header_can_carry(server):
    """A token pasted with other letters is called what it is, not an unreachable service."""
    said = failed(server.cli("status", token="令牌"), 3)
    assert "令牌" in said.replace(server.url, "")
    assert "cannot reach" not in said


@pytest.mark.parametrize(
    ("command", "address"),
    [
        ("query air_hourly", "http://127.0.0.1:1"),
        ("query air_hourly", "nonsense"),
        ("status", "http://[bad"),
        ("status", "ftp://x"),
        ("pull schools", "http://127.0.0.1:1"),
    ],
)
def test_a_wrong_address_is_4(outside, command, address):
    """An address where nobody answers ends with 4 and is named, with how to start a service."""
    said = failed(outside.cli(*command.split(), "--server", address), 4)
    assert address in said
    assert "datahub serve" in said


def test_an_address_of_something_else(server, outside):
    """A server that is no Datahub is told as such, without a traceback."""
    said = failed(outside.cli("status", "--server", f"{server.url}/docs"), 3)
    assert "[not-found]" in said


def test_a_taken_port_is_4(server):
    """A second service on a port ends with 4 and suggests another."""
    said = failed(server.cli("serve", "--port", server.port), 4)
    assert "--port" in said
    assert str(server.port) in said


@pytest.mark.parametrize("port", [99999, -1])
def test_a_port_that_is_none(outside, port):
    """A number that is no port is told without a traceback."""
    done = outside.cli("serve", "--port", port)
    assert done.returncode != 0
    failed(done, done.returncode)


@pytest.mark.parametrize(
    "arguments",
    [
        ("pull", "schools", "--to", "{file}"),
        ("pull", "schools", "--to", "/proc/nowhere"),
        ("validate", "{folder}", "--schema", str(SCHEMAS / "schools.json")),
        ("validate", "{file}", "--schema", "{folder}"),
        (
            "validate",
            "{bad}",
            "--schema",
            str(SCHEMAS / "air_hourly.json"),
            "--errors",
            "/no/x.csv",
        ),
        ("register", "{file}"),
        ("register", "/no/where"),
        ("verify", "/no/where"),
        ("verify", "{file}"),
    ],
)
def test_paths_that_do_not_work(server, tmp_path, bad_file, arguments):
    """A folder that cannot be written or a file that is none ends in words, never in a traceback."""
    (tmp_path / "file").write_text("x")
    names = {"file": tmp_path / "file", "folder": tmp_path, "bad": bad_file}
    done = server.cli(*(str(a).format(**names) for a in arguments))
    assert done.returncode in (1, 2, 3, 4)
    assert failed(done, done.returncode)


@pytest.mark.parametrize(
    ("name", "value"), [("port", "abc"), ("settings", "/no/such.toml"), ("workers", "2.5")]
)
def test_wrong_settings(tmp_path, name, value):
    """A setting of the wrong type or a missing settings file is told by name."""
    own = Hub(tmp_path, **{name: value})
    said = failed(own.cli("token", "list"), 1)
    assert name in said or value in said


@pytest.mark.parametrize(
    ("arguments", "token"), [(("query", "nowhere", "--json"), ""), (("status", "--json"), "x")]
)
def test_errors_as_json(server, arguments, token):
    """With --json an error is JSON, too: code and both texts."""
    done = server.cli(*arguments, token=token)
    error = json.loads(done.stdout)["error"]
    assert done.returncode == 3
    assert set(error) == {"code", "detail", "detail_zh"}


# JSON -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (("query", "air_hourly", "--limit", "2"), "data"),
        (("release", "list", "schools"), 0),
        (("status",), 0),
        (("status", "--dataset", "schools", "--state", "released"), 0),
        (("token", "list"), 0),
        (("register", str(CATALOG), "--plan"), "same"),
    ],
)
def test_json_for_programs(server, arguments, part):
    """--json prints one JSON value and nothing else."""
    shown = ok(server.cli(*arguments, "--json", token=server.token("operator")))
    assert json.loads(shown)[part]


# validate ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dataset", "file", "rows"),
    [
        *(("air_hourly", "air_hourly.csv", 43_800), ("clinics", "clinics.xlsx", 332)),
        *(
            ("admin_license", "admin_license.csv", 5000),
            ("parking_charging", "parking_charging.csv", 600),
        ),
        *(("schools", "schools.xlsx", 400), ("budget_lines", "budget_lines.csv", 3000)),
    ],
)
def test_good_files_are_valid(outside, samples, dataset, file, rows):
    """A good file, CSV or XLSX in whatever encoding, is valid without a service."""
    path = samples / dataset / file
    shown = ok(outside.cli("validate", path, "--schema", SCHEMAS / f"{dataset}.json", "--json"))
    report = json.loads(shown)
    assert (report["valid"], report["totals"]["rows"], report["totals"]["errors"]) == (
        True,
        rows,
        0,
    )


def test_a_good_file_in_words(outside, samples):
    """For people: one line with the number of rows."""
    path = samples / "clinics" / "clinics.xlsx"
    shown = ok(outside.cli("validate", path, "--schema", SCHEMAS / "clinics.json"))
    assert "332" in shown
    assert "✓" in shown


def test_a_bad_file_is_told_by_type_and_count(outside, bad_file):
    """A bad file ends with 1, and its errors are counted by type."""
    done = outside.cli("validate", bad_file, "--schema", SCHEMAS / "air_hourly.json", "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["valid"]) == (1, False)
    assert report["totals"]["types"] == {"type-error": 1, "constraint-error": 1, "primary-key": 1}
    assert report["totals"]["errors"] == 3


def test_a_bad_file_in_words(outside, bad_file):
    """For people: rows, columns and types in Chinese."""
    said = failed(outside.cli("validate", bad_file, "--schema", SCHEMAS / "air_hourly.json"), 1)
    for word in ("坏.csv", "3 处错误", "类型不对", "主键重复", "so2", "level"):
        assert word in said


def test_all_errors_as_csv(outside, bad_file, tmp_path):
    """--errors saves every error as a line: row, field, value, type."""
    target = tmp_path / "错误.csv"
    schema = SCHEMAS / "air_hourly.json"
    failed(outside.cli("validate", bad_file, "--schema", schema, "--errors", target), 1)
    rows = list(csv.DictReader(io.StringIO(target.read_text(encoding="utf-8-sig"))))
    found = {(row["行"], row["字段"], row["值"], row["错误类型"]) for row in rows}
    assert len(rows) == 3
    assert ("6", "so2", "high", "type-error") in found
    assert ("8", "level", "很好", "constraint-error") in found


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "file-empty"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "format"),
        (b"PK\x03\x04" + bytes(200), ""),
        (b"a,b\n1,2\n", "header-missing"),
        ("站点,时间\n1,2\n".encode("gb18030"), "header-missing"),
    ],
)
def test_files_that_are_no_table(outside, tmp_path, content, code):
    """What is no table of the schema ends with 1 and says why."""
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    said = failed(outside.cli("validate", path, "--schema", SCHEMAS / "air_hourly.json"), 1)
    assert code in said


def test_brackets_are_shown_as_they_are(outside, tmp_path):
    """Text in square brackets, in a pattern, a value or a file name, is shown, not interpreted."""
    schema = {"fields": [{"name": "a", "type": "string", "constraints": {"pattern": "[a-z]{2}"}}]}
    (tmp_path / "s.json").write_text(json.dumps(schema))
    (tmp_path / "x[bold].csv").write_text("a\nOK\n[/b]\n")
    done = outside.cli("validate", tmp_path / "x[bold].csv", "--schema", tmp_path / "s.json")
    said = failed(done, 1)
    assert "[a-z]{2}" in said
    assert "x[bold].csv" in said


# submit, status, review -------------------------------------------------------------------


def test_submitting_a_bad_file_is_1_and_shows_rows(server, bad_file):
    """A bad submission ends with 1 and shows where the first errors are."""
    done = server.cli("submit", "air_hourly", bad_file, token=server.token("operator"))
    said = failed(done, 1)
    for word in ("未通过", "rejected", "坏.csv"):
        assert word in said
    identifier = said.split("报送 ")[1].split(" ")[0]
    shown = ok(server.cli("status", identifier, token=server.token("operator")))
    for word in ("so2", "type-error", "level", "constraint-error"):
        assert word in said + shown


def test_status_saves_all_errors(server, bad_file, tmp_path):
    """`status ID --errors` saves the errors of a rejected submission as CSV."""
    token = server.token("operator")
    done = server.cli("submit", "air_hourly", bad_file, "--json", token=token)
    found = json.loads(done.stdout)
    assert (done.returncode, found["state"]) == (1, "rejected")
    target = tmp_path / "e.csv"
    ok(server.cli("status", found["id"], "--errors", target, token=token))
    rows = list(csv.DictReader(io.StringIO(target.read_text(encoding="utf-8-sig"))))
    assert len(rows) == 3


def test_from_file_to_release_and_back(hub, samples, tmp_path):
    """submit, review --return, submit, review --approve, query, withdraw: each says what came of it."""
    steward, reviewer = hub.token("steward", "yc-health"), hub.token("reviewer")
    file = samples / "clinics" / "clinics.xlsx"
    first = json.loads(ok(hub.cli("submit", "clinics", file, "--json", token=steward)))
    assert first["state"] == "in_review"
    back = hub.cli("review", first["id"], "--return", "--reason", "请补充", token=reviewer)
    assert "已退回" in ok(back)
    second = json.loads(
        ok(hub.cli("submit", "clinics", f"clinics={file}", "--json", token=steward))
    )
    own = hub.cli("review", second["id"], "--approve", token=steward)
    assert "[forbidden]" in failed(own, 3)
    assert "第 1 版" in ok(hub.cli("review", second["id"], "--approve", token=reviewer))
    assert "332" in hub.cli("query", "clinics", "--limit", "1").stderr
    ok(hub.cli("pull", "clinics", "--to", tmp_path))
    gone = hub.cli("withdraw", "clinics", "1", "--reason", "坐标有误", token=reviewer)
    assert "已撤回" in ok(gone)
    assert failed(hub.cli("query", "clinics"), 3)
    assert "坐标有误" in ok(hub.cli("release", "list", "clinics"))
    assert json.loads(ok(hub.cli("verify", "--json"))) == []


# query ------------------------------------------------------------------------------------


def test_query_as_a_table(server):
    """For people: titles and names of the columns, the rows, and how many there are in all."""
    done = server.cli("query", "bus/lines", "--where", "line_id=eq.L001")
    shown = ok(done)
    for word in ("线路编号", "line_id", "示例1路", "上行", "下行"):
        assert word in shown
    assert "2 / 2" in done.stderr


def test_query_as_csv(server):
    """--csv prints a header and exactly the rows, more than one page of them."""
    shown = ok(server.cli("query", "air_hourly", "--limit", "12000", "--csv"))
    rows = list(csv.reader(io.StringIO(shown)))
    assert rows[0][:2] == ["station_code", "time"]
    assert len(rows) == 12_001
    assert len({(row[0], row[1]) for row in rows}) == 12_001


def test_query_as_json(server):
    """--json prints the page with its fields and total."""
    where = ("--where", "level=eq.优", "--where", "station_code=eq.YC0002")
    page = json.loads(ok(server.cli("query", "air_hourly", *where, "--limit", "3", "--json")))
    assert {(row["level"], row["station_code"]) for row in page["data"]} == {("优", "YC0002")}
    assert len(page["data"]) == 3


def test_two_conditions_on_one_column(server):
    """Two --where on the same column both count: from 100 to under 102."""
    where = ("--where", "aqi=gte.100", "--where", "aqi=lt.102")
    page = json.loads(ok(server.cli("query", "air_hourly", *where, "--limit", "50", "--json")))
    assert {row["aqi"] for row in page["data"]} <= {100, 101}


@pytest.mark.parametrize("name", ["limit", "path", "cursor"])
def test_columns_named_like_parameters(server, name):
    """A condition on a column named like a parameter is sent as one, and refused in words."""
    done = server.cli("query", "air_hourly", "--where", f'"{name}"=eq.1')
    assert "[parameter-unknown]" in failed(done, 3)
    failed(server.cli("query", "air_hourly", "--where", f"{name}=eq.1"), 3)


def test_decimals_keep_their_digits(server):
    """A price of 2.00 is 2.00 in the CSV, as in the published file."""
    shown = ok(server.cli("query", "bus/lines", "--limit", "1", "--csv"))
    (row,) = csv.DictReader(io.StringIO(shown))
    assert row["price"] == "2.00"


# pull and verify --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pristine(server, tmp_path_factory):
    """The release of air_hourly, pulled."""
    to = tmp_path_factory.mktemp("pulled")
    ok(server.cli("pull", "air_hourly", "--to", to))
    return to / "air_hourly" / "1"


@pytest.fixture
def pulled(pristine, tmp_path):
    """A copy of a pulled release to play with."""
    return shutil.copytree(pristine, tmp_path / "air_hourly" / "1")


def pull(server, folder, *more):
    """Pull air_hourly into the folder that `pulled` is in."""
    return server.cli("pull", "air_hourly", "--to", folder.parent.parent, *more)


def test_pull_brings_every_file(server, pristine):
    """All files of the release are there, byte for byte, and none else."""
    files = server.get("/api/v1/datasets/air_hourly/releases").json()[0]["files"]
    assert digests(pristine) == {f["path"]: f["sha256"] for f in files}


def test_pull_again_fetches_nothing(server, pulled):
    """What is there and whole is not fetched again."""
    done = json.loads(ok(pull(server, pulled, "--json")))
    assert {item["path"].rsplit("/", 1)[1]: item["fetched"] for item in done} == dict.fromkeys(
        digests(pulled), False
    )


@pytest.mark.parametrize("kept", [0, 1, 1_000_000, -1])
def test_pull_resumes(server, pristine, pulled, kept):
    """A download that broke off at any byte goes on there and ends whole."""
    whole = pulled / "air_hourly.csv"
    part = pulled / "air_hourly.csv.part"
    part.write_bytes(whole.read_bytes()[:kept])
    whole.unlink()
    ok(pull(server, pulled))
    assert digests(pulled) == digests(pristine)


def test_pull_resumes_instead_of_beginning_anew(server, pulled):
    """The first bytes are kept, not fetched again: were they wrong, the digest would tell."""
    whole = pulled / "air_hourly.csv"
    data = bytearray(whole.read_bytes()[:1000])
    data[500] ^= 1
    (pulled / "air_hourly.csv.part").write_bytes(data)
    whole.unlink()
    said = failed(pull(server, pulled), 1)
    assert "[digest-mismatch]" in said
    assert not whole.exists()


def test_pull_repairs_an_altered_file(server, pristine, pulled):
    """A file that was altered since is fetched again."""
    target = pulled / "air_hourly.parquet"
    data = bytearray(target.read_bytes())
    data[1000] ^= 1
    target.write_bytes(data)
    done = json.loads(ok(pull(server, pulled, "--json")))
    assert [i["path"] for i in done if i["fetched"]] == [str(target)]
    assert digests(pulled) == digests(pristine)


def test_pull_refuses_wrong_bytes(server, pristine, pulled):
    """A whole part with one bit wrong ends with 1 and is thrown away; the next try succeeds."""
    whole, part = pulled / "air_hourly.csv", pulled / "air_hourly.csv.part"
    data = bytearray(whole.read_bytes())
    data[-2] ^= 1
    part.write_bytes(data)
    whole.unlink()
    assert "[digest-mismatch]" in failed(pull(server, pulled), 1)
    assert not whole.exists()
    assert not part.exists()
    ok(pull(server, pulled))
    assert digests(pulled) == digests(pristine)


def test_a_part_that_is_too_long(server, pristine, pulled):
    """A part longer than the file is thrown away and fetched anew."""
    whole = pulled / "air_hourly.csv"
    (pulled / "air_hourly.csv.part").write_bytes(whole.read_bytes() + b"x")
    whole.unlink()
    ok(pull(server, pulled))
    assert digests(pulled) == digests(pristine)


def test_pull_one_format(server, tmp_path):
    """--only parquet brings the Parquet files with manifest and sums, and what came verifies."""
    ok(server.cli("pull", "bus", "--to", tmp_path, "--only", "parquet"))
    folder = tmp_path / "bus" / "1"
    names = {"lines.parquet", "stops.parquet", "line_stops.parquet"}
    documents = {"manifest.json", "SHA256SUMS", "datapackage.json", LEFT_OUT}
    assert set(digests(folder)) == names | documents


def test_verify_a_pulled_folder(outside, pulled):
    """A pulled folder verifies without any service."""
    assert "✓" in ok(outside.cli("verify", pulled))
    assert json.loads(ok(outside.cli("verify", pulled, "--json"))) == []


@pytest.mark.parametrize(
    ("harm", "kind", "place"),
    [
        (lambda f: (f / "air_hourly.csv").unlink(), "missing", "air_hourly.csv"),
        (lambda f: (f / "air_hourly.csv").write_bytes(b""), "altered", "air_hourly.csv"),
        (lambda f: (f / "datapackage.json").write_bytes(b"{}"), "altered", "datapackage.json"),
        (lambda f: (f / "manifest.json").write_bytes(b"{}"), "unreadable", "manifest.json"),
        (lambda f: (f / "manifest.json").unlink(), "unreadable", "manifest.json"),
        (lambda f: (f / "SHA256SUMS").write_bytes(b"x"), "unreadable", "manifest.json"),
        (lambda f: (f / "SHA256SUMS").write_bytes(b""), "altered", "SHA256SUMS"),
        (lambda f: (f / "more.txt").write_bytes(b"x"), "extra", "more.txt"),
        (lambda f: (f / "air_hourly.csv.part").write_bytes(b"x"), "extra", "air_hourly.csv.part"),
        (lambda f: (f / "more").mkdir(), "extra", "more"),
    ],
)
def test_verify_finds_harm(pulled, harm, kind, place):
    """Whatever is missing, altered or extra is named by its kind and place."""
    harm(pulled)
    assert (kind, place) in {(fault.kind, fault.place) for fault in verify_folder(pulled)}


@pytest.mark.parametrize("position", [0, 4, 1000, -1])
def test_verify_finds_one_bit(pulled, position):
    """One bit flipped anywhere in a file is found and the file is named."""
    target = pulled / "air_hourly.parquet"
    data = bytearray(target.read_bytes())
    data[position] ^= 1
    target.write_bytes(data)
    (fault,) = verify_folder(pulled)
    assert (fault.kind, fault.place) == ("altered", "air_hourly.parquet")


def test_verify_tells_what_is_wrong(outside, pulled):
    """A harmed folder ends with 1, and what is wrong is shown to people and to programs."""
    (pulled / "air_hourly.csv").write_bytes(b"x")
    said = failed(outside.cli("verify", pulled), 1)
    assert "altered" in said
    assert "air_hourly.csv" in said
    done = outside.cli("verify", pulled, "--json")
    assert done.returncode == 1
    assert [fault["place"] for fault in json.loads(done.stdout)] == ["air_hourly.csv"]


def test_verify_of_no_data_folder(tmp_path):
    """Where there is no data folder, nothing is verified, and nothing is made."""
    own = Hub(tmp_path / "nowhere")
    done = own.cli("verify")
    assert done.returncode != 0
    assert not own.data.exists()


# register and token -----------------------------------------------------------------------


def test_register_plans_does_and_rests(outside):
    """--plan changes nothing, register adds all, and the second time there is nothing to change."""
    plan = json.loads(ok(outside.cli("register", CATALOG, "--plan", "--json")))
    assert len(plan["add"]) == DATASETS
    assert "计划" in ok(outside.cli("register", CATALOG, "--plan"))
    assert "已登记" in ok(outside.cli("register", CATALOG))
    assert "nothing to change" in ok(outside.cli("register", CATALOG))
    after = json.loads(ok(outside.cli("register", CATALOG, "--json")))
    assert (after["add"], after["change"], len(after["same"])) == ([], [], DATASETS)


def test_register_tells_the_place_of_a_mistake(outside, tmp_path):
    """A mistake in a catalog folder ends with 1 and names file, line and field; nothing is changed."""
    folder = shutil.copytree(CATALOG, tmp_path / "catalog")
    path = folder / "datasets" / "schools" / "datapackage.yaml"
    path.write_text(path.read_text().replace("openness: open", "openness: ajar"))
    said = failed(outside.cli("register", folder), 1)
    assert "schools/datapackage.yaml" in said
    assert "openness" in said
    plan = json.loads(ok(outside.cli("register", CATALOG, "--plan", "--json")))
    assert len(plan["add"]) == DATASETS


def test_a_token_is_all_that_is_printed(outside):
    """`token create` prints the token alone, for TOKEN=$(datahub token create …)."""
    done = outside.cli("token", "create", "li", "--role", "reviewer")
    shown = ok(done)
    assert shown.startswith("dh_")
    assert len(shown.split()) == 1
    assert "shown only once" in done.stderr


@pytest.mark.parametrize("name", ["Li", "李", "../li", ""])
def test_names_of_people(outside, name):
    """A person's name is lower-case letters, digits, _ and -; others are refused with the rule."""
    said = failed(outside.cli("token", "create", name, "--role", "reviewer"), 3)
    assert "[name-invalid]" in said


def test_a_token_of_an_unknown_person(outside):
    """Without a role only people who are known get a token."""
    assert "[person-unknown]" in failed(outside.cli("token", "create", "li"), 3)


def test_files_of_several_resources(server, samples):
    """`submit` takes RESOURCE=FILE for each resource, and refuses when one is missing."""
    token, folder = server.token("operator"), samples / "bus"
    parts = [f"{name}={folder / name}.csv" for name in ("lines", "stops")]
    said = failed(server.cli("submit", "bus", *parts, token=token), 1)
    assert "[submission-incomplete]" in said
    assert "line_stops" in said
