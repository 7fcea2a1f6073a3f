"""Holds what a schedule has left against what must always hold."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping

from ingestor.services.orchestrator.ingestions import Batch as Cut
from ingestor.services.status.ports import LoggedEvent
from ingestor.services.status.processes import TERMINAL, ProcessState, RowState
from tests.fakes.records.ledger import Kept
from tests.simulation.suite import Sent, Suite

_FRESH_SECONDS = 2.0  # as old as the processor's knowledge of a process may be
_ENDS = {"ingestion.completed", "ingestion.failed", "ingestion.cancelled"}


def audit(suite: Suite) -> list[str]:
    """What is wrong."""
    found = [problem for sent in suite.sent for problem in _process(suite, sent)]
    return [*found, *_published(suite)]


def _process(suite: Suite, sent: Sent) -> Iterator[str]:
    kept = suite.ledger.processes.get(sent.process_id)
    if kept is None:
        yield f"{sent.process_id}: status does not know it"
        return
    loaded = Counter(suite.sink.rows(sent.process_id))
    if doubled := sorted(row for row, count in loaded.items() if count > 1):
        yield f"rows {doubled} are in the table more than once"
    if kept.is_deleted:
        yield from _deleted(suite, sent, set(loaded))
        return
    account = kept.account
    if account.state not in TERMINAL:
        yield f"the process is {account.state.name}"
    yield from _counts(kept, suite.ingestions.recorded.get(sent.process_id, {}))
    states = {number: kept.row(number) for number in range(1, account.read + 1)}
    succeeded = {number for number, row in states.items() if row and row[0] is RowState.SUCCEEDED}
    if lost := sorted(succeeded - set(loaded)):
        yield f"rows {lost} have SUCCEEDED and are not in the table"
    if unknown := sorted(set(loaded) - succeeded):
        yield f"rows {unknown} are in the table, and have not SUCCEEDED: {[states.get(n) for n in unknown]}"
    yield from _stopped(suite, sent, kept, set(loaded))
    yield from _rows(suite, sent, kept)
    yield from _events(suite, sent.process_id, kept)


def _deleted(suite: Suite, sent: Sent, loaded: set[int]) -> Iterator[str]:
    succeeded = suite.ledger.rows_when_deleted[sent.process_id]
    closed = suite.sink.rows_when_closed.get(sent.process_id, [])
    if sorted(loaded) != closed:
        yield f"rows {closed} were loaded when the deleted process was closed, and now {sorted(loaded)}"
    if lost := sorted(succeeded - loaded):
        yield f"rows {lost} had SUCCEEDED when the process was deleted, and are not in the table"
    if any(process_id == sent.process_id for process_id, _ in suite.sink.markers):
        yield "markers of a deleted process are left"
    if sent.process_id in suite.ingestions.ingestions:
        yield "the ingestion of a deleted process is left"


def _stopped(suite: Suite, sent: Sent, kept: Kept, loaded: set[int]) -> Iterator[str]:
    """What went on though a person wanted it to stop."""
    when = suite.ledger.cancelled.get(sent.process_id)
    for number, batch in kept.batches.items() if when is not None else ():
        received = suite.queue.first_received.get((sent.process_id, number), 0.0)
        rows = range(batch.first_row, batch.first_row + batch.row_count)
        if when is not None and received > when + _FRESH_SECONDS and loaded.intersection(rows):
            yield f"batch {number} was loaded {received - when:.1f} s after the process was cancelled"
    ingestions, process_id = suite.ingestions, sent.process_id
    recorded = ingestions.recorded_paused[process_id]
    if recorded > ingestions.streams[process_id] * ingestions.pauses[process_id]:
        yield f"{recorded} batches were recorded while the process was paused"


def _counts(kept: Kept, cuts: Mapping[int, Cut]) -> Iterator[str]:
    account = kept.account
    outcomes = [recorded.outcome for recorded in kept.outcomes.values()]
    made = (
        sum(batch.row_count for batch in kept.batches.values()),
        sum(outcome.succeeded for outcome in outcomes),
        sum(outcome.failed for outcome in outcomes),
        sum(outcome.skipped for outcome in outcomes),
        len(kept.batches),
        len(outcomes),
    )
    told = (
        account.read, account.succeeded, account.failed, account.skipped, account.batches_dispatched,
        account.batches_processed,
    )  # fmt: skip
    if made != told:
        yield f"the account says {told}, its batches say {made}"
    for recorded in kept.outcomes.values():
        states = Counter(row.state for row in recorded.rows)
        if (
            recorded.outcome.default_state is RowState.SUCCEEDED
            and states["failed"] != recorded.outcome.failed
        ):
            number = recorded.outcome.batch.number
            yield f"batch {number} has {states['failed']} failed rows, and counts others"
    for number, batch in cuts.items():
        known = kept.batches.get(number)
        if known and (known.byte_start, known.byte_end) != (batch.byte_start, batch.byte_end):
            yield f"batch {number} is recorded with other bounds than status knows"
    if kept.early:
        yield f"displaced rows wait: {sorted(kept.early)}"


def _rows(suite: Suite, sent: Sent, kept: Kept) -> Iterator[str]:
    account = kept.account
    codes = sent.file.codes
    if account.state in (ProcessState.COMPLETED, ProcessState.COMPLETED_WITH_ERRORS):
        if account.read != len(codes):
            yield f"{account.read} of {len(codes)} rows were read"
        if (account.state is ProcessState.COMPLETED) is (account.failed > 0):
            yield f"the process is {account.state.name}, and {account.failed} rows have FAILED"
    elif account.state is not ProcessState.CANCELLED:
        yield f"the process is {account.state.name}: {account.failure}"
    given_up = {
        int(packed.attributes["batch_number"])
        for packed in suite.queue.given_up
        if packed.attributes["process_id"] == sent.process_id
    }
    whole = account.state is not ProcessState.CANCELLED and not given_up
    if account.read > len(codes):
        yield f"{account.read} rows were read, and there are {len(codes)}"
    for number in range(1, min(account.read, len(codes)) + 1):
        row = kept.row(number)
        if row is None:
            if account.state is not ProcessState.CANCELLED:
                yield f"row {number} has no outcome"
            continue
        state, errors = row
        if state is RowState.UNPROCESSED:
            if account.state is not ProcessState.CANCELLED:
                yield f"row {number} is UNPROCESSED"
            continue
        if "batch-error" in errors:
            batch = next(
                b for b in kept.batches.values() if b.first_row <= number < b.first_row + b.row_count
            )
            if batch.number not in given_up:
                yield f"row {number} was given up, and the queue gave up no batch of it"
            continue
        wanted = codes[number - 1]
        if (not whole and wanted == "primary-key") or (not whole and errors == {"primary-key"}):
            continue  # the row with the same key may not have been loaded
        if (state is RowState.SUCCEEDED) is bool(wanted) or (wanted and wanted not in errors):
            yield f"row {number} is {state.name} {set(errors) or ''}, and should be {wanted or 'loaded'}"


def _events(suite: Suite, process_id: str, kept: Kept) -> Iterator[str]:
    events = [event for event in suite.ledger.events if event.process_id == process_id]
    kinds = [event.type for event in events]
    if kinds.count("ingestion.started") != 1:
        yield f"{kinds.count('ingestion.started')} events say that the process has started"
    if len(ends := [kind for kind in kinds if kind in _ENDS]) != 1:
        yield f"the events of its end are {ends}"
    for kind, wanted in (("rows.dispatched", kept.batches), ("rows.processed", kept.outcomes)):
        told = Counter(json.loads(event.data_json)["batch_number"] for event in events if event.type == kind)
        if told != Counter(list(wanted)):
            yield f"events {kind} of batches {sorted(told.elements())}, and there are {sorted(wanted)}"
    for number in kept.outcomes:
        if _place(events, "rows.dispatched", number) > _place(events, "rows.processed", number):
            yield f"batch {number} was processed before it was dispatched"


def _place(events: list[LoggedEvent], kind: str, number: int) -> int:
    for place, event in enumerate(events):
        if event.type == kind and json.loads(event.data_json)["batch_number"] == number:
            return place
    return -1


def _published(suite: Suite) -> Iterator[str]:
    first = list(dict.fromkeys(event.sequence for event in suite.announced))
    logged = [event.sequence for event in suite.ledger.events]
    if missing := sorted(set(logged) - set(first)):
        yield f"events {missing} were not published"
    elif first != logged:
        yield f"events were published in the order {first}"
