"""What SQL from anybody may say, decided on DuckDB's own syntax tree; all that is not known is no.

The tree is that of `json_serialize_sql`, so no second parser can read a statement otherwise. It is
walked by kind of node: queries, what stands in FROM, expressions. Names of tables follow the scope
of WITH exactly, because a name that no WITH explains is a dataset's and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any, NoReturn

from datahub.serve.sql.functions import (
    ALLOWED,
    CHANGING,
    CLOCK,
    LAMBDAS,
    SERIES,
    SERIES_ITEMS,
    SERIES_ROWS,
    SESSION,
    TABLES,
)
from datahub.serve.sql.mistakes import Position, refusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from datahub.model import Json

LENGTH, DEPTH, MOST_TABLES, LAMBDA_DEPTH = 20_000, 200, 32, 2
"""Characters of a statement; nodes within one another; tables; lambdas within one another."""
_NOWHERE = (1 << 64) - 1
_QUERIES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"})
_SOURCES = frozenset({"EMPTY", "EXPRESSION_LIST", "JOIN", "SUBQUERY", "BASE_TABLE"}) | {
    "TABLE_FUNCTION"
}
_EXPRESSIONS = frozenset(
    {
        *("BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION"),
        *("CONSTANT", "FUNCTION", "LAMBDA", "LAMBDA_REF", "OPERATOR", "PARAMETER"),
        *("POSITIONAL_REFERENCE", "STAR", "SUBQUERY", "WINDOW"),
    }
)
_PARTS = frozenset(
    {
        *("ORDER_MODIFIER", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "DISTINCT_MODIFIER"),
        *("ASCENDING", "DESCENDING", "ORDER_DEFAULT"),
    }
)


_SYSTEM = ("duckdb_", "pg_", "pragma_", "sqlite_")
"""How DuckDB's own views begin, which it finds wherever no WITH has their name."""
_ARRAY = 10_000
"""Items of a fixed array, those of arrays within it counted: DuckDB makes room for all of them."""
_INTEGERS = frozenset({"INTEGER", "BIGINT", "INTEGER_LITERAL"})
_SIZED = re.compile(r'\\|\[\s*[^\s"{[\]]')  # INT[5], however it is written
_STRUCTURES = frozenset({"from_json", "json_transform"})
"""Functions whose second argument is a type, told as a text."""


@dataclass(frozen=True)
class Name:
    """A table as it is named: dataset (empty when it stands alone) and resource."""

    schema: str
    table: str
    at: int | None = None  # byte of the statement


@dataclass
class Verdict:
    """What a statement that may run reads, and whether its result depends on the moment."""

    names: dict[tuple[str, str], Name] = field(default_factory=dict)
    changing: bool = False
    parameters: set[str] = field(default_factory=set)


def check(tree: Json, sql: str, known: set[tuple[str, str]] | None = None) -> Verdict:
    """Judge the tree of `json_serialize_sql`; tables in it are qualified by their catalog.

    `known` are the tables of a tree judged before: when given, no others may stand in this one.

    Raises:
        SqlInvalid: it says something that is not allowed, with its place.

    """
    statements = tree["statements"]
    if len(statements) != 1:
        at = Position(sql) if not statements else None
        zh, en = ("没有语句", "there is no statement") if not statements else (
            f"一次只能有一条语句，这里有 {len(statements)} 条", "give one statement at a time",
        )  # fmt: skip
        raise refusal(at, zh, en, "只写一条 SELECT", "Write one SELECT")
    walk = _Walk(sql, known)
    walk.query(statements[0]["node"], frozenset(), 0)
    return walk.verdict


