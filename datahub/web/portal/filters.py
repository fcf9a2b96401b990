"""The filter form of a data page: lines of column, operator and value, and the API's grammar.

A page's own address is a question as the API takes it (`level=eq.优`), so that both are shared
and read alike. The form of the page, which works without script, sends its lines apart; they are
written in the grammar and redirected to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from datahub.errors import DatahubError
from datahub.model import Struct
from datahub.serve.query import plan as plans
from datahub.serve.query import text
from datahub.serve.query.tree import COMPARISONS, Comparison, Node
from datahub.serve.snippets import PAGE, parameter

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datahub.forms.columns import Column

COLUMN, OPERATOR, VALUE = "filter.column", "filter.op", "filter.value"
"""Parameters of the form, one of each for every line."""
FORM = (COLUMN, OPERATOR, VALUE)
OPERATORS = {
    "eq": "等于",
    "neq": "不等于",
    "has": "包含",
    "starts": "开头是",
    "gt": "大于",
    "gte": "不小于",
    "lt": "小于",
    "lte": "不大于",
    "in": "是其中之一（用逗号隔开）",
    "null": "为空",
    "filled": "不为空",
}
NO_VALUE = ("null", "filled")
_NO_CONDITIONS = (*plans.ONCE, "having", *PAGE)
Pairs = tuple[tuple[str, str], ...]


class Line(Struct, frozen=True):
    """A condition as the form shows it."""

    column: str = ""
    operator: str = "eq"
    value: str = ""


class Other(Struct, frozen=True):
    """A parameter that the form has no line for: as it stands in the address."""

    name: str
    value: str
    wrong: bool = False


def submitted(pairs: Sequence[tuple[str, str]]) -> Pairs | None:
    """Parameters of the address that a sent form stands for; None: nothing was sent."""
    if not any(name in FORM for name, _ in pairs):
        return None
    columns, operators, values = ([v for n, v in pairs if n == name] for name in FORM)
    kept = tuple((n, v) for n, v in pairs if n not in FORM and v and n not in ("cursor", "offset"))
    lines = [Line(*line) for line in zip(columns, operators, values, strict=False)]
    return kept + tuple(pair for line in lines if (pair := _written(line)) is not None)


def _written(line: Line) -> tuple[str, str] | None:
    """Write a line in the API's grammar; None where it asks for nothing."""
    value, name = line.value.strip(), parameter(line.column)
    if not line.column or (not value and line.operator not in NO_VALUE):
        return None
    if line.operator in COMPARISONS:
        return name, f"{line.operator}.{value}"
    if line.operator in NO_VALUE:
        return name, "is.null" if line.operator == "null" else "is.not_null"
    if line.operator == "in":
        items = [item.strip() for item in value.replace("，", ",").split(",")]
        return name, f"in.({','.join(text.quoted(item) for item in items if item)})"
    if line.operator in ("has", "starts"):
        plain = "".join(f"\\{sign}" if sign in "\\%_" else sign for sign in value)
        return name, f"ilike.*{plain}*" if line.operator == "has" else f"like.{plain}*"
    return name, f"{line.operator}.{value}"  # refused by name, as any other address


def lines(pairs: Sequence[tuple[str, str]], columns: Sequence[Column]) -> list[Line | Other]:
    """Tell each condition of an address as a line of the form where that is possible."""
    return [_read(pair, columns) for pair in pairs if pair[0] not in _NO_CONDITIONS]


def _read(pair: tuple[str, str], columns: Sequence[Column]) -> Line | Other:
    """Tell a condition; a line may hold a value of a wrong type, to be mended in the form."""
    try:
        query = plans.read((pair,), columns)
        line = _line(query.where[0][1])
        if line is None:
            plans.compiled(query, columns)
    except DatahubError:
        return Other(*pair, wrong=True)
    return line or Other(*pair)


def _line(node: Node) -> Line | None:
    if not isinstance(node, Comparison) or node.each or not node.operand.column:
        return None
    column, value = node.operand.column, node.value
    if node.operator == "is" and value in ("null", "not_null"):
        return Line(column, "filled" if (value == "null") == node.negated else "null")
    told = None if node.negated else _told(node.operator, value)
    return Line(column, *told) if told else None


def _told(operator: str, value: str | tuple[str, ...]) -> tuple[str, str] | None:
    """Operator and value of the form; None: it has none for these."""
    if not isinstance(value, str):
        plain = operator == "in" and not any("," in item or "，" in item for item in value)
        return ("in", ", ".join(value)) if plain else None
    if operator in COMPARISONS:
        return operator, value
    if operator == "ilike" and value[:1] == "*" and value[-1:] == "*":
        operator, value = "has", _plain(value[1:-1])
    elif operator == "like" and value[-1:] == "*":
        operator, value = "starts", _plain(value[:-1])
    else:
        return None
    return (operator, value) if value else None


def _plain(pattern: str) -> str:
    """Text that a pattern without signs of its own stands for; empty: it has some."""
    found, escaped = [], False
    for sign in pattern:
        if not escaped and sign in "%_":
            return ""
        escaped = not escaped and sign == "\\"
        if not escaped:
            found.append(sign)
    return "".join(found)
