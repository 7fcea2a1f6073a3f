"""All types, in the order of the documentation."""

from __future__ import annotations

from ingestor.types.boolean import BooleanType
from ingestor.types.date import DateType
from ingestor.types.datetime import DatetimeType
from ingestor.types.duration import DurationType
from ingestor.types.geojson import GeojsonType
from ingestor.types.geopoint import GeopointType
from ingestor.types.json import ArrayType, ObjectType
from ingestor.types.list import ListType
from ingestor.types.number import IntegerType, NumberType
from ingestor.types.string import AnyType, StringType
from ingestor.types.time import TimeType
from ingestor.types.type import FieldType
from ingestor.types.year import YearMonthType, YearType

_ALL: tuple[type[FieldType], ...] = (
    StringType, IntegerType, NumberType, BooleanType, DateType, DatetimeType, TimeType, YearType,
    YearMonthType, DurationType, GeopointType, GeojsonType, ArrayType, ObjectType, ListType, AnyType,
)  # fmt: skip

TYPES = {type_.name: type_ for type_ in _ALL}
"""Every type by its name."""

ITEM_TYPES = {name: type_ for name, type_ in TYPES.items() if type_.is_item}
"""The types that a list's items may have."""

SPECIAL_KEYS = frozenset[str]().union(*(type_.keys for type_ in _ALL))
"""Keys of a field that only some types have."""
