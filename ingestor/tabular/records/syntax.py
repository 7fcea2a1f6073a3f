"""Terms of the record rule: the two characters of a dialect, and the ways to break the rule."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

LF, CR = 10, 13
# Columns of the normal form before the table's own; see normal_form.py.
EXTRA_COLUMNS = ("_line", "_reject")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How cells are separated and quoted; the rest is RFC 4180: a quote inside quotes is doubled,
    a record ends at CR, LF or CR LF, mixed as the file likes.

    Both are single ASCII characters, different, neither NUL nor a line end; else ValueError.
    """

    delimiter: str = ","
    quote: str = '"'

    def __post_init__(self) -> None:
        for name, value in (("delimiter", self.delimiter), ("quote", self.quote)):
            if len(value) != 1 or not value.isascii() or value in "\r\n\0":
                raise ValueError(f"{name} {value!r} is not a single ASCII character (and no line end or NUL)")
        if self.delimiter == self.quote:
            raise ValueError("delimiter and quote are the same character")


class BrokenKind(IntEnum):
    """Why a record could not be split into cells. Depends on the bytes of the record only."""

    QUOTE = 1
    """A quote inside an unquoted cell, or text after a closing quote."""
    UNCLOSED = 2
    """A quoted cell is open at the line's end and is never properly closed within the record limit."""
    TOO_LONG = 3
    """The line is longer than the record limit."""


def line_end_size(record: bytes | bytearray) -> int:
    """Length of the line end that a record ends with: 0, 1 or 2 bytes."""
    if record.endswith(b"\r\n"):
        return 2
    return 1 if record.endswith((b"\n", b"\r")) else 0
