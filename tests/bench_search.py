"""Measure the search: how well the kept queries are answered, and how fast at three sizes.

    python tests/bench_search.py [--sizes 1000,10000,100000]

The generated records are made of some sixty subjects, the regions, years and kinds that such
titles have, with schemas of ten to thirty fields, so that common words are in very many of them.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import ranking
from hub import CATALOG, ROOT, Hub

from datahub.search.service import Search
from datahub.settings import load
from datahub.store import Store, open_store, records
from datahub.store.tables import changes, datasets
from datahub.web.api.views import dataset_view

SIZES = (1_000, 10_000, 100_000)
SUBJECTS = [
    "公共图书馆",
    "体育场馆",
    "公共厕所",
    "农贸市场",
    "加油站",
    "药品零售企业",
    "民宿",
    "旅行社",
    "A级景区",
    "文物保护单位",
    "非物质文化遗产",
    "博物馆",
    "社区卫生服务中心",
    "疫苗接种点",
    "献血点",
    "法律援助机构",
    "公证机构",
    "律师事务所",
    "人民调解委员会",
    "社会组织",
    "慈善组织",
    "婚姻登记机关",
    "殡葬服务机构",
    "残疾人托养机构",
    "儿童福利机构",
    "志愿服务组织",
    "工伤认定",
    "职业技能培训机构",
    "人力资源服务机构",
    "劳动保障监察",
    "社会保险缴费",
    "住房公积金缴存",
    "商品房预售许可",
    "建筑施工企业",
    "房地产开发企业",
    "物业服务企业",
    "排水许可",
    "生活垃圾分类",
    "污水处理厂",
    "燃气经营企业",
    "道路施工占用",
    "出租汽车企业",
    "网约车平台",
    "客运班线",
    "普通货运企业",
    "水路运输企业",
    "驾驶员培训机构",
    "桥梁",
    "高速公路收费站",
    "港口泊位",
    "河长名录",
    "水库",
    "取水许可",
    "农产品质量",
    "畜禽养殖场",
    "农民专业合作社",
    "种子经营",
    "高新技术企业",
    "专利授权",
    "科技计划项目",
    "特种设备",
    "计量检定",
    "商标注册",
    "地震监测台站",
    "雷电灾害",
]
KINDS = [
    "基本信息",
    "名录",
    "统计",
    "月报",
    "年报",
    "检查结果",
    "评价结果",
    "许可信息",
    "变更记录",
    "分布",
    "明细",
    "公示",
]
FIELDS = [
    "名称",
    "地址",
    "统一社会信用代码",
    "法定代表人",
    "联系电话",
    "行政区划代码",
    "经度",
    "纬度",
    "成立日期",
    "有效期至",
    "状态",
    "类别",
    "等级",
    "面积",
    "数量",
    "金额",
    "备注",
    "主管部门",
    "许可证号",
    "发证机关",
    "发证日期",
    "检查日期",
    "检查结果",
    "处理结果",
    "统计年度",
    "统计月份",
    "更新时间",
    "序号",
    "街道",
    "社区",
    "营业时间",
    "床位数",
]
CYCLES = ("daily", "weekly", "monthly", "quarterly", "yearly", "irregular", "static")


def main() -> None:
    """Measure and print, without writing anything."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)  # of a process of its own
    parser.add_argument("--data", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.size:
        print(json.dumps(measure_size(options.data, options.size)))
        return
    sizes = tuple(int(size) for size in options.sizes.split(","))
    with tempfile.TemporaryDirectory(prefix="datahub-bench-") as temporary:
        figures = measure(Path(temporary), lambda text: print(f"· {text}", file=sys.stderr), sizes)
    print(table(figures))


def measure(folder: Path, say: Callable[[str], None], sizes: tuple[int, ...] = SIZES) -> dict:
    """Quality on the city's catalog, then speed on generated ones, each in its own process."""
    say("search: the kept queries")
    quality = measure_quality(folder / "quality")
    found = []
    for size in sizes:
        say(f"search: {size:,} generated records")
        data = folder / f"search-{size}"
        command = [sys.executable, __file__, "--size", str(size), "--data", str(data)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found.append(json.loads(done.stdout.splitlines()[-1]))
    return {"quality": quality, "sizes": found}


def table(figures: dict) -> str:
    """Figures as two Markdown tables."""
    quality = figures["quality"]
    lines = ["| kept queries | number | on the first page | MRR |", "|---|---|---|---|"]
    parts = {name: quality[name] for name in ("all", "tuned", "held out")} | quality["kinds"]
    for name, part in parts.items():
        lines.append(f"| {name} | {part['queries']} | {part['success']:.3f} | {part['mrr']:.3f} |")
    lines += [
        "",
        "| records | index built | on disk | memory | search p50 | p95 | with facets p95 | suggest p95 | list page one |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in figures["sizes"]:
        lines.append(
            f"| {one['records']:,} | {one['build_s']:.1f} s | {one['disk_mb']:.0f} MB "
            f"| {one['memory_mb']:.0f} MB | {one['p50_ms']:.1f} ms | {one['p95_ms']:.1f} ms "
            f"| {one['facets_p95_ms']:.1f} ms | {one['suggest_p95_ms']:.1f} ms | {one['list_ms']:.1f} ms |"
        )
    return "\n".join(lines)


def measure_quality(folder: Path) -> dict:
    """Success and MRR of the kept queries on the city's catalog."""
    folder.mkdir(parents=True)
    hub = Hub(folder / "data")
    hub.data.mkdir()
    hub.register()
    store, search = opened(hub.data)
    search.follower.step()
    with store.catalog.read() as db:
        present = set(records.all_datasets(db))
    found = ranking.score(lambda q: [h.dataset.name for h in search.find(q).hits], present)
    store.close()
    return {name: found[name] for name in ("all", "tuned", "held out", "kinds")}


def opened(data: Path) -> tuple[Store, Search]:
    """Store and search of a data folder, without the thread."""
    store = open_store(load(data=data))
    return store, Search(store)


def measure_size(data: Path, size: int) -> dict:
    """Build the index of a generated catalog and ask it."""
    data.mkdir(parents=True)
    hub = Hub(data)
    hub.register()
    store, search = opened(data)
    generate(store, size)
    began = time.perf_counter()
    search.follower.step()
    built = time.perf_counter() - began
    store.close()
    # Memory is that of a process that only reads, as most web processes do.
    before = resident()
    store, search = opened(data)
    search.follower.step()
    queries = asked()
    for query in queries[:20]:
        search.find(query, limit=10)
    plain = [clocked(lambda q=q: search.find(q, limit=10)) for q in queries]
    counted = [clocked(lambda q=q: search.find(q, limit=10, facets=("publisher", "region", "theme", "openness", "format", "update_cycle", "freshness", "grade"))) for q in queries]  # fmt: skip
    typed = [clocked(lambda q=q: search.suggest(q[:3])) for q in queries]
    listed = [clocked(lambda: page_one(store)) for _ in range(30)]
    return {
        "records": size,
        "build_s": built,
        "disk_mb": sum(p.stat().st_size for p in (data / "search").rglob("*") if p.is_file()) / 1e6,
        "memory_mb": resident() - before if size > 1 else 0,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "queries": len(queries),
        "p50_ms": quantile(plain, 0.5),
        "p95_ms": quantile(plain, 0.95),
        "worst_ms": max(plain) * 1000,
        "facets_p50_ms": quantile(counted, 0.5),
        "facets_p95_ms": quantile(counted, 0.95),
        "suggest_p95_ms": quantile(typed, 0.95),
        "list_ms": quantile(listed, 0.5),
    }


def page_one(store: Store) -> list:
    """Page one of the list as the API answers it."""
    with store.catalog.read() as db:
        _, found = records.list_datasets(db, records.Filter(), limit=20)
    return [dataset_view(item) for item in found]


def resident() -> float:
    """Memory that this process has in use, in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def asked() -> list[str]:
    """The kept queries, and as many on the generated subjects."""
    chance = random.Random(5)
    kept = [query for _, query, _, _ in ranking.queries()]
    places = ["西陵区", "夷陵区", "宜都", "宜昌", "枝江市"]
    made = [
        f"{chance.choice(places)}{chance.choice(SUBJECTS)}{chance.choice(['', *KINDS])}"
        for _ in kept
    ]
    return kept + made


def generate(store: Store, size: int) -> None:
    """Write records of generated datasets straight into the catalog."""
    chance = random.Random(11)
    template = next((CATALOG / "datasets").iterdir()).name
    with store.catalog.read() as db:
        places = records.get_terms(db, "region")
        publishers = records.get_publishers(db)
        themes = [item["code"] for item in records.get_terms(db, "theme")]
        model = records.get_dataset(db, template)
        from sqlalchemy import select

        row = dict(db.execute(select(datasets).where(datasets.c.name == template)).one()._mapping)
    now = "2026-01-01T00:00:00.000Z"
    batch: list[dict] = []
    with store.catalog.write() as db:
        for number in range(size):
            batch.append(row | values(chance, number, model.package, places, publishers, themes))
            if len(batch) == 1000:
                db.execute(datasets.insert(), batch)
                batch.clear()
        if batch:
            db.execute(datasets.insert(), batch)
        db.execute(changes.insert().values(at=now, dataset="", what="generated", version=None))


def values(chance: random.Random, number: int, model: dict, places: list, publishers: list, themes: list) -> dict:  # fmt: skip
    """Columns of one generated record."""
    place, publisher = chance.choice(places), chance.choice(publishers)
    subject, kind = chance.choice(SUBJECTS), chance.choice(KINDS)
    year = chance.randrange(2010, 2026)
    title = f"{place['title']}{subject}{kind}（{year}年第{number}批）"
    fields = chance.sample(FIELDS, chance.randrange(10, len(FIELDS)))
    schema = {
        "fields": [{"name": f"f{i}", "title": t, "type": "string"} for i, t in enumerate(fields)]
    }
    cycle, theme = chance.choice(CYCLES), chance.choice(themes)
    record = model["catalog"] | {
        "publisher": publisher["id"], "theme": theme, "region": place["code"],
        "update_cycle": cycle, "code": f"30799901/{number:06d}",
    }  # fmt: skip
    package = {
        "name": f"generated_{number}", "title": title, "keywords": [subject, kind, place["title"]],
        "description": f"{place['title']}{year}年{subject}{kind}，含{'、'.join(fields[:8])}等，由{publisher['title']}提供。",
        "licenses": model["licenses"],
        "resources": [{"name": "table", "title": f"{subject}{kind}", "path": "table.csv", "format": "csv", "schema": schema}],
        "catalog": record,
    }  # fmt: skip
    text = json.dumps(package, ensure_ascii=False)
    stamp = f"{year}-{1 + number % 12:02d}-{1 + number % 28:02d}T00:00:00.000Z"
    return {
        "name": package["name"], "title": title, "publisher": publisher["id"], "theme": theme,
        "package": text, "search": title, "region": place["code"], "update_cycle": cycle,
        "code": record["code"], "data_updated": stamp if number % 3 else "", "modified": stamp,
    }  # fmt: skip


def clocked(work: Callable[[], object]) -> float:
    """Seconds that work takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def quantile(times: list[float], share: float) -> float:
    """Milliseconds that this share of the times stays below."""
    return sorted(times)[min(len(times) - 1, int(share * len(times)))] * 1000


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    main()
