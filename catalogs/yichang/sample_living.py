"""Samples of everyday life: water, noise, buses, housing, assistance, interrupted supply."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import cache
from itertools import pairwise
from random import Random

from sample_base import (
    BUS_COMPANY,
    COUNTIES,
    EXCEL,
    MONTH_END,
    SNAPSHOT,
    SURNAMES,
    URBAN,
    WIDE,
    WINDOWS,
    Lines,
    Row,
    Sample,
    Sheet,
    Text,
    address,
    money,
    phone,
    point,
    updated,
)
from sample_places import bus_line_stops, bus_stops

MONTHS = tuple(f"{year}-{month:02d}" for year in (2024, 2025) for month in range(1, 13))


def after_month(month: str, day: int) -> datetime:
    """Return a morning soon after a month."""
    year, number = int(month[:4]), int(month[5:])
    return datetime(year + number // 12, number % 12 + 1, day, 10)


# --- water_quality -----------------------------------------------------------------------------

CLASSES = ("I", "II", "III", "IV", "V", "劣V")
# Limits of classes I to V of GB 3838 for rivers; oxygen is the least, the others the most.
LIMITS = {
    "do": ("溶解氧", (7.5, 6.0, 5.0, 3.0, 2.0)),
    "codmn": ("高锰酸盐指数", (2.0, 4.0, 6.0, 10.0, 15.0)),
    "nh3n": ("氨氮", (0.15, 0.5, 1.0, 1.5, 2.0)),
    "tp": ("总磷", (0.02, 0.1, 0.2, 0.3, 0.4)),
}
RIVERS = ("长江干流", "清江", "黄柏河", "沮漳河", "香溪河", "柏临河", "玛瑙河", "渔洋河")


def grade(key: str, value: float) -> int:
    """Return the class of one measure: 0 for I to 5 for worse than V."""
    limits = LIMITS[key][1]
    better = [value >= limit if key == "do" else value <= limit for limit in limits]
    return better.index(True) if True in better else len(limits)


def measures(rng: Random, dirt: float, summer: float) -> Row:
    """Return the values of a month: dirtier rivers hold less oxygen, and so do warm ones."""
    return {
        "ph": round(rng.uniform(7.2, 8.3), 1),
        "do": round(max(1.2, 10.2 - 2.2 * summer - 1.6 * dirt + rng.gauss(0, 0.4)), 1),
        "codmn": round(1.1 + 1.3 * dirt * rng.uniform(0.8, 1.2), 1),
        "nh3n": round(0.05 + 0.2 * dirt * rng.uniform(0.5, 1.5), 2),
        "tp": round(0.02 + 0.05 * dirt * rng.uniform(0.5, 1.5), 3),
    }


def water_row(rng: Random, month: str, section: Row, dirt: float, target: int) -> Row:
    """Return one month of a section; now and then one measure is missing."""
    summer = 1 - abs(int(month[5:]) - 7) / 6
    values = measures(rng, dirt, summer)
    grades = {key: grade(key, values[key]) for key in LIMITS}
    if rng.random() < 0.02:
        lost = min(grades, key=lambda key: grades[key])
        values[lost] = None
    failed = [LIMITS[key][0] for key, found in grades.items() if found > target and values[key]]
    return {
        **section,
        **values,
        "month": month,
        "target": CLASSES[target],
        "actual": CLASSES[max(grades.values())],
        "exceed": "；".join(failed) or None,
        "_row_updated": after_month(month, rng.randint(5, 9)),
    }


def water_quality(seed: int) -> list[Row]:
    """Return two years of forty sections."""
    rng, rows = Random(f"{seed}/water_quality"), []
    for number in range(1, 41):
        river = RIVERS[number % len(RIVERS)]
        place = point(rng, rng.choice(COUNTIES), "CGCS2000")
        name = f"{river}示例{number:02d}断面"
        section = {"section_code": f"YCW{number:03d}", "river": river, "section_name": name}
        dirt = rng.choice((0.2, 0.4, 0.6, 0.9, 1.3, 2.4))
        target = 1 if dirt < 1 else 2
        for month in MONTHS:
            shared = {**section, **place, "basin": "长江流域"}
            rows.append(water_row(rng, month, shared, dirt, target))
    return rows


def water_sources(seed: int) -> list[Row]:
    """Return two years of fifteen sources of drinking water."""
    rng, rows = Random(f"{seed}/water_sources"), []
    for number in range(1, 16):
        district = COUNTIES[number % len(COUNTIES)]
        source = {
            **point(rng, district, "CGCS2000"),
            "source_code": f"YCS{number:02d}",
            "source_name": f"{district.title}示例{number:02d}水源地",
            "kind": "地下水" if number % 7 == 0 else "地表水",
        }
        for month in MONTHS:
            checked = 93 if month.endswith("07") else 61
            passed = checked - (rng.randint(1, 2) if rng.random() < 0.02 else 0)
            row = {"month": month, "checked": checked, "passed": passed}
            row |= {"pass": passed == checked, "water_m3": rng.randint(80, 900) * 1000}
            rows.append({**source, **row, "_row_updated": after_month(month, rng.randint(5, 9))})
    return rows


# --- noise -------------------------------------------------------------------------------------

# zone of GB 3096: limits by day and by night in dB(A)
ZONES = {"1": (55, 45), "2": (60, 50), "3": (65, 55), "4a": (70, 55)}


def noise(seed: int) -> list[Row]:
    """Return eight quarters of fifty points by day and by night."""
    rng, rows = Random(f"{seed}/noise"), []
    quarters = [(year, quarter) for year in (2024, 2025) for quarter in (1, 2, 3, 4)]
    for number in range(1, 51):
        district, zone = URBAN[number % len(URBAN)], rng.choice(list(ZONES))
        place = point(rng, district, "CGCS2000")
        spot = {
            "point_code": f"YCN{number:03d}",
            "point_name": f"{district.title}示例{number:02d}测点",
        }
        for year, quarter in quarters:
            reported = datetime(year + quarter // 4, quarter * 3 % 12 + 1, rng.randint(8, 20), 10)
            for period, limit in zip(("昼间", "夜间"), ZONES[zone], strict=True):
                level = round(limit - 4 + rng.gauss(0, 2.2), 1)
                row = {"quarter": f"{year}Q{quarter}", "period": period, "zone": zone}
                row |= {"leq": level, "limit": limit, "pass": level <= limit}
                reported_at = min(reported, SNAPSHOT)
                rows.append({**spot, **place, **row, "_row_updated": reported_at})
    return rows


# --- bus_arrival -------------------------------------------------------------------------------

RUSH = datetime(2025, 12, 31, 7)
REPORT_SECONDS = 20


def vehicle(rng: Random) -> str:
    """Return an id of a vehicle for a day; letters keep it from being any number."""
    return "".join(f"{rng.choice('abcdef')}{rng.getrandbits(12):03x}" for _ in range(4))


def ride(rng: Random, way: list[Row], places: dict[str, Row], start: datetime) -> list[Row]:
    """Return what one bus reports on its way until the hour is over."""
    rows, number, at = [], vehicle(rng), start
    for here, ahead in pairwise(way):
        metres = ahead["dist_m"] - here["dist_m"]
        speed = rng.uniform(16, 34)
        seconds = round(metres / speed * 3.6) + rng.randint(10, 40)
        for passed in range(0, seconds, REPORT_SECONDS):
            if at + timedelta(seconds=passed) >= RUSH + timedelta(hours=1):
                return rows
            share = passed / seconds
            a, b = places[here["stop_id"]], places[ahead["stop_id"]]
            moment = at + timedelta(seconds=passed)
            rows.append(
                {
                    "line_id": here["line_id"],
                    "direction": here["direction"],
                    "bus_no_hash": number,
                    "lon": round(a["lon"] + (b["lon"] - a["lon"]) * share, 6),
                    "lat": round(a["lat"] + (b["lat"] - a["lat"]) * share, 6),
                    "crs": "GCJ02",
                    "speed": round(0.0 if passed == 0 else speed + rng.gauss(0, 2), 1),
                    "next_stop_seq": ahead["seq"],
                    "eta_s": seconds - passed,
                    "time": moment,
                    "_row_updated": moment + timedelta(seconds=1),
                }
            )
        at += timedelta(seconds=seconds)
    return rows


def bus_arrival(seed: int) -> list[Row]:
    """Return what the buses of twenty lines report in the morning's rush hour."""
    rng = Random(f"{seed}/bus_arrival/{BUS_COMPANY}")
    places = {stop["stop_id"]: stop for stop in bus_stops(seed)}
    ways: dict[tuple[str, str], list[Row]] = {}
    for row in bus_line_stops(seed):
        ways.setdefault((row["line_id"], row["direction"]), []).append(row)
    rows = []
    for way in list(ways.values())[:38]:
        for departure in range(0, 45, 30):
            start = RUSH + timedelta(minutes=departure, seconds=rng.randint(0, 90))
            rows += ride(rng, way, places, start)
    return sorted(rows, key=lambda row: (row["time"], row["bus_no_hash"]))


