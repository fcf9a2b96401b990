"""The API's documentation for reading, made from the OpenAPI schema that the routes declare."""

from __future__ import annotations

import json
from typing import Any

from litestar import Litestar

from datahub.errors import DatahubError, codes
from datahub.model import Json, Struct
from datahub.web.description import TAGS, describe, permissions
from datahub.web.receiving import SNIPPET

_TITLES = {
    "get /api/v1/datasets/{dataset}/resources/{resource}/stats": "各列的统计",
    "get /api/v1/datasets/{dataset}/resources/{resource}/values/{column}": "一列有哪些值",
    "get /api/v1/datasets/{dataset}/resources/{resource}/profile": "资源概况（预览用）",
    "get /api/v1/datasets/{dataset}/resources/{resource}/snippets": "读取资源的代码",
    "get /api/v1/datasets/{dataset}/resources/{resource}/openapi.json": "资源的 OpenAPI 描述",
    "get /.well-known/datahub-keys.json": "签名公钥",
    "get /d/{dataset}/chain.json": "各版本清单的链",
    "get /d/{dataset}/{version}/manifest.json.sig": "清单的签名",
    "get /d/{dataset}/{version}/{file}": "下载一个文件",
    "get /d/{dataset}/{version}": "一个版本的全部文件",
    "get /api/v1/datasets": "数据集列表",
    "get /api/v1/datasets/{dataset}": "数据集的目录记录",
    "get /api/v1/datasets/{dataset}/releases": "数据集的版本和文件",
    "post /api/v1/datasets/{dataset}/releases/{version}/withdrawal": "撤回一个版本",
    "get /api/v1/datasets/{dataset}/versions": "各版本的行数、摘要和结构变化",
    "get /api/v1/datasets/{dataset}/resources/{resource}/diff": "两个版本之间增、删、改的行",
    "get /api/v1/datasets/{dataset}/versions/{span}/diff": "两个版本之间增、删、改的行（3..5）",
    "get /api/v1/sql": "用 SQL 查询已开放的数据",
    "post /api/v1/sql": "用 SQL 查询，参数带类型",
    "post /api/v1/sql/check": "检查一条 SQL 而不执行",
    "get /api/v1/sql/tables": "SQL 可用的表和列",
    "get /api/v1/sql/functions": "SQL 可用的函数",
    "post /api/v1/sql/jobs": "提交耗时较长的 SQL 作业",
    "get /api/v1/sql/jobs": "自己的作业",
    "get /api/v1/sql/jobs/{job}": "作业的进展",
    "get /api/v1/sql/jobs/{job}/result": "作业的结果文件",
    "delete /api/v1/sql/jobs/{job}": "取消或删除作业",
    "get /api/v1/queries": "存储查询列表",
    "post /api/v1/queries": "保存一个带参数的查询",
    "get /api/v1/queries/{name}": "一个存储查询",
    "put /api/v1/queries/{name}": "保存查询的新版本",
    "delete /api/v1/queries/{name}": "停用存储查询（旧版本仍可引用）",
    "get /api/v1/queries/{name}/versions": "存储查询的各版本",
    "get /api/v1/queries/{name}/{version}": "存储查询的一个版本和引用格式",
    "get /api/v1/queries/{name}/{version}/rows": "存储查询的结果（可引用的地址）",
    "get /api/v1/changes": "目录和数据的变化（可续读、可等待）",
    "post /api/v1/keys": "自助领取密钥（只显示一次）",
    "get /api/v1/keys/self": "本次请求的密钥：额度和有效期",
    "delete /api/v1/keys/self": "撤销密钥",
    "post /api/v1/keys/self/rotate": "更换密钥（旧的再用 24 小时）",
    "get /api/v1/keys/self/usage": "密钥每天的用量",
    "get /api/v1/webhooks": "自己的推送订阅",
    "post /api/v1/webhooks": "订阅推送（签名密钥只显示一次）",
    "get /api/v1/webhooks/{webhook}": "一个推送订阅",
    "delete /api/v1/webhooks/{webhook}": "删除推送订阅",
    "post /api/v1/webhooks/{webhook}/ping": "试投一次",
    "get /api/v1/webhooks/{webhook}/deliveries": "投递记录",
    "post /api/v1/webhooks/{webhook}/deliveries/{delivery}/redelivery": "重新投递",
    "get /api/v1/datasets/{dataset}/resources/{resource}/schema": "资源的表结构",
    "get /api/v1/datasets/{dataset}/resources/{resource}/report": "最新版本的校验报告",
    "get /api/v1/datasets/{dataset}/resources/{resource}/rows": "资源的数据行（可筛选、汇总）",
    "get /api/v1/datasets/{dataset}/resources/{resource}/export": "导出查询到的全部数据行",
    "get /rest/{table}": "数据行（PostgREST 客户端）",
    "post /api/v1/datasets/{dataset}/submissions": "报送数据文件",
    "get /api/v1/submissions": "报送列表",
    "get /api/v1/submissions/{submission}": "一次报送的状态",
    "get /api/v1/submissions/{submission}/report": "一次报送的校验报告",
    "get /api/v1/submissions/{submission}/report.csv": "全部错误（CSV）",
    "get /api/v1/submissions/{submission}/report.xlsx": "错误清单（Excel）",
    "post /api/v1/submissions/{submission}/decisions": "审核一次报送",
    "post /api/v1/submissions/{submission}/withdrawal": "撤回一次报送",
    "put /api/v1/datasets/{dataset}": "登记或修改目录记录",
    "get /api/v1/datasets/{dataset}/package": "数据集的描述（Data Package）",
    "get /api/v1/proposals": "待复核的修改",
    "get /api/v1/proposals/{proposal}": "一项修改的前后对照",
    "post /api/v1/proposals/{proposal}/decision": "复核一项修改",
    "get /api/v1/datasets/{dataset}/status": "数据集的状态和历史",
    "post /api/v1/datasets/{dataset}/status": "停用、撤回、恢复或注销数据集",
    "post /api/v1/datasets/{dataset}/name": "更名（旧地址继续有效）",
    "get /api/v1/datasets/{dataset}/series": "期次是否齐全",
    "get /api/v1/funnel": "编目、归集、共享、开放的数量",
    "get /api/v1/publishers": "机构列表",
    "get /api/v1/publishers/{publisher}": "一个机构",
    "get /api/v1/regions": "行政区划树",
    "get /api/v1/totals": "按机构、区划、领域、月份的总量",
    "get /api/v1/vocabularies": "代码表列表",
    "get /api/v1/vocabularies/{vocabulary}": "一个代码表",
    "get /api/v1/glossary": "词条列表",
    "get /api/v1/glossary/{term}": "一个词条",
    "put /api/v1/glossary/{term}": "提出新词条或修改",
    "get /api/v1/glossary/{term}/versions/{version}": "词条的一个版本",
    "post /api/v1/glossary/{term}/decision": "审核词条的版本",
    "post /api/v1/glossary/{term}/retirement": "停用词条",
    "get /api/v1/search": "检索数据集",
    "get /api/v1/suggest": "输入时的建议",
    "get /api/v1/search/misses": "没有结果的检索词",
    "get /catalog.json": "整个目录（JSON）",
    "get /catalog.ndjson": "整个目录（NDJSON）",
    "get /catalog.csv": "整个目录（CSV）",
    "get /catalog.xlsx": "整个目录（Excel）",
    "get /catalog.jsonld": "整个目录（DCAT-AP，JSON-LD）",
    "get /catalog.ttl": "整个目录（DCAT-AP，Turtle）",
    "get /api/v1/catalog": "整个目录（按 Accept 选格式）",
    "get /feed.atom": "新增和更新的数据集（Atom）",
    "get /feed.json": "新增和更新的数据集（JSON Feed）",
    "get /health/live": "进程是否在运行",
    "get /health/ready": "能否提供服务",
}
_PARAMETERS = {
    "dataset": "数据集名，见数据集列表的 name",
    "resource": "资源名，见目录记录的 resources",
    "version": "版本号（作查询参数时可省略，即最新版）",
    "submission": "报送编号",
    "q": "检索词，多个词用空格分开",
    "region": "行政区划代码，包括下级",
    "update_cycle": "更新周期代码",
    "format": "格式，如 csv、parquet",
    "freshness": "时效：fresh、due、overdue、untimed、unpublished",
    "grade": "数据分级：L1 到 L4",
    "status": "数据集状态，all 为全部",
    "validity": "文件效力状态，all 为全部",
    "sample": "是否示例数据：true 或 false",
    "sort": "排序",
    "facets": "要计数的分面，all 为全部，none 为不计",
    "category": "机构类别代码",
    "by": "按什么汇总",
    "owner": "责任单位代号",
    "term": "词条标识",
    "proposal": "修改的编号",
    "vocabulary": "代码表名",
    "reason": "理由",
    "plan": "只说明会改什么，不保存",
    "draft": "只存为草稿",
    "all": "也包括失效、撤回和注销的",
    "bom": "CSV 带字节顺序标记，便于 Excel 打开",
    "before": "这个序号以前的变化",
    "If-Match": "所依据的版本（ETag）",
    "publisher": "发布机构代号",
    "theme": "数据领域代码",
    "openness": "开放类型",
    "state": "报送的状态",
    "limit": "每页条数",
    "offset": "跳过的条数",
    "cursor": "上一页给出的 page.next",
    "from": "较早的版本，如 3",
    "to": "较新的版本，默认最新",
    "span": "两个版本，如 3..5",
    "what": "变化的种类",
    "as_of": "截至这一天或这一刻",
    "since": "这个序号以后的变化",
    "wait": "没有变化时最多等几秒",
    "webhook": "推送订阅的编号",
    "job": "作业编号，提交时给出",
    "name": "存储查询的名称",
    "delivery": "投递的编号",
    "filename": "请求体直接是文件内容时的文件名",
}
_WHERE = {"path": "路径", "query": "查询", "header": "请求头", "cookie": "Cookie"}
_ANSWERS = {
    "200": "成功",
    "201": "已接收",
    "202": "已排队",
    "204": "成功，没有内容",
    "400": "请求不正确",
}
_EXAMPLES = {
    "dataset": "schools",
    "resource": "schools",
    "version": "1",
    "submission": "编号",
    "publisher": "yc-education",
    "vocabulary": "openness",
    "proposal": "编号",
    "term": "compulsory-education",
    "span": "1..2",
    "webhook": "编号",
    "delivery": "1",
    "job": "编号",
    "name": "名称",
}
_BODIES = {"post /api/v1/datasets/{dataset}/submissions": "-F 'file=@schools.xlsx'"}


