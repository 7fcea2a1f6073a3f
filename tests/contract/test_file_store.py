"""What every file store does."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingestor.access.scope import everything, within
from ingestor.runtime.aws.clients import open_s3
from ingestor.runtime.settings import AwsSettings
from ingestor.stores.disk import DiskFileStore
from ingestor.stores.port import BoundedStore, FileMissingError, FileStore, ForeignFileError
from ingestor.stores.s3 import S3FileStore
from tests.examples import examples
from tests.fakes.store import MemoryFileStore

KEY = "default/0193-a"


@pytest.fixture(params=["disk", "s3", "memory"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, aws_endpoint: str
) -> AsyncIterator[FileStore]:
    """A store."""
    if request.param == "disk":
        yield DiskFileStore(tmp_path / "files")
    elif request.param == "memory":
        yield MemoryFileStore(2**30)
    else:
        async with s3_stores(aws_endpoint) as (made, _):
            yield made


@asynccontextmanager
async def s3_stores(endpoint: str) -> AsyncIterator[tuple[S3FileStore, S3FileStore]]:
    """Two instances on a bucket of their own."""
    bucket = f"b-{uuid.uuid4().hex}"
    async with open_s3(AwsSettings(aws_endpoint_url=endpoint)) as client:
        await client.create_bucket(Bucket=bucket)
        yield S3FileStore(client, bucket, "p/"), S3FileStore(client, bucket, "p/")


async def content(store: FileStore, start: int = 0, end: int | None = None, key: str = KEY) -> bytes:
    """What is in the file."""
    return b"".join([piece async for piece in store.read(key, start, end)])


async def test_how_much_room_is_left(store: FileStore) -> None:
    """S3 has no end."""
    assert isinstance(store, BoundedStore) is not isinstance(store, S3FileStore)
    if isinstance(store, BoundedStore):
        assert await store.free_bytes() > 0


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
    await store.sync(KEY, 6)
    await store.append(KEY, 2, b"X")
    await store.sync(KEY, 3)
    assert await content(store) == b"abX"


async def test_sealing_drops_what_is_behind(store: FileStore) -> None:
    await store.create(KEY)
    await store.append(KEY, 0, b"abcdef")
    await store.sync(KEY, 4)
    await store.seal(KEY, 4)
    await store.seal(KEY, 4)
    assert await content(store) == b"abcd"
    with pytest.raises(ValueError, match="4"):
        await store.seal(KEY, 5)


async def test_no_holes(store: FileStore) -> None:
    await store.create(KEY)
    await store.append(KEY, 0, b"ab")
    await store.sync(KEY, 2)
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


MIB = 2**20


@settings(max_examples=examples(12))
@given(
    steps=st.lists(
        st.tuples(st.floats(0, 1), st.integers(1, 9 * MIB), st.booleans(), st.booleans()),
        min_size=1,
        max_size=5,
    ),
    bounds=st.tuples(st.integers(0, 30 * MIB), st.integers(0, 30 * MIB)),
)
@example(steps=[(0.0, 2, False, True), (0.0, 1, True, True)], bounds=(0, 2))  # written again, and shorter
@example(steps=[(0.0, 2, False, True), (0.0, 2, True, True), (0.0, 1, False, False)], bounds=(0, 3))
def test_a_file_in_s3_survives_its_writer(
    aws_endpoint: str, steps: list[tuple[float, int, bool, bool]], bounds: tuple[int, int]
) -> None:
    """Pieces smaller and larger than a segment, at places behind which something is dropped; instances
    change, and what was synced is there."""
    pattern = bytes(range(256)) * (9 * MIB // 256 + 1)

    async def run() -> None:
        async with s3_stores(aws_endpoint) as instances:
            expected = bytearray()
            await instances[0].create(KEY)
            active = 0
            for number, (part, count, back, change) in enumerate(steps):
                offset = int(part * len(expected)) if back else len(expected)
                data = pattern[number : number + count]
                await instances[active].append(KEY, offset, data)
                expected[offset:] = data
                await instances[active].sync(KEY, len(expected))
                active ^= change
            low, high = min(bounds), max(bounds)
            assert await content(instances[active], low, high) == expected[low:high]
            await instances[active].seal(KEY, len(expected))
            await instances[active ^ 1].seal(KEY, len(expected))
            assert await content(instances[active ^ 1]) == expected
            assert await content(instances[active], low, high) == expected[low:high]

    asyncio.run(run())


@settings(max_examples=examples(40))
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


class Puts:
    """Counts the bytes that are put, on their way out."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bytes = 0
        put = S3FileStore._put

        async def counted(store: S3FileStore, name: str, data: bytes) -> None:
            self.bytes += len(data)
            await put(store, name, data)

        monkeypatch.setattr(S3FileStore, "_put", counted)


