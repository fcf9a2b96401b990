"""Rows behind a row in an order, as a condition: the next page costs no counting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datahub.serve.query.conditions import Bound, joined

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datahub.serve.query.plan import Key


def after(keys: Sequence[Key], values: Sequence[Any], number: str, row: int) -> Bound:
    """Condition of the rows behind the one that has these keys and this row number."""
    same: list[Bound] = []
    ways: list[Bound] = []
    for key, value in zip(keys, values, strict=True):
        ways.append(joined([*same, _behind(key, value)], "and"))
        same.append(_same(key, value))
    ways.append(joined([*same, Bound(f"{number} > ?", (row,))], "and"))
    return joined(ways, "or")


def _same(key: Key, value: Any) -> Bound:
    return Bound(f"{key.sql} is null") if value is None else Bound(f"{key.sql} = ?", (value,))


def _behind(key: Key, value: Any) -> Bound:
    if value is None:
        return Bound(f"{key.sql} is not null" if key.sort.nulls_first else "false")
    sign = "<" if key.sort.descending else ">"
    found = Bound(f"{key.sql} {sign} ?", (value,))
    return found if key.sort.nulls_first else joined([found, Bound(f"{key.sql} is null")], "or")
