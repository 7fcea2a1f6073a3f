"""What the status service's ledger, outbox and log of removals do, in PostgreSQL and in memory."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from ingestor.access import scope
from ingestor.outcomes import DisplacedRow, RejectedRow, RowError
from ingestor.runtime.errors import FailedPreconditionError, NotFoundError, TransientError
from ingestor.services.status import ledger
from ingestor.services.status.adapters.pg_ledger import PgLedger
from ingestor.services.status.adapters.pg_outbox import PgOutbox
from ingestor.services.status.adapters.pg_reader import PgLedgerReader
from ingestor.services.status.adapters.pg_removals import PgRemovals
from ingestor.services.status.ledger import Batch, Outcome
from ingestor.services.status.ports import Limits, LoggedEvent
from ingestor.services.status.processes import IllegalTransitionError, Info, Process, ProcessState, RowState
from tests.fakes.records.ledger import MemoryLedger

if TYPE_CHECKING:
    from tests.contract.conftest import OpenPool

S, F = RowState.SUCCEEDED, RowState.FAILED
TAKEN = RowError("primary-key", "id", "1", "The table already has a row with the same id.", "load")
BAD = RowError("type-error", "amount", "x", "no number", "validate")


@dataclass
class Sides:
    """The ports of one ledger, and a process."""

    ledger: PgLedger | MemoryLedger
    reader: PgLedgerReader | MemoryLedger
    outbox: PgOutbox | MemoryLedger
    removals: PgRemovals | MemoryLedger
    process: str

    async def found(self) -> Process:
        """The process."""
        found = await self.reader.process(self.process)
        assert found is not None
        return found

    async def counts(self) -> tuple[int, int, int]:
        """Its rows: read, succeeded, failed."""
        found = await self.found()
        return found.read, found.succeeded, found.failed

    async def published(self, limit: int = 100) -> list[LoggedEvent]:
        """The events that a publisher sends next."""
        sent: list[LoggedEvent] = []

        async def send(events: Sequence[LoggedEvent]) -> None:
            sent.extend(events)

        assert await self.outbox.publish(send, limit) == len(sent)
        return sent


@pytest.fixture(params=["postgres", "memory"])
async def sides(request: pytest.FixtureRequest, pool_of: OpenPool) -> Sides:
    """A ledger with a process that has begun."""
    process = str(uuid.uuid4())
    if request.param == "memory":
        memory = MemoryLedger()
        made = Sides(memory, memory, memory, memory, process)
    else:
        pool = await pool_of("status")
        made = Sides(PgLedger(pool), PgLedgerReader(pool), PgOutbox(pool), PgRemovals(pool), process)
    info = Info(process, "default", "u", "a.csv", 9, "", 0)
    for _ in range(2):
        await made.ledger.start(info)
    await made.ledger.read_header(process, ["id", "amount"], "{}", 9, Limits(None, None))
    return made


def batch(number: int) -> Batch:
    """Batch `number` of a file of two rows a batch."""
    first = 2 * number - 1
    return Batch(number, first, 2, first + 1, 10 * number, 10 * number + 10)


def good(number: int) -> Outcome:
    """Both rows of a batch are loaded."""
    return Outcome(batch(number), S, 2, 0, 0)


async def finish(sides: Sides, batches: int) -> ProcessState:
    """All batches are sent."""
    account = await sides.ledger.change(
        sides.process, lambda account: ledger.finished(account, 2 * batches, batches)
    )
    return account.state


async def test_a_batch_is_counted_once(sides: Sides) -> None:
    for _ in range(2):
        await sides.ledger.dispatch(sides.process, batch(1))
    assert await sides.ledger.record(sides.process, good(1), None, [])
    assert not await sides.ledger.record(sides.process, good(1), None, [])
    assert await sides.ledger.record(sides.process, good(2), None, [])  # it overtook its batch
    await sides.ledger.dispatch(sides.process, batch(2))
    assert await sides.counts() == (4, 4, 0)
    assert await finish(sides, 2) is ProcessState.COMPLETED
    with pytest.raises(IllegalTransitionError):
        await sides.ledger.change(sides.process, ledger.cancelled)
    assert (await sides.found()).state is ProcessState.COMPLETED


async def test_messages_are_added_up_by_what_the_queue_bills(sides: Sides) -> None:
    sizes = {1: 64 * 2**10, 2: 64 * 2**10 + 1, 3: 0}  # a unit is 64 KiB; of the last one nothing was told
    for number, size in sizes.items():
        for _ in range(2):
            await sides.ledger.dispatch(sides.process, replace(batch(number), message_bytes=size))
    found = await sides.found()
    assert (found.message_bytes, found.message_units) == (128 * 2**10 + 1, 3)


async def test_a_batch_keeps_its_bounds(sides: Sides) -> None:
    await sides.ledger.dispatch(sides.process, batch(1))
    with pytest.raises(ValueError, match="other bounds"):
        await sides.ledger.dispatch(sides.process, Batch(1, 1, 3, 2, 10, 25))
    assert await sides.counts() == (2, 0, 0)


async def test_queued_and_processed_batches(sides: Sides) -> None:
    for number in (1, 2, 3):
        await sides.ledger.dispatch(sides.process, batch(number))
    bad = RejectedRow(3, 4, "failed", (BAD,), ("3", "x"))
    await sides.ledger.record(sides.process, Outcome(batch(2), S, 1, 1, 0), None, [bad])
    numbers = {
        wanted: [found.batch.number for found in await sides.reader.batches(sides.process, wanted, 0, 10)]
        for wanted in (None, False, True)
    }
    assert numbers == {None: [1, 2, 3], False: [1, 3], True: [2]}
    (known,) = await sides.reader.batches(sides.process, True, 0, 10)
    assert (known.succeeded, known.failed) == (1, 1)


@pytest.mark.parametrize("early", [False, True])
async def test_displaced_rows(sides: Sides, early: bool) -> None:
    """Row 2 has lost its key to row 3, whichever of their batches is reported first."""
    reports = [(good(1), []), (good(2), [DisplacedRow(2, TAKEN)])]
    for outcome, displaced in reversed(reports) if early else reports:
        await sides.ledger.record(sides.process, outcome, None, [], displaced=displaced)
    assert await sides.counts() == (4, 3, 1)
    assert await finish(sides, 2) is ProcessState.COMPLETED_WITH_ERRORS


async def test_a_pause_by_the_suite(sides: Sides) -> None:
    await sides.ledger.change(sides.process, lambda account: ledger.paused(account, "no table"))
    found = await sides.found()
    assert (found.state, found.pause_reason) == (ProcessState.PAUSED, "no table")
    await sides.ledger.change(sides.process, ledger.resumed)
    assert (await sides.found()).pause_reason == ""


async def test_events_are_published_in_order_until_they_are_sent(sides: Sides) -> None:
    await sides.ledger.record(sides.process, good(1), None, [])

    async def refuse(_: Sequence[LoggedEvent]) -> None:
        raise TransientError("away")

    with pytest.raises(TransientError):
        await sides.outbox.publish(refuse, 100)
    (first,) = await sides.published(1)
    assert first.type == "ingestion.started"
    others = await sides.published()
    assert [event.type for event in others] == ["rows.dispatched", "rows.processed"]
    assert {event.process_id for event in others} == {sides.process}
    assert await sides.published() == []


async def test_one_publisher_at_a_time(sides: Sides) -> None:
    beside: list[LoggedEvent] = []

    async def send(_: Sequence[LoggedEvent]) -> None:
        beside.extend(await sides.published())

    assert await sides.outbox.publish(send, 100) == 1
    assert beside == []


async def test_a_change_that_fails_leaves_nothing(sides: Sides) -> None:
    def fail(account: ledger.Account) -> ledger.Change:
        raise IllegalTransitionError(account.state, ProcessState.FAILED)

    await sides.published()
    with pytest.raises(IllegalTransitionError):
        await sides.ledger.change(sides.process, fail)
    assert await sides.published() == []


async def test_a_deleted_process(sides: Sides) -> None:
    with pytest.raises(FailedPreconditionError):
        await sides.removals.delete(sides.process)
    await sides.ledger.record(sides.process, good(1), None, [])
    await finish(sides, 1)
    for _ in range(2):
        await sides.removals.delete(sides.process)
    (removal,) = await sides.removals.list(0, 10)
    assert (removal.process_id, removal.deleted) == (sides.process, True)
    assert await sides.removals.list(removal.sequence, 10) == []
    for late in (
        sides.reader.process(sides.process),
        sides.ledger.record(sides.process, good(2), None, []),
        sides.ledger.dispatch(sides.process, batch(2)),
        sides.ledger.change(sides.process, ledger.cancelled),
    ):
        with pytest.raises(NotFoundError) as raised:
            await late
        assert raised.value.reason == "PROCESS_DELETED"
    assert (await sides.published())[-1].type == "process.deleted"


async def test_what_is_of_another_tenant_does_not_exist(sides: Sides) -> None:
    with scope.within("globex"):
        assert await sides.reader.process(sides.process) is None
        with pytest.raises(NotFoundError):
            await sides.ledger.dispatch(sides.process, batch(1))
        with pytest.raises(NotFoundError):
            await sides.removals.delete(sides.process)
        assert await sides.removals.list(0, 10) == []
