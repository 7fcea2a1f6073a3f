"""Rows without a pipeline: each one becomes the text of a JSON object, label to cell."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ingestor.checking.arrow import pc
from ingestor.checking.text_column import text_column

_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def json_rows(columns: Sequence[pa.StringArray], labels: Sequence[str]) -> pa.StringArray:
    """One JSON object per row, in the columns' order; every value is a string, or null where the cell is.

    `columns` are n values each; `labels` are as many, and unique but for "", which leaves a column
    out. At least one column.
    """
    parts: list[Any] = []
    for column, label in zip(columns, labels, strict=True):
        if not label:
            continue
        parts.append((", " if parts else "{") + json.dumps(label, ensure_ascii=False) + ": ")
        parts.extend(_value(column))
    if not parts:
        return pa.array(["{}"] * len(columns[0]), pa.string())
    rows: pa.StringArray = pc.binary_join_element_wise(*parts, "}", "")
    return rows


def _value(column: pa.StringArray) -> list[Any]:
    if not column.null_count:
        return ['"', escaped(column), '"']
    quoted = pc.binary_join_element_wise('"', escaped(column), '"', "")
    return [pc.fill_null(quoted, "null")]


def escaped(column: pa.StringArray) -> pa.StringArray:
    """What may not stand in a JSON string as it is (RFC 8259, section 7), escaped. Only the characters
    that occur in the column cost anything."""
    data = text_column(column, frozenset()).data
    for character in ("\\", '"'):  # the backslash first: the others bring some of their own
        if (data == ord(character)).any():
            column = pc.replace_substring(column, pattern=character, replacement=_SHORT[character])
    controls = data[data < 0x20]
    for code in np.unique(controls).tolist() if controls.size else ():
        escape = _SHORT.get(chr(code), f"\\u{code:04x}")
        column = pc.replace_substring(column, pattern=chr(code), replacement=escape)
    return column
