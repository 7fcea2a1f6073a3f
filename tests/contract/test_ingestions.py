"""What keeps ingestions and batch boundaries does."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ingestor.access.scope import everything
from ingestor.outcomes import Notice
from ingestor.runtime.errors import NotFoundError
from ingestor.services.orchestrator.adapters.pg_ingestions import PgIngestions
from ingestor.services.orchestrator.ingestions import (
    Batch,
    Content,
    FileInfo,
    Ingestion,
    IngestionState,
    Layout,
    RetriedRows,
)
from ingestor.services.orchestrator.ports import BusyError, Flags
from tests.fakes.ingestions import MemoryIngestions

if TYPE_CHECKING:
    from tests.contract.conftest import OpenPool, Stranger

    AnyIngestions = PgIngestions | MemoryIngestions

LAYOUT = Layout(("id", "naïve; name", ""), ";", 17, 3, "'")
CONTENT = Content(
    "default/u-text", 456, True, '{"format":"xlsx"}', (Notice("other-sheets", "Lists is hidden.", 3, (7, 9)),)
)


@pytest.fixture(params=["postgres", "memory"])
async def ingestions(request: pytest.FixtureRequest, pool_of: OpenPool) -> AnyIngestions:
    """Ingestions."""
    if request.param == "postgres":
        return PgIngestions(await pool_of("orchestrator"))
    return MemoryIngestions()


def file() -> FileInfo:
    """A file."""
    process = str(uuid.uuid4())
    return FileInfo(process, "default", "u", "a.csv", 123, "p", 2)


async def opened(ingestions: AnyIngestions) -> str:
    """An open ingestion."""
    process = (await ingestions.add(file())).file.process_id
    await ingestions.set_content(process, CONTENT)
    return process


def batch(number: int) -> Batch:
    """Batch `number` of a file of ten rows a batch."""
    first = number * 10 - 9
    return Batch(number, first, 10, first + 1, first + 11, first * 20, first * 20 + 200)


async def test_adding_is_idempotent(ingestions: AnyIngestions) -> None:
    made = file()
    new = Ingestion(made, None, IngestionState.ANNOUNCED, False, None)
    assert await ingestions.get(made.process_id) is None
    assert await ingestions.add(made) == new
    await ingestions.set_layout(made.process_id, LAYOUT)
    await ingestions.set_paused(made.process_id, True)
    await ingestions.set_content(made.process_id, CONTENT)
    await ingestions.set_content(made.process_id, Content("other", 1, False, "{}"))  # only once
    known = Ingestion(made, CONTENT, IngestionState.OPEN, True, LAYOUT)
    assert await ingestions.add(replace(made, file_name="other.csv")) == known
    assert await ingestions.get(made.process_id) == known


async def test_batches_are_recorded_once(ingestions: AnyIngestions) -> None:
    process = await opened(ingestions)
    assert await ingestions.last_batch(process) is None
    running = Flags(IngestionState.OPEN, False)
    assert await ingestions.record(process, "default", batch(1)) == running
    assert await ingestions.record(process, "default", batch(2)) == running
    with pytest.raises(BusyError):
        await ingestions.record(process, "default", replace(batch(2), row_count=3))
    assert await ingestions.last_batch(process) == batch(2)
    assert await ingestions.unsent(process) == [batch(1), batch(2)]
    await ingestions.mark_sent(process, 1)
    await ingestions.mark_sent(process, 1)
    assert await ingestions.unsent(process) == [batch(2)]


async def test_batches_that_are_lost_count_as_sent_long_ago(ingestions: AnyIngestions) -> None:
    process = await opened(ingestions)
    for number in (1, 2, 3):
        await ingestions.record(process, "default", batch(number))
    for number in (1, 2):
        await ingestions.mark_sent(process, number)
    await ingestions.mark_lost(process, [2, 3])
    long_ago = datetime.now(UTC) - timedelta(days=1)
    assert await ingestions.sent_before(process, [1, 2, 3], long_ago) == [batch(2)]
    assert await ingestions.unsent(process) == [batch(3)]


async def test_batches_belong_to_their_process(ingestions: AnyIngestions) -> None:
    one, two = [await opened(ingestions) for _ in range(2)]
    await ingestions.record(one, "default", batch(1))
    await ingestions.record(two, "default", batch(1))
    await ingestions.mark_sent(one, 1)
    assert await ingestions.unsent(two) == [batch(1)]


async def test_a_record_tells_what_was_asked(ingestions: AnyIngestions) -> None:
    process = await opened(ingestions)
    await ingestions.set_paused(process, True)
    assert await ingestions.record(process, "default", batch(1)) == Flags(IngestionState.OPEN, True)
    await ingestions.finish(process, IngestionState.STOPPED)
    assert await ingestions.flags(process) == Flags(IngestionState.STOPPED, True)
    await ingestions.finish(process, IngestionState.DISPATCHED)  # stopped stays stopped
    assert (await ingestions.flags(process)).state is IngestionState.STOPPED


async def test_only_one_holds(ingestions: AnyIngestions) -> None:
    one, two = [await opened(ingestions) for _ in range(2)]
    async with ingestions.hold(one), ingestions.hold(two):
        with pytest.raises(BusyError):
            async with ingestions.hold(one):
                pass
    with pytest.raises(RuntimeError, match="inside"):
        async with ingestions.hold(one):
            raise RuntimeError("inside")
    async with ingestions.hold(one):
        pass


NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(seconds=30)


async def test_unsettled_until_settled(ingestions: AnyIngestions) -> None:
    made = {found.file.process_id: found for found in [await ingestions.add(file()) for _ in range(3)]}

    async def taken(now: datetime, limit: int = 10) -> list[Ingestion]:
        with everything():
            return list(await ingestions.take_unsettled(now, now + timedelta(seconds=30), limit))

    first = await taken(NOW, 2)
    assert len(first) == 2 and all(found == made[found.file.process_id] for found in first)
    (third,) = await taken(NOW)  # those that another one has taken are not due
    assert {found.file.process_id for found in (*first, third)} == made.keys()
    assert await taken(LATER - timedelta(seconds=1)) == []
    await ingestions.settle(third.file.process_id)
    assert {found.file.process_id for found in await taken(LATER)} == made.keys() - {third.file.process_id}
    assert await taken(LATER) == []
    lost = first[0].file.process_id
    await ingestions.mark_lost(lost, [])  # which makes it due at once
    assert [found.file.process_id for found in await taken(LATER)] == [lost]


async def test_whether_any_is_unsettled(ingestions: AnyIngestions) -> None:
    with everything():
        assert not await ingestions.has_unsettled()
        one, two = [(await ingestions.add(file())).file.process_id for _ in range(2)]
        await ingestions.settle(one)
        assert await ingestions.has_unsettled()
        await ingestions.settle(two)
        assert not await ingestions.has_unsettled()


async def test_each_is_taken_by_one(pool_of: OpenPool) -> None:
    """Several that take at the same time, over connections of their own."""
    pool = await pool_of("orchestrator")
    ingestions = PgIngestions(pool)
    made = {(await ingestions.add(file())).file.process_id for _ in range(40)}
    with everything():
        parts = await asyncio.gather(*(ingestions.take_unsettled(NOW, LATER, 10) for _ in range(8)))
        rest = await ingestions.take_unsettled(NOW, LATER, 100)
    taken = [found.file.process_id for part in (*parts, rest) for found in part]
    assert len(taken) == len(set(taken)) and set(taken) == made


async def test_which_were_sent_before(ingestions: AnyIngestions) -> None:
    process = await opened(ingestions)
    for number in (1, 2, 3):
        await ingestions.record(process, "default", batch(number))
    for number in (1, 2):
        await ingestions.mark_sent(process, number)
    later, earlier = (datetime.now(UTC) + timedelta(hours=hours) for hours in (1, -1))
    assert await ingestions.sent_before(process, [2, 1, 3, 4], later) == [batch(1), batch(2)]
    assert await ingestions.sent_before(process, [2], later) == [batch(2)]
    assert await ingestions.sent_before(process, [1, 2], earlier) == []
    assert await ingestions.sent_before(process, [], later) == []


async def test_a_holder_that_dies_lets_go(pool_of: OpenPool) -> None:
    """Its connection breaks: another may hold at once."""
    pool = await pool_of("orchestrator")
    ingestions = PgIngestions(pool)
    process = await opened(ingestions)
    holder = ingestions.hold(process)
    await holder.__aenter__()
    # Waits until the backend has ended.
    await pool.execute(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory' AND granted "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    async with ingestions.hold(process):
        pass
    await holder.__aexit__(None, None, None)


def retry_of(parent: str) -> Ingestion:
    """A retry of a process."""
    made = replace(file(), repairs=parent, retry=True)
    return Ingestion(made, replace(CONTENT, notices=()), IngestionState.OPEN, False, LAYOUT)


RETRIED = [replace(batch(1), row_count=2, retried=RetriedRows((3, 9), 1)),
           replace(batch(7), number=2, first_row=3, row_count=1, retried=RetriedRows((64,), 61))]  # fmt: skip


async def test_a_repair_is_kept_as_one(ingestions: AnyIngestions) -> None:
    made = replace(file(), repairs=str(uuid.uuid4()))
    assert (await ingestions.add(made)).file == made
    assert await ingestions.retry_of(made.repairs) is None
    assert await ingestions.open_retries(9) == []


async def test_a_retry_is_stored_with_its_batches(ingestions: AnyIngestions) -> None:
    parent = await opened(ingestions)
    retry = retry_of(parent)
    process = retry.file.process_id
    assert await ingestions.add_retry(retry, RETRIED) == process
    assert await ingestions.get(process) == retry
    assert await ingestions.batches(process) == await ingestions.unsent(process) == RETRIED
    assert await ingestions.batches(parent) == []
    assert await ingestions.open_retries(9) == [retry]
    await ingestions.finish(process, IngestionState.DISPATCHED)
    assert await ingestions.open_retries(9) == []
    assert await ingestions.retry_of(parent) == process


async def test_a_process_has_one_retry_at_a_time(ingestions: AnyIngestions) -> None:
    parent = await opened(ingestions)
    first, second = retry_of(parent), retry_of(parent)
    made = await asyncio.gather(ingestions.add_retry(first, RETRIED), ingestions.add_retry(second, RETRIED))
    assert len(set(made)) == 1
    assert await ingestions.retry_of(parent) == made[0]
    await ingestions.settle(made[0])
    assert await ingestions.retry_of(parent) is None
    third = retry_of(parent)
    assert await ingestions.add_retry(third, RETRIED) == third.file.process_id
    assert set(await ingestions.retries(parent)) == {made[0], third.file.process_id}
    assert await ingestions.retries(made[0]) == set()


async def test_an_ingestion_is_removed_with_its_batches(ingestions: AnyIngestions) -> None:
    process, other = await opened(ingestions), await opened(ingestions)
    for owner in (process, other):
        await ingestions.record(owner, "default", batch(1))
        await ingestions.mark_sent(owner, 1)
    for _ in range(2):
        async with ingestions.hold(process):
            await ingestions.remove(process)
        assert await ingestions.get(process) is None
    assert [found.file.process_id for found in await ingestions.take_unsettled(NOW, LATER, 10)] == [other]
    assert await ingestions.last_batch(other) == batch(1)


async def test_ingestions_of_another_tenant_do_not_exist(
    ingestions: AnyIngestions, stranger: Stranger
) -> None:
    process = await opened(ingestions)
    found = await ingestions.get(process)
    assert found is not None
    with stranger():
        assert await ingestions.get(process) is None
        with pytest.raises(NotFoundError):
            await ingestions.add(replace(found.file, tenant="globex"))
    assert await ingestions.get(process) == found
    with everything():
        assert await ingestions.get(process) == found