# --- housing -----------------------------------------------------------------------------------

HOUSING_TYPES = {"公租房": 45, "保租房": 30, "配售型": 15, "棚改": 10}
FLOORS = ("低层", "多层", "中高层", "高层")


@cache
def housing(seed: int) -> list[Row]:
    """Return 160 projects, of which some are still being built."""
    rng, rows = Random(f"{seed}/housing"), []
    for number in range(1, 161):
        district = rng.choice(COUNTIES)
        kind = rng.choices(list(HOUSING_TYPES), HOUSING_TYPES.values())[0]
        begun = date(2015, 1, 1) + timedelta(days=rng.randrange(3800))
        done = begun + timedelta(days=rng.randint(500, 1100))
        built = done < date(2025, 10, 1)
        units = rng.randint(60, 900)
        rows.append(
            {
                **point(rng, district, "CGCS2000"),
                "project_id": f"BZF{district.code}-{number:04d}",
                "name": f"{district.title}示例第{number:03d}号{kind}项目",
                "type": kind,
                "address": address(rng, district),
                "units": units,
                "started": begun,
                "finished": done if built else None,
                "allocated": round(units * rng.uniform(0.7, 1)) if built else 0,
                "_row_updated": MONTH_END,
            }
        )
    return rows


def housing_allocations(seed: int) -> list[Row]:
    """Return about 2,000 allocations of the last two batches: earlier ones have left."""
    rng = Random(f"{seed}/housing_allocations")
    built = [row for row in housing(seed) if row["allocated"] >= 40]
    rows: list[Row] = []
    for batch, begin in (("2025-03", date(2025, 9, 20)), ("2025-04", date(2025, 11, 18))):
        for project in rng.sample(built, 30):
            for _ in range(rng.randint(20, 40)):
                day = begin + timedelta(days=rng.randint(0, 20))
                people = rng.choices(range(1, 7), (22, 28, 28, 14, 6, 2))[0]
                rows.append(
                    {
                        "batch_id": batch,
                        "project_id": project["project_id"],
                        "application_no": f"SQ2025-{len(rows) + 1:06d}",
                        "applicant_masked": rng.choice(SURNAMES) + "*",
                        "household_size": people,
                        "area": round(rng.uniform(35, 50) + 6 * people, 1),
                        "floor_band": rng.choice(FLOORS),
                        "date": day,
                        "publish_until": day + timedelta(days=180),
                        "_row_updated": updated(rng, day),
                    }
                )
    return rows


