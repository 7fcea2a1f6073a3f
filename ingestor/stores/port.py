"""The port of file stores."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol, runtime_checkable

from ingestor.access.scope import EVERYTHING, TENANT_NAME, visible


class ForeignFileError(ValueError):
    """The key is not one of the scope's tenant, or none at all."""


class FileMissingError(Exception):
    """No file has this key."""


class StoreFullError(Exception):
    """The store has no space left, or only its reserve."""


_KEY = re.compile(rf"({TENANT_NAME.pattern})/[A-Za-z0-9-]{{1,64}}")


def check_key(key: str) -> None:
    """Raises ForeignFileError unless the scope sees the file: it is the tenant's, or the scope is
    `everything`."""
    found = _KEY.fullmatch(key)
    if found is None or visible() not in (found[1], EVERYTHING):
        raise ForeignFileError("the key is not one of the tenant's files")


class FileReader(Protocol):
    """Reads stored files. The upload service makes their keys: `tenant/uuid`. All calls of a store with a key
    raise ForeignFileError when the file is not the scope's tenant's."""

    def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """Yield the bytes [start, end) in pieces of at most 1 MiB; None stands for the end of the file.

        Raises FileMissingError; TransientError when the store does not answer.
        """
        ...

    def local_path(self, key: str) -> Path | None:
        """Path of the file on the local disk; None when the store is remote."""
        ...


class FileWriter(Protocol):
    """Writes files from start to end."""

    async def create(self, key: str) -> None:
        """Make an empty file; leaves an existing one unchanged."""
        ...

    async def append(self, key: str, offset: int, data: bytes) -> None:
        """Write `data` at `offset` and drop everything after it. Callers go on where they were, or from their
        committed size, which they have synced: what was appended after it may then be gone, because another
        instance may have gone on. The same bytes may be written again after a crash.

        Raises FileMissingError, StoreFullError; ValueError when the file is shorter than `offset`.
        """
        ...

    sync_bytes: int
    """How many new bytes are worth a `sync`; with fewer the store writes some of them again at the next."""

    async def sync(self, key: str, size: int) -> None:
        """Make the first `size` bytes, as they were appended here, survive the end of this process. Harmless
        when the file does not exist any more.

        Raises ValueError when bytes that were appended here are gone.
        """
        ...

    async def seal(self, key: str, size: int) -> None:
        """Make the first `size` bytes durable and drop the rest. Idempotent.

        Raises FileMissingError; ValueError when the file is shorter than `size`.
        """
        ...

    async def delete(self, key: str) -> None:
        """Delete the file if it exists."""
        ...


class FileStore(FileReader, FileWriter, Protocol):
    """Reads and writes files."""

    async def check(self) -> None:
        """Raise OSError or TransientError when the store cannot be used now."""
        ...


@runtime_checkable
class TenantFiles(Protocol):
    """A store that can say and remove all files of a tenant. Raises OSError or TransientError."""

    async def files_of(self, tenant: str) -> tuple[int, int]:
        """How many files, or pieces of files, a tenant has, and how many bytes."""
        ...

    async def delete_files_of(self, tenant: str) -> None:
        """Delete them. Idempotent."""
        ...


@runtime_checkable
class BoundedStore(Protocol):
    """A store with limited space, of which it keeps a reserve: `append` raises StoreFullError before that is
    used."""

    async def free_bytes(self) -> int:
        """Bytes that can still be written, without the reserve; 0 when that has been begun. Raises OSError or
        TransientError."""
        ...
