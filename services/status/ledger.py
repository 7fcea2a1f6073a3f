"""The account of one process: adds up dispatches and outcomes, in any order and however often reported.

These functions are pure: adapters store the account and the batches, and call them under a lock.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from ingestor.services.status.costs import units
from ingestor.services.status.processes import (
    TERMINAL,
    Failure,
    IllegalTransitionError,
    ProcessState,
    RowState,
    Undo,
    check_transition,
)


@dataclass(frozen=True, slots=True)
class Batch:
    """Boundaries of a batch; rows, lines and batches count from 1, offsets are in bytes."""

    number: int
    first_row: int
    row_count: int
    first_line: int
    byte_start: int
    byte_end: int
    message_bytes: int = field(default=0, compare=False)  # of the message that carries it; 0: not told


def line_at(first_line: int, position: int, shifts: Sequence[tuple[int, int]]) -> int:
    """The line on which the row at a position of a batch begins; `shifts` as the lines of an Outcome."""
    at = bisect_right(shifts, position, key=lambda shift: shift[0])
    return first_line + position + (shifts[at - 1][1] if at else 0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of a batch; the counts are rows. `lines` tells where its rows begin: for positions in it,
    ascending, by how many lines the rows from there on are later than if each row were one line. None: that
    is not told."""

    batch: Batch
    default_state: RowState  # of the rows without own records
    succeeded: int
    failed: int
    skipped: int
    lines: tuple[tuple[int, int], ...] | None = None

    def line_of(self, row_number: int) -> int:
        """The line on which a row begins; 0 if that is not told."""
        if self.lines is None:
            return 0
        return line_at(self.batch.first_line, row_number - self.batch.first_row, self.lines)

    def __post_init__(self) -> None:
        """Check that every row has one outcome, unless the batch is UNPROCESSED."""
        total = self.succeeded + self.failed + self.skipped
        undone = self.default_state is RowState.UNPROCESSED
        if min(self.succeeded, self.failed, self.skipped) < 0 or (
            total > self.batch.row_count if undone else total != self.batch.row_count
        ):
            raise ValueError(f"batch {self.batch.number}: {total} outcomes for {self.batch.row_count} rows")


@dataclass(frozen=True, slots=True)
class Event:
    """An event of a process: a CloudEvents type and its data."""

    type: str
    data: dict[str, object]


@dataclass(frozen=True, slots=True)
class Account:
    """The account of a process. Its state follows from recorded facts, so their order does not matter."""

    state: ProcessState = ProcessState.PENDING
    read: int = 0
    succeeded: int = 0
    failed: int = 0
    skipped: int = 0
    batches_dispatched: int = 0
    batches_processed: int = 0
    bytes_dispatched: int = 0
    message_bytes: int = 0
    message_units: int = 0  # what the queue bills for a message that is sent
    header_read: bool = False
    paused: bool = False
    pause_reason: str = ""  # why the suite itself paused it
    pause_resumes: bool = False  # the suite resumes it by itself
    cancelled: bool = False
    expected_rows: int | None = None  # known once all batches are sent
    expected_batches: int | None = None
    failure: Failure | None = None
    max_failed: int | None = None  # the process fails when more rows than this have failed
    max_failed_share: float | None = None


Change = tuple[Account, list[Event]]
ChangeFunction = Callable[[Account], Change]


def dispatched(account: Account, batch: Batch) -> Change:
    """Count a dispatched batch that is new to the ledger."""
    counted = replace(
        account,
        read=account.read + batch.row_count,
        batches_dispatched=account.batches_dispatched + 1,
        bytes_dispatched=max(account.bytes_dispatched, batch.byte_end),
        message_bytes=account.message_bytes + batch.message_bytes,
        message_units=account.message_units + units(batch.message_bytes),
    )
    data: dict[str, object] = {
        "batch_number": batch.number,
        "first_row": batch.first_row,
        "row_count": batch.row_count,
    }
    return _settled(counted, [Event("rows.dispatched", data)])


