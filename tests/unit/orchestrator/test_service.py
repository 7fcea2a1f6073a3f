"""The orchestrator's use cases behind fakes: any chunks give the same batches, a crash costs nothing."""

from __future__ import annotations

import asyncio
import itertools
import json
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from ingestor.access.limits.quotas import QuotaExceededError, QuotaName, next_day
from ingestor.formats import NewerReleaseError
from ingestor.runtime.clock import SystemClock
from ingestor.runtime.errors import (
    AbortedError,
    FailedPreconditionError,
    NotFoundError,
    TransientError,
    UnavailableError,
)
from ingestor.services.orchestrator import service as service_module
from ingestor.services.orchestrator.dispatch.stream import Chunk
from ingestor.services.orchestrator.dispatch.window import Windows
from ingestor.services.orchestrator.ingestions import (
    Content,
    FileInfo,
    IngestionState,
    Layout,
    position_after,
)
from ingestor.services.orchestrator.pipelines import PipelineService
from ingestor.services.orchestrator.ports import Packed, Progress, StoredPipeline
from ingestor.services.orchestrator.reconciler import Reconciler
from ingestor.services.orchestrator.service import Metrics, OrchestratorService, Result
from ingestor.services.processor.batches import BatchOutcome, RowBatch
from ingestor.tabular.parsers.csv import read_csv_slice
from ingestor.tabular.records.syntax import Dialect
from tests.examples import examples
from tests.fakes.ingestions import MemoryIngestions
from tests.fakes.limits.quotas import MemoryQuotas
from tests.fakes.pipelines import MemoryPipelines
from tests.fakes.queue import MemoryQueue
from tests.fakes.status import MemoryStatus
from tests.fakes.store import MemoryFileStore
from tests.fakes.work import DOCUMENTS

KEY = "default/u"
DATA = b'id,name\r\n1,a\n"2","two\nlines"\r\n3,"quo""ted"\n4,\n' + b"".join(
    f"{number},row {number}\n".encode() for number in range(5, 60)
)
ROWS = 59


class OnePipeline(PipelineService):
    """Knows one pipeline, which reads the column `id`."""

    def __init__(self) -> None:
        super().__init__(MemoryPipelines(), SystemClock(), MemoryQuotas(), DOCUMENTS)

    async def get(self, name: str, version: int) -> StoredPipeline:
        fields = [{"name": "id", "type": "of tomorrow" if name == "newer" else "integer"}]
        document = json.dumps({"name": name, "schema": {"fields": fields}, "sink": {"table": "t"}})
        return StoredPipeline(name, version, document, datetime.now(UTC))


class Suite:
    """The service with its fakes; `restart` is what a crash leaves."""

    def __init__(self, data: bytes = DATA, *, limit: int = 2**20, in_flight: int = 1000) -> None:
        self.ingestions = MemoryIngestions()
        self.quotas = MemoryQuotas()
        self.ingestions.usage = self.quotas.usage
        self.queue = MemoryQueue(limit)
        self.status = MemoryStatus()
        self.store = MemoryFileStore()
        self.data = data
        self.store.files[KEY] = bytearray(data)
        self.in_flight = in_flight
        self.file = FileInfo(str(uuid.uuid4()), "default", "u", "a.csv", len(data), "", 0)
        self.content = Content(KEY, len(data), False, "{}")
        self.service = self.restart()

    @property
    def process(self) -> str:
        """The process."""
        return self.file.process_id

    def restart(self) -> OrchestratorService:
        """A new instance."""
        self.service = OrchestratorService(
            self.ingestions,
            self.queue,
            self.status,
            OnePipeline(),
            self.store,
            Metrics(CollectorRegistry()),
            self.quotas,
            windows=Windows(self.in_flight, first=self.in_flight),
            slice_bytes=100,
            queues=self.queue,
        )
        return self.service

    async def chunks(self, offset: int, cuts: Sequence[int] = ()) -> AsyncIterator[Chunk]:
        """The file from an offset on, cut at these places."""
        bounds = sorted({offset, len(self.data), *(cut for cut in cuts if offset < cut < len(self.data))})
        if offset == len(self.data):
            yield Chunk(offset, b"", True)
        for start, end in itertools.pairwise(bounds):
            yield Chunk(start, self.data[start:end], end == len(self.data))

    async def deliver(self, cuts: Sequence[int] = ()) -> Result:
        """Announce the file and bring it from where it is wanted."""
        state, offset = await self.service.begin(self.file, self.content)
        assert state is IngestionState.OPEN
        return await self.service.ingest(self.process, self.chunks(offset, cuts))

    def sent(self) -> list[RowBatch]:
        """What was sent, by number."""
        return sorted((self.queue.bodies[body] for body in self.queue.sent), key=lambda b: b.key.range.number)

    def state(self) -> str:
        """The process's state."""
        return self.status.processes[self.process].account.state.name


