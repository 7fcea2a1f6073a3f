"""The ledger of the status service in memory: accounts, outcomes, events, removals."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from ingestor.access import scope
from ingestor.outcomes import DisplacedRow, Notice, RejectedRow, RowError
from ingestor.runs import RejectedRun
from ingestor.runtime.errors import FailedPreconditionError, NotFoundError
from ingestor.services.status import ledger
from ingestor.services.status.ledger import Account, Batch, Change, ChangeFunction, Event, Outcome
from ingestor.services.status.ports import (
    BatchRecord,
    Changes,
    Ledger,
    Limits,
    LoggedEvent,
    Outbox,
    Removal,
    Removals,
    Send,
)
from ingestor.services.status.processes import TERMINAL, Info, Process, ProcessState, RowState, Undo
from ingestor.services.status.rows import RepairedRows, with_displaced

_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Recorded:
    """The outcome of a batch, with the rows that did not simply succeed."""

    outcome: Outcome
    error: RowError | None
    rows: tuple[RejectedRow, ...]

    def state(self, number: int) -> tuple[RowState, frozenset[str]]:
        """The state of one of its rows, and the codes of its errors."""
        for row in self.rows:
            if row.row_number == number:
                return RowState[row.state.upper()], frozenset(error.code for error in row.errors)
        return self.outcome.default_state, frozenset({self.error.code} if self.error else ())


@dataclass
class Kept:
    """What is kept of a process."""

    tenant: str
    account: Account = field(default_factory=Account)
    info: Info | None = None
    batches: dict[int, Batch] = field(default_factory=dict)
    outcomes: dict[int, Recorded] = field(default_factory=dict)
    early: dict[int, DisplacedRow] = field(
        default_factory=dict
    )  # displaced before their batch has an outcome
    columns: tuple[str, ...] = ()
    undo: Undo | None = None
    is_deleted: bool = False

    def row(self, number: int) -> tuple[RowState, frozenset[str]] | None:
        """The state of a row and the codes of its errors; None without an outcome."""
        for recorded in self.outcomes.values():
            batch = recorded.outcome.batch
            if batch.first_row <= number < batch.first_row + batch.row_count:
                return recorded.state(number)
        return None


class MemoryLedger(Ledger, Outbox, Removals):
    """Each call is one transaction: its changes and its events are kept together, or not at all. Also what a
    reader of processes and batches needs. It knows no repairs."""

    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.processes: dict[str, Kept] = {}
        self.events: list[LoggedEvent] = []
        self.published: set[int] = set()  # sequences of events
        self.removed: list[Removal] = []
        self.heard: list[Callable[[str], None]] = []  # called with each process that has changed
        self._publishing = False
        self._now = now

    # The transaction of a process.

    @contextmanager
    def _process(self, process_id: str) -> Iterator[tuple[Kept, list[Event]]]:
        before = self.processes.get(process_id)
        if before is not None and before.tenant != scope.tenant():
            raise NotFoundError("PROCESS_NOT_FOUND", f"Process {process_id} does not exist.")
        if before is not None and before.is_deleted:
            raise NotFoundError("PROCESS_DELETED", f"Process {process_id} was deleted.")
        if before is None:
            kept = Kept(scope.tenant())
        else:
            kept = replace(
                before, batches=dict(before.batches), outcomes=dict(before.outcomes), early=dict(before.early)
            )
        events: list[Event] = []
        yield kept, events
        self._commit(process_id, kept, events)

    def _commit(self, process_id: str, kept: Kept, events: Sequence[Event]) -> None:
        """What becomes durable together."""
        self.processes[process_id] = kept
        self._log(process_id, kept.tenant, events)
        for heard in self.heard:
            heard(process_id)

    def _log(self, process_id: str, tenant: str, events: Sequence[Event]) -> None:
        for event in events:
            number = len(self.events) + 1
            self.events.append(
                LoggedEvent(
                    number, f"event-{number}", tenant, process_id, event.type, self._now(),
                    json.dumps(event.data), "",
                )
            )  # fmt: skip

    # As of Ledger.

    async def start(self, info: Info) -> Account:
        with self._process(info.process_id) as (kept, events):
            if kept.info is None:
                kept.info = info
                events.append(Event("ingestion.started", {"file_name": info.file_name}))
            return kept.account

    async def change(self, process_id: str, how: ChangeFunction) -> Account:
        with self._process(process_id) as (kept, events):
            return _apply(kept, events, how(kept.account))

    async def read_header(
        self,
        process_id: str,
        columns: Sequence[str],
        dialect: str,
        content_bytes: int,
        limits: Limits,
        notices: Sequence[Notice] = (),
    ) -> Account:
        with self._process(process_id) as (kept, events):
            kept.columns = tuple(columns)
            change = ledger.header_read(kept.account, limits.max_failed, limits.max_failed_share)
            return _apply(kept, events, change)

    async def dispatch(self, process_id: str, batch: Batch) -> Account:
        with self._process(process_id) as (kept, events):
            _dispatch(kept, events, batch)
            return kept.account

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
        assert repaired is None, "repairs are not for this fake"
        rows = [*rows, *(row for run in runs for row in run.rows())]
        with self._process(process_id) as (kept, events):
            number = outcome.batch.number
            _dispatch(kept, events, outcome.batch)
            if self._has_outcome(kept, number):
                return False
            first, end = outcome.batch.first_row, outcome.batch.first_row + outcome.batch.row_count
            early = [
                RejectedRow(row, 0, "failed", (kept.early.pop(row).error,), ())
                for row in sorted(kept.early)
                if first <= row < end
            ]
            outcome, rows = with_displaced(outcome, rows, (), early)
            kept.outcomes[number] = Recorded(outcome, error, tuple(rows))
            others = _displace(kept, displaced)
            _apply(kept, events, ledger.processed(kept.account, outcome, others))
            return True

    def _has_outcome(self, kept: Kept, number: int) -> bool:
        return number in kept.outcomes

    async def undo(self, process_id: str, undo: Undo) -> Account:
        with self._process(process_id) as (kept, events):
            if kept.account.state is not ProcessState.UNDONE:
                kept.undo = undo
                _apply(kept, events, ledger.undone(kept.account, undo))
            return kept.account

    # As of LedgerReader.

    async def process(self, process_id: str) -> Process | None:
        """As of the port."""
        kept = self.processes.get(process_id)
        if kept is None or kept.tenant != scope.tenant():
            return None
        if kept.is_deleted:
            raise NotFoundError("PROCESS_DELETED", f"Process {process_id} was deleted.")
        account = kept.account
        return Process(
            kept.info or Info(process_id, kept.tenant, "", "", 0, "", 0), account.state, account.read,
            account.succeeded, account.failed, account.skipped, account.batches_dispatched,
            account.batches_processed, account.bytes_dispatched, account.message_bytes,
            account.message_units, kept.columns, "{}", 0, account.failure,
            _NEVER, _NEVER, None, undo=kept.undo, pause_reason=account.pause_reason,
        )  # fmt: skip

    async def batches(
        self, process_id: str, processed: bool | None, after: int, limit: int
    ) -> list[BatchRecord]:
        """As of the port."""
        kept = self.processes[process_id]
        found = []
        for number in sorted(kept.batches):
            recorded = kept.outcomes.get(number)
            if number <= after or processed not in (None, recorded is not None):
                continue
            counts = (
                (recorded.outcome.succeeded, recorded.outcome.failed, recorded.outcome.skipped)
                if recorded
                else (0, 0, 0)
            )
            ended = _NEVER if recorded else None
            found.append(BatchRecord(kept.batches[number], *counts, _NEVER, ended))
        return found[:limit]

    # As of Outbox.

    async def publish(self, send: Send, limit: int) -> int:
        found = self.begin_publishing(limit)
        if found is None:
            return 0
        try:
            if found:
                await send(found)
                self.mark_published(found)
            return len(found)
        finally:
            self.end_publishing()

    def begin_publishing(self, limit: int) -> list[LoggedEvent] | None:
        """Begin the transaction of `publish`: the events to send; None while another one has not ended."""
        if self._publishing:
            return None
        self._publishing = True
        return [event for event in self.events if event.sequence not in self.published][:limit]

    def mark_published(self, events: Sequence[LoggedEvent]) -> None:
        """Mark events in the transaction of `publish`."""
        self.published |= {event.sequence for event in events}

    def end_publishing(self) -> None:
        """End the transaction of `publish`."""
        self._publishing = False

    async def remove_published(self, before: datetime) -> int:
        old = [event for event in self.events if event.sequence in self.published and event.time < before]
        self.events = [event for event in self.events if event not in old]
        return len(old)

    # As of Removals.

    async def delete(self, process_id: str) -> None:
        kept = self.processes.get(process_id)
        if kept is None or kept.tenant != scope.tenant():
            raise NotFoundError("PROCESS_NOT_FOUND", f"Process {process_id} does not exist.")
        if kept.is_deleted:
            return
        if kept.account.state not in TERMINAL:
            raise FailedPreconditionError("PROCESS_RUNNING", f"Process {process_id} has not ended.")
        self.removed.append(Removal(len(self.removed) + 1, process_id, kept.tenant, True))
        self._commit(process_id, Kept(kept.tenant, is_deleted=True), [Event("process.deleted", {})])

    async def expire(self, before: datetime, now: datetime, limit: int) -> int:
        """Nothing expires here."""
        return 0

    async def clear(self, now: datetime, limit: int) -> int:
        """What is deleted is cleared at once."""
        return 0

    async def list(self, after: int, limit: int) -> Sequence[Removal]:
        seen = scope.visible()
        found = [removal for removal in self.removed if removal.sequence > after]
        return [removal for removal in found if seen in (removal.tenant, scope.EVERYTHING)][:limit]


def _apply(kept: Kept, events: list[Event], change: Change) -> Account:
    kept.account, made = change
    events += made
    return kept.account


def _dispatch(kept: Kept, events: list[Event], batch: Batch) -> None:
    known = kept.batches.get(batch.number)
    if known is None:
        kept.batches[batch.number] = batch
        _apply(kept, events, ledger.dispatched(kept.account, batch))
    elif known != batch:
        raise ValueError(f"batch {batch.number} is recorded with other bounds: {known}, {batch}")


def _displace(kept: Kept, displaced: Collection[DisplacedRow]) -> int:
    """Fail rows of other batches that have succeeded, and keep the others for the outcome of their batch."""
    others = 0
    for row in displaced:
        known = kept.row(row.row_number)
        if known is None or known[0] is not RowState.SUCCEEDED:
            kept.early.setdefault(row.row_number, row)
            continue
        others += 1
        for number, recorded in kept.outcomes.items():
            batch, outcome = recorded.outcome.batch, recorded.outcome
            if batch.first_row <= row.row_number < batch.first_row + batch.row_count:
                lost = RejectedRow(row.row_number, 0, "failed", (row.error,), ())
                counted = replace(outcome, succeeded=outcome.succeeded - 1, failed=outcome.failed + 1)
                kept.outcomes[number] = Recorded(counted, recorded.error, (*recorded.rows, lost))
    return others


class MemoryChanges(Changes):
    """Notices of changed processes, for the watchers of one instance."""

    def __init__(self) -> None:
        self._watchers: dict[asyncio.Event, str | None] = {}
        self._stopping = False

    async def watch(self, process_id: str | None, min_interval: float = 0.0) -> AsyncIterator[None]:
        news = asyncio.Event()
        self._watchers[news] = process_id
        try:
            while not self._stopping:
                yield
                await asyncio.sleep(min_interval)
                await news.wait()
                news.clear()
        finally:
            del self._watchers[news]

    def heard(self, process_id: str) -> None:
        """A process has changed."""
        for news, wanted in self._watchers.items():
            if wanted in (None, process_id):
                news.set()

    def stop(self) -> None:
        """End the watchers."""
        self._stopping = True
        for news in self._watchers:
            news.set()
