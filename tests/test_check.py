"""`datahub validate` in words, JSON, CSV and workbook; the workbook of errors, also from the server."""

from __future__ import annotations

import csv
import io
import json
import zipfile

import pytest
from hub import ROOT, Hub
from python_calamine import CalamineWorkbook
from rich.console import Console

from datahub.cli import report as told
from datahub.cli import show
from datahub.validation.errors_xlsx import write_xlsx
from datahub.validation.messages import ERROR_COLUMNS

SCHEMA = {
    "fields": [
        {"name": "id", "type": "integer", "title": "编号"},
        {"name": "amount", "type": "number", "title": "金额"},
        {"name": "day", "type": "date"},
    ],
    "primaryKey": ["id"],
}
GOOD = "id,amount,day\n1,1.5,2025-01-01\n2,2,2025-01-02\n"
BAD = 'id,amount,day\n1,"1,234.50",2025-01-01\n2,"2,345",2025-01-02\n3,"3,456",2025/1/3\n'
SENTENCE = "列“金额”有 3 个值有千位分隔符"


@pytest.fixture
def check(tmp_path):
    """Run `datahub validate` on files given by name and text, under SCHEMA unless told otherwise."""
    own = Hub(tmp_path / "data")
    (tmp_path / "s.json").write_text(json.dumps(SCHEMA), encoding="utf-8")

    def run(files, *options, schema=tmp_path / "s.json"):
        paths = []
        for name, data in files.items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data if isinstance(data, bytes) else data.encode())
            paths.append(path)
        done = own.cli("validate", *paths, "--schema", schema, *options)
        assert "Traceback" not in done.stderr, done.stderr[-1500:]
        return done

    return run


def lines_of(path):
    """Rows of a list of errors, CSV or workbook, header first, short rows filled up."""
    if path.suffix == ".csv":
        return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"))))
    return CalamineWorkbook.from_path(path).get_sheet_by_index(0).to_python()


# In words ---------------------------------------------------------------------------------


def test_a_valid_file_is_0(check):
    """A valid file ends with 0 and one line says so, with what it was read as and who judged it."""
    done = check({"好.csv": GOOD})
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("✓ 好.csv：2 行，全部符合", "utf-8", "Frictionless"):
        assert word in done.stdout


def test_an_invalid_file_is_1_in_sentences(check):
    """An invalid file ends with 1; each kind of error has a sentence, rows, values, and the cure."""
    done = check({"坏.csv": BAD})
    assert done.returncode == 1
    for word in (SENTENCE, "2, 3, 4", "“1,234.50”", "去掉逗号", "金额 amount", "日期用了斜线或点"):
        assert word in done.stdout
    assert "合计 4 处：类型不对 type-error 4" in done.stdout
    assert "thousands separator" not in done.stdout


def test_english_on_request(check):
    """--english adds the English sentence to each Chinese one."""
    done = check({"坏.csv": BAD}, "--english")
    assert SENTENCE in done.stdout
    assert "3 values of '金额': each has a thousands separator" in done.stdout
    assert "write 1234.50, not 1,234.50" in done.stdout


@pytest.mark.parametrize("width", [40, 200])
def test_a_narrow_terminal_breaks_no_sentence(check, monkeypatch, width):
    """Where the table does not fit, each kind of error is told in lines of its own."""
    report = json.loads(check({"坏.csv": BAD}, "--json").stdout)
    shown = io.StringIO()
    console = Console(file=shown, width=width, highlight=False, soft_wrap=True)
    monkeypatch.setattr(show, "out", console)
    told.tell_errors(report, {"amount": "金额"}, english=True)
    for word in (SENTENCE, "去掉逗号，例如 1,234.50 写作 1234.50", "write 1234.50, not 1,234.50"):
        assert word in shown.getvalue()
    assert ("正确写法" in shown.getvalue()) == (width == 200)


def test_many_kinds_of_errors_are_cut(check, tmp_path):
    """Of more kinds than anybody reads the first are told, and how many more there are."""
    fields = [{"name": f"c{n}", "type": "integer"} for n in range(30)]
    (tmp_path / "wide.json").write_text(json.dumps({"fields": fields}))
    lines = [",".join(text.format(n) for n in range(30)) for text in ("c{}", "x{}")]
    done = check({"宽.csv": "\n".join(lines)}, schema=tmp_path / "wide.json")
    assert "还有 10 种错误" in done.stdout


