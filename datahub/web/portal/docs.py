"""The API's documentation for reading, made from the OpenAPI schema that the routes declare."""

from __future__ import annotations

import json
from typing import Any

from litestar import Litestar

from datahub.errors import DatahubError, codes
from datahub.model import Json, Struct
from datahub.web.description import describe, permissions

_TAGS = {
    "files": "文件",
    "datasets": "目录与数据",
    "submissions": "报送与审核",
    "service": "服务状态",
}
_TITLES = {
    "get /d/{dataset}/{version}/{file}": "下载一个文件",
    "get /api/v1/datasets": "数据集列表",
    "get /api/v1/datasets/{dataset}": "数据集的目录记录",
    "get /api/v1/datasets/{dataset}/releases": "数据集的版本和文件",
    "post /api/v1/datasets/{dataset}/releases/{version}/withdrawal": "撤回一个版本",
    "get /api/v1/datasets/{dataset}/resources/{resource}/schema": "资源的表结构",
    "get /api/v1/datasets/{dataset}/resources/{resource}/report": "最新版本的校验报告",
    "get /api/v1/datasets/{dataset}/resources/{resource}/rows": "资源的数据行",
    "post /api/v1/datasets/{dataset}/submissions": "报送数据文件",
    "get /api/v1/submissions": "报送列表",
    "get /api/v1/submissions/{submission}": "一次报送的状态",
    "get /api/v1/submissions/{submission}/report": "一次报送的校验报告",
    "get /api/v1/submissions/{submission}/report.csv": "全部错误（CSV）",
    "get /api/v1/submissions/{submission}/report.xlsx": "错误清单（Excel）",
    "post /api/v1/submissions/{submission}/decisions": "审核一次报送",
    "post /api/v1/submissions/{submission}/withdrawal": "撤回一次报送",
    "get /health/live": "进程是否在运行",
    "get /health/ready": "能否提供服务",
}
_PARAMETERS = {
    "dataset": "数据集名，见数据集列表的 name",
    "resource": "资源名，见目录记录的 resources",
    "version": "版本号（作查询参数时可省略，即最新版）",
    "submission": "报送编号",
    "q": "检索词，多个词用空格分开，须同时出现",
    "publisher": "发布机构代号",
    "theme": "数据领域代码",
    "openness": "开放类型",
    "state": "报送的状态",
    "limit": "每页条数",
    "offset": "跳过的条数",
    "cursor": "上一页给出的 page.next",
    "filename": "请求体直接是文件内容时的文件名",
}
_WHERE = {"path": "路径", "query": "查询", "header": "请求头", "cookie": "Cookie"}
_ANSWERS = {"200": "成功", "201": "已接收", "204": "成功，没有内容", "400": "请求不正确"}
_EXAMPLES = {"dataset": "schools", "resource": "schools", "version": "1", "submission": "编号"}
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
        "groups": [(tag, _TAGS.get(tag, tag), found) for tag, found in groups.items()],
        "errors": _errors(),
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
        description=described.get("description") or "",
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
        facts.insert(0, " / ".join(str(value) for value in found["enum"]))
    return str(found.get("type", "any")), facts


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
    if key.startswith("post"):
        parts.append("-X POST")
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
