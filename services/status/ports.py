"""What the use cases need of the outside."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ingestor.services.status.filters import Comparison
from ingestor.services.status.ledger import Account, Batch, ChangeFunction, Outcome
from ingestor.services.status.overview import Interval, Overview
from ingestor.services.status.processes import Info, Process, RowState, Undo
from ingestor.services.status.rows import (
    DisplacedRow,
    ErrorGroup,
    RejectedRow,
    RepairedRows,
    Row,
    RowError,
    RowRange,
    RowVersion,
)


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """A batch as the ledger knows it; `processed` is None while it has no outcome."""

    batch: Batch
    succeeded: int
    failed: int
    skipped: int
    dispatched: datetime
    processed: datetime | None


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event of the log; `sequence` is its position there."""

    sequence: int
    event_id: str
    tenant: str
    process_id: str
    type: str
    time: datetime
    data_json: str
    traceparent: str


@dataclass(frozen=True, slots=True)
class Limits:
    """How many rows may fail: a count, a share (0 to 1), or None."""

    max_failed: int | None
    max_failed_share: float | None


class Ledger(Protocol):
    """Writes. Each call is one transaction under a lock of its process, durable when it returns,
    with the events of the change in the outbox. Raises TransientError when the database is away, and
    NotFoundError (PROCESS_DELETED): a deleted process takes nothing any more. What comes late for an
    expired one is left out."""

    async def start(self, info: Info) -> Account:
        """Record what a process is about. Idempotent. Of the process that it repairs it raises
        NotFoundError (PROCESS_DELETED) and FailedPreconditionError (RECORDS_EXPIRED)."""
        ...

    async def change(self, process_id: str, how: ChangeFunction) -> Account:
        """Apply a change; a process that is not known yet is made. What `how` raises goes through."""
        ...

    async def read_header(
        self, process_id: str, columns: Sequence[str], dialect: str, content_bytes: int, limits: Limits
    ) -> Account:
        """Record the labels of the columns, how the file is read, how much there is, and how many rows
        may fail. Idempotent."""
        ...

    async def dispatch(self, process_id: str, tenant: str, batch: Batch) -> Account:
        """Record a batch. Idempotent; raises ValueError when the ledger has it with other bounds."""
        ...

    async def record(
        self,
        process_id: str,
        tenant: str,
        outcome: Outcome,
        error: RowError | None,
        rows: Sequence[RejectedRow],
        repaired: RepairedRows | None = None,
        displaced: Sequence[DisplacedRow] = (),
    ) -> bool:
        """Record an outcome and the rows that are not plain successes, and what it changes in the
        process that it repairs. `displaced` rows of other batches have FAILED now, or will have when the
        outcome of their batch comes. False, and nothing is changed, when the batch has an
        outcome already. Raises ValueError when the rows do not fit the outcome."""
        ...

    async def undo(self, process_id: str, undo: Undo) -> Account:
        """Record what an undo did. Idempotent: the first one counts. Raises IllegalTransitionError when
        the process has not ended."""
        ...


@dataclass(frozen=True, slots=True)
class Removal:
    """A process whose files and records go: it was deleted, or else it has expired."""

    sequence: int
    process_id: str
    tenant: str
    deleted: bool


class Removals(Protocol):
    """The end of processes' lives. Raises TransientError when the database is away."""

    async def delete(self, process_id: str) -> None:
        """Delete a process that has ended and the processes that repair it, and list their removal. A
        tombstone stays: process, tenant, time. Idempotent. Raises NotFoundError (PROCESS_NOT_FOUND),
        FailedPreconditionError (PROCESS_RUNNING), which is also said of a repair that runs."""
        ...

    async def expire(self, before: datetime, now: datetime, limit: int) -> int:
        """Expire up to `limit` processes that ended before that time and are not being repaired, and
        list their removal; the number of them."""
        ...

    async def clear(self, now: datetime, limit: int) -> int:
        """Remove up to `limit` records of one expired or deleted process whose events are published; the
        number of steps taken, 0 when nothing is left to do."""
        ...

    async def list(self, after: int, limit: int) -> Sequence[Removal]:
        """Removals behind `after`, oldest first; one that is listed later has a higher number."""
        ...


class LedgerReader(Protocol):
    """Reads. Raises TransientError when the database is away."""

    async def process(self, process_id: str) -> Process | None:
        """A process, None when it is not known. Raises NotFoundError (PROCESS_DELETED)."""
        ...

    async def processes(
        self, comparisons: Sequence[Comparison], before: int | None, limit: int
    ) -> list[tuple[int, Process]]:
        """Processes with their positions in the list, newest first, those below `before`."""
        ...

    async def batches(
        self, process_id: str, processed: bool | None, after: int, limit: int
    ) -> list[BatchRecord]:
        """Batches by number behind `after`; `processed` None: all."""
        ...

    async def row(self, process_id: str, row_number: int) -> Row | None:
        """A row, None when no such row was read."""
        ...

    async def states(self, process_id: str, row_numbers: Sequence[int]) -> dict[int, RowState]:
        """Where rows stand, as far as their batches have an outcome."""
        ...

    async def history(self, process_id: str, row_number: int) -> list[RowVersion]:
        """What a row was before its repairs, oldest first."""
        ...

    async def rows(
        self, process_id: str, comparisons: Sequence[Comparison], after: int, limit: int
    ) -> list[Row]:
        """Rows by number behind `after`; ranges are opened as far as the page needs them."""
        ...

    async def ranges(
        self, process_id: str, states: Collection[RowState], after: int, limit: int
    ) -> list[RowRange]:
        """Batches that begin behind row `after`, by first row, whose rows without a record of their
        own are in one of the states."""
        ...

    async def own_rows(
        self, process_id: str, states: Collection[RowState], after: int, upto: int, limit: int
    ) -> list[Row]:
        """Rows with a record of their own behind row `after` and not behind `upto`, by number: at
        most `limit` and about 4 MiB of them, but at least one if there is one. Errors and cells of
        rows in other states are left out."""
        ...

    async def error_groups(self, process_id: str) -> list[ErrorGroup]:
        """Errors by code and field, most frequent first."""
        ...

    async def overview(self, of: Interval) -> Overview:
        """What happened in an interval."""
        ...


class EventLog(Protocol):
    """The log of events. Whoever has read up to a position has read everything before it: an event that
    becomes visible later has a higher one. Raises TransientError when the database is away."""

    async def events(self, process_id: str | None, after: int, limit: int) -> list[LoggedEvent]:
        """Events behind a position, oldest first."""
        ...

    async def last_event(self) -> int:
        """Position of the newest event; 0 when there never was one."""
        ...


class Changes(Protocol):
    """Tells that a process has changed."""

    def watch(self, process_id: str | None) -> AsyncIterator[None]:
        """Yield at once, then after every change of the process (None: of any), several perhaps merged,
        and at least every 20 s. Ends when the service stops."""
        ...


class Outbox(Protocol):
    """Events that are to be published."""

    async def publish(self, send: Sender, limit: int) -> int:
        """Hand up to `limit` unpublished events, oldest first, to `send`, and mark them when it
        returns; the number of them. Several instances never hand on the same event together."""
        ...

    async def remove_published(self, before: datetime) -> int:
        """Remove events that were published before that time; the number of them."""
        ...

    async def backlog(self) -> int:
        """Events that wait to be published."""
        ...


class Sender(Protocol):
    """Takes events."""

    async def __call__(self, events: Sequence[LoggedEvent]) -> None:
        """Durable when it returns; at least once. Raises TransientError."""
        ...
