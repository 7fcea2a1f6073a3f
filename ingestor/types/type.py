"""The interface of a type: the rule for one value, the rule for a column, and how values compare.

The rules follow Frictionless Table Schema, narrowed to what PostgreSQL keeps exactly:
https://datapackage.org/standard/table-schema/
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from ingestor.columns.arrow import AnyArray, Int32s, Mask, fully, mask_if_any, pc, to_mask
from ingestor.columns.json_strings import json_strings
from ingestor.columns.late import pa
from ingestor.columns.text_column import TextColumn, text_column

# Values of JSON are tuples (see json_text.comparable).
Value = str | int | Decimal | bool | date | datetime | time | tuple[Any, ...]

Bound = Literal["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]

# The constraints that a type may allow, from the table in the specification.
LISTED = frozenset(("required", "unique", "enum"))
ORDERED = LISTED | {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
SIZED = LISTED | {"minLength", "maxLength"}

# Functions of pyarrow.compute.
_BREAKS: dict[Bound, str] = {
    "minimum": "less",
    "maximum": "greater",
    "exclusiveMinimum": "less_equal",
    "exclusiveMaximum": "greater_equal",
}


class ValueFormatError(ValueError):
    """The text is not a value of the type; the message continues the quoted text ("is not a date")."""


def not_a(what: str, text: str) -> ValueFormatError:
    """The error for a text that is not `what`; it mentions blanks around the text."""
    if text != text.strip():
        return ValueFormatError(f"is not {what} (there are blanks around it)")
    return ValueFormatError(f"is not {what}")


class Settings(Protocol):
    """The keys of a field that types read."""

    @property
    def format(self) -> str:
        """ "default", or one of the type's formats."""

    @property
    def true_values(self) -> Sequence[str] | None:
        """Words for true; None for the default ones."""

    @property
    def false_values(self) -> Sequence[str] | None:
        """Words for false; None for the default ones."""

    @property
    def decimal_char(self) -> str:
        """The decimal mark of numbers."""

    @property
    def group_char(self) -> str | None:
        """The mark between groups of three digits, None if there is none."""

    @property
    def bare_number(self) -> bool:
        """Whether nothing may stand around a number."""

    @property
    def accounting(self) -> bool:
        """Whether "(5)" and "5-" are negative numbers."""

    @property
    def locale(self) -> str:
        """The language of names of months ("en")."""

    @property
    def timezone(self) -> str | None:
        """The zone of datetimes without an offset; None for UTC."""

    @property
    def rounding(self) -> str | None:
        """ "allow" where values may lose digits, dates their time of day."""

    @property
    def delimiter(self) -> str:
        """What separates the items of a list."""

    @property
    def item(self) -> FieldType:
        """The type of a list's items, with default settings."""


@dataclass(frozen=True, slots=True)
class Converted:
    """A field's column of n values.

    `column` goes to the sink: null where the value is missing, meaningless where `bad`. `comparable` has
    the same values for constraints, null also where `bad`: float64 for numbers (whose `column` stays text,
    to be exact), otherwise of the same type. `bad` (bool[n]) marks type errors, None if there are none.
    """

    column: AnyArray
    comparable: AnyArray
    bad: Mask | None

    @classmethod
    def of(cls, values: AnyArray, bad: Mask) -> Converted:
        """The same values for the sink and for constraints."""
        return cls(values, values, bad if bad.any() else None)

    def good(self, rows: Mask) -> Mask:
        """The rows without those that have type errors."""
        return rows if self.bad is None else rows & ~self.bad


def matching(text: TextColumn, pattern: str) -> Converted:
    """Texts that must match an RE2 expression and stay text."""
    return Converted.of(text.array, text.present(~fully(text.array, pattern)))


