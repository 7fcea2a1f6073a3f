"""Ingestions and batch boundaries in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime

from ingestor.access import scope
from ingestor.access.limits.quotas import NO_LIMITS, QuotaExceededError, QuotaLimits, QuotaName
from ingestor.runtime.errors import NotFoundError
from ingestor.services.orchestrator.ingestions import (
    Batch,
    Content,
    FileInfo,
    Ingestion,
    IngestionState,
    Layout,
)
from ingestor.services.orchestrator.ports import BusyError, Flags, Ingestions
from tests.fakes.limits.quotas import MemoryUsage


class MemoryIngestions(Ingestions):
    def __init__(self, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._now = now
        self.ingestions: dict[str, Ingestion] = {}
        self.recorded: dict[str, dict[int, Batch]] = {}
        self.sent: dict[tuple[str, int], datetime] = {}
        self.settled: set[str] = set()
        self._held: set[str] = set()
        self._due: dict[str, datetime] = {}
        self.usage = MemoryUsage()

    def _change(self, process_id: str, **values: object) -> None:
        self.ingestions[process_id] = replace(self.ingestions[process_id], **values)  # type: ignore[arg-type]

    async def add(self, file: FileInfo) -> Ingestion:
        self.recorded.setdefault(file.process_id, {})
        new = Ingestion(file, None, IngestionState.ANNOUNCED, False, None)
        self.ingestions.setdefault(file.process_id, new)
        found = await self.get(file.process_id)
        if found is None:
            raise NotFoundError("PROCESS_NOT_FOUND", f"Process {file.process_id} does not exist.")
        return found

    async def set_content(self, process_id: str, content: Content) -> Ingestion | None:
        if self.ingestions[process_id].state is not IngestionState.ANNOUNCED:
            return None
        self._change(process_id, content=content, state=IngestionState.OPEN)
        return self.ingestions[process_id]

    async def get(self, process_id: str) -> Ingestion | None:
        found = self.ingestions.get(process_id)
        return found if found and scope.visible() in (found.file.tenant, scope.EVERYTHING) else None

    @asynccontextmanager
    async def hold(self, process_id: str) -> AsyncIterator[None]:
        self.lock(process_id)
        try:
            yield
        finally:
            self.unlock(process_id)

    def lock(self, process_id: str) -> None:
        """Begin a hold. Raises BusyError."""
        if process_id in self._held:
            raise BusyError
        self._held.add(process_id)

    def unlock(self, process_id: str) -> None:
        """End a hold."""
        self._held.discard(process_id)

    async def set_layout(self, process_id: str, layout: Layout) -> None:
        self._change(process_id, layout=layout)

    async def last_batch(self, process_id: str) -> Batch | None:
        batches = self.recorded[process_id]
        return batches[max(batches)] if batches else None

    async def unsent(self, process_id: str) -> Sequence[Batch]:
        batches = self.recorded[process_id]
        return [batches[number] for number in sorted(batches) if (process_id, number) not in self.sent]

    async def record(
        self, process_id: str, tenant: str, batch: Batch, limits: QuotaLimits = NO_LIMITS
    ) -> Flags:
        name = QuotaName.ROWS_PER_DAY
        limit, used = limits.get(name), self.usage.used.get(name, 0)
        if limit is not None and used >= limit:
            raise QuotaExceededError(name, limit, used, 0)
        if batch.number in self.recorded[process_id]:
            raise BusyError
        self.usage.spend(name, batch.row_count, NO_LIMITS)
        self.recorded[process_id][batch.number] = batch
        return await self.flags(process_id)

    async def batches(self, process_id: str) -> Sequence[Batch]:
        return [self.recorded[process_id][number] for number in sorted(self.recorded[process_id])]

    async def add_retry(self, retry: Ingestion, batches: Sequence[Batch]) -> str:
        there = await self.retry_of(retry.file.repairs)
        if there is None:
            there = retry.file.process_id
            self.ingestions[there] = retry
            self.recorded[there] = {batch.number: batch for batch in batches}
        return there

    async def retry_of(self, process_id: str) -> str | None:
        found = set(await self.retries(process_id)) - self.settled
        return found.pop() if found else None

    async def retries(self, process_id: str) -> Collection[str]:
        return {
            key
            for key, found in self.ingestions.items()
            if found.file.retry and found.file.repairs == process_id
        }

    async def open_retries(self, limit: int) -> Sequence[Ingestion]:
        return [
            found
            for key, found in self.ingestions.items()
            if found.file.retry and found.state is IngestionState.OPEN and key not in self.settled
        ][:limit]

    async def flags(self, process_id: str) -> Flags:
        found = self.ingestions[process_id]
        return Flags(found.state, found.paused)

    async def mark_sent(self, process_id: str, number: int) -> None:
        self.sent[process_id, number] = self._now()

    async def mark_lost(self, process_id: str, numbers: Sequence[int]) -> None:
        self._due.pop(process_id, None)
        for number in numbers:
            if (process_id, number) in self.sent:
                self.sent[process_id, number] = datetime.min.replace(tzinfo=UTC)

    async def finish(self, process_id: str, state: IngestionState) -> None:
        if self.ingestions[process_id].state is not IngestionState.STOPPED:
            self._change(process_id, state=state)

    async def set_paused(self, process_id: str, paused: bool, until: datetime | None = None) -> None:
        known = self.ingestions[process_id]
        by_person = known.paused and known.paused_until is None
        self._change(process_id, paused=paused, paused_until=None if by_person else until)

    async def take_unsettled(self, now: datetime, until: datetime, limit: int) -> Sequence[Ingestion]:
        due = [
            found
            for key, found in self.ingestions.items()
            if key not in self.settled and self._due.get(key, now) <= now
        ][:limit]
        self._due |= {found.file.process_id: until for found in due}
        return due

    async def has_unsettled(self) -> bool:
        return not self.ingestions.keys() <= self.settled

    async def settle(self, process_id: str) -> None:
        self.settled.add(process_id)

    async def remove(self, process_id: str) -> None:
        self.ingestions.pop(process_id, None)
        self.recorded.pop(process_id, None)
        self.settled.discard(process_id)
        self.sent = {key: time for key, time in self.sent.items() if key[0] != process_id}

    async def sent_before(self, process_id: str, numbers: Sequence[int], before: datetime) -> Sequence[Batch]:
        return [
            self.recorded[process_id][number]
            for number in sorted(numbers)
            if (process_id, number) in self.sent and self.sent[process_id, number] < before
        ]