async def test_what_waits_is_put_once(aws_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    puts = Puts(monkeypatch)
    data = bytes(range(256)) * (20 * MIB // 256)
    async with s3_stores(aws_endpoint) as (store, _):
        await store.create(KEY)
        for at in range(0, len(data), MIB):
            await store.append(KEY, at, data[at : at + MIB])
            if (at + MIB) % store.sync_bytes == 0:
                await store.sync(KEY, at + MIB)
                await store.sync(KEY, at + MIB)  # nothing new
        assert await content(store, 0, 16 * MIB) == data[: 16 * MIB]
        assert await content(store) == data  # what waits can be read where it is
        assert await content(store, 19 * MIB + 5, 20 * MIB - 5) == data[19 * MIB + 5 : -5]
        await store.seal(KEY, len(data))
        assert await content(store) == data
    assert puts.bytes == len(data)


async def test_what_waits_does_not_overwrite_what_another_instance_has_written(aws_endpoint: str) -> None:
    """A client leaves the first instance while bytes wait there, goes on at the second from what is
    committed, and comes back."""
    data = bytes(range(256)) * (12 * MIB // 256)
    for back in ("append", "seal", "read", "eviction"):
        async with s3_stores(aws_endpoint) as (first, second):
            await first.create(KEY)
            await first.append(KEY, 0, data[: 8 * MIB])
            await first.sync(KEY, 8 * MIB)
            await first.append(KEY, 8 * MIB, data[8 * MIB : 9 * MIB])  # waits, and is given up
            await second.append(KEY, 8 * MIB, data[8 * MIB : 11 * MIB])
            await second.sync(KEY, 11 * MIB)
            if back == "append":
                await first.append(KEY, 11 * MIB, data[11 * MIB :])
                await first.sync(KEY, 12 * MIB)
                await second.seal(KEY, 12 * MIB)
            elif back == "eviction":
                for number in range(70):
                    await first.create(f"default/{number}")
                    await first.append(f"default/{number}", 0, b"x")
                with pytest.raises(ValueError, match="has only"):
                    await first.sync(KEY, 12 * MIB)  # which it does not have
                await first.sync(KEY, 11 * MIB)
                assert await content(first, key="default/0") == b"x"  # written before its room was taken
            else:
                assert back == "seal" or await content(first, 0, 11 * MIB) == data[: 11 * MIB]
                await first.seal(KEY, 11 * MIB)
            size = 12 * MIB if back == "append" else 11 * MIB
            if back == "eviction":
                await second.seal(KEY, size)
            assert await content(first) == await content(second) == data[:size]


async def calls(store: FileStore, key: str) -> list[Callable[[], Awaitable[object]]]:
    """Everything that a store does with a key."""

    async def path() -> object:
        return store.local_path(key)

    return [
        lambda: store.create(key),
        lambda: store.append(key, 0, b"new"),
        lambda: store.sync(key, 0),
        lambda: store.seal(key, 0),
        lambda: content(store, key=key),
        lambda: content(store, 0, 1, key=key),
        path,
        lambda: store.delete(key),
    ]


@pytest.mark.parametrize(
    "key",
    [
        "acme/0193-a",
        "default2/0193-a",
        "defaul/0193-a",
        "Default/0193-a",
        "../x/y",
        "../acme/0193-a",
        "default/../acme/0193-a",
        "default/../../etc",
        "default//0193-a",
        "/etc/passwd",
        "/default/0193-a",
        "./default/0193-a",
        "default/..",
        "default/.",
        "default/a/b",
        "default/a\\b",
        "default/a\n",
        "default/0193-a/0000000000000000000",
        "default/",
        "default",
        "a",
        "",
        "*/0193-a",
    ],
)
async def test_a_key_of_somebody_else(store: FileStore, key: str) -> None:
    """Nothing is read or written, and it is the same whether or not there is a file."""
    with within("acme"):
        await store.create("acme/0193-a")
        await store.append("acme/0193-a", 0, b"theirs")
    for call in await calls(store, key):
        with pytest.raises(ForeignFileError):
            await call()
    with everything():  # the service's own work sees files of all tenants, but no other keys
        assert await content(store, key="acme/0193-a") == b"theirs"
        if key not in ("acme/0193-a", "default2/0193-a", "defaul/0193-a"):
            for call in await calls(store, key):
                with pytest.raises(ForeignFileError):
                    await call()


async def test_a_name_that_begins_as_another(store: FileStore) -> None:
    """Deleting the file of one tenant leaves those of a tenant whose name is longer."""
    for name in ("acme", "acme2"):
        with within(name):
            await store.create(f"{name}/0193-a")
            await store.append(f"{name}/0193-a", 0, name.encode())
    with within("acme"):
        await store.delete("acme/0193-a")
        with pytest.raises(FileMissingError):
            await content(store, key="acme/0193-a")
    with within("acme2"):
        assert await content(store, key="acme2/0193-a") == b"acme2"


async def test_an_unusable_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        await DiskFileStore(tmp_path / "file").check()
