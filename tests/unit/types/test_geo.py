"""Points, GeoJSON (RFC 7946) and TopoJSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ingestor.pipelines.document import Field
from ingestor.types.type import ValueFormatError
from tests.unit.checking.check_tables import check_column

RING = [[0, 0], [1, 0], [1, 1], [0, 0]]
POINT = {"type": "Point", "coordinates": [1, 2]}
FEATURE = {"type": "Feature", "geometry": POINT, "properties": None}
TOPOLOGY = {
    "type": "Topology",
    "objects": {"a": {"type": "Polygon", "arcs": [[0, -2]]}, "b": {"type": None}},
    "arcs": [[[0, 0], [1, 1]], [[1, 1], [2, 2]]],
}


def feature(**changes: Any) -> dict[str, Any]:
    return {**FEATURE, **changes}


def geometry(kind: str, coordinates: Any, **more: Any) -> dict[str, Any]:
    return {"type": kind, "coordinates": coordinates, **more}


GOOD: dict[str, list[Any]] = {
    "array": ["[8.54, 47.37]", "[-180,90]", "[180.000,-90.0]", " [1e1,0]"],
    "object": ['{"lon": 8.54, "lat": 47.37}', '{"lat":-90,"lon":-180}'],
    "geojson": [
        POINT,
        geometry("Point", [1, 2, 3]),
        geometry("Point", [1, 2], bbox=[1, 2, 1, 2]),
        geometry("Point", [1, 2], x={"foreign": 1}),
        geometry("MultiPoint", []),
        geometry("MultiPoint", [[1, 2]]),
        geometry("LineString", [[1, 2], [3, 4]]),
        geometry("MultiLineString", [[[1, 2], [3, 4]]]),
        geometry("Polygon", [RING]),
        geometry("Polygon", []),
        geometry("Polygon", [[[0, 0], [1, 0], [1, 1], [0.0, 0]]]),
        geometry("MultiPolygon", [[RING], [RING, RING]]),
        {"type": "GeometryCollection", "geometries": [POINT, geometry("Polygon", [RING])]},
        {"type": "GeometryCollection", "geometries": []},
        FEATURE,
        feature(geometry=None),
        feature(properties={"a": 1}),
        feature(id="x"),
        feature(id=7),
        {"type": "FeatureCollection", "features": [FEATURE, feature(geometry=None)]},
        {"type": "FeatureCollection", "features": [], "bbox": [0, 0, 0, 1, 1, 1]},
    ],
    "topojson": [
        TOPOLOGY,
        {**TOPOLOGY, "transform": {"scale": [1, 0.5], "translate": [0, 0]}},
        {
            **TOPOLOGY,
            "objects": {
                "c": {
                    "type": "GeometryCollection",
                    "geometries": [
                        POINT,
                        {"type": "LineString", "arcs": [1]},
                        {"type": "MultiPolygon", "arcs": [[[0]]]},
                        geometry("MultiPoint", [[1, 2]]),
                    ],
                }
            },
        },
    ],
}
BAD: dict[str, list[tuple[Any, str]]] = {
    "array": [
        ("8.54,47.37", "is not a JSON array"),
        ("[1]", "is not a point [longitude, latitude]"),
        ("[1,2,3]", "is not a point [longitude, latitude]"),
        ("[180.1,0]", "is not a point: its longitude is not a number from -180 to 180"),
        ("[0,90.0000000000000000000001]", "is not a point: its latitude is not a number from -90 to 90"),
        ('["1",2]', "is not a point: its longitude is not a number from -180 to 180"),
        ("[true,2]", "is not a point: its longitude is not a number from -180 to 180"),
        ('{"lon":1,"lat":2}', "is not a JSON array"),
        ("[NaN,1]", "is not a JSON array"),
    ],
    "object": [
        ("[1,2]", "is not a JSON object"),
        ('{"lon":1}', 'is not a point {"lon": longitude, "lat": latitude}'),
        ('{"lon":1,"lat":2,"x":3}', 'is not a point {"lon": longitude, "lat": latitude}'),
        ('{"lon":1,"lat":91}', "is not a point: its latitude is not a number from -90 to 90"),
    ],
    "geojson": [
        ("x", "is not a JSON object"),
        ("null", "is not a JSON object"),
        ("[]", "is not a JSON object"),
        ({}, "is not GeoJSON: /type is missing"),
        ({"type": "point", "coordinates": [1, 2]}, "is not GeoJSON: /type must be Point, MultiPoint, "),
        ({"type": "Circle"}, "is not GeoJSON: /type must be Point, MultiPoint, "),
        ({"type": ["Point"]}, "is not GeoJSON: /type must be Point, MultiPoint, "),
        ({"type": "Point"}, "/coordinates is missing"),
        (geometry("Point", []), "/coordinates must be a position, an array of two or more numbers"),
        (geometry("Point", [1]), "/coordinates must be a position, an array of two or more numbers"),
        (geometry("Point", [1, "2"]), "/coordinates/1 must be a number"),
        (geometry("Point", [1, True]), "/coordinates/1 must be a number"),
        (geometry("Point", [[1, 2]]), "/coordinates must be a position, an array of two or more numbers"),
        (geometry("Point", None), "/coordinates must be a position, an array of two or more numbers"),
        (
            geometry("MultiPoint", [1, 2]),
            "/coordinates/0 must be a position, an array of two or more numbers",
        ),
        (geometry("LineString", [[1, 2]]), "/coordinates must be a line, an array of two or more positions"),
        (geometry("LineString", []), "/coordinates must be a line, an array of two or more positions"),
        (
            geometry("MultiLineString", [[[1, 2], [3, 4]], [[1, 2]]]),
            "/coordinates/1 must be a line, an array of two or more positions",
        ),
        (
            geometry("Polygon", [RING[:3]]),
            "/coordinates/0 must be a closed ring, ",
        ),
        (
            geometry("Polygon", [RING, [*RING[:3], [0, 0.1]]]),
            "/coordinates/1 must be a closed ring, ",
        ),
        (
            geometry("Polygon", RING),
            "/coordinates/0 must be a closed ring, ",
        ),
        (
            geometry("Polygon", [[1, 2, 3, 1]]),
            "/coordinates/0/0 must be a position, an array of two or more numbers",
        ),
        (
            geometry("MultiPolygon", [RING]),
            "/coordinates/0/0 must be a closed ring, ",
        ),
        (geometry("MultiPolygon", 5), "/coordinates must be an array of polygons, which are arrays of rings"),
        (
            geometry("Point", [1, 2], bbox=[1, 2]),
            "/bbox must be an array of 4, 6 or more numbers, an even count",
        ),
        (
            geometry("Point", [1, 2], bbox=[1, 2, 3, 4, 5]),
            "/bbox must be an array of 4, 6 or more numbers, an even count",
        ),
        (geometry("Point", [1, 2], properties={}), "/properties must not be in a geometry"),
        (geometry("Point", [1, 2], features=[]), "/features must not be in a geometry"),
        ({"type": "Feature", "properties": {}}, "/geometry is missing"),
        ({"type": "Feature", "geometry": POINT}, "/properties is missing"),
        (feature(properties=[]), "/properties must be an object or null"),
        (feature(id=True), "/id must be a text or a number"),
        (feature(id=None), "/id must be a text or a number"),
        (feature(geometry={}), "/geometry/type is missing"),
        (feature(geometry=FEATURE), "/geometry/type must be a type of geometry: Point, "),
        (feature(coordinates=[1, 2]), "/coordinates must not be in a Feature"),
        ({"type": "FeatureCollection"}, "/features is missing"),
        ({"type": "FeatureCollection", "features": [POINT]}, "/features/0/type must be Feature"),
        (
            {"type": "FeatureCollection", "features": [], "geometry": None},
            "/geometry must not be in a FeatureCollection",
        ),
        (
            {"type": "FeatureCollection", "features": [FEATURE, feature(geometry=geometry("Point", [1]))]},
            "/features/1/geometry/coordinates must be a position, an array of two or more numbers",
        ),
        ({"type": "GeometryCollection"}, "/geometries is missing"),
        ({"type": "GeometryCollection", "geometries": [None]}, "/geometries/0 must be a geometry, an object"),
        (
            {"type": "GeometryCollection", "geometries": [FEATURE]},
            "/geometries/0/type must be a type of geometry: Point, ",
        ),
        (TOPOLOGY, "is not GeoJSON: /type must be Point, MultiPoint, "),
    ],
    "topojson": [
        (POINT, "is not TopoJSON: /type must be Topology"),
        ({"type": "Topology", "arcs": []}, "is not TopoJSON: /objects is missing"),
        ({"type": "Topology", "objects": {}}, "is not TopoJSON: /arcs is missing"),
        (
            {**TOPOLOGY, "arcs": [[[0, 0]]]},
            "is not TopoJSON: /arcs/0 must be an arc, an array of two or more positions",
        ),
        (
            {**TOPOLOGY, "arcs": TOPOLOGY["arcs"][:1]},  # type: ignore[index]
            "is not TopoJSON: /objects/a/arcs/0/1 is not the number of an arc: there are 1",
        ),
        (
            {**TOPOLOGY, "objects": {"a": {"type": "Polygon", "arcs": [0]}}},
            "is not TopoJSON: /objects/a/arcs/0 must be an array of numbers of arcs",
        ),
        (
            {**TOPOLOGY, "objects": {"a": {"type": "LineString", "arcs": [0.5]}}},
            "is not TopoJSON: /objects/a/arcs/0 must be the number of an arc",
        ),
        (
            {**TOPOLOGY, "objects": {"a": {"type": "LineString", "arcs": [2]}}},
            "is not TopoJSON: /objects/a/arcs/0 is not the number of an arc: there are 2",
        ),
        ({**TOPOLOGY, "objects": {"a": {}}}, "is not TopoJSON: /objects/a/type is missing"),
        ({**TOPOLOGY, "objects": {"a": 1}}, "is not TopoJSON: /objects/a must be a geometry, an object"),
        (
            {**TOPOLOGY, "objects": {"a": {"type": "Point", "coordinates": []}}},
            "is not TopoJSON: /objects/a/coordinates must be a position, an array of two or more numbers",
        ),
        ({**TOPOLOGY, "transform": {"scale": [1]}}, "is not TopoJSON: /transform/translate is missing"),
    ],
}
FIELDS = {
    "array": {"type": "geopoint", "format": "array"},
    "object": {"type": "geopoint", "format": "object"},
    "geojson": {"type": "geojson"},
    "topojson": {"type": "geojson", "format": "topojson"},
}


def text_of(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@pytest.mark.parametrize("kind", FIELDS)
def test_what_is_well_formed(kind: str) -> None:
    texts = [text_of(value) for value in GOOD[kind]]
    checked = check_column([*texts, ""], FIELDS[kind])
    assert not [row.errors for row in checked.rejected]
    assert checked.good.column("f").to_pylist() == [*texts, None]
    assert Field.model_validate({"name": "f", **FIELDS[kind]}).kind.postgres_type == "jsonb"


@pytest.mark.parametrize(("kind", "value", "why"), [(kind, *pair) for kind in FIELDS for pair in BAD[kind]])
def test_what_is_not(kind: str, value: Any, why: str) -> None:
    text, good = text_of(value), text_of(GOOD[kind][0])
    checked = check_column([good, text, good], FIELDS[kind])
    (row,) = checked.rejected
    (problem,) = row.errors
    assert (row.row_number - 1, problem.code) == (1, "type-error")
    assert why in problem.message
    with pytest.raises(ValueFormatError):
        Field.model_validate({"name": "f", **FIELDS[kind]}).kind.parse(text)


def test_points_in_an_enum_are_compared_by_value() -> None:
    field = {"type": "geopoint", "format": "object", "constraints": {"enum": [{"lon": 1, "lat": 2.50}]}}
    checked = check_column(['{"lat": 2.5, "lon": 1.0}', '{"lat": 1, "lon": 2.5}'], field)
    assert [row.row_number - 1 for row in checked.rejected] == [1]
