"""The ledger adds up whatever the order of the records and however often they come."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestor.services.status import ledger
from ingestor.services.status.ledger import Account, Batch, Event, Outcome
from ingestor.services.status.processes import (
    TERMINAL,
    TRANSITIONS,
    Failure,
    IllegalTransitionError,
    ProcessState,
    RowState,
    Undo,
    check_transition,
)


@dataclass
class Books:
    """What an adapter keeps: the account, and which batches it has, with or without an outcome."""

    account: Account = field(default_factory=Account)
    processed: dict[int, bool] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def take(self, change: ledger.Change) -> None:
        """Keep a change; the state moves along the table."""
        before = self.account.state
        self.account, events = change
        self.events += events
        if self.account.state is not before:
            assert self.account.state in TRANSITIONS[before]

    def dispatch(self, batch: Batch) -> None:
        """A batch was dispatched, perhaps once more."""
        if batch.number not in self.processed:
            self.processed[batch.number] = False
            self.take(ledger.dispatched(self.account, batch))

    def outcome(self, outcome: Outcome) -> None:
        """A batch has an outcome, perhaps once more, perhaps before it was dispatched."""
        self.dispatch(outcome.batch)
        if not self.processed[outcome.batch.number]:
            self.processed[outcome.batch.number] = True
            self.take(ledger.processed(self.account, outcome))


@st.composite
def files(draw: st.DrawFn) -> list[Outcome]:
    """The outcomes of a file's batches, in order."""
    outcomes, row, byte = [], 1, 100
    for number, count in enumerate(draw(st.lists(st.integers(1, 50), max_size=6)), 1):
        failed = draw(st.integers(0, count))
        skipped = draw(st.integers(0, count - failed))
        batch = Batch(number, row, count, row + 1, byte, byte + 10 * count)
        outcomes.append(Outcome(batch, RowState.SUCCEEDED, count - failed - skipped, failed, skipped))
        row, byte = row + count, batch.byte_end
    return outcomes


@given(data=st.data(), outcomes=files())
def test_any_order_and_duplication_ends_in_the_same_account(
    data: st.DataObject, outcomes: list[Outcome]
) -> None:
    rows = sum(outcome.batch.row_count for outcome in outcomes)
    records = [
        *(("dispatch", outcome) for outcome in outcomes),
        *(("outcome", outcome) for outcome in outcomes),
        ("finished", None),
        ("header", None),
    ]
    again = data.draw(st.lists(st.sampled_from(records), max_size=8))
    order = data.draw(st.permutations(records + again))
    books = Books()
    for kind, outcome in order:
        done = books.account.batches_processed == len(outcomes) and books.account.expected_batches is not None
        assert (books.account.state in TERMINAL) == done  # concluded from the ledger, never earlier
        if kind == "dispatch" and outcome:
            books.dispatch(outcome.batch)
        elif kind == "outcome" and outcome:
            books.outcome(outcome)
        elif kind == "finished":
            books.take(ledger.finished(books.account, rows, len(outcomes)))
        else:
            books.take(ledger.header_read(books.account))
    account = books.account
    failed = sum(outcome.failed for outcome in outcomes)
    assert account.state is (ProcessState.COMPLETED_WITH_ERRORS if failed else ProcessState.COMPLETED)
    assert account.read == rows == account.succeeded + account.failed + account.skipped
    assert (account.failed, account.skipped) == (failed, sum(outcome.skipped for outcome in outcomes))
    assert (account.batches_dispatched, account.batches_processed) == (len(outcomes), len(outcomes))
    types = [event.type for event in books.events]
    assert types.count("ingestion.completed") == 1
    assert types.count("rows.dispatched") == types.count("rows.processed") == len(outcomes)


