"""Rows without a pipeline: each one becomes the text of a JSON object, label to cell."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from services.processor.arrow import pc
from services.processor.text_column import text_column

_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def json_rows(columns: Sequence[pa.StringArray], labels: Sequence[str]) -> pa.StringArray:
    """One JSON object per row, in the columns' order; every value is a string.

    `columns` are n values each, without nulls; `labels` are as many, and unique. At least one column.
    """
    parts: list[Any] = []
    for number, (column, label) in enumerate(zip(columns, labels, strict=True)):
        before = '", ' if number else "{"
        parts.append(before + json.dumps(label, ensure_ascii=False) + ': "')
        parts.append(_escaped(column))
    rows: pa.StringArray = pc.binary_join_element_wise(*parts, '"}', "")
    return rows


def _escaped(column: pa.StringArray) -> pa.StringArray:
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
