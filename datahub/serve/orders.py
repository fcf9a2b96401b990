"""Pages of an order by one column, and rows by the value of one column, without any query.

Rows in the order of a column, ties by row number, are read from files that are derived from the
Parquet file (`forms.ordered`), and may be gone at any time: then None is the answer here.
"""

from __future__ import annotations

import os
import struct
from bisect import bisect_left, bisect_right
from contextlib import ExitStack
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from datahub.forms.lines import Lines, open_file
from datahub.forms.ordered import Order, Top, Values, order_name, top_name, values_name
from datahub.model import Struct
from datahub.serve import sources
from datahub.serve.query.tree import Comparison
from datahub.store.derived import LINES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from datahub.serve.query.plan import Plan
    from datahub.serve.reading import Reading, Table

T = TypeVar("T")

_FEW = 10  # lines from all over a file that are read while other requests wait
_SIDES = {"eq": (0, 1), "gte": (0, 2), "gt": (1, 2), "lte": (-1, 1), "lt": (-1, 0)}
"""Of an operator: where its rows begin and end. -1 the first row, 0 before the value, 1 behind
it, 2 the last row."""


class Asked(Struct, frozen=True):
    """Rows in the order of a column, those that pass all tests on that column."""

    column: int
    descending: bool = False
    nulls_first: bool = False
    tests: tuple[tuple[str, Any], ...] = ()  # operator, value
    ordered: bool = True  # else they are asked for by their values alone

    @property
    def order(self) -> str:
        """Name of the order that they are a stretch of."""
        return order_name(self.column, self.descending)


def asked(plan: Plan, table: Table) -> Asked | None:
    """See whether a question is for a stretch of an order: None if it is not.

    It is ordered by one column at most; its conditions compare that column, or are, without any
    order, for equality with one value: such rows follow each other by their numbers.
    """
    query = plan.query
    if plan.grouped or len(plan.keys) > 1 or query.q or query.bbox or query.within:
        return None
    nodes = [node for _, node in query.where]
    if not all(isinstance(node, Comparison) and _is_simple(node) for node in nodes):
        return None
    tests = tuple(
        (node.operator, value)
        for node, value in zip(nodes, plan.where.values, strict=True)
        if isinstance(node, Comparison)
    )
    names = {node.operand.column for node in nodes if isinstance(node, Comparison)}
    names |= {key.sort.operand.column for key in plan.keys}
    if len(names) != 1 or not (plan.keys or any(operator == "eq" for operator, _ in tests)):
        return None
    number = [column.name for column in table.columns].index(names.pop() or "")
    if not plan.keys:
        return Asked(column=number, tests=tests, ordered=False)
    sort = plan.keys[0].sort
    return Asked(
        column=number, descending=sort.descending, nulls_first=sort.nulls_first, tests=tests
    )


def _is_simple(node: Comparison) -> bool:
    return (
        node.operator in _SIDES
        and node.each is None
        and not node.negated
        and node.operand.aggregate is None
    )


class Found(NamedTuple):
    """Numbers of the rows of a page and of one more; its lines if the first lines have them."""

    numbers: list[int]
    lines: list[bytes] | None


def page(reading: Reading, table: Table, which: Asked, start: int, limit: int) -> Found | None:
    """Find `limit` rows from `start` on of what is asked; None: they are not at hand."""
    _ask(reading, table, which)

    def find(order: _Order) -> Found:
        places = _places(reading, table, which, order.head, start, limit + 1)
        shown = _places(reading, table, which, order.head, start, limit)
        return Found(order.numbers(places), _top(reading, table, which, order.head, shown))

    return _from_order(reading, table, which, find)


def total(reading: Reading, table: Table, which: Asked) -> int | None:
    """How many rows are asked for; None: that is not at hand."""
    _ask(reading, table, which)
    if not which.tests:
        return table.rows
    try:
        return len(_stretch(reading, table, which))
    except LookupError:
        return None


