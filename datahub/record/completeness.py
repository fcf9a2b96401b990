"""How complete a record is, from 0 to 100, and what it lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datahub.model import Struct
from datahub.record.conditions import has_clock, has_places
from datahub.record.fields import FIELDS, Field

if TYPE_CHECKING:
    from datahub.model import Json

_DESCRIBED = 8  # all columns titled and described
_GEO = 4
_CLOCK = 2
_MORE = {
    "contact": (("phone", "email"), 2, "联系电话或邮箱", "telephone or e-mail"),
    "temporal": (("end",), 1, "数据时间范围的结束日期", "last day of the period"),
}


class Missing(Struct, frozen=True):
    """What a record lacks, and what it would add to the score."""

    field: str
    zh: str
    en: str
    weight: int


def score(package: Json) -> tuple[int, list[Missing]]:
    """Return the score and what is missing, the heaviest first."""
    given = package.get("catalog")
    record = given if isinstance(given, dict) else {}
    asked = [f for f in FIELDS if f.weight]
    total = sum(f.weight for f in asked)
    missing: list[Missing] = []
    missing += [
        _missing(field.path, field, field.weight)
        for field in asked
        if (package if field.top else record).get(field.key) in (None, "", [], {})
    ]
    for key, (parts, weight, zh, en) in _MORE.items():
        total += weight
        value = record.get(key)
        if not isinstance(value, dict) or not any(value.get(part) for part in parts):
            missing.append(Missing(field=f"catalog.{key}.{parts[0]}", zh=zh, en=en, weight=weight))
    for key, wanted, weight in (
        ("crs", has_places(package), _GEO),
        ("timezone", has_clock(package), _CLOCK),
    ):
        total += weight if wanted else 0
        if wanted and not record.get(key):
            (field,) = (f for f in FIELDS if f.key == key)
            missing.append(_missing(field.path, field, weight))
    total += _DESCRIBED
    described, lacking = _columns(package)
    if lacking:
        weight = max(1, round(_DESCRIBED * lacking / (described + lacking)))
        zh, en = f"{lacking} 个字段没有名称或说明", f"{lacking} columns lack title or description"
        missing.append(Missing(field="resources.schema.fields", zh=zh, en=en, weight=weight))
    missing.sort(key=lambda item: -item.weight)
    return round(100 * (total - sum(m.weight for m in missing)) / total), missing


def _missing(path: str, field: Field, weight: int) -> Missing:
    return Missing(field=path, zh=field.zh, en=field.en, weight=weight)


def _columns(package: Json) -> tuple[int, int]:
    """How many columns have title and description, and how many lack one."""
    columns: list[Any] = []
    for resource in package.get("resources") or ():
        schema = resource.get("schema") if isinstance(resource, dict) else None
        columns += (schema.get("fields") or ()) if isinstance(schema, dict) else ()
    good = sum(
        isinstance(c, dict) and bool(c.get("title") and c.get("description")) for c in columns
    )
    return good, len(columns) - good
