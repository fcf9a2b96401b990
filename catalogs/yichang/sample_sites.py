"""Sample files of sites: building projects, parks, care homes, stations, neighbourhoods."""

from __future__ import annotations

import json
import math
from datetime import date, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

from sample_base import (
    COUNTIES,
    EXCEL,
    MONTH_END,
    SNAPSHOT,
    WIDE,
    WINDOWS,
    Lines,
    Sheet,
    Text,
    address,
    credit_code,
    phone,
    point,
    updated,
)

if TYPE_CHECKING:
    from sample_base import District, Row, Sample

PAGES = "https://example.org/sample"
NUMBERS = "一二三四五六七八九"


def tenths(rng: Random, least: int, most: int) -> str:
    """Return an amount with one decimal, the small ones likelier."""
    number = 10 * least + round(10 * (most - least) * rng.random() ** 3)
    return f"{number // 10}.{number % 10}"


def some(rng: Random, things: tuple[str, ...], least: int, most: int) -> str:
    """Return a few of the things in their order, as the schemas write lists."""
    chosen = rng.sample(things, rng.randint(least, most))
    return "；".join(sorted(chosen, key=things.index))


def works(rng: Random, started: float) -> Row:
    """Return start, end and progress of works, of which a share has begun."""
    begun = rng.random() < started
    days = rng.randint(-900, -20) if begun else rng.randint(30, 400)
    start = SNAPSHOT.date() + timedelta(days=days)
    end = start + timedelta(days=rng.randint(120, 1100))
    done = (SNAPSHOT.date() - start) / (end - start)
    progress = min(100, max(1, round(100 * done))) if begun else 0
    return {"start": start, "end": end, "progress": progress}


# --- major_projects ----------------------------------------------------------------------------

# sector: (share, what is built, least and most 万元)
SECTORS: dict[str, tuple[int, tuple[str, ...], int, int]] = {
    "网络": (4, ("5G 基站建设工程", "数据中心项目"), 800, 60000),
    "交通": (20, ("改扩建工程", "公路新建工程", "港口码头工程"), 3000, 900000),
    "水利": (12, ("水库除险加固工程", "河道治理工程", "灌区改造工程"), 1200, 120000),
    "管网": (12, ("供水管网改造工程", "雨污分流工程", "燃气管道更新工程"), 900, 60000),
    "能源": (7, ("抽水蓄能配套工程", "光伏发电项目"), 8000, 700000),
    "环保": (8, ("污水处理厂扩建工程", "生态修复工程"), 1500, 80000),
    "农业": (6, ("高标准农田建设项目", "柑橘产业园项目"), 600, 30000),
    "教育": (7, ("学校新建工程", "实训基地项目"), 2000, 60000),
    "医疗": (6, ("医院扩建工程", "疾控中心项目"), 3000, 120000),
    "文旅": (6, ("旅游服务中心项目", "博物馆项目"), 2000, 90000),
    "产业": (9, ("新材料产业园项目", "生物医药产业园项目"), 5000, 900000),
    "住房": (3, ("安置房项目", "保障性租赁住房项目"), 5000, 150000),
}
APPROVERS = {
    "立项": ("宜昌市发展和改革委员会", "发改审批"),
    "用地预审": ("宜昌市自然资源和规划局", "自然资预审"),
    "规划许可": ("宜昌市自然资源和规划局", "自然资规"),
    "环评": ("宜昌市生态环境局", "环审"),
    "水土保持": ("宜昌市水利和湖泊局", "水许可"),
    "初步设计": ("宜昌市发展和改革委员会", "发改设计"),
    "施工许可": ("宜昌市住房和城乡建设局", "住建施工"),
    "竣工验收": ("宜昌市住房和城乡建设局", "住建验收"),
}
REACHED = {"前期": 3, "在建": 7, "停缓": 6, "竣工": 8}


def project_row(rng: Random, number: int) -> Row:
    """Return one major project; what is finished has come to its end."""
    district = rng.choice(COUNTIES)
    sector = rng.choices(list(SECTORS), [facts[0] for facts in SECTORS.values()])[0]
    _, things, least, most = SECTORS[sector]
    time = works(rng, 0.8)
    stage = "前期" if time["progress"] == 0 else "竣工" if time["progress"] == 100 else "在建"
    if stage == "在建" and rng.random() < 0.04:
        stage = "停缓"
    filed = time["start"] - timedelta(days=rng.randint(120, 500))
    return {
        **point(rng, district, "CGCS2000"),
        **time,
        "project_code": f"{filed:%y%m}-{district.code}-04-01-{100000 + number}",
        "name": f"{district.title}示例第{number:03d}号{rng.choice(things)}",
        "sector": sector,
        "owner_org": f"示例第{rng.randint(1, 90):03d}号建设投资有限公司",
        "invest": tenths(rng, least, most),
        "stage": stage,
        "_row_updated": updated(rng, date(2025, 12, 25)),
    }


