"""Sample files of affairs: gazette, documents, hotline, decisions, enforcement, intermediaries."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, datetime, timedelta
from functools import cache
from hashlib import sha256
from random import Random
from typing import TYPE_CHECKING

import sample_services
from sample_base import (
    COUNTIES,
    EXCEL,
    PUBLISHERS,
    SNAPSHOT,
    WINDOWS,
    Layout,
    Sheet,
    Text,
    credit_code,
    updated,
)

if TYPE_CHECKING:
    from sample_base import Row, Sample

PAGES = "https://example.org/sample"
CITY = "宜昌市人民政府"
# Figures without coordinates are there for every county.
REGIONS = (*(district.code for district in COUNTIES), "420526", "420529")
TAB = Layout("gb18030", "\t", "\r\n")
SEMICOLON = Layout("utf-8", ";", "\r\n")


def digest(*parts: object) -> str:
    """Return the SHA-256 of a text that does not exist."""
    return sha256("/".join(map(str, parts)).encode()).hexdigest()


# --- gazette -----------------------------------------------------------------------------------

FIRST_YEAR, LAST_YEAR = 2000, 2025
MISSING = (2013, 4)  # the one issue that the office does not have any more
MATTERS = (
    "城镇燃气", "户外广告", "停车场", "物业服务", "电动自行车", "城市绿化", "餐厨垃圾", "排水",
    "公共租赁住房", "养老服务", "义务教育", "政务服务", "政府投资项目", "招标投标", "农村公路",
    "饮用水水源", "烟花爆竹", "应急救援", "数据资源", "文物保护", "柑橘产业", "旅游民宿", "档案",
)  # fmt: skip
FORMS = ("管理办法", "实施细则", "暂行规定", "工作方案", "专项规划", "若干措施")
ISSUERS = {CITY: "府发", "宜昌市人民政府办公室": "府办发", "宜昌市司法局": "司发"}


def issues_a_year(year: int) -> int:
    """Return how often the gazette came out: quarterly, every other month, monthly."""
    return 4 if year < 2009 else 6 if year < 2018 else 12


def gazette(seed: int) -> list[Row]:
    """Return the issues of 26 years; the missing one has its running number, too."""
    rng, rows, total = Random(f"{seed}/gazette"), [], 0
    for year in range(FIRST_YEAR, LAST_YEAR + 1):
        count = issues_a_year(year)
        for number in range(1, count + 1):
            total += 1
            if (year, number) == MISSING:
                continue
            month = number * 12 // count
            day = date(year, month, monthrange(year, month)[1])
            rows.append(
                {
                    "issue_id": f"{year}-{number:02d}",
                    "year": year,
                    "no": number,
                    "total_no": total,
                    "date": day,
                    "title": f"宜昌市人民政府公报 {year} 年第 {number} 期（示例）",
                    "pages": 4 * rng.randint(8, 20),
                    "_row_updated": updated(rng, max(day, date(2015, 3, 2))),
                }
            )
    return rows


def gazette_articles(seed: int) -> list[Row]:
    """Return what the issues hold: pages follow one another."""
    rng, rows = Random(f"{seed}/gazette_articles"), []
    for issue in gazette(seed):
        page = 2
        for seq in range(1, rng.randint(7, 14)):
            issuer = rng.choices(list(ISSUERS), (5, 4, 1))[0]
            last = min(page + rng.randint(0, 3), issue["pages"])
            title = f"关于印发示例{rng.choice(MATTERS)}{rng.choice(FORMS)}的通知"
            numbered = rng.random() < 0.9
            rows.append(
                {
                    "issue_id": issue["issue_id"],
                    "seq": seq,
                    "title": f"{issuer}{title}",
                    "doc_no": f"宜示{ISSUERS[issuer]}〔{issue['year']}〕{rng.randint(1, 60)}号"
                    if numbered
                    else None,
                    "issuer": issuer,
                    "pages": f"{page}-{last}" if last > page else str(page),
                    "file_sha256": digest(seed, issue["issue_id"], seq),
                    "_row_updated": issue["_row_updated"],
                }
            )
            page = min(last + 1, issue["pages"])
    return rows


# --- norm_docs ---------------------------------------------------------------------------------

TOPICS = ("城乡建设", "市场监管", "社会保障", "教育文化", "生态环境", "财政金融", "综合政务")
MAKERS = {
    CITY: ("府规", 40),
    "宜昌市人民政府办公室": ("府办规", 30),
    "宜昌市市场监督管理局": ("市监规", 10),
    "宜昌市住房和城乡建设局": ("住建规", 10),
    "宜昌市民政局": ("民规", 10),
}


def document_row(rng: Random, seed: int, year: int, number: int) -> Row:
    """Return one document as it was made."""
    made = date(year, 1, 5) + timedelta(days=int(number * 355 / 41))
    issuer = rng.choices(list(MAKERS), [share for _, share in MAKERS.values()])[0]
    identifier = f"GF{year}-{number:04d}"
    effective = made + timedelta(days=rng.choice((0, 15, 30, 45)))
    return {
        "doc_id": identifier,
        "unified_no": f"YCSF-{year}-{number:04d}",
        "doc_no": f"宜示{MAKERS[issuer][0]}〔{year}〕{number}号",
        "title": f"宜昌市示例{rng.choice(MATTERS)}{rng.choice(FORMS)}（{number:02d}）",
        "issuer": issuer,
        "made": made,
        "published": made + timedelta(days=rng.randint(0, 20)),
        "effective": effective,
        "expires": None,
        "validity": "现行有效",
        "filing_no": f"宜示备〔{year}〕{number}号" if rng.random() < 0.9 else None,
        "topic": "；".join(sorted(rng.sample(TOPICS, rng.randint(1, 2)), key=TOPICS.index)),
        "text_sha256": digest(seed, identifier),
        "interpretation_url": f"{PAGES}/explain/{identifier}" if rng.random() < 0.6 else None,
        "_row_updated": updated(rng, max(made, date(2018, 6, 1))),
    }


@cache
def norm_docs(seed: int) -> list[Row]:
    """Return 738 documents; those not in force any more may name a later one of the same maker."""
    rng = Random(f"{seed}/norm_docs")
    rows = [document_row(rng, seed, year, n) for year in range(2008, 2026) for n in range(1, 42)]
    for index, row in enumerate(rows):
        age = 2026 - row["made"].year
        if rng.random() > age / 22:
            if rng.random() < 0.3:  # far enough ahead for a sample
                row["expires"] = row["effective"].replace(day=1) + timedelta(days=365 * 30)
            continue
        row["validity"] = rng.choices(("已修改", "失效", "废止"), (25, 35, 40))[0]
        if row["validity"] == "失效":
            row["expires"] = min(row["effective"] + timedelta(days=1825), date(2025, 12, 31))
            continue
        later = [other for other in rows[index + 41 :] if other["issuer"] == row["issuer"]]
        if later:
            row["superseded_by"] = rng.choice(later)["doc_id"]
    return rows


# --- hotline -----------------------------------------------------------------------------------

# category: (its name in the totals, mean a month and topic, share answered at once, topics)
CATEGORIES: dict[str, tuple[str, int, float, tuple[str, ...]]] = {
    "咨询": ("consult", 60, 0.9, ("社保医保", "公积金", "户籍证件", "教育入学", "办事流程")),
    "求助": ("help", 28, 0.3, ("供水供电", "道路交通", "物业管理", "噪声扰民")),
    "投诉": ("complaint", 34, 0.1, ("消费维权", "物业管理", "劳动工资", "环境卫生")),
    "建议": ("suggestion", 6, 0.2, ("公共交通", "城市管理", "教育医疗")),
    "举报": ("report", 9, 0.1, ("违法建设", "食品安全", "环境污染")),
    "感谢": ("thanks", 2, 1.0, ("窗口服务", "热线服务")),
    "其他": ("other", 3, 0.6, ("其他",)),
}
LATER = timedelta(days=4, hours=10)


@cache
def hotline(seed: int) -> list[Row]:
    """Return 24 months of every county; large counties have more calls."""
    rng, rows = Random(f"{seed}/hotline"), []
    for step in range(24):
        year, month = 2024 + step // 12, step % 12 + 1
        written = datetime(year + month // 12, month % 12 + 1, 1) + LATER
        for place, region in enumerate(REGIONS):
            scale = 1.6 if place == 0 else 1.0 if place < 5 else 0.6
            for category, (_, mean, direct, topics) in CATEGORIES.items():
                for topic in topics:
                    received = max(0, round(rng.gauss(mean * scale, mean / 4)))
                    answered = round(received * min(1.0, direct * rng.uniform(0.9, 1.1)))
                    closed = received - rng.randint(0, max(0, (received - answered) // 12))
                    on_time = closed - rng.randint(0, max(0, closed // 25))
                    rows.append(
                        {
                            "month": f"{year}-{month:02d}",
                            "region": region,
                            "category": category,
                            "topic": topic,
                            "received": received,
                            "direct": answered,
                            "transferred": received - answered,
                            "closed": closed,
                            "closed_on_time": on_time,
                            "satisfied": round(closed * rng.uniform(0.85, 0.99)),
                            "_row_updated": min(written, SNAPSHOT),
                        }
                    )
    return rows


def hotline_totals(seed: int) -> list[Row]:
    """Return the totals that the bulletin prints: the sums of the rows, nothing else."""
    found: dict[tuple[str, str], Row] = {}
    for row in hotline(seed):
        key = (row["month"], row["region"])
        blank: Row = {"month": key[0], "region": key[1], "total": 0}
        blank |= {name: 0 for name, *_ in CATEGORIES.values()}
        totals = found.setdefault(key, blank | {"_row_updated": row["_row_updated"]})
        totals["total"] += row["received"]
        totals[CATEGORIES[row["category"]][0]] += row["received"]
    return list(found.values())


CHANNELS = {"电话": 62, "微信": 18, "网站": 8, "移动端": 10, "其他": 2}
RATINGS = {"满意": 70, "基本满意": 14, "不满意": 4, "未评价": 12}
HANDLERS = (
    "宜昌市住房和城乡建设局",
    "宜昌市城市管理执法委员会",
    "宜昌市市场监督管理局",
    "宜昌市交通运输局",
    "宜昌市人力资源和社会保障局",
)


def ticket_row(rng: Random, number: str, month: Row) -> Row:
    """Return one ticket of a month's count; the last ones are still open."""
    accepted = datetime(2025, 12, 1) + timedelta(minutes=rng.randrange(31 * 24 * 60))
    direct = rng.random() < CATEGORIES[month["category"]][2]
    took = timedelta(minutes=rng.randint(3, 25)) if direct else timedelta(hours=rng.randint(5, 190))
    closed = accepted + took if accepted + took < SNAPSHOT else None
    return {
        "ticket_hash": number,
        "accepted": accepted,
        "region": month["region"],
        "channel": rng.choices(list(CHANNELS), CHANNELS.values())[0],
        "category": month["category"],
        "topic": month["topic"],
        "handler": None if direct else rng.choice(HANDLERS),
        "due": accepted + timedelta(days=1 if direct else 7),
        "closed": closed,
        "satisfaction": rng.choices(list(RATINGS), RATINGS.values())[0] if closed else None,
        "_row_updated": closed or SNAPSHOT,
    }