class Parameter(Struct, frozen=True):
    """A parameter of an operation."""

    name: str
    where: str
    type: str
    required: bool
    zh: str
    en: str


class Operation(Struct, frozen=True):
    """A method on a path."""

    anchor: str
    method: str
    path: str
    zh: str
    en: str
    description: str
    permission: str  # empty when everybody may
    parameters: list[Parameter]
    body: str
    curl: str  # up to the address
    address: str
    answers: list[tuple[str, str]]


def view(app: Litestar) -> dict[str, Any]:
    """Everything the documentation page needs; addresses in it are relative to the server."""
    schema = describe(app)
    needed = permissions(app)
    groups: dict[str, list[Operation]] = {}
    for path, methods in schema.get("paths", {}).items():
        for method, described in methods.items():
            tag = (described.get("tags") or ["other"])[0]
            operation = _operation(schema, method, path, described, needed)
            groups.setdefault(tag, []).append(operation)
    return {
        "title": schema["info"]["title"],
        "version": schema["info"]["version"],
        "groups": [(tag, TAGS.get(tag, tag), found) for tag, found in groups.items()],
        "errors": _errors(),
        "receiver": SNIPPET,
    }


def _errors() -> list[tuple[str, int, str, str]]:
    """Every code with its status and texts, by status; facts show as their names in braces."""
    found: list[type[DatahubError]] = sorted(codes().values(), key=lambda e: (e.status, e.code))
    return [(error.code, error.status, error.zh, error.en) for error in found]


