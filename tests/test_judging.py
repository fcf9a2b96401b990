"""Judging a submission: other datasets' code lists, rules, sentences, typed columns on the way."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from decimal import Decimal
from hashlib import sha256

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from own_store import approved, get, hand_in, own_store, package, publish, run, swift, write_dataset

from datahub.model import State, Table
from datahub.stages.register import register
from datahub.store import submissions
from datahub.validation import reference, scan, validate
from datahub.validation.export import Export, export
from datahub.validation.judge import Job, Slot, judge
from datahub.validation.screening import screen
from datahub.validation.typed import TypedFile


@pytest.fixture(autouse=True, scope="module")
def _swift():
    """Run the stages' functions in this process."""
    with pytest.MonkeyPatch.context() as patch:
        swift(patch)
        yield


def with_schema(store, folder, name: str, schema: dict) -> None:
    """Add a dataset with a schema of its own to the store's catalog."""
    write_dataset(folder / "catalog", package(name), schema)
    register(store, folder / "catalog")


def report_of(store, submission) -> dict:
    """Report of a submission."""
    with store.catalog.read() as db:
        return submissions.get_report(db, submission)


def slot(folder, name: str, schema: dict, *texts: str) -> Slot:
    """Resource handed in as these UTF-8 files."""
    tables = []
    for number, text in enumerate(texts):
        path = folder / f"{name}-{number}.csv"
        path.write_bytes(text.encode())
        size = path.stat().st_size
        tables.append(Table(path=str(path), name=path.name, bytes=size, sha256="0" * 64))
    return Slot(name=name, schema=schema, tables=tuple(tables))


def judged(folder, *slots: Slot, **more) -> dict:
    """Report on these resources, their typed columns in `folder`."""
    job = Job(slots=slots, folder=str(folder), errors_csv=str(folder / "errors.csv"),
              typed=str(folder), **more)  # fmt: skip
    return judge(job)


# Code lists of other datasets -------------------------------------------------------------

REGIONAL = {
    "fields": [{"name": "code"}, {"name": "lamps", "type": "integer"}],
    "foreignKeys": [
        {"fields": ["lamps"], "reference": {"resource": "lamps/lamps", "fields": ["id"]}}
    ],
}


@pytest.fixture
def referring(tmp_path):
    """A store with the released dataset `lamps`, and `use`, which refers to it."""
    store = own_store(tmp_path)
    publish(store, b"id,name\n" + b"".join(f"{n},a{n}\n".encode() for n in range(1, 13)))
    with_schema(store, tmp_path, "use", REGIONAL)
    yield store
    store.close()


def test_a_code_list_of_another_dataset_is_looked_up(referring):
    """A key that the other dataset's release has not is an error, and the report names the release."""
    rows = b"".join(f"x{n},{n}\n".encode() for n in (1, 12, 13, 1))
    submission = hand_in(referring, b"code,lamps\n" + rows, dataset="use")
    assert run(referring, submission) is State.REJECTED
    report = report_of(referring, submission)
    (error,) = report["tasks"][0]["errors"]
    assert (error["type"], error["rowNumber"]) == ("foreign-key", 4)
    assert report["referred"] == {"lamps/lamps": 1}
    assert report["engine"]["name"] == "columns"


def test_a_code_list_of_another_dataset_that_fits(referring):
    """Keys that the other dataset's release has pass."""
    rows = b"".join(f"x{n},{n}\n".encode() for n in range(1, 13))
    submission = hand_in(referring, b"code,lamps\n" + rows, dataset="use")
    assert run(referring, submission) is State.IN_REVIEW


def test_a_code_list_that_was_never_released(tmp_path):
    """A reference to a dataset without a release is refused with its name."""
    store = own_store(tmp_path)
    with_schema(store, tmp_path, "use", REGIONAL)
    submission = hand_in(store, b"code,lamps\nx,1\n", dataset="use")
    assert run(store, submission) is State.REJECTED
    problem = get(store, submission).problem
    assert (problem["code"], problem["facts"]["reference"]) == ("reference-missing", "lamps/lamps")
    store.close()


# Rules ------------------------------------------------------------------------------------

SPANS = {
    "fields": [
        {"name": "id", "type": "integer"},
        {"name": "start", "type": "date", "title": "开始"},
        {"name": "end", "type": "date", "title": "结束"},
    ],
    "datahub:rules": [
        {"kind": "compare", "name": "end-after-start", "left": "end", "op": ">=", "right": "start"},
        {"kind": "fresh", "name": "daily", "field": "end", "days": 2, "severity": "warn"},
    ],
}


