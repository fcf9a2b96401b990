"""Propose a schema for any file, as a library: `datahub.validation.infer(path)`."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import datahub
from datahub.validation.inferring import Draft, propose
from datahub.validation.library import detected

if TYPE_CHECKING:
    from collections.abc import Iterable

    from datahub.model import Json

_SCHEMAS = "schemas"


def infer(
    source: Any,
    *,
    title: str = "",
    encoding: str | None = None,
    bounds: bool = False,
    known: Iterable[Json] | None = None,
) -> Json:
    """Propose a table schema for a path, a stream, a DuckDB relation or an Arrow table.

    The result has `schema`, `checks` for whoever edits it, `columns` with facts, and how the file
    was judged by the proposal: `valid` is true unless the file itself is at fault. Fields of the
    schemas in `known` (else those of the folder schemas/) are used again where titles match.

    Raises:
        FileError: the source cannot be read as a table.

    """
    schemas = tuple(known_schemas() if known is None else known)
    with tempfile.TemporaryDirectory(prefix="datahub-") as temporary:
        folder = Path(temporary)
        table = detected(source, folder / "table", encoding=encoding or "")
        return propose(
            Draft(table=table, folder=temporary, title=title, bounds=bounds, known=schemas)
        )


def known_schemas(folder: Path | None = None) -> list[Json]:
    """Table schemas of a folder, by default schemas/ here or beside the package."""
    beside = Path(datahub.__file__).resolve().parent.parent / _SCHEMAS
    places = [folder] if folder else [Path(_SCHEMAS), beside]
    for place in places:
        found = []
        for file in sorted(place.glob("*.json")):
            try:
                schema = json.loads(file.read_text(encoding="utf-8"))
            except (ValueError, OSError):
                continue
            if isinstance(schema, dict) and isinstance(schema.get("fields"), list):
                found.append(schema)
        if found:
            return found
    return []