# --- social_aid --------------------------------------------------------------------------------

# kind: (most households of a township, persons per household, 元 per person and month)
AID = {
    "城市低保": (180, 1.5, 760),
    "农村低保": (260, 1.7, 600),
    "特困": (60, 1.0, 1140),
    "临时救助": (14, 1.9, None),
}
LEAST_SHOWN = 5


def aid_row(rng: Random, month: str, place: Row, kind: str, usual: int) -> Row:
    """Return one cell of the table: small counts, and what they spent, are suppressed."""
    _, size, standard = AID[kind]
    households = max(1, round(usual * rng.uniform(0.94, 1.06)))
    persons = round(households * size)
    each = standard or rng.randint(900, 2200)
    cents = persons * each * rng.randint(62, 88)
    shown = households >= LEAST_SHOWN
    return {
        **place,
        "month": month,
        "kind": kind,
        "households": households if shown else "*",
        "persons": persons if shown else "*",
        "amount": money(cents) if shown else "*",
        "standard": standard,
        "_row_updated": after_month(month, 5),
    }


def social_aid(seed: int) -> list[Row]:
    """Return a year of eight townships in each county; their codes from 901 on are not in use."""
    rng, rows = Random(f"{seed}/social_aid"), []
    for district in COUNTIES:
        for number in range(1, 9):
            title = f"{district.title}示例第{number}{'街道' if district in URBAN else '镇'}"
            place = {"region": f"{district.code}9{number:02d}", "region_name": title}
            for kind, (most, *_) in AID.items():
                usual = round(most * rng.random() ** 1.5)
                rows += [aid_row(rng, month, place, kind, usual) for month in MONTHS[12:]]
    return rows


# --- utilities ---------------------------------------------------------------------------------

SUPPLIERS = {"水": ("S", "供水"), "电": ("D", "供电"), "气": ("Q", "燃气")}
REASONS = {
    "水": ("供水管网改造", "主管道抢修", "水厂检修", "水池清洗"),
    "电": ("线路检修", "变压器增容", "故障抢修", "配合市政施工"),
    "气": ("燃气管道置换", "调压设备检修", "管网连接施工"),
}
NUMERALS = "一二三四五六七八九"


