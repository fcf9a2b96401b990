"""Where the places of a table are: the columns that make a geometry, and rows as GeoJSON features.

RFC 7946 knows one reference system, WGS 84. CGCS2000 agrees with it within decimetres and is told
as it is; the shifted systems of map services are not, for they would be hundreds of metres off.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from datahub.forms.columns import Column, json_row, quote
from datahub.model import Struct

if TYPE_CHECKING:
    from collections.abc import Sequence

_PAIRS = (
    ("lon", "lat"),
    ("lng", "lat"),
    ("long", "lat"),
    ("longitude", "latitude"),
    ("经度", "纬度"),
)
_NUMBER = re.compile(r"DOUBLE|FLOAT|DECIMAL\(.*\)|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?")
_SYSTEMS = frozenset({"", "WGS84", "CGCS2000"})


class Geometry(Struct, frozen=True):
    """The columns that tell where a row is, and the SQL of its GeoJSON geometry (or NULL)."""

    columns: tuple[str, ...]
    sql: str
    whole: bool = False  # the column holds nothing but the geometry: no property of its own


def geometry_of(columns: Sequence[Column], crs: str = "") -> Geometry | None:
    """Find what gives rows a place: a `geojson`, a `geopoint`, or a pair such as lon and lat.

    `crs` is the record's; None also where it is one that GeoJSON cannot tell.
    """
    if crs not in _SYSTEMS:
        return None
    texts = [column for column in columns if column.kind in ("VARCHAR", "JSON")]
    for column in texts:
        if column.type == "geojson" and column.format == "default":
            return Geometry(columns=(column.name,), sql=_shape(quote(column.name)), whole=True)
    for column in texts:
        if column.type == "geopoint":
            return Geometry(columns=(column.name,), sql=_geopoint(column))
    numbers = {c.name.lower(): c.name for c in columns if _NUMBER.fullmatch(c.kind)}
    for lon, lat in _PAIRS:
        if lon in numbers and lat in numbers:
            names = (numbers[lon], numbers[lat])
            return Geometry(columns=names, sql=_point(*map(quote, names)))
    return None


def feature_row(columns: Sequence[Column], geometry: Geometry) -> str:
    """SQL of a row as a GeoJSON feature; its geometry is null where a coordinate is missing."""
    left = [c for c in columns if not (geometry.whole and c.name in geometry.columns)]
    return (
        f'concat(\'{{"type":"Feature","geometry":\', coalesce({geometry.sql}, \'null\'),'
        f" ',\"properties\":', {json_row(left)}, '}}')"
    )


def _point(lon: str, lat: str) -> str:
    return (
        f"case when {lon} between -180 and 180 and {lat} between -90 and 90"
        f" then concat('{{\"type\":\"Point\",\"coordinates\":[', {lon}, ',', {lat}, ']}}') end"
    )


def _geopoint(column: Column) -> str:
    """Point of a geopoint in one of Table Schema's three ways of writing it."""
    text = quote(column.name)
    lon, lat = f"split_part({text}, ',', 1)", f"split_part({text}, ',', 2)"
    if column.format == "array":
        lon, lat = (f"json_extract_string({text}, '$[{place}]')" for place in (0, 1))
    if column.format == "object":
        lon, lat = (f"json_extract_string({text}, '$.{name}')" for name in ("lon", "lat"))
    return _point(f"try_cast({lon} as double)", f"try_cast({lat} as double)")


def _shape(text: str) -> str:
    """Geometry of a GeoJSON text: it may be a geometry, a feature or a collection of features."""
    return (
        f"case when not json_valid({text}) then null"
        f" else case json_extract_string({text}, '$.type')"
        f" when 'Feature' then json_extract({text}, '$.geometry')::varchar"
        " when 'FeatureCollection' then json_object('type', 'GeometryCollection', 'geometries',"
        f" json_extract({text}, '$.features[*].geometry'))::varchar"
        f" else json({text})::varchar end end"
    )
