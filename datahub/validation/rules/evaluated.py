"""Evaluate the rules of a schema over a table in DuckDB: one query a rule, two where it is broken.

A rule becomes a plan over `base`, which has the row number as `r` and the rule's fields as `c0`,
`c1`…: names of fields stand quoted in one place, constants are bound. Instants are compared as
microseconds since 1970, so that the session's time zone never matters.
"""
# ruff: noqa: S608 - built of parts that `Query` quoted and bound

from __future__ import annotations

import datetime as dt
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from datahub.errors import CatalogError
from datahub.model import Json, Struct
from datahub.validation.rules.declared import parse_rules
from datahub.validation.rules.kinds import (
    CHECK_KEY,
    CheckDigit,
    Rule,
    Severity,
    fields_of,
    names_of,
    zone_of,
)
from datahub.validation.rules.plans import PLANS
from datahub.validation.rules.query import Missing, Plan, Query
from datahub.validation.rules.text import Words, right, told

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import duckdb

SAMPLES = 5
_MOST_CHARACTERS = 40
_PERSONAL = ("citizen-id", "bank-card")


class RuleResult(Struct, frozen=True, kw_only=True):
    """How a rule came out: to how many rows it applies, how many break it, and which first."""

    rule: str
    kind: str
    severity: Severity
    fields: tuple[str, ...]
    checked: int
    count: int
    rows: tuple[int, ...]
    samples: tuple[str, ...]
    zh: str
    en: str
    right_zh: str
    right_en: str
    skipped: bool = False  # could not be evaluated: zh and en say why


def run_rules(
    db: duckdb.DuckDBPyConnection,
    relation: str,
    schema: Json,
    *,
    today: dt.date,
    related: Mapping[str, str] = MappingProxyType({}),
    kept: int = 100,
) -> list[RuleResult]:
    """Evaluate the rules of a schema, in their order, over a view of typed columns and `__row`.

    `related` gives the view of each resource that rules may refer to.

    Raises:
        CatalogError: the rules are not what `check_rules` accepts.

    """
    rules, problems = parse_rules(schema)
    if problems:
        raise CatalogError(place="schema", reason_zh=problems[0], reason_en=problems[0])
    fields = fields_of(schema)
    views = {**related, "": relation}
    return [_run(Query(db, views, fields, today), rule, kept) for rule in rules]


def _run(query: Query, rule: Rule, kept: int) -> RuleResult:
    words = right(rule, query.fields, query.today)
    try:
        plan = PLANS[type(rule)](query, rule)
    except Missing as missing:
        return _result(rule, words, told=missing.words(rule), skipped=True)
    shown = [query.shown(name) for name in plan.shown or names_of(rule)]
    checked, count, mistaken, rows = _counted(query, plan, kept)
    samples = tuple(_sample(rule, shown, row) for row in _samples(query, plan, shown, rows))
    zh, en = told(rule, words, checked, count, rows, samples)
    if mistaken:
        zh = f"{zh}其中 {mistaken} 行的经纬度像是写反了。"
        en = f"{en} In {mistaken} of them longitude and latitude seem to be swapped."
    return _result(
        rule, words, told=(zh, en), checked=checked, count=count, rows=rows[:kept], samples=samples
    )


def _counted(query: Query, plan: Plan, kept: int) -> tuple[int, int, int, tuple[int, ...]]:
    """Rows that a rule applies to, that break it, that look swapped; numbers of the first."""
    most = max(kept, SAMPLES)
    flags = {
        "applies": plan.applies,
        "bad": f"{plan.applies} AND {plan.wrong}",
        "mistaken": f"{plan.applies} AND {plan.wrong} AND {plan.mistake}",
    }
    listed = ", ".join(f"{flag} AS {name}" for name, flag in flags.items())
    source = f"(SELECT r, {listed} FROM {plan.source})"
    counts = ", ".join(f"count(*) FILTER ({name})" for name in flags)
    found = query.fetch(source, f"{counts}, min(r, {most}) FILTER (bad)")
    ((checked, count, mistaken, rows),) = found
    return checked, count, mistaken, tuple(rows or ())


def _samples(
    query: Query, plan: Plan, shown: Sequence[tuple[str, str, Json]], rows: Sequence[int]
) -> list[Any]:
    if not rows:
        return []
    columns = ", ".join(["r", plan.other or "NULL", *(column for _, column, _ in shown)])
    few = f"r <= {int(rows[min(len(rows), SAMPLES) - 1])}"
    rest = f"WHERE {plan.applies} AND {plan.wrong} AND {few} ORDER BY r LIMIT {SAMPLES}"
    return query.fetch(plan.source, columns, rest, only=few if plan.alone else "true")


def _result(rule: Rule, words: Words, *, told: Words, **found: Any) -> RuleResult:
    blank: dict[str, Any] = {"checked": 0, "count": 0, "rows": (), "samples": ()}
    return RuleResult(
        rule=rule.name,
        kind=str(rule.__struct_config__.tag),
        severity=rule.severity,
        fields=names_of(rule),
        zh=told[0],
        en=told[1],
        right_zh=words[0],
        right_en=words[1],
        **(blank | found),
    )


def _sample(rule: Rule, shown: Sequence[tuple[str, str, Json]], row: Sequence[Any]) -> str:
    parts = []
    for (name, _, field), value in zip(shown, row[2:], strict=True):
        code = rule.code if isinstance(rule, CheckDigit) else field.get(CHECK_KEY)
        parts.append(f"{name}={_told(value, field, personal=code in _PERSONAL)}")
    return ", ".join(parts) + ("" if row[1] is None else f" / row {row[1]}")


def _told(value: Any, field: Json, *, personal: bool) -> str:
    # Heavy, and needed only where a rule is broken.
    from datahub.validation.probing import mask
    from datahub.validation.screening import matches

    if value is None:
        return ""
    if isinstance(value, int):
        moment = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=value)
        zone = zone_of(field)
        local = moment.astimezone(zone) if zone else moment
        return local.isoformat() if zone else local.replace(tzinfo=None).isoformat()
    text = str(value)
    if personal or next(matches(text), None):
        return mask(text)
    return text if len(text) <= _MOST_CHARACTERS else text[:_MOST_CHARACTERS] + "…"
