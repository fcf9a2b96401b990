"""What a rule says no with, and what the rules need to know of the catalog around a record."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from datahub.model import Json
    from datahub.record.regions import Tree

_HERE = timezone(timedelta(hours=8))


class Problem(NamedTuple):
    """A field that breaks a rule: where, which, and what would be right."""

    field: str  # path in the descriptor, dotted; "" is the whole
    rule: str
    zh: str
    en: str


def today() -> date:
    """The day it is in the city."""
    return datetime.now(UTC).astimezone(_HERE).date()


@dataclass(frozen=True)
class Context:
    """The catalog around a record; None means that it is not known and not looked at."""

    publishers: Mapping[str, Json] | None = None
    themes: Mapping[str, Json] | None = None
    licenses: Mapping[str, Json] | None = None
    regions: Tree | None = None
    codes: Mapping[str, str] | None = None
    """Dataset that has, or ever had, a catalog code."""
    titles: Mapping[tuple[str, str], str] | None = None
    """Dataset of a publisher that has a title."""
    datasets: Mapping[str, Any] | None = None
    """Names of datasets, retired ones too; with the names of their resources where known."""
    aliases: Mapping[str, str] | None = None
    """Dataset that a former name belongs to."""
    today: date = field(default_factory=today)
    schemas: dict[int, tuple[Any, list[tuple[str, str, str, str]]]] = field(default_factory=dict)
    """Schemas that were looked at, with what is wrong with their texts."""
