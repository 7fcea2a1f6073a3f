"""Hostile JSON, as a document and by lines."""

from __future__ import annotations

from collections.abc import Callable


def deep(depth: int = 2_000_000) -> bytes:
    """Arrays within arrays."""
    return b'[{"a":' + b"[" * depth + b"]" * depth + b"}]"


def deep_objects(depth: int = 500_000) -> bytes:
    """Objects within objects, which could each hold the rows."""
    return b'{"a":' * depth + b"1" + b"}" * depth


def open_string(megabytes: int = 40) -> bytes:
    """A string that does not end."""
    return b'[{"a":"' + b"x" * (megabytes * 2**20)


def names(count: int = 200_000) -> bytes:
    """An object with very many names."""
    return b"[{" + b",".join(b'"n%d":1' % number for number in range(count)) + b"}]"


def new_names(count: int = 200_000) -> bytes:
    """A new name in every object."""
    return b"\n".join(b'{"n%d":1}' % number for number in range(count))


def same_name(count: int = 1_000_000) -> bytes:
    """One name very often."""
    return b"[{" + b",".join([b'"a":1'] * count) + b"}]"


def digits(count: int = 5_000_000) -> bytes:
    """A number of very many digits."""
    return b'[{"a":' + b"9" * count + b"}]"


def sparse(columns: int = 1500, rows: int = 120_000) -> bytes:
    """Few names in each object, very many in all of them: a table of empty cells, and far larger."""
    head = b"{" + b",".join(b'"%d":1' % number for number in range(columns)) + b"}\n"
    return head + b'{"1":1}\n' * rows


def arrays(count: int = 100_000) -> bytes:
    """An object with very many arrays of objects, of which one could be the table."""
    return b"{" + b",".join(b'"a%d":[{"b":1}]' % number for number in range(count)) + b"}"


FILES: dict[str, Callable[[], bytes]] = {
    maker.__name__: maker
    for maker in (
        deep, deep_objects, open_string, names, new_names, same_name, digits, sparse, arrays,
    )
}  # fmt: skip
