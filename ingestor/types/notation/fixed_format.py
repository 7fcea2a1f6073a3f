"""The quick way to read texts that all have the same width: by the positions of their bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ingestor.columns.text_column import TextColumn, string_array, text_column

_WIDTHS = {"Y": 4, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2}


@dataclass(frozen=True, slots=True)
class FixedFormat:
    """How to read texts of one width.

    `literals` are the (position, character) pairs that a text must have. `iso` has one entry for each
    character of the ISO 8601 text: a position in the source, or a character of its own.
    """

    width: int
    literals: tuple[tuple[int, str], ...]
    iso: tuple[int | str, ...]

    def column_to_iso(self, text: TextColumn) -> TextColumn | None:
        """The ISO 8601 texts with the same digits, missing where a value is; None if a value does not have
        this form. The ISO rules check that digits stand where digits belong."""
        rows = np.flatnonzero(text.lengths == self.width)
        if len(rows) != (len(text) if text.valid is None else int(np.count_nonzero(text.valid))):
            return None
        source = text.data[text.offsets[rows, None] + np.arange(self.width)]
        if any((source[:, at] != ord(character)).any() for at, character in self.literals):
            return None
        # Bytes above ASCII must not be torn out of their characters: the result would not be UTF-8.
        if (source >= 0x80).any():
            return None
        iso = np.empty((len(rows), len(self.iso)), np.uint8)
        for position, item in enumerate(self.iso):
            iso[:, position] = source[:, item] if isinstance(item, int) else ord(item)
        lengths = np.zeros(len(text), np.int32)
        lengths[rows] = len(self.iso)
        offsets = np.zeros(len(text) + 1, np.int32)
        np.cumsum(lengths, out=offsets[1:])
        return text_column(string_array(offsets, iso.reshape(-1)), frozenset(("",)))


def fixed_format(items: Sequence[tuple[str, str]], iso_form: str) -> FixedFormat | None:
    """The format with these parts, each a directive's letter and "" or "" and a literal character; None if
    a directive has no fixed width. `iso_form` has directives' letters in the places of digits."""
    starts: dict[str, int] = {}
    literals: list[tuple[int, str]] = []
    width = 0
    for letter, literal in items:
        if not letter:
            literals.append((width, literal))
            width += 1
        elif letter in _WIDTHS:
            starts[letter] = width
            width += _WIDTHS[letter]
        else:
            return None
    iso: list[int | str] = []
    used: dict[str, int] = {}
    for character in iso_form:
        if character not in _WIDTHS:
            iso.append(character)
        elif character in starts:
            iso.append(starts[character] + used.get(character, 0))
            used[character] = used.get(character, 0) + 1
        else:
            iso.append("0")
    return FixedFormat(width, tuple(literals), tuple(iso))
