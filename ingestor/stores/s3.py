"""Keeps files in an S3 bucket.

S3 cannot append, so an open file consists of segments of 8 MiB: objects named by the offset of their
first byte (`<key>/0000000000008388608`). The last segment is kept in memory; each `sync` writes it again
until it is full.
`seal` joins the segments into one object by a multipart upload whose parts S3 copies itself. The names and
sizes of the segments are the only state, so any instance can continue a file.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from ingestor.access.scope import TENANT_NAME
from ingestor.runtime.aws.clients import aws_errors
from ingestor.stores.port import FileMissingError, FileStore, check_key

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_s3.type_defs import CompletedPartTypeDef

SEGMENT_BYTES = 8 * 2**20  # a part of a multipart upload has at least 5 MiB
_PIECE = 2**20
_MOST_OPEN = 64  # files whose last segment is kept in memory
_COPIES = 8  # parts copied at the same time


@dataclass(slots=True)
class _Open:
    """An open file: whole segments (offset, size), and the bytes of the last one."""

    segments: list[tuple[int, int]] = field(default_factory=list)
    tail: bytearray = field(default_factory=bytearray)
    dirty: bool = False  # the tail in S3 is out of date

    @property
    def tail_start(self) -> int:
        """Offset of the tail."""
        return self.segments[-1][0] + self.segments[-1][1] if self.segments else 0

    @property
    def size(self) -> int:
        """Size of the file so far."""
        return self.tail_start + len(self.tail)

    def goes_on(self, stored: _Open) -> bool:
        """Whether bytes wait here that follow those stored."""
        return self.dirty and self.tail_start == stored.tail_start and self.tail.startswith(stored.tail)


class S3FileStore(FileStore):
    sync_bytes = SEGMENT_BYTES

    def __init__(self, client: S3Client, bucket: str, prefix: str = "") -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._open: OrderedDict[str, _Open] = OrderedDict()

    def _name(self, key: str) -> str:
        return f"{self._prefix}{key}"

    def _segment(self, key: str, start: int) -> str:
        return f"{self._name(key)}/{start:019d}"

    # -- writing -----------------------------------------------------------------------------------

    async def create(self, key: str) -> None:
        check_key(key)
        async with aws_errors("file store"):
            if await self._sealed_size(key) is None and not await self._list(key):
                await self._put(self._segment(key, 0), b"")

    async def append(self, key: str, offset: int, data: bytes) -> None:
        check_key(key)
        async with aws_errors("file store"):
            file = self._open.get(key)
            if file is None or file.size != offset or (file.tail and not file.dirty):
                # Another instance may have gone on, or have written the same bytes again: what is in memory
                # here must not be written over that. Nobody else has bytes that wait here.
                file = await self._load(key)
            if file.size < offset:
                raise ValueError(f"the file has only {file.size} bytes, cannot append at {offset}")
            if file.size > offset:
                await self._truncate(key, file, offset)
            await self._make_room(key)
            self._open[key] = file
            self._open.move_to_end(key)
            view = memoryview(data)
            while view:
                room = SEGMENT_BYTES - len(file.tail)
                file.tail += view[:room]
                file.dirty = True
                view = view[room:]
                if len(file.tail) == SEGMENT_BYTES:
                    await self._flush(key, file)
                    file.segments.append((file.tail_start, SEGMENT_BYTES))
                    file.tail = bytearray()
            self._open[key] = file  # others may have needed its room meanwhile

    async def sync(self, key: str, size: int) -> None:
        check_key(key)
        file = self._open.get(key)
        async with aws_errors("file store"):
            if file is not None and file.size >= size:
                await self._flush(key, file)
            elif (stored := await self._stored_size(key)) is not None and stored < size:
                raise ValueError(f"the file has only {stored} bytes, not {size}")

    async def _stored_size(self, key: str) -> int | None:
        """Size of the open file as stored in S3; None when it is sealed or deleted."""
        try:
            return (await self._load(key)).size
        except FileMissingError:
            return None

    async def seal(self, key: str, size: int) -> None:
        check_key(key)
        async with aws_errors("file store"):
            sealed = await self._sealed_size(key)
            if sealed is None:
                known = self._open.get(key)
                if known is not None and known.size == size:
                    await self._flush(key, known)
                file = await self._load(key)
                if file.size < size:
                    raise ValueError(f"the file has only {file.size} bytes, not {size}")
                if file.size > size:
                    await self._truncate(key, file, size)
                    await self._flush(key, file)
                await self._compose(key, size)
            elif sealed != size:
                raise ValueError(f"the file has {sealed} bytes, not {size}")
            self._open.pop(key, None)
            await self._remove(await self._list(key))

    async def delete(self, key: str) -> None:
        check_key(key)
        self._open.pop(key, None)
        async with aws_errors("file store"):
            await self._client.delete_object(Bucket=self._bucket, Key=self._name(key))
            await self._remove(await self._list(key))

    async def _make_room(self, key: str) -> None:
        """Keep the number of tails in memory below the limit, writing one before dropping it."""
        while len(self._open) >= _MOST_OPEN and key not in self._open:
            oldest, file = next(iter(self._open.items()))
            if file.dirty and await self._is_ahead(oldest, file):
                await self._flush(oldest, file)
            self._open.pop(oldest, None)

    async def _is_ahead(self, key: str, file: _Open) -> bool:
        """Whether the tail here goes on where the file in S3 ends: the file was not deleted, and no other
        instance has gone on with it."""
        stored = [(int(name.rpartition("/")[2]), size) for name, size in await self._list(key)]
        return bool(stored) and all(
            at < file.tail_start or (at == file.tail_start and size <= len(file.tail)) for at, size in stored
        )

    async def _flush(self, key: str, file: _Open) -> None:
        if file.dirty:
            await self._put(self._segment(key, file.tail_start), bytes(file.tail))
            file.dirty = False

    async def _put(self, name: str, data: bytes) -> None:
        await self._client.put_object(Bucket=self._bucket, Key=name, Body=data)

    async def _list(self, key: str) -> list[tuple[str, int]]:
        """Names and sizes of the segments, in order."""
        found: list[tuple[str, int]] = []
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=f"{self._name(key)}/"
        )
        async for page in pages:
            found += [(entry["Key"], entry["Size"]) for entry in page.get("Contents", [])]
        return sorted(found)

    async def _load(self, key: str) -> _Open:
        """The file as stored in S3. Segments after a gap are left from an earlier attempt."""
        listed = await self._list(key)
        if not listed:
            raise FileMissingError(key)
        file = _Open()
        for name, size in listed:
            start = int(name.rpartition("/")[2])
            if start != file.tail_start:
                break
            if size < SEGMENT_BYTES:
                file.tail = bytearray(await self._get(name))
                break
            file.segments.append((start, size))
        return file

    async def _truncate(self, key: str, file: _Open, size: int) -> None:
        """Drop everything after `size`, first in S3, so that no instance loads it again."""
        last = size // SEGMENT_BYTES * SEGMENT_BYTES
        after = [(name, n) for name, n in await self._list(key) if int(name.rpartition("/")[2]) > last]
        await self._remove(after)
        if last < file.tail_start:
            file.tail = bytearray(await self._get(self._segment(key, last)))
            file.segments = [segment for segment in file.segments if segment[0] < last]
        del file.tail[size - last :]
        file.dirty = True

    async def _remove(self, objects: Sequence[tuple[str, int]]) -> None:
        for at in range(0, len(objects), 1000):
            await self._client.delete_objects(
                Bucket=self._bucket,
                Delete={"Objects": [{"Key": name} for name, _ in objects[at : at + 1000]], "Quiet": True},
            )

    async def _compose(self, key: str, size: int) -> None:
        """Join the segments into one object; it is durable on return."""
        segments = [(name, n) for name, n in await self._list(key) if n][: -(-size // SEGMENT_BYTES)]
        if len(segments) < 2:
            await self._put(self._name(key), await self._get(segments[0][0]) if segments else b"")
            return
        started = await self._client.create_multipart_upload(Bucket=self._bucket, Key=self._name(key))
        upload = started["UploadId"]
        slots = asyncio.Semaphore(_COPIES)

        async def copy(number: int, name: str) -> CompletedPartTypeDef:
            async with slots:
                answer = await self._client.upload_part_copy(
                    Bucket=self._bucket, Key=self._name(key), UploadId=upload, PartNumber=number,
                    CopySource={"Bucket": self._bucket, "Key": name},
                )  # fmt: skip
                return {"PartNumber": number, "ETag": answer["CopyPartResult"]["ETag"]}

        try:
            parts = await asyncio.gather(
                *(copy(number, name) for number, (name, _) in enumerate(segments, 1))
            )
            await self._client.complete_multipart_upload(
                Bucket=self._bucket, Key=self._name(key), UploadId=upload, MultipartUpload={"Parts": parts}
            )
        except BaseException:
            await self._client.abort_multipart_upload(
                Bucket=self._bucket, Key=self._name(key), UploadId=upload
            )
            raise

    async def files_of(self, tenant: str) -> tuple[int, int]:
        async with aws_errors("file store"):
            found = await self._list(_checked(tenant))
        return len(found), sum(size for _, size in found)

    async def delete_files_of(self, tenant: str) -> None:
        async with aws_errors("file store"):
            await self._abort_joins(_checked(tenant))
            await self._remove(await self._list(tenant))

    async def _abort_joins(self, tenant: str) -> None:
        """Drop the parts of files whose segments were being joined."""
        found = await self._client.list_multipart_uploads(
            Bucket=self._bucket, Prefix=f"{self._name(tenant)}/"
        )
        for each in found.get("Uploads", []):
            await self._client.abort_multipart_upload(
                Bucket=self._bucket, Key=each["Key"], UploadId=each["UploadId"]
            )

    # -- reading -----------------------------------------------------------------------------------

    async def _sealed_size(self, key: str) -> int | None:
        """Size of the file when it is sealed, else None."""
        try:
            answer = await self._client.head_object(Bucket=self._bucket, Key=self._name(key))
        except ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
                return None
            raise
        return answer["ContentLength"]

    async def _get(self, name: str) -> bytes:
        answer = await self._client.get_object(Bucket=self._bucket, Key=name)
        async with answer["Body"] as body:
            return await body.read()

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        check_key(key)
        if end is not None and end <= start:
            return
        async with aws_errors("file store"):
            size = await self._sealed_size(key)
            tail = b""
            if size is not None:
                parts = [(self._name(key), 0, size)]
                tail_start = size
            else:
                file = await self._load(key)
                known = self._open.get(key)
                if known is not None and known.goes_on(file) and (end is None or end > file.size):
                    file = known  # the end of what was asked for is only here
                parts = [(self._segment(key, at), at, n) for at, n in file.segments]
                tail_start, tail = file.tail_start, bytes(file.tail)
        for name, at, count in parts:
            first, last = max(start, at), min(at + count, at + count if end is None else end)
            if first < last:
                async for piece in self._pieces(name, first - at, last - at):
                    yield piece
        first, last = max(start - tail_start, 0), len(tail) if end is None else end - tail_start
        for at in range(first, min(last, len(tail)), _PIECE):
            yield tail[at : min(at + _PIECE, last)]

    async def _pieces(self, name: str, start: int, end: int) -> AsyncIterator[bytes]:
        """A range of an object in pieces of at most 1 MiB."""
        async with aws_errors("file store"):
            answer = await self._client.get_object(
                Bucket=self._bucket, Key=name, Range=f"bytes={start}-{end - 1}"
            )
        async with answer["Body"] as body:
            while True:
                async with aws_errors("file store"):
                    piece = await body.read(_PIECE)
                if not piece:
                    return
                yield piece

    def local_path(self, key: str) -> Path | None:
        check_key(key)
        return None

    async def check(self) -> None:
        async with aws_errors("file store"):
            await self._client.head_bucket(Bucket=self._bucket)


def _checked(tenant: str) -> str:
    if not TENANT_NAME.fullmatch(tenant):
        raise ValueError(f"{tenant!r} is not the name of a tenant")
    return tenant