def major_projects(seed: int) -> list[Row]:
    """Return 320 major projects."""
    rng = Random(f"{seed}/major_projects")
    return [project_row(rng, number) for number in range(1, 321)]


def major_projects_approvals(seed: int) -> list[Row]:
    """Return the approvals of every project, in the order in which they are given."""
    rng, rows, number = Random(f"{seed}/approvals"), [], 0
    for project in major_projects(seed):
        day = project["start"] - timedelta(days=rng.randint(200, 420))
        for kind in list(APPROVERS)[: REACHED[project["stage"]]]:
            number += 1
            authority, word = APPROVERS[kind]
            if kind == "竣工验收":
                day = max(day, project["end"])
            rows.append(
                {
                    "project_code": project["project_code"],
                    "doc_no": f"宜示{word}〔{day.year}〕{number}号",
                    "authority": authority,
                    "kind": kind,
                    "date": min(day, SNAPSHOT.date()),
                    "_row_updated": project["_row_updated"],
                }
            )
            day += timedelta(days=rng.randint(15, 60))
    return rows


# --- parks -------------------------------------------------------------------------------------

# kind: (share, least and most m² or tenths of km)
PARKS = {
    "综合公园": (10, 60000, 900000),
    "口袋公园": (45, 400, 9000),
    "小微绿地": (20, 80, 900),
    "绿道": (17, 12, 260),
    "森林步道": (8, 20, 180),
}
WAYS = ("绿道", "森林步道")
FACILITIES = ("座椅", "公厕", "健身器材", "儿童游乐", "直饮水", "停车场", "驿站", "无障碍通道")


def way_line(rng: Random, lon: float, lat: float, km: float) -> list[list[float]]:
    """Return a line of about that length around a point; long ways wind."""
    reach = min(km, 3.0) / 2 / 111
    turn = rng.uniform(0, math.pi)
    steps = [(i - 3) / 3 * reach for i in range(7)]
    return [
        [
            round(lon + step * math.cos(turn) + rng.uniform(-1, 1) * reach / 6, 6),
            round(lat + step * math.sin(turn) + rng.uniform(-1, 1) * reach / 6, 6),
        ]
        for step in steps
    ]


def outline(lon: float, lat: float, area: int) -> list[list[list[float]]]:
    """Return an eight-cornered outline of about that area around a point, closed."""
    radius = math.sqrt(area / 2.83) / 111000
    corners = [
        [
            round(lon + radius * math.cos(math.pi * i / 4) / math.cos(math.radians(lat)), 6),
            round(lat + radius * math.sin(math.pi * i / 4), 6),
        ]
        for i in range(8)
    ]
    return [[*corners, corners[0]]]


def park_row(rng: Random, number: int) -> Row:
    """Return one park with its outline, or one way with its line."""
    kind = rng.choices(list(PARKS), [facts[0] for facts in PARKS.values()])[0]
    _, least, most = PARKS[kind]
    district = rng.choice(COUNTIES)
    place = point(rng, district, "WGS84")
    size = least + round((most - least) * rng.random() ** 2)
    if kind in WAYS:
        line = way_line(rng, place["lon"], place["lat"], size / 10)
        shape = {"type": "LineString", "coordinates": line}
        extent: Row = {"length_km": f"{size // 10}.{size % 10}", "area_m2": None}
    else:
        ring = outline(place["lon"], place["lat"], size)
        shape = {"type": "Polygon", "coordinates": ring}
        extent = {"area_m2": size, "length_km": None}
    built = rng.random() < 0.92
    return {
        **place,
        **extent,
        "park_id": f"PK{district.code}-{number:04d}",
        "kind": kind,
        "name": f"{district.title}示例第{number:03d}号{kind}",
        "geojson": json.dumps(shape),
        "opened": date(2025, 10, 1) - timedelta(days=rng.randrange(6000)) if built else None,
        "facilities": some(rng, FACILITIES, 1, 5),
        "progress": 100 if built else rng.randint(5, 95),
        "_row_updated": updated(rng, date(2025, 12, 10)),
    }


def parks(seed: int) -> list[Row]:
    """Return 260 parks and ways."""
    rng = Random(f"{seed}/parks")
    return [park_row(rng, number) for number in range(1, 261)]


# --- elderly_care ------------------------------------------------------------------------------

NATURES = {"公办": 35, "公建民营": 20, "民办公助": 10, "民办": 35}