@given(data=st.data(), outcomes=files())
def test_a_cancelled_process_keeps_counting_what_was_loaded(
    data: st.DataObject, outcomes: list[Outcome]
) -> None:
    books = Books()
    for outcome in outcomes:
        books.dispatch(outcome.batch)
    tried = (
        data.draw(st.lists(st.sampled_from(outcomes), unique_by=lambda o: o.batch.number)) if outcomes else []
    )
    at = data.draw(st.integers(0, len(tried)))
    for outcome in tried[:at]:
        books.outcome(outcome)
    books.take(ledger.cancelled(books.account))
    for outcome in tried[at:]:
        books.outcome(outcome)
    account = books.account
    assert account.state is ProcessState.CANCELLED
    told = account.succeeded + account.failed + account.skipped
    assert told == sum(outcome.batch.row_count for outcome in tried)
    assert account.read - told == sum(o.batch.row_count for o in outcomes) - told >= 0


BATCH = Batch(1, 1, 10, 2, 0, 100)


@pytest.mark.parametrize("counts", [(10, 1, 0), (9, 0, 0), (-1, 11, 0), (5, 5, 1)])
def test_an_outcome_that_does_not_add_up_is_refused(counts: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="outcomes for 10 rows"):
        Outcome(BATCH, RowState.SUCCEEDED, *counts)


def test_a_finished_process_takes_no_other_end() -> None:
    account, _ = ledger.finished(Account(), 0, 0)
    assert account.state is ProcessState.COMPLETED
    for change in (ledger.paused, ledger.resumed, ledger.cancelled):
        with pytest.raises(IllegalTransitionError):
            change(account)
    with pytest.raises(IllegalTransitionError):
        ledger.failed(account, Failure("LATE", "Too late."))


def test_failing_and_cancelling_twice_is_once() -> None:
    failed, events = ledger.failed(Account(), Failure("FILE_EMPTY", "It is empty."))
    assert [event.type for event in events] == ["ingestion.failed"]
    assert ledger.failed(failed, Failure("OTHER", "")) == (failed, [])
    cancelled, events = ledger.cancelled(Account())
    assert [event.type for event in events] == ["ingestion.cancelled"]
    assert ledger.cancelled(cancelled) == (cancelled, [])


def test_pausing_goes_back_to_where_it_was() -> None:
    account, _ = ledger.dispatched(Account(), BATCH)
    held, events = ledger.paused(ledger.paused(account)[0], "why")
    assert [(e.type, e.data) for e in events] == [("ingestion.paused", {"reason": "why"})]
    assert ledger.paused(held) == ledger.paused(held, "why") == (held, [])
    assert ledger.resumed(held)[0].pause_reason == ""
    assert not ledger.paused(held, "why", resumes=True)[0].pause_resumes  # a person has paused it too
    locked, _ = ledger.paused(account, "locked", resumes=True)
    assert locked.pause_resumes
    assert ledger.paused(locked, "locked", resumes=True) == (locked, [])
    assert not ledger.paused(locked)[0].pause_resumes
    assert not ledger.resumed(locked)[0].pause_resumes
    paused, events = ledger.paused(account)
    assert (paused.state, [e.type for e in events]) == (ProcessState.PAUSED, ["ingestion.paused"])
    assert ledger.paused(paused)[1] == []
    resumed, events = ledger.resumed(paused)
    assert (resumed, [e.type for e in events]) == (account, ["ingestion.resumed"])


def test_batches_that_were_sent_again_are_told_while_the_process_runs() -> None:
    account = Account()
    told = Event("rows.redispatched", {"batch_count": 2, "row_count": 30})
    assert ledger.redispatched(account, 2, 30) == (account, [told])
    ended, _ = ledger.cancelled(account)
    assert ledger.redispatched(ended, 2, 30) == (ended, [])


def test_finishing_with_other_numbers_is_refused() -> None:
    account, _ = ledger.finished(Account(), 10, 1)
    assert ledger.finished(account, 10, 1)[0] == account
    with pytest.raises(ValueError, match="but earlier with"):
        ledger.finished(account, 11, 1)


