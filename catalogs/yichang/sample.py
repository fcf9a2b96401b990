"""Write the sample files of this catalog: seeded, so that every run gives the same bytes.

Nothing here is real. Organisations are numbered, credit codes sit in blocks that are not
issued in this city, natural persons are masked to a surname, and office phones start with 0,
which no local number does. Encodings and layouts differ from file to file on purpose: they are
what departments send in.

    python catalogs/yichang/sample.py OUTDIR [--seed N]
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import xlsxwriter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Row = dict[str, Any]

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
SNAPSHOT = datetime(2026, 1, 5, 6)
DAYS_2025 = 365

# Credit codes of the publishers in catalog.yaml (a test compares the two).
PUBLISHERS = {
    "宜昌市生态环境局": "11420500MB0000019T",
    "宜昌市财政局": "11420500MB0000027M",
    "宜昌市政务服务和大数据管理局": "11420500MB0000035G",
    "宜昌市市场监督管理局": "11420500MB0000043B",
    "宜昌市交通运输局": "11420500MB00000516",
    "宜昌市城市管理执法委员会": "11420500MB000006XX",
    "宜昌市卫生健康委员会": "11420500MB0000078X",
    "宜昌市教育局": "11420500MB0000086Q",
}
BUS_COMPANY = "91420500MA0000090W"


@dataclass(frozen=True)
class District:
    """A county-level region and the middle of its built-up area."""

    code: str
    title: str
    lon: float
    lat: float


URBAN = (
    District("420502", "西陵区", 111.295, 30.715),
    District("420503", "伍家岗区", 111.365, 30.655),
    District("420504", "点军区", 111.225, 30.665),
    District("420505", "猇亭区", 111.435, 30.535),
    District("420506", "夷陵区", 111.335, 30.785),
)
# The two counties whose seats lie outside the window of the sample (兴山, 五峰) are left out.
COUNTIES = (
    *URBAN,
    District("420525", "远安县", 111.640, 31.060),
    District("420527", "秭归县", 110.975, 30.825),
    District("420528", "长阳土家族自治县", 111.195, 30.470),
    District("420581", "宜都市", 111.450, 30.385),
    District("420582", "当阳市", 111.790, 30.820),
    District("420583", "枝江市", 111.760, 30.430),
)


# --- codes -------------------------------------------------------------------------------------

CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def credit_code(prefix: str, body: str) -> str:
    """Complete an 8-character prefix and 8-character body with both check digits (GB 32100)."""
    inner = -sum(int(c, 36) * w for c, w in zip(body, (3, 7, 9, 10, 5, 8, 4, 2), strict=True)) % 11
    head = prefix + body + ("X" if inner == 10 else str(inner))
    total = sum(CREDIT_ALPHABET.index(c) * pow(3, i, 31) for i, c in enumerate(head))
    return head + CREDIT_ALPHABET[-total % 31]


def phone(number: int) -> str:
    """Return an office phone that cannot ring anywhere."""
    return f"0717-{number:07d}"


# --- writing -----------------------------------------------------------------------------------


def field_names(schema: str) -> list[str]:
    """Return the columns of a table in the order of its schema."""
    text = (SCHEMAS / f"{schema}.json").read_text(encoding="utf-8")
    return [field["name"] for field in json.loads(text)["fields"]]


def cell(value: Any) -> str:
    """Write one value the way the schemas read it."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "是" if value else "否"
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


@dataclass(frozen=True)
class Layout:
    """How a department writes its text file."""

    encoding: str = "utf-8"
    delimiter: str = ","
    newline: str = "\n"
    bom: bytes = b""


def write_text(path: Path, schema: str, rows: list[Row], layout: Layout) -> None:
    """Write rows as delimited text."""
    names = field_names(schema)
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=layout.delimiter, lineterminator=layout.newline)
    writer.writerow(names)
    writer.writerows([cell(row.get(name)) for name in names] for row in rows)
    path.write_bytes(layout.bom + out.getvalue().encode(layout.encoding))


