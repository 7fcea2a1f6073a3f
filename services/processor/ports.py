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
from ingestor.outcomes import Notice, RejectedState, RowError
from ingestor.pipelines.document import Pipeline
from ingestor.runtime.errors import PermissionDeniedError
from ingestor.services.processor.batches import BatchKey, BatchOutcome, RowBatch


@dataclass(frozen=True, slots=True)
class Delivery:
    """A received message: its receipt for later calls, how often it was received, its batch (None if the
    attributes do not name one), its body, its queue, and when it was sent, if the queue tells. Without
    `is_authentic` it is not from the suite, or was altered: then nothing of it is read."""

    message_id: str
    receipt: str
    receive_count: int
    key: BatchKey | None
    traceparent: str | None
    body: str
    is_authentic: bool = True
    queue: str = ""
    sent: datetime | None = None


class UnreadableBatchError(Exception):
    """A message's body is not a batch."""


class MessageRefusedError(Exception):
    """A message is never to be handled: it was forged, or its tenant is gone. `reason` is for the metric."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TenantGoneError(PermissionDeniedError):
    """The tenant was removed, or never was."""

    def __init__(self) -> None:
        super().__init__("TENANT_UNKNOWN", "There is no such tenant, or it was removed.")


class RowQueue(Protocol):
    """A queue of batches. All calls raise TransientError when the queue does not answer."""

    async def receive(self, limit: int) -> list[Delivery]:
        """Up to `limit` messages; waits up to 20 s for the first."""
        ...

    def decode(self, delivery: Delivery) -> RowBatch:
        """The batch of a message (CPU-bound, call it in a thread). Raises UnreadableBatchError, and
        NewerReleaseError when only a newer release can read it."""
        ...

    async def hide(self, delivery: Delivery, seconds: int) -> None:
        """Hide the message for so long from now; 0 returns it to the queue. Does nothing if the receipt is no
        longer valid."""
        ...

    async def delete(self, delivery: Delivery) -> None:
        """Remove the message. Idempotent."""
        ...


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """Columns whose values must exist in columns of another table (schema, name)."""

    columns: tuple[str, ...]
    table: tuple[str, str]
    table_columns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """The table that rows are loaded into: columns as (name, PostgreSQL type); `primary_key` may be empty.

    Without `upsert` a row is refused if its primary key or a `unique` key is taken: the row of the table
    stays. But within a process the first row wins, whatever the order of its batches. It displaces a later
    row that was loaded before it with the same primary key or, without one, with the same only unique key;
    that row has FAILED then. The rows of a repair neither displace others nor are displaced.

    With `upsert` the last row of the latest process wins: a row replaces the one with its primary key if it
    comes after it, in the order of processes (their UUIDs are in order of time) and of row numbers.

    With `evolve` columns that the table lacks are added to it. A row replaces another as a whole: columns
    that were added to an evolving table and that its own batch lacks become empty.

    With `undo` an upsert keeps the rows that it replaces, so that it can be undone.

    A table that exists may lack the two columns for the lineage of its rows. With `add_lineage` they are
    added. Otherwise the lineage of upserted rows is kept elsewhere, by their key; appended rows have none:
    they cannot be undone, and the row that was loaded first stays. A row without lineage is older than all
    processes.

    The values of a column in `rounding` may lose digits in a table that keeps fewer of them; those of a
    column in `base64` are bytes for a table that has bytes.
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
    rounding: frozenset[str] = frozenset()
    base64: frozenset[str] = frozenset()
    add_lineage: bool = False


@dataclass(frozen=True, slots=True)
class SinkChoice:
    """The type of the sink that takes the rows and, for a sink of an outside package, its options."""

    type: str
    options: Mapping[str, Any] = field(default_factory=dict)


TABLE_SINK = SinkChoice("table")
JSON_SINK = SinkChoice("json-rows")


