"""GeoJSON (RFC 7946), TopoJSON and points, as JSON values (see json_cells)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ingestor.types.json_cells import is_number
from ingestor.types.values import ValueFormatError

_LONGITUDE, _LATITUDE = 180, 90
# How deep the positions of each kind of geometry lie in its coordinates.
_DEPTHS = {
    "Point": 0,
    "MultiPoint": 1,
    "LineString": 1,
    "MultiLineString": 2,
    "Polygon": 2,
    "MultiPolygon": 3,
}
# RFC 7946, section 7.1: members that make something else of an object.
_FOREIGN = {
    "Feature": ("coordinates", "geometries", "features"),
    "FeatureCollection": ("coordinates", "geometries", "geometry", "properties"),
}
_FOREIGN_TO_GEOMETRIES = ("geometry", "properties", "features")
# The levels of a TopoJSON geometry's arcs.
_ARC_DEPTHS = {"LineString": 1, "MultiLineString": 2, "Polygon": 2, "MultiPolygon": 3}


def check_point(value: Any, format_: str) -> None:
    """[lon, lat] (`format_` "array") or {"lon": …, "lat": …} ("object"), in degrees. Raises
    ValueFormatError."""
    if format_ == "array":
        if not isinstance(value, list) or len(value) != 2:
            raise ValueFormatError("is not a point [longitude, latitude]")
        longitude, latitude = value
    else:
        if not isinstance(value, dict) or value.keys() != {"lon", "lat"}:
            raise ValueFormatError('is not a point {"lon": longitude, "lat": latitude}')
        longitude, latitude = value["lon"], value["lat"]
    for number, limit, name in ((longitude, _LONGITUDE, "longitude"), (latitude, _LATITUDE, "latitude")):
        if not is_number(number) or not -limit <= number <= limit:
            raise ValueFormatError(f"is not a point: its {name} is no number from -{limit} to {limit}")


def check_geojson(value: Any) -> None:
    """A geometry, a Feature or a FeatureCollection. Raises ValueFormatError, which names the place."""
    _object(value, "", ("Feature", "FeatureCollection"))


def check_topojson(value: Any) -> None:
    """A Topology: its objects are geometries whose arcs are there. Raises ValueFormatError, which names the
    place."""
    if not isinstance(value, dict) or value.get("type") != "Topology":
        raise _wrong("", 'it is no object of the type "Topology"', "TopoJSON")
    objects, arcs = value.get("objects"), value.get("arcs")
    if not isinstance(objects, dict):
        raise _wrong("/objects", "it is no object", "TopoJSON")
    if not isinstance(arcs, list):
        raise _wrong("/arcs", "it is no array", "TopoJSON")
    for number, arc in enumerate(arcs):
        if not isinstance(arc, list) or len(arc) < 2 or not all(map(_is_position, arc)):
            raise _wrong(f"/arcs/{number}", "it is no array of two or more positions", "TopoJSON")
    if "transform" in value:
        transform = value["transform"]
        for key in ("scale", "translate"):
            pair = transform.get(key) if isinstance(transform, dict) else None
            if not isinstance(pair, list) or len(pair) != 2 or not all(map(is_number, pair)):
                raise _wrong(f"/transform/{key}", "it is no array of two numbers", "TopoJSON")
    for name, found in objects.items():
        _topo_geometry(found, f"/objects/{name}", len(arcs))


def _wrong(at: str, why: str, what: str = "GeoJSON") -> ValueFormatError:
    return ValueFormatError(f"is not {what}: at {at}, {why}" if at else f"is not {what}: {why}")


def _object(value: Any, at: str, more: tuple[str, ...]) -> None:
    """A geometry, or an object of one of the types `more`."""
    if not isinstance(value, dict):
        raise _wrong(at, "there is no object")
    kind = value.get("type")
    if not isinstance(kind, str) or (kind not in (*_DEPTHS, "GeometryCollection", *more)):
        raise _wrong(f"{at}/type", "there is none of its types" if more else "it is no type of geometry")
    for name in _FOREIGN.get(kind, _FOREIGN_TO_GEOMETRIES):
        if name in value:
            raise _wrong(f"{at}/{name}", f"a {kind} must not have it")
    if "bbox" in value:
        box = value["bbox"]
        if not isinstance(box, list) or len(box) < 4 or len(box) % 2 or not all(map(is_number, box)):
            raise _wrong(f"{at}/bbox", "it is no array of 4, 6 or more numbers, an even count")
    if kind == "Feature":
        _feature(value, at)
    elif kind == "FeatureCollection":
        for number, feature in enumerate(_array(value, "features", at)):
            place = f"{at}/features/{number}"
            if not isinstance(feature, dict) or feature.get("type") != "Feature":
                raise _wrong(place, "it is no Feature")
            _object(feature, place, ("Feature",))
    elif kind == "GeometryCollection":
        for number, geometry in enumerate(_array(value, "geometries", at)):
            _object(geometry, f"{at}/geometries/{number}", ())
    else:
        _coordinates(value, kind, at)


def _array(value: dict[str, Any], key: str, at: str) -> list[Any]:
    found = value.get(key)
    if not isinstance(found, list):
        raise _wrong(f"{at}/{key}", "it is no array")
    return found


def _feature(value: dict[str, Any], at: str) -> None:
    if "geometry" not in value:
        raise _wrong(f"{at}/geometry", "a geometry or null is needed")
    if value["geometry"] is not None:
        _object(value["geometry"], f"{at}/geometry", ())
    if "properties" not in value or not isinstance(value["properties"], dict | None):
        raise _wrong(f"{at}/properties", "an object or null is needed")
    if "id" in value and not isinstance(value["id"], str) and not is_number(value["id"]):
        raise _wrong(f"{at}/id", "it is neither a text nor a number")


def _coordinates(value: dict[str, Any], kind: str, at: str) -> None:
    at = f"{at}/coordinates"
    level = [(at, value.get("coordinates"))]
    depth = _DEPTHS[kind]
    for above in range(depth, 0, -1):
        below: list[tuple[str, Any]] = []
        for place, found in level:
            if not isinstance(found, list):
                raise _wrong(place, "it is no array")
            if above == 1:
                _line(found, place, kind)
            below.extend((f"{place}/{number}", item) for number, item in enumerate(found))
        level = below
    for place, found in level:
        if not _is_position(found):
            raise _wrong(place, "it is no position, an array of two or more numbers")


def _line(positions: list[Any], at: str, kind: str) -> None:
    if kind.endswith("LineString") and len(positions) < 2:
        raise _wrong(at, "a line has two or more positions")
    if kind.endswith("Polygon"):
        if len(positions) < 4:
            raise _wrong(at, "a ring has four or more positions")
        if positions[0] != positions[-1]:
            raise _wrong(at, "the ring is not closed: its first and last position differ")


def _is_position(value: Any) -> bool:
    return isinstance(value, list) and len(value) >= 2 and all(map(is_number, value))


def _topo_geometry(value: Any, at: str, arcs: int) -> None:
    if not isinstance(value, dict):
        raise _wrong(at, "it is no geometry", "TopoJSON")
    kind = value.get("type")
    if kind == "GeometryCollection":
        geometries = value.get("geometries")
        if not isinstance(geometries, list):
            raise _wrong(f"{at}/geometries", "it is no array", "TopoJSON")
        for number, geometry in enumerate(geometries):
            _topo_geometry(geometry, f"{at}/geometries/{number}", arcs)
    elif kind in ("Point", "MultiPoint"):
        found = value.get("coordinates")
        positions = [found] if kind == "Point" else found
        if not isinstance(positions, list) or not all(map(_is_position, positions)):
            raise _wrong(f"{at}/coordinates", "there are no positions", "TopoJSON")
    elif isinstance(kind, str) and kind in _ARC_DEPTHS:
        if not _are_arcs(value.get("arcs"), _ARC_DEPTHS[kind], arcs):
            raise _wrong(f"{at}/arcs", "there are no numbers of arcs", "TopoJSON")
    elif kind is not None or "type" not in value:
        raise _wrong(f"{at}/type", "it is no type of geometry", "TopoJSON")


def _are_arcs(value: Any, depth: int, arcs: int) -> bool:
    """Numbers of arcs, in so many levels of arrays; a negative one is an arc in the other direction."""
    if depth:
        return isinstance(value, list) and all(_are_arcs(item, depth - 1, arcs) for item in value)
    whole = is_number(value) and (not isinstance(value, Decimal) or value == value.to_integral_value())
    return whole and -arcs <= value < arcs
