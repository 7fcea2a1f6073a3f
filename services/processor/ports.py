"""What the use cases need of the outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Protocol

import pyarrow as pa

from ingestor.columns.arrow import Int64s
from ingestor.outcomes import RejectedState, RowError
from ingestor.services.processor.batches import BatchKey, BatchOutcome, RowBatch


@dataclass(frozen=True, slots=True)
class Delivery:
    """A received message: its receipt for later calls, how often it was received, its batch as far
    as the attributes tell, and its body."""

    message_id: str
    receipt: str
    receive_count: int
    key: BatchKey | None
    traceparent: str | None
    body: str


class UnreadableBatchError(Exception):
    """A message's body is not a batch."""


class RowQueue(Protocol):
    """A queue of batches. All calls raise TransientError when the queue does not answer."""

    async def receive(self, limit: int) -> list[Delivery]:
        """Up to `limit` messages; waits up to 20 s for the first."""
        ...

    def decode(self, delivery: Delivery) -> RowBatch:
        """The batch of a message (CPU-bound, call it in a thread). Raises UnreadableBatchError."""
        ...

    async def hide(self, delivery: Delivery, seconds: int) -> None:
        """Keep the message hidden for so long from now; 0 hands it back. A message whose receipt is
        no longer good is left alone."""
        ...

    async def delete(self, delivery: Delivery) -> None:
        """Remove the message. Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """Columns whose values must be in the columns of another table (schema, name)."""

    columns: tuple[str, ...]
    table: tuple[str, str]
    table_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Where rows go: columns as (name, PostgreSQL type); `primary_key` may be empty.

    Rows are in the order of their processes (their UUIDs are in order of time), and within one of their
    numbers. Without `upsert` a row is loaded if none before it has its primary key or a `unique` one, else
    refused; one that was loaded before those before it is displaced by them, and FAILED then. So the first
    one wins, whatever the order of delivery, where the table's keys decide. The rows of a repair displace
    none, those that a repair has loaded stay, and those of processes that were removed. With `upsert` a row
    takes the place of the one that is there, if it comes after it. So whoever comes last wins.

    With `evolve` columns that the table lacks are added to it. A row takes another's place as a whole: in
    columns that were made for an evolving table and that its own batch does not have, it is empty.

    With `undo` an upsert keeps the rows that are not there because of others, so that it can be undone.
    """

    schema: str
    name: str
    columns: tuple[tuple[str, str], ...]
    primary_key: tuple[str, ...]
    upsert: bool = False
    unique: tuple[tuple[str, ...], ...] = ()
    foreign: tuple[ForeignKey, ...] = ()
    evolve: bool = False
    undo: bool = True


@dataclass(frozen=True, slots=True)
class SinkChoice:
    """Which sink takes the rows, and for one of an outside package its options."""

    type: str
    options: Mapping[str, Any] = field(default_factory=dict)


TABLE_SINK = SinkChoice("table")
JSON_SINK = SinkChoice("json-rows")


@dataclass(frozen=True, slots=True)
class GoodRows:
    """Rows to load: one column per column of the table, and their row numbers (int64). For a sink of an
    outside package the table has no schema, and the pipeline's name. Those of a repair are rows of the
    process `repairs`, with their numbers there, and different."""

    table: Table
    data: pa.Table
    row_numbers: Int64s
    sink: SinkChoice = TABLE_SINK
    repairs: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that the sink refused: its position in `GoodRows`, and why; SKIPPED when it is a failed row of
    another process that was repaired before."""

    position: int
    problem: RowError
    state: RejectedState = "failed"


@dataclass(frozen=True, slots=True)
class Applied:
    """A batch whose marker is there; `outcome` is None when status knows it already."""

    outcome: BatchOutcome | None


class SinkRefusedError(Exception):
    """The sink cannot take any row of the batch (its table does not fit, a right is missing); the
    message is for people."""


class RowLoader(Protocol):
    """One kind of sink."""

    async def load(
        self, key: BatchKey, rows: GoodRows, conclude: Callable[[Sequence[Refused]], BatchOutcome]
    ) -> Applied:
        """Load the rows and set the batch's marker, in one transaction where the sink can take part in
        it, else in a way that a second call for the same batch changes nothing. Rows that the sink
        refuses are left out and handed to `conclude`, whose outcome goes into the marker, with the rows of
        other batches that were displaced. When the
        marker is there already nothing is loaded and its outcome is returned. Of a process that was
        undone nothing is loaded either, its batch becomes UNPROCESSED; of one that was removed nothing
        is kept and nothing is to be told.

        Rows of a repair are loaded as rows of the process that is repaired, each at most once, however
        many repairs bring it at the same time.

        Raises SinkRefusedError, and TransientError when the same call may succeed later.
        """
        ...


class Markers(Protocol):
    """What keeps which batches are applied. Raises TransientError."""

    async def settle(self, outcome: BatchOutcome) -> Applied:
        """Set the marker of a batch that will never be loaded, unless it is there, or its process was
        removed."""
        ...

    async def forget_outcome(self, key: BatchKey) -> None:
        """Status knows the outcome; the marker stays. Idempotent."""
        ...


class Sink(RowLoader, Markers, Protocol):
    """Takes rows, each batch once."""


class Trial(Protocol):
    """What a table would say of a file's rows, if they were loaded alone and in the file's order."""

    async def refused(self, rows: GoodRows) -> Sequence[Refused]:
        """Those of the next rows that the table would refuse, by position and for the reasons that RowLoader
        gives. With an append a row loses each of its keys to what is in the table, and to a row before it
        that had the key, in this call or an earlier one, whether or not that row was refused for another of
        its keys; a row that the table refuses for anything else has no key. With an upsert rows with one
        primary key are one, and another key is the first one's that had it. Nothing is loaded.

        Raises SinkRefusedError when the table can take none of the rows, and TransientError; then the trial
        is over.
        """
        ...


class Trials(Protocol):
    """Tries files without loading them."""

    def open(self, table: Table) -> AbstractAsyncContextManager[Trial]:
        """A trial of one file, which leaves nothing behind. No table is locked between two of its calls.
        Waits a while when many are open. Raises ResourceExhaustedError (TOO_MANY_DRY_RUNS),
        TransientError."""
        ...


class Fate(Enum):
    """What a process's state means for a batch of it."""

    RUNNING = "running"  # or not heard of yet: load it
    STOPPED = "stopped"  # cancelled, failed or undone: do not load it, and say so
    GONE = "gone"  # deleted or expired: drop it


