"""Of rows with the same key one wins, and it is always the same: whatever the number of processors, the order
of delivery, the batches, deliveries that come twice and processors that die."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestor.runtime.errors import TransientError
from ingestor.services.processor.adapters.postgres.first_row import lock_places
from ingestor.services.processor.adapters.postgres.sink import PgSink
from ingestor.services.processor.adapters.postgres.undo import PgUndoer
from ingestor.services.processor.batches import BatchKey, BatchOutcome, BatchRange
from ingestor.services.processor.ports import TABLE_SINK, GoodRows, Loaded, Refused, Table
from tests.contract.sink.batches import concluding, good, key, new_process, process_after_all_this
from tests.examples import examples
from tests.fakes.status import MemoryStatus

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgPool
    from tests.contract.conftest import OpenPool

Row = tuple[str, str | None]  # a number and a text
# Numbers that are equal, and others that are not.
NUMBERS = st.sampled_from(["1", "1.0", "01", "1e0", "2", "2.00", "3", "4", "5"])
PARTS = st.sampled_from("abcde")


def files_of(parts: st.SearchStrategy[str | None]) -> st.SearchStrategy[list[list[Row]]]:
    """Up to four files of up to 14 rows."""
    rows = st.lists(st.tuples(NUMBERS, parts), min_size=1, max_size=14)
    return st.lists(rows, min_size=1, max_size=4)


@dataclass(frozen=True)
class Delivery:
    """A batch as the queue brings it; `dies` says that its processor dies before it commits."""

    key: BatchKey
    rows: GoodRows
    dies: bool


@pytest.fixture
async def pool(pool_of: OpenPool) -> PgPool:
    """The processor's database."""
    return await pool_of("processor")


class _DeadError(Exception):
    pass


def _process(run: int, file: int) -> str:
    """The id of a file's process: later files have greater ones."""
    return str(uuid.UUID(int=(run << 16) + file))


def _batches(
    run: int, table: Table, file: int, rows: Sequence[Row], size: int
) -> list[tuple[BatchKey, GoodRows]]:
    found = []
    for number, start in enumerate(range(0, len(rows), size), 1):
        piece = rows[start : start + size]
        numbers = np.arange(len(piece), dtype=np.int64) + start + 1
        data = pa.table({
            "number": pa.array([row[0] for row in piece]),
            "part": pa.array([row[1] for row in piece]),
            "origin": pa.array([f"{file}:{row_number}" for row_number in numbers]),
        })  # fmt: skip
        bounds = BatchRange(number, start + 1, len(piece), start + 2, 0, 9)
        key = BatchKey(_process(run, file), "default", bounds)
        found.append((key, GoodRows(table, data, numbers)))
    return found


def _drawn(
    data: st.DataObject, run: int, table: Table, files: Sequence[Sequence[Row]]
) -> list[Delivery]:  # fmt: skip
    """Deliveries of every batch of the files, in any order; some come twice, of some the processor dies."""
    size = data.draw(st.integers(1, 5), label="rows of a batch")
    batches = [batch for file, rows in enumerate(files) for batch in _batches(run, table, file, rows, size)]
    again = data.draw(st.lists(st.integers(0, len(batches) - 1)), label="delivered twice")
    order = data.draw(st.permutations([*range(len(batches)), *again]), label="order")
    dying = data.draw(st.lists(st.booleans(), min_size=len(order), max_size=len(order)), label="dies")
    chosen = [batches[place] for place in order]
    return [Delivery(key, rows, dies) for (key, rows), dies in zip(chosen, dying, strict=True)]


async def _deliver(sinks: Sequence[PgSink], deliveries: Sequence[Delivery]) -> list[BatchOutcome]:
    """Every delivery by the next sink that is free; what died comes again at the end."""
    outcomes: list[BatchOutcome] = []

    async def load(sink: PgSink, delivery: Delivery, dies: bool) -> None:
        def conclude(refused: Sequence[Refused]) -> BatchOutcome:
            if dies:
                raise _DeadError
            return concluding(delivery.key)(refused)

        while True:
            try:
                outcome = (await sink.load(delivery.key, delivery.rows, conclude)).outcome
            except TransientError:  # a deadlock: the service repeats the call
                continue
            except _DeadError:
                return
            assert outcome is not None
            outcomes.append(outcome)
            return

    for round_ in (deliveries, [delivery for delivery in deliveries if delivery.dies]):
        waiting = iter(round_)

        async def work(sink: PgSink, waiting: object = waiting, first: bool = round_ is deliveries) -> None:
            for delivery in waiting:  # type: ignore[attr-defined]
                await load(sink, delivery, delivery.dies and first)

        await asyncio.gather(*map(work, sinks))
    return outcomes


