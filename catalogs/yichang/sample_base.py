"""What the generators of the sample files share: codes, places, days, and ways of writing.

Nothing here is real. Organisations are numbered, credit codes sit in blocks that are not
issued in this city, natural persons are masked to a surname, and office phones start with 0,
which no local number does. Encodings and layouts differ from file to file on purpose: they are
what departments send in.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import xlsxwriter
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable

Row = dict[str, Any]

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
SNAPSHOT = datetime(2026, 1, 5, 6)
MONTH_END = datetime(2025, 12, 31, 17)
DAYS_2025 = 365


def publishers() -> dict[str, str]:
    """Return the credit code of every publisher of the catalog by its name."""
    text = (Path(__file__).resolve().parent / "catalog.yaml").read_text(encoding="utf-8")
    return {entry["title"]: entry["credit_code"] for entry in yaml.safe_load(text)["publishers"]}


PUBLISHERS = publishers()
BUS_COMPANY = PUBLISHERS["宜昌公交集团"]


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


# The budget units that are publishers; others are numbered.
BUDGET_PUBLISHERS = (
    "宜昌市生态环境局",
    "宜昌市财政局",
    "宜昌市政务服务和大数据管理局",
    "宜昌市市场监督管理局",
    "宜昌市交通运输局",
    "宜昌市城市管理执法委员会",
    "宜昌市卫生健康委员会",
    "宜昌市教育局",
)


def unit_code(number: int) -> str:
    """Return the credit code of a budget unit: the publishers first, then numbered units."""
    known = [PUBLISHERS[name] for name in BUDGET_PUBLISHERS]
    return known[number] if number < len(known) else credit_code("11420500", f"MB3{number:05d}")


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


def plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    return value.isoformat() if isinstance(value, date | datetime) else value


def write_lines(path: Path, schema: str, rows: list[Row]) -> None:
    """Write rows as newline-delimited JSON."""
    names = field_names(schema)
    objects = ({name: plain(row.get(name)) for name in names} for row in rows)
    text = "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in objects)
    path.write_text(text, encoding="utf-8", newline="\n")


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


# --- the files ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Text:
    """A sample that is delimited text."""

    path: str
    schema: str
    rows: Callable[[int], list[Row]]
    layout: Layout = Layout()

    def write(self, path: Path, rows: list[Row]) -> None:
        """Write the rows as this department does."""
        write_text(path, self.schema, rows, self.layout)


@dataclass(frozen=True)
class Sheet:
    """A sample that is a workbook."""

    path: str
    schema: str
    rows: Callable[[int], list[Row]]
    title: str | None = None

    def write(self, path: Path, rows: list[Row]) -> None:
        """Write the rows below the title, if there is one."""
        write_sheet(path, self.schema, rows, self.title)


@dataclass(frozen=True)
class Lines:
    """A sample that has a JSON object on each line, as interfaces give it."""

    path: str
    schema: str
    rows: Callable[[int], list[Row]]

    def write(self, path: Path, rows: list[Row]) -> None:
        """Write one object a row; numbers and truth values stay what they are."""
        write_lines(path, self.schema, rows)


Sample = Text | Sheet | Lines

WINDOWS = Layout("gb18030", newline="\r\n")
EXCEL = Layout(bom=b"\xef\xbb\xbf")
WIDE = Layout("utf-16-le", "\t", "\r\n", b"\xff\xfe")
