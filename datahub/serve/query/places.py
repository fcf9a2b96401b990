"""Rows by place: `geo.bbox=` and `geo.within=` on the columns that hold longitude and latitude."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from datahub.forms.geometry import geometry_of
from datahub.serve.query.outputs import of_table
from datahub.serve.query.scanner import invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from datahub.forms.columns import Column

_EARTH = 6_371_008.8  # metres: mean radius of GRS 80, as RFC 7946 readers take it
_HALF, _QUARTER = 180.0, 90.0


def point_columns(columns: Sequence[Column]) -> tuple[str, str] | None:
    """Names of the columns of longitude and latitude."""
    found = geometry_of(columns)
    if found is None or len(found.columns) != 2:  # noqa: PLR2004 - a pair
        return None
    lon, lat = found.columns
    return lon, lat


def in_box(points: tuple[str, str], text: str) -> tuple[str, tuple[float, ...]]:
    """SQL of `west,south,east,north` in degrees; west may lie beyond east across 180°."""
    west, south, east, north = _degrees("geo.bbox", text, "west,south,east,north")
    lon, lat = (of_table(name) for name in points)
    if abs(west) > _HALF or abs(east) > _HALF or not -_QUARTER <= south <= north <= _QUARTER:
        raise _outside("geo.bbox", text)
    between = f"{lat} >= ? and {lat} <= ?"
    across = "and" if west <= east else "or"
    return f"({lon} >= ? {across} {lon} <= ?) and {between}", (west, east, south, north)


def near(points: tuple[str, str], text: str) -> tuple[str, tuple[float, ...]]:
    """SQL of `longitude,latitude,metres`: great-circle distance on a sphere (haversine)."""
    x, y, metres = _degrees("geo.within", text, "lon,lat,metres")
    if abs(x) > _HALF or abs(y) > _QUARTER or not 0 <= metres <= math.pi * _EARTH:
        raise _outside("geo.within", text)
    lon, lat = (of_table(name) for name in points)
    height = math.degrees(metres / _EARTH)
    half = (
        f"pow(sin(radians({lat} - ?) / 2), 2)"
        f" + cos(radians(?)) * cos(radians({lat})) * pow(sin(radians({lon} - ?) / 2), 2)"
    )
    distance = f"{2 * _EARTH} * asin(sqrt(least(1.0, {half})))"
    sql = f"{lat} >= ? and {lat} <= ? and {distance} <= ?"
    return sql, (y - height, y + height, y, y, x, metres)


def _degrees(parameter: str, text: str, form: str) -> list[float]:
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if len(found) != form.count(",") + 1 or not all(map(math.isfinite, found)):
        raise invalid(parameter, text, f"应写成 {form}（数字）", f"write {form} as numbers")
    return found


def _outside(parameter: str, text: str) -> Exception:
    return invalid(
        parameter,
        text,
        "经度应在 -180 到 180、纬度在 -90 到 90 之间且南不大于北，距离不为负",
        "longitude is -180 to 180, latitude -90 to 90 with south before north, distance positive",
    )
