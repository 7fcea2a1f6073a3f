"""What is promised of faults, as figures with a bound."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence

SERVES = "a killed service serves again, seconds"
GOES_ON = "a killed service: the next progress, seconds"
BATCHES = "batches in flight when a processor was killed have their outcome, seconds"
BACKEND = "killed PostgreSQL, queue or Envoy: serves again, and something is loaded, seconds"
SUPERVISOR = "a killed supervisor, started again: something is loaded, seconds"
PURGED = "batches in flight when the queue was purged have their outcome, seconds"
STOPPED = "calls that failed when a service was told to stop (SIGTERM)"
BESIDE = "a small file beside another tenant's flood, seconds"

FIGURES: Mapping[str, float] = {
    SERVES: 15,  # others of its kind go on meanwhile
    GOES_ON: 5,
    BATCHES: 15,
    BACKEND: 10,
    SUPERVISOR: 20,
    PURGED: 30,
    STOPPED: 0,
    BESIDE: 10,
}


def lines(found: Mapping[str, Sequence[float]]) -> Iterator[str]:
    """The measured ones as rows of a table: median, worst, how often, bound, whether the median keeps it."""
    for name, most in FIGURES.items():
        if values := found.get(name):
            middle = statistics.median(values)
            holds = "holds" if middle <= most else "DOES NOT HOLD"
            yield f"{middle:8.1f} {max(values):8.1f} {len(values):5} {most:6g}  {holds:<13}  {name}"
