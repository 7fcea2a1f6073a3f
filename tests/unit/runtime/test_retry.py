"""Calls are repeated until they succeed, and every retry is counted."""

from __future__ import annotations

import asyncio

import pytest
import stamina
import structlog
from prometheus_client import CollectorRegistry

from ingestor.runtime.errors import NotFoundError, TransientError
from ingestor.runtime.retry import Retries, backoff, silence_stamina


class System:
    """An external system that fails a number of times before it responds."""

    def __init__(self, failures: int, then: Exception | None = None) -> None:
        self.calls = 0
        self._failures = failures
        self._then = then

    async def call(self) -> str:
        """Answer, or fail."""
        self.calls += 1
        if self.calls <= self._failures:
            raise TransientError("away")
        if self._then:
            raise self._then
        return "answer"


def retries(registry: CollectorRegistry, what: str) -> float | None:
    """The metric."""
    return registry.get_sample_value("ingestor_retries_total", {"what": what})


async def test_a_call_is_repeated_until_it_succeeds() -> None:
    registry, system = CollectorRegistry(), System(failures=50)
    assert await Retries(registry).until_done("status", system.call) == "answer"
    assert system.calls == 51
    assert retries(registry, "status") == 50


async def test_a_call_that_succeeds_is_made_once() -> None:
    registry, system = CollectorRegistry(), System(failures=0)
    assert await Retries(registry).until_done("status", system.call) == "answer"
    assert system.calls == 1
    assert retries(registry, "status") is None


async def test_other_errors_end_it() -> None:
    registry, system = CollectorRegistry(), System(failures=2, then=NotFoundError("GONE", "It is gone."))
    with pytest.raises(NotFoundError):
        await Retries(registry).until_done("status", system.call)
    assert system.calls == 3
    assert retries(registry, "status") == 2


async def test_it_waits_longer_and_longer_up_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    with stamina.set_testing(False):
        monkeypatch.setattr(asyncio, "sleep", sleep)
        await Retries(CollectorRegistry()).until_done("status", System(failures=20).call)
    for number, wait in enumerate(waits):
        assert min(0.1 * 2**number, 5) <= wait <= min(0.1 * 2**number + 0.5, 5)
    assert len(waits) == 20
    assert len(set(waits[:5])) == 5


async def test_cancelling_ends_the_waiting() -> None:
    called = asyncio.Event()

    async def call() -> None:
        called.set()
        raise TransientError("away")

    task = asyncio.create_task(Retries(CollectorRegistry()).until_done("status", call))
    await called.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(("attempts", "most"), [(1, 2), (2, 4), (5, 32), (9, 300), (100_000, 300)])
def test_stored_work_is_due_later_and_later(attempts: int, most: float) -> None:
    waits = [backoff(attempts, first=2, longest=300) for _ in range(100)]
    assert all(0.75 * most <= wait <= most for wait in waits)
    assert len(set(waits)) > 1


async def test_a_retry_is_logged_once() -> None:
    silence_stamina()
    try:
        with structlog.testing.capture_logs() as logged:
            await Retries(CollectorRegistry()).until_done("status", System(failures=1).call)
    finally:
        stamina.instrumentation.set_on_retry_hooks(None)
    assert [(entry["event"], entry["what"]) for entry in logged] == [("trying again", "status")]
