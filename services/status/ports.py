"""Ports of the use cases."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from ingestor.outcomes import DisplacedRow, Notice, RejectedRow, RowError
from ingestor.runs import RejectedRun
from ingestor.services.status.filters import Comparison
from ingestor.services.status.ledger import Account, Batch, ChangeFunction, Outcome
from ingestor.services.status.overview import Interval, Overview
from ingestor.services.status.processes import Info, Process, RowState, Undo
from ingestor.services.status.reports.row_table import RowTable
from ingestor.services.status.rows import (
    ErrorGroup,
    RepairedRows,
    Row,
    RowRange,
    RowVersion,
)


@dataclass(frozen=True, slots=True)
class BatchRecord:
    """A batch in the ledger; `processed` is None while it has no outcome."""

    batch: Batch
    succeeded: int
    failed: int
    skipped: int
    dispatched: datetime
    processed: datetime | None


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event in the log; `sequence` is its position there."""

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
    """Writes. Each call is one transaction under the lock of its process, with the events of the change in
    the outbox; it is durable on return. Raises TransientError when the database does not respond, and
    NotFoundError for a deleted process (PROCESS_DELETED) and for one that is not of the tenant in scope
    (PROCESS_NOT_FOUND). Ignores late reports on an expired one."""

    async def start(self, info: Info) -> Account:
        """Record a process. Idempotent. Raises NotFoundError (PROCESS_DELETED) and FailedPreconditionError
        (RECORDS_EXPIRED) for the process itself and for the one that it repairs."""
        ...

    async def change(self, process_id: str, how: ChangeFunction) -> Account:
        """Apply a change, creating the process if it does not exist. Raises what `how` raises."""
        ...

    async def read_header(
        self,
        process_id: str,
        columns: Sequence[str],
        dialect: str,
        content_bytes: int,
        limits: Limits,
        notices: Sequence[Notice] = (),
    ) -> Account:
        """Record the labels of the columns, the dialect, the size of the content, how many rows may fail, and
        the notices of the file. Idempotent."""
        ...

    async def dispatch(self, process_id: str, batch: Batch) -> Account:
        """Record a batch. Idempotent. Raises ValueError when it is recorded with other bounds."""
        ...

    async def record(
        self,
        process_id: str,
        outcome: Outcome,
        error: RowError | None,
        rows: Sequence[RejectedRow],
        repaired: RepairedRows | None = None,
        displaced: Sequence[DisplacedRow] = (),
        notices: Sequence[Notice] = (),
        runs: Sequence[RejectedRun] = (),
    ) -> bool:
        """Record an outcome with its notices and the rows that did not simply succeed, those without
        neighbours in `rows` and others in `runs`, and what it changes in the repaired process. `displaced`
        rows of other batches become FAILED, at once or with the outcome of their batch. Returns False and
        changes nothing when the batch already has an outcome. Raises ValueError when the rows do not fit the
        outcome."""
        ...

    async def undo(self, process_id: str, undo: Undo) -> Account:
        """Record the result of an undo. Idempotent: the first one stays. Raises IllegalTransitionError when
        the process has not ended."""
        ...


@dataclass(frozen=True, slots=True)
class Removal:
    """A process whose files and records are to be removed because it was deleted or, unless `deleted`,
    expired."""

    sequence: int
    process_id: str
    tenant: str
    deleted: bool


class Removals(Protocol):
    """Expires and deletes processes of the tenant in scope, or of all tenants in the scope of everything.
    Raises TransientError when the database does not respond."""

    async def delete(self, process_id: str) -> None:
        """Delete an ended process with its repairs, and log their removals. Leaves tombstones: process,
        tenant, time. Idempotent. Raises NotFoundError (PROCESS_NOT_FOUND), and
        FailedPreconditionError (PROCESS_RUNNING) also for a running repair."""
        ...

    async def expire(self, before: datetime, now: datetime, limit: int) -> int:
        """Expire up to `limit` processes that ended before `before` and have no running repair, and log their
        removals. Returns their number."""
        ...

    async def clear(self, now: datetime, limit: int) -> int:
        """Remove up to `limit` records of one expired or deleted process whose events are published. Returns
        the number of steps done; 0 when nothing is left."""
        ...

    async def list(self, after: int, limit: int) -> Sequence[Removal]:
        """At most `limit` removals after sequence `after`, oldest first; later ones have higher numbers."""
        ...