def test_reports_from_before_there_were_groups(monkeypatch):
    """A stored report without groups is told error by error."""
    error = {"type": "type-error", "rowNumber": 3, "fieldName": "a", "cell": "x", "note": "no"}
    shown = io.StringIO()
    monkeypatch.setattr(show, "out", Console(file=shown, width=200, highlight=False))
    told.tell_errors({"tasks": [{"place": "f.csv", "errors": [error]}]})
    assert [*shown.getvalue().split()][-5:] == ["1", "a", "no", "3", "“x”"]


def test_values_do_not_steer_the_terminal(check):
    """Control characters in a value or a name are shown as blanks."""
    done = check({"坏\x1b[31m.csv": "id,amount,day\n1,\x1b[2J\x07,2025-01-01\n"})
    assert done.returncode == 1
    assert "\x1b" not in done.stdout
    assert "\x07" not in done.stdout


def test_rules_and_remarks_are_told(check, tmp_path):
    """A declared rule that only warns is told, and leaves the file valid."""
    rule = {"name": "late", "kind": "compare", "left": "day", "op": "<=", "right": "until"}
    fields = [{"name": name, "type": "date"} for name in ("day", "until")]
    for severity, code in (("warn", 0), ("error", 1)):
        schema = {"fields": fields, "datahub:rules": [rule | {"severity": severity}]}
        (tmp_path / "r.json").write_text(json.dumps(schema))
        text = "day,until\n2025-01-02,2025-01-01\n2025-01-01,2025-01-02\n"
        done = check({"a.csv": text}, schema=tmp_path / "r.json")
        assert done.returncode == code, done.stdout + done.stderr
        assert ("[请核对] 规则 late" in done.stdout) == (severity == "warn")
        assert "day" in done.stdout


# JSON, lists of errors --------------------------------------------------------------------


def test_json_is_the_whole_report(check):
    """--json prints the report with groups, totals and engine, and nothing else."""
    done = check({"坏.csv": BAD}, "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["valid"]) == (1, False)
    assert (report["totals"]["errors"], report["totals"]["rows"]) == (4, 3)
    group = report["groups"][0]
    assert (group["zh"], group["count"], group["rows"]) == (SENTENCE, 3, [2, 3, 4])
    assert report["engine"]["name"] in ("columns", "frictionless")
    assert [task["place"] for task in report["tasks"]] == ["坏.csv"]


@pytest.mark.parametrize("name", ["e.csv", "e.xlsx"])
def test_lists_have_all_errors(check, tmp_path, name):
    """The list of errors has all of them, though the report keeps the first thousand."""
    text = "id,amount,day\n" + "".join(f"{n},一,2025-01-01\n" for n in range(1500))
    done = check({"坏.csv": text}, "--errors", tmp_path / name)
    assert done.returncode == 1
    header, *rows = lines_of(tmp_path / name)
    assert header == list(ERROR_COLUMNS)
    assert [row[2] for row in rows] == [str(n) for n in range(2, 1502)]
    assert {(row[4], row[5], row[6]) for row in rows} == {("amount", "一", "type-error")}


def test_a_valid_file_has_an_empty_list(check, tmp_path):
    """The list of errors of a valid file is a header."""
    assert check({"好.csv": GOOD}, "--errors", tmp_path / "e.xlsx").returncode == 0
    assert lines_of(tmp_path / "e.xlsx") == [list(ERROR_COLUMNS)]


@pytest.mark.parametrize("name", ["e.xls", "e.txt", "e", "."])
def test_other_lists_are_refused(check, tmp_path, name):
    """A list of errors is .csv or .xlsx; another name is refused before anything is judged."""
    done = check({"坏.csv": BAD}, "--errors", tmp_path / name)
    assert (done.returncode, done.stdout) == (2, "")
    assert ".xlsx" in done.stderr


# Files and schemas ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "空的"),
        (b"\x89PNG\r\n\x1a\n" + bytes(64), "PNG"),
        (b"PK\x03\x04" + bytes(200), "坏.csv"),
        (b"id,amount,day\n1,\xff\xfe\x80,2025-01-01\n", "第 2 行"),
    ],
)
def test_an_unreadable_file_is_1(check, data, word):
    """What cannot be read as a table ends with 1 and a sentence that names the file."""
    done = check({"坏.csv": data})
    assert done.returncode == 1
    assert "坏.csv" in done.stderr
    assert word in done.stderr


