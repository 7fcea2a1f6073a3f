"""Points, GeoJSON (RFC 7946) and TopoJSON."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ingestor.checking.conversion import postgres_type

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
        ("[180.1,0]", "is not a point: its longitude is no number from -180 to 180"),
        ("[0,90.0000000000000000000001]", "is not a point: its latitude is no number from -90 to 90"),
        ('["1",2]', "is not a point: its longitude is no number from -180 to 180"),
        ("[true,2]", "is not a point: its longitude is no number from -180 to 180"),
        ('{"lon":1,"lat":2}', "is not a JSON array"),
        ("[NaN,1]", "is not a JSON array"),
    ],
    "object": [
        ("[1,2]", "is not a JSON object"),
        ('{"lon":1}', 'is not a point {"lon": longitude, "lat": latitude}'),
        ('{"lon":1,"lat":2,"x":3}', 'is not a point {"lon": longitude, "lat": latitude}'),
        ('{"lon":1,"lat":91}', "is not a point: its latitude is no number from -90 to 90"),
    ],
    "geojson": [
        ("x", "is not a JSON object"),
        ("null", "is not a JSON object"),
        ("[]", "is not a JSON object"),
        ({}, "is not GeoJSON: at /type, there is none of its types"),
        ({"type": "point", "coordinates": [1, 2]}, "is not GeoJSON: at /type, there is none of its types"),
        ({"type": "Circle"}, "is not GeoJSON: at /type, there is none of its types"),
        ({"type": ["Point"]}, "is not GeoJSON: at /type, there is none of its types"),
        ({"type": "Point"}, "at /coordinates, it is no position"),
        (geometry("Point", []), "at /coordinates, it is no"),
        (geometry("Point", [1]), "at /coordinates, it is no position"),
        (geometry("Point", [1, "2"]), "at /coordinates, it is no position"),
        (geometry("Point", [1, True]), "at /coordinates, it is no position"),
        (geometry("Point", [[1, 2]]), "at /coordinates, it is no position"),
        (geometry("Point", None), "at /coordinates, it is no position"),
        (geometry("MultiPoint", [1, 2]), "at /coordinates/0, it is no position"),
        (geometry("LineString", [[1, 2]]), "at /coordinates, a line has two or more positions"),
        (geometry("LineString", []), "at /coordinates, a line has two or more positions"),
        (
            geometry("MultiLineString", [[[1, 2], [3, 4]], [[1, 2]]]),
            "at /coordinates/1, a line has two or more",
        ),
        (geometry("Polygon", [RING[:3]]), "at /coordinates/0, a ring has four or more positions"),
        (geometry("Polygon", [RING, [*RING[:3], [0, 0.1]]]), "at /coordinates/1, the ring is not closed"),
        (geometry("Polygon", RING), "at /coordinates/0, a ring has four or more positions"),
        (geometry("Polygon", [[1, 2, 3, 1]]), "at /coordinates/0/0, it is no position"),
        (geometry("MultiPolygon", [RING]), "at /coordinates/0/0"),
        (geometry("MultiPolygon", 5), "at /coordinates, it"),
        (geometry("Point", [1, 2], bbox=[1, 2]), "at /bbox"),
        (geometry("Point", [1, 2], bbox=[1, 2, 3, 4, 5]), "at /bbox"),
        (geometry("Point", [1, 2], properties={}), "at /properties, a Point must not have it"),
        (geometry("Point", [1, 2], features=[]), "at /features, a Point must not have it"),
        ({"type": "Feature", "properties": {}}, "at /geometry, a geometry or null is needed"),
        ({"type": "Feature", "geometry": POINT}, "at /properties, an object or null is needed"),
        (feature(properties=[]), "at /properties"),
        (feature(id=True), "at /id"),
        (feature(id=None), "at /id"),
        (feature(geometry={}), "at /geometry/type, it is no type of geometry"),
        (feature(geometry=FEATURE), "at /geometry/type, it is no type of geometry"),
        (feature(coordinates=[1, 2]), "at /coordinates, a Feature must not have it"),
        ({"type": "FeatureCollection"}, "at /features, it is no array"),
        ({"type": "FeatureCollection", "features": [POINT]}, "at /features/0, it is no Feature"),
        ({"type": "FeatureCollection", "features": [], "geometry": None}, "at /geometry"),
        (
            {"type": "FeatureCollection", "features": [FEATURE, feature(geometry=geometry("Point", [1]))]},
            "at /features/1/geometry/coordinates",
        ),
        ({"type": "GeometryCollection"}, "at /geometries, it is no array"),
        ({"type": "GeometryCollection", "geometries": [None]}, "at /geometries/0, there is no object"),
        (
            {"type": "GeometryCollection", "geometries": [FEATURE]},
            "at /geometries/0/type, it is no type of geometry",
        ),
        (TOPOLOGY, "is not GeoJSON: at /type"),
    ],
    "topojson": [
        (POINT, 'is not TopoJSON: it is no object of the type "Topology"'),
        ({"type": "Topology", "arcs": []}, "at /objects"),
        ({"type": "Topology", "objects": {}}, "at /arcs"),
        ({**TOPOLOGY, "arcs": [[[0, 0]]]}, "at /arcs/0"),
        ({**TOPOLOGY, "arcs": TOPOLOGY["arcs"][:1]}, "at /objects/a/arcs"),  # type: ignore[index]
        ({**TOPOLOGY, "objects": {"a": {"type": "Polygon", "arcs": [0]}}}, "at /objects/a/arcs"),
        ({**TOPOLOGY, "objects": {"a": {"type": "LineString", "arcs": [0.5]}}}, "at /objects/a/arcs"),
        ({**TOPOLOGY, "objects": {"a": {"type": "LineString", "arcs": [2]}}}, "at /objects/a/arcs"),
        ({**TOPOLOGY, "objects": {"a": {}}}, "at /objects/a/type"),
        ({**TOPOLOGY, "objects": {"a": 1}}, "at /objects/a"),
        ({**TOPOLOGY, "objects": {"a": {"type": "Point", "coordinates": []}}}, "at /objects/a/coordinates"),
        ({**TOPOLOGY, "transform": {"scale": [1]}}, "at /transform/scale"),
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
    assert postgres_type(Field.model_validate({"name": "f", **FIELDS[kind]})) == "jsonb"


@pytest.mark.parametrize(("kind", "value", "why"), [(kind, *pair) for kind in FIELDS for pair in BAD[kind]])
def test_what_is_not(kind: str, value: Any, why: str) -> None:
    text, good = text_of(value), text_of(GOOD[kind][0])
    checked = check_column([good, text, good], FIELDS[kind])
    (row,) = checked.rejected
    (problem,) = row.errors
    assert (row.index, problem.code) == (1, "type-error")
    assert why in problem.message
    with pytest.raises(ValueFormatError):
        Field.model_validate({"name": "f", **FIELDS[kind]}).parse(text)


def test_points_in_an_enum_are_compared_by_value() -> None:
    field = {"type": "geopoint", "format": "object", "constraints": {"enum": [{"lon": 1, "lat": 2.50}]}}
    checked = check_column(['{"lat": 2.5, "lon": 1.0}', '{"lat": 1, "lon": 2.5}'], field)
    assert [row.index for row in checked.rejected] == [1]
