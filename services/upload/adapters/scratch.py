"""Folders with the temporary files of programs that read files."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import structlog

from ingestor.services.upload.ports import TemporaryFiles
from ingestor.stores.disk import room_on_disk
from ingestor.stores.port import StoreFullError

log = structlog.get_logger(__name__)

_PREFIX = "ingestor-conversion-"
_LEFT_SECONDS = 60.0  # after which a folder that nobody holds is not one that is just being made


class Scratch(TemporaryFiles):
    """Makes folders, each held by a lock as long as this process lives, and removes those that a killed one
    has left."""

    def __init__(self, parent: Path | None, reserve_bytes: int = 0) -> None:
        """`parent` None: the system's folder. Its disk keeps the reserve; work that has begun, as all is that
        has a folder, may use half of it."""
        self._parent = parent or Path(tempfile.gettempdir())
        self._reserve = reserve_bytes
        self._tenants: dict[Path, str] = {}  # by folder

    @asynccontextmanager
    async def folder(self, tenant: str) -> AsyncIterator[Path]:
        """A folder for one program, gone afterwards. Raises StoreFullError when its disk has no room."""
        await self.check_room(1)
        with tempfile.TemporaryDirectory(dir=self._parent, prefix=_PREFIX) as name:
            folder = Path(name)
            held = os.open(folder, os.O_RDONLY)
            self._tenants[folder] = tenant
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                yield folder
            finally:
                del self._tenants[folder]
                os.close(held)

    async def check_room(self, size: int) -> None:
        """Raise StoreFullError unless so many bytes can be written."""
        room = await asyncio.to_thread(room_on_disk, self._parent, self._reserve, into_reserve=True)
        if room < size:
            raise StoreFullError("temporary files")

    async def temporary_bytes(self, tenant: str) -> int:
        folders = [folder for folder, of in self._tenants.items() if of == tenant]
        return await asyncio.to_thread(lambda: sum(map(_bytes_below, folders)))

    def remove_left(self) -> int:
        """Remove the folders of processes that were killed; how many. Blocks."""
        count = 0
        for folder in self._parent.glob(f"{_PREFIX}*"):
            with suppress(OSError):  # another instance removes it, or it is not ours
                if _is_left(folder):
                    shutil.rmtree(folder)
                    count += 1
        if count:
            log.info("temporary files of a killed process removed", folders=count)
        return count


def _is_left(folder: Path) -> bool:
    """Whether nobody holds a folder of this user. Raises OSError."""
    held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        facts = os.fstat(held)
        if facts.st_uid != os.geteuid() or time.time() - facts.st_mtime < _LEFT_SECONDS:
            return False
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(held)
    return True


def _bytes_below(folder: Path) -> int:
    """Bytes of the files below a folder, which may be vanishing."""
    found = 0
    for path, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                found += Path(path, name).lstat().st_size
    return found
