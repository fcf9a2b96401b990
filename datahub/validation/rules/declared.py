"""Read the rules that a schema declares beyond Table Schema, and tell what is wrong with them.

A schema may carry `datahub:rules` (a list of rules over its fields), a field `datahub:check` (a
code whose check digit is to be right). `kinds` has the vocabulary, `evaluated` the verdicts.
"""

from __future__ import annotations

import datetime as dt
from decimal import InvalidOperation
from itertools import combinations
from typing import TYPE_CHECKING, Any

import msgspec

from datahub.model import Json
from datahub.validation.rules.kinds import (
    CHECK_KEY,
    CODES,
    KINDS,
    ROW,
    RULES_KEY,
    TODAY,
    Absent,
    CheckDigit,
    Compare,
    Condition,
    Days,
    Fresh,
    NoOverlap,
    Op,
    Period,
    Present,
    Rule,
    Scalar,
    Sum,
    Within,
    class_of,
    constant,
    fields_of,
    names_of,
)
from datahub.validation.rules.regions import rings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

MOST_RULES = 100
MOST_VALUES = 1000
MOST_DAYS = 36525

Fields = dict[str, Json]
_TYPOS = {
    "schema": ("datahub:rule", "datahub:check", "datahub:checks"),
    "field": ("datahub:rule", "datahub:rules", "datahub:checks"),
}
SIGNS: dict[Op, frozenset[int]] = {
    "<": frozenset({-1}),
    "<=": frozenset({-1, 0}),
    "=": frozenset({0}),
    "!=": frozenset({-1, 1}),
    ">=": frozenset({0, 1}),
    ">": frozenset({1}),
}
"""Signs of left minus right that a comparison allows."""


def check_rules(schema: Json) -> list[str]:
    """Return what is wrong with the rules of a schema; empty when all can be evaluated."""
    return parse_rules(schema)[1]


def parse_rules(schema: Json) -> tuple[list[Any], list[str]]:
    """Read the rules of a schema, those of its fields last: rules, and what is wrong."""
    fields = fields_of(schema)
    rules: list[Any] = []
    problems = [f"key '{key}' is unknown; rules stand in '{RULES_KEY}'" for key in _odd(schema)]
    declared = schema.get(RULES_KEY, [])
    if not isinstance(declared, list) or len(declared) > MOST_RULES:
        return [], [f"'{RULES_KEY}' must be a list of at most {MOST_RULES} rules"]
    for number, item in enumerate(declared, start=1):
        rule = _parse(item, number)
        if isinstance(rule, str):
            problems.append(rule)
        else:
            rules.append(rule)
    for field in fields.values():
        found = _field_rule(field)
        problems += [found] if isinstance(found, str) else []
        rules += [found] if isinstance(found, Rule) else []
    for rule in rules:
        problems += [f"rule '{rule.name}': {text}" for text in _check(rule, fields)]
    problems += _check_together(rules, fields)
    if rules:
        taken = [name for name in fields if name.casefold() == ROW]
        problems += [f"field '{name}': row numbers have this name" for name in taken]
    return rules, problems


def _odd(schema: Json) -> Iterator[str]:
    yield from (key for key in _TYPOS["schema"] if key in schema)


def _parse(item: Any, number: int) -> Rule | str:
    name = item.get("name") if isinstance(item, dict) else None
    place = f"rule '{name}'" if isinstance(name, str) and name else f"rule {number}"
    if not isinstance(item, dict):
        return f"{place} is no object"
    kind = item.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        return f"{place}: kind {kind!r} is unknown; known are {', '.join(KINDS)}"
    if not name:
        return f"{place}: 'name' is missing"
    try:
        return msgspec.convert(msgspec.to_builtins(item), KINDS[kind])
    except (msgspec.ValidationError, TypeError, OverflowError) as error:
        return f"{place}: {error}"


def _field_rule(field: Json) -> Rule | str | None:
    odd = next((key for key in _TYPOS["field"] if key in field), None)
    if odd is not None:
        return f"field '{field['name']}': key '{odd}' is unknown; known is '{CHECK_KEY}'"
    if CHECK_KEY not in field:
        return None
    code = field[CHECK_KEY]
    if code not in CODES:
        return (
            f"field '{field['name']}': {CHECK_KEY} {code!r} is unknown; "
            f"known are {', '.join(CODES)}"
        )
    return CheckDigit(name=f"check:{field['name']}", field=field["name"], code=code)


