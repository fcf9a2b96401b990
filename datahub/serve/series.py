"""Completeness of a series: which issues or periods a release holds, and which are missing.

A record declares `series`: {kind: issue, resource, fields: [year, no], start, frequency} for
numbered issues (公报), frequency being issues a year; or {kind: period, resource, field, start,
end, frequency} for periods, frequency being an update cycle. `missing` are the gaps up to the
last one held; `overdue` what should have come since, by the day it is.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable  # noqa: TC003 - msgspec reads it
from typing import TYPE_CHECKING, Any

from datahub.errors import ResourceUnknown
from datahub.errors_catalog import SeriesMissing
from datahub.forms.columns import columns_of, quote, text_of
from datahub.model import Dataset, Json, Release, Struct

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from datahub.serve.engine import Engine

MOST = 20_000
"""Values that are read, and periods that a series may have."""
SHOWN = 1000
_ISSUES = 2000  # numbers in one year
_A_YEAR = {"weekly": 52, "tendays": 36, "monthly": 12, "quarterly": 4, "halfyear": 2, "yearly": 1}
_QUARTER = re.compile(r"(\d{4})\s*[-年/]?\s*(?:Q|q|第)\s*([1-4])")
_HALF = re.compile(r"(\d{4})\s*[-年/]?\s*(?:H|h)\s*([12])")
_DAY = re.compile(r"(\d{4})(?:[-/.年]?(\d{1,2})(?:[-/.月]?(\d{1,2}))?)?")


class _Cycle(Struct, frozen=True):
    """A cycle's periods as consecutive numbers."""

    number: Callable[[dt.date], int]
    label: Callable[[int], str]
    first: Callable[[int], dt.date]  # day of a period


_EPOCH = dt.date(1, 1, 1).toordinal()


