"""Hostile compressed files: small, and large or many when they are opened."""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable

import zstandard

_ROW = b"1,aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"


def _table(size: int) -> bytes:
    return b"id,name\n" + _ROW * (size // len(_ROW))


def gzip_bomb(size: int = 2**30) -> bytes:
    """A table of `size` bytes in gzip, a thousandth of it."""
    made = io.BytesIO()
    with gzip.GzipFile(fileobj=made, mode="wb", mtime=0) as file:
        file.write(b"id,name\n")
        piece = _ROW * 16384
        for _ in range(size // len(piece)):
            file.write(piece)
    return made.getvalue()


def zstd_bomb(size: int = 2**30) -> bytes:
    """The same in zstd, which packs it even smaller."""
    packer = zstandard.ZstdCompressor(level=3).compressobj()
    made = [packer.compress(b"id,name\n")]
    piece = _ROW * 16384
    made += [packer.compress(piece) for _ in range(size // len(piece))]
    return b"".join([*made, packer.flush()])


def zip_bomb(size: int = 2**30) -> bytes:
    """The same in a zip archive."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.csv", "w") as file:
        file.write(b"id,name\n")
        piece = _ROW * 16384
        for _ in range(size // len(piece)):
            file.write(piece)
    return made.getvalue()


def zip_that_lies() -> bytes:
    """An archive whose directory says that its only file has ten bytes; it has 64 MiB."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", _table(2**26))
    data = bytearray(made.getvalue())
    directory = data.rindex(b"PK\x01\x02")
    data[directory + 24 : directory + 28] = struct.pack("<I", 10)
    return bytes(data)


def many_entries(count: int = 60_000) -> bytes:
    """An archive of very many empty files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for number in range(count):
            archive.writestr(f"{number}.csv", b"")
    return made.getvalue()


def nested(depth: int = 50) -> bytes:
    """gzip in gzip in gzip."""
    data = _table(1000)
    for _ in range(depth):
        data = gzip.compress(data, mtime=0)
    return data


def many_members(count: int = 200_000) -> bytes:
    """gzip of very many empty members, and one table."""
    return gzip.compress(b"", mtime=0) * count + gzip.compress(_table(1000), mtime=0)


def cut_off() -> bytes:
    """gzip that ends in the middle."""
    data = gzip.compress(bytes(range(256)) * 4096, mtime=0)
    return data[: len(data) // 2]


def damaged_zlib() -> bytes:
    """A zip archive with random bytes in place of its data."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", _table(100_000))
    data = bytearray(made.getvalue())
    for at in range(60, 200):
        data[at] ^= zlib.crc32(bytes([at])) & 0xFF
    return bytes(data)


FILES: dict[str, Callable[[], bytes]] = {
    maker.__name__: maker
    for maker in (
        gzip_bomb, zstd_bomb, zip_bomb, zip_that_lies, many_entries, nested, many_members, cut_off,
        damaged_zlib,
    )
}  # fmt: skip
