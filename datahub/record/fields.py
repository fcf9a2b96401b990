"""The fields of a catalog record, as one table that rules, JSON Schema and score are made from.

Keys are ours; titles are those of the 指南 and of `standards.md` §3. Fields of the Data Package
itself (name, title, description, keywords, licenses, resources) stand at its top, all others
under `catalog`.
"""

from __future__ import annotations

from typing import Literal

from datahub.model import Struct

Kind = Literal["line", "text", "date", "lines", "object", "flag"]
"""One line of text, text of many lines, a date, a list of lines, a mapping, yes or no."""

SPAN = r"P(?!$)(\d+Y)?(\d+M)?(\d+W)?(\d+D)?(T(?=\d)(\d+H)?(\d+M)?(\d+S)?)?"
CODE = r"[123]\d{2}\d{3}\d*/\d{1,20}"


class Field(Struct, frozen=True):
    """A field of the record: what it is called, what it may hold, what it counts."""

    key: str
    zh: str
    en: str
    kind: Kind = "line"
    top: bool = False  # of the Data Package, not of `catalog`
    mandatory: bool = False
    most: int = 200  # characters, of each item in a list
    pattern: str = ""
    told: str = ""  # what the pattern asks for, for people
    vocabulary: str = ""
    parts: tuple[Field, ...] = ()  # of a mapping; none: any keys
    either: bool = False  # one value or a list of them
    weight: int = 0  # in the score of completeness

    @property
    def path(self) -> str:
        """Where the field stands in the descriptor."""
        return self.key if self.top else f"catalog.{self.key}"


def _part(key: str, zh: str, en: str, **more: object) -> Field:
    return Field(key=key, zh=zh, en=en, **more)  # type: ignore[arg-type]


_CONDITION = (
    _part("method", "开放方式", "how it is opened", mandatory=True, kind="text", most=500),
    _part("use", "使用要求", "what users must keep to", mandatory=True, kind="text", most=500),
    _part("security", "安全措施", "safeguards asked for", mandatory=True, kind="text", most=500),
)
_CONTACT = (
    _part("name", "联系单位", "office", mandatory=True, most=50),
    _part("phone", "电话", "telephone", most=40, pattern=r"[0-9+() ,;/转-]{3,40}", told="号码"),
    _part(
        "email", "邮箱", "e-mail", most=100, pattern=r"[^@\s]+@[^@\s]+\.[^@\s]+", told="邮箱地址"
    ),
    _part("complaint", "监督投诉", "where to complain", most=100),
)
_TEMPORAL = (
    _part("start", "开始日期", "first day", kind="date", mandatory=True),
    _part("end", "结束日期", "last day", kind="date"),
)
_MILESTONES = (
    _part("catalogued", "编目日期", "catalogued", kind="date"),
    _part("collected", "归集日期", "collected", kind="date"),
    _part("shared", "共享日期", "shared", kind="date"),
    _part("opened", "开放日期", "opened", kind="date"),
)
_PERMISSIONS = (
    *(
        _part(key, zh, en, kind="flag")
        for key, zh, en in (
            ("store", "存储", "store"),
            ("derive", "加工衍生", "derive"),
            ("redistribute", "再传播", "redistribute"),
            ("commercial", "商业利用", "commercial use"),
            ("reporting", "报告义务", "duty to report"),
            ("withdrawal", "撤回后停用", "stop after withdrawal"),
        )
    ),
    _part("attribution", "署名文字", "attribution text", most=200),
)

