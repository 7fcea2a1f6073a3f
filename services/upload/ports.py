"""Ports of the use cases. Every call may raise TransientError."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from ingestor.access.limits.quotas import NO_LIMITS, QuotaLimits
from ingestor.reports import OriginalTable
from ingestor.services.upload.dry_runs import DryRunResult, Excerpt
from ingestor.services.upload.uploads import Content, Delivery, Repair, Upload


class Uploads(Protocol):
    """Stores uploads. What belongs to another tenant does not exist here."""

    async def add(
        self, upload: Upload, limits: QuotaLimits = NO_LIMITS, *, room: int | None = None
    ) -> Upload:
        """Store an upload. Returns the existing one when its creator has already used the request id. Raises
        QuotaExceededError (open_uploads, bytes_announced, bytes_stored, bytes_per_day: its declared size),
        and NoRoomError when the open uploads of its tenant, with it, have announced more than the `room` in
        the store, or there is none."""
        ...

    async def get(self, upload_id: str) -> Upload | None:
        """An upload, None when it does not exist."""
        ...

    async def commit(
        self, upload_id: str, old: int, new: int, now: datetime, limits: QuotaLimits = NO_LIMITS
    ) -> int:
        """Move the committed size of an open upload from `old` to `new`. Returns the committed size, which is
        not `new` when another writer was faster. Raises QuotaExceededError when its size was not declared
        (bytes_stored, bytes_per_day)."""
        ...

    async def complete(
        self,
        upload_id: str,
        process_id: str,
        pipeline: str,
        version: int,
        dialect: str,
        now: datetime,
        repair: Repair | None = None,
        limits: QuotaLimits = NO_LIMITS,
    ) -> str:
        """Close an open upload and add its delivery, in one transaction. Returns the id of its process: the
        existing one when the upload was already complete. Raises QuotaExceededError
        (running_processes)."""
        ...

    async def abort(self, upload_id: str) -> bool:
        """Abort an open upload; False when it is complete. Idempotent."""
        ...

    async def kept(self) -> tuple[int, int, int]:
        """Number and bytes of the tenant's stored files, complete or not, and the bytes of what they were
        converted to."""
        ...

    async def abandoned(self, before: datetime, limit: int) -> Sequence[Upload]:
        """At most `limit` open uploads that were last written before `before`."""
        ...


class ProcessRecords(Protocol):
    """The records of a process that its removal deletes."""

    async def close(self, process_id: str, now: datetime) -> bool:
        """End the process's delivery; False while a worker holds its lease. Idempotent."""
        ...

    async def files(self, process_id: str) -> Sequence[str]:
        """Keys of all files that the process may have in the store."""
        ...

    async def forget(self, process_id: str) -> None:
        """Delete its upload and its delivery. Idempotent."""
        ...


class Deliveries(Protocol):
    """The durable queue of deliveries, each with a lease."""

    async def take(
        self, owner: str, now: datetime, until: datetime, *, converts: bool = False, of_idle: bool = False
    ) -> Delivery | None:
        """Lease a delivery that is due and free, and count the attempt: of those that are known to need a
        conversion (`converts`), or of the others. One of the tenant with the fewest leased ones of the same
        kind, with `of_idle` only of a tenant that has none."""
        ...

    async def needs_conversion(self, process_id: str, owner: str) -> None:
        """Note that the file needs a conversion, until its content is kept."""
        ...

    async def renew(self, process_id: str, owner: str, until: datetime) -> bool:
        """Extend the lease; False when another owner has it."""
        ...

    async def keep_content(self, process_id: str, owner: str, content: Content) -> None:
        """Store the content, so that the file is converted only once."""
        ...

    async def done(self, process_id: str, owner: str, now: datetime) -> None:
        """End the delivery: the orchestrator has the file."""
        ...

    async def give_back(self, process_id: str, owner: str, due: datetime, *, failed: bool = False) -> None:
        """Release the lease; the delivery is due again at `due`. `failed` counts a failure."""
        ...

    async def waiting(self) -> int:
        """Number of deliveries that are not done."""
        ...


class IngestionPausedError(Exception):
    """The process is paused."""


