"""Rows that displace others keep the ledger right, in whatever order and how often the outcomes are told."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestor.services.status import ledger
from ingestor.services.status.adapters.pg_ledger import PgLedger
from ingestor.services.status.adapters.pg_reader import PgLedgerReader
from ingestor.services.status.adapters.pg_removals import PgRemovals
from ingestor.services.status.ledger import Account, Batch, Outcome
from ingestor.services.status.ports import Limits
from ingestor.services.status.processes import Info, ProcessState, RowState, Undo
from ingestor.services.status.rows import DisplacedRow, RejectedRow, RepairedRows, RowError

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgPool
    from tests.contract.conftest import OpenPool

S, F, K = RowState.SUCCEEDED, RowState.FAILED, RowState.SKIPPED
# The keys of a file's rows; None for one that is rejected before it is loaded, 0 for one that is skipped.
FILE = st.lists(st.sampled_from([None, 0, 1, 2, 3, 4, 5, 6]), min_size=1, max_size=24)
# A batch of a file, or None for the news that all of them are sent.
News = tuple[int, int | None]


def taken(key: int) -> RowError:
    """Why a row has failed whose key an earlier one has."""
    return RowError("primary-key", "id", str(key), "A row with the same id is there already.", 3)


@dataclass
class Told:
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


def loaded(files: list[File], order: list[tuple[int, int]]) -> dict[News, Told]:
    """The outcomes of the batches (file, place) when they are loaded in an order."""
    there: dict[int, tuple[int, int]] = {}
    told: dict[News, Told] = {}
    for file, place in order:
        batch = files[file].batches[place]
        rows, displaced = [], []
        for number, key in batch:
            if key is None:
                bad = RowError("type-error", "amount", "x", "no number", 2)
                rows.append(RejectedRow(number, number + 1, F, (bad,), ("x",)))
            elif key == 0:
                rows.append(RejectedRow(number, number + 1, K, (RowError("blank-row", "", "", "", 1),), ()))
            elif key in there and there[key] < (file, number):
                rows.append(RejectedRow(number, number + 1, F, (taken(key),), ("x",)))
            else:
                if key in there:
                    other, row = there[key]
                    displaced.append(DisplacedRow(files[other].process, row, taken(key)))
                there[key] = (file, number)
        counts = Counter(row.state for row in rows)
        first, size = batch[0][0], len(batch)
        bounds = Batch(place + 1, first, size, first + 1, first, first + size)
        told[file, place] = Told(Outcome(bounds, S, size - len(rows), counts[F], counts[K]), rows, displaced)
    return told


async def finish(pg: PgLedger, process: str, rows: int, batches: int) -> Account:
    """All batches of a process are sent."""
    return await pg.change(process, lambda account: ledger.finished(account, rows, batches))


async def check(pool: PgPool, file: File, before: set[int]) -> None:
    """The ledger says of every row what the files say, wherever one asks. Rows of earlier processes have
    the keys `before`; those of this one are put to them."""
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
    states_told = []
    for event in await reader.events(process, 0, 1000):
        data = json.loads(event.data_json)
        if event.type in ("rows.processed", "rows.displaced"):
            added = {name: count + data.get(name, 0) for name, count in added.items()}
        if event.type == "rows.displaced":
            assert data["displaced"] > 0
            assert data["by_process_id"] < process
        if "state" in data:
            states_told.append(data["state"])
    assert (added["succeeded"] - added["displaced"], added["failed"] + added["displaced"]) == (
        counts[S], counts[F]
    )  # fmt: skip
    assert states_told[-1] == found.state.name


@pytest.mark.parametrize(("most", "examples"), [(1, 100), (4, 200)], ids=["one file", "files"])
async def test_told_in_any_order_and_twice(pool_of: OpenPool, most: int, examples: int) -> None:
    """Also when processes have completed before rows of them are displaced."""
    pool = await pool_of("status")
    pg = PgLedger(pool)
    loop = asyncio.get_running_loop()

    @settings(max_examples=examples, deadline=None)
    @given(data=st.data())
    def run(data: st.DataObject) -> None:
        keys = data.draw(st.lists(FILE, min_size=min(most, 2), max_size=most), label="keys")
        size = data.draw(st.integers(1, 6), label="rows of a batch")
        ids = sorted(str(uuid.uuid4()) for _ in keys)
        files = [File(process, its, size) for process, its in zip(ids, keys, strict=True)]
        places = [(at, place) for at, file in enumerate(files) for place in range(len(file.batches))]
        told = loaded(files, data.draw(st.permutations(places), label="loaded"))
        again = data.draw(st.lists(st.sampled_from(places)), label="twice")
        ends: list[News] = [(at, None) for at in range(len(files))]
        order = data.draw(st.permutations([*places, *again, *ends]), label="told")
        dispatched = data.draw(st.booleans(), label="dispatched before")
        done: Coroutine[Any, Any, None] = tell(files, told, order, dispatched)
        asyncio.run_coroutine_threadsafe(done, loop).result()

    async def tell(files: list[File], told: dict[News, Told], order: list[News], dispatched: bool) -> None:
        if dispatched:
            for (at, _), one in told.items():
                await pg.dispatch(files[at].process, "default", one.outcome.batch)
        recorded = set()
        for news in order:
            file, place = files[news[0]], news[1]
            if place is None:
                await finish(pg, file.process, len(file.keys), len(file.batches))
            else:
                one = told[news]
                first = await pg.record(
                    file.process, "default", one.outcome, None, one.rows, None, one.displaced
                )
                assert first == (news not in recorded)
                recorded.add(news)
            for other in files:
                account = await pg.change(other.process, lambda account: (account, []))
                assert account.succeeded + account.failed + account.skipped <= account.read
        before: set[int] = set()
        for file in files:
            await check(pool, file, before)

    await asyncio.to_thread(run)


async def test_processes_that_displace_each_others_rows_at_once_do_not_wait_for_each_other_for_ever(
    pool_of: OpenPool,
) -> None:
    pool = await pool_of("status")
    pg, shuffle = PgLedger(pool), random.Random(7)
    ids = sorted(str(uuid.uuid4()) for _ in range(10))
    records: list[tuple[str, str, Outcome, None, list[RejectedRow], None, list[DisplacedRow]]] = []
    for at, process in enumerate(ids):
        for number in range(1, 9):
            first = number * 10 - 9
            displaced = [DisplacedRow(later, first + at, taken(1)) for later in ids[at + 1 :]]
            shuffle.shuffle(displaced)
            outcome = Outcome(Batch(number, first, 10, first + 1, first, first + 10), S, 10, 0, 0)
            records.append((process, "default", outcome, None, [], None, displaced))
    shuffle.shuffle(records)
    async with asyncio.timeout(120):
        assert all(await asyncio.gather(*(pg.record(*record) for record in records)))
    for at, process in enumerate(ids):
        account = await finish(pg, process, 80, 8)
        assert (account.succeeded, account.failed) == (80 - 8 * at, 8 * at)
        done = ProcessState.COMPLETED_WITH_ERRORS if at else ProcessState.COMPLETED
        assert account.state is done
    assert await pool.fetchval("SELECT count(*) FROM displaced_rows") == 0


# -- what becomes of a later process ---------------------------------------------------------------

OUTCOME = Outcome(Batch(1, 1, 10, 2, 0, 9), S, 10, 0, 0)


@dataclass
class Two:
    """An earlier process and a later one, whose only batch has ten rows, all of them loaded."""

    pool: PgPool
    pg: PgLedger
    earlier: str
    later: str

    async def displace(self, *rows: int, also: str = "") -> None:
        """The earlier process tells of a batch that has displaced rows of the later one."""
        processes = [self.later, also] if also else [self.later]
        displaced = [DisplacedRow(process, row, taken(row)) for process in processes for row in rows]
        assert await self.pg.record(self.earlier, "default", OUTCOME, None, [], None, displaced)

    async def account(self, process: str = "") -> Account:
        """Where the later one stands, or another one."""
        return await self.pg.change(process or self.later, lambda account: (account, []))

    async def states(self) -> dict[int, RowState]:
        """Rows of the later one that have not succeeded."""
        found = await PgLedgerReader(self.pool).states(self.later, range(1, 11))
        return {row: state for row, state in found.items() if state is not S}

    async def events(self) -> list[dict[str, Any]]:
        """What `rows.displaced` says of the later one."""
        found = await PgLedgerReader(self.pool).events(self.later, 0, 100)
        return [json.loads(event.data_json) for event in found if event.type == "rows.displaced"]


@pytest.fixture
async def two(pool_of: OpenPool) -> Two:
    """Neither has ended."""
    pool = await pool_of("status")
    pg = PgLedger(pool)
    earlier, later = sorted(str(uuid.uuid4()) for _ in range(2))
    for process in (earlier, later):
        await pg.start(Info(process, "default", "u", "a.csv", 9, "", 0))
    await pg.record(later, "default", OUTCOME, None, [])
    return Two(pool, pg, earlier, later)


async def complete(two: Two) -> None:
    """The later process ends."""
    account = await finish(two.pg, two.later, 10, 1)
    assert account.state is ProcessState.COMPLETED


async def test_a_completed_process_has_errors_then(two: Two) -> None:
    await complete(two)
    reader = PgLedgerReader(two.pool)
    before = await reader.process(two.later)
    await two.displace(3, 7)
    found = await reader.process(two.later)
    assert before is not None
    assert found is not None
    assert found.state is ProcessState.COMPLETED_WITH_ERRORS
    assert (found.succeeded, found.failed, found.ended) == (8, 2, before.ended)
    assert await two.states() == {3: F, 7: F}
    assert await two.events() == [
        {"by_process_id": two.earlier, "displaced": 2, "state": "COMPLETED_WITH_ERRORS"}
    ]
    earlier = await two.account(two.earlier)
    assert (earlier.succeeded, earlier.failed) == (10, 0)


async def test_a_cancelled_process_stays_so(two: Two) -> None:
    await two.pg.change(two.later, ledger.cancelled)
    await two.displace(3)
    account = await two.account()
    assert (account.state, account.succeeded, account.failed) == (ProcessState.CANCELLED, 9, 1)
    assert await two.states() == {3: F}
    assert [event["state"] for event in await two.events()] == ["CANCELLED"]


async def test_an_undone_process_stays_so(two: Two) -> None:
    """Its row was displaced before it was undone."""
    await complete(two)
    await two.pg.undo(two.later, Undo(9, 0, 0))
    await two.displace(3)
    account = await two.account()
    assert (account.state, account.succeeded, account.failed) == (ProcessState.UNDONE, 9, 1)
    assert await two.states() == {3: F}


async def test_a_deleted_process_is_left_alone(two: Two) -> None:
    """And the one behind it is not."""
    await complete(two)
    await PgRemovals(two.pool).delete(two.later)
    last = str(uuid.UUID(int=uuid.UUID(two.later).int + 1))
    await two.pg.record(last, "default", OUTCOME, None, [])
    await two.displace(3, also=last)
    kept = await two.pool.fetchrow(
        "SELECT succeeded, failed, deleted_at FROM processes WHERE process_id = $1", two.later
    )
    assert kept is not None
    assert (kept["succeeded"], kept["failed"]) == (0, 0)
    assert kept["deleted_at"] is not None
    assert await two.events() == []
    assert await two.pool.fetchval("SELECT count(*) FROM displaced_rows") == 0
    account = await two.account(last)
    assert (account.succeeded, account.failed) == (9, 1)


async def test_an_expired_process_keeps_its_counts(two: Two) -> None:
    await complete(two)
    now = datetime.now(UTC)
    assert await PgRemovals(two.pool).expire(now + timedelta(hours=1), now, 10) == 1
    await two.displace(3)
    account = await two.account()
    assert (account.state, account.succeeded, account.failed) == (ProcessState.COMPLETED, 10, 0)
    assert await two.events() == []
    assert await two.pool.fetchval("SELECT count(*) FROM displaced_rows") == 0


async def test_a_running_process_may_have_too_many_errors_by_it(two: Two) -> None:
    await two.pg.read_header(two.later, ["id"], "{}", 9, Limits(max_failed=1, max_failed_share=None))
    await two.displace(3)
    assert (await two.account()).state is ProcessState.DISPATCHING
    second = Outcome(Batch(2, 11, 10, 12, 9, 18), S, 10, 0, 0)
    displaced = [DisplacedRow(two.later, 4, taken(4))]
    await two.pg.record(two.earlier, "default", second, None, [], None, displaced)
    account = await two.account()
    assert account.state is ProcessState.FAILED
    assert account.failure is not None
    assert account.failure.reason == "TOO_MANY_ERRORS"
    types = [event.type for event in await PgLedgerReader(two.pool).events(two.later, 0, 100)]
    assert types[-2:] == ["rows.displaced", "ingestion.failed"]


async def test_rows_of_a_process_that_is_not_known_yet_wait(two: Two) -> None:
    late = str(uuid.UUID(int=uuid.UUID(two.later).int + 1))
    await two.displace(3, also=late)
    await two.pg.record(late, "default", OUTCOME, None, [])
    account = await two.account(late)
    assert (account.succeeded, account.failed) == (9, 1)


@pytest.mark.parametrize("repaired_first", [True, False])
async def test_a_row_that_a_repair_has_loaded_may_be_displaced(two: Two, repaired_first: bool) -> None:
    """Before or after the repair's outcome is told: the row has failed in the end. Row 2 stays repaired."""
    batch = Batch(2, 11, 2, 12, 9, 11)
    dead = RowError("batch-error", "", "", "The batch died.", 3)
    await two.pg.record(two.later, "default", Outcome(batch, F, 0, 2, 0), dead, [])
    await finish(two.pg, two.later, 12, 2)
    repair = str(uuid.UUID(int=uuid.UUID(two.later).int + 1))
    await two.pg.start(Info(repair, "default", "u", "b.csv", 9, "", 0, two.later))

    async def repaired() -> None:
        outcome = Outcome(Batch(1, 1, 2, 2, 0, 9), S, 2, 0, 0)
        await two.pg.record(repair, "default", outcome, None, [], RepairedRows(two.later, (11, 12)))

    if repaired_first:
        await repaired()
        assert (await two.account()).state is ProcessState.COMPLETED
    await two.displace(11)
    if not repaired_first:
        await repaired()
    account = await two.account()
    assert (account.state, account.succeeded, account.failed) == (
        ProcessState.COMPLETED_WITH_ERRORS, 11, 1
    )  # fmt: skip
    reader = PgLedgerReader(two.pool)
    assert await reader.states(two.later, [11, 12]) == {11: F, 12: S}
    assert [(g.code, g.count) for g in await reader.error_groups(two.later)] == [("primary-key", 1)]
    assert await two.pool.fetchval("SELECT count(*) FROM displaced_rows") == 0


EARLIER, OWN = "00000000-0000-7000-8000-000000000001", "00000000-0000-7000-8000-000000000002"


@pytest.mark.parametrize(
    ("rows", "repairs", "message"),
    [
        ([(OWN, 3)], False, "of its own"),
        ([(OWN, 0)], False, "below 1"),
        ([(OWN, 11)] * 2, False, "reported twice"),
        ([(EARLIER, 11)], False, "comes before"),
        ([(OWN, 11)], True, "a repair displaces no row"),
    ],
)
async def test_what_is_no_displaced_row(
    pool_of: OpenPool, rows: list[tuple[str, int]], repairs: bool, message: str
) -> None:
    pg = PgLedger(await pool_of("status"))
    displaced = [DisplacedRow(process, row, taken(1)) for process, row in rows]
    repaired = RepairedRows(EARLIER, ()) if repairs else None
    with pytest.raises(ValueError, match=message):
        await pg.record(OWN, "default", OUTCOME, None, [], repaired, displaced)
