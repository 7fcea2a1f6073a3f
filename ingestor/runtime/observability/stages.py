"""How long a piece of work was in each of its stages, wherever in the code the stages are."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from prometheus_client import CollectorRegistry, Histogram

from ingestor.runtime.observability.spans import exemplar

# Seconds, from what takes no time to what waits for a database that is away.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900)

_watch: ContextVar[_Stopwatch | None] = ContextVar("stages", default=None)


class _Stopwatch:
    """Adds up the seconds of each stage. The time of an inner stage is not that of the outer one."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._open: list[str] = []
        self._since = time.perf_counter()

    def _charge(self) -> None:
        now = time.perf_counter()
        if self._open:
            self.add(self._open[-1], now - self._since)
        self._since = now

    def add(self, stage: str, seconds: float) -> None:
        self.seconds[stage] = self.seconds.get(stage, 0.0) + seconds

    def begin(self, stage: str) -> None:
        self._charge()
        self._open.append(stage)

    def end(self) -> None:
        self._charge()
        self._open.pop()

    def become(self, stage: str) -> None:
        self._charge()
        self._open[-1] = stage


class Stages:
    """A histogram of seconds by stage; a piece of work is observed once in each stage that it was in. The
    current span is the exemplar."""

    def __init__(
        self, registry: CollectorRegistry, name: str, documentation: str, stages: Sequence[str]
    ) -> None:
        self._histogram = Histogram(name, documentation, ["stage"], buckets=SECONDS, registry=registry)
        for one in stages:
            self._histogram.labels(one)

    @contextmanager
    def measured(self, **before: float) -> Iterator[None]:
        """A piece of work: the stages of its code, in threads that it waits for too, count for it. `before`:
        seconds of stages that it has been in already."""
        watch = _Stopwatch()
        for name, seconds in before.items():
            watch.add(name, seconds)
        token = _watch.set(watch)
        try:
            yield
        finally:
            _watch.reset(token)
            for name, seconds in watch.seconds.items():
                self._histogram.labels(name).observe(seconds, exemplar())


@contextmanager
def stage(name: str) -> Iterator[None]:
    """A stage of the piece of work; outside of one it is nothing."""
    watch = _watch.get()
    if watch is None:
        yield
        return
    watch.begin(name)
    try:
        yield
    finally:
        watch.end()


def next_stage(name: str) -> None:
    """The rest of the current stage is another one: for an end that only leaving a context brings, such as a
    commit."""
    watch = _watch.get()
    if watch is not None:
        watch.become(name)
