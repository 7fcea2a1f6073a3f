"""A field of the schema: its keys, and what can be wrong with them.

Rules: https://datapackage.org/standard/table-schema/. What a value of each type is: ingestor.types. Patterns
and JSON Schemas are compiled where documents are checked before they are stored (ingestor.checking.document).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator
from pydantic import Field as Key
from pydantic_core import PydanticCustomError

from ingestor.pipelines.names import column
from ingestor.pipelines.part import Part
from ingestor.pipelines.transforms import Mark
from ingestor.types.notation.json_text import canonical_json
from ingestor.types.registry import ITEM_TYPES, SPECIAL_KEYS, TYPES
from ingestor.types.type import FieldType, Value, ValueFormatError

_BOUNDS = ("minimum", "maximum", "exclusive_minimum", "exclusive_maximum")
# Longest quotation of a value in a message, in characters.
_MAX_SHOWN = 80
# Most words of one list, such as an enum; most spellings of one value.
MAX_LISTED = 10_000
MAX_SPELLINGS = 1000
# Most labels of one field, and the characters of one.
MAX_LABELS = 100
MAX_LABEL = 1000


def _one_of(names: Iterable[str]) -> AfterValidator:
    *most, last = (f"'{name}'" for name in names)
    message = f"must be {', '.join(most)} or {last}"

    def check(name: str) -> str:
        if name not in names:
            raise PydanticCustomError("name", "{message}", {"message": message})
        return name

    return AfterValidator(check)


class Constraints(Part):
    """What the values of a field must fulfil; bounds and `enum` as the document writes them (see Field for
    the values)."""

    required: bool = False
    unique: bool = False
    enum: Annotated[list[Any], Key(min_length=1, max_length=MAX_LISTED)] | None = None
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
    """A text that means NULL, and a label for people."""

    value: str
    label: str | None = None


class Category(Part):
    """A value that a field may have, and its name for people."""

    value: Any
    label: str | None = None


Labels = Annotated[
    list[Annotated[str, Key(min_length=1, max_length=MAX_LABEL)]], Key(min_length=1, max_length=MAX_LABELS)
]
Spellings = Annotated[list[str], Key(min_length=1, max_length=MAX_SPELLINGS)]
Categories = Annotated[list[Category], BeforeValidator(_valued), Key(min_length=1, max_length=MAX_LISTED)]
MissingValues = Annotated[list[MissingValue], BeforeValidator(_valued), Key(max_length=MAX_SPELLINGS)]


class Field(Part):
    """One column of the table."""

    name: Annotated[str, AfterValidator(column)]
    type: Annotated[str, _one_of(TYPES)]
    title: str | None = None
    description: str | None = None
    labels: Labels | None = None
    """Labels by which its column is known too, where the file has none of its own label (Pipeline.source)."""
    example: Any = None
    rdf_type: str | None = Key(None, alias="rdfType")
    format: str = "default"
    true_values: Spellings | None = Key(None, alias="trueValues")
    false_values: Spellings | None = Key(None, alias="falseValues")
    decimal_char: Mark = Key(".", alias="decimalChar")
    group_char: Mark | None = Key(None, alias="groupChar")
    bare_number: bool = Key(True, alias="bareNumber")
    accounting: bool = False
    locale: str = "en"
    timezone: str | None = None
    delimiter: Annotated[str, Key(min_length=1)] = ","
    item_type: Annotated[str, _one_of(ITEM_TYPES)] = Key("string", alias="itemType")
    categories: Categories | None = None
    categories_ordered: bool | None = Key(None, alias="categoriesOrdered")
    missing_values: MissingValues | None = Key(None, alias="missingValues")
    rounding: Literal["allow"] | None = None
    constraints: Constraints = Key(default_factory=lambda: Constraints.model_validate({}))

    @cached_property
    def kind(self) -> FieldType:
        """The type, with the field's settings, which are checked (see field_problems)."""
        return TYPES[self.type].of(self)

    @cached_property
    def item(self) -> FieldType:
        """The type of a list's items, with default settings."""
        return Field.model_validate({"name": self.name, "type": self.item_type}).kind

    @cached_property
    def minimum(self) -> Value | None:
        """The constraint as a value of the field's type."""
        return self._value(self.constraints.minimum)

    @cached_property
    def maximum(self) -> Value | None:
        """The constraint as a value of the field's type."""
        return self._value(self.constraints.maximum)

    @cached_property
    def exclusive_minimum(self) -> Value | None:
        """The constraint as a value of the field's type."""
        return self._value(self.constraints.exclusive_minimum)

    @cached_property
    def exclusive_maximum(self) -> Value | None:
        """The constraint as a value of the field's type."""
        return self._value(self.constraints.exclusive_maximum)

    @cached_property
    def enum(self) -> tuple[Value, ...] | None:
        """The constraint as values of the field's type."""
        if self.constraints.enum is None:
            return None
        return tuple(self.kind.value_of(item) for item in self.constraints.enum)

    @cached_property
    def category_values(self) -> tuple[Value, ...] | None:
        """The values of the categories."""
        if self.categories is None:
            return None
        return tuple(self.kind.value_of(category.value) for category in self.categories)

    def _value(self, raw: Any) -> Value | None:
        return None if raw is None else self.kind.value_of(raw)


