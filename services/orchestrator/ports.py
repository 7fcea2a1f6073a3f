"""Ports of the use cases. Every call may raise TransientError."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ingestor.access.limits.quotas import NO_LIMITS, QuotaLimits
from ingestor.services.orchestrator.ingestions import (
    Batch,
    Content,
    FileInfo,
    Ingestion,
    IngestionState,
    Layout,
)


class BusyError(Exception):
    """Another instance or stream holds the ingestion."""


@dataclass(frozen=True, slots=True)
class Flags:
    """The state of an ingestion, and whether it is paused."""

    state: IngestionState
    paused: bool


class Ingestions(Protocol):
    """Stores ingestions and the boundaries of their batches."""

    async def add(self, file: FileInfo) -> Ingestion:
        """Store an ingestion, ANNOUNCED, unless it exists. Returns the stored one."""
        ...

    async def set_content(self, process_id: str, content: Content) -> Ingestion | None:
        """Store the content of an ANNOUNCED ingestion and open it. Returns the ingestion; None when it was
        not announced."""
        ...

    async def get(self, process_id: str) -> Ingestion | None:
        """An ingestion, None when it does not exist."""
        ...

    def hold(self, process_id: str) -> AbstractAsyncContextManager[None]:
        """Hold the ingestion while the context lasts; the hold ends when its holder dies. Raises BusyError
        when another holder has it."""
        ...

    async def set_layout(self, process_id: str, layout: Layout) -> None:
        """Store the layout."""
        ...

    async def last_batch(self, process_id: str) -> Batch | None:
        """The recorded batch with the highest number."""
        ...

    async def unsent(self, process_id: str) -> Sequence[Batch]:
        """Recorded batches that are not marked as sent, by number."""
        ...

    async def record(
        self, process_id: str, tenant: str, batch: Batch, limits: QuotaLimits = NO_LIMITS
    ) -> Flags:
        """Record the boundaries of a batch, and count its rows as used today; both are durable on return.
        Raises BusyError when a batch of this number exists, because another instance continues the
        ingestion; QuotaExceededError when all rows of today are used up. As long as one row is left, the
        whole batch is recorded."""
        ...

    async def flags(self, process_id: str) -> Flags:
        """The current flags."""
        ...

    async def mark_sent(self, process_id: str, number: int) -> None:
        """Record that the queue has acknowledged the batch."""
        ...

    async def mark_lost(self, process_id: str, numbers: Sequence[int]) -> None:
        """Let those of the batches that are marked as sent count as sent long ago, and the ingestion be due
        at once for `take_unsettled`."""
        ...

    async def finish(self, process_id: str, state: IngestionState) -> None:
        """Set the final state. STOPPED stays STOPPED."""
        ...

    async def set_paused(self, process_id: str, paused: bool, until: datetime | None = None) -> None:
        """Pause or resume. `until` is when a pause by the suite itself ends; a person's has no end, also when
        the suite would pause as well."""
        ...

    async def take_unsettled(self, now: datetime, until: datetime, limit: int) -> Sequence[Ingestion]:
        """At most `limit` ingestions whose process is not known to have ended and that are due at `now`;
        each is due again at `until`, so that it is looked at by one instance and not by all of them."""
        ...

    async def has_unsettled(self) -> bool:
        """Whether there is an ingestion whose process is not known to have ended."""
        ...

    async def settle(self, process_id: str) -> None:
        """Record that the process has ended."""
        ...

    async def remove(self, process_id: str) -> None:
        """Remove an ingestion and its batches. Idempotent."""
        ...

    async def batches(self, process_id: str) -> Sequence[Batch]:
        """Every recorded batch, by number."""
        ...

    async def add_retry(self, retry: Ingestion, batches: Sequence[Batch]) -> str:
        """Store a retry, OPEN, with all of its batches, unless an unsettled retry of the same process
        exists. Returns the id of the stored one."""
        ...

    async def retry_of(self, process_id: str) -> str | None:
        """The unsettled retry of a process, if any."""
        ...

    async def retries(self, process_id: str) -> Collection[str]:
        """Every retry of a process."""
        ...

    async def open_retries(self, limit: int) -> Sequence[Ingestion]:
        """At most `limit` OPEN retries, oldest first."""
        ...

    async def sent_before(self, process_id: str, numbers: Sequence[int], before: datetime) -> Sequence[Batch]:
        """Those of the batches that were sent before `before`."""
        ...


@dataclass(frozen=True, slots=True)
class Message:
    """A batch for the queue: its bytes or, when `data` is None, a claim check on the stored file. `repaired`
    are the columns of the repaired process, for a repair."""

    file: FileInfo
    content: Content
    layout: Layout
    batch: Batch
    data: bytes | None
    repaired: tuple[str, ...] = ()
    typed_cells: bool = False  # the file, or that of the repaired process, keeps values typed


@dataclass(frozen=True, slots=True)
class Packed:
    """A message ready to be sent."""

    body: str
    attributes: dict[str, str]

    @property
    def size(self) -> int:
        """Bytes that the queue counts; a trace's identifier and the signature are not among them yet."""
        return len(self.body) + sum(len(name) + len(value) for name, value in self.attributes.items())


class TooLargeError(Exception):
    """A batch does not fit into one message."""


