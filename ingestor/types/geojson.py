"""GeoJSON (RFC 7946) and TopoJSON, checked by the JSON Schemas in schemas/."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from ingestor.types.json import JsonType
from ingestor.types.notation.json_text import read_cell
from ingestor.types.type import ValueFormatError

_SCHEMAS = Path(__file__).with_name("schemas")
# Types of geometry of a Topology.
_WITHOUT_ARCS = (None, "Point", "MultiPoint")


class GeojsonType(JsonType):
    """A geometry, a Feature or a FeatureCollection; or a Topology."""

    name = "geojson"
    examples = (
        '{"type": "Point", "coordinates": [8.54, 47.37]}',
        '{"type": "Feature", "geometry": null, "properties": {"a": 1}}',
        '{"type":"Topology","objects":{"a":{"type":"LineString","arcs":[-1]}},"arcs":[[[0,0],[1,1]]]}',
    )
    formats = ("topojson",)

    @cached_property
    def _schema(self) -> _Schema:
        return _topojson() if self.settings.format == "topojson" else _geojson()

    def json_value(self, text: str) -> Any:
        value = read_cell(text, dict)
        if problem := self._schema.problem(value):
            raise ValueFormatError(problem)
        return value


class _Schema:
    """A schema whose descriptions say what each part of a value must be."""

    def __init__(self, file: str, what: str) -> None:
        import jsonschema_rs  # only the services that check rows have it

        self._schema = json.loads((_SCHEMAS / file).read_text("utf-8"))
        self._what = what
        self._required = jsonschema_rs.ValidationErrorKind.Required
        keywords: dict[str, Any] = {"isClosed": _IsClosed, "hasEvenLength": _HasEvenLength}
        self._validator = jsonschema_rs.validator_for(self._schema, offline=True, keywords=keywords)

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value and where, a sentence without its subject; None if it is valid."""
        if self._validator.is_valid(value):
            return next(self.arc_problems(value), None)
        error = next(self._validator.iter_errors(value))
        if isinstance(error.kind, self._required):
            return self.sentence([*error.instance_path, error.kind.property], "is missing")
        part = self._schema
        for step in error.schema_path[:-1]:
            part = part[step]
        return self.sentence(error.instance_path, part["description"])

    def sentence(self, path: list[str | int], must: str) -> str:
        """What is wrong at a place of the value."""
        place = "".join(f"/{step}" for step in path)
        return f"is not {self._what}: {place or 'the value'} {must}"

    def arc_problems(self, value: Any) -> Iterator[str]:
        """What only a Topology as a whole can show."""
        yield from ()


class _TopologySchema(_Schema):
    def arc_problems(self, value: Any) -> Iterator[str]:
        """Numbers of arcs that do not exist; a negative one means an arc in the other direction."""
        count = len(value["arcs"])

        def check(part: Any, path: list[str | int]) -> Iterator[str]:
            if isinstance(part, dict):
                key = "geometries" if part["type"] == "GeometryCollection" else "arcs"
                if part["type"] not in _WITHOUT_ARCS:
                    yield from check(part[key], [*path, key])
            elif isinstance(part, list):
                for number, item in enumerate(part):
                    yield from check(item, [*path, number])
            elif not -count <= part < count:
                yield self.sentence(path, f"is not the number of an arc: there are {count}")

        for name, geometry in value["objects"].items():
            yield from check(geometry, ["objects", name])


class _IsClosed:
    """The keyword isClosed: the first item of an array is the last one, too."""

    def __init__(self, parent: Any, value: Any, path: Any) -> None:
        pass

    def validate(self, instance: Any) -> None:
        """Raises ValueError."""
        if isinstance(instance, list) and instance[:1] != instance[-1:]:
            raise ValueError("is not closed")


class _HasEvenLength(_IsClosed):
    """The keyword hasEvenLength."""

    def validate(self, instance: Any) -> None:
        """Raises ValueError."""
        if isinstance(instance, list) and len(instance) % 2:
            raise ValueError("has an odd length")


@lru_cache
def _geojson() -> _Schema:
    return _Schema("geojson.json", "GeoJSON")


@lru_cache
def _topojson() -> _Schema:
    return _TopologySchema("topojson.json", "TopoJSON")
