"""Screening: what is personal data, what only looks like it, and what a finding tells."""

from __future__ import annotations

from pathlib import Path

import pytest

from datahub.model import Dialect, Table
from datahub.record.codes import is_citizen_id, is_credit_code, is_luhn
from datahub.validation.judge import Slot
from datahub.validation.screening import mask, screen

ID, CARD, MOBILE = "11010519491231002X", "6200000000000005", "13812345678"


def found(folder: Path, cells: list[str], field: dict | None = None, rows: int = 20) -> list:
    """Findings in a column of these cells among so many rows, few-rows notes left out."""
    field = {"name": "v", "title": "值"} | (field or {})
    texts = [*cells, *["路灯"] * (rows - len(cells))]
    path = folder / "t.csv"
    lines = ['"' + text.replace('"', '""') + f'",{n}\n' for n, text in enumerate(texts)]
    path.write_text("v,n\n" + "".join(lines), encoding="utf-8")
    table = Table(path=str(path), name="t.csv", bytes=0, sha256="", dialect=Dialect())
    slot = Slot(name="t", schema={"fields": [field, {"name": "n"}]}, tables=(table,))
    return [f for f in screen((slot,)) if f.rule != "Q08"]


@pytest.mark.parametrize(
    ("cell", "rule"),
    [
        *((text, "P01") for text in (
            "11010519491231002X", "440524188001010014", "360426199101010071", "420502190001010015",
            "42050219000101004X", "11011819000101002X", "810000190001010034",
            "11010519491231002x", "１１０１０５１９４９１２３１００２Ｘ", "110105 19491231 002X",
            "110105-19491231-002X", "证件号11010519491231002X。", "(11010519491231002X)",
        )),
        *((text, "P02") for text in (
            "6200000000000005", "4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111",
            "４１１１１１１１１１１１１１１１", "卡号：6200000000000005",
        )),
        *((text, "P03") for text in (
            "13812345678", "+8613812345678", "8613812345678", "+86 138-1234-5678", "138 1234 5678",
            "138-1234-5678", "138·1234·5678", "１３８１２３４５６７８", "张三13812345678", "tel:13812345678;",
            "138－1234－5678", "138　1234　5678", "138–1234–5678",
            "13812345678 13912345678", "13812345678-13912345678", "2026-01-01 13812345678",
            "13812345678/13912345678", "0717-6251234 13812345678",
        )),
    ],
)  # fmt: skip
def test_personal_data_is_found(tmp_path, cell, rule):
    """Numbers of people are found in every spelling, alone, in text and beside other numbers."""
    assert [f.rule for f in found(tmp_path, [cell])] == [rule]


@pytest.mark.parametrize(
    "cell",
    [
        "110105194912310021", "420502190002300014", "a11010519491231002X", "11010519491231002Xb",
        "6200000000000009", "12345678901", "1381234567", "138123456789", "12813812345678",
        "0717-6251234", "91350100M000100Y43", "11420500MB0000019T", "12420500000000019J",
        "2026-01-01 08:30:00", "111.291234567", "30.13812345678", "111.13912345678", "420502000000",
        "abc13812345678", "30700101/000001", "",
    ],
)  # fmt: skip
def test_what_only_looks_like_it_is_not_found(tmp_path, cell):
    """Wrong check digits, impossible dates, codes, dates and fractions are no findings."""
    assert found(tmp_path, [cell] * 20) == []


@pytest.mark.parametrize(
    ("cells", "field", "severity"),
    [
        ([ID], {}, "block"),
        ([CARD], {}, "block"),  # one of twenty rows is five in a hundred
        ([CARD], {"title": "银行账号"}, "block"),
        ([MOBILE], {}, "block"),
        ([MOBILE], {"type": "integer"}, "block"),
        (["锟斤拷"], {}, "warn"),
        (["路\ufffd灯"], {}, "warn"),
    ],
)
def test_severity(tmp_path, cells, field, severity):
    """Numbers of people block, broken characters warn."""
    assert [f.severity for f in found(tmp_path, cells, field)] == [severity]


