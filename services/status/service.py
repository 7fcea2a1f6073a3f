"""The use cases of the status service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter

from ingestor.access.limits.pipelines import only_pipelines
from ingestor.access.limits.search import search
from ingestor.access.scope import MOST_TENANT_LABELS, OTHER_TENANTS, tenant
from ingestor.outcomes import DisplacedRow, Notice, RejectedRow, RowError
from ingestor.runs import RejectedRun
from ingestor.runtime.clock import Clock
from ingestor.runtime.errors import (
    FailedPreconditionError,
    FieldViolation,
    InvalidArgumentError,
    NotFoundError,
    UnavailableError,
)
from ingestor.runtime.grpc.requests import make_token, read_token
from ingestor.services.status import ledger
from ingestor.services.status.events.feed import EventFeed
from ingestor.services.status.filters import Comparison, Fields, FilterError, parse_filter
from ingestor.services.status.ledger import Account, Batch, Outcome
from ingestor.services.status.overview import IntervalError, Overview, interval
from ingestor.services.status.ports import (
    BatchRecord,
    Changes,
    EventLog,
    Ledger,
    LedgerReader,
    Limits,
    LoggedEvent,
    Removal,
    Removals,
)
from ingestor.services.status.processes import (
    Failure,
    IllegalTransitionError,
    Info,
    Process,
    ProcessState,
    RowState,
    Undo,
)
from ingestor.services.status.reports.formats import WRITERS, ReportFormat
from ingestor.services.status.reports.selection import ReportRows
from ingestor.services.status.reports.stream import ReportPiece, report_pieces
from ingestor.services.status.reports.writer import TooManyColumnsError
from ingestor.services.status.rows import (
    ErrorGroup,
    RepairedRows,
    Row,
    RowVersion,
)

PROCESS_FIELDS = Fields(
    texts=frozenset({"pipeline", "file_name", "repairs"}),
    searched=frozenset({"pipeline", "file_name"}),
    times=frozenset({"create_time"}),
    enums={"state": frozenset(state.name for state in ProcessState)},
)
ROW_FIELDS = Fields(
    texts=frozenset({"code", "field"}),
    numbers=frozenset({"row", "line"}),
    enums={"status": frozenset(state.name for state in RowState)},
)


# Events that end a process.
_ENDS = frozenset({"ingestion.completed", "ingestion.failed", "ingestion.cancelled"})


ROW_STATES = ("succeeded", "failed", "skipped")


class Metrics:
    """What the service counts for Prometheus."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.rows = Counter("ingestor_rows_total", "Rows with an outcome.", ["state"], registry=registry)
        self.of_tenants = Counter(
            "ingestor_tenant_rows_total",
            "Rows with an outcome, by tenant. The first tenants are named, all others together are (other).",
            ["tenant", "state"],
            registry=registry,
        )
        self.outcomes = Counter(
            "ingestor_batch_outcomes_total", "Batches that have got their outcome.", registry=registry
        )
        for state in ROW_STATES:  # from 0, so that rates begin with the first
            self.rows.labels(state)
        self._named = set[str]()

    def count(self, of: str, outcome: Outcome) -> None:
        """Count the outcome of a batch of a tenant."""
        self.outcomes.inc()
        if len(self._named) < MOST_TENANT_LABELS:
            self._named.add(of)
        shown = of if of in self._named else OTHER_TENANTS
        for state in ROW_STATES:
            if count := getattr(outcome, state):
                self.rows.labels(state).inc(count)
                self.of_tenants.labels(shown, state).inc(count)


