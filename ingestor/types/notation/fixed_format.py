"""Formats of dates, datetimes and times: strptime patterns whose every directive has a fixed width.

Only such patterns can be checked exactly on whole columns, by looking at fixed byte positions. Reading
a value means putting its bytes into the order of ISO 8601; the ISO rules do the rest.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from ingestor.columns.arrow import Mask
from ingestor.columns.text_column import TextColumn, string_array, text_column
from ingestor.types.type import Converted, FieldType, Value, ValueFormatError

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

    def to_iso(self, text: str) -> str | None:
        """The ISO 8601 text with the same digits, None if `text` does not have this form. The ISO rules
        check that digits stand where digits belong."""
        if len(text) != self.width or any(text[at] != character for at, character in self.literals):
            return None
        iso = "".join(text[item] if isinstance(item, int) else item for item in self.iso)
        return iso if iso.isascii() else None

    def column_to_iso(self, text: TextColumn) -> tuple[TextColumn, Mask | None]:
        """The same for a column, missing where a value does not have this form; and which values have it
        (bool[n]), None for all."""
        rows = np.flatnonzero(text.lengths == self.width)
        source = text.data[text.offsets[rows, None] + np.arange(self.width)]
        for position, character in self.literals:
            fitting = source[:, position] == ord(character)
            if not fitting.all():
                rows, source = rows[fitting], source[fitting]
        # Bytes above ASCII must not be torn out of their characters: the result would not be UTF-8.
        ascii_only = (source < 0x80).all(axis=1)
        if not ascii_only.all():
            rows, source = rows[ascii_only], source[ascii_only]
        iso = np.empty((len(rows), len(self.iso)), np.uint8)
        for position, item in enumerate(self.iso):
            iso[:, position] = source[:, item] if isinstance(item, int) else ord(item)
        lengths = np.zeros(len(text), np.int32)
        lengths[rows] = len(self.iso)
        offsets = np.zeros(len(text) + 1, np.int32)
        np.cumsum(lengths, out=offsets[1:])
        column = text_column(string_array(offsets, iso.reshape(-1)), frozenset(("",)))
        return column, None if len(rows) == len(text) else lengths > 0


def parse_format(pattern: str, what: str, iso_form: str, needed: str) -> FixedFormat:
    """Read a strptime pattern of `what` ("date"). `iso_form` has the ISO 8601 text with the letters of the
    directives in the places of digits ("YYYY-mm-dd"); a pattern may have each of them once and must have
    the `needed` ones. Other characters are ASCII and stand for themselves, "%%" for a per cent sign.

    Raises ValueError with one sentence.
    """
    allowed = [letter for letter in dict.fromkeys(iso_form) if letter in _WIDTHS]
    starts: dict[str, int] = {}
    literals: list[tuple[int, str]] = []
    width = 0
    characters = iter(pattern)
    for character in characters:
        directive = next(characters, "") if character == "%" else None
        if directive is None or directive == "%":
            if not " " <= character <= "~":
                raise ValueError("a format may hold only printable ASCII characters")
            literals.append((width, character))
            width += 1
            continue
        if directive not in allowed:
            known = " ".join(f"%{name}" for name in allowed)
            raise ValueError(f'"%{directive}" is not supported in a {what} format; supported are {known}')
        if directive in starts:
            raise ValueError(f'"%{directive}" occurs twice')
        starts[directive] = width
        width += _WIDTHS[directive]
    missing = [f"%{name}" for name in needed if name not in starts]
    if missing:
        raise ValueError(f"{' '.join(missing)} is missing in the {what} format")
    if "S" in starts and "M" not in starts:
        raise ValueError("%S needs %M")
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


class FormattedType(FieldType):
    """A type whose values are written as in ISO 8601, or in a fixed format."""

    iso_form: ClassVar[str]
    """The ISO 8601 text, with the letters of strptime's directives for digits."""
    needed: ClassVar[str]
    """The directives that a format must have."""

    @classmethod
    def check_format(cls, format_: str) -> None:
        cls._parsed(format_)

    @classmethod
    def _parsed(cls, format_: str) -> FixedFormat | None:
        return None if format_ == "default" else parse_format(format_, cls.name, cls.iso_form, cls.needed)

    @cached_property
    def _fixed(self) -> FixedFormat | None:
        return self._parsed(self.settings.format)

    def parse(self, text: str) -> Value:
        if self._fixed is None:
            return self.parse_iso(text)
        iso = self._fixed.to_iso(text)
        if iso is None:
            raise ValueFormatError(f"is not a {self.name} of the form {self.settings.format}")
        return self.parse_iso(iso)

    def convert(self, text: TextColumn) -> Converted:
        if self._fixed is None:
            return self.convert_iso(text)
        iso, formed = self._fixed.column_to_iso(text)
        result = self.convert_iso(iso)
        if formed is None:
            return result
        bad = text.present(~formed)
        if result.bad is not None:
            bad |= result.bad
        return Converted(result.column, result.comparable, bad if bad.any() else None)

    @abstractmethod
    def parse_iso(self, text: str) -> Value:
        """The value of a text in the default format. Raises ValueFormatError."""

    @abstractmethod
    def convert_iso(self, text: TextColumn) -> Converted:
        """The same for a column."""