def write_sheet(path: Path, schema: str, rows: list[Row], title: str | None = None) -> None:
    """Write rows as a workbook, below a title row if the department adds one."""
    names = field_names(schema)
    with xlsxwriter.Workbook(path) as book:
        book.set_properties({"created": SNAPSHOT})  # else the clock decides the bytes
        sheet = book.add_worksheet("Sheet1")
        top = 0
        if title:
            sheet.write_string(0, 0, title)
            top = 2
        sheet.write_row(top, 0, names)
        for line, row in enumerate(rows, top + 1):
            for column, name in enumerate(names):
                value = row.get(name)
                if isinstance(value, int | float) and not isinstance(value, bool):
                    sheet.write_number(line, column, value)
                elif value is not None:
                    sheet.write_string(line, column, cell(value))


# --- places, organisations, days ---------------------------------------------------------------


def point(rng: Random, district: District, crs: str) -> Row:
    """Return a place near the middle of a district: the districts' boxes do not overlap."""
    return {
        "lon": round(district.lon + rng.uniform(-0.03, 0.03), 6),
        "lat": round(district.lat + rng.uniform(-0.025, 0.025), 6),
        "crs": crs,
        "region": district.code,
    }


def address(rng: Random, district: District) -> str:
    """Return an address on a street that does not exist."""
    return f"{district.title}示例{rng.choice('一二三四五六七八九')}路{rng.randint(1, 300)}号"


def money(cents: int) -> str:
    """Write an amount exactly: a float would lose the cents of large sums."""
    return f"{cents // 100}.{cents % 100:02d}"


def ten_thousands(yuan: int) -> str:
    """Write 元 as 万元 with the six decimals the schema keeps."""
    return f"{yuan // 10000}.{yuan % 10000:04d}00"


def updated(rng: Random, day: date, most_days: int = 6) -> datetime:
    """Return a time shortly after a day, during office hours, not after the snapshot."""
    start = datetime(day.year, day.month, day.day)
    after = start + timedelta(days=rng.randint(0, most_days), minutes=rng.randint(540, 1020))
    return min(after, SNAPSHOT)


PARTY_SHARES = {"法人": 45, "个体": 35, "自然人": 15, "非法人": 5}
TRADES = ("餐饮店", "便利店", "药店", "理发店", "果蔬店", "五金店")
COMPANIES = ("商贸有限公司", "运输有限公司", "食品有限公司", "建设有限公司", "机械有限公司")
SURNAMES = "张王李刘陈杨黄赵吴周徐孙马朱胡"


def party(rng: Random, number: int) -> Row:
    """Return one numbered licence or penalty addressee."""
    kind = rng.choices(list(PARTY_SHARES), PARTY_SHARES.values())[0]
    district = rng.choice(COUNTIES)
    if kind == "自然人":
        name, code = rng.choice(SURNAMES) + "*", None
    else:
        tail = {"法人": rng.choice(COMPANIES), "个体": rng.choice(TRADES), "非法人": "合伙企业"}
        name = f"示例第{number:04d}号{tail[kind]}"
        code = credit_code(("92" if kind == "个体" else "91") + district.code, f"MA0{number:05d}")
    return {
        "party_name": name,
        "party_type": kind,
        "party_uscc": code,
        "region": district.code,
    }


def parties(seed: int) -> list[Row]:
    """Return the addressees that licences and penalties share."""
    rng = Random(f"{seed}/parties")
    return [party(rng, number) for number in range(1, 2501)]


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


def unit_code(number: int) -> str:
    """Return the credit code of a budget unit: the publishers first, then numbered units."""
    known = list(PUBLISHERS.values())
    return known[number] if number < len(known) else credit_code("11420500", f"MB3{number:05d}")


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


# --- bus ---------------------------------------------------------------------------------------

MONTH_END = datetime(2025, 12, 31, 17)


def distance_m(a: Row, b: Row) -> float:
    """Return the distance of two stops; the city is small enough for a flat earth."""
    east = (a["lon"] - b["lon"]) * 111320 * math.cos(math.radians(30.7))
    return math.hypot(east, (a["lat"] - b["lat"]) * 110900)