class StatusService:
    """Records what the other services report, and answers queries."""

    def __init__(
        self,
        ledger_: Ledger,
        reader: LedgerReader,
        event_log: EventLog,
        removals: Removals,
        changes: Changes,
        feed: EventFeed,
        clock: Clock,
        metrics: Metrics,
        *,
        search_seconds: float,
    ) -> None:
        """`search_seconds`: how long a page is looked for, about."""
        self._search_seconds = search_seconds
        self._ledger = ledger_
        self._reader = reader
        self._removals = removals
        self._event_log = event_log
        self._changes = changes
        self._feed = feed
        self._clock = clock
        self._metrics = metrics

    # -- writes ------------------------------------------------------------------------------------

    async def start(self, info: Info) -> Account:
        """Record that a process has started. Raises InvalidArgumentError when it repairs a repair: the order
        of locks, a repair before the repaired process, rules out longer chains."""
        if info.repairs:
            parent = await self._reader.process(info.repairs)
            if info.repairs == info.process_id or (parent is not None and parent.info.repairs):
                problem = "must name a process that is not a repair"
                raise InvalidArgumentError(
                    "REPAIRS_A_REPAIR", f"repairs_process_id {problem}.",
                    violations=[FieldViolation("started.repairs_process_id", problem)],
                )  # fmt: skip
        return await self._ledger.start(info)

    async def read_header(
        self,
        process_id: str,
        columns: Sequence[str],
        dialect: str,
        content_bytes: int,
        limits: Limits,
        notices: Sequence[Notice] = (),
    ) -> Account:
        """Record the header."""
        return await self._ledger.read_header(process_id, columns, dialect, content_bytes, limits, notices)

    async def dispatch(self, process_id: str, batch: Batch) -> Account:
        """Record a batch before it is sent. Raises InvalidArgumentError when it is recorded with other
        bounds."""
        try:
            return await self._ledger.dispatch(process_id, batch)
        except ValueError as error:
            raise InvalidArgumentError("BATCH_CONFLICT", str(error)) from error

    async def redispatch(self, process_id: str, batches: int, rows: int) -> Account:
        """Record that batches which the queue had lost were sent again."""
        return await self._change(process_id, lambda account: ledger.redispatched(account, batches, rows))

    async def finish(self, process_id: str, rows: int, batches: int) -> Account:
        """Record that all batches are sent. Raises InvalidArgumentError when other totals are recorded."""
        try:
            return await self._change(process_id, lambda account: ledger.finished(account, rows, batches))
        except ValueError as error:
            raise InvalidArgumentError("BATCH_CONFLICT", str(error)) from error

    async def fail(self, process_id: str, failure: Failure) -> Account:
        """Record that the file is unusable."""
        return await self._change(process_id, lambda account: ledger.failed(account, failure))

    async def pause(self, process_id: str, reason: str = "", *, resumes: bool = False) -> Account:
        """Record that the process is paused; `reason` is why the suite itself did so, and `resumes` says
        whether it resumes it."""
        return await self._change(process_id, lambda account: ledger.paused(account, reason, resumes=resumes))

    async def resume(self, process_id: str) -> Account:
        """Record that the process is resumed."""
        return await self._change(process_id, ledger.resumed)

    async def cancel(self, process_id: str) -> Account:
        """Record that the process is cancelled."""
        return await self._change(process_id, ledger.cancelled)

    async def _change(self, process_id: str, how: ledger.ChangeFunction) -> Account:
        try:
            account = await self._ledger.change(process_id, how)
        except IllegalTransitionError as error:
            raise FailedPreconditionError(
                "ILLEGAL_TRANSITION", f"Not possible: {error}.", metadata={"state": error.state.name}
            ) from error
        return account

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
        """Record the outcome of a batch; False when it already has one. Raises InvalidArgumentError when the
        rows do not add up to the batch."""
        try:
            recorded = await self._ledger.record(
                process_id, outcome, error, rows, repaired, displaced, notices, runs
            )
        except ValueError as problem:
            raise InvalidArgumentError("OUTCOME_MISMATCH", str(problem)) from problem
        if recorded:
            self._metrics.count(tenant(), outcome)
        return recorded

    async def undo(self, process_id: str, undo: Undo) -> None:
        """Record that a process was undone. Raises NotFoundError; FailedPreconditionError
        (PROCESS_RUNNING)."""
        await self.process(process_id)
        try:
            await self._ledger.undo(process_id, undo)
        except IllegalTransitionError as error:
            raise FailedPreconditionError(
                "PROCESS_RUNNING",
                "The process has not ended; undo it when it has.",
                metadata={"state": error.state.name},
            ) from error

    async def delete(self, process_id: str) -> None:
        """Delete a process that has ended, and its repairs. Raises NotFoundError (PROCESS_NOT_FOUND),
        FailedPreconditionError (PROCESS_RUNNING)."""
        await self._check_seen(process_id)
        await self._removals.delete(process_id)

    async def removals(self, after: int, size: int) -> Sequence[Removal]:
        """Processes whose files and records are to be removed, oldest first."""
        return await self._removals.list(after, size)

    # -- reads -------------------------------------------------------------------------------------

    async def process(self, process_id: str) -> Process:
        """A process. Raises NotFoundError."""
        return _existing(process_id, await self._reader.process(process_id))

    async def _check_seen(self, process_id: str | None) -> None:
        """Raise NotFoundError when the caller's key is for some pipelines only, and not for that of the
        process. Whoever sees every pipeline is told of deleted processes too."""
        if process_id is not None and only_pipelines() is not None:
            await self.process(process_id)

    async def processes(self, filter_: str, token: str, size: int) -> tuple[list[Process], str]:
        """A page of processes, newest first, and the next page's token. A page that took long has fewer, or
        none."""
        scope = f"{tenant()} processes {filter_}"
        comparisons = _filter(filter_, PROCESS_FIELDS)
        before = read_token(scope, token, int)
        if before is None:
            before = await self._reader.newest() + 1

        async def read(start: int, end: int, limit: int) -> list[tuple[int, Process]]:
            return await self._reader.processes(comparisons, before - start, limit, before - end)

        found, looked = await search(read, before, size + 1, self._search_seconds)
        if len(found) > size:
            more = make_token(scope, found[size - 1][0])
        else:
            more = "" if looked is None else make_token(scope, before - looked)
        return [process for _, process in found[:size]], more

    async def watch(self, process_id: str, min_interval: float) -> AsyncIterator[Process]:
        """The process at once, after every change (those within `min_interval` seconds are merged, but its
        end is told at once) and at least every 20 s, until it has ended. Raises UnavailableError when the
        service stops."""
        async for _ in self._changes.watch(process_id, min_interval):
            found = await self.process(process_id)
            yield found
            if found.terminal:
                return
        raise UnavailableError("SHUTTING_DOWN", "The service is stopping; watch again.")

    async def batches(
        self, process_id: str, processed: bool | None, token: str, size: int
    ) -> tuple[list[BatchRecord], str]:
        """A page of batches by number, and the next page's token."""
        scope = f"{tenant()} batches {process_id} {processed}"
        await self.process(process_id)
        found = await self._reader.batches(
            process_id, processed, read_token(scope, token, int) or 0, size + 1
        )
        more = make_token(scope, found[size - 1].batch.number) if len(found) > size else ""
        return found[:size], more

    async def row(self, process_id: str, row_number: int) -> tuple[Row, list[RowVersion]]:
        """A row and its versions before repairs. Raises NotFoundError when it has not been read (yet)."""
        process, found = await self._reader.row(process_id, row_number)
        _kept(process_id, process)
        if found is None:
            raise NotFoundError("ROW_NOT_FOUND", f"Row {row_number} has not been read (yet).")
        return found, await self._reader.history(process_id, row_number) if found.repaired_by else []

    async def states(self, process_id: str, row_numbers: Sequence[int]) -> dict[int, RowState]:
        """States of rows, without those whose batches have no outcome."""
        await self.process(process_id)
        return await self._reader.states(process_id, row_numbers)

    async def rows(self, process_id: str, filter_: str, token: str, size: int) -> tuple[list[Row], str]:
        """A page of rows by number, and the next page's token. A page that took long has fewer, or none."""
        scope = f"{tenant()} rows {process_id} {filter_}"
        comparisons = _filter(filter_, ROW_FIELDS)
        after = read_token(scope, token, int) or 0
        if comparisons:
            process = _kept(process_id, await self._reader.process(process_id))
            if _none_holds(process, comparisons):
                return [], ""
        else:
            # Their numbers have no gaps, but where a batch is not known yet.
            process_, page = await self._reader.page(process_id, after, size + 1)
            process = _kept(process_id, process_)
            if len(page) == min(size + 1, process.read - after):
                return page[:size], make_token(scope, page[size - 1].row_number) if len(page) > size else ""

        async def read(start: int, end: int, limit: int) -> list[Row]:
            return await self._reader.rows(process_id, comparisons, after + start, limit, after + end)

        found, looked = await search(read, process.read - after, size + 1, self._search_seconds)
        if len(found) > size:
            more = make_token(scope, found[size - 1].row_number)
        else:
            more = "" if looked is None else make_token(scope, after + looked)
        return found[:size], more

    async def error_groups(self, process_id: str) -> list[ErrorGroup]:
        """Errors by code and field, most frequent first."""
        await self.process(process_id)
        return await self._reader.error_groups(process_id)

    async def report(
        self, process_id: str, format_: ReportFormat, selection: ReportRows
    ) -> AsyncIterator[ReportPiece]:
        """A report as pieces of a file, one in memory at a time. Raises InvalidArgumentError when the format
        cannot hold the columns."""
        process = _kept(process_id, await self._reader.process(process_id))
        try:
            async for piece in report_pieces(self._reader, process, selection, WRITERS[format_]()):
                yield piece
        except TooManyColumnsError as error:
            raise InvalidArgumentError(
                "TOO_MANY_COLUMNS",
                f"{error}; ask for another format.",
                violations=[FieldViolation("format", str(error))],
            ) from error

    async def events(self, process_id: str | None, token: str, size: int) -> tuple[list[LoggedEvent], str]:
        """A page of events, oldest first, and the next page's token."""
        scope = f"{tenant()} events {process_id}"
        await self._check_seen(process_id)
        found = await self._event_log.events(process_id, read_token(scope, token, int) or 0, size + 1)
        more = make_token(scope, found[size - 1].sequence) if len(found) > size else ""
        return found[:size], more

    async def watch_events(self, process_id: str | None, after: int) -> AsyncIterator[list[LoggedEvent]]:
        """Events after a position (-1 for only new ones) as they happen; an empty list after every 20 s
        without any. The events of a single process end with its last one. Raises NotFoundError when the
        process does not exist, UnavailableError when the service stops."""
        await self._check_seen(process_id)
        ended = False
        before: list[LoggedEvent] | None = None
        async with aclosing(self._feed.watch(process_id, after)) as feed:
            async for events in feed:
                if process_id is not None:
                    # Ask only now that the position is fixed: a later end is among the events.
                    ended = ended or any(event.type in _ENDS for event in events)
                    ended = ended or (before is None and (await self.process(process_id)).terminal)
                if ended and not events:
                    return
                if events or not before:  # an empty list right after events says nothing
                    yield events
                before = events

    async def overview(self, start: datetime | None, end: datetime | None, seconds: int) -> Overview:
        """What happened in an interval; by default the last 24 hours in 60 pieces. Raises
        InvalidArgumentError for an invalid interval."""
        try:
            of = interval(start, end, seconds, self._clock.now())
        except IntervalError as error:
            raise InvalidArgumentError(
                "INVALID_ARGUMENT", f"{error.field} {error}.",
                violations=[FieldViolation(error.field, str(error))],
            ) from error  # fmt: skip
        return await self._reader.overview(of)


