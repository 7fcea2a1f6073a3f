"""Programs that the service runs beside itself, with what they write to stdout."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from ingestor.runtime.settings import without_settings


@dataclass(frozen=True, slots=True)
class Program:
    """A running program."""

    output: asyncio.StreamReader
    process: subprocess.Popen[bytes]

    async def wait(self) -> int:
        """The exit status of a program that has ended its output; negative: the signal that killed it."""
        return await asyncio.to_thread(self.process.wait)


@asynccontextmanager
async def running(*arguments: str) -> AsyncIterator[Program]:
    """A program with an empty stdin and without the service's settings, which never outlives the context.
    Raises OSError if it cannot start."""
    # Not by asyncio: uvloop forks, and a child in which gRPC then runs its handlers of forks may crash before
    # it is the program. `subprocess` uses vfork, which runs no handlers, and is faster.
    process = subprocess.Popen(  # noqa: ASYNC220
        arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=without_settings()
    )
    try:
        output = asyncio.StreamReader()
        connecting = asyncio.ensure_future(
            asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(output), process.stdout
            )
        )
        try:
            await asyncio.shield(connecting)
            yield Program(output, process)
        finally:
            pipe, _ = await connecting  # also when cancelled meanwhile: a pipe half connected is never closed
            pipe.close()
    finally:
        process.kill()
        await asyncio.to_thread(process.wait)
