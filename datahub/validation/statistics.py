"""What stands in each column of a released file: exact, over the whole of it, in bounded memory.

A column is grouped once into its distinct values with their counts; nearly everything is told of
those groups. DuckDB spills to disk beyond its memory, so a file of any size can be described.
The same file gives the same bytes: what depends on the order of additions runs in one thread.
"""

# ruff: noqa: S608 - names of columns are quoted, everything else is ours
from __future__ import annotations

import math
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import msgspec

from datahub.forms.columns import Column, columns_of, json_of, literal, quote
from datahub.forms.geometry import geometry_of
from datahub.model import Json, Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMAT = 1
"""Of the result; what is kept of another format is made anew."""
BINS = 20
TOP = 20
FEW = 50
"""A column of at most so many values is told with all of them."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
MEMORY = "512MB"
EXACT = 20_000_000
"""Beyond so many rows, distinct values are counted by HyperLogLog and quantiles by t-digest."""
_LONG, _CODE = 500, 40  # characters: of a value that is shown, of one that may be a code
_ALIKE, _LOOKED_AT = 0.9, 500_000  # share of values that a pattern must fit, values tried
_MOST_PERIODS = 120
_NUMBERS = ("BIGINT", "INTEGER", "DOUBLE", "FLOAT", "DECIMAL", "HUGEINT")
_NESTED = ("array", "geojson", "object")
_DIGITS, _UPPER, _LOWER = "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"
_CLASSES = {"9": r"\d", "A": "[A-Z]", "a": "[a-z]"}


class Job(Struct, frozen=True):
    """A Parquet file, its table schema, and where the result goes."""

    parquet: str
    schema: Json
    to: str


def write(job: Job) -> int:
    """Write the statistics of a file to another, whole or not at all; return its bytes."""
    target = Path(job.to)
    content = msgspec.json.encode(statistics(Path(job.parquet), job.schema)) + b"\n"
    half = target.with_name(f"{target.name}.{os.getpid()}")
    half.write_bytes(content)
    half.replace(target)
    return len(content)


def statistics(parquet: Path, schema: Json) -> Json:
    """Describe every column of a Parquet file; encode the result with msgspec.

    Numbers: mean, sample standard deviation, quantiles (interpolated), histogram. Times: histogram
    by a fitting unit. Texts: lengths, pattern. All: nulls, distinct values, least and greatest,
    the most frequent values. `approximate` of a column lists what is not exact, else it is empty.
    """
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as spill, _open(spill, 2) as db:
        view = f"create view rows as from read_parquet({literal(str(parquet))})"
        db.execute(view)
        kinds = [(row[0], row[1]) for row in db.execute("describe rows").fetchall()]
        columns = columns_of(kinds, schema)
        with _open(spill, 1) as alone:
            alone.execute(view)
            file = _file(db, alone, columns)
            told = [_column(file, column) for column in columns]
        box = _bbox(db, columns)
    return {"format": FORMAT, "rows": file.rows, "columns": told} | ({"bbox": box} if box else {})


def _open(spill: str, threads: int) -> Any:
    folder = f"{spill}/{threads}"
    return duckdb.connect(
        config={"memory_limit": MEMORY, "temp_directory": folder, "threads": threads}
    )


@dataclass
class _File:
    """The view `rows` in a DuckDB of two threads and in one of a single thread."""

    db: Any
    alone: Any  # what depends on the order of rows is asked here
    rows: int
    filled: dict[str, int]  # values of each column that are not null
    estimated: dict[str, int]  # distinct values of each, where they are too many to be grouped


@dataclass
class _Values:
    """The values of one column: a relation of v and n, how often it stands there."""

    db: Any
    alone: Any
    column: Column
    relation: str
    filled: int
    told: int  # values in the relation: without NaN and infinity
    grouped: bool

    def ask(self, sql: str) -> tuple[Any, ...]:
        """First row of a query over `@`, which stands for the relation."""
        return self.all(sql)[0]

    def all(self, sql: str) -> list[tuple[Any, ...]]:
        """All its rows."""
        rows: list[tuple[Any, ...]] = self.db.execute(sql.replace("@", self.relation)).fetchall()
        return rows


def _file(db: Any, alone: Any, columns: Sequence[Column]) -> _File:
    (rows,) = db.execute("select count(*) from rows").fetchone()
    names = [column.name for column in columns]
    filled = _each(db, "count", names)
    estimated = _each(db, "approx_count_distinct", names) if rows > EXACT else {}
    return _File(db, alone, rows, filled, estimated)


def _each(db: Any, function: str, names: Sequence[str]) -> dict[str, int]:
    asked = ", ".join(f"{function}({quote(name)})" for name in names)
    return dict(zip(names, db.execute(f"select {asked} from rows").fetchone(), strict=True))


def _column(file: _File, column: Column) -> Json:
    filled = file.filled[column.name]
    values = _values(file, column)
    found: Json = {
        "name": column.name,
        "type": column.type,
        "nulls": file.rows - filled,
        "nulls_share": round((file.rows - filled) / file.rows, 6) if file.rows else 0.0,
    }
    approximate: list[str] = []
    if values.grouped:
        (distinct,) = values.ask("select count(*) from @")
        found |= {"distinct": distinct, "unique": 0 < distinct == filled}
    else:
        distinct = None
        found["distinct"] = file.estimated[column.name]
        approximate.append("distinct")
    found |= _ends(values) | _top(values, distinct) | _by_kind(values, approximate)
    file.db.execute("drop table if exists groups")
    return found | {"approximate": approximate}


def _values(file: _File, column: Column) -> _Values:
    """Values that JSON can tell: not null, and of floating numbers the finite ones."""
    name, filled = quote(column.name), file.filled[column.name]
    good = f"isfinite({name})" if column.kind in ("DOUBLE", "FLOAT") else f"{name} is not null"
    if file.estimated.get(column.name, 0) > EXACT:
        relation = f"(select {name} as v, 1 as n from rows where {good})"
        return _Values(file.db, file.alone, column, relation, filled, filled, grouped=False)
    file.db.execute(
        f"create temp table groups as select {name} as v, count(*) as n from rows"
        f" where {good} group by {name}"
    )
    (told,) = file.db.execute("select coalesce(sum(n), 0)::bigint from groups").fetchone()
    return _Values(file.db, file.alone, column, "groups", filled, told, grouped=True)


def _ends(values: _Values) -> Json:
    """Least and greatest value; of texts those that are short enough to be shown."""
    if values.column.type in _NESTED:
        return {}
    shown = json_of(values.column, "v")
    ends: Json = {}
    for end in ("min", "max"):
        (text,) = values.ask(
            f"select to_json({shown})::varchar from (select {end}(v) as v from @)"
            + (f" where length(v) <= {_LONG}" if values.column.kind == "VARCHAR" else "")
            + " union all select 'null' limit 1"
        )
        ends[end] = msgspec.Raw((text or "null").encode())
    return ends


def _top(values: _Values, distinct: int | None) -> Json:
    """The most frequent values with their counts; all of them where they are few."""
    if distinct is None:
        return {"top": [], "top_share": 0.0, "other": values.filled}
    short = f"length(v) <= {_LONG}" if values.column.kind == "VARCHAR" else "true"
    wanted = f"n > 1 and {short}" if distinct > FEW else short
    shown = json_of(values.column, "v")
    rows = values.all(
        f"select to_json(struct_pack(value := {shown}, count := n))::varchar, n from"
        f" (from @ where {wanted} order by n desc, v limit {TOP if distinct > FEW else FEW})"
        " order by n desc, v"
    )
    counted = sum(row[1] for row in rows)
    return {
        "top": [msgspec.Raw(row[0].encode()) for row in rows],
        "top_share": round(counted / values.filled, 6) if values.filled else 0.0,
        "other": values.filled - counted,
    }


def _by_kind(values: _Values, approximate: list[str]) -> Json:
    column = values.column
    base = column.kind.split("(")[0]
    if base in _NUMBERS:
        return _numbers(values, approximate)
    if base == "BOOLEAN":
        counts = dict(values.all("select v, sum(n)::bigint from @ group by v"))
        return {"true": counts.get(True, 0), "false": counts.get(False, 0)}
    if base in ("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"):
        return _dates(values)
    if base == "TIME":
        return _hours(values)
    return _texts(values)


# Numbers ----------------------------------------------------------------------------------


def _numbers(values: _Values, approximate: list[str]) -> Json:
    low, high = values.ask("select min(v)::double, max(v)::double from @")
    if values.grouped:
        quantiles = _quantiles(values)
    else:
        quantiles = _digest(values)
        approximate.append("quantiles")
    return {
        **_moments(values),
        "quantiles": dict(zip(map(str, QUANTILES), quantiles, strict=True)),
        "histogram": _histogram(values, low, high),
    }


def _moments(values: _Values) -> Json:
    """Mean and sample standard deviation; null where doubles are too small for them."""
    name = quote(values.column.name)
    try:
        mean, deviation, finite = values.alone.execute(
            f"select favg(v), stddev_samp(v), count(*) from"
            f" (select {name}::double as v from rows) where isfinite(v)"
        ).fetchone()
    except duckdb.OutOfRangeException:
        return {"mean": None, "std": None}
    found = {"mean": _finite(mean), "std": _finite(deviation)}
    return found | ({"not_finite": values.filled - finite} if finite < values.filled else {})


def _quantiles(values: _Values) -> list[float | None]:
    """Quantiles interpolated between neighbours, as numpy and pandas do."""
    if values.told == 0:
        return [None] * len(QUANTILES)
    places = [share * (values.told - 1) for share in QUANTILES]
    picked = ", ".join(
        f"min(v) filter (upto > {rank})"
        for place in places
        for rank in (math.floor(place), math.ceil(place))
    )
    ends = values.ask(
        f"select {picked} from (select v::double as v,"
        " sum(n) over (order by v rows unbounded preceding) as upto from @)"
    )
    return [
        low + (high - low) * (place - math.floor(place))
        for place, low, high in zip(places, ends[::2], ends[1::2], strict=True)
    ]


def _digest(values: _Values) -> list[float | None]:
    (found,) = values.alone.execute(
        f"select approx_quantile(v, {list(QUANTILES)}) from"
        f" (select {quote(values.column.name)}::double as v from rows) where isfinite(v)"
    ).fetchone()
    return [_finite(value) for value in found or [None] * len(QUANTILES)]


def _histogram(values: _Values, low: float | None, high: float | None) -> Json | None:
    """Counts between edges, the lower one included; the last bin holds its upper edge, too."""
    if low is None or high is None or not math.isfinite(high - low):
        return None
    edges = _edges(low, high, whole=_is_whole(values.column))
    below = ", ".join(f"sum(n) filter (v < {edge!r}::double)" for edge in edges[1:-1])
    row = values.ask(f"select {below + ', ' if below else ''}sum(n) from @")
    counts = [int(total or 0) for total in row]
    return {
        "edges": edges,
        "counts": [after - before for before, after in zip([0, *counts[:-1]], counts, strict=True)],
    }


def _edges(low: float, high: float, *, whole: bool) -> list[float]:
    """Edges of bins of one width; whole numbers of a small range have a bin each."""
    if whole and high - low < BINS:
        return [low + step for step in range(int(high - low) + 2)]
    if low == high:
        return [low, high]
    width = (high - low) / BINS
    inner = [float(f"{low + step * width:.12g}") for step in range(1, BINS)]
    return [low, *sorted(min(max(edge, low), high) for edge in inner), high]


def _is_whole(column: Column) -> bool:
    return column.kind in ("BIGINT", "INTEGER", "HUGEINT") or column.kind.endswith(",0)")


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


# Times ------------------------------------------------------------------------------------


_UNITS = {
    "hour": ("%Y-%m-%dT%H", 3600),
    "day": ("%Y-%m-%d", 86400),
    "month": ("%Y-%m", 30 * 86400),
    "year": ("%Y", 365 * 86400),
    "decade": ("%Y", 3650 * 86400),
    "century": ("%Y", 36500 * 86400),
}
"""How the beginning of a period is written, and its seconds, roughly."""


def _dates(values: _Values) -> Json:
    """Histogram of periods: the shortest unit that does not make too many."""
    column = values.column
    local = "v::timestamp"
    if column.kind == "TIMESTAMP WITH TIME ZONE":  # as its texts are told
        local = f"(left({json_of(column, 'v')}, 19))::timestamp"
    (span,) = values.ask(
        f"select epoch(max(t) - min(t)) from (select {local} as t from"
        " (select unnest([min(v), max(v)]) as v from @) where v is not null)"
    )
    if span is None:
        return {"histogram": None}
    units = [unit for unit in _UNITS if column.kind != "DATE" or unit != "hour"]
    unit = next(u for u in units if span / _UNITS[u][1] < _MOST_PERIODS or u == units[-1])
    rows = values.all(
        f"with found as (select date_trunc('{unit}', {local})::timestamp as t, sum(n) as n"
        " from @ group by 1) select strftime(p, "
        f"'{_UNITS[unit][0]}'), coalesce(n, 0)::bigint from (select unnest(generate_series("
        f"min(t), max(t), interval 1 {unit})) as p from found) left join found on t = p order by p"
    )
    starts, counts = [row[0] for row in rows], [row[1] for row in rows]
    return {"histogram": {"unit": unit, "starts": starts, "counts": counts}}


def _hours(values: _Values) -> Json:
    counts = dict(values.all("select extract(hour from v), sum(n)::bigint from @ group by 1"))
    starts = [f"{hour:02d}:00" for hour in range(24)]
    return {
        "histogram": {
            "unit": "hour",
            "starts": starts,
            "counts": [counts.get(hour, 0) for hour in range(24)],
        }
    }


# Texts ------------------------------------------------------------------------------------


def _texts(values: _Values) -> Json:
    shortest, longest, mean = values.ask(
        "select min(length(v)), max(length(v)), sum(length(v) * n)::double / sum(n) from @"
    )
    code = longest is not None and longest <= _CODE and values.column.type not in _NESTED
    return {
        "length": {"min": shortest, "max": longest, "mean": mean},
        "pattern": _pattern(values) if code else None,
    }


def _pattern(values: _Values) -> Json | None:
    """Shape that nearly all values have, as a regular expression: codes and numbers of things.

    Of very many distinct values a part is looked at, which their hashes choose.
    """
    given = _DIGITS + _UPPER + _LOWER
    classes = "9" * len(_DIGITS) + "A" * len(_UPPER) + "a" * len(_LOWER)
    part = values.told // _LOOKED_AT + 1
    rows = values.all(
        f"select shape, sum(n)::bigint as m, sum(m) over () from"
        f" (select translate(v, '{given}', '{classes}') as shape, n from @"
        f" where hash(v) % {part} = 0) group by 1 order by 2 desc, 1 limit 1"
    )
    shape, count, total = rows[0] if rows else ("", 0, 1)
    if count < _ALIKE * total or not set(shape) & set(_CLASSES):
        return None
    return {"regex": _regex(shape), "share": round(count / int(total), 6)}


def _regex(shape: str) -> str:
    r"""Regular expression of a shape: `A999` is `[A-Z]\d{3}`."""
    parts = []
    for run in re.finditer(r"(.)\1*", shape, re.DOTALL):
        one = _CLASSES.get(run[1], re.escape(run[1]))
        parts.append(one if len(run[0]) == 1 else f"{one}{{{len(run[0])}}}")
    return "".join(parts)


# Places -----------------------------------------------------------------------------------


def _bbox(db: Any, columns: Sequence[Column]) -> Json | None:
    """Box around all places: west, south, east, north in the columns' own reference system."""
    places = _places(columns)
    if places is None:
        return None
    lon, lat, names = places
    row = db.execute(
        f"select min(x), min(y), max(x), max(y) from (select {lon} as x, {lat} as y from rows)"
        " where isfinite(x) and isfinite(y)"
    ).fetchone()
    if row[0] is None:
        return None
    return dict(zip(("west", "south", "east", "north"), row, strict=True)) | {"columns": names}


def _places(columns: Sequence[Column]) -> tuple[str, str, list[str]] | None:
    """SQL of longitude and latitude, and the columns they come from."""
    found = geometry_of(columns)
    if found is None:
        return None
    names = list(found.columns)
    if len(names) > 1:
        lon, lat = (f"{quote(name)}::double" for name in names)
        return lon, lat, names
    (column,) = (column for column in columns if column.name == names[0])
    if column.type != "geopoint" or column.format != "default":
        return None
    lon, lat = (
        f"try_cast(trim(split_part({quote(column.name)}, ',', {n})) as double)" for n in (1, 2)
    )
    return lon, lat, names
