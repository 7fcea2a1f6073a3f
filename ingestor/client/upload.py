"""Sends a file by the client stream, resuming where the connection was lost, and begins its ingestion."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import threading
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import google_crc32c
import grpc

from ingestor.client.errors import (
    AbortedError,
    DeadlineExceededError,
    FileChangedError,
    IngestorError,
    UnavailableError,
    can_resume,
    from_rpc,
    is_transient,
)
from ingestor.client.gateway import LONG_SECONDS, Gateway
from ingestor.client.models import PipelineVersion
from ingestor.client.sources import Source, StrPath, file_facts, opened
from ingestor.runtime.protobuf.large_fields import with_large
from ingestor.v1 import common_pb2, pipelines_pb2, upload_pb2

_READ_AHEAD = 4  # pieces


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """How far a file is: bytes handed to the connection, of how many. `upload_id` is what `resume=`
    takes when the upload is interrupted for good."""

    sent: int
    size: int
    upload_id: str = ""


Metadata = tuple[tuple[str, str], ...]
OnProgress = Callable[[UploadProgress], None]

Document = Mapping[str, Any] | StrPath
"""A pipeline document: parsed, or the path of its JSON file."""
Dialect = Mapping[str, Any] | str
"""How to read a file (docs/guides/reading-files.md): a mapping, or its JSON text."""


def document_text(document: Document) -> str:
    """The JSON text of a pipeline document. Raises OSError."""
    if isinstance(document, Mapping):
        return json.dumps(document)
    return Path(document).read_text("utf-8")


def dialect_text(dialect: Dialect | None) -> str:
    """The JSON text of a dialect; empty for none."""
    return dialect if isinstance(dialect, str) else json.dumps(dialect) if dialect else ""


def is_document(pipeline: Document) -> bool:
    """Whether this is a document, not the name of a stored pipeline."""
    if isinstance(pipeline, Mapping | os.PathLike):
        return True
    return pipeline.endswith(".json") or Path(pipeline).is_file()


async def apply_document(
    gateway: Gateway, document: Document, dry_run: bool, timeout: float | None
) -> PipelineVersion:
    """See AsyncPipelines.apply."""
    request = pipelines_pb2.ApplyPipelineRequest(document_json=document_text(document), dry_run=dry_run)
    answer = await gateway.call(gateway.pipelines.ApplyPipeline, request, timeout)
    return PipelineVersion.of(answer.pipeline, answer.created)


async def send(
    gateway: Gateway,
    source: Source,
    *,
    pipeline: str = "",
    dialect: Dialect | None,
    file_name: str | None,
    resume: str | None,
    on_upload: OnProgress | None,
    repairs: str = "",
    timeout: float | None,
) -> common_pb2.ProcessInfo:
    """Send a file, or the rest of it, and begin its ingestion; what is known of the process by that. Raises
    FileChangedError when the file changes meanwhile; the upload is then gone."""
    async with opened(source, file_name) as (file, name):
        before = file_facts(file)
        size = file.seek(0, os.SEEK_END)
        if resume:
            known = upload_pb2.GetUploadRequest(upload_id=resume)
            get = partial(gateway.uploads.GetUpload, metadata=about(resume))
            upload = (await gateway.call(get, known, timeout)).upload
        else:
            new = upload_pb2.CreateUploadRequest(
                file_name=name, size_bytes=size, request_id=str(uuid.uuid4())
            )
            upload = (await gateway.call(gateway.uploads.CreateUpload, new, timeout)).upload
        if on_upload:
            on_upload(UploadProgress(upload.committed_size, size, upload.upload_id))
        try:
            try:
                sha256 = await send_file(gateway, upload, file, on_upload)
            except OSError as error:
                if file_facts(file) != before:
                    raise _changed(name) from error
                raise
            if file_facts(file) != before:
                raise _changed(name)
            request = upload_pb2.CompleteUploadRequest(
                upload_id=upload.upload_id, sha256=sha256, pipeline=pipeline,
                dialect_json=dialect_text(dialect), repairs_process_id=repairs,
            )  # fmt: skip
            complete = partial(gateway.uploads.CompleteUpload, metadata=about(upload.upload_id))
            answer = await gateway.call(complete, request, timeout, LONG_SECONDS)
        except FileChangedError:
            await _abort(gateway, upload.upload_id)
            raise
        except Exception as error:
            if can_resume(error):
                error.add_note(f"the upload is kept: go on with resume={upload.upload_id!r}")
            raise
        return common_pb2.ProcessInfo(process_id=answer.process_id, file_name=name)


def _changed(name: str) -> FileChangedError:
    return FileChangedError(
        f"{name} changed while it was sent, so nothing of it was loaded; send it again when it is complete",
        reason="FILE_CHANGED",
    )


async def _abort(gateway: Gateway, upload_id: str) -> None:
    """Remove what was sent; if that cannot be, the server does so after a week."""
    request = upload_pb2.AbortUploadRequest(upload_id=upload_id)
    with suppress(grpc.aio.AioRpcError):
        await gateway.uploads.AbortUpload(request, timeout=10, metadata=about(upload_id))


async def send_file(
    gateway: Gateway, upload: upload_pb2.Upload, file: BinaryIO, on_progress: OnProgress | None
) -> bytes:
    """Send a seekable file from the upload's committed size on, again and again where the connection is
    lost or the token ends; its SHA-256. Raises OSError when it cannot be read."""
    metadata = about(upload.upload_id)
    source = _Source(file, upload.max_chunk_size)
    offset = upload.committed_size
    pauses = gateway.pauses()
    while offset < source.size:
        try:
            answer = await gateway.write_upload(
                _requests(upload.upload_id, source, offset, on_progress), metadata=metadata
            )
            offset = answer.committed_size
            continue
        except grpc.aio.AioRpcError as error:
            known = from_rpc(error)
        except asyncio.CancelledError:
            if source.failure:  # gRPC cancels a call whose requests cannot be made
                raise source.failure from None
            raise
        while True:
            lost = _is_lost(known)
            if lost:
                gateway.on_lost(known.message)
            if not await (pauses.pause() if lost else gateway.again(known, pauses)):
                if not lost:
                    raise known
                raise UnavailableError(f"the connection was lost and did not come back: {known.message}")
            try:
                request = upload_pb2.GetUploadRequest(upload_id=upload.upload_id)
                found = await gateway.uploads.GetUpload(request, timeout=10, metadata=metadata)
            except grpc.aio.AioRpcError as error:
                known = from_rpc(error)
                continue
            if found.upload.committed_size > offset:
                pauses.progress()
            offset = found.upload.committed_size
            break
    return await source.sha256()


def about(upload_id: str) -> Metadata:
    """What calls about an upload carry, so that the gateway sends them to one instance."""
    return (("ingestor-upload", upload_id),)


def _is_lost(known: IngestorError) -> bool:
    """Whether the server may have more or less than was sent: its committed size says where to go on."""
    wrong_place = isinstance(known, AbortedError) or known.reason == "WRONG_OFFSET"
    return wrong_place or is_transient(known) or isinstance(known, DeadlineExceededError)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A piece of the file; `head` is its chunk without the data."""

    head: upload_pb2.FileChunk
    data: bytes

    @property
    def end(self) -> int:
        """Offset just after it."""
        return self.head.offset + len(self.data)

    def request(self, upload_id: str) -> bytes:
        """WriteUploadRequest."""
        chunk = with_large(self.head, "data", self.data)
        return b"".join(with_large(upload_pb2.WriteUploadRequest(upload_id=upload_id), "chunk", *chunk))


