"""Finds the names of the first entries of a zip archive in its beginning; its directory is at the end."""

from __future__ import annotations

import struct
from collections.abc import Iterator

ZIP = b"PK\x03\x04"
_HEADER = struct.Struct("<4xHHHIIIIHH")
_SIZE_FOLLOWS = 8  # the bit of an entry's flags that puts its size behind its data


def entry_names(head: bytes) -> Iterator[str]:
    """The names of the entries that begin in `head`, in lower case and with slashes. An archive within the
    archive is passed over, unless its size is not known beforehand."""
    at = 0
    while head.startswith(ZIP, at) and at + 30 <= len(head):
        _, flags, _, _, _, packed, _, name_size, extra_size = _HEADER.unpack_from(head, at)
        name = head[at + 30 : at + 30 + name_size].decode("utf-8", "replace")
        yield name.replace("\\", "/").lstrip("./").lower()
        at += 30 + name_size + extra_size + packed
        if flags & _SIZE_FOLLOWS and not packed:
            at = head.find(ZIP, at)
            if at < 0:
                return
