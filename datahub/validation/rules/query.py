"""One rule's SQL in parts: columns by place, constants bound, names quoted here only."""
# ruff: noqa: S608 - names are quoted by `_quote`, values are bound

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from datahub.model import Json
from datahub.validation.rules.kinds import (
    ROW,
    Condition,
    Period,
    Rule,
    class_of,
    constant,
)
from datahub.validation.rules.text import Words

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    import duckdb

_DIGITS = 38
_INTEGERS = {"TINYINT": 3, "SMALLINT": 5, "INTEGER": 10, "UINTEGER": 10, "BIGINT": 19}
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")
WHOLE = f"DECIMAL({_DIGITS},0)"


class Missing(Exception):
    """What a rule needs is not there, so that it cannot be evaluated."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en

    def words(self, rule: Rule) -> Words:
        """Say why a rule was left out."""
        return f"{rule.title or rule.name}：未能核对，{self.zh}。", f"{rule.name}: {self.en}."


class Plan(NamedTuple):
    """Which rows of a source a rule applies to, and which of those break it."""

    applies: str
    wrong: str
    source: str = "base"
    shown: tuple[str, ...] = ()
    mistake: str = "false"  # wrong ones where this holds look like the usual mistake
    alone: bool = True  # each row is judged without the other ones
    other: str = ""  # number of the row that a wrong one clashes with


class Query:
    """The parts of one rule's SQL: columns, bound values, views."""

    def __init__(
        self,
        db: duckdb.DuckDBPyConnection,
        views: Mapping[str, str],
        fields: dict[str, Json],
        today: dt.date,
    ) -> None:
        self._db, self._views = db, views
        self.fields, self.today = fields, today
        self._types = self._describe("")
        self._columns: dict[str, str] = {}
        self._values: dict[str, Any] = {}
        self.parts: list[str] = []

    def fetch(self, source: str, columns: str, rest: str = "", only: str = "true") -> list[Any]:
        """Rows of a source over `base`, or over some rows of it only."""
        named = [f"{_quote(name)} AS {short}" for name, short in self._columns.items()]
        base = f"SELECT {', '.join([f'{_quote(ROW)} AS r', *named])} FROM {_quote(self._views[''])}"
        base = f"SELECT * FROM ({base}) WHERE {only}"
        parts = ", ".join([f"base AS ({base})", *self.parts])
        sql = f"WITH {parts} SELECT {columns} FROM {source} {rest}"
        return self._db.execute(sql, self._values).fetchall()

    def bind(self, value: Any) -> str:
        """Bind a value, and return how the SQL names it."""
        name = f"v{len(self._values)}"
        self._values[name] = value
        return f"${name}"

    def column(self, name: str) -> str:
        """Name of a field's column in `base`.

        Raises:
            Missing: the view has no such column.

        """
        if name not in self._types:
            raise Missing(f"表中没有列 {name}", f"there is no column '{name}'")
        return self._columns.setdefault(name, f"c{len(self._columns)}")

    def type(self, name: str) -> str:
        """DuckDB's type of a field's column."""
        self.column(name)
        return self._types[name]

    def _describe(self, resource: str) -> dict[str, str]:
        view = _quote(self._views[resource])
        return {row[0]: row[1] for row in self._db.execute(f"DESCRIBE {view}").fetchall()}

    def operand(self, name: str, number: str = "") -> str:
        """A field's value as something that compares; null where it is none."""
        return value_sql(class_of(self.fields[name]), self.column(name), number)

    def number(self, names: Sequence[str], values: Sequence[Decimal] = (), terms: int = 1) -> str:
        """Type in which numbers are compared, or added up in so many terms, without loss."""
        whole = all(self.fields[name].get("type") != "number" for name in names)
        return _number([self.type(name) for name in names], values, terms, whole=whole)

    def conditions(self, rule: Rule) -> list[str]:
        """When a rule applies."""
        return [self._condition(condition) for condition in rule.when]

    def _condition(self, condition: Condition) -> str:
        field = self.fields[condition.field]
        if condition.empty is not None:
            column = self.column(condition.field)
            return f"{column} IS {'' if condition.empty else 'NOT '}NULL"
        given = condition.one_of or condition.none_of or ()
        values = [constant(value, field, self.today) for value in given]
        number = self._number_for(condition.field, values)
        listed = ", ".join(self.literal(value, number) for value in values)
        verb = "IN" if condition.one_of else "NOT IN"
        return f"{self.operand(condition.field, number)} {verb} ({listed})"

    def _number_for(self, name: str, values: Sequence[Any]) -> str:
        numbers = [value for value in values if isinstance(value, Decimal)]
        return self.number([name], numbers) if numbers else ""

    def literal(self, value: Any, number: str) -> str:
        """A constant as something that compares."""
        if isinstance(value, Decimal):
            return f"CAST({self.bind(format(value, 'f'))} AS {number})"
        return self.bind(value)

    def constant(self, name: str, value: Any) -> tuple[str, str]:
        """A field and a constant as two things that compare."""
        read = constant(value, self.fields[name], self.today)
        number = self._number_for(name, [read])
        return self.operand(name, number), self.literal(read, number)

    def reference(self, rule: Period) -> dict[str, str]:
        """Columns of the view a rule refers to, with their types.

        Raises:
            Missing: there is no such view, or not all of the columns.

        """
        resource = rule.reference.resource
        if resource not in self._views:
            raise Missing(f"没有资源 {resource}", f"there is no resource '{resource}'")
        types = self._describe(resource)
        names = [*rule.reference.key, rule.reference.start, rule.reference.end]
        for name in names:
            if name not in types:
                raise Missing(
                    f"资源 {resource} 没有列 {name}", f"'{resource}' has no column '{name}'"
                )
        columns = ", ".join(f"{_quote(name)} AS x{i}" for i, name in enumerate(names))
        self.parts.append(f"ref AS (SELECT {columns} FROM {_quote(self._views[resource])})")
        return {f"x{i}": types[name] for i, name in enumerate(names)}

    def shown(self, name: str) -> tuple[str, str, Json]:
        """How a field is told in samples: its name, an expression for it, its descriptor."""
        column = self.column(name)
        field = self.fields[name]
        moment = class_of(field) == "datetime"
        return name, f"epoch_us({column})" if moment else f"CAST({column} AS VARCHAR)", field


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def value_sql(kind: str, column: str, number: str) -> str:
    """A column's value as something that compares; null where it is none."""
    if kind == "number":
        cast = f"TRY_CAST({column} AS {number})"
        if number == "BIGNUM":  # only text has a cast to it
            cast = f"TRY_CAST(CAST({column} AS VARCHAR) AS BIGNUM)"
        return f"CASE WHEN isfinite({cast}) THEN {cast} END" if number == "DOUBLE" else cast
    if kind == "datetime":
        return f"epoch_us({column})"
    if kind == "yearmonth":
        year, month = (f"TRY_CAST(split_part({column}, '-', {i}) AS BIGINT)" for i in (1, 2))
        return f"({year} * 12 + {month})"
    return column


