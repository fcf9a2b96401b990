"""The tables that SQL may name, and finding them by the names people write."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from datahub.errors import DatasetUnknown, ParameterInvalid, ResourceUnknown
from datahub.errors_catalog import DatasetMoved
from datahub.serve.sql.mistakes import refusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from datahub.serve.reading import Reading, Table


def resolver(reading: Reading) -> Callable[[str, str], Table]:
    """Find the table of a name in SQL: dataset (or dataset@v3) and resource, or a dataset alone."""
    return lambda schema, name: find(reading, schema, name)


def find(reading: Reading, schema: str, name: str) -> Table:
    """Find the table that `"schema"."name"` names.

    Raises:
        DatasetUnknown: there is no such dataset; close names are told.
        DatahubError: as `Reading.table`.
        SqlInvalid: a dataset with several tables stands alone.

    """
    dataset, _, pinned = (schema or name).partition("@")
    try:
        version = reading.version(dataset, pinned or None)
    except ParameterInvalid:
        raise refusal(
            None, f"“{schema or name}”里的版本不对"[:120], "the version after @ is wrong",
            "版本写成 @v3，或省略表示最新版", "Write @v3, or nothing for the latest",
        ) from None  # fmt: skip
    try:
        release = reading.release(dataset, version)
    except DatasetMoved as moved:
        dataset = str(moved.facts["now"])
        release = reading.release(dataset, version)
    except DatasetUnknown:
        if dataset == dataset.lower():
            raise
        return find(reading, *((schema.lower(), name) if schema else ("", name.lower())))
    there = sorted({file.resource for file in release.files if file.resource})
    if not schema:
        name = _alone(dataset, there)
    exact = next((own for own in there if own.lower() == name.lower()), None)
    if name not in there and exact:
        name = exact
    if name not in there:
        near = get_close_matches(name, there, 3, 0.5) or there
        raise ResourceUnknown(dataset=dataset, resource=name[:80], allowed=", ".join(near[:20]))
    return reading.table(dataset, name, version)


def _alone(dataset: str, there: list[str]) -> str:
    """Only resource of a dataset, or the one that is called like it."""
    if dataset in there:
        return dataset
    if len(there) == 1:
        return there[0]
    names = "、".join(f'"{dataset}"."{name}"' for name in there[:10])
    raise refusal(
        None, f"数据集 {dataset} 有几张表", f"dataset {dataset} has several tables",
        f"写成 {names}", f"Write {names}",
    )  # fmt: skip
