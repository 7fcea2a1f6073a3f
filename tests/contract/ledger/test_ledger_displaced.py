"""Rows that displace others of their file keep the ledger right, in whatever order and however often the
outcomes are reported."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestor.outcomes import DisplacedRow, RejectedRow, RowError
from ingestor.services.status import ledger
from ingestor.services.status.adapters.pg_ledger import PgLedger
from ingestor.services.status.adapters.pg_reader import PgLedgerReader
from ingestor.services.status.adapters.pg_removals import PgRemovals
from ingestor.services.status.ledger import Account, Batch, Outcome
from ingestor.services.status.processes import ProcessState, RowState
from ingestor.services.status.rows import RepairedRows
from tests.examples import examples

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool
    from tests.contract.conftest import OpenPool

S, F, K = RowState.SUCCEEDED, RowState.FAILED, RowState.SKIPPED
# The keys of a file's rows; None for one that is rejected before it is loaded, 0 for one that is skipped.
FILE = st.lists(st.sampled_from([None, 0, 1, 2, 3, 4, 5, 6]), min_size=1, max_size=24)


def taken(key: int) -> RowError:
    """Why a row has failed whose key an earlier one has."""
    return RowError("primary-key", "id", str(key), "The table already has a row with the same id.", "load")


@dataclass
class Reported:
    """What the processor says of a batch."""

    outcome: Outcome
    rows: list[RejectedRow]
    displaced: list[DisplacedRow] = field(default_factory=list)


@dataclass
class File:
    """A process and the keys of its rows, cut into batches of so many rows."""

    process: str
    keys: list[int | None]
    size: int

    @property
    def batches(self) -> list[list[tuple[int, int | None]]]:
        """(row number, key) of the rows, by batch."""
        numbered = list(enumerate(self.keys, 1))
        return [numbered[start : start + self.size] for start in range(0, len(numbered), self.size)]


def loaded(file: File, order: list[int]) -> dict[int | None, Reported]:
    """The outcomes of the batches when they are loaded in an order."""
    there: dict[int, int] = {}
    reported: dict[int | None, Reported] = {}
    for place in order:
        batch = file.batches[place]
        rows, displaced = [], []
        for number, key in batch:
            if key is None:
                bad = RowError("type-error", "amount", "x", "no number", "validate")
                rows.append(RejectedRow(number, number + 1, "failed", (bad,), ("x",)))
            elif key == 0:
                blank = RowError("blank-row", "", "", "", "parse")
                rows.append(RejectedRow(number, number + 1, "skipped", (blank,), ()))
            elif key in there and there[key] < number:
                rows.append(RejectedRow(number, number + 1, "failed", (taken(key),), ("x",)))
            else:
                if key in there:
                    displaced.append(DisplacedRow(there[key], taken(key)))
                there[key] = number
        counts = Counter(row.state for row in rows)
        first, size = batch[0][0], len(batch)
        bounds = Batch(place + 1, first, size, first + 1, first, first + size)
        reported[place] = Reported(
            Outcome(bounds, S, size - len(rows), counts["failed"], counts["skipped"]), rows, displaced
        )
    return reported


async def finish(pg: PgLedger, process: str, rows: int, batches: int) -> Account:
    """All batches of a process are sent."""
    return await pg.change(process, lambda account: ledger.finished(account, rows, batches))


async def check(pool: PgPool, file: File) -> None:
    """The ledger says of every row what the file says, wherever one asks."""
    before: set[int] = set()
    reader, process, keys = PgLedgerReader(pool), file.process, file.keys
    wanted: dict[int, RowState] = {}
    for number, key in enumerate(keys, 1):
        wanted[number] = F if key is None or key in before else K if key == 0 else S
        if key:
            before.add(key)
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
    # The events add up to it as well, and the last state that they tell is the one that there is.
    added = {"succeeded": 0, "failed": 0, "displaced": 0}
    reported = []
    for event in await reader.events(process, 0, 1000):
        data = json.loads(event.data_json)
        if event.type == "rows.processed":
            added = {name: count + data.get(name, 0) for name, count in added.items()}
        if "state" in data:
            reported.append(data["state"])
    assert (added["succeeded"] - added["displaced"], added["failed"] + added["displaced"]) == (
        counts[S], counts[F]
    )  # fmt: skip
    assert reported[-1] == found.state.name


async def test_reported_in_any_order_and_twice(pool_of: OpenPool) -> None:
    pool = await pool_of("status")
    pg = PgLedger(pool)
    loop = asyncio.get_running_loop()

    @settings(max_examples=examples(200))
    @given(data=st.data())
    def run(data: st.DataObject) -> None:
        keys = data.draw(FILE, label="keys")
        file = File(str(uuid.uuid4()), keys, data.draw(st.integers(1, 6), label="rows of a batch"))
        places = list(range(len(file.batches)))
        reported = loaded(file, data.draw(st.permutations(places), label="loaded"))
        again = data.draw(st.lists(st.sampled_from(places)), label="twice")
        order = data.draw(st.permutations([*places, *again, None]), label="reported")
        dispatched = data.draw(st.booleans(), label="dispatched before")
        done: Coroutine[Any, Any, None] = report(file, reported, order, dispatched)
        asyncio.run_coroutine_threadsafe(done, loop).result()

    async def report(
        file: File, reported: dict[int | None, Reported], order: list[int | None], dispatched: bool
    ) -> None:
        if dispatched:
            for one in reported.values():
                await pg.dispatch(file.process, one.outcome.batch)
        recorded = set()
        for place in order:
            if place is None:
                account = await finish(pg, file.process, len(file.keys), len(file.batches))
            else:
                one = reported[place]
                first = await pg.record(file.process, one.outcome, None, one.rows, None, one.displaced)
                assert first == (place not in recorded)
                recorded.add(place)
                account = await pg.change(file.process, lambda account: (account, []))
            assert account.succeeded + account.failed + account.skipped <= account.read
        await check(pool, file)

    await asyncio.to_thread(run)


OUTCOME = Outcome(Batch(1, 1, 10, 2, 0, 9), S, 10, 0, 0)
OWN, OTHER = "00000000-0000-7000-8000-000000000002", "00000000-0000-7000-8000-000000000001"


@pytest.mark.parametrize(
    ("rows", "repairs", "message"),
    [
        ([3], False, "of its own"),
        ([0], False, "below 1"),
        ([11, 11], False, "reported twice"),
        ([11], True, "a repair cannot displace rows"),
    ],
)
async def test_what_is_no_displaced_row(
    pool_of: OpenPool, rows: list[int], repairs: bool, message: str
) -> None:
    pg = PgLedger(await pool_of("status"))
    displaced = [DisplacedRow(row, taken(1)) for row in rows]
    repaired = RepairedRows(OTHER, ()) if repairs else None
    with pytest.raises(ValueError, match=message):
        await pg.record(OWN, OUTCOME, None, [], repaired, displaced)


async def test_displaced_rows_of_an_expired_process_are_ignored(pool_of: OpenPool) -> None:
    pool = await pool_of("status")
    pg, process = PgLedger(pool), str(uuid.uuid4())
    await pg.record(process, OUTCOME, None, [])
    await finish(pg, process, 10, 1)
    now = datetime.now(UTC)
    assert await PgRemovals(pool).expire(now + timedelta(hours=1), now, 10) == 1
    late = Outcome(Batch(2, 11, 10, 12, 9, 18), S, 10, 0, 0)
    assert not await pg.record(process, late, None, [], None, [DisplacedRow(3, taken(1))])
    assert await pool.fetchval("SELECT count(*) FROM displaced_rows") == 0


@pytest.mark.parametrize("own_first", [True, False])
async def test_a_displaced_row_has_its_line(pool_of: OpenPool, own_first: bool) -> None:
    """Whichever outcome comes first: that of its own batch, or that of the batch that displaces it."""
    pool = await pool_of("status")
    writer, reader = PgLedger(pool), PgLedgerReader(pool)
    process = str(uuid.uuid4())
    # Rows 4 to 7 begin on lines 11, 12, 15 and 16.
    own = Outcome(Batch(2, 4, 4, 11, 50, 90), S, 4, 0, 0, ((2, 2),))
    first = Outcome(Batch(1, 1, 3, 2, 5, 50), S, 3, 0, 0)
    displaced = [DisplacedRow(5, taken(1)), DisplacedRow(7, taken(2))]
    for outcome, rows in ((own, []), (first, displaced))[:: 1 if own_first else -1]:
        await writer.record(process, outcome, None, [], displaced=rows)
    found = [(await reader.row(process, number))[1] for number in (5, 7)]
    assert [(row.line_number, row.state) for row in found if row] == [(12, F), (16, F)]


async def test_without_lines_a_displaced_row_has_none(pool_of: OpenPool) -> None:
    """As of a processor of an older release."""
    pool = await pool_of("status")
    process = str(uuid.uuid4())
    await PgLedger(pool).record(process, Outcome(Batch(2, 4, 4, 11, 50, 90), S, 4, 0, 0), None, [])
    first = Outcome(Batch(1, 1, 3, 2, 5, 50), S, 3, 0, 0)
    await PgLedger(pool).record(process, first, None, [], displaced=[DisplacedRow(5, taken(1))])
    _, row = await PgLedgerReader(pool).row(process, 5)
    assert row is not None and (row.line_number, row.state) == (0, F)
