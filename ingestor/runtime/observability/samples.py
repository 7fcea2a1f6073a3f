"""Gauges that cost a question to a database or a queue: measured from time to time, shown at every scrape."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from ingestor.runtime.errors import TransientError
from ingestor.runtime.workers import pause

log = structlog.get_logger(__name__)

_LONGEST = 15.0  # seconds that a measurement may take


@dataclass(frozen=True, slots=True)
class GaugeOf:
    """A gauge: its name, its help and its labels."""

    name: str
    documentation: str
    labels: tuple[str, ...] = ()


Values = Mapping[GaugeOf, Mapping[tuple[str, ...], float]]  # by the values of the labels


class Sample(Protocol):
    """A measurement. `name` is for the log and for the metric of failures; `every` is how many rounds of the
    sampler it waits for the next."""

    name: str
    gauges: Sequence[GaugeOf]
    every: int

    async def __call__(self) -> Values:
        """Measure. Any exception is a failed measurement."""
        ...


class Sampler(Collector):
    """The worker that measures, in every replica, whatever the number of scrapes. The gauges of a measurement
    that fails are missing until it succeeds again: an old value would tell that all is well."""

    name = "samples"

    def __init__(self, registry: CollectorRegistry, samples: Iterable[Sample], *, seconds: float) -> None:
        """`seconds` from one round to the next."""
        self._samples = tuple(samples)
        self._seconds = seconds
        self._values: dict[Sample, Values] = {}
        self._failed = Counter(
            "ingestor_samples_failed_total",
            "Measurements that failed, by what was to be measured.",
            ["sample"],
            registry=registry,
        )
        for sample in self._samples:
            self._failed.labels(sample.name)
        registry.register(self)

    def describe(self) -> list[GaugeMetricFamily]:
        """The gauges without values, for the registry."""
        return [
            GaugeMetricFamily(gauge.name, gauge.documentation, labels=gauge.labels)
            for sample in self._samples
            for gauge in sample.gauges
        ]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The gauges as they were measured last."""
        for sample in self._samples:
            values = self._values.get(sample, {})
            for gauge in sample.gauges:
                family = GaugeMetricFamily(gauge.name, gauge.documentation, labels=gauge.labels)
                for labels, value in values.get(gauge, {}).items():
                    family.add_metric(labels, value)
                yield family

    async def run(self, stopping: asyncio.Event) -> None:
        """Measure until `stopping` is set."""
        round_ = 0
        while not stopping.is_set():
            began = time.monotonic()
            for sample in self._samples:
                # One that has failed is due at once.
                if round_ % sample.every == 0 or sample not in self._values:
                    await self.take(sample)
            round_ += 1
            await pause(max(0.0, self._seconds - (time.monotonic() - began)), stopping)

    async def take(self, sample: Sample) -> None:
        """Measure once."""
        try:
            async with asyncio.timeout(_LONGEST):
                self._values[sample] = await sample()
        except Exception as error:
            self._values.pop(sample, None)
            self._failed.labels(sample.name).inc()
            unexpected = not isinstance(error, TransientError | TimeoutError | OSError)
            log.warning(
                "cannot measure", sample=sample.name, error=f"{type(error).__name__}: {error}",
                exc_info=error if unexpected else None,
            )  # fmt: skip


def largest(values: Mapping[str, float], most: int, rest: str) -> dict[str, float]:
    """The `most` largest of the values, and the sum of all others as `rest`: a bound on a label whose values
    people make, such as tenants."""
    ordered = sorted(values.items(), key=lambda item: -item[1])
    found = dict(ordered[:most])
    if len(ordered) > most:
        found[rest] = sum(value for _, value in ordered[most:])
    return found
