"""What strangers do to a suite through its gateway, one after the other. Each is refused, or does little;
whoever runs them looks whether others are kept waiting."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc

from ingestor import AsyncClient
from ingestor.client.errors import IngestorError
from ingestor.v1 import processor_pb2, processor_pb2_grpc, status_pb2, status_pb2_grpc
from tests.hostile import archives, csv, parquet, workbooks
from tests.hostile.documents import DOCUMENTS, document

_CALLERS = 4  # of a kind of call that one attack repeats
_STREAMS = 600
_ROWS_OF_TEXT = b"a\n" + b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n" * 20_000


class Stranger:
    """A caller with a folder, a client and a channel to the same gateway."""

    def __init__(self, client: AsyncClient, channel: grpc.aio.Channel, folder: Path) -> None:
        self.client = client
        self.status: Any = status_pb2_grpc.StatusServiceStub(channel)
        self.processor: Any = processor_pb2_grpc.ProcessorServiceStub(channel)
        self._folder = folder

    def file(self, name: str, make: Callable[[], bytes]) -> Path:
        """A file that is made when it is first asked for."""
        path = self._folder / name
        if not path.exists():
            path.write_bytes(make())
        return path

    async def ingests(self, path: Path, **more: Any) -> None:
        """Have a file read, and wait for its end."""
        process = await self.client.ingest(path, **more)
        await process.wait(timeout=300)


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

    async def read(process: str) -> None:
        request = status_pb2.ListRowsRequest(process_id=process, filter=slowest, page_size=1000)
        await stranger.status.ListRows(request, timeout=30)

    await asyncio.gather(*(read(process) for process in ids * 10), return_exceptions=True)


async def _streams(stranger: Stranger) -> None:
    calls = [stranger.status.WatchEvents(status_pb2.WatchEventsRequest()) for _ in range(_STREAMS)]
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
        await stranger.processor.DryRun(nothing(), timeout=20)

    await asyncio.gather(*(idle() for _ in range(8)), return_exceptions=True)


async def _odd_calls(stranger: Stranger) -> None:
    tokens = ["x", base64.urlsafe_b64encode(b"[1e400]").decode(), "9" * 2000]

    async def ask(token: str) -> None:
        await stranger.status.ListProcesses(status_pb2.ListProcessesRequest(page_token=token), timeout=30)

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
    "600 streams": _streams,
    "blank lines": _sends("blank.csv", lambda: b"a,b\n1,2\n" + b"\n" * 2_000_000),
    "rows that all fail": _sends("short.csv", lambda: b"a,b\n" + b"1\n" * 500_000),
    "one line of 40 MB": _sends("line.csv", csv.one_line),
    "idle dry runs": _idle_dry_runs,
    "odd page tokens": _odd_calls,
}
"""By what they do: attacks, each a round of calls."""


async def attack(name: str, stranger: Stranger, stop: asyncio.Event) -> int:
    """Repeat an attack, by four callers, until `stop` is set; the rounds that ended. What is refused is
    expected."""
    rounds = 0

    async def repeat() -> None:
        nonlocal rounds
        while True:
            with suppress(IngestorError, grpc.aio.AioRpcError):
                await ATTACKS[name](stranger)
            rounds += 1
            await asyncio.sleep(0)

    callers = [asyncio.create_task(repeat()) for _ in range(_CALLERS)]
    stopping = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([*callers, stopping], return_when=asyncio.FIRST_COMPLETED)
    for task in (*callers, stopping):
        task.cancel()
    await asyncio.gather(*callers, stopping, return_exceptions=True)
    for task in done - {stopping}:
        task.result()
    return rounds