# Checking ---------------------------------------------------------------------------------


def _check(rule: Rule, fields: Fields) -> Iterator[str]:
    names = names_of(rule)
    wanted = dict.fromkeys([*names, *(condition.field for condition in rule.when)])
    unknown = [name for name in wanted if name not in fields]
    yield from (f"field '{name}' is not among the fields" for name in unknown)
    if unknown:
        return
    for name in wanted:
        like = [n for n in fields if n != name and n.casefold() == name.casefold()]
        if like:
            yield f"field '{name}' differs from '{like[0]}' only in case"
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        yield f"field '{twice}' is named twice"
    for condition in rule.when:
        yield from _check_condition(condition, fields[condition.field])
    yield from _CHECKS[type(rule)](rule, fields)


def _check_condition(condition: Condition, field: Json) -> Iterator[str]:
    given = [v for v in (condition.one_of, condition.none_of, condition.empty) if v is not None]
    if len(given) != 1:
        yield f"field '{condition.field}': a condition has one of 'in', 'notIn' and 'empty'"
    values = [*(condition.one_of or ()), *(condition.none_of or ())]
    if (not values and condition.empty is None) or len(values) > MOST_VALUES:
        yield f"field '{condition.field}': a condition has 1 to {MOST_VALUES} values"
    yield from (text for value in values for text in _check_constant(value, field))


def _check_constant(value: Scalar, field: Json) -> Iterator[str]:
    try:
        constant(value, field, dt.date.min)
    except (ValueError, KeyError, InvalidOperation):
        yield f"field '{field['name']}': {value!r} is no {field.get('type', 'string')}"


def _types(fields: Fields, names: Sequence[str], wanted: tuple[str, ...]) -> Iterator[str]:
    for name in names:
        kind = fields[name].get("type", "string")
        if kind not in wanted:
            yield f"field '{name}' is {kind}, not {' or '.join(wanted)}"


def _least(names: Sequence[str], what: str) -> Iterator[str]:
    if not names:
        yield f"'{what}' is empty"


def _spans(fields: Fields, start: str, end: str) -> Iterator[str]:
    yield from _types(fields, [start], ("date", "datetime", "time", "year", "yearmonth", "integer"))
    yield from _alike(fields[start], fields[end])


def _alike(left: Json, right: Json) -> Iterator[str]:
    if class_of(left) != class_of(right):
        kinds = [field.get("type", "string") for field in (left, right)]
        yield f"fields '{left['name']}' and '{right['name']}' are {kinds[0]} and {kinds[1]}"
    elif class_of(left) == "datetime" and ("timezone" in left) != ("timezone" in right):
        yield f"only one of the fields '{left['name']}' and '{right['name']}' has a timezone"


def _check_compare(rule: Compare, fields: Fields) -> Iterator[str]:
    left = fields[rule.left]
    if (rule.right is None) == (rule.value is None):
        yield f"field '{rule.left}': compare it with either 'right' or 'value'"
    elif rule.right is not None:
        yield from _alike(left, fields[rule.right])
    elif rule.value is not None:
        yield from _check_constant(rule.value, left)
    if class_of(left) in ("text", "boolean") and rule.op not in ("=", "!="):
        yield f"field '{rule.left}' is {left.get('type', 'string')}, which '{rule.op}' cannot order"


def _check_sum(rule: Sum, fields: Fields) -> Iterator[str]:
    yield from _types(fields, [rule.total, *rule.parts], ("number", "integer"))
    yield from _least(rule.parts, "parts")
    yield from _tolerance(rule.tolerance)


def _check_days(rule: Days, fields: Fields) -> Iterator[str]:
    yield from _types(fields, [rule.start, rule.end], ("date",))
    yield from _types(fields, [rule.total], ("integer",))
    yield from _tolerance(rule.tolerance)


def _check_present(rule: Present, _fields: Fields) -> Iterator[str]:
    yield from _least(rule.fields, "fields")


def _check_absent(rule: Absent, fields: Fields) -> Iterator[str]:
    yield from _least(rule.fields, "fields")
    for name in rule.fields:
        constraints = fields[name].get("constraints")
        if isinstance(constraints, dict) and constraints.get("required"):
            yield f"field '{name}' is required, it cannot be empty"


def _check_no_overlap(rule: NoOverlap, fields: Fields) -> Iterator[str]:
    yield from _least(rule.key, "key")
    yield from _spans(fields, rule.start, rule.end)


