"""WatchEvents and GetOverview on a real server and PostgreSQL."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import grpc
import pytest

from ingestor.internal.v1 import ledger_pb2
from ingestor.runtime.grpc.channel import open_channel
from ingestor.services.status.settings import StatusSettings
from ingestor.v1 import common_pb2, status_pb2
from tests.integration.test_status_service import FAILED, ROWS, begin, dispatch, finish, outcome, rejected
from tests.status_stub import status_stub


@pytest.fixture
async def status(status_address: str) -> AsyncIterator[Any]:
    """A client of a running service."""
    async with open_channel(status_address) as channel:
        yield status_stub(channel)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Any]:
    """The service's database as its administrator sees it."""
    connection = await asyncpg.connect(database_url, server_settings={"search_path": "status"})
    yield connection
    await connection.close()


class Watch:
    """A stream of events."""

    def __init__(self, status: Any, process: str = "", after: int = 0) -> None:
        self.call = status.WatchEvents(
            status_pb2.WatchEventsRequest(process_id=process, after_sequence=after)
        )
        self.told: list[common_pb2.ProcessEvent] = []

    async def read(self) -> bool:
        """Take a message; False at the end."""
        message = await self.call.read()
        if message is grpc.aio.EOF:
            return False
        self.told += message.events
        return True

    async def until(self, count: int) -> list[common_pb2.ProcessEvent]:
        """Everything, once so many events were told; fails after a time, silent messages or not."""
        async with asyncio.timeout(30):
            while len(self.told) < count:
                assert await self.read()
        return self.told

    async def to_the_end(self) -> list[str]:
        """The types of everything, once the stream has ended."""
        async with asyncio.timeout(30):
            while await self.read():
                pass
        return [event.type for event in self.told]


TYPES = [
    "ingestion.started", "rows.dispatched", "rows.processed", "rows.dispatched", "rows.processed",
    "ingestion.completed",
]  # fmt: skip


async def test_events_of_a_process_to_its_end(status: Any) -> None:
    process, other = str(uuid.uuid4()), str(uuid.uuid4())
    await begin(status, process)
    watch = Watch(status, process)
    assert [event.type for event in await watch.until(1)] == TYPES[:1]
    await begin(status, other)
    await outcome(status, process, 1)
    await outcome(status, process, 2)
    await watch.until(5)
    await finish(status, process, 2)
    assert await watch.to_the_end() == TYPES
    sequences = [event.sequence for event in watch.told]
    assert sequences == sorted(set(sequences))
    # Again from the middle, when it has long ended; and from its end.
    assert await Watch(status, process, sequences[2]).to_the_end() == TYPES[3:]
    assert await Watch(status, process, sequences[-1]).to_the_end() == []
    assert await Watch(status, process, -1).to_the_end() == []
    listed = await status.ListEvents(status_pb2.ListEventsRequest(process_id=process))
    assert list(listed.events) == watch.told


async def test_the_end_is_told_at_once(status: Any) -> None:
    process = str(uuid.uuid4())
    await begin(status, process)
    request = status_pb2.WatchProcessRequest(process_id=process, min_interval_ms=60_000)
    watch = status.WatchProcess(request)
    async with asyncio.timeout(30):  # less than changes are merged for
        assert (await watch.read()).process.state == common_pb2.PROCESS_STATE_DISPATCHING
        await outcome(status, process, 1)
        await outcome(status, process, 2)
        await finish(status, process, 2)
        assert (await watch.read()).process.state == common_pb2.PROCESS_STATE_COMPLETED
        assert await watch.read() is grpc.aio.EOF


async def test_an_unknown_process(status: Any) -> None:
    for process, after, code in (
        (str(uuid.uuid4()), 0, grpc.StatusCode.NOT_FOUND),
        ("x", 0, grpc.StatusCode.INVALID_ARGUMENT),
        ("", -2, grpc.StatusCode.INVALID_ARGUMENT),
    ):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await Watch(status, process, after).read()
        assert caught.value.code() is code


async def test_an_event_that_is_visible_late_is_told_late(
    status: Any, status_settings: StatusSettings
) -> None:
    """Of two transactions the one that took the lower number of the identity column commits last."""
    insert = (
        "INSERT INTO events (tenant, process_id, type, data, traceparent) "
        "VALUES ('default', $1, $2, '{}', '') RETURNING sequence"
    )
    notify = "SELECT pg_notify('status_changes', $1)"
    process = str(uuid.uuid4())
    dsn = status_settings.database_url.get_secret_value()
    settings = {"search_path": "status", "ingestor.tenant": "default"}
    slow, quick = [await asyncpg.connect(dsn, server_settings=settings) for _ in range(2)]
    try:
        watch = Watch(status)
        assert await watch.read()
        transaction = slow.transaction()
        await transaction.start()
        first = await slow.fetchval(insert, process, "slow")
        await slow.execute(notify, process)
        second = await quick.fetchval(insert, process, "quick")
        await quick.execute(notify, process)
        assert first < second
        assert [event.type for event in await watch.until(1)] == ["quick"]
        await transaction.commit()
        assert [event.type for event in await watch.until(2)] == ["quick", "slow"]
        # One who knows the quick one only and comes back is told the slow one.
        again = Watch(status, after=watch.told[0].sequence)
        assert [event.type for event in await again.until(1)] == ["slow"]
        listed = await status.ListEvents(status_pb2.ListEventsRequest())
        assert list(listed.events) == watch.told
    finally:
        await slow.close()
        await quick.close()


