"""A disk of files that is never full."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from ingestor.services.upload.adapters.file_metrics import ProgramMetrics
from ingestor.services.upload.adapters.scratch import Scratch
from ingestor.services.upload.adapters.subprocess_converter import ConverterLimits, SubprocessConverter
from ingestor.services.upload.uploads import Upload, UploadState
from ingestor.stores.disk import DiskFileStore
from ingestor.stores.keys import text_key
from ingestor.stores.open import for_work
from ingestor.stores.port import StoreFullError
from tests.fakes.store import MemoryFileStore
from tests.small_disk import free_bytes, small_disk

MEGABYTE = 2**20
LIMITS = ConverterLimits(448 * MEGABYTE, 60, 2)
LINES = b'{"id": 1, "name": "%s"}\n' % (b"x" * 1000)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 40 MiB, whose reserve is 4 MiB at most."""
    with small_disk(tmp_path / "disk", 40) as folder:
        yield folder


def upload(name: str, size: int) -> Upload:
    """A complete upload."""
    return Upload(
        "u", "default", None, name, size, "default/u", UploadState.COMPLETED, size, None,
        datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def converter(store: DiskFileStore | MemoryFileStore, scratch: Path, reserve: int = 0) -> SubprocessConverter:
    """A converter of the files in a store."""
    metrics = ProgramMetrics(CollectorRegistry())
    return SubprocessConverter(for_work(store), Scratch(scratch, reserve), metrics, LIMITS)


async def fill(store: DiskFileStore, key: str, piece: int = MEGABYTE) -> int:
    """Write until the store says that it is full; the bytes that are in the file."""
    await store.create(key)
    size = 0
    with pytest.raises(StoreFullError):
        while True:
            await store.append(key, size, b"x" * piece)
            size += piece
    assert (await store.files_of("default"))[1] >= size
    return size


async def test_new_files_leave_the_reserve_and_work_that_has_begun_a_half(disk: Path) -> None:
    store = DiskFileStore(disk, 2**30)  # a tenth of the disk is less
    size = await fill(store, "default/a")
    assert 4 * MEGABYTE <= free_bytes(disk) < 5 * MEGABYTE
    assert await store.free_bytes() < MEGABYTE
    await fill(store, "default/b", 4096)
    assert await store.free_bytes() < 4096
    at_work = for_work(store)
    assert isinstance(at_work, DiskFileStore)
    await fill(at_work, "default/a-text", 4096)
    assert 2 * MEGABYTE <= free_bytes(disk) < 2 * MEGABYTE + 4096
    assert await store.free_bytes() == 0
    await store.append("default/a", size // 2, b"y")  # where there was more
    assert await store.free_bytes() > size // 3


async def test_a_conversion_that_finds_no_room_leaves_none_of_it_behind(disk: Path, tmp_path: Path) -> None:
    """Others may need the room, and it begins anew when there is some."""
    store = DiskFileStore(disk, 2**30)
    data = LINES * 8000
    await store.create("default/u")
    await store.append("default/u", 0, data)
    await store.create("default/other")
    await store.append("default/other", 0, b"x" * (40 * MEGABYTE - len(data) - 5 * MEGABYTE))
    file = upload("a.jsonl", len(data))
    for _ in range(2):
        before = free_bytes(disk)
        with pytest.raises(StoreFullError):
            await converter(store, tmp_path).convert(file, "{}")
        assert free_bytes(disk) == before
    await store.delete("default/other")
    content = await converter(store, tmp_path).convert(file, "{}")
    assert content.file_key == text_key("default/u")


async def test_no_program_begins_without_room_for_temporary_files(disk: Path) -> None:
    store = MemoryFileStore()
    data = b"id,name\n1,a\n"
    await store.create("default/u")
    await store.append("default/u", 0, data)
    file = upload("a.csv", len(data))
    looking = converter(store, disk, 2**30)
    assert (await looking.excerpt(file, "{}", 10)).columns == ("id", "name")
    (disk / "full").write_bytes(b"x" * (38 * MEGABYTE))
    with pytest.raises(StoreFullError):
        await looking.excerpt(file, "{}", 10)
    (disk / "full").write_bytes(b"x" * (36 * MEGABYTE))
    larger = replace(file, committed_size=3 * MEGABYTE)  # more than may be copied
    with pytest.raises(StoreFullError):
        await looking.excerpt(larger, "{}", 10)
    assert os.listdir(disk) == ["full"]  # noqa: PTH208


async def test_temporary_files_are_counted(tmp_path: Path) -> None:
    store, seen = MemoryFileStore(), []

    class Looking(SubprocessConverter):
        """Looks how much there is while a program runs."""

        async def _execute(self, *arguments: Any, **more: Any) -> dict[str, Any]:
            seen.extend([await self.temporary_bytes(name) for name in ("default", "acme")])
            return await super()._execute(*arguments, **more)

    data = b"id,name\n" + b"1,a\n" * 1000
    await store.create("default/u")
    await store.append("default/u", 0, data)
    looking = Looking(store, Scratch(tmp_path), ProgramMetrics(CollectorRegistry()), LIMITS)
    await looking.excerpt(upload("a.csv", len(data)), "{}", 10)
    assert seen == [len(data), 0]  # a copy of the file, from a store that is elsewhere
    assert await looking.temporary_bytes("default") == 0


_HOLDING = """
import asyncio, sys
from pathlib import Path
from ingestor.services.upload.adapters.scratch import Scratch
async def main():
    async with Scratch(Path(sys.argv[1])).folder("default") as folder:
        (folder / "source").write_bytes(b"x" * 1000)
        print(folder.name, flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""


def test_what_a_killed_process_has_left_is_removed(tmp_path: Path) -> None:
    """And nothing else: what another process holds, what is just being made, what has another name."""
    processes = [
        subprocess.Popen([sys.executable, "-c", _HOLDING, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    try:
        names = [process.stdout.readline().strip() for process in processes if process.stdout]
        (tmp_path / "ingestor-other").mkdir()
        (tmp_path / "ingestor-conversion-link").symlink_to(tmp_path / "ingestor-other")
        for entry in tmp_path.iterdir():
            os.utime(entry, (0, 0))
        (tmp_path / "ingestor-conversion-new").mkdir()
        scratch = Scratch(tmp_path)
        assert scratch.remove_left() == 0
        processes[0].kill()
        processes[0].wait()
        assert scratch.remove_left() == 1
        kept = {names[1], "ingestor-other", "ingestor-conversion-link", "ingestor-conversion-new"}
        assert {entry.name for entry in tmp_path.iterdir()} == kept
    finally:
        for process in processes:
            process.kill()
            process.communicate()
