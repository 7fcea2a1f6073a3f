"""A batch's use case and the workers behind fakes: every effect once, every failure retried or told."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from ingestor.access.scope import everything, within
from ingestor.formats import BATCHES, NewerReleaseError
from ingestor.outcomes import DisplacedRow, RejectedRow, RowError
from ingestor.pipeline_documents import read_document
from ingestor.pipelines.document import Pipeline
from ingestor.runtime.errors import TransientError
from ingestor.runtime.processes.pool import Processes
from ingestor.services.orchestrator.ports import Packed
from ingestor.services.processor.batches import (
    BatchKey,
    BatchOutcome,
    BatchRange,
    RowBatch,
    StoredSlice,
    failed_outcome,
    unprocessed_outcome,
)
from ingestor.services.processor.checks.isolated import IsolatedChecks
from ingestor.services.processor.dead_letters.handler import DeadHandler
from ingestor.services.processor.dry_run import dry_run
from ingestor.services.processor.ports import (
    Delivery,
    Disposition,
    GoodRows,
    Refused,
    SchemaNotAllowedError,
    SinkRefusedError,
    TableLockedError,
    TooManyTablesError,
)
from ingestor.services.processor.reading import line_shifts
from ingestor.services.processor.service import BatchService, Metrics
from ingestor.services.processor.worker import QueueWorker, RowsHandler
from ingestor.tabular.options import parse_options
from ingestor.tabular.parsers.csv import read_csv_slice
from ingestor.tabular.records.syntax import Dialect
from tests.examples import examples
from tests.fakes.dry_run import MemoryDryRunTables
from tests.fakes.pipelines import MemoryCatalogue
from tests.fakes.queue import MemoryQueue
from tests.fakes.sink import MemoryHandedBack, MemorySink
from tests.fakes.status import MemoryStatus
from tests.fakes.store import MemoryFileStore
from tests.fakes.work import WORK, Here

PIPELINE = {
    "name": "people",
    "schema": {
        "fields": [
            {"name": "id", "type": "integer", "constraints": {"required": True}},
            {"name": "name", "type": "string", "constraints": {"maxLength": 5}},
        ],
        "primaryKey": ["id"],
    },
    "sink": {"table": "people"},
}
DATA = b"1,ann\nx,bob\n3,christopher\n4\n1,again\n6,fay\n"


class Suite:
    """The service and its fakes."""

    def __init__(self) -> None:
        self.sink = MemorySink()
        self.status = MemoryStatus()
        self.store = MemoryFileStore()
        self.pipelines = MemoryCatalogue()
        self.process = str(uuid.uuid4())
        self.handed_back = MemoryHandedBack()
        self.processes: Processes = Here()
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry)
        self.service = BatchService(self.sink, self.status, self.pipelines, self.store, self.metrics)

    def handler(self, queue: MemoryQueue) -> RowsHandler:
        """What loads the batches of a queue."""
        return RowsHandler(queue, self.service, self.handed_back)

    def dead(self, queue: MemoryQueue) -> DeadHandler:
        """What concludes the dead letters of a queue."""
        checks = lambda tenant: IsolatedChecks(self.processes, tenant=tenant, seconds=10)  # noqa: E731
        return DeadHandler(queue, self.service, self.handed_back, checks, self.registry)

    def key(self, number: int = 1, rows: int = 6) -> BatchKey:
        """A batch."""
        first, start = (number - 1) * rows + 1, len(b"id,name\n")
        bounds = BatchRange(number, first, rows, first + 1, start, start + len(DATA))
        return BatchKey(self.process, "default", bounds)

    def batch(self, number: int = 1, data: bytes = DATA, rows: int = 6, pipeline: str = "people") -> RowBatch:
        """A batch of these bytes."""
        return RowBatch(self.key(number, rows), ("id", "name"), pipeline, 1, ",", data, None)

    def outcome(self, number: int = 1) -> BatchOutcome:
        """What status was told."""
        return self.status.processes[self.process].outcomes[number]

    def refused(self, reason: str) -> float | None:
        """How many messages were dropped."""
        return self.registry.get_sample_value("ingestor_messages_refused_total", {"reason": reason})

    def rows(self, table: str = "people") -> list[dict[str, Any]]:
        """What was loaded."""
        return self.sink.tables.get(table, [])


@pytest.fixture
async def suite() -> Suite:
    """A service that knows the pipeline."""
    made = Suite()
    made.pipelines.add(json.dumps(PIPELINE))
    return made


async def test_good_rows_are_loaded_and_the_others_told(suite: Suite) -> None:
    await suite.service.apply(suite.batch())
    assert [(row["id"], row["name"], row["_row_number"]) for row in suite.rows()] == [
        (1, "ann", 1), (6, "fay", 6)
    ]  # fmt: skip
    outcome = suite.outcome()
    assert (outcome.succeeded, outcome.failed, outcome.skipped) == (2, 4, 0)
    assert [(row.row_number, row.line_number, row.errors[0].code, row.cells) for row in outcome.rows] == [
        (2, 3, "type-error", ("x", "bob")),
        (3, 4, "constraint-error", ("3", "christopher")),
        (4, 5, "missing-cell", ("4",)),
        (5, 6, "primary-key", ("1", "again")),
    ]
    assert outcome.rows[2].errors[0].message == (
        f"The record has 1 of 2 cells. It begins at byte {(b'id,name' + bytes(1) + DATA).index(b'4')} "
        "of the file's text."
    )
    assert list(suite.sink.markers.values()) == [None]  # status knows it


async def test_rows_without_a_pipeline_are_kept_as_text(suite: Suite) -> None:
    await suite.service.apply(suite.batch(data=b"1,ann\n007,\n", rows=2, pipeline=""))
    assert [json.loads(row["data"]) for row in suite.rows("ingested_rows")] == [
        {"id": "1", "name": "ann"}, {"id": "007", "name": ""}
    ]  # fmt: skip


async def test_a_process_keeps_its_version(suite: Suite) -> None:
    """Whatever later versions say."""
    fields = [{"name": "id", "type": "string"}]
    other = {"name": "people", "schema": {"fields": fields}, "sink": {"table": "others"}}
    suite.pipelines.add(json.dumps(other))
    await suite.service.apply(suite.batch())
    assert [row["id"] for row in suite.rows()] == [1, 6]
    assert suite.rows("others") == []


async def test_a_claim_check_is_redeemed(suite: Suite) -> None:
    suite.store.files["default/u"] = bytearray(b"id,name\n" + DATA + b"7,next\n")
    start = len(b"id,name\n")
    stored = StoredSlice("default/u", start, start + len(DATA))
    batch = RowBatch(suite.key(), ("id", "name"), "people", 1, ",", b"", stored)
    await suite.service.apply(batch)
    assert suite.outcome().succeeded == 2


async def test_a_cancelled_process_loads_nothing_more(suite: Suite) -> None:
    await suite.status.cancelled(suite.process)
    await suite.service.apply(suite.batch())
    assert suite.rows() == []
    assert suite.outcome() == unprocessed_outcome(suite.key())


async def test_a_sink_that_refuses_everything_fails_the_rows(suite: Suite) -> None:
    async def refuse(*_: object) -> object:
        raise SinkRefusedError("The table people has no column name.")

    suite.sink.load = refuse  # type: ignore[assignment]
    await suite.service.apply(suite.batch())
    problem = RowError("sink-error", "", "", "The table people has no column name.", "load")
    assert suite.outcome() == failed_outcome(suite.key(), problem)


async def test_a_sink_that_refuses_everything_midway_holds_the_process(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its rows have no outcome until somebody resumes it."""
    await suite.service.apply(suite.batch())

    async def load(*_: object) -> None:
        error = SinkRefusedError("The table people is gone.")
        error.midway = True
        raise error

    with monkeypatch.context() as context:
        context.setattr(suite.sink, "load", load)
        await suite.service.apply(suite.batch(2))
    process = suite.status.processes[suite.process]
    assert (process.account.state.name, process.account.pause_reason) == (
        "PAUSED",
        "The table people is gone.",
    )
    await suite.service.apply(suite.batch(3))  # not even tried
    assert sorted(process.outcomes) == [1]
    await suite.status.resumed(suite.process)
    for number in (2, 3):
        await suite.service.apply(suite.batch(number))
    assert sorted(process.outcomes) == [1, 2, 3]


