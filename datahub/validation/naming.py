"""Names for columns: from titles as departments write them to lower-case ASCII, each once."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from datahub.model import Json

_COMMON = {
    "统一社会信用代码": "uscc", "信用代码": "uscc", "名称": "name", "姓名": "person_name",
    "地址": "address", "住址": "address", "经度": "lon", "纬度": "lat", "坐标系": "crs",
    "行政区划代码": "region", "行政区划": "region", "区划代码": "region", "地区": "area",
    "区县": "county", "县市区": "county", "乡镇": "town", "街道": "street", "社区": "community",
    "年份": "year", "年度": "year", "年": "year", "月份": "month", "月": "month", "日": "day",
    "日期": "date", "时间": "time", "序号": "seq", "编号": "id", "编码": "code", "代码": "code",
    "联系电话": "phone", "电话": "phone", "咨询电话": "phone", "办公电话": "phone",
    "手机": "mobile", "手机号": "mobile", "手机号码": "mobile", "邮箱": "email",
    "电子邮箱": "email", "邮编": "postcode", "邮政编码": "postcode", "网址": "url",
    "备注": "note", "说明": "note", "状态": "status", "类型": "type", "类别": "category",
    "性质": "nature", "等级": "level", "级别": "level", "数量": "count", "金额": "amount",
    "面积": "area_size", "单位": "unit", "单位名称": "org_name", "企业名称": "company",
    "机构名称": "org_name", "部门": "department", "项目名称": "project_name", "开始日期": "start",
    "开始时间": "start", "结束日期": "end", "结束时间": "end", "性别": "sex", "年龄": "age",
    "身份证号": "citizen_id", "身份证号码": "citizen_id", "公民身份号码": "citizen_id",
    "法定代表人": "legal_person", "联系人": "contact", "学校名称": "school", "医院名称": "hospital",
    "站点名称": "station_name", "站点编号": "station_code", "是否公开": "is_public",
    "床位数": "beds", "人数": "persons", "户数": "households", "许可证号": "licence_no",
    "文号": "doc_no", "标题": "title", "发布日期": "published", "成立日期": "founded",
    "营业时间": "open_hours", "开放时间": "open_hours", "更新时间": "updated",
}  # fmt: skip
_UNITS = {
    "平方米": "m²", "㎡": "m²", "米": "m", "公里": "km", "千米": "km", "公顷": "ha", "亩": "亩",
    "平方公里": "km²", "立方米": "m³", "吨": "t", "千克": "kg", "公斤": "kg", "克": "g",
    "千瓦": "kW", "千瓦时": "kWh", "摄氏度": "°C", "℃": "°C", "度": "°", "分贝": "dB(A)",
    "毫克/升": "mg/L", "毫克每升": "mg/L", "微克/立方米": "µg/m³", "μg/m3": "µg/m³",
    "μg/m³": "µg/m³", "ug/m3": "µg/m³", "毫克/立方米": "mg/m³", "mg/m3": "mg/m³",
    "毫米": "mm", "厘米": "cm", "百分比": "%", "秒": "s", "分钟": "min", "小时": "h",
}  # fmt: skip
_PLAIN_UNITS = frozenset({
    "元", "万元", "亿元", "元/月", "元/吨", "元/平方米",
    "人", "万人", "人次", "万人次", "户", "万户",
    "个", "件", "万件", "辆", "台", "套", "张", "间", "所", "家", "项", "条", "栋", "座", "宗",
    "次", "批", "天", "日", "年", "岁", "工作日", "页", "册", "公顷", "%", "‰", "m", "m²",
    "m³", "km", "km²", "ha", "t", "kg", "g", "mg/L", "µg/m³", "mg/m³", "kW",
    "kWh", "mm", "cm", "s", "min", "h", "°C", "°", "dB", "dB(A)", "吨/年", "万吨",
    "只", "头", "株", "个/平方公里",
})  # fmt: skip
_BRACKET = re.compile(r"\s*[(（\[【]([^()（）\[\]【】]{1,20}|dB\(A\))[)）\]】]\s*$")
_UNIT_WORD = re.compile(r"^单位[:：]?\s*")
_MOST = 60


def split_unit(title: str) -> tuple[str, str]:
    """Return a title without its unit, and the unit as our schemas write it ("" if none)."""
    found = _BRACKET.search(title)
    if found is None:
        return title, ""
    text = _UNIT_WORD.sub("", unicodedata.normalize("NFC", found[1].strip()))
    unit = _UNITS.get(text, text if text in _PLAIN_UNITS else "")
    return (title[: found.start()].strip(), unit) if unit else (title, "")


class Known:
    """Fields of schemas that are there already, by title and by name."""

    def __init__(self, schemas: Iterable[Json]) -> None:
        by_title: dict[str, list[Json]] = defaultdict(list)
        by_name: dict[str, list[Json]] = defaultdict(list)
        for schema in schemas:
            for field in schema.get("fields", ()):
                if isinstance(field, dict) and isinstance(field.get("name"), str):
                    by_title[str(field.get("title") or "")].append(field)
                    by_name[field["name"]].append(field)
        by_title.pop("", None)
        self._by_title = {title: _agreed(fields) for title, fields in by_title.items()}
        self._by_name = {name: _agreed(fields) for name, fields in by_name.items()}

    def field(self, label: str) -> Json | None:
        """Definition of a column by its label, as far as the schemas agree on it."""
        plain, _ = split_unit(label)
        for table in (self._by_title, self._by_name):
            for key in (label, plain):
                if key in table:
                    return table[key]
        return None


def _agreed(fields: Sequence[Json]) -> Json:
    """What the definitions of a column have in common; the commonest name and type lead."""
    (name, kind), _ = Counter((f["name"], f.get("type", "string")) for f in fields).most_common(1)[
        0
    ]
    same = [f for f in fields if f["name"] == name and f.get("type", "string") == kind]
    found = {key: value for key, value in same[0].items() if all(f.get(key) == value for f in same)}
    limits = [field.get("constraints", {}) for field in same]
    found["constraints"] = {
        key: value
        for key, value in limits[0].items()
        if key not in ("required", "unique") and all(item.get(key) == value for item in limits)
    }
    return found


def name_of(label: str, known: Json | None) -> str:
    """Name for a column: of the schemas, of the dictionary, its own if ASCII, else pinyin."""
    if known is not None:
        return str(known["name"])
    plain, _ = split_unit(label)
    common = _COMMON.get(plain) or _COMMON.get("".join(plain.split()))
    if common:
        return common
    text = unicodedata.normalize("NFKC", plain)
    if not text.isascii():
        from pypinyin import lazy_pinyin

        text = "_".join(lazy_pinyin(text, errors=lambda rest: rest))
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[a-z]{2})(?=[A-Z])", "_", text)  # camelCase
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:_MOST].rstrip("_")
    if not name:
        return "column"
    return name if name[0].isalpha() else f"c_{name}"


def unique_names(names: Sequence[str]) -> list[str]:
    """Names made different by numbers at their end, in order."""
    taken: set[str] = set()
    found = []
    for name in names:
        number, one = 1, name
        while one in taken:
            number += 1
            one = f"{name}_{number}"
        taken.add(one)
        found.append(one)
    return found
