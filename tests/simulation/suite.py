"""The suite of a schedule: the real services of several processes, over fakes of what outlives them."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from ingestor.access import scope
from ingestor.removals.follower import RemovalFollower
from ingestor.runtime.errors import NotFoundError, ServiceError, TransientError
from ingestor.services.orchestrator.dispatch.window import Windows
from ingestor.services.orchestrator.pipelines import PipelineService
from ingestor.services.orchestrator.ports import Packed, StoredPipeline
from ingestor.services.orchestrator.reconciler import Reconciler
from ingestor.services.orchestrator.remover import IngestionRemover
from ingestor.services.orchestrator.service import OrchestratorService
from ingestor.services.processor.dead_letters.handler import DeadHandler
from ingestor.services.processor.ports import Delivery as Message
from ingestor.services.processor.worker import QueueWorker, RowsHandler
from ingestor.services.status.events.publisher import Publisher
from ingestor.services.status.ports import LoggedEvent
from ingestor.services.status.processes import TERMINAL, RowState
from ingestor.services.status.service import StatusService
from ingestor.services.upload.delivery import DeliveryWorker
from ingestor.services.upload.ports import PipelineReading
from ingestor.services.upload.remover import UploadRemover
from ingestor.services.upload.uploads import Content, Upload, UploadState
from tests.fakes.ingestions import MemoryIngestions
from tests.fakes.limits.quotas import MemoryQuotas
from tests.fakes.queue import MemoryQueue
from tests.fakes.records.ledger import MemoryChanges, MemoryLedger
from tests.fakes.removals import MemoryRemovalInbox
from tests.fakes.sink import MemoryHandedBack, MemorySink
from tests.fakes.store import MemoryFileStore
from tests.fakes.uploads import MemoryUploads
from tests.simulation.environment import REGISTRY, START, KnownChecks, NodeClock, SimulatedBatches, metrics_of
from tests.simulation.faults import NODES, Fault, named
from tests.simulation.files import KINDS, VARIANTS, SmallFile, document, pipeline, small_file
from tests.simulation.loop import NodeLoop, World
from tests.simulation.network import Network, Node
from tests.simulation.wires import (
    FilesWire,
    Holds,
    IngestionCalls,
    IngestionsWire,
    OutboxWire,
    OutcomesCalls,
    QueueWire,
    RemovalsCalls,
    StatusCalls,
    Wire,
    release_hold,
)

TENANT = "default"
VISIBILITY = 6  # seconds; whole, as SQS wants them
_REDISPATCH = 20.0
_LEASE = 6.0
_FOLLOW = 1.0
_SLICE_BYTES = (16, 24)  # settings of a process, which may change when it starts again
_ATTEMPTS = 40  # of a person who pauses, resumes, cancels or deletes
_OLD = datetime.min.replace(tzinfo=UTC)


class _Lossy(MemoryQueue):
    """The queue of batches, with its faults."""

    def __init__(self, world: World, faults: Sequence[Fault], dead: MemoryQueue, most_receives: int) -> None:
        super().__init__(
            visibility_seconds=VISIBILITY, dead_letters_to=dead, most_receives=most_receives, mixed=self._mix
        )
        self._world = world
        self._puts = self._receives = 0
        self.first_received: dict[tuple[str, int], float] = {}
        self.may_delete: Callable[[Message], bool] = lambda delivery: True
        self._most = most_receives
        kinds = ("double", "lose message", "delay message", "deliver again", "exhaust")
        of_kinds = (named(faults, kind) for kind in kinds)
        self._double, self._lose, self._delay, self._again, self._exhaust = of_kinds

    def _mix(self, found: list[Any]) -> list[Any]:
        if len(found) > 1:
            self._world.random.shuffle(found)
        return found

    def put(self, packed: Packed, message_id: str = "", *, visible_at: float = 0) -> str:
        self._puts += 1
        number = self._puts
        if number in self._lose:
            self._world.tell(f"{self._lose[number]}")
            return ""
        if number in self._delay:
            self._world.tell(f"{self._delay[number]}")
            visible_at = self._world.now + self._delay[number].seconds
        made = super().put(packed, message_id, visible_at=visible_at)
        if number in self._double:
            self._world.tell(f"{self._double[number]}")
            super().put(packed)
        return made

    def _delivery(self, stored: Any) -> Message:
        self._receives += 1
        attributes = stored.packed.attributes
        batch = attributes["process_id"], int(attributes["batch_number"])
        self.first_received.setdefault(batch, self._world.now)
        if again := self._again.get(self._receives):
            self._world.after(again.seconds, self.double, stored.message_id)
        if exhausted := self._exhaust.get(self._receives):
            stored.receives = self._most
            self._world.after(exhausted.seconds, self.double, stored.message_id)
        return super()._delivery(stored)

    async def delete(self, delivery: Message) -> None:
        if delivery.message_id in self.messages and not self.may_delete(delivery):
            self._world.find(
                f"the message of batch {delivery.key} was deleted before its outcome was durable"
            )
        await super().delete(delivery)


class _Ingestions(MemoryIngestions):
    """The ingestions; it counts the batches that are recorded while their process is paused, and the streams
    that may record one in each pause before they learn of it."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__(now)
        self.recorded_paused = Counter[str]()
        self.streams = Counter[str]()
        self.pauses = Counter[str]()

    async def set_paused(self, process_id: str, paused: bool, until: datetime | None = None) -> None:
        await super().set_paused(process_id, paused, until)
        self.pauses[process_id] += paused

    def lock(self, process_id: str) -> None:
        super().lock(process_id)
        self.streams[process_id] += 1

    async def record(self, process_id: str, *arguments: Any) -> Any:
        flags = await super().record(process_id, *arguments)
        self.recorded_paused[process_id] += self.ingestions[process_id].paused
        return flags


