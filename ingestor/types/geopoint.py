"""Points on the earth, in degrees: "lon,lat" as text, or an array or object of JSON."""

from __future__ import annotations

import re
from abc import abstractmethod
from typing import Any

from ingestor.columns.text_column import TextColumn
from ingestor.types.json import JsonType
from ingestor.types.notation.json_text import is_number, read_cell
from ingestor.types.type import Converted, FieldType, Settings, ValueFormatError, matching, not_a

_LONGITUDE = r"[+-]?(?:180(?:\.0+)?|(?:1[0-7][0-9]|[0-9]?[0-9])(?:\.[0-9]+)?)"
_LATITUDE = r"[+-]?(?:90(?:\.0+)?|[0-8]?[0-9](?:\.[0-9]+)?)"
_POINT = _LONGITUDE + r", ?" + _LATITUDE


class GeopointType(FieldType):
    """ "longitude,latitude"; stays text."""

    name = "geopoint"
    examples = ("8.54,47.37", "-180, 90", "[8.54, 47.37]", '{"lon": 8.54, "lat": 47.37}')
    postgres_type = "text"
    formats = ("array", "object")

    @classmethod
    def of(cls, settings: Settings) -> FieldType:
        kinds: dict[str, type[FieldType]] = {"array": _ArrayPoint, "object": _ObjectPoint}
        return kinds.get(settings.format, cls)(settings)

    def parse(self, text: str) -> str:
        if not re.fullmatch(_POINT, text):
            raise not_a('a point "longitude,latitude" in degrees', text)
        return text

    def convert(self, text: TextColumn) -> Converted:
        return matching(text, _POINT)


class _JsonPoint(JsonType):
    name = GeopointType.name
    examples = GeopointType.examples
    formats = GeopointType.formats

    def json_value(self, text: str) -> Any:
        value, longitude, latitude = self.read(text)
        for number, limit, name in ((longitude, 180, "longitude"), (latitude, 90, "latitude")):
            if not is_number(number) or not -limit <= number <= limit:
                raise ValueFormatError(f"is not a point: its {name} is not a number from -{limit} to {limit}")
        return value

    @abstractmethod
    def read(self, text: str) -> tuple[Any, Any, Any]:
        """The value, its longitude and its latitude. Raises ValueFormatError."""


class _ArrayPoint(_JsonPoint):
    def read(self, text: str) -> tuple[Any, Any, Any]:
        value = read_cell(text, list)
        if len(value) != 2:
            raise ValueFormatError("is not a point [longitude, latitude]")
        return value, value[0], value[1]


class _ObjectPoint(_JsonPoint):
    def read(self, text: str) -> tuple[Any, Any, Any]:
        value = read_cell(text, dict)
        if value.keys() != {"lon", "lat"}:
            raise ValueFormatError('is not a point {"lon": longitude, "lat": latitude}')
        return value, value["lon"], value["lat"]
