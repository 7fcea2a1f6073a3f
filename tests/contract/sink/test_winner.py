"""Of the rows of a file with the same key one wins, and it is always the same: whatever the number of
processors, the order of delivery, the batches, deliveries that come twice and processors that die."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestor.runtime.errors import TransientError
from ingestor.services.processor.adapters import table_locks
from ingestor.services.processor.adapters.postgres.sink import PgSink
from ingestor.services.processor.batches import BatchKey, BatchOutcome, BatchRange, outcome_of
from ingestor.services.processor.ports import GoodRows, Refused, Table
from tests.contract.sink.batches import concluding, good, key, new_process
from tests.examples import examples
from tests.fakes.status import MemoryStatus

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

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
    data: st.DataObject, run: int, table: Table, files: Mapping[int, Sequence[Row]]
) -> list[Delivery]:  # fmt: skip
    """Deliveries of every batch of the files, in any order; some come twice, of some the processor dies."""
    size = data.draw(st.integers(1, 5), label="rows of a batch")
    batches = [batch for file, rows in files.items() for batch in _batches(run, table, file, rows, size)]
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
    deliveries = _drawn(data, run, table, dict(enumerate(files)))

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
    """Of a file in a table with one key, the first row that has it is in the table and SUCCEEDED; all others
    have FAILED. Where a part of a key is NULL there is none. What another process has put into the table
    before stays there. In a table with more keys no two rows have one in common, and all that lose
    say by which key."""
    primary, unique = data.draw(APPENDED, label="keys")
    parts = PARTS if "part" in primary else st.none() | PARTS
    before, *files = data.draw(files_of(parts), label="files")
    processors = data.draw(st.integers(1, 3), label="processors")
    run = uuid.uuid4().int >> 32
    table = Table(
        "public", f"t_{run:x}", (("number", "numeric"), ("part", "text"), ("origin", "text")),
        primary, unique=unique,
    )  # fmt: skip
    # Its process comes before or after the file's: that makes no difference.
    early = data.draw(st.booleans(), label="the process of what is in the table is the earlier one")
    there, file = (0, 1) if early else (1, 0)
    rows = files[0] if files else before
    others = before if files else []
    sinks = [PgSink(pool) for _ in range(processors)]
    for batch in _batches(run, table, there, others, 5):
        await sinks[0].load(*batch, concluding(batch[0]))
    deliveries = _drawn(data, run, table, {file: rows})
    # How many outcomes there are depends on who is quicker, so their order is not drawn itself.
    reported = data.draw(st.integers(0, 2**32 - 1), label="order in which status hears of them")

    outcomes = await _deliver(sinks, deliveries)

    name = f'public."{table.name}"'
    found = [tuple(row) for row in await pool.fetch(f"SELECT number, part, origin FROM {name}")]
    await pool.execute(f"DROP TABLE {name}")
    keys = [columns for columns in (primary, *unique) if columns]
    seen: set[object] = set()
    expected: set[str] = set()
    for number, part, origin in _in_order({there: others}) + _in_order({file: rows}):
        own = _keys_of(keys, number, part)
        if seen.isdisjoint(own):
            expected.add(origin)
            seen |= own
    origins = {origin for _, _, origin in found}
    if len(keys) == 1:
        assert origins == expected
    else:
        taken = [key for number, part, _ in found for key in _keys_of(keys, number, part)]
        assert len(set(taken)) == len(taken)
    stays = {origin for origin in expected if origin.startswith(f"{there}:")}
    assert {origin for origin in origins if origin.startswith(f"{there}:")} == stays
    # The ledger says the same, in whatever order it is told, and of a batch always the same.
    by_batch: dict[BatchKey, BatchOutcome] = {}
    for outcome in outcomes:
        assert by_batch.setdefault(outcome.key, outcome) == outcome
    random.Random(reported).shuffle(outcomes)
    status = await _ledger(outcomes)
    process = _process(run, file)
    states = await status.row_states(process, range(1, len(rows) + 1))
    assert states == {
        number: "succeeded" if f"{file}:{number}" in origins else "failed"
        for number in range(1, len(rows) + 1)
    }
    account = status.processes[process].account
    assert (account.succeeded, account.failed) == (
        sum(state == "succeeded" for state in states.values()),
        sum(state == "failed" for state in states.values()),
    )
    problems = {error for o in outcomes for row in o.rows for error in row.errors}
    problems |= {row.error for o in outcomes for row in o.displaced}
    assert all(problem.value for problem in problems)
    assert {(problem.code, problem.field) for problem in problems} <= {
        ("primary-key" if columns == primary else "unique-error", ", ".join(columns)) for columns in keys
    }


def _in_order(files: Mapping[int, Sequence[Row]]) -> list[tuple[Decimal, str | None, str]]:
    """The rows of files as the table has them."""
    return [
        (Decimal(value), part, f"{file}:{number}")
        for file, rows in files.items()
        for number, (value, part) in enumerate(rows, 1)
    ]


def _keys_of(
    keys: Sequence[Sequence[str]], number: Decimal, part: str | None
) -> set[tuple[Sequence[str], tuple[object, ...]]]:
    """What a row has of these keys."""
    values: dict[str, object] = {"number": number, "part": part}
    return {
        (columns, tuple(values[column] for column in columns))
        for columns in keys
        if all(values[column] is not None for column in columns)
    }


TWO_KEYS = Table("public", "people", (("id", "bigint"), ("name", "text")), ("id",), unique=(("name",),))


async def test_the_first_row_wins_by_the_primary_key_unless_another_key_of_it_is_taken(pool: PgPool) -> None:
    """Then the next one has its turn; of several rows that displace at once the others do so all the same."""
    sink, other, process = PgSink(pool), new_process(), new_process()

    async def load(process: str, number: int, *rows: tuple[int | None, str | None]) -> BatchOutcome:
        of = key(number, rows=5, process=process)
        outcome = (await sink.load(of, good(of, rows, TWO_KEYS), concluding(of))).outcome
        assert outcome is not None
        return outcome

    await load(other, 1, (100, "x"))
    await load(process, 2, (1, "late 1"), (2, "late 2"), (3, "late 3"), (4, "late 4"), (5, "late 5"))
    outcome = await load(process, 1, (1, "x"), (1, "early 1"), (2, "early 2"), (3, "late 4"), (4, "x"))
    assert [(row.row_number, row.errors[0].field, row.errors[0].value) for row in outcome.rows] == [
        (1, "name", "x"), (4, "name", "late 4"), (5, "name", "x")
    ]  # fmt: skip
    assert [(row.row_number, row.error.field, row.error.value) for row in outcome.displaced] == [
        (6, "id", "1"), (7, "id", "2")
    ]  # fmt: skip
    found = await pool.fetch("SELECT id, name FROM public.people ORDER BY id")
    assert [tuple(row) for row in found] == [
        (1, "early 1"), (2, "early 2"), (3, "late 3"), (4, "late 4"), (5, "late 5"), (100, "x")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "told"), [({"primary_key": ("id",)}, True), ({"unique": (("name",),)}, True), ({}, False)]
)
async def test_lines_of_rows_are_told_only_where_rows_may_be_displaced(
    pool: PgPool, keys: dict[str, Any], told: bool
) -> None:
    """For each row of a file whose records have several lines there may be one."""
    table = Table(
        "public", "lines_of_rows", (("id", "bigint"), ("name", "text")), **{"primary_key": ()} | keys
    )
    sink, lines, process = PgSink(pool), ((0, 1), (2, 3)), new_process()
    for number in (1, 2):  # the second batch knows the table
        of = key(number, process=process)
        rows = good(of, [(3 * number + at, f"{number} {at}") for at in range(3)], table)
        applied = await sink.load(of, rows, lambda refused, of=of: outcome_of(of, (), lines=lines))  # type: ignore[misc]
        assert applied.outcome is not None
        assert applied.outcome.lines == (lines if told else None)


async def test_a_row_displaces_none_of_its_own_batch(pool: PgPool) -> None:
    """Though the key by which it lost is free again, since the row that had it was displaced."""
    sink, process = PgSink(pool), new_process()
    first, second = (key(number, rows=3, process=process) for number in (1, 2))
    await sink.load(second, good(second, [(5, "x")], TWO_KEYS), concluding(second))
    rows = good(first, [(1, "x"), (1, "y"), (5, "z")], TWO_KEYS)
    outcome = (await sink.load(first, rows, concluding(first))).outcome
    assert outcome is not None
    assert [row.row_number for row in outcome.rows] == [1]
    assert [row.row_number for row in outcome.displaced] == [4]
    found = await pool.fetch("SELECT id, name FROM public.people ORDER BY id")
    assert [tuple(row) for row in found] == [(1, "y"), (5, "z")]


async def test_a_row_is_loaded_when_the_row_it_lost_to_is_displaced(pool: PgPool) -> None:
    sink, process = PgSink(pool), new_process()
    first, second = (key(number, rows=2, process=process) for number in (1, 2))
    await sink.load(second, good(second, [(5, "x")], TWO_KEYS), concluding(second))
    outcome = (await sink.load(first, good(first, [(1, "x"), (5, "z")], TWO_KEYS), concluding(first))).outcome
    assert outcome is not None
    assert (outcome.rows, [row.row_number for row in outcome.displaced]) == ((), [3])
    found = await pool.fetch("SELECT id, name FROM public.people ORDER BY id")
    assert [tuple(row) for row in found] == [(1, "x"), (5, "z")]


async def test_a_row_that_has_lost_holds_none_of_its_keys(pool: PgPool) -> None:
    sink, process = PgSink(pool), new_process()
    of = key(1, rows=4, process=process)
    rows = good(of, [(1, "a"), (1, "b"), (2, "b"), (3, "a")], TWO_KEYS)
    outcome = (await sink.load(of, rows, concluding(of))).outcome
    assert outcome is not None
    assert [(row.row_number, row.errors[0].code, row.errors[0].value) for row in outcome.rows] == [
        (2, "primary-key", "1"), (4, "unique-error", "a")
    ]  # fmt: skip


_WAITING = "SELECT count(*) FROM pg_locks WHERE relation = to_regclass($1) AND NOT granted"


async def test_batches_that_displace_never_wait_crosswise(
    pool: PgPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that begin with keys of a batch that was there before, and bring the same new keys in opposite
    orders: without a common lock each would wait for the other's new rows."""
    monkeypatch.setattr(table_locks, "_PATIENCE", "60s")
    count = 20_000
    new = [str(number) for number in range(2, count)]
    rows = [(number, "a") for number in ("0", *new, "1", *reversed(new), "0", "1")]
    for run in range(3):
        table = Table("public", f"cross_{run}", (("number", "text"), ("part", "text"), ("origin", "text")),
                      ("number",))  # fmt: skip
        first, second, last = _batches(run, table, 0, rows, count - 1)
        sink = PgSink(pool)  # it knows the table then: the first batch of a sink looks at it alone
        await sink.load(*last, concluding(last[0]))
        async with pool.transaction() as gate:  # both begin at one moment
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
