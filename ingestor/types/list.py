"""Lists: items of one type between delimiters, kept as JSON arrays."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ingestor.columns.arrow import Int32s, pc
from ingestor.columns.late import pa
from ingestor.columns.text_column import TextColumn, text_column
from ingestor.types.json import JsonType
from ingestor.types.notation.json_text import canonical_json, comparable
from ingestor.types.type import SIZED, Converted, Value, ValueFormatError

# Longest quotation of an item in a message, in characters.
_MAX_SHOWN = 80


class ListType(JsonType):
    """A text that is not empty, cut at each delimiter; or a JSON array of such items, as PostgreSQL writes
    the column."""

    name = "list"
    examples = ("a,b", "a", ",", '["a", "b"]')
    constraints = SIZED
    keys = frozenset(("delimiter", "itemType"))
    counts_items = True

    def json_value(self, text: str) -> list[Any]:
        if not text:
            raise ValueFormatError("is not a list: it is empty")
        item = self.settings.item
        found = []
        for number, part in enumerate(self._items(text), 1):
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

    def _items(self, text: str) -> list[str]:
        return _json_items(text) or text.split(self.settings.delimiter)

    def _column_items(self, array: pa.StringArray) -> Any:
        """The items of each text, an array of lists."""
        if pc.any(pc.starts_with(array, "[")).as_py():
            items = [None if text is None else self._items(text) for text in array.to_pylist()]
            return pa.array(items, pa.list_(pa.string()))
        return pc.split_pattern(array, pattern=self.settings.delimiter)

    def item_counts(self, text: TextColumn) -> Int32s:
        counts: Int32s = pc.fill_null(pc.list_value_length(self._column_items(text.array)), 1).to_numpy()
        return counts

    def convert(self, text: TextColumn) -> Converted:
        """Converts the items of all lists as one column, and joins the results again."""
        rows = np.flatnonzero(text.present(text.lengths > 0))
        bad = text.present(text.lengths == 0)
        lists: Any = self._column_items(pc.take(text.array, pa.array(rows)))
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


def _json_items(text: str) -> list[str] | None:
    """The texts of the items of a JSON array that PostgreSQL can keep; None if it is none, or empty."""
    if not (text.startswith("[") and text.endswith("]")):
        return None
    try:
        items = json.loads(text, parse_float=str, parse_int=str)
        found = [{True: "true", False: "false"}.get(item, item) for item in items]
        whole = "".join(found).encode()
    except (ValueError, TypeError, RecursionError):
        return None
    return None if b"\0" in whole else found