def _month(number: int) -> dt.date:
    return dt.date(number // 12, number % 12 + 1, 1)


def _week(number: int) -> str:
    year, week, _ = dt.date.fromordinal(number * 7 + _EPOCH).isocalendar()
    return f"{year:04}-W{week:02}"


CYCLES = {
    "daily": _Cycle(
        number=lambda d: d.toordinal(),
        label=lambda n: dt.date.fromordinal(n).isoformat(),
        first=dt.date.fromordinal,
    ),
    "weekly": _Cycle(
        number=lambda d: (d.toordinal() - _EPOCH) // 7,
        label=_week,
        first=lambda n: dt.date.fromordinal(n * 7 + _EPOCH),
    ),
    "tendays": _Cycle(
        number=lambda d: (d.year * 12 + d.month - 1) * 3 + min(2, (d.day - 1) // 10),
        label=lambda n: f"{_month(n // 3):%Y-%m}{('上旬', '中旬', '下旬')[n % 3]}",
        first=lambda n: _month(n // 3).replace(day=n % 3 * 10 + 1),
    ),
    "monthly": _Cycle(
        number=lambda d: d.year * 12 + d.month - 1,
        label=lambda n: f"{_month(n):%Y-%m}",
        first=_month,
    ),
    "quarterly": _Cycle(
        number=lambda d: d.year * 4 + (d.month - 1) // 3,
        label=lambda n: f"{n // 4:04}-Q{n % 4 + 1}",
        first=lambda n: dt.date(n // 4, n % 4 * 3 + 1, 1),
    ),
    "halfyear": _Cycle(
        number=lambda d: d.year * 2 + (d.month - 1) // 6,
        label=lambda n: f"{n // 2:04}-H{n % 2 + 1}",
        first=lambda n: dt.date(n // 2, n % 2 * 6 + 1, 1),
    ),
    "yearly": _Cycle(
        number=lambda d: d.year, label=lambda n: f"{n:04}", first=lambda n: dt.date(n, 1, 1)
    ),
}


def completeness(
    engine: Engine, folder: Path, dataset: Dataset, release: Release, *, today: dt.date
) -> Json:
    """Say what a dataset's series should hold, holds and lacks.

    Raises:
        SeriesMissing: the record declares none, or not one that can be judged.
        ResourceUnknown: it names a resource that the release has not.

    """
    declared = dataset.record.get("series")
    if not isinstance(declared, dict) or declared.get("kind") not in ("issue", "period"):
        raise _unfit(dataset, "记录没有声明 series", "its record declares none")
    names = [file.resource for file in release.files if file.resource]
    resource = declared.get("resource") or (names[0] if names else "")
    if resource not in names:
        raise ResourceUnknown(
            dataset=dataset.name,
            resource=str(resource)[:80],
            allowed=", ".join(dict.fromkeys(names)),
        )
    judge = _issues if declared["kind"] == "issue" else _periods
    fields = _fields(declared)
    path = folder / f"{resource}.parquet"
    rows = _distinct(engine, path, dataset, resource, fields)
    found = judge(dataset, declared, rows, today)
    head = {"dataset": dataset.name, "version": release.version, "kind": declared["kind"],
            "resource": resource, "fields": fields}  # fmt: skip
    return head | found


def _unfit(dataset: Dataset, zh: str, en: str) -> SeriesMissing:
    return SeriesMissing(dataset=dataset.name, reason_zh=zh, reason_en=en)


def _fields(declared: Json) -> list[str]:
    given = declared.get("fields") or declared.get("field")
    if given is None and declared["kind"] == "issue":
        given = [declared.get("year", "year"), declared.get("no", "no")]
    return [str(name) for name in ([given] if isinstance(given, str) else given or ())]


def _distinct(
    engine: Engine, path: Path, dataset: Dataset, resource: str, fields: list[str]
) -> list[tuple[str, ...]]:
    """Values of the series' fields, each once."""
    known = {
        column.name: column
        for column in columns_of(engine.kinds(path), dataset.resource(resource)["schema"])
    }
    unknown = [name for name in fields if name not in known]
    if unknown or not fields:
        told = ", ".join(unknown) or "—"
        raise _unfit(
            dataset,
            f"series 的字段 {told} 不在资源 {resource} 里；现有：{'、'.join(known)}",
            f"{resource} has no field {told}; it has: {', '.join(known)}",
        )
    listed = ", ".join(f"({text_of(known[name])})[:10]" for name in fields)
    where = " and ".join(f"{quote(name)} is not null" for name in fields)
    sql = f"select distinct {listed} from read_parquet(?) where {where} limit {MOST + 1}"  # noqa: S608 - names of the schema, quoted
    rows: list[tuple[str, ...]] = engine.cursor().execute(sql, [str(path)]).fetchall()
    if len(rows) > MOST:
        raise _unfit(dataset, f"期次多于 {MOST} 个", f"it has more than {MOST} values")
    return rows


# Numbered issues ------------------------------------------------------------------------------


def _issues(dataset: Dataset, declared: Json, rows: Iterable[Any], today: dt.date) -> Json:
    held, odd = _numbers(rows)
    start = _start(declared.get("start"), held)
    a_year = _frequency(dataset, declared)
    first = start[0] if start else today.year
    last = max(held, default=first)
    highest = {year: max(numbers) for year, numbers in held.items()}
    if max(highest.values(), default=0) > _ISSUES or last - first > _ISSUES:
        raise _unfit(dataset, f"期号或年份跨度超过 {_ISSUES}", f"numbers exceed {_ISSUES}")
    years: list[Json] = []
    for year in range(first, last + 1):
        top = max(highest.get(year, 0), a_year if year < last else 0)
        low = start[1] if start and year == first else 1
        wanted = range(low, top + 1)
        there = held.get(year, set())
        lacking = [number for number in wanted if number not in there]
        years.append({"year": year, "expected": len(wanted), "held": len(there & set(wanted)),
                      "missing": lacking, "known": bool(top)})  # fmt: skip
    missing: list[Json] = [{"year": y["year"], "no": n} for y in years for n in y["missing"]]
    missing += [{"year": y["year"], "no": None} for y in years if not y["known"]]
    missing.sort(key=lambda item: (item["year"], item["no"] or 0))
    shown = [{k: v for k, v in y.items() if k != "known"} for y in years]
    return _told(
        sum(y["expected"] for y in years), sum(y["held"] for y in years), missing,
        _late_issues(highest, last, a_year, today),
        {"start": {"year": start[0], "no": start[1]} if start else None,
         "frequency": a_year or None, "unreadable": odd, "years": shown},
    )  # fmt: skip


def _numbers(rows: Iterable[Any]) -> tuple[dict[int, set[int]], int]:
    held: dict[int, set[int]] = {}
    odd = 0
    for row in rows:
        texts = [re.search(r"\d+", str(value)) for value in row]
        if len(texts) < 2 or not all(texts):  # noqa: PLR2004 - year and number
            odd += 1
            continue
        year, number = (int(text[0]) for text in texts[:2] if text)
        if not 1 <= year <= 9999 or number < 1:  # noqa: PLR2004 - years of the calendar
            odd += 1
            continue
        held.setdefault(year, set()).add(number)
    return held, odd


def _start(given: Any, held: dict[int, set[int]]) -> tuple[int, int] | None:
    if isinstance(given, dict):
        given = f"{given.get('year', '')}-{given.get('no', 1)}"
    if isinstance(given, list):
        given = "-".join(map(str, given))
    numbers = [int(text) for text in re.findall(r"\d+", str(given or ""))]
    if numbers and 1 <= numbers[0] <= 9999:  # noqa: PLR2004 - years of the calendar
        return numbers[0], numbers[1] if len(numbers) > 1 else 1
    return (min(held), 1) if held else None


def _frequency(dataset: Dataset, declared: Json) -> int:
    """Issues a year; 0 when that is not fixed."""
    given = declared.get("frequency") or declared.get("cycle") or 0
    text = str(given)
    number = int(text) if text.isascii() and text.isdecimal() else _A_YEAR.get(text, -1)
    if not 0 <= number <= _ISSUES:
        raise _unfit(
            dataset, f"series.frequency “{text[:40]}”应为每年期数", "frequency is issues a year"
        )
    return number


def _late_issues(highest: dict[int, int], last: int, a_year: int, today: dt.date) -> list[Json]:
    """Issues after the last one that should be out by today."""
    if not a_year:
        return []
    late: list[Json] = []
    for year in range(last, min(today.year, last + 50) + 1):
        passed = (today - dt.date(today.year, 1, 1)).days / 365
        due = a_year if year < today.year else int(a_year * passed)
        late += [{"year": year, "no": n} for n in range(highest.get(year, 0) + 1, due + 1)]
    return late


# Periods --------------------------------------------------------------------------------------


def _periods(dataset: Dataset, declared: Json, rows: Iterable[Any], today: dt.date) -> Json:
    name = str(
        declared.get("frequency") or declared.get("cycle") or dataset.record.get("update_cycle")
    )
    cycle = CYCLES.get(name)
    if cycle is None:
        zh = f"更新周期“{name[:40]}”没有固定的期；可用：{'、'.join(CYCLES)}"
        raise _unfit(dataset, zh, f"cycle '{name[:40]}' has no periods; known: {', '.join(CYCLES)}")
    days = [_day(row[0]) for row in rows]
    held = {cycle.number(day) for day in days if day}
    begin, end = _day(declared.get("start")), _day(declared.get("end"))
    if not held and begin is None:
        return _told(0, 0, [], [], {"frequency": name, "start": None, "last": None,
                                    "unreadable": len(days)})  # fmt: skip
    first = cycle.number(begin) if begin else min(held)
    last = cycle.number(end) if end else max(held, default=first - 1)
    now = cycle.number(today)
    if max(last, now) - first > MOST:
        raise _unfit(dataset, f"期次多于 {MOST} 个", f"it has more than {MOST} periods")
    expected = range(first, last + 1)
    late = [] if end else range(max(last + 1, first), now)
    return _told(
        len(expected),
        len(held & set(expected)),
        [cycle.label(n) for n in expected if n not in held],
        [cycle.label(n) for n in late],
        {
            "frequency": name,
            "start": cycle.label(first),
            "last": cycle.label(max(held)) if held else None,
            "unreadable": sum(day is None for day in days),
        },
    )


def _day(value: Any) -> dt.date | None:
    """First day of a period as it is written: 2024, 2024-03, 202403, 2024-03-05, 2024Q1."""
    text = str(value or "").strip()
    try:
        if found := _QUARTER.match(text):
            return dt.date(int(found[1]), int(found[2]) * 3 - 2, 1)
        if found := _HALF.match(text):
            return dt.date(int(found[1]), int(found[2]) * 6 - 5, 1)
        if found := _DAY.match(text):
            return dt.date(int(found[1]), int(found[2] or 1), int(found[3] or 1))
    except ValueError:
        return None
    return None


def _told(expected: int, held: int, missing: list[Any], overdue: list[Any], more: Json) -> Json:
    share = round(held / expected, 4) if expected else None
    return {
        "expected": expected,
        "held": held,
        "missing_count": len(missing),
        "completeness": share,
        "missing": missing[:SHOWN],
        "overdue_count": len(overdue),
        "overdue": overdue[:SHOWN],
    } | more
