"""The follower of removals: everything listed is done, what fails waits and holds up nothing."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from prometheus_client import CollectorRegistry

from ingestor.removals.follower import RemovalFollower
from ingestor.removals.ports import Removal
from ingestor.runtime.errors import TransientError
from tests.fakes.removals import MemoryRemovalInbox, MemoryRemovalLog


class SetClock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        """The time that was set."""
        return self.time


class Suite:
    """A follower and its fakes; processes named in `failing` are not removed."""

    def __init__(self) -> None:
        self.log = MemoryRemovalLog()
        self.inbox = MemoryRemovalInbox()
        self.clock = SetClock()
        self.registry = CollectorRegistry()
        self.removed: list[str] = []
        self.failing: dict[str, Exception] = {}
        self.follower = RemovalFollower(
            self.log, self.inbox, self.remove, self.clock, self.registry, poll_seconds=0.01
        )

    def listed(self, count: int) -> list[str]:
        """List processes."""
        last = self.log.removals[-1].sequence if self.log.removals else 0
        made = [Removal(last + 2 * n, str(uuid.uuid4()), "default", True) for n in range(1, count + 1)]
        self.log.removals += made
        return [removal.process_id for removal in made]

    async def remove(self, removal: Removal) -> None:
        """Remove, or fail."""
        if error := self.failing.get(removal.process_id):
            raise error
        self.removed.append(removal.process_id)

    async def look(self) -> None:
        """One round."""
        await self.follower.accept()
        await self.follower.work()

    def waiting(self) -> float | None:
        """The metric."""
        return self.registry.get_sample_value("ingestor_removals_waiting")


async def test_everything_listed_is_removed_once() -> None:
    suite = Suite()
    processes = suite.listed(2500)  # several pages
    await suite.look()
    await suite.look()
    more = suite.listed(2)
    await suite.look()
    assert suite.removed == processes + more
    assert suite.waiting() == 0


async def test_one_that_fails_is_tried_again_and_holds_up_no_other() -> None:
    suite = Suite()
    first, stuck, last = suite.listed(3)
    suite.failing[stuck] = RuntimeError("broken")
    await suite.look()
    assert suite.removed == [first, last]
    assert suite.waiting() == 1
    await suite.look()  # not due yet
    suite.failing[stuck] = TransientError("in use")
    for _ in range(12):
        suite.clock.time += timedelta(seconds=301)
        await suite.look()
    assert suite.waiting() == 1
    assert suite.inbox.items[4].attempts == 13
    suite.failing.clear()
    suite.clock.time += timedelta(seconds=301)
    await suite.look()
    assert suite.removed == [first, last, stuck]
    assert suite.waiting() == 0


async def test_what_is_accepted_is_done_while_status_is_away() -> None:
    suite = Suite()
    (process,) = suite.listed(1)
    await suite.follower.accept()
    asked = asyncio.Event()

    class Away(MemoryRemovalLog):
        async def read(self, after: int, limit: int) -> Sequence[Removal]:
            asked.set()
            raise TransientError("away")

    follower = RemovalFollower(
        Away(), suite.inbox, suite.remove, suite.clock, CollectorRegistry(), poll_seconds=0.01
    )
    stopping = asyncio.Event()
    running = asyncio.create_task(follower.run(stopping))
    async with asyncio.timeout(30):
        await asked.wait()
        while not suite.removed:
            await asyncio.sleep(0)
        stopping.set()
        await running
    assert suite.removed == [process]
