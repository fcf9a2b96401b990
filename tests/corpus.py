"""A corpus of messy files made from real and sample data, and how well stage detect reads them.

    python tests/corpus.py [--seed N] [--keep FOLDER]

Every file comes with what is true of it. What the detector claims of it (encoding, format,
delimiter, header row, notices, errors) is compared with that; per kind of claim the precision is
printed. Apart from that, a table that differs from the truth without any notice is a silent
wrong guess, and there must be none. The idea of polluting clean files one way at a time is that of
Pollock (Vitagliano et al., VLDB 2023).
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
import random
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

import pyarrow as pa
import pyarrow.parquet as pq
import xlsxwriter

from datahub.errors import FileError
from datahub.validation.reading import Slot
from datahub.validation.screening import screen
from datahub.validation.sniff import Probe, sniff

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared" / "data"
NOTICED = ("D", "Q13", "Q14", "Q17", "Q18", "Q19", "Q20")

_SIMPLE = (
    "万与丑专业东丝两严丧个丰临为丽举义乌乐习乡书买乱争于亏云亚产亩亲亿仅从仓仪们价众优会伟传"
    "伤伦伪体余佣侠侧侨俭债倾偿储儿党兰关兴养兽内冈册写军农冲决况冻净凉减凑几凤凭凯击刘则刚创"
    "删别剂剑剧劝办务动励劲劳势华协单卖卢卫却厂厅历厉压厌县参双发变叠叶号叹吓吕吗启吴员听呜响"
    "哑唤团园围国图圆圣场坏块坚坛坝坞坟坠垄垒垦垫城堕墙壮声壳处备复够头夹夺奋奖妇妈娄娅娘婴孙"
    "学宁宝实宠审宪宫宽宾对寻导寿将尔尘尝尧层岁岂岗岛岭岳峡币帅师帐带帮广庄庆库应庙庞废开异弃"
    "张弥弯归当录彻径忆志态怀总恋恒恶惊惠惧惯愿戏战户扎扑执扩扫扬扰抚抛抢护报担拟拥择挂挡挤挥"
    "损换据掷摆摇撑敌数断无旧时旷显晋晓暂术机杀杂权条来杨极构枢枣标栋树样桥梦检楼横欢欧步岁毕"
    "气汇汉汤沟没沪沿泪泽洁浅浆浇测济浏浓涛润涨渊渐渔湾湿满滨滩灭灯灵灶炉点炼烂烟烦烧热爱爷状"
    "独狭狮猎献环现玛珑琼电画畅疗疯盏盐监盖盘眯着矿码砖确础礼祸离种积称稳穷窃竞笔笼筑签简粮紧"
    "红纤约级纪纬纯纱纲纳纵纷纸线练组细织终经结给络绝统继绩续维绿缆缘编缩网罗罚罢职联肃肠肤胜"
    "胶脉脑脚脸舰舱艺节芦苏苹范茎荐荡荣药莱莲获营萝萧蓝蓟蒋虑虽虾蚀蛮补装见观规视览觉触计订认"
    "讨让训议讯记讲许论设访证评识诉词译试诗诚话诞询该详语误说请诸诺读课谁调谈谢谷豫贝负贡财责"
    "贤败账货质贩购贯贴贵费贺贾资赏赖赛赵赶趋跃践踪车轨转轮软轴轻载较辅辆辉输辖边达迁过运还这"
    "进远违连迟适选递逻遗邓郑邮邻郸酱释里鉴针钉钟钢钱铁铃铜银锁锅锋锐错锡锦键镇镜长门闭问间闲"
    "闸闻阁阅阳阴阵阶际陆陈险随隐难雾静页项顺须顾领频题颜额风飞饭饮饰饱馆马驰驱驻驾验骑骨骄鱼"
    "鲁鲜鸟鸡鸣鸭鸿鹅鹤麦黄齐齿龙龟"
)
_FULL = (
    "萬與醜專業東絲兩嚴喪個豐臨為麗舉義烏樂習鄉書買亂爭於虧雲亞產畝親億僅從倉儀們價眾優會偉傳"
    "傷倫偽體餘傭俠側僑儉債傾償儲兒黨蘭關興養獸內岡冊寫軍農衝決況凍淨涼減湊幾鳳憑凱擊劉則剛創"
    "刪別劑劍劇勸辦務動勵勁勞勢華協單賣盧衛卻廠廳歷厲壓厭縣參雙發變疊葉號嘆嚇呂嗎啟吳員聽嗚響"
    "啞喚團園圍國圖圓聖場壞塊堅壇壩塢墳墜壟壘墾墊城墮牆壯聲殼處備復夠頭夾奪奮獎婦媽婁婭娘嬰孫"
    "學寧寶實寵審憲宮寬賓對尋導壽將爾塵嘗堯層歲豈崗島嶺岳峽幣帥師帳帶幫廣莊慶庫應廟龐廢開異棄"
    "張彌彎歸當錄徹徑憶志態懷總戀恆惡驚惠懼慣願戲戰戶紮撲執擴掃揚擾撫拋搶護報擔擬擁擇掛擋擠揮"
    "損換據擲擺搖撐敵數斷無舊時曠顯晉曉暫術機殺雜權條來楊極構樞棗標棟樹樣橋夢檢樓橫歡歐步歲畢"
    "氣匯漢湯溝沒滬沿淚澤潔淺漿澆測濟瀏濃濤潤漲淵漸漁灣濕滿濱灘滅燈靈灶爐點煉爛煙煩燒熱愛爺狀"
    "獨狹獅獵獻環現瑪瓏瓊電畫暢療瘋盞鹽監蓋盤瞇著礦碼磚確礎禮禍離種積稱穩窮竊競筆籠築簽簡糧緊"
    "紅纖約級紀緯純紗綱納縱紛紙線練組細織終經結給絡絕統繼績續維綠纜緣編縮網羅罰罷職聯肅腸膚勝"
    "膠脈腦腳臉艦艙藝節蘆蘇蘋范莖薦蕩榮藥萊蓮獲營蘿蕭藍薊蔣慮雖蝦蝕蠻補裝見觀規視覽覺觸計訂認"
    "討讓訓議訊記講許論設訪證評識訴詞譯試詩誠話誕詢該詳語誤說請諸諾讀課誰調談謝谷豫貝負貢財責"
    "賢敗賬貨質販購貫貼貴費賀賈資賞賴賽趙趕趨躍踐蹤車軌轉輪軟軸輕載較輔輛輝輸轄邊達遷過運還這"
    "進遠違連遲適選遞邏遺鄧鄭郵鄰鄲醬釋裡鑑針釘鐘鋼錢鐵鈴銅銀鎖鍋鋒銳錯錫錦鍵鎮鏡長門閉問間閑"
    "閘聞閣閱陽陰陣階際陸陳險隨隱難霧靜頁項順須顧領頻題顏額風飛飯飲飾飽館馬馳驅駐駕驗騎骨驕魚"
    "魯鮮鳥雞鳴鴨鴻鵝鶴麥黃齊齒龍龜"
)
TRADITIONAL = str.maketrans(_SIMPLE, _FULL)

Rows = list[list[str]]


@dataclass
class Source:
    """A clean table: its name, Table Schema, rows without the header."""

    name: str
    schema: dict
    rows: Rows

    @property
    def labels(self) -> list[str]:
        """Names of the fields."""
        return [f["name"] for f in self.schema["fields"]]

    def some(self, rng: random.Random, least: int = 20, most: int = 120) -> Rows:
        """A run of rows, copied."""
        count = min(len(self.rows), rng.randint(least, most))
        start = rng.randint(0, len(self.rows) - count)
        return [row[:] for row in self.rows[start : start + count]]


@dataclass
class Case:
    """One messy file and the truth about it."""

    kind: str
    name: str
    data: bytes
    source: Source
    claims: set[str]
    rows: Rows | None = None  # records from the header on; None where the damage is in them
    optional: set[str] = field(default_factory=set)  # claims that are neither right nor wrong
    header_row: int = 1


# Sources ----------------------------------------------------------------------------------------


def _text_schema(labels: list[str], numbers: tuple[str, ...] = ()) -> dict:
    return {"fields": [{"name": n, "type": "number" if n in numbers else "string"} for n in labels]}


def _shared() -> list[Source]:
    found = []
    for name in ("streets", "areas", "cities", "provinces"):
        with (SHARED / "china-divisions" / f"{name}.csv").open(
            encoding="utf-8", newline=""
        ) as file:
            labels, *rows = csv.reader(file)
        found.append(Source(name, _text_schema(labels), rows))
    path = next((SHARED / "beijing-air-quality").glob("*.csv"))
    with path.open(encoding="utf-8", newline="") as file:
        labels, *rows = csv.reader(file)
    numbers = tuple(n for n in labels if n not in ("wd", "station"))
    schema = _text_schema(labels, numbers) | {"missingValues": ["", "NA"]}
    return [*found, Source("air", schema, rows[:5000])]


def _samples(folder: Path) -> list[Source]:
    found = []
    layouts = (
        ("bus/stops", "bus_stops", "utf-8", ","), ("bus/lines", "bus_lines", "utf-8", ","),
        ("budget_lines/budget_lines", "budget_lines", "utf-8", ","),
        ("admin_license/admin_license", "admin_license", "gb18030", ","),
        ("parking_charging/parking_charging", "parking_charging", "utf-16", "\t"),
        ("admin_penalty/admin_penalty", "admin_penalty", "utf-8-sig", ","),
    )  # fmt: skip
    for path, schema, encoding, delimiter in layouts:
        text = (folder / f"{path}.csv").read_bytes().decode(encoding)
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter))
        described = json.loads((ROOT / "schemas" / f"{schema}.json").read_text(encoding="utf-8"))
        names = [f["name"] for f in described["fields"]]
        start = rows.index(names)
        found.append(Source(schema, described, rows[start + 1 : start + 800]))
    return found


def sources(folder: Path | None = None) -> list[Source]:
    """All clean tables: those of `shared/data`, and the samples of the catalog (made if need be)."""
    if folder is None:
        folder = Path(tempfile.mkdtemp())
        script = ROOT / "catalogs" / "yichang" / "sample.py"
        subprocess.run([sys.executable, script, folder], check=True, capture_output=True)
    return _shared() + _samples(folder)


# Writers ----------------------------------------------------------------------------------------


def to_csv(rows: Rows, delimiter: str = ",", quote: str = '"', *, every: bool = False) -> str:
    """Rows as CSV text."""
    out = io.StringIO()
    how = csv.QUOTE_ALL if every else csv.QUOTE_MINIMAL
    csv.writer(
        out, delimiter=delimiter, quotechar=quote, quoting=how, lineterminator="\n"
    ).writerows(rows)
    return out.getvalue()


def to_xlsx(sheets: list[tuple[str, Rows, bool, list]]) -> bytes:
    """Sheets (name, rows, hidden, merged ranges) as a workbook."""
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"in_memory": True}) as book:
        for name, rows, hidden, merged in sheets:
            sheet = book.add_worksheet(name)
            for number, row in enumerate(rows):
                for column, text in enumerate(row):
                    if text:
                        sheet.write_string(number, column, text)
            for first, last, left, right in merged:
                sheet.merge_range(first, left, last, right, rows[first][left])
            if hidden:
                sheet.hide()
        if all(hidden for _, _, hidden, _ in sheets):
            book.add_worksheet("空白").activate()
    return out.getvalue()


def to_ods(sheets: list[tuple[str, Rows, bool, list]]) -> bytes:
    """Sheets as an OpenDocument spreadsheet (ODF 1.3)."""
    names = ("office", "style", "table", "text")
    spaces = " ".join(f'xmlns:{n}="urn:oasis:names:tc:opendocument:xmlns:{n}:1.0"' for n in names)
    body = ""
    for name, rows, hidden, merged in sheets:
        spans = {(r[0], r[2]): r for r in merged}
        body += (
            f'<table:table table:name="{escape(name)}" table:style-name="{"h" if hidden else "v"}">'
        )
        for number, row in enumerate(rows):
            body += "<table:table-row>"
            for column, text in enumerate(row):
                span = spans.get((number, column))
                more = (
                    f' table:number-rows-spanned="{span[1] - span[0] + 1}" table:number-columns-spanned="{span[3] - span[2] + 1}"'
                    if span
                    else ""
                )
                body += (
                    f'<table:table-cell office:value-type="string"{more}><text:p>{escape(text)}</text:p></table:table-cell>'
                    if text
                    else "<table:table-cell/>"
                )
            body += "</table:table-row>"
        body += "</table:table>"
    styles = "".join(
        f'<style:style style:name="{n}" style:family="table"><style:table-properties table:display="{d}"/></style:style>'
        for n, d in (("v", "true"), ("h", "false"))
    )
    content = f'<?xml version="1.0" encoding="UTF-8"?><office:document-content {spaces}><office:automatic-styles>{styles}</office:automatic-styles><office:body><office:spreadsheet>{body}</office:spreadsheet></office:body></office:document-content>'
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    manifest = f'<?xml version="1.0"?><manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"><manifest:file-entry manifest:full-path="/" manifest:media-type="{kind}"/></manifest:manifest>'
    return to_zip({"mimetype": kind, "content.xml": content, "META-INF/manifest.xml": manifest})


def to_zip(members: dict[str, str | bytes]) -> bytes:
    """Members as a ZIP archive."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


