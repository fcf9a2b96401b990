"""Arrow kernels that prove cells valid: sound filters for frictionless, one per type.

A kernel may be wrong in one direction only. What it calls certain, frictionless accepts with the
same value; what it does not is judged by frictionless's own cell reader. Each accepts a subset of
what the reader of the type accepts; where no such kernel is known there is none.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal
from math import isnan
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    from collections.abc import Iterator

Check = Callable[[pa.Array], pa.Array]
Parse = Callable[[pa.Array], pa.Array]

_BOUNDS: dict[str, Callable[[pa.Array, pa.Scalar], pa.Array]] = {
    "minimum": pc.greater_equal,
    "maximum": pc.less_equal,
    "exclusiveMinimum": pc.greater,
    "exclusiveMaximum": pc.less,
}
_INT64 = range(-(1 << 63), 1 << 63)
_DIGITS = 38
_FEW_PLACES = 9
_ODD = 4  # texts that are set aside at once
_VAIN = 3
_LOOKED_AT = 20_000
_INTEGER = "^-?[0-9]{1,18}$"
_DATE = "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])$"
_STAMP = _DATE[:-1] + "[T ]([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,6})?$"
_YEAR_1 = pa.scalar(dt.datetime(1, 1, 1), pa.timestamp("us"))  # noqa: DTZ001 - times without a zone
_DAY_2 = dt.datetime(1, 1, 2, tzinfo=dt.UTC)
_SECONDS = 19  # characters of a time stamp to the second
# A pattern of which RE2 matches no more than Python's re: see `is_sound_pattern`.
_SOUND = re.compile(r"(?:\\(?:[dwsnrtfv]|[^\w\s])|[^\\\[({]|\[(?![\^:])|\((?!\?)|\(\?:|\{(?!,))*\Z")


class Kernel:
    """Parses a column's texts; `certain` marks those that satisfy type and constraints."""

    def __init__(self, parse: Parse, checks: list[Check]) -> None:
        self._parse, self._checks = parse, checks

    def __call__(self, present: pa.Array) -> tuple[pa.Array, pa.Array]:
        """Values (null where not certain to parse) and the mask of certain cells.

        `present` are texts, null where the cell is a missing value.
        """
        values = self._parse(present)
        certain = values.is_valid()
        for check in self._checks:
            certain = pc.and_(certain, pc.fill_null(check(values), fill_value=False))
        return values, certain


def kernel_of(field: Any) -> Kernel | None:
    """Return the kernel of a frictionless field; None when the reader must judge every value."""
    make = _MAKERS.get(field.type)
    if make is None or not set(field.constraints) <= {"required", "unique", *_KNOWN[field.type]}:
        return None
    try:
        return make(field)
    except _NoKernelError:
        return None


class _NoKernelError(Exception):
    """A setting of the field for which no sound kernel is known."""


def _need(condition: object) -> None:
    if not condition:
        raise _NoKernelError


# Types ------------------------------------------------------------------------------------


def _string(field: Any) -> Kernel:
    _need(field.format == "default")
    return Kernel(lambda present: present, list(_text_checks(field)))


def _any(_field: Any) -> Kernel:
    return Kernel(lambda present: present, [])


def _integer(field: Any) -> Kernel:
    _need(field.bare_number)
    checks = list(_bound_checks(field, pa.int64(), lambda v: isinstance(v, int) and v in _INT64))
    enum = field.constraints.get("enum")
    if enum is not None:
        read = field.create_value_reader()
        values = [v for v in map(read, enum) if isinstance(v, int) and v in _INT64]
        known = pa.array(values, pa.int64())
        checks.append(lambda column: pc.is_in(column, value_set=known))
    return Kernel(_parse_integer(), checks)


def _number(field: Any) -> Kernel:
    _need(not {"group_char", "decimal_char", "bare_number"} & set(field.list_defined()))
    if field.float_number:
        bounds = _bound_checks(field, pa.float64(), lambda v: isinstance(v, float) and not isnan(v))
        return Kernel(_parse_float(), list(bounds))
    return _decimal(field)