class _Walk:
    """One walk over a tree; `scope` is the names that WITH explains, in lower case."""

    def __init__(self, sql: str, known: set[tuple[str, str]] | None) -> None:
        self.sql, self.known, self.verdict = sql, known, Verdict()

    # Queries --------------------------------------------------------------------------------

    def query(self, node: Json, scope: frozenset[str], depth: int, lambdas: int = 0) -> None:
        self._deep(depth, node)
        kind = node.get("type")
        if kind not in _QUERIES:
            self._no(node, "不支持这种查询", "this kind of query is not offered")
        self.verdict.changing |= bool(node.get("sample"))
        scope = self._with(node, scope, depth, lambdas)
        for name, value in node.items():
            if name in ("left", "right", "query"):
                own = {_folded(node["cte_name"])} if _calls_itself(kind, name) else frozenset()
                self.query(value, scope | own, depth + 1, lambdas)
            elif name == "child":
                self.query(value, scope | {_folded(node["cte_name"])}, depth + 1, lambdas)
            elif name == "children":
                for item in value:
                    self.query(item, scope, depth + 1, lambdas)
            elif name == "from_table":
                self.source(value, scope, depth + 1, lambdas)
            elif name not in ("type", "cte_map"):
                self.rest(value, scope, depth, lambdas)

    def _with(self, node: Json, scope: frozenset[str], depth: int, lambdas: int) -> frozenset[str]:
        """Walk the queries of WITH; each may use the names before it."""
        for item in node.get("cte_map", {}).get("map", ()):
            self.rest(item["value"].get("key_targets", ()), scope, depth, lambdas)
            self.query(item["value"]["query"]["node"], scope, depth + 1, lambdas)
            name = _folded(item["key"])
            if name.startswith(_SYSTEM):
                self._no(
                    item["value"], "WITH 的名称与系统表相同", "a system table is called like this",
                    "换一个名称", "Give it another name",
                )  # fmt: skip
            scope |= {name}
        return scope

    # FROM -----------------------------------------------------------------------------------

    def source(self, node: Json, scope: frozenset[str], depth: int, lambdas: int) -> None:
        self._deep(depth, node)
        kind = node.get("type")
        if kind not in _SOURCES:
            self._no_source(node, str(kind))
        self.verdict.changing |= bool(node.get("sample"))
        if kind == "BASE_TABLE":
            self._table(node, scope)
            return
        if kind == "TABLE_FUNCTION":
            self._table_function(node, scope, depth, lambdas)
            return
        for name, value in node.items():
            if name in ("left", "right"):
                self.source(value, scope, depth + 1, lambdas)
            elif name == "subquery":
                self.query(value["node"], scope, depth + 1, lambdas)
            elif name not in ("type", "alias", "using_columns"):
                self.rest(value, scope, depth, lambdas)

    def _table(self, node: Json, scope: frozenset[str]) -> None:
        schema, table = node["schema_name"], node["table_name"]
        own = "" if schema == "main" else schema
        if node["catalog_name"] == "memory" and self.known and (own, table) in self.known:
            return
        if node["catalog_name"] or node.get("at_clause"):
            self._no(
                node, "表名最多两段", "a table's name has two parts at most",
                '写成 "数据集"."资源"，固定版本写成 "数据集@v3"."资源"',
                'Write "dataset"."resource", for a fixed version "dataset@v3"."resource"',
            )  # fmt: skip
        if not schema and _folded(table) in scope:
            return
        if self.known is not None:
            self._no(node, "表名不明确", "it is not clear which table this is")
        at = node["query_location"]
        name = Name(schema, table, None if at == _NOWHERE else at)
        self.verdict.names.setdefault((schema, table), name)
        if len(self.verdict.names) > MOST_TABLES:
            self._no(node, f"一条语句最多用 {MOST_TABLES} 张表", f"at most {MOST_TABLES} tables")
        node["catalog_name"], node["schema_name"] = "memory", schema or "main"

    def _table_function(self, node: Json, scope: frozenset[str], depth: int, lambdas: int) -> None:
        call = node["function"]
        name = call["function_name"].lower()
        if name not in TABLES or call["schema"] not in ("", "main") or call["catalog"]:
            self._no(
                node, f"不能在 FROM 里用函数 {name[:60]}", f"function {name[:60]} is not offered",
                'FROM 后面写 "数据集"."资源"，函数只有 range、generate_series、unnest',
                'After FROM write "dataset"."resource", range, generate_series or unnest',
            )  # fmt: skip
        if name in SERIES:
            self._series(call, SERIES_ROWS)
        for value in call.values():
            self.rest(value, scope, depth, lambdas)

    def _no_source(self, node: Json, kind: str) -> NoReturn:
        if kind == "SHOW_REF":
            self._no(
                node, "不支持 SHOW、DESCRIBE、SUMMARIZE", "SHOW and DESCRIBE are not offered",
                "可查询的表和列见 /api/v1/sql/tables", "/api/v1/sql/tables lists them",
            )  # fmt: skip
        self._no(
            node, "不支持 PIVOT、UNPIVOT", "PIVOT and UNPIVOT are not offered",
            "可用 sum(x) filter (where 列 = '值') 代替",
            "Use sum(x) filter (where column = 'value')",
        )  # fmt: skip

    # Expressions ----------------------------------------------------------------------------

    def rest(self, value: Any, scope: frozenset[str], depth: int, lambdas: int) -> None:
        """Walk what stands between: lists, modifiers, orders, groups."""
        if isinstance(value, (list, tuple)):
            for item in value:
                self.rest(item, scope, depth, lambdas)
        elif isinstance(value, dict):
            if "class" in value:
                self.expression(value, scope, depth + 1, lambdas)
                return
            kind = value.get("type")
            if (isinstance(kind, str) and kind not in _PARTS) or "node" in value:
                self._no(value, "不支持这种写法", "this is not offered")
            for item in value.values():
                self.rest(item, scope, depth, lambdas)

    def expression(self, node: Json, scope: frozenset[str], depth: int, lambdas: int) -> None:
        self._deep(depth, node)
        kind = node.get("class")
        if kind not in _EXPRESSIONS:
            self._no(node, f"不支持的表达式 {kind}", f"expressions of kind {kind} are not offered")
        if kind in ("FUNCTION", "WINDOW"):
            self._function(node)
            if node["function_name"].lower() in LAMBDAS and lambdas >= LAMBDA_DEPTH:
                self._no(node, "lambda 嵌套太深", f"at most {LAMBDA_DEPTH} lambdas in one another")
        if kind == "COLUMN_REF":
            self._column(node)
        if kind in ("COLUMN_REF", "CONSTANT"):
            return
        if kind == "PARAMETER":
            self.verdict.parameters.add(str(node["identifier"]))
        if kind == "SUBQUERY":
            self.query(node["subquery"]["node"], scope, depth + 1, lambdas)
        self._parts(node, scope, depth, lambdas)

    def _parts(self, node: Json, scope: frozenset[str], depth: int, lambdas: int) -> None:
        for name, value in node.items():
            if name == "cast_type":
                self._type(value)
            elif isinstance(value, (dict, list)) and name != "subquery":
                body = node["class"] == "LAMBDA" and name == "expr"
                self.rest(value, scope, depth, lambdas + body)

    def _type(self, node: Json) -> None:
        """Allow types whose parameters are constants, and no others by another schema's name."""
        for part in _nodes(node):
            if "class" in part or part.get("catalog") or part.get("schema"):
                self._no(node, "不支持这种类型", "this type is not offered")
        sizes = (part["size"] for part in _nodes(node) if part.get("type") == "ARRAY_TYPE_INFO")
        if prod(sizes) > _ARRAY:
            self._no(
                node, f"定长数组最多 {_ARRAY:,} 项", f"a fixed array has {_ARRAY:,} items at most"
            )

    def _function(self, node: Json) -> None:
        name = node["function_name"].lower()
        if node["schema"] not in ("", "main") or node["catalog"]:
            self._no(node, "函数名前不能带前缀", "a function's name stands alone")
        if name in SERIES:
            self._series(node, SERIES_ITEMS)
        elif name not in ALLOWED:
            self._no(
                node, f"不能使用函数 {name[:60]}", f"function {name[:60]} is not offered",
                "可用的函数见 /api/v1/sql/functions", "/api/v1/sql/functions lists what there is",
            )  # fmt: skip
        elif name in _STRUCTURES:
            self._structure(node)
        self.verdict.changing |= name in CHANGING

    def _structure(self, call: Json) -> None:
        """Allow a type told as a constant text, without fixed arrays."""
        told = [_text(child) for child in call["children"][1:]]
        if any(text is None or _SIZED.search(text) for text in told):
            self._no(
                call, "JSON 的结构应为常数文本，且没有定长数组",
                "the structure is a constant text without fixed arrays",
            )  # fmt: skip

    def _series(self, call: Json, most: int) -> None:
        """Allow a series between constants, so that nobody's data says how long it gets."""
        numbers = [_constant(child) for child in call["children"]]
        known = [number for number in numbers if number is not None]
        if len(known) != len(numbers) or len(known) not in (1, 2, 3):
            self._no(
                call, "range 和 generate_series 的边界应为一至三个常数整数",
                "the bounds of a series are one to three constant integers",
                f"例如 range(0, 100, 5)，最多 {most:,} 项", f"range(0, 100, 5); {most:,} at most",
            )  # fmt: skip
        start, stop = (0, known[0]) if len(known) == 1 else (known[0], known[1])
        step = known[2] if len(known) == 3 else 1  # noqa: PLR2004 - start, stop, step
        if abs(stop - start) > most * max(1, abs(step)):
            self._no(
                call, f"数列最多 {most:,} 项", f"a series has at most {most:,} items",
                "更长的用两个数列相乘：from range(1000) a, range(5000) b",
                "For more, join two: from range(1000) a, range(5000) b",
            )  # fmt: skip

    def _column(self, node: Json) -> None:
        names = node["column_names"]
        first = names[0].lower()
        if len(names) > 1:
            return
        if first in SESSION:
            self._no(
                node, f"不能使用 {first}", f"{first} is not offered",
                "若是列名，请在前面加上表名", "If it is a column, write its table before it",
            )  # fmt: skip
        self.verdict.changing |= first in CLOCK

    # Refusals -------------------------------------------------------------------------------

    def _deep(self, depth: int, node: Json) -> None:
        if depth > DEPTH:
            self._no(node, "语句嵌套太深", "the statement is nested too deeply")

    def _no(self, node: Json, zh: str, en: str, hint_zh: str = "", hint_en: str = "") -> NoReturn:
        at = next(_locations(node), None)
        raise refusal(Position.of_bytes(self.sql, at), zh, en, hint_zh, hint_en)


