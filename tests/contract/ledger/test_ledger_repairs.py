"""Any sequence of repairs keeps the ledger right: rows, counts, errors, history and the state."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestor.outcomes import RejectedRow, RowError
from ingestor.services.status import ledger
from ingestor.services.status.adapters.pg_ledger import PgLedger
from ingestor.services.status.adapters.pg_reader import PgLedgerReader
from ingestor.services.status.ledger import Batch, Outcome
from ingestor.services.status.processes import Info, ProcessState, RowState
from ingestor.services.status.rows import RepairedRows
from tests.examples import examples

if TYPE_CHECKING:
    from tests.contract.conftest import OpenPool

S, F, K = RowState.SUCCEEDED, RowState.FAILED, RowState.SKIPPED
WHOLE = RowError("batch-error", "", "", "The batch died.", "load")


def error(code: str) -> RowError:
    """A reason."""
    return RowError(code, "field", "value", f"{code} is wrong", "validate")


@dataclass
class ModelRow:
    """What a row is."""

    state: RowState
    codes: tuple[str, ...] = ()
    history: list[tuple[str, ...]] = field(default_factory=list)


# A batch of the process: None for one that failed as a whole (so many rows), or its rows.
ROW = st.sampled_from([S, S, F, F, K])
BATCHES = st.lists(st.integers(1, 4) | st.lists(ROW, min_size=1, max_size=5), min_size=1, max_size=4)
# A repair: for each of its rows a number, perhaps of no row or none at all, and what became of it; QUEUED
# stands for one that was skipped since it had not failed.
N = RowState.QUEUED
REPAIRS = st.lists(
    st.lists(st.tuples(st.integers(0, 22), st.sampled_from([S, S, F, K, N])), min_size=1, max_size=8,
             unique_by=lambda row: row[0] or object()),
    max_size=5,
)  # fmt: skip


def outcome_of(number: int, first: int, states: list[RowState]) -> tuple[Outcome, list[RejectedRow]]:
    """The outcome of a batch whose rows have these states."""
    counts = Counter(states)
    batch = Batch(number, first, len(states), first + 1, first, first + len(states))
    rows = [
        RejectedRow(
            row, row + 1, "failed" if state is F else "skipped", (error(f"code-{row % 3}"),), (str(row),)
        )
        for row, state in enumerate(states, first)
        if state is not S
    ]
    return Outcome(batch, S, counts[S], counts[F], counts[K]), rows


async def build(pg: PgLedger, process: str, batches: list[int | list[RowState]]) -> dict[int, ModelRow]:
    """Record a process of these batches; its rows."""
    model: dict[int, ModelRow] = {}
    await pg.start(Info(process, "default", "u", "a.csv", 9, "", 0))
    first = 1
    for number, rows in enumerate(batches, 1):
        if isinstance(rows, int):
            batch = Batch(number, first, rows, first + 1, first, first + rows)
            await pg.record(process, Outcome(batch, F, 0, rows, 0), WHOLE, [])
            model |= {row: ModelRow(F, ("batch-error",)) for row in range(first, first + rows)}
            first += rows
            continue
        outcome, rejected = outcome_of(number, first, rows)
        await pg.record(process, outcome, None, rejected)
        model |= {row: ModelRow(state) for row, state in enumerate(rows, first)}
        for row in rejected:
            model[row.row_number].codes = tuple(found.code for found in row.errors)
        first += len(rows)
    await pg.change(process, lambda account: ledger.finished(account, first - 1, len(batches)))
    return model


async def bring(
    pg: PgLedger, process: str, model: dict[int, ModelRow], rows: list[tuple[int, RowState]]
) -> None:
    """Record a repair, told twice, and what it means for the model."""
    repair = str(uuid.uuid4())
    await pg.start(Info(repair, "default", "u", "b.csv", 9, "", 0, process))
    outcome, rejected = outcome_of(1, 1, [K if state is N else state for _, state in rows])
    again = (error("again"), error("more"))
    rejected = [
        r._replace(errors=(error("not-failed"),) if rows[r.row_number - 1][1] is N else again, cells=("new",))
        for r in rejected
    ]
    repaired = RepairedRows(process, tuple(number for number, _ in rows))
    assert await pg.record(repair, outcome, None, rejected, repaired)
    assert not await pg.record(repair, outcome, None, rejected, repaired)
    for number, state in rows:
        row = model.get(number)
        # What a repair has left out, another one that began at the same time may have loaded.
        revived = row is not None and row.state is K and row.history and state is S
        if row is None or state is N or not (row.state is F or revived):
            continue
        row.history.append(row.codes)
        row.state = state
        row.codes = () if state is S else ("again", "more")


async def check(reader: PgLedgerReader, process: str, model: dict[int, ModelRow]) -> None:
    """The ledger says what the model says, wherever one asks."""
    found = await reader.process(process)
    assert found is not None
    counts = Counter(row.state for row in model.values())
    assert (found.succeeded, found.failed, found.skipped) == (counts[S], counts[F], counts[K])
    assert found.read == len(model) == found.succeeded + found.failed + found.skipped
    done = ProcessState.COMPLETED_WITH_ERRORS if counts[F] else ProcessState.COMPLETED
    assert found.state is done
    rows = await reader.rows(process, [], 0, 1000)
    assert {row.row_number: row.state for row in rows} == {number: row.state for number, row in model.items()}
    for row in rows:
        assert tuple(e.code for e in row.errors) == model[row.row_number].codes
        history = await reader.history(process, row.row_number)
        assert [tuple(e.code for e in version.errors) for version in history] == model[row.row_number].history
        assert (row.repaired_by == history[-1].repair_process_id) if history else not row.repaired_by
    assert await reader.states(process, list(model)) == {n: row.state for n, row in model.items()}
    wanted = Counter(code for row in model.values() if row.state is F for code in row.codes)
    assert {group.code: group.count for group in await reader.error_groups(process)} == dict(wanted)
    for group in await reader.error_groups(process):
        first = min(n for n, row in model.items() if row.state is F and group.code in row.codes)
        assert group.first_row == first
    batches = await reader.batches(process, None, 0, 100)
    for record in batches:
        states = Counter(
            model[record.batch.first_row + index].state for index in range(record.batch.row_count)
        )
        assert (record.succeeded, record.failed, record.skipped) == (states[S], states[F], states[K])


async def test_any_sequence_of_repairs_keeps_every_row_right(pool_of: OpenPool) -> None:
    pool = await pool_of("status")
    pg, reader = PgLedger(pool), PgLedgerReader(pool)
    loop = asyncio.get_running_loop()

    async def example(batches: list[int | list[RowState]], repairs: list[list[tuple[int, RowState]]]) -> None:
        process = str(uuid.uuid4())
        model = await build(pg, process, batches)
        await check(reader, process, model)
        for rows in repairs:
            await bring(pg, process, model, rows)
            await check(reader, process, model)
        rest = [(number, S) for number, row in model.items() if row.state is F]
        if rest:
            await bring(pg, process, model, rest)
            await check(reader, process, model)

    def wait(work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result()

    @settings(max_examples=examples(40))
    @given(BATCHES, REPAIRS)
    def run(batches: list[int | list[RowState]], repairs: list[list[tuple[int, RowState]]]) -> None:
        wait(example(batches, repairs))

    await asyncio.to_thread(run)


async def test_repairs_of_one_process_at_once_lose_nothing(pool_of: OpenPool) -> None:
    pool = await pool_of("status")
    pg, reader = PgLedger(pool), PgLedgerReader(pool)
    process = str(uuid.uuid4())
    model = await build(pg, process, [[F] * 40, 40, [F] * 20])
    models = [model] * 10
    await asyncio.gather(
        *(
            bring(pg, process, models[at], [(number, S) for number in range(at + 1, 101, 10)])
            for at in range(10)
        )
    )
    assert all(row.state is S for row in model.values())
    await check(reader, process, model)


async def test_a_repair_repairs_nothing_but_a_process_that_stands_for_itself(pool_of: OpenPool) -> None:
    pool = await pool_of("status")
    pg, reader = PgLedger(pool), PgLedgerReader(pool)
    process, repair = str(uuid.uuid4()), str(uuid.uuid4())
    await build(pg, process, [[F, F]])
    await pg.start(Info(repair, "default", "u", "b.csv", 9, "", 0, process))
    outcome, rejected = outcome_of(1, 1, [S, F])
    unknown = str(uuid.uuid4())
    for which, other in (
        (unknown, repair),
        (unknown, unknown),
        (repair, unknown),
        (repair, str(uuid.uuid4())),
    ):
        with pytest.raises(ValueError, match=r"cannot be repaired|repairs"):
            await pg.record(which, outcome, None, rejected, RepairedRows(other, (1, 2)))
    with pytest.raises(ValueError, match="3 repaired rows"):
        await pg.record(repair, outcome, None, rejected, RepairedRows(process, (1, 2, 3)))
    assert await reader.batches(repair, None, 0, 9) == []  # nothing of it was kept
    assert await reader.process(unknown) is None


async def test_rows_that_fail_again_get_their_new_cells(pool_of: OpenPool) -> None:
    """In their order, however many there are, and whatever is in them."""
    pool = await pool_of("status")
    pg, process, repair = PgLedger(pool), str(uuid.uuid4()), str(uuid.uuid4())
    await build(pg, process, [[F, F, F, F]])
    await pg.start(Info(repair, "default", "u", "b.csv", 9, "", 0, process))
    cells = [("b", "", "a", 'ö"\\\n', "{}"), (), ("nul\0",), ("null", "1")]
    outcome, rejected = outcome_of(1, 1, [F, F, F, K])
    rejected = [row._replace(cells=its) for row, its in zip(rejected, cells, strict=True)]
    await pg.record(repair, outcome, None, rejected, RepairedRows(process, (4, 3, 2, 1)))
    rows = await PgLedgerReader(pool).rows(process, [], 0, 10)
    assert {row.row_number: row.state for row in rows} == {1: K, 2: F, 3: F, 4: F}
    assert [row.cells for row in rows] == [cells[3], ("nul\ufffd",), cells[1], cells[0]]