def to_parquet(rows: Rows) -> bytes:
    """Rows, header first, as Parquet of texts."""
    out = io.BytesIO()
    columns = {n: [row[i] for row in rows[1:]] for i, n in enumerate(rows[0])}
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


def to_xls(sheets: list[tuple[str, Rows, bool, list]]) -> bytes:
    """Sheets as a BIFF8 workbook in a compound file ([MS-XLS], [MS-CFB]): no library writes it."""
    bodies, names = [], []
    for name, rows, hidden, merged in sheets:
        out = _bof(0x10) + _record(
            0x200, struct.pack("<IIHHH", 0, len(rows), 0, max(map(len, rows)), 0)
        )
        for number, row in enumerate(rows):
            for column, text in enumerate(row):
                if text:
                    head = struct.pack(
                        "<HHHHB", number, column, 0, len(text.encode("utf-16-le")) // 2, 1
                    )
                    out += _record(0x204, head + text.encode("utf-16-le"))
        if merged:
            out += _record(
                0xE5,
                struct.pack("<H", len(merged)) + b"".join(struct.pack("<4H", *m) for m in merged),
            )
        bodies.append(out + _record(0x0A, b""))
        names.append((name.encode("utf-16-le"), int(hidden)))
    head = _bof(5) + _record(0x42, struct.pack("<H", 1200))
    place = len(head) + sum(12 + len(name) for name, _ in names) + 4
    for (name, hidden), body in zip(names, bodies, strict=True):
        head += _record(0x85, struct.pack("<IBBBB", place, hidden, 0, len(name) // 2, 1) + name)
        place += len(body)
    return _compound(head + _record(0x0A, b"") + b"".join(bodies))


def _record(kind: int, data: bytes) -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def _bof(kind: int) -> bytes:
    return _record(0x809, struct.pack("<HHHHII", 0x600, kind, 0x0DBB, 0x07CC, 0, 6))


def _compound(stream: bytes) -> bytes:
    """One stream called Workbook in a compound file: header, stream, directory, FAT."""
    free, end, none = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF
    stream = stream.ljust(4096, b"\0")
    stream += bytes(-len(stream) % 512)
    count, fats = len(stream) // 512, 1
    while (count + 1 + fats) * 4 > fats * 512:
        fats += 1
    fat = [*range(1, count), end, end, *[0xFFFFFFFD] * fats]
    fat += [free] * (fats * 128 - len(fat))

    def entry(name: str, kind: int, start: int, size: int, child: int = none) -> bytes:
        text = (name + "\0").encode("utf-16-le") if name else b""
        head = struct.pack("<HBBIII", len(text), kind, 1, none, none, child)
        return text.ljust(64, b"\0") + head + bytes(36) + struct.pack("<IQ", start, size)

    directory = entry("Root Entry", 5, end, 0, 1) + entry("Workbook", 2, 0, len(stream))
    directory += entry("", 0, 0, 0) * 2
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
    header += struct.pack("<9I", 0, fats, count, 0, 4096, end, 0, end, 0)
    header += b"".join(struct.pack("<I", count + 1 + i if i < fats else free) for i in range(109))
    return header + stream + directory + struct.pack(f"<{len(fat)}I", *fat)


# Cases ------------------------------------------------------------------------------------------


class Maker:
    """Makes the cases of every kind from the sources, the same for the same seed."""

    def __init__(self, found: list[Source], seed: int) -> None:
        self.sources, self.rng = found, random.Random(seed)
        self.chinese = [s for s in found if s.name != "air"]
        self.cases: list[Case] = []

    def pick(self, chinese: bool = True) -> tuple[Source, Rows]:
        """A source and some of its rows."""
        source = self.rng.choice(self.chinese if chinese else self.sources)
        return source, source.some(self.rng)

    def add(
        self,
        kind: str,
        name: str,
        data: bytes,
        source: Source,
        claims: set[str],
        rows: Rows | None = None,
        **more: object,
    ) -> None:
        """Add a case; CSV with commas and a header in row one is the default."""
        self.cases.append(Case(kind, name, data, source, claims, rows, **more))

    def all(self) -> list[Case]:
        """Every case."""
        for make in (
            self.clean, self.encodings, self.big5, self.short, self.delimiters, self.titles,
            self.books, self.several_sheets, self.hidden, self.merged, self.two_rows, self.trees,
            self.packed, self.parquet, self.mojibake, self.scientific, self.grouped, self.wide,
            self.zeros, self.open_quotes, self.mixed, self.foreign, self.broken, self.lying,
        ):  # fmt: skip
            make()
        return self.cases

    # Encodings, dialects

    def clean(self) -> None:
        for _ in range(14):
            source, rows = self.pick(chinese=False)
            full = [source.labels, *rows]
            self.add(
                "clean",
                "a.csv",
                to_csv(full).encode(),
                source,
                {"format:csv", "encoding:utf-8", "delimiter:,"},
                full,
            )

    def encodings(self) -> None:
        marks = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff", "utf-8": b"\xef\xbb\xbf"}
        ways = [
            ("utf-8", True),
            ("gb18030", False),
            ("gb18030", False),
            ("utf-16-le", True),
            ("utf-16-be", True),
            ("utf-16-le", False),
            ("utf-16-be", False),
        ]
        for codec, mark in ways * 9:
            source, rows = self.pick()
            full = [source.labels, *rows]
            data = (marks[codec] if mark else b"") + to_csv(full).encode(codec)
            claim = "utf-16" if mark and codec != "utf-8" else codec
            self.add(
                "encoding",
                "a.csv",
                data,
                source,
                {"format:csv", f"encoding:{claim}", "delimiter:,"},
                full,
            )

    def big5(self) -> None:
        for _ in range(16):
            source, rows = self.pick()
            full = [source.labels, *self.traditional(rows)]
            if len(full) > 3:
                self.add(
                    "encoding",
                    "a.csv",
                    to_csv(full).encode("big5"),
                    source,
                    {"format:csv", "encoding:big5", "delimiter:,"},
                    full,
                )

    @staticmethod
    def traditional(rows: Rows) -> Rows:
        """Rows in traditional characters, without those that Big5 lacks characters for."""
        turned = [[cell.translate(TRADITIONAL) for cell in row] for row in rows]
        return [row for row in turned if _fits_big5("".join(row))]

    def short(self) -> None:
        """One or two names: too little to be sure of; never silently wrong."""
        streets = next(s for s in self.sources if s.name == "streets")
        for number in range(40):
            rows = streets.some(self.rng, 1, 2)
            rows = self.traditional(rows) if number % 2 else rows
            full = [streets.labels, *rows]
            codec = "big5" if number % 2 else "gb18030"
            claims = {"format:csv", f"encoding:{codec}", "delimiter:,"}
            maybe = {"D02", "error:encoding-unclear", "error:encoding-unknown"}
            if rows:
                self.add(
                    "short",
                    "a.csv",
                    to_csv(full).encode(codec),
                    streets,
                    claims,
                    full,
                    optional=maybe,
                )

    def delimiters(self) -> None:
        for delimiter in ",\t;|":
            for number in range(6):
                source, rows = self.pick(chinese=False)
                full = [source.labels, *rows]
                quote = (
                    "'"
                    if number == 5 and not any("'" in c or '"' in c for r in rows for c in r)
                    else '"'
                )
                text = to_csv(full, delimiter, quote, every=number % 2 == 1)
                claims = {"format:csv", "encoding:utf-8", f"delimiter:{delimiter}"} | (
                    {"quote:'"} if quote == "'" else set()
                )
                self.add("delimiter", "a.csv", text.encode(), source, claims, full)

    def titles(self) -> None:
        for number in range(12):
            source, rows = self.pick()
            above = [["宜昌市名录\n（2026 年）"], ["制表单位：某局", "", "单位：个"], []][
                : number % 3 + 1
            ]
            text = to_csv([*above, source.labels, *rows])
            codec = ("utf-8", "gb18030")[number % 2]
            claims = {"format:csv", f"encoding:{codec}", "delimiter:,", "title rows"}
            self.add(
                "title rows",
                "a.csv",
                text.encode(codec),
                source,
                claims,
                [source.labels, *rows],
                header_row=len(above) + 1,
            )

    # Workbooks

    def books(self) -> None:
        for kind, write in BOOKS.items():
            for number in range(8):
                source, rows = self.pick()
                title = [["宜昌市示例名录"]] if number % 2 else []
                cover = [("封面", [["说明"], ["联系电话"]], False, [])] if number % 3 == 0 else []
                spans = [(0, 0, 0, 2)] if title and kind != "ods" else []
                data = write([*cover, ("数据", [*title, source.labels, *rows], False, spans)])
                claims = {f"format:{kind}", *({"title rows"} if title else ())}
                self.add(
                    kind,
                    f"a.{kind}",
                    data,
                    source,
                    claims,
                    [source.labels, *rows],
                    header_row=1 + len(title),
                )

    def several_sheets(self) -> None:
        for number in range(12):
            kind, write = self.rng.choice(list(BOOKS.items()))
            source, rows = self.pick()
            half = len(rows) // 2
            part = [source.labels[:-1], *(row[:-1] for row in rows[half:])]
            whole = ("甲", [source.labels, *rows[:half]], False, [])
            if number % 2:
                data = write([whole, ("乙", part, False, [])])
                self.add("sheets", f"a.{kind}", data, source, {f"format:{kind}", "D11"}, whole[1])
            else:
                data = write([whole, ("乙", [source.labels, *rows[half:]], False, [])])
                self.add("sheets", f"a.{kind}", data, source, {"error:table-unclear"})

    def hidden(self) -> None:
        for number in range(9):
            kind, write = list(BOOKS.items())[number % 3]
            source, rows = self.pick()
            full = [source.labels, *rows]
            secret = ("藏", [source.labels, *rows[:5]], True, [])
            data = write([("公开", full, False, []), secret])
            self.add("hidden sheet", f"a.{kind}", data, source, {f"format:{kind}", "D12"}, full)

    def merged(self) -> None:
        for number in range(9):
            kind, write = list(BOOKS.items())[number % 3]
            source, rows = self.pick()
            for row in rows[3:6]:
                row[1] = ""
            rows[2][1] = "合并"
            full = [source.labels, *rows]
            data = write([("表", full, False, [(3, 6, 1, 1)])])
            self.add("merged cells", f"a.{kind}", data, source, {f"format:{kind}", "D14"}, full)

    def two_rows(self) -> None:
        for number in range(6):
            kind, write = list(BOOKS.items())[number % 3]
            source, rows = self.pick()
            upper, lower = source.labels[:2], ["", ""]
            upper += ["分组"] + [""] * (len(source.labels) - 3)
            lower += source.labels[2:]
            data = write([("表", [upper, lower, *rows], False, [])])
            claims = {f"format:{kind}", "D13", "title rows"}
            self.add(
                "two-row header",
                f"a.{kind}",
                data,
                source,
                claims,
                [source.labels, *rows],
                header_row=2,
            )

    # Trees, archives, columns

    def trees(self) -> None:
        for number in range(24):
            source, rows = self.pick()
            records = [dict(zip(source.labels, row, strict=True)) for row in rows]
            codec = ("utf-8", "utf-8", "gb18030")[number % 3]
            way = number % 4
            if way == 0:
                text, kind = json.dumps(records, ensure_ascii=False, indent=1), "json"
            elif way == 1:
                inner = {"code": 0, "msg": "ok", "data": {"total": len(rows), "rows": records}}
                text, kind = json.dumps(inner, ensure_ascii=False), "json"
            elif way == 2:
                text, kind = json.dumps([source.labels, *rows], ensure_ascii=False), "json"
            else:
                text = "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records)
                kind = "ndjson"
            claims = {f"format:{kind}", f"encoding:{codec}"}
            self.add(kind, f"a.{kind}", text.encode(codec), source, claims, [source.labels, *rows])

    def packed(self) -> None:
        for number in range(16):
            source, rows = self.pick()
            full = [source.labels, *rows]
            codec = ("utf-8", "gb18030")[number % 2]
            data = to_csv(full).encode(codec)
            claims = {"format:csv", f"encoding:{codec}", "delimiter:,"}
            if number < 8:
                self.add("csv.gz", "a.csv.gz", gzip.compress(data), source, claims, full)
            else:
                members = {"数据.csv": data} | ({"readme.txt": "说明"} if number % 3 else {})
                self.add("zip", "a.zip", to_zip(members), source, claims | {"D03"}, full)
        for number in range(8):
            source, rows = self.pick()
            text = to_csv([source.labels, *rows])
            inner = (
                {"a.csv": text, "b.csv": text}
                if number % 2
                else {"inner.zip": to_zip({"a.csv": text})}
            )
            code = "table-unclear" if number % 2 else "archive-unfit"
            self.add("zip", "a.zip", to_zip(inner), source, {f"error:{code}"})

    def parquet(self) -> None:
        for _ in range(10):
            source, rows = self.pick()
            full = [source.labels, *rows]
            self.add("parquet", "a.parquet", to_parquet(full), source, {"format:parquet"}, full)

    # Damage

    def damaged(
        self, kind: str, code: str, change, *, numeric: bool = False, more: set[str] = frozenset()
    ) -> None:
        """Add a file of which some cells of one column were changed."""
        source, rows = self.pick()
        column = self.column(source, numeric)
        if column is None:
            source = next(s for s in self.sources if s.name == ("air" if numeric else "streets"))
            rows, column = source.some(self.rng), self.column(source, numeric)
        changed = 0
        for number in sorted(self.rng.sample(range(len(rows)), max(3, len(rows) // 4))):
            new = change(rows[number][column])
            changed += new != rows[number][column]
            rows[number][column] = new
        if changed:
            data = to_csv([source.labels, *rows]).encode()
            claims = {"format:csv", "encoding:utf-8", "delimiter:,", code, *more}
            self.add(kind, "a.csv", data, source, claims)

    def column(self, source: Source, numeric: bool) -> int | None:
        """A column of names, or of numbers."""
        for number, f in enumerate(source.schema["fields"]):
            if numeric and f.get("type") in ("number", "integer"):
                return number
            if (
                not numeric
                and f.get("type") == "string"
                and any("\u3400" < c < "\ua000" for r in source.rows[:20] for c in r[number])
            ):
                return number
        return None

    def mojibake(self) -> None:
        ways = [
            lambda t: t[:1] + "\ufffd" + t[2:],
            lambda t: "锟斤拷" + t[1:],
            lambda t: t.encode().decode("latin-1"),
            lambda t: t.encode().decode("cp1252", errors="ignore"),
            lambda t: t.encode().decode("gb18030", errors="replace"),
            lambda t: t.encode("gb18030").decode("utf-8", errors="replace"),
        ]
        for way in ways * 5:
            self.damaged("mojibake", "Q13", way)

    def scientific(self) -> None:
        for _ in range(10):
            self.damaged(
                "scientific",
                "Q14",
                lambda _: (
                    f"{self.rng.uniform(1, 9.99):.{self.rng.randint(1, 5)}f}E+{self.rng.randint(11, 17)}"
                ),
            )
        for _ in range(6):
            streets = next(s for s in self.sources if s.name == "streets")
            rows = streets.some(self.rng, 30, 60)
            for row in rows:
                row[0] = f"{self.rng.randint(10**14, 10**15 - 1)}000"
            self.add(
                "scientific",
                "a.csv",
                to_csv([streets.labels, *rows]).encode(),
                streets,
                {"format:csv", "encoding:utf-8", "delimiter:,", "Q14"},
            )

    def grouped(self) -> None:
        for _ in range(12):
            self.damaged(
                "thousands",
                "Q18",
                lambda _: f"{self.rng.randint(1000, 9_999_999):,}" + self.rng.choice(["", ".50"]),
                numeric=True,
            )

    def wide(self) -> None:
        full = str.maketrans("0123456789.-", "０１２３４５６７８９．－")
        for _ in range(12):
            self.damaged(
                "full-width",
                "Q19",
                lambda t: (t or "12").translate(full) if t != "NA" else "１",
                numeric=True,
            )

    def zeros(self) -> None:
        for _ in range(6):
            rows = [[f"{self.rng.randint(1, 99_999_999):09d}", f"路灯{n}"] for n in range(40)]
            schema = {
                "fields": [
                    {"name": "code", "type": "string", "constraints": {"pattern": r"\d{9}"}},
                    {"name": "name", "type": "string"},
                ]
            }
            source = Source("codes", schema, rows)
            lost = [[row[0].lstrip("0"), row[1]] for row in rows]
            self.add(
                "leading zeros",
                "a.csv",
                to_csv([source.labels, *lost]).encode(),
                source,
                {"format:csv", "encoding:utf-8", "delimiter:,", "Q20"},
            )

    # What is refused

    def open_quotes(self) -> None:
        for _ in range(10):
            source, rows = self.pick()
            place = self.rng.randint(0, len(rows) - 1)
            lines = to_csv(
                [source.labels, *([c.replace('"', "") for c in r] for r in rows)]
            ).splitlines()
            lines = [line.replace('"', "") for line in lines]
            lines[place + 1] = '"' + lines[place + 1]
            self.add(
                "quote", "a.csv", "\n".join([*lines, ""]).encode(), source, {"error:quote-open"}
            )

    def mixed(self) -> None:
        for number in range(8):
            source, rows = self.pick()
            half = len(rows) // 2
            first = to_csv([source.labels, *rows[:half]])
            second = to_csv(rows[half:])
            codecs = ("gb18030", "utf-8") if number % 2 else ("utf-8", "gb18030")
            data = first.encode(codecs[0]) + second.encode(codecs[1])
            self.add("mixed encodings", "a.csv", data, source, {"error:encoding"})

    def foreign(self) -> None:
        texts = {
            "euc_kr": "서울특별시 강남구 역삼동 대한민국 부산광역시 해운대구 학교 도서관 안녕하세요",
            "shift_jis": "東京都 渋谷区 カタカナ ひらがな 日本語 学校 図書館 こんにちは",
            "euc_jp": "東京都 渋谷区 カタカナ ひらがな 日本語 学校 図書館 こんにちは",
            "latin-1": "café naïve Ångström señor straße über",
        }
        for codec, text in list(texts.items()) * 3:
            words = text.split()
            self.rng.shuffle(words)
            source = Source("words", _text_schema(["id", "name"]), [])
            rows = [[str(n), w] for n, w in enumerate(words)]
            self.add(
                "foreign",
                "a.csv",
                to_csv([["id", "name"], *rows]).encode(codec),
                source,
                {"error:encoding"},
            )

    def broken(self) -> None:
        for number in range(18):
            source, rows = self.pick()
            full = [source.labels, *rows]
            sheets = [("表", full, False, [])]
            name, data, code = [
                ("a.parquet", to_parquet(full), "format-broken"),
                ("a.csv.gz", gzip.compress(to_csv(full).encode()), "file-unreadable"),
                ("a.xls", to_xls(sheets), "file-unreadable"),
                ("a.xlsx", to_xlsx(sheets), "file-unreadable"),
                (
                    "a.json",
                    json.dumps([dict(zip(source.labels, r, strict=True)) for r in rows]).encode(),
                    "format-broken",
                ),
                ("a.csv", to_csv(full).encode() + b"x\0y\n", "nul-found"),
            ][number % 6]
            if name != "a.csv":
                data = data[: self.rng.randint(len(data) // 3, len(data) - 20)]
            self.add("broken", name, data, source, {f"error:{code}"})

    def lying(self) -> None:
        for number in range(10):
            source, rows = self.pick()
            full = [source.labels, *rows]
            sheets = [("表", full, False, [])]
            text = to_csv(full).encode()
            name, data, claims = [
                ("a.xlsx", text, {"error:format-mismatch"}),
                ("a.csv", gzip.compress(text), {"error:format-mismatch"}),
                ("a.parquet", text, {"error:format-mismatch"}),
                ("a.xls", to_xlsx(sheets), {"format:xlsx", "D01"}),
                ("a.xlsx", to_xls(sheets), {"format:xls", "D01"}),
            ][number % 5]
            self.add("lying name", name, data, source, claims, full if "D01" in claims else None)


BOOKS = {"xlsx": to_xlsx, "xls": to_xls, "ods": to_ods}


def _fits_big5(text: str) -> bool:
    try:
        text.encode("big5")
    except UnicodeEncodeError:
        return False
    return True


# Scoring ----------------------------------------------------------------------------------------


@dataclass
class Score:
    """Right and wrong claims per kind of claim, and per kind of file what went wrong."""

    right: Counter = field(default_factory=Counter)
    false: Counter = field(default_factory=Counter)
    missed: Counter = field(default_factory=Counter)
    files: Counter = field(default_factory=Counter)
    good: Counter = field(default_factory=Counter)
    silent: list[str] = field(default_factory=list)  # wrong tables without a notice
    details: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def precision(self, claim: str) -> float:
        """Share of the claims of this kind that are true."""
        return self.right[claim] / max(1, self.right[claim] + self.false[claim])

    def recall(self, claim: str) -> float:
        """Share of the files of which this is true that it was claimed of."""
        return self.right[claim] / max(1, self.right[claim] + self.missed[claim])

    @property
    def claims(self) -> list[str]:
        """Every kind of claim that was made or should have been."""
        return sorted({*self.right, *self.false, *self.missed})


def detect(case: Case, folder: Path) -> tuple[set[str], Rows | None]:
    """What the detector claims of a case, and the records it reads from the header on."""
    path = folder / "source"
    path.write_bytes(case.data)
    (folder / "copy.csv").unlink(missing_ok=True)
    probe = Probe(
        path=str(path),
        name=case.name,
        bytes=len(case.data),
        sha256="",
        schema=case.source.schema,
        copy=str(folder / "copy.csv"),
    )
    try:
        table = sniff(probe)
    except FileError as error:
        code = (
            "encoding"
            if error.code in ("encoding-unknown", "encoding-unclear") and case.kind != "short"
            else error.code
        )
        return {f"error:{code}"}, None
    claims = {f"format:{table.format}", *(n.code for n in table.notices)}
    if table.format in ("csv", "json", "ndjson"):
        claims.add(f"encoding:{table.encoding}")
    if table.format == "csv":
        claims.add(f"delimiter:{table.dialect.delimiter}")
    if table.dialect.header_row > 1:
        claims.add("title rows")
    if table.dialect.quote_char != '"':
        claims.add(f"quote:{table.dialect.quote_char}")
    with Path(table.path).open(encoding="utf-8", newline="") as file:
        reader = csv.reader(
            file, delimiter=table.dialect.delimiter, quotechar=table.dialect.quote_char
        )
        rows = list(reader)[table.dialect.header_row - 1 :]
    slot = Slot(name="t", schema=case.source.schema, tables=(table,))
    claims |= {f.rule for f in screen((slot,)) if f.rule.startswith(NOTICED)}
    return claims, rows


def score(cases: list[Case]) -> Score:
    """Compare what is claimed of each case with what is true of it."""
    total = Score()
    with tempfile.TemporaryDirectory() as folder:
        for number, case in enumerate(cases):
            claims, rows = detect(case, Path(folder))
            total.files[case.kind] += 1
            unclear = claims & case.optional
            claims -= case.optional
            refused = any(claim.startswith("error:") for claim in unclear)
            missed = set() if refused else case.claims - claims
            total.right.update(claims & case.claims)
            total.false.update(claims - case.claims)
            total.missed.update(missed)
            wrong = case.rows is not None and rows is not None and _plain(rows) != _plain(case.rows)
            noticed = any(c[0] in "DQ" for c in claims | unclear)
            if wrong and not noticed:
                total.silent.append(f"{case.kind} #{number}")
            if claims - case.claims or missed or (wrong and not unclear):
                total.details[case.kind].append(
                    f"#{number} {case.source.name}: claimed {sorted(claims - case.claims)}, missed {sorted(missed)}, rows {'wrong' if wrong else 'right'}"
                )
            else:
                total.good[case.kind] += 1
    return total


def _plain(rows: Rows) -> Rows:
    """Rows without empty cells at their ends, which workbooks do not tell from none."""
    plain = [[*row] for row in rows]
    for row in plain:
        while row and not row[-1]:
            row.pop()
    return plain


def report(total: Score) -> str:
    """The score as two tables of text."""
    lines = [f"{'claim':<26}{'right':>6}{'false':>6}{'missed':>7}{'precision':>11}{'recall':>8}"]
    for claim in total.claims:
        shown = claim.replace("\t", "TAB")
        lines.append(
            f"{shown:<26}{total.right[claim]:>6}{total.false[claim]:>6}{total.missed[claim]:>7}{total.precision(claim):>11.3f}{total.recall(claim):>8.3f}"
        )
    lines += ["", f"{'kind of file':<26}{'files':>6}{'as true':>9}"]
    lines += [
        f"{kind:<26}{total.files[kind]:>6}{total.good[kind]:>9}" for kind in sorted(total.files)
    ]
    lines += [
        "",
        f"{sum(total.files.values())} files, {sum(total.good.values())} as true; silent wrong guesses: {total.silent or 'none'}",
    ]
    return "\n".join(lines)


def main() -> None:
    """Make the corpus, score it, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder to write the files to")
    given = parser.parse_args()
    cases = Maker(sources(), given.seed).all()
    if given.keep:
        given.keep.mkdir(parents=True, exist_ok=True)
        for number, case in enumerate(cases):
            (given.keep / f"{number:03d}-{case.kind.replace(' ', '-')}-{case.name}").write_bytes(
                case.data
            )
    total = score(cases)
    print(report(total))
    for kind, told in total.details.items():
        print(*(f"{kind} {line}" for line in told), sep="\n")


if __name__ == "__main__":
    main()
