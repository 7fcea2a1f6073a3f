"""Lets workers wait and repeat their work until their service stops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import structlog

from ingestor.runtime.errors import TransientError

log = structlog.get_logger(__name__)
T = TypeVar("T")


async def pause(seconds: float, *until: asyncio.Event | asyncio.Future[Any]) -> None:
    """Wait `seconds`, or until one of the events is set or one of the tasks is done."""
    events = [asyncio.ensure_future(one.wait()) for one in until if isinstance(one, asyncio.Event)]
    tasks = [one for one in until if not isinstance(one, asyncio.Event)]
    try:
        await asyncio.wait([*events, *tasks], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for event in events:
            event.cancel()


async def unless_stopped(stopping: asyncio.Event, work: Coroutine[Any, Any, T]) -> T | None:
    """The result of `work`; None when `stopping` is set first, which cancels the work."""
    working = asyncio.ensure_future(work)
    stopped = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait([working, stopped], return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, stopped):
            task.cancel()
        await asyncio.gather(working, stopped, return_exceptions=True)


async def repeat(
    step: Callable[[], Awaitable[object]],
    stopping: asyncio.Event,
    *,
    every: float,
    failure: str,
    expected: tuple[type[Exception], ...] = (TransientError,),
    wake: tuple[asyncio.Event, ...] = (),
    after_failure: float | None = None,
) -> None:
    """Run a step at once, then again after `every` seconds or when one of `wake` is set, until `stopping` is
    set.

    An expected error is logged as `failure`, and the step runs again after `after_failure` seconds (default:
    `every`); other errors are raised. Waits for a step that is running when `stopping` is set."""
    while not stopping.is_set():
        for event in wake:
            event.clear()
        wait = every
        try:
            await step()
        except expected as error:
            wait = every if after_failure is None else after_failure
            log.warning(failure, error=str(error), again_in=wait)
        await pause(wait, stopping, *wake)