async def test_many_writers_and_many_watchers(status: Any) -> None:
    """Every watcher is told the same events in the same order, whenever it began; none is lost."""
    processes = [str(uuid.uuid4()) for _ in range(12)]
    watches = [Watch(status) for _ in range(20)]
    for watch in watches:
        assert await watch.read()

    async def run(process: str) -> None:
        await begin(status, process)
        for number in range(1, 11):
            await outcome(status, process, number)
        await finish(status, process, 10)

    await asyncio.gather(*(run(process) for process in processes))
    count = len(processes) * 22
    told = [[event.sequence for event in await watch.until(count)] for watch in watches]
    assert all(found == told[0] for found in told)
    assert told[0] == sorted(set(told[0]))
    assert len({event.event_id for event in watches[0].told}) == count
    resumed = Watch(status, after=told[0][99])
    assert [event.sequence for event in await resumed.until(count - 100)] == told[0][100:]


async def test_the_overview(status: Any) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    good, bad, gone, open_ = (str(uuid.uuid4()) for _ in range(4))
    for process in (good, bad, gone, open_):
        await begin(status, process)
    await outcome(status, good, 1)
    await finish(status, good, 1)
    await outcome(status, bad, 1, [rejected(3, FAILED, ("type-error", "name"))])
    await finish(status, bad, 1)
    failure = common_pb2.ProcessFailure(reason="FILE_EMPTY", message="It is empty.")
    await status.RecordDispatch(ledger_pb2.RecordDispatchRequest(process_id=gone, failed=failure))
    await dispatch(status, open_, 1)

    def request(**more: Any) -> status_pb2.GetOverviewRequest:
        made = status_pb2.GetOverviewRequest(**more)
        made.start_time.FromDatetime(before)
        made.end_time.FromDatetime(before + timedelta(minutes=10))
        return made

    found = await status.GetOverview(request(bucket_seconds=30))
    assert {state.state: state.count for state in found.states} == {
        common_pb2.PROCESS_STATE_DISPATCHING: 1,
        common_pb2.PROCESS_STATE_COMPLETED: 1,
        common_pb2.PROCESS_STATE_COMPLETED_WITH_ERRORS: 1,
        common_pb2.PROCESS_STATE_FAILED: 1,
    }
    assert len(found.buckets) == 20
    starts = [bucket.start_time.ToDatetime(tzinfo=UTC) for bucket in found.buckets]
    assert starts == [before + number * timedelta(seconds=30) for number in range(20)]
    counts = [bucket.counts for bucket in found.buckets]
    assert sum(count.succeeded for count in counts) == 2 * ROWS - 1
    assert (sum(count.failed for count in counts), sum(count.read for count in counts)) == (1, 2 * ROWS)
    for name, expected in (("begun", 4), ("completed", 1), ("with_errors", 1), ("failed", 1)):
        assert sum(getattr(bucket, f"processes_{name}") for bucket in found.buckets) == expected, name
    assert len((await status.GetOverview(request())).buckets) == 60
    # Only what has not ended counts where it did not begin.
    late = status_pb2.GetOverviewRequest()
    late.start_time.FromDatetime(before + timedelta(hours=1))
    late.end_time.FromDatetime(before + timedelta(hours=2))
    found = await status.GetOverview(late)
    assert [(state.state, state.count) for state in found.states] == [
        (common_pb2.PROCESS_STATE_DISPATCHING, 1)
    ]
    assert not any(bucket.counts.read or bucket.processes_begun for bucket in found.buckets)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await status.GetOverview(request(bucket_seconds=-1))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_the_overview_of_many_batches_goes_by_index(status: Any, database: Any) -> None:
    process = str(uuid.uuid4())
    await begin(status, process)
    await database.execute(
        "INSERT INTO batches (process_id, batch_number, tenant, first_row, row_count, first_line, "
        "byte_start, byte_end, processed_at, succeeded) SELECT $1, n, 'default', n, 1, n, n, n, "
        "now() - n * interval '1 minute', 1 FROM generate_series(1, 50000) n",
        process,
    )
    await database.execute("VACUUM ANALYZE batches")
    found = await status.GetOverview(status_pb2.GetOverviewRequest())
    assert 1435 <= sum(bucket.counts.succeeded for bucket in found.buckets) <= 1440
    await database.execute("SET ROLE ingestor_status; SET ingestor.tenant = 'default'")
    plan = await database.fetch(
        "EXPLAIN SELECT sum(succeeded) FROM batches WHERE tenant = 'default' "
        "AND processed_at >= now() - interval '1 day' AND processed_at < now()"
    )
    assert "batches_processed" in "\n".join(row[0] for row in plan)
