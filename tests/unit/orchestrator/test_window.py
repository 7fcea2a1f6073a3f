"""How many batches are in flight: a model of processors that take batches from a queue."""

from __future__ import annotations

import asyncio
import heapq
import statistics
from contextlib import ExitStack

import pytest

from ingestor.runtime.errors import UnavailableError
from ingestor.services.orchestrator.dispatch.window import Window, Windows


class Processors:
    """So many processors, each with `seconds` of work for a batch, behind one queue."""

    def __init__(self, count: int, seconds: float) -> None:
        self.now = 0.0
        self.free = [0.0] * count
        self.seconds = seconds
        self.running: list[tuple[float, int]] = []  # when a batch ends, and of which stream
        self.in_flight = [0] * 10
        self.waited: list[float] = []

    def run(self, windows: list[Window], until: float) -> list[int]:
        """Keep each window full; how many batches of each stream were done."""
        done = [0] * len(windows)
        while self.now < until:
            for stream, window in enumerate(windows):
                while self.in_flight[stream] < window.size:
                    begin = max(self.now, heapq.heappop(self.free))
                    heapq.heappush(self.free, begin + self.seconds)
                    heapq.heappush(self.running, (begin + self.seconds, stream))
                    self.waited.append(begin - self.now)
                    self.in_flight[stream] += 1
                    window.placed()
                    window.sent()
            self.now, stream = heapq.heappop(self.running)
            self.in_flight[stream] -= 1
            windows[stream].ended(1)
            done[stream] += 1
        return done


@pytest.mark.parametrize(("count", "seconds"), [(2, 0.3), (2, 3.0), (20, 2.0), (8, 0.05)])
def test_processors_are_busy_and_little_waits(count: int, seconds: float) -> None:
    suite = Processors(count, seconds)
    windows = Windows(64, clock=lambda: suite.now)
    with windows.open("acme") as window:
        suite.run([window], 50 * seconds)  # it has found its size
        suite.waited.clear()
        begun = suite.now
        done = suite.run([window], begun + 100 * seconds)[0]
    assert done >= 0.98 * count * (suite.now - begun) / seconds
    # As may be waited, or as the least window makes it, or, where processors end all at once, half a batch.
    assert statistics.mean(suite.waited) <= max(0.25, 4 * seconds / count, seconds / 2)


def test_there_is_a_most() -> None:
    suite = Processors(100, 1.0)
    with Windows(64, clock=lambda: suite.now).open("acme") as window:
        suite.run([window], 60)
        assert window.size == 64


def test_tenants_share_and_streams_share_within_a_tenant() -> None:
    windows = Windows(64, first=64, clock=lambda: 0.0)
    with windows.open("acme") as one:
        assert one.size == 64
        with windows.open("acme") as two, windows.open("globex") as three:
            assert (one.size, two.size, three.size) == (16, 16, 32)
            with two.resting():  # a paused process
                assert (one.size, three.size) == (32, 32)
            assert one.size == 16
        with windows.resting("acme"):
            assert windows.bounds("acme") == (3, 64)
    with windows.open("acme") as last:
        assert last.size == 64


def test_many_streams_have_one_batch_each() -> None:
    windows = Windows(64, clock=lambda: 0.0)
    opened = [windows.open(f"tenant{number}") for number in range(100)]
    sizes = [context.__enter__().size for context in opened]
    assert sizes[-1] == 1


def test_a_stream_that_waits_for_its_file_keeps_its_window() -> None:
    now = 0.0
    with Windows(64, clock=lambda: now).open("acme") as window:
        for _ in range(100):
            window.placed()
            window.sent()
            now += 0.1
            window.ended(1)
            window.ended(1)  # of a batch that another instance has sent
        assert window.size == 4


def sends(window: Window, count: int = 1) -> None:
    """So many batches have had their turn and were sent."""
    for _ in range(count):
        window.placed()
        window.sent()


def test_a_tenant_with_many_streams_has_as_much_in_flight_as_another() -> None:
    """Else what its files have in the queue, one batch each, is in front of everybody."""
    windows = Windows(64, clock=lambda: 0.0)
    with ExitStack() as stack:
        crowd = [stack.enter_context(windows.open("acme")) for _ in range(10)]
        for window in crowd:
            assert window.may_send  # alone, each may have one
            sends(window)
        guest = stack.enter_context(windows.open("globex"))
        assert guest.may_send
        sends(guest)
        for window in crowd[:8]:
            window.ended(1)
        assert not any(window.may_send for window in crowd)  # two are still in flight
        crowd[8].ended(1)
        assert crowd[0].may_send


def test_what_ended_streams_have_in_flight_counts() -> None:
    """Else a tenant of many small files is held back by nothing."""
    windows = Windows(64, clock=lambda: 0.0)
    left = []
    for _ in range(5):
        with windows.open("acme") as window:
            sends(window)
            left.append(window)
    with windows.open("globex") as guest, windows.open("acme") as another:
        sends(guest)
        assert (windows.in_flight, another.may_send) == (6, False)
        for window in left[:3]:
            window.ended(1)
        assert (windows.in_flight, another.may_send) == (3, False)
        left[3].ended(1)
        assert (windows.in_flight, another.may_send) == (2, True)
        left[4].forget()
        assert (windows.in_flight, another.may_send) == (1, True)
    assert windows.in_flight == 1
    guest.ended(1)
    assert windows.in_flight == 0


def test_who_comes_while_others_load_has_two_batches_in_flight() -> None:
    """One is worked on, and one waits; and what many streams of a tenant begin with is not in front of it."""
    windows = Windows(64, clock=lambda: 0.0)
    with ExitStack() as stack:
        crowd = [stack.enter_context(windows.open("acme")) for _ in range(4)]
        assert [window.size for window in crowd] == [1, 1, 1, 1]
        for window in crowd:
            sends(window)
        guest = stack.enter_context(windows.open("globex"))
        sends(guest)
        assert guest.may_send
        sends(guest)
        assert not guest.may_send


def test_a_paused_process_takes_no_place_of_its_tenant() -> None:
    windows = Windows(64, clock=lambda: 0.0)
    with windows.open("acme") as paused, windows.open("acme") as other, windows.open("globex") as guest:
        sends(guest)
        sends(paused, 2)
        assert not other.may_send
        paused.hold(True)
        assert other.may_send
        paused.hold(False)
        assert not other.may_send


async def test_turns_are_given_in_the_order_of_coming() -> None:
    windows = Windows(1, clock=lambda: 0.0)
    turns: list[str] = []

    async def send(name: str, window: Window) -> None:
        await window.turn(lambda: None)
        window.placed()
        window.sent()
        turns.append(name)

    with windows.open("acme") as first, windows.open("acme") as second, windows.open("acme") as third:
        sends(third)
        waiting = [asyncio.create_task(send("first", first)), asyncio.create_task(send("second", second))]
        await asyncio.sleep(0)  # they wait now
        third.ended(1)
        assert not third.may_send  # who has sent goes behind
        await waiting[0]
        assert turns == ["first"]
        first.ended(1)
        await waiting[1]
        assert turns == ["first", "second"]


async def test_who_waits_is_told_that_the_service_stops() -> None:
    windows = Windows(1, clock=lambda: 0.0)
    stopping = False

    def check() -> None:
        if stopping:
            raise UnavailableError("SHUTTING_DOWN", "The service stops.")

    with windows.open("acme") as first, windows.open("acme") as second:
        sends(first)
        waiting = asyncio.create_task(second.turn(check))
        await asyncio.sleep(0)
        stopping = True
        windows.tell()
        with pytest.raises(UnavailableError):
            await waiting
