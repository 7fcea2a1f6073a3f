"""What strangers do to a suite through its gateway, one after the other. Each is refused, or does little;
whoever runs them looks whether others are kept waiting."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import grpc

from ingestor import AsyncClient, AsyncProcess
from ingestor.client.errors import FailedPreconditionError, IngestorError
from ingestor.v1 import processor_pb2, processor_pb2_grpc, status_pb2, status_pb2_grpc
from tests.hostile import archives, csv, parquet, workbooks
from tests.hostile.documents import DOCUMENTS, document

_CALLERS = 4  # of a kind of call that one attack repeats
_STREAMS = 600
_ROWS_OF_TEXT = b"a\n" + b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n" * 20_000


class Stranger:
    """A caller with a folder, a client and a channel to the same gateway."""

    def __init__(self, client: AsyncClient, channel: grpc.aio.Channel, token: str, folder: Path) -> None:
        self.client = client
        self.status: Any = status_pb2_grpc.StatusServiceStub(channel)
        self.processor: Any = processor_pb2_grpc.ProcessorServiceStub(channel)
        self.metadata = (("authorization", f"Bearer {token}"),)
        self._folder = folder
        self._started: list[AsyncProcess] = []

    def file(self, name: str, make: Callable[[], bytes]) -> Path:
        """A file that is made when it is first asked for."""
        path = self._folder / name
        if not path.exists():
            path.write_bytes(make())
        return path

    async def ingests(self, path: Path, **more: Any) -> None:
        """Have a file read, and wait for its end."""
        process = await self.client.ingest(path, **more)
        self._started.append(process)
        await process.wait(timeout=300)

    async def leave(self) -> None:
        """Cancel what still runs."""
        for process in self._started:
            with suppress(FailedPreconditionError):  # it has ended
                await process.cancel()


async def _documents(stranger: Stranger) -> None:
    for make in DOCUMENTS.values():
        with suppress(IngestorError, ValueError, RecursionError):
            await stranger.client.pipelines.apply(json.loads(make()))


def _sends(name: str, make: Callable[[], bytes], **more: Any) -> Callable[[Stranger], Awaitable[None]]:
    async def send(stranger: Stranger) -> None:
        await stranger.ingests(stranger.file(name, make), **more)

    return send


async def _multiply(stranger: Stranger) -> None:
    steps = [{"op": "replace", "column": "a", "old": "x", "new": "x" * 1000}] * 2
    path = stranger.file("multiply.csv", lambda: _ROWS_OF_TEXT)
    await stranger.client.dry_run(path, json.loads(document(transforms=steps)))


async def _slow_reads(stranger: Stranger) -> None:
    slowest = " AND ".join(['status!=SUCCEEDED AND code!="x"'] * 10)
    ids = [process.id async for process in stranger.client.processes(limit=3)]
    if not ids:
        await stranger.ingests(stranger.file("text.csv", lambda: _ROWS_OF_TEXT))

    async def read(process: str) -> None:
        request = status_pb2.ListRowsRequest(process_id=process, filter=slowest, page_size=1000)
        await stranger.status.ListRows(request, timeout=30, metadata=stranger.metadata)

    await asyncio.gather(*(read(process) for process in ids * 10), return_exceptions=True)


async def _verifications(stranger: Stranger) -> None:
    found = [process async for process in stranger.client.processes(limit=1) if process.counts.read]
    if not found:
        await stranger.ingests(stranger.file("rows.csv", lambda: b"a\n" + b"x\n" * 500_000))
    for process in found:
        await process.verify(timeout=300)


async def _streams(stranger: Stranger) -> None:
    request = status_pb2.WatchEventsRequest()
    calls = [stranger.status.WatchEvents(request, metadata=stranger.metadata) for _ in range(_STREAMS)]
    try:
        await asyncio.gather(*(asyncio.wait_for(call.read(), 3) for call in calls), return_exceptions=True)
    finally:
        for call in calls:
            call.cancel()


async def _idle_dry_runs(stranger: Stranger) -> None:
    async def nothing() -> AsyncIterator[Any]:
        yield processor_pb2.DryRunRequest(document_json=document())
        await asyncio.sleep(5)  # what the stranger does

    async def idle() -> None:
        await stranger.processor.DryRun(nothing(), timeout=20, metadata=stranger.metadata)

    await asyncio.gather(*(idle() for _ in range(8)), return_exceptions=True)


async def _odd_calls(stranger: Stranger) -> None:
    tokens = ["x", base64.urlsafe_b64encode(b"[1e400]").decode(), "9" * 2000]

    async def ask(token: str) -> None:
        request = status_pb2.ListProcessesRequest(page_token=token)
        await stranger.status.ListProcesses(request, timeout=30, metadata=stranger.metadata)

    await asyncio.gather(*(ask(token) for token in tokens * 30), return_exceptions=True)


ATTACKS: dict[str, Callable[[Stranger], Awaitable[None]]] = {
    "documents that take time": _documents,
    "a number format of 400,000 brackets": _sends("format.xlsx", workbooks.number_format),
    "a workbook that expands": _sends("shared.xlsx", workbooks.shared_string),
    "a workbook without row numbers": _sends("rows.xlsx", workbooks.rows_without_numbers),
    "a Parquet file that expands": _sends("nulls.parquet", parquet.nulls),
    "an archive that expands": _sends("bomb.csv.gz", archives.gzip_bomb),
    "cells that multiply": _multiply,
    "slow reads": _slow_reads,
    "verifications": _verifications,
    "600 streams": _streams,
    "blank lines": _sends("blank.csv", lambda: b"a,b\n1,2\n" + b"\n" * 2_000_000),
    "rows that all fail": _sends("short.csv", lambda: b"a,b\n" + b"1\n" * 500_000),
    "one line of 40 MB": _sends("line.csv", csv.one_line),
    "idle dry runs": _idle_dry_runs,
    "odd page tokens": _odd_calls,
}
"""By what they do: attacks, each a round of calls."""


@asynccontextmanager
async def attacked(gateway: str, token: str, name: str, folder: Path) -> AsyncIterator[None]:
    """Repeat an attack by four callers with the API key `token` while the context lasts. That it is refused
    is expected; the error of a caller that ends for another reason is raised at the end."""

    async def repeat(stranger: Stranger) -> None:
        while True:
            with suppress(IngestorError, grpc.aio.AioRpcError):
                await ATTACKS[name](stranger)
            await asyncio.sleep(0)

    async with AsyncClient(gateway, token=token) as client, grpc.aio.insecure_channel(gateway) as channel:
        stranger = Stranger(client, channel, token, folder)
        callers = [asyncio.create_task(repeat(stranger)) for _ in range(_CALLERS)]
        try:
            yield
        finally:
            for caller in callers:
                caller.cancel()
            ended = await asyncio.gather(*callers, return_exceptions=True)
            await stranger.leave()
        for error in ended:
            if isinstance(error, Exception):
                raise error
