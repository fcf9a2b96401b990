"""The kinds of rules that a schema may declare, and the values they speak of: pure.

The vocabulary is closed: each kind is a struct below, none takes SQL. Fields are named as the
schema names them. A rule whose operands are empty in a row does not apply to that row.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

from datahub.model import Json, Struct

if TYPE_CHECKING:
    from collections.abc import Callable

RULES_KEY = "datahub:rules"
CHECK_KEY = "datahub:check"
TODAY = "today"
ROW = "__row"
MOST_DIGITS = 28

Severity = Literal["error", "warn"]
Op = Literal["<", "<=", "=", "!=", ">=", ">"]
Scalar = str | int | float | bool
Code = Literal["credit-code", "organisation-code", "citizen-id", "bank-card"]
CODES: tuple[Code, ...] = ("credit-code", "organisation-code", "citizen-id", "bank-card")
_NUMBERS = ("number", "integer", "year")
_CLASSES = dict.fromkeys(_NUMBERS, "number") | {
    name: name for name in ("date", "datetime", "time", "boolean", "yearmonth")
}
_KEYS = {"start": "from", "end": "to", "one_of": "in", "none_of": "notIn"}


def _json_name(name: str) -> str:
    first, *others = name.split("_")
    return _KEYS.get(name) or first + "".join(word.title() for word in others)


class _Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename=_json_name):
    pass


class Condition(_Part, frozen=True, kw_only=True):
    """When a rule applies: a field is one of some values, none of them, empty, or filled."""

    field: str
    one_of: tuple[Scalar, ...] | None = None
    none_of: tuple[Scalar, ...] | None = None
    empty: bool | None = None


class Reference(_Part, frozen=True, kw_only=True):
    """Rows of another resource that are valid for a time; no resource: of this one."""

    resource: str = ""
    key: tuple[str, ...]
    start: str
    end: str


class Rule(_Part, frozen=True, kw_only=True, tag_field="kind"):
    """What all rules have: a name of its own, how grave a breach is, and when it applies."""

    name: str
    severity: Severity = "error"
    title: str = ""
    when: tuple[Condition, ...] = ()


class Compare(Rule, frozen=True, kw_only=True, tag="compare"):
    """A field compared with another one (`right`) or with a constant (`value`)."""

    left: str
    op: Op
    right: str | None = None
    value: Scalar | None = None


class Sum(Rule, frozen=True, kw_only=True, tag="sum"):
    """A total compared with the sum of its parts; `tolerance` is in the unit of the total."""

    total: str
    parts: tuple[str, ...]
    op: Literal["=", ">=", "<="] = "="
    tolerance: float = 0
    empty_is_zero: bool = False


class Days(Rule, frozen=True, kw_only=True, tag="days"):
    """A number of days compared with the days from one date to another."""

    start: str
    end: str
    total: str
    tolerance: int = 0


class Present(Rule, frozen=True, kw_only=True, tag="present"):
    """Fields that must be filled."""

    fields: tuple[str, ...]


class Absent(Rule, frozen=True, kw_only=True, tag="absent"):
    """Fields that must be empty."""

    fields: tuple[str, ...]


class Period(Rule, frozen=True, kw_only=True, tag="period"):
    """A time (`at`) or a span of time lies in the validity of a row that the key refers to.

    Both ends belong to a validity, unless it is `half_open`; an empty end is open.
    """

    key: tuple[str, ...]
    at: str | None = None
    start: str | None = None
    end: str | None = None
    reference: Reference
    half_open: bool = False


class NoOverlap(Rule, frozen=True, kw_only=True, tag="no-overlap"):
    """Spans of time of the rows with one key do not overlap; an empty end is open."""

    key: tuple[str, ...]
    start: str
    end: str
    half_open: bool = False


class CheckDigit(Rule, frozen=True, kw_only=True, tag="check-digit"):
    """A code with the right check digit."""

    field: str
    code: Code


class Within(Rule, frozen=True, kw_only=True, tag="within"):
    """A place inside a box (west, south, east, north) or a region (GeoJSON geometry or WKT)."""

    lon: str
    lat: str
    bbox: tuple[float, float, float, float] | None = None
    region: dict[str, Any] | str | None = None


class Fresh(Rule, frozen=True, kw_only=True, tag="fresh"):
    """The newest value that is not in the future is at most some days old, per group if given."""

    field: str
    days: int
    by: tuple[str, ...] = ()


_UNION = Compare | Sum | Days | Present | Absent | Period | NoOverlap | CheckDigit | Within | Fresh
KINDS: dict[str, type[Rule]] = {str(k.__struct_config__.tag): k for k in _UNION.__args__}
"""Every kind of rule by its name."""


def names_of(rule: Rule) -> tuple[str, ...]:
    """Fields that a rule speaks of, conditions aside, in the order of its declaration."""
    match rule:
        case Compare():
            found = [rule.left, *([rule.right] if rule.right is not None else [])]
        case Sum():
            found = [rule.total, *rule.parts]
        case Days():
            found = [rule.total, rule.start, rule.end]
        case Present() | Absent():
            found = [*rule.fields]
        case Period():
            found = [*rule.key, *(n for n in (rule.at, rule.start, rule.end) if n is not None)]
        case NoOverlap():
            found = [*rule.key, rule.start, rule.end]
        case Within():
            found = [rule.lon, rule.lat]
        case CheckDigit():
            found = [rule.field]
        case Fresh():
            found = [rule.field, *rule.by]
        case _:
            raise TypeError(rule)
    return tuple(found)


# Values -----------------------------------------------------------------------------------


def fields_of(schema: Json) -> dict[str, Json]:
    """Fields of a schema by name; what is no field is not our finding."""
    fields = schema.get("fields")
    items = fields if isinstance(fields, list) else []
    return {f["name"]: f for f in items if isinstance(f, dict) and isinstance(f.get("name"), str)}


def class_of(field: Json) -> str:
    """Kind of value that a field's values compare as."""
    return _CLASSES.get(str(field.get("type", "string")), "text")


