"""A whole catalog record in words, in groups: every field that is given, none that is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from datahub.model import Dataset, Json, Struct
from datahub.record import vocabularies
from datahub.record.fields import RECORD
from datahub.search.filters import FRESHNESS
from datahub.serve.outputs.texts import mail, telephone
from datahub.web.portal import cards, words

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_DUTIES = ("reporting", "withdrawal")
_OF_RIGHTS = {True: "允许", False: "不允许"}
_OF_DUTIES = {True: "须履行", False: "无此义务"}


class Part(Struct, frozen=True):
    """A piece of an item's text, with an address where it leads somewhere."""

    text: str
    url: str = ""
    lang: str = ""  # where it is not Chinese


class Item(Struct, frozen=True):
    """A field in words."""

    term: str
    parts: list[Part]


class Group(Struct, frozen=True):
    """Fields that belong together."""

    name: str
    title: str
    items: list[Item]


class Around(Struct, frozen=True):
    """What the record itself does not hold: its neighbours in the catalog, its times."""

    regions: dict[str, str]
    licenses: dict[str, Json]
    related: dict[str, tuple[str, str]]  # code to name and title
    successor: str = ""
    former: tuple[str, ...] = ()
    version: str = ""


def groups(dataset: Dataset, around: Around) -> list[Group]:
    """The record's groups; those without any item are left out."""
    record, used = dataset.record, set[str]()

    def given(key: str) -> Any:
        used.add(key)
        return record.get(key)

    made = [
        Group(name=name, title=title, items=list(_filled(build(dataset, around, given))))
        for name, title, build in _GROUPS
    ]
    rest = [
        (RECORD[key].zh if key in RECORD else key, [Part(text=text) for text in _told(key, value)])
        for key, value in record.items()
        if key not in used and key not in _ELSEWHERE
    ]
    made[-1].items.extend(_filled(iter(rest)))
    return [group for group in made if group.items]


_ELSEWHERE = ("permissions", "milestones", "terms", "series", "sample", "catalog")


def _filled(rows: Iterator[tuple[str, list[Part]]]) -> Iterator[Item]:
    for term, parts in rows:
        kept = [part for part in parts if part.text]
        if kept:
            yield Item(term=term, parts=kept)


def _told(key: str, value: Any) -> list[str]:
    """A value in words, by its own code list where it has one."""
    field = RECORD.get(key)
    if isinstance(value, bool):
        return ["是" if value else "否"]
    if isinstance(value, dict):
        return [f"{k}：{v}" for k, v in value.items() if v]
    texts = cards.values(value)
    name = field.vocabulary if field else ""
    return [vocabularies.label(name, text) for text in texts] if name else texts


def _text(value: Any, key: str = "") -> list[Part]:
    return [Part(text=text) for text in _told(key, value)] if value not in (None, "") else []


def _link(text: str, **query: str) -> list[Part]:
    return [Part(text=text, url=f"/?{urlencode(query)}")]


def _basics(dataset: Dataset, around: Around, given: Callable[[str], Any]) -> Iterator[Any]:
    package, region = dataset.package, str(given("region") or "")
    given("publisher"), given("theme")
    yield "发布机构", [Part(text=dataset.publisher_title, url=f"/publishers/{dataset.publisher}")]
    yield "数据领域", _link(dataset.theme_title, theme=dataset.theme)
    if region:
        yield "行政区划", _link(around.regions.get(region, region), region=region)
    yield (
        "关键字",
        [part for word in cards.values(package.get("keywords")) for part in _link(word, q=word)],
    )
    yield "英文名称", [Part(text=str(package.get("title_en") or ""), lang="en")]
    yield "英文摘要", [Part(text=str(package.get("description_en") or ""), lang="en")]
    yield "时间范围", _period(given("temporal"))
    yield "空间范围", _text(given("spatial"))
    yield "数源单位", _text(given("source_dept"))
    yield "提供单位", _text(given("provider"))
    yield "来源系统", _text(given("source_system"))
    former = dict.fromkeys([*cards.values(given("formerly")), *around.former])
    yield "曾用标识", [Part(text=name) for name in former]


def _opening(dataset: Dataset, around: Around, given: Callable[[str], Any]) -> Iterator[Any]:
    condition = given("open_condition")
    yield "开放类型", _text(given("openness"), "openness")
    yield "开放方式", _text(given("auth_level"), "auth_level")
    if isinstance(condition, dict):
        yield "申请方式", _text(condition.get("method"))
        yield "使用要求", _text(condition.get("use"))
        yield "安全措施", _text(condition.get("security"))
    else:
        yield "开放条件", _text(condition)
    reason = given("closed_reason")
    if reason:
        yield "不予开放理由", [Part(text=f"{reason} {vocabularies.label('closed_reason', reason)}")]
    yield "法律依据", _text(given("legal_basis"))
    yield "重新评估", _text(given("review_by"))
    yield "许可", [Part(text=text) for text in _licenses(dataset, around)]
    yield "共享类型", _text(given("share_type"), "share_type")
    yield "共享条件", _text(given("share_condition"))
    yield "共享方式", _text(given("share_method"), "share_method")
    grade = str(given("grade") or "")
    yield "数据分级", [Part(text=f"{grade} {vocabularies.label('grade', grade)}" if grade else "")]
    yield "优先开放", _text(given("priority"))


