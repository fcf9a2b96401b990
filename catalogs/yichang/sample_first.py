"""Samples of air quality, licences, penalties and budgets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

from sample_base import (
    DAYS_2025,
    EXCEL,
    PUBLISHERS,
    WINDOWS,
    Row,
    Sample,
    Text,
    money,
    parties,
    ten_thousands,
    unit_code,
    updated,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

# --- air_hourly --------------------------------------------------------------------------------

IAQI = (0, 50, 100, 150, 200, 300, 400, 500)
# Hourly break points; the standard gives particles only as 24-hour means, and CO is in tenths.
BREAKS = {
    "so2": ("SO2", (0, 150, 500, 650, 800)),
    "no2": ("NO2", (0, 100, 200, 700, 1200, 2340, 3090, 3840)),
    "co10": ("CO", (0, 50, 100, 350, 600, 900, 1200, 1500)),
    "o3": ("O3", (0, 160, 200, 300, 400, 800, 1000, 1200)),
    "pm10_24h": ("PM10", (0, 50, 150, 250, 350, 420, 500, 600)),
    "pm25_24h": ("PM2.5", (0, 35, 75, 115, 150, 250, 350, 500)),
}
LEVELS = ((50, "优"), (100, "良"), (150, "轻度"), (200, "中度"), (300, "重度"), (500, "严重"))
STATIONS = ("YC0001", "YC0002", "YC0003", "YC0004", "YC0005")
WARM_UP = 24  # hours before the year, so that the first moving averages are full


def sub_index(value: int, points: tuple[int, ...]) -> int:
    """Return the individual air quality index of a concentration, rounded up."""
    for low, high, below, above in zip(points, points[1:], IAQI, IAQI[1:], strict=False):
        if value <= high:
            return below - (-(above - below) * (value - low) // (high - low))
    return IAQI[len(points) - 1]


def quality(values: Row) -> Row:
    """Return index, level and leading pollutant of one hour."""
    parts = {
        label: sub_index(values[key], points)
        for key, (label, points) in BREAKS.items()
        if values[key] is not None
    }
    aqi = max(parts.values())
    level = next(name for limit, name in LEVELS if aqi <= limit)
    leader = max(parts, key=lambda label: parts[label]) if aqi > LEVELS[0][0] else None
    return {"aqi": aqi, "level": level, "primary": leader}


def concentrations(rng: Random, hour: datetime, weather: float, scale: float) -> dict[str, int]:
    """Return one hour's concentrations: dirty winters, rush hours, ozone on summer afternoons."""
    winter = (1 + math.cos(2 * math.pi * (hour.timetuple().tm_yday - 15) / 365)) / 2
    rush = math.exp(-((hour.hour - 8) ** 2) / 6) + math.exp(-((hour.hour - 19) ** 2) / 8)
    sun = max(0.0, math.sin(math.pi * (hour.hour - 7) / 14)) if 7 <= hour.hour <= 21 else 0.0
    stale = math.exp(weather) * scale

    def around(mean: float) -> int:
        return max(1, round(mean * rng.lognormvariate(0, 0.08)))

    pm25 = around((20 + 42 * winter + 5 * rush) * stale)
    return {
        "so2": around((5 + 5 * winter) * stale**0.5),
        "no2": around((14 + 18 * winter + 16 * rush) * stale**0.6),
        "pm25": pm25,
        "pm10": pm25 + around((16 + 16 * winter) * stale**0.8),
        "o3": around((28 + (125 * sun) * (1.05 - winter)) * math.exp(-0.25 * weather)),
        "co10": around((5 + 4 * winter + 2 * rush) * stale**0.5),
    }


def weather_walk(seed: int, hours: int) -> list[float]:
    """Return how stale the air is, hour by hour: one slow walk for the whole city."""
    rng = Random(f"{seed}/weather")
    walk = [0.0]
    for _ in range(hours - 1):
        walk.append(0.985 * walk[-1] + rng.gauss(0, 0.075))
    return walk


def lose(rng: Random, series: list[Row]) -> None:
    """Take out what a station fails to measure: single values, and a few outages."""
    for row in series:
        for key in row:
            if rng.random() < 0.004:
                row[key] = None
    for _ in range(8):
        start = rng.randrange(WARM_UP, len(series) - 10)
        for row in series[start : start + rng.randint(2, 8)]:
            row.update(dict.fromkeys(row))


def moving(series: list[Row], index: int, key: str, hours: int, least: int) -> int | None:
    """Return the mean of the last hours, if enough of them were measured."""
    window = [row[key] for row in series[index - hours + 1 : index + 1] if row[key] is not None]
    return round(sum(window) / len(window)) if len(window) >= least else None


