"""Regions that a rule names: polygons as a GeoJSON geometry (RFC 7946) or as well-known text."""

from __future__ import annotations

import math
import re
from typing import Any

Point = tuple[float, float]

MOST_POINTS = 2000
_LEAST_POINTS = 3
_WKT = re.compile(r"\s*(POLYGON|MULTIPOLYGON)\s*(\(.*\))\s*", re.IGNORECASE | re.DOTALL)
_RING = re.compile(r"\(([^()]+)\)")


def rings(region: dict[str, Any] | str) -> list[list[Point]]:
    """Return the rings of a region, outer ones and holes alike, each without its closing point.

    Raises:
        ValueError: it is no polygon of at most MOST_POINTS points in degrees.

    """
    found = _well_known(region) if isinstance(region, str) else _geojson(region)
    if not found or any(len(set(ring)) < _LEAST_POINTS for ring in found):
        raise ValueError("has a ring of fewer than three points")
    if sum(map(len, found)) > MOST_POINTS:
        raise ValueError(f"has more than {MOST_POINTS} points")
    if any(len({x for x, _ in r}) == 1 or len({y for _, y in r}) == 1 for r in found):
        raise ValueError("has a ring without an area")
    if not all(abs(x) <= 180 and abs(y) <= 90 for ring in found for x, y in ring):  # noqa: PLR2004
        raise ValueError("is not in degrees, longitude first")
    return [ring[:-1] if ring[0] == ring[-1] else ring for ring in found]


def _geojson(region: dict[str, Any]) -> list[list[Point]]:
    try:
        parts = region["coordinates"]
        if region["type"] == "Polygon":
            parts = [parts]
        elif region["type"] != "MultiPolygon":
            raise ValueError("must be a Polygon or a MultiPolygon")
        return [[_point(*place[:2]) for place in ring] for part in parts for ring in part]
    except (KeyError, TypeError) as error:
        raise ValueError("is no GeoJSON geometry") from error


def _well_known(text: str) -> list[list[Point]]:
    match = _WKT.fullmatch(text)
    if not match:
        raise ValueError("must be a POLYGON or a MULTIPOLYGON")
    depth = 1 if match[1].upper() == "POLYGON" else 2
    frame = re.sub(r"\s", "", _RING.sub("()", match[2]))
    shape = r"\(\(\)(,\(\))*\)"
    if not re.fullmatch(shape if depth == 1 else rf"\({shape}(,{shape})*\)", frame):
        raise ValueError("has parentheses that do not pair up")
    try:
        return [
            [_point(*place.split()) for place in ring.split(",")]
            for ring in _RING.findall(match[2])
        ]
    except TypeError as error:
        raise ValueError("has a point that is not two numbers") from error


def _point(x: Any, y: Any) -> Point:
    if isinstance(x, bool) or isinstance(y, bool):
        raise TypeError(x)
    place = float(x), float(y)
    if not all(map(math.isfinite, place)):
        raise ValueError("has a point that is not finite")
    return place