class _Source:
    """The file's pieces with their checksums, made in a thread; hashes every byte once."""

    def __init__(self, file: BinaryIO, chunk_size: int) -> None:
        self._file = file
        self.size = file.seek(0, os.SEEK_END)
        self.failure: Exception | None = None  # why no more pieces can be made
        self._chunk_size = chunk_size
        self._hash = hashlib.sha256()
        self._hashed = 0
        # A read that was under way when its stream was cut goes on beside the first one of the next.
        self._lock = threading.Lock()

    def piece(self, offset: int) -> _Piece:
        """The piece at an offset; blocks."""
        with self._lock:
            self._hash_up_to(offset)
            self._file.seek(offset)
            data = self._file.read(min(self._chunk_size, self.size - offset))
            if not data:
                raise OSError(f"the file has become shorter than {self.size} bytes")
            if self._hashed == offset:
                self._hash.update(data)
                self._hashed += len(data)
        return _Piece(upload_pb2.FileChunk(offset=offset, crc32c=google_crc32c.value(data)), data)

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

        def rest() -> bytes:
            with self._lock:
                self._hash_up_to(self.size)
                return self._hash.digest()

        return await asyncio.to_thread(rest)


async def _requests(
    upload_id: str, source: _Source, offset: int, on_progress: OnProgress | None
) -> AsyncIterator[bytes]:
    """The pieces from an offset on; a few are read ahead while the connection takes its time."""
    ready: asyncio.Queue[_Piece | Exception | None] = asyncio.Queue(_READ_AHEAD)

    async def read() -> None:
        at = offset
        try:
            while at < source.size:
                piece = await asyncio.to_thread(source.piece, at)
                at = piece.end
                await ready.put(piece)
            await ready.put(None)
        except OSError as error:
            await ready.put(error)

    reading = asyncio.create_task(read())
    try:
        while (piece := await ready.get()) is not None:
            if isinstance(piece, Exception):
                raise piece
            yield piece.request(upload_id)
            if on_progress:
                on_progress(UploadProgress(piece.end, source.size, upload_id))
    except Exception as error:
        source.failure = error
        raise
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
