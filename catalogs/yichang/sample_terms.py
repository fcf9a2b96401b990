"""Sample files of 政务词条: what the words of government mean, and what they belong to."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random
from typing import TYPE_CHECKING

from sample_affairs import item_codes, norm_docs
from sample_base import COUNTIES, Lines, Text, point, updated

if TYPE_CHECKING:
    from sample_base import Row, Sample

# term: (synonyms, definition, what it is good for, owner, related datasets)
TERMS: dict[str, tuple[str, str, str, str, str | None]] = {
    "住房公积金": (
        "公积金；房积金",
        "单位及其在职职工缴存的长期住房储金。",
        "购房、租房、还贷时可以申请提取或贷款。",
        "宜昌市住房和城乡建设局",
        "housing",
    ),
    "最低生活保障": (
        "低保；低保金；困难补助",
        "对共同生活的家庭成员人均收入低于当地标准的家庭给予的救助。",
        "符合条件的家庭可以向乡镇街道申请，按月领取。",
        "宜昌市民政局",
        "social_aid",
    ),
    "公共租赁住房": (
        "公租房；廉租房；保障房",
        "政府提供政策支持、限定标准和租金、面向困难群体出租的住房。",
        "住房困难家庭、新就业职工可以申请租住。",
        "宜昌市住房和城乡建设局",
        "housing",
    ),
    "城镇老旧小区改造": (
        "旧改；老小区改造；加装电梯",
        "对建成年代较早、设施不完善的住宅小区进行的改造。",
        "居民可以了解本小区是否列入计划和改造内容。",
        "宜昌市住房和城乡建设局",
        "renewal",
    ),
    "养老机构": (
        "养老院；敬老院；福利院",
        "为老年人提供集中居住和照料服务的机构。",
        "选择机构时可以比较床位、收费和星级。",
        "宜昌市民政局",
        "elderly_care",
    ),
    "零工驿站": (
        "零工市场；临时工；打零工",
        "为灵活就业人员提供岗位信息和休息场所的服务站点。",
        "找零工、招零工都可以就近登记。",
        "宜昌市人力资源和社会保障局",
        "gig_stations",
    ),
    "行政规范性文件": (
        "红头文件；规范性文件",
        "行政机关制定的、涉及公民和组织权利义务、反复适用的公文。",
        "可以查询文件是否现行有效。",
        "宜昌市司法局",
        "norm_docs",
    ),
    "政府公报": (
        "公报；市政府公报",
        "政府公开发行、刊登规章和规范性文件的出版物。",
        "公报刊登的文件文本为标准文本。",
        "宜昌市人民政府办公室",
        "gazette",
    ),
    "12345 政务服务便民热线": (
        "12345；市长热线；投诉电话",
        "受理群众诉求的统一电话。",
        "可以咨询、求助、投诉、举报和提建议。",
        "宜昌市12345政务服务便民热线中心",
        "hotline",
    ),
    "口袋公园": (
        "小公园；街头绿地；小游园",
        "面积较小、面向公众开放的绿化活动场地。",
        "可以查找离家最近的公园绿地。",
        "宜昌市林业和园林局",
        "parks",
    ),
    "重大行政决策": (
        "重大决策；决策目录",
        "对经济社会发展有重大影响、涉及公众切身利益的政府决策。",
        "公众可以在征求意见期间提出意见。",
        "宜昌市人民政府办公室",
        "decisions",
    ),
    "双随机一公开": (
        "双随机；随机抽查",
        "随机抽取检查对象、随机选派检查人员、及时公开结果的监管方式。",
        "企业可以查询抽查计划和结果。",
        "宜昌市市场监督管理局",
        "random_check",
    ),
    "行政审批中介服务": (
        "中介服务；中介；评估报告",
        "审批时要求申请人委托中介机构开展的服务。",
        "可以查询依据、时限和收费，自主选择机构。",
        "中共宜昌市委机构编制委员会办公室",
        "intermediary",
    ),
    "行政执法统计年报": (
        "执法年报；执法统计",
        "行政执法机关每年公布的许可、处罚、强制等数据。",
        "可以了解各部门执法情况。",
        "宜昌市司法局",
        "enforcement_annual",
    ),
    "重大建设项目": (
        "重点项目；重点工程",
        "列入年度计划、对发展有重要作用的建设项目。",
        "可以查询项目的批准文件和进度。",
        "宜昌市发展和改革委员会",
        "major_projects",
    ),
    "空气质量指数": (
        "AQI；空气污染指数；雾霾",
        "定量描述空气质量状况的无量纲指数。",
        "数值越大污染越重，可以据此安排出行。",
        "宜昌市生态环境局",
        "air_hourly",
    ),
    "学区": (
        "学区划分；招生范围；划片",
        "义务教育学校的招生服务范围。",
        "可以查询住址对应的小学和初中。",
        "宜昌市教育局",
        "schools",
    ),
    "三公经费": (
        "三公；公车；公务接待费",
        "因公出国（境）、公务用车购置及运行、公务接待的费用。",
        "可以查询各单位年度开支。",
        "宜昌市财政局",
        "three_public",
    ),
}
# What people ask for at a counter of every county.
COUNTERS = (
    "不动产登记",
    "婚姻登记",
    "企业开办",
    "社会保险参保",
    "医疗保险报销",
    "残疾人证办理",
    "居住证办理",
    "老年优待证办理",
)


def term_links(rng: Random, seed: int) -> Row:
    """Return the items and documents of one term, as lists."""
    documents = [row["doc_id"] for row in norm_docs(seed) if row["validity"] == "现行有效"]
    return {
        "related_items": "；".join(sorted(rng.sample(item_codes(seed), rng.randint(0, 3)))),
        "related_docs": "；".join(sorted(rng.sample(documents, rng.randint(0, 3)))),
    }


def gov_terms(seed: int) -> list[Row]:
    """Return the terms of the city, and the counters of every county with their places."""
    rng, rows = Random(f"{seed}/gov_terms"), []
    for term, (synonyms, definition, meaning, owner, dataset) in TERMS.items():
        facts: Row = {"term": term, "synonyms": synonyms, "definition": definition}
        facts |= {"meaning": meaning, "owner": owner, "related_datasets": dataset}
        rows.append(facts | {"region": "420500"} | term_links(rng, seed))
    for district in COUNTIES:
        for matter in COUNTERS:
            facts = {
                "term": f"{district.title}{matter}窗口",
                "synonyms": f"{matter}；{matter}在哪办",
                "definition": f"{district.title}办理{matter}的窗口（示例）。",
                "meaning": f"办理{matter}前可以查询地点。",
                "owner": "宜昌市政务服务和大数据管理局",
                "related_datasets": "service_items",
            }
            rows.append(facts | point(rng, district, "CGCS2000") | term_links(rng, seed))
    for number, row in enumerate(rows, 1):
        reviewed = date(2025, 12, 20) - timedelta(days=rng.randrange(300))
        row |= {"term_id": f"CT{number:05d}", "reviewed": reviewed}
        row |= {"expires": reviewed + timedelta(days=365), "_row_updated": updated(rng, reviewed)}
        row |= {key: row[key] or None for key in ("related_items", "related_docs")}
    return rows


def pairs(seed: int, key: str, name: str) -> list[Row]:
    """Return the pairs of a list column, one row each."""
    return [
        {"term_id": row["term_id"], name: value, "_row_updated": row["_row_updated"]}
        for row in gov_terms(seed)
        for value in (row[key] or "").split("；")
        if value
    ]


def gov_terms_items(seed: int) -> list[Row]:
    """Return which items belong to which term."""
    return pairs(seed, "related_items", "item_code")


def gov_terms_docs(seed: int) -> list[Row]:
    """Return which documents belong to which term."""
    return pairs(seed, "related_docs", "doc_id")


# --- the files ---------------------------------------------------------------------------------

FILES: tuple[Sample, ...] = (
    Lines("gov_terms/gov_terms.ndjson", "gov_terms", gov_terms),
    Text("gov_terms/items.csv", "gov_terms_items", gov_terms_items),
    Text("gov_terms/docs.csv", "gov_terms_docs", gov_terms_docs),
)
