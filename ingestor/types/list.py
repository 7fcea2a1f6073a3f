"""Lists: items of one type between delimiters, kept as JSON arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from ingestor.columns.arrow import Int32s, pc
from ingestor.columns.text_column import TextColumn, text_column
from ingestor.types.json import JsonType
from ingestor.types.notation.json_text import canonical_json, comparable
from ingestor.types.type import SIZED, Converted, Value, ValueFormatError

# Longest quotation of an item in a message, in characters.
_MAX_SHOWN = 80


class ListType(JsonType):
    """A text that is not empty, cut at each delimiter."""

    name = "list"
    examples = ("a,b", "a", ",")
    constraints = SIZED
    keys = frozenset(("delimiter", "itemType"))
    counts_items = True

    def json_value(self, text: str) -> list[Any]:
        if not text:
            raise ValueFormatError("is not a list: it is empty")
        item = self.settings.item
        found = []
        for number, part in enumerate(text.split(self.settings.delimiter), 1):
            try:
                found.append(item.as_json(item.parse(part)))
            except ValueFormatError as error:
                shown = canonical_json(part)
                shown = shown if len(shown) <= _MAX_SHOWN else shown[: _MAX_SHOWN - 1] + "…"
                raise ValueFormatError(
                    f"is not a list of the type {item.name}: item {number}, {shown}, {error}"
                ) from None
        return found

    def value_of(self, raw: Any) -> Value:
        if isinstance(raw, str):
            return super().value_of(raw)
        if not isinstance(raw, list):
            raise ValueFormatError(f"is not a value of the type {self.name}")
        item = self.settings.item
        return comparable([item.as_json(item.value_of(one)) for one in raw])

    def item_counts(self, text: TextColumn) -> Int32s:
        """One more than a cell has delimiters."""
        found = pc.count_substring(text.array, pattern=self.settings.delimiter)
        counts: Int32s = pc.fill_null(found, 0).to_numpy() + 1
        return counts

    def convert(self, text: TextColumn) -> Converted:
        """Converts the items of all lists as one column, and joins the results again."""
        rows = np.flatnonzero(text.present(text.lengths > 0))
        bad = text.present(text.lengths == 0)
        lists: Any = pc.split_pattern(pc.take(text.array, pa.array(rows)), pattern=self.settings.delimiter)
        counts = pc.list_value_length(lists).to_numpy(zero_copy_only=False)
        offsets = np.zeros(len(rows) + 1, np.int32)
        np.cumsum(counts, out=offsets[1:])
        item = self.settings.item
        converted = item.convert(text_column(pc.list_flatten(lists), frozenset()))
        if converted.bad is not None:
            bad[rows] |= np.logical_or.reduceat(converted.bad, offsets[:-1])
        rendered = pc.fill_null(item.json_texts(converted.column), "null")
        arrays: Any = pa.ListArray  # its stub takes no such arrays
        joined = pc.binary_join(arrays.from_arrays(pa.array(offsets), rendered), ", ")
        whole = pc.binary_join_element_wise("[", joined, "]", "")
        places = np.full(len(text), -1, np.int32)
        places[rows] = np.arange(len(rows), dtype=np.int32)
        return Converted.of(whole.take(pa.array(places, mask=places < 0)), bad)