FIELDS: tuple[Field, ...] = (
    Field(key="name", zh="标识", en="persistent id", top=True, mandatory=True, most=63,
          pattern=r"[a-z0-9][a-z0-9_-]{0,62}", told="小写字母、数字、_ 和 -"),
    Field(key="title", zh="信息资源名称", en="title", top=True, mandatory=True, most=50, weight=8),
    Field(key="description", zh="摘要", en="abstract", top=True, mandatory=True, kind="text",
          most=256, weight=8),
    Field(key="keywords", zh="关键字", en="keywords", top=True, kind="lines", most=30, weight=5),
    Field(key="licenses", zh="许可", en="licence", top=True, mandatory=True, weight=6),
    Field(key="resources", zh="资源", en="resources", top=True, mandatory=True, weight=6),
    Field(key="title_en", zh="英文名称", en="English title", top=True, weight=2),
    Field(key="description_en", zh="英文摘要", en="English abstract", top=True, kind="text",
          most=1000, weight=1),
    Field(key="publisher", zh="提供方", en="publisher", mandatory=True, most=63, weight=6),
    Field(key="code", zh="信息资源代码", en="catalog code", mandatory=True, most=60,
          pattern=CODE, told="类项细目/顺序号，如 30700101/000001", weight=6),
    Field(key="theme", zh="数据领域", en="theme", mandatory=True, most=10, weight=6),
    Field(key="region", zh="行政区划", en="region", most=20, weight=3),
    Field(key="openness", zh="开放类型", en="openness", mandatory=True, vocabulary="openness",
          weight=6),
    Field(key="open_condition", zh="开放条件", en="conditions of opening", kind="object",
          parts=_CONDITION),
    Field(key="auth_level", zh="开放方式", en="how users are known", vocabulary="auth_level"),
    Field(key="closed_reason", zh="不予开放理由", en="reason for not opening",
          vocabulary="closed_reason"),
    Field(key="legal_basis", zh="法律依据", en="legal basis", kind="text", most=500),
    Field(key="review_by", zh="重新评估日期", en="to be judged again by", kind="date"),
    Field(key="share_type", zh="共享类型", en="sharing", mandatory=True, vocabulary="share_type",
          weight=6),
    Field(key="share_condition", zh="共享条件", en="conditions of sharing", kind="text", most=500),
    Field(key="share_method", zh="共享方式", en="way of sharing", vocabulary="share_method",
          either=True, weight=2),
    Field(key="grade", zh="数据分级", en="grade", mandatory=True, vocabulary="grade", weight=6),
    Field(key="update_cycle", zh="更新周期", en="update cycle", mandatory=True,
          vocabulary="update_cycle", weight=6),
    Field(key="update_lag", zh="更新时滞", en="lag, or the rule of another cycle", most=100),
    Field(key="issued", zh="发布日期", en="issued", mandatory=True, kind="date", weight=4),
    Field(key="contact", zh="联系方式", en="contact", kind="object", parts=_CONTACT, weight=4),
    Field(key="source_dept", zh="数源单位", en="source department", most=50, weight=1),
    Field(key="provider", zh="数据提供单位", en="provider", most=50, weight=1),
    Field(key="source_system", zh="来源系统", en="source system", most=100, weight=1),
    Field(key="batch", zh="批次", en="batch", most=60),
    Field(key="asset_no", zh="资产编号", en="asset number", most=60),
    Field(key="industry", zh="行业分类", en="industry (GB/T 4754)", most=5, weight=1,
          pattern=r"[A-T]\d{0,4}", told="GB/T 4754 代码，如 N7721", either=True),
    Field(key="formats", zh="格式", en="formats", kind="lines", vocabulary="file_format"),
    Field(key="temporal", zh="数据时间范围", en="period of the data", kind="object",
          parts=_TEMPORAL, weight=3),
    Field(key="spatial", zh="空间范围", en="area of the data", weight=2),
    Field(key="crs", zh="坐标系", en="coordinate reference system", vocabulary="crs"),
    Field(key="timezone", zh="时区", en="time zone", pattern=r"[+-](0\d|1[0-4]):[0-5]\d",
          told="与 UTC 的时差，如 +08:00"),
    Field(key="related", zh="关联资源代码", en="related codes", kind="lines", most=60, pattern=CODE,
          told="类项细目/顺序号", weight=1),
    Field(key="std_item", zh="标准目录事项", en="entry of the standard list", either=True,
          weight=1),
    Field(key="terms", zh="政务词条", en="glossary entries", kind="lines", most=63, weight=1),
    Field(key="disclosure_stage", zh="公开环节", en="stage of disclosure",
          vocabulary="disclosure_stage", weight=1),
    Field(key="validity", zh="效力状态", en="validity", vocabulary="validity"),
    Field(key="superseded_by", zh="替代数据集", en="superseded by", most=63),
    Field(key="series", zh="期次", en="series", kind="object"),
    Field(key="milestones", zh="各环节日期", en="earlier dates of the stages", kind="object",
          parts=_MILESTONES),
    Field(key="permissions", zh="许可事项", en="permissions", kind="object", parts=_PERMISSIONS,
          weight=1),
    Field(key="priority", zh="优先开放", en="opened with priority", kind="flag"),
    Field(key="sample", zh="示例数据", en="sample data", kind="flag"),
    Field(key="formerly", zh="曾用标识", en="former names", kind="lines", most=63,
          pattern=r"[a-z0-9][a-z0-9_-]{0,62}", told="小写字母、数字、_ 和 -"),
    Field(key="catalog", zh="所属目录", en="catalog", most=63),
)  # fmt: skip
TOP = {field.key: field for field in FIELDS if field.top}
RECORD = {field.key: field for field in FIELDS if not field.top}
DATA_PACKAGE = (
    *("$schema", "profile", "id", "homepage", "version", "created", "contributors", "sources"),
    *("image", "dialect"),
)
"""What Data Package 2.0 lets stand at the top beside our fields."""

GUARDED = (
    *("openness", "open_condition", "auth_level", "closed_reason", "legal_basis", "review_by"),
    *("share_type", "share_condition", "share_method", "grade"),
)
"""Attributes fixed at registration: to change them takes a second person."""
