"""What the use cases need of the outside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Protocol

import pyarrow as pa

from ingestor.columns.arrow import Int64s
from ingestor.outcomes import RejectedState, RowError
from ingestor.pipelines.document import Pipeline
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

    Without `upsert` a row whose primary key or `unique` key is taken is refused: what is in the table stays.
    Only within a process the first row wins, whatever the order of its batches: by the primary key or,
    without one, by the only unique key, it displaces a later row that was loaded before it, which has FAILED
    then. The rows of a repair displace none, and are not displaced.

    With `upsert` the last row of the latest process wins: a row replaces the one with its primary key if it
    comes after it, in the order of processes (their UUIDs are in order of time) and of row numbers.

    With `evolve` columns that the table lacks are added to it. A row replaces another as a whole: in columns
    that were made for an evolving table and that its own batch does not have, it is empty.

    With `undo` an upsert keeps the rows that others have replaced, so that it can be undone.
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
    outside package the table has no schema, and the pipeline's name. Rows of a repair belong to the repaired
    process `repairs` and have their numbers there, each once."""

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
    error: RowError
    state: RejectedState = "failed"


@dataclass(frozen=True, slots=True)
class Applied:
    """A batch whose marker is set; `outcome` is None when status knows it already."""

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
        it, else so that a second call for the same batch changes nothing. Rows that the sink refuses are
        left out and passed to `conclude`, whose outcome goes into the marker, with the rows of other
        batches that were displaced. If the marker exists already nothing is loaded and its outcome is
        returned. Nothing is loaded for an undone process: its batch becomes UNPROCESSED. Nothing is kept or
        reported for a removed one.

        Rows of a repair are loaded as rows of the repaired process, each at most once, however many repairs
        have it at the same time.

        Raises SinkRefusedError, and TransientError when the same call may succeed later.
        """
        ...


class Sink(RowLoader, Protocol):
    """Takes rows, each batch once, and keeps the markers of applied batches. Raises TransientError."""

    async def settle(self, outcome: BatchOutcome) -> Applied:
        """Set the marker of a batch that will never be loaded, unless it is set or its process removed."""
        ...

    async def forget_outcome(self, key: BatchKey) -> None:
        """Status knows the outcome; the marker stays. Idempotent."""
        ...


class TableDryRun(Protocol):
    """A dry run of a file's rows: what the table would refuse if they were loaded alone and in order."""

    async def refused(self, rows: GoodRows) -> Sequence[Refused]:
        """The next rows that the table would refuse, by position and for the reasons that RowLoader gives. A
        refused row takes no key. With an upsert rows with one primary key are one, and another key belongs to
        the first of them that has it. Nothing is loaded.

        Raises SinkRefusedError when the table can take none of the rows, and TransientError; then the dry run
        is over.
        """
        ...


class DryRunTables(Protocol):
    """Dry runs of files into tables."""

    def open(self, table: Table) -> AbstractAsyncContextManager[TableDryRun]:
        """A dry run of one file, which leaves nothing behind. No table is locked between two of its calls.
        Waits a while when many are open. Raises ResourceExhaustedError (TOO_MANY_DRY_RUNS),
        TransientError."""
        ...


class Disposition(Enum):
    """What a process's state means for a batch of it."""

    RUNNING = "running"  # or not known yet: load it
    STOPPED = "stopped"  # cancelled, failed or undone: do not load it, and report that
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

    async def disposition(self, process_id: str) -> Disposition:
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
    """Where the rows of a process are, and those that its repairs have loaded in its name."""

    process_id: str
    tenant: str
    repairs: tuple[str, ...]
    table: Table
    sink: SinkChoice


class UndoImpossibleError(Exception):
    """The sink cannot take the rows out again; the message is for people."""


class RowUndo(Protocol):
    """Takes the rows of a process out of a sink. Raises TransientError."""

    async def undone(self, process_id: str) -> UndoCounts | None:
        """What the undo of the process did; None when it was not undone."""
        ...

    async def undo(self, of: Loaded, *, dry_run: bool) -> UndoCounts:
        """Undo the process, which has ended, in one transaction where the sink can take part in it. From then
        on no batch of it or of its repairs has an effect. Idempotent. Raises UndoImpossibleError, and then
        nothing has changed. With `dry_run` nothing changes either."""
        ...

    async def unreported(self, limit: int) -> Sequence[tuple[str, UndoCounts]]:
        """Undone processes, repairs too, that status does not know to be undone."""
        ...

    async def mark_reported(self, process_id: str) -> None:
        """Status knows of the undo. Idempotent."""
        ...


class ProcessRecords(Protocol):
    """What the processor keeps of a process, beside the rows that it has loaded. Raises TransientError."""

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


class Pipelines(Protocol):
    """The orchestrator's catalogue of pipelines."""

    async def get(self, name: str, version: int) -> Pipeline:
        """A version (0: the latest). Raises NotFoundError, TransientError."""
        ...