def redispatched(account: Account, batches: int, rows: int) -> Change:
    """Tell that batches which the queue had lost were sent again; nothing is counted."""
    if account.state in TERMINAL:
        return account, []
    return account, [Event("rows.redispatched", {"batch_count": batches, "row_count": rows})]


def processed(account: Account, outcome: Outcome, displaced: int = 0) -> Change:
    """Count the first outcome of a dispatched batch. Its rows have displaced `displaced` rows of other
    batches that were counted as SUCCEEDED; these are FAILED now."""
    counted = replace(
        account,
        succeeded=account.succeeded + outcome.succeeded - displaced,
        failed=account.failed + outcome.failed + displaced,
        skipped=account.skipped + outcome.skipped,
        batches_processed=account.batches_processed + 1,
    )
    assert counted.succeeded >= 0, "more rows displaced than loaded"
    counted = _limited(counted)
    data: dict[str, object] = {
        "batch_number": outcome.batch.number,
        "first_row": outcome.batch.first_row,
        "row_count": outcome.batch.row_count,
        "succeeded": outcome.succeeded,
        "failed": outcome.failed,
        "skipped": outcome.skipped,
    }
    if displaced:
        data["displaced"] = displaced
    return _settled(counted, [Event("rows.processed", data)])


def header_read(
    account: Account, max_failed: int | None = None, max_failed_share: float | None = None
) -> Change:
    """Set how many rows may fail, which is known with the header."""
    known = replace(
        account, header_read=True, max_failed=max_failed, max_failed_share=max_failed_share
    )  # fmt: skip
    return _settled(_limited(known), [])


def finished(account: Account, rows: int, batches: int) -> Change:
    """Set the totals once all batches are sent. Raises ValueError when other totals are recorded."""
    if account.expected_batches not in (None, batches) or account.expected_rows not in (None, rows):
        raise ValueError(
            f"dispatching finished with {rows} rows in {batches} batches, but earlier with "
            f"{account.expected_rows} rows in {account.expected_batches}"
        )
    known = replace(account, expected_rows=rows, expected_batches=batches)
    return _settled(_limited(known), [])


def failed(account: Account, failure: Failure) -> Change:
    """Fail the process: its file is unusable. Raises IllegalTransitionError when it ended in another
    state."""
    if account.state is ProcessState.FAILED:
        return account, []
    check_transition(account.state, ProcessState.FAILED)
    return _settled(replace(account, failure=failure), [])


def paused(account: Account, reason: str = "", *, resumes: bool = False) -> Change:
    """Pause the process; `reason` is why the suite itself does so, and `resumes` says whether it resumes it,
    unless somebody else has paused it too. Raises IllegalTransitionError when the process has ended."""
    if account.state in TERMINAL:
        raise IllegalTransitionError(account.state, ProcessState.PAUSED)
    reason = reason or account.pause_reason
    resumes = resumes and (account.pause_resumes or not account.paused)
    if account.paused and (reason, resumes) == (account.pause_reason, account.pause_resumes):
        return _settled(account, [])
    event = Event("ingestion.paused", {"reason": reason} if reason else {})
    return _settled(replace(account, paused=True, pause_reason=reason, pause_resumes=resumes), [event])


def resumed(account: Account) -> Change:
    """Resume the process. Raises IllegalTransitionError when the process has ended."""
    if account.state in TERMINAL:
        raise IllegalTransitionError(account.state, ProcessState.DISPATCHING)
    return _settled(
        replace(account, paused=False, pause_reason="", pause_resumes=False),
        [Event("ingestion.resumed", {})] if account.paused else [],
    )


def cancelled(account: Account) -> Change:
    """Cancel the process. Raises IllegalTransitionError when it ended in another state."""
    if account.state is ProcessState.CANCELLED:
        return account, []
    check_transition(account.state, ProcessState.CANCELLED)
    return _settled(replace(account, cancelled=True), [])


