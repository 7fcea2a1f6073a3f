"""Cells of text in files that keep numbers, dates and truth values typed, such as workbooks and JSON.

Every cell becomes text. A typed one is written plainly: a decimal point and no groups, ISO 8601, true or
false. A cell of text that could be taken for that is marked as a word (`TextTable.words`), and so what is not
marked and looks typed is typed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from ingestor.columns.arrow import Bytes, Int64s, Mask, pc, to_mask
from ingestor.columns.text_column import bytes_of

# Digits alone are the same in every notation. RE2 and Python.
_LOOKS_TYPED = r"[0-9]\.|\.[0-9]|[0-9]{4}-[0-9]{2}-|[0-9]:[0-9]|^(?:true|false)$"

looks_typed = re.compile(_LOOKS_TYPED).search
"""Whether a cell could be taken for a typed one."""

Words = Mapping[int, Int64s]
"""By column, the `row_index` of the words, ascending."""


def column_looks_typed(column: pa.StringArray) -> Mask:
    """The same for a column; missing cells do not."""
    if not _may_look_typed(bytes_of(column)):
        return np.zeros(len(column), np.bool_)
    return to_mask(pc.match_substring_regex(column, pattern=_LOOKS_TYPED), null=False)


def _may_look_typed(data: Bytes) -> bool:
    """False: no text of these bytes looks typed, which takes a tenth of the time of the expression."""
    digit = (data - ord("0")) <= 9  # bytes below "0" become large
    if digit.any():
        mark = (data == ord(".")) | (data == ord(":")) | (data == ord("-"))
        if (digit[1:] & mark[:-1]).any() or (mark[1:] & digit[:-1]).any():
            return True
    found = data.tobytes()
    return b"true" in found or b"false" in found


def words_among(column: pa.StringArray, is_text: Mask) -> Mask:
    """Which cells are words: those that `is_text` in the file, and look typed."""
    return is_text & column_looks_typed(column) if is_text.any() else is_text


def words_within(words: Words, records: Int64s) -> dict[int, Int64s]:
    """The words of some records (ascending), which are numbered from 0 now."""
    found = {}
    for column, rows in words.items():
        places = np.flatnonzero(np.isin(records, rows))
        if places.size:
            found[column] = places
    return found


def marks_of(words: Words, count: int) -> tuple[Int64s, list[tuple[int, ...]]]:
    """For each of `count` records the place in the list that has its columns with words."""
    code = np.zeros(count, np.int64)
    combinations: list[tuple[int, ...]] = [()]
    for column, rows in sorted(words.items()):
        is_word = np.zeros(count, np.int64)
        is_word[rows] = 1
        used, code = np.unique(code * 2 + is_word, return_inverse=True)
        combinations = [
            (*combinations[value // 2], column) if value % 2 else combinations[value // 2]
            for value in used.tolist()
        ]
    return code, combinations
