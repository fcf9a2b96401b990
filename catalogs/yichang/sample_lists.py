"""Samples of what other tables refer to: stations, functions of expenditure, and transfers."""

from __future__ import annotations

from datetime import date, datetime
from random import Random

from sample_base import COUNTIES, EXCEL, MONTH_END, URBAN, Row, Sample, Text, money, point
from sample_first import STATIONS

# --- air_stations ------------------------------------------------------------------------------


def air_stations(seed: int) -> list[Row]:
    """Return the stations of the hourly values, one in each urban district."""
    rng = Random(f"{seed}/air_stations")
    return [
        {
            **point(rng, district, "CGCS2000"),
            "station_code": code,
            "name": f"{district.title}示例{number}号站",
            "kind": "背景点" if number == len(STATIONS) else "城市评价点",
            "since": date(2013 + number, 1, 1),
            "_row_updated": MONTH_END,
        }
        for number, (code, district) in enumerate(zip(STATIONS, URBAN, strict=True), 1)
    ]


# --- budget_transfers --------------------------------------------------------------------------

# class, its divisions, and their items
FUNCTIONS: dict[tuple[str, str], dict[tuple[str, str], tuple[tuple[str, str], ...]]] = {
    ("201", "一般公共服务支出"): {
        ("20103", "政府办公厅（室）及相关机构事务"): (
            ("2010301", "行政运行"),
            ("2010308", "信访事务"),
        ),
        ("20106", "财政事务"): (("2010601", "行政运行"), ("2010607", "信息化建设")),
    },
    ("205", "教育支出"): {
        ("20502", "普通教育"): (
            ("2050201", "学前教育"),
            ("2050202", "小学教育"),
            ("2050203", "初中教育"),
        ),
    },
    ("208", "社会保障和就业支出"): {
        ("20805", "行政事业单位养老支出"): (("2080505", "机关事业单位基本养老保险缴费支出"),),
        ("20819", "最低生活保障"): (
            ("2081901", "城市最低生活保障金支出"),
            ("2081902", "农村最低生活保障金支出"),
        ),
    },
    ("210", "卫生健康支出"): {
        ("21004", "公共卫生"): (("2100408", "基本公共卫生服务"), ("2100409", "重大公共卫生服务")),
    },
    ("211", "节能环保支出"): {
        ("21101", "环境保护管理事务"): (("2110101", "行政运行"), ("2110102", "一般行政管理事务")),
        ("21103", "污染防治"): (("2110301", "大气"), ("2110302", "水体")),
    },
    ("213", "农林水支出"): {
        ("21301", "农业农村"): (("2130122", "农业生产发展"), ("2130153", "耕地建设与利用")),
        ("21303", "水利"): (("2130305", "水利工程建设"), ("2130306", "水利工程运行与维护")),
    },
    ("214", "交通运输支出"): {
        ("21401", "公路水路运输"): (("2140104", "公路建设"), ("2140106", "公路养护")),
    },
    ("221", "住房保障支出"): {
        ("22101", "保障性安居工程支出"): (
            ("2210108", "老旧小区改造"),
            ("2210107", "保障性住房租金补贴"),
        ),
    },
}
NEW_YEAR = datetime(2025, 1, 2, 9)
# transfer: kind, function, most 元 of a county in a year
TRANSFERS: dict[str, tuple[str, str, int]] = {
    "均衡性转移支付": ("一般性", "2010601", 90_000_000),
    "义务教育补助": ("一般性", "2050202", 60_000_000),
    "学前教育发展补助": ("专项", "2050201", 9_000_000),
    "城市低保补助": ("一般性", "2081901", 16_000_000),
    "农村低保补助": ("一般性", "2081902", 26_000_000),
    "基本公共卫生服务补助": ("一般性", "2100408", 22_000_000),
    "水污染防治补助": ("专项", "2110302", 12_000_000),
    "耕地建设补助": ("专项", "2130153", 18_000_000),
    "水库维修养护补助": ("专项", "2130306", 6_000_000),
    "农村公路养护补助": ("专项", "2140106", 7_500_000),
    "老旧小区改造补助": ("专项", "2210108", 11_000_000),
}


def budget_functions(seed: int) -> list[Row]:
    """Return the code list, each class before its divisions and items: no chance in it."""
    del seed
    rows: list[Row] = []

    def add(code: str, name: str, above: str | None, level: str) -> None:
        row = {"func_code": code, "func_name": name, "parent_code": above, "level": level}
        rows.append({**row, "_row_updated": NEW_YEAR})

    for (code, name), divisions in FUNCTIONS.items():
        add(code, name, None, "类")
        for (division, title), items in divisions.items():
            add(division, title, code, "款")
            for item, label in items:
                add(item, label, division, "项")
    return rows


def budget_transfers(seed: int) -> list[Row]:
    """Return what every county gets: 2024 planned and spent, 2025 planned."""
    rng, rows = Random(f"{seed}/budget_transfers"), []
    for district in COUNTIES:
        for project, (kind, function, most) in TRANSFERS.items():
            base = round(most * rng.uniform(0.2, 1), -4)
            for year, stage, day in (
                (2024, "预算", datetime(2024, 2, 20, 10)),
                (2024, "决算", datetime(2025, 9, 15, 10)),
                (2025, "预算", datetime(2025, 2, 18, 10)),
            ):
                spent = base * rng.randint(920, 1030) // 1000 if stage == "决算" else base
                rows.append(
                    {
                        "year": year,
                        "stage": stage,
                        "kind": kind,
                        "to_region": district.code,
                        "project": project,
                        "func_code": function,
                        "amount": money(int(spent) * 100),
                        "note": "按因素法分配" if kind == "一般性" else "按项目分配",
                        "_row_updated": day,
                    }
                )
    return rows


FILES: tuple[Sample, ...] = (
    Text("air_stations/air_stations.csv", "air_stations", air_stations, EXCEL),
    Text("budget_transfers/functions.csv", "budget_functions", budget_functions),
    Text("budget_transfers/transfers.csv", "budget_transfers", budget_transfers),
)