def _timing(dataset: Dataset, around: Around, given: Callable[[str], Any]) -> Iterator[Any]:
    yield "更新周期", _text(given("update_cycle"), "update_cycle")
    yield "更新时滞", _text(given("update_lag"))
    yield "时效", _text(FRESHNESS[cards.freshness(dataset)])
    yield (
        "数据更新",
        _text(words.local(dataset.data_updated) if dataset.data_updated else "尚未发布"),
    )
    yield "目录更新", _text(words.local(dataset.modified))
    yield "发布日期", _text(given("issued"))
    yield "版本", _text(around.version or "尚未发布")
    yield "效力状态", _text(given("validity"), "validity")
    following = str(given("superseded_by") or "")
    yield "替代数据集", [Part(text=following, url=f"/datasets/{following}")]
    if not following:
        yield "后继数据集", [Part(text=around.successor, url=f"/datasets/{around.successor}")]
    yield "批次", _text(given("batch"))


def _contact(_: Dataset, around: Around, given: Callable[[str], Any]) -> Iterator[Any]:  # noqa: ARG001 - all groups are made alike
    contact = given("contact")
    contact = contact if isinstance(contact, dict) else {}
    yield "联系方式", reach(contact)
    yield "监督投诉", _text(contact.get("complaint"))


def reach(contact: Json) -> list[Part]:
    """Name, telephone and e-mail of whom to ask; the last two can be called."""
    found = [
        Part(text=str(contact.get("name") or "")),
        Part(text=str(contact.get("phone") or ""), url=telephone(contact.get("phone")) or ""),
        Part(text=str(contact.get("email") or ""), url=mail(contact.get("email")) or ""),
    ]
    return [part for part in found if part.text]


def _standards(dataset: Dataset, around: Around, given: Callable[[str], Any]) -> Iterator[Any]:
    yield "标识", _text(dataset.name)
    yield "目录代码", _text(given("code"))
    yield "资产编号", _text(given("asset_no"))
    yield "行业分类", _text(given("industry"))
    yield "标准事项", _text(given("std_item"))
    yield "公开环节", _text(given("disclosure_stage"), "disclosure_stage")
    yield "资源格式", _text(given("formats"), "formats")
    yield "坐标系", _text(given("crs"), "crs")
    yield "时区", _text(given("timezone"))
    yield (
        "关联资源",
        [
            Part(
                text=f"{around.related[code][1]}（{code}）",
                url=f"/datasets/{around.related[code][0]}",
            )
            if code in around.related
            else Part(text=code)
            for code in cards.values(given("related"))
        ],
    )


_GROUPS: tuple[tuple[str, str, Callable[..., Iterator[Any]]], ...] = (
    ("basics", "基本信息", _basics),
    ("opening", "开放与共享", _opening),
    ("timing", "更新与时效", _timing),
    ("contact", "联系与监督", _contact),
    ("standards", "标准与代码", _standards),
)


def _period(temporal: Any) -> list[Part]:
    if not isinstance(temporal, dict):
        return _text(temporal)
    start, end = str(temporal.get("start") or ""), str(temporal.get("end") or "")
    if start == end:
        return [Part(text=start)]
    return [Part(text=f"{start or '…'} 至 {end or '今'}")]


def _licenses(dataset: Dataset, around: Around) -> list[str]:
    found = []
    for item in dataset.package.get("licenses") or []:
        name = str(item.get("name") or "")
        title = item.get("title") or around.licenses.get(name, {}).get("title")
        found.append(f"{title}（{name}）" if title and name else str(title or name or item["path"]))
    return found


def permissions(record: Json) -> list[tuple[str, str, bool | None]]:
    """The matrix of the licence: what is allowed, what users owe; None is no yes or no."""
    given = record.get("permissions")
    if not isinstance(given, dict):
        return []
    found: list[tuple[str, str, bool | None]] = []
    for term in vocabularies.get("permission"):
        value = given.get(term.code)
        if isinstance(value, bool):
            is_duty = term.code in _DUTIES
            told = (_OF_DUTIES if is_duty else _OF_RIGHTS)[value]
            found.append((term.zh, told, value != is_duty))
        elif value:
            found.append((term.zh, str(value), None))
        else:
            found.append((term.zh, "未说明", None))
    return found
