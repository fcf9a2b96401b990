"""A column's cells judged: by its kernel where that is certain, else by frictionless's reader.

The reader depends on its cell alone, so it is asked once per distinct text: exact for every type,
format and constraint by construction.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from datahub.validation.kernels import kernel_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from datahub.model import Json

_REMEMBERED = 50_000
_NUMERIC = ("integer", "number", "boolean", "year")


FAULTS = pa.schema(
    {"index": pa.uint64(), "kind": pa.string(), "cell": pa.string(), "note": pa.string()}
)
_NO_FAULT = (None, None)


class UnjudgeableError(Exception):
    """Frictionless has no verdict on a value: comparing it with a constraint fails."""

    def __init__(self, field: str, cell: str | None, reason: Exception) -> None:
        super().__init__(
            f'field "{field}": value "{cell}" cannot be compared'
            f" ({type(reason).__name__}: {reason})"
        )


class Verdict(NamedTuple):
    """What the reader gave for a text: the value, and (error type, note) per fault."""

    value: Any
    faults: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Judged:
    """A column of one batch: what its kernel proved, and the reader's verdicts on the rest."""

    texts: pa.Array
    missing: pa.Array  # mask of cells that are missing values
    values: pa.Array | None  # of the kernel, null where it is not certain
    uncertain: pa.Array  # mask of the cells that the reader judged
    rest: pa.Array  # their indices
    codes: pa.Array  # for each of them, its place in `verdicts`
    verdicts: list[tuple[str, Verdict]]  # distinct text, verdict

    def faults(self) -> Iterator[pa.RecordBatch]:
        """Faults as FAULTS batches: index in the batch, error type, text of the cell, note."""
        most = max((len(verdict.faults) for _, verdict in self.verdicts), default=0)
        for number in range(most):  # hardly ever more than one
            found = [v.faults[number] if number < len(v.faults) else _NO_FAULT
                     for _, v in self.verdicts]  # fmt: skip
            kinds = pa.array([kind for kind, _ in found], pa.string()).take(self.codes)
            at_fault = kinds.is_valid()
            codes = self.codes.filter(at_fault)
            yield pa.RecordBatch.from_arrays(
                [
                    self.rest.filter(at_fault),
                    kinds.filter(at_fault),
                    pa.array([text for text, _ in self.verdicts], pa.string()).take(codes),
                    pa.array([note for _, note in found], pa.string()).take(codes),
                ],
                schema=FAULTS,
            )