class FieldType(ABC):
    """A type with the settings of one field. Thread-safe."""

    name: ClassVar[str]
    """What a pipeline document calls it."""
    examples: ClassVar[tuple[str, ...]]
    """Texts of values, at least one for each format with a name. Tests make others of them."""
    postgres_type: str
    """The type of the field's column in PostgreSQL."""
    formats: ClassVar[tuple[str, ...]] = ()
    """Names of its formats besides "default"."""
    constraints: ClassVar[frozenset[str]] = LISTED
    """Names of the constraints that it allows."""
    keys: ClassVar[frozenset[str]] = frozenset()
    """Keys of a field that only this type and a few others have."""
    is_item: ClassVar[bool] = False
    """Whether the items of a list may be of this type."""
    bound_messages: ClassVar[Mapping[Bound, str]] = {
        "minimum": "is less than the minimum",
        "maximum": "is more than the maximum",
        "exclusiveMinimum": "is not more than the exclusiveMinimum",
        "exclusiveMaximum": "is not less than the exclusiveMaximum",
    }
    """What breaks a bound, continued by the bound."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @classmethod
    def of(cls, settings: Settings) -> FieldType:
        """The type for a field with these settings, which are checked."""
        return cls(settings)

    @classmethod
    def check_format(cls, format_: str) -> None:
        """Raises ValueError with one sentence if the type has no such format."""
        names = ("default", *cls.formats)
        if format_ not in names:
            known = ", ".join(f'"{name}"' for name in names)
            raise ValueError(f"only {known} is supported for the type {cls.name}")

    @classmethod
    def setting_problems(cls, settings: Settings) -> Iterator[tuple[str, str]]:
        """What is wrong with the field's own `keys`: key and sentence without its subject."""
        yield from ()

    @abstractmethod
    def parse(self, text: str) -> Value:
        """The value of a cell's text; for JSON types the text itself. Raises ValueFormatError."""

    @abstractmethod
    def convert(self, text: TextColumn) -> Converted:
        """A column's values. A value is bad exactly when `parse` refuses it."""

    def takes(self, texts: Sequence[str]) -> Mask:
        """Which texts are values (bool[n])."""
        bad = self.convert(text_column(pa.array(texts, pa.string()), frozenset())).bad
        return np.ones(len(texts), np.bool_) if bad is None else ~bad

    def understood(self, texts: Sequence[str]) -> list[str]:
        """What texts that are values become, as text: ISO 8601 for moments, digits for numbers."""
        column = self.convert(text_column(pa.array(texts, pa.string()), frozenset())).column
        return [_written(value) for value in column.to_pylist()]

    def explain(self, value: str) -> str:
        """Why `value`, found bad by `convert`, is not of this type: a sentence without its subject.

        Raises AssertionError if `parse` accepts it: the two rules must never differ.
        """
        try:
            self.parse(value)
        except ValueFormatError as error:
            return str(error)
        raise AssertionError(f"the column and value rules of {self.name} disagree on {value[:100]!r}")

    def value_of(self, raw: Any) -> Value:
        """The value that a document means: text as in a cell, or JSON's own type. Raises
        ValueFormatError."""
        value = self.parse(raw) if isinstance(raw, str) else self.from_json(raw)
        if value is None:
            raise ValueFormatError(f"is not a value of the type {self.name}")
        return value

    def from_json(self, raw: Any) -> Value | None:
        """The value of a JSON value that is not a string; None if it has none. Raises ValueFormatError."""
        return None

    def outside(
        self, text: TextColumn, converted: Converted, allowed: Sequence[Value], spellings: Sequence[Any]
    ) -> Mask | None:
        """Which values are none of the allowed ones (bool[n]), None for none; `spellings` is how the
        document writes these."""
        values = converted.comparable
        inside = pc.is_in(values, value_set=pa.array(list(allowed), values.type))
        if pc.all(inside).as_py():
            return None
        return text.present(converted.good(~to_mask(inside, null=False)))

    def beyond(self, bound: Bound, limit: Value, text: TextColumn, converted: Converted) -> Mask | None:
        """Which values break a bound (bool[n]), None for none."""
        values = converted.comparable
        return mask_if_any(getattr(pc, _BREAKS[bound])(values, pa.scalar(limit, values.type)))

    def exceeds(self, one: Any, other: Any) -> bool:
        """Whether a value is certainly greater than another one."""
        return bool(one > other)

    def lengths(self, text: TextColumn) -> Int32s:
        """What minLength and maxLength bound: each text's characters, that is Unicode code points."""
        if not text.data.size or int(text.data.max()) < 0x80:
            return text.lengths
        counts: Int32s = pc.fill_null(pc.utf8_length(text.array), 0).to_numpy(zero_copy_only=False)
        return counts

    @property
    def rule_type(self) -> pa.DataType:
        """The type that a pipeline's rules see; decimals differ by row, this is what most of them are."""
        return pa.string()

    def for_rules(self, column: AnyArray) -> AnyArray:
        """The sink's column in `rule_type`; numbers stay text."""
        return column

    def as_json(self, value: Value) -> Any:
        """A value as JSON, the same for equal values."""
        return value

    def json_texts(self, column: AnyArray) -> Any:
        """A converted column as JSON texts, for the items of lists; null where it is null."""
        return json_strings(column)


def _written(value: Any) -> str:
    if isinstance(value, date | time):  # a datetime is a date
        return value.isoformat()
    return json.dumps(value) if isinstance(value, bool) else str(value)


def is_whole(raw: Any) -> bool:
    """Whether a JSON value is a whole number, which true and false are not."""
    return isinstance(raw, int) and not isinstance(raw, bool)