def test_a_broken_rule_makes_the_report_invalid(tmp_path):
    """Rows that break a declared rule are counted, named and listed; a warning alone is not."""
    text = "id,start,end\n1,2026-01-01,2026-01-02\n2,2026-01-05,2026-01-03\n3,2026-01-01,\n"
    report = judged(tmp_path, slot(tmp_path, "t", SPANS, text), today="2026-03-01")
    first, second = report["rules"]
    assert (report["valid"], report["tasks"][0]["valid"]) == (False, True)
    assert (first["rule"], first["count"], first["rows"]) == ("end-after-start", 1, [3])
    assert (second["severity"], second["count"]) == ("warn", 1)
    assert report["totals"]["types"] == {"row-constraint": 1}
    assert "结束" in report["groups"][0]["zh"]
    lines = list(csv.reader(io.StringIO((tmp_path / "errors.csv").read_text("utf-8-sig"))))
    assert [(line[2], line[6]) for line in lines[1:]] == [("3", "row-constraint")]


def test_rules_are_asked_only_of_valid_tables(tmp_path):
    """A table that breaks its schema is mended first: no rule is told about it."""
    text = "id,start,end\nx,2026-01-05,2026-01-03\n"
    report = judged(tmp_path, slot(tmp_path, "t", SPANS, text), today="2026-01-03")
    assert (report["rules"], report["totals"]["types"]) == ([], {"type-error": 1})


def test_a_rule_looks_in_a_related_file(tmp_path):
    """A related table that is only a CSV is typed for the rules that refer to it; others are not read."""
    period = {"kind": "period", "name": "valid", "key": ["id"], "at": "start",
              "reference": {"resource": "codes", "key": ["code"], "from": "since", "to": "until"}}  # fmt: skip
    codes = {"fields": [{"name": "code", "type": "integer"}, {"name": "since", "type": "date"},
                        {"name": "until", "type": "date"}]}  # fmt: skip
    related = (slot(tmp_path, "codes", codes, "code,since,until\n1,2026-01-01,\n2,2026-06-01,\n"),
               slot(tmp_path, "more", {"fields": [{"name": "x"}]}, "x\na\n"))  # fmt: skip
    text = "id,start,end\n1,2026-01-05,\n2,2026-01-05,\n"
    given = slot(tmp_path, "t", SPANS | {"datahub:rules": [period]}, text)
    (rule,) = judged(tmp_path, given, related=related)["rules"]
    assert (rule["rule"], rule["count"], rule["rows"], rule["skipped"]) == ("valid", 1, [3], False)


def test_submission_that_breaks_a_rule_is_rejected(tmp_path):
    """The pipeline rejects what breaks a rule, and says how many rows."""
    store = own_store(tmp_path)
    with_schema(store, tmp_path, "spans", SPANS | {"datahub:rules": SPANS["datahub:rules"][:1]})
    submission = hand_in(store, b"id,start,end\n1,2026-01-05,2026-01-03\n", dataset="spans")
    assert run(store, submission) is State.REJECTED
    assert get(store, submission).problem["facts"]["types"] == "row-constraint × 1"
    store.close()


# Sentences --------------------------------------------------------------------------------

MONEY = {
    "fields": [
        {"name": "id"},
        {"name": "amount", "title": "金额", "type": "number"},
        {"name": "day", "title": "日期", "type": "date"},
        {
            "name": "open",
            "title": "开放",
            "type": "boolean",
            "trueValues": ["1"],
            "falseValues": ["0"],
        },
        {"name": "count", "title": "数量", "type": "integer", "constraints": {"minimum": 1}},
    ]
}
GOOD = ["1", "1.5", "2026-01-01", "1", "3"]