def air_row(station: str, hour: datetime, series: list[Row], index: int) -> Row:
    """Return one hour of one station; what is missing is NA, never 0."""
    values: Row = dict(series[index])
    if any(value is not None for value in values.values()):
        values["o3_8h"] = moving(series, index, "o3", 8, 6)
        values["pm25_24h"] = moving(series, index, "pm25", 24, 20)
        values["pm10_24h"] = moving(series, index, "pm10", 24, 20)
        values |= quality(values)
    tenths = values.pop("co10")
    values["co"] = None if tenths is None else f"{tenths // 10}.{tenths % 10}"
    clean = values.get("aqi") is not None and values["aqi"] <= LEVELS[0][0]
    names = ("so2", "no2", "pm10", "pm25", "o3", "o3_8h", "co", "pm25_24h", "pm10_24h")
    row = {name: "NA" if values.get(name) is None else values[name] for name in (*names, "aqi")}
    row |= {"level": values.get("level") or "NA", "primary": values.get("primary") or "NA"}
    if clean:
        row["primary"] = None  # clean air has no leading pollutant: nothing is missing
    stamp = hour + timedelta(minutes=35)
    return {"station_code": station, "time": hour, **row, "_row_updated": stamp}


def air_hourly(seed: int) -> list[Row]:
    """Return 8,760 hours of five stations, without gaps."""
    hours = DAYS_2025 * 24
    begin = datetime(2025, 1, 1) - timedelta(hours=WARM_UP)
    walk = weather_walk(seed, hours + WARM_UP)
    rows = []
    for number, station in enumerate(STATIONS):
        rng = Random(f"{seed}/{station}")
        times = [begin + timedelta(hours=i) for i in range(hours + WARM_UP)]
        scale = 0.85 + 0.08 * number
        series: list[Row] = [
            dict(concentrations(rng, at, stale, scale))
            for at, stale in zip(times, walk, strict=True)
        ]
        lose(rng, series)
        rows += [air_row(station, times[i], series, i) for i in range(WARM_UP, len(times))]
    return rows


# --- admin_license -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Item:
    """A licensing item: its basic code, name, authority, basis and years of validity."""

    code: str
    name: str
    authority: str
    basis: str
    years: int


# No code may pass for a bank card number after the level digit 4.
FOOD = "《中华人民共和国食品安全法》第三十五条"
ITEMS = (
    Item("000131019000", "食品经营许可", "宜昌市市场监督管理局", FOOD, 5),
    Item("000131017000", "食品生产许可", "宜昌市市场监督管理局", FOOD, 5),
    Item(
        "000131024000",
        "特种设备使用登记",
        "宜昌市市场监督管理局",
        "《中华人民共和国特种设备安全法》第三十三条",
        4,
    ),
    Item(
        "000118016000",
        "道路货物运输经营许可",
        "宜昌市交通运输局",
        "《中华人民共和国道路运输条例》",
        4,
    ),
    Item(
        "000117018000",
        "占用、挖掘城市道路审批",
        "宜昌市城市管理执法委员会",
        "《城市道路管理条例》第三十条",
        1,
    ),
    Item(
        "000117026000",
        "设置大型户外广告审批",
        "宜昌市城市管理执法委员会",
        "《城市市容和环境卫生管理条例》第十一条",
        2,
    ),
    Item(
        "000123014000",
        "公共场所卫生许可",
        "宜昌市卫生健康委员会",
        "《公共场所卫生管理条例》第四条",
        4,
    ),
    Item(
        "000105003000",
        "民办学校设立审批",
        "宜昌市教育局",
        "《中华人民共和国民办教育促进法》第十二条",
        3,
    ),
    Item("000116009000", "排污许可", "宜昌市生态环境局", "《排污许可管理条例》", 5),
)
ITEM_SHARES = (45, 6, 12, 14, 5, 4, 10, 2, 2)
RESULT_SHARES = {"准予": 940, "不予": 40, "撤销": 5, "注销": 15}


def license_row(rng: Random, number: int, people: list[Row]) -> Row:
    """Return one licensing decision of 2025."""
    item = rng.choices(ITEMS, ITEM_SHARES)[0]
    uscc = PUBLISHERS[item.authority]
    decided = date(2025, 1, 1) + timedelta(days=rng.randrange(DAYS_2025))
    days = rng.choices(range(16), [12, 14, 12, 10, 9, 8, 7, 6, 5, 4, 4, 3, 2, 2, 1, 1])[0]
    result = rng.choices(list(RESULT_SHARES), RESULT_SHARES.values())[0]
    refused = result == "不予"
    return {
        **rng.choice(people),
        "license_no": f"宜示许〔2025〕第{number:05d}号",
        "item_code": f"{uscc}4{item.code}",
        "item_name": item.name,
        "authority": item.authority,
        "authority_uscc": uscc,
        "basis": item.basis,
        "accept_date": decided - timedelta(days=days),
        "decision_date": decided,
        "valid_from": None if refused else decided,
        "valid_to": None if refused else decided + timedelta(days=365 * item.years),
        "process_days": days,
        "result": result,
        "_row_updated": updated(rng, decided),
    }