def zone_of(field: Json) -> dt.tzinfo | None:
    """Zone that a datetime field declares."""
    name = field.get("timezone")
    if name is None:
        return None
    try:
        return dt.datetime.strptime(str(name), "%z").tzinfo
    except ValueError:
        return ZoneInfo(str(name))


def microseconds(moment: dt.datetime) -> int:
    """Microseconds since 1970, a time without a zone counted as if in UTC: exact."""
    whole = moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    return (whole - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)


def constant(value: Scalar, field: Json, today: dt.date) -> Any:
    """Read a constant as a value of a field, ready to be bound.

    Raises:
        ValueError: it is none.

    """
    kind = class_of(field)
    if kind == "boolean" and isinstance(value, bool):
        return value
    if kind == "number" and not isinstance(value, bool):
        number = Decimal(str(value))
        if number.is_finite() and abs(number.adjusted()) <= MOST_DIGITS and number == +number:
            return number
    elif isinstance(value, str) and kind in _CONSTANTS:
        return today if kind == "date" and value == TODAY else _CONSTANTS[kind](value, field)
    raise ValueError(value)


def _moment(text: str, field: Json) -> int:
    moment = dt.datetime.fromisoformat(text)
    return microseconds(moment if moment.tzinfo else moment.replace(tzinfo=zone_of(field)))


def _month(text: str, _field: Json) -> int:
    moment = dt.datetime.strptime(text, "%Y-%m")  # noqa: DTZ007 - a month is in no zone
    return moment.year * 12 + moment.month


_CONSTANTS: dict[str, Callable[[str, Json], Any]] = {
    "text": lambda text, _: text,
    "date": lambda text, _: dt.date.fromisoformat(text),
    "time": lambda text, _: dt.time.fromisoformat(text).replace(tzinfo=None),
    "datetime": _moment,
    "yearmonth": _month,
}
