"""Regions as a tree: GB/T 2260 codes with their years, and local codes for zones without one.

A local code is that of the region around it, a hyphen and a few letters: `420500-gxq` is a
development zone (高新区) of 420500. Codes of towns (9 digits) and villages (12) are taken, too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from datahub.model import Json

_CODE = re.compile(r"(\d{6}(?:\d{3}(?:\d{3})?)?)(-[a-z0-9]{1,12})?\Z", re.ASCII)
_WHEN = re.compile(r"\d{4}(-\d{2}-\d{2})?\Z", re.ASCII)
KEYS = frozenset({"code", "title", "title_en", "parent", "valid_from", "valid_to", "aliases"})

Fault = tuple[int, str, str, str]
"""Number of the item, its key, what is wrong in Chinese and in English."""


class Tree:
    """Regions by code, with what lies above and below each."""

    def __init__(self, items: Iterable[Json]) -> None:
        self.items: dict[str, Json] = {item["code"]: item for item in items}
        self._below: dict[str, list[str]] = {}
        for code, item in self.items.items():
            if item.get("parent") in self.items:
                self._below.setdefault(item["parent"], []).append(code)

    def __contains__(self, code: object) -> bool:
        return code in self.items

    def children(self, code: str) -> tuple[str, ...]:
        """Codes right below a region."""
        return tuple(self._below.get(code, ()))

    def descendants(self, code: str) -> tuple[str, ...]:
        """A region's own code and those of all regions below it."""
        found, waiting = {}, [code]
        while waiting:
            following = waiting.pop()
            if following not in found:
                found[following] = True
                waiting += reversed(self._below.get(following, ()))
        return tuple(found)

    def roots(self) -> tuple[str, ...]:
        """Codes of regions with none above them."""
        return tuple(c for c, item in self.items.items() if item.get("parent") not in self.items)

    def valid(self, code: str, start: str, end: str) -> bool:
        """Whether a region's years meet a period (dates as text; "" is open)."""
        item = self.items[code]
        begins, ends = str(item.get("valid_from") or ""), str(item.get("valid_to") or "")
        after = bool(end and begins) and end[: len(begins)] < begins
        before = bool(start and ends) and start[: len(ends)] > ends
        return not (after or before)


def descendants(items: Iterable[Json], code: str) -> tuple[str, ...]:
    """A region's own code and those of all regions below it."""
    return Tree(items).descendants(code)


def faults(items: list[Json]) -> Iterator[Fault]:
    """What is wrong with a list of regions: codes, years, unknown parents, cycles."""
    known = {item["code"]: item for item in items}
    for number, item in enumerate(items):
        yield from _own_faults(number, item)
        parent = item.get("parent")
        if parent is not None and parent not in known:
            yield (
                number,
                "parent",
                f"上级地区 {parent} 不在列表里",
                f"parent {parent} is not listed",
            )
        elif circle := _circle(known, item["code"]):
            shown = " → ".join(circle)
            yield number, "parent", f"地区的上下级成环：{shown}", f"regions form a cycle: {shown}"


def _own_faults(number: int, item: Json) -> Iterator[Fault]:
    code = item["code"]
    form = _CODE.match(code)
    if form is None:
        yield (
            number,
            "code",
            f"地区代码“{code[:40]}”应为 6 位国标代码；没有国标代码的区域写成 420500-gxq 的形式",
            f"region code '{code[:40]}' must be six digits, or those of its parent and a suffix",
        )
    elif form[2] and item.get("parent") != form[1]:
        yield (
            number,
            "parent",
            f"代码 {code} 的上级应是 {form[1]}",
            f"the parent of {code} must be {form[1]}",
        )
    for key in ("valid_from", "valid_to"):
        when = item.get(key)
        if when is not None and not (isinstance(when, str) and _WHEN.match(when)):
            yield number, key, "应为加引号的年份或日期，如 '1998'", "must be a quoted year or date"
            return
    begins, ends = item.get("valid_from"), item.get("valid_to")
    if begins and ends and ends[: len(begins)] < begins[: len(ends)]:
        yield number, "valid_to", "失效早于生效", "ends before it begins"


def _circle(known: dict[str, Json], code: str) -> list[str]:
    """The way from a code back to itself; empty when there is none."""
    way = [code]
    above = known[code].get("parent")
    while above in known and above not in way:
        way.append(above)
        above = known[above].get("parent")
    return [*way, code] if above == code else []
