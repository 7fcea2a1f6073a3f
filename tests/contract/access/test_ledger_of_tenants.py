"""What one tenant's calls see and change of another's ledger: nothing, by the code's own conditions without
row-level security, and by row-level security without them."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from ingestor.access import scope
from ingestor.access.scope import everything, row_security, within
from ingestor.outcomes import DisplacedRow, Notice, RejectedRow, RowError
from ingestor.runs import packed
from ingestor.runtime.errors import NotFoundError
from ingestor.runtime.postgres.pool import open_pool
from ingestor.services.status import ledger
from ingestor.services.status.adapters.pg_ledger import PgLedger
from ingestor.services.status.adapters.pg_outbox import PgOutbox
from ingestor.services.status.adapters.pg_reader import PgLedgerReader
from ingestor.services.status.adapters.pg_removals import PgRemovals
from ingestor.services.status.filters import Comparison
from ingestor.services.status.ledger import Batch, Outcome
from ingestor.services.status.overview import Interval
from ingestor.services.status.ports import Limits, LoggedEvent
from ingestor.services.status.processes import Info, RowState, Undo
from ingestor.services.status.rows import RepairedRows
from tests.conftest import OpenDatabase

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool
    from tests.contract.conftest import OpenPool

PROCESS, REPAIR, RUNNING = (f"00000000-0000-7000-8000-00000000000{n}" for n in (1, 2, 3))
S, F = RowState.SUCCEEDED, RowState.FAILED
ERROR = RowError("type-error", "name", "=x", "bad", "validate")
EARLY = Outcome(Batch(1, 1, 10, 2, 0, 99), S, 7, 3, 0)
LATER = Outcome(Batch(2, 11, 10, 12, 99, 199), S, 10, 0, 0)


def rejected(number: int) -> RejectedRow:
    """A row that failed."""
    return RejectedRow(number, number + 1, "failed", (ERROR,), (str(number), "=x"))


_, NEIGHBOURS = packed([rejected(7), rejected(8)])


def info(process: str, tenant: str, repairs: str = "") -> Info:
    """A process of a tenant."""
    return Info(process, tenant, "u", "victim.csv", 99, "p", 1, repairs)


class Victim:
    """The tenant acme, with a process that was repaired, the repair, one that runs, and a deleted one."""

    def __init__(self, pool: PgPool, admin: Any) -> None:
        self._admin = admin
        self.reach(pool)

    def reach(self, pool: PgPool) -> None:
        """Use this pool from now on."""
        self.pool = pool
        self.ledger = PgLedger(pool)
        self.reader = PgLedgerReader(pool)
        self.removals = PgRemovals(pool)

    async def fill(self) -> None:
        """Record what acme has."""
        with within("acme"):
            for process in (PROCESS, RUNNING):
                await self.ledger.start(info(process, "acme"))
                await self.ledger.read_header(process, ["id"], "{}", 99, Limits(None, None))
                await self.ledger.record(
                    process, EARLY, None, [rejected(3)], None, [DisplacedRow(15, ERROR)], (), NEIGHBOURS
                )
            await self.ledger.record(PROCESS, LATER, None, [])
            await self.ledger.change(PROCESS, lambda account: ledger.finished(account, 20, 2))
            await self.ledger.start(info(REPAIR, "acme", PROCESS))
            one = Outcome(Batch(1, 1, 1, 2, 0, 9), F, 0, 1, 0)
            await self.ledger.record(REPAIR, one, None, [rejected(1)], RepairedRows(PROCESS, (3,)))
            await self.ledger.change(REPAIR, lambda account: ledger.finished(account, 1, 1))
            gone = str(uuid.uuid4())
            await self.ledger.start(info(gone, "acme"))
            await self.ledger.change(gone, ledger.cancelled)
            await self.removals.delete(gone)
            await self.reader.events(None, 0, 1)  # gives them their positions

    async def rows(self) -> dict[str, list[Any]]:
        """Every record of the ledger."""
        tables = (
            "processes", "batches", "row_exceptions", "row_runs", "row_history", "displaced_rows",
            "error_counts", "events", "removals",
        )  # fmt: skip
        return {
            table: await self._admin.fetch(f"SELECT * FROM status.{table} t ORDER BY t::text")
            for table in tables
        }


@pytest.fixture
async def victim(pool_of: OpenPool, open_database: OpenDatabase) -> AsyncIterator[Victim]:
    """Acme, in a database of the test's own."""
    pool = await pool_of("status")
    admin = await asyncpg.connect(await open_database())
    try:
        made = Victim(pool, admin)
        await made.fill()
        filled = await made.rows()
        assert all(filled.values()), [table for table, rows in filled.items() if not rows]
        yield made
    finally:
        await admin.close()


@pytest.fixture(params=["both walls", "row-level security alone", "conditions alone"])
async def walls(
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    victim: Victim,
    open_database: OpenDatabase,
) -> AsyncIterator[bool]:
    """Whether the code's own conditions name the right tenant. Without row-level security the ledger is
    reached by a superuser."""
    if request.param == "row-level security alone":
        monkeypatch.setattr(scope, "_BELIEVED", "acme")
        yield False
    elif request.param == "conditions alone":
        dsn = await open_database()
        async with open_pool(dsn, service="status", schema="status", size=2, prepare=row_security) as pool:
            victim.reach(pool)
            yield True
    else:
        yield True


async def any_of(read: Awaitable[tuple[Any, Any]]) -> bool:
    """Whether anything is read."""
    return any(await read)