@settings(
    max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture]
)  # fmt: skip
@given(data=st.data())
async def test_an_upsert_has_the_same_winner_always(pool: PgPool, data: st.DataObject) -> None:
    files = data.draw(files_of(PARTS), label="files")
    processors = data.draw(st.integers(1, 4), label="processors")
    run = uuid.uuid4().int >> 32
    table = Table(
        "public", f"t_{run:x}", (("number", "numeric"), ("part", "text"), ("origin", "text")),
        ("number", "part"), upsert=True,
    )  # fmt: skip
    deliveries = _drawn(data, run, table, files)

    outcomes = await _deliver([PgSink(pool) for _ in range(processors)], deliveries)

    expected: dict[tuple[Decimal, str | None], str] = {}
    for file, rows in enumerate(files):
        for number, (value, part) in enumerate(rows, 1):
            expected[Decimal(value), part] = f"{file}:{number}"
    name = f'public."{table.name}"'
    found = {(row[0], row[1]): row[2] for row in await pool.fetch(f"SELECT number, part, origin FROM {name}")}
    await pool.execute(f"DROP TABLE {name}")
    assert found == expected
    # A row that lost was applied all the same.
    assert {outcome.key for outcome in outcomes} == {delivery.key for delivery in deliveries}
    assert all((o.failed, o.skipped, o.rows) == (0, 0, ()) for o in outcomes)


async def _ledger(outcomes: Sequence[BatchOutcome]) -> MemoryStatus:
    """What status knows in the end when it was told so."""
    status = MemoryStatus()
    for outcome in outcomes:
        await status.record(outcome)
    return status


BOTH = ("number", "part")
# The primary key and the unique keys of a table.
APPENDED = st.sampled_from([
    (BOTH, ()),
    ((), (BOTH,)),
    (("number",), (("part",),)),
    ((), (("part",), ("number",))),
    (BOTH, (("number",),)),
])  # fmt: skip


