"""Samples of what departments may do and offer: powers, services, and how people rate them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import cache
from random import Random

from sample_base import (
    DAYS_2025,
    EXCEL,
    MONTH_END,
    PUBLISHERS,
    Lines,
    Row,
    Sample,
    Sheet,
    Text,
    phone,
    updated,
)
from sample_first import ITEMS

# --- codes of items ----------------------------------------------------------------------------

KINDS = (
    *("行政许可", "行政处罚", "行政强制", "行政征收", "行政给付"),
    *("行政检查", "行政确认", "行政奖励", "行政裁决", "其他", "公共服务"),
)


DEPARTMENTS = tuple(PUBLISHERS.values())
LICENSED = {item.name: f"{PUBLISHERS[item.authority]}4{item.code}" for item in ITEMS}


def is_card(digits: str) -> bool:
    """Return whether digits could be a bank card number: no code may."""
    doubled = (int(c) * (1 + i % 2) for i, c in enumerate(reversed(digits)))
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


def item_code(uscc: str, kind: str, number: int, part: int = 0) -> str:
    """Return the 31 characters of an item's code; its part moves on if it looks like a card."""
    while True:
        department = DEPARTMENTS.index(uscc) + 40
        basic = f"00{KINDS.index(kind) + 1:02d}{department:02d}{number:03d}{part:03d}"
        if not is_card(f"4{basic}"):
            return f"{uscc}4{basic}"
        part += 100


# --- service_items -----------------------------------------------------------------------------

# department: [(service, kind, for whom, documents, legal and promised days, charged)]
PERSON, FIRM, BOTH = "个人", "法人", "个人；法人"
SERVICES: dict[str, tuple[tuple[str, str, str, str, int, int, bool], ...]] = {
    "宜昌市市场监督管理局": (
        ("食品经营许可", "行政许可", BOTH, "申请书；营业执照；经营场所平面图", 20, 5, False),
        ("个体工商户设立登记", "行政确认", PERSON, "申请书；经营场所证明", 3, 1, False),
        ("企业设立登记", "行政确认", FIRM, "申请书；章程；住所证明", 3, 1, False),
        ("食品生产许可", "行政许可", FIRM, "申请书；工艺流程图；管理制度", 20, 10, False),
        ("特种设备使用登记", "行政许可", FIRM, "使用登记表；产品合格证", 15, 5, False),
    ),
    "宜昌市卫生健康委员会": (
        ("公共场所卫生许可", "行政许可", BOTH, "申请表；平面图；检测报告", 20, 5, False),
        ("医师执业注册", "行政许可", PERSON, "申请表；资格证书", 20, 5, False),
        ("生育登记", "公共服务", PERSON, "登记表", 1, 0, False),
        ("再生育审批", "行政确认", PERSON, "申请表；婚姻证明", 20, 7, False),
    ),
    "宜昌市教育局": (
        ("民办学校设立审批", "行政许可", FIRM, "申请报告；章程；资产证明", 90, 30, False),
        ("教师资格认定", "行政许可", PERSON, "学历证书；体检结论", 30, 15, False),
        ("义务教育入学登记", "公共服务", PERSON, "户口簿；居住证明", 30, 10, False),
        ("家庭经济困难学生资助", "行政给付", PERSON, "申请表；困难证明", 30, 15, False),
    ),
    "宜昌市民政局": (
        ("最低生活保障对象认定", "行政给付", PERSON, "申请书；家庭经济状况授权书", 30, 20, False),
        ("临时救助对象认定", "行政给付", PERSON, "申请书；困难情况说明", 20, 8, False),
        ("结婚登记", "行政确认", PERSON, "户口簿；身份证；合影", 1, 0, False),
        ("高龄津贴申领", "行政给付", PERSON, "申请表；身份证", 20, 7, False),
        ("社会团体成立登记", "行政许可", FIRM, "申请书；章程草案；验资报告", 60, 15, False),
    ),
    "宜昌市人力资源和社会保障局": (
        ("社会保障卡申领", "公共服务", PERSON, "申请表；身份证", 20, 1, False),
        ("城乡居民养老保险参保登记", "公共服务", PERSON, "登记表；身份证", 10, 1, False),
        ("失业登记", "公共服务", PERSON, "登记表；解除劳动关系证明", 10, 1, False),
        ("失业保险金申领", "行政给付", PERSON, "申领表", 10, 5, False),
        ("劳务派遣经营许可", "行政许可", FIRM, "申请书；验资报告", 20, 8, False),
    ),
    "宜昌市住房和城乡建设局": (
        ("公共租赁住房申请", "行政给付", PERSON, "申请表；收入证明；住房证明", 30, 15, False),
        ("商品房预售许可", "行政许可", FIRM, "申请表；土地证书；工程规划许可证", 10, 5, False),
        ("建筑工程施工许可", "行政许可", FIRM, "申请表；施工图审查合格书", 7, 3, False),
        ("住房租赁补贴申领", "行政给付", PERSON, "申请表；租赁合同", 30, 15, False),
    ),
    "宜昌市交通运输局": (
        ("道路货物运输经营许可", "行政许可", BOTH, "申请表；车辆证明", 20, 5, False),
        ("出租汽车驾驶员从业资格", "行政许可", PERSON, "申请表；驾驶证", 20, 5, True),
        ("老年人公交卡申领", "公共服务", PERSON, "申请表；身份证", 15, 5, False),
    ),
    "宜昌市城市管理执法委员会": (
        ("占用、挖掘城市道路审批", "行政许可", BOTH, "申请表；占用方案", 20, 5, True),
        ("设置大型户外广告审批", "行政许可", BOTH, "申请表；效果图", 20, 5, False),
        ("燃气经营许可", "行政许可", FIRM, "申请书；安全评价报告", 20, 10, False),
    ),
    "宜昌市生态环境局": (
        ("排污许可", "行政许可", FIRM, "申请表；自行监测方案", 30, 15, False),
        ("建设项目环境影响报告书审批", "行政许可", FIRM, "报告书；申请函", 60, 20, False),
    ),
    "宜昌市发展和改革委员会": (
        ("企业投资项目备案", "其他", FIRM, "项目备案表", 3, 1, False),
        ("固定资产投资项目节能审查", "行政许可", FIRM, "节能报告；申请文件", 20, 10, False),
    ),
}
# Ways in which one service is offered; each is an item of its own.
VARIANTS = ("", "变更", "延续", "补证", "注销", "信息查询")
STEPS = "申请→受理→审查→决定→送达"
POINTS = ("材料齐全、符合法定形式", "申请人符合法定条件", "场所和设施符合标准")