class Outcomes(Protocol):
    """The status service."""

    async def record(self, outcome: BatchOutcome) -> None:
        """Durable when it returns, unless the process is gone. Idempotent. Raises TransientError, or
        ServiceError when status refuses it for good."""
        ...

    async def row_states(self, process_id: str, numbers: Sequence[int]) -> dict[int, str]:
        """Where rows of a process stand ("succeeded", "failed", ...), as far as they have an outcome.
        Raises TransientError, NotFoundError."""
        ...

    async def fate(self, process_id: str) -> Fate:
        """Whether batches of the process are to be loaded; the answer may be two seconds old, but GONE is
        for ever. Raises TransientError."""
        ...


@dataclass(frozen=True, slots=True)
class UndoCounts:
    """What an undo did to rows of the sink: taken out, set back to what they were before, left alone since
    a later process has changed them."""

    removed: int
    restored: int
    kept: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """Where the rows of a process are, that of its repairs too, which have loaded them in its name."""

    process_id: str
    tenant: str
    repairs: tuple[str, ...]
    table: Table
    sink: SinkChoice


class UndoImpossibleError(Exception):
    """The sink cannot take the rows out again; the message is for people."""


class Undoer(Protocol):
    """Takes out of a sink what a process has loaded. Raises TransientError."""

    async def undone(self, process_id: str) -> UndoCounts | None:
        """What the undo of the process did; None when it was not undone."""
        ...

    async def undo(self, of: Loaded, *, validate_only: bool) -> UndoCounts:
        """Undo the process, which has ended, in one transaction where the sink can take part in it. From then
        on no batch of it or of its repairs has an effect. Idempotent. Raises UndoImpossibleError, and then
        nothing has changed. With `validate_only` nothing changes either."""
        ...

    async def untold(self, limit: int) -> Sequence[tuple[str, UndoCounts]]:
        """Undone processes, repairs too, of which status does not know it yet."""
        ...

    async def told(self, process_id: str) -> None:
        """Status knows. Idempotent."""
        ...


class Leavings(Protocol):
    """What is kept of a process here, beside the rows that it has loaded. Raises TransientError."""

    async def remove(self, process_id: str, tenant: str, *, deleted: bool) -> None:
        """From now on no batch of the process has an effect or an outcome; then its markers go, and the
        rows that its undo would have set back. What an undo of it did stays known unless it is `deleted`.
        Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """What an undo needs to know of a process."""

    process_id: str
    tenant: str
    pipeline: str  # empty: JSON rows
    pipeline_version: int
    ended: bool
    expired: bool
    repairs: str  # the process that it repairs; empty: it stands for itself


class Processes(Protocol):
    """The status service, asked about processes. Raises TransientError."""

    async def get(self, process_id: str) -> ProcessFacts:
        """A process. Raises NotFoundError (PROCESS_NOT_FOUND, PROCESS_DELETED)."""
        ...

    async def repairs_of(self, process_id: str) -> Sequence[ProcessFacts]:
        """The processes that repair it."""
        ...

    async def record_undo(self, process_id: str, counts: UndoCounts) -> None:
        """Durable when it returns. Idempotent. Raises ServiceError when status refuses it."""
        ...


@dataclass(frozen=True, slots=True)
class StoredPipeline:
    """One version of a pipeline: the document's text."""

    name: str
    version: int
    document: str
    created: datetime


class PipelineStore(Protocol):
    """Versioned documents. Raises TransientError when the database is away."""

    async def add(self, name: str, document: str, canonical: str) -> tuple[StoredPipeline, bool]:
        """Store the next version, unless the latest has the same canonical text; the latest, and
        whether it is new. A deleted pipeline is in use again, with a new version in any case. Safe to
        call at the same time."""
        ...

    async def get(self, name: str, version: int | None) -> StoredPipeline | None:
        """A version, also of a deleted pipeline; with None the latest of one that is in use. None when
        there is none."""
        ...

    async def list(self, after: str, limit: int) -> Sequence[StoredPipeline]:
        """The latest versions of the pipelines in use, by name behind `after`."""
        ...

    async def versions(self, name: str, before: int | None, limit: int) -> Sequence[StoredPipeline]:
        """Versions below `before` (None: all), newest first, also of a deleted pipeline."""
        ...

    async def delete(self, name: str) -> None:
        """Take a pipeline out of use; its versions stay. Idempotent."""
        ...
