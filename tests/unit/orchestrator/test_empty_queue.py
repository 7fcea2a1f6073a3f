"""Batches that the queue lost are found at an empty queue, in seconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ingestor.services.orchestrator.empty_queue import EmptyQueue
from ingestor.services.orchestrator.ports import Depth, Queues
from ingestor.services.orchestrator.reconciler import Reconciler
from ingestor.services.processor.batches import BatchOutcome
from tests.unit.orchestrator.test_service import At, Suite


class Lossy:
    """A suite whose file is in the queue, with a clock."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self.clock = At(datetime.now(UTC))
        self.reconciler = Reconciler(
            suite.ingestions, suite.status, suite.service, self.clock, redispatch_seconds=600
        )
        self.empty = EmptyQueue(suite.queue, suite.ingestions, self.reconciler, lost_seconds=10)

    async def looks(self, count: int, seconds: float = 2.5) -> int:
        """So many looks, and the time between them; how many batches were sent again."""
        found = 0
        for _ in range(count):
            self.clock.time += timedelta(seconds=seconds)
            found += await self.empty.look()
        return found


async def dispatched() -> Lossy:
    suite = Suite()
    await suite.deliver()
    return Lossy(suite)


async def test_what_a_purge_took_is_sent_again_soon() -> None:
    lossy = await dispatched()
    sent = len(lossy.suite.queue.sent)
    await lossy.reconciler.reconcile()  # it has just looked at the process
    assert await lossy.looks(20) == 0  # the messages wait for a processor
    lossy.suite.queue.messages.clear()
    assert await lossy.looks(2) == 0
    assert await lossy.looks(6) == sent
    lossy.suite.queue.messages.clear()
    assert await lossy.looks(12) == sent


async def test_a_message_in_work_is_not_lost() -> None:
    lossy = await dispatched()
    while await lossy.suite.queue.receive(10):
        if all(stored.receives for stored in lossy.suite.queue.messages.values()):
            break
    assert await lossy.looks(50) == 0


async def test_batches_that_were_dropped_for_their_table_are_left() -> None:
    lossy = await dispatched()
    assert await lossy.suite.status.hold(lossy.suite.process, "The table is gone.")
    lossy.suite.queue.messages.clear()
    assert await lossy.looks(50) == 0


async def test_nothing_is_sent_when_all_is_done() -> None:
    lossy = await dispatched()
    for batch in lossy.suite.sent():
        count = batch.key.range.row_count
        await lossy.suite.status.record(BatchOutcome(batch.key, "succeeded", count, 0, 0, ()))
    lossy.suite.queue.messages.clear()
    assert await lossy.looks(50) == 0


class Asked(Queues):
    """Counts how often it is asked; the queues are empty."""

    def __init__(self) -> None:
        self.count = 0

    async def rows(self) -> Depth:
        self.count += 1
        return Depth(0, 0)

    async def dead_letters(self) -> Depth:
        return Depth(0, 0)


async def test_queues_are_asked_only_while_a_process_runs() -> None:
    lossy = await dispatched()
    asked = Asked()
    empty = EmptyQueue(asked, lossy.suite.ingestions, lossy.reconciler, lost_seconds=10)
    await empty.look()
    assert asked.count == 1
    await lossy.suite.ingestions.settle(lossy.suite.process)
    for _ in range(5):
        assert await empty.look() == 0
    assert asked.count == 1
