"""What holds the quotas of a tenant: each service for what it owns, in the database and in memory alike."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from ingestor.access import scope
from ingestor.access.limits.pg_quotas import PgQuotas
from ingestor.access.limits.quotas import NO_LIMITS, QuotaExceededError, QuotaName, QuotaUse, next_day
from ingestor.access.limits.streams import StreamPlaces
from ingestor.services.orchestrator.adapters.pg_ingestions import PgIngestions
from ingestor.services.orchestrator.adapters.pg_pipelines import PgPipelines
from ingestor.services.orchestrator.ingestions import Batch, Content, FileInfo
from ingestor.services.processor.adapters.postgres.dry_run import PgDryRunTables
from ingestor.services.processor.adapters.postgres.sink import PgSink
from ingestor.services.processor.adapters.tenant_pool import TenantPool
from ingestor.services.processor.ports import SinkRefusedError, TooManyTablesError
from ingestor.services.upload.adapters.pg_uploads import PgUploads
from ingestor.services.upload.ports import NoRoomError
from ingestor.services.upload.uploads import Upload, UploadState
from tests.contract.sink.batches import PEOPLE, concluding, good, key
from tests.fakes.ingestions import MemoryIngestions
from tests.fakes.pipelines import MemoryPipelines
from tests.fakes.uploads import MemoryUploads

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool
    from tests.contract.conftest import OpenPool

NOW = datetime.now(UTC)


@pytest.fixture(params=["postgres", "memory"])
async def uploads(request: pytest.FixtureRequest, pool_of: OpenPool) -> PgUploads | MemoryUploads:
    """Uploads."""
    return PgUploads(await pool_of("upload")) if request.param == "postgres" else MemoryUploads()


@pytest.fixture(params=["postgres", "memory"])
async def ingestions(request: pytest.FixtureRequest, pool_of: OpenPool) -> PgIngestions | MemoryIngestions:
    """Ingestions."""
    return PgIngestions(await pool_of("orchestrator")) if request.param == "postgres" else MemoryIngestions()


@pytest.fixture(params=["postgres", "memory"])
async def pipelines(request: pytest.FixtureRequest, pool_of: OpenPool) -> PgPipelines | MemoryPipelines:
    """Pipelines."""
    return PgPipelines(await pool_of("orchestrator")) if request.param == "postgres" else MemoryPipelines()


def upload(size: int = 0, request_id: str | None = None) -> Upload:
    """A new upload; `size` is declared."""
    made = str(uuid.uuid4())
    return Upload(
        made, scope.tenant(), request_id, "a.csv", size, f"{scope.tenant()}/{made}", UploadState.OPEN, 0,
        None, NOW,
    )  # fmt: skip


def some(name: QuotaName, limit: int) -> dict[QuotaName, int]:
    """One limit."""
    return {name: limit}


async def refused(call: Awaitable[object]) -> QuotaExceededError:
    """The refusal of a call."""
    with pytest.raises(QuotaExceededError) as caught:
        await call
    return caught.value


async def how_many_get_in(calls: list[Awaitable[object]]) -> int:
    """How many of the calls, made at the same time, are not refused."""
    done = await asyncio.gather(*calls, return_exceptions=True)
    for result in done:
        assert not isinstance(result, BaseException) or isinstance(result, QuotaExceededError), result
    return sum(not isinstance(result, BaseException) for result in done)


async def test_open_uploads(uploads: PgUploads | MemoryUploads) -> None:
    limits = some(QuotaName.OPEN_UPLOADS, 3)
    assert await how_many_get_in([uploads.add(upload(), limits) for _ in range(8)]) == 3
    error = await refused(uploads.add(upload(), limits))
    assert error.message == "The tenant uses all of its 3 open uploads; finish or abort one."
    assert error.metadata == {"quota": "open_uploads", "limit": "3", "used": "3"}
    with scope.within("globex"):  # which has its own
        other = await uploads.add(upload(), limits)
        assert await uploads.abort(other.upload_id)
        first = await uploads.add(upload(request_id="r"), limits)
    with scope.within("globex"):  # what is there already takes no further place
        assert await uploads.add(upload(request_id="r"), some(QuotaName.OPEN_UPLOADS, 1)) == first


async def test_bytes_announced(uploads: PgUploads | MemoryUploads) -> None:
    limits = some(QuotaName.BYTES_ANNOUNCED, 100)
    assert await how_many_get_in([uploads.add(upload(40), limits) for _ in range(5)]) == 2
    error = await refused(uploads.add(upload(21), limits))
    assert error.message == (
        "The tenant's open uploads have announced 80 bytes and not sent them, of at most 100, and 21 more do "
        "not fit; send or abort one."
    )
    first = await uploads.add(upload(20), limits)
    await refused(uploads.add(upload(1), limits))
    await uploads.add(upload(), limits)  # which announces nothing
    assert await uploads.commit(first.upload_id, 0, 5, NOW) == 5  # what is sent is no longer announced
    await uploads.add(upload(5), limits)
    await refused(uploads.add(upload(1), limits))
    await uploads.abort(first.upload_id)
    await uploads.add(upload(15), limits)
    with scope.within("globex"):  # of which nothing is counted
        await uploads.add(upload(), some(QuotaName.BYTES_ANNOUNCED, 0))


async def test_the_store_has_room_for_what_is_announced(uploads: PgUploads | MemoryUploads) -> None:
    first = await uploads.add(upload(60, request_id="r"), room=100)
    with pytest.raises(NoRoomError) as caught:
        await uploads.add(upload(41), room=100)
    assert caught.value.announced == 60
    assert await uploads.add(upload(60, request_id="r"), room=0) == first  # it is there already
    await uploads.commit(first.upload_id, 0, 60, NOW)
    await uploads.add(upload(40), room=40)
    with pytest.raises(NoRoomError):  # though it announces nothing
        await uploads.add(upload(), room=0)
    with scope.within("globex"):  # what another tenant has announced takes nothing away
        await uploads.add(upload(), room=1)


async def test_a_place_is_free_again(uploads: PgUploads | MemoryUploads) -> None:
    limits = some(QuotaName.OPEN_UPLOADS, 1)
    first = await uploads.add(upload(), limits)
    await refused(uploads.add(upload(), limits))
    await uploads.complete(first.upload_id, str(uuid.uuid4()), "", 0, "{}", NOW)
    second = await uploads.add(upload(), limits)
    await uploads.abort(second.upload_id)
    await uploads.add(upload(), limits)


async def test_bytes_stored(uploads: PgUploads | MemoryUploads) -> None:
    limits = some(QuotaName.BYTES_STORED, 100)
    assert await how_many_get_in([uploads.add(upload(40), limits) for _ in range(5)]) == 2
    error = await refused(uploads.add(upload(21), limits))
    assert "stores 80 of its 100 bytes, and 21 more do not fit" in error.message
    unsized = await uploads.add(upload(), limits)
    assert await uploads.commit(unsized.upload_id, 0, 20, NOW, limits) == 20
    await refused(uploads.commit(unsized.upload_id, 20, 21, NOW, limits))
    found = await uploads.get(unsized.upload_id)
    assert found and found.committed_size == 20


async def test_bytes_of_a_day(uploads: PgUploads | MemoryUploads) -> None:
    limits = some(QuotaName.BYTES_PER_DAY, 100)
    assert await how_many_get_in([uploads.add(upload(40), limits) for _ in range(5)]) == 2
    error = await refused(uploads.add(upload(21), limits))
    day = next_day()
    assert error.message == (
        "The tenant has sent 80 of its 100 bytes of today, and 21 more do not fit; more from "
        f"{day:%Y-%m-%d} 00:00 UTC on."
    )
    assert error.metadata["reset_time"] == f"{day:%Y-%m-%d}T00:00:00Z"
    never = await refused(uploads.add(upload(101), limits))
    assert never.message == "101 bytes are more than the 100 bytes that the tenant may send in a day."
    assert "reset_time" not in never.metadata
    # What was not declared counts when it is written, what was not sent does not count.
    unsized = await uploads.add(upload(), limits)
    await refused(uploads.commit(unsized.upload_id, 0, 21, NOW, limits))
    assert await uploads.commit(unsized.upload_id, 0, 20, NOW, limits) == 20
    await refused(uploads.add(upload(1), limits))


async def test_bytes_that_were_not_sent_do_not_count(uploads: PgUploads | MemoryUploads) -> None:
    limits = some(QuotaName.BYTES_PER_DAY, 100)
    made = await uploads.add(upload(100), limits)
    await uploads.commit(made.upload_id, 0, 30, NOW, limits)
    assert await uploads.abort(made.upload_id)
    assert await uploads.abort(made.upload_id)
    await refused(uploads.add(upload(71), limits))
    await uploads.add(upload(70), limits)


async def test_running_processes(uploads: PgUploads | MemoryUploads) -> None:
    limits = some(QuotaName.RUNNING_PROCESSES, 2)
    made = [await uploads.add(upload()) for _ in range(5)]

    def complete(one: Upload) -> Awaitable[str]:
        return uploads.complete(one.upload_id, str(uuid.uuid4()), "", 0, "{}", NOW, None, limits)

    assert await how_many_get_in([complete(one) for one in made]) == 2
    left = [one for one in made if (found := await uploads.get(one.upload_id)) and not found.process_id]
    assert len(left) == 3
    error = await refused(complete(left[0]))
    assert error.message == "The tenant runs all of its 2 processes; wait until one ends, or cancel one."
    taken = await uploads.take("me", NOW, NOW)
    assert taken
    await uploads.done(taken.process_id, "me", NOW)
    await complete(left[0])


async def test_a_process_runs_until_status_knows_its_end(pool_of: OpenPool) -> None:
    uploads = PgUploads(await pool_of("upload"))
    status = await pool_of("status")
    limits = some(QuotaName.RUNNING_PROCESSES, 1)
    first, second = [await uploads.add(upload()) for _ in range(2)]
    process = str(uuid.uuid4())
    await uploads.complete(first.upload_id, process, "", 0, "{}", NOW, None, limits)
    await status.execute("INSERT INTO processes (process_id, tenant) VALUES ($1, 'default')", process)
    taken = await uploads.take("me", NOW, NOW)
    assert taken
    await uploads.done(process, "me", NOW)
    await refused(uploads.complete(second.upload_id, str(uuid.uuid4()), "", 0, "{}", NOW, None, limits))
    await status.execute("UPDATE processes SET ended_at = now() WHERE process_id = $1", process)
    await uploads.complete(second.upload_id, str(uuid.uuid4()), "", 0, "{}", NOW, None, limits)


async def test_pipelines(pipelines: PgPipelines | MemoryPipelines) -> None:
    limits = some(QuotaName.PIPELINES, 2)
    assert await how_many_get_in([pipelines.add(f"p{n}", "{}", "{}", limits) for n in range(5)]) == 2
    assert await pipelines.count() == 2
    names = [stored.name for stored in await pipelines.list("", 10)]
    assert (await pipelines.add(names[0], "{}", '{"a": 1}', limits))[0].version == 2
    error = await refused(pipelines.add("q", "{}", "{}", limits))
    assert error.message == "The tenant has all of its 2 pipelines; delete one that is not needed."
    await pipelines.delete(names[0])
    await pipelines.add("q", "{}", "{}", limits)
    await refused(pipelines.add(names[0], "{}", "{}", limits))  # restoring takes a place
    assert [stored.name for stored in await pipelines.list("", 10)] == sorted([names[1], "q"])


def batch(number: int) -> Batch:
    """Batch `number` of a file of ten rows a batch."""
    first = number * 10 - 9
    return Batch(number, first, 10, first + 1, first + 11, first * 20, first * 20 + 200)


async def opened(ingestions: PgIngestions | MemoryIngestions) -> str:
    """An open ingestion."""
    process = str(uuid.uuid4())
    await ingestions.add(FileInfo(process, "default", "u", "a.csv", 123, "", 0))
    await ingestions.set_content(process, Content("default/u", 123, False, "{}"))
    return process


async def test_rows_of_a_day(ingestions: PgIngestions | MemoryIngestions) -> None:
    """As long as a row is left, a whole batch is read; at the same time only one passes that point."""
    limits = some(QuotaName.ROWS_PER_DAY, 25)
    processes = [await opened(ingestions) for _ in range(6)]
    calls: list[Awaitable[object]] = [
        ingestions.record(process, "default", batch(1), limits) for process in processes
    ]
    assert await how_many_get_in(calls) == 3
    late = [process for process in processes if not await ingestions.last_batch(process)]
    error = await refused(ingestions.record(late[0], "default", batch(1), limits))
    assert error.message == (
        f"The tenant has used its 25 rows of today; more from {next_day():%Y-%m-%d} 00:00 UTC on."
    )
    assert error.reset_time == next_day()
    assert await ingestions.last_batch(late[0]) is None
    await ingestions.record(late[0], "default", batch(1), some(QuotaName.ROWS_PER_DAY, 31))
    await refused(ingestions.record(late[1], "default", batch(1), some(QuotaName.ROWS_PER_DAY, 0)))
    await ingestions.record(late[1], "default", batch(1), NO_LIMITS)


async def test_a_persons_pause_has_no_end(ingestions: PgIngestions | MemoryIngestions) -> None:
    process = await opened(ingestions)

    async def until() -> datetime | None:
        found = await ingestions.get(process)
        assert found
        return found.paused_until

    await ingestions.set_paused(process, True, next_day())
    assert await until() == next_day()
    await ingestions.set_paused(process, True)
    assert await until() is None
    await ingestions.set_paused(process, True, next_day())
    assert await until() is None
    await ingestions.set_paused(process, False)
    await ingestions.set_paused(process, True, next_day())
    assert await until() == next_day()


async def set_limit(pool: PgPool, name: str, limit: int) -> None:
    """As an admin of the platform does."""
    await pool.execute("INSERT INTO access.quotas VALUES ($1, $2, $3)", scope.tenant(), name, limit)


async def test_what_is_shown(pool_of: OpenPool) -> None:
    status, orchestrator = await pool_of("status"), await pool_of("orchestrator")
    uploads, ingestions = PgUploads(await pool_of("upload")), PgIngestions(orchestrator)
    streams = StreamPlaces()
    quotas = PgQuotas(status, streams)
    assert await quotas.all() == [
        QuotaUse(name, None, 0, next_day() if name.endswith("_per_day") else None) for name in QuotaName
    ]
    await set_limit(status, "open_uploads", 5)
    made = await uploads.add(upload(30))
    await uploads.add(upload(12))
    await uploads.complete(made.upload_id, str(uuid.uuid4()), "", 0, "{}", NOW)  # nothing was sent of it
    await ingestions.record(await opened(ingestions), "default", batch(1))
    await PgPipelines(orchestrator).add("p", "{}", "{}")
    with streams.place("default", NO_LIMITS), streams.place("globex", NO_LIMITS):
        found = {use.name: (use.limit, use.used) for use in await quotas.all()}
    assert found == {
        "bytes_stored": (None, 12), "bytes_per_day": (None, 42), "rows_per_day": (None, 10),
        "open_uploads": (5, 1), "bytes_announced": (None, 12), "running_processes": (None, 1),
        "pipelines": (None, 1), "tables": (None, 0), "streams": (None, 1),
    }  # fmt: skip
    with scope.within("globex"):
        assert {use.used for use in await quotas.all()} == {0}


async def test_limits_are_remembered_for_ten_seconds(pool_of: OpenPool) -> None:
    now = 0.0
    status = await pool_of("status")
    quotas = PgQuotas(status, StreamPlaces(), clock=lambda: now)
    await set_limit(status, "rows_per_day", 10)
    await set_limit(status, "of_another_version", 10)
    assert await quotas.limits() == {"rows_per_day": 10}
    await status.execute("UPDATE access.quotas SET max_value = 11")
    assert await quotas.limits() == {"rows_per_day": 10}
    now = 10.0
    assert await quotas.limits() == {"rows_per_day": 11}
    with scope.within("globex"):
        assert await quotas.limits() == {}


async def test_what_holds_without_a_limit_of_the_tenant(pool_of: OpenPool) -> None:
    status = await pool_of("status")
    defaults = {QuotaName.OPEN_UPLOADS: 3, QuotaName.BYTES_ANNOUNCED: 100}
    await set_limit(status, "open_uploads", 5000)
    quotas = PgQuotas(status, StreamPlaces(), defaults=defaults)
    assert await quotas.limits() == {"open_uploads": 5000, "bytes_announced": 100}
    shown = {use.name: use.limit for use in await quotas.all() if use.limit is not None}
    assert shown == {"open_uploads": 5000, "bytes_announced": 100}
    with scope.within("globex"):
        assert await quotas.limits() == defaults


async def test_nothing_is_left_of_the_rows_of_today(pool_of: OpenPool) -> None:
    status = await pool_of("status")
    await set_limit(status, "rows_per_day", 10)
    quotas = PgQuotas(status, StreamPlaces())
    await quotas.check_rows()
    ingestions = PgIngestions(await pool_of("orchestrator"))
    await ingestions.record(await opened(ingestions), "default", batch(1))
    error = await refused(quotas.check_rows())
    assert error.metadata["used"] == "10"
    with scope.within("globex"):
        await quotas.check_rows()
    await status.execute("UPDATE access.usage SET day = day - 1")
    await quotas.check_rows()


def test_streams() -> None:
    places = StreamPlaces()
    limits = some(QuotaName.STREAMS, 2)
    with places.place("acme", limits), places.place("acme", limits):
        with pytest.raises(QuotaExceededError, match="all of its 2 streams"), places.place("acme", limits):
            pass
        with places.place("globex", limits):
            assert (places.used("acme"), places.used("globex")) == (2, 1)
    assert places.used("acme") == 0
    with places.place("acme", limits):
        pass


async def test_tables(pool_of: OpenPool) -> None:
    """Tables that the tenant's role owns; one more is not made, whoever asks first."""
    processor, status = await TenantPool.of(await pool_of("processor")), await pool_of("status")
    await processor.execute("CREATE TABLE one (a int) PARTITION BY LIST (a)")
    await processor.execute("CREATE TABLE part PARTITION OF one DEFAULT")
    await processor.execute("CREATE TABLE two (a int)")
    await processor.execute("CREATE VIEW three AS SELECT 1")
    quotas = PgQuotas(status, StreamPlaces())
    assert {use.name: use.used for use in await quotas.all()}["tables"] == 2
    with scope.within("globex"):
        assert {use.name: use.used for use in await quotas.all()}["tables"] == 0

    await set_limit(status, "tables", 3)
    sink = PgSink(processor)

    async def load(table: str) -> object:
        of = key()
        rows = good(of, [(1, "a"), (2, "b"), (3, "c")], replace(PEOPLE, name=table))
        return await sink.load(of, rows, concluding(of))

    done = await asyncio.gather(*(load(f"t{n}") for n in range(4)), return_exceptions=True)
    errors = [str(result) for result in done if isinstance(result, TooManyTablesError)]
    assert errors == 3 * [
        "The tenant has all of its 3 tables; drop one that is not needed, or load into one that exists."
    ]
    made = await processor.fetchval("SELECT tablename FROM pg_tables WHERE tablename ~ '^t[0-9]'")
    await load(made)  # one that is there
    async with PgDryRunTables(processor, 1).open(replace(PEOPLE, name="t9")) as table:
        with pytest.raises(SinkRefusedError, match="all of its 3 tables"):
            await table.refused(good(key(), [(1, "a"), (2, "b"), (3, "c")], replace(PEOPLE, name="t9")))
    await processor.execute("DROP TABLE two")
    await load("t9")