def _operation(
    schema: Json, method: str, path: str, described: Json, needed: dict[str, str]
) -> Operation:
    key = f"{method} {path}"
    permission = needed.get(key, "")
    body = _body(schema, described)
    english = str(described.get("summary", ""))
    answers = described.get("responses", {})
    return Operation(
        anchor=described.get("operationId", key),
        method=method.upper(),
        path=path,
        zh=_TITLES.get(key, english),
        en=english,
        description=(described.get("description") or "").partition("```")[0],
        permission=permission,
        parameters=[_parameter(schema, item) for item in described.get("parameters", [])],
        body=body,
        curl=_curl(key, body, permission),
        address=_address(path),
        answers=[
            (code, _ANSWERS.get(code, answer.get("description", "")))
            for code, answer in answers.items()
        ],
    )


def _parameter(schema: Json, item: Json) -> Parameter:
    kind, facts = _type(schema, item.get("schema", {}))
    return Parameter(
        name=item["name"],
        where=_WHERE[item["in"]],
        type="，".join([kind, *facts]),
        required=bool(item.get("required")),
        zh=_PARAMETERS.get(item["name"], ""),
        en=item.get("description") or "",
    )


def _type(schema: Json, given: Json) -> tuple[str, list[str]]:
    """Type of a value and what else is known of it: its values, bounds and default."""
    facts = []
    if "minimum" in given:
        facts.append(f"≥ {given['minimum']:g}")
    if "maximum" in given:
        facts.append(f"≤ {given['maximum']:,.0f}")
    if given.get("default") is not None:
        facts.append(f"默认 {given['default']}")
    for choice in given.get("oneOf") or given.get("anyOf") or []:
        if choice.get("type") != "null":
            kind, more = _type(schema, choice)
            return kind, more + facts
    found = _resolve(schema, given)
    if "enum" in found:
        facts.insert(0, " / ".join(str(value) for value in found["enum"] if value is not None))
    kinds = found.get("type", "any")
    given_kinds = [kinds] if isinstance(kinds, str) else kinds
    return " / ".join(kind for kind in given_kinds if kind != "null"), facts


