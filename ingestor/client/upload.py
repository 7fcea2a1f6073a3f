"""Sends a file by the client stream, resuming where the connection was lost."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

import google_crc32c
import grpc

from ingestor.client.errors import (
    AbortedError,
    DeadlineExceededError,
    UnavailableError,
    from_rpc,
    is_transient,
)
from ingestor.client.gateway import Pauses
from ingestor.v1 import upload_pb2

if TYPE_CHECKING:
    from ingestor.v1.upload_pb2_grpc import UploadServiceAsyncStub

_READ_AHEAD = 4  # pieces


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """How far a file is: bytes handed to the connection, of how many. `upload_id` is what `resume=`
    takes when the upload is interrupted for good."""

    sent: int
    size: int
    upload_id: str = ""


OnProgress = Callable[[UploadProgress], None]


async def send_file(
    stub: UploadServiceAsyncStub,
    upload: upload_pb2.Upload,
    file: BinaryIO,
    on_progress: OnProgress | None,
    patience: float,
    on_lost: Callable[[str], None],
) -> bytes:
    """Send a seekable file from the upload's committed size on, again and again where the connection is
    lost; its SHA-256. Raises OSError when it cannot be read."""
    source = _Source(file, upload.max_chunk_size)
    offset = upload.committed_size
    pauses = Pauses(patience)
    while offset < source.size:
        try:
            answer = await stub.WriteUpload(_requests(upload.upload_id, source, offset, on_progress))
            offset = answer.committed_size
            continue
        except grpc.aio.AioRpcError as error:
            known = from_rpc(error)
            # What the server dropped, or has already: its committed size says where to go on.
            wrong_place = isinstance(known, AbortedError) or known.reason == "WRONG_OFFSET"
            if not (wrong_place or is_transient(known)):
                raise known from error
        except asyncio.CancelledError:
            if source.failure:  # gRPC cancels a call whose requests cannot be made
                raise source.failure from None
            raise
        while True:
            on_lost(known.message)
            if not await pauses.pause():
                raise UnavailableError(f"the connection was lost and did not come back: {known.message}")
            try:
                request = upload_pb2.GetUploadRequest(upload_id=upload.upload_id)
                committed = (await stub.GetUpload(request, timeout=10)).upload.committed_size
            except grpc.aio.AioRpcError as error:
                known = from_rpc(error)
                if not (is_transient(known) or isinstance(known, DeadlineExceededError)):
                    raise known from error
                continue
            if committed > offset:
                pauses.progress()
            offset = committed
            break
    return await source.sha256()


class _Source:
    """The file's pieces with their checksums, made in a thread; hashes every byte once."""

    def __init__(self, file: BinaryIO, chunk_size: int) -> None:
        self._file = file
        self.size = file.seek(0, os.SEEK_END)
        self.failure: OSError | None = None
        self._chunk_size = chunk_size
        self._hash = hashlib.sha256()
        self._hashed = 0

    def piece(self, offset: int) -> upload_pb2.FileChunk:
        """The piece at an offset; blocks."""
        self._hash_up_to(offset)
        self._file.seek(offset)
        data = self._file.read(min(self._chunk_size, self.size - offset))
        if not data:
            raise OSError(f"the file has become shorter than {self.size} bytes")
        if self._hashed == offset:
            self._hash.update(data)
            self._hashed += len(data)
        return upload_pb2.FileChunk(offset=offset, data=data, crc32c=google_crc32c.value(data))

    def _hash_up_to(self, offset: int) -> None:
        """Hash what an earlier run has sent."""
        while self._hashed < offset:
            self._file.seek(self._hashed)
            data = self._file.read(min(2**20, offset - self._hashed))
            if not data:
                raise OSError(f"the file is shorter than the {offset} bytes that were sent of it")
            self._hash.update(data)
            self._hashed += len(data)

    async def sha256(self) -> bytes:
        """SHA-256 of the whole file."""
        await asyncio.to_thread(self._hash_up_to, self.size)
        return self._hash.digest()


async def _requests(
    upload_id: str, source: _Source, offset: int, on_progress: OnProgress | None
) -> AsyncIterator[upload_pb2.WriteUploadRequest]:
    """The pieces from an offset on; a few are read ahead while the connection takes its time."""
    ready: asyncio.Queue[upload_pb2.FileChunk | Exception | None] = asyncio.Queue(_READ_AHEAD)

    async def read() -> None:
        at = offset
        try:
            while at < source.size:
                chunk = await asyncio.to_thread(source.piece, at)
                at += len(chunk.data)
                await ready.put(chunk)
            await ready.put(None)
        except OSError as error:
            source.failure = error
            await ready.put(error)

    reading = asyncio.create_task(read())
    try:
        while (chunk := await ready.get()) is not None:
            if isinstance(chunk, Exception):
                raise chunk
            yield upload_pb2.WriteUploadRequest(upload_id=upload_id, chunk=chunk)
            if on_progress:
                on_progress(UploadProgress(chunk.offset + len(chunk.data), source.size, upload_id))
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
