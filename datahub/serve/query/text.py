"""A tree as text that parses to the same tree: one way of writing for every question."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datahub.serve.query.tree import LISTS, Comparison, Group, Node, Operand, Pick, Sort

if TYPE_CHECKING:
    from collections.abc import Iterable


def quoted(text: str) -> str:
    r"""Write a text in double quotes, " and \ behind a \."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def node(given: Node) -> str:
    """Write a condition as it stands inside of brackets."""
    prefix = "not." if given.negated else ""
    if isinstance(given, Group):
        return f"{prefix}{given.kind}({_listed(node(item) for item in given.items)})"
    return f"{operand(given.operand)}.{prefix}{_operator(given)}.{_value(given)}"


def operand(given: Operand) -> str:
    """Write a column, an aggregate of it, or count()."""
    if given.column is None:
        return "count()"
    name = quoted(given.column)
    return f"{name}.{given.aggregate}()" if given.aggregate else name


def pick(given: Pick) -> str:
    """Write one thing that is selected."""
    if given.operand is None:
        return "*"
    alias = "" if given.alias is None else f"{quoted(given.alias)}:"
    before = f"::{given.before}" if given.before else ""
    after = f"::{given.after}" if given.after else ""
    if given.operand.column is None:
        return f"{alias}count(){after}"
    aggregate = f".{given.operand.aggregate}()" if given.operand.aggregate else ""
    return f"{alias}{quoted(given.operand.column)}{before}{aggregate}{after}"


def sort(given: Sort) -> str:
    """Write one key of an order."""
    nulls = f".nulls{given.nulls}" if given.nulls else ""
    return f"{operand(given.operand)}.{'desc' if given.descending else 'asc'}{nulls}"


def _operator(given: Comparison) -> str:
    return f"{given.operator}({given.each})" if given.each else given.operator


def _value(given: Comparison) -> str:
    if isinstance(given.value, str):
        return quoted(given.value)
    inner = _listed(quoted(item) for item in given.value)
    return f"{{{inner}}}" if given.each or given.operator in LISTS else f"({inner})"


def _listed(parts: Iterable[str]) -> str:
    return ",".join(parts)