def rows_of(suite: Suite) -> list[tuple[str, ...]]:
    """The records of what was sent, which must be every row once, in order."""
    found: list[tuple[str, ...]] = []
    numbers, offset = [], None
    for batch in suite.sent():
        bounds = batch.key.range
        data = batch.data
        if batch.stored:
            data = suite.data[batch.stored.byte_start : batch.stored.byte_end]
        assert offset in (None, bounds.byte_start)
        offset = bounds.byte_end
        assert bounds.first_row == len(found) + 1
        table = read_csv_slice(data, len(batch.columns), Dialect(batch.delimiter, batch.quote))
        assert table.record_count == bounds.row_count
        found += list(zip(*(column.to_pylist() for column in table.columns), strict=True))
        numbers.append(bounds.number)
    assert numbers == list(range(1, len(numbers) + 1))
    return found


async def test_a_process_that_is_cancelled_before_status_knows_it_has_begun() -> None:
    """Else status would have a process without a file."""
    suite = Suite()
    await suite.ingestions.add(suite.file)  # and the call to status was lost
    await suite.service.cancel(suite.process)
    assert suite.status.processes[suite.process].started
    assert suite.state() == "CANCELLED"
    assert await suite.service.begin(suite.file, suite.content) == (IngestionState.STOPPED, 0)


async def test_a_pipeline_of_a_newer_release_fails_no_file() -> None:
    """The file waits for an orchestrator that knows what the document says."""
    suite = Suite()
    suite.file = replace(suite.file, pipeline="newer", pipeline_version=1)
    with pytest.raises(NewerReleaseError, match="/schema/fields/0/type"):
        await suite.deliver()
    assert (suite.state(), suite.sent()) == ("PENDING", [])
    suite.file = replace(suite.file, pipeline="p")
    suite.ingestions.ingestions[suite.process] = replace(
        suite.ingestions.ingestions[suite.process], file=suite.file
    )
    assert (await suite.deliver()).rows == ROWS


async def test_a_file_in_one_piece() -> None:
    suite = Suite()
    result = await suite.deliver()
    assert (result.state, result.rows) == (IngestionState.DISPATCHED, ROWS)
    rows = rows_of(suite)
    assert rows[:4] == [("1", "a"), ("2", "two\nlines"), ("3", 'quo"ted'), ("4", "")]
    assert len(rows) == ROWS
    assert [batch.key.range.first_line for batch in suite.sent()][:1] == [2]
    assert suite.status.processes[suite.process].columns == ("id", "name")
    assert suite.state() == "PROCESSING"
    assert await suite.service.begin(suite.file, suite.content) == (IngestionState.DISPATCHED, len(DATA))


@settings(max_examples=examples(60))
@given(st.lists(st.integers(1, len(DATA) - 1), max_size=12))
def test_any_chunks_give_the_same_batches(cuts: list[int]) -> None:
    async def run(at: Sequence[int]) -> list[RowBatch]:
        suite = Suite()
        await suite.deliver(at)
        return [replace(batch, key=replace(batch.key, process_id="")) for batch in suite.sent()]

    assert asyncio.run(run(cuts)) == asyncio.run(run(()))


