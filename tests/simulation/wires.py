"""The ports of the services, over the simulated network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from ingestor.runtime.errors import AbortedError, NotFoundError, ServiceError, TransientError
from ingestor.services.orchestrator.dispatch.stream import Chunk
from ingestor.services.orchestrator.ingestions import Batch as SentBatch
from ingestor.services.orchestrator.ingestions import Content, FileInfo, IngestionState
from ingestor.services.orchestrator.ports import Limits, Progress
from ingestor.services.processor.batches import BatchOutcome
from ingestor.services.processor.ports import Disposition
from ingestor.services.status.ledger import Account, Batch, Outcome
from ingestor.services.status.ports import Limits as StatusLimits
from ingestor.services.status.ports import LoggedEvent
from ingestor.services.status.processes import TERMINAL, Failure, Info, Process, ProcessState, RowState
from ingestor.services.upload.ports import IngestionPausedError
from ingestor.services.upload.uploads import Delivery
from tests.fakes.ingestions import MemoryIngestions
from tests.fakes.records.ledger import MemoryLedger
from tests.fakes.store import MemoryFileStore
from tests.simulation.network import Network, Node, Stream

_PIECE = 20  # bytes of a file that are read at once
_FRESH_SECONDS = 2.0  # as old as an answer about a process may be
_STOPPED = (ProcessState.CANCELLED, ProcessState.FAILED, ProcessState.UNDONE)


class Wire:
    """A store as one process reaches it. Every method of the fake is a call."""

    def __init__(self, network: Network, node: Node, name: str, fake: object) -> None:
        self._network = network
        self._node = node
        self._name = name
        self._fake = fake

    def __getattr__(self, method: str) -> Callable[..., asyncio.Future[Any]]:
        target, kind = getattr(self._fake, method), f"{self._name}.{method}"

        def call(*arguments: Any, **options: Any) -> asyncio.Future[Any]:
            return self._network.store(self._node, kind, partial(target, *arguments, **options))

        self.__dict__[method] = call
        return call


@dataclass
class Holds:
    """Who holds an ingestion: a hold ends with the connection of its holder. `lost`: the numbers of holds
    whose connections end at once, which the holder does not notice."""

    lost: Collection[int] = ()
    of: dict[str, object] = field(default_factory=dict)
    count: int = 0


class IngestionsWire(Wire):
    """Ingestions, with holds that end with their holder."""

    def __init__(self, network: Network, node: Node, fake: MemoryIngestions, holds: Holds) -> None:
        super().__init__(network, node, "ingestions", fake)
        self._ingestions = fake
        self._holds = holds

    @asynccontextmanager
    async def hold(self, process_id: str) -> AsyncIterator[None]:
        """As of the port."""
        loop, token = self._node.loop, object()
        is_left = False

        async def lock() -> None:
            if loop.is_dead or is_left:
                return
            self._ingestions.lock(process_id)
            self._holds.of[process_id] = token
            self._node.locks[process_id] = token
            self._holds.count += 1
            if self._holds.count in self._holds.lost:
                self._node.world.tell("the lock is lost")
                release()

        release = partial(release_hold, self._ingestions, self._holds, process_id, token)
        try:
            await self._network.store(self._node, "ingestions.hold", lock)
        except BaseException:  # the connection is given back, and its locks with it
            is_left = True
            if not loop.is_dead:
                release()
            raise
        try:
            yield
        finally:
            try:
                await self._network.store(self._node, "ingestions.unlock", as_effect(release))
            except TransientError:
                release()
            finally:
                if self._node.locks.get(process_id) is token:
                    del self._node.locks[process_id]


def release_hold(ingestions: MemoryIngestions, holds: Holds, process_id: str, token: object) -> None:
    """End a hold, if it has not ended."""
    if holds.of.get(process_id) is token:
        del holds.of[process_id]
        ingestions.unlock(process_id)


def as_effect(function: Callable[[], object]) -> Callable[[], Coroutine[Any, Any, Any]]:
    """What a store does without waiting."""

    async def effect() -> object:
        return function()

    return effect


class FilesWire:
    """The file store, read in small pieces."""

    def __init__(self, network: Network, node: Node, fake: MemoryFileStore) -> None:
        self._network = network
        self._node = node
        self._fake = fake

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        """As of the port."""
        found = await self._network.store(
            self._node, "files.read", as_effect(lambda: bytes(self._fake._file(key)[start:end]))
        )
        for at in range(0, len(found), _PIECE):
            yield found[at : at + _PIECE]

    async def delete(self, key: str) -> None:
        """As of the port."""
        await self._network.store(self._node, "files.delete", partial(self._fake.delete, key))


class QueueWire:
    """A queue, from both ends."""

    def __init__(self, network: Network, node: Node, fake: Any, name: str) -> None:
        self._network = network
        self._node = node
        self._fake = fake
        self._name = name
        self.pack, self.decode = fake.pack, fake.decode

    def send(self, packed: Any) -> asyncio.Future[None]:
        """As of the port."""
        return self._network.store(self._node, f"{self._name}.send", partial(self._fake.send, packed))

    def receive(self, limit: int) -> asyncio.Future[Any]:
        """As of the port."""
        effect = partial(self._fake.receive, limit)
        return self._network.wait_at_store(self._node, f"{self._name}.receive", effect)

    def hide(self, delivery: Any, seconds: int) -> asyncio.Future[None]:
        """As of the port."""
        effect = partial(self._fake.hide, delivery, seconds)
        return self._network.store(self._node, f"{self._name}.hide", effect)

    def delete(self, delivery: Any) -> asyncio.Future[None]:
        """As of the port."""
        return self._network.store(self._node, f"{self._name}.delete", partial(self._fake.delete, delivery))


class OutboxWire:
    """The outbox: a publisher sends within a transaction, which ends with its connection."""

    def __init__(self, network: Network, node: Node, fake: MemoryLedger) -> None:
        self._network = network
        self._node = node
        self._fake = fake

    async def publish(self, send: Callable[[Sequence[LoggedEvent]], Any], limit: int) -> int:
        """As of the port."""
        loop = self._node.loop

        async def begin() -> list[LoggedEvent] | None:
            found = None if loop.is_dead else self._fake.begin_publishing(limit)
            if found is not None:
                self._node.locks["outbox"] = self
            return found

        try:
            found = await self._network.store(self._node, "outbox.begin", begin)
        except TransientError:
            self._end()
            raise
        if found is None:
            return 0
        try:
            if found:
                await send(found)
                mark = as_effect(partial(self._fake.mark_published, found))
                await self._network.store(self._node, "outbox.mark", mark)
            return len(found)
        finally:
            self._end()

    def _end(self) -> None:
        if not self._node.world.is_closed and self._node.locks.pop("outbox", None) is self:
            self._fake.end_publishing()

    async def remove_published(self, before: object) -> int:
        """As of the port; what is published is kept for the auditor."""
        return 0


def _progress(account: Account | Process) -> Progress:
    return Progress(account.state.name, account.state in TERMINAL, account.batches_processed)


class StatusCalls:
    """Status, for the orchestrator."""

    def __init__(self, network: Network, node: Node) -> None:
        self._network = network
        self._node = node

    async def _tell(self, name: str, handler: Callable[[Any], Coroutine[Any, Any, Account]]) -> Progress:
        return _progress(await self._network.rpc(self._node, "status", f"status.{name}", handler).future)

    async def started(self, file: FileInfo) -> Progress:
        info = Info(
            file.process_id, file.tenant, file.upload_id, file.file_name, file.size_bytes, file.pipeline,
            file.pipeline_version, file.repairs,
        )  # fmt: skip
        return await self._tell("started", lambda status: status.start(info))

    async def header_read(
        self, process_id: str, columns: Sequence[str], content: Content, limits: Limits
    ) -> Progress:
        known = StatusLimits(limits.max_failed, limits.max_failed_share)
        size = content.size_bytes
        return await self._tell(
            "header_read",
            lambda status: status.read_header(process_id, columns, content.dialect, size, known),
        )

    async def dispatched(self, process_id: str, batch: SentBatch, message_bytes: int = 0) -> Progress:
        made = Batch(
            batch.number, batch.first_row, batch.row_count, batch.first_line, batch.byte_start,
            batch.byte_end, message_bytes,
        )  # fmt: skip
        return await self._tell("dispatched", lambda status: status.dispatch(process_id, made))

    async def redispatched(self, process_id: str, batches: Sequence[SentBatch]) -> Progress:
        rows = sum(batch.row_count for batch in batches)
        return await self._tell(
            "redispatched", lambda status: status.redispatch(process_id, len(batches), rows)
        )

    async def finished(self, process_id: str, rows: int, batches: int) -> Progress:
        return await self._tell("finished", lambda status: status.finish(process_id, rows, batches))

    async def failed(self, process_id: str, reason: str, message: str) -> Progress:
        return await self._tell("failed", lambda status: status.fail(process_id, Failure(reason, message)))

    async def paused(self, process_id: str, reason: str = "") -> Progress:
        return await self._tell("paused", lambda status: status.pause(process_id, reason))

    async def resumed(self, process_id: str) -> Progress:
        return await self._tell("resumed", lambda status: status.resume(process_id))

    async def cancelled(self, process_id: str) -> Progress:
        return await self._tell("cancelled", lambda status: status.cancel(process_id))

    async def progress(self, process_id: str) -> Progress | None:
        call = self._network.rpc(
            self._node, "status", "status.progress", lambda status: status.process(process_id)
        )
        try:
            process = await call.future
        except NotFoundError as error:
            return Progress("DELETED", True, 0) if error.reason == "PROCESS_DELETED" else None
        held = bool(process.pause_reason)
        return Progress(process.state.name, process.terminal, process.batches_processed, held)

    async def queued(self, process_id: str) -> Sequence[int]:
        call = self._network.rpc(
            self._node, "status", "status.queued", lambda status: status.batches(process_id, False, "", 1000)
        )
        found, _ = await call.future
        return [record.batch.number for record in found]

    async def watch(self, process_id: str) -> AsyncGenerator[Progress, None]:
        stream = Stream(self._network)

        async def follow(status: Any) -> None:
            async for process in status.watch(process_id, 0.02):
                stream.send(_progress(process))
            stream.send(None)

        call = self._network.rpc(self._node, "status", "status.watch", follow)
        call.future.add_done_callback(partial(_hand_over, stream))
        try:
            while (progress := await stream.next()) is not None:
                yield progress
        finally:
            if call.future.cancelled() or not call.future.done():
                self._network.cancel(call)


def _hand_over(stream: Stream, future: asyncio.Future[Any]) -> None:
    if not future.cancelled() and (error := future.exception()) is not None:
        stream.arrive(error)


class OutcomesCalls:
    """Status, for the processor. As the adapter, it remembers for two seconds how a process stands."""

    def __init__(self, network: Network, node: Node) -> None:
        self._network = network
        self._node = node
        self._known: dict[str, tuple[float, Disposition]] = {}

    async def record(self, outcome: BatchOutcome) -> None:
        bounds = outcome.key.range
        batch = Batch(
            bounds.number, bounds.first_row, bounds.row_count, bounds.first_line, bounds.byte_start,
            bounds.byte_end,
        )  # fmt: skip
        state = RowState[outcome.default_state.upper()]
        made = Outcome(batch, state, outcome.succeeded, outcome.failed, outcome.skipped)
        call = self._network.rpc(
            self._node, "status", "status.record",
            lambda status: status.record(
                outcome.key.process_id, made, outcome.error, outcome.rows, None, outcome.displaced
            ),
        )  # fmt: skip
        try:
            await call.future
        except NotFoundError as error:
            if error.reason != "PROCESS_DELETED":
                raise

    async def disposition(self, process_id: str) -> Disposition:
        now = self._node.loop.time()
        asked, known = self._known.get(process_id, (None, Disposition.RUNNING))
        if known is Disposition.GONE or (asked is not None and now - asked < _FRESH_SECONDS):
            return known
        found = await self._ask(process_id)
        if found is not Disposition.HELD:
            self._known[process_id] = now, found
        return found

    async def _ask(self, process_id: str) -> Disposition:
        call = self._network.rpc(
            self._node, "status", "status.disposition", lambda status: status.process(process_id)
        )
        try:
            process = await call.future
        except NotFoundError as error:
            return Disposition.GONE if error.reason == "PROCESS_DELETED" else Disposition.RUNNING
        if process.pause_reason:
            return Disposition.HELD
        return Disposition.STOPPED if process.state in _STOPPED else Disposition.RUNNING

    async def hold(self, process_id: str, reason: str) -> bool:
        self._known.pop(process_id, None)
        call = self._network.rpc(
            self._node, "status", "status.hold", lambda status: status.pause(process_id, reason)
        )
        try:
            await call.future
        except ServiceError:
            return False
        return True


class RemovalsCalls:
    """The log of removals of status."""

    def __init__(self, network: Network, node: Node) -> None:
        self._network = network
        self._node = node

    async def read(self, after: int, limit: int) -> Any:
        """As of the port."""
        call = self._network.rpc(
            self._node, "status", "status.removals", lambda status: status.removals(after, limit)
        )
        return await call.future


class IngestionCalls:
    """The orchestrator, for upload."""

    def __init__(self, network: Network, node: Node) -> None:
        self._network = network
        self._node = node

    async def begin(self, delivery: Delivery) -> int | None:
        content = delivery.content
        known = Content(content.file_key, content.size, False, content.dialect) if content else None
        state, offset = await self._answer("begin", lambda service: service.begin(_info(delivery), known))
        return int(offset) if state is IngestionState.OPEN else None

    async def refuse(self, delivery: Delivery, reason: str, message: str) -> None:
        await self._answer("refuse", lambda service: service.refuse(_info(delivery), reason, message))

    async def _answer(self, name: str, handler: Callable[[Any], Coroutine[Any, Any, Any]]) -> Any:
        try:
            return await self._network.rpc(self._node, "orchestrator", f"orchestrator.{name}", handler).future
        except AbortedError as error:
            raise _known(error) from error

    async def send(self, process_id: str, pieces: AsyncIterator[tuple[int, bytes, bool]]) -> None:
        stream = Stream(self._network)

        async def chunks() -> AsyncIterator[Chunk]:
            while True:
                yield await stream.next()

        async def pump() -> None:
            try:
                async for piece in pieces:
                    stream.send(Chunk(*piece))
            except Exception:  # as a call whose requests end with an error
                self._network.cancel(call)

        call = self._network.rpc(
            self._node, "orchestrator", "orchestrator.ingest",
            lambda service: service.ingest(process_id, chunks()),
        )  # fmt: skip
        pumping = asyncio.create_task(pump())
        try:
            await call.future
        except AbortedError as error:
            raise _known(error) from error
        finally:
            stream.is_cut = True
            pumping.cancel()
            if call.future.cancelled() or not call.future.done():
                self._network.cancel(call)


def _known(error: AbortedError) -> Exception:
    return IngestionPausedError() if error.reason == "INGESTION_PAUSED" else error


def _info(delivery: Delivery) -> FileInfo:
    upload = delivery.upload
    return FileInfo(
        delivery.process_id, upload.tenant, upload.upload_id, upload.file_name, upload.committed_size,
        delivery.pipeline, delivery.pipeline_version,
    )  # fmt: skip
