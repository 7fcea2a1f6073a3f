"""What every file store does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestor.stores.disk import DiskFileStore
from ingestor.stores.port import FileMissingError, FileStore
from tests.fakes.store import MemoryFileStore

KEY = "default/0193-a"


@pytest.fixture(params=["disk", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> FileStore:
    """A store."""
    return DiskFileStore(tmp_path / "files") if request.param == "disk" else MemoryFileStore()


async def content(store: FileStore, start: int = 0, end: int | None = None, key: str = KEY) -> bytes:
    """What is in the file."""
    return b"".join([piece async for piece in store.read(key, start, end)])


async def test_appends_and_ranges(store: FileStore) -> None:
    await store.check()
    await store.create(KEY)
    assert await content(store) == b""
    await store.append(KEY, 0, b"abc")
    await store.append(KEY, 3, b"defg")
    await store.seal(KEY, 7)
    assert await content(store) == b"abcdefg"
    assert await content(store, 2, 5) == b"cde"
    assert await content(store, 5) == b"fg"
    assert await content(store, 5, 100) == b"fg"
    assert await content(store, 7) == b""
    assert await content(store, 3, 3) == b""


async def test_what_is_behind_the_offset_is_dropped(store: FileStore) -> None:
    """After a crash a client sends from the committed size on."""
    await store.create(KEY)
    await store.append(KEY, 0, b"abcdef")
    await store.append(KEY, 2, b"X")
    assert await content(store) == b"abX"


async def test_sealing_drops_what_is_behind(store: FileStore) -> None:
    await store.create(KEY)
    await store.append(KEY, 0, b"abcdef")
    await store.seal(KEY, 4)
    await store.seal(KEY, 4)
    assert await content(store) == b"abcd"
    with pytest.raises(ValueError, match="4"):
        await store.seal(KEY, 5)


async def test_no_holes(store: FileStore) -> None:
    await store.create(KEY)
    await store.append(KEY, 0, b"ab")
    with pytest.raises(ValueError, match="2"):
        await store.append(KEY, 3, b"x")
    assert await content(store) == b"ab"


async def test_creating_again_changes_nothing(store: FileStore) -> None:
    await store.create(KEY)
    await store.append(KEY, 0, b"ab")
    await store.create(KEY)
    assert await content(store) == b"ab"


async def test_a_missing_file(store: FileStore) -> None:
    await store.delete(KEY)
    with pytest.raises(FileMissingError):
        await content(store)
    with pytest.raises(FileMissingError):
        await store.append(KEY, 0, b"x")
    with pytest.raises(FileMissingError):
        await store.seal(KEY, 0)


async def test_a_deleted_file_is_missing(store: FileStore) -> None:
    await store.create(KEY)
    await store.create("default/other")
    await store.delete(KEY)
    with pytest.raises(FileMissingError):
        await content(store)
    assert await content(store, key="default/other") == b""


async def test_pieces_are_at_most_a_mebibyte(store: FileStore) -> None:
    data = bytes(range(256)) * 4096 * 3 + b"end"
    await store.create(KEY)
    await store.append(KEY, 0, data)
    pieces = [piece async for piece in store.read(KEY)]
    assert b"".join(pieces) == data
    assert max(map(len, pieces)) <= 2**20


@settings(deadline=None, max_examples=40)
@given(
    steps=st.lists(st.tuples(st.floats(0, 1), st.binary(max_size=40)), max_size=8),
    bounds=st.tuples(st.integers(0, 200), st.integers(0, 200)),
)
def test_any_appends_give_what_they_say(
    tmp_path_factory: pytest.TempPathFactory,
    steps: list[tuple[float, bytes]],
    bounds: tuple[int, int],
) -> None:
    async def run(store: FileStore) -> tuple[bytes, bytes]:
        await store.create(KEY)
        size = 0
        for part, data in steps:
            offset = int(part * size)
            await store.append(KEY, offset, data)
            size = offset + len(data)
        return await content(store), await content(store, min(bounds), max(bounds))

    disk = asyncio.run(run(DiskFileStore(tmp_path_factory.mktemp("files"))))
    assert disk == asyncio.run(run(MemoryFileStore()))


@pytest.mark.parametrize("key", ["../x/y", "default/../../etc", "/etc/passwd", "a", "", "default/a/b"])
async def test_a_key_cannot_leave_the_folder(tmp_path: Path, key: str) -> None:
    with pytest.raises(ValueError, match="not a file key"):
        await DiskFileStore(tmp_path).create(key)


async def test_an_unusable_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        await DiskFileStore(tmp_path / "file").check()
