"""Gives watchers the log of events, reading it once for all of them."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence

from ingestor.access import scope
from ingestor.runtime.errors import UnavailableError
from ingestor.runtime.retry import Retries
from ingestor.runtime.workers import pause, unless_stopped
from ingestor.services.status.ports import Changes, EventLog, LoggedEvent

_KEPT = 10_000  # newest events in memory while there are watchers
_PAGE = 500
_GATHER_SECONDS = 0.05  # changes that follow faster are read together
KEEPALIVE_SECONDS = 20.0


class EventFeed:
    """Follows the log while it has watchers, and gives each the new events of its tenant. A change costs one
    query, whatever the number of watchers; a watcher that starts far back, or falls behind, queries for
    itself until it has caught up. Also the worker that reads."""

    name = "event feed"

    def __init__(self, event_log: EventLog, changes: Changes, retries: Retries) -> None:
        self._retries = retries
        self._log = event_log
        self._changes = changes
        self._lock = asyncio.Lock()
        # Every event after `_start` and up to `_end`; both are -1 while the log is not followed.
        self._events: list[LoggedEvent] = []
        self._start = self._end = -1
        # By tenant and process; None for all processes of the tenant.
        self._watchers: dict[tuple[str, str | None], set[asyncio.Event]] = defaultdict(set)
        self._stopping = False

    @property
    def watchers(self) -> int:
        """Number of watchers."""
        return sum(map(len, self._watchers.values()))

    async def run(self, stopping: asyncio.Event) -> None:
        """Read new events after every change; ends when the changes end."""
        async for _ in self._changes.watch(None):
            await unless_stopped(stopping, self._retries.until_done("database", self._follow))
            await pause(_GATHER_SECONDS, stopping)
        self._stopping = True
        for watching in self._watchers.values():
            for news in watching:
                news.set()

    async def watch(self, process_id: str | None, after: int) -> AsyncGenerator[list[LoggedEvent], None]:
        """The events of the tenant in scope after a position (-1 for only new ones), oldest first, without
        gaps; an empty list when there are no more, and after every 20 s without events. Raises
        UnavailableError when the service stops, TransientError."""
        news = asyncio.Event()
        # The events in memory are everybody's, and no database guards them: here the scope itself counts.
        key = (scope.current(), process_id)
        self._watchers[key].add(news)
        try:
            await self._begin()
            position = self._end if after < 0 else after
            if position > self._end:  # another instance was ahead, or the position never existed
                position = min(position, await self._log.last_event())
            while not self._stopping:
                if position < self._start:
                    start = self._start
                    page = await self._log.events(process_id, position, _PAGE)
                    position = page[-1].sequence if page else position
                    # A page that is not full reaches the end of the log, and so at least `start`.
                    position = position if len(page) == _PAGE else max(position, start)
                    if page:
                        yield page
                    continue
                news.clear()
                found = self._after(position, *key)
                position = max(position, self._end)
                if found:
                    yield found
                    continue
                yield []
                await pause(KEEPALIVE_SECONDS, news)
        finally:
            self._watchers[key].discard(news)
            if not self._watchers[key]:
                del self._watchers[key]
        raise UnavailableError("SHUTTING_DOWN", "The service is stopping; watch again.")

    def _after(self, position: int, tenant: str, process_id: str | None) -> list[LoggedEvent]:
        first = bisect_right(self._events, position, key=lambda event: event.sequence)
        return [
            event
            for event in self._events[first:]
            if event.tenant == tenant and process_id in (None, event.process_id)
        ]

    async def _begin(self) -> None:
        """Start following the log at its end, unless it is already followed."""
        async with self._lock:
            if self._end < 0:
                self._start = self._end = await self._log.last_event()

    async def _follow(self) -> None:
        """Read new events, or stop following when no watcher is left."""
        async with self._lock:
            if not self._watchers:
                self._events, self._start, self._end = [], -1, -1
                return
            if self._end < 0:
                return
            while page := await self._log.events(None, self._end, _PAGE):
                self._take(page)
                if len(page) < _PAGE:
                    return

    def _take(self, page: Sequence[LoggedEvent]) -> None:
        self._events += page
        self._end = page[-1].sequence
        if len(self._events) > 2 * _KEPT:
            self._start = self._events[-_KEPT - 1].sequence
            del self._events[:-_KEPT]
        told = {(event.tenant, of) for event in page for of in (None, event.process_id)}
        for key in told:
            for news in self._watchers.get(key, ()):
                news.set()