class RowQueue(Protocol):
    """The queue of batches."""

    def pack(self, message: Message) -> Packed:
        """Compress a batch; CPU-bound, so call it in a thread. Raises TooLargeError."""
        ...

    async def send(self, packed: Packed) -> None:
        """Send a batch at least once; it is durable on return."""
        ...


@dataclass(frozen=True, slots=True)
class Depth:
    """Approximate number of messages that wait, and of those that consumers hold."""

    visible: int
    in_flight: int


class Queues(Protocol):
    """How full the queues are."""

    async def rows(self) -> Depth:
        """The queue of batches."""
        ...

    async def dead_letters(self) -> Depth:
        """Its dead-letter queue."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """How many rows may fail before the process fails: a count, a share (0 to 1), or None."""

    max_failed: int | None = None
    max_failed_share: float | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a process at status."""

    state: str  # name of ProcessState without its prefix
    terminal: bool
    batches_processed: int
    held: bool = False  # paused by the suite itself, which has dropped its batches
    resumes: bool = False  # held for a reason that may pass


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides whether a process can be repaired."""

    terminal: bool
    undone: bool  # its rows have been taken out of the sink
    expired: bool  # the records of its rows have been removed
    failed: int  # rows


@dataclass(frozen=True, slots=True)
class FailedRow:
    """A failed row: the codes of its errors, and the last process that repaired it ("" if none did)."""

    row_number: int
    codes: frozenset[str]
    repaired_by: str


class Status(Protocol):
    """The status service. Calls are idempotent. They raise FailedPreconditionError (ILLEGAL_TRANSITION) when
    the state of a process does not allow the change, and NotFoundError (PROCESS_DELETED) when it is
    deleted."""

    async def started(self, file: FileInfo) -> Progress:
        """Report that the process has begun."""
        ...

    async def header_read(
        self, process_id: str, columns: Sequence[str], content: Content, limits: Limits
    ) -> Progress:
        """Report the header."""
        ...

    async def dispatched(self, process_id: str, batch: Batch, message_bytes: int = 0) -> Progress:
        """Report that a batch is about to be sent, in a message of so many bytes; 0: not told."""
        ...

    async def redispatched(self, process_id: str, batches: Sequence[Batch]) -> Progress:
        """Tell that batches which the queue had lost were sent again; every call is told."""
        ...

    async def finished(self, process_id: str, rows: int, batches: int) -> Progress:
        """Report that every batch has been sent."""
        ...

    async def failed(self, process_id: str, reason: str, message: str) -> Progress:
        """Report that the file is unusable."""
        ...

    async def paused(self, process_id: str, reason: str = "") -> Progress:
        """Report that dispatching is paused; `reason` is why the suite itself does so."""
        ...

    async def resumed(self, process_id: str) -> Progress:
        """Report that dispatching has resumed."""
        ...

    async def cancelled(self, process_id: str) -> Progress:
        """Report that the process is cancelled."""
        ...

    async def progress(self, process_id: str) -> Progress | None:
        """The progress of a process, DELETED for a deleted one; None when status does not know it."""
        ...

    def watch(self, process_id: str) -> AsyncGenerator[Progress, None]:
        """The progress of a process, at once and after every change."""
        ...

    async def standing(self, process_id: str) -> Standing | None:
        """What decides whether a process can be repaired; None when status does not know it."""
        ...

    def failed_rows(self, process_id: str, code: str) -> AsyncGenerator[FailedRow, None]:
        """The failed rows with an error of this code, by number."""
        ...

    async def queued(self, process_id: str) -> Sequence[int]:
        """Numbers of batches without an outcome, at most a thousand."""
        ...


@dataclass(frozen=True, slots=True)
class StoredPipeline:
    """One version of a pipeline: the document's text."""

    name: str
    version: int
    document: str
    created: datetime


class PipelineStore(Protocol):
    """Stores versioned documents."""

    async def add(
        self, name: str, document: str, canonical: str, limits: QuotaLimits = NO_LIMITS
    ) -> tuple[StoredPipeline, bool]:
        """Store the next version unless the latest has the same canonical text. Returns the latest, and
        whether it is new. A deleted pipeline is restored, always with a new version. Safe to call
        concurrently. Raises QuotaExceededError when it would be one pipeline more than allowed."""
        ...

    async def get(self, name: str, version: int | None) -> StoredPipeline | None:
        """A version, even of a deleted pipeline; without `version` the latest, unless the pipeline is
        deleted. None when it does not exist."""
        ...

    async def list(self, after: str, limit: int, columns: Sequence[str] = ()) -> Sequence[StoredPipeline]:
        """The latest version of each pipeline that is not deleted and whose name is after `after`, by
        name. With `columns` only of those that have loaded a file with just these columns, in any order."""
        ...

    async def loaded(self, name: str, columns: Sequence[str]) -> None:
        """Remember that the pipeline has loaded a file with these columns; "" is one that is not read."""
        ...

    async def count(self) -> int:
        """How many pipelines there are that are not deleted."""
        ...

    async def versions(self, name: str, before: int | None, limit: int) -> Sequence[StoredPipeline]:
        """Versions below `before` (None for all), newest first, even of a deleted pipeline."""
        ...

    async def delete(self, name: str) -> None:
        """Delete a pipeline; its versions stay. Idempotent."""
        ...