NOW = datetime.now(UTC)
Read = Callable[[PgLedgerReader], Awaitable[Any]]
READS: dict[str, Read] = {
    "process": lambda reader: reader.process(PROCESS),
    "newest": lambda reader: reader.newest(),
    "processes": lambda reader: reader.processes([], None, 10),
    "processes by filter": lambda reader: reader.processes(
        [Comparison("file_name", ":", "victim"), Comparison("repairs", "=", PROCESS)], 99, 10
    ),
    "batches": lambda reader: reader.batches(PROCESS, None, 0, 10),
    "row": lambda reader: any_of(reader.row(PROCESS, 3)),
    "page": lambda reader: any_of(reader.page(PROCESS, 0, 3)),
    "states": lambda reader: reader.states(PROCESS, [1, 3, 11]),
    "history": lambda reader: reader.history(PROCESS, 3),
    "rows": lambda reader: reader.rows(PROCESS, [], 0, 10),
    "rows with errors": lambda reader: reader.rows(PROCESS, [Comparison("status", "=", "FAILED")], 0, 10),
    "ranges": lambda reader: reader.ranges(PROCESS, [S, F], 0, 10),
    "own pages": lambda reader: anext(reader.own_pages(PROCESS, [F], 0, 99, 10), None),
    "error groups": lambda reader: reader.error_groups(PROCESS),
    "events": lambda reader: reader.events(None, 0, 10),
    "events of a process": lambda reader: reader.events(PROCESS, 0, 10),
    "removals": lambda reader: PgRemovals(reader._pool).list(0, 10),
}


async def test_another_tenant_reads_nothing(victim: Victim, walls: bool) -> None:
    for name, read in READS.items():
        with within("globex"):
            assert not await read(victim.reader), name
        with within("acme"):
            assert await read(victim.reader), name  # so the question was a good one


def test_every_reader_is_asked() -> None:
    asked = {name.split(" by ")[0].split(" with ")[0].split(" of ")[0].replace(" ", "_") for name in READS}
    methods = {name for name in vars(PgLedgerReader) if not name.startswith("_")}
    assert methods - asked == {"overview", "last_event"}  # the next test; a number


async def test_another_tenants_overview_is_empty(victim: Victim, walls: bool) -> None:
    day = Interval(NOW - timedelta(days=1), NOW + timedelta(days=1), 86_400)
    with within("globex"):
        found = await victim.reader.overview(day)
    assert not found.states
    assert not any(piece.succeeded or piece.failed or piece.begun or piece.ended for piece in found.pieces)


Write = Callable[[Victim], Awaitable[Any]]
WRITES: dict[str, Write] = {
    "start": lambda victim: victim.ledger.start(info(RUNNING, "globex")),
    "change": lambda victim: victim.ledger.change(RUNNING, ledger.cancelled),
    "read_header": lambda victim: victim.ledger.read_header(
        RUNNING, ["x"], "{}", 1, Limits(1, None), [Notice("X", "x")]
    ),
    "dispatch": lambda victim: victim.ledger.dispatch(RUNNING, LATER.batch),
    "record": lambda victim: victim.ledger.record(RUNNING, LATER, None, [], None, [DisplacedRow(1, ERROR)]),
    "undo": lambda victim: victim.ledger.undo(PROCESS, Undo(1, 1, 1)),
    "delete": lambda victim: victim.removals.delete(PROCESS),
}


async def test_another_tenant_changes_nothing(victim: Victim, walls: bool) -> None:
    before = await victim.rows()
    refused: type[Exception] = NotFoundError if walls else Exception
    for name, write in WRITES.items():
        with within("globex"), pytest.raises(refused) as caught:
            await write(victim)
        assert await victim.rows() == before, name
        if walls:
            assert isinstance(caught.value, NotFoundError) and caught.value.reason == "PROCESS_NOT_FOUND"


def test_every_write_is_tried() -> None:
    methods = {name for name in vars(PgLedger) if not name.startswith("_")}
    assert methods <= WRITES.keys()


async def test_a_repair_does_not_reach_into_another_tenant(victim: Victim) -> None:
    before = await victim.rows()
    own = str(uuid.uuid4())
    one = Outcome(Batch(1, 1, 1, 2, 0, 9), S, 1, 0, 0)
    with within("globex"):
        await victim.ledger.start(info(own, "globex", PROCESS))
        with pytest.raises(ValueError, match="cannot be repaired"):
            await victim.ledger.record(own, one, None, [], RepairedRows(PROCESS, (3,)))
    after = await victim.rows()
    for table, rows in before.items():
        assert all(row in after[table] for row in rows), table
    # Nor does it keep the process from expiring.
    later = datetime.now(UTC) + timedelta(days=1)
    with everything():
        expired = await victim.removals.expire(later, later, 10)  # it, and its own repair
    assert expired == 2


async def test_workers_see_all_tenants(victim: Victim) -> None:
    sent: list[LoggedEvent] = []

    async def send(events: Sequence[LoggedEvent]) -> None:
        sent.extend(events)

    with within("globex"):
        await victim.ledger.start(info(str(uuid.uuid4()), "globex"))
        assert await PgOutbox(victim.pool).publish(send, 100) == 1
    with everything():
        await PgOutbox(victim.pool).publish(send, 100)
        positions = [event.sequence for event in await victim.reader.events(None, 0, 100)]
        assert positions == sorted(set(positions))
        assert len(await victim.removals.list(0, 10)) == 1
    assert {event.tenant for event in sent} == {"acme", "globex"}
