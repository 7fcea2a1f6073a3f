"""Guards of the protocol, each switched off in turn: the simulation must notice every one.

A mutant patches the service that has the guard or, where the guard is a statement of SQL, the fake that
stands in for it. `focus` names the faults that the guard is for (see `plan`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

from ingestor.services.orchestrator.dispatch.stream import Chunk, FileStream
from ingestor.services.orchestrator.ingestions import Batch, position_after
from ingestor.services.orchestrator.reconciler import Reconciler
from ingestor.services.orchestrator.service import OrchestratorService
from ingestor.services.processor.batches import BatchKey, BatchOutcome
from ingestor.services.processor.dead_letters.handler import DeadHandler
from ingestor.services.processor.ports import Applied, Delivery, Disposition
from ingestor.services.processor.service import BatchService
from ingestor.services.processor.worker import QueueWorker
from tests.fakes.ingestions import MemoryIngestions
from tests.fakes.records.ledger import MemoryLedger
from tests.fakes.sink import MemorySink
from tests.simulation.schedule import Result, run, run_many
from tests.simulation.wires import OutboxWire, OutcomesCalls

Patches = Sequence[tuple[type, str, Any]]


@dataclass(frozen=True)
class Mutant:
    """A guard that is switched off."""

    guard: str
    patches: Callable[[], Patches]
    focus: tuple[str, ...]


def caught(mutant: Mutant, schedules: int, first: int = 1) -> Result | None:
    """The first of the schedules that notices it, and nothing without it. Within `simulated`."""
    results = run_many(first, schedules, mutant.focus)
    while True:
        with ExitStack() as stack:
            for owner, name, made in mutant.patches():
                stack.enter_context(patch.object(owner, name, made, create=True))
            found = next((result for result in results if result.problems), None)
        if found is None or not run(found.seed, found.faults).problems:
            return found


# The processor.


def _marker_apart() -> Patches:
    load, report = MemorySink.load, BatchService._report

    async def load_only(self: Any, key: BatchKey, *arguments: Any) -> Applied:
        mark = (key.process_id, key.range.number)
        known = mark in self.markers
        applied = await load(self, key, *arguments)
        if not known:
            self.markers.pop(mark, None)
        return applied

    async def mark(self: Any, outcome: BatchOutcome) -> None:
        self.markers.setdefault((outcome.key.process_id, outcome.key.range.number), outcome)

    async def mark_and_report(self: Any, key: BatchKey, applied: Applied) -> None:
        if applied.outcome:
            await self._sink.set_marker(applied.outcome)
        await report(self, key, applied)

    return [
        (MemorySink, "load", load_only),
        (MemorySink, "set_marker", mark),
        (BatchService, "_report", mark_and_report),
    ]


def _marker_ignored() -> Patches:
    load = MemorySink.load

    async def load_again(self: Any, key: BatchKey, *arguments: Any) -> Applied:
        self.markers.pop((key.process_id, key.range.number), None)
        return await load(self, key, *arguments)

    return [(MemorySink, "load", load_again)]


def _deleted_before_handled() -> Patches:
    attempt = QueueWorker._attempt

    async def delete_first(self: Any, delivery: Delivery, handling: Any) -> None:
        await self._delete(delivery)
        await attempt(self, delivery, handling)

    return [(QueueWorker, "_attempt", delete_first)]


def _outcome_forgotten_first() -> Patches:
    report = BatchService._report

    async def forget_first(self: Any, key: BatchKey, applied: Applied) -> None:
        if applied.outcome:
            await self._until_done("sink", lambda: self._sink.forget_outcome(key))
        await report(self, key, applied)

    return [(BatchService, "_report", forget_first)]


def _settled_without_marker() -> Patches:
    async def settle(self: Any, outcome: BatchOutcome) -> Applied:
        return Applied(outcome)

    async def gives_up(self: Any, batch: Any) -> bool:
        return False

    return [(MemorySink, "settle", settle), (DeadHandler, "_recovers", gives_up)]


def _closed_not_looked_at() -> Patches:
    load = MemorySink.load

    async def load_closed(self: Any, *arguments: Any) -> Applied:
        gone, self.gone = self.gone, {}
        try:
            return await load(self, *arguments)
        finally:
            self.gone = gone

    return [(MemorySink, "load", load_closed)]


def _disposition_for_ever() -> Patches:
    disposition = OutcomesCalls.disposition

    async def remembered(self: Any, process_id: str) -> Disposition:
        known = self._known.get(process_id)
        return known[1] if known else await disposition(self, process_id)

    return [(OutcomesCalls, "disposition", remembered)]


# Status.


def _outcome_counted_twice() -> Patches:
    return [(MemoryLedger, "_has_outcome", lambda self, kept, number: False)]


def _buried_comes_back() -> Patches:
    process = MemoryLedger._process

    def revived(self: Any, process_id: str, **options: Any) -> Any:
        kept = self.processes.get(process_id)
        if kept is not None and kept.is_deleted:
            del self.processes[process_id]
        return process(self, process_id, **options)

    return [(MemoryLedger, "_process", revived)]


def _events_apart() -> Patches:
    log = MemoryLedger._log

    def log_later(self: Any, *arguments: Any) -> None:
        asking = self._world.asking
        self._world.after(0.01, lambda: asking.is_dead or log(self, *arguments))

    return [(MemoryLedger, "_log", log_later)]


def _published_before_sent() -> Patches:
    publish = OutboxWire.publish

    async def mark_first(self: Any, send: Callable[[Any], Awaitable[None]], limit: int) -> int:
        async def marked(events: Any) -> None:
            self._fake.mark_published(events)
            await send(events)

        return await publish(self, marked, limit)

    return [(OutboxWire, "publish", mark_first)]


def _two_publishers() -> Patches:
    begin = MemoryLedger.begin_publishing

    def begin_anyway(self: Any, limit: int) -> Any:
        self._publishing = False
        return begin(self, limit)

    return [(MemoryLedger, "begin_publishing", begin_anyway)]


# The orchestrator.


def _sent_before_recorded() -> Patches:
    async def dispatch_one(self: Any, layout: Any, batch: Batch, packed: Any) -> None:
        await self._flight.turn()
        self._flight.sent()
        await self._service.announce(self._process_id, batch, self._flight)
        await self._service.until_done("queue", lambda: self._service._queue.send(packed))
        await self._service.record(self._ingestion, batch, self._flight.window, self._finish)
        await self._service._ingestions.mark_sent(self._process_id, batch.number)
        self._position = position_after(layout, batch)

    return [(FileStream, "_dispatch_one", dispatch_one)]


def _nothing_sent_again() -> Patches:
    async def reconcile(self: Any) -> int:
        return 0

    return [(Reconciler, "reconcile", reconcile)]


def _unsent_left() -> Patches:
    async def send_unsent(self: Any, ingestion: Any) -> None:
        return

    return [(OrchestratorService, "_send_unsent", send_unsent)]


def _number_recorded_twice() -> Patches:
    record = MemoryIngestions.record

    async def replaced(self: Any, process_id: str, tenant: str, batch: Batch, *limits: Any) -> Any:
        self.recorded[process_id].pop(batch.number, None)
        return await record(self, process_id, tenant, batch, *limits)

    return [(MemoryIngestions, "record", replaced)]


def _offset_unchecked() -> Patches:
    read = FileStream.read

    async def read_anything(self: Any, chunks: AsyncIterator[Chunk]) -> Any:
        async def believed() -> AsyncIterator[Chunk]:
            offset = self._position.offset
            async for chunk in chunks:
                yield replace(chunk, offset=offset)
                offset += len(chunk.data)

        return await read(self, believed())

    return [(FileStream, "read", read_anything)]


class _Forgetful(set[Any]):
    def add(self, _: Any) -> None:
        """Nothing is waited for."""


def _finished_before_sent() -> Patches:
    begin = FileStream.__init__

    def forgetful(self: Any, *arguments: Any) -> None:
        begin(self, *arguments)
        self._sending = _Forgetful()

    return [(FileStream, "__init__", forgetful)]


def _pause_ignored() -> Patches:
    obey = OrchestratorService.obey

    async def obey_ends(self: Any, process_id: str, flags: Any, window: Any) -> None:
        await obey(self, process_id, replace(flags, paused=False), window)

    return [(OrchestratorService, "obey", obey_ends)]


_RECORD = ("lose response status.record", "outage status", "crash processor", "lose response ledger.record")
# A second delivery ends the process, and it is deleted, before the first one goes on.
_LATE_LOAD = ("delete for 0.3 s", "slow sink.load #1 for 12 s", "deliver again #1 for 0.1 s")
_LATE_OUTCOME = ("delete for 0.3 s", "slow status.record #1 for 12 s", "deliver again #1 for 0.1 s")
# Between the answer where to begin and the stream an older stream goes on for a while, and ends before it is
# done.
_STALE_OFFSET = (
    "cut orchestrator.ingest #1 for 0.02 s", "slow orchestrator.ingest #2 for 14 s",
    "slow ingestions.hold #1 for 7 s", "slow queue.send #1 for 25 s",
)  # fmt: skip
# An older stream goes on beside the new one.
_TWO_STREAMS = (
    "lock lost #1", "cut orchestrator.ingest #1 for 0.2 s", "slow ingestions.record #1 for 8 s"
)  # fmt: skip

MUTANTS = (
    Mutant("the marker is set in the transaction that loads the rows", _marker_apart, ("crash processor",)),
    Mutant("a batch with a marker is not loaded again", _marker_ignored, ("double", "deliver again")),
    Mutant("a message is deleted after its outcome is durable", _deleted_before_handled, ("double",)),
    Mutant("the marker keeps the outcome until status has it", _outcome_forgotten_first, _RECORD),
    Mutant("a dead batch is settled by its marker", _settled_without_marker, ("exhaust", "outage status")),
    Mutant("a removed process is closed for its batches", _closed_not_looked_at, _LATE_LOAD),
    Mutant("the processor asks about a process", _disposition_for_ever, ("cancel", "delay message")),
    Mutant("a batch has one outcome", _outcome_counted_twice, ("double", "deliver again", *_RECORD)),
    Mutant("status refuses what is told of a deleted process", _buried_comes_back, _LATE_OUTCOME),
    Mutant("events are written in the transaction of their change", _events_apart, ("crash status",)),
    Mutant(
        "events are marked as published after they were sent", _published_before_sent,
        ("outage outbox", "crash status", "lose request outbox.send"),
    ),
    Mutant("one publisher at a time", _two_publishers, ("freeze status", "slow outbox.send")),
    Mutant("a batch is recorded before it is sent", _sent_before_recorded, ("crash orchestrator",)),
    Mutant("what the queue has lost is sent again", _nothing_sent_again, ("lose message", "purge")),
    Mutant("what was recorded and not sent is sent", _unsent_left, ("crash orchestrator",)),
    Mutant("a batch is recorded once", _number_recorded_twice, _TWO_STREAMS),
    Mutant("a piece must begin where the stream stands", _offset_unchecked, _STALE_OFFSET),
    Mutant("a file is finished when all of it is sent", _finished_before_sent, ("crash orchestrator",)),
    Mutant("a paused process is not dispatched", _pause_ignored, ("pause",)),
)  # fmt: skip