def service_row(
    rng: Random,
    department: str,
    number: int,
    part: int,
    facts: tuple[str, str, str, str, int, int, bool],
) -> Row:
    """Return one service in one of its variants."""
    name, kind, target, documents, legal, promised, fee = facts
    variant = VARIANTS[part]
    uscc, place = PUBLISHERS[department], list(SERVICES).index(department) + 1
    code = LICENSED.get(name) if not variant else None
    quick = bool(variant)
    return {
        "item_code": code or item_code(uscc, kind, number, part),
        "name": f"{name}（{variant}）" if variant else name,
        "body": department,
        "body_uscc": uscc,
        "kind": kind,
        "target": target,
        "materials": "申请书" if quick else documents,
        "review_points": "；".join(rng.sample(POINTS, rng.randint(1, 3))),
        "steps": "申请→受理→办结" if quick or legal <= 3 else STEPS,
        "legal_days": min(legal, 10) if quick else legal,
        "promise_days": min(promised, 2) if quick else promised,
        "fee": fee and not quick,
        "cross_region": rng.random() < 0.4,
        "online_depth": rng.choices(("I", "II", "III", "IV"), (2, 10, 30, 58))[0],
        "phone": phone(6000 + place * 10 + number % 10),
        "address": f"西陵区示例一路1号政务服务大厅{rng.choice('ABC')}区",
        "_row_updated": MONTH_END,
    }


@cache
def service_items(seed: int) -> list[Row]:
    """Return every service of every department in all of its variants."""
    rng = Random(f"{seed}/service_items")
    return [
        service_row(rng, department, number, part, facts)
        for department, services in SERVICES.items()
        for number, facts in enumerate(services, 1)
        for part in range(len(VARIANTS))
    ]


# --- service_rating ----------------------------------------------------------------------------

GOOD = ("态度好", "办得快", "一次办成", "流程清楚", "网上方便")
BAD = ("等待时间长", "材料多", "指引不清", "系统卡顿")
REPLIES = (
    "已增设窗口并优化叫号，感谢监督。",
    "已精简材料并更新办事指南。",
    "已修复系统故障，欢迎再次办理。",
)


def case_hash(rng: Random) -> str:
    """Return an irreversible id in which no run of digits is long enough for a number."""
    letters = "".join(rng.choice("abcdef") + f"{rng.getrandbits(28):07x}" for _ in range(4))
    return letters if not letters.isdigit() else case_hash(rng)


def rating_row(rng: Random, items: list[Row]) -> Row:
    """Return one rating: most are good, bad ones are answered."""
    channel = rng.choices(("窗口", "网上", "移动", "自助"), (45, 25, 25, 5))[0]
    score = rng.choices((5, 4, 3, 2, 1), (880, 90, 20, 7, 3))[0]
    day = date(2025, 1, 1) + timedelta(days=rng.randrange(DAYS_2025 - 12))
    accepted = datetime(day.year, day.month, day.day, 9) + timedelta(minutes=rng.randint(0, 470))
    finished = accepted + timedelta(minutes=rng.choice((5, 12, 30, 1440, 2880, 7200)))
    tags = rng.sample(GOOD if score > 3 else BAD, rng.randint(0, 2))
    bad = score < 3
    return {
        "case_hash": case_hash(rng),
        "item_code": rng.choice(items)["item_code"],
        "window": f"{rng.choice('ABC')}{rng.randint(1, 30):02d} 综合窗口"
        if channel == "窗口"
        else None,
        "channel": channel,
        "accept": accepted,
        "finish": finished,
        "score": score,
        "tags": "；".join(tags) or None,
        "reply": rng.choice(REPLIES) if bad else None,
        "reply_days": rng.randint(1, 5) if bad else None,
        "_row_updated": updated(rng, finished.date()),
    }


