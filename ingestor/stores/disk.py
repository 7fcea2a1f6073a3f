"""Keeps files in a folder of the local disk or of a shared file system."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from ingestor.access.scope import TENANT_NAME
from ingestor.stores.port import BoundedStore, FileMissingError, FileStore, StoreFullError, check_key

_PIECE = 1024 * 1024
_LARGEST_RESERVE = 10  # the reserve is at most one part in so many of the disk


def room_on_disk(folder: Path, reserve: int, *, into_reserve: bool = False) -> int:
    """Bytes that this user can still write to the disk of a folder while `reserve` bytes stay free, at most a
    tenth of the disk; with `into_reserve` only half of them. Raises OSError."""
    disk = os.statvfs(folder)
    reserve = min(reserve, disk.f_blocks * disk.f_frsize // _LARGEST_RESERVE)
    if into_reserve:
        reserve //= 2
    return max(0, disk.f_bavail * disk.f_frsize - reserve)


class DiskFileStore(FileStore, BoundedStore):
    """One file per key below `root`. Calls run in threads, so the event loop never waits for a disk."""

    sync_bytes = 1

    def __init__(self, root: Path, reserve_bytes: int = 0, *, into_reserve: bool = False) -> None:
        """Nothing is written that would leave less than the reserve on the disk; with `into_reserve` less
        than half of it."""
        self._root = root
        self._reserve = reserve_bytes
        self._into_reserve = into_reserve

    def for_work(self) -> DiskFileStore:
        """The same store for work that has begun: it may use half of the reserve."""
        return DiskFileStore(self._root, self._reserve, into_reserve=True)

    def _room(self, folder: Path) -> int:
        return room_on_disk(folder, self._reserve, into_reserve=self._into_reserve)

    def _path(self, key: str) -> Path:
        check_key(key)
        return self._root / key

    async def create(self, key: str) -> None:
        path = self._path(key)

        def make() -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o640)

        await asyncio.to_thread(make)

    async def append(self, key: str, offset: int, data: bytes) -> None:
        await asyncio.to_thread(self._append, self._path(key), offset, data)

    def _append(self, path: Path, offset: int, data: bytes) -> None:
        try:
            descriptor = os.open(path, os.O_WRONLY)
        except FileNotFoundError as error:
            raise FileMissingError(path.name) from error
        try:
            size = os.fstat(descriptor).st_size
            if size < offset:
                raise ValueError(f"the file has only {size} bytes, cannot append at {offset}")
            if size > offset:
                os.ftruncate(descriptor, offset)
            if self._room(path.parent) < len(data):
                raise StoreFullError(path.name)
            view, position = memoryview(data), offset
            while view:
                written = os.pwrite(descriptor, view, position)
                view, position = view[written:], position + written
            # Has the system begin to write, so that `seal` need not wait for all of the file at once; what is
            # not written yet stays in memory all the same.
            if sys.platform == "linux":
                os.posix_fadvise(descriptor, offset, len(data), os.POSIX_FADV_DONTNEED)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise StoreFullError(path.name) from error
            raise
        finally:
            os.close(descriptor)

    async def sync(self, key: str, size: int) -> None:
        """Nothing to do: the page cache keeps written bytes when the process ends."""
        check_key(key)

    async def seal(self, key: str, size: int) -> None:
        await asyncio.to_thread(self._seal, self._path(key), size)

    @staticmethod
    def _seal(path: Path, size: int) -> None:
        try:
            descriptor = os.open(path, os.O_RDWR)
        except FileNotFoundError as error:
            raise FileMissingError(path.name) from error
        try:
            actual = os.fstat(descriptor).st_size
            if actual < size:
                raise ValueError(f"the file has only {actual} bytes, not {size}")
            if actual > size:
                os.ftruncate(descriptor, size)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        folder = os.open(path.parent, os.O_RDONLY)  # the directory entry must be durable too
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    async def delete(self, key: str) -> None:
        path = self._path(key)
        await asyncio.to_thread(lambda: path.unlink(missing_ok=True))

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        try:
            file = await asyncio.to_thread(self._path(key).open, "rb", 0)
        except FileNotFoundError as error:
            raise FileMissingError(key) from error
        try:
            position = start
            while end is None or position < end:
                count = _PIECE if end is None else min(_PIECE, end - position)
                piece = await asyncio.to_thread(os.pread, file.fileno(), count, position)
                if not piece:
                    return
                position += len(piece)
                yield piece
        finally:
            file.close()

    def local_path(self, key: str) -> Path | None:
        return self._path(key)

    async def files_of(self, tenant: str) -> tuple[int, int]:
        def look() -> tuple[int, int]:
            sizes = [path.stat().st_size for path in self._folder(tenant).glob("*")]
            return len(sizes), sum(sizes)

        return await asyncio.to_thread(look)

    async def delete_files_of(self, tenant: str) -> None:
        def delete() -> None:
            folder = self._folder(tenant)
            if folder.exists():
                shutil.rmtree(folder)

        await asyncio.to_thread(delete)

    def _folder(self, tenant: str) -> Path:
        if not TENANT_NAME.fullmatch(tenant):
            raise ValueError(f"{tenant!r} is not the name of a tenant")
        return self._root / tenant

    async def free_bytes(self) -> int:
        def free() -> int:
            self._root.mkdir(parents=True, exist_ok=True)
            return self._room(self._root)

        return await asyncio.to_thread(free)

    async def check(self) -> None:
        def look() -> None:
            self._root.mkdir(parents=True, exist_ok=True)
            if not os.access(self._root, os.W_OK):
                raise OSError(errno.EACCES, "the file store's folder is not writable", str(self._root))

        await asyncio.to_thread(look)
