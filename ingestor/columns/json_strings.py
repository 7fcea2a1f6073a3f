"""Columns of text as JSON strings."""

from __future__ import annotations

from typing import Any

import numpy as np

from ingestor.columns.arrow import pc
from ingestor.columns.late import pa
from ingestor.columns.text_column import text_column

_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\b": "\\b", "\f": "\\f"}


def json_strings(column: Any) -> Any:
    """Each text as a JSON string, with its quotes; null where the column is null."""
    return pc.binary_join_element_wise('"', escaped(column), '"', "")


def escaped(column: pa.StringArray) -> pa.StringArray:
    """The texts with everything escaped that a JSON string cannot hold as it is (RFC 8259, section 7).
    Only the characters that occur in the column cost anything."""
    data = text_column(column, frozenset()).data
    for character in ("\\", '"'):  # the backslash first: the other escapes contain it
        if (data == ord(character)).any():
            column = pc.replace_substring(column, pattern=character, replacement=_SHORT[character])
    controls = data[data < 0x20]
    for code in np.unique(controls).tolist() if controls.size else ():
        escape = _SHORT.get(chr(code), f"\\u{code:04x}")
        column = pc.replace_substring(column, pattern=chr(code), replacement=escape)
    return column