@dataclass(frozen=True, slots=True)
class GoodRows:
    """Rows to load: `data` has a column per column of the table, `row_numbers` are int64. For a sink of an
    outside package the table has no schema and bears the name of the pipeline. Rows of a repair belong to the
    repaired process `repairs` and have distinct row numbers of it."""

    table: Table
    data: pa.Table
    row_numbers: Int64s
    sink: SinkChoice = TABLE_SINK
    repairs: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that the sink refused: its position in `GoodRows`, and why; `more` are further errors. It is
    SKIPPED if it is a row of a repaired process that another repair has loaded."""

    position: int
    error: RowError
    state: RejectedState = "failed"
    more: tuple[RowError, ...] = ()


@dataclass(frozen=True, slots=True)
class Applied:
    """A batch whose marker is set; `outcome` is None if status has recorded it already."""

    outcome: BatchOutcome | None


class SinkRefusedError(Exception):
    """The sink can take no row of the batch (its table does not fit, a right is missing); the message is for
    people. `midway`: it has taken rows of the process before."""

    midway = False


class TooManyTablesError(SinkRefusedError):
    """The tenant may have no further table; the process can go on when one is gone."""


class SchemaNotAllowedError(SinkRefusedError):
    """The pipeline names a schema that its tenant may not use here; the process can go on when the operator
    has allowed it."""


class TableLockedError(Exception):
    """Another session holds the table; the message is for people."""


class RowLoader(Protocol):
    """One kind of sink."""

    async def load(
        self, key: BatchKey, rows: GoodRows, conclude: Callable[[Sequence[Refused]], BatchOutcome]
    ) -> Applied:
        """Load the rows and set the marker of the batch, in one transaction if the sink can take part in it,
        else such that a second call for the same batch changes nothing. Rows that the sink refuses are left
        out and passed to `conclude`; its outcome goes into the marker, with the rows of other batches that
        were displaced, and without the lines of rows where none can be. If the marker exists, load nothing
        and return its outcome. A batch of an undone process is not loaded and becomes UNPROCESSED; of a batch
        of a removed process nothing is loaded, kept or reported.

        Rows of a repair are loaded as rows of the repaired process, each at most once, however many repairs
        load it at the same time.

        Raises SinkRefusedError, and TransientError when the same call may succeed later.
        """
        ...


class Sink(RowLoader, Protocol):
    """Takes rows, each batch once, and keeps the markers of applied batches. Raises TransientError."""

    async def settle(self, outcome: BatchOutcome) -> Applied:
        """Set the marker of a batch that will never be loaded, unless it is set or the process was
        removed."""
        ...

    async def forget_outcome(self, key: BatchKey) -> None:
        """Drop the outcome, which status has recorded; the marker stays. Idempotent."""
        ...

    async def has_tenant(self) -> bool:
        """Whether the scope's tenant can take rows at all; all other calls raise TenantGoneError when not."""
        ...


@dataclass(frozen=True, slots=True)
class TableNow:
    """Whether a table exists, and its rows; `estimated` if there are too many to count."""

    exists: bool
    row_count: int = 0
    estimated: bool = False


class TableDryRun(Protocol):
    """A dry run of the rows of a file, as if they were loaded in order and nothing else were loaded."""

    async def refused(self, rows: GoodRows) -> Sequence[Refused]:
        """Which of the next rows the table would refuse, by position, with the errors that RowLoader gives. A
        refused row takes no key. For an upsert rows with the same primary key count as one, and any other key
        belongs to the first of them that has it. Nothing is loaded.

        Raises SinkRefusedError when the table can take none of the rows, and TransientError; either ends the
        dry run.
        """
        ...

    @property
    def notices(self) -> Sequence[Notice]:
        """What a person should know of the table."""
        ...

    @property
    def table_now(self) -> TableNow | None:
        """The table as it is; None if that is not known."""
        ...


@dataclass(frozen=True, slots=True)
class TableDraft:
    """A pipeline for a table that exists. `document` is a pipeline document; `needed` are the fields whose
    columns have no default and take no NULL."""

    document: Mapping[str, Any]
    needed: tuple[str, ...]


class Tables(Protocol):
    """The tables that people have."""

    async def draft(self, schema: str, name: str) -> TableDraft:
        """Draft a pipeline from a table. Raises NotFoundError (TABLE_NOT_FOUND), FailedPreconditionError
        (TABLE_FORBIDDEN), TransientError."""
        ...


class DryRunTables(Protocol):
    """Dry runs of files into tables."""

    def open(self, table: Table) -> AbstractAsyncContextManager[TableDryRun]:
        """Open a dry run of one file, which leaves nothing behind and locks no table between two calls. Waits
        a while when many are open. Raises ResourceExhaustedError (TOO_MANY_DRY_RUNS), TransientError."""
        ...


class Disposition(Enum):
    """What to do with a batch, by the state of its process."""

    RUNNING = "running"  # or not known yet: load the batch
    HELD = "held"  # paused since its table takes no rows: drop the batch, it is sent again after the pause
    STOPPED = "stopped"  # cancelled, failed or undone: do not load it, report it as unprocessed
    GONE = "gone"  # deleted or expired: drop it


class Outcomes(Protocol):
    """The status service, as batches need it."""

    async def record(self, outcome: BatchOutcome) -> None:
        """Record an outcome; durable when it returns, unless the process is gone. Idempotent. Raises
        TransientError, and ServiceError when status refuses it for good."""
        ...

    async def row_states(self, process_id: str, numbers: Sequence[int]) -> dict[int, str]:
        """The states ("succeeded", "failed", ...) of those of the rows that have an outcome. Raises
        TransientError, NotFoundError."""
        ...

    async def disposition(self, process_id: str) -> Disposition:
        """Whether to load batches of the process. The answer may be two seconds old, unless it is HELD; GONE
        never changes. Raises TransientError."""
        ...

    async def hold(self, process_id: str, reason: str, *, resumes: bool = False) -> bool:
        """Pause a process whose table takes no rows any more, so that its batches are HELD; False if it has
        ended. With `resumes` it is resumed by itself after a while. Idempotent. Raises TransientError."""
        ...


