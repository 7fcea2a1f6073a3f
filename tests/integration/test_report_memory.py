"""A report takes the memory of a page, however many rows it has."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from ingestor.access.scope import row_security
from ingestor.local.ports import free_port
from ingestor.outcomes import RejectedRow, RowError
from ingestor.runtime.grpc.channel import open_channel
from ingestor.runtime.postgres.pool import open_pool
from ingestor.services.status.adapters.pg_ledger import PgLedger
from ingestor.services.status.adapters.pg_reader import PgLedgerReader
from ingestor.services.status.ledger import Batch, Outcome, finished
from ingestor.services.status.ports import Limits
from ingestor.services.status.processes import Info, RowState
from ingestor.services.status.settings import StatusSettings
from ingestor.v1 import status_pb2
from tests.status_stub import status_stub

if TYPE_CHECKING:
    from ingestor.access.scope import row_security
from ingestor.runtime.postgres.pool import PgPool

ROWS, BATCH = 150_000, 10_000
COLUMNS = [f"column {number}" for number in range(1, 9)]
# A report of ROWS failed rows beside one of BATCH: what it has more takes about 170 MiB as Python objects
# and 30 MiB as a CSV file; three pages are in memory at once.
MOST_GROWTH = 40 * 2**20


def rejected(number: int) -> RejectedRow:
    """A row with cells that hardly compress."""
    cells = tuple(f"{number * 2654435761 * column % 2**64:016x}" for column in range(1, 9))
    error = RowError("type-error", COLUMNS[0], cells[0], f'"{cells[0]}" is not a number', "validate")
    return RejectedRow(number, number + 1, "failed", (error,), cells)


@asynccontextmanager
async def open_database(settings: StatusSettings) -> AsyncIterator[PgPool]:
    """A pool of the service's role, the schema migrated."""
    dsn = settings.database_url.get_secret_value()
    async with open_pool(dsn, service="status", schema="status", size=2, prepare=row_security) as pool:
        yield pool


async def fill(settings: StatusSettings, failed: int) -> str:
    """A process that ended with so many failed rows and as many that succeeded."""
    process = str(uuid.uuid4())
    async with open_database(settings) as pool:
        ledger = PgLedger(pool)
        await ledger.start(Info(process, "default", "u", "a.csv", 1, "p", 1))
        await ledger.read_header(process, COLUMNS, "{}", 1, Limits(None, None))
        for number, first in enumerate(range(1, 2 * failed, 2 * BATCH), 1):
            batch = Batch(number, first, 2 * BATCH, first + 1, first, first + 1)
            rows = [rejected(row) for row in range(first, first + 2 * BATCH, 2)]
            outcome = Outcome(batch, RowState.SUCCEEDED, BATCH, BATCH, 0)
            await ledger.record(process, outcome, None, rows)
        account = await ledger.change(process, lambda a: finished(a, 2 * failed, failed // BATCH))
        assert account.failed == failed
    return process


@pytest.fixture
async def service(status_settings: StatusSettings, tmp_path: Path) -> AsyncIterator[tuple[int, str]]:
    """A status service in a process of its own: the process, and where it listens."""
    address = f"127.0.0.1:{free_port()}"
    environment = {
        **os.environ,
        "INGESTOR_LISTEN": address,
        "INGESTOR_METRICS_LISTEN": "",
        "INGESTOR_DATABASE_URL": status_settings.database_url.get_secret_value(),
        "INGESTOR_AWS_ENDPOINT_URL": str(status_settings.aws_endpoint_url),
        "INGESTOR_EVENTS_QUEUE": status_settings.events_queue,
    }
    with (tmp_path / "log").open("wb") as log:
        started = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "ingestor.services.status",
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield started.pid, address
        finally:
            started.terminate()
            await started.wait()


async def test_a_report_takes_the_memory_of_a_page(
    status_settings: StatusSettings, service: tuple[int, str]
) -> None:
    short, long = await fill(status_settings, BATCH), await fill(status_settings, ROWS)
    pid, address = service
    watched = psutil.Process(pid)
    async with open_channel(address) as channel:
        await asyncio.wait_for(channel.channel_ready(), 60)
        status = status_stub(channel)

        async def peak(process: str, format_: str, rows: str, count: int) -> int:
            """The most memory of the service, in bytes, at a message of a report."""
            request = status_pb2.DownloadReportRequest(
                process_id=process,
                format=status_pb2.ReportFormat.Value(f"REPORT_FORMAT_{format_}"),
                rows=status_pb2.ReportRows.Value(f"REPORT_ROWS_{rows}"),
            )
            most, told = 0, None
            async for piece in status.DownloadReport(request):
                most = max(most, watched.memory_info().rss)
                told = piece.row_count
            assert told == count
            return most

        for format_ in ("CSV", "JSONL", "XLSX"):
            # What a first call needs for good is not the report's.
            before = await peak(short, format_, "ALL", 2 * BATCH)
            assert await peak(long, format_, "REJECTED", ROWS) - before < MOST_GROWTH, format_
        assert await peak(long, "XLSX", "ALL", 2 * ROWS) - before < MOST_GROWTH


async def test_a_page_of_wide_rows_ends_early(status_settings: StatusSettings) -> None:
    process = str(uuid.uuid4())
    rows = [RejectedRow(row, row + 1, "failed", (), ("x" * 500_000,)) for row in range(1, 31)]
    async with open_database(status_settings) as pool:
        batch = Outcome(Batch(1, 1, 30, 2, 0, 1), RowState.SUCCEEDED, 0, 30, 0)
        await PgLedger(pool).record(process, batch, None, rows)
        reader = PgLedgerReader(pool)
        page = (await anext(reader.own_pages(process, {RowState.FAILED}, 3, 29, 1_000))).rows()
        assert [row.row_number for row in page] == list(range(4, 13))  # 9 rows: 4.5 MB
        assert {len(row.cells[0]) for row in page} == {500_000}
        # What is not asked for is not sent, and costs nothing.
        page = (await anext(reader.own_pages(process, {RowState.SKIPPED}, 3, 29, 1_000))).rows()
        assert [(row.row_number, row.cells) for row in page] == [(row, ()) for row in range(4, 30)]