def _folded(name: str) -> str:
    """Write a name as DuckDB compares it: only letters of ASCII have two cases there."""
    return name.encode().lower().decode()


def _calls_itself(kind: str, part: str) -> bool:
    """Whether this part of a query may use its name; the left of a UNION is asked before it is."""
    return kind == "RECURSIVE_CTE_NODE" and part == "right"


def _constant(node: Json) -> int | None:
    """Integer of a constant, be it negative; a decimal is told by its digits, so it is none."""
    value = node.get("value", {}) if node.get("class") == "CONSTANT" else {}
    if value and value["type"]["id"] in _INTEGERS and isinstance(value.get("value"), int):
        return int(value["value"])
    if node.get("function_name") == "-" and len(node["children"]) == 1:
        number = _constant(node["children"][0])
        return None if number is None else -number
    return None


def _text(node: Json) -> str | None:
    """Text of a constant."""
    value = node["value"].get("value") if node.get("class") == "CONSTANT" else None
    return value if isinstance(value, str) else None


def _locations(value: Any) -> Iterator[int]:
    """Places of a node and of all below, in order; unknown ones are left out."""
    at = value.get("query_location") if isinstance(value, dict) else None
    if isinstance(at, int) and at != _NOWHERE:
        yield at
    parts = value.values() if isinstance(value, dict) else value
    for part in parts:
        if isinstance(part, (dict, list)):
            yield from _locations(part)


def names_of(tree: Json) -> dict[tuple[str, str], Name]:
    """Tables of a statement of ours, which names all of them with their dataset."""
    return {
        (node["schema_name"], node["table_name"]): Name(node["schema_name"], node["table_name"])
        for node in _nodes(tree)
        if node.get("type") == "BASE_TABLE" and node["schema_name"]
    }


def _nodes(value: Any) -> Iterator[Json]:
    if isinstance(value, dict):
        yield value
        value = value.values()
    for part in value:
        if isinstance(part, (dict, list)):
            yield from _nodes(part)


def locations(tree: Json) -> list[int]:
    """Places of all nodes of a tree, `_NOWHERE` included, in order."""
    return [node["query_location"] for node in _nodes(tree) if "query_location" in node]