class Ingestion(Protocol):
    """The orchestrator."""

    async def prepare_repair(self, process_id: str) -> Repair:
        """What a repair of that process repairs. Raises the errors of IngestionService.PrepareRepair."""
        ...

    async def begin(self, delivery: Delivery) -> int | None:
        """Announce a file, and its content if known. Returns the offset from which to send the content; None
        when there is nothing to send (yet). Raises IngestionPausedError."""
        ...

    async def refuse(self, delivery: Delivery, reason: str, message: str) -> None:
        """Report that the file cannot be read. Idempotent."""
        ...

    async def send(self, process_id: str, pieces: AsyncIterator[tuple[int, bytes, bool]]) -> None:
        """Stream the file's bytes as (offset, data, last), in order. Returns when the orchestrator has
        dispatched all of them or needs no more. Raises ServiceError when it refuses, IngestionPausedError."""
        ...


@dataclass(frozen=True, slots=True)
class PipelineReading:
    """How a version of a pipeline reads files: its dialect (JSON), and the labels that it reads."""

    version: int
    dialect: str
    labels: tuple[str, ...]


class Pipelines(Protocol):
    """The orchestrator's catalogue of pipelines."""

    async def find(self, name: str, version: int | None) -> PipelineReading:
        """A version (the latest for None). Raises NotFoundError."""
        ...

    async def reading_of(self, document: str) -> PipelineReading:
        """A document that is not stored, as version 0. Raises InvalidArgumentError (INVALID_PIPELINE) with
        every problem of the document."""
        ...


class Processes(Protocol):
    """What status knows of processes."""

    async def has_ended(self, process_id: str) -> bool:
        """Whether a process was cancelled, has failed or was deleted, so that nobody wants its file any
        more."""
        ...


class DryRuns(Protocol):
    """The processor's dry run."""

    async def run(self, pipeline: str, document: str, dialect: str, content: bytes) -> DryRunResult:
        """Run a table in normal form through a stored pipeline or a document, or into JSON rows when both are
        empty, without storing anything. Raises the ServiceErrors of ProcessorService.DryRun, and
        UnavailableError (PROCESSOR_UNAVAILABLE) when no processor runs."""
        ...


class Inspector(Protocol):
    """Examines the beginning of files."""

    async def inspect(
        self, upload: Upload, dialect: str, rows: int, key: Sequence[str] = ()
    ) -> dict[str, Any]:
        """See ingestor.pipelines.inspection.inspect_file. Raises UnreadableFileError,
        ConverterCrashedError, FileMissingError."""
        ...

    async def excerpt(self, upload: Upload, dialect: str, rows: int, labels: Sequence[str] = ()) -> Excerpt:
        """The first records, at most `rows` and fewer when they are large. Raises what `inspect` does."""
        ...


class NoRoomError(Exception):
    """The file store has no room for what a tenant has announced."""

    def __init__(self, announced: int) -> None:
        super().__init__(announced)
        self.announced = announced  # bytes that its open uploads have not sent


@runtime_checkable
class TemporaryFiles(Protocol):
    """What writes temporary files for tenants."""

    async def temporary_bytes(self, tenant: str) -> int:
        """Bytes of the temporary files that this instance has for a tenant now."""
        ...


class ConverterCrashedError(Exception):
    """The converter ended without a result; another attempt may succeed."""


class Converter(Protocol):
    """Converts complete files that cannot be cut into batches unchanged."""

    async def as_is(self, upload: Upload, dialect: str, labels: Sequence[str] = ()) -> Content | None:
        """The content of a complete file that needs no conversion; None for one that does. Takes a moment,
        and never waits for conversions. Raises UnreadableFileError, FileMissingError."""
        ...

    async def convert(
        self,
        upload: Upload,
        dialect: str,
        repaired: OriginalTable | None = None,
        labels: Sequence[str] = (),
    ) -> Content:
        """The content of a complete file, stored durably; with `repaired` the file is a repair file for that
        table. `labels` are those that its pipeline reads. Deterministic, so that it can be repeated after a
        crash. Raises UnreadableFileError, ConverterCrashedError, StoreFullError, FileMissingError."""
        ...
