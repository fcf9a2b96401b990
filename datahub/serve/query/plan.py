"""A whole question: parameters of a request -> tree -> SQL on the columns of one table."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from datahub.errors import ParameterInvalid, ParameterUnknown
from datahub.forms.columns import Column, is_nested
from datahub.model import Struct
from datahub.serve.query import conditions, parse, places, text, words
from datahub.serve.query.conditions import Bound, Term
from datahub.serve.query.outputs import Output, column_of, operand_of, outputs
from datahub.serve.query.scanner import Scanner, invalid
from datahub.serve.query.tree import (
    LONGEST,
    MOST_CONDITIONS,
    Group,
    Node,
    Operand,
    Pick,
    Sort,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

LOGIC = ("and", "or", "not.and", "not.or")
ONCE = ("select", "order", "q", "geo.bbox", "geo.within", "facet")
PARAMETERS = (*ONCE, "having", *LOGIC)
_FACETS = 10


class Query(Struct, frozen=True):
    """What is asked of a table, apart from the page."""

    where: tuple[tuple[str, Node], ...] = ()  # with the parameters that they came in
    select: tuple[Pick, ...] = ()
    order: tuple[Sort, ...] = ()
    having: tuple[Node, ...] = ()
    q: str | None = None
    bbox: str | None = None
    within: str | None = None
    facet: tuple[str, ...] = ()

    @property
    def filtered(self) -> bool:
        """Tell whether rows are left out."""
        return bool(self.where or self.q or self.bbox or self.within)

    @property
    def canonical(self) -> str:
        """One text for all ways of writing this question, in whatever order of parameters."""
        return "&".join((
            *sorted({text.node(node) for _, node in self.where}),
            f"select={','.join(map(text.pick, self.select))}",
            f"order={','.join(map(text.sort, self.order))}",
            f"having={','.join(map(text.node, self.having))}",
            *(f"{name}={text.quoted(given)}" for name, given in self._texts() if given),
            *map(text.quoted, self.facet),
        ))  # fmt: skip

    def _texts(self) -> tuple[tuple[str, str | None], ...]:
        return (("q", self.q), ("bbox", self.bbox), ("within", self.within))


class Key(NamedTuple):
    """SQL of one key of an order."""

    sql: str
    sort: Sort

    @property
    def told(self) -> str:
        """The key in an ORDER BY."""
        way = "desc" if self.sort.descending else "asc"
        return f"{self.sql} {way} nulls {'first' if self.sort.nulls_first else 'last'}"


class Plan(NamedTuple):
    """A question compiled on the columns of a table."""

    query: Query
    outputs: tuple[Output, ...]
    where: Bound
    having: Bound
    keys: tuple[Key, ...]
    grouped: bool

    @property
    def whole_rows(self) -> bool:
        """Tell whether rows are told as they are, with all columns."""
        return not self.query.select

    @property
    def groups(self) -> list[str]:
        """SQL of what rows are grouped by."""
        return [output.sql for output in self.outputs if not output.grouped]

    @property
    def columns(self) -> tuple[Column, ...]:
        """Columns of the answer."""
        return tuple(output.column for output in self.outputs)

    def order_by(self, row: str) -> str:
        """Keys of the order and what makes it total; empty for the order of the file."""
        if self.grouped:
            rest = [f"{sql} asc nulls last" for sql in self.groups]
        else:
            rest = [row] if self.keys else []
        return ", ".join([key.told for key in self.keys] + rest)


def read(given: Sequence[tuple[str, str]], columns: Sequence[Column]) -> Query:
    """Parse the parameters of a request; a name in double quotes is always a column's.

    Raises:
        ParameterUnknown: a parameter is neither known nor a column.
        ParameterInvalid: one does not parse, is given twice or asks too much.

    """
    names = {column.name for column in columns}
    _measure(given)
    where: list[tuple[str, Node]] = []
    having: list[Node] = []
    once: dict[str, str] = {}
    for name, value in given:
        if name in LOGIC:
            kind = name.removeprefix("not.")
            tree = parse.logic(name, kind, value, negated=name.startswith("not."))
            where.append((name, tree))
        elif name == "having":
            having += parse.having(value)
        elif name in ONCE:
            once[name] = value
        else:
            column = _column_name(name)
            if column not in names:
                raise ParameterUnknown(name=name[:80], allowed=", ".join(sorted(names)))
            where.append((name, parse.condition(name, column, value)))
    _count([node for _, node in where] + having)
    return Query(
        where=tuple(where),
        having=tuple(having),
        select=parse.select(once["select"]) if once.get("select", "*") != "*" else (),
        order=parse.order(once["order"]) if "order" in once else (),
        q=once.get("q"),
        bbox=once.get("geo.bbox"),
        within=once.get("geo.within"),
        facet=parse.names("facet", once["facet"]) if "facet" in once else (),
    )


def compiled(query: Query, columns: Sequence[Column]) -> Plan:
    """Compile a question on a table's columns.

    Raises:
        ParameterInvalid: something does not go with the types of the columns.

    """
    known = {column.name: column for column in columns}
    chosen = outputs(query.select, known)
    grouped = any(output.grouped for output in chosen)
    if not grouped and query.having:
        raise invalid("having", "…", "select 里没有汇总函数，请改用筛选条件",
                      "select has no aggregate: filter the column instead")  # fmt: skip
    for name in query.facet:
        column_of(name, known, "facet")
    if len(query.facet) > _FACETS:
        raise invalid("facet", "…", f"最多 {_FACETS} 列", f"{_FACETS} columns at most")
    named = {output.column.name: output for output in chosen} if grouped else {}
    return Plan(
        query=query,
        outputs=chosen,
        where=_where(query, columns, known),
        having=conditions.joined(
            (
                conditions.compiled(node, lambda it: _term(it, named, known, "having"), "having")
                for node in query.having
            ),
            "and",
        ),
        keys=tuple(_key(sort, named, known) for sort in query.order),
        grouped=grouped,
    )


def _where(query: Query, columns: Sequence[Column], known: Mapping[str, Column]) -> Bound:
    parts = [
        conditions.compiled(node, lambda it, p=name: _plain(it, known, p), name)  # type: ignore[misc]
        for name, node in query.where
    ]
    if query.q is not None:
        parts.append(Bound(*words.anywhere(columns, words.split(query.q, "q"))))
    for name, given, place in (
        ("geo.bbox", query.bbox, places.in_box),
        ("geo.within", query.within, places.near),
    ):
        if given is not None:
            points = places.point_columns(columns)
            if points is None:
                raise invalid(name, given, "这个资源没有经纬度列（如 lon、lat）",
                              "this resource has no columns of longitude and latitude")  # fmt: skip
            parts.append(Bound(*place(points, given)))
    return conditions.joined(parts, "and")


def _plain(operand: Operand, known: Mapping[str, Column], parameter: str) -> Term:
    if operand.aggregate:
        raise invalid(
            parameter,
            f"{operand.column or ''}.{operand.aggregate}()".lstrip("."),
            "汇总函数的条件写在 having 里",
            "conditions on aggregates stand in having",
        )
    found = operand_of(operand, known, parameter)
    return Term(found.sql, found.column)


def _term(
    operand: Operand, named: Mapping[str, Output], known: Mapping[str, Column], parameter: str
) -> Term:
    """Something that was selected, by its name in the answer; or an aggregate."""
    name = operand.column or ""
    if operand.aggregate is None and name in named:
        found = named[name]
    elif operand.aggregate is None:
        raise invalid(
            parameter,
            name,
            f"应为 select 里的名称或汇总，如 count()；现有：{', '.join(named)}",
            f"give a name of select or an aggregate such as count(); there are: {', '.join(named)}",
        )
    else:
        found = operand_of(operand, known, parameter)
    return Term(found.sql, found.column)


def _key(sort: Sort, named: Mapping[str, Output], known: Mapping[str, Column]) -> Key:
    term = _term(sort.operand, named, known, "order") if named else _plain(
        sort.operand, known, "order"
    )  # fmt: skip
    if is_nested(term.column.kind):
        raise invalid("order", term.column.name, "这一列不能排序", "this column has no order")
    return Key(term.sql, sort)


def _column_name(name: str) -> str:
    """Name of the column that a parameter filters."""
    if not name.startswith('"'):
        return name
    scanner = Scanner(name, name)
    try:
        found = scanner.quoted()
    except ParameterInvalid:
        return name
    return found if scanner.done else name


def _measure(given: Iterable[tuple[str, str]]) -> None:
    total = sum(len(name) + len(value) for name, value in given)
    if total > LONGEST:
        name = max(given, key=lambda pair: len(pair[1]))[0]
        raise invalid(name, "…", f"参数总长 {total} 字符，上限 {LONGEST}",
                      f"the parameters have {total} characters, {LONGEST} at most")  # fmt: skip
    for name, times in Counter(name for name, _ in given).items():
        if times > 1 and name in ONCE:
            raise invalid(name, "…", "只能出现一次", "give it once")


def _count(nodes: Iterable[Node]) -> None:
    total = sum(map(_size, nodes))
    if total > MOST_CONDITIONS:
        raise invalid(
            "and", "…", f"条件有 {total} 个，最多 {MOST_CONDITIONS} 个（多个值请用 in.(…)）",
            f"{total} conditions, {MOST_CONDITIONS} at most; of many values make one in.(…)",
        )  # fmt: skip


def _size(node: Node) -> int:
    if isinstance(node, Group):
        return 1 + sum(map(_size, node.items))
    return 1 if isinstance(node.value, str) or not node.each else max(1, len(node.value))
