"""Rows that displace others keep the ledger right, in whatever order and how often the outcomes are told."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.status import ledger
from services.status.adapters.pg_ledger import PgLedger
from services.status.adapters.pg_reader import PgLedgerReader
from services.status.ledger import Batch, Outcome
from services.status.processes import Info, ProcessState, RowState
from services.status.rows import RejectedRow, RowError

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgPool
    from tests.contract.conftest import OpenPool

S, F, K = RowState.SUCCEEDED, RowState.FAILED, RowState.SKIPPED
# The keys of a file's rows; None for one that is rejected before it is loaded, 0 for one that is skipped.
FILE = st.lists(st.sampled_from([None, 0, 1, 2, 3, 4, 5, 6]), min_size=1, max_size=24)


def taken(key: int) -> tuple[RowError, ...]:
    """Why a row has failed whose key an earlier one has."""
    return (RowError("primary-key", "id", str(key), "A row with the same id is there already.", 3),)


@dataclass
class Told:
    """What the processor says of a batch."""

    outcome: Outcome
    rows: list[RejectedRow]
    displaced: list[RejectedRow] = field(default_factory=list)


def loaded(batches: list[list[tuple[int, int | None]]], order: list[int]) -> list[Told]:
    """The outcomes of batches of (row number, key) that are loaded in an order, by batch."""
    there: dict[int, int] = {}
    told: dict[int, Told] = {}
    for place in order:
        rows, displaced = [], []
        for number, key in batches[place]:
            if key is None:
                bad = RowError("type-error", "amount", "x", "no number", 2)
                rows.append(RejectedRow(number, number + 1, F, (bad,), ("x",)))
            elif key == 0:
                rows.append(RejectedRow(number, number + 1, K, (RowError("blank-row", "", "", "", 1),), ()))
            elif key in there and there[key] < number:
                rows.append(RejectedRow(number, number + 1, F, taken(key), ("x",)))
            else:
                if key in there:
                    displaced.append(RejectedRow(there[key], 0, F, taken(key), ()))
                there[key] = number
        counts = Counter(row.state for row in rows)
        first, size = batches[place][0][0], len(batches[place])
        batch = Batch(place + 1, first, size, first + 1, first, first + size)
        told[place] = Told(Outcome(batch, S, size - len(rows), counts[F], counts[K]), rows, displaced)
    return [told[place] for place in range(len(batches))]


async def check(pool: PgPool, process: str, keys: list[int | None]) -> None:
    """The ledger says of every row what the file says, wherever one asks."""
    reader = PgLedgerReader(pool)
    wanted: dict[int, RowState] = {}
    seen: set[int] = set()
    for number, key in enumerate(keys, 1):
        wanted[number] = F if key is None or key in seen else K if key == 0 else S
        if key:
            seen.add(key)
    counts = Counter(wanted.values())
    found = await reader.process(process)
    assert found is not None
    assert (found.read, found.succeeded, found.failed, found.skipped) == (
        len(keys), counts[S], counts[F], counts[K]
    )  # fmt: skip
    assert found.state is (ProcessState.COMPLETED_WITH_ERRORS if counts[F] else ProcessState.COMPLETED)
    rows = await reader.rows(process, [], 0, 1000)
    assert {row.row_number: row.state for row in rows} == wanted
    reasons = {number: "type-error" if keys[number - 1] is None else "primary-key"
               for number, state in wanted.items() if state is F}  # fmt: skip
    assert {row.row_number: row.errors[0].code for row in rows if row.state is F} == reasons
    assert all(row.errors[0].value == str(keys[row.row_number - 1])
               for row in rows if reasons.get(row.row_number) == "primary-key")  # fmt: skip
    groups = await reader.error_groups(process)
    assert {group.code: group.count for group in groups} == dict(Counter(reasons.values()))
    for group in groups:
        assert group.first_row == min(number for number, code in reasons.items() if code == group.code)
    for record in await reader.batches(process, None, 0, 100):
        states = Counter(wanted[record.batch.first_row + index] for index in range(record.batch.row_count))
        assert (record.succeeded, record.failed, record.skipped) == (states[S], states[F], states[K])
    assert await pool.fetchval("SELECT count(*) FROM displaced_rows WHERE process_id = $1", process) == 0
    # The events add up to it as well.
    added = {"succeeded": 0, "failed": 0, "displaced": 0}
    for event in await reader.events(process, 0, 1000):
        if event.type == "rows.processed":
            data = json.loads(event.data_json)
            added = {name: count + data.get(name, 0) for name, count in added.items()}
    assert (added["succeeded"] - added["displaced"], added["failed"] + added["displaced"]) == (
        counts[S], counts[F]
    )  # fmt: skip


async def test_told_in_any_order_and_twice(pool_of: OpenPool) -> None:
    pool = await pool_of("status")
    pg = PgLedger(pool)
    loop = asyncio.get_running_loop()

    @settings(max_examples=150, deadline=None)
    @given(data=st.data())
    def run(data: st.DataObject) -> None:
        keys = data.draw(FILE, label="keys")
        size = data.draw(st.integers(1, 6), label="rows of a batch")
        numbered = list(enumerate(keys, 1))
        batches = [numbered[start : start + size] for start in range(0, len(numbered), size)]
        places = range(len(batches))
        told = loaded(batches, data.draw(st.permutations(places), label="loaded"))
        again = data.draw(st.lists(st.sampled_from(places)), label="twice")
        order = data.draw(st.permutations([*places, *again]), label="told")
        dispatched = data.draw(st.booleans(), label="dispatched before")
        done: Coroutine[Any, Any, None] = tell(keys, [told[place] for place in order], dispatched)
        asyncio.run_coroutine_threadsafe(done, loop).result()

    async def tell(keys: list[int | None], order: list[Told], dispatched: bool) -> None:
        process = str(uuid.uuid4())
        await pg.start(Info(process, "default", "u", "a.csv", 9, "", 0))
        if dispatched:
            for one in order:
                await pg.dispatch(process, "default", one.outcome.batch)
        recorded = set()
        for one in order:
            first = await pg.record(process, "default", one.outcome, None, one.rows, None, one.displaced)
            assert first == (one.outcome.batch.number not in recorded)
            recorded.add(one.outcome.batch.number)
            account = await pg.change(process, lambda account: (account, []))
            assert account.succeeded + account.failed + account.skipped <= account.read
        await pg.change(process, lambda account: ledger.finished(account, len(keys), len(recorded)))
        await check(pool, process, keys)

    await asyncio.to_thread(run)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([RejectedRow(3, 0, F, taken(1), ())], "of its own"),
        ([RejectedRow(0, 0, F, taken(1), ())], "below 1"),
        ([RejectedRow(11, 0, F, taken(1), ())] * 2, "told twice"),
        ([RejectedRow(11, 0, K, taken(1), ())], "is FAILED"),
        ([RejectedRow(11, 0, F, (), ())], "with a reason"),
    ],
)
async def test_what_is_no_displaced_row(pool_of: OpenPool, rows: list[RejectedRow], message: str) -> None:
    pg, process = PgLedger(await pool_of("status")), str(uuid.uuid4())
    outcome = Outcome(Batch(1, 1, 10, 2, 0, 9), S, 10, 0, 0)
    with pytest.raises(ValueError, match=message):
        await pg.record(process, "default", outcome, None, [], None, rows)
