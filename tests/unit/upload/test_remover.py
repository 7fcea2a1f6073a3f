"""Files and records of a removed process: all are removed, whatever happened before."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from ingestor.removals.ports import Removal
from ingestor.runtime.errors import TransientError
from ingestor.services.upload.remover import UploadRemover
from ingestor.services.upload.uploads import Content, Upload, UploadState
from ingestor.stores.port import FileWriter
from tests.fakes.store import MemoryFileStore
from tests.fakes.uploads import MemoryUploads

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class SetClock:
    """A clock that a test sets."""

    time = NOW

    def now(self) -> datetime:
        """The time that was set."""
        return self.time


class BreakingStore(MemoryFileStore, FileWriter):
    """Fails once, at the second file."""

    deletions = 0

    async def delete(self, key: str) -> None:
        self.deletions += 1
        if self.deletions == 2:
            raise OSError("the disk is away")
        await super().delete(key)


async def upload(uploads: MemoryUploads, store: MemoryFileStore) -> str:
    """A complete upload that was converted; the process."""
    made = str(uuid.uuid4())
    process = str(uuid.uuid4())
    await uploads.add(
        Upload(made, "default", None, "a.xlsx", 0, f"default/{made}", UploadState.OPEN, 0, None, NOW)
    )
    await uploads.complete(made, process, "", 0, "{}", NOW)
    for key in (f"default/{made}", f"default/{made}-text"):
        store.files[key] = bytearray(b"x")
    return process


def removal(process: str) -> Removal:
    """Its removal."""
    return Removal(1, process, "default", True)


async def test_files_and_records_go() -> None:
    uploads, store = MemoryUploads(), MemoryFileStore()
    process, other = await upload(uploads, store), await upload(uploads, store)
    remover = UploadRemover(uploads, store, SetClock())
    for _ in range(2):
        await remover(removal(process))
        assert set(store.files) == set(await uploads.files(other))
        assert list(uploads.work) == [other]


async def test_a_removal_that_broke_off_goes_on() -> None:
    uploads, store = MemoryUploads(), BreakingStore()
    process = await upload(uploads, store)
    remover = UploadRemover(uploads, store, SetClock())
    with pytest.raises(OSError, match="away"):
        await remover(removal(process))
    assert len(store.files) == 1
    assert len(uploads.uploads) == 1  # they say which files there are
    await remover(removal(process))
    assert (store.files, uploads.uploads) == ({}, {})


async def test_a_file_that_is_being_delivered_waits() -> None:
    uploads, store, clock = MemoryUploads(), MemoryFileStore(), SetClock()
    process = await upload(uploads, store)
    assert await uploads.take("me", NOW, NOW + timedelta(seconds=30))
    await uploads.keep_content(process, "me", Content("default/x", 1, True, "{}"))
    remover = UploadRemover(uploads, store, clock)
    with pytest.raises(TransientError):
        await remover(removal(process))
    assert len(store.files) == 2
    await uploads.done(process, "me", NOW)
    await remover(removal(process))
    assert store.files == {}
