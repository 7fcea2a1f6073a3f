"""The retry policy for calls to external systems."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import stamina
import structlog
from prometheus_client import CollectorRegistry, Counter

from ingestor.runtime.errors import TransientError

log = structlog.get_logger(__name__)
T = TypeVar("T")

# Seconds. The jitter spreads instances that one outage has hit.
_FIRST, _LONGEST, _JITTER = 0.1, 5.0, 0.5


class Retries:
    """Repeats calls, and counts every retry in `ingestor_retries_total`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._count = Counter(
            "ingestor_retries_total", "Calls repeated, by what did not answer.", ["what"], registry=registry
        )

    async def until_done(self, what: str, call: Callable[[], Awaitable[T]]) -> T:
        """Repeat a call as long as it raises TransientError, without limit: cancel the task to stop. `what`
        names the external system in the log and the metric. Raises whatever else the call raises."""
        async for attempt in stamina.retry_context(
            TransientError, attempts=None, timeout=None,
            wait_initial=_FIRST, wait_max=_LONGEST, wait_jitter=_JITTER,
        ):  # fmt: skip
            with attempt:
                try:
                    return await call()
                except TransientError as error:
                    self._count.labels(what).inc()
                    log.warning("trying again", what=what, error=str(error), attempt=attempt.num)
                    raise
        raise AssertionError("a retry without limit ends with a result or an error")


def backoff(attempts: int, *, first: float, longest: float) -> float:
    """Seconds to wait after work has failed `attempts` times (at least 1): `first`, doubled with every
    attempt up to `longest`, and up to a quarter shorter at random."""
    wait: float = min(first * 2 ** min(attempts - 1, 32), longest)
    return wait * random.uniform(0.75, 1)  # noqa: S311


def silence_stamina() -> None:
    """Keep stamina from logging and counting retries, which `Retries` does."""
    stamina.instrumentation.set_on_retry_hooks(())