@settings(max_examples=examples(60))
@given(crash=st.integers(0, 30), where=st.sampled_from(["send", "mark_sent", "record", "dispatched"]))
def test_a_crash_anywhere_loses_and_doubles_nothing(crash: int, where: str) -> None:
    """The n-th call of a kind is the last thing that the first instance does; its effect may or may
    not be there."""

    class CrashError(Exception):
        pass

    async def run(after: bool) -> None:
        suite = Suite()
        owner = {"send": suite.queue, "dispatched": suite.status}.get(where, suite.ingestions)
        real, calls = getattr(owner, where), 0

        async def dying(*arguments: object) -> object:
            nonlocal calls
            calls += 1
            if calls > crash:
                if after and calls == crash + 1:
                    await real(*arguments)
                raise CrashError
            return await real(*arguments)

        setattr(owner, where, dying)
        try:
            await suite.deliver()
        except CrashError:
            setattr(owner, where, real)
            suite.restart()
            await suite.deliver()
        once = {body.key.range.number: body for body in suite.sent()}
        for body in suite.sent():
            assert body == once[body.key.range.number]  # a batch that is sent twice is the same
        suite.queue.sent = [
            next(name for name in suite.queue.sent if suite.queue.bodies[name] is batch)
            for batch in once.values()
        ]
        assert len(rows_of(suite)) == ROWS
        account = suite.status.processes[suite.process].account
        assert (account.read, account.expected_rows) == (ROWS, ROWS)
        assert not await suite.ingestions.unsent(suite.process)

    asyncio.run(run(after=False))
    asyncio.run(run(after=True))


@pytest.mark.parametrize("header", ["id,name", "id,name\n", "\ufeffid,name\r\n"])
async def test_a_header_only(header: str) -> None:
    suite = Suite(header.encode())
    assert await suite.deliver() == Result(IngestionState.DISPATCHED, 0, 0)
    assert suite.state() == "COMPLETED"
    assert suite.status.processes[suite.process].columns == ("id", "name")


async def test_an_empty_file_fails_with_a_reason() -> None:
    suite = Suite(b"")
    assert (await suite.deliver()).state is IngestionState.STOPPED
    failure = suite.status.processes[suite.process].account.failure
    assert failure is not None
    assert failure.reason == "FILE_EMPTY"


async def test_a_header_that_the_pipeline_cannot_read() -> None:
    suite = Suite(b"nr,name\n1,a\n")
    suite.file = replace(suite.file, pipeline="p", pipeline_version=1)
    assert (await suite.deliver()).state is IngestionState.STOPPED
    failure = suite.status.processes[suite.process].account.failure
    assert failure is not None
    assert failure.reason == "HEADER_MISMATCH"
    assert "id" in failure.message
    assert suite.queue.sent == []


async def test_a_file_is_announced_before_its_content_is_known() -> None:
    suite = Suite()
    assert await suite.service.begin(suite.file, None) == (IngestionState.ANNOUNCED, 0)
    assert suite.state() == "PENDING"
    with pytest.raises(FailedPreconditionError, match="announced"):
        await suite.service.ingest(suite.process, suite.chunks(0))
    await suite.deliver()
    assert len(rows_of(suite)) == ROWS


async def test_a_file_that_cannot_be_read_fails() -> None:
    suite = Suite()
    await suite.service.begin(suite.file, None)
    for _ in range(2):
        state = await suite.service.refuse(suite.file, "XLSX_INVALID", "It is damaged.")
        assert state is IngestionState.STOPPED
    assert suite.state() == "FAILED"


@pytest.mark.parametrize(
    ("dialect", "data", "columns", "rows"),
    [
        ({"delimiter": ";", "quoteChar": "'"}, b"a;b\n1;'x;y'\n", ("a", "b"), [("1", "x;y")]),
        ({"delimiter": " "}, b"a b\n1 2\n", ("a", "b"), [("1", "2")]),
        ({"skipLines": 2}, b'Report "x\r\n2024\r\na,b\r\n1,2\r\n', ("a", "b"), [("1", "2")]),
        ({"header": False}, b"1,2\n3,4\n", ("column_1", "column_2"), [("1", "2"), ("3", "4")]),
        ({"headerRows": 2, "headerJoin": "_"}, b"a,\nx,y\n1,2\n", ("a_x", "y"), [("1", "2")]),
        ({"duplicateColumns": "ignore"}, b"a,a\n1,2\n", ("a", ""), [("1", "2")]),
    ],
)
async def test_declared_dialects(
    dialect: dict[str, object], data: bytes, columns: tuple[str, ...], rows: list[tuple[str, ...]]
) -> None:
    suite = Suite(data)
    suite.content = Content(KEY, len(data), False, json.dumps(dialect))
    await suite.deliver()
    assert suite.status.processes[suite.process].columns == columns
    assert rows_of(suite) == rows