def at_hand(reading: Reading, table: Table, which: Asked, start: int, count: int) -> bool:
    """Whether a page of whole rows takes a few reads of files and no more."""
    folder = reading.derived.folder(table.digest)

    def find(order: _Order) -> bool:
        places = _places(reading, table, which, order.head, start, count)
        few = sum(map(len, places)) <= _FEW
        return (few and (folder / LINES).exists()) or _in_top(folder, which, order.head, places)

    return bool(_from_order(reading, table, which, find))


def _ask(reading: Reading, table: Table, which: Asked) -> None:
    if which.ordered:
        sources.ask(reading, table, order=(which.column, which.descending))
    if which.tests:
        sources.ask(reading, table, values=which.column)


# Orders ---------------------------------------------------------------------------------------


class _Order:
    """An order that is open: its head and its row numbers."""

    def __init__(self, file: int, rows: int) -> None:
        self._file = file
        self.head = Order.unpack(os.pread(file, Order.SIZE, 0))
        self._size = struct.calcsize(self.head.letter)
        if self.head.rows != rows or os.fstat(file).st_size != Order.SIZE + rows * self._size:
            raise struct.error("order")

    def numbers(self, places: Sequence[range]) -> list[int]:
        """Row numbers at some places."""
        found: list[int] = []
        for place in places:
            size, count = self._size, len(place)
            data = os.pread(self._file, count * size, Order.SIZE + place.start * size)
            found += struct.unpack(f"<{count}{self.head.letter}", data)
        return found


def _from_order(
    reading: Reading, table: Table, which: Asked, find: Callable[[_Order], T | None]
) -> T | None:
    """What an order says; None: it is not there, or not usable."""
    path = reading.derived.folder(table.digest) / which.order
    try:
        with ExitStack() as stack:
            return find(_Order(open_file(stack, path), table.rows))
    except (FileNotFoundError, LookupError):
        return None
    except (OSError, struct.error):
        sources.damaged(path)
        return None


def _places(
    reading: Reading, table: Table, which: Asked, order: Order, start: int, count: int
) -> list[range]:
    """Where rows `start` to `start + count` of what is asked are in the order.

    Nulls, which are at its end, come first if they are asked so. Raises LookupError where that
    cannot be told.
    """
    rows, nulls = order.rows, order.nulls
    if which.tests:
        stretch = _stretch(reading, table, which)
        if which.descending:
            stretch = range(rows - nulls - stretch.stop, rows - nulls - stretch.start)
        found = [stretch]
    else:
        found = [range(rows - nulls), range(rows - nulls, rows)]
        if which.nulls_first:
            found.reverse()
    places = []
    for part in found:
        place = part[start : start + count]
        places += [place] if place else []
        start, count = max(0, start - len(part)), count - len(place)
    return places


# First lines ----------------------------------------------------------------------------------


def _top(
    reading: Reading, table: Table, which: Asked, order: Order, places: Sequence[range]
) -> list[bytes] | None:
    """Lines at some places of an order, all of them among its first ones."""
    path = reading.derived.folder(table.digest) / top_name(which.column, which.descending)
    try:
        with ExitStack() as stack:
            file = open_file(stack, path)
            head = _top_head(file, order)
            lines = Lines(file, [(file, os.fstat(file).st_size)], Top.SIZE)
            found: list[bytes] = []
            for place in places:
                first = _line(head, order, place)
                read = None if first is None else lines.window(first, len(place))
                if read is None:
                    return None
                found += read
            return found
    except FileNotFoundError:
        return None
    except (OSError, struct.error):
        sources.damaged(path)
        return None


def _in_top(folder: Path, which: Asked, order: Order, places: Sequence[range]) -> bool:
    path = folder / top_name(which.column, which.descending)
    try:
        with ExitStack() as stack:
            head = _top_head(open_file(stack, path), order)
    except (OSError, struct.error):
        return False
    return all(_line(head, order, place) is not None for place in places)


