"""PostgREST's grammar by recursive descent: `column=op.value`, and, or, select, order, having.

https://docs.postgrest.org/en/stable/references/api/tables_views.html tells what each means there.
`having` is ours: conditions on what was selected, in the form that stands inside of `and=(…)`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from datahub.serve.query.scanner import Scanner
from datahub.serve.query.tree import (
    AGGREGATES,
    CASTS,
    DEEPEST,
    IS_VALUES,
    LISTS,
    MODIFIED,
    MOST_KEYS,
    MOST_OUTPUTS,
    MOST_VALUES,
    OPERATORS,
    Comparison,
    Group,
    Node,
    Operand,
    Pick,
    Sort,
)

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_TOLD = "、".join(OPERATORS)
_NULLS = {"nullsfirst": "first", "nullslast": "last"}


def condition(parameter: str, column: str, text: str) -> Comparison:
    """Parse `op.value` of a column; the value goes to the end of the text, as it stands."""
    scanner = Scanner(parameter, text)
    found = _test(scanner, Operand(column=column), Scanner.rest)
    scanner.end()
    return found


def logic(parameter: str, kind: str, text: str, *, negated: bool = False) -> Group:
    """Parse the conditions of `and=(…)` or `or=(…)`."""
    scanner = Scanner(parameter, text)
    scanner.blanks()
    items = _items(scanner, 1)
    scanner.blanks()
    scanner.end()
    return Group(kind=kind, items=items, negated=negated)


def having(text: str) -> tuple[Node, ...]:
    """Parse conditions on aggregates, one or several with commas between, or in brackets."""
    scanner = Scanner("having", text)
    items = _items(scanner, 1) if scanner.sees("(") else _listed(scanner, lambda s: _node(s, 1))
    scanner.end()
    return items


def select(text: str) -> tuple[Pick, ...]:
    """Parse `alias:column::cast.aggregate()::cast,…`."""
    scanner = Scanner("select", text)
    found = _listed(scanner, _pick)
    scanner.end()
    return found


def order(text: str) -> tuple[Sort, ...]:
    """Parse `column.desc.nullslast,…`."""
    scanner = Scanner("order", text)
    found = _listed(scanner, _sort, MOST_KEYS)
    scanner.end()
    return found


def names(parameter: str, text: str) -> tuple[str, ...]:
    """Parse names of columns with commas between."""
    scanner = Scanner(parameter, text)
    found = _listed(scanner, Scanner.name)
    scanner.end()
    return found


def elements(parameter: str, text: str) -> tuple[str | None, ...]:
    """Parse an array as PostgreSQL writes it, `{a,"b,c",NULL}`, of one dimension."""
    scanner = Scanner(parameter, text)
    found = _values(scanner, "{", "}", _element)
    scanner.end()
    return found


def _listed(
    scanner: Scanner, item: Callable[[Scanner], T], most: int = MOST_OUTPUTS
) -> tuple[T, ...]:
    found = [item(scanner)]
    while scanner.take(","):
        if len(found) >= most:
            raise scanner.wrong(f"最多 {most} 项", f"{most} items at most")
        found.append(item(scanner))
    return tuple(found)


# Conditions -----------------------------------------------------------------------------------


def _items(scanner: Scanner, depth: int) -> tuple[Node, ...]:
    if depth > DEEPEST:
        raise scanner.wrong(f"嵌套超过 {DEEPEST} 层", f"nested more than {DEEPEST} deep")
    scanner.expect(
        "(",
        "应写成 (列.运算符.值,…)，如 (a.eq.1,b.gt.2)",
        "write (column.operator.value,…), as in (a.eq.1,b.gt.2)",
    )
    items = _listed(scanner, lambda inner: _node(inner, depth))
    scanner.expect(")", "此处应为 , 或 )", "a comma or ) is expected here")
    return items


def _node(scanner: Scanner, depth: int) -> Node:
    scanner.blanks()
    for negated, prefix in ((False, ""), (True, "not.")):
        for kind in ("and", "or"):
            if scanner.sees(f"{prefix}{kind}("):
                scanner.take(f"{prefix}{kind}")
                items = _items(scanner, depth + 1)
                scanner.blanks()
                return Group(kind=kind, items=items, negated=negated)
    found = _operand(scanner)
    scanner.expect(".", "列名之后应为“.运算符.值”", "an operator is expected: .operator.value")
    test = _test(scanner, found, _inner_value)
    scanner.blanks()
    return test


def _operand(scanner: Scanner) -> Operand:
    """Read a column, `column.aggregate()` or `count()`."""
    scanner.blanks()
    bare = not scanner.sees('"')
    name = scanner.name()
    if bare and name == "count" and scanner.take("()"):
        return Operand(column=None, aggregate="count")
    return Operand(column=name, aggregate=_aggregate(scanner))


def _aggregate(scanner: Scanner) -> str | None:
    """Read `.name()` if that comes next."""
    began = scanner.at
    if scanner.take("."):
        word = scanner.word()
        if scanner.take("()"):
            if word not in AGGREGATES:
                scanner.at = began + 1
                raise scanner.wrong(
                    f"没有汇总函数“{word[:40]}”；可用：{'、'.join(AGGREGATES)}",
                    f"there is no aggregate '{word[:40]}'; known: {', '.join(AGGREGATES)}",
                )
            return word
    scanner.at = began
    return None


def _test(scanner: Scanner, operand: Operand, single: Callable[[Scanner], str]) -> Comparison:
    """Read `not.op(any).value`."""
    negated = scanner.take("not.")
    began = scanner.at
    operator = scanner.word()
    each = _modifier(scanner, operator)
    if operator not in OPERATORS or not scanner.take("."):
        scanner.at = began
        given = scanner.text[began : began + 20]
        raise scanner.wrong(
            f"应写成“运算符.值”，如 eq.{given}；运算符：{_TOLD}",
            f"write operator.value, as in eq.{given}; operators: {', '.join(OPERATORS)}",
        )
    value: str | tuple[str, ...]
    if operator == "in":
        value = _values(scanner, "(", ")", _value)
    elif each or operator in LISTS:
        value = _values(scanner, "{", "}", _value)
    else:
        value = single(scanner)
    if operator == "is":
        value = _is_value(scanner, str(value), began)
    return Comparison(operand=operand, operator=operator, value=value, each=each, negated=negated)


def _is_value(scanner: Scanner, value: str, began: int) -> str:
    if value.lower() not in IS_VALUES:
        scanner.at = began
        told = "、".join(f"is.{name}" for name in IS_VALUES)
        raise scanner.wrong(f"is 之后应为：{told}", f"is takes one of: {told.replace('、', ', ')}")
    return value.lower()


def _modifier(scanner: Scanner, operator: str) -> str | None:
    if not scanner.sees("("):
        return None
    for each in ("any", "all"):
        if operator in MODIFIED and scanner.take(f"({each})"):
            return each
    raise scanner.wrong(
        f"只有 {'、'.join(MODIFIED)} 之后可以写 (any) 或 (all)",
        f"only {', '.join(MODIFIED)} take (any) or (all)",
    )


def _values(
    scanner: Scanner, first: str, last: str, one: Callable[[Scanner, str], T]
) -> tuple[T, ...]:
    """Read values with commas between; those with commas, brackets or quotes are quoted."""
    example = f"{first}a,b{last}"
    scanner.expect(first, f"应写成 {example}", f"write {example}")
    if scanner.take(last):
        return ()
    found = [one(scanner, "," + last)]
    while scanner.take(","):
        if len(found) >= MOST_VALUES:
            raise scanner.wrong(
                f"列表最多 {MOST_VALUES} 个值", f"a list has {MOST_VALUES} values at most"
            )
        found.append(one(scanner, "," + last))
    scanner.expect(last, f"列表没有用 {last} 结束", f"the list does not end with {last}")
    return tuple(found)


def _inner_value(scanner: Scanner) -> str:
    """Read the value of a condition inside of brackets; an array has its commas in braces."""
    if scanner.sees("{"):
        began = scanner.at
        _values(scanner, "{", "}", _value)
        return scanner.text[began : scanner.at]
    return _value(scanner, ",)")


def _element(scanner: Scanner, ends: str) -> str | None:
    """Read an element of an array; what is not quoted has no blanks around it, and may be NULL."""
    scanner.blanks()
    if scanner.sees('"'):
        found = scanner.quoted()
        scanner.blanks()
        return found
    text = scanner.until(ends + '{"').strip()
    if not text or scanner.sees("{") or scanner.sees('"'):
        raise scanner.wrong(
            "此处应为数组的元素；含 , { } 和引号的请写在双引号里",
            'an element is expected here; one with , { } or quotes stands in "…"',
        )
    return None if text.lower() == "null" else text


def _value(scanner: Scanner, ends: str) -> str:
    if not scanner.sees('"'):
        return scanner.until(ends)
    found = scanner.quoted()
    if not scanner.done and scanner.text[scanner.at] not in ends:
        raise scanner.wrong(
            "引号之后应为逗号或括号", "a comma or bracket is expected after the quote"
        )
    return found


# Select and order -----------------------------------------------------------------------------


def _pick(scanner: Scanner) -> Pick:
    scanner.blanks()
    if scanner.take("*"):
        scanner.blanks()
        return Pick(operand=None)
    alias = None
    began = scanner.at
    first = scanner.name()
    if scanner.sees(":") and not scanner.sees("::"):
        scanner.take(":")
        alias = first
    else:
        scanner.at = began
    scanner.blanks()
    bare = not scanner.sees('"')
    name = scanner.name()
    if scanner.sees("("):
        if not (bare and name == "count" and scanner.take("()")):
            raise scanner.wrong("不能嵌入其他资源；跨资源请用 /api/v1/sql",
                         "other resources cannot be embedded; /api/v1/sql joins them")  # fmt: skip
        operand, before, after = Operand(column=None, aggregate="count"), None, _cast(scanner)
    else:
        before = _cast(scanner)
        aggregate = _aggregate(scanner)
        operand = Operand(column=name, aggregate=aggregate)
        after = _cast(scanner) if aggregate else None
    scanner.blanks()
    return Pick(operand=operand, alias=alias, before=before, after=after)


def _cast(scanner: Scanner) -> str | None:
    if not scanner.take("::"):
        return None
    began = scanner.at
    word = scanner.word().lower()
    if word not in CASTS:
        scanner.at = began
        raise scanner.wrong(
            f"没有类型“{word[:40]}”；可用：{'、'.join(CASTS)}",
            f"there is no type '{word[:40]}'; known: {', '.join(CASTS)}",
        )
    return word


def _sort(scanner: Scanner) -> Sort:
    operand = _operand(scanner)
    descending, nulls, place = False, None, scanner.at
    if scanner.take("."):
        word = scanner.word()
        if word in ("asc", "desc"):
            descending = word == "desc"
            place = scanner.at
            word = scanner.word() if scanner.take(".") else ""
        if word:
            nulls = _NULLS.get(word)
        if (word and nulls is None) or scanner.at == place + 1:
            scanner.at = place
            raise scanner.wrong(
                "应写成 列.asc 或 列.desc，之后可加 .nullsfirst 或 .nullslast",
                "write column.asc or column.desc, then .nullsfirst or .nullslast if need be",
            )
    scanner.blanks()
    return Sort(operand=operand, descending=descending, nulls=nulls)
