"""Workers wait for a time, an event or the end of the service, whichever comes first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

import pytest

from ingestor.runtime.errors import TransientError
from ingestor.runtime.workers import pause, repeat, unless_stopped

T = TypeVar("T")
FOREVER = 3600.0


async def within_a_minute(work: Awaitable[T]) -> T:
    """The result of something that must not wait for as long as its worker would."""
    return await asyncio.wait_for(work, 60)


async def test_a_pause_ends_with_its_time() -> None:
    await pause(0.001, asyncio.Event())


async def test_a_pause_ends_with_an_event_or_a_task() -> None:
    never, event = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(never.wait())
    pausing = [
        asyncio.create_task(pause(FOREVER, never, event)),
        asyncio.create_task(pause(FOREVER, never, task)),
    ]
    await asyncio.sleep(0)
    assert not any(one.done() for one in pausing)
    event.set()
    task.cancel()
    await within_a_minute(asyncio.gather(*pausing))
    assert not never.is_set()


async def test_work_is_cancelled_when_the_service_stops() -> None:
    stopping, started, cancelled = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> bool:
        started.set()
        try:
            return await asyncio.Event().wait()
        finally:
            cancelled.set()

    running = asyncio.create_task(unless_stopped(stopping, work()))
    await started.wait()
    stopping.set()
    assert not await within_a_minute(running)
    assert cancelled.is_set()


async def test_work_is_cancelled_with_the_one_who_waits_for_it() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    running = asyncio.create_task(unless_stopped(asyncio.Event(), work()))
    await started.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await within_a_minute(running)
    assert cancelled.is_set()


async def test_work_that_ends_first_has_a_result_or_an_error() -> None:
    async def answer() -> int:
        return 7

    async def fail() -> int:
        raise TransientError("away")

    assert await unless_stopped(asyncio.Event(), answer()) == 7
    with pytest.raises(TransientError):
        await unless_stopped(asyncio.Event(), fail())


async def test_a_step_is_repeated_until_the_service_stops() -> None:
    stopping, count = asyncio.Event(), 0

    async def step() -> None:
        nonlocal count
        count += 1
        if count == 2:
            raise TransientError("away")
        if count == 5:
            stopping.set()

    await repeat(step, stopping, every=0.0, failure="not done")
    assert count == 5


async def test_a_step_runs_when_its_worker_is_woken() -> None:
    stopping, wake, stepped = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def step() -> None:
        stepped.set()

    running = asyncio.create_task(repeat(step, stopping, every=FOREVER, failure="not done", wake=(wake,)))
    for _ in range(3):
        await within_a_minute(stepped.wait())
        stepped.clear()
        wake.set()
    stopping.set()
    await within_a_minute(running)


async def test_a_step_that_failed_waits_for_its_own_time() -> None:
    stopping, count = asyncio.Event(), 0

    async def step() -> None:
        nonlocal count
        count += 1
        if count == 2:
            stopping.set()
        raise TransientError("away")

    await within_a_minute(repeat(step, stopping, every=FOREVER, failure="not done", after_failure=0.0))
    assert count == 2


async def test_an_error_that_is_not_expected_ends_the_worker() -> None:
    async def step() -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError):
        await repeat(step, asyncio.Event(), every=FOREVER, failure="not done")
