"""Programs that the service runs beside itself, with what they write to stdout."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

_SETTINGS = ("INGESTOR_", "AWS_")


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
        arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=_environment()
    )
    try:
        output = asyncio.StreamReader()
        pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(output), process.stdout
        )
        try:
            yield Program(output, process)
        finally:
            pipe.close()
    finally:
        process.kill()
        await asyncio.to_thread(process.wait)


def _environment() -> dict[str, str]:
    """That of the service without its settings and their secrets: programs read files of strangers."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)}
