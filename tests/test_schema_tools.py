"""`schema infer` proposes schemas that the file passes; `schema diff` tells what breaks whom."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import openpyxl
import pytest
from hub import ROOT, SHARED

from datahub.errors import FileError
from datahub.record.diff import compare, is_compatible
from datahub.validation import infer, validate
from datahub.validation.naming import name_of, unique_names
from datahub.validation.titles import names_of

USCC = ["91420500MA0000090W", "11420500MB0000019T", "11420500MB0000027M", "11420500MB0000035G"]


def csv_of(header, rows, path, encoding="utf-8"):
    """Write a CSV."""
    with path.open("w", encoding=encoding, newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    return path


def field(found, name):
    """Field of a proposal by name."""
    return next(item for item in found["schema"]["fields"] if item["name"] == name)


def codes(found, name=""):
    """Codes of the remarks on a field."""
    return {check["code"] for check in found["checks"] if check["field"] == name}


def column(tmp_path, label, values):
    """Proposal for a column of these values beside a number."""
    rows = [[n, value] for n, value in enumerate(values, start=1)]
    found = infer(csv_of(["序号", label], rows, tmp_path / "one.csv"))
    return found["schema"]["fields"][1], found


# Proposals -----------------------------------------------------------------------------------


def test_every_sample_passes_the_schema_proposed_for_it(samples):
    """A schema inferred from a sample of the catalog validates that sample."""
    files = sorted(path for path in samples.glob("*/*") if path.stat().st_size < 5 << 20)
    failed = [
        path.name
        for path in files
        if not (found := infer(path))["valid"] or not validate(path, found["schema"])["valid"]
    ]
    assert len(files) >= 10
    assert failed == []


@pytest.mark.skipif(not SHARED.exists(), reason="the folder ../shared/data is not here")
def test_real_files_pass_the_schema_proposed_for_them():
    """Real air data (with NA) and division codes get schemas that they pass."""
    air = min((SHARED / "beijing-air-quality").glob("*.csv"))
    found = infer(air)
    assert found["valid"]
    assert found["schema"]["missingValues"] == ["", "NA"]
    assert field(found, "pm2_5")["title"] == "PM2.5"
    assert field(found, "pm2_5")["type"] in ("integer", "number")
    areas = infer(SHARED / "china-divisions" / "areas.csv")
    assert areas["valid"]
    assert areas["schema"]["primaryKey"] == ["code"]
    assert field(areas, "code")["type"] == "string"


@pytest.mark.parametrize(
    ("label", "values", "expected"),
    [
        ("员工数", ["1", "20", "-3"], {"type": "integer"}),
        ("数值", ["1.5", "2", "0.25"], {"type": "number"}),
        ("编号", ["001", "002", "010"], {"type": "string"}),
        ("数", ["007", "1", "2"], {"type": "string"}),
        ("流水", ["420500199901011234", "420500199901011235", "1"], {"type": "string"}),
        ("热线", ["13800000001", "13900000002", "13700000003"], {"type": "string"}),
        ("办理日期", ["2026-01-05", "2026-02-01", "2026-12-31"], {"type": "date"}),
        ("办理日期", ["2026年1月5日", "2026年12月1日"], {"type": "date", "format": "%Y年%m月%d日"}),
        ("办理日期", ["2026/1/5", "2026/12/31"], {"type": "date", "format": "%Y/%m/%d"}),
        ("办理日期", ["20260105", "20261231"], {"type": "date", "format": "%Y%m%d"}),
        ("登记时刻", ["2026-01-05 08:30:00", "2026-01-05 09:00:00"], {"type": "datetime"}),
        ("所属月", ["2026-01", "2026-12"], {"type": "yearmonth"}),
        ("开工年份", ["2024", "2025"], {"type": "year"}),
        ("开门", ["08:30", "09:00"], {"type": "time", "format": "%H:%M"}),
        ("达标", ["是", "否", "是"], {"type": "boolean", "trueValues": ["是"], "falseValues": ["否"]}),
        ("产值", ["1,200.5", "13", "2,000"], {"type": "number", "groupChar": ","}),
        ("占比", ["12%", "3.5%"], {"type": "number", "bareNumber": False}),
        ("网页", ["https://a.cn/1", "https://a.cn/2"], {"type": "string", "format": "uri"}),
    ],
)  # fmt: skip
def test_types(tmp_path, label, values, expected):
    """Each kind of text gets the strictest type that reads all of it; codes stay text."""
    made, found = column(tmp_path, label, values)
    assert {key: made.get(key) for key in expected} == expected
    assert found["valid"]


def test_dates_in_several_ways_stay_text_and_are_told(tmp_path):
    """Mixed ways to write dates are no date; the steward is told why."""
    made, found = column(tmp_path, "办理日期", ["2026-01-05", "2026/1/5", "2026年1月5日"])
    assert made["type"] == "string"
    assert "I01" in codes(found, made["name"])


def test_missing_values_are_found(tmp_path):
    """Dashes and NA are missing values; 无 is one beside numbers only."""
    made, found = column(tmp_path, "员工数", ["12", "-", "无", "NA", "30"])
    assert made["type"] == "integer"
    assert "required" not in made.get("constraints", {})
    assert found["schema"]["missingValues"] == ["", "-", "NA", "无"]
    words, other = column(tmp_path, "备注", ["好", "无", "很好", "行"])
    assert words["type"] == "string"
    assert other["schema"]["missingValues"] == [""]
    assert "I05" in codes(other, words["name"])


def test_code_lists_and_keys(tmp_path):
    """Few repeated words become an enum; a code that never repeats becomes the key."""
    rows = [[f"A{n:03d}", "餐饮零售制造"[n % 3 * 2 : n % 3 * 2 + 2]] for n in range(60)]
    found = infer(csv_of(["备案编号", "行业"], rows, tmp_path / "a.csv"))
    assert sorted(found["schema"]["fields"][1]["constraints"]["enum"]) == ["制造", "零售", "餐饮"]
    assert found["schema"]["primaryKey"] == [found["schema"]["fields"][0]["name"]]
    assert found["schema"]["fields"][0]["constraints"]["pattern"] == r"[A-Z]\d{3}"
    assert found["schema"]["fields"][0]["constraints"]["required"] is True


def test_a_key_of_two_columns(tmp_path):
    """Where no column identifies the rows, the smallest pair does."""
    rows = [[f"S{n % 6}", f"2026-{n // 6 + 1:02d}", n % 5] for n in range(60)]
    found = infer(csv_of(["站点", "统计月", "值"], rows, tmp_path / "a.csv"))
    names = [item["name"] for item in found["schema"]["fields"]]
    assert found["schema"]["primaryKey"] == names[:2]


def test_credit_codes_are_checked(tmp_path):
    """A column of credit codes gets pattern and check digit, and the name of our schemas."""
    rows = [[USCC[n], f"单位{n}"] for n in range(4)]
    found = infer(csv_of(["统一社会信用代码", "单位名称"], rows, tmp_path / "a.csv"))
    made = field(found, "uscc")
    assert made["title"] == "统一社会信用代码"
    assert made["datahub:check"] == "credit-code"
    assert found["schema"]["primaryKey"] == ["uscc"]


def test_coordinates_and_units(tmp_path):
    """Longitude and latitude are marked; units of titles are taken over."""
    rows = [["111.28", "30.69", "12.5"], ["111.30", "30.70", "8"]]
    found = infer(csv_of(["经度", "纬度", "建筑面积(平方米)"], rows, tmp_path / "a.csv"))
    lon, lat, area = found["schema"]["fields"]
    assert [lon["name"], lon["datahub:geo"], lat["datahub:geo"]] == ["lon", "lon", "lat"]
    assert area["unit"] == "m²"
    assert area["title"] == "建筑面积(平方米)"
    assert "I07" in codes(found, "lon")


@pytest.mark.parametrize(
    ("label", "values"),
    [("联系方式", ["13812345678", "13987654321"]), ("家长姓名", ["张三", "李四"])],
)
def test_personal_data_is_suspected(tmp_path, label, values):
    """Columns that look like personal data are told, and none of it becomes an example."""
    made, found = column(tmp_path, label, values)
    assert "I06" in codes(found, made["name"])
    assert "example" not in made


def test_lists_keep_their_separator(tmp_path):
    """Several short words in one cell are a list with its sign."""
    words = ["餐饮；零售", "零售；批发", "批发", "餐饮；批发；零售", "零售；餐饮", "批发；餐饮"] * 3
    made, _ = column(tmp_path, "服务项目", words)
    assert made["separator"] == "；"


def test_bounds_only_when_asked(tmp_path):
    """Minimum, maximum and length are proposed with bounds=True alone."""
    path = csv_of(["甲值", "乙词"], [["3", "ab"], ["12", "abcd"]], tmp_path / "a.csv")
    plain, bound = infer(path), infer(path, bounds=True)
    assert "minimum" not in plain["schema"]["fields"][0]["constraints"]
    assert bound["schema"]["fields"][0]["constraints"]["minimum"] == 3
    assert bound["schema"]["fields"][0]["constraints"]["maximum"] == 12
    assert bound["schema"]["fields"][1]["constraints"]["maxLength"] == 4
    assert validate(path, bound["schema"])["valid"]


def test_what_comes_late_in_a_file_loosens_the_proposal(tmp_path):
    """A word after many thousands of numbers makes the column text: the whole file counts."""
    rows = [[n, n % 7] for n in range(30_000)] + [[30_000, "不适用"]]
    found = infer(csv_of(["流水", "等级数"], rows, tmp_path / "a.csv"))
    assert found["valid"]
    assert found["table"]["rows"] == 30_001
    assert found["schema"]["fields"][1]["type"] == "string"


def test_title_rows_encodings_and_workbooks(tmp_path):
    """The header is found below a title row, in GB18030 and in a sheet; the file passes as it is."""
    text = (
        "企业名单,,\r\n编号,企业名称,成立日期\r\n0001,甲厂,2026-01-05\r\n0002,乙厂,2025-03-01\r\n"
    )
    path = tmp_path / "名单.csv"
    path.write_bytes(text.encode("gb18030"))
    found = infer(path)
    assert found["table"]["encoding"] == "gb18030"
    assert found["table"]["header_row"] == 2
    assert validate(path, found["schema"])["valid"]
    book = openpyxl.Workbook()
    for row in (["企业名单"], ["编号", "企业名称"], ["0001", "甲厂"], ["0002", "乙厂"]):
        book.active.append(row)
    book.save(tmp_path / "名单.xlsx")
    sheet = infer(tmp_path / "名单.xlsx")
    assert [item["title"] for item in sheet["schema"]["fields"]] == ["编号", "企业名称"]
    assert validate(tmp_path / "名单.xlsx", sheet["schema"])["valid"]


def test_streams_and_known_schemas():
    """A stream is a source, too; a field of a known schema is used again by its title."""
    schema = {
        "fields": [{"name": "dept", "title": "牵头部门", "title_en": "Lead", "type": "string"}]
    }
    found = infer(io.BytesIO("牵头部门,数\n甲局,1\n".encode()), known=[schema])
    assert field(found, "dept")["title_en"] == "Lead"
    assert [item["reused"] for item in found["columns"]] == [True, False]


# Files that are at fault ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "file-empty"),
        (b"1,2,3\n4,5,6\n", "header-missing"),
        (b"\x89PNG\r\n\x1a\n", "format-mismatch"),
        (b"<html><body></body></html>", "format-mismatch"),
        (b'a,b\n1,"x\n2,y\n', "quote-open"),
        (b"a,b\n1,\x00\n", "nul-found"),
        (",".join(f"c{n}" for n in range(20_000)).encode(), "columns-too-many"),
        (b"[" * 5000, "format-broken"),
    ],
)
def test_hostile_files_are_refused_by_name(tmp_path, content, code):
    """What is no table is refused with an error that says what is wrong."""
    path = tmp_path / ("a.json" if content.startswith(b"[") else "a.csv")
    path.write_bytes(content)
    with pytest.raises(FileError) as caught:
        infer(path)
    assert caught.value.code == code


def test_repeated_labels_and_ragged_rows_are_told(tmp_path):
    """A header that fits no schema, or rows of another width, make the proposal not valid."""
    path = tmp_path / "a.csv"
    path.write_text("a,a,\n1,2,3\n")
    repeated = infer(path)
    assert not repeated["valid"]
    assert "I08" in codes(repeated)
    path.write_text("a,b\n1,2\n1,2,3\n4\n")
    ragged = infer(path)
    assert not ragged["valid"]
    assert ragged["totals"]["types"] == {"extra-cell": 1, "missing-cell": 1}


# Headers of titles ----------------------------------------------------------------------------


def test_a_header_of_titles_is_read_as_names(tmp_path):
    """A file whose columns are called as people call them is judged like one with the names."""
    schema = {
        "fields": [
            {"name": "id", "title": "编号", "type": "string"},
            {"name": "n", "title": "数量", "type": "integer", "constraints": {"maximum": 3}},
        ]
    }
    path = csv_of(["编号", "数量"], [["a", 1], ["b", 9]], tmp_path / "a.csv")
    report = validate(path, schema)
    assert report["totals"]["types"] == {"constraint-error": 1}
    assert report["tasks"][0]["errors"][0]["rowNumber"] == 3
    assert [notice["code"] for notice in report["notices"]] == ["D06"]


def test_titles_that_leave_a_doubt_are_not_names():
    """A title of two fields, an unknown label or a repeated one is no header of titles."""
    schema = {
        "fields": [
            {"name": "a", "title": "甲"},
            {"name": "b", "title": "甲"},
            {"name": "c", "title": "丙"},
        ]
    }
    assert names_of(["a", "b", "丙"], schema) == ["a", "b", "c"]
    assert names_of(["甲", "b", "丙"], schema) is None
    assert names_of(["a", "b", "丁"], schema) is None
    assert names_of(["c", "b", "丙"], schema) is None
    assert names_of(["a", "b", "c"], schema) is None


def test_names_are_unique_ascii():
    """Names come from the dictionary, from ASCII labels, else from pinyin, each once."""
    assert [name_of(label, None) for label in ("经度", "PM2.5", "cityCode", "古树", "2025年", "***")] == [
        "lon", "pm2_5", "city_code", "gu_shu", "c_2025_nian", "column"
    ]  # fmt: skip
    assert unique_names(["a", "a", "a_2", "a"]) == ["a", "a_2", "a_2_2", "a_3"]


# The command ----------------------------------------------------------------------------------


def run(*arguments, cwd=ROOT):
    """Run `datahub schema ARGUMENTS`."""
    return subprocess.run(
        [sys.executable, "-m", "datahub.cli", "schema", *map(str, arguments)],
        capture_output=True, text=True, check=False, cwd=cwd,
    )  # fmt: skip


def test_infer_saves_a_schema_that_validate_takes(tmp_path):
    """`schema infer --out` writes a schema by which `validate` passes the file unchanged."""
    path = csv_of(
        ["编号", "企业名称", "经营状态"],
        [[f"{n:04d}", f"厂{n}", "在业"] for n in range(30)],
        tmp_path / "名单.csv",
    )
    done = run("infer", path, "--out", tmp_path / "s.json", "--title", "企业名单")
    assert done.returncode == 0, done.stderr
    assert "请核对" in done.stdout
    saved = json.loads((tmp_path / "s.json").read_text())
    assert saved["title"] == "企业名单"
    judged = subprocess.run(
        [sys.executable, "-m", "datahub.cli", "validate", path, "--schema", tmp_path / "s.json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert judged.returncode == 0, judged.stdout
    again = run("infer", path, "--out", tmp_path / "s.json")
    assert again.returncode == 2


def test_infer_of_a_bad_file_ends_in_two_sentences(tmp_path):
    """A file that is no table ends with exit code 1, Chinese and English, no traceback."""
    (tmp_path / "a.csv").write_bytes(b"1,2\n3,4\n")
    done = run("infer", tmp_path / "a.csv", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["error"]["code"] == "header-missing"
    assert "Traceback" not in done.stderr


# Differences ----------------------------------------------------------------------------------


def schema_of(*fields, **more):
    """Schema of fields given as (name, options)."""
    return {
        "fields": [{"name": name, "type": "string"} | options for name, options in fields]
    } | more


BASE = schema_of(
    ("id", {"constraints": {"required": True}}),
    ("kind", {"constraints": {"enum": ["甲", "乙"]}, "title": "类别"}),
    ("n", {"type": "integer", "unit": "个", "constraints": {"minimum": 0, "maximum": 10}}),
    primaryKey=["id"], missingValues=["", "NA"],
)  # fmt: skip


def changed(place, **options):
    """BASE with options of one field replaced."""
    fields = [dict(item) for item in BASE["fields"]]
    fields[place] |= options
    return BASE | {"fields": fields}


@pytest.mark.parametrize(
    ("after", "what"),
    [
        (BASE | {"fields": [*BASE["fields"], {"name": "note", "type": "string"}]}, "added"),
        (changed(0, constraints={}), "required"),
        (changed(1, constraints={"enum": ["乙", "甲", "丙"]}), "enum"),
        (changed(1, constraints={}), "enum"),
        (changed(2, constraints={"minimum": -5, "maximum": 10}), "minimum"),
        (changed(2, constraints={"minimum": 0, "maximum": 11}), "maximum"),
        (changed(2, constraints={"minimum": 0}), "maximum"),
        (changed(1, title="种类"), "title"),
        (BASE | {"title": "表"}, "title"),
    ],
)
def test_compatible_changes(after, what):
    """What takes all that was taken before breaks nobody."""
    found = compare(BASE, after)
    assert [change.what for change in found] == [what]
    assert is_compatible(found)


@pytest.mark.parametrize(
    ("after", "what", "breaks"),
    [
        (BASE | {"fields": BASE["fields"][:2]}, "removed", ("readers", "submitters")),
        (changed(1, name="sort"), "renamed", ("readers", "submitters")),
        (changed(2, type="number"), "type", ("readers", "submitters")),
        (BASE | {"fields": [*BASE["fields"], {"name": "x", "constraints": {"required": True}}]}, "added", ("submitters",)),
        (changed(1, constraints={"enum": ["甲", "乙"], "required": True}), "required", ("submitters",)),
        (changed(1, constraints={"enum": ["甲"]}), "enum", ("submitters",)),
        (changed(0, constraints={"required": True, "enum": ["x"]}), "enum", ("submitters",)),
        (changed(2, constraints={"minimum": 1, "maximum": 10}), "minimum", ("submitters",)),
        (changed(2, constraints={"minimum": 0, "maximum": 9}), "maximum", ("submitters",)),
        (changed(0, constraints={"required": True, "pattern": "a+"}), "pattern", ("submitters",)),
        (changed(0, format="uri"), "format", ("readers", "submitters")),
        (changed(2, unit="万个"), "unit", ("readers", "submitters")),
        (BASE | {"primaryKey": ["id", "kind"]}, "primaryKey", ("readers", "submitters")),
        (BASE | {"missingValues": [""]}, "missingValues", ("readers", "submitters")),
        (BASE | {"fields": BASE["fields"][::-1]}, "order", ("submitters",)),
        (BASE | {"datahub:rules": [{"kind": "compare", "name": "r"}]}, "datahub:rules", ("submitters",)),
    ],
)  # fmt: skip
def test_breaking_changes(after, what, breaks):
    """Each breaking change names its field, both values, whom it breaks and why."""
    (found,) = [change for change in compare(BASE, after) if not change.compatible]
    assert (found.what, found.breaks) == (what, breaks)
    assert found.zh
    assert found.en


def test_the_same_schema_has_no_difference():
    """Defaults that are written out and single keys as text are no change."""
    same = changed(0, format="default") | {"primaryKey": "id"}
    assert compare(BASE, same) == []


def test_diff_by_command(tmp_path):
    """`schema diff` exits 0 when compatible, 1 when breaking, and speaks JSON."""
    for name, schema in (
        ("a", BASE),
        ("b", changed(0, constraints={})),
        ("c", changed(2, type="number")),
    ):
        (tmp_path / f"{name}.json").write_text(json.dumps(schema))
    fine = run("diff", tmp_path / "a.json", tmp_path / "b.json")
    assert fine.returncode == 0, fine.stderr
    broken = run("diff", tmp_path / "a.json", tmp_path / "c.json", "--json")
    assert broken.returncode == 1
    told = json.loads(broken.stdout)
    assert told["compatible"] is False
    assert (
        told["changes"][0]["field"],
        told["changes"][0]["before"],
        told["changes"][0]["after"],
    ) == ("n", "integer", "number")


def test_diff_of_catalog_resources(server):
    """A resource of the catalog compares with itself, and with a file."""
    done = server.cli(
        "schema", "diff", "schools/schools", ROOT / "schemas" / "schools.json", "--json"
    )
    assert json.loads(done.stdout) == {"compatible": True, "changes": []}
    missing = server.cli("schema", "diff", "schools/none", "schools/schools")
    assert missing.returncode == 3
