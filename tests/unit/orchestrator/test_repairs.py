"""Repairs and retries at the orchestrator: what can be repaired, which rows are run again, and how often."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace

import pytest

from ingestor.outcomes import RejectedRow, RowError
from ingestor.reports import OriginalTable
from ingestor.runtime.clock import SystemClock, TimeOrderedIds
from ingestor.runtime.errors import FailedPreconditionError, NotFoundError, ServiceError, TransientError
from ingestor.services.orchestrator.dispatch.stream import Chunk
from ingestor.services.orchestrator.ingestions import Content, FileInfo, IngestionState
from ingestor.services.orchestrator.ports import Packed
from ingestor.services.orchestrator.repairs import RepairService
from ingestor.services.orchestrator.retries import RetryWorker
from ingestor.services.processor.batches import (
    BatchOutcome,
    Repaired,
    RepairedRows,
    RowBatch,
    failed_outcome,
)
from ingestor.tabular.normal_form import header_line
from tests.unit.orchestrator.test_service import KEY, ROWS, Suite


class Repairs(Suite):
    """The service and its fakes, and what repairs need."""

    def __init__(self) -> None:
        super().__init__()
        self.woken = 0
        self.repairs = RepairService(
            self.ingestions, self.status, self.store, TimeOrderedIds(SystemClock()), self.wake
        )

    def wake(self) -> None:
        """There is a retry."""
        self.woken += 1

    def worker(self) -> RetryWorker:
        """A worker of the service as it is."""
        return RetryWorker(self.ingestions, self.status, self.service)

    async def ended(self, codes: dict[int, str]) -> None:
        """The file is ingested; these rows failed."""
        await self.deliver()
        for batch in self.sent():
            await self.conclude(batch, codes)

    async def conclude(self, batch: RowBatch, codes: dict[int, str]) -> None:
        """An outcome of a batch; failed rows by their numbers in the process that stands for itself."""
        bounds = batch.key.range
        numbers = list(range(bounds.first_row, bounds.first_row + bounds.row_count))
        repaired = None
        if batch.repairs:
            repaired = Repaired(batch.repairs.process_id, batch.repairs.numbers)
        there = batch.repairs.numbers if batch.repairs else numbers
        rows = [
            RejectedRow(number, number + 1, "failed", (RowError(codes[other], "", "", "no", "load"),), ("x",))
            for number, other in zip(numbers, there, strict=True)
            if other in codes
        ]
        await self.status.record(
            BatchOutcome(
                batch.key, "succeeded", bounds.row_count - len(rows), len(rows), 0, tuple(rows),
                repaired=repaired,
            )
        )  # fmt: skip

    def batches_of(self, process: str) -> list[RowBatch]:
        """What was sent of a process, by number."""
        return [batch for batch in self.sent() if batch.key.process_id == process]


async def test_what_a_repair_would_be() -> None:
    suite = Repairs()
    with pytest.raises(NotFoundError):
        await suite.repairs.prepare(suite.process)
    await suite.deliver()
    with pytest.raises(FailedPreconditionError) as caught:
        await suite.repairs.prepare(suite.process)
    assert caught.value.reason == "PROCESS_RUNNING"
    for batch in suite.sent():
        await suite.conclude(batch, {7: "type-error"})
    found = await suite.repairs.prepare(suite.process)
    assert (found.file, found.table) == (suite.file, OriginalTable(("id", "name"), ROWS, False, ",", '"'))
    # A repair's own failed rows are those of what it repairs.
    repair = replace(suite.file, process_id=str(uuid.uuid4()), repairs=suite.process)
    await suite.service.begin(repair, None)
    assert await suite.repairs.prepare(repair.process_id) == found


@pytest.mark.parametrize(
    ("normal_form", "dialect", "null"),
    [
        (False, '{"format": "csv"}', False),
        (True, '{"format": "csv", "escapeChar": "x"}', False),
        (True, '{"format": "xlsx"}', True),
        (True, '{"format": "jsonl"}', True),
    ],
)
async def test_what_an_empty_cell_stands_for(normal_form: bool, dialect: str, null: bool) -> None:
    suite = Repairs()
    await suite.ended({7: "type-error"})
    known = suite.ingestions.ingestions[suite.process]
    content = Content(KEY, 9, normal_form, dialect)
    suite.ingestions.ingestions[suite.process] = replace(known, content=content)
    assert (await suite.repairs.prepare(suite.process)).table.empty_is_null is null


async def test_nothing_to_repair() -> None:
    suite = Repairs()
    await suite.ended({})
    for call in (suite.repairs.prepare(suite.process), suite.repairs.retry(suite.process)):
        with pytest.raises(FailedPreconditionError) as caught:
            await call
        assert caught.value.reason in ("NOTHING_TO_REPAIR", "NOTHING_TO_RETRY")
    assert not suite.woken


TRANSIENT = {3: "foreign-key", 4: "sink-error", 7: "type-error", 30: "batch-error", 59: "foreign-key"}


async def test_a_retry_has_the_rows_that_may_succeed_now() -> None:
    suite = Repairs()
    await suite.ended(TRANSIENT)
    retry, count = await suite.repairs.retry(suite.process)
    assert (count, suite.woken) == (4, 1)
    assert suite.status.processes[retry].started
    await suite.worker().dispatch_all()
    parents = {batch.key.range.byte_start: batch for batch in suite.batches_of(suite.process)}
    rows: list[int] = []
    first = 1
    for batch in suite.batches_of(retry):
        parent = parents[batch.key.range.byte_start]  # the same bytes
        assert (batch.data, batch.columns) == (parent.data, parent.columns)
        assert batch.repairs == RepairedRows(
            suite.process, ("id", "name"), batch.repairs.numbers if batch.repairs else (),
            parent.key.range.first_row,
        )  # fmt: skip
        assert batch.repairs is not None
        assert batch.key.range.first_row == first
        assert batch.key.range.row_count == len(batch.repairs.numbers)
        first += len(batch.repairs.numbers)
        rows += batch.repairs.numbers
    assert rows == [3, 4, 30, 59]

    assert await suite.repairs.retry(suite.process) == (retry, 4)  # while it runs
    for batch in suite.batches_of(retry):
        await suite.conclude(batch, {30: "foreign-key"})
    assert suite.status.processes[retry].account.state.name == "COMPLETED_WITH_ERRORS"
    assert suite.status.processes[suite.process].account.failed == 2
    second, count = await suite.repairs.retry(suite.process)  # what a retry has failed is tried again
    assert (second != retry, count) == (True, 1)


async def test_two_calls_at_once_make_one_retry() -> None:
    suite = Repairs()
    await suite.ended(TRANSIENT)
    first, second = await asyncio.gather(*(suite.repairs.retry(suite.process) for _ in range(2)))
    assert first == second


async def test_a_batch_that_died_is_run_again_as_a_whole() -> None:
    suite = Repairs()
    await suite.deliver()
    (dead, *others) = suite.sent()
    await suite.status.record(failed_outcome(dead.key, RowError("batch-error", "", "", "dead", "load")))
    for batch in others:
        await suite.conclude(batch, {})
    retry, count = await suite.repairs.retry(suite.process)
    await suite.worker().dispatch_all()
    (sent,) = suite.batches_of(retry)
    assert sent.repairs is not None
    assert count == dead.key.range.row_count
    assert list(sent.repairs.numbers) == list(range(1, count + 1))


async def test_corrected_rows_are_not_run_again_with_their_old_cells() -> None:
    suite = Repairs()
    await suite.ended(TRANSIENT)
    repair = replace(suite.file, process_id=str(uuid.uuid4()), repairs=suite.process)
    await suite.service.begin(repair, None)
    key = replace(suite.sent()[0].key, process_id=repair.process_id)
    key = replace(key, range=replace(key.range, row_count=4))
    rows = tuple(
        RejectedRow(n, n, "failed", (RowError("foreign-key", "", "", "no", "load"),), ("x",))
        for n in (1, 2, 3)
    )
    told = Repaired(suite.process, (3, 4, 30, 59))
    await suite.status.record(BatchOutcome(key, "succeeded", 1, 3, 0, rows, repaired=told))
    with pytest.raises(FailedPreconditionError) as caught:
        await suite.repairs.retry(suite.process)
    assert caught.value.reason == "NOTHING_TO_RETRY"
    assert "3 rows" in caught.value.message


async def test_a_crash_while_a_retry_is_sent_costs_nothing() -> None:
    suite = Repairs()
    await suite.ended(TRANSIENT)
    retry, _ = await suite.repairs.retry(suite.process)
    send, calls = suite.queue.send, 0

    async def dies(packed: Packed) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise RuntimeError("the machine is gone")
        await send(packed)

    suite.queue.send = dies  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        await suite.worker().dispatch_all()
    suite.queue.send = send  # type: ignore[method-assign]
    suite.restart()
    await suite.worker().dispatch_all()
    assert [row for b in suite.batches_of(retry) if b.repairs for row in b.repairs.numbers] == [3, 4, 30, 59]
    found = await suite.ingestions.get(retry)
    assert found is not None
    assert found.state is IngestionState.DISPATCHED


async def test_a_worker_takes_up_what_is_open_and_stops() -> None:
    suite = Repairs()
    await suite.ended(TRANSIENT)
    retry, _ = await suite.repairs.retry(suite.process)
    away, finished = 2, asyncio.Event()
    started, done = suite.status.started, suite.status.finished

    async def away_at_first(file: FileInfo) -> object:
        nonlocal away
        away -= 1
        if away >= 0:
            raise TransientError("status away")
        return await started(file)

    async def says_so(process_id: str, rows: int, batches: int) -> object:
        finished.set()
        return await done(process_id, rows, batches)

    suite.status.started = away_at_first  # type: ignore[method-assign, assignment]
    suite.status.finished = says_so  # type: ignore[method-assign, assignment]
    stopping = asyncio.Event()
    running = asyncio.create_task(suite.worker().run(stopping))
    async with asyncio.timeout(20):
        await finished.wait()
        stopping.set()
        await running
    assert len(suite.batches_of(retry)) == 3


async def test_a_cancelled_retry_sends_no_more() -> None:
    suite = Repairs()
    await suite.ended(TRANSIENT)
    retry, _ = await suite.repairs.retry(suite.process)
    await suite.service.cancel(retry)
    await suite.worker().dispatch_all()
    assert suite.batches_of(retry) == []


async def test_a_file_that_is_gone() -> None:
    suite = Repairs()
    await suite.ended(TRANSIENT)
    data = suite.store.files.pop(KEY)
    with pytest.raises(FailedPreconditionError) as caught:
        await suite.repairs.retry(suite.process)
    assert caught.value.reason == "FILE_GONE"
    suite.store.files[KEY] = data
    retry, _ = await suite.repairs.retry(suite.process)
    del suite.store.files[KEY]  # since
    await suite.worker().dispatch_all()
    failure = suite.status.processes[retry].account.failure
    assert failure is not None
    assert failure.reason == "FILE_GONE"


async def bring_report(suite: Repairs, columns: tuple[str, ...]) -> tuple[str, list[RowBatch]]:
    """A corrected report in its form; its process and batches."""
    repair = replace(suite.file, process_id=str(uuid.uuid4()), repairs=suite.process)
    data = header_line(columns) + b"".join(b"%d,,7,%d,x\n" % (n, n) for n in range(2, 40))
    # The dialect that a person declared for the report does not matter to what became of it.
    content = Content("r", len(data), True, '{"blankColumns": "error", "delimiter": ";"}')
    await suite.service.begin(repair, content)

    async def chunks() -> object:
        yield Chunk(0, data, True)

    await suite.service.ingest(repair.process_id, chunks())  # type: ignore[arg-type]
    return repair.process_id, suite.batches_of(repair.process_id)


async def test_a_corrected_report_is_cut_like_any_file() -> None:
    suite = Repairs()
    await suite.ended({7: "type-error"})
    process, batches = await bring_report(suite, ("_row", "id", ""))
    assert sum(batch.key.range.row_count for batch in batches) == 38
    assert {batch.repairs for batch in batches} == {RepairedRows(suite.process, ("id", "name"), (), 0)}
    assert {batch.columns for batch in batches} == {("_row", "id", "name")}
    assert suite.status.processes[process].columns == ("id", "name")


async def test_a_report_of_another_width_is_refused() -> None:
    suite = Repairs()
    await suite.ended({7: "type-error"})
    process, batches = await bring_report(suite, ("_row", "id", "name", "more"))
    assert batches == []
    failure = suite.status.processes[process].account.failure
    assert failure is not None
    assert failure.reason == "NOT_A_REPORT"


async def test_a_repair_of_a_process_that_is_gone_says_so() -> None:
    suite = Repairs()
    with pytest.raises(ServiceError) as caught:
        await suite.repairs.retry(str(uuid.uuid4()))
    assert caught.value.reason == "PROCESS_NOT_FOUND"


async def test_a_retry_that_cannot_be_dispatched_holds_up_no_other() -> None:
    suite = Repairs()
    await suite.ended(TRANSIENT)
    retry, _ = await suite.repairs.retry(suite.process)
    stuck = replace(suite.file, process_id=str(uuid.uuid4()), repairs=str(uuid.uuid4()), retry=True)
    first = replace(suite.ingestions.ingestions[retry], file=stuck)
    suite.ingestions.recorded[stuck.process_id] = {}
    others = suite.ingestions.ingestions
    suite.ingestions.ingestions = {stuck.process_id: first, **others}
    started = suite.status.started

    async def refuses(file: FileInfo) -> object:
        if file == stuck:
            raise FailedPreconditionError("ILLEGAL_TRANSITION", "no")
        return await started(file)

    suite.status.started = refuses  # type: ignore[method-assign, assignment]
    await suite.worker().dispatch_all()
    assert len(suite.batches_of(retry)) == 3