def _existing(process_id: str, found: Process | None) -> Process:
    """Raises NotFoundError."""
    if found is None:
        raise NotFoundError("PROCESS_NOT_FOUND", f"Process {process_id} does not exist.")
    return found


def _kept(process_id: str, found: Process | None) -> Process:
    """A process that has not expired. Raises NotFoundError, FailedPreconditionError (RECORDS_EXPIRED)."""
    found = _existing(process_id, found)
    if found.expired:
        raise FailedPreconditionError(
            "RECORDS_EXPIRED", "The process has expired: the records of its rows have been removed."
        )
    return found


def _none_holds(process: Process, comparisons: Sequence[Comparison]) -> bool:
    """Whether the counts of a process say that no row of it is in a wanted state."""
    counts = {RowState.FAILED.name: process.failed, RowState.SKIPPED.name: process.skipped}
    return any(
        comparison.name == "status" and comparison.operator == "=" and counts.get(str(comparison.value)) == 0
        for comparison in comparisons
    )


def _filter(text: str, fields: Fields) -> list[Comparison]:
    try:
        return parse_filter(text, fields)
    except FilterError as error:
        raise InvalidArgumentError(
            "INVALID_FILTER",
            f"The filter is invalid at {error}.",
            violations=[FieldViolation("filter", str(error))],
        ) from error