@pytest.mark.parametrize(
    ("dialect", "data", "reason"),
    [
        ({"duplicateColumns": "error"}, b"id,id\n1,2\n", "DUPLICATE_LABEL"),
        ({"blankColumns": "error"}, b"id,\n1,2\n", "BLANK_LABEL"),
        ({"unexpectedColumns": "error"}, b"id,name\n1,2\n", "EXTRA_LABEL"),
    ],
)
async def test_header_policies(dialect: dict[str, object], data: bytes, reason: str) -> None:
    suite = Suite(data)
    suite.file = replace(suite.file, pipeline="p", pipeline_version=1)
    suite.content = Content(KEY, len(data), False, json.dumps(dialect))
    assert (await suite.deliver()).state is IngestionState.STOPPED
    failure = suite.status.processes[suite.process].account.failure
    assert failure is not None
    assert failure.reason == reason


async def test_a_missing_column_may_be_allowed() -> None:
    suite = Suite(b"nr\n1\n")
    suite.file = replace(suite.file, pipeline="p", pipeline_version=1)
    suite.content = Content(KEY, 5, False, '{"missingColumns": "ignore"}')
    assert (await suite.deliver()).state is IngestionState.DISPATCHED


async def test_a_wrong_offset_is_told_the_right_one() -> None:
    suite = Suite()
    await suite.service.begin(suite.file, suite.content)

    async def wrong() -> AsyncIterator[Chunk]:
        yield Chunk(0, DATA[:300], False)
        yield Chunk(301, DATA[301:], True)

    with pytest.raises(FailedPreconditionError) as caught:
        await suite.service.ingest(suite.process, wrong())
    assert caught.value.reason == "WRONG_OFFSET"
    _, offset = await suite.service.begin(suite.file, suite.content)
    assert caught.value.metadata == {"resume_offset": str(offset)}
    await suite.deliver()
    assert len(rows_of(suite)) == ROWS