@dataclass(frozen=True, slots=True)
class UndoCounts:
    """What an undo did to rows of the sink: numbers of rows taken out, set back to what they were before, and
    kept because a later process has changed them."""

    removed: int
    restored: int
    kept: int


@dataclass(frozen=True, slots=True)
class Loaded:
    """Where a process and its repairs have loaded rows."""

    process_id: str
    tenant: str
    repairs: tuple[str, ...]
    table: Table
    sink: SinkChoice


@dataclass(frozen=True, slots=True)
class Undone:
    """A process that was undone, and what that did."""

    process_id: str
    tenant: str
    counts: UndoCounts


class UndoImpossibleError(Exception):
    """The sink cannot take the rows out again; the message is for people."""


@dataclass(frozen=True, slots=True)
class LoadedRows:
    """Rows of a process as they are in its table: `rows` by their numbers, each with a text per name of
    `columns`, None for NULL. `table` and `select` are SQL, `select` is empty when no statement finds the
    rows. `more`: rows were left out, since they are too many. `counts`: the rows of the table, and those of
    the process among them; where they cannot be counted in time, `about` has an estimate of those of the
    table. `before`: the table before the process loaded its first row, None where that is not known."""

    table: str
    select: str = ""
    columns: tuple[str, ...] = ()
    rows: Sequence[tuple[int, Sequence[str | None]]] = ()
    more: bool = False
    unreadable: str = ""
    counts: tuple[int, int] | None = None
    about: int | None = None
    before: TableNow | None = None


class LoadedTables(Protocol):
    """The tables that processes have loaded rows into."""

    async def read(self, of: Loaded, first: int, last: int, *, counts: bool) -> LoadedRows:
        """The rows with these numbers, as many as fit into an answer. Where they cannot be read the answer
        says why. Raises TransientError."""
        ...


class RowUndo(Protocol):
    """Takes the rows of a process out of a sink, for the scope's tenant. Raises TransientError."""

    async def undone(self, process_id: str) -> UndoCounts | None:
        """What the undo of the process did; None if it was not undone."""
        ...

    async def undo(self, of: Loaded, *, dry_run: bool) -> UndoCounts:
        """Undo a process that has ended, in one transaction if the sink can take part in it. From then on no
        batch of it or of its repairs has an effect. With `dry_run` only count. Idempotent. Raises
        UndoImpossibleError, with nothing changed."""
        ...

    async def unreported(self, limit: int) -> Sequence[Undone]:
        """Undone processes, repairs included, whose undo status has not recorded; in the scope `everything`
        those of all tenants."""
        ...

    async def mark_reported(self, process_id: str) -> None:
        """Note that status has recorded the undo. Idempotent."""
        ...


class ProcessRecords(Protocol):
    """What the processor keeps of a process beside the loaded rows. Raises TransientError."""

    async def remove(self, process_id: str, tenant: str, *, deleted: bool) -> None:
        """Close the process, so that its batches have neither an effect nor an outcome; then remove its
        markers and the rows that its undo would have set back. The counts of its undo stay, unless it is
        `deleted`. Idempotent."""
        ...


class HandedBack(Protocol):
    """Which messages processors of older releases have handed back to the queue. Raises TransientError."""

    async def note(self, message_id: str, key: BatchKey) -> None:
        """Note it of a message, unless its process was removed. Idempotent."""
        ...

    async def is_noted(self, message_id: str, tenant: str) -> bool:
        """Whether that was noted."""
        ...


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """What an undo, or a look at the loaded rows, needs to know of a process."""

    process_id: str
    tenant: str
    pipeline: str  # empty: JSON rows
    pipeline_version: int
    ended: bool
    expired: bool
    repairs: str  # the process that it repairs; empty: none
    columns: tuple[str, ...] = ()  # labels of its file


class Processes(Protocol):
    """The status service, asked about processes. Raises TransientError."""

    async def get(self, process_id: str) -> ProcessFacts:
        """A process. Raises NotFoundError (PROCESS_NOT_FOUND, PROCESS_DELETED)."""
        ...

    async def repairs_of(self, process_id: str) -> Sequence[ProcessFacts]:
        """The repairs of a process."""
        ...

    async def record_undo(self, process_id: str, counts: UndoCounts) -> None:
        """Record an undo; durable when it returns. Idempotent. Raises ServiceError when status refuses it."""
        ...


class Pipelines(Protocol):
    """The orchestrator's catalogue of pipelines."""

    async def get(self, name: str, version: int) -> Pipeline:
        """A version (0: the latest). Raises NotFoundError, TransientError, and NewerReleaseError when only
        a newer release knows all that its document says."""
        ...
