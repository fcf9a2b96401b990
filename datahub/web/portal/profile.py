"""What stands in each column, as small pictures and a few words, drawn on the server."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import msgspec

from datahub.model import Json, Struct
from datahub.web.portal import words

if TYPE_CHECKING:
    from pathlib import Path

WIDTH, HEIGHT = 240, 56
"""Of a histogram, in units of its own."""
TOP = 5
_LEAST = 1.5  # a bar that stands for something is seen
_UNITS = {
    "hour": "小时",
    "day": "日",
    "month": "月",
    "year": "年",
    "decade": "十年",
    "century": "百年",
}


class Bar(Struct, frozen=True):
    """A bar of a histogram, and what it stands for."""

    x: float
    y: float
    width: float
    height: float
    told: str


class Share(Struct, frozen=True):
    """A frequent value: its part of all rows in per cent."""

    value: str
    count: int
    percent: float


class ColumnProfile(Struct, frozen=True):
    """A column at a glance."""

    name: str
    title: str
    unit: str
    facts: list[tuple[str, str]]
    bars: list[Bar]
    ends: tuple[str, str]  # below the histogram
    told: str  # what the histogram shows, for who does not see it
    shares: list[Share]
    note: str


def read(path: Path) -> Json | None:
    """Statistics of a release, or None where it has none."""
    try:
        found: Json = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError):
        return None
    return found


def profiles(stats: Json, schema: Json) -> list[ColumnProfile]:
    """Tell every column of a resource at a glance."""
    fields = {field["name"]: field for field in schema["fields"]}
    rows = stats["rows"]
    return [_profile(column, fields.get(column["name"], {}), rows) for column in stats["columns"]]


def _profile(column: Json, field: Json, rows: int) -> ColumnProfile:
    histogram = column.get("histogram") or {}
    bars = _bars(histogram, whole=column["type"] in ("integer", "year"))
    ends = _ends(column, histogram)
    few = not bars or column["type"] in ("string", "boolean")
    shares = _shares(column, rows) if few else []
    return ColumnProfile(
        name=column["name"],
        title=str(field.get("title") or column["name"]),
        unit=str(field.get("unit") or ""),
        facts=_facts(column),
        bars=[] if shares else bars,
        ends=ends,
        told=_told(ends, histogram),
        shares=shares,
        note=_note(column) if not shares and not bars else "",
    )


def _facts(column: Json) -> list[tuple[str, str]]:
    about = "约 " if "distinct" in column["approximate"] else ""
    facts = [
        ("缺失", f"{100 * column['nulls_share']:.1f}%" if column["nulls"] else "无"),
        ("取值", f"{about}{column['distinct']:,} 种"),
    ]
    if column.get("mean") is not None and column["distinct"] > 1:
        facts += [("平均", number(column["mean"])), ("中位数", number(column["quantiles"]["0.5"]))]
    elif column.get("length", {}).get("max"):
        length = column["length"]
        shortest, longest = length["min"], length["max"]
        facts.append(("长度", f"{shortest}–{longest}" if shortest < longest else str(longest)))
    return facts


def _bars(histogram: Json, *, whole: bool) -> list[Bar]:
    counts, labels = histogram.get("counts", []), _labels(histogram, whole=whole)
    most = max(counts, default=0)
    if len(counts) < 2 or not most:  # noqa: PLR2004 - one bar is no distribution
        return []
    step = WIDTH / len(counts)
    gap = min(2.0, step / 5)
    found = []
    for place, (count, label) in enumerate(zip(counts, labels, strict=True)):
        tall = max(_LEAST, HEIGHT * count / most) if count else 0
        told = f"{label}：{count:,}"
        x, y = round(place * step, 2), round(HEIGHT - tall, 2)
        found.append(Bar(x, y, round(step - gap, 2), round(tall, 2), told))
    return found


def _labels(histogram: Json, *, whole: bool) -> list[str]:
    if "starts" in histogram:
        return [str(start).replace("T", " ") for start in histogram["starts"]]
    edges = histogram.get("edges", [])
    return [
        number(low) if whole and high - low == 1 else f"{number(low)}–{number(high)}"
        for low, high in itertools.pairwise(edges)
    ]


def _ends(column: Json, histogram: Json) -> tuple[str, str]:
    if "starts" in histogram:
        first, last = histogram["starts"][0], histogram["starts"][-1]
        return first.replace("T", " "), last.replace("T", " ")
    return (number(column["min"]), number(column["max"])) if histogram else ("", "")


def _told(ends: tuple[str, str], histogram: Json) -> str:
    by = f"按{_UNITS[histogram['unit']]}计数，" if "unit" in histogram else ""
    return f"分布：{by}从 {ends[0]} 到 {ends[1]}"


def _shares(column: Json, rows: int) -> list[Share]:
    """The most frequent values; none where nearly every row has its own."""
    if column["top_share"] * 10 < 1 and column["distinct"] > TOP:
        return []
    return [
        Share(_shown(item["value"]), item["count"], round(100 * item["count"] / rows, 1))
        for item in column["top"][:TOP]
    ]


def _shown(value: Any) -> str:
    return {True: "是", False: "否"}[value] if isinstance(value, bool) else words.cell(value)


def _note(column: Json) -> str:
    if not column["distinct"]:
        return "全部为空"
    said = "每行各不相同" if column.get("unique") else "取值分散"
    example = words.cell(column.get("min"))
    return f"{said}，如 {example}" if example else said


def number(value: float) -> str:
    """A number as people read it: four digits, and no zeros that say nothing."""
    if abs(value) >= 1000 or value == int(value):  # noqa: PLR2004
        return f"{value:,.0f}"
    return f"{value:.4g}"