def home_row(rng: Random, number: int) -> Row:
    """Return one care home; no more beds are in use than there are."""
    district = rng.choice(COUNTIES)
    nature = rng.choices(list(NATURES), NATURES.values())[0]
    status = rng.choices(("在营", "筹建", "停业", "注销"), (92, 4, 2, 2))[0]
    beds, low = rng.randint(20, 380), 100 * rng.randint(8, 28)
    kind, block = ("12", "MB") if nature == "公办" else ("52", "MJ")
    name = "社会福利院" if nature == "公办" else "养老院"
    return {
        **point(rng, district, "CGCS2000"),
        "inst_id": f"YL{district.code}-{number:04d}",
        "uscc": credit_code(kind + district.code, f"{block}7{number:05d}"),
        "name": f"{district.title}示例第{number:03d}号{name}",
        "address": address(rng, district),
        "nature": nature,
        "star": rng.choice((None, 1, 2, 3, 3, 4, 5)),
        "beds": beds,
        "occupied": int(beds * rng.uniform(0.3, 1)) if status == "在营" else 0,
        "medical": rng.random() < 0.4,
        "fee_min": low,
        "fee_max": low + 100 * rng.randint(4, 50),
        "phone": phone(5000 + number),
        "status": status,
        "_row_updated": MONTH_END,
    }


def elderly_care(seed: int) -> list[Row]:
    """Return 220 care homes."""
    rng = Random(f"{seed}/elderly_care")
    return [home_row(rng, number) for number in range(1, 221)]


# --- gig_stations ------------------------------------------------------------------------------

SERVICES = ("岗位信息", "技能培训", "维权援助", "休息饮水", "工伤保险咨询", "法律咨询")


def station_row(rng: Random, number: int) -> Row:
    """Return one station with its jobs of December 2025."""
    district: District = rng.choice(COUNTIES)
    posted = rng.randint(12, 420)
    return {
        **point(rng, district, "GCJ02"),
        "station_id": f"LG{district.code}-{number:04d}",
        "name": f"{district.title}示例第{number:03d}号零工驿站",
        "community": f"示例{rng.choice(NUMBERS)}路社区",
        "address": address(rng, district),
        "hours": rng.choice(("06:00-18:00", "05:30-17:30", "08:00-20:00")),
        "services": some(rng, SERVICES, 2, 5),
        "jobs_posted": posted,
        "matched": int(posted * rng.uniform(0.35, 0.95)),
        "month": "2025-12",
        "_row_updated": MONTH_END,
    }


def gig_stations(seed: int) -> list[Row]:
    """Return 160 stations for casual workers."""
    rng = Random(f"{seed}/gig_stations")
    return [station_row(rng, number) for number in range(1, 161)]


# --- renewal -----------------------------------------------------------------------------------

RENEWALS = {"老旧小区": 60, "棚户区": 12, "街区": 8, "适老化": 10, "无障碍": 10}
MEASURES = ("雨污分流", "外墙保温", "加装电梯", "管线入地", "增设停车位", "照明更新", "坡道扶手")


def renewal_row(rng: Random, number: int) -> Row:
    """Return one renewal project."""
    district, buildings = rng.choice(COUNTIES), rng.randint(1, 40)
    time = works(rng, 0.85)
    identifier = f"GZ{time['start'].year}-{number:04d}"
    return {
        **time,
        "project_id": identifier,
        "community": f"示例{rng.choice(NUMBERS)}路{rng.choice(NUMBERS)}号小区",
        "region": district.code,
        "kind": rng.choices(list(RENEWALS), RENEWALS.values())[0],
        "buildings": buildings,
        "households": buildings * rng.randint(12, 60),
        "invest": tenths(rng, 40 * buildings, 160 * buildings),
        "content": some(rng, MEASURES, 2, 4).replace("；", "、") + "。",
        "plan_url": f"{PAGES}/renewal/{identifier}",
        "_row_updated": datetime(2025, 12, 30, 15),
    }


def renewal(seed: int) -> list[Row]:
    """Return 300 renewal projects."""
    rng = Random(f"{seed}/renewal")
    return [renewal_row(rng, number) for number in range(1, 301)]


# --- the files ---------------------------------------------------------------------------------

FILES: tuple[Sample, ...] = (
    Text("major_projects/major_projects.csv", "major_projects", major_projects, WINDOWS),
    Text("major_projects/approvals.csv", "major_projects_approvals", major_projects_approvals),
    Lines("parks/parks.ndjson", "parks", parks),
    Sheet("elderly_care/elderly_care.xlsx", "elderly_care", elderly_care, "养老机构（示例数据）"),
    Text("gig_stations/gig_stations.csv", "gig_stations", gig_stations, EXCEL),
    Text("renewal/renewal.csv", "renewal", renewal, WIDE),
)
