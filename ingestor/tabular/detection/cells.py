"""What a cell looks like: a number, a time, text, or the remains of a wrong split."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

Kind = Literal["empty", "number", "time", "code", "text"]

_MONEY = r"[$€£¥]|USD|EUR|CHF|GBP"
_NUMBER = re.compile(
    rf"[(+\-−]?\s?(?:{_MONEY})?\s?[+\-]?"
    r"(?:\d{1,3}(?:[,.'’ \u00a0\u202f]\d{3})+(?:[.,]\d+)?|\d+(?:[.,]\d*)?|[.,]\d+)"
    rf"(?:[eE][+\-]?\d+)?\s?(?:%|{_MONEY})?\)?-?"
)
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?\s?(?:[AaPp]\.?[Mm]\.?)?\s?(?:Z|UTC|[+\-]\d{2}(?::?\d{2})?)?"
_MONTH = r"(?:jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)[a-z]{0,6}\.?"
_DATE = (
    r"(?:\d{4}[\-/.]\d{1,2}(?:[\-/.]\d{1,2})?|\d{1,2}[\-/.]\d{1,2}[\-/.]\d{2,4}"
    rf"|\d{{1,2}}\.?[\- ]?{_MONTH}[\- ,]*\d{{2,4}}|{_MONTH}[\- ]\d{{1,2}},?[\- ]\d{{4}}"
    rf"|{_MONTH}[\- ]\d{{2,4}})"
)
_TIME = re.compile(rf"(?:{_DATE}(?:[T ,]\s?{_CLOCK})?|{_CLOCK})", re.IGNORECASE)
_CODE = re.compile(
    r"https?://\S+|[\w.+\-]+@[\w\-]+\.[\w.\-]+|[0-9a-fA-F]{8}-[0-9a-fA-F\-]{27}"
    r"|(?:\d{1,3}\.){3}\d{1,3}"
)
_NOTHING = {"", "-", "--", "—", "–", ".", "..", "...", "?", "*", "x", "n/a", "n.a.", "#n/a", "na", "nan"}
_NOTHING |= {"null", "nil", "none", "\\n"}
_LETTER = re.compile(r"[^\W\d_]")
_LONGEST = 64  # characters of a number or a time
_LONGEST_KNOWN = 256


def kind_of(cell: str) -> Kind:
    """The kind of a cell, blanks around it apart. Words for a missing value are empty."""
    return _known_kind_of(cell) if len(cell) <= _LONGEST_KNOWN else _kind_of(cell)


def _kind_of(cell: str) -> Kind:
    value = cell.strip()
    if value.lower() in _NOTHING:
        return "empty"
    if len(value) <= _LONGEST:
        if _NUMBER.fullmatch(value):
            return "number"
        if _TIME.fullmatch(value):
            return "time"
    if _CODE.fullmatch(value):
        return "code"
    return "text"


# Cells repeat; those of a stranger's file that are long stay in no memory.
_known_kind_of = lru_cache(maxsize=16_384)(_kind_of)


def has_letter(cell: str) -> bool:
    """Whether a cell holds a letter."""
    return _LETTER.search(cell) is not None


def filled(cells: Sequence[str]) -> int:
    """Number of cells that hold more than blanks."""
    return sum(1 for cell in cells if cell.strip())


def reach(cells: Sequence[str]) -> int:
    """Number of cells up to the last that holds more than blanks."""
    for at in range(len(cells), 0, -1):
        if cells[at - 1].strip():
            return at
    return 0


def typed_columns(rows: Sequence[Sequence[str]], width: int) -> dict[int, Kind]:
    """The columns that hold numbers or times in nine of ten of their cells that are not empty, with at least
    half of their cells filled."""
    found: dict[int, Kind] = {}
    for column in range(width):
        kinds = [kind_of(row[column]) for row in rows if column < len(row)]
        full = [kind for kind in kinds if kind != "empty"]
        if not full or len(full) * 2 < len(kinds):
            continue
        for kind in ("number", "time"):
            if full.count(kind) >= 0.9 * len(full):
                found[column] = kind
    return found