def hotline_tickets(seed: int) -> list[Row]:
    """Return the tickets of December 2025, as many of each kind as the figures say."""
    rng = Random(f"{seed}/hotline_tickets")
    rows = [
        ticket_row(rng, digest(seed, "ticket", at, number), month)
        for at, month in enumerate(hotline(seed))
        if month["month"] == "2025-12"
        for number in range(month["received"])
    ]
    return sorted(rows, key=lambda row: row["accepted"])


# --- decisions ---------------------------------------------------------------------------------

STAGES = ("公众参与", "专家论证", "风险评估", "合法性审查", "集体讨论")
LEADS = ("宜昌市发展和改革委员会", "宜昌市教育局", "宜昌市生态环境局", "宜昌市住房和城乡建设局")


def decision_row(rng: Random, year: int, number: int) -> Row:
    """Return one decision of a year's list; of older years all is done."""
    start = date(year, 2, 1) + timedelta(days=rng.randrange(270))
    opinions = round(220 * rng.random() ** 3)
    adopted = round(opinions * rng.uniform(0.1, 0.6))
    stage = "集体讨论" if year < LAST_YEAR else rng.choice(STAGES)
    identifier = f"JC{year}-{number:03d}"
    told = f"收到意见 {opinions} 条，采纳 {adopted} 条，其余已说明理由。"
    return {
        "decision_id": identifier,
        "year": year,
        "title": f"制定宜昌市示例{rng.choice(MATTERS)}{rng.choice(FORMS)}（第{number:02d}项）",
        "lead": rng.choice(LEADS),
        "stage": stage,
        "draft_url": f"{PAGES}/draft/{identifier}",
        "collect_start": start,
        "collect_end": start + timedelta(days=30),
        "opinions": opinions,
        "adopted": adopted,
        "result": told if opinions else "未收到意见。",
        "_row_updated": updated(rng, start + timedelta(days=40)),
    }


