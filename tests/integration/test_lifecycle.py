"""The end of a process's life at the status service: expiry, deletion, undo, and the log of removals."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from prometheus_client import CollectorRegistry

from ingestor.access.scope import row_security
from ingestor.internal.v1 import ledger_pb2
from ingestor.runtime.grpc.channel import open_channel
from ingestor.runtime.host import host
from ingestor.runtime.postgres.pool import open_pool
from ingestor.services.status.adapters.access.pg_audit import PgAuditRecords
from ingestor.services.status.adapters.pg_removals import PgRemovals
from ingestor.services.status.bootstrap import bootstrap
from ingestor.services.status.retention import Retention
from ingestor.services.status.settings import StatusSettings
from ingestor.v1 import common_pb2, status_pb2
from tests.integration.test_status_service import (
    FAILED,
    SKIPPED,
    begin,
    dispatch,
    finish,
    get,
    outcome,
    rejected,
)
from tests.refusals import refusal
from tests.status_stub import status_stub

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
YEAR = timedelta(days=365)


class SetClock:
    """A clock that a test sets."""

    def __init__(self, now: datetime) -> None:
        self.time = now

    def now(self) -> datetime:
        """The time that was set."""
        return self.time


@pytest.fixture
async def status(status_settings: StatusSettings) -> AsyncIterator[Any]:
    """A client of a service that keeps everything for ever; tests expire by a worker of their own."""
    settings = status_settings.model_copy(update={"retention_days": 0})
    async with (
        host(settings, lambda made: bootstrap(settings, made), CollectorRegistry()) as service,
        open_channel(f"127.0.0.1:{service.port}") as channel,
    ):
        yield status_stub(channel)


@pytest.fixture
async def pool(status_settings: StatusSettings, status: Any) -> AsyncIterator[PgPool]:
    """The service's database."""
    dsn = status_settings.database_url.get_secret_value()
    async with open_pool(dsn, service="test", schema="status", size=10, prepare=row_security) as pool:
        yield pool


async def ended(status: Any, repairs: str = "") -> str:
    """A process of one batch that has ended with a failed and a skipped row."""
    process = str(uuid.uuid4())
    if repairs:
        info = common_pb2.ProcessInfo(process_id=process, repairs_process_id=repairs)
        await status.RecordDispatch(ledger_pb2.RecordDispatchRequest(process_id=process, started=info))
    await begin(status, process)
    await outcome(status, process, 1, [rejected(3, FAILED, ("type-error", "name")), rejected(7, SKIPPED)])
    await finish(status, process, 1)
    return process


async def add_run(pool: PgPool, process: str) -> None:
    """Neighbouring rows of the process."""
    await pool.execute(
        "INSERT INTO row_runs (process_id, first_row, row_count, batch_number, tenant, state, first_line, "
        "errors, cells, rest_size) VALUES ($1, 20, 3, 1, 'default', $2, 21, '[]', '{}', 0)",
        process, SKIPPED,
    )  # fmt: skip


async def set_repairs(pool: PgPool, process: str, repaired: str) -> None:
    """As the orchestrator announces a repair."""
    await pool.execute("UPDATE processes SET repairs = $2 WHERE process_id = $1", process, repaired)


def delete(status: Any, process: str) -> Any:
    """Ask for a deletion."""
    return status.DeleteProcess(status_pb2.DeleteProcessRequest(process_id=process))


async def removals(status: Any, after: int = 0) -> list[tuple[str, bool]]:
    """The log behind a number."""
    answer = await status.ListRemovals(ledger_pb2.ListRemovalsRequest(after_sequence=after))
    numbers = [removal.sequence for removal in answer.removals]
    assert numbers == sorted(set(numbers))
    assert {removal.tenant for removal in answer.removals} <= {"default"}
    return [(removal.process_id, removal.deleted) for removal in answer.removals]


async def until_cleared(pool: PgPool, process: str) -> None:
    """Wait for the service's own worker."""
    query = "SELECT cleared_at IS NOT NULL FROM processes WHERE process_id = $1"
    async with asyncio.timeout(60):
        while not await pool.fetchval(query, process):
            await asyncio.sleep(0.05)


async def rows_left(pool: PgPool, process: str) -> dict[str, int]:
    """Records of a process by table."""
    tables = ("row_exceptions", "row_runs", "row_history", "error_counts", "batches", "events")
    return {
        table: await pool.fetchval(f"SELECT count(*) FROM {table} WHERE process_id = $1", process)
        for table in tables
    }


GONE = (grpc.StatusCode.NOT_FOUND, "PROCESS_DELETED")