def test_the_table_of_transitions_has_every_state_and_few_ways_out_of_an_end() -> None:
    """A repair may leave no failed row, and an undo is possible."""
    assert set(TRANSITIONS) == set(ProcessState)
    for state in TERMINAL:
        ways = {ProcessState.UNDONE} - {state}
        if state is ProcessState.COMPLETED_WITH_ERRORS:
            ways.add(ProcessState.COMPLETED)
        assert TRANSITIONS[state] == ways
        assert not check_transition(state, state)
        for other in set(ProcessState) - {state} - ways:
            with pytest.raises(IllegalTransitionError):
                check_transition(state, other)


def test_an_undo_keeps_the_counts_and_happens_once() -> None:
    undo = Undo(removed=3, restored=1, kept=2)
    with pytest.raises(IllegalTransitionError):
        ledger.undone(Account(state=ProcessState.PROCESSING), undo)
    ended = Account(state=ProcessState.COMPLETED_WITH_ERRORS, read=7, succeeded=6, failed=1)
    undone, events = ledger.undone(ended, undo)
    assert undone == replace(ended, state=ProcessState.UNDONE)
    assert events == [Event("ingestion.undone", {"removed": 3, "restored": 1, "kept": 2})]
    assert ledger.undone(undone, Undo(0, 0, 0)) == (undone, [])
    with pytest.raises(IllegalTransitionError):
        ledger.cancelled(undone)


NUMBERS = st.integers(0, 10)


@given(st.integers(1, 10), st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), max_size=8))
def test_repairs_end_in_completed_when_no_row_is_left(
    failed: int, repairs: list[tuple[int, int, int]]
) -> None:
    account, _ = ledger.processed(
        ledger.dispatched(Account(), BATCH)[0], Outcome(BATCH, RowState.SUCCEEDED, 10 - failed, failed, 0)
    )
    account, _ = ledger.finished(account, 10, 1)
    for wanted, again, left_out in [*repairs, (10, 0, 0)]:
        repaired = min(wanted, account.failed)
        skipped = min(left_out, account.failed - repaired)
        before = account
        account, (event,) = ledger.repaired(account, "r", repaired, again, skipped)
        assert account.succeeded + account.failed + account.skipped == account.read == 10
        assert account.failed == before.failed - repaired - skipped
        assert event.type == "rows.repaired"
        told = [event.data[name] for name in ("succeeded", "failed", "skipped")]
        assert told == [repaired, again, skipped]
        done = ProcessState.COMPLETED_WITH_ERRORS if account.failed else ProcessState.COMPLETED
        assert account.state is done
    with pytest.raises(AssertionError):
        ledger.repaired(account, "r", 1, 0)


def test_displaced_rows_have_failed() -> None:
    account = Account(state=ProcessState.PROCESSING, read=20, succeeded=10, max_failed=1, expected_batches=2)
    account = replace(account, batches_dispatched=2, batches_processed=1, expected_rows=20)
    outcome = Outcome(BATCH, RowState.SUCCEEDED, 10, 0, 0)
    changed, events = ledger.processed(account, outcome, 1)
    assert (changed.state, changed.succeeded, changed.failed) == (
        ProcessState.COMPLETED_WITH_ERRORS, 19, 1
    )  # fmt: skip
    assert (events[0].type, events[0].data["displaced"]) == ("rows.processed", 1)
    changed, _ = ledger.processed(account, outcome, 2)
    assert changed.failure is not None
    assert (changed.state, changed.failure.reason) == (ProcessState.FAILED, "TOO_MANY_ERRORS")
    with pytest.raises(AssertionError):
        ledger.processed(Account(state=ProcessState.PROCESSING, read=10), outcome, 11)


def test_a_repair_of_a_process_that_was_given_up_leaves_it_so() -> None:
    account, _ = ledger.processed(
        ledger.dispatched(Account(), BATCH)[0], Outcome(BATCH, RowState.SUCCEEDED, 5, 5, 0)
    )
    account, _ = ledger.cancelled(account)
    repaired, _ = ledger.repaired(account, "r", 5, 0)
    assert (repaired.state, repaired.succeeded, repaired.failed) == (ProcessState.CANCELLED, 10, 0)
