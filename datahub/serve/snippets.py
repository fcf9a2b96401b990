"""Programs that read a resource, ready to be copied: real addresses, names, and a real filter.

What a program says is quoted as its language wants it, so that any name of a column may stand in
it. Those marked `runs` are run by the tests; the others are checked for their form only.
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from datahub.forms.columns import literal
from datahub.forms.columns import quote as identifier
from datahub.forms.geometry import geometry_of
from datahub.model import Json, Struct
from datahub.serve.query.plan import LOGIC, ONCE
from datahub.serve.query.text import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from datahub.serve.reading import Table

PAGE = ("version", "as_of", "format", "limit", "offset", "cursor", "count", "shape")
"""Parameters of rows that are no question to the table."""
RESERVED = frozenset((*LOGIC, *ONCE, *PAGE, "having"))
ROWS = 5
_FEW = 50
_M_TYPES = {
    "integer": "Int64.Type",
    "number": "type number",
    "date": "type date",
    "datetime": "type datetime",
    "time": "type time",
    "boolean": "type logical",
    "year": "Int64.Type",
}


class Snippet(Struct, frozen=True):
    """A program; `runs` tells that the tests run it as it stands."""

    lang: str
    title: str
    title_en: str
    code: str
    runs: bool


class Place(Struct, frozen=True):
    """What a program reads: the table, where it is, and a condition that rows of it fulfil."""

    table: Table
    base: str  # address of the site
    title: str
    column: str = ""  # of the condition; empty: there is none
    value: str = ""
    pinned: bool = False

    @property
    def rows(self) -> str:
        """Address of the rows."""
        table = self.table
        return f"{self.base}/api/v1/datasets/{table.dataset}/resources/{table.resource}/rows"

    @property
    def question(self) -> dict[str, str]:
        """Parameters that ask for the first rows that fulfil the condition."""
        asked = {parameter(self.column): f"eq.{self.value}"} if self.column else {}
        return asked | self.version | {"limit": str(ROWS)}

    @property
    def version(self) -> dict[str, str]:
        """Parameter that keeps to the version, where the programs are to."""
        return {"version": f"v{self.table.version}"} if self.pinned else {}

    def file(self, suffix: str) -> str:
        """Address of the whole table in a form: a file of the release, else a stream."""
        table = self.table
        name = f"{table.resource}.{suffix}"
        if any(file.path == name for file in table.files):
            return (
                f"{self.base}/d/{table.dataset}/{table.version if self.pinned else 'latest'}/{name}"
            )
        query = f"?{urlencode(self.version)}" if self.pinned else ""
        return f"{self.rows.removesuffix('rows')}export.{suffix}{query}"


def parameter(column: str) -> str:
    """Write a column as the name of a parameter of rows."""
    return quoted(column) if column in RESERVED or not column.isidentifier() else column


def place(table: Table, stats: dict[str, Json], base: str, title: str, *, pinned: bool) -> Place:
    """Find a condition that says something: on a text that takes few values, the usual one."""

    def liking(name: str) -> tuple[bool, bool, bool, bool]:
        column, found = by_name[name], stats[name]
        few = 1 < found["distinct"] <= _FEW and not found["approximate"]
        plain = name.isascii() and name not in RESERVED
        return column.kind == "VARCHAR", few, not found.get("pattern"), plain  # words before codes

    by_name = {c.name: c for c in table.columns if c.name in stats and stats[c.name]["top"]}
    told = [name for name in by_name if isinstance(stats[name]["top"][0]["value"], str | int)]
    if not told:
        return Place(table, base, title, pinned=pinned)
    best = max(told, key=liking)
    value = stats[best]["top"][0]["value"]
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return Place(table, base, title, best, text, pinned=pinned)


def snippets(at: Place, crs: str = "") -> list[Snippet]:
    """Make all programs for a resource; `crs` is its record's reference system."""
    made = [
        Snippet(lang=lang, title=title, title_en=english, code=write(at), runs=runs)
        for lang, title, english, write, runs in _WRITERS
    ]
    has_places = geometry_of(at.table.columns, crs) is not None
    return made if has_places else [item for item in made if item.lang != "qgis"]


def _curl(at: Place) -> str:
    given = " \\\n  ".join(
        f"--data-urlencode {shlex.quote(f'{quote(name)}={value}')}"
        for name, value in at.question.items()
    )
    return f"curl -sS -G {shlex.quote(at.rows)} \\\n  {given}"


def _python(at: Place) -> str:
    return f"""\
import json
import urllib.parse
import urllib.request

address = {_string(at.rows)}
question = {_mapping(at.question)}
query = urllib.parse.urlencode(question)
with urllib.request.urlopen(f"{{address}}?{{query}}") as answer:
    page = json.load(answer)
for row in page["data"]:
    print(json.dumps(row, ensure_ascii=False))"""


def _pandas(at: Place) -> str:
    return f"""\
import pandas as pd

df = pd.read_parquet({_string(at.file("parquet"))})  # 编码列保持为文本
print(df.head({ROWS}))"""


