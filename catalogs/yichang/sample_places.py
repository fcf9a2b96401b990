"""Samples of places: bus lines and stops, car parks, clinics, schools."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from random import Random

from sample_base import (
    BUS_COMPANY,
    COUNTIES,
    MONTH_END,
    SNAPSHOT,
    URBAN,
    WIDE,
    Row,
    Sample,
    Sheet,
    Text,
    address,
    credit_code,
    phone,
    point,
)

# --- bus ---------------------------------------------------------------------------------------


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


FILES: tuple[Sample, ...] = (
    Text("bus/lines.csv", "bus_lines", bus_lines),
    Text("bus/stops.csv", "bus_stops", bus_stops),
    Text("bus/line_stops.csv", "bus_line_stops", bus_line_stops),
    Text("parking_charging/parking_charging.csv", "parking_charging", parking_charging, WIDE),
    Sheet("clinics/clinics.xlsx", "clinics", clinics, "宜昌市医疗机构名录（示例数据）"),
    Sheet("schools/schools.xlsx", "schools", schools),
)
