"""catalog.yaml: publishers, regions, themes and licences of a catalog, read and checked."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from datahub.errors import NameInvalid
from datahub.guard.text import check_name
from datahub.record import regions, texts, vocabularies
from datahub.record.codes import is_credit_code
from datahub.stages.register.yamls import CATALOG_BYTES, Keys, failure, line_of, load

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from datahub.errors import CatalogError
    from datahub.model import Json

LISTS = {"regions": "code", "themes": "code", "licenses": "name", "publishers": "id"}
"""Lists of catalog.yaml with the key that identifies an item."""
_TOP = ("name", "title", "title_en", "description", *LISTS)
_KEYS = {
    "regions": tuple(sorted(regions.KEYS)),
    "themes": ("code", "title", "title_en", "eu", "aliases"),
    "licenses": ("name", "title", "title_en", "path", "permissions"),
    "publishers": (
        *("id", "title", "title_en", "short", "aliases", "credit_code", "region", "category"),
        *("supervisor", "phone", "email", "address", "url", "complaint"),
    ),
}
_COMPLAINT = ("name", "phone", "email", "url")
_PHONE = re.compile(r"[0-9+() ,;/转-]{3,40}\Z", re.ASCII)
_TITLE = 100

Fault = tuple[Keys, str, str, str]
"""Place in the file, rule, what is wrong in Chinese and in English."""


def read_catalog(file: Path) -> Json:
    """Read and check catalog.yaml.

    Raises:
        CatalogError: with file, line and field of the first mistake.

    """
    catalog = load(file, CATALOG_BYTES)
    if not isinstance(catalog, dict):
        raise failure(f"{file}:1", "应是键值映射", "a mapping is expected")
    for keys, rule, zh, en in _faults(catalog):
        raise _error(file, keys, rule, zh, en)
    return catalog


def _error(file: Path, keys: Keys, rule: str, zh: str, en: str) -> CatalogError:
    field = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)[1:]
    line = 1 if rule == "mandatory" and len(keys) == 1 else line_of(file, keys)
    return failure(f"{file}:{line} {field}", zh, en, rule=rule)


def _faults(catalog: Json) -> Iterator[Fault]:
    yield from _top_faults(catalog)
    for name, key in LISTS.items():
        yield from _list_faults(name, catalog[name], key)
    for number, field, zh, en in regions.faults(catalog["regions"]):
        yield ("regions", number, field), "region", zh, en
    yield from _publishers(catalog)
    for place, text in texts.walk(catalog):
        if wrong := texts.fault(text, lines=True):
            yield place, *wrong


def _top_faults(catalog: Json) -> Iterator[Fault]:
    for key in ("name", "title", *LISTS):
        if not catalog.get(key):
            yield (key,), "mandatory", "缺少必填项", "this is mandatory"
    for key, value in catalog.items():
        if key not in _TOP:
            yield _unknown((), key, _TOP)
        elif key in LISTS and not isinstance(value, list):
            yield (key,), "type", "应为列表", "it must be a list"
        elif key not in LISTS and not isinstance(value, str):
            yield (key,), "type", "应为文字（代码须加引号）", "it must be text (quote codes)"


def _list_faults(name: str, items: list[Any], key: str) -> Iterator[Fault]:
    seen: set[str] = set()
    for number, item in enumerate(items):
        if not isinstance(item, dict):
            yield (name, number), "type", "应是键值映射", "a mapping is expected"
            continue
        needed = (key, "title", *(("credit_code", "region") if name == "publishers" else ()))
        for field in needed:
            if not isinstance(item.get(field), str) or not item[field]:
                yield (
                    (name, number, field),
                    "mandatory",
                    "缺少必填项，或没有加引号（代码须写成文字）",
                    "this is mandatory and must be text (quote codes)",
                )
                return
        yield from _item_faults((name, number), item, _KEYS[name])
        if item[key] in seen:
            told = f"'{item[key]}' is repeated"
            yield (name, number, key), "duplicate-code", f"“{item[key]}”重复", told
        seen.add(item[key])


def _item_faults(place: Keys, item: Json, known: tuple[str, ...]) -> Iterator[Fault]:
    for field, value in item.items():
        if field not in known:
            yield _unknown(place, field, known)
        elif field in ("complaint", "permissions"):
            if not isinstance(value, dict):
                yield (*place, field), "type", "应是键值映射", "a mapping is expected"
        elif field == "aliases":
            if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
                yield (*place, field), "type", "应为文字列表", "it must be a list of text"
        elif not isinstance(value, str):
            yield (
                (*place, field),
                "type",
                "应为文字（代码须加引号）",
                "it must be text (quote codes)",
            )
    if len(item["title"]) > _TITLE:
        yield (*place, "title"), "too-long", f"最多 {_TITLE} 个字符", f"{_TITLE} characters at most"


def _unknown(place: Keys, key: str, known: tuple[str, ...]) -> Fault:
    close = get_close_matches(key, known, n=1)
    zh = f"是不是 {close[0]}？" if close else f"可用的有：{'、'.join(known)}"
    en = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
    return (*place, key[:60]), "unknown-key", f"没有这个字段；{zh}", f"unknown key; {en}"


def _publishers(catalog: Json) -> Iterator[Fault]:
    areas = {item["code"] for item in catalog["regions"]}
    known = {item["id"]: item for item in catalog["publishers"]}
    owners: dict[str, str] = {}
    for number, item in enumerate(catalog["publishers"]):
        place: Keys = ("publishers", number)
        try:
            check_name(item["id"], "机构标识 publisher id")
        except NameInvalid as error:
            yield (*place, "id"), "pattern", error.text_zh, error.text_en
        code = item["credit_code"]
        if not is_credit_code(code):
            yield (
                (*place, "credit_code"),
                "check-digit",
                f"统一社会信用代码 {code} 校验位不对（GB 32100）",
                f"credit code {code} fails its check digit (GB 32100)",
            )
        if owners.setdefault(code, item["id"]) != item["id"]:
            zh = f"统一社会信用代码 {code} 已属于 {owners[code]}"
            yield (*place, "credit_code"), "code-used", zh, f"{code} belongs to {owners[code]}"
        if item["region"] not in areas:
            zh, en = f"未知地区 {item['region']}", f"unknown region {item['region']}"
            yield (*place, "region"), "unknown-region", zh, en
        yield from _enterprise(place, item, known)


def _enterprise(place: Keys, item: Json, known: dict[str, Json]) -> Iterator[Fault]:
    """Category, supervisor and where to complain, which public enterprises must have."""
    category = item.get("category", "GOV")
    labels = vocabularies.labels("publisher_category")
    if category not in labels:
        shown = "、".join(f"{code} {label}" for code, label in labels.items())
        zh, en = f"机构类别“{category}”不在：{shown}", f"category is none of: {', '.join(labels)}"
        yield (*place, "category"), "unknown-code", zh, en
    above = item.get("supervisor")
    complaint = item.get("complaint") or {}
    if category != "GOV" and not above:
        zh, en = "公共企事业单位须写明主管部门", "a public enterprise needs its supervisor"
        yield (*place, "supervisor"), "mandatory", zh, en
    if category != "GOV" and not complaint:
        zh = "公共企事业单位须写明监督投诉渠道：{name, phone, email}"
        en = "a public enterprise needs where to complain: {name, phone, email}"
        yield (*place, "complaint"), "mandatory", zh, en
    if above is not None and above not in known:
        zh, en = f"没有机构 {above}", f"there is no publisher {above}"
        yield (*place, "supervisor"), "unknown-publisher", zh, en
    elif above is not None and _supervised(known, item["id"]):
        zh, en = "主管关系成环", "supervisors form a cycle"
        yield (*place, "supervisor"), "cycle", zh, en
    yield from _contact_faults(place, item, complaint)


def _contact_faults(place: Keys, item: Json, complaint: Json) -> Iterator[Fault]:
    for key in complaint:
        if key not in _COMPLAINT:
            yield _unknown((*place, "complaint"), key, _COMPLAINT)
        elif not isinstance(complaint[key], str):
            yield (*place, "complaint", key), "type", "应为文字（须加引号）", "it must be text"
    if complaint and not (complaint.get("phone") or complaint.get("email")):
        zh, en = "至少要有电话或邮箱", "a telephone or an e-mail address is needed"
        yield (*place, "complaint"), "mandatory", zh, en
    for holder, at in ((item, place), (complaint, (*place, "complaint"))):
        phone = holder.get("phone")
        if isinstance(phone, str) and phone and not _PHONE.match(phone):
            yield (*at, "phone"), "pattern", f"“{phone[:40]}”不是电话号码", "it is no telephone"


def _supervised(known: dict[str, Json], name: str) -> bool:
    """Whether following supervisors leads back to the publisher."""
    above, seen = known[name].get("supervisor"), set()
    while above in known and above not in seen:
        if above == name:
            return True
        seen.add(above)
        above = known[above].get("supervisor")
    return False