@pytest.mark.parametrize(
    ("column", "cell", "zh", "right"),
    [
        (1, "1,234.50", "列“金额”有 3 个值有千位分隔符", "1234.50"),
        (1, "１２", "列“金额”有 3 个值", ""),
        (1, "12元", "列“金额”有 3 个值数字后面带单位或文字", "12"),
        (1, "￥5", "列“金额”有 3 个值带货币符号", "只填数字"),
        (1, "5%", "列“金额”有 3 个值带百分号", "百分号"),
        (1, "无", "列“金额”有 3 个值用文字或符号表示没有值", "留空"),
        (1, "三百", "列“金额”有 3 个值用了中文数字", "阿拉伯数字"),
        (2, "2026/1/5", "列“日期”有 3 个值日期用了斜线或点", "2026-03-01"),
        (2, "2026年1月5日", "列“日期”有 3 个值日期写成了中文", "2026-03-01"),
        (2, "20260105", "列“日期”有 3 个值日期没有分隔", "2026-03-01"),
        (2, "46023", "列“日期”有 3 个值成了 Excel 的日期序号", "2026-03-01"),
        (2, "2026-02-30", "列“日期”有 3 个值没有这个日期或时间", "年月日"),
        (3, "是", "列“开放”有 3 个值用了“是/否”一类的写法", "1 / 0"),
        (4, "1.5", "列“数量”有 3 个值是小数", "整数"),
        (4, "1E+05", "列“数量”有 3 个值成了科学计数法", "文本或数值"),
        (4, "0", "列“数量”有 3 个值小于允许的最小值 1", "不小于 1"),
    ],
)
def test_sentences_say_the_cause_and_what_is_right(tmp_path, column, cell, zh, right):
    """Errors of one cause in one column are one sentence, with what would be right."""
    bad = [*GOOD[:column], cell, *GOOD[column + 1 :]]
    stream = io.StringIO()
    csv.writer(stream).writerows([[f["name"] for f in MONEY["fields"]], GOOD, bad, bad, bad])
    report = judged(tmp_path, slot(tmp_path, "t", MONEY, stream.getvalue()))
    if column == 1 and cell == "１２":
        assert report["valid"]  # Python reads full-width digits, and so does Frictionless
        return
    (group,) = report["groups"]
    assert group["zh"].startswith(zh)
    assert right in group["right_zh"]
    assert (group["count"], group["rows"], group["samples"]) == (3, [3, 4, 5], [cell])
    assert group["en"]
    assert group["right_en"]


# Typed columns on the way -----------------------------------------------------------------


def test_types_that_only_a_later_batch_shows(tmp_path, monkeypatch):
    """A column whose later values need a larger type is written whole in that type."""
    monkeypatch.setattr(scan, "_BLOCKS", (1 << 12, 1 << 20))
    schema = {"fields": [{"name": "n", "type": "number"}, {"name": "i", "type": "integer"},
                         {"name": "t", "type": "datetime"}]}  # fmt: skip
    rows = [f"{n}.5,{n},2026-01-01T00:00:00" for n in range(2000)]
    rows += ["1.2345,123456789012345678901,2026-01-01T00:00:00+08:00", "-7,1,2026-01-01T08:00:00"]
    report = judged(tmp_path, slot(tmp_path, "t", schema, "\n".join(["n,i,t", *rows])))
    found = pq.read_table(tmp_path / "t.parquet")
    assert [str(kind) for kind in found.schema.types] == [
        "decimal128(18, 4)", "decimal128(38, 0)", "timestamp[us, tz=UTC]"
    ]  # fmt: skip
    last = found.slice(2000).to_pylist()
    assert [row["n"] for row in last] == [Decimal("1.2345"), Decimal(-7)]
    assert last[0]["i"] == 123456789012345678901
    assert last[0]["t"] == dt.datetime(2025, 12, 31, 16, tzinfo=dt.UTC)
    assert report["typed"]["t"]["rows"] == found.num_rows == 2002


def test_types_that_grow_again_and_again(tmp_path, monkeypatch):
    """However often later batches need a larger type, no row is lost and every value is exact."""
    monkeypatch.setattr(scan, "_BLOCKS", (1 << 10, 1 << 20))
    schema = {"fields": [{"name": "n", "type": "number"}]}
    cells = [f"{n}.{'1' * (1 + n // 400)}" for n in range(2400)]
    report = judged(tmp_path, slot(tmp_path, "t", schema, "\n".join(["n", *cells])))
    found = pq.read_table(tmp_path / "t.parquet")
    assert found.column("n").to_pylist() == [Decimal(cell) for cell in cells]
    assert report["typed"]["t"]["columns"] == {"n": "decimal128(18, 6)"}


def test_an_invalid_table_leaves_no_typed_file(tmp_path):
    """Typed columns are written for valid tables only."""
    schema = {"fields": [{"name": "n", "type": "number"}]}
    report = judged(tmp_path, slot(tmp_path, "t", schema, "n\n1\nx\n"))
    assert (report["valid"], report["typed"]) == (False, {})
    assert not (tmp_path / "t.parquet").exists()


