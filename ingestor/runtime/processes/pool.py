"""A few processes that run functions for a service, started when they are needed.

A call that takes too long, too much memory, or crashes ends its process, and nothing else.
"""

from __future__ import annotations

import asyncio
import pickle
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Protocol, cast

import structlog

from ingestor.runtime.fair_slots import FairSlots
from ingestor.runtime.processes.child import read_frame, write_frame
from ingestor.runtime.settings import without_settings

log = structlog.get_logger(__name__)

_PATIENCE = 4  # times its processor time
# A process that has nothing to do gives its memory back after so many seconds.
_IDLE_SECONDS = 60.0
# Libraries keep threads, and memory for each.
_FEW_THREADS = {"POLARS_MAX_THREADS": "2", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
# Arrow's own reserves a gigabyte.
_PLAIN_MEMORY = {"ARROW_DEFAULT_MEMORY_POOL": "system"}


class OverLimitError(Exception):
    """A call took too long, or its process died: of memory, or of a crash."""


class CallFailedError(RuntimeError):
    """The function raised."""


class Processes(Protocol):
    """What runs functions elsewhere."""

    async def call(self, function: str, *arguments: Any, seconds: float, group: str = "") -> Any:
        """The result of "module:name" with these arguments, all of them picklable. Waits for a process, in
        fair turns of the groups; then it may take so many seconds of processor time, and four times as long
        where others use the processor. Raises OverLimitError, and CallFailedError when the function
        raises."""
        ...


class _Child:
    def __init__(self, module: str, memory_bytes: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ingestor.runtime.processes.child", module, str(memory_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=without_settings() | _FEW_THREADS | _PLAIN_MEMORY,
        )
        self.expiry: asyncio.TimerHandle | None = None

    def ready(self) -> None:
        """Wait until it takes requests. Raises RuntimeError when it cannot start."""
        if read_frame(cast("Any", self._process.stdout)) is None:
            self.end()
            raise RuntimeError("a process for the work of callers cannot start")

    def ask(self, name: str, arguments: tuple[Any, ...], seconds: float) -> tuple[bool, Any] | None:
        """Whether the function has returned, and what; None when the process has died."""
        try:
            write_frame(cast("Any", self._process.stdin), pickle.dumps((name, arguments, seconds), 5))
            answer = read_frame(cast("Any", self._process.stdout))
        except (OSError, ValueError):
            return None
        return None if answer is None else pickle.loads(answer)  # noqa: S301 - it is this program

    def kill(self) -> None:
        """Make it end; whoever asks gets None."""
        self._process.kill()

    def end(self) -> int:
        """Kill it and wait; its exit status."""
        self._process.kill()
        status = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with suppress(OSError):  # what was written to a dead process
                    pipe.close()
        return status


class ProcessPool(Processes):
    """At most `most` processes, each with `memory_bytes` of its own. They import `module` first. If there are
    several, the last one is for groups that have none."""

    def __init__(self, module: str, *, most: int, memory_bytes: int) -> None:
        self._module = module
        self._memory = memory_bytes
        self._slots = FairSlots(most, reserved=1)
        self._idle: list[_Child] = []
        self._ending = set[asyncio.Future[int]]()
        self.busy = 0
        """Processes that work."""

    async def call(self, function: str, *arguments: Any, seconds: float, group: str = "") -> Any:
        async with self._slots.place(group):
            child = self._take() or await self._start()
            self.busy += 1
            asking = asyncio.ensure_future(asyncio.to_thread(child.ask, function, arguments, seconds))
            try:
                async with asyncio.timeout(_PATIENCE * seconds):
                    answer = await asyncio.shield(asking)
            except TimeoutError:
                await self._end(child, asking)
                raise OverLimitError(f"took more than {_PATIENCE * seconds:g} seconds") from None
            except BaseException:
                child.kill()
                self._ending.add(ending := asyncio.ensure_future(self._end(child, asking)))
                ending.add_done_callback(self._ending.discard)
                raise
            finally:
                self.busy -= 1
            if answer is None:
                status = await self._end(child, asking)
                log.warning("a process for the work of callers died", status=status, function=function)
                if status == -signal.SIGXCPU:
                    raise OverLimitError(f"took more than {seconds:g} seconds")
                raise OverLimitError("took more memory than there is for it, or crashed")
            self._keep(child)
        returned, value = answer
        if not returned:
            raise CallFailedError(f"{function} raised {value}")
        return value

    async def _start(self) -> _Child:
        child = await asyncio.to_thread(_Child, self._module, self._memory)
        try:
            await asyncio.to_thread(child.ready)
        except BaseException:
            child.kill()
            raise
        return child

    def _take(self) -> _Child | None:
        if not self._idle:
            return None
        child = self._idle.pop()
        if child.expiry:
            child.expiry.cancel()
        return child

    def _keep(self, child: _Child) -> None:
        def expire() -> None:
            self._idle.remove(child)
            child.kill()
            asyncio.get_running_loop().run_in_executor(None, child.end)

        child.expiry = asyncio.get_running_loop().call_later(_IDLE_SECONDS, expire)
        self._idle.append(child)

    async def _end(self, child: _Child, asking: asyncio.Future[Any]) -> int:
        child.kill()
        await asyncio.wait([asking])
        return await asyncio.to_thread(child.end)

    async def close(self) -> None:
        """End the processes that have nothing to do; the others end with their calls."""
        while child := self._take():
            await asyncio.to_thread(child.end)
        await asyncio.gather(*self._ending)


@asynccontextmanager
async def open_processes(module: str, *, most: int, memory_bytes: int) -> AsyncIterator[ProcessPool]:
    """Processes while the context lasts."""
    pool = ProcessPool(module, most=most, memory_bytes=memory_bytes)
    try:
        yield pool
    finally:
        await pool.close()