def service_rating(seed: int) -> list[Row]:
    """Return 8,000 ratings of 2025."""
    rng, items = Random(f"{seed}/service_rating"), service_items(seed)
    return [rating_row(rng, items) for _ in range(8000)]


# --- power_list --------------------------------------------------------------------------------

MATTERS: dict[str, tuple[str, ...]] = {
    "宜昌市市场监督管理局": ("食品生产企业", "食品经营者", "药品零售企业", "计量器具", "广告发布"),
    "宜昌市卫生健康委员会": ("医疗机构", "公共场所卫生", "饮用水卫生", "职业病防治"),
    "宜昌市教育局": ("民办学校", "校外培训机构", "幼儿园办园", "教师管理"),
    "宜昌市民政局": ("养老机构", "社会组织", "殡葬服务", "地名标志"),
    "宜昌市人力资源和社会保障局": ("劳务派遣", "社会保险基金", "人力资源服务", "工资支付"),
    "宜昌市住房和城乡建设局": ("建设工程质量", "物业服务", "房地产开发", "燃气工程"),
    "宜昌市交通运输局": ("道路运输", "出租汽车", "公路保护", "水路运输"),
    "宜昌市城市管理执法委员会": ("城市道路占用", "户外广告", "建筑垃圾", "市容环境"),
    "宜昌市生态环境局": ("排污单位", "固体废物", "噪声污染", "饮用水水源保护"),
    "宜昌市发展和改革委员会": ("政府定价", "粮食流通", "节能管理", "项目招标"),
    "宜昌市财政局": ("政府采购", "会计信息质量", "行政事业性收费", "国有资产"),
}
PHRASES = {
    "行政许可": "{}许可",
    "行政处罚": "对{}违法行为的处罚",
    "行政强制": "对{}涉案物品的查封、扣押",
    "行政征收": "{}费用征收",
    "行政给付": "{}补助发放",
    "行政检查": "对{}的监督检查",
    "行政确认": "{}情况确认",
    "行政奖励": "对{}工作突出单位的奖励",
    "行政裁决": "{}争议裁决",
    "其他": "{}备案",
}
FLOWS = {
    "行政处罚": "立案→调查→告知→决定→送达→执行",
    "行政强制": "审批→告知→实施→解除或处理",
    "行政检查": "制定计划→现场检查→结果告知→公示归档",
}
PARTS = (
    "",
    "（一般情形）",
    "（从重情形）",
    "（跨区域情形）",
    "（法律法规另有规定的情形）",
    "（受委托实施）",
    "（简易程序）",
)


def power_rows(rng: Random, department: str, number: int, kind: str) -> list[Row]:
    """Return one power: its main item and the parts of it."""
    subject = MATTERS[department][number]
    name = PHRASES[kind].format(subject)
    main = item_code(PUBLISHERS[department], kind, number + 500)
    rows = []
    for part, label in enumerate(PARTS[: rng.randint(6, len(PARTS))]):
        day = date(2020, 1, 1) + timedelta(days=rng.randrange(2000))
        code = main if part == 0 else item_code(main[:18], kind, number + 500, part)
        rows.append(
            {
                "item_code": code,
                "parent_code": None if part == 0 else main,
                "name": name + label,
                "kind": kind,
                "function": subject,
                "basis": f"《{subject}管理条例（示例）》第{rng.randint(3, 60)}条",
                "body": department,
                "body_uscc": PUBLISHERS[department],
                "duties": f"依法实施{name}，公开依据、程序和结果，接受监督。",
                "flow": FLOWS.get(kind, STEPS),
                "supervise": "拨打12345热线投诉举报；向本级司法行政部门反映",
                "level": rng.choices(("市", "县", "省", "乡"), (70, 20, 6, 4))[0],
                "status": rng.choices(("在用", "调整", "取消", "下放"), (92, 4, 2, 2))[0],
                "effective": day,
                "version": rng.randint(1, 4),
                "_row_updated": updated(rng, day),
            }
        )
    return rows


def power_list(seed: int) -> list[Row]:
    """Return about 3,000 powers of eleven departments."""
    rng = Random(f"{seed}/power_list")
    rows = []
    for department, subjects in MATTERS.items():
        for number in range(len(subjects)):
            for kind in PHRASES:
                rows += power_rows(rng, department, number, kind)
    return rows


POWERS_TITLE = "宜昌市市级部门权责清单（示例数据）"
FILES: tuple[Sample, ...] = (
    Text("service_items/service_items.csv", "service_items", service_items, EXCEL),
    Lines("service_rating/service_rating.ndjson", "service_rating", service_rating),
    Sheet("power_list/power_list.xlsx", "power_list", power_list, POWERS_TITLE),
)
