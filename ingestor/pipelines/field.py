"""A field of the schema: what a cell of its column means, what it must fulfil, and what can be wrong with the
field itself.

Rules: https://datapackage.org/standard/table-schema/. Patterns are RE2 and are compiled by the processor, the
only part of the suite that runs them; so is the JSON Schema of a constraint.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, time
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator
from pydantic import Field as Key

from ingestor.pipelines.names import column
from ingestor.pipelines.part import Part
from ingestor.pipelines.transforms import Mark
from ingestor.types.bare import bare_pattern, number_within
from ingestor.types.durations import points
from ingestor.types.formats import FixedFormat, FormatKind, parse_format
from ingestor.types.geojson import check_geojson, check_point, check_topojson
from ingestor.types.json_cells import comparable, read_cell
from ingestor.types.json_text import canonical_json
from ingestor.types.marks import Marks
from ingestor.types.values import (
    STRING_FORMATS,
    Value,
    ValueFormatError,
    parse_boolean,
    parse_date,
    parse_datetime,
    parse_duration,
    parse_geopoint,
    parse_integer,
    parse_number,
    parse_string,
    parse_time,
    parse_year,
    parse_yearmonth,
)

FieldType = Literal[
    "string", "integer", "number", "boolean", "date", "datetime", "time", "year", "yearmonth", "duration",
    "geopoint", "geojson", "array", "object", "list", "any",
]  # fmt: skip
ItemType = Literal["string", "integer", "boolean", "number", "datetime", "date", "time"]

# Constraints that fit the type, from the table in the specification.
_ORDERED = frozenset(
    ("required", "unique", "enum", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
)
_LISTED = frozenset(("required", "unique", "enum"))
_TEXT = _LISTED | {"pattern", "minLength", "maxLength"}
_SIZED = _LISTED | {"minLength", "maxLength"}
ALLOWED_CONSTRAINTS: dict[FieldType, frozenset[str]] = {
    "string": _TEXT,
    "any": _TEXT,
    "time": _ORDERED,
    "year": _ORDERED,
    "yearmonth": _ORDERED,
    "duration": _ORDERED,
    "geopoint": _LISTED,
    "geojson": _LISTED,
    "array": _SIZED | {"jsonSchema"},
    "object": _SIZED | {"jsonSchema"},
    "list": _SIZED,
    "integer": _ORDERED,
    "number": _ORDERED,
    "boolean": _LISTED,
    "date": _ORDERED,
    "datetime": _ORDERED,
}
# Keys of a field that only some types have, by their names here.
_OF_TYPES: dict[str, tuple[FieldType, ...]] = {
    "trueValues": ("boolean",),
    "falseValues": ("boolean",),
    "decimalChar": ("number",),
    "groupChar": ("number", "integer"),
    "bareNumber": ("number", "integer"),
    "delimiter": ("list",),
    "itemType": ("list",),
    "categories": ("string", "integer"),
    "categoriesOrdered": ("string", "integer"),
}
# Formats that are names; those of dates, datetimes and times are patterns.
_FORMATS: dict[str, tuple[str, ...]] = {
    "string": tuple(STRING_FORMATS),
    "geopoint": ("array", "object"),
    "geojson": ("topojson",),
}


_PARSERS: dict[str, Callable[[str], Value]] = {
    "any": lambda text: text,
    "year": parse_year,
    "yearmonth": parse_yearmonth,
    "duration": parse_duration,
}
_JSON_TYPES = ("array", "object", "list", "geojson")


class Constraints(Part):
    """What the values of a field must fulfil; `minimum`, `maximum` and `enum` as the document has
    them (see Field for the values)."""

    required: bool = False
    unique: bool = False
    enum: Annotated[list[Any], Key(min_length=1)] | None = None
    pattern: Annotated[str, Key(min_length=1, max_length=10_000)] | None = None
    minimum: Any = None
    maximum: Any = None
    exclusive_minimum: Any = Key(None, alias="exclusiveMinimum")
    exclusive_maximum: Any = Key(None, alias="exclusiveMaximum")
    min_length: Annotated[int, Key(ge=0)] | None = Key(None, alias="minLength")
    max_length: Annotated[int, Key(ge=0)] | None = Key(None, alias="maxLength")
    json_schema: dict[str, Any] | None = Key(None, alias="jsonSchema")


def _valued(value: Any) -> Any:
    """A list whose items may be values instead of objects with a value."""
    if isinstance(value, list):
        return [item if isinstance(item, dict) else {"value": item} for item in value]
    return value


class MissingValue(Part):
    """A text that means NULL, and what kind of NULL for people."""

    value: str
    label: str | None = None


class Category(Part):
    """A value that a field may have, and its name for people."""

    value: Any
    label: str | None = None


MissingValues = Annotated[list[MissingValue], BeforeValidator(_valued)]


class Field(Part):
    """One column of the table."""

    name: Annotated[str, AfterValidator(column)]
    type: FieldType
    title: str | None = None
    description: str | None = None
    example: Any = None
    rdf_type: str | None = Key(None, alias="rdfType")
    format: str = "default"
    true_values: Annotated[list[str], Key(min_length=1)] | None = Key(None, alias="trueValues")
    false_values: Annotated[list[str], Key(min_length=1)] | None = Key(None, alias="falseValues")
    decimal_char: Mark = Key(".", alias="decimalChar")
    group_char: Mark | None = Key(None, alias="groupChar")
    bare_number: bool = Key(True, alias="bareNumber")
    delimiter: Annotated[str, Key(min_length=1)] = ","
    item_type: ItemType = Key("string", alias="itemType")
    categories: Annotated[list[Category], BeforeValidator(_valued), Key(min_length=1)] | None = None
    categories_ordered: bool | None = Key(None, alias="categoriesOrdered")
    missing_values: MissingValues | None = Key(None, alias="missingValues")
    constraints: Constraints = Key(default_factory=lambda: Constraints.model_validate({}))

    @cached_property
    def trues(self) -> tuple[str, ...]:
        """Words that mean true."""
        return ("true", "True", "TRUE", "1") if self.true_values is None else tuple(self.true_values)

    @cached_property
    def falses(self) -> tuple[str, ...]:
        """Words that mean false."""
        return ("false", "False", "FALSE", "0") if self.false_values is None else tuple(self.false_values)

    @cached_property
    def marks(self) -> Marks | None:
        """The marks of a number or an integer that are not the default ones."""
        found = Marks(self.decimal_char, self.group_char)
        return None if self.type not in ("integer", "number") or found == Marks() else found

    @cached_property
    def marked_pattern(self) -> str:
        """What a number with `marks`, if any, looks like (RE2 and Python)."""
        return (self.marks or Marks()).pattern(whole=self.type == "integer")

    @cached_property
    def bare_pattern(self) -> str | None:
        """What a number looks like where something may stand around it (RE2 and Python)."""
        if self.bare_number or self.type not in ("integer", "number"):
            return None
        return bare_pattern(self.marks or Marks(), self.type == "integer")

    @cached_property
    def number_within(self) -> str:
        """Where the number is in what bare_pattern matches, by its group `number` (RE2 and Python)."""
        return number_within(self.marks or Marks())

    @cached_property
    def item(self) -> Field:
        """A field for the items of a list."""
        return Field.model_validate({"name": self.name, "type": self.item_type})

    @property
    def is_json(self) -> bool:
        """Whether its cells are kept as JSON."""
        return self.type in _JSON_TYPES or (self.type == "geopoint" and self.format != "default")

    @cached_property
    def fixed_format(self) -> FixedFormat | None:
        """The format of a date or datetime that is not the default one."""
        if self.format == "default" or (kind := _pattern_kind(self.type)) is None:
            return None
        return parse_format(self.format, kind)

    @cached_property
    def minimum(self) -> Value | None:
        """The constraint as a value of the field's type."""
        return None if self.constraints.minimum is None else self.value_of(self.constraints.minimum)

    @cached_property
    def maximum(self) -> Value | None:
        """The constraint as a value of the field's type."""
        return None if self.constraints.maximum is None else self.value_of(self.constraints.maximum)

    @cached_property
    def exclusive_minimum(self) -> Value | None:
        """The constraint as a value of the field's type."""
        raw = self.constraints.exclusive_minimum
        return None if raw is None else self.value_of(raw)

    @cached_property
    def exclusive_maximum(self) -> Value | None:
        """The constraint as a value of the field's type."""
        raw = self.constraints.exclusive_maximum
        return None if raw is None else self.value_of(raw)

    @cached_property
    def enum(self) -> tuple[Value, ...] | None:
        """The constraint as values of the field's type."""
        if self.constraints.enum is None:
            return None
        return tuple(self.value_of(item) for item in self.constraints.enum)

    @cached_property
    def category_values(self) -> tuple[Value, ...] | None:
        """The values of the categories."""
        if self.categories is None:
            return None
        return tuple(self.value_of(category.value) for category in self.categories)

    def parse(self, text: str) -> Value:
        """The value that the text of a cell means; of JSON its text. Raises ValueFormatError."""
        if self.type in _PARSERS:
            return _PARSERS[self.type](text)
        if self.is_json:
            self.json_value(text)
            return text
        if self.type == "geopoint":
            return parse_geopoint(text)
        if self.type in ("integer", "number"):
            return self._parse_number(text)
        if self.type == "string":
            return parse_string(text, self.format)
        if self.type == "boolean":
            return parse_boolean(text, self.trues, self.falses)
        if self.fixed_format is not None:
            iso = self.fixed_format.to_iso(text)
            if iso is None or not iso.isascii():
                raise ValueFormatError(f"is not a {self.type} of the form {self.format}")
            text = iso
        if self.type == "time":
            return parse_time(text)
        return parse_date(text) if self.type == "date" else parse_datetime(text)

    def _parse_number(self, text: str) -> Value:
        what = "an integer" if self.type == "integer" else "a number"
        if self.bare_pattern is not None:
            if not re.fullmatch(self.bare_pattern, text):
                marks = self.marks.explain(what) if self.marks else f"is not {what}"
                raise ValueFormatError(f"{marks}, nor one with something around it that is not numeric")
            found = re.fullmatch(self.number_within, text)
            assert found is not None, "there is a number in what bare_pattern matches"
            text = found["number"]
        elif self.marks is not None and not re.fullmatch(self.marked_pattern, text):
            raise ValueFormatError(self.marks.explain(what))
        if self.marks is not None:
            text = self.marks.plain(text)
        return parse_integer(text) if self.type == "integer" else parse_number(text)

    def json_value(self, text: str) -> Any:
        """The JSON value of a cell of a field that is_json; numbers are int or Decimal. Raises
        ValueFormatError."""
        if self.type == "list":
            return self._list_value(text)
        has_array = self.type == "array" or (self.type == "geopoint" and self.format == "array")
        found = read_cell(text, list if has_array else dict)
        if self.type == "geopoint":
            check_point(found, self.format)
        elif self.type == "geojson":
            (check_topojson if self.format == "topojson" else check_geojson)(found)
        return found

    def _list_value(self, text: str) -> list[Any]:
        if not text:
            raise ValueFormatError("is not a list: it is empty")
        found = []
        for number, part in enumerate(text.split(self.delimiter), 1):
            try:
                found.append(_as_json(self.item.parse(part)))
            except ValueFormatError as error:
                shown = _shown(part)
                raise ValueFormatError(
                    f"is not a list of the type {self.item_type}: item {number}, {shown}, {error}"
                ) from None
        return found

    def value_of(self, item: Any) -> Value:
        """The value that a constraint of the document means: JSON's own type or the text of a cell.

        Raises ValueFormatError.
        """
        if self.is_json:
            return self._json_constraint(item)
        if isinstance(item, str):
            return self.parse(item)
        if isinstance(item, bool):
            if self.type == "boolean":
                return item
        elif isinstance(item, int) and self.type == "year":
            return parse_year(str(item))
        elif isinstance(item, int) and self.type in ("integer", "number"):
            return parse_integer(str(item)) if self.type == "integer" else parse_number(str(item))
        elif isinstance(item, Decimal) and self.type == "number":
            return parse_number(str(item))
        raise ValueFormatError(f"is not a value of the type {self.type}")

    def _json_constraint(self, item: Any) -> Value:
        if isinstance(item, str):
            return comparable(self.json_value(item))
        if self.type != "list":
            return comparable(self.json_value(canonical_json(item)))
        if not isinstance(item, list):
            raise ValueFormatError("is not a value of the type list")
        return comparable([_as_json(self.item.value_of(one)) for one in item])


