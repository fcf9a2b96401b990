"""What a steward has to look at in a proposed schema: in Chinese and English, with a code.

I01  how a column's type was chosen       I05  texts that may mean "missing"
I02  a code kept as text                  I06  perhaps personal data
I03  a code list taken from the values    I07  coordinates
I04  a pattern taken from the values      I08  the header        I09  rows       I10  loosened
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from datahub.record.codes import is_bank_card, is_citizen_id
from datahub.validation.dialects import header_of
from datahub.validation.naming import split_unit
from datahub.validation.probing import is_label
from datahub.validation.profiling import WEAK
from datahub.validation.titles import names_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from datahub.model import Json, Table
    from datahub.validation.kinds_of import Kind
    from datahub.validation.profiling import Column, Profile

_PERSONAL = re.compile(
    r"身份证|公民身份|证件号|姓名|手机|出生日期|出生年月|家庭住址|户籍地址|银行卡|银行账号|"
    r"联系人|车牌|微信|病历|法定代表人|负责人|监护人"
)
_MOBILE = re.compile(r"(?:\+?86)?1[3-9]\d{9}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[a-z]{2,}", re.IGNORECASE)
_SHARE = 0.3


def check(field: str, code: str, zh: str, en: str) -> Json:
    """One thing to look at."""
    return {"field": field, "code": code, "zh": zh, "en": en}


def loosened(field: str, zh: str, en: str) -> Json:
    """Tell that the file itself does not keep to what was proposed first."""
    return check(field, "I10", zh, en)


def labels_of(table: Table) -> list[str]:
    """Labels of a table as they stand there."""
    return header_of(table)


def about(
    column: Column, kind: Kind, field: Json, values: Sequence[str], tokens: set[str]
) -> Iterator[Json]:
    """Remarks on one column."""
    name = field["name"]
    if kind.why:
        yield check(name, "I01", kind.why, kind.why_en)
    if field["type"] == "string" and "digits" in column.kinds and values:
        zh = "数字按文字处理（代码、电话、前导零或位数长），不参与计算"
        yield check(name, "I02", zh, "digits kept as text: a code, a telephone or leading zeros")
    limits = field.get("constraints", {})
    if "enum" in limits:
        zh = f"取值按现有 {len(limits['enum'])} 种列出，请补全以后可能出现的值"
        en = f"the code list has the {len(limits['enum'])} values met; add those to come"
        yield check(name, "I03", zh, en)
    if "pattern" in limits and "datahub:check" not in field:
        zh = f"格式 {limits['pattern']} 取自现有的值，请核对"
        yield check(name, "I04", zh, f"the pattern {limits['pattern']} is that of the values met")
    weak = {text: n for text, n in column.tokens.items() if text in WEAK and text not in tokens}
    for text, count in weak.items():
        if field["type"] == "boolean" and text in field.get("falseValues", ()):
            continue
        zh = f"“{text}”出现 {count} 次；若表示没有值，请加进 missingValues"
        yield check(name, "I05", zh, f"'{text}' is met {count} times; is it a missing value?")
    kind_zh = _personal(column, values)
    if kind_zh:
        zh = f"疑似个人信息（{kind_zh}）：请核对可否公开，或删除、脱敏"
        yield check(name, "I06", zh, "perhaps personal data: delete or mask it before publishing")
    if "datahub:geo" in field or field["type"] in ("geopoint", "geojson"):
        zh = "坐标列：请在目录记录里写明坐标系（crs），或加坐标系一列"
        yield check(name, "I07", zh, "coordinates: name their reference system (crs)")


def reused(known: Json | None, label: str, field: Json) -> Iterator[Json]:
    """Tell what another schema's definition says that the file itself does not."""
    if known is None:
        return
    unit = known.get("unit") if field.get("unit") == known.get("unit") else None
    if unit and split_unit(label)[1] != unit and unit != "°":
        zh = f"沿用已有表结构中同名列的定义，单位“{unit}”请核对"
        yield check(field["name"], "I11", zh, f"defined as in other schemas: is the unit {unit}?")


def _personal(column: Column, values: Sequence[str]) -> str:
    """Kind of personal data that a column seems to hold, "" for none."""
    named = _PERSONAL.search(column.label)
    kinds = {
        "身份证号 citizen id": is_citizen_id,
        "手机号 mobile": lambda text: _MOBILE.fullmatch(text) is not None,
        "邮箱 e-mail": lambda text: _EMAIL.fullmatch(text) is not None,
    }
    for zh, test in kinds.items():
        if values and sum(map(test, values)) > _SHARE * len(values):
            return zh
    card = re.search("卡号|账号|帐号", column.label)
    if card and values and all(map(is_bank_card, values)):
        return "银行卡号 bank card"
    return named[0] if named else ""


def odd_labels(table: Table, schema: Json) -> list[Json]:
    """Tell why the file's own header cannot be that of any schema: labels repeated or empty."""
    labels = [label.strip() for label in labels_of(table)]
    names = [field["name"] for field in schema["fields"]]
    if labels == names or names_of(labels, schema) is not None:
        return []
    found = []
    for label in dict.fromkeys(labels):
        if not label or labels.count(label) > 1:
            zh = f"列名“{label}”重复，文件须先改成不同的列名" if label else "有的列没有列名，请补上"
            en = f"the label '{label}' is repeated" if label else "a column has no label"
            found.append(check("", "I08", zh, f"{en}: rename it in the file"))
    zh = "表头与字段对不上，请把列名改成字段名"
    return found or [check("", "I08", zh, "the header does not fit the fields: use their names")]


def about_table(profile: Profile, schema: Json, report: Json) -> Iterator[Json]:
    """Remarks on the header, the rows and the key."""
    labels = [column.label for column in profile.columns]
    odd = [label for label in labels if label and not is_label(label)]
    if odd:
        zh = f"表头像数据（“{odd[0]}”）：文件可能没有表头，请加上列名一行"
        yield check("", "I08", zh, f"'{odd[0]}' looks like data: is there a header?")
    if profile.skipped:
        zh = f"{profile.skipped} 行的单元格数与表头不同，没有计入统计"
        yield check("", "I09", zh, f"{profile.skipped} rows have more or fewer cells")
    if not profile.rows:
        yield check("", "I09", "没有数据行，类型都待定", "there are no rows: types are unknown")
    if "primaryKey" not in schema and profile.rows:
        zh = "没有找到一列或两列的主键，请指定（或加编号列）"
        yield check("", "I09", zh, "no key of one or two columns was found: name one")
    if not report["valid"]:
        kinds = "、".join(f"{kind} {count}" for kind, count in report["totals"]["types"].items())
        zh = f"文件本身有错，改好后才能通过：{kinds}"
        yield check("", "I09", zh, f"the file itself has errors: {kinds}")