def test_what_is_no_file_is_2(tmp_path):
    """A folder, or a file that is not there, is a mistake of the command line."""
    for name in ("folder", "absent.csv"):
        (tmp_path / "folder").mkdir(exist_ok=True)
        own = Hub(tmp_path / "data")
        done = own.cli("validate", tmp_path / name, "--schema", ROOT / "schemas" / "schools.json")
        assert done.returncode == 2
        assert name in done.stderr.replace("\n", "")


def test_several_files_are_one_table(check):
    """Keys are judged over all files, and each error names its file, with folders where needed."""
    done = check({"一.csv": GOOD, "二.csv": GOOD}, "--json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["totals"]["types"]) == (1, {"primary-key": 2})
    assert [task["place"] for task in report["tasks"]] == ["一.csv", "二.csv"]
    done = check({"a/x.csv": GOOD, "b/x.csv": BAD})
    assert "b/x.csv" in done.stdout
    assert "2 个文件：5 行" in done.stdout


def test_a_declared_charset_counts(check):
    """--charset is believed: bytes that do not fit it are refused with their place."""
    text = "id,amount,day\n1,一万,2025-01-01\n".encode("gb18030")
    assert "一万" in check({"坏.csv": text}, "--charset", "gb18030").stdout
    done = check({"坏.csv": text}, "--charset", "utf-8")
    assert done.returncode == 1
    assert "第 2 行" in done.stderr


def test_schemas_as_yaml_and_by_name(check, tmp_path, monkeypatch):
    """A schema is JSON or YAML, or a name in the folder schemas/."""
    text = "fields:\n  - name: id\n    type: integer\n"
    (tmp_path / "s.yaml").write_text(text)
    assert check({"a.csv": "id\n1\n"}, schema=tmp_path / "s.yaml").returncode == 0
    monkeypatch.chdir(tmp_path)
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "small.json").write_text(json.dumps(SCHEMA))
    assert check({"a.csv": GOOD}, schema="small").returncode == 0
    done = check({"a.csv": GOOD}, schema="other")
    assert done.returncode == 2
    assert "schemas/other.json" in done.stderr


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s.json", '{"fields": ['),
        ("s.json", '{"fields": ["id"]}'),
        ("s.json", '{"fields": []}'),
        ("s.json", '{"fields": [{"name": "id", "type": "nonsense"}]}'),
        ("s.json", '{"fields": [{"name": "id"}], "primaryKey": ["other"]}'),
        ("s.json", '{"fields": [{"name": "id", "constraints": {"pattern": "("}}]}'),
        ("s.yaml", "fields: [a"),
        ("s.yaml", "- 1"),
        ("s.yaml", "fields: 3"),
    ],
)
def test_a_schema_with_a_mistake(check, tmp_path, name, text):
    """A wrong schema ends with 1 and is told by its own name, not blamed on the data."""
    (tmp_path / name).write_text(text)
    done = check({"a.csv": "id\n1\n"}, schema=tmp_path / name)
    assert done.returncode == 1
    assert name in done.stderr
    assert "[catalog-invalid]" in done.stderr


# The workbook -----------------------------------------------------------------------------

HOSTILE = ("=1+1", "'=1+1", "http://x/y", "0012", "1e5", "_x0041_", "a\x01b", "换\n行", "x" * 40_000,
           "\uffff", "😀" * 20_000, " 空 ", "{=1}")  # fmt: skip