class LedgerReader(Protocol):
    """Reads what is of the tenant in scope; nothing else exists. Raises TransientError when the database does
    not respond."""

    async def process(self, process_id: str) -> Process | None:
        """A process, None when it does not exist. Raises NotFoundError (PROCESS_DELETED)."""
        ...

    async def newest(self) -> int:
        """The position of the newest process; 0 when there is none."""
        ...

    async def processes(
        self, comparisons: Sequence[Comparison], before: int | None, limit: int, down_to: int = 0
    ) -> list[tuple[int, Process]]:
        """Processes with their positions in the list, newest first, below `before` and not below
        `down_to`."""
        ...

    async def batches(
        self, process_id: str, processed: bool | None, after: int, limit: int
    ) -> list[BatchRecord]:
        """Batches with numbers after `after`, in order; `processed` None for all."""
        ...

    async def row(self, process_id: str, row_number: int) -> tuple[Process | None, Row | None]:
        """A process, see `process`, and a row of it; None when it has not been read."""
        ...

    async def page(self, process_id: str, after: int, limit: int) -> tuple[Process | None, list[Row]]:
        """A process, see `process`, and its rows with the `limit` numbers after `after`, in order: fewer
        where some have not been read."""
        ...

    async def states(self, process_id: str, row_numbers: Sequence[int]) -> dict[int, RowState]:
        """States of those rows whose batches have an outcome."""
        ...

    async def history(self, process_id: str, row_number: int) -> list[RowVersion]:
        """The versions of a row before its repairs, oldest first."""
        ...

    async def rows(
        self,
        process_id: str,
        comparisons: Sequence[Comparison],
        after: int,
        limit: int,
        upto: int = 2**62,
    ) -> list[Row]:
        """Rows with numbers after `after` and up to `upto`, in order; expands only as many batches as
        the page needs."""
        ...

    async def ranges(
        self, process_id: str, states: Collection[RowState], after: int, limit: int
    ) -> list[RowRange]:
        """Batches that begin after row `after` and whose rows without own records are in one of the states,
        by first row."""
        ...

    def own_pages(
        self, process_id: str, states: Collection[RowState], after: int, upto: int, most: int
    ) -> AsyncGenerator[RowTable, None]:
        """Rows with own records after row `after` and up to `upto`, by number, in pages of at most `most`
        rows and about 4 MiB, none of them empty. Leaves out errors and cells of rows in other states. The
        next page is read while one is parsed."""
        ...

    async def error_groups(self, process_id: str) -> list[ErrorGroup]:
        """Errors by code and field, most frequent first."""
        ...

    async def overview(self, of: Interval) -> Overview:
        """What happened in an interval."""
        ...


class EventLog(Protocol):
    """The log of events of the tenant in scope, or of all in the scope of everything. Whoever has read up to
    a position has read everything before it: events that become visible later have higher positions. Raises
    TransientError when the database does not respond."""

    async def events(self, process_id: str | None, after: int, limit: int) -> list[LoggedEvent]:
        """At most `limit` events after a position, oldest first."""
        ...

    async def last_event(self) -> int:
        """Position of the newest event; 0 before the first."""
        ...


class Changes(Protocol):
    """Notifies of changed processes."""

    def watch(self, process_id: str | None, min_interval: float = 0.0) -> AsyncIterator[None]:
        """Yield at once, then after changes of the process (None for any), and at least every 20 s. Changes
        less than `min_interval` seconds apart are merged, but the end of a process need not wait. Ends when
        the service stops."""
        ...


# Sends events to the queue at least once; they are durable on return. Raises TransientError.
Send = Callable[[Sequence[LoggedEvent]], Awaitable[None]]


class Outbox(Protocol):
    """Events that wait to be published."""

    async def publish(self, send: Send, limit: int) -> int:
        """Pass up to `limit` unpublished events, oldest first, to `send`, and mark them when it returns.
        Returns their number. No two instances send the same event at the same time."""
        ...

    async def remove_published(self, before: datetime) -> int:
        """Remove events that were published before `before`; return how many."""
        ...