def notice_row(rng: Random, kind: str, number: int) -> Row:
    """Return one notice; those of the days after the snapshot are only planned."""
    letter, title = SUPPLIERS[kind]
    district = rng.choice(COUNTIES)
    day = date(2025, 1, 2) + timedelta(days=rng.randrange(372))
    start = datetime(day.year, day.month, day.day, rng.choice((0, 6, 8, 9, 13, 22)))
    end = start + timedelta(minutes=rng.choice((90, 180, 240, 480, 600, 720)))
    told = start - timedelta(hours=rng.randint(12, 72))
    if start > SNAPSHOT:
        status = "计划"
    elif end > SNAPSHOT:
        status = "进行"
    else:
        status = "取消" if rng.random() < 0.03 else "恢复"
    first, last = sorted(rng.sample(range(9), 2))
    return {
        "notice_id": f"T{letter}2025-{number:04d}",
        "kind": kind,
        "issuer": f"宜昌市示例{title}公司",
        "start": start,
        "end": end,
        "area": f"{district.title}示例{NUMERALS[first]}路至示例{NUMERALS[last]}路沿线小区",
        "region": district.code,
        "reason": rng.choice(REASONS[kind]),
        "status": status,
        "_row_updated": min(end if status == "恢复" else told, SNAPSHOT),
    }


def utilities(seed: int) -> list[Row]:
    """Return about 1,400 notices."""
    rng = Random(f"{seed}/utilities")
    counts = {"水": 400, "电": 800, "气": 200}
    return [notice_row(rng, kind, n) for kind, count in counts.items() for n in range(1, count + 1)]


# indicator: (unit, lower limit, limit, usual value, spread)
TAP_WATER = {
    "浑浊度": ("NTU", None, 1, 0.25, 0.12),
    "色度": ("度", None, 15, 5, 0),
    "pH": ("无", 6.5, 8.5, 7.6, 0.2),
    "游离氯": ("mg/L", 0.3, 2, 0.7, 0.12),
    "菌落总数": ("CFU/mL", None, 100, 2, 2),
    "总大肠菌群": ("MPN/100mL", None, 0, 0, 0),
    "高锰酸盐指数": ("mg/L", None, 3, 1.2, 0.3),
    "总硬度": ("mg/L", None, 450, 160, 20),
    "氟化物": ("mg/L", None, 1, 0.2, 0.05),
    "硝酸盐氮": ("mg/L", None, 10, 1.6, 0.4),
}


def tap_water(seed: int) -> list[Row]:
    """Return a year of ten water works, ten indicators a month."""
    rng, rows = Random(f"{seed}/tap_water"), []
    for month in MONTHS[12:]:
        for district in COUNTIES[:10]:
            for indicator, (unit, lower, limit, usual, spread) in TAP_WATER.items():
                value = round(max(0.0, rng.gauss(usual, spread)), 2)
                row = {"month": month, "plant": f"{district.title}示例水厂", "indicator": indicator}
                row |= {"value": value, "lower": lower, "limit": limit, "unit": unit}
                row["pass"] = (lower or 0) <= value <= limit
                rows.append({**row, "_row_updated": after_month(month, 3)})
    return rows


def outlets(seed: int) -> list[Row]:
    """Return 120 outlets of the three kinds of suppliers."""
    rng, rows = Random(f"{seed}/outlets"), []
    for number in range(1, 121):
        kind, district = ("水", "电", "气")[number % 3], rng.choice(COUNTIES)
        rows.append(
            {
                **point(rng, district, "CGCS2000"),
                "outlet_id": f"WD-{number:04d}",
                "kind": kind,
                "name": f"{district.title}示例第{number:03d}号{SUPPLIERS[kind][1]}营业厅",
                "address": address(rng, district),
                "hours": rng.choice(("08:30-17:30", "09:00-17:00")),
                "phone": phone(7000 + number),
                "_row_updated": MONTH_END,
            }
        )
    return rows


FILES: tuple[Sample, ...] = (
    Text("water_quality/water_quality.csv", "water_quality", water_quality),
    Text("water_quality/sources.csv", "water_quality_sources", water_sources, EXCEL),
    Text("noise/noise.csv", "noise", noise, WINDOWS),
    Lines("bus_arrival/bus_arrival.ndjson", "bus_arrival", bus_arrival),
    Text("housing/housing.csv", "housing", housing, EXCEL),
    Text("housing_allocations/housing_allocations.csv", "housing_allocations", housing_allocations),
    Text("social_aid/social_aid.csv", "social_aid", social_aid, WIDE),
    Text("utilities/notices.csv", "utilities", utilities, WINDOWS),
    Text("utilities/tap_water.csv", "utilities_tap_water", tap_water),
    Sheet("utilities/outlets.xlsx", "utilities_outlets", outlets, "营业网点一览表（示例数据）"),
)
