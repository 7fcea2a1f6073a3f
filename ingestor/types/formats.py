"""Formats of dates, datetimes and times: strptime patterns whose every directive has a fixed width.

Only such patterns can be checked exactly on whole columns, by looking at fixed byte positions. Reading
a value means putting its bytes into the order of ISO 8601; the ISO rules then do the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

_WIDTHS = {"Y": 4, "m": 2, "d": 2, "H": 2, "M": 2, "S": 2}
_ISO_DATE = "YYYY-mm-dd"
_ISO_DATETIME = "YYYY-mm-ddTHH:MM:SS"
FormatKind = Literal["date", "datetime", "time"]
_ISO = {"date": _ISO_DATE, "datetime": _ISO_DATETIME, "time": "HH:MM:SS"}
# What a format may have, and what it must have.
_ALLOWED = {"date": "Y m d", "datetime": "Y m d H M S", "time": "H M S"}
_NEEDED = {"date": "Ymd", "datetime": "YmdH", "time": "H"}


@dataclass(frozen=True, slots=True)
class FixedFormat:
    """How to read texts of one width.

    `literals` are (position, character) pairs that must be there. `iso` has one entry for each
    character of the ISO 8601 text: a position in the source, or a character of its own.
    """

    pattern: str
    width: int
    literals: tuple[tuple[int, str], ...]
    iso: tuple[int | str, ...]

    def to_iso(self, text: str) -> str | None:
        """The ISO 8601 text with the same digits, None when `text` has not this form. Whether the
        characters in the places of digits are digits is left to the ISO rules."""
        if len(text) != self.width or any(text[at] != character for at, character in self.literals):
            return None
        return "".join(text[item] if isinstance(item, int) else item for item in self.iso)


def parse_format(pattern: str, kind: FormatKind) -> FixedFormat:
    """Read a strptime pattern. A date needs %Y, %m and %d once each; a datetime also %H, and may have
    %M and %S; a time needs %H alone. Other characters are ASCII and stand for themselves, "%%" for a per
    cent sign.

    Raises ValueError with one sentence.
    """
    starts: dict[str, int] = {}
    literals: list[tuple[int, str]] = []
    width = 0
    characters = iter(pattern)
    for character in characters:
        directive = next(characters, "") if character == "%" else None
        if directive is None or directive == "%":
            if not " " <= character <= "~":
                raise ValueError("a format holds printable ASCII characters only")
            literals.append((width, character))
            width += 1
            continue
        if directive not in _ALLOWED[kind].split():
            allowed = " ".join(f"%{name}" for name in _ALLOWED[kind].split())
            raise ValueError(f'"%{directive}" is not supported in a {kind} format; supported are {allowed}')
        if directive in starts:
            raise ValueError(f'"%{directive}" occurs twice')
        starts[directive] = width
        width += _WIDTHS[directive]
    missing = [f"%{name}" for name in _NEEDED[kind] if name not in starts]
    if missing:
        raise ValueError(f"{' '.join(missing)} is missing in the {kind} format")
    if "S" in starts and "M" not in starts:
        raise ValueError("%S needs %M")
    iso: list[int | str] = []
    used: dict[str, int] = {}
    for character in _ISO[kind]:
        if character not in _WIDTHS:
            iso.append(character)
        elif character in starts:
            iso.append(starts[character] + used.get(character, 0))
            used[character] = used.get(character, 0) + 1
        else:
            iso.append("0")
    return FixedFormat(pattern, width, tuple(literals), tuple(iso))
