"""A world of event loops under one virtual clock: each process of a suite has a loop of its own, and a seed
says whose callback runs next.

Within a loop callbacks run in the order of asyncio, so that whatever is found can happen to a real process.
Time stands still while anything is ready to run, and then jumps to the next timer.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
import sys
from asyncio import events
from collections import deque
from collections.abc import Callable, Coroutine
from heapq import heappop, heappush
from typing import Any
from zlib import crc32

_CLOSES = 50  # attempts to close a coroutine that awaits something while it is closed


class Handle:
    """A callback that waits for its turn, or for its time."""

    __slots__ = ("_when", "args", "callback", "context", "is_cancelled")

    def __init__(
        self,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: contextvars.Context,
        when: float,
    ) -> None:
        self.callback = callback
        self.args = args
        self.context = context
        self.is_cancelled = False
        self._when = when

    def cancel(self) -> None:
        """Run it no more."""
        self.is_cancelled = True
        self.args = ()

    def cancelled(self) -> bool:
        """As of asyncio."""
        return self.is_cancelled

    def when(self) -> float:
        """As of asyncio."""
        return self._when


# Tasks and futures have numbers as hashes, so that sets of them have the same order in every run.
class NumberedTask(asyncio.Task):  # type: ignore[type-arg]
    """A task of a loop."""

    def __init__(self, number: int, coro: Coroutine[Any, Any, Any], **options: Any) -> None:
        self.number = number
        super().__init__(coro, **options)

    def __hash__(self) -> int:
        return self.number


class NumberedFuture(asyncio.Future):  # type: ignore[type-arg]
    """A future of a loop."""

    def __init__(self, number: int, loop: NodeLoop) -> None:
        self.number = number
        super().__init__(loop=loop)

    def __hash__(self) -> int:
        return self.number


class NodeLoop(asyncio.AbstractEventLoop):
    """The event loop of one process. A dead one is never stepped again."""

    def __init__(self, world: World, name: str, index: int) -> None:
        self.world = world
        self.name = name
        self.index = index
        self.ready: deque[Handle] = deque()
        self.started: list[tuple[NumberedTask, contextvars.Context]] = []
        self.is_dead = False
        self.is_frozen = False
        self.steps = 0
        self.crash_at = 0  # the step before which it is to crash; 0: none
        self.on_step: Callable[[], None] | None = None  # called before that step

    # What asyncio asks of a loop.

    def time(self) -> float:
        return self.world.now

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> Handle:
        handle = Handle(callback, args, context or contextvars.copy_context(), self.world.now)
        if not self.is_dead:
            if not self.ready and not self.is_frozen:
                self.world.runnable.append(self)
            self.ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Handle:
        return self.call_at(self.world.now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Handle:
        handle = Handle(callback, args, context or contextvars.copy_context(), when)
        if not self.is_dead:
            self.world.push(when, self, handle)
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        self.world.numbers += 1
        return NumberedFuture(self.world.numbers, self)

    def create_task(  # type: ignore[override]
        self,
        coro: Coroutine[Any, Any, Any],
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
    ) -> asyncio.Task[Any]:
        context = context or contextvars.copy_context()
        if self.is_dead:  # something cleans up while it is closed
            coro.close()
        self.world.numbers += 1
        made = NumberedTask(self.world.numbers, coro, loop=self, name=name or "task", context=context)
        self.started.append((made, context))
        return made

    @property
    def tasks(self) -> list[NumberedTask]:
        """The tasks that have not ended."""
        return [task for task, _ in self.started if not task.done()]

    def run_in_executor(  # type: ignore[override]
        self, executor: object, func: Callable[..., Any], *args: Any
    ) -> asyncio.Future[Any]:
        """What a thread would do is done at a later turn."""
        future = self.create_future()
        self.call_soon(_compute, future, func, args)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.world.find(f"{self.name}: {context.get('message')}: {error!r}")

    # What the world does with it.

    def die(self) -> None:
        """Never step again; its tasks are kept as they are until the world is closed."""
        self.is_dead = True
        if self.ready and not self.is_frozen:
            self.world.runnable.remove(self)
        self.world.dead.append(self)

    def freeze(self) -> None:
        """Stop stepping, as after SIGSTOP."""
        if not self.is_frozen:
            self.is_frozen = True
            if self.ready:
                self.world.runnable.remove(self)

    def thaw(self) -> None:
        """Go on."""
        if self.is_frozen:
            self.is_frozen = False
            if self.ready and not self.is_dead:
                self.world.runnable.append(self)

    def close(self) -> None:
        """Close what its tasks were doing, with no effect on anything."""
        self.is_dead = True
        events._set_running_loop(self)
        for task, context in list(self.started):
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                _close(task.get_coro(), context)
        self.started.clear()
        self.ready.clear()


def _compute(future: asyncio.Future[Any], func: Callable[..., Any], args: tuple[Any, ...]) -> None:
    if future.done():
        return
    try:
        found = func(*args)
    except Exception as error:
        future.set_exception(error)
    else:
        future.set_result(found)


def _close(coroutine: Any, context: contextvars.Context) -> None:
    for _ in range(_CLOSES):
        try:
            context.run(coroutine.close)
        except BaseException:
            continue
        return


class World:
    """The loops, the clock, and what decides by the seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now = 0.0
        self.runnable: list[NodeLoop] = []
        self.dead: list[NodeLoop] = []
        self.loops: list[NodeLoop] = []
        self.findings: list[str] = []
        self.trace = 0
        self.log: list[str] | None = None  # what happened, if somebody wants to read it
        self.steps = 0
        self.numbers = 0  # of tasks and futures
        self.is_closed = False
        self._timers: list[
            tuple[float, int, NodeLoop | None, Any]
        ] = []  # a handle, or what to call with what
        self._pushed = 0
        self._entered: NodeLoop | None = None
        self.asking: NodeLoop | None = None  # whose call a store answers

    def loop(self, name: str, index: int) -> NodeLoop:
        """A new loop."""
        made = NodeLoop(self, name, index)  # type: ignore[abstract]
        self.loops.append(made)
        return made

    def find(self, what: str) -> None:
        """Note something that must not be."""
        if not self.is_closed:
            self.findings.append(what)
            self.tell(f"!! {what}")

    def tell(self, what: str) -> None:
        """Note what happens; it is part of the trace."""
        self.trace = crc32(what.encode(), self.trace)
        if self.log is not None:
            self.log.append(f"{self.now:9.3f} {what}")

    def push(self, when: float, loop: NodeLoop, handle: Handle) -> None:
        """Call it when its time has come."""
        self._pushed += 1
        heappush(self._timers, (when, self._pushed, loop, handle))

    def after(self, seconds: float, callback: Callable[..., object], *args: Any) -> None:
        """Let something happen that no process does: a message arrives, a fault begins."""
        self._pushed += 1
        heappush(self._timers, (self.now + seconds, self._pushed, None, (callback, args)))

    def run(self, is_over: Callable[[], bool], *, until: float, steps: int) -> bool:
        """Step until it is over, which is asked whenever time is about to pass. False when that takes longer
        than `until` or more than so many steps in all."""
        runnable, timers, pick = self.runnable, self._timers, self.random.random
        run_in = events._set_running_loop
        before = events._get_running_loop()
        self.enter(None)
        try:
            while True:
                while runnable:
                    count = len(runnable)
                    loop = runnable[int(pick() * count)] if count > 1 else runnable[0]
                    if loop.steps + 1 == loop.crash_at and loop.on_step is not None:
                        loop.steps += 1
                        loop.on_step()
                        continue
                    loop.steps += 1
                    self.steps += 1
                    handle = loop.ready.popleft()
                    if not loop.ready:
                        runnable.remove(loop)
                    if handle.is_cancelled:
                        continue
                    if loop is not self._entered:
                        self._entered = loop
                        run_in(loop)
                    handle.context.run(handle.callback, *handle.args)
                self.trace = crc32(b"%d" % self.steps, self.trace)
                if is_over():
                    return True
                if not timers or self.steps > steps:
                    return False
                when, _, owner, handle = heappop(timers)
                if when > until:
                    return False
                self.now = max(self.now, when)
                self._fire(owner, handle)
                while timers and timers[0][0] <= self.now:
                    _, _, owner, handle = heappop(timers)
                    self._fire(owner, handle)
        finally:
            events._set_running_loop(before)

    def enter(self, loop: NodeLoop | None) -> None:
        """Let this be the running loop."""
        self._entered = loop
        events._set_running_loop(loop)

    def _fire(self, owner: NodeLoop | None, what: Any) -> None:
        if owner is None:
            callback, args = what
            callback(*args)
        elif not (what.is_cancelled or owner.is_dead):
            if not owner.ready and not owner.is_frozen:
                self.runnable.append(owner)
            owner.ready.append(what)

    def close(self) -> None:
        """Give up everything that is left, silently."""
        self.is_closed = True
        before, hook = events._get_running_loop(), sys.unraisablehook
        sys.unraisablehook = lambda _: None
        try:
            for loop in self.loops:
                loop.close()
            self._timers.clear()
            self.runnable.clear()
        finally:
            sys.unraisablehook = hook
            events._set_running_loop(before)