class Column:
    """One expected column of a table, with its frictionless field."""

    def __init__(self, field: Any, number: int) -> None:
        self.field, self.number, self.name = field, number, field.name
        self.type: str = field.type
        self._read: Callable[[Any], tuple[Any, Any]] = field.create_cell_reader()
        self._kernel = kernel_of(field)
        self._known: dict[str | None, Verdict] = {}
        listed = field.missing_values
        if not field.has_defined("missing_values") and field.schema:
            listed = field.schema.missing_values
        self._missing = pa.array([v for v in listed if isinstance(v, str)], pa.string())
        self.empty_is_missing = "" in listed
        self._only_empty = list(listed) == [""]
        self._must_read_missing = bool(field.constraints.get("required"))

    @property
    def how(self) -> str:
        """How its cells are judged: "kernel", or "distinct" (the reader, per distinct text)."""
        return "kernel" if self._kernel else "distinct"

    def descriptor(self) -> Json:
        """Table Schema field that reads values as this one does, wherever it stands."""
        found: Json = self.field.to_descriptor()
        for name in ("constraints", "example"):
            found.pop(name, None)
        return found | {"missingValues": self._missing.to_pylist()}

    def verdict(self, cell: str | None) -> Verdict:
        """What frictionless's reader gives for a cell (None: the row has no such cell)."""
        found = self._known.get(cell)
        if found is None:
            try:
                value, notes = self._read(cell)
            except Exception as error:
                raise UnjudgeableError(self.name, cell, error) from error
            faults = [
                (_TYPES.get(name, "constraint-error"), n) for name, n in (notes or {}).items()
            ]
            found = Verdict(value, tuple(faults))
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[cell] = found
        return found

    def is_missing(self, cell: str | None) -> bool:
        """Whether a cell is blank in the sense of blank rows: no value and no type error."""
        verdict = self.verdict(cell)
        return verdict.value is None and not any(kind == "type-error" for kind, _ in verdict.faults)

    def judge(self, texts: pa.Array) -> Judged:
        """Judge the texts of one batch."""
        if self._only_empty:  # the default, and five times faster
            missing = pc.equal(texts, "")
        else:
            missing = pc.is_in(texts, value_set=self._missing)
        values, certain = None, None
        if self._kernel is not None:
            some = pc.any(missing).as_py()
            values, certain = self._kernel(pc.if_else(missing, None, texts) if some else texts)
        if not self._must_read_missing:
            certain = missing if certain is None else pc.or_(certain, missing)
        uncertain = pc.is_valid(texts) if certain is None else pc.invert(certain)
        rest = pc.indices_nonzero(uncertain)
        encoded = (texts.take(rest) if len(rest) else _NOTHING).dictionary_encode()
        verdicts = [(text, self.verdict(text)) for text in encoded.dictionary.to_pylist()]
        return Judged(texts, missing, values, uncertain, rest, encoded.indices, verdicts)

    # Keys ---------------------------------------------------------------------------------

    def key_class(self) -> str:
        """Values of one class may be equal; those of two classes never are."""
        if self.type in _NUMERIC:
            return "number"
        return {"string": "text", "any": "text"}.get(self.type, self.type)

    def key(self, judged: Judged) -> pa.Array:
        """Stand-ins for the parsed values: equal values have equal ones; null stands for None.

        Unequal values may share one (numbers are told as doubles): candidates, not verdicts.
        """
        kind = self.key_type()
        if kind == pa.string() and self._kernel is not None:
            return self._patched(judged, pc.if_else(judged.missing, None, judged.texts), kind)
        values = judged.values
        if values is None:
            return self._patched(judged, pa.nulls(len(judged.texts), kind), kind)
        if pa.types.is_decimal(values.type):
            # From the text: a decimal's own conversion need not round to the nearest double.
            values = pc.cast(pc.if_else(values.is_valid(), judged.texts, None), pa.float64())
        if pa.types.is_floating(values.type):
            values = pc.add(values, 0.0)  # -0.0 is 0.0
        if self.type == "date":
            values = pc.cast(values, pa.int32())
        return self._patched(judged, pc.cast(values, kind), kind)

    def exact_key(self, judged: Judged) -> pa.Array:
        """Texts that are equal exactly when the parsed values are; null stands for None."""
        kernel = judged.values
        if self.key_class() == "text" and self._kernel is not None:
            values = pc.if_else(judged.missing, None, judged.texts)
        elif self.type in ("integer", "date") and kernel is not None:
            values = pc.cast(kernel, pa.string())
        else:
            encoded = judged.texts.dictionary_encode()
            told = [
                self._exact(self.verdict(text).value) for text in encoded.dictionary.to_pylist()
            ]
            return pa.array(told, pa.string()).take(encoded.indices)
        told = [self._exact(verdict.value) for _, verdict in judged.verdicts]
        return patch(values, judged, pa.array(told, pa.string()))

    def exact(self, cell: str | None) -> str | None:
        """Return the exact key of one cell, as `exact_key` gives those of a batch."""
        return self._exact(self.verdict(cell).value)

    def key_type(self) -> pa.DataType:
        """Arrow type of the stand-ins."""
        group = self.key_class()
        if group == "number":
            return pa.int64() if self.type in ("integer", "year") else pa.float64()
        return pa.string() if group == "text" else pa.int64()

    def stand_in(self, value: Any) -> Any:
        """Stand-in of one parsed value.

        Raises:
            UnjudgeableError: frictionless has no keys of such values.

        """
        try:
            return self._stand_in(value)
        except Exception as error:
            raise UnjudgeableError(self.name, type(value).__name__, error) from error

    def _stand_in(self, value: Any) -> Any:
        hashed = hash(value)
        if value is None or self.key_class() == "text":
            return value
        if self.type in ("integer", "year"):
            return value if value in _INT64 else hashed
        if self.key_class() == "number":
            return _double(value)
        if self.type == "date":
            return (value - _DAY_ZERO).days
        if self.type == "datetime":
            zero = _ZERO if value.tzinfo is None else _ZERO_UTC
            return (value - zero) // _MICROSECOND
        return hashed

    def _exact(self, value: Any) -> str | None:
        try:
            hash(value)
            return exact(value)
        except Exception as error:
            raise UnjudgeableError(self.name, type(value).__name__, error) from error

    def _patched(self, judged: Judged, values: pa.Array, kind: pa.DataType) -> pa.Array:
        """Put the reader's values where the kernel was not certain."""
        given = [self.stand_in(verdict.value) for _, verdict in judged.verdicts]
        return patch(values, judged, pa.array(given, kind))


def patch(values: pa.Array, judged: Judged, distinct: pa.Array) -> pa.Array:
    """Put the values of distinct texts in the places that the reader judged."""
    if len(judged.rest) == 0:
        return values
    return pc.replace_with_mask(values, judged.uncertain, distinct.take(judged.codes))


def exact(value: Any) -> str | None:
    """Tell a hashable value as a text that equal values share, and no others."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (int, float, Decimal)):
        return _exact_number(Decimal(value))
    if isinstance(value, (dt.datetime, dt.time)) and (offset := value.utcoffset()) is not None:
        if isinstance(value, dt.time):
            value = dt.datetime.combine(_DAY_ZERO, value)
        # Counted, for the instant may lie before year 1 or after 9999.
        return f"utc {(value.replace(tzinfo=None) - _ZERO - offset) // _MICROSECOND}"
    if isinstance(value, (dt.date, dt.time)):
        return value.isoformat()
    return repr(value)


def _exact_number(value: Decimal) -> str:
    if value.is_nan():
        return NEVER
    if value.is_infinite():
        return str(value)
    sign, digits, exponent = value.as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    short = text.rstrip("0")
    if not short:
        return "0"
    power = int(exponent) + len(text) - len(short)
    if 0 <= power <= _PLAIN:  # a whole number as Arrow tells it
        short, power = short + "0" * power, 0
    return f"{'-' if sign else ''}{short}{f'e{power}' if power else ''}"


def _double(value: Any) -> float:
    try:
        return float(value) + 0.0  # -0.0 is 0.0
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


NEVER = "NaN"
"""Exact key of a value that is not even equal to itself (NaN)."""
_INT64 = range(-(1 << 63), 1 << 63)
_PLAIN = 20
_TYPES = {"type": "type-error"}
_NOTHING = pa.array([], pa.string())
_DAY_ZERO = dt.date(1970, 1, 1)
_ZERO = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - for times without a zone
_ZERO_UTC = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
