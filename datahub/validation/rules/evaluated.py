"""Evaluate the rules of a schema over a table in DuckDB: one query a rule, two where it is broken.

A rule becomes a plan over `base`, which has the row number as `r` and the rule's fields as `c0`,
`c1`…: names of fields stand quoted in one place, constants are bound. Instants are compared as
microseconds since 1970, so that the session's time zone never matters.
"""

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
from datahub.validation.rules.query import Missing, Query
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
    counts = f"count(*) FILTER ({plan.applies}), count(*) FILTER ({plan.applies} AND {plan.wrong})"
    ((checked, count, hinted),) = query.fetch(plan, f"{counts}, {plan.hint}")
    found: list[Any] = []
    if count:
        columns = ", ".join(["r", plan.other or "NULL", *(column for _, column, _ in shown)])
        bad = f"WHERE {plan.applies} AND {plan.wrong} ORDER BY r LIMIT {int(kept)}"
        found = query.fetch(plan, columns, bad)
    rows = tuple(int(row[0]) for row in found)
    samples = tuple(_sample(rule, shown, row) for row in found[:SAMPLES])
    zh, en = told(rule, words, checked, count, rows, samples[0] if samples else "")
    if hinted:
        zh, en = f"{zh}其中 {hinted} 行的经纬度像是写反了。", f"{en} {hinted} seem to be swapped."
    return _result(
        rule, words, told=(zh, en), checked=checked, count=count, rows=rows, samples=samples
    )


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
    from datahub.validation.screening import mask, matches  # pyarrow: only where there is a breach

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
