"""What a question to a table is made of, and how much of it there may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from datahub.model import Struct

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 256 << 10
"""Characters of all parameters together: room for lists of more than 10,000 values."""
MOST_CONDITIONS = 200
MOST_VALUES = 20_000
MOST_OUTPUTS = 500
MOST_KEYS = 64
"""Keys of an order: each costs memory for every row, and more than a few change nothing."""
DEEPEST = 16

COMPARISONS = {"eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<="}
PATTERNS = ("like", "ilike", "match", "imatch")
SEARCHES = ("fts", "plfts", "phfts", "wfts")
LISTS = ("cs", "cd", "ov")
OPERATORS = (*COMPARISONS, "in", "is", "isdistinct", *PATTERNS, *SEARCHES, *LISTS)
MODIFIED = (*COMPARISONS, *PATTERNS)
"""Operators that take (any) and (all)."""
IS_VALUES = ("null", "not_null", "true", "false", "unknown")
AGGREGATES = ("sum", "avg", "min", "max", "count", "count_distinct", "median", "stddev")
CASTS = {
    "text": "VARCHAR",
    "varchar": "VARCHAR",
    "int": "BIGINT",
    "integer": "BIGINT",
    "int4": "BIGINT",
    "int8": "BIGINT",
    "bigint": "BIGINT",
    "numeric": "DECIMAL(38,10)",
    "decimal": "DECIMAL(38,10)",
    "float": "DOUBLE",
    "float8": "DOUBLE",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "boolean": "BOOLEAN",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP",
}


class Operand(Struct, frozen=True):
    """A column, an aggregate of one, or `count()` of rows: there the column is None."""

    column: str | None
    aggregate: str | None = None

    @property
    def name(self) -> str:
        """What it is called in an answer when it has no alias."""
        return self.aggregate or self.column or ""


class Comparison(Struct, frozen=True):
    """A condition on one operand; in, any, all, cs, cd and ov have several values."""

    operand: Operand
    operator: str
    value: str | tuple[str, ...]
    each: str | None = None  # any, all: of the values
    negated: bool = False


class Group(Struct, frozen=True):
    """Conditions joined by `and` or `or`."""

    kind: str
    items: tuple[Node, ...]
    negated: bool = False


Node = Comparison | Group


def leaves(node: Node) -> Iterator[Comparison]:
    """Yield the conditions of a tree, from left to right."""
    if isinstance(node, Comparison):
        yield node
    else:
        for item in node.items:
            yield from leaves(item)


class Pick(Struct, frozen=True):
    """One thing that is selected; without operand all columns (`*`)."""

    operand: Operand | None
    alias: str | None = None
    before: str | None = None  # cast of the column
    after: str | None = None  # cast of its aggregate


class Sort(Struct, frozen=True):
    """One key of an order; NULLs as in PostgreSQL unless told: last ascending, first descending."""

    operand: Operand
    descending: bool = False
    nulls: str | None = None  # first, last

    @property
    def nulls_first(self) -> bool:
        """Tell whether NULLs come before values."""
        return self.descending if self.nulls is None else self.nulls == "first"
