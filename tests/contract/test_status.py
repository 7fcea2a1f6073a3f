"""What the status service does for the orchestrator and for the processor."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, replace

import asyncpg
import grpc
import pytest
from prometheus_client import CollectorRegistry

from ingestor.formats import NEWER_RELEASE, OUTCOMES, NewerReleaseError
from ingestor.internal.v1 import ledger_pb2, ledger_pb2_grpc
from ingestor.outcomes import DisplacedRow, RejectedRow, RejectedState, RowError
from ingestor.runtime.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    TransientError,
    from_rpc_error,
)
from ingestor.runtime.grpc.channel import open_channel
from ingestor.runtime.grpc.error_details import error_details
from ingestor.runtime.grpc.interceptors import ServerInterceptor
from ingestor.runtime.observability.metrics import RpcMetrics
from ingestor.services.orchestrator.adapters.grpc_status import GrpcStatus
from ingestor.services.orchestrator.ingestions import Batch, Content, FileInfo
from ingestor.services.orchestrator.ports import FailedRow, Limits, Progress, Standing
from ingestor.services.processor.adapters.grpc_status import GrpcOutcomes
from ingestor.services.processor.batches import (
    BatchKey,
    BatchOutcome,
    BatchRange,
    Repaired,
    failed_outcome,
    unprocessed_outcome,
)
from ingestor.services.processor.ports import Disposition
from ingestor.services.status.settings import StatusSettings
from ingestor.v1 import common_pb2, status_pb2
from ingestor.wire import rejected_message
from tests.fakes.status import MemoryStatus
from tests.status_stub import channel_of, status_stub

CONTENT = Content("default/u", 123, False, "{}")
NO_LIMITS = Limits()
PROBLEM = RowError("type-error", "name", "=x", 'name: "=x" is no name', "validate")


@dataclass
class Ends:
    """The service as the orchestrator and as the processor meet it."""

    status: GrpcStatus | MemoryStatus
    outcomes: GrpcOutcomes | MemoryStatus


@pytest.fixture
def memory() -> Ends:
    """Both ends of the fake."""
    status = MemoryStatus()
    return Ends(status, status)


@pytest.fixture
async def grpc_service(status_address: str) -> AsyncIterator[Ends]:
    """Both ends of a service."""
    async with (
        channel_of("orchestrator", status_address) as orchestrator,
        channel_of("processor", status_address) as processor,
    ):
        yield Ends(GrpcStatus(orchestrator), GrpcOutcomes(processor))


@pytest.fixture(params=["grpc_service", "memory"], ids=["grpc", "memory"])
def ends(request: pytest.FixtureRequest) -> Ends:
    """Both ends, of either."""
    made: Ends = request.getfixturevalue(request.param)
    return made


def batch(number: int) -> Batch:
    """Batch `number` of a file of ten rows a batch."""
    first = number * 10 - 9
    return Batch(number, first, 10, first + 1, first + 11, first * 20, first * 20 + 200)


def key(process: str, number: int) -> BatchKey:
    """The same batch for the processor."""
    made = batch(number)
    bounds = BatchRange(
        number, made.first_row, made.row_count, made.first_line, made.byte_start, made.byte_end
    )
    return BatchKey(process, "default", bounds)


def good(process: str, number: int) -> BatchOutcome:
    """All rows of a batch are loaded."""
    return BatchOutcome(key(process, number), "succeeded", 10, 0, 0, ())


async def start(ends: Ends, limits: Limits = NO_LIMITS) -> str:
    """A process with a header."""
    process = str(uuid.uuid4())
    assert await ends.status.progress(process) is None
    file = FileInfo(process, "default", "u", "a.csv", 123, "p", 1)
    assert (await ends.status.started(file)).state == "PENDING"
    assert (await ends.status.started(file)).state == "PENDING"
    assert (await ends.status.header_read(process, ["id", "name"], CONTENT, limits)).state == "DISPATCHING"
    return process


async def test_a_process_to_its_end(ends: Ends) -> None:
    process = await start(ends)
    for number in (1, 2, 2):
        await ends.status.dispatched(process, batch(number))
    assert await ends.status.queued(process) == [1, 2]
    for _ in range(2):
        await ends.outcomes.record(good(process, 2))
    assert await ends.status.queued(process) == [1]
    assert await ends.status.finished(process, 20, 2) == Progress("PROCESSING", False, 1)
    row = RejectedRow(4, 5, "failed", (PROBLEM,), ("4", "=x"))
    await ends.outcomes.record(BatchOutcome(key(process, 1), "succeeded", 9, 1, 0, (row,)))
    assert await ends.status.progress(process) == Progress("COMPLETED_WITH_ERRORS", True, 2)


async def test_an_outcome_may_overtake_its_batch(ends: Ends) -> None:
    process = await start(ends)
    await ends.outcomes.record(good(process, 1))
    assert (await ends.status.dispatched(process, batch(1))).batches_processed == 1
    assert await ends.status.finished(process, 10, 1) == Progress("COMPLETED", True, 1)


async def test_a_dead_batch(ends: Ends) -> None:
    process = await start(ends)
    await ends.status.dispatched(process, batch(1))
    await ends.outcomes.record(failed_outcome(key(process, 1), PROBLEM))
    assert (await ends.status.finished(process, 10, 1)).state == "COMPLETED_WITH_ERRORS"


async def test_an_unusable_file(ends: Ends) -> None:
    process = await start(ends)
    for _ in range(2):
        assert await ends.status.failed(process, "FILE_EMPTY", "It is empty.") == Progress("FAILED", True, 0)
    with pytest.raises(FailedPreconditionError):
        await ends.status.cancelled(process)


async def test_what_the_suite_paused_may_go_on_by_itself(ends: Ends) -> None:
    process, other = await start(ends), await start(ends)
    for each, resumes in ((process, True), (other, False)):
        assert await ends.outcomes.hold(each, "The table is locked.", resumes=resumes)
        found = await ends.status.progress(each)
        assert found and (found.state, found.held, found.resumes) == ("PAUSED", True, resumes)
        await ends.status.resumed(each)
        found = await ends.status.progress(each)
        assert found and not found.held and not found.resumes


async def test_batches_that_were_sent_again_change_nothing(ends: Ends) -> None:
    process = await start(ends)
    before = await ends.status.dispatched(process, batch(1))
    assert await ends.status.redispatched(process, [batch(1)]) == before
    await ends.status.cancelled(process)
    assert (await ends.status.redispatched(process, [batch(1)])).terminal


async def test_paused_resumed_cancelled(ends: Ends) -> None:
    process = await start(ends)
    assert (await ends.status.paused(process)).state == "PAUSED"
    assert (await ends.status.dispatched(process, batch(1))).state == "PAUSED"
    assert (await ends.status.resumed(process)).state == "DISPATCHING"
    assert await ends.outcomes.disposition(str(uuid.uuid4())) is Disposition.RUNNING
    assert (await ends.status.cancelled(process)).terminal
    assert await ends.outcomes.disposition(process) is Disposition.STOPPED
    for change in (ends.status.paused, ends.status.resumed):
        with pytest.raises(FailedPreconditionError) as caught:
            await change(process)
        assert caught.value.reason == "ILLEGAL_TRANSITION"
    await ends.outcomes.record(unprocessed_outcome(key(process, 1)))
    assert await ends.status.progress(process) == Progress("CANCELLED", True, 1)


async def test_held_and_resumed(ends: Ends) -> None:
    """By the suite itself; what a person does then counts as well."""
    process = await start(ends)
    await ends.status.dispatched(process, batch(1))
    assert await ends.outcomes.disposition(process) is Disposition.RUNNING
    for reason in ("It is gone.", "It is gone.", "It may not be read."):
        assert await ends.outcomes.hold(process, reason)
        assert await ends.outcomes.disposition(process) is Disposition.HELD
    await ends.status.paused(process)
    assert await ends.status.progress(process) == Progress("PAUSED", False, 0, held=True)
    assert await ends.outcomes.disposition(process) is Disposition.HELD
    await ends.status.resumed(process)
    assert await ends.outcomes.disposition(process) is Disposition.RUNNING
    await ends.status.paused(process)
    assert await ends.status.progress(process) == Progress("PAUSED", False, 0)
    assert await ends.outcomes.hold(process, "It is gone.")
    await ends.status.cancelled(process)
    assert await ends.outcomes.disposition(process) is Disposition.STOPPED
    assert not await ends.outcomes.hold(process, "It is gone.")
    assert await ends.status.progress(process) == Progress("CANCELLED", True, 0)


@pytest.mark.parametrize(
    ("limits", "failed", "given_up"),
    [
        (Limits(max_failed=1), 1, False),
        (Limits(max_failed=1), 2, True),
        (Limits(max_failed=0), 1, True),
        (Limits(max_failed_share=0.2), 3, False),  # too few rows so far
        (Limits(), 10, False),
    ],
)
async def test_too_many_failed_rows(ends: Ends, limits: Limits, failed: int, given_up: bool) -> None:
    process = await start(ends, limits)
    rows = tuple(RejectedRow(n, n + 1, "failed", (PROBLEM,), ("x",)) for n in range(1, failed + 1))
    await ends.outcomes.record(BatchOutcome(key(process, 1), "succeeded", 10 - failed, failed, 0, rows))
    found = await ends.status.progress(process)
    assert found is not None
    assert (found.state == "FAILED") is given_up
    assert (await ends.outcomes.disposition(process) is Disposition.STOPPED) is given_up
    assert (await ends.status.dispatched(process, batch(2))).terminal is given_up


async def test_a_share_is_looked_at_in_the_end(ends: Ends) -> None:
    process = await start(ends, Limits(max_failed_share=0.1))
    row = RejectedRow(1, 2, "failed", (PROBLEM,), ("x",))
    await ends.outcomes.record(BatchOutcome(key(process, 1), "succeeded", 9, 1, 0, (row,)))
    other = RejectedRow(11, 12, "failed", (PROBLEM,), ("x",))
    another = RejectedRow(12, 13, "failed", (PROBLEM,), ("x",))
    await ends.outcomes.record(BatchOutcome(key(process, 2), "succeeded", 8, 2, 0, (other, another)))
    assert (await ends.status.finished(process, 20, 2)).state == "FAILED"  # 3 of 20
    process = await start(ends, Limits(max_failed_share=0.1))
    await ends.outcomes.record(BatchOutcome(key(process, 1), "succeeded", 9, 1, 0, (row,)))
    assert (await ends.status.finished(process, 10, 1)).state == "COMPLETED_WITH_ERRORS"  # just 10 %


def taken(*numbers: int) -> tuple[DisplacedRow, ...]:
    """Rows that were displaced."""
    problem = RowError("primary-key", "id", "7", "The table already has a row with the same id.", "load")
    return tuple(DisplacedRow(number, problem) for number in numbers)


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 1, 3), (2, 3, 1), (3, 1, 2), (1, 3, 2)])
async def test_displaced_rows_have_failed(ends: Ends, order: tuple[int, ...]) -> None:
    """Batch 3 was loaded first, 2 has displaced a row of it, 1 rows of both; told in any order, and twice."""
    process = await start(ends)
    await ends.status.finished(process, 30, 3)
    outcomes = {
        1: replace(good(process, 1), displaced=taken(11, 12, 22, 30)),
        2: replace(
            BatchOutcome(key(process, 2), "succeeded", 9, 1, 0, (fails(15, "type-error"),)),
            displaced=taken(21),
        ),
        3: BatchOutcome(key(process, 3), "succeeded", 9, 1, 0, (fails(23, "primary-key"),)),
    }
    for number in order:
        for _ in range(2):
            await ends.outcomes.record(outcomes[number])
    assert await ends.status.progress(process) == Progress("COMPLETED_WITH_ERRORS", True, 3)
    assert await ends.status.standing(process) == Standing(True, False, False, 7)
    states = await ends.outcomes.row_states(process, range(1, 31))
    assert [number for number, state in states.items() if state != "succeeded"] == [
        11, 12, 15, 21, 22, 23, 30
    ]  # fmt: skip
    assert [row.row_number for row in await failed_rows(ends, process, "primary-key")] == [
        11, 12, 21, 22, 23, 30
    ]  # fmt: skip


async def test_displaced_rows_count_against_the_limit(ends: Ends) -> None:
    process = await start(ends, Limits(max_failed=1))
    await ends.outcomes.record(good(process, 2))
    await ends.outcomes.record(replace(good(process, 1), displaced=taken(11, 12)))
    found = await ends.status.progress(process)
    assert found is not None
    assert found.state == "FAILED"


async def test_many_displaced_rows(ends: Ends) -> None:
    """More than fit into one message."""
    process = await start(ends)
    problem = RowError("primary-key", "id", "7" * 1000, "m" * 1000, "load")
    displaced = tuple(DisplacedRow(row, problem) for row in range(11, 1011))
    await ends.outcomes.record(replace(good(process, 1), displaced=displaced))
    for number in range(2, 102):
        await ends.outcomes.record(good(process, number))
    assert (await ends.status.finished(process, 1010, 101)).state == "COMPLETED_WITH_ERRORS"
    assert await ends.status.standing(process) == Standing(True, False, False, 1000)


async def test_a_displaced_row_needs_an_error(status_address: str) -> None:
    header = ledger_pb2.OutcomeHeader(
        process_id=str(uuid.uuid4()),
        batch=common_pb2.BatchRange(batch_number=1, first_row=1, row_count=1),
        default_state=common_pb2.ROW_STATE_SUCCEEDED,
        succeeded=1,
    )
    displaced = [ledger_pb2.DisplacedRow(row_number=2)]
    request = ledger_pb2.RecordOutcomesRequest(header=header, displaced=displaced)
    async with open_channel(status_address) as channel:
        stub = status_stub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.RecordOutcomes(iter([request]))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    error = from_rpc_error(caught.value)
    assert isinstance(error, InvalidArgumentError)
    assert [violation.field for violation in error.violations] == ["displaced.error"]


async def test_an_outcome_of_a_newer_release_is_for_a_newer_one(status_address: str) -> None:
    """The processor tries again, until one answers that understands it."""
    header = ledger_pb2.OutcomeHeader(process_id=str(uuid.uuid4()), reader_version=OUTCOMES.version + 1)
    async with open_channel(status_address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await status_stub(channel).RecordOutcomes(iter([ledger_pb2.RecordOutcomesRequest(header=header)]))
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert error_details(caught.value).reason == NEWER_RELEASE
    assert isinstance(from_rpc_error(caught.value), TransientError)


async def test_neighbours_for_the_same_reasons_are_sent_as_one(
    status_address: str, status_settings: StatusSettings
) -> None:
    """And what is no run is refused."""
    process = str(uuid.uuid4())
    rows = [RejectedRow(row, row + 1, "failed", (PROBLEM,), (str(row),)) for row in (2, 4, 5, 6, 9, 10)]
    async with channel_of("processor", status_address) as channel:
        await GrpcOutcomes(channel).record(BatchOutcome(key(process, 1), "succeeded", 4, 6, 0, tuple(rows)))
    database = await asyncpg.connect(status_settings.database_url.get_secret_value())
    try:
        async with database.transaction():
            await database.execute("SELECT set_config('ingestor.tenant', '*', true)")
            kept = await database.fetch("SELECT first_row, row_count FROM status.row_runs ORDER BY 1")
            assert [tuple(run) for run in kept] == [(4, 3), (9, 2)]
            assert await database.fetchval("SELECT count(*) FROM status.row_exceptions") == 1
    finally:
        await database.close()
    async with open_channel(status_address) as channel:
        found = (await status_stub(channel).ListRows(status_pb2.ListRowsRequest(
            process_id=process, filter="status=FAILED"))).rows  # fmt: skip
        assert [(row.row_number, row.line_number, list(row.cells)) for row in found] == [
            (row.row_number, row.line_number, list(row.cells)) for row in rows
        ]
        pages: list[list[int]] = []
        token = ""
        while token or not pages:
            page = await status_stub(channel).ListRows(
                status_pb2.ListRowsRequest(process_id=process, page_size=4, page_token=token)
            )
            pages.append([row.row_number for row in page.rows])
            token = page.next_page_token
        assert pages == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10]]
        asked = status_pb2.ListRowsRequest(process_id=process, filter="status=SKIPPED")
        none = await status_stub(channel).ListRows(asked)
        assert not none.rows and not none.next_page_token
        header = ledger_pb2.OutcomeHeader(process_id=process)
        wrong = ledger_pb2.RejectedRun(first=rejected_message(rows[0]), row_count=1)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            request = ledger_pb2.RecordOutcomesRequest(header=header, runs=[wrong])
            await status_stub(channel).RecordOutcomes(iter([request]))
    error = from_rpc_error(caught.value)
    assert isinstance(error, InvalidArgumentError)
    assert [violation.field for violation in error.violations] == ["runs"]


class OlderStatus(ledger_pb2_grpc.LedgerServiceServicer):
    """The status service of a release that reads no runs."""

    def __init__(self) -> None:
        self.refused = 0
        self.rows: list[list[int]] = []

    async def RecordOutcomes(
        self, request_iterator: AsyncIterator[ledger_pb2.RecordOutcomesRequest], context: object
    ) -> ledger_pb2.RecordOutcomesResponse:
        requests = [request async for request in request_iterator]
        if requests[0].header.reader_version > 1:
            self.refused += 1
            raise NewerReleaseError("the outcome needs a reader of version 2")
        self.rows.append([row.row_number for request in requests for row in request.rows])
        return ledger_pb2.RecordOutcomesResponse(recorded=True)


async def test_an_older_status_service_gets_each_row_alone() -> None:
    """At once, and without asking again for a while."""
    older = OlderStatus()  # type: ignore[abstract]
    server = grpc.aio.server(interceptors=[ServerInterceptor(RpcMetrics(CollectorRegistry()))])
    ledger_pb2_grpc.add_LedgerServiceServicer_to_server(older, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    rows = tuple(RejectedRow(row, row + 1, "failed", (PROBLEM,), ()) for row in (2, 4, 5, 6))
    try:
        async with channel_of("processor", f"127.0.0.1:{port}") as channel:
            outcomes = GrpcOutcomes(channel)
            for number in (1, 1):
                outcome = BatchOutcome(key(str(uuid.uuid4()), number), "succeeded", 6, 4, 0, rows)
                await outcomes.record(outcome)
    finally:
        await server.stop(None)
    assert older.rows == [[2, 4, 5, 6]] * 2
    assert 1 <= older.refused <= 4  # gRPC repeats what is UNAVAILABLE


async def test_a_watcher_sees_changes_and_the_end(ends: Ends) -> None:
    process = await start(ends)
    async with asyncio.timeout(20), aclosing(ends.status.watch(process)) as watching:
        assert (await anext(watching)).batches_processed == 0
        await ends.status.dispatched(process, batch(1))
        await ends.outcomes.record(good(process, 1))
        while (await anext(watching)).batches_processed == 0:
            pass
        await ends.status.finished(process, 10, 1)
        assert [seen async for seen in watching][-1] == Progress("COMPLETED", True, 1)


async def test_a_batch_with_many_wide_rows(ends: Ends) -> None:
    """More than fits into one message, and a cell that does not fit at all."""
    process = await start(ends)
    rows = [
        RejectedRow(number, number + 1, "failed", (PROBLEM,), ("x" * 400_000,)) for number in range(1, 10)
    ]
    rows.append(RejectedRow(10, 11, "failed", (PROBLEM,), ("y" * 9_000_000, "z")))
    await ends.outcomes.record(BatchOutcome(key(process, 1), "succeeded", 0, 10, 0, tuple(rows)))
    assert (await ends.status.finished(process, 10, 1)).state == "COMPLETED_WITH_ERRORS"


def fails(number: int, code: str, state: RejectedState = "failed") -> RejectedRow:
    """A row that is no success."""
    problem = RowError(code, "", "", "no", "load")
    return RejectedRow(number, number + 1, state, (problem,), (str(number), "x"))


async def ended(ends: Ends) -> str:
    """A process that has ended: row 4 and 5 failed, 6 was skipped, 11 to 20 died."""
    process = await start(ends)
    rows = (fails(4, "type-error"), fails(5, "foreign-key"), fails(6, "blank-row", "skipped"))
    await ends.outcomes.record(BatchOutcome(key(process, 1), "succeeded", 7, 2, 1, rows))
    dead = RowError("batch-error", "", "", "dead", "load")
    await ends.outcomes.record(failed_outcome(key(process, 2), dead))
    await ends.status.finished(process, 20, 2)
    return process


async def repairing(ends: Ends, parent: str) -> str:
    """A process that repairs another one."""
    process = str(uuid.uuid4())
    await ends.status.started(FileInfo(process, "default", "u", "a.csv", 123, "p", 1, parent))
    return process


async def failed_rows(ends: Ends, process: str, code: str) -> list[FailedRow]:
    """The failed rows with this error."""
    return [row async for row in ends.status.failed_rows(process, code)]


async def test_where_rows_stand(ends: Ends) -> None:
    process = await ended(ends)
    assert await ends.outcomes.row_states(process, [21, 4, 1, 6, 11, 20]) == {
        1: "succeeded", 4: "failed", 6: "skipped", 11: "failed", 20: "failed"
    }  # fmt: skip
    assert await ends.outcomes.row_states(process, []) == {}
    with pytest.raises(NotFoundError):
        await ends.outcomes.row_states(str(uuid.uuid4()), [1])
    assert await ends.status.standing(process) == Standing(True, False, False, 12)
    assert await ends.status.standing(str(uuid.uuid4())) is None
    dead = await failed_rows(ends, process, "batch-error")
    assert dead == [FailedRow(number, frozenset({"batch-error"}), "") for number in range(11, 21)]
    assert await failed_rows(ends, process, "sink-error") == []
    running = await start(ends)
    assert await ends.status.standing(running) == Standing(False, False, False, 0)


async def test_a_repair_changes_what_it_repairs(ends: Ends) -> None:
    parent = await ended(ends)
    process = await repairing(ends, parent)
    # Rows 1 to 10 of the repair: two that succeed, one that fails again, one that the pipeline leaves out,
    # others that change nothing.
    numbers = (4, 15, 11, 6, 1, 0, 21, 99, 5, 20)
    rows = (
        fails(3, "foreign-key"), fails(6, "row-number"), fails(9, "not-failed", "skipped"),
        fails(10, "filtered", "skipped"),
    )  # fmt: skip
    outcome = BatchOutcome(
        key(process, 1), "succeeded", 6, 2, 2, rows, repaired=Repaired(parent, numbers)
    )  # fmt: skip
    for _ in range(2):  # told twice
        await ends.outcomes.record(outcome)
    states = await ends.outcomes.row_states(parent, range(1, 21))
    assert [number for number, state in states.items() if state == "failed"] == [
        5, 11, 12, 13, 14, 16, 17, 18, 19
    ]  # fmt: skip
    assert states[6] == states[20] == "skipped"
    assert await ends.status.standing(parent) == Standing(True, False, False, 9)
    assert await failed_rows(ends, parent, "foreign-key") == [
        FailedRow(5, frozenset({"foreign-key"}), ""), FailedRow(11, frozenset({"foreign-key"}), process),
    ]  # fmt: skip
    assert await ends.status.progress(parent) == Progress("COMPLETED_WITH_ERRORS", True, 2)
    # Another repair brings all that is left.
    last = await repairing(ends, parent)
    # The last one was left out, but this repair, which began before that was known, has loaded it.
    left = (5, 11, 12, 13, 14, 16, 17, 18, 19, 20)
    done = BatchOutcome(key(last, 1), "succeeded", 10, 0, 0, (), repaired=Repaired(parent, left))
    await ends.outcomes.record(done)
    assert await ends.status.progress(parent) == Progress("COMPLETED", True, 2)
    assert await ends.status.standing(parent) == Standing(True, False, False, 0)
    states = await ends.outcomes.row_states(parent, range(1, 21))
    assert [number for number, state in states.items() if state != "succeeded"] == [6]


async def test_a_repair_whose_batch_died_changes_nothing(ends: Ends) -> None:
    parent = await ended(ends)
    process = await repairing(ends, parent)
    await ends.outcomes.record(failed_outcome(key(process, 1), PROBLEM))
    assert await ends.status.standing(parent) == Standing(True, False, False, 12)
