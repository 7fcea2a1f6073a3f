"""Gauges that are measured from time to time, and stages of a piece of work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from ingestor.runtime.errors import TransientError
from ingestor.runtime.observability.samples import GaugeOf, Sample, Sampler, Values, largest
from ingestor.runtime.observability.stage_cpu import StageCpu, cpu_of
from ingestor.runtime.observability.stages import Stages, next_stage, stage

_DEPTH = GaugeOf("test_depth_messages", "How deep it is.", ("queue",))


class Depth(Sample):
    """A measurement of the test's own."""

    name = "depth"
    gauges: Sequence[GaugeOf] = (_DEPTH,)

    def __init__(self, every: int = 1) -> None:
        self.every = every
        self.taken = 0
        self.error: Exception | None = None

    async def __call__(self) -> Values:
        self.taken += 1
        if self.error:
            raise self.error
        return {_DEPTH: {("rows",): float(self.taken)}}


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


async def test_a_scrape_shows_what_was_measured_and_measures_nothing(registry: CollectorRegistry) -> None:
    sample = Depth()
    sampler = Sampler(registry, [sample], seconds=60)
    assert registry.get_sample_value("test_depth_messages", {"queue": "rows"}) is None
    await sampler.take(sample)
    for _ in range(3):
        generate_latest(registry)
    assert registry.get_sample_value("test_depth_messages", {"queue": "rows"}) == 1
    assert sample.taken == 1


@pytest.mark.parametrize("error", [TransientError("away"), ValueError("a defect"), TimeoutError()])
async def test_of_a_failed_measurement_no_value_stays(registry: CollectorRegistry, error: Exception) -> None:
    sample = Depth()
    sampler = Sampler(registry, [sample], seconds=60)
    await sampler.take(sample)
    sample.error = error
    await sampler.take(sample)
    assert registry.get_sample_value("test_depth_messages", {"queue": "rows"}) is None
    assert registry.get_sample_value("ingestor_samples_failed_total", {"sample": "depth"}) == 1
    sample.error = None
    await sampler.take(sample)
    assert registry.get_sample_value("test_depth_messages", {"queue": "rows"}) == 3


async def test_a_seldom_measurement_waits_for_its_round_unless_it_failed(registry: CollectorRegistry) -> None:
    often, seldom, failing = Depth(), Depth(every=100), Depth(every=100)
    failing.error = TransientError("away")
    often.name, seldom.name, failing.name = "often", "seldom", "failing"
    seldom.gauges, failing.gauges = (GaugeOf("test_seldom", "."),), (GaugeOf("test_failing", "."),)
    stopping = asyncio.Event()
    running = asyncio.create_task(Sampler(registry, [often, seldom, failing], seconds=0).run(stopping))
    async with asyncio.timeout(20):
        while often.taken < 5:
            await asyncio.sleep(0)
    stopping.set()
    await running
    assert seldom.taken == 1
    assert failing.taken >= 5


def test_the_label_of_a_metric_is_bounded() -> None:
    assert largest({"a": 3, "b": 1, "c": 2, "d": 1}, 2, "(other)") == {"a": 3, "c": 2, "(other)": 2}
    assert largest({"a": 3}, 2, "(other)") == {"a": 3}


async def test_stages_share_the_time_of_a_piece_of_work(registry: CollectorRegistry) -> None:
    """The time of an inner stage, in a thread, is not that of the outer one; a stage is observed once."""
    stages = Stages(registry, "test_seconds", "Seconds.", ("load", "copy", "commit"))

    def copy() -> None:
        with stage("copy"):
            time.sleep(0.05)

    began = time.perf_counter()
    with stages.measured(queue=7.0), stage("load"):
        await asyncio.to_thread(copy)
        await asyncio.to_thread(copy)
        next_stage("commit")
        await asyncio.to_thread(time.sleep, 0.05)
    took = time.perf_counter() - began

    def seconds(name: str) -> float:
        assert registry.get_sample_value("test_seconds_count", {"stage": name}) == 1
        found = registry.get_sample_value("test_seconds_sum", {"stage": name})
        assert found is not None
        return found

    assert seconds("queue") == 7
    assert seconds("copy") >= 0.1
    assert seconds("commit") >= 0.05
    assert seconds("load") + seconds("copy") + seconds("commit") == pytest.approx(took, abs=0.01)


def test_a_stage_outside_of_a_piece_of_work_is_nothing() -> None:
    with stage("load"):
        next_stage("commit")


def test_a_stage_has_the_cpu_seconds_of_its_functions_not_their_waits(
    registry: CollectorRegistry,
) -> None:
    def work(seconds: float) -> None:
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    def wait(seconds: float) -> None:
        time.sleep(seconds)

    def fail() -> None:
        work(0.01)
        raise ValueError

    registry.register(StageCpu())

    def counted(name: str) -> float:
        return registry.get_sample_value("ingestor_stage_cpu_seconds_total", {"stage": name}) or 0.0

    cpu_of("test-work")(work)(0.02)
    cpu_of("test-work")(work)(0.01)
    cpu_of("test-wait")(wait)(0.05)
    with pytest.raises(ValueError):
        cpu_of("test-fail")(fail)()
    assert counted("test-work") >= 0.03
    assert counted("test-wait") < 0.03
    assert counted("test-fail") >= 0.01