async def test_a_stream_that_ends_early_goes_on_later() -> None:
    suite = Suite()
    await suite.service.begin(suite.file, suite.content)

    async def half() -> AsyncIterator[Chunk]:
        yield Chunk(0, DATA[: len(DATA) // 2], False)

    with pytest.raises(AbortedError) as caught:
        await suite.service.ingest(suite.process, half())
    assert caught.value.reason == "STREAM_INCOMPLETE"
    await suite.deliver()
    assert len(rows_of(suite)) == ROWS


async def test_only_one_stream_at_a_time() -> None:
    suite = Suite()
    _, offset = await suite.service.begin(suite.file, suite.content)
    async with suite.ingestions.hold(suite.process):
        with pytest.raises(AbortedError) as caught:
            await suite.service.ingest(suite.process, suite.chunks(offset))
    assert caught.value.reason == "INGESTION_BUSY"
    with pytest.raises(NotFoundError):
        await suite.service.ingest(str(uuid.uuid4()), suite.chunks(0))


async def test_a_slice_that_does_not_fit_is_split() -> None:
    suite = Suite(limit=30)
    await suite.deliver()
    assert len(rows_of(suite)) == ROWS
    assert all(len(batch.data) <= 30 for batch in suite.sent())
    assert all(batch.stored is None for batch in suite.sent())


async def test_a_record_that_fits_into_no_message_stays_in_the_store() -> None:
    suite = Suite(b"id,name\n1,a\n2," + b"x" * 500 + b"\n3,c\n", limit=100)
    await suite.deliver()
    assert [row[0] for row in rows_of(suite)] == ["1", "2", "3"]
    assert sum(batch.stored is not None for batch in suite.sent()) == 1


async def test_reading_stops_when_too_much_is_in_flight() -> None:
    suite = Suite(in_flight=3)
    running = asyncio.create_task(suite.deliver())
    async with asyncio.timeout(20):
        while not running.done():
            await asyncio.sleep(0)
            account = suite.status.processes[suite.process].account if suite.status.processes else None
            if account is None or account.batches_dispatched - account.batches_processed < 3:
                continue
            for _ in range(50):  # let it run as far as it can
                await asyncio.sleep(0)
            process = suite.status.processes[suite.process]
            in_flight = len(process.batches) - len(process.outcomes)
            assert in_flight <= 3
            number = min(set(process.batches) - set(process.outcomes))
            batch = next(found for found in suite.sent() if found.key.range.number == number)
            await suite.status.record(
                BatchOutcome(batch.key, "succeeded", batch.key.range.row_count, 0, 0, ())
            )
    assert len(rows_of(suite)) == ROWS


async def test_calls_that_fail_for_a_while_are_repeated() -> None:
    suite = Suite()
    real, failures = suite.queue.send, iter([True, True, False, True] + [False] * 99)

    async def shaky(packed: Packed) -> None:
        if next(failures):
            raise TransientError("queue away")
        await real(packed)

    suite.queue.send = shaky  # type: ignore[method-assign]
    await suite.deliver()
    assert len(rows_of(suite)) == ROWS


async def test_stopping_ends_streams_and_keeps_what_is_recorded() -> None:
    suite = Suite()
    _, offset = await suite.service.begin(suite.file, suite.content)

    async def pieces() -> AsyncIterator[Chunk]:
        yield Chunk(0, DATA[:400], False)
        suite.service.stop()
        yield Chunk(400, DATA[400:], True)

    assert offset == 0
    with pytest.raises(UnavailableError):
        await suite.service.ingest(suite.process, pieces())
    suite.restart()
    await suite.deliver()
    assert len(rows_of(suite)) == ROWS


async def test_paused_and_resumed() -> None:
    suite = Suite()
    await suite.service.begin(suite.file, suite.content)
    assert (await suite.service.pause(suite.process)).state == "PAUSED"
    with pytest.raises(AbortedError) as caught:
        await suite.deliver()
    assert caught.value.reason == "INGESTION_PAUSED"
    assert suite.queue.sent == []
    await suite.service.resume(suite.process)
    await suite.deliver()
    assert len(rows_of(suite)) == ROWS


async def test_paused_while_the_file_is_brought(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stream waits a little, and ends; what it has recorded is sent when the process is resumed."""
    monkeypatch.setattr(service_module, "_PAUSE_HELD", 0.0)
    suite = Suite()
    await suite.service.begin(suite.file, suite.content)

    async def chunks() -> AsyncIterator[Chunk]:
        middle = len(DATA) // 2
        yield Chunk(0, DATA[:middle], False)
        await suite.service.pause(suite.process)
        yield Chunk(middle, DATA[middle:], True)

    with pytest.raises(AbortedError) as caught:
        await suite.service.ingest(suite.process, chunks())
    assert caught.value.reason == "INGESTION_PAUSED"
    assert suite.service.windows.streams == 0
    await suite.service.resume(suite.process)
    await suite.deliver()
    assert len(rows_of(suite)) == ROWS


async def test_the_rows_of_a_day_are_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is paused with a reason when what was sent has its outcome; no row is lost."""
    monkeypatch.setattr(service_module, "_PAUSE_HELD", 60.0)
    suite = Suite()
    suite.quotas.set[QuotaName.ROWS_PER_DAY] = 20
    await suite.service.begin(suite.file, suite.content)
    running = asyncio.create_task(suite.deliver())
    async with asyncio.timeout(20):
        while suite.state() != "PAUSED":
            await asyncio.sleep(0)
            assert not running.done()
            for batch in suite.sent():
                if batch.key.range.number not in suite.status.processes[suite.process].outcomes:
                    rows = batch.key.range.row_count
                    await suite.status.record(BatchOutcome(batch.key, "succeeded", rows, 0, 0, ()))
    account = suite.status.processes[suite.process].account
    assert account.succeeded == account.read < ROWS
    assert account.pause_reason == (
        f"The tenant has used its 20 rows of today; more from {next_day():%Y-%m-%d} 00:00 UTC on."
    )
    with pytest.raises(QuotaExceededError):
        await suite.service.resume(suite.process)
    assert suite.state() == "PAUSED"
    until = suite.ingestions.ingestions[suite.process].paused_until
    assert until == next_day()

    clock = At(until - timedelta(seconds=1))
    reconciler = Reconciler(suite.ingestions, suite.status, suite.service, clock, redispatch_seconds=1e9)
    suite.quotas.usage.used.clear()  # as it is on the next day
    del suite.quotas.set[QuotaName.ROWS_PER_DAY]
    await reconciler.reconcile()
    assert suite.state() == "PAUSED"
    clock.time = until + timedelta(seconds=30)  # when it looks again
    await reconciler.reconcile()
    async with asyncio.timeout(20):
        await running
    assert len(rows_of(suite)) == ROWS


async def test_other_processes_may_be_faster_when_the_day_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_module, "_PAUSE_HELD", 60.0)
    suite = Suite()
    suite.quotas.set[QuotaName.ROWS_PER_DAY] = 0
    await suite.service.begin(suite.file, suite.content)
    running = asyncio.create_task(suite.deliver())
    async with asyncio.timeout(20):
        while suite.state() != "PAUSED":
            await asyncio.sleep(0)
    reconciler = Reconciler(
        suite.ingestions, suite.status, suite.service, At(next_day()), redispatch_seconds=1e9
    )
    assert await reconciler.reconcile() == 0
    assert suite.state() == "PAUSED"
    await suite.service.cancel(suite.process)
    async with asyncio.timeout(20):
        assert (await running).state is IngestionState.STOPPED


async def test_a_stream_that_cannot_learn_of_its_batches_ends_with_the_reason() -> None:
    suite = Suite(in_flight=1)

    async def watch(process_id: str) -> AsyncGenerator[Progress, None]:
        raise LookupError(process_id)
        yield

    suite.status.watch = watch  # type: ignore[method-assign]
    async with asyncio.timeout(20):
        with capture_logs() as logs, pytest.raises(LookupError):
            await suite.deliver()
    assert [entry["log_level"] for entry in logs if entry["event"] == "process not followed"] == ["error"]


async def test_a_stream_that_waits_for_a_process_without_a_table_ends() -> None:
    """The processor has paused it: nothing that was sent gets an outcome before it is resumed."""
    suite = Suite(in_flight=1)
    running = asyncio.create_task(suite.deliver())
    async with asyncio.timeout(20):
        while not suite.sent():
            await asyncio.sleep(0)
        assert await suite.status.hold(suite.process, "The table is gone.")
        with pytest.raises(AbortedError) as caught:
            await running
        assert caught.value.reason == "INGESTION_PAUSED"
        with pytest.raises(AbortedError):
            await suite.deliver()
    assert suite.service.windows.in_flight == 0


async def test_cancelled_while_paused() -> None:
    suite = Suite()
    await suite.service.begin(suite.file, suite.content)
    await suite.service.pause(suite.process)
    assert (await suite.service.cancel(suite.process)).state == "CANCELLED"
    assert (await suite.service.cancel(suite.process)).state == "CANCELLED"
    assert (await suite.service.begin(suite.file, suite.content))[0] is IngestionState.STOPPED
    assert suite.state() == "CANCELLED"
    with pytest.raises(FailedPreconditionError):
        await suite.service.pause(suite.process)


class At:
    """A clock that stands."""

    def __init__(self, time: datetime) -> None:
        self.time = time

    def now(self) -> datetime:
        """The time."""
        return self.time


async def test_what_the_queue_lost_is_sent_again() -> None:
    suite = Suite()
    await suite.deliver()
    batches = suite.sent()
    for batch in batches[2:]:
        count = batch.key.range.row_count
        await suite.status.record(BatchOutcome(batch.key, "succeeded", count, 0, 0, ()))
    clock = At(datetime.now(UTC))
    reconciler = Reconciler(
        suite.ingestions, suite.status, suite.service, clock, redispatch_seconds=60
    )  # fmt: skip
    assert await reconciler.reconcile() == 0  # they may still be on their way
    clock.time += timedelta(seconds=90)
    before = len(suite.queue.sent)
    assert await reconciler.reconcile() == 2
    again = [suite.queue.bodies[body] for body in suite.queue.sent[before:]]
    assert again == batches[:2]
    assert suite.status.processes[suite.process].again == [batch.key.range.number for batch in again]
    for batch in again:
        count = batch.key.range.row_count
        await suite.status.record(BatchOutcome(batch.key, "succeeded", count, 0, 0, ()))
    clock.time += timedelta(hours=1)
    assert await reconciler.reconcile() == 0
    assert suite.ingestions.settled == {suite.process}
    assert await suite.status.progress(suite.process) == Progress("COMPLETED", True, len(batches))


async def test_several_instances_ask_status_as_often_as_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    suite = Suite()
    await suite.deliver()
    clock = At(datetime.now(UTC))
    reconcilers = [
        Reconciler(suite.ingestions, suite.status, suite.service, clock, redispatch_seconds=60)
        for _ in range(3)
    ]
    asked: list[str] = []
    progress = suite.status.progress

    async def counted(process_id: str) -> Progress | None:
        asked.append(process_id)
        return await progress(process_id)

    monkeypatch.setattr(suite.status, "progress", counted)
    for count in (1, 2):
        await asyncio.gather(*(reconciler.reconcile() for reconciler in reconcilers))
        assert asked == [suite.process] * count
        clock.time += timedelta(seconds=30)


async def test_batches_of_a_held_process_are_sent_again_when_it_is_resumed() -> None:
    suite = Suite()
    await suite.deliver()
    batches = suite.sent()
    done = batches[0]
    await suite.status.record(BatchOutcome(done.key, "succeeded", done.key.range.row_count, 0, 0, ()))
    clock = At(datetime.now(UTC))
    reconciler = Reconciler(
        suite.ingestions, suite.status, suite.service, clock, redispatch_seconds=60
    )  # fmt: skip
    before = len(suite.queue.sent)
    for held in (False, True):
        await suite.service.pause(suite.process)
        if held:
            assert await suite.status.hold(suite.process, "The table is gone.")
        assert await reconciler.reconcile() == 0
        assert (await suite.service.resume(suite.process)).state == "PROCESSING"
        assert suite.service.lost.is_set() is held
        assert await reconciler.reconcile() == (len(batches) - 1 if held else 0)
    assert [suite.queue.bodies[body] for body in suite.queue.sent[before:]] == batches[1:]


async def test_a_process_whose_table_was_locked_is_resumed_by_itself() -> None:
    suite = Suite()
    await suite.deliver()
    sent = len(suite.queue.sent)
    assert await suite.status.hold(suite.process, "The table is locked.", resumes=True)
    clock = At(datetime.now(UTC))
    reconciler = Reconciler(
        suite.ingestions, suite.status, suite.service, clock, redispatch_seconds=60
    )  # fmt: skip
    assert await reconciler.reconcile() == 0
    assert suite.state() == "PROCESSING"
    assert suite.service.lost.is_set()  # so that it looks again at once
    assert await reconciler.reconcile() == sent


async def test_a_file_that_is_gone_does_not_stop_the_reconciler() -> None:
    suite = Suite()
    await suite.deliver()
    suite.store.files.clear()
    clock = At(datetime.now(UTC) + timedelta(hours=1))
    reconciler = Reconciler(
        suite.ingestions, suite.status, suite.service, clock, redispatch_seconds=60
    )  # fmt: skip
    assert await reconciler.reconcile() == 0


@pytest.mark.parametrize(("fields", "rows"), [(0, 25_000), (2, 25_000), (1500, 6_666), (20_000_000, 1)])
def test_batches_of_short_rows_with_many_fields_are_small(fields: int, rows: int) -> None:
    """What a row lacks of its fields takes memory in the processor all the same."""
    suite = Suite()
    suite.service._slice_bytes = 10**6
    layout = Layout(("a",), ",", 0, 1, '"')
    delimiter = suite.service.delimiter(layout, position_after(layout, None), fields)
    slices = [*delimiter.feed(b"1\n" * 60_000), *delimiter.finish()]
    assert {piece.row_count for piece in slices[:-1]} == {rows}