def admin_license(seed: int) -> list[Row]:
    """Return about 5,000 licensing decisions."""
    rng, people = Random(f"{seed}/admin_license"), parties(seed)
    return [license_row(rng, number, people) for number in range(1, 5001)]


# --- admin_penalty -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Offence:
    """A kind of violation, its authority and basis, and its fines in hundreds of 元."""

    name: str
    authority: str
    basis: str
    least: int
    most: int


OFFENCES = (
    Offence(
        "经营超过保质期的食品", "宜昌市市场监督管理局", "《中华人民共和国食品安全法》", 50, 500
    ),
    Offence("未明码标价", "宜昌市市场监督管理局", "《中华人民共和国价格法》", 1, 5),
    Offence("发布虚假广告", "宜昌市市场监督管理局", "《中华人民共和国广告法》", 5, 200),
    Offence("擅自占用城市道路", "宜昌市城市管理执法委员会", "《城市道路管理条例》", 1, 20),
    Offence("货运车辆超限运输", "宜昌市交通运输局", "《公路安全保护条例》", 1, 30),
    Offence("未按规定处置医疗废物", "宜昌市卫生健康委员会", "《医疗废物管理条例》", 5, 100),
    Offence("未按证排放污染物", "宜昌市生态环境局", "《排污许可管理条例》", 2000, 10000),
)
OFFENCE_SHARES = (30, 15, 10, 18, 18, 5, 4)
KIND_SHARES = {
    ("罚款",): 55,
    ("警告",): 15,
    ("警告", "罚款"): 15,
    ("没收", "罚款"): 10,
    ("通报批评",): 2,
    ("责令停产停业", "罚款"): 2,
    ("吊销",): 1,
}


def fine_of(rng: Random, offence: Offence) -> int:
    """Return a fine in 元 (the bounds are hundreds): mostly small, rarely near the top."""
    span = offence.most - offence.least
    return 100 * (offence.least + round(span * rng.random() ** 3))


def penalty_text(kinds: tuple[str, ...], fine: int, taken: int) -> str:
    """Return the operative part of a decision."""
    parts = []
    for kind in kinds:
        amount = {"罚款": f"罚款{fine}元", "没收": f"没收违法所得{taken}元"}
        parts.append(amount.get(kind, kind))
    return "；".join(parts) + "。"


def penalty_row(rng: Random, number: int, people: list[Row]) -> Row:
    """Return one penalty of 2025 that is still to be published."""
    offence = rng.choices(OFFENCES, OFFENCE_SHARES)[0]
    kinds = rng.choices(list(KIND_SHARES), KIND_SHARES.values())[0]
    decided = date(2025, 1, 1) + timedelta(days=rng.randrange(DAYS_2025))
    fine = fine_of(rng, offence) if "罚款" in kinds else 0
    taken = rng.randint(1, 300) * 10 if "没收" in kinds else 0
    who = rng.choice(people)
    changed = rng.random() < 0.02
    return {
        **who,
        "decision_no": f"宜示罚〔2025〕第{number:05d}号",
        "case_name": f"{who['party_name']}{offence.name}案",
        "violation_type": offence.name,
        "facts": f"经查，当事人于2025年存在{offence.name}的行为，事实清楚，证据充分。",
        "basis": offence.basis,
        "penalty_kind": "；".join(kinds),
        "content": penalty_text(kinds, fine, taken),
        "fine": ten_thousands(fine),
        "confiscated": ten_thousands(taken),
        "revoked_license": f"示例许可证第{number:05d}号" if "吊销" in kinds else None,
        "decision_date": decided,
        "publish_until": decided + timedelta(days=365 * rng.choice((3, 3, 3, 2))),
        "authority": offence.authority,
        "authority_uscc": PUBLISHERS[offence.authority],
        "status": "变更" if changed else "有效",
        "status_reason": "经复核，变更处罚内容。" if changed else None,
        "_row_updated": updated(rng, decided),
    }


def admin_penalty(seed: int) -> list[Row]:
    """Return about 2,000 penalties; annulled ones have left the open tier already."""
    rng, people = Random(f"{seed}/admin_penalty"), parties(seed)
    return [penalty_row(rng, number, people) for number in range(1, 2001)]


# --- budget_lines ------------------------------------------------------------------------------

