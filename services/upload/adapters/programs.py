"""Programs that the service runs beside itself, with what they write to stdout."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ingestor.runtime.sandbox import bare_environment


@dataclass(frozen=True, slots=True)
class Program:
    """A running program."""

    output: asyncio.StreamReader
    process: subprocess.Popen[bytes]

    async def wait(self) -> int:
        """The exit status of a program that has ended its output; negative: the signal that killed it."""
        return await asyncio.to_thread(self.process.wait)


@asynccontextmanager
async def running(module: str, folder: Path, source: IO[bytes], *files: IO[bytes]) -> AsyncIterator[Program]:
    """A module of Python as a program that never outlives the context: in `folder`, with the file `source` as
    its stdin, and with further open `files`, whose numbers are its arguments. It has nothing else of the
    service's: no environment, no arguments. Raises OSError if it cannot start."""
    numbers = [file.fileno() for file in files]
    # Not by asyncio: uvloop forks, and a child in which gRPC then runs its handlers of forks may crash before
    # it is the program. `subprocess` uses vfork, which runs no handlers, and is faster.
    process = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-P", "-m", module, *map(str, numbers)],
        stdin=source, stdout=subprocess.PIPE, pass_fds=numbers, cwd=folder, env=bare_environment(folder),
    )  # fmt: skip
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