def test_release_takes_the_columns_that_validation_wrote(tmp_path, monkeypatch):
    """The released Parquet is the file that was written while judging, not a second conversion."""
    store = own_store(tmp_path)
    submission = approved(store)
    monkeypatch.setattr(TypedFile, "finish", None)  # a conversion would now fail
    assert run(store, submission) is State.RELEASED
    released = store.objects.public("lamps", 1) / "lamps.parquet"
    typed = report_of(store, submission)["typed"]["lamps"]
    assert sha256(released.read_bytes()).hexdigest() == typed["sha256"]
    store.close()


@pytest.mark.parametrize("fate", ["gone", "damaged"])
def test_release_writes_the_columns_again_when_they_are_lost(tmp_path, fate):
    """A typed file that a crash damaged or removed is written again from the original."""
    store = own_store(tmp_path)
    submission = approved(store)
    typed = store.objects.work(submission.id) / "lamps.parquet"
    expected = pq.read_table(typed)
    if fate == "gone":
        typed.unlink()
    else:
        typed.write_bytes(b"x" + typed.read_bytes()[1:])
    assert run(store, submission) is State.RELEASED
    found = pq.read_table(store.objects.public("lamps", 1) / "lamps.parquet")
    assert found.equals(expected)
    store.close()


def test_fields_in_another_order_are_written_by_name(tmp_path):
    """With fieldsMatch "equal" the columns may stand in any order; Parquet has the schema's."""
    schema = {
        "$schema": "https://datapackage.org/profiles/2.0/tableschema.json",
        "fields": [{"name": "a", "type": "integer"}, {"name": "b"}],
        "fieldsMatch": ["equal"],
    }
    for match in ("equal", ["equal"]):
        report = judged(
            tmp_path, slot(tmp_path, "t", schema | {"fieldsMatch": match}, "b,a\nx,1\n")
        )
        if report["valid"]:
            break
    assert pq.read_table(tmp_path / "t.parquet").to_pylist() == [{"a": 1, "b": "x"}]


# As a library -----------------------------------------------------------------------------

KEYED = {"fields": [{"name": "id", "type": "integer"}, {"name": "name"}], "primaryKey": ["id"]}


def test_an_arrow_table_is_judged():
    """A table in memory has the report of its CSV."""
    report = validate(pa.table({"id": [1, 2, 2], "name": ["a", None, "c"]}), KEYED)
    assert report["totals"]["types"] == {"primary-key": 1}


def test_a_duckdb_relation_is_judged():
    """A DuckDB relation has the report of its CSV."""
    import duckdb

    with duckdb.connect() as db:
        relation = db.sql("SELECT range AS id, '灯' || range AS name FROM range(5)")
        assert validate(relation, KEYED)["valid"]


def test_a_stream_is_judged():
    """A binary stream is judged, and its encoding found out."""
    report = validate(io.BytesIO("id,name\n1,宜昌市\n2,路灯\n".encode("gb18030")), KEYED)
    assert (report["valid"], report["totals"]["rows"]) == (True, 2)


def test_progress_is_told(tmp_path):
    """The number of rows so far is told while a table is judged."""
    path = tmp_path / "t.csv"
    path.write_text("id,name\n" + "".join(f"{n},{'a' * 30}\n" for n in range(300_000)))
    told: list[int] = []
    assert validate(path, KEYED, progress=told.append)["valid"]
    assert told[-1] == 300_000
    assert len(told) > 1


@pytest.mark.parametrize(
    ("data", "kind"),
    [(b"", "source-error"), (b"id,name\n1,\xff\xfe\xfa\n", "encoding-error"), (b"%PDF-1.7 ...", "format-error")],
)  # fmt: skip
def test_bytes_that_are_no_table_have_a_report(tmp_path, data, kind):
    """What cannot be read as a table is an error of Frictionless's own type, never an exception."""
    path = tmp_path / "t.csv"
    path.write_bytes(data)
    report = validate(path, KEYED)
    assert (report["valid"], report["tasks"][0]["errors"][0]["type"]) == (False, kind)
    json.dumps(report)


def test_every_row_ragged_is_counted(tmp_path):
    """A file in which every row has a cell too many is judged in bounded time, with all counts."""
    path = tmp_path / "t.csv"
    path.write_text("id,name\n" + "".join(f"{n},a,more\n" for n in range(60_000)))
    report = validate(path, KEYED, dialect={})
    assert report["totals"]["types"] == {"extra-cell": 60_000}
    assert report["totals"]["rows"] == 60_000
    assert report["engine"]["name"] == "columns"