async def test_a_deleted_process_is_gone_for_good(status: Any, pool: PgPool) -> None:
    process, other = await ended(status), await ended(status)
    await add_run(pool, process)
    await delete(status, process)
    await delete(status, process)  # again
    asked = status_pb2.GetProcessRequest(process_id=process)
    assert await refusal(status.GetProcess(asked)) == GONE
    for call in (
        status.WatchProcess(status_pb2.WatchProcessRequest(process_id=process)),
        status.GetRow(status_pb2.GetRowRequest(process_id=process, row_number=3)),
        status.ListRows(status_pb2.ListRowsRequest(process_id=process)),
        status.ListBatches(status_pb2.ListBatchesRequest(process_id=process)),
        status.SummarizeErrors(status_pb2.SummarizeErrorsRequest(process_id=process)),
        status.DownloadReport(status_pb2.DownloadReportRequest(process_id=process)),
        status.RecordUndo(ledger_pb2.RecordUndoRequest(process_id=process)),
    ):
        assert await refusal(call) == GONE
    listed = await status.ListProcesses(status_pb2.ListProcessesRequest())
    assert [found.info.process_id for found in listed.processes] == [other]
    assert await removals(status) == [(process, True)]
    await until_cleared(pool, process)
    assert await rows_left(pool, process) == {
        "row_exceptions": 0, "row_runs": 0, "row_history": 0, "error_counts": 0, "batches": 0, "events": 1
    }  # fmt: skip
    left = dict(await pool.fetchrow("SELECT * FROM processes WHERE process_id = $1", process) or {})
    assert (left["file_name"], left["pipeline"], left["columns"], left["read_rows"]) == ("", "", [], 0)
    assert left["tenant"] == "default" and left["deleted_at"]
    events = await status.ListEvents(status_pb2.ListEventsRequest(process_id=process))
    assert [event.type for event in events.events] == ["process.deleted"]
    assert (await rows_left(pool, other))["row_exceptions"] == 2


async def test_nothing_that_comes_late_brings_it_back(status: Any, pool: PgPool) -> None:
    process = await ended(status)
    await delete(status, process)
    await until_cleared(pool, process)
    assert await refusal(begin(status, process)) == GONE
    assert await refusal(dispatch(status, process, 2)) == GONE
    assert await refusal(outcome(status, process, 1)) == GONE
    assert await refusal(outcome(status, process, 2)) == GONE
    assert await refusal(finish(status, process, 1)) == GONE
    assert sum((await rows_left(pool, process)).values()) == 1


async def test_a_process_that_runs_is_not_deleted(status: Any) -> None:
    process = str(uuid.uuid4())
    unknown = await refusal(delete(status, process))
    assert unknown == (grpc.StatusCode.NOT_FOUND, "PROCESS_NOT_FOUND")
    await begin(status, process)
    running = await refusal(delete(status, process))
    assert running == (grpc.StatusCode.FAILED_PRECONDITION, "PROCESS_RUNNING")
    assert await removals(status) == []


async def test_repairs_go_with_the_process(status: Any, pool: PgPool) -> None:
    process, repair = await ended(status), str(uuid.uuid4())
    await begin(status, repair)
    await set_repairs(pool, repair, process)
    running = await refusal(delete(status, process))
    assert running == (grpc.StatusCode.FAILED_PRECONDITION, "PROCESS_RUNNING")
    await outcome(status, repair, 1)
    await finish(status, repair, 1)
    await delete(status, process)
    assert sorted(await removals(status)) == sorted([(process, True), (repair, True)])
    assert await refusal(get(status, repair)) == GONE


async def test_a_repair_may_go_alone(status: Any, pool: PgPool) -> None:
    process, repair = await ended(status), await ended(status)
    await set_repairs(pool, repair, process)
    await delete(status, repair)
    assert await removals(status) == [(repair, True)]
    assert (await get(status, process)).counts.read == 100


