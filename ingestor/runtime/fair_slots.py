"""A semaphore that does not let one crowd wait in front of everybody else."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class FairSlots:
    """So many places; a free one goes to the group that has the fewest, within a group in the order of
    coming."""

    def __init__(self, count: int, *, reserved: int = 0) -> None:
        """The last `reserved` places are for groups that have none yet, as long as there are others."""
        self._free = count
        self._reserved = min(reserved, count - 1)
        self._taken = Counter[str]()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def place(self, group: str) -> AsyncIterator[None]:
        """A place while the context lasts, waited for when there is none."""
        await self._take(group)
        try:
            yield
        finally:
            self._release(group)

    async def _take(self, group: str) -> None:
        if self._may_have(group):
            self._free -= 1
            self._taken[group] += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(group, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it was given the place in the same moment
                self._release(group)
            raise

    def _may_have(self, group: str) -> bool:
        """Whether a free place is for this group."""
        return self._free > (self._reserved if self._taken[group] else 0)

    def _release(self, group: str) -> None:
        self._taken[group] -= 1
        if not self._taken[group]:
            del self._taken[group]
        self._free += 1
        while (following := self._next()) is not None:
            following_group, turn = following
            self._free -= 1
            self._taken[following_group] += 1
            turn.set_result(None)

    def _next(self) -> tuple[str, asyncio.Future[None]] | None:
        """Take out who is next and still waits, if there is a place for it."""
        while self._waiting:
            group = min(self._waiting, key=self._taken.__getitem__)
            if not self._may_have(group):
                return None
            turn = self._waiting[group].popleft()
            if not self._waiting[group]:
                del self._waiting[group]
            if not turn.cancelled():
                return group, turn
        return None
