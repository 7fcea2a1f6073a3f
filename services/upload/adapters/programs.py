"""Programs that the service runs beside itself, with what they write to stdout."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from ingestor.runtime.sandbox import bare_environment

_STAND_BY_SECONDS = 60.0
# What a program that stands by has imported.
_MODULES = (
    "ingestor.tabular.files.convert",
    "ingestor.tabular.files.excerpt",
    "ingestor.pipelines.inspection",
)


@dataclass(frozen=True, slots=True)
class Program:
    """A running program."""

    output: asyncio.StreamReader
    process: subprocess.Popen[bytes]

    async def wait(self) -> int:
        """The exit status of a program that has ended its output; negative: the signal that killed it."""
        return await asyncio.to_thread(self.process.wait)


Running = Callable[..., AbstractAsyncContextManager[Program]]
"""Has the signature of `running`."""


@dataclass(frozen=True, slots=True)
class _Started:
    """A program that waits for its task (see ingestor.tabular.files.stand_by)."""

    process: subprocess.Popen[bytes]
    line: socket.socket

    def give(self, module: str, folder: Path, files: Sequence[int]) -> None:
        """Say what to do. Raises OSError when it has ended."""
        task = json.dumps({"module": module, "folder": str(folder)}).encode()
        socket.send_fds(self.line, [task], files)

    def end(self) -> None:
        """Kill it. What it has not been told it does not do."""
        self.line.close()
        self.process.kill()
        self.process.wait()


def _start(modules: Sequence[str] = ()) -> _Started:
    ours, theirs = socket.socketpair()
    number = theirs.fileno()
    try:
        # Not by asyncio: uvloop forks, and a child in which gRPC then runs its handlers of forks may crash
        # before it is the program. `subprocess` uses vfork, which runs no handlers, and is faster.
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "ingestor.tabular.files.stand_by", str(number), *modules],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[number], cwd="/",
            env=bare_environment(Path("/")),
        )  # fmt: skip
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    return _Started(process, ours)


@asynccontextmanager
async def running(module: str, folder: Path, source: IO[bytes], *files: IO[bytes]) -> AsyncIterator[Program]:
    """A module of Python as a program that never outlives the context: its `main`, in `folder`, with the file
    `source` as its stdin, and with further open `files`, whose numbers are its arguments. It has nothing else
    of the service's: no environment, no arguments. Raises OSError if it cannot start."""
    async with _working(_start(), module, folder, source, *files) as program:
        yield program


@asynccontextmanager
async def _working(
    started: _Started, module: str, folder: Path, source: IO[bytes], *files: IO[bytes]
) -> AsyncIterator[Program]:
    try:
        reading, writing = os.pipe()
        pipe = os.fdopen(reading, "rb", buffering=0)
        try:
            numbers = [source.fileno(), writing, *(file.fileno() for file in files)]
            started.give(module, folder, numbers)
        except OSError:
            pipe.close()
            raise
        finally:
            os.close(writing)
        output = asyncio.StreamReader()
        connecting = asyncio.ensure_future(
            asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(output), pipe)
        )
        try:
            await asyncio.shield(connecting)
            yield Program(output, started.process)
        finally:
            transport, _ = await connecting  # also when cancelled: a pipe half connected is never closed
            transport.close()
    finally:
        await asyncio.to_thread(started.end)


class StandBy:
    """Runs programs, and after each that has ended by itself starts one more, which stands by for a minute:
    the next file does not wait half a second for imports."""

    def __init__(self, seconds: float = _STAND_BY_SECONDS) -> None:
        self._seconds = seconds
        self._idle: _Started | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        if (idle := self._taken()) is not None:
            await asyncio.to_thread(idle.end)

    @asynccontextmanager
    async def running(
        self, module: str, folder: Path, source: IO[bytes], *files: IO[bytes]
    ) -> AsyncIterator[Program]:
        """See `running`."""
        async with _working(self._taken() or _start(), module, folder, source, *files) as program:
            yield program
        status = program.process.poll()
        if self._idle is None and not self._closed and status is not None and status >= 0:
            with suppress(OSError):  # then the next file starts its own
                self._idle = _start(_MODULES)
                self._timer = asyncio.get_running_loop().call_later(self._seconds, self._end_idle)

    def _taken(self) -> _Started | None:
        """The program that stands by, unless something has ended it."""
        found, self._idle = self._idle, None
        if self._timer is not None:
            self._timer.cancel()
        if found is not None and found.process.poll() is not None:
            found.end()
            return None
        return found

    def _end_idle(self) -> None:
        if (idle := self._taken()) is not None:
            asyncio.get_running_loop().run_in_executor(None, idle.end)
