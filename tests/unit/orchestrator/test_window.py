"""How many batches are in flight: a model of processors that take batches from a queue."""

from __future__ import annotations

import heapq
import statistics

import pytest

from ingestor.services.orchestrator.window import Window, Windows


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
            window.sent()
            now += 0.1
            window.ended(1)
            window.ended(1)  # of a batch that another instance has sent
        assert window.size == 4
