"""Terms of the record rule: the characters of a dialect, and the ways to break the rule."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

LF, CR = 10, 13
UTF8_BOM = b"\xef\xbb\xbf"
# The first columns of the normal form; see normal_form.py.
EXTRA_COLUMNS = ("_line", "_reject")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How cells are separated and quoted. The rest is RFC 4180: a quote inside quotes is doubled. A record
    ends at CR, LF or CR LF, which a file may mix.

    ValueError unless both are single ASCII characters, distinct, and neither NUL nor a line end.
    """

    delimiter: str = ","
    quote: str = '"'

    def __post_init__(self) -> None:
        for name, value in (("delimiter", self.delimiter), ("quote", self.quote)):
            if len(value) != 1 or not value.isascii() or value in "\r\n\0":
                raise ValueError(
                    f"{name} {value!r} must be a single ASCII character, neither a line end nor NUL"
                )
        if self.delimiter == self.quote:
            raise ValueError("delimiter and quote must differ")


class BrokenKind(IntEnum):
    """Why a record could not be split into cells; depends only on the bytes of the record."""

    QUOTE = 1
    """A quote inside an unquoted cell, or text after a closing quote."""
    UNCLOSED = 2
    """A quoted cell is open at the end of the line and not properly closed within the record limit."""
    TOO_LONG = 3
    """The line is longer than the record limit."""


def line_end_size(record: bytes | bytearray) -> int:
    """Length in bytes of a record's line end: 0, 1 or 2."""
    if record.endswith(b"\r\n"):
        return 2
    return 1 if record.endswith((b"\n", b"\r")) else 0
