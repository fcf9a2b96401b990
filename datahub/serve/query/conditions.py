"""Conditions as SQL: three-valued as in SQL, values bound, every pattern in linear time."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from datahub.forms.columns import is_nested
from datahub.serve.query import nested, values, words
from datahub.serve.query.scanner import invalid
from datahub.serve.query.tree import COMPARISONS, LISTS, PATTERNS, SEARCHES, Comparison, Group, Node

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from datahub.forms.columns import Column
    from datahub.serve.query.tree import Operand

_INLINE = 100  # values that are compared one by one, so that row groups can be left out
_PATTERN = 1000  # characters of a pattern
_BY_VALUE = ("eq", "neq", "isdistinct")  # of arrays and objects


class Bound(NamedTuple):
    """SQL and the values to bind in it, in their order."""

    sql: str
    values: tuple[Any, ...] = ()


class Term(NamedTuple):
    """SQL of what is compared, and the column that tells its type."""

    sql: str
    column: Column


def joined(parts: Iterable[Bound], by: str) -> Bound:
    """Join with and, or; `true` where there is nothing to join."""
    listed = list(parts)
    if len(listed) == 1:
        return listed[0]
    sql = f" {by} ".join(f"({part.sql})" for part in listed)
    empty = "false" if by == "or" else "true"
    return Bound(sql or empty, tuple(value for part in listed for value in part.values))


def compiled(given: Node, find: Callable[[Operand], Term], parameter: str) -> Bound:
    """Compile a tree; `find` gives the SQL and type of an operand.

    Raises:
        ParameterInvalid: an operator or value does not go with the type of its column.

    """
    if isinstance(given, Group):
        found = joined((compiled(item, find, parameter) for item in given.items), given.kind)
    else:
        found = _test(given, find(given.operand), parameter)
    return Bound(f"not ({found.sql})", found.values) if given.negated else found


def operators(column: Column) -> tuple[str, ...]:
    """Operators that go with a column's type."""
    lists = LISTS if column.kind.endswith("[]") or column.type in ("array", "list") else ()
    if is_nested(column.kind):
        return ("is", *lists)
    texts = (*PATTERNS, *SEARCHES) if values.is_text(column) else ()
    return (*COMPARISONS, "in", "is", "isdistinct", *texts, *lists)


def _test(test: Comparison, term: Term, parameter: str) -> Bound:
    known = operators(term.column)
    if test.operator not in known:
        raise invalid(
            parameter,
            test.operator,
            f"列“{term.column.name}”（{term.column.kind}）可用的运算符：{'、'.join(known)}",
            f"column '{term.column.name}' ({term.column.kind}) takes: {', '.join(known)}",
        )
    if test.operator == "is":
        return _is(test, term, parameter)
    if test.operator in LISTS:
        return _list(test, term)
    if test.operator == "in":
        return _in(tuple(test.value), term, parameter)
    if test.each:
        one = [_single(test.operator, value, term, parameter) for value in test.value]
        return joined(one, "or" if test.each == "any" else "and")
    return _single(test.operator, str(test.value), term, parameter)


def _single(operator: str, value: str, term: Term, parameter: str) -> Bound:
    if operator in PATTERNS:
        return _pattern(operator, value, term, parameter)
    if operator in SEARCHES:
        return _search(operator, value, term, parameter)
    sign = COMPARISONS.get(operator, "is distinct from")
    if operator in _BY_VALUE and nested.is_nested(term.column):
        cell, told = nested.told(term.column, term.sql), nested.told(term.column, "?")
        return Bound(f"{cell} {sign} {told}", (nested.read(term.column, value, parameter),))
    return Bound(f"{term.sql} {sign} ?", (values.read(term.column, value, parameter),))


def _is(test: Comparison, term: Term, parameter: str) -> Bound:
    if test.value in ("null", "not_null"):
        return Bound(f"{term.sql} is {'' if test.value == 'null' else 'not '}null")
    if term.column.kind != "BOOLEAN":
        raise invalid(
            parameter,
            f"is.{test.value}",
            f"列“{term.column.name}”不是 BOOLEAN，只能用 is.null、is.not_null",
            f"column '{term.column.name}' is no BOOLEAN: is.null and is.not_null only",
        )
    wanted = "null" if test.value == "unknown" else test.value
    return Bound(f"{term.sql} is not distinct from {wanted}")


def _in(given: tuple[str, ...], term: Term, parameter: str) -> Bound:
    if not given:
        return Bound("false")
    if nested.is_nested(term.column):
        read = [nested.read(term.column, text, parameter) for text in given]
        cell, told = (nested.told(term.column, sql) for sql in (term.sql, "unnest(?::varchar[])"))
        return Bound(f"{cell} in (select {told})", (read,))
    typed = tuple(values.read(term.column, text, parameter) for text in given)
    if len(typed) <= _INLINE:
        return Bound(f"{term.sql} in ({', '.join('?' * len(typed))})", typed)
    return Bound(f"{term.sql} in (select unnest(?))", (list(typed),))


def _pattern(operator: str, pattern: str, term: Term, parameter: str) -> Bound:
    """LIKE, or a regular expression (RE2: its time is linear in the text, whatever it says)."""
    if len(pattern) > _PATTERN:
        told = f"{_PATTERN}"
        raise invalid(parameter, pattern, f"模式最多 {told} 个字符", f"{told} characters at most")
    if operator in ("match", "imatch"):
        return Bound(f"regexp_matches({term.sql}, ?, '{_options(operator)}')", (pattern,))
    pattern = pattern.replace("*", "%")
    if "_" not in pattern and "\\" not in pattern:  # DuckDB has fast ways for these alone
        if operator == "like":
            return Bound(f"{term.sql} like ?", (pattern,))
        return Bound(f"lower({term.sql}) like lower(?)", (pattern,))
    regex = _as_regex(pattern)
    return Bound(f"regexp_full_match({term.sql}, ?, '{_options(operator)}')", (regex,))


def _options(operator: str) -> str:
    return "is" if operator.startswith("i") else "s"


def _as_regex(pattern: str) -> str:
    r"""LIKE as a regular expression; \ takes its meaning from the sign behind it."""
    parts, escaped = [], False
    for sign in pattern:
        if escaped or sign not in "%_\\":
            parts.append(re.escape(sign))
            escaped = False
        elif sign == "\\":
            escaped = True
        else:
            parts.append(".*" if sign == "%" else ".")
    return "".join(parts) + (r"\\" if escaped else "")


def _search(operator: str, text: str, term: Term, parameter: str) -> Bound:
    """Every word stands in the cell, or with phfts the whole phrase."""
    given = text.replace("&", " ") if operator == "fts" else text
    wanted = (text.strip(),) if operator == "phfts" else words.split(given, parameter)
    return joined((Bound(*words.contains(term.sql, word)) for word in wanted if word), "and")


def _list(test: Comparison, term: Term) -> Bound:
    """Compare the elements of a list as texts."""
    cell = (
        f"json_extract_string({term.sql}, '$[*]')"
        if values.is_text(term.column)
        else f"{term.sql}::varchar[]"
    )
    if test.operator == "ov":
        sql = f"list_has_any({cell}, ?::varchar[])"
    elif test.operator == "cs":
        sql = f"list_has_all({cell}, ?::varchar[])"
    else:
        sql = f"list_has_all(?::varchar[], {cell})"
    return Bound(sql, (list(test.value),))