def decisions(seed: int) -> list[Row]:
    """Return the lists of eight years."""
    rng = Random(f"{seed}/decisions")
    return [decision_row(rng, year, n) for year in range(2018, LAST_YEAR + 1) for n in range(1, 16)]


# --- enforcement_annual ------------------------------------------------------------------------

ENFORCERS = (
    "宜昌市市场监督管理局",
    "宜昌市交通运输局",
    "宜昌市城市管理执法委员会",
    "宜昌市生态环境局",
    "宜昌市卫生健康委员会",
    "宜昌市教育局",
    "宜昌市住房和城乡建设局",
    "宜昌市人力资源和社会保障局",
    "宜昌市民政局",
)


def enforcer(number: int) -> Row:
    """Return one authority: the publishers first, then numbered ones."""
    if number < len(ENFORCERS):
        return {"dept": ENFORCERS[number], "dept_uscc": PUBLISHERS[ENFORCERS[number]]}
    code = credit_code("11420500", f"MB4{number:05d}")
    return {"dept": f"示例第{number:02d}号行政执法机关", "dept_uscc": code}


def enforcement_annual(seed: int) -> list[Row]:
    """Return six years of 36 authorities."""
    rng, rows = Random(f"{seed}/enforcement_annual"), []
    for year in range(2020, LAST_YEAR + 1):
        for number in range(36):
            accepted, disputed = round(9000 * rng.random() ** 3), rng.randint(0, 25)
            penalties = round(1500 * rng.random() ** 3)
            rows.append(
                {
                    **enforcer(number),
                    "year": year,
                    "licence_accepted": accepted,
                    "licence_granted": round(accepted * rng.uniform(0.93, 1)),
                    "penalty": penalties,
                    "fine": f"{penalties * rng.randint(1, 20) / 10:.1f}",
                    "compulsory": rng.randint(0, 60),
                    "inspection": penalties + rng.randint(20, 6000),
                    "levy": f"{rng.choice((0, 0, 0, rng.randint(1, 9000))) / 10:.1f}",
                    "reconsidered": disputed,
                    "overturned": rng.randint(0, disputed // 5),
                    "_row_updated": min(datetime(year + 1, 1, 28, 16), SNAPSHOT),
                }
            )
    return rows


# --- intermediary ------------------------------------------------------------------------------


@cache
def item_codes(seed: int) -> tuple[str, ...]:
    """Return the codes of the service items that terms and intermediary services are for."""
    return tuple(row["item_code"] for row in sample_services.service_items(seed))


REPORTS = {
    "建设项目环境影响评价文件编制": "《中华人民共和国环境影响评价法》第十六条",
    "水土保持方案编制": "《中华人民共和国水土保持法》第二十五条",
    "建设项目安全预评价": "《中华人民共和国安全生产法》第三十二条",
    "施工图设计文件审查": "《建设工程质量管理条例》第十一条",
    "地质灾害危险性评估": "《地质灾害防治条例》第二十一条",
    "节能报告编制": "《中华人民共和国节约能源法》第十五条",
    "防洪影响评价报告编制": "《中华人民共和国防洪法》第三十三条",
    "验资报告出具": "《中华人民共和国公司法》",
}
FEES = (
    "市场调节价，由双方协商确定。",
    "政府指导价，上浮不超过百分之十。",
    "由审批机关委托并付费。",
)


def service_row(rng: Random, number: int, codes: tuple[str, ...]) -> Row:
    """Return one intermediary service and the item that asks for it."""
    name = rng.choice(list(REPORTS))
    chosen = sorted(rng.sample(range(1, 60), rng.randint(1, 5)))
    day = date(2025, 6, 1) + timedelta(days=rng.randrange(200))
    return {
        "item_code": f"ZJ420500-{number:04d}",
        "name": f"{name}（示例第{number:03d}项）",
        "basis": REPORTS[name],
        "days": rng.choice((3, 5, 7, 10, 15, 20, 30)),
        "for_item": rng.choice(codes) if rng.random() < 0.95 else None,
        "fee_rule": rng.choices(FEES, (7, 1, 2))[0],
        "agencies": "；".join(f"示例第{n:03d}号咨询有限公司" for n in chosen),
        "_row_updated": updated(rng, day),
    }


def intermediary(seed: int) -> list[Row]:
    """Return 140 intermediary services."""
    rng, codes = Random(f"{seed}/intermediary"), item_codes(seed)
    return [service_row(rng, number, codes) for number in range(1, 141)]


# --- the files ---------------------------------------------------------------------------------

FILES: tuple[Sample, ...] = (
    Sheet("gazette/gazette.xlsx", "gazette", gazette, "宜昌市人民政府公报目录（示例数据）"),
    Text("gazette/articles.csv", "gazette_articles", gazette_articles, EXCEL),
    Text("norm_docs/norm_docs.csv", "norm_docs", norm_docs, WINDOWS),
    Text("hotline/hotline.csv", "hotline", hotline, SEMICOLON),
    Sheet("hotline/totals.xlsx", "hotline_totals", hotline_totals),
    Text("hotline_tickets/hotline_tickets.csv", "hotline_tickets", hotline_tickets, EXCEL),
    Sheet("decisions/decisions.xlsx", "decisions", decisions),
    Text(
        "enforcement_annual/enforcement_annual.csv", "enforcement_annual", enforcement_annual, TAB
    ),
    Text("intermediary/intermediary.csv", "intermediary", intermediary, WINDOWS),
)