def _decimal(field: Any) -> Kernel:
    read = field.create_value_reader()
    bounds = {name: read(field.constraints[name]) for name in _BOUNDS if name in field.constraints}
    scale = 0
    for bound in bounds.values():
        _need(isinstance(bound, (int, Decimal)) and Decimal(bound).is_finite())
        places = -int(Decimal(bound).as_tuple().exponent)
        _need(places <= _DIGITS // 2 and abs(bound) < 10 ** (_DIGITS // 2))
        scale = max(scale, places)
    checks = [_decimal_bound(_BOUNDS[name], Decimal(bound)) for name, bound in bounds.items()]
    return Kernel(Decimals(scale).parse, checks)


def _decimal_bound(compare: Callable[[pa.Array, pa.Scalar], pa.Array], bound: Decimal) -> Check:
    return lambda values: compare(values, pa.scalar(bound, values.type))


def _boolean(field: Any) -> Kernel:
    true, false = (pa.array(v, pa.string()) for v in (field.true_values, field.false_values))

    def parse(present: pa.Array) -> pa.Array:
        yes, no = pc.is_in(present, value_set=true), pc.is_in(present, value_set=false)
        return pc.if_else(pc.or_(yes, no), pc.invert(no), None)  # the last one listed wins

    return Kernel(parse, [])


def _date(field: Any) -> Kernel:
    _need(field.format == "default")
    first = pa.scalar(dt.date.min)
    checks: list[Check] = [lambda values: pc.greater_equal(values, first)]
    parse = Caster(_DATE).to(pa.date32())
    return Kernel(parse, [*checks, *_bound_checks(field, pa.date32(), _is_date)])


def _datetime(field: Any) -> Kernel:
    _need(field.format == "default")
    bounds = list(_bound_checks(field, pa.timestamp("us"), _is_naive))
    return Kernel(_parse_naive() if bounds else _parse_stamp(), bounds)


_MAKERS: dict[str, Callable[[Any], Kernel]] = {
    "string": _string,
    "any": _any,
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "datetime": _datetime,
}
_KNOWN: dict[str, set[str]] = {  # other constraints, `enum` of dates say, are the reader's
    "string": {"minLength", "maxLength", "pattern", "enum"},
    "any": set(),
    "integer": {*_BOUNDS, "enum"},
    "number": {*_BOUNDS},
    "boolean": set(),
    "date": {*_BOUNDS},
    "datetime": {*_BOUNDS},
}


# Parsers ----------------------------------------------------------------------------------


class Caster:
    """Casts texts strictly; where that fails, only those that match a pattern, the others null.

    Bad cells often hold the same few texts ("-", "无"): those met before are set aside at once,
    for the pattern takes twice as long as the cast.
    """

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self._odd: tuple[str, ...] = ()
        self._vain = 0  # times that setting them aside was not enough

    def to(self, kind: pa.DataType) -> Parse:
        """Return the parser of texts to values of a type."""
        return lambda present: self(present, kind)

    def __call__(self, present: pa.Array, kind: pa.DataType) -> pa.Array:
        """Values of a type, null where a text is none."""
        found = self.strictly(present, kind)
        return self.matching(present, kind, self._pattern) if found is None else found

    def strictly(self, present: pa.Array, kind: pa.DataType) -> pa.Array | None:
        """Values where every text is one, but for those known to be none."""
        if self._vain >= _VAIN:
            return None
        known = present
        for text in self._odd:
            known = pc.if_else(pc.equal(known, text), None, known)
        try:
            return pc.cast(known, kind)
        except pa.ArrowInvalid:
            self._vain += bool(self._odd)
            return None

    def matching(self, present: pa.Array, kind: pa.DataType, pattern: str) -> pa.Array:
        """Values of the texts that match."""
        plain = pc.fill_null(pc.match_substring_regex(present, pattern), fill_value=False)
        if len(self._odd) < _ODD:
            others = present.filter(pc.invert(plain)).slice(0, _LOOKED_AT).drop_null()
            counts = sorted(others.value_counts().to_pylist(), key=lambda c: -c["counts"])
            found = [count["values"] for count in counts[:_ODD]]
            self._odd = tuple(dict.fromkeys([*self._odd, *found]))[:_ODD]
        try:
            return pc.cast(pc.if_else(plain, present, None), kind)
        except pa.ArrowInvalid:
            return pa.nulls(len(present), kind)


def _parse_integer() -> Parse:
    cast = Caster(_INTEGER)

    def parse(present: pa.Array) -> pa.Array:
        # Arrow takes 0x1F for 31.
        hexadecimal = pc.or_(pc.match_substring(present, "x"), pc.match_substring(present, "X"))
        if pc.any(hexadecimal).as_py():
            present = pc.if_else(hexadecimal, None, present)
        return cast(present, pa.int64())

    return parse


def _parse_float() -> Parse:
    cast = Caster("^[0-9]{1,15}([.][0-9]{1,15})?$")

    def parse(present: pa.Array) -> pa.Array:
        values = cast(present, pa.float64())
        return pc.if_else(pc.is_finite(values), values, None)  # nan, inf, 1e400 are the reader's

    return parse


def _parse_naive() -> Parse:
    cast = Caster(_STAMP)

    def parse(present: pa.Array) -> pa.Array:
        # frictionless wants seconds; Arrow also takes a date, hours, or minutes alone.
        long = pc.greater_equal(pc.binary_length(present), _SECONDS)
        if not pc.all(long).as_py():
            present = pc.if_else(long, present, None)
        values = cast(present, pa.timestamp("us"))
        return pc.if_else(pc.greater_equal(values, _YEAR_1), values, None)

    return parse


def _parse_stamp() -> Parse:
    """Times without offset, or a column of instants as UTC when all carry an offset."""
    parse_naive = _parse_naive()

    def parse(present: pa.Array) -> pa.Array:
        naive = parse_naive(present)
        if naive.null_count == len(naive) > present.null_count:
            try:
                instants = pc.cast(present, pa.timestamp("us", tz="UTC"))
            except pa.ArrowInvalid:
                return naive
            long = pc.greater_equal(pc.binary_length(present), _SECONDS)
            whole = pc.and_(long, _minutes_end(present))
            # In UTC: later than year 0.
            since = pc.greater(instants, pa.scalar(_DAY_2, instants.type))
            return pc.if_else(pc.and_(whole, since), instants, None)
        return naive

    return parse


def _minutes_end(present: pa.Array) -> pa.Array:
    """Whether a colon stands behind the minutes (frictionless: character 16)."""
    return pc.equal(pc.utf8_slice_codeunits(present, 16, 17), ":")


class Decimals:
    """Reads exact decimals at the largest scale that was seen so far."""

    def __init__(self, scale: int) -> None:
        self._scale = scale
        self._cast = Caster("")

    def parse(self, present: pa.Array) -> pa.Array:
        """Decimals of 38 digits; null where a text is no plain decimal or too long for that."""
        found = self._cast.strictly(present, pa.decimal128(_DIGITS, self._scale))
        if found is not None:
            return found
        scale = max(self._scale, min(places(present), _DIGITS // 2))
        kind = pa.decimal128(_DIGITS, scale)
        if scale > self._scale:
            self._scale = scale
            found = self._cast.strictly(present, kind)
        if found is not None:
            return found
        tail = f"([.][0-9]{{0,{scale}}})?" if scale else ""
        pattern = f"^[+-]?[0-9]{{1,{_DIGITS - scale - 1}}}{tail}$"
        return self._cast.matching(present, kind, pattern)


def places(present: pa.Array) -> int:
    """Most digits behind the point among the plain decimals."""
    point = pc.find_substring(present, ".")
    behind = pc.if_else(
        pc.greater_equal(point, 0), pc.subtract(pc.binary_length(present), point), 1
    )
    most = pc.max(behind).as_py() or 1
    if most - 1 <= _FEW_PLACES:
        return int(most) - 1
    plain = pc.match_substring_regex(present, r"^[+-]?[0-9]*[.][0-9]+$")
    found = pc.filter(pc.subtract(behind, 1), plain, null_selection_behavior="drop")
    return int(pc.max(found).as_py() or 0)


# Constraints ------------------------------------------------------------------------------


def _bound_checks(field: Any, kind: pa.DataType, fits: Callable[[Any], bool]) -> Iterator[Check]:
    read = field.create_value_reader()
    for name, compare in _BOUNDS.items():
        if field.constraints.get(name) is not None:
            bound = read(field.constraints[name])
            _need(fits(bound))
            yield _against(compare, pa.scalar(bound, kind))


def _against(compare: Callable[[pa.Array, pa.Scalar], pa.Array], bound: pa.Scalar) -> Check:
    return lambda values: compare(values, bound)


def _is_date(value: Any) -> bool:
    return type(value) is dt.date


def _is_naive(value: Any) -> bool:
    return isinstance(value, dt.datetime) and value.tzinfo is None


def _text_checks(field: Any) -> Iterator[Check]:
    given = field.constraints
    for name, compare in (("minLength", pc.greater_equal), ("maxLength", pc.less_equal)):
        if given.get(name) is not None:
            yield _length(compare, given[name])
    if given.get("pattern") is not None:
        pattern = given["pattern"]
        _need(is_sound_pattern(pattern))
        yield lambda column: pc.match_substring_regex(column, f"^(?:^{pattern}$)")
    if given.get("enum") is not None:
        known = pa.array([v for v in given["enum"] if isinstance(v, str)], pa.string())
        yield lambda column: pc.is_in(column, value_set=known)


def _length(compare: Callable[[pa.Array, int], pa.Array], limit: int) -> Check:
    return lambda column: compare(pc.utf8_length(column), limit)  # code points, as Python's len


def is_sound_pattern(pattern: str) -> bool:
    """Tell whether RE2 matches no text that Python's re does not.

    Its classes are the ASCII ones: a subset, unless negated. Back-references, look-around, flags,
    negated sets, POSIX classes, `{,n}` and escapes that the two read differently are refused.
    """
    if not _SOUND.match(pattern):
        return False
    try:
        pc.match_substring_regex(pa.array([""]), f"^(?:^{pattern}$)")
    except pa.ArrowInvalid:
        return False
    return True