def _polars(at: Place) -> str:
    kind = next((c.kind for c in at.table.columns if c.name == at.column), "")
    wanted = _string(at.value) if kind == "VARCHAR" else at.value.capitalize()
    plain = kind in ("VARCHAR", "BIGINT", "INTEGER", "BOOLEAN")
    condition = f".filter(pl.col({_string(at.column)}) == {wanted})" if plain else ""
    return f"""\
import polars as pl

lf = pl.scan_parquet({_string(at.file("parquet"))})  # 只下载用到的部分
print(lf{condition}.head({ROWS}).collect())"""


def _r(at: Place) -> str:
    return f"""\
# install.packages(c("arrow", "jsonlite"))
df <- arrow::read_parquet({_string(at.file("parquet"))})
head(df, {ROWS})

# 按条件取数据行
page <- jsonlite::fromJSON({_string(f"{at.rows}?{urlencode(at.question)}")})
page$data"""


def _duckdb(at: Place) -> str:
    name = identifier(at.column) if at.column else ""
    picked = f"{name}, count(*) as n" if name else "count(*) as n"
    grouped = f"\ngroup by {name}\norder by n desc, 1" if name else ""
    return f"""\
install httpfs; load httpfs;
select {picked}
from read_parquet({literal(at.file("parquet"))}){grouped};"""  # noqa: S608 - shown, never run here


def _javascript(at: Place) -> str:
    return f"""\
const address = {_string(at.rows)};
const question = new URLSearchParams({_mapping(at.question)});
const answer = await fetch(`${{address}}?${{question}}`);
if (!answer.ok) throw new Error((await answer.json()).detail_zh);
const page = await answer.json();
for (const row of page.data) console.log(JSON.stringify(row));"""


def _excel(at: Place) -> str:
    return f"""\
1. 打开 Excel，点“数据”→“自网站”（旧版：“数据”→“新建查询”→“从其他源”→“从 Web”）。
2. 粘贴这个地址，点“确定”：
   {at.file("csv")}
3. 预览窗口里“文件原始格式”选“65001: Unicode (UTF-8)”，“分隔符”选“逗号”。
4. 点“转换数据”，把编码、证件号一类的列改成“文本”，再点“关闭并上载”。
以后点“全部刷新”就会取得{"同一版本" if at.pinned else "最新"}的数据。"""


def _power_query(at: Place) -> str:
    fields = {field["name"]: field for field in at.table.schema["fields"]}
    types = ",\n".join(
        f"        {{{_m(column.name)}, {_m_type(fields.get(column.name, {}))}}}"
        for column in at.table.columns
    )
    return f"""\
let
    Source = Csv.Document(
        Web.Contents({_m(at.file("csv"))}),
        [Delimiter = ",", Encoding = 65001, QuoteStyle = QuoteStyle.Csv]
    ),
    Promoted = Table.PromoteHeaders(Source, [PromoteAllScalars = true]),
    Typed = Table.TransformColumnTypes(Promoted, {{
{types}
    }}, "en-US")
in
    Typed"""


def _qgis(at: Place) -> str:
    address = at.file("geojson")
    return f"""\
# 菜单：图层 → 添加图层 → 添加矢量图层；源类型选“协议：HTTP(S)”，URI 填：
#   {address}
# 或者在 QGIS 的 Python 控制台里：
iface.addVectorLayer({_string(f"/vsicurl/{address}")}, {_string(at.title)}, "ogr")"""


_WRITERS: tuple[tuple[str, str, str, Callable[[Place], str], bool], ...] = (
    ("curl", "命令行（curl）", "curl: rows that fulfil a condition", _curl, True),
    ("python", "Python（标准库）", "Python, standard library", _python, True),
    ("pandas", "Python（pandas）", "Python, pandas: the whole table", _pandas, True),
    ("polars", "Python（polars）", "Python, polars: only what is needed", _polars, True),
    ("duckdb", "DuckDB（SQL）", "DuckDB: SQL over the file", _duckdb, True),
    ("javascript", "JavaScript（fetch）", "JavaScript, fetch", _javascript, True),
    ("r", "R", "R: the whole table, and rows", _r, False),
    ("excel", "Excel：自网站", "Excel: from the web, step by step", _excel, False),
    ("powerquery", "Excel：Power Query", "Excel: Power Query M", _power_query, False),
    ("qgis", "QGIS", "QGIS: as a layer", _qgis, False),
)
LANGUAGES = tuple(writer[0] for writer in _WRITERS)


def _string(text: str) -> str:
    """Write a text in double quotes as Python, JavaScript and R read it."""
    return json.dumps(text, ensure_ascii=False)


def _mapping(given: dict[str, str]) -> str:
    return json.dumps(given, ensure_ascii=False)


def _m(text: str) -> str:
    """Write a text as M reads it: quotes doubled, and no escape sequence by chance."""
    return '"' + text.replace("#(", "#(#)(").replace('"', '""') + '"'


def _m_type(field: Json) -> str:
    kind = field.get("type", "string")
    if kind == "datetime" and field.get("timezone"):
        return "type datetimezone"
    return _M_TYPES.get(kind, "type text")