def write_list(path, rows):
    """List of errors as judging writes it."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([ERROR_COLUMNS, *rows])


def test_every_cell_is_text(tmp_path):
    """Formulas, links, numbers and control characters come back as the text that they are."""
    rows = [["r", "f.csv", str(n), "1", "a", text, "t", "z", "e"] for n, text in enumerate(HOSTILE)]
    write_list(tmp_path / "e.csv", rows)
    assert write_xlsx(tmp_path / "e.csv", tmp_path / "e.xlsx") == 0
    header, *found = lines_of(tmp_path / "e.xlsx")
    assert header == list(ERROR_COLUMNS)
    for text, row in zip(HOSTILE, found, strict=True):
        assert isinstance(row[5], str)
        if len(text) > 1000:
            assert row[5] == text[:16_000] + "…"
        elif text == "\uffff":
            assert row[5] == "\ufffd"
        elif "\x01" not in text and "_x" not in text:  # the reader's own way to undo escapes
            assert row[5] == text


def test_the_workbook_is_made_for_reading(tmp_path):
    """The header is frozen and bold, columns have widths and a filter over the errors alone."""
    write_list(tmp_path / "e.csv", [["r"] * 9] * 5)
    write_xlsx(tmp_path / "e.csv", tmp_path / "e.xlsx", 3)
    with zipfile.ZipFile(tmp_path / "e.xlsx") as book:
        assert book.testzip() is None
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
        styles = book.read("xl/styles.xml").decode()
    assert 'state="frozen"' in sheet
    assert '<autoFilter ref="A1:I4"/>' in sheet
    assert sheet.count("<col ") >= 5
    assert "<b/>" in styles
    assert "<f>" not in sheet


@pytest.mark.parametrize(("errors", "limit", "left"), [(5, 5, 0), (5, 4, 1), (3000, 1000, 2000)])
def test_a_workbook_has_an_end(tmp_path, errors, limit, left):
    """At most `limit` errors are in it; a last line says in both languages how many are not."""
    write_list(tmp_path / "e.csv", [["r", "f", str(n), *"abcdef"] for n in range(errors)])
    assert write_xlsx(tmp_path / "e.csv", tmp_path / "e.xlsx", limit) == left
    _, *rows = lines_of(tmp_path / "e.xlsx")
    assert [row[2] for row in rows[:limit]] == [str(n) for n in range(limit)]
    assert len(rows) == limit + bool(left)
    if left:
        assert f"还有 {left:,} 条错误" in rows[-1][0]
        assert f"{left:,} more errors" in rows[-1][0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["e.csv", "e.xlsx"]


# From the server --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def rejected(server):
    """Id of a submission that its report rejected, with errors in two columns."""
    lines = (ROOT / "schemas" / "parking_charging.json").read_text(encoding="utf-8")
    names = [field["name"] for field in json.loads(lines)["fields"]]
    text = ",".join(names) + "\n" + ",".join("=1+1" for _ in names) + "\n"
    sent = server.submit("parking_charging", ("file", "坏.csv", text.encode()))
    found = server.settle(sent.json()["id"])
    assert found["problem"]["code"] == "table-invalid"
    return found["id"]


def test_the_workbook_of_a_submission(server, rejected, tmp_path):
    """report.xlsx has the rows of report.csv, is made once, and has a media type and a name."""
    token = server.token("operator")
    links = server.get(f"/api/v1/submissions/{rejected}", token=token).json()["links"]
    both = {}
    for name in ("errors", "errors_xlsx"):
        got = server.get(links[name], token=token)
        assert got.status_code == 200, got.text[:500]
        suffix = links[name].rpartition(".")[2]
        assert f"-{rejected}-errors.{suffix}" in got.headers["content-disposition"]
        (tmp_path / f"e.{suffix}").write_bytes(got.content)
        both[suffix] = lines_of(tmp_path / f"e.{suffix}")
    assert got.headers["content-type"].startswith("application/vnd.openxmlformats-")
    assert both["csv"] == both["xlsx"]
    assert len(both["csv"]) > 2
    work = server.data / "work" / rejected
    made = (work / "errors.xlsx").stat()
    again = server.get(links["errors_xlsx"], token=token)
    assert again.content == got.content
    assert (work / "errors.xlsx").stat().st_mtime_ns == made.st_mtime_ns
    assert {path.name for path in work.iterdir()} >= {"errors.csv", "errors.xlsx"}
    assert not list(work.glob("*.part"))


def test_a_workbook_follows_its_list(server, rejected, tmp_path):
    """When the list of errors is newer the workbook is made again."""
    token, path = server.token("operator"), f"/api/v1/submissions/{rejected}/report.xlsx"
    server.get(path, token=token)
    listing = server.data / "work" / rejected / "errors.csv"
    before = listing.read_bytes()
    write_list(listing, [["later", *"bcdefghi"]])
    (tmp_path / "e.xlsx").write_bytes(server.get(path, token=token).content)
    listing.write_bytes(before)
    assert [row[0] for row in lines_of(tmp_path / "e.xlsx")] == ["资源", "later"]


@pytest.mark.parametrize("name", ["report", "report.csv", "report.xlsx"])
def test_no_list_without_a_report(server, name):
    """A submission that could not be read has no list of errors: a problem says so."""
    sent = server.submit("clinics", ("file", "x.csv", b"\x89PNG\r\n\x1a\n" + bytes(64)))
    found = server.settle(sent.json()["id"])
    got = server.get(f"/api/v1/submissions/{found['id']}/{name}", token=server.token("operator"))
    assert (got.status_code, got.json()["code"]) == (404, "report-missing")
    assert got.headers["content-type"] == "application/problem+json"


def test_status_tells_sentences_and_saves_a_workbook(server, rejected, tmp_path):
    """`status ID` tells each kind of error in a sentence; --errors e.xlsx saves the workbook."""
    token = server.token("operator")
    done = server.cli("status", rejected, "--errors", tmp_path / "e.xlsx", token=token)
    assert done.returncode == 0, done.stderr
    assert "个值" in done.stdout
    assert f"datahub status {rejected} --errors" in done.stdout
    assert lines_of(tmp_path / "e.xlsx")[0] == list(ERROR_COLUMNS)


def test_the_report_is_described(server, rejected):
    """/openapi.json describes every key of a report and of its groups, and the workbook's route."""
    described = server.get("/openapi.json").json()
    known = described["components"]["schemas"]["Report"]["properties"]
    token = server.token("operator")
    report = server.get(f"/api/v1/submissions/{rejected}/report", token=token).json()
    assert report["groups"]
    assert set(report["groups"][0]) <= set(known["groups"]["items"]["properties"])
    assert set(report["engine"]) <= set(known["engine"]["properties"])
    assert set(report["totals"]) <= set(known["totals"]["properties"])
    assert set(report) <= set(known)
    route = described["paths"]["/api/v1/submissions/{submission}/report"]["get"]
    answer = route["responses"]["200"]["content"]["application/json"]["schema"]
    assert answer == {"$ref": "#/components/schemas/Report"}
    assert "/api/v1/submissions/{submission}/report.xlsx" in described["paths"]


KEYED = {
    "fields": [{"name": "stop"}, {"name": "line"}],
    "foreignKeys": [{"fields": ["line"], "reference": {"resource": "lines", "fields": ["id"]}}],
}


def test_foreign_keys_look_in_the_related_table(check, tmp_path):
    """--related gives the table that foreign keys refer to; without it the report says so."""
    (tmp_path / "keyed.json").write_text(json.dumps(KEYED))
    (tmp_path / "lines.json").write_text(json.dumps({"fields": [{"name": "id"}]}))
    (tmp_path / "lines.csv").write_text("id\nL1\nL2\n")
    files = {"stops.csv": "stop,line\na,L1\nb,L9\n"}
    given = f"lines={tmp_path / 'lines.csv'},{tmp_path / 'lines.json'}"
    done = check(files, "--related", given, "--json", schema=tmp_path / "keyed.json")
    report = json.loads(done.stdout)
    assert (done.returncode, report["totals"]["types"]) == (1, {"foreign-key": 1})
    alone = check(files, schema=tmp_path / "keyed.json")
    assert alone.returncode == 1
    assert "引用的表没有一起给出" in alone.stdout
    assert check(files, "--related", "lines", schema=tmp_path / "keyed.json").returncode == 2
