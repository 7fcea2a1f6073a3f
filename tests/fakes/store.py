"""Files in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from ingestor.stores.port import (
    BoundedStore,
    FileMissingError,
    FileReader,
    FileWriter,
    StoreFullError,
    check_key,
)


class MemoryFileStore(FileWriter, FileReader, BoundedStore):
    """Files in memory; `room` bounds the bytes of all files together."""

    sync_bytes = 1

    def __init__(self, room: int | None = None) -> None:
        self.files: dict[str, bytearray] = {}
        self.room = room

    def _file(self, key: str) -> bytearray:
        check_key(key)
        if key not in self.files:
            raise FileMissingError(key)
        return self.files[key]

    async def create(self, key: str) -> None:
        check_key(key)
        self.files.setdefault(key, bytearray())

    async def append(self, key: str, offset: int, data: bytes) -> None:
        file = self._file(key)
        if len(file) < offset:
            raise ValueError(f"file has {len(file)} bytes, cannot append at {offset}")
        if self.room is not None and sum(map(len, self.files.values())) + len(data) > self.room:
            raise StoreFullError(key)
        file[offset:] = data

    async def sync(self, key: str, size: int) -> None:
        """Nothing to do in memory."""
        check_key(key)

    async def seal(self, key: str, size: int) -> None:
        file = self._file(key)
        if len(file) < size:
            raise ValueError(f"file has {len(file)} bytes, not {size}")
        del file[size:]

    async def delete(self, key: str) -> None:
        check_key(key)
        self.files.pop(key, None)

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        data = bytes(self._file(key)[start:end])
        for at in range(0, len(data), 2**20):
            yield data[at : at + 2**20]

    def local_path(self, key: str) -> Path | None:
        check_key(key)
        return None

    async def free_bytes(self) -> int:
        return (2**62 if self.room is None else self.room) - sum(map(len, self.files.values()))

    async def check(self) -> None:
        """Memory is always there."""


class LargePieces(MemoryFileStore):
    """One of several instances on the same files: what is not synced waits here, and is gone with it."""

    sync_bytes = 2000

    def __init__(self, files: dict[str, bytearray]) -> None:
        super().__init__()
        self.files = files
        self.open: dict[str, bytearray] = {}

    async def append(self, key: str, offset: int, data: bytes) -> None:
        file = self.open.get(key)
        if file is None or len(file) != offset:
            file = bytearray(self._file(key))
        if len(file) < offset:
            raise ValueError(f"file has {len(file)} bytes, cannot append at {offset}")
        file[offset:] = data
        self.open[key] = file

    async def sync(self, key: str, size: int) -> None:
        """Write what waits."""
        file = self.open.get(key, b"")
        if len(file) >= size:
            self._file(key)[:] = file
        elif len(self._file(key)) < size:
            raise ValueError(f"file has {len(self._file(key))} bytes, not {size}")

    def forget(self) -> None:
        """Other files have needed the room."""
        self.open.clear()