def field_problems(field: Field) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Problems of one field, each with its path below the field."""
    type_ = TYPES[field.type]
    formatted = True
    try:
        type_.check_format(field.format)
    except ValueError as error:
        formatted = False
        yield ("format",), str(error)
    for name in sorted(field.model_fields_set):
        key = type(field).model_fields[name].alias or name
        if key not in SPECIAL_KEYS:
            continue
        if key not in type_.keys:
            yield (key,), f"does not apply to the type {field.type}"
        elif getattr(field, name) is None and key != "groupChar":
            yield (key,), "must not be null"
    if field.categories_ordered is not None and field.categories is None:
        yield ("categoriesOrdered",), "needs categories"
    for key, message in type_.setting_problems(field):
        formatted = False
        yield (key,), message
    constraints = field.constraints
    for name in sorted(constraints.model_fields_set):
        key = type(constraints).model_fields[name].alias or name
        if key not in type_.constraints:
            yield ("constraints", key), f"does not apply to the type {field.type}"
        elif getattr(constraints, name) is None:
            yield ("constraints", key), "must not be null"
    shortest, longest = constraints.min_length, constraints.max_length
    if shortest is not None and longest is not None and shortest > longest:
        yield ("constraints", "minLength"), "is more than maxLength"
    if formatted:
        yield from _value_checks(field, type_)
        yield from _category_checks(field)


def _value_checks(field: Field, type_: type[FieldType]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    constraints = field.constraints
    limits: dict[str, Any] = {}
    for name in _BOUNDS:
        raw, key = getattr(constraints, name), type(constraints).model_fields[name].alias or name
        if raw is None or key not in type_.constraints:
            continue
        try:
            limits[key] = field.kind.value_of(raw)
        except ValueFormatError as error:
            yield ("constraints", key), f"{_shown(raw)} {error}"
    if {"minimum", "maximum"} <= limits.keys() and field.kind.exceeds(limits["minimum"], limits["maximum"]):
        yield ("constraints", "minimum"), "is more than maximum"
    for index, raw in enumerate(constraints.enum or ()):
        try:
            field.kind.value_of(raw)
        except ValueFormatError as error:
            yield ("constraints", "enum", index), f"{_shown(raw)} {error}"


def _category_checks(field: Field) -> Iterator[tuple[tuple[str | int, ...], str]]:
    values: set[Value] = set()
    labels: set[str] = set()
    for index, category in enumerate(field.categories or ()):
        try:
            value = field.kind.value_of(category.value)
        except ValueFormatError as error:
            yield ("categories", index), f"{_shown(category.value)} {error}"
            continue
        if value in values:
            yield ("categories", index), f"{_shown(category.value)} occurs twice"
        if category.label is not None and category.label in labels:
            yield ("categories", index, "label"), f"{_shown(category.label)} occurs twice"
        values.add(value)
        labels |= set() if category.label is None else {category.label}
    for index, raw in enumerate((field.constraints.enum or ()) if field.categories else ()):
        try:
            if field.kind.value_of(raw) not in values:
                yield ("constraints", "enum", index), f"{_shown(raw)} is not among the categories"
        except ValueFormatError:
            continue  # reported for the enum itself


def _shown(raw: Any) -> str:
    text = canonical_json(raw)
    return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"