class _Sink(MemorySink):
    """The sink; it remembers which rows of a process were there when it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.rows_when_closed: dict[str, list[int]] = {}

    def rows(self, process_id: str) -> list[int]:
        """The numbers of the rows of a process."""
        return sorted(
            int(row["_row_number"])
            for rows in self.tables.values()
            for row in rows
            if row["_process_id"] == process_id
        )

    async def remove(self, process_id: str, tenant: str, *, deleted: bool) -> None:
        await super().remove(process_id, tenant, deleted=deleted)
        self.rows_when_closed.setdefault(process_id, self.rows(process_id))


class _Ledger(MemoryLedger):
    """The ledger; it remembers when a process was cancelled, and which rows had succeeded when one was
    deleted."""

    def __init__(self, world: World, now: Callable[[], datetime]) -> None:
        super().__init__(now)
        self.rows_when_deleted: dict[str, frozenset[int]] = {}
        self.cancelled: dict[str, float] = {}
        self._world = world

    def _commit(self, process_id: str, kept: Any, events: Any) -> None:
        super()._commit(process_id, kept, events)
        if kept.account.cancelled:
            self.cancelled.setdefault(process_id, self._world.now)

    async def delete(self, process_id: str) -> None:
        kept = self.processes.get(process_id)
        await super().delete(process_id)
        if kept is not None and not kept.is_deleted:
            rows = range(1, kept.account.read + 1)
            self.rows_when_deleted[process_id] = frozenset(
                row for row in rows if (known := kept.row(row)) and known[0] is RowState.SUCCEEDED
            )


class _OnePipeline(PipelineService):
    """The catalogue."""

    def __init__(self) -> None:
        """Nothing is stored."""

    async def get(self, name: str, version: int) -> StoredPipeline:
        return StoredPipeline(name, version, document(name), START)

    async def loaded(self, name: str, columns: Sequence[str]) -> None:
        """Not remembered."""


class _Catalogue:
    """The catalogue, as upload and the processor ask for it."""

    async def get(self, name: str, version: int) -> Any:
        """As of the port."""
        return pipeline(name)

    async def find(self, name: str, version: int | None) -> PipelineReading:
        """As of the port."""
        return PipelineReading(1, "{}", ("id", "amount"))


class _AsItIs:
    """A converter of files that need no conversion."""

    async def as_is(self, upload: Upload, dialect: str, labels: Sequence[str] = ()) -> Content:
        """As of the port."""
        return Content(upload.file_key, upload.committed_size, False, "{}")


@dataclass
class Sent:
    """A file that was uploaded."""

    process_id: str
    file: SmallFile


class Suite:
    """The processes, and what outlives them."""

    def __init__(self, world: World, faults: Sequence[Fault]) -> None:
        self.world = world
        self.faults = faults
        self.pending = 0  # faults that are not over
        chance = world.random
        now = lambda: START + timedelta(seconds=world.now)  # noqa: E731
        self.dead = MemoryQueue(visibility_seconds=VISIBILITY)
        self.queue = _Lossy(world, faults, self.dead, chance.choice((3, 5, 5)))
        self.uploads = MemoryUploads()
        self.ingestions = _Ingestions(now)
        self.ingestions.usage = MemoryQuotas().usage
        self.holds = Holds(named(faults, "lock lost"))
        self.sink = _Sink()
        self.handed_back = MemoryHandedBack()
        self.ledger = _Ledger(world, now)
        self.queue.may_delete = self._is_durable
        self._sending: dict[int, NodeLoop] = {}  # events, and who sends them
        self.files = MemoryFileStore()
        self.announced: list[LoggedEvent] = []  # events in the queue of events
        self.deletes = any(fault.kind == "delete" for fault in faults)
        self.inboxes = {service: MemoryRemovalInbox() for service in ("upload", "orchestrator", "processor")}
        self.network = Network(world, faults, world.loop("stores", 0))
        self.client = Node(world, "client", 0)
        self.sent: list[Sent] = []
        self._in_flight = chance.choice((2, 3, 6, 100))
        self._concurrency = chance.choice((1, 2, 2, 3))
        count = chance.choice((1, 2, 2))
        for service in NODES:
            instances = count if service in ("orchestrator", "processor") else chance.choice((1, 1, 2))
            self.network.nodes[service] = [Node(world, f"{service} {one}", one) for one in range(instances)]
        self._steps: dict[Node, int] = {}  # of its earlier incarnations
        self._due = {
            node: sorted(
                (fault for fault in faults if fault.kind in ("crash", "freeze") and fault.where == node.name),
                key=lambda fault: fault.nth,
            )
            for node in self.nodes
        }

    @property
    def nodes(self) -> list[Node]:
        """Every process."""
        return [node for service in NODES for node in self.network.nodes[service]]

    def begin(self) -> None:
        """Start every process, send files, and let the faults come."""
        chance = self.world.random
        for node in self.nodes:
            node.skew = sum(f.seconds for f in self.faults if f.kind == "clock" and f.where == node.name)
            self._start(node)
        for number in range(chance.choice((1, 1, 2))):
            kind = chance.choice(KINDS if number == 0 else KINDS[:2])
            file = small_file(kind, chance.randrange(VARIANTS))
            process_id = str(uuid.UUID(int=number + 1))
            self.sent.append(Sent(process_id, file))
            self._later(chance.uniform(0, 0.05), self._upload, process_id, file)
        for fault in self.faults:
            self._prepare(fault)

    def _later(self, seconds: float, callback: Callable[..., object], *arguments: Any) -> None:
        """Let something happen without which the schedule is not over."""
        self.pending += 1

        def happen() -> None:
            self.pending -= 1
            callback(*arguments)

        self.world.after(seconds, happen)

    def _upload(self, process_id: str, file: SmallFile) -> None:
        upload = Upload(
            f"upload-{process_id}", TENANT, None, "a.csv", len(file.data), f"{TENANT}/{process_id}",
            UploadState.OPEN, len(file.data), None, START,
        )  # fmt: skip
        self.files.files[upload.file_key] = bytearray(file.data)
        self.uploads.uploads[upload.upload_id] = upload
        version = 1 if file.pipeline else 0
        done = self.uploads.complete(upload.upload_id, process_id, file.pipeline, version, "{}", START)
        try:
            done.send(None)
        except StopIteration:
            return

    # Faults.

    def _prepare(self, fault: Fault) -> None:
        if fault.kind == "outage":
            self._later(fault.at, self._outage, fault)
        elif fault.kind == "purge":
            self._later(fault.at, self._purge, fault)
        elif fault.kind in ("pause", "cancel"):
            of = self.sent[len(self.sent) - 1 if fault.at < 0.25 else 0]
            self._later(fault.at, self._client, fault, of)
        elif fault.kind == "delete":
            self._client(fault, self.sent[0])

    def _outage(self, fault: Fault) -> None:
        self.world.tell(f"{fault}")
        self.network.go_away(fault.where, fault.seconds)
        self._later(fault.seconds, lambda: None)

    def _purge(self, fault: Fault) -> None:
        self.world.tell(f"{fault}: {len(self.queue.messages)} messages")
        self.queue.purge()

    def _client(self, fault: Fault, of: Sent) -> None:
        self.world.tell(f"{fault}")
        work = {"pause": self._pause, "cancel": self._cancel, "delete": self._delete}[fault.kind]
        self.pending += 1
        context = copy_context()
        context.run(scope.enter, TENANT)
        task = self.client.loop.create_task(work(fault, of), context=context)
        task.add_done_callback(self._client_done)

    def _client_done(self, task: asyncio.Task[None]) -> None:
        self.pending -= 1
        if not task.cancelled() and (error := task.exception()) is not None:
            self.world.find(f"client: {error!r}")

    async def _pause(self, fault: Fault, of: Sent) -> None:
        if await self._ask("orchestrator", "pause", of):
            await asyncio.sleep(fault.seconds)
            await self._ask("orchestrator", "resume", of)

    async def _cancel(self, fault: Fault, of: Sent) -> None:
        await self._ask("orchestrator", "cancel", of)

    async def _delete(self, fault: Fault, of: Sent) -> None:
        while not self._has_ended(of.process_id):
            await asyncio.sleep(0.2)
        await asyncio.sleep(fault.seconds)
        await self._ask("status", "delete", of)

    async def _ask(self, service: str, name: str, of: Sent) -> bool:
        """What a person asks for, until it is answered; whether it was done."""
        for _ in range(_ATTEMPTS):
            try:
                await self.network.rpc(
                    self.client, service, f"client.{name}", lambda one: getattr(one, name)(of.process_id)
                ).future
                return True
            except (TransientError, NotFoundError) as error:
                if isinstance(error, NotFoundError) and error.reason == "PROCESS_DELETED":
                    return name == "delete"
                await asyncio.sleep(1.0)
            except ServiceError:
                return False
        return False

    # Processes.

    def _start(self, node: Node) -> None:
        node.service = None
        service = node.name.partition(" ")[0]
        self.world.enter(node.loop)
        node.stopping = asyncio.Event()
        workers = getattr(self, f"_start_{service}")(node)
        for worker in workers:
            context = copy_context()
            context.run(scope.enter, scope.EVERYTHING)
            task = node.loop.create_task(self._run(node, worker), context=context)
            task.set_name(worker.name)
        self.world.enter(None)
        node.loop.on_step = partial(self._step, node)
        self._await_step(node)

    async def _run(self, node: Node, worker: Any) -> None:
        assert node.stopping is not None
        try:
            await worker.run(node.stopping)
        except Exception as error:
            self.world.find(f"{node.name}: the worker {worker.name} ended with {error!r}")

    def _await_step(self, node: Node) -> None:
        before = self._steps.get(node, 0)
        due = self._due[node]
        while due and due[0].nth <= before + node.loop.steps:
            due.pop(0)
        node.loop.crash_at = due[0].nth - before if due else 0

    def _step(self, node: Node) -> None:
        fault = self._due[node].pop(0)
        self.world.tell(f"{fault}")
        if fault.kind == "freeze":
            node.loop.freeze()
            self.network.frozen(node)
            self._later(fault.seconds, node.loop.thaw)
            self._await_step(node)
            return
        self._steps[node] = self._steps.get(node, 0) + node.loop.steps
        node.loop.die()
        self.network.lose(node)
        for process_id, token in node.locks.items():
            self.world.after(self.world.random.uniform(0.0, 0.3), self._release, process_id, token)
        if node.service is not None and isinstance(node.service, StatusService):
            self.ledger.heard[:] = [heard for heard in self.ledger.heard if heard.node is not node]  # type: ignore[attr-defined]
        self._later(fault.seconds, self._again, node)

    def _release(self, what: str, token: object) -> None:
        if what == "outbox":
            self.ledger.end_publishing()
        else:
            release_hold(self.ingestions, self.holds, what, token)

    def _again(self, node: Node) -> None:
        node.loop = self.world.loop(node.name, node.index)
        node.locks = {}
        node.incarnation += 1
        self._start(node)

    def _follower(self, node: Node, service: str, remove: Any) -> list[Any]:
        if not self.deletes:
            return []
        inbox: Any = Wire(self.network, node, "inbox", self.inboxes[service])
        source: Any = RemovalsCalls(self.network, node)
        return [RemovalFollower(source, inbox, remove, NodeClock(node), REGISTRY, poll_seconds=_FOLLOW)]

    def _start_upload(self, node: Node) -> list[Any]:
        uploads: Any = Wire(self.network, node, "uploads", self.uploads)
        store: Any = FilesWire(self.network, node, self.files)
        ingestion: Any = IngestionCalls(self.network, node)
        converter: Any = _AsItIs()
        catalogue: Any = _Catalogue()
        unused: Any = None
        worker = DeliveryWorker(
            uploads, ingestion, converter, catalogue, store, unused, NodeClock(node),
            owner=f"{node.name} {node.incarnation}", at_once=2, lease_seconds=_LEASE,
            new_delivery=asyncio.Event(),
        )  # fmt: skip
        return [worker, *self._follower(node, "upload", UploadRemover(uploads, store, NodeClock(node)))]

    def _start_orchestrator(self, node: Node) -> list[Any]:
        ingestions: Any = IngestionsWire(self.network, node, self.ingestions, self.holds)
        queue: Any = QueueWire(self.network, node, self.queue, "queue")
        status: Any = StatusCalls(self.network, node)
        files: Any = FilesWire(self.network, node, self.files)
        service = node.service = OrchestratorService(
            ingestions, queue, status, _OnePipeline(), files, metrics_of("orchestrator"), MemoryQuotas(),
            windows=Windows(self._in_flight, clock=node.loop.time),
            slice_bytes=self.world.random.choice(_SLICE_BYTES), queues=queue,
        )  # fmt: skip
        reconciler = Reconciler(ingestions, status, service, NodeClock(node), redispatch_seconds=_REDISPATCH)
        removals = self._follower(node, "orchestrator", IngestionRemover(ingestions))
        return [service, reconciler, *removals]

    def _start_processor(self, node: Node) -> list[Any]:
        rows: Any = QueueWire(self.network, node, self.queue, "queue")
        dead: Any = QueueWire(self.network, node, self.dead, "dead")
        sink: Any = Wire(self.network, node, "sink", self.sink)
        handed_back: Any = Wire(self.network, node, "handed_back", self.handed_back)
        outcomes: Any = OutcomesCalls(self.network, node)
        files: Any = FilesWire(self.network, node, self.files)
        catalogue: Any = _Catalogue()
        metrics = metrics_of("processor")
        batches = SimulatedBatches(sink, outcomes, catalogue, files, metrics)
        workers: list[Any] = [
            QueueWorker(
                "rows", rows, RowsHandler(rows, batches, handed_back), metrics,
                concurrency=self._concurrency, visibility_seconds=VISIBILITY,
            ),
            QueueWorker(
                "dead letters",
                dead, DeadHandler(dead, batches, handed_back, lambda tenant: KnownChecks(), REGISTRY),
                metrics, concurrency=1, visibility_seconds=VISIBILITY,
            ),
        ]  # fmt: skip

        node.service = workers

        def remove(removal: Any) -> Coroutine[Any, Any, None]:
            return sink.remove(removal.process_id, removal.tenant, deleted=removal.deleted)  # type: ignore[no-any-return]

        return [*workers, *self._follower(node, "processor", remove)]

    def _start_status(self, node: Node) -> list[Any]:
        ledger: Any = Wire(self.network, node, "ledger", self.ledger)
        outbox: Any = OutboxWire(self.network, node, self.ledger)
        changes = MemoryChanges()
        self.ledger.heard.append(_Notices(self.network, node, changes))
        unused: Any = None
        node.service = StatusService(
            ledger, ledger, unused, ledger, changes, unused, NodeClock(node), metrics_of("status"),
            search_seconds=1,
        )  # fmt: skip

        async def announce(events: Sequence[LoggedEvent]) -> None:
            self.announced.extend(events)

        async def send(events: Sequence[LoggedEvent]) -> None:
            numbers = [event.sequence for event in events]
            others = [self._sending[number] for number in numbers if number in self._sending]
            if any(other is not node.loop and not other.is_dead for other in others):
                self.world.find("two publishers send the same events")
            self._sending |= dict.fromkeys(numbers, node.loop)
            try:
                await self.network.store(node, "outbox.send", partial(announce, events))
            finally:
                for number in numbers:
                    self._sending.pop(number, None)

        publisher = Publisher(outbox, send, NodeClock(node), timedelta(days=1), REGISTRY)
        return [publisher, _Ending(changes)]

    def _is_durable(self, message: Message) -> bool:
        """Whether status knows the outcome of a batch, or that its process is gone."""
        kept = self.ledger.processes.get(message.key.process_id) if message.key else None
        return kept is not None and message.key is not None and (
            kept.is_deleted or message.key.range.number in kept.outcomes
        )  # fmt: skip

    # The end.

    def _has_ended(self, process_id: str) -> bool:
        kept = self.ledger.processes.get(process_id)
        return kept is not None and (kept.is_deleted or kept.account.state in TERMINAL)

    def is_over(self) -> bool:
        """Whether nothing is left to be done."""
        return (
            not self.pending
            and not self.queue.messages
            and not self.dead.messages
            and all(self._has_ended(sent.process_id) for sent in self.sent)
            and all(work.done for work in self.uploads.work.values())
            and not any(self._at_work(node) for node in self.network.nodes["processor"])
            and len(self.ledger.published) == len(self.ledger.events)
            and (not self.deletes or self._are_removed())
        )

    @staticmethod
    def _at_work(node: Node) -> bool:
        """Whether a processor handles a message."""
        return not node.loop.is_dead and any(worker._running for worker in node.service)

    def _are_removed(self) -> bool:
        return all(
            inbox._cursor == len(self.ledger.removed) and not inbox.items for inbox in self.inboxes.values()
        )

    def stop(self) -> None:
        """Let every process stop, as after SIGTERM."""
        for node in self.nodes:
            node.loop.crash_at = 0
            if not node.loop.is_dead and node.stopping is not None:
                node.loop.call_soon(node.stopping.set)

    def has_stopped(self) -> bool:
        """Whether nothing of any process runs."""
        return not any(node.loop.tasks for node in self.nodes if not node.loop.is_dead)

    def left(self) -> list[str]:
        """The tasks that still run."""
        return [
            f"{node.name}: {task.get_name()}: {task.get_coro().__qualname__}"  # type: ignore[union-attr]
            for node in self.nodes
            if not node.loop.is_dead
            for task in node.loop.tasks
        ]


class _Notices:
    """What tells an instance of status of changes."""

    def __init__(self, network: Network, node: Node, changes: MemoryChanges) -> None:
        self.node = node
        self._network = network
        self._loop = node.loop
        self._changes = changes

    def __call__(self, process_id: str) -> None:
        self._network.world.after(self._network.latency(), self._arrive, process_id)

    def _arrive(self, process_id: str) -> None:
        if not self._loop.is_dead:
            self._loop.call_soon(self._changes.heard, process_id)


class _Ending:
    """Ends watching when its process stops."""

    name = "changes"

    def __init__(self, changes: MemoryChanges) -> None:
        self._changes = changes

    async def run(self, stopping: asyncio.Event) -> None:
        """As of workers."""
        await stopping.wait()
        self._changes.stop()