def _number(types: Sequence[str], values: Sequence[Decimal], terms: int, *, whole: bool) -> str:
    """Narrowest exact type for numbers of these types; double where none has the digits."""
    before, after, exact = 0, 0, True
    for name in types:
        match = _DECIMAL.fullmatch(name)
        width, scale = map(int, match.groups()) if match else (_INTEGERS.get(name, 99), 0)
        exact = exact and name not in ("DOUBLE", "FLOAT")
        before, after = max(before, width - scale), max(after, scale)
    for value in values:
        whole_part, _, fraction = format(abs(value), "f").partition(".")
        before, after = max(before, len(whole_part)), max(after, len(fraction.rstrip("0")))
    width = before + after + (len(str(terms)) if terms > 1 else 0)
    if exact and width <= _DIGITS:
        return f"DECIMAL({width},{after})"
    return "BIGNUM" if exact and whole and not after else "DOUBLE"


def both(terms: Sequence[str]) -> str:
    """Join conditions that must all hold."""
    return " AND ".join(f"({term})" for term in terms) or "true"


def filled(*expressions: str) -> list[str]:
    """Conditions that none of the expressions is null."""
    return [f"{expression} IS NOT NULL" for expression in expressions]


def family(type_: str) -> str:
    """Types whose values compare with each other."""
    if type_ in _INTEGERS or _DECIMAL.fullmatch(type_):
        return "number"
    return "timestamp" if type_.startswith("TIMESTAMP") else type_
