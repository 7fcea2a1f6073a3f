"""The log of removals and the inbox in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ingestor.removals.ports import Removal, RemovalInbox, RemovalLog

_AT_ONCE = datetime.min.replace(tzinfo=UTC)


class MemoryRemovalLog(RemovalLog):
    def __init__(self) -> None:
        self.removals: list[Removal] = []

    async def read(self, after: int, limit: int) -> Sequence[Removal]:
        return [removal for removal in self.removals if removal.sequence > after][:limit]


@dataclass
class _Item:
    removal: Removal
    due: datetime = _AT_ONCE
    attempts: int = 0


class MemoryRemovalInbox(RemovalInbox):
    def __init__(self) -> None:
        self.items: dict[int, _Item] = {}
        self._cursor = 0

    async def cursor(self) -> int:
        return self._cursor

    async def accept(self, after: int, removals: Sequence[Removal]) -> bool:
        if after != self._cursor:
            return False
        self.items |= {removal.sequence: _Item(removal) for removal in removals}
        self._cursor = removals[-1].sequence
        return True

    async def take(self, now: datetime, until: datetime) -> tuple[Removal, int] | None:
        due = [item for item in self.items.values() if item.due <= now]
        if not due:
            return None
        item = min(due, key=lambda item: (item.due, item.removal.sequence))
        item.due = until
        item.attempts += 1
        return item.removal, item.attempts

    async def put_back(self, sequence: int, due: datetime) -> None:
        if sequence in self.items:
            self.items[sequence].due = due

    async def done(self, sequence: int) -> None:
        self.items.pop(sequence, None)

    async def waiting(self) -> int:
        return len(self.items)
