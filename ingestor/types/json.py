"""JSON in cells: the types array and object, and what every type has that is kept as JSON."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from ingestor.columns.arrow import Int32s, pc
from ingestor.columns.text_column import TextColumn
from ingestor.types.notation.json_text import canonical_json, comparable, read_cell
from ingestor.types.type import LISTED, SIZED, Converted, FieldType, Value, ValueFormatError


class JsonType(FieldType):
    """A type whose cells are kept as JSON, and whose values are compared as JSON."""

    postgres_type = "jsonb"
    constraints = LISTED
    counts_items: ClassVar[bool] = False
    """Whether minLength and maxLength need no JSON value: see item_counts."""

    @abstractmethod
    def json_value(self, text: str) -> Any:
        """A cell's JSON value; numbers are int or Decimal. Raises ValueFormatError."""

    def item_counts(self, text: TextColumn) -> Int32s | None:
        """How many items each cell has, counted without reading it; None if it has to be read."""
        return None

    def parse(self, text: str) -> str:
        self.json_value(text)
        return text

    def value_of(self, raw: Any) -> Value:
        return comparable(self.json_value(raw if isinstance(raw, str) else canonical_json(raw)))

    def convert(self, text: TextColumn) -> Converted:
        """Reads each distinct text once."""
        encoded: Any = text.array.dictionary_encode()
        bad_texts = np.zeros(len(encoded.dictionary) + 1, np.bool_)
        for place, value in enumerate(encoded.dictionary.to_pylist()):
            try:
                self.json_value(str(value))
            except ValueFormatError:
                bad_texts[place] = True
        places = pc.fill_null(encoded.indices, len(encoded.dictionary)).to_numpy(zero_copy_only=False)
        return Converted.of(text.array, bad_texts[places])


class ArrayType(JsonType):
    """A JSON array."""

    name = "array"
    examples = ("[]", '[1, {"a": [null]}]')
    constraints = SIZED | {"jsonSchema"}

    def json_value(self, text: str) -> Any:
        return read_cell(text, list)


class ObjectType(JsonType):
    """A JSON object."""

    name = "object"
    examples = ("{}", '{"a": [1.50, "é"]}')
    constraints = SIZED | {"jsonSchema"}

    def json_value(self, text: str) -> Any:
        return read_cell(text, dict)
