"""Rules of a record that depend on more than one field, or on other records."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from datahub.record import vocabularies
from datahub.record.problems import Context, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datahub.model import Json

_TEMPORARY_DAYS = 366
_CLOCKED = frozenset({"datetime", "time"})
_LON = frozenset({"lon", "lng", "longitude"})
_LAT = frozenset({"lat", "latitude"})
_VAGUE = frozenset({"有条件", "有条件共享", "按条件", "无条件", "无条件共享", "依申请", "有"})
_CONCRETE = 5


def conditional(package: Json, record: Json, context: Context) -> Iterator[Problem]:
    """What is wrong between the fields of a record, and with its place in the catalog."""
    yield from _openness(record, context)
    yield from _sharing(record)
    yield from _grade(package, record)
    yield from _tables(package, record)
    yield from _dates(record)
    yield from _validity(package, record, context)
    yield from _unique(package, record, context)
    yield from _region(record, context)
    if record.get("update_cycle") == "other" and not record.get("update_lag"):
        yield Problem(
            "catalog.update_lag",
            "condition-missing",
            "更新周期为“其他”时，必须写明更新规则",
            "an update cycle of 'other' needs its rule here",
        )


def _openness(record: Json, context: Context) -> Iterator[Problem]:
    openness = record.get("openness")
    if openness == "conditional" and not record.get("open_condition"):
        yield Problem(
            "catalog.open_condition",
            "condition-missing",
            "有条件开放必须写明开放条件：method 开放方式、use 使用要求、security 安全措施",
            "a conditional dataset needs open_condition with method, use and security",
        )
    if openness == "closed":
        if not record.get("closed_reason"):
            yield Problem(
                "catalog.closed_reason",
                "condition-missing",
                "不予开放必须写明理由代码（N01–N11）",
                "a closed dataset needs a reason code (N01 to N11)",
            )
        if not record.get("legal_basis"):
            yield Problem(
                "catalog.legal_basis",
                "condition-missing",
                "不予开放必须写明法律依据",
                "a closed dataset needs its legal basis",
            )
        yield from _temporary(record, context)
    for key, only in (("open_condition", "conditional"), ("closed_reason", "closed")):
        if record.get(key) and openness in ("open", "conditional", "closed") and openness != only:
            yield Problem(
                f"catalog.{key}",
                "contradiction",
                f"只有“{vocabularies.label('openness', only)}”的数据集才写这一项",
                f"this is for datasets that are {only}",
            )


def _temporary(record: Json, context: Context) -> Iterator[Problem]:
    """A closure for quality is temporary: it says when it is judged again."""
    if record.get("closed_reason") != "N11":
        return
    day = _day(record.get("review_by"))
    if day is None or day > context.today + timedelta(days=_TEMPORARY_DAYS):
        yield Problem(
            "catalog.review_by",
            "condition-missing",
            "N11（数据质量未达标）是暂时的：必须写明十二个月以内的重新评估日期",
            "N11 is temporary: give the date it is judged again, within twelve months",
        )


def _sharing(record: Json) -> Iterator[Problem]:
    kind, terms = record.get("share_type"), record.get("share_condition")
    words = terms.strip() if isinstance(terms, str) else ""
    if kind == "1" and words not in ("", "无条件", "无条件共享"):
        yield Problem(
            "catalog.share_condition",
            "contradiction",
            "无条件共享的共享条件只能是“无条件”",
            "sharing without conditions has none",
        )
    if kind == "2" and (words in _VAGUE or len(words) < _CONCRETE):
        yield Problem(
            "catalog.share_condition",
            "condition-missing",
            "有条件共享必须写明具体条件（向谁、用于什么、怎样保管）",
            "sharing on conditions needs concrete terms (whom, what for, how it is kept)",
        )
    if (
        kind == "3"
        and (words in _VAGUE or len(words) < _CONCRETE)
        and not record.get("legal_basis")
    ):
        yield Problem(
            "catalog.share_condition",
            "condition-missing",
            "不予共享必须写明法律、行政法规或党中央、国务院政策依据",
            "not sharing needs its legal basis",
        )


def _grade(package: Json, record: Json) -> Iterator[Problem]:
    grade, openness = record.get("grade"), record.get("openness")
    term = vocabularies.term("grade", grade) if isinstance(grade, str) else None
    if term is None:
        return
    if vocabularies.term("openness", str(openness)) and openness not in term.more["openness"]:
        names = "、".join(vocabularies.label("openness", code) for code in term.more["openness"])
        yield Problem(
            "catalog.grade",
            "contradiction",
            f"{grade} 级数据只能是：{names}",
            f"data of grade {grade} can only be: {', '.join(term.more['openness'])}",
        )
    highest = max((str(f.get("grade", "")) for _, f in _fields(package)), default="")
    if highest > term.code:
        yield Problem(
            "catalog.grade",
            "contradiction",
            f"数据集的分级不能低于字段的最高分级 {highest}",
            f"a dataset's grade is at least the highest of its fields, {highest}",
        )


def _fields(package: Json) -> Iterator[tuple[int, Json]]:
    """Number of the resource and descriptor of every field."""
    resources = package.get("resources")
    for number, resource in enumerate(resources if isinstance(resources, list) else ()):
        schema = resource.get("schema") if isinstance(resource, dict) else None
        fields = schema.get("fields") if isinstance(schema, dict) else None
        for field in fields if isinstance(fields, list) else ():
            if isinstance(field, dict):
                yield number, field


def has_places(package: Json) -> bool:
    """Whether the data has coordinates whose reference system no column tells."""
    tables: dict[int, list[Json]] = {}
    for number, field in _fields(package):
        tables.setdefault(number, []).append(field)
    return any(_is_geo(fields) for fields in tables.values())


def _is_geo(fields: list[Json]) -> bool:
    names = {str(field.get("name", "")).lower() for field in fields}
    if "crs" in names:  # each row tells its own
        return False
    shapes = any(field.get("type") in ("geopoint", "geojson") for field in fields)
    return shapes or bool(names & _LON and names & _LAT)


def has_clock(package: Json) -> bool:
    """Whether the data has times of day whose zone no field tells."""
    return any(f.get("type") in _CLOCKED and not f.get("timezone") for _, f in _fields(package))


def _tables(package: Json, record: Json) -> Iterator[Problem]:
    if not record.get("crs") and has_places(package):
        yield Problem(
            "catalog.crs",
            "condition-missing",
            "有坐标的数据必须写明坐标系（CGCS2000、WGS84、GCJ02、BD09）",
            "data with coordinates needs its reference system (CGCS2000, WGS84, GCJ02, BD09)",
        )
    if not record.get("timezone") and has_clock(package):
        yield Problem(
            "catalog.timezone",
            "condition-missing",
            "有时刻的数据必须写明时区，如 '+08:00'",
            "data with times of day needs its time zone, such as '+08:00'",
        )


def _day(value: Any) -> date | None:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _period(record: Json) -> tuple[date | None, date | None]:
    temporal = record.get("temporal")
    given = temporal if isinstance(temporal, dict) else {}
    return _day(given.get("start")), _day(given.get("end"))


def _dates(record: Json) -> Iterator[Problem]:
    start, end = _period(record)
    if start and end and end < start:
        yield Problem("catalog.temporal.end", "order", "结束早于开始", "it ends before it starts")


def _validity(package: Json, record: Json, context: Context) -> Iterator[Problem]:
    term = vocabularies.term("validity", str(record.get("validity")))
    following = record.get("superseded_by")
    if term and term.more.get("superseded") and not following:
        yield Problem(
            "catalog.superseded_by",
            "condition-missing",
            f"效力状态为“{term.zh}”时，必须写明替代它的数据集",
            f"a record that is {term.code} needs what it is superseded by",
        )
    if following and following == package.get("name"):
        yield Problem("catalog.superseded_by", "cycle", "不能替代自己", "it cannot follow itself")
    elif following and context.datasets is not None and following not in context.datasets:
        told = f"没有名为“{following}”的数据集"
        yield Problem("catalog.superseded_by", "unknown-dataset", told, f"no dataset '{following}'")


def _unique(package: Json, record: Json, context: Context) -> Iterator[Problem]:
    """Names and codes belong to one dataset for ever; a title to one of a publisher."""
    name = str(package.get("name", ""))
    owner = (context.aliases or {}).get(name)
    if owner is not None and owner != name:
        yield Problem(
            "name",
            "name-used",
            f"“{name}”是数据集 {owner} 曾用的标识，不能再用",
            f"'{name}' was a name of dataset {owner} and is never used again",
        )
    code = str(record.get("code", ""))
    owner = (context.codes or {}).get(code)
    if owner is not None and owner not in (name, *_former(record)):
        yield Problem(
            "catalog.code",
            "code-used",
            f"信息资源代码 {code} 已属于数据集 {owner}，代码不得重复使用",
            f"code {code} belongs to dataset {owner}; codes are never used again",
        )
    key = (str(record.get("publisher", "")), str(package.get("title", "")))
    owner = (context.titles or {}).get(key)
    if owner is not None and owner not in (name, *_former(record)):
        yield Problem(
            "title",
            "title-used",
            f"同一提供方已有同名的数据集 {owner}",
            f"the publisher has a dataset of this title, {owner}",
        )


def _former(record: Json) -> list[str]:
    names = record.get("formerly")
    return [str(name) for name in names] if isinstance(names, list) else []


def _region(record: Json, context: Context) -> Iterator[Problem]:
    code, tree = record.get("region"), context.regions
    if not isinstance(code, str) or not code or tree is None:
        return
    if code not in tree:
        yield Problem(
            "catalog.region",
            "unknown-region",
            f"未知地区 {code[:40]}；可用的见 catalog.yaml 的 regions",
            f"unknown region {code[:40]}; see regions of the catalog",
        )
        return
    start, end = _period(record)
    issued = _day(record.get("issued")) or context.today
    begins, ends = start or end or issued, end or start or issued
    if not tree.valid(code, begins.isoformat(), ends.isoformat()):
        years = f"{tree.items[code].get('valid_from', '')}–{tree.items[code].get('valid_to', '')}"
        yield Problem(
            "catalog.region",
            "region-expired",
            f"地区代码 {code} 只在 {years} 年有效，与数据时间不符",
            f"region code {code} was valid {years}, not in the period of the data",
        )