async def test_an_expired_process_keeps_its_counts(status: Any, pool: PgPool) -> None:
    process = await ended(status)
    await add_run(pool, process)
    running = str(uuid.uuid4())
    await begin(status, running)
    clock = SetClock(datetime.now(UTC))
    worker = Retention(PgRemovals(pool), PgAuditRecords(pool), clock, timedelta(days=2), YEAR)
    await worker.look()
    assert not (await get(status, process)).expired
    clock.time += timedelta(days=2, minutes=1)
    await worker.look()
    await worker.look()
    await until_cleared(pool, process)
    found = await get(status, process)
    assert found.expired and found.expire_time.ToDatetime(UTC) == clock.time
    assert found.counts == common_pb2.RowCounts(read=100, succeeded=98, failed=1, skipped=1)
    assert await removals(status) == [(process, False)]
    left = await rows_left(pool, process)
    assert (left["row_exceptions"], left["row_runs"]) == (0, 0)
    assert (left["error_counts"], left["batches"]) == (1, 1)
    gone = (grpc.StatusCode.FAILED_PRECONDITION, "RECORDS_EXPIRED")
    for call in (
        status.GetRow(status_pb2.GetRowRequest(process_id=process, row_number=3)),
        status.ListRows(status_pb2.ListRowsRequest(process_id=process)),
        status.DownloadReport(status_pb2.DownloadReportRequest(process_id=process)),
    ):
        assert await refusal(call) == gone
    groups = await status.SummarizeErrors(status_pb2.SummarizeErrorsRequest(process_id=process))
    assert [(group.code, group.count) for group in groups.groups] == [("type-error", 1)]
    batches = await status.ListBatches(status_pb2.ListBatchesRequest(process_id=process))
    assert len(batches.batches) == 1
    events = await status.ListEvents(status_pb2.ListEventsRequest(process_id=process))
    assert events.events[-1].type == "process.expired"
    assert not (await get(status, running)).expired
    assert not await outcome(status, process, 2)  # late, and left out
    assert (await get(status, process)).counts.read == 100
    await delete(status, process)
    assert await removals(status) == [(process, False), (process, True)]


async def test_a_process_that_is_repaired_does_not_expire(status: Any, pool: PgPool) -> None:
    process, repair = await ended(status), str(uuid.uuid4())
    await begin(status, repair)
    await set_repairs(pool, repair, process)
    later = SetClock(datetime.now(UTC) + timedelta(days=9))
    worker = Retention(PgRemovals(pool), PgAuditRecords(pool), later, timedelta(days=1), YEAR)
    await worker.look()
    assert await removals(status) == []
    await outcome(status, repair, 1)
    await finish(status, repair, 1)
    await worker.look()
    assert sorted(await removals(status)) == sorted([(process, False), (repair, False)])


async def test_records_go_in_pieces(status: Any, pool: PgPool) -> None:
    process = await ended(status)
    await pool.execute("UPDATE events SET published_at = now() WHERE published_at IS NULL")
    log = PgRemovals(pool)
    # Without the service's own worker between.
    await pool.execute("UPDATE processes SET expired_at = now() WHERE process_id = $1", process)
    steps = []
    while count := await log.clear(datetime.now(UTC), 1):
        steps.append(count)
        assert count == 1
    await until_cleared(pool, process)
    assert (await rows_left(pool, process))["row_exceptions"] == 0


async def test_the_log_is_read_in_pages(status: Any) -> None:
    processes = [await ended(status) for _ in range(3)]
    for process in processes:
        await delete(status, process)
    first = await status.ListRemovals(ledger_pb2.ListRemovalsRequest(page_size=2))
    assert [removal.process_id for removal in first.removals] == processes[:2]
    assert await removals(status, first.removals[-1].sequence) == [(processes[2], True)]


async def test_a_service_expires_by_its_setting(status_settings: StatusSettings) -> None:
    settings = status_settings.model_copy(update={"retention_days": 1 / 86_400})
    async with (
        host(settings, lambda made: bootstrap(settings, made), CollectorRegistry()) as service,
        open_channel(f"127.0.0.1:{service.port}") as channel,
    ):
        status = status_stub(channel)
        process = await ended(status)
        before = await get(status, process)
        assert before.expire_time.ToDatetime() >= before.end_time.ToDatetime() + timedelta(seconds=1)
        async with asyncio.timeout(60):
            while not (await get(status, process)).expired:
                await asyncio.sleep(0.05)


async def test_an_undo_is_recorded_once(status: Any) -> None:
    process = await ended(status)

    def undo(removed: int) -> Any:
        counts = status_pb2.UndoCounts(removed=removed, restored=2, kept=1)
        return status.RecordUndo(ledger_pb2.RecordUndoRequest(process_id=process, counts=counts))

    assert not (await get(status, process)).HasField("undo")
    await undo(95)
    await undo(7)
    found = await get(status, process)
    assert found.state == common_pb2.PROCESS_STATE_UNDONE
    assert found.undo == status_pb2.UndoCounts(removed=95, restored=2, kept=1)
    assert found.counts == common_pb2.RowCounts(read=100, succeeded=98, failed=1, skipped=1)
    assert found.end_time.ToDatetime() < found.update_time.ToDatetime()
    events = await status.ListEvents(status_pb2.ListEventsRequest(process_id=process))
    assert [event.type for event in events.events][-1] == "ingestion.undone"
    running = str(uuid.uuid4())
    asked = ledger_pb2.RecordUndoRequest(process_id=running)
    assert (await refusal(status.RecordUndo(asked)))[1] == "PROCESS_NOT_FOUND"
    await begin(status, running)
    assert (await refusal(status.RecordUndo(asked)))[1] == "PROCESS_RUNNING"