def repaired(
    account: Account, repair_process_id: str, succeeded: int, failed: int, skipped: int = 0
) -> Change:
    """Count repaired rows: how many succeeded, failed again and were skipped (less than 0 when skipped rows
    have succeeded). Applies to ended processes, too; one becomes COMPLETED when no failed row is left."""
    changed = replace(
        account,
        succeeded=account.succeeded + succeeded,
        failed=account.failed - succeeded - skipped,
        skipped=account.skipped + skipped,
    )
    assert changed.failed >= 0, "more rows repaired than failed"
    if account.state is ProcessState.COMPLETED_WITH_ERRORS and not changed.failed:
        check_transition(account.state, ProcessState.COMPLETED)
        changed = replace(changed, state=ProcessState.COMPLETED)
    data: dict[str, object] = {
        "repair_process_id": repair_process_id,
        "succeeded": succeeded,
        "failed": failed,
        "skipped": skipped,
        "state": changed.state.name,
    }
    return changed, [Event("rows.repaired", data)]


def undone(account: Account, undo: Undo) -> Change:
    """Mark the process as undone; its counts stay. Raises IllegalTransitionError when it has not ended."""
    if not check_transition(account.state, ProcessState.UNDONE):
        return account, []
    data: dict[str, object] = {"removed": undo.removed, "restored": undo.restored, "kept": undo.kept}
    return replace(account, state=ProcessState.UNDONE), [Event("ingestion.undone", data)]


_SHARE_FROM = 1000  # rows with an outcome; a share of fewer says little


def _limited(account: Account) -> Account:
    """The account, with a failure if too many rows have failed."""
    if account.failure or account.state in TERMINAL:
        return account
    total = account.succeeded + account.failed + account.skipped
    limit = share = None
    if account.max_failed is not None and account.failed > account.max_failed:
        limit = f"{account.max_failed} rows"
    elif account.max_failed_share is not None and (total >= _SHARE_FROM or total == account.expected_rows):
        share = account.max_failed_share
        if account.failed > share * total:
            limit = f"{share:.4%} of the rows".replace("0000%", "%").replace(".%", "%")
    if limit is None:
        return account
    message = f"More than {limit} failed: {account.failed} of {total}."
    return replace(account, failure=Failure("TOO_MANY_ERRORS", message))


def _settled(account: Account, events: list[Event]) -> Change:
    """The account with the state that follows from its facts, and `events` with that of its end, if it
    ends."""
    total = account.succeeded + account.failed + account.skipped
    assert total <= account.read, "more outcomes than rows"
    assert account.batches_processed <= account.batches_dispatched, "more outcomes than batches"
    if account.state in TERMINAL:
        return account, events
    state = _state(account)
    if check_transition(account.state, state) and state in TERMINAL:
        if state in (ProcessState.COMPLETED, ProcessState.COMPLETED_WITH_ERRORS):
            assert total == account.read == account.expected_rows, "a completed process has every row"
        counts: dict[str, object] = {
            "read": account.read,
            "succeeded": account.succeeded,
            "failed": account.failed,
            "skipped": account.skipped,
            "unprocessed": account.read - total,
        }
        kind = {ProcessState.FAILED: "failed", ProcessState.CANCELLED: "cancelled"}.get(state, "completed")
        data: dict[str, object] = {"state": state.name, "counts": counts}
        if account.failure:
            data["failure"] = {"reason": account.failure.reason, "message": account.failure.message}
        events = [*events, Event(f"ingestion.{kind}", data)]
    return replace(account, state=state), events


def _state(account: Account) -> ProcessState:
    if account.cancelled:
        return ProcessState.CANCELLED
    if account.failure:
        return ProcessState.FAILED
    if account.expected_batches is not None and account.batches_processed == account.expected_batches:
        return ProcessState.COMPLETED_WITH_ERRORS if account.failed else ProcessState.COMPLETED
    if account.paused:
        return ProcessState.PAUSED
    if account.expected_batches is not None:
        return ProcessState.PROCESSING
    if account.header_read or account.batches_dispatched:
        return ProcessState.DISPATCHING
    return ProcessState.PENDING
