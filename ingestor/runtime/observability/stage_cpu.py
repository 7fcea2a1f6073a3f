"""CPU seconds of the stages that rows pass through, wherever in the code the stages are."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Iterator
from typing import ParamSpec, TypeVar

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

_P = ParamSpec("_P")
_T = TypeVar("_T")

_lock = threading.Lock()
_seconds: dict[str, float] = {}


def cpu_of(stage: str) -> Callable[[Callable[_P, _T]], Callable[_P, _T]]:
    """Count the CPU seconds of a function's thread while it runs, but not those of threads of libraries. For
    functions that run once per batch or chunk, and do not wait."""

    def counted(function: Callable[_P, _T]) -> Callable[_P, _T]:
        @functools.wraps(function)
        def call(*args: _P.args, **kwargs: _P.kwargs) -> _T:
            before = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                taken = time.thread_time() - before
                with _lock:
                    _seconds[stage] = _seconds.get(stage, 0.0) + taken

        return call

    return counted


class StageCpu(Collector):
    """The metric `ingestor_stage_cpu_seconds_total`: what this process has used by stage."""

    def collect(self) -> Iterator[Metric]:
        """The seconds so far."""
        family = CounterMetricFamily(
            "ingestor_stage_cpu_seconds", "CPU seconds by stage of the way of rows.", labels=["stage"]
        )
        with _lock:
            found = dict(_seconds)
        for stage, seconds in found.items():
            family.add_metric([stage], seconds)
        yield family
