"""The use cases of the upload service."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import google_crc32c
import structlog
from prometheus_client import CollectorRegistry, Counter

from ingestor.access.authenticator import Remembered
from ingestor.access.limits.quotas import NO_LIMITS, Quotas
from ingestor.access.principal import current_principal
from ingestor.access.scope import tenant
from ingestor.pipelines import names
from ingestor.runtime.clock import Clock, Ids
from ingestor.runtime.errors import (
    AbortedError,
    DataLossError,
    FailedPreconditionError,
    FieldViolation,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
    ServiceError,
    TransientError,
    UnavailableError,
)
from ingestor.runtime.fail_points import fail_point
from ingestor.runtime.grpc.requests import wrong
from ingestor.runtime.observability import spans
from ingestor.services.upload.dry_runs import DryRun, dry_run_of
from ingestor.services.upload.excerpts import RecentExcerpts
from ingestor.services.upload.ports import (
    ConverterCrashedError,
    DryRuns,
    Ingestion,
    Inspector,
    NoRoomError,
    Pipelines,
    TemporaryFiles,
    Uploads,
)
from ingestor.services.upload.uploads import Delivery, Upload, UploadState
from ingestor.stores.port import BoundedStore, FileMissingError, FileStore, StoreFullError, TenantFiles
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.foreign import foreign_type, refusal
from ingestor.tabular.options import OptionsError, ReadOptions, parse_options

log = structlog.get_logger(__name__)

_COMMIT_BYTES = 16 * 2**20  # the most that is sent again after a crash
_MEASURED_SECONDS = 5.0  # for which a look at all files of a tenant counts
_MOST_KEY_COLUMNS = 32
_MOST_SAMPLE_ROWS = 100_000
_MOST_DRY_RUN_ROWS = 1000
_MOST_HASHES = 10_000  # kept in memory while files arrive; further ones are computed from the stored file


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a file; `crc32c` is the CRC-32C (RFC 3720) of `data`."""

    offset: int
    data: bytes
    crc32c: int


@dataclass(frozen=True, slots=True)
class Storage:
    """Stored files and their bytes as uploaded; `free_bytes` is None for a store without a limit.
    `stored_bytes` are all bytes in the store, `temporary_bytes` those of temporary files here."""

    file_count: int
    file_bytes: int
    free_bytes: int | None
    stored_bytes: int
    temporary_bytes: int


@dataclass(slots=True)
class _Running:
    """What this instance knows of an upload that is being written."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    hash: Any = field(default_factory=hashlib.sha256)
    hashed: int = 0  # bytes in the hash, which is valid while this equals the received size
    committed: int = 0  # when this instance last wrote; the waiting bytes follow it
    waiting: int = 0  # bytes that were appended and are not committed yet

    def received(self, upload: Upload) -> int:
        """Bytes that are here. Those that wait count as long as no other instance has gone on without
        them."""
        size = upload.committed_size
        return size + self.waiting if self.committed == size else size


@dataclass(frozen=True, slots=True)
class Written:
    """How far a file is: the bytes that are durable, and all that are here."""

    committed: int
    received: int


class Metrics:
    """What the service counts for Prometheus."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.bytes = Counter("ingestor_bytes_received_total", "Bytes of files received.", registry=registry)
        self.uploads = Counter("ingestor_uploads_total", "Uploads by end.", ["state"], registry=registry)