def _resolve(schema: Json, given: Json) -> Json:
    reference = given.get("$ref", "")
    if not reference:
        return given
    found: Json = schema["components"]["schemas"][reference.rsplit("/", 1)[-1]]
    return found


def _body(schema: Json, described: Json) -> str:
    """Example of a JSON body: every property with its default or its type."""
    content = described.get("requestBody", {}).get("content", {}).get("application/json")
    if content is None:
        return ""
    properties = _resolve(schema, content.get("schema", {})).get("properties", {})
    example = {name: item.get("default", "…") for name, item in properties.items()}
    return json.dumps(example, ensure_ascii=False)


def _curl(key: str, body: str, permission: str) -> str:
    """Command that calls the operation, up to the address, which the page completes."""
    parts = ["curl"]
    if not key.startswith("get"):
        parts.append(f"-X {key.split(maxsplit=1)[0].upper()}")
    if permission:
        parts.append('-H "Authorization: Bearer $TOKEN"')
    if body:
        parts.append(f"-H 'Content-Type: application/json' -d '{body}'")
    if key in _BODIES:
        parts.append(_BODIES[key])
    return " ".join(parts)


def _address(path: str) -> str:
    for name, value in _EXAMPLES.items():
        path = path.replace(f"{{{name}}}", value)
    return path
