"""The port of file stores."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol, runtime_checkable


class FileMissingError(Exception):
    """No file has this key."""


class StoreFullError(Exception):
    """The store has no room left."""


class FileReader(Protocol):
    """Reads stored files. Keys are made by the upload service: `tenant/uuid`."""

    def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Yield the bytes [start, end) in pieces of at most 1 MiB; `end` None: to the end.

        Raises FileMissingError; TransientError when the store does not answer.
        """
        ...

    def local_path(self, key: str) -> Path | None:
        """Path of the file on the local disk; None when it is remote."""
        ...


class FileWriter(Protocol):
    """Writes files from the front to the back."""

    async def create(self, key: str) -> None:
        """Make an empty file; an existing file stays as it is."""
        ...

    async def append(self, key: str, offset: int, data: bytes) -> None:
        """Write `data` at `offset` and drop everything after it. The caller appends from its committed
        size on, so after a crash the same bytes may be written again.

        Raises FileMissingError, StoreFullError; ValueError when the file is shorter than `offset`.
        """
        ...

    async def sync(self, key: str) -> None:
        """Make appended bytes survive the end of this process. The file need not exist."""
        ...

    async def seal(self, key: str, size: int) -> None:
        """Make the first `size` bytes durable and drop the rest. Idempotent.

        Raises FileMissingError; ValueError when the file is shorter than `size`.
        """
        ...

    async def delete(self, key: str) -> None:
        """Remove the file, if it exists."""
        ...


class FileStore(FileReader, FileWriter, Protocol):
    """Reads and writes files."""

    async def check(self) -> None:
        """Raises OSError or TransientError when the store cannot be used now."""
        ...


@runtime_checkable
class BoundedStore(Protocol):
    """A store with limited room."""

    async def free_bytes(self) -> int:
        """Bytes that can still be written. Raises OSError or TransientError."""
        ...
