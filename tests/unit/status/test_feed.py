"""The event feed: no event is missed or reported twice, and the log is read once for all watchers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry

from ingestor.access import scope
from ingestor.runtime.errors import TransientError, UnavailableError
from ingestor.runtime.retry import Retries
from ingestor.services.status.events import feed as feed_module
from ingestor.services.status.events.feed import EventFeed
from ingestor.services.status.ports import Changes, EventLog, LoggedEvent


class Log(EventLog, Changes):
    """An event log, and the changes that tell of it."""

    def __init__(self) -> None:
        self.kept: list[LoggedEvent] = []
        self.queries: list[tuple[str | None, int]] = []
        self.away = 0
        self._changed = asyncio.Event()
        self.stopped = False

    def happen(self, *processes: str, tenant: str = "default") -> None:
        """An event of each process."""
        for process in processes:
            number = len(self.kept) + 1
            self.kept.append(
                LoggedEvent(number, "", tenant, process, "t", datetime(2026, 1, 1, tzinfo=UTC), "{}", "")
            )
        self.tell()

    def tell(self) -> None:
        """Something has changed."""
        self._changed.set()

    async def events(self, process_id: str | None, after: int, limit: int) -> list[LoggedEvent]:
        self.queries.append((process_id, after))
        if self.away:
            self.away -= 1
            raise TransientError("away")
        found = [
            e
            for e in self.kept
            if e.sequence > after and process_id in (None, e.process_id)
            and scope.current() in (e.tenant, scope.EVERYTHING)
        ]  # fmt: skip
        return found[:limit]

    async def last_event(self) -> int:
        return len(self.kept)

    async def watch(self, process_id: str | None, min_interval: float = 0.0) -> AsyncIterator[None]:
        assert process_id is None
        while not self.stopped:
            yield
            await self._changed.wait()
            self._changed.clear()


@asynccontextmanager
async def running(log: Log) -> AsyncIterator[EventFeed]:
    """A feed that reads."""
    feed = EventFeed(log, log, Retries(CollectorRegistry()))
    stopping = asyncio.Event()
    with scope.everything():
        task = asyncio.create_task(feed.run(stopping))
    try:
        yield feed
    finally:
        stopping.set()
        log.stopped = True
        log.tell()
        async with asyncio.timeout(10):
            await task


class Watcher:
    """Collects the events that a watcher gets."""

    def __init__(self, feed: EventFeed, process: str | None, after: int) -> None:
        self.received: list[int] = []
        self._feed = feed.watch(process, after)

    async def until_quiet(self) -> list[int]:
        """Everything up to the next empty list."""
        async with asyncio.timeout(10):
            while events := await anext(self._feed):
                self.received += [event.sequence for event in events]
        return self.received

    async def until(self, count: int) -> list[int]:
        """Everything, once at least `count` events have arrived."""
        while len(self.received) < count:
            await self.until_quiet()
        return self.received

    async def aclose(self) -> None:
        """Stop watching."""
        await self._feed.aclose()


async def test_events_are_told_as_they_happen() -> None:
    log = Log()
    log.happen("a", "b")
    async with running(log) as feed, AsyncExitStack() as stack:
        everything, news, of_b = [
            await stack.enter_async_context(aclosing(Watcher(feed, process, after)))
            for process, after in ((None, 0), (None, -1), ("b", 0))
        ]
        assert await everything.until_quiet() == [1, 2]
        assert await news.until_quiet() == []
        assert await of_b.until_quiet() == [2]
        log.happen("b", "a")
        log.happen("b")
        assert await everything.until(5) == [1, 2, 3, 4, 5]
        assert await news.until(3) == [3, 4, 5]
        assert await of_b.until(3) == [2, 3, 5]
        assert feed.watchers == 3
    assert feed.watchers == 0


async def test_the_log_is_read_once_for_all_watchers() -> None:
    log = Log()
    async with running(log) as feed, AsyncExitStack() as stack:
        watchers = [
            await stack.enter_async_context(aclosing(Watcher(feed, f"p{number}", -1)))
            for number in range(300)
        ]
        for watcher in watchers:
            await watcher.until_quiet()
        log.queries.clear()
        log.happen(*(f"p{number}" for number in range(300)))
        for number, watcher in enumerate(watchers):
            assert await watcher.until(1) == [number + 1]
        assert len(log.queries) <= 3


async def test_one_who_begins_far_back_catches_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "_PAGE", 7)
    monkeypatch.setattr(feed_module, "_KEPT", 10)
    log = Log()
    log.happen(*"ab" * 20)
    async with running(log) as feed, AsyncExitStack() as stack:
        slow = await stack.enter_async_context(aclosing(Watcher(feed, None, 3)))
        of_a = await stack.enter_async_context(aclosing(Watcher(feed, "a", 3)))
        assert await slow.until_quiet() == list(range(4, 41))
        assert await of_a.until_quiet() == list(range(5, 41, 2))
        fast = await stack.enter_async_context(aclosing(Watcher(feed, None, -1)))
        await fast.until_quiet()
        for _ in range(5):  # more than are kept, while the slow one does not look
            log.happen(*"ab" * 10)
            await fast.until(len(log.kept) - 40)
        assert await slow.until(137) == list(range(4, 141))
        assert await of_a.until(68) == list(range(5, 141, 2))


async def test_a_position_that_is_none_of_ours() -> None:
    log = Log()
    log.happen("a")
    async with running(log) as feed, aclosing(Watcher(feed, None, 999)) as watcher:
        assert await watcher.until_quiet() == []
        log.happen("a")
        assert await watcher.until(1) == [2]


async def test_nothing_is_lost_while_the_database_is_away() -> None:
    log = Log()
    async with running(log) as feed, aclosing(Watcher(feed, None, -1)) as watcher:
        await watcher.until_quiet()
        log.away = 3
        log.happen("a")
        assert await watcher.until(1) == [1]


async def test_nobody_watches_and_nothing_is_read() -> None:
    log = Log()
    async with running(log) as feed:
        async with aclosing(Watcher(feed, None, -1)) as watcher:
            await watcher.until_quiet()
            log.happen("a")
            assert await watcher.until(1) == [1]
        log.queries.clear()
        log.happen("a")
        async with aclosing(Watcher(feed, None, 0)) as watcher:
            assert await watcher.until(2) == [1, 2]
    assert len(log.queries) <= 2


async def test_watchers_are_told_when_the_service_stops() -> None:
    log = Log()
    async with running(log) as feed:
        watching = feed.watch(None, -1)
        assert await anext(watching) == []
        waiting = asyncio.ensure_future(anext(watching))
        await asyncio.sleep(0)
        log.stopped = True
        log.tell()
        with pytest.raises(UnavailableError):
            async with asyncio.timeout(10):
                await waiting


@pytest.mark.parametrize("believed", [None, "globex"])
async def test_watchers_get_the_events_of_their_tenant(
    monkeypatch: pytest.MonkeyPatch, believed: str | None
) -> None:
    """The events in memory are everybody's. Which tenant the code believes in does not matter there."""
    monkeypatch.setattr(scope, "_BELIEVED", believed)
    log = Log()
    log.happen("a", tenant="acme")
    log.happen("g", "g", tenant="globex")

    async def watch(feed: EventFeed, tenant: str, process: str | None) -> list[int]:
        """Old events, then the new one that ends the watching."""
        with scope.within(tenant):
            watcher = Watcher(feed, process, 0)
            before = len(await watcher.until_quiet())
            begun.append(tenant)
            while len(watcher.received) == before:
                await watcher.until_quiet()
            return watcher.received

    begun: list[str] = []
    async with running(log) as feed:
        asked = [("acme", None), ("globex", None), ("globex", "g"), ("acme", "g")]
        watching = [asyncio.create_task(watch(feed, *one)) for one in asked]
        async with asyncio.timeout(10):
            while len(begun) < len(asked):
                await asyncio.sleep(0)
            log.happen("a", tenant="acme")
            log.happen("g", tenant="globex")
            assert [await task for task in watching[:3]] == [[1, 4], [2, 3, 5], [2, 3, 5]]
            assert not watching[3].done()  # another tenant's process
            log.happen("g", tenant="acme")  # impossible, and still its own
            assert await watching[3] == [6]