def test_a_repeated_key_far_apart(tmp_path):
    """A key in other spelling a million cells away is found, with the row it repeats."""
    path = tmp_path / "t.csv"
    rows = [f"{n},a" for n in range(1, 200_000)]
    rows += ["０7,b"]
    path.write_text("\n".join(["id,name", *rows]))
    (error,) = validate(path, KEYED, dialect={})["tasks"][0]["errors"]
    assert (error["type"], error["rowNumber"]) == ("primary-key", 200_001)
    assert error["note"] == "the same as in the row at position 8"


def test_a_difference_to_frictionless_is_an_alarm(tmp_path, monkeypatch):
    """Should the fast pass miss an error of an audited row, frictionless judges the whole table."""
    from datahub.validation import columns, kernels

    real = kernels.kernel_of

    def unsound(field):
        kernel = real(field)
        if field.type == "integer":
            kernel = kernels.Kernel(lambda present: pa.array([1] * len(present), pa.int64()), [])
        return kernel

    monkeypatch.setattr(columns, "kernel_of", unsound)
    path = tmp_path / "t.csv"
    path.write_text("id,name\nx,a\n2,b\nx,c\n")
    report = validate(path, {"fields": KEYED["fields"]}, dialect={})
    assert report["engine"]["differences"] == 1
    assert report["engine"]["name"] == "frictionless"
    assert report["totals"]["types"] == {"type-error": 2}


def test_what_a_killed_judge_left_goes_with_the_submission(tmp_path):
    """Folders that a killed child left in the work folder do not stop the pipeline."""
    store = own_store(tmp_path)
    submission = hand_in(store, b"id,name\nx,a\n")
    left = store.objects.work(submission.id) / "judging" / "spill"
    left.mkdir(parents=True)
    (left / "block").write_bytes(b"x")
    assert run(store, submission) is State.REJECTED
    assert [path.name for path in store.objects.work(submission.id).iterdir()] == ["errors.csv"]
    store.close()


def test_the_list_of_errors_is_whole_or_not_there(tmp_path, monkeypatch):
    """A judge that ends half way leaves no list of errors that looks complete."""
    from datahub.validation import judging

    def fail(*_given):
        raise MemoryError

    monkeypatch.setattr(judging, "add_rules", fail)
    with pytest.raises(MemoryError):
        judged(tmp_path, slot(tmp_path, "t", KEYED, "id,name\nx,a\n"))
    assert not (tmp_path / "errors.csv").exists()


ANY_ORDER = {
    "$schema": "https://datapackage.org/profiles/2.0/tableschema.json",
    "fields": [{"name": "id", "type": "integer"}, {"name": "name"}],
    "fieldsMatch": "partial",
    "primaryKey": ["id"],
}


def test_files_with_their_columns_in_different_orders(tmp_path):
    """Several files of one table are put together by name: keys, Parquet and CSV alike."""
    given = slot(tmp_path, "t", ANY_ORDER, "id,name\n1,a\n", "name,id\nb,2\n")
    assert judged(tmp_path, given)["valid"]
    rows = [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    assert pq.read_table(tmp_path / "t.parquet").to_pylist() == rows
    out = tmp_path / "out"
    out.mkdir()
    export(
        Export(resource="t", schema=ANY_ORDER, tables=given.tables, field_ids={}, folder=str(out))
    )
    assert (out / "t.csv").read_text() == "id,name\n1,a\n2,b\n"
    again = judged(tmp_path, slot(tmp_path, "t", ANY_ORDER, "id,name\n1,a\n", "name,id\nb,1\n"))
    assert again["totals"]["types"] == {"primary-key": 1}


def test_columns_that_the_schema_does_not_list_are_screened(tmp_path):
    """Where a schema tolerates more columns, they are looked at for personal data too."""
    given = slot(tmp_path, "t", ANY_ORDER, "id,phone,name\n" + "1,13812345678,a\n" * 12)
    assert {finding.field for finding in screen((given,)) if finding.rule != "few-rows"} == {
        "phone"
    }


def test_frictionless_is_as_before_in_the_process_that_judges(tmp_path):
    """Judging pins what frictionless reads with, and gives it back: other uses go on as ever."""
    import frictionless

    package = tmp_path / "datapackage.json"
    (tmp_path / "a.csv").write_text("id\n1\n", encoding="utf-8")
    package.write_text('{"name": "a", "resources": [{"name": "a", "path": "a.csv"}]}')
    with reference.few_plugins():
        assert set(frictionless.system.plugins) == {"local", "csv", "inline"}
    assert "json" in frictionless.system.plugins
    assert frictionless.validate(str(package)).valid