@pytest.mark.parametrize(
    ("cell", "field", "severity"),
    [
        (CARD, {}, "warn"),
        (CARD, {"title": "银行卡号"}, "block"),
        (CARD, {"title": "Account"}, "block"),
        (MOBILE, {"type": "integer"}, "warn"),
        (MOBILE, {}, "block"),
        (ID, {}, "block"),
    ],
)
def test_severity_of_one_in_a_hundred(tmp_path, cell, field, severity):
    """A single hit that may be chance warns, unless the column's title says what it is."""
    assert [f.severity for f in found(tmp_path, [cell], field, rows=100)] == [severity]


@pytest.mark.parametrize("value", [ID, CARD, MOBILE])
def test_a_finding_never_shows_the_value(tmp_path, value):
    """Place, count and a masked sample are told; the number itself is nowhere."""
    (one,) = found(tmp_path, [value] * 7)
    assert (one.resource, one.field, one.count, one.rows) == ("t", "v", 7, (2, 3, 4, 5, 6))
    assert value not in repr(one)
    assert value[3:-2] not in repr(one)
    assert one.sample == value[:3] + "*" * (len(value) - 5) + value[-2:]


@pytest.mark.parametrize("text", ["", "1", "12345", "123456"])
def test_mask_keeps_no_more_than_five_characters(text):
    """The mask of a short text is no longer than five plain characters."""
    assert len(mask(text).replace("*", "")) <= 5


def test_findings_of_two_rules_in_one_cell(tmp_path):
    """A cell with an ID number and a telephone number gives a finding for each."""
    assert [f.rule for f in found(tmp_path, [f"{ID}，{MOBILE}"])] == ["P01", "P03"]


@pytest.mark.parametrize(
    ("rows", "severity"), [(0, ["block"]), (1, ["note"]), (9, ["note"]), (10, [])]
)
def test_small_tables(tmp_path, rows, severity):
    """An empty table blocks, fewer than ten rows are noted."""
    path = tmp_path / "t.csv"
    path.write_text("v,n\n" + "路灯,1\n" * rows, encoding="utf-8")
    table = Table(path=str(path), name="t.csv", bytes=0, sha256="")
    slot = Slot(name="t", schema={"fields": [{"name": "v"}, {"name": "n"}]}, tables=(table,))
    assert [f.severity for f in screen((slot,)) if f.rule == "Q08"] == severity


def test_rows_are_those_of_the_file_below_titles(tmp_path):
    """Row numbers count the title rows, as the report does."""
    path = tmp_path / "t.csv"
    path.write_text(f'"名\n录"\nv,n\n路灯,1\n{MOBILE},2\n', encoding="utf-8")
    dialect = Dialect(header_row=2, header_line=3)
    table = Table(path=str(path), name="t.csv", bytes=0, sha256="", dialect=dialect)
    slot = Slot(name="t", schema={"fields": [{"name": "v"}, {"name": "n"}]}, tables=(table,))
    assert [f.rows for f in screen((slot,)) if f.rule == "P03"] == [(4,)]


@pytest.mark.parametrize(
    ("code", "right"),
    [
        ("91350100M000100Y43", True), ("91110000600037341L", True), ("1134082855783407XL", True),
        ("12420500000000019J", True), ("114205000000002380", True), ("N2420506MF0000005K", True),
        ("91350100M000100Y44", False), ("91350100M000100Y4", False), ("91350100m000100y43", False),
        ("91350100M000100YI3", False), ("91350100M000100Y430", False), ("", False),
        ("９1350100M000100Y43", False),
    ],
)  # fmt: skip
def test_credit_code(code, right):
    """Check digits of 统一社会信用代码, letter-first codes and the remainder zero included."""
    assert is_credit_code(code) is right


@pytest.mark.parametrize("digit", "0123456789X")
def test_only_one_check_digit_fits_an_id(digit):
    """Of the eleven check characters exactly X is right for the standard's own example."""
    assert is_citizen_id("11010519491231002" + digit) is (digit == "X")


def test_one_wrong_digit_breaks_luhn():
    """Any single digit changed is noticed."""
    changed = [CARD[:i] + str((int(CARD[i]) + 1) % 10) + CARD[i + 1 :] for i in range(len(CARD))]
    assert is_luhn(CARD)
    assert not any(map(is_luhn, changed))