def _top_head(file: int, order: Order) -> Top:
    head, size = Top.unpack(os.pread(file, Top.SIZE, 0)), os.fstat(file).st_size
    count = head.values + head.nulls
    if count > order.rows:
        raise struct.error("top")
    (end,) = struct.unpack("<Q", os.pread(file, 8, Top.SIZE + 8 * count))
    if end != size:
        raise struct.error("top")
    return head


def _line(head: Top, order: Order, place: range) -> int | None:
    """Number of the first line of a place among the first lines of an order; None: not there."""
    if place.stop <= head.values:
        return place.start
    behind = place.start - (order.rows - order.nulls)
    if behind >= 0 and behind + len(place) <= head.nulls:
        return head.values + behind
    return None


# Values ---------------------------------------------------------------------------------------


class _Keys:
    """Keys of a width, one after another, for `bisect`."""

    def __init__(self, data: bytes, width: int) -> None:
        self._data, self._width = data, width

    def __len__(self) -> int:
        return len(self._data) // self._width

    def __getitem__(self, number: int) -> bytes:
        return self._data[number * self._width : (number + 1) * self._width]


class _Values:
    """Values of a column that are open."""

    def __init__(self, file: int) -> None:
        self._file = file
        self.head = Values.unpack(os.pread(file, Values.SIZE, 0))
        self._end = Values.SIZE + self.head.rows * self.head.width  # of keys; fences follow
        size = self._end + self.head.fences * self.head.width
        if os.fstat(file).st_size != size:
            raise struct.error("values")

    def around(self, value: Any) -> tuple[int, int]:
        """How many keys are below that of a value, and how many are not above it."""
        key, exact = self.head.key(value)
        behind = self._place(key, bisect_right)
        return (self._place(key, bisect_left) if exact else behind), behind

    def _place(self, key: bytes, side: Callable[[_Keys, bytes], int]) -> int:
        head = self.head
        block = side(self._keys(self._end, head.fences), key)
        if not block:
            return 0
        first = (block - 1) * head.STRIDE
        count = min(head.STRIDE, head.rows - first)
        return first + side(self._keys(Values.SIZE + first * head.width, count), key)

    def _keys(self, begin: int, count: int) -> _Keys:
        return _Keys(os.pread(self._file, count * self.head.width, begin), self.head.width)


@lru_cache(maxsize=256)
def _stretch(reading: Reading, table: Table, which: Asked) -> range:
    """Where rows that pass all tests are in the ascending order.

    Raises:
        LookupError: the values are not at hand, or not comparable here.

    """
    path = reading.derived.folder(table.digest) / values_name(which.column)
    try:
        with ExitStack() as stack:
            values = _Values(open_file(stack, path))
            begin, end = 0, values.head.rows
            for operator, value in which.tests:
                below, upto = _around(reading, table, which.column, values, value)
                sides = {-1: 0, 0: below, 1: upto, 2: values.head.rows}
                first, last = _SIDES[operator]
                begin, end = max(begin, sides[first]), min(end, sides[last])
            return range(begin, max(begin, end))
    except (FileNotFoundError, TypeError):
        raise LookupError(path.name) from None
    except (OSError, struct.error):
        sources.damaged(path)
        raise LookupError(path.name) from None


def _around(
    reading: Reading, table: Table, column: int, values: _Values, value: Any
) -> tuple[int, int]:
    """How many values are below a value, and how many are not above it."""
    if not values.head.width:
        raise LookupError
    below, upto = values.around(value)
    if values.head.whole or below == upto:
        return below, upto
    name = table.columns[column].name  # of texts that begin alike, the lines are looked at

    def text(place: int) -> str:
        found = page(reading, table, Asked(column=column, ordered=False), place, 1)
        lines = sources.lines(reading, table, found.numbers[:1]) if found else None
        if not lines:
            raise LookupError(name)
        return str(msgspec.json.decode(lines[0])[name])

    places = range(below, upto)
    return (
        below + bisect_left(places, value, key=text),
        below + bisect_right(places, value, key=text),
    )