def bus_stops(seed: int) -> list[Row]:
    """Return 900 stops, 180 in each urban district."""
    rng = Random(f"{seed}/bus_stops")
    stops = []
    for number in range(900):
        district = URBAN[number // 180]
        name = f"{district.title.removesuffix('区')}示例{number % 180 + 1:03d}站"
        stop = {"stop_id": f"S{number + 1:04d}", "name": name, **point(rng, district, "GCJ02")}
        stops.append({**stop, "_row_updated": MONTH_END})
    return stops


def route(rng: Random, stops: list[Row]) -> list[Row]:
    """Return a line's stops: those nearest to the straight way between two of them."""
    first, last = rng.choice(stops), rng.choice(stops)
    while distance_m(first, last) < 3000:
        last = rng.choice(stops)
    dx, dy = last["lon"] - first["lon"], last["lat"] - first["lat"]
    square = dx * dx + dy * dy

    def place(stop: Row) -> tuple[float, float]:
        x, y = stop["lon"] - first["lon"], stop["lat"] - first["lat"]
        return (x * dx + y * dy) / square, abs(x * dy - y * dx)

    between = [stop for stop in stops if 0 < place(stop)[0] < 1]
    near = sorted(between, key=lambda stop: place(stop)[1])[: rng.randint(16, 32)]
    way = [first]
    for stop in [*sorted(near, key=lambda stop: place(stop)[0]), last]:
        if distance_m(way[-1], stop) >= 300:  # nearer stops are the other side of the street
            way.append(stop)
    return way


def round_trip(way: list[Row]) -> list[Row]:
    """Return a loop: out by every second stop, back by the others."""
    return [*way[::2], *way[1::2][::-1], way[0]]


def stops_of(line_id: str, direction: str, way: list[Row]) -> list[Row]:
    """Return the stop sequence of one direction with the distance from its start."""
    rows, total = [], 0.0
    for seq, stop in enumerate(way, 1):
        # Streets are longer than the straight way.
        total += 1.25 * distance_m(way[seq - 2], stop) if seq > 1 else 0
        rows.append(
            {
                "line_id": line_id,
                "direction": direction,
                "seq": seq,
                "stop_id": stop["stop_id"],
                "dist_m": round(total),
                "_row_updated": MONTH_END,
            }
        )
    return rows


def bus_network(seed: int) -> tuple[list[Row], list[Row]]:
    """Return 120 lines, each direction a row, and their stop sequences."""
    rng, stops = Random(f"{seed}/bus_lines"), bus_stops(seed)
    lines, sequences = [], []
    for number in range(1, 121):
        way, loop = route(rng, stops), number % 10 == 0
        ways = {"环": round_trip(way)} if loop else {"上行": way, "下行": way[::-1]}
        first, last = rng.choice(("06:00", "06:20", "06:30")), rng.choice(("20:30", "21:30"))
        for direction, path in ways.items():
            line = {"line_id": f"L{number:03d}", "direction": direction}
            part = stops_of(line["line_id"], direction, path)
            sequences += part
            line |= {"name": f"示例{number}路", "first": f"{first}:00", "last": f"{last}:00"}
            km = f"{part[-1]['dist_m'] / 1000:.2f}"
            price = "2.00" if part[-1]["dist_m"] > 12000 else "1.00"
            line |= {"price": price, "length_km": km, "company_uscc": BUS_COMPANY}
            lines.append({**line, "_row_updated": MONTH_END})
    return lines, sequences


def bus_lines(seed: int) -> list[Row]:
    """Return the rows of the line table."""
    return bus_network(seed)[0]


def bus_line_stops(seed: int) -> list[Row]:
    """Return the rows of the stop sequence table."""
    return bus_network(seed)[1]


# --- parking_charging --------------------------------------------------------------------------

PARKING_FEES = ("免费", "首小时4元；其后每小时2元；24小时封顶30元", "每次5元")


def capacity(rng: Random, *, charging: bool) -> Row:
    """Return what a place offers."""
    spaces = rng.randint(8, 60) if charging else rng.randint(20, 900)
    guns = rng.randint(4, min(40, spaces)) if charging else rng.choice((0, 0, 0, 8, 12))
    fee = f"充电服务费每千瓦时0.{rng.randint(30, 60)}元" if charging else rng.choice(PARKING_FEES)
    return {"spaces": spaces, "chargers": guns, "power_kw": f"{guns * 60}.0", "fee": fee}


def parking_row(rng: Random, number: int) -> Row:
    """Return one car park or charging station."""
    charging, district = number % 10 >= 7, rng.choice(URBAN)
    kind = "充电站" if charging else "停车场"
    status = rng.choices(("在用", "建设", "停用"), (90, 7, 3))[0]
    offer = capacity(rng, charging=charging)
    live = {}
    if status == "在用":
        live["free"] = int(offer["spaces"] * rng.random())
        live["free_time"] = SNAPSHOT - timedelta(minutes=rng.randint(1, 15))
    return {
        **point(rng, district, "CGCS2000"),
        **offer,
        **live,
        "place_id": f"{'C' if charging else 'P'}{district.code}-{number:04d}",
        "kind": kind,
        "name": f"示例第{number:04d}号{kind}",
        "address": address(rng, district),
        "operator_uscc": credit_code("91" + district.code, f"MA07{number % 40:04d}"),
        "open_hours": rng.choice(("00:00-24:00", "06:00-23:00")),
        "status": status,
        "project_progress": rng.randint(5, 95) if status == "建设" else 100,
        "_row_updated": live.get("free_time", SNAPSHOT - timedelta(days=1)),
    }


def parking_charging(seed: int) -> list[Row]:
    """Return 600 car parks and charging stations."""
    rng = Random(f"{seed}/parking_charging")
    return [parking_row(rng, number) for number in range(1, 601)]


# --- clinics -----------------------------------------------------------------------------------

# category: (share, least beds, most beds, possible levels)
CLINICS: dict[str, tuple[int, int, int, tuple[str, ...]]] = {
    "综合医院": (12, 100, 1800, ("三甲", "三乙", "二甲", "二乙")),
    "中医医院": (6, 80, 900, ("三甲", "二甲", "二乙")),
    "专科医院": (10, 30, 400, ("二甲", "二乙", "未定级")),
    "妇幼保健院": (4, 40, 500, ("三乙", "二甲")),
    "社区卫生服务中心": (14, 10, 60, ("一甲", "未定级")),
    "乡镇卫生院": (20, 20, 120, ("一甲", "一乙")),
    "门诊部": (12, 0, 0, ("未定级",)),
    "诊所": (22, 0, 0, ("未定级",)),
}
PRIVATE = ("门诊部", "诊所", "专科医院")
SPECIALTIES = ("内科", "外科", "妇产科", "儿科", "中医科", "口腔科", "眼科", "急诊医学科")


def clinic_row(rng: Random, number: int) -> Row:
    """Return one medical institution."""
    category = rng.choices(list(CLINICS), [facts[0] for facts in CLINICS.values()])[0]
    _, least, most, levels = CLINICS[category]
    district, private = rng.choice(COUNTIES), category in PRIVATE
    kind, block = ("91", "MA") if private else ("12", "MB")
    code = credit_code(kind + district.code, f"{block}8{number:05d}")
    offered = rng.sample(SPECIALTIES, 1 if category == "诊所" else rng.randint(2, 6))
    return {
        **point(rng, district, "CGCS2000"),
        # nine characters of organisation code, region, economic type, category and sequence
        "reg_no": f"PDY{number:05d}X{district.code}17A{1000 + number}",
        "name": f"{district.title}示例第{number:03d}号{category}",
        "second_name": f"示例第{number:03d}号惠民医院" if category == "综合医院" else None,
        "uscc": code,
        "category": category,
        "level": rng.choice(levels),
        "ownership": "民营" if private else "公立",
        "address": address(rng, district),
        "beds": rng.randint(least, most),
        "specialties": "；".join(sorted(offered, key=SPECIALTIES.index)),
        "insured": not private or rng.random() < 0.6,
        "phone": phone(1000 + number),
        "complaint_phone": phone(2000 + number),
        "_row_updated": MONTH_END,
    }


def clinics(seed: int) -> list[Row]:
    """Return 332 medical institutions."""
    rng = Random(f"{seed}/clinics")
    return [clinic_row(rng, number) for number in range(1, 333)]


# --- schools -----------------------------------------------------------------------------------

# stage: (share, suffix, pupils per class, fewest classes, most classes, years of study)
STAGES: dict[str, tuple[int, str, int, int, int, int]] = {
    "学前": (40, "幼儿园", 27, 3, 15, 3),
    "小学": (30, "小学", 42, 6, 48, 6),
    "初中": (15, "初级中学", 45, 6, 36, 3),
    "高中": (6, "高级中学", 48, 18, 60, 3),
    "中职": (4, "职业学校", 40, 12, 60, 3),
    "高等": (1, "学院", 40, 60, 200, 4),
    "特殊": (2, "特殊教育学校", 10, 6, 12, 9),
    "继续": (2, "成人学校", 35, 4, 12, 1),
}


def school_row(rng: Random, number: int) -> Row:
    """Return one school with its admission plan."""
    stage = rng.choices(list(STAGES), [facts[0] for facts in STAGES.values()])[0]
    _, suffix, size, fewest, most, years = STAGES[stage]
    district, private = rng.choice(COUNTIES), rng.random() < (0.45 if stage == "学前" else 0.08)
    classes = rng.randint(fewest, most)
    students = classes * size + rng.randint(-classes, classes)
    kind, block = ("52", "MJ") if private else ("12", "MB")
    streets = "；".join(f"示例{name}路" for name in rng.sample("一二三四五六七八九", 2))
    local = stage in ("小学", "初中") and not private
    return {
        **point(rng, district, "CGCS2000"),
        "school_id": f"2142{number:06d}",
        "uscc": credit_code(kind + district.code, f"{block}9{number:05d}"),
        "name": f"{district.title}示例第{number:03d}号{suffix}",
        "stage": stage,
        "nature": "民办" if private else "公办",
        "address": address(rng, district),
        "classes": classes,
        "students": students,
        "teachers": max(6, students // rng.randint(11, 18)),
        "phone": phone(3000 + number),
        "plan_year": 2025,
        "plan_quota": max(1, classes // years) * size,
        "district_scope": streets if local else district.title,
        "status": "正常",
        "_row_updated": datetime(2025, 9, 20, 16),
    }


def schools(seed: int) -> list[Row]:
    """Return 400 schools."""
    rng = Random(f"{seed}/schools")
    return [school_row(rng, number) for number in range(1, 401)]


# --- the files ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Text:
    """A sample that is delimited text."""

    path: str
    schema: str
    rows: Callable[[int], list[Row]]
    layout: Layout = Layout()


@dataclass(frozen=True)
class Sheet:
    """A sample that is a workbook."""

    path: str
    schema: str
    rows: Callable[[int], list[Row]]
    title: str | None = None


WINDOWS = Layout("gb18030", newline="\r\n")
EXCEL = Layout(bom=b"\xef\xbb\xbf")
WIDE = Layout("utf-16-le", "\t", "\r\n", b"\xff\xfe")

FILES: tuple[Text | Sheet, ...] = (
    Text("air_hourly/air_hourly.csv", "air_hourly", air_hourly),
    Text("admin_license/admin_license.csv", "admin_license", admin_license, WINDOWS),
    Text("admin_penalty/admin_penalty.csv", "admin_penalty", admin_penalty, EXCEL),
    Text("budget_lines/budget_lines.csv", "budget_lines", budget_lines),
    Text("bus/lines.csv", "bus_lines", bus_lines),
    Text("bus/stops.csv", "bus_stops", bus_stops),
    Text("bus/line_stops.csv", "bus_line_stops", bus_line_stops),
    Text("parking_charging/parking_charging.csv", "parking_charging", parking_charging, WIDE),
    Sheet("clinics/clinics.xlsx", "clinics", clinics, "宜昌市医疗机构名录（示例数据）"),
    Sheet("schools/schools.xlsx", "schools", schools),
)


def write_all(out: Path, seed: int) -> dict[str, int]:
    """Write every sample file below a folder and return the rows of each."""
    counts = {}
    for file in FILES:
        path = out / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        rows = file.rows(seed)
        if isinstance(file, Sheet):
            write_sheet(path, file.schema, rows, file.title)
        else:
            write_text(path, file.schema, rows, file.layout)
        counts[file.path] = len(rows)
    return counts


def main() -> None:
    """Read the command line, write the files, print one line for each."""
    parser = argparse.ArgumentParser(description="Write the sample files of this catalog.")
    parser.add_argument("outdir", type=Path)
    parser.add_argument("--seed", type=int, default=2025)
    args = parser.parse_args()
    for path, rows in write_all(args.outdir, args.seed).items():
        print(f"{path}\t{rows} rows")


if __name__ == "__main__":
    main()
