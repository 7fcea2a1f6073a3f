"""While forty callers look through millions of rows, everybody else is answered."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import Iterator

import asyncpg
import google_crc32c
import grpc
import pytest

from ingestor import AsyncClient
from ingestor.runtime.grpc.error_details import error_details
from ingestor.services.status.filters import MAX_COMPARISONS
from ingestor.v1 import status_pb2, status_pb2_grpc, upload_pb2, upload_pb2_grpc
from tests.e2e.conftest import Suite, running

CALLERS = 40
BATCHES, ROWS = 1_000, 10_000
# No row is so, and nothing but looking at each of them tells.
SLOWEST = " AND ".join(['status!=SUCCEEDED AND code!="x"'] * (MAX_COMPARISONS // 2))
PROCESS = """
INSERT INTO status.processes (process_id, tenant, file_name, state, read_rows, succeeded, batches_dispatched,
                              batches_processed, started, header_read, ended_at)
SELECT $1, 'default', 'large.csv', 5, $2::bigint * $3, $2::bigint * $3, $2, $2, true, true, now()
"""
ITS_BATCHES = """
INSERT INTO status.batches (process_id, batch_number, tenant, first_row, row_count, first_line, byte_start,
                            byte_end, processed_at, default_state, succeeded)
SELECT $1, n, 'default', (n - 1) * $3::bigint + 1, $3, 1, 0, 0, now(), 2, $3
FROM generate_series(1, $2::bigint) n
"""


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """A suite that nobody else asks anything meanwhile."""
    with running(tmp_path_factory.mktemp("reads")) as suite:
        yield suite


async def large_process(suite: Suite) -> str:
    """A process of ten million rows, of which the ledger knows the batches alone."""
    process = str(uuid.uuid4())
    connection = await asyncpg.connect(suite.dsn)
    try:
        for statement in (PROCESS, ITS_BATCHES):
            await connection.execute(statement, process, BATCHES, ROWS)
    finally:
        await connection.close()
    return process


class Reader:
    """Looks for rows of a process, page by page, until it is told to stop."""

    def __init__(self, channel: grpc.aio.Channel, process: str) -> None:
        self._status = status_pb2_grpc.StatusServiceStub(channel)
        self._process = process
        self.pages = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Ask, over and over."""
        token = ""
        while not stop.is_set():
            request = status_pb2.ListRowsRequest(process_id=self._process, filter=SLOWEST, page_token=token)
            try:
                page = await self._status.ListRows(request, timeout=30)
                assert not page.rows
                token = page.next_page_token
                self.pages += 1
            except grpc.aio.AioRpcError as error:
                assert error_details(error).reason == "TOO_MANY_READS", error


async def test_the_slowest_filters_keep_nobody_waiting(own: Suite) -> None:
    process = await large_process(own)
    stop = asyncio.Event()
    async with grpc.aio.insecure_channel(own.gateway) as channel:
        status = status_pb2_grpc.StatusServiceStub(channel)
        readers = [Reader(channel, process) for _ in range(CALLERS)]
        reading = [asyncio.create_task(reader.run(stop)) for reader in readers]
        # The first pages are there, so all of them ask.
        while not any(reader.pages for reader in readers):
            await asyncio.wait(reading, timeout=0.1)
            assert not [task for task in reading if task.done()]

        for _ in range(30):
            found = await status.GetProcess(status_pb2.GetProcessRequest(process_id=process), timeout=2)
            assert found.process.counts.read == BATCHES * ROWS
        completed = await complete(channel)
        async with AsyncClient(own.gateway) as client:
            ended = await (await client.process(completed)).wait(timeout=60)
        assert ended.counts.succeeded == 1000
        assert not [task for task in reading if task.done()], "they asked all the time"
        stop.set()
        await asyncio.gather(*reading)


async def complete(channel: grpc.aio.Channel) -> str:
    """Send a small file and complete it; the process."""
    uploads = upload_pb2_grpc.UploadServiceStub(channel)
    data = b"id\n" + b"".join(b"%d\n" % number for number in range(1000))
    created = await uploads.CreateUpload(upload_pb2.CreateUploadRequest(file_name="small.csv"), timeout=5)
    upload = created.upload.upload_id
    chunk = upload_pb2.FileChunk(data=data, crc32c=google_crc32c.value(data))
    await uploads.WriteChunk(upload_pb2.WriteChunkRequest(upload_id=upload, chunk=chunk), timeout=5)
    request = upload_pb2.CompleteUploadRequest(upload_id=upload, sha256=hashlib.sha256(data).digest())
    return (await uploads.CompleteUpload(request, timeout=5)).process_id