@settings(max_examples=examples(150), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
async def test_an_append_has_the_first_row_of_each_key(pool: PgPool, data: st.DataObject) -> None:
    """A row of several files is in the table and SUCCEEDED if none before it has one of its keys; all others
    have FAILED. Where a part of a key is NULL there is none."""
    primary, unique = data.draw(APPENDED, label="keys")
    parts = PARTS if "part" in primary else st.none() | PARTS
    files = data.draw(files_of(parts), label="files")
    processors = data.draw(st.integers(1, 4), label="processors")
    run = uuid.uuid4().int >> 32
    table = Table(
        "public", f"t_{run:x}", (("number", "numeric"), ("part", "text"), ("origin", "text")),
        primary, unique=unique,
    )  # fmt: skip
    deliveries = _drawn(data, run, table, files)
    # How many outcomes there are depends on who is quicker, so their order is not drawn itself.
    told = data.draw(st.integers(0, 2**32 - 1), label="order in which status is told")

    outcomes = await _deliver([PgSink(pool) for _ in range(processors)], deliveries)

    name = f'public."{table.name}"'
    found = {row[0] for row in await pool.fetch(f"SELECT origin FROM {name}")}
    await pool.execute(f"DROP TABLE {name}")
    keys = [columns for columns in (primary, *unique) if columns]
    expected: set[str] = set()
    seen: set[object] = set()
    for file, rows in enumerate(files):
        for number, (value, part) in enumerate(rows, 1):
            values: dict[str, object] = {"number": Decimal(value), "part": part}
            own = {(columns, tuple(values[column] for column in columns)) for columns in keys
                   if all(values[column] is not None for column in columns)}  # fmt: skip
            if seen.isdisjoint(own):
                expected.add(f"{file}:{number}")
            seen |= own
    assert found == expected
    # The ledger says the same, in whatever order it is told, and of a batch always the same.
    by_batch: dict[BatchKey, BatchOutcome] = {}
    for outcome in outcomes:
        assert by_batch.setdefault(outcome.key, outcome) == outcome
    random.Random(told).shuffle(outcomes)
    status = await _ledger(outcomes)
    for file, rows in enumerate(files):
        process = _process(run, file)
        states = await status.row_states(process, range(1, len(rows) + 1))
        assert states == {
            number: "succeeded" if f"{file}:{number}" in expected else "failed"
            for number in range(1, len(rows) + 1)
        }
        account = status.processes[process].account
        assert (account.succeeded, account.failed) == (
            sum(state == "succeeded" for state in states.values()),
            sum(state == "failed" for state in states.values()),
        )
    problems = {error for o in outcomes for row in o.rows for error in row.errors}
    problems |= {row.problem for o in outcomes for row in o.displaced}
    assert all(problem.value for problem in problems)
    assert {(problem.code, problem.field) for problem in problems} <= {
        ("primary-key" if columns == primary else "unique-error", ", ".join(columns)) for columns in keys
    }


async def test_what_has_failed_can_be_sent_again(pool: PgPool) -> None:
    """In a table with several keys a row that has lost keeps its keys from those that are there with it, but
    not from a file that came later; nor when its process was undone."""
    two = Table("public", "people", (("id", "bigint"), ("name", "text")), ("id",), unique=(("name",),))
    sink, earlier, later, undone = PgSink(pool), new_process(), new_process(), new_process()

    async def load(process: str, number: int, *rows: tuple[int | None, str | None]) -> list[int]:
        of = key(number, rows=len(rows), process=process)
        outcome = (await sink.load(of, good(of, rows, two), concluding(of))).outcome
        assert outcome is not None
        return [row.row_number for row in outcome.rows]

    assert await load(earlier, 1, (1, "a"), (1, "b")) == [2]
    assert await load(later, 1, (2, "b"), (3, "c")) == [1]  # "b" had lost when it was there already
    again = process_after_all_this()
    assert await load(again, 1, (4, "b"), (5, "b")) == [2]
    assert await load(undone, 1, (6, "f"), (6, "g")) == [2]
    between = new_process()
    assert await load(undone, 2, (7, "f"), (7, "h")) == [3, 4]
    await PgUndoer(pool).undo(Loaded(undone, "default", (), two, TABLE_SINK), validate_only=False)
    assert await load(between, 1, (8, "h"), (9, "g")) == []


_WAITING_FOR_PLACES = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


async def test_a_batch_waits_for_one_that_tells_rows_apart_by_several_keys(pool: PgPool) -> None:
    """What is being loaded would not be seen."""
    two = Table("public", "people", (("id", "bigint"), ("name", "text")), ("id",), unique=(("name",),))
    sink, first, second = PgSink(pool), key(1), key(1)
    await sink.load(first, good(first, [(1, "a")], two), concluding(first))
    async with pool.acquire() as other, other.transaction():
        await lock_places(other, '"public"."people"')
        loading = asyncio.create_task(
            sink.load(second, good(second, [(2, "b")], two), concluding(second))
        )  # fmt: skip
        async with asyncio.timeout(60):
            while not await other.fetchval(_WAITING_FOR_PLACES):
                await asyncio.sleep(0.01)  # between two looks
        assert not loading.done()
    assert (await loading).outcome is not None


_WAITING = "SELECT count(*) FROM pg_locks WHERE relation = to_regclass($1) AND NOT granted"


async def test_batches_that_displace_never_wait_crosswise(pool: PgPool) -> None:
    """Two that begin with keys of a batch that was there before, and bring the same new keys in opposite
    orders: without a common lock each would wait for the other's new rows."""
    count = 20_000
    new = [str(number) for number in range(2, count)]
    rows = [(number, "a") for number in ("0", *new, "1", *reversed(new), "0", "1")]
    for run in range(3):
        table = Table("public", f"cross_{run}", (("number", "text"), ("part", "text"), ("origin", "text")),
                      ("number",))  # fmt: skip
        first, second, last = _batches(run, table, 0, rows, count - 1)
        sink = PgSink(pool)  # it knows the table then: the first batch of a sink looks at it alone
        await sink.load(*last, concluding(last[0]))
        async with pool.acquire() as gate, gate.transaction():  # both begin at one moment
            await gate.execute(f"LOCK TABLE public.{table.name} IN SHARE MODE")
            loading = [
                asyncio.create_task(sink.load(*batch, concluding(batch[0]))) for batch in (second, first)
            ]
            while await gate.fetchval(_WAITING, f"public.{table.name}") < len(loading):
                await asyncio.sleep(0.01)  # between two looks
        async with asyncio.timeout(60):
            applied = await asyncio.gather(*loading)
        found = {row[0] for row in await pool.fetch(f"SELECT _row_number FROM public.{table.name}")}
        assert found == {*range(1, count), count}
        outcomes = [found.outcome for found in applied if found.outcome]
        failed = {row.row_number for o in outcomes for row in o.rows}
        failed |= {row.row_number for o in outcomes for row in o.displaced}
        assert failed == set(range(count + 1, 2 * count + 1))