def _check_digit(rule: CheckDigit, fields: Fields) -> Iterator[str]:
    yield from _types(fields, [rule.field], ("string",))


def _check_fresh(rule: Fresh, fields: Fields) -> Iterator[str]:
    yield from _types(fields, [rule.field], ("date", "datetime"))
    if not 0 <= rule.days <= MOST_DAYS:
        yield f"field '{rule.field}': days {rule.days} is not from 0 to {MOST_DAYS}"


def _tolerance(tolerance: float) -> Iterator[str]:
    if tolerance < 0:
        yield f"tolerance {tolerance} is negative"


def _check_period(rule: Period, fields: Fields) -> Iterator[str]:
    yield from _least(rule.key, "key")
    if len(rule.key) != len(rule.reference.key):
        yield f"'key' has {len(rule.key)} fields, that of the reference {len(rule.reference.key)}"
    if rule.at is not None and rule.start is None and rule.end is None:
        yield from _spans(fields, rule.at, rule.at)
    elif rule.at is None and rule.start is not None and rule.end is not None:
        yield from _spans(fields, rule.start, rule.end)
    else:
        yield "give either 'at' or both 'from' and 'to'"
    if not rule.reference.resource:
        ours = [*rule.reference.key, rule.reference.start, rule.reference.end]
        yield from (f"field '{n}' is not among the fields" for n in ours if n not in fields)


def _check_within(rule: Within, fields: Fields) -> Iterator[str]:
    yield from _types(fields, [rule.lon, rule.lat], ("number", "integer"))
    if (rule.bbox is None) == (rule.region is None):
        yield f"fields '{rule.lon}', '{rule.lat}': give either 'bbox' or 'region'"
    elif rule.bbox is not None:
        west, south, east, north = rule.bbox
        if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):  # noqa: PLR2004
            yield f"bbox {list(rule.bbox)} is not west, south, east, north in degrees"
    elif rule.region is not None:
        try:
            rings(rule.region)
        except ValueError as error:
            yield f"region {error}"


_CHECKS: dict[type[Rule], Callable[[Any, Fields], Iterator[str]]] = {
    Compare: _check_compare,
    Sum: _check_sum,
    Days: _check_days,
    Present: _check_present,
    Absent: _check_absent,
    Period: _check_period,
    NoOverlap: _check_no_overlap,
    CheckDigit: _check_digit,
    Within: _check_within,
    Fresh: _check_fresh,
}


def _check_together(rules: Sequence[Rule], fields: Fields) -> Iterator[str]:
    seen: set[str] = set()
    for rule in rules:
        if rule.name in seen:
            yield f"rule '{rule.name}': another rule has the same name"
        seen.add(rule.name)
    always = [r for r in rules if not r.when and all(n in fields for n in names_of(r))]
    for one, other in combinations(always, 2):
        if isinstance(one, Compare) and isinstance(other, Compare) and _exclude(one, other, fields):
            yield (
                f"rules '{one.name}' and '{other.name}' contradict each other on "
                f"field '{one.left}': no value keeps both"
            )
        pair = {type(one), type(other)}
        both = set(names_of(one)) & set(names_of(other))
        if pair == {Present, Absent} and both:
            yield (
                f"rules '{one.name}' and '{other.name}' contradict each other on "
                f"field '{min(both)}': it cannot be filled and empty"
            )


def _exclude(one: Compare, other: Compare, fields: Fields) -> bool:
    """Whether two comparisons of the same things leave no value."""
    mine, theirs = SIGNS[one.op], SIGNS[other.op]
    if one.right is not None and other.right is not None:
        if (one.left, one.right) == (other.right, other.left):
            theirs = frozenset(-sign for sign in theirs)
        elif (one.left, one.right) != (other.left, other.right):
            return False
        return not mine & theirs
    if one.left != other.left or one.value is None or other.value is None:
        return False
    try:
        values = [constant(v, fields[one.left], dt.date.min) for v in (one.value, other.value)]
    except (ValueError, KeyError, InvalidOperation):
        return False
    if TODAY in (one.value, other.value):
        return False
    # Places on the line: 0 below the lower value, 1 it, 2 between, 3 the higher one, 4 above.
    at = [1 if value == min(values) else 3 for value in values]
    return not any(
        _sign(place - at[0]) in mine and _sign(place - at[1]) in theirs for place in range(5)
    )


def _sign(number: int) -> int:
    return (number > 0) - (number < 0)
