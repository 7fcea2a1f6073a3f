"""A call that its caller has given up leaves nothing behind: no work, no statement, no call to another
service."""

from __future__ import annotations

import asyncio
import time
import uuid
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import pytest

from ingestor import AsyncClient
from ingestor.v1 import (
    orchestrator_pb2,
    orchestrator_pb2_grpc,
    processor_pb2,
    processor_pb2_grpc,
    status_pb2,
    status_pb2_grpc,
)
from tests.deployment_files.observability.metrics import scrape_all
from tests.e2e.conftest import Suite
from tests.e2e.tables import write_pipeline, write_readings

SOON = 1.0  # seconds; a busy machine gets more
PATIENCE = 10.0
OWN = 3  # statements of the services' own, which wait too
CALLS = OWN + 1


def waiting_calls(suite: Suite, method: str) -> float:
    """How many calls of a method are being answered, by all services together."""
    return sum(
        sample.value
        for scrape in scrape_all(suite.facts).values()
        for sample in scrape.families["grpc_server_calls_in_flight"].samples
        if sample.labels["method"].endswith(f"/{method}")
    )


async def statements(blocker: asyncpg.Connection) -> int:
    """How many statements of services wait for a lock."""
    query = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
    return int(await blocker.fetchval(query))


async def most(blocker: asyncpg.Connection, count: int) -> None:
    """Wait until so many of them wait."""
    while await statements(blocker) < count:
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("method", ["GetProcess", "PauseProcess", "UndoProcess", "WatchProcess"])
async def test_calls_that_are_given_up(suite: Suite, client: AsyncClient, method: str) -> None:
    """What it reads is locked, so that it waits, and whoever asks for it."""
    process = str(uuid.uuid4())
    blocker = await asyncpg.connect(suite.dsn)
    try:
        async with grpc.aio.insecure_channel(suite.gateway) as channel, blocker.transaction():
            table = "orchestrator.ingestions" if method == "PauseProcess" else "status.processes"
            await blocker.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            status: Any = status_pb2_grpc.StatusServiceStub(channel)
            orchestrator: Any = orchestrator_pb2_grpc.OrchestratorServiceStub(channel)
            processor: Any = processor_pb2_grpc.ProcessorServiceStub(channel)
            methods: dict[str, Any] = {
                "GetProcess": lambda: status.GetProcess(
                    status_pb2.GetProcessRequest(process_id=process), timeout=SOON
                ),
                "WatchProcess": lambda: status.WatchProcess(
                    status_pb2.WatchProcessRequest(process_id=process), timeout=SOON
                ).read(),
                "PauseProcess": lambda: orchestrator.PauseProcess(
                    orchestrator_pb2.PauseProcessRequest(process_id=process), timeout=SOON
                ),
                "UndoProcess": lambda: processor.UndoProcess(
                    processor_pb2.UndoProcessRequest(process_id=process), timeout=SOON
                ),
            }
            waits = asyncio.create_task(most(blocker, CALLS))
            refused = await asyncio.gather(*(methods[method]() for _ in range(CALLS)), return_exceptions=True)
            assert {one.code() for one in refused} == {grpc.StatusCode.DEADLINE_EXCEEDED}  # type: ignore[union-attr]
            async with asyncio.timeout(PATIENCE):
                await waits  # they have been there
            end = time.monotonic() + PATIENCE
            # Of this method, and of those that it calls.
            while left := await asyncio.to_thread(waiting_calls, suite, method):
                assert time.monotonic() < end, f"{left:g} calls are still being answered"
                await asyncio.sleep(0.05)
            while (left := await statements(blocker)) > OWN:
                assert time.monotonic() < end, f"{left} statements still wait"
                await asyncio.sleep(0.05)
    finally:
        await blocker.close()


async def test_a_verification_that_is_given_up(suite: Suite, client: AsyncClient, tmp_path: Path) -> None:
    """It waits for a locked table. No call, statement or temporary table is left, nor its place taken."""
    process = suite.ingest(
        write_readings(tmp_path / "r.csv", 100), "--pipeline", str(write_pipeline(tmp_path, "given_up"))
    )["process_id"]
    asked = processor_pb2.VerifyProcessRequest(process_id=process)
    blocker = await asyncpg.connect(suite.dsn)
    try:
        async with grpc.aio.insecure_channel(suite.gateway) as channel:
            processor: Any = processor_pb2_grpc.ProcessorServiceStub(channel)
            for _ in range(3):  # more often than there are places
                async with blocker.transaction():
                    await blocker.execute("LOCK TABLE given_up IN ACCESS EXCLUSIVE MODE")
                    call = processor.VerifyProcess(asked)
                    reading = asyncio.create_task(_read(call))
                    async with asyncio.timeout(PATIENCE):
                        await most(blocker, 1)
                    call.cancel()
                    assert isinstance(await reading, asyncio.CancelledError)
                    end = time.monotonic() + PATIENCE
                    while left := await statements(blocker):
                        assert time.monotonic() < end, f"{left} statements still wait"
                        await asyncio.sleep(0.05)
            for method in ("VerifyProcess", "ListOutcomes", "ListStoredBatches"):
                while calls := await asyncio.to_thread(waiting_calls, suite, method):
                    assert time.monotonic() < end, f"{calls:g} calls are still being answered"
                    await asyncio.sleep(0.05)
        left_over = "SELECT count(*) FROM pg_class WHERE relname IN ('ingestor_found', 'ingestor_expected')"
        assert await blocker.fetchval(left_over) == 0
        assert suite.json("verify", process)["agrees"]
    finally:
        await blocker.close()


async def _read(call: Any) -> BaseException | None:
    """The error with which a stream ends."""
    try:
        async for _ in call:
            pass
    except (grpc.RpcError, asyncio.CancelledError) as error:
        return error
    return None
