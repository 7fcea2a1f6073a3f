"""A queue of batches in memory, for the orchestrator's end and for the processor's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from ingestor.services.orchestrator.ports import Depth, Message, Packed, Queues, TooLargeError
from ingestor.services.orchestrator.ports import RowQueue as DispatchQueue
from ingestor.services.processor.batches import BatchKey, BatchRange, RepairedRows, RowBatch, StoredSlice
from ingestor.services.processor.ports import Delivery, RowQueue, UnreadableBatchError

_NAMES = ("batch_number", "first_row", "row_count", "first_line", "byte_start", "byte_end")


@dataclass
class _Stored:
    message_id: str
    packed: Packed
    visible_at: float
    receives: int = 0


class MemoryQueue(DispatchQueue, RowQueue, Queues):
    """A body is the name of a batch that is kept beside the queue. A message that was received
    `most_receives` times goes to `dead_letters_to`, if there is such a queue. `mixed` chooses the order of
    what is visible."""

    def __init__(
        self,
        limit: int = 2**20,
        visibility_seconds: float = 60,
        wait_seconds: float = 20,
        *,
        dead_letters_to: MemoryQueue | None = None,
        most_receives: int = 5,
        mixed: Callable[[list[_Stored]], list[_Stored]] = list,
    ) -> None:
        self.limit = limit
        self._dead = dead_letters_to
        self._most_receives = most_receives
        self._mixed = mixed
        self._made = 0
        self.given_up: list[Packed] = []  # messages that went to the dead-letter queue
        self.bodies: dict[str, RowBatch] = dead_letters_to.bodies if dead_letters_to else {}
        self.messages: dict[str, _Stored] = {}
        self.sent: list[str] = []  # bodies, in order
        self.forged: set[str] = set()  # identifiers of messages that are not from the suite
        self._visibility = visibility_seconds
        self._wait = wait_seconds
        self._changed = asyncio.Event()
        self._empty = asyncio.Event()

    def pack(self, message: Message) -> Packed:
        file, batch = message.file, message.batch
        if message.data is not None and len(message.data) > self.limit:
            raise TooLargeError
        values = (
            batch.number, batch.first_row, batch.row_count, batch.first_line, batch.byte_start,
            batch.byte_end,
        )  # fmt: skip
        stored = None
        if message.data is None:
            stored = StoredSlice(message.content.file_key, batch.byte_start, batch.byte_end)
        repairs = None
        if file.repairs:
            rows, first = (batch.retried.rows, batch.retried.first_row) if batch.retried else ((), 0)
            repairs = RepairedRows(file.repairs, message.repaired, rows, first)
        body = f"body-{len(self.bodies)}"
        self.bodies[body] = RowBatch(
            BatchKey(file.process_id, file.tenant, BatchRange(*values)), message.layout.columns,
            file.pipeline, file.pipeline_version, message.layout.delimiter, message.data or b"", stored,
            message.layout.quote, message.content.normal_form, repairs,
        )  # fmt: skip
        attributes = {name: str(value) for name, value in zip(_NAMES, values, strict=True)}
        return Packed(body, {"process_id": file.process_id, "tenant": file.tenant, **attributes})

    async def send(self, packed: Packed) -> None:
        self.sent.append(packed.body)
        self.put(packed)

    def put(self, packed: Packed, message_id: str = "", *, visible_at: float = 0) -> str:
        """A message is in the queue; returns its identifier."""
        self._made += 1
        message_id = message_id or f"message-{self._made}"
        self.messages[message_id] = _Stored(message_id, packed, visible_at)
        self._empty.clear()
        self._changed.set()
        return message_id

    def double(self, message_id: str) -> None:
        """Deliver a message once more at once, though it is hidden: a standard queue may do so."""
        if stored := self.messages.get(message_id):
            stored.visible_at = 0
            self._changed.set()

    def purge(self) -> None:
        """Lose all messages, those that are hidden too."""
        self.messages.clear()
        self._empty.set()

    def _give_up(self, stored: _Stored) -> bool:
        """Move a message that was received too often; whether it was."""
        if self._dead is None or stored.receives < self._most_receives:
            return False
        del self.messages[stored.message_id]
        self.given_up.append(stored.packed)
        self._dead.put(stored.packed, stored.message_id)
        return True

    async def receive(self, limit: int) -> list[Delivery]:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._wait
        while True:
            now = loop.time()
            visible = self._mixed([stored for stored in self.messages.values() if stored.visible_at <= now])
            found = [stored for stored in visible if not self._give_up(stored)][:limit]
            for stored in found:
                stored.visible_at = now + self._visibility
                stored.receives += 1
            if found or now >= end:
                return [self._delivery(stored) for stored in found]
            next_look = min([end, *(stored.visible_at for stored in self.messages.values())])
            if next_look <= now:
                continue  # one that was given up has made room
            self._changed.clear()
            try:
                async with asyncio.timeout(max(0.0, next_look - now)):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _delivery(self, stored: _Stored) -> Delivery:
        if stored.message_id in self.forged:
            receipt = f"{stored.message_id}#{stored.receives}"
            return Delivery(stored.message_id, receipt, stored.receives, None, None, "", is_authentic=False)
        attributes = stored.packed.attributes
        key = None
        if all(name in attributes for name in (*_NAMES, "process_id", "tenant")):
            bounds = BatchRange(*(int(attributes[name]) for name in _NAMES))
            key = BatchKey(attributes["process_id"], attributes["tenant"], bounds)
        receipt = f"{stored.message_id}#{stored.receives}"
        return Delivery(stored.message_id, receipt, stored.receives, key, None, stored.packed.body)

    def decode(self, delivery: Delivery) -> RowBatch:
        if delivery.body not in self.bodies:
            raise UnreadableBatchError("not a batch")
        return self.bodies[delivery.body]

    async def hide(self, delivery: Delivery, seconds: int) -> None:
        stored = self.messages.get(delivery.message_id)
        if stored and delivery.receipt == f"{stored.message_id}#{stored.receives}":
            stored.visible_at = asyncio.get_running_loop().time() + seconds
            self._changed.set()

    async def delete(self, delivery: Delivery) -> None:
        self.messages.pop(delivery.message_id, None)
        if not self.messages:
            self._empty.set()

    async def rows(self) -> Depth:
        now = asyncio.get_running_loop().time()
        visible = sum(stored.visible_at <= now for stored in self.messages.values())
        return Depth(visible, len(self.messages) - visible)

    async def dead_letters(self) -> Depth:
        return Depth(0, 0) if self._dead is None else await self._dead.rows()

    async def drained(self) -> None:
        """Wait until no message is left."""
        async with asyncio.timeout(10):
            await self._empty.wait()