# First five digits (类, 款) of the expenditure function of each unit's own work.
UNIT_FUNCTIONS = ("21101", "20106", "20103", "20138", "21401", "21201", "21001", "20501")
# (function or None for the unit's own 行政运行, its name, item, 人员经费 or 公用经费, 元 per post)
BASIC_LINES: tuple[tuple[str | None, str, str, str, int], ...] = (
    (None, "行政运行", "30101", "人员经费", 62000),
    (None, "行政运行", "30102", "人员经费", 41000),
    (None, "行政运行", "30103", "人员经费", 38000),
    ("2080505", "机关事业单位基本养老保险缴费支出", "30108", "人员经费", 22500),
    ("2080506", "机关事业单位职业年金缴费支出", "30109", "人员经费", 11200),
    ("2101101", "行政单位医疗", "30110", "人员经费", 9800),
    ("2210201", "住房公积金", "30113", "人员经费", 17000),
    (None, "行政运行", "30201", "公用经费", 3200),
    (None, "行政运行", "30205", "公用经费", 400),
    (None, "行政运行", "30206", "公用经费", 1500),
    (None, "行政运行", "30207", "公用经费", 1100),
    (None, "行政运行", "30211", "公用经费", 2600),
    (None, "行政运行", "30213", "公用经费", 1400),
    (None, "行政运行", "30216", "公用经费", 900),
    (None, "行政运行", "30228", "公用经费", 2300),
    (None, "行政运行", "30229", "公用经费", 1900),
    (None, "行政运行", "30239", "公用经费", 6200),
)
PROJECTS = (
    ("信息系统运行维护", "30213", 420000),
    ("办公设备更新", "31002", 180000),
    ("委托检测服务", "30227", 650000),
    ("专项检查", "30211", 90000),
    ("宣传培训", "30216", 120000),
    ("设施维修", "30213", 380000),
    ("业务档案整理", "30227", 150000),
    ("公共服务补助", "30399", 1200000),
)


def unit_plan(rng: Random, number: int) -> list[Row]:
    """Return one unit's lines of one year's budget, amounts in cents."""
    uscc, function = unit_code(number), UNIT_FUNCTIONS[number % len(UNIT_FUNCTIONS)]
    posts = rng.randint(25, 160)
    lines: list[Row] = []
    for code, name, item, group, rate in BASIC_LINES:
        cents = posts * rate * rng.randint(9000, 11000) // 100
        lines.append(
            {
                "org_uscc": uscc,
                "func_code": code or f"{function}01",
                "func_name": name,
                "econ_code": item,
                "spend_kind": "基本支出",
                "project_name": group,
                "cents": cents,
            }
        )
    for index in range(1, rng.randint(9, 12)):
        title, item, base = rng.choice(PROJECTS)
        lines.append(
            {
                "org_uscc": uscc,
                "func_code": f"{function}02",
                "func_name": "一般行政管理事务",
                "econ_code": item,
                "spend_kind": "项目支出",
                "project_name": f"示例项目第{number + 1:02d}{index:02d}号：{title}",
                "cents": base * rng.randint(40, 260),
            }
        )
    return lines


def stage_rows(rng: Random, lines: list[Row], year: int, stage: str, day: date) -> Iterator[Row]:
    """Return a plan as one stage reports it: what was spent lies near what was planned."""
    low, high = {"预算": (1000, 1000), "调整": (880, 1150), "决算": (930, 1005)}[stage]
    for line in lines:
        cents = line["cents"] * rng.randint(low, high) // 1000
        if stage == "预算":
            cents = round(cents, -4)  # budgets are planned in hundreds of 元
        yield {
            **line,
            "year": year,
            "stage": stage,
            "amount": money(cents),
            "note": "按规定程序调整" if stage == "调整" else None,
            "_row_updated": datetime(day.year, day.month, day.day, 10),
        }


def budget_lines(seed: int) -> list[Row]:
    """Return about 3,000 lines: 2024 planned and spent, 2025 planned and adjusted."""
    rows: list[Row] = []
    for number in range(36):
        rng = Random(f"{seed}/budget_lines/{number}")
        plan = unit_plan(rng, number)
        rows += stage_rows(rng, plan, 2024, "预算", date(2024, 2, 20))
        rows += stage_rows(rng, plan, 2024, "决算", date(2025, 9, 15))
        plan = unit_plan(rng, number)
        rows += stage_rows(rng, plan, 2025, "预算", date(2025, 2, 18))
        projects = [line for line in plan if line["spend_kind"] == "项目支出"]
        rows += stage_rows(rng, projects[: len(projects) // 2], 2025, "调整", date(2025, 10, 28))
    return rows


FILES: tuple[Sample, ...] = (
    Text("air_hourly/air_hourly.csv", "air_hourly", air_hourly),
    Text("admin_license/admin_license.csv", "admin_license", admin_license, WINDOWS),
    Text("admin_penalty/admin_penalty.csv", "admin_penalty", admin_penalty, EXCEL),
    Text("budget_lines/budget_lines.csv", "budget_lines", budget_lines),
)