class UploadService:
    """Opens, writes, completes and aborts uploads."""

    def __init__(
        self,
        uploads: Uploads,
        store: FileStore,
        ingestion: Ingestion,
        pipelines: Pipelines,
        inspector: Inspector,
        dry_runs: DryRuns,
        clock: Clock,
        ids: Ids,
        metrics: Metrics,
        quotas: Quotas,
        *,
        max_upload_bytes: int,
        max_chunk_bytes: int,
        new_delivery: asyncio.Event,
    ) -> None:
        """`new_delivery` wakes the delivery worker."""
        self._uploads = uploads
        self._store = store
        self._ingestion = ingestion
        self._pipelines = pipelines
        self._inspector = inspector
        self._excerpts = RecentExcerpts(inspector)
        self._dry_runs = dry_runs
        self._clock = clock
        self._ids = ids
        self._metrics = metrics
        self._quotas = quotas
        self._max_upload = max_upload_bytes
        self.max_chunk_bytes = max_chunk_bytes
        self._new_delivery = new_delivery
        self._measured = Remembered[str, int](_MEASURED_SECONDS, time.monotonic)
        self._running: OrderedDict[tuple[str, str], _Running] = OrderedDict()  # by tenant and upload

    async def create(self, file_name: str, size: int, request_id: str) -> Upload:
        """Open an upload; a request id that was already used returns the upload that it opened."""
        if not 1 <= len(file_name) <= 255 or "\0" in file_name:
            raise wrong("file_name", "must have 1 to 255 characters, none of them NUL")
        if size < 0:
            raise wrong("size_bytes", "must not be negative")
        if len(request_id) > 128 or "\0" in request_id:
            raise wrong("request_id", "must have at most 128 characters, none of them NUL")
        self._check_size(size)
        upload_id = self._ids.new()
        principal = current_principal()
        upload = Upload(
            upload_id, tenant(), request_id or None, file_name, size, f"{tenant()}/{upload_id}",
            UploadState.OPEN, 0, None, self._clock.now(), principal.subject if principal else "",
        )  # fmt: skip
        room = await self._room()
        try:
            known = await self._uploads.add(upload, await self._quotas.limits(), room=room)
        except NoRoomError as error:
            raise _store_full(
                f"The file store has room for {room:,} bytes; the file needs {size:,}, and open uploads of "
                f"the tenant have announced {error.announced:,}. Send it when files have been deleted, or "
                "abort uploads that are not needed."
            ) from None
        if (known.file_name, known.declared_size) != (file_name, size):
            raise InvalidArgumentError(
                "REQUEST_ID_REUSED", "The request id was already used for another file; choose a new one.",
                violations=[FieldViolation("request_id", "was already used for another file")],
            )  # fmt: skip
        # Also of a known one: its record may have been kept by a call that never heard of it.
        if known.state is UploadState.OPEN:
            await self._store.create(known.file_key)
        return known

    async def _room(self) -> int | None:
        """Bytes for which the store has room; None for a store without a limit."""
        return await self._store.free_bytes() if isinstance(self._store, BoundedStore) else None

    def _check_size(self, size: int) -> None:
        if size > self._max_upload:
            raise ResourceExhaustedError(
                "FILE_TOO_LARGE", f"The file is larger than {self._max_upload} bytes, the limit here.",
                metadata={"max_bytes": str(self._max_upload)},
            )  # fmt: skip

    async def get(self, upload_id: str) -> Upload:
        """An upload. Raises NotFoundError."""
        found = await self._uploads.get(upload_id)
        if found is None:
            raise NotFoundError("UPLOAD_NOT_FOUND", f"Upload {upload_id} does not exist.")
        return found

    async def write(self, upload_id: str, chunks: AsyncIterator[Chunk], *, more: bool = False) -> Written:
        """Append chunks in order; what is here already is skipped. Keeps the bytes that arrived before an
        error or a disconnect. With `more`,
        others follow: the last bytes may then wait for them here, where a store writes large pieces. Raises
        the errors of UploadService.WriteUpload."""
        async with self._writing(upload_id) as (upload, running):
            kept = upload.committed_size
            written = running.received(upload)
            running.waiting = 0  # until this call has ended well
            may_wait = False
            try:
                async for chunk in chunks:
                    self._check_chunk(upload, chunk, written)
                    if (known := written - chunk.offset) < len(chunk.data):
                        await self._append(upload, running, written, chunk.data[known:])
                        written = chunk.offset + len(chunk.data)
                    if written - kept >= _COMMIT_BYTES:
                        kept = await self._commit(upload, kept, written)
                may_wait = more and written - kept < self._store.sync_bytes
            finally:
                # Shielded: a client that disconnects cancels this task, but its bytes are kept.
                if written > kept and not may_wait:
                    kept = await asyncio.shield(self._commit(upload, kept, written))
            running.committed, running.waiting = kept, written - kept
            return Written(kept, written)

    @asynccontextmanager
    async def _writing(self, upload_id: str) -> AsyncIterator[tuple[Upload, _Running]]:
        """The open upload, with this instance as its only writer here."""
        async with self._held(upload_id) as (upload, running):
            _check_open(upload)
            yield upload, running

    @asynccontextmanager
    async def _held(self, upload_id: str) -> AsyncIterator[tuple[Upload, _Running]]:
        """An upload, with this instance as its only writer here."""
        key = (tenant(), upload_id)
        upload = None
        if key not in self._running:
            upload = await self.get(upload_id)  # nothing is remembered of what does not exist
        if key in self._running:
            upload = None  # somebody may have changed it meanwhile
        running = self._running.setdefault(key, _Running())
        self._running.move_to_end(key)
        try:
            async with running.lock:
                yield upload or await self.get(upload_id), running
        finally:
            if len(self._running) > _MOST_HASHES:  # those that are in use are as many as calls at most
                idle = (known for known, other in self._running.items() if not other.lock.locked())
                if (oldest := next(idle, None)) is not None:
                    del self._running[oldest]

    def _check_chunk(self, upload: Upload, chunk: Chunk, received: int) -> None:
        if chunk.offset > received:
            raise _wrong_offset(received)
        if not 1 <= len(chunk.data) <= self.max_chunk_bytes:
            raise wrong("chunk.data", f"must have 1 to {self.max_chunk_bytes} bytes")
        end = chunk.offset + len(chunk.data)
        self._check_size(end)
        if upload.declared_size and end > upload.declared_size:
            raise ResourceExhaustedError(
                "FILE_TOO_LARGE", f"The file is larger than the {upload.declared_size} bytes declared.",
                metadata={"max_bytes": str(upload.declared_size)},
            )  # fmt: skip
        if chunk.offset == received == 0:
            _check_type(chunk.data)
        if google_crc32c.value(chunk.data) != chunk.crc32c:
            raise AbortedError(
                "CHECKSUM_MISMATCH", "The chunk does not match its checksum and was dropped; send it again.",
                metadata={"committed_size": str(received)},
            )  # fmt: skip

    async def _append(self, upload: Upload, running: _Running, offset: int, data: bytes) -> None:
        if offset == 0:
            running.hash, running.hashed = hashlib.sha256(), 0
        hashing = None
        if running.hashed == offset:
            hashing = asyncio.ensure_future(asyncio.to_thread(running.hash.update, data))
        running.hashed = -1  # until hash and file both have the bytes: an error or a disconnect leaves it so
        try:
            await self._store.append(upload.file_key, offset, data)
        except StoreFullError as error:
            raise _store_full(
                "The file store is full; the bytes sent so far are kept. Resume when it has space."
            ) from error
        finally:
            if hashing is not None:
                await asyncio.shield(hashing)
        if hashing is not None:
            running.hashed = offset + len(data)
        self._metrics.bytes.inc(len(data))

    async def _commit(self, upload: Upload, old: int, new: int) -> int:
        try:
            await self._store.sync(upload.file_key, new)
        except ValueError as error:  # it waited here too long, and other files needed the room
            log.warning("bytes that waited are gone", upload_id=upload.upload_id, error=str(error))
            raise _wrong_offset(old) from None
        limits = NO_LIMITS if upload.declared_size else await self._quotas.limits()
        committed = await self._uploads.commit(upload.upload_id, old, new, self._clock.now(), limits)
        if committed != new:
            raise _wrong_offset(committed)
        return new

    async def complete(
        self, upload_id: str, sha256: bytes, pipeline: str, dialect: str = "", repairs: str = ""
    ) -> str:
        """Check and close an upload and start its ingestion, or, with `repairs`, the repair of that
        process. Returns the new process's id. Idempotent."""
        declared = _options(dialect)
        if repairs and pipeline:
            raise wrong("pipeline", "must be empty: a repair uses the pipeline of the repaired process")
        if len(sha256) not in (0, 32):
            raise wrong("sha256", "must have 32 bytes")
        async with self._held(upload_id) as (upload, running):
            if upload.state is UploadState.COMPLETED and upload.process_id:
                self._running.pop((tenant(), upload_id), None)  # it takes no more bytes
                return upload.process_id
            await self._quotas.check_rows()
            if await self._room() == 0:
                raise _store_full(
                    "The disk has only its reserve left, which is for processes that run. The file is kept; "
                    "complete the upload when there is space."
                )
            _check_open(upload)
            size = upload.committed_size
            if (received := running.received(upload)) > size:  # the client has said that more would follow
                running.waiting = 0
                size = await self._commit(upload, size, received)
                upload = replace(upload, committed_size=size)
            if upload.declared_size and size != upload.declared_size:
                raise DataLossError(
                    "SIZE_MISMATCH", f"The file has {size} bytes, but {upload.declared_size} were declared."
                )
            await self._store.seal(upload.file_key, size)
            if sha256 and await self._sha256(upload, running) != sha256:
                raise DataLossError(
                    "HASH_MISMATCH", "The file's SHA-256 differs from the one sent; upload it again."
                )
            repair = None
            if repairs:
                repair = await self._ingestion.prepare_repair(repairs)
                # The dialect is that of the repair file, not that of the original file.
                name, version, options = repair.pipeline, repair.pipeline_version, declared.to_json()
            else:
                name, version, options, _ = await self._pipeline(pipeline, declared)
            process_id = await self._uploads.complete(
                upload_id, self._ids.new(), name, version, options, self._clock.now(), repair,
                await self._quotas.limits(),
            )  # fmt: skip
        fail_point("file.complete")
        self._running.pop((tenant(), upload_id), None)
        self._metrics.uploads.labels("completed").inc()
        spans.note(process_id=process_id, file_bytes=size)
        log.info("upload complete", process_id=process_id, size=size)
        self._new_delivery.set()
        # So that status knows the process when the client asks; if this fails, the delivery worker does it.
        delivery = Delivery(process_id, upload, name, version, 0, options, repair=repair)
        try:
            await self._ingestion.begin(delivery)
        except (TransientError, ServiceError) as error:
            log.warning("cannot announce the ingestion yet", process_id=process_id, error=str(error))
        return process_id

    async def _sha256(self, upload: Upload, running: _Running) -> bytes:
        if running.hashed == upload.committed_size and upload.committed_size:
            digest: bytes = running.hash.digest()
            return digest
        digesting = hashlib.sha256()
        async for piece in self._store.read(upload.file_key, 0, upload.committed_size):
            await asyncio.to_thread(digesting.update, piece)
        return digesting.digest()

    async def _pipeline(self, reference: str, declared: ReadOptions) -> tuple[str, int, str, tuple[str, ...]]:
        """The name and version of the pipeline "name" or "name@version" ("" and 0 without one), the dialect
        (JSON): the declared options first, then those of the pipeline, and the labels that it reads."""
        if not reference:
            return "", 0, declared.to_json(), ()
        try:
            name, version = names.reference(reference)
        except ValueError as error:
            raise wrong("pipeline", str(error)) from None
        found = await self._pipelines.find(name, version or None)
        return name, found.version, _over(declared, parse_options(found.dialect)).to_json(), found.labels

    async def inspect(
        self, upload_id: str, dialect: str, rows: int, key: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """Describe the committed part of a file; see ingestor.pipelines.inspection. Raises
        FailedPreconditionError with the reason when it cannot be read."""
        if not 0 <= rows <= _MOST_SAMPLE_ROWS:
            raise wrong("sample_rows", f"must be 0 to {_MOST_SAMPLE_ROWS}")
        if len(key) > _MOST_KEY_COLUMNS:
            raise wrong("key", f"must have at most {_MOST_KEY_COLUMNS} columns")
        options = _options(dialect).to_json()
        upload = await self.get(upload_id)
        async with _file_errors(upload):
            return await self._inspector.inspect(upload, options, rows or 1000, key)

    async def dry_run(self, upload_id: str, pipeline: str, document: str, dialect: str, rows: int) -> DryRun:
        """Run the first committed records of a file without storing anything. Raises the errors of
        `inspect`, and those of an invalid pipeline or a header that does not fit it."""
        if not 0 <= rows <= _MOST_DRY_RUN_ROWS:
            raise wrong("sample_rows", f"must be 0 to {_MOST_DRY_RUN_ROWS}")
        if pipeline and document:
            raise wrong("pipeline", "and document_json exclude each other")
        options = _options(dialect)
        labels: tuple[str, ...] = ()
        if document:
            reading = await self._pipelines.reading_of(document)
            options, labels = _over(options, parse_options(reading.dialect)), reading.labels
        elif pipeline:
            name, version, found, labels = await self._pipeline(pipeline, options)
            pipeline, options = f"{name}@{version}", parse_options(found)
        upload = await self.get(upload_id)
        async with _file_errors(upload):
            excerpt = await self._excerpts.excerpt(upload, options.to_json(), rows or 200, labels)
        options = parse_options(excerpt.dialect)
        if not excerpt.columns_known:
            options = options.model_copy(update={"missing_columns": "ignore"})
        result = await self._dry_runs.run(pipeline, document, options.to_json(), excerpt.content)
        return dry_run_of(excerpt, result)

    async def storage(self) -> Storage:
        """How much is stored, and how much space is left."""
        count, size, converted = await self._uploads.kept()
        stored = size + converted
        if isinstance(self._store, BoundedStore) and isinstance(self._store, TenantFiles):
            stored = await self._measured.get(tenant(), self._measure)
        temporary = 0
        if isinstance(self._inspector, TemporaryFiles):
            temporary = await self._inspector.temporary_bytes(tenant())
        return Storage(count, size, await self._room(), stored, temporary)

    async def _measure(self) -> int:
        """Bytes of the tenant in the store, as that has them."""
        assert isinstance(self._store, TenantFiles)
        _, size = await self._store.files_of(tenant())
        return size

    async def abort(self, upload_id: str) -> None:
        """Abort an upload and delete its bytes. Idempotent."""
        upload = await self.get(upload_id)
        if not await self._uploads.abort(upload_id):
            raise FailedPreconditionError("UPLOAD_COMPLETED", "The upload is complete.")
        await self._store.delete(upload.file_key)
        self._running.pop((tenant(), upload_id), None)
        self._metrics.uploads.labels("aborted").inc()


@asynccontextmanager
async def _file_errors(upload: Upload) -> AsyncIterator[None]:
    """Turn what an Inspector raises into the errors that a client sees."""
    try:
        yield
    except UnreadableFileError as error:
        raise FailedPreconditionError(error.reason, error.message) from None
    except FileMissingError:
        raise NotFoundError("UPLOAD_NOT_FOUND", "The file of this upload does not exist any more.") from None
    except StoreFullError:
        raise _store_full("The disk has no room for a look at the file; try again later.") from None
    except ConverterCrashedError as error:
        log.warning("inspection failed", upload_id=upload.upload_id, error=str(error))
        raise UnavailableError(
            "INSPECTION_FAILED", "The file could not be inspected; try again shortly."
        ) from error


def _store_full(message: str) -> ResourceExhaustedError:
    return ResourceExhaustedError("STORE_FULL", message)


def _check_open(upload: Upload) -> None:
    """Raises FailedPreconditionError."""
    if upload.state is not UploadState.OPEN:
        raise FailedPreconditionError(f"UPLOAD_{upload.state.name}", f"The upload is {upload.state.value}.")


def _wrong_offset(committed: int) -> FailedPreconditionError:
    return FailedPreconditionError(
        "WRONG_OFFSET",
        f"The next chunk must begin at byte {committed}.",
        metadata={"committed_size": str(committed)},
    )


def _check_type(head: bytes) -> None:
    kind = foreign_type(head)
    if kind:
        raise InvalidArgumentError("UNSUPPORTED_FILE_TYPE", refusal(kind))


def _options(dialect: str) -> ReadOptions:
    try:
        return parse_options(dialect)
    except OptionsError as error:
        raise _wrong_dialect(error) from None


def _over(declared: ReadOptions, of_pipeline: ReadOptions) -> ReadOptions:
    """The options declared with the file, else those of the pipeline."""
    try:
        return declared.over(of_pipeline)
    except OptionsError as error:
        raise _wrong_dialect(error) from None


def _wrong_dialect(error: OptionsError) -> InvalidArgumentError:
    return InvalidArgumentError(
        "INVALID_DIALECT",
        f"The dialect has {len(error.problems)} problem(s).",
        violations=[
            FieldViolation("/".join(["dialect_json", *map(str, path)]), message)
            for path, message in error.problems
        ],
    )
