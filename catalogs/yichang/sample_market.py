"""Samples of markets and money: inspections, food, what departments spend and charge."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from random import Random

from sample_base import (
    PUBLISHERS,
    WINDOWS,
    Row,
    Sample,
    Sheet,
    Text,
    credit_code,
    money,
    parties,
    unit_code,
    updated,
)

# --- random_check ------------------------------------------------------------------------------

CHECKS = (
    ("CC-SC-01", "登记事项检查", "宜昌市市场监督管理局"),
    ("CC-SC-02", "食品销售监督检查", "宜昌市市场监督管理局"),
    ("CC-SC-03", "广告行为检查", "宜昌市市场监督管理局"),
    ("CC-WJ-01", "公共场所卫生检查", "宜昌市卫生健康委员会"),
    ("CC-HB-01", "排污情况检查", "宜昌市生态环境局"),
    ("CC-JT-01", "道路运输经营检查", "宜昌市交通运输局"),
    ("CC-CG-01", "燃气经营检查", "宜昌市城市管理执法委员会"),
)
OUTCOMES = {
    "未发现问题": (86, None),
    "责令改正": (8, "已按期改正，复查合格。"),
    "移送": (1, "已移送有管辖权的部门处理。"),
    "立案": (1, "已立案调查。"),
    "失联": (3, "通过登记的住所无法联系，列入经营异常名录。"),
    "其他": (1, "不予配合检查，情节轻微，已教育。"),
}


def random_check(seed: int) -> list[Row]:
    """Return 250 tasks of some twelve enterprises each."""
    rng = Random(f"{seed}/random_check")
    firms = [row for row in parties(seed) if row["party_uscc"]]
    rows = []
    for task in range(1, 251):
        code, name, department = rng.choice(CHECKS)
        begin = date(2025, 2, 1) + timedelta(days=rng.randrange(320))
        others = sorted({check[2] for check in CHECKS} - {department})
        joint = [department, *rng.sample(others, rng.choice((0, 0, 1, 2)))]
        for firm in rng.sample(firms, rng.randint(8, 16)):
            result = rng.choices(list(OUTCOMES), [share for share, _ in OUTCOMES.values()])[0]
            day = begin + timedelta(days=rng.randint(0, 10))
            rows.append(
                {
                    "plan_id": f"JH2025-{task % 24 + 1:03d}",
                    "task_id": f"RW2025-{task:05d}",
                    "item_code": code,
                    "item_name": name,
                    "target_name": firm["party_name"],
                    "target_uscc": firm["party_uscc"],
                    "check_date": day,
                    "departments": "；".join(joint),
                    "result_code": result,
                    "followup": OUTCOMES[result][1],
                    "_row_updated": updated(rng, day),
                }
            )
    return rows


# --- food_sampling -----------------------------------------------------------------------------

FOODS = (
    ("粮食加工品", "鲜米粉", "500克/袋"),
    ("食用油、油脂及其制品", "菜籽油", "5升/桶"),
    ("肉制品", "酱卤牛肉", "200克/袋"),
    ("乳制品", "纯牛奶", "250毫升/盒"),
    ("糕点", "绿豆糕", "300克/盒"),
    ("豆制品", "豆腐干", "100克/袋"),
    ("茶叶及相关制品", "绿茶", "250克/罐"),
    ("蔬菜制品", "榨菜", "80克/袋"),
    ("食用农产品", "柑橘", None),
    ("食用农产品", "草鱼", None),
    ("食用农产品", "韭菜", None),
    ("餐饮食品", "油条（自制）", None),
)
FAILURES = (
    ("菌落总数", "320000 CFU/g", "≤100000 CFU/g"),
    ("大肠菌群", "210 CFU/g", "≤100 CFU/g"),
    ("铝的残留量", "236 mg/kg", "≤100 mg/kg"),
    ("过氧化值", "0.41 g/100g", "≤0.25 g/100g"),
    ("腐霉利", "0.63 mg/kg", "≤0.2 mg/kg"),
    ("恩诺沙星", "186 μg/kg", "≤100 μg/kg"),
)


def food_row(rng: Random, number: int, sellers: list[Row]) -> Row:
    """Return one sample of food; one in forty fails."""
    category, product, spec = rng.choice(FOODS)
    seller, maker = rng.choice(sellers), rng.randint(1, 120)
    sampled = date(2025, 1, 6) + timedelta(days=rng.randrange(340))
    made = sampled - timedelta(days=rng.randint(0, 90 if spec else 2))
    failure = rng.choice(FAILURES) if rng.random() < 0.025 else (None, None, None)
    packed = spec is not None
    return {
        "sample_no": f"GC25420500-{number:05d}",
        "product": f"示例牌{product}" if packed else product,
        "category": category,
        "spec": spec,
        "batch": f"P{made:%y%m%d}" if packed else None,
        "produced": made,
        "producer": f"示例第{maker:04d}号食品有限公司" if packed else None,
        "producer_uscc": credit_code("91420500", f"MA05{maker:04d}") if packed else None,
        "seller": seller["party_name"],
        "seller_uscc": seller["party_uscc"],
        "region": seller["region"],
        "sampled": sampled,
        "result": "合格" if failure[0] is None else "不合格",
        **dict(zip(("failed_item", "measured", "limit"), failure, strict=True)),
        "agency": "宜昌市示例食品检验所",
        "notice_no": f"2025年第{sampled.isocalendar().week}期",
        "_row_updated": updated(rng, sampled + timedelta(days=12)),
    }


def food_sampling(seed: int) -> list[Row]:
    """Return 5,000 samples of 2025."""
    rng = Random(f"{seed}/food_sampling")
    sellers = [row for row in parties(seed) if row["party_type"] in ("个体", "法人")]
    return [food_row(rng, number, sellers) for number in range(1, 5001)]


# --- three_public ------------------------------------------------------------------------------

PUBLIC_STAGES = (
    (2023, "预算", date(2023, 2, 21)),
    (2023, "决算", date(2024, 9, 12)),
    (2024, "预算", date(2024, 2, 20)),
    (2024, "决算", date(2025, 9, 15)),
    (2025, "预算", date(2025, 2, 18)),
)


def three_public(seed: int) -> list[Row]:
    """Return the expenses of 120 units, three years planned and two of them spent."""
    rng, rows = Random(f"{seed}/three_public"), []
    names = {code: name for name, code in PUBLISHERS.items()}
    for number in range(120):
        uscc, size = unit_code(number), rng.randint(2, 40)
        for year, stage, day in PUBLIC_STAGES:
            travels, buys = rng.random() < 0.2, rng.random() < 0.15
            cents = {
                "abroad": rng.randint(200, 1800) * 100 if travels else 0,
                "car_buy": rng.randint(160, 360) * 1000 if buys else 0,
                "car_run": size * rng.randint(10000, 24000) // 10,
                "reception": size * rng.randint(500, 4200) // 10,
            }
            rows.append(
                {
                    "year": year,
                    "org_uscc": uscc,
                    "org_name": names.get(uscc, f"宜昌市示例第{number:03d}号预算单位"),
                    "stage": stage,
                    **{key: money(value) for key, value in cents.items()},
                    "total": money(sum(cents.values())),
                    "abroad_groups": rng.randint(1, 3) if travels else 0,
                    "cars": size,
                    "receptions": size * rng.randint(1, 9),
                    "_row_updated": datetime(day.year, day.month, day.day, 10),
                }
            )
    return rows


# --- fees --------------------------------------------------------------------------------------

# department: (letters, [(fee, lowest, highest, charged per, enterprises pay)])
FEES: dict[str, tuple[str, tuple[tuple[str, int, int, str, bool], ...]]] = {
    "宜昌市教育局": (
        "JY",
        (
            ("普通高中学费", 700, 900, "生·学期", False),
            ("公办幼儿园保育教育费", 300, 620, "生·月", False),
            ("普通高中住宿费", 200, 600, "生·学期", False),
            ("高等教育自学考试报名费", 40, 40, "人·科", False),
        ),
    ),
    "宜昌市住房和城乡建设局": (
        "ZJ",
        (
            ("城镇垃圾处理费", 5, 10, "户·月", False),
            ("城市道路挖掘修复费", 80, 480, "平方米", True),
            ("生活污水处理费", 1, 2, "立方米", True),
        ),
    ),
    "宜昌市人力资源和社会保障局": (
        "RS",
        (
            ("专业技术人员资格考试费", 56, 81, "人·科", False),
            ("职业技能鉴定考试费", 120, 460, "人·次", False),
        ),
    ),
    "宜昌市卫生健康委员会": (
        "WJ",
        (
            ("非免疫规划疫苗储运费", 20, 20, "支", False),
            ("医师资格考试费", 60, 290, "人·次", False),
            ("预防接种服务费", 22, 28, "针次", False),
        ),
    ),
    "宜昌市市场监督管理局": ("SC", (("特种设备检验检测费", 60, 2600, "台·次", True),)),
    "宜昌市交通运输局": ("JT", (("机动车驾驶员从业资格考试费", 40, 80, "人·次", False),)),
}
ROUNDS = 9  # each fee has had as many standards, of which the last is in force
FEE_DOCUMENT = "鄂示价规〔{}〕第{}号"


def fee_rows(
    rng: Random, department: str, letters: str, first: int, fee: tuple[str, int, int, str, bool]
) -> list[Row]:
    """Return the standards of one fee, one after the other."""
    name, low, high, unit, enterprises = fee
    level = rng.choices(("中央", "省", "市"), (30, 60, 10))[0]
    rows = []
    for turn in range(ROUNDS):
        year, last = 2025 - 2 * (ROUNDS - 1 - turn), turn == ROUNDS - 1
        share = 1 - 0.05 * (ROUNDS - 1 - turn)
        least, most = round(low * share), round(high * share)
        amount = f"{least}元" if least == most else f"{least}元至{most}元"
        status = rng.choices(("执行", "停征", "免征"), (84, 8, 8))[0] if last else "取消"
        rows.append(
            {
                "fee_code": f"SF-{letters}-{first + turn:04d}",
                "name": name,
                "dept": department,
                "basis": f"湖北省{name}管理办法（示例）",
                "doc_no": FEE_DOCUMENT.format(year, rng.randint(1, 90)),
                "standard": f"每{unit}{amount}",
                "amount_min": least,
                "amount_max": most,
                "unit": unit,
                "level": level,
                "to_enterprise": enterprises,
                "start": date(year, 1, 1),
                "end": None if last else date(year + 1, 12, 31),
                "status": status,
                "_row_updated": datetime(min(year, 2025), 7, 1, 9, 30),
            }
        )
    return rows


def fees(seed: int) -> list[Row]:
    """Return fees of six departments with all of their standards since 2009."""
    rng, rows = Random(f"{seed}/fees"), []
    for department, (letters, entries) in FEES.items():
        for number, fee in enumerate(entries):
            rows += fee_rows(rng, department, letters, 1 + number * ROUNDS, fee)
    return rows


FILES: tuple[Sample, ...] = (
    Text("random_check/random_check.csv", "random_check", random_check, WINDOWS),
    Text("food_sampling/food_sampling.csv", "food_sampling", food_sampling),
    Sheet("three_public/three_public.xlsx", "three_public", three_public),
    Text("fees/fees.csv", "fees", fees, WINDOWS),
)
