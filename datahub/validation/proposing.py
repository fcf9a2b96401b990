"""Keys, unique columns and bounds that a table's rows show."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from itertools import combinations
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from datahub.validation.reading import texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pyarrow as pa

    from datahub.model import Json, Table
    from datahub.validation.profiling import Profile

_KEY = re.compile(
    r"编号|编码|代码|文号|证号|登记号|统一社会信用|(?:^|_)(?:id|code|no|uscc)$", re.IGNORECASE
)
_TIME = ("date", "datetime", "time", "year", "yearmonth")
_KEY_TYPES = ("string", "integer", *_TIME)
_PROSE = re.compile(r"名称|姓名|地址|备注|说明|内容|描述|address|note|desc", re.IGNORECASE)
_FEW_ROWS, _WIDE = 20, 64
_PAIR_ROWS, _PAIR_COLUMNS = 50_000, 14


def _trimmed(profile: Profile, place: int) -> pa.ChunkedArray:
    return pc.utf8_trim_whitespace(profile.sample.column(place))


def _is_distinct(column: pa.ChunkedArray) -> bool:
    return bool(pc.count_distinct(column).as_py() == len(column))


def _rank(profile: Profile, fields: Sequence[Json], place: int) -> tuple[int, int]:
    """How likely a column identifies a row: codes, then numbers and dates, prose last."""
    field, column = fields[place], profile.columns[place]
    if _KEY.search(column.label) or _KEY.search(field["name"]):
        return 0, place
    if _PROSE.search(column.label) or column.wide > _WIDE:
        return 3, place
    return (2 if field["type"] == "string" else 1), place


def key_of(profile: Profile, fields: Sequence[Json], required: Sequence[bool]) -> list[str]:
    """Name the smallest key: one column, or two whose values together are met once."""
    rows = profile.sample.num_rows
    if rows < 2:  # noqa: PLR2004 - one row shows nothing
        return []
    places = [
        place
        for place, field in enumerate(fields)
        if required[place] and field["type"] in _KEY_TYPES and "separator" not in field
    ]
    places.sort(key=lambda place: _rank(profile, fields, place))
    for place in places:
        prose = _rank(profile, fields, place)[0] == 3  # noqa: PLR2004 - see _rank
        named = _rank(profile, fields, place)[0] == 0
        if (named or (rows >= _FEW_ROWS and not prose)) and _is_distinct(_trimmed(profile, place)):
            return [fields[place]["name"]]
    if rows < _FEW_ROWS:
        return []
    for pair in _pairs(profile, fields, places):
        return [fields[place]["name"] for place in sorted(pair)]
    return []


def _pairs(
    profile: Profile, fields: Sequence[Json], places: Sequence[int]
) -> Iterator[tuple[int, int]]:
    """Pairs of columns that tell all rows apart, the likeliest first."""
    chosen = [p for p in places if _rank(profile, fields, p)[0] < 3][:_PAIR_COLUMNS]  # noqa: PLR2004
    columns = {place: _trimmed(profile, place) for place in chosen}
    counts = {place: pc.count_distinct(columns[place]).as_py() for place in chosen}
    rows = profile.sample.num_rows
    for one, two in combinations(chosen, 2):
        if counts[one] * counts[two] < rows:
            continue
        first = [columns[place].slice(0, _PAIR_ROWS) for place in (one, two)]
        if _is_distinct(pc.binary_join_element_wise(*first, "\x1f")) and _is_distinct(
            pc.binary_join_element_wise(columns[one], columns[two], "\x1f")
        ):
            yield one, two


def unique_of(profile: Profile, fields: Sequence[Json], required: Sequence[bool]) -> Iterator[int]:
    """Columns of codes that no two rows share."""
    if profile.sample.num_rows < _FEW_ROWS:
        return
    for place, field in enumerate(fields):
        code = _KEY.search(profile.columns[place].label) or _KEY.search(field["name"])
        text = field["type"] == "string" and "separator" not in field
        if required[place] and code and text and _is_distinct(_trimmed(profile, place)):
            yield place


def bounds_of(table: Table, fields: Sequence[Json], tokens: set[str]) -> None:
    """Put the least and greatest value, and the greatest length, into the fields' constraints."""
    found: list[list[Decimal | str | int]] = [[] for _ in fields]
    skip = tuple(tokens)
    for _, _, _, batch in texts([table]):
        for place, field in enumerate(fields):
            cells = pc.unique(pc.utf8_trim_whitespace(batch.column(place))).to_pylist()
            values = [cell for cell in cells if cell not in skip]
            found[place] = _ends([*found[place], *_measures(field, values)])
    for field, ends in zip(fields, found, strict=True):
        if ends:
            field["constraints"] = field.get("constraints", {}) | _limits(field, ends)


def _ends(values: list[Decimal | str | int]) -> list[Decimal | str | int]:
    return [min(values), max(values)] if values else []


def _measures(field: Json, values: Sequence[str]) -> Iterator[Decimal | str | int]:
    if field["type"] in ("integer", "number") and "groupChar" not in field:
        for value in values:
            try:
                yield Decimal(value)
            except InvalidOperation:
                continue
    elif field["type"] in ("date", "yearmonth", "year") and "format" not in field:
        yield from values
    elif field["type"] == "string" and "enum" not in field.get("constraints", {}):
        yield from map(len, values)


def _limits(field: Json, ends: Sequence[Decimal | str | int]) -> Json:
    if field["type"] == "string":
        return {"maxLength": ends[1]}
    if field["type"] in ("integer", "year"):
        ends = [int(end) for end in ends]
    elif field["type"] == "number":
        ends = [int(end) if end == int(end) else float(end) for end in map(Decimal, map(str, ends))]  # type: ignore[misc]
    return {"minimum": ends[0], "maximum": ends[1]}
