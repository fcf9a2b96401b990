"""What the engine is asked to judge, and how that came out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from datahub.model import Json, Table
    from datahub.validation.keys import Keys
    from datahub.validation.ledger import Ledger
    from datahub.validation.reference import Given
    from datahub.validation.scan import Scan
    from datahub.validation.typed import TypedFile


class WholeError(Exception):
    """This table is one that frictionless must judge row by row; the text tells why."""


@dataclass
class Outcome:
    """A table judged: the report (one task), all faults, and how it was done."""

    report: Json
    ledger: Ledger
    rows: int = 0
    engine: str = "columns"  # or "frictionless"
    why: str = ""
    audited: int = 0
    differences: int = 0
    judged: dict[str, str] = field(default_factory=dict)
    header: list[Json] = field(default_factory=list)
    fields: list[Json] = field(default_factory=list)  # of the schema
    keys: Keys | None = None


@dataclass
class Request:
    """A table to judge, and what its foreign keys look in."""

    given: Given
    table: Table
    folder: Path
    limit_errors: int = 1000
    limit_rows: int | None = None
    related: dict[str, Table] = field(default_factory=dict)
    typed: TypedFile | None = None  # takes the typed columns as long as there is no fault
    on_rows: Callable[[int], None] | None = None
    started: Scan | None = None  # a reading of some table that has begun
    vectorised: bool = True  # the dialect is one that Arrow reads
