"""Hostile delimited text."""

from __future__ import annotations

from collections.abc import Callable


def _rows(row: bytes, megabytes: int) -> bytes:
    return b"id,name\n" + row * (megabytes * 2**20 // len(row))


def one_line(megabytes: int = 40) -> bytes:
    """A record that is longer than any may be."""
    return b"id,name\n1," + b"x" * (megabytes * 2**20) + b"\n2,a\n"


def open_quote(megabytes: int = 40) -> bytes:
    """A quote that is never closed."""
    return b'id,name\n1,"' + b"x,y\n" * (megabytes * 2**18)


def quotes(megabytes: int = 4) -> bytes:
    """Nothing but quotes."""
    return b"id,name\n" + b'"' * (megabytes * 2**20)


def delimiters(megabytes: int = 4) -> bytes:
    """A record of very many empty cells."""
    return b"id,name\n" + b"," * (megabytes * 2**20) + b"\n1,a\n"


def every_delimiter(megabytes: int = 1) -> bytes:
    """Text of which every other character may be a delimiter."""
    return b",;\t|:~^ x" * (megabytes * 2**20 // 9)


def wide_header(columns: int = 200_000) -> bytes:
    """A header of very many columns."""
    return b",".join(b"c%d" % number for number in range(columns)) + b"\n1\n"


def line_ends(megabytes: int = 4) -> bytes:
    """Carriage returns and line feeds in all orders."""
    return b"id,name\n" + b"\r\r\n\n\r" * (megabytes * 2**20 // 5)


def escapes(megabytes: int = 2) -> bytes:
    """Backslashes in front of quotes, which could be escapes."""
    return _rows(b'1,"a\\"b\\\\\\""\n', megabytes)


def bytes_of_all_kinds(megabytes: int = 1) -> bytes:
    """Every byte but NUL, again and again: no encoding has all of them."""
    return b"id,name\n" + bytes(range(1, 256)) * (megabytes * 4096)


def long_words(megabytes: int = 1) -> bytes:
    """Letters of another encoding without a word among them, for those who guess it."""
    return b"id,name\n" + bytes(range(0xC0, 0x100)) * (megabytes * 2**14)


FILES: dict[str, Callable[[], bytes]] = {
    maker.__name__: maker
    for maker in (
        one_line, open_quote, quotes, delimiters, every_delimiter, wide_header, line_ends, escapes,
        bytes_of_all_kinds, long_words,
    )
}  # fmt: skip