@pytest.mark.parametrize("reason", [TooManyTablesError, SchemaNotAllowedError])
async def test_a_process_waits_for_a_table_that_its_tenant_may_not_have_yet(
    suite: Suite, monkeypatch: pytest.MonkeyPatch, reason: type[SinkRefusedError]
) -> None:
    """No row fails, also when the process has loaded nothing before."""

    async def load(*_: object) -> None:
        raise reason("The tenant has all of its 3 tables.")

    with monkeypatch.context() as context:
        context.setattr(suite.sink, "load", load)
        await suite.service.apply(suite.batch())
    process = suite.status.processes[suite.process]
    assert (process.account.state.name, process.account.pause_reason) == (
        "PAUSED",
        "The tenant has all of its 3 tables.",
    )
    assert not process.outcomes
    await suite.status.resumed(suite.process)
    await suite.service.apply(suite.batch())
    assert sorted(process.outcomes) == [1]


async def test_a_process_that_has_ended_is_not_held(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    async def load(*_: object) -> None:
        await suite.status.cancelled(suite.process)
        error = SinkRefusedError("The table people is gone.")
        error.midway = True
        raise error

    monkeypatch.setattr(suite.sink, "load", load)
    await suite.service.apply(suite.batch())
    assert suite.outcome() == unprocessed_outcome(suite.key())


async def test_the_wrong_number_of_records_is_no_batch(suite: Suite) -> None:
    with pytest.raises(ValueError, match="6 records instead of 7"):
        await suite.service.apply(suite.batch(rows=7))
    assert suite.rows() == []


@settings(max_examples=examples(60))
@given(
    order=st.permutations([1, 2, 3, 1, 2, 3, 2]),
    crash=st.integers(0, 12),
    after=st.booleans(),
    where=st.sampled_from(["load", "record", "forget_outcome"]),
)
def test_any_order_doubling_and_crash_loads_each_row_once(
    order: list[int], crash: int, after: bool, where: str
) -> None:
    class CrashError(Exception):
        pass

    async def run() -> None:
        suite = Suite()
        suite.pipelines.add(json.dumps(PIPELINE))
        owner: Any = suite.status if where == "record" else suite.sink
        real, calls = getattr(owner, where), 0

        async def dying(*arguments: object) -> object:
            nonlocal calls
            calls += 1
            if calls == crash:
                if after:
                    await real(*arguments)
                raise CrashError
            return await real(*arguments)

        setattr(owner, where, dying)
        for number in order:
            ids = [number * 10, number * 10 + 1]
            data = f"{ids[0]},a\nx,b\n{ids[1]},c\n".encode()
            try:
                await suite.service.apply(suite.batch(number, data, rows=3))
            except CrashError:
                await suite.service.apply(suite.batch(number, data, rows=3))
        assert sorted(row["id"] for row in suite.rows()) == [10, 11, 20, 21, 30, 31]
        assert sorted(row["_row_number"] for row in suite.rows()) == [1, 3, 4, 6, 7, 9]
        account = suite.status.processes[suite.process].account
        assert (account.read, account.succeeded, account.failed) == (9, 6, 3)
        assert set(suite.sink.markers.values()) == {None}

    asyncio.run(run())


async def test_outside_systems_may_be_away_for_a_while(suite: Suite) -> None:
    failures = {"load": 2, "record": 1, "forget_outcome": 1}
    for owner, where in ((suite.sink, "load"), (suite.status, "record"), (suite.sink, "forget_outcome")):
        real: Callable[..., Any] = getattr(owner, where)

        async def shaky(*arguments: object, real: Any = real, where: str = where) -> object:
            if failures[where]:
                failures[where] -= 1
                raise TransientError("away")
            return await real(*arguments)

        setattr(owner, where, shaky)
    await suite.service.apply(suite.batch())
    assert suite.outcome().succeeded == 2
    assert len(suite.rows()) == 2


texts = st.text(max_size=5)
problems = st.builds(
    RowError, texts, texts, texts, texts, st.sampled_from(["parse", "validate", "load"])
)  # fmt: skip
rejected = st.builds(
    RejectedRow,
    st.integers(1),
    st.integers(1),
    st.sampled_from(["failed", "skipped"]),
    st.lists(problems, max_size=2).map(tuple),
    st.lists(texts, max_size=3).map(tuple),
)


displaced_rows = st.builds(DisplacedRow, st.integers(1), problems)


@given(
    rows=st.lists(rejected, max_size=3),
    error=st.none() | problems,
    displaced=st.lists(displaced_rows, max_size=3),
)
def test_an_outcome_is_kept_as_it_is(
    rows: list[RejectedRow], error: RowError | None, displaced: list[DisplacedRow]
) -> None:
    key = BatchKey(str(uuid.uuid4()), "default", BatchRange(1, 2, 3, 4, 5, 6))
    outcome = BatchOutcome(key, "succeeded", 1, 2, 0, tuple(rows), error)
    assert BatchOutcome.from_bytes(outcome.to_bytes()) == outcome
    displacing = replace(outcome, displaced=tuple(displaced))
    assert BatchOutcome.from_bytes(displacing.to_bytes()) == displacing
    with_lines = replace(outcome, lines=((1, 2), (5, 4)))
    assert BatchOutcome.from_bytes(with_lines.to_bytes()) == with_lines
    older = json.loads(outcome.to_bytes())[:-1]  # a marker from before rows were displaced
    assert BatchOutcome.from_bytes(json.dumps(older).encode()) == outcome


# -- the dry run -----------------------------------------------------------------------------------

cells = st.sampled_from(["1", "22", "x", "", "abcdef", '"q\n"', '"a""b"', "7,8", '"open'])


# The real run below detects nothing.
_LAYOUT = parse_options(
    {
        "delimiter": ",", "quoteChar": '"', "quoting": True, "skipInitialSpace": False, "skipLines": 0,
        "header": True, "headerRows": 1, "rowNames": False, "skipFooter": 0, "extraEmptyCells": "error",
    }
)  # fmt: skip


@settings(max_examples=examples(60))
@given(
    lines=st.lists(st.tuples(cells, cells), max_size=8), cut=st.integers(1, 9), ending=st.sampled_from("\n ")
)
def test_a_dry_run_says_what_the_real_run_does(lines: list[tuple[str, str]], cut: int, ending: str) -> None:
    """But for keys that are taken, which only the table knows."""
    text = "id,name\n" + "".join(f"{one},{two}\n" for one, two in lines)
    data = text.rstrip("\n").encode() + ending.strip(" ").encode()
    document = json.dumps({**PIPELINE, "schema": {"fields": PIPELINE["schema"]["fields"]}})  # type: ignore[index]

    async def run() -> None:
        pipeline = read_document(document)

        async def chunks() -> AsyncIterator[bytes]:
            for at in range(0, len(data), cut):
                yield data[at : at + cut]

        dry = await dry_run(chunks(), pipeline, _LAYOUT, False, MemoryDryRunTables(), WORK)
        suite = Suite()
        suite.pipelines.add(document)
        body = data[len("id,name\n") :]
        if dry.read:
            await suite.service.apply(suite.batch(1, body, rows=dry.read))
            outcome = suite.outcome()
            assert (dry.succeeded, dry.failed, dry.skipped, tuple(dry.rows)) == (
                outcome.succeeded, outcome.failed, outcome.skipped, outcome.rows
            )  # fmt: skip
        assert dry.read == dry.succeeded + dry.failed + dry.skipped

    asyncio.run(run())


# -- workers ---------------------------------------------------------------------------------------


@asynccontextmanager
async def working(
    queue: MemoryQueue,
    handle: Callable[[Delivery], Any],
    concurrency: int = 2,
    metrics: Metrics | None = None,
) -> AsyncIterator[asyncio.Event]:
    """A worker while the context lasts; it must end by itself when told to stop."""
    stopping = asyncio.Event()
    worker = QueueWorker(
        "rows",
        queue,
        handle,
        metrics or Metrics(CollectorRegistry()),
        concurrency=concurrency,
        visibility_seconds=30,
    )
    running = asyncio.create_task(worker.run(stopping))
    try:
        yield stopping
    finally:
        stopping.set()
        async with asyncio.timeout(10):
            await running


def queued(queue: MemoryQueue, batch: RowBatch) -> Packed:
    """The message of a batch."""
    body = f"body-{len(queue.bodies)}"
    queue.bodies[body] = batch
    bounds = batch.key.range
    attributes = {
        "process_id": batch.key.process_id, "tenant": batch.key.tenant,
        "batch_number": str(bounds.number), "first_row": str(bounds.first_row),
        "row_count": str(bounds.row_count), "first_line": str(bounds.first_line),
        "byte_start": str(bounds.byte_start), "byte_end": str(bounds.byte_end),
    }  # fmt: skip
    return Packed(body, attributes)


async def test_a_batch_whose_table_is_locked_is_dropped_until_its_process_goes_on(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def load(*_: object) -> None:
        raise TableLockedError("The table is locked.")

    with monkeypatch.context() as context:
        context.setattr(suite.sink, "load", load)
        await suite.service.apply(suite.batch())
    process = suite.status.processes[suite.process]
    assert (process.account.pause_reason, process.account.pause_resumes) == ("The table is locked.", True)
    assert not process.outcomes
    await suite.status.resumed(suite.process)
    await suite.service.apply(suite.batch())
    assert sorted(process.outcomes) == [1]


async def test_the_worker_takes_handles_and_deletes(suite: Suite) -> None:
    queue = MemoryQueue()
    for number in (3, 1, 2, 1):
        data = f"{number},a\n".encode()
        await queue.send(queued(queue, suite.batch(number, data, rows=1)))
    async with working(queue, suite.handler(queue)):
        await queue.drained()
    assert sorted(row["id"] for row in suite.rows()) == [1, 2, 3]


async def test_a_message_that_fails_comes_again_and_holds_nobody_up(suite: Suite) -> None:
    queue, seen = MemoryQueue(), list[int]()
    handler = suite.handler(queue)

    async def handle(delivery: Delivery) -> None:
        assert delivery.key is not None
        if delivery.key.range.number == 1:
            seen.append(delivery.receive_count)
            if delivery.receive_count == 1:
                raise RuntimeError("a bug")
        await handler(delivery)

    for number in (1, 2, 3):
        await queue.send(queued(queue, suite.batch(number, f"{number},a\n".encode(), rows=1)))
    async with working(queue, handle):
        await queue.drained()
    assert seen == [1, 2]
    assert len(suite.rows()) == 3


async def test_what_is_not_from_the_suite_is_dropped_unread(suite: Suite) -> None:
    queue = MemoryQueue()
    await queue.send(queued(queue, suite.batch()))
    queue.forged.add("message-1")

    async def handle(delivery: Delivery) -> None:
        raise AssertionError("it was read")

    async with working(queue, handle, metrics=suite.metrics):
        await queue.drained()
    assert suite.refused("signature") == 1
    assert suite.rows() == []


@pytest.mark.parametrize("file_key", ["acme/u", "default2/u", "default/../acme/u", "/default/u", "u", ""])
async def test_a_batch_in_a_file_of_another_tenant_is_dropped(suite: Suite, file_key: str) -> None:
    queue = MemoryQueue()
    suite.store.files[file_key] = bytearray(DATA)
    batch = replace(suite.batch(data=b""), stored=StoredSlice(file_key, 0, len(DATA)))
    await queue.send(queued(queue, batch))
    async with working(queue, suite.handler(queue), metrics=suite.metrics):
        await queue.drained()
    assert suite.refused("file") == 1
    assert suite.rows() == []
    assert suite.sink.markers == {}


@pytest.mark.parametrize("dead", [True, False])
async def test_a_batch_of_a_tenant_that_is_gone_is_dropped(suite: Suite, dead: bool) -> None:
    queue = MemoryQueue()
    suite.sink.no_tenants.add("default")
    await queue.send(queued(queue, suite.batch()))
    handler = suite.dead(queue) if dead else suite.handler(queue)
    async with working(queue, handler, metrics=suite.metrics):
        await queue.drained()
    assert suite.refused("tenant") == 1
    assert suite.rows() == []


async def test_a_batch_is_handled_for_its_tenant(suite: Suite) -> None:
    """Of pipelines with the same name that of the tenant runs, whatever the worker's own scope is."""
    queue = MemoryQueue()
    with within("acme"):
        suite.pipelines.add(json.dumps({**PIPELINE, "sink": {"table": "theirs"}}))
    for number, tenant in ((1, "default"), (2, "acme")):
        of = replace(suite.batch(number, f"{number},a\n".encode(), rows=1))
        await queue.send(queued(queue, replace(of, key=replace(of.key, tenant=tenant))))
    with everything():
        async with working(queue, suite.handler(queue)):
            await queue.drained()
    assert [row["id"] for row in suite.rows()] == [1]
    assert [row["id"] for row in suite.rows("theirs")] == [2]


async def test_never_more_at_once_than_allowed(suite: Suite) -> None:
    queue, running, most = MemoryQueue(), 0, 0

    async def handle(delivery: Delivery) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    for number in range(1, 30):
        await queue.send(queued(queue, suite.batch(number)))
    async with working(queue, handle, concurrency=3):
        await queue.drained()
    assert 2 <= most <= 3


async def test_stopping_finishes_what_is_in_work(suite: Suite) -> None:
    queue, go, started = MemoryQueue(), asyncio.Event(), asyncio.Event()

    async def handle(delivery: Delivery) -> None:
        started.set()
        await go.wait()

    await queue.send(queued(queue, suite.batch()))
    async with working(queue, handle) as stopping:
        await started.wait()
        stopping.set()
        for _ in range(10):  # the worker notices
            await asyncio.sleep(0)
        await queue.send(queued(queue, suite.batch(2)))
        go.set()
    assert [stored.receives for stored in queue.messages.values()] == [0]  # the second was left alone


async def test_cancelling_hands_back(suite: Suite) -> None:
    queue, started = MemoryQueue(), asyncio.Event()

    async def handle(delivery: Delivery) -> None:
        started.set()
        await asyncio.Event().wait()

    await queue.send(queued(queue, suite.batch()))
    worker = QueueWorker(
        "rows", queue, handle, Metrics(CollectorRegistry()), concurrency=1, visibility_seconds=3600
    )
    running = asyncio.create_task(worker.run(asyncio.Event()))
    await started.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    (again,) = await queue.receive(1)  # at once, not in an hour
    assert again.receive_count == 2


async def test_a_dead_batch_fails_its_rows(suite: Suite) -> None:
    queue = MemoryQueue()
    handler = suite.dead(queue)
    packed = queued(queue, suite.batch())
    await queue.send(Packed("garbage", packed.attributes))
    await queue.send(Packed("garbage", {}))
    async with working(queue, handler):
        await queue.drained()
    outcome = suite.outcome()
    assert (outcome.failed, outcome.default_state) == (6, "failed")
    assert outcome.error is not None
    assert outcome.error.code == "batch-error"


async def test_a_batch_that_was_loaded_is_not_failed_by_its_dead_copy(suite: Suite) -> None:
    await suite.service.apply(suite.batch())
    queue = MemoryQueue()
    await queue.send(queued(queue, suite.batch()))
    (delivery,) = await queue.receive(1)
    await suite.dead(queue)(delivery)
    assert suite.outcome().succeeded == 2


def newer(suite: Suite, queue: MemoryQueue) -> None:
    """Make all batches of the queue need a newer release."""

    def decode(delivery: Delivery) -> RowBatch:
        BATCHES.check(BATCHES.version + 1)
        raise AssertionError

    queue.decode = decode  # type: ignore[method-assign]


async def test_a_batch_of_a_newer_release_is_left_to_others(suite: Suite) -> None:
    """It is there for others soon, this processor takes no more, and it has failed nothing."""
    queue = MemoryQueue(wait_seconds=0.01)
    newer(suite, queue)
    for number in (1, 2, 3, 4, 5):
        await queue.send(queued(queue, suite.batch(number)))
    async with working(queue, suite.handler(queue), metrics=suite.metrics, concurrency=2):
        async with asyncio.timeout(10):
            while len(suite.handed_back.noted) < 2:
                await asyncio.sleep(0.01)
    # Those that it had asked for before it knew: at most once again.
    left = len(suite.handed_back.noted)
    assert left <= 4
    assert suite.registry.get_sample_value("ingestor_messages_handed_back_total", {"queue": "rows"}) == left
    assert sorted(stored.receives for stored in queue.messages.values()) == [0] * (5 - left) + [1] * left
    assert (
        max(stored.visible_at for stored in queue.messages.values()) < asyncio.get_running_loop().time() + 6
    )
    assert suite.sink.markers == {}


async def test_after_a_pause_it_looks_again(suite: Suite) -> None:
    queue = MemoryQueue()
    readable = queue.decode
    newer(suite, queue)
    await queue.send(queued(queue, suite.batch(1, b"1,a\n", rows=1)))
    worker = QueueWorker(
        "rows",
        queue,
        suite.handler(queue),
        suite.metrics,
        concurrency=1,
        visibility_seconds=30,
        pause_seconds=0,
    )
    stopping = asyncio.Event()
    running = asyncio.create_task(worker.run(stopping))
    async with asyncio.timeout(10):
        while not suite.handed_back.noted:
            await asyncio.sleep(0.01)
        queue.decode = readable  # type: ignore[method-assign]
        await queue.drained()
        stopping.set()
        await running
    assert len(suite.rows()) == 1


async def test_a_batch_with_a_pipeline_of_a_newer_release(suite: Suite) -> None:
    queue = MemoryQueue()

    async def get(name: str, version: int) -> Pipeline:
        raise NewerReleaseError("pipeline people@1 was stored by a newer release")

    suite.pipelines.get = get  # type: ignore[method-assign]
    await queue.send(queued(queue, suite.batch()))
    (delivery,) = await queue.receive(1)
    with pytest.raises(NewerReleaseError):
        await suite.handler(queue)(delivery)
    assert suite.handed_back.noted == {delivery.message_id}
    with pytest.raises(NewerReleaseError):  # and as a dead letter it is left alone
        await suite.dead(queue)(delivery)
    assert suite.sink.markers == {}


async def test_a_dead_batch_of_a_newer_release_is_left_to_others(suite: Suite) -> None:
    queue = MemoryQueue()
    newer(suite, queue)
    await queue.send(queued(queue, suite.batch()))
    (delivery,) = await queue.receive(1)
    with pytest.raises(NewerReleaseError):
        await suite.dead(queue)(delivery)
    assert suite.sink.markers == {}
    # So that a newer release does not fail its rows for that.
    assert suite.handed_back.noted == {delivery.message_id}


async def test_a_batch_that_died_of_older_releases_is_sent_again(suite: Suite) -> None:
    """It is dropped without an outcome, so the orchestrator sends it again."""
    queue = MemoryQueue()
    await queue.send(queued(queue, suite.batch()))
    suite.handed_back.noted.add("message-1")
    async with working(queue, suite.dead(queue)):
        await queue.drained()
        assert suite.sink.markers == {}
        assert suite.registry.get_sample_value("ingestor_dead_letters_total", {"kind": "handed_back"}) == 1
        await queue.send(queued(queue, suite.batch()))
        await queue.drained()
    assert suite.outcome().succeeded == 2


async def test_a_refused_row_is_told_with_its_own_line_and_cells(suite: Suite) -> None:
    """RejectedRow rows before it must not shift it."""

    async def load(
        key: BatchKey, rows: GoodRows, conclude: Callable[[Sequence[Refused]], BatchOutcome]
    ) -> object:
        last = rows.data.num_rows - 1
        problem = RowError("sink-error", "", "", "No.", "load")
        return await MemorySink().settle(conclude([Refused(last, problem)]))

    suite.sink.load = load  # type: ignore[assignment]
    await suite.service.apply(suite.batch(data=b'x,bob\n"2","a\nb"\n3\n4,dan\n', rows=4))
    refused = [row for row in suite.outcome().rows if row.errors[0].code == "sink-error"]
    assert [(row.row_number, row.line_number, row.cells) for row in refused] == [(4, 6, ("4", "dan"))]


async def test_a_batch_of_a_removed_process_is_dropped(suite: Suite) -> None:
    await suite.service.apply(suite.batch())
    await suite.status.finished(suite.process, 6, 1)
    suite.status.delete(suite.process)
    loaded = list(suite.rows())
    await suite.sink.remove(suite.process, "default", deleted=True)
    for number in (1, 2):
        await suite.service.apply(suite.batch(number))
        await suite.service.settle(unprocessed_outcome(suite.key(number)))
    assert suite.rows() == loaded
    assert suite.sink.markers == {}
    assert suite.status.processes == {}


async def test_a_batch_that_was_loaded_just_before_its_process_was_deleted(suite: Suite) -> None:
    """Its outcome cannot be told any more, and its message is not kept for that."""

    class Late(MemoryStatus):
        async def disposition(self, process_id: str) -> Disposition:
            return Disposition.RUNNING  # the answer is two seconds old

    status = Late()
    status.deleted.add(suite.process)
    service = BatchService(suite.sink, status, suite.pipelines, suite.store, Metrics(CollectorRegistry()))
    await service.apply(suite.batch())
    assert status.processes == {}
    assert list(suite.sink.markers.values()) == [None]


@pytest.mark.parametrize(
    ("text", "shifts"),
    [
        ("1,a\n2,b\n3,c\n", ()),
        ('1,a\n2,"b\n\n"\n3,c\n4,"d\n"\n5,e\n', ((2, 2), (4, 3))),
        ('1,"a\n"\nx\n3,c\n', ((2, 1),)),  # a record that is none in between
        ("\n1,a\n", ()),
    ],
)
def test_the_lines_of_rows_that_may_be_displaced(text: str, shifts: tuple[tuple[int, int], ...]) -> None:
    table = read_csv_slice(text.encode(), 2, Dialect(), first_row=4, first_line=9)
    assert line_shifts(table) == shifts