def _as_json(value: Value) -> Any:
    """A value of a type of items as JSON has it."""
    if isinstance(value, datetime):
        return f"{value.replace(tzinfo=None).isoformat()}Z"
    return value.isoformat() if isinstance(value, date | time) else value


def _pattern_kind(type_: FieldType) -> FormatKind | None:
    """Of a type whose formats are patterns."""
    return type_ if type_ == "date" or type_ == "datetime" or type_ == "time" else None


def field_problems(field: Field) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Problems of one field, each with its path below the field."""
    formatted = True
    names = _FORMATS.get(field.type, ())
    if field.format != "default" and field.format not in names:
        try:
            if (kind := _pattern_kind(field.type)) is None:
                known = ", ".join(f'"{name}"' for name in ("default", *names))
                raise ValueError(f"only {known} is supported for the type {field.type}")
            parse_format(field.format, kind)
        except ValueError as error:
            formatted = False
            yield ("format",), str(error)
    for name in sorted(field.model_fields_set):
        key = type(field).model_fields[name].alias or name
        if field.type not in _OF_TYPES.get(key, (field.type,)):
            yield (key,), f"does not apply to the type {field.type}"
        elif key in _OF_TYPES and getattr(field, name) is None and key != "groupChar":
            yield (key,), "must not be null"
    if field.categories_ordered is not None and field.categories is None:
        yield ("categoriesOrdered",), "is for a field with categories"
    if field.decimal_char == field.group_char:
        yield ("groupChar",), "is the decimalChar too"
    if both := [word for word in field.trues if word in field.falses]:
        yield ("trueValues",), f"{json.dumps(both[0], ensure_ascii=False)} is also among the falseValues"
    constraints = field.constraints
    for name in sorted(constraints.model_fields_set):
        key = type(constraints).model_fields[name].alias or name
        if key not in ALLOWED_CONSTRAINTS[field.type]:
            yield ("constraints", key), f"does not apply to the type {field.type}"
        elif getattr(constraints, name) is None:
            yield ("constraints", key), "must not be null"
    shortest, longest = constraints.min_length, constraints.max_length
    if shortest is not None and longest is not None and shortest > longest:
        yield ("constraints", "minLength"), "is more than maxLength"
    if formatted:
        yield from _value_checks(field)
        yield from _category_checks(field)


def _value_checks(field: Field) -> Iterator[tuple[tuple[str | int, ...], str]]:
    constraints = field.constraints
    limits: dict[str, Any] = {}
    for key in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"):
        raw = getattr(constraints, key.replace("M", "_m") if key.startswith("ex") else key)
        if raw is None or key not in ALLOWED_CONSTRAINTS[field.type]:
            continue
        try:
            limits[key] = field.value_of(raw)
        except ValueFormatError as error:
            yield ("constraints", key), f"{_shown(raw)} {error}"
    if {"minimum", "maximum"} <= limits.keys() and _is_more(field, limits["minimum"], limits["maximum"]):
        yield ("constraints", "minimum"), "is more than maximum"
    for index, raw in enumerate(constraints.enum or ()):
        try:
            field.value_of(raw)
        except ValueFormatError as error:
            yield ("constraints", "enum", index), f"{_shown(raw)} {error}"


def _is_more(field: Field, one: Any, other: Any) -> bool:
    if field.type != "duration":
        return bool(one > other)
    return all(mine > its for mine, its in zip(points(one), points(other), strict=True))


def _category_checks(field: Field) -> Iterator[tuple[tuple[str | int, ...], str]]:
    values: list[Value] = []
    labels: list[str] = []
    for index, category in enumerate(field.categories or ()):
        try:
            value = field.value_of(category.value)
        except ValueFormatError as error:
            yield ("categories", index), f"{_shown(category.value)} {error}"
            continue
        if value in values:
            yield ("categories", index), f"{_shown(category.value)} is there twice"
        if category.label is not None and category.label in labels:
            yield ("categories", index, "label"), f"{_shown(category.label)} is there twice"
        values.append(value)
        labels += [] if category.label is None else [category.label]
    for index, raw in enumerate((field.constraints.enum or ()) if field.categories else ()):
        try:
            if field.value_of(raw) not in values:
                yield ("constraints", "enum", index), f"{_shown(raw)} is not among the categories"
        except ValueFormatError:
            continue  # said of the enum itself


def _shown(raw: Any) -> str:
    text = canonical_json(raw)
    return text if len(text) <= 80 else text[:79] + "…"
