"""Neighbours recorded as runs: whatever is asked of the ledger, it answers as if each row had been recorded
alone."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example as tried
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestor import runs as runs_module
from ingestor.outcomes import DisplacedRow, RejectedRow, RowError
from ingestor.runs import packed
from ingestor.services.status import ledger
from ingestor.services.status.adapters.pg_ledger import PgLedger
from ingestor.services.status.adapters.pg_reader import PgLedgerReader
from ingestor.services.status.adapters.reading import pg_own_rows
from ingestor.services.status.filters import Comparison, parse_filter
from ingestor.services.status.ledger import Batch, Outcome
from ingestor.services.status.processes import Info, RowState
from ingestor.services.status.reports.formats import WRITERS, ReportFormat
from ingestor.services.status.reports.selection import ReportRows
from ingestor.services.status.reports.stream import report_pieces
from ingestor.services.status.rows import RepairedRows, Row
from ingestor.services.status.service import ROW_FIELDS
from tests.examples import examples

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool
    from tests.contract.conftest import OpenPool

S, F, K, N = RowState.SUCCEEDED, RowState.FAILED, RowState.SKIPPED, RowState.QUEUED
WHOLE = RowError("batch-error", "", "", "The batch died.", "load")
ERRORS = (
    (RowError("blank-row", "", "", "The record is blank.", "parse"),),
    (RowError("type-error", "a", "{}", '"{}" is wrong\0', "validate"),),
    (RowError("type-error", "a", "{}", "{}", "validate"), RowError("type-error", "b", "", "b", "load")),
    (RowError("rule", "", "", "broken", "validate"), RowError("rule", "", "{}", "", "validate")),
    (RowError("rule", "", "\x1f{}", "\x1f", "validate"),),
    (),
)
# Texts with what is put between texts of a page, too.
CELLS = ((), ("a", "b"), ("{}", 'ö"\\\n'), ("nul\0", "{}", "extra"), ("a\x7f", "\x7f{}"), ("\x1f{}",))
# So many rows of a kind, one after another: loaded, or a state, errors, cells, and lines of a record.
LENGTHS = st.sampled_from([1, 1, 2, 3, 6])
SEGMENTS = st.tuples(
    LENGTHS,
    st.none()
    | st.tuples(
        st.sampled_from(["failed", "failed", "skipped"]), st.sampled_from(ERRORS), st.sampled_from(CELLS),
        st.sampled_from([1, 1, 2]),
    ),
)  # fmt: skip
# Batches: of segments, or one that failed as a whole (so many rows).
BATCHES = st.lists(st.lists(SEGMENTS, min_size=1, max_size=5) | st.integers(1, 4), min_size=1, max_size=3)
TWO_RUNS = [[(6, ("failed", ERRORS[1], CELLS[2], 1)), (2, None), (3, ("skipped", ERRORS[0], CELLS[0], 2))]]
# A repair: for each row a number there, and what became of it; QUEUED stands for one that had not failed.
REPAIRS = st.lists(
    st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from([S, S, F, F, K, N])), min_size=1, max_size=10,
        unique_by=lambda row: row[0] or object(),
    ),
    max_size=3,
)  # fmt: skip
COMPARISONS = st.sampled_from([
    "status=FAILED", "status=SKIPPED", "status!=SKIPPED", "status=SUCCEEDED", "code=type-error",
    "code=blank-row", "code!=type-error", "code=rule", "field=a", "field=b", "field!=a", 'field=""', "row>3",
    "row<=9", "row=5", "row!=4", "line>4", "line<=12", "line=6", "line!=6", "code=batch-error",
])  # fmt: skip
FILTERS = st.lists(st.lists(COMPARISONS, max_size=3, unique=True).map(" AND ".join), min_size=1, max_size=3)
# Sizes that end runs and pages early: of what differs (bytes), of scattered rows, of a page of runs (bytes).
SIZES = st.sampled_from([(2**20, 10_000, 2**20), (40, 3, 30), (2**20, 4, 1)])


@dataclass
class Sides:
    """Two processes with the same rows: recorded as runs, and each alone."""

    ledger: PgLedger
    reader: PgLedgerReader
    runs: str
    alone: str
    repairs: dict[str, str]  # of the one, of the other

    async def record(
        self,
        outcome: Outcome,
        error: RowError | None,
        rows: list[RejectedRow],
        displaced: Sequence[DisplacedRow] = (),
    ) -> None:
        """An outcome of both."""
        singles, found = packed(rows)
        assert await self.ledger.record(self.runs, outcome, error, singles, None, displaced, (), found)
        assert await self.ledger.record(self.alone, outcome, error, rows, None, displaced)

    async def repair(self, rows: list[tuple[int, RowState]]) -> None:
        """A repair of both."""
        states = [K if state is N else state for _, state in rows]
        counts = Counter(states)
        outcome = Outcome(Batch(1, 1, len(rows), 2, 0, 9), S, counts[S], counts[F], counts[K])
        rejected = []
        for index, (_, state) in enumerate(rows):
            if state is not S:
                error = RowError("not-failed" if state is N else "again", "a", "v", f"row {index}", "load")
                word = "failed" if state is F else "skipped"
                rejected.append(RejectedRow(index + 1, index + 2, word, (error,), (str(index),)))  # type: ignore[arg-type]
        singles, found = packed(rejected)
        numbers = tuple(number for number, _ in rows)
        ours, theirs = str(uuid.uuid4()), str(uuid.uuid4())
        self.repairs[ours] = theirs
        for process, repair in ((self.runs, ours), (self.alone, theirs)):
            await self.ledger.start(Info(repair, "default", "u", "b.csv", 9, "", 0, process))
        of_runs, of_alone = RepairedRows(self.runs, numbers), RepairedRows(self.alone, numbers)
        await self.ledger.record(ours, outcome, None, singles, of_runs, (), (), found)
        await self.ledger.record(theirs, outcome, None, rejected, of_alone)
        for process in (ours, theirs):
            await self.ledger.change(process, lambda account: ledger.finished(account, len(rows), 1))

    async def check(self, filters: Sequence[str], size: int) -> None:
        """Whatever one asks, both answer the same."""
        for ours, theirs in {self.runs: self.alone, **self.repairs}.items():
            await self._check(ours, theirs, filters, size)

    async def _check(self, ours: str, theirs: str, filters: Sequence[str], size: int) -> None:
        reader = self.reader
        every = self._named(await reader.rows(ours, [], 0, 1000))
        assert every == await reader.rows(theirs, [], 0, 1000)
        for row in every:
            process, found = await reader.row(ours, row.row_number)
            assert process == await reader.process(ours)
            assert found is not None
            assert self._named([found]) == [row]
            history = await reader.history(ours, row.row_number)
            assert [(version.errors, version.cells) for version in history] == [
                (version.errors, version.cells) for version in await reader.history(theirs, row.row_number)
            ]
        process = await reader.process(ours)
        assert await reader.row(ours, len(every) + 1) == (process, None)
        for after in (0, 1, max(0, len(every) - 2), len(every)):
            assert await reader.page(ours, after, size) == (
                process,
                [row for row in await reader.rows(ours, [], after, size) if row.row_number <= after + size],
            )
        numbers = [row.row_number for row in every]
        assert await reader.states(ours, numbers) == await reader.states(theirs, numbers)
        for text in filters:
            comparisons = parse_filter(text, ROW_FIELDS)
            wanted = await reader.rows(theirs, comparisons, 0, 1000)
            assert self._named(await self._paged(ours, comparisons, size)) == wanted, text
        assert await reader.error_groups(ours) == await reader.error_groups(theirs)
        counted = [[(b.succeeded, b.failed, b.skipped) for b in await reader.batches(p, None, 0, 99)]
                   for p in (ours, theirs)]  # fmt: skip
        assert counted[0] == counted[1]
        for selection in ReportRows:
            assert await self._report(ours, selection) == await self._report(theirs, selection), selection
        for states in ({F}, {K}, {F, K}):
            pages = [
                [table.rows() async for table in reader.own_pages(process, states, 2, 2**40, size)]
                for process in (ours, theirs)
            ]
            assert [*chain(*pages[0])] == [*chain(*pages[1])]
            assert all(0 < len(page) <= size for page in chain(*pages))

    async def _paged(self, process: str, comparisons: list[Comparison], size: int) -> list[Row]:
        found: list[Row] = []
        after = 0
        while page := await self.reader.rows(process, comparisons, after, size):
            found += page
            after = page[-1].row_number
        return found

    async def _report(self, process_id: str, selection: ReportRows) -> bytes:
        process = await self.reader.process(process_id)
        assert process is not None
        writer = WRITERS[ReportFormat.JSONL]()
        pieces = [piece async for piece in report_pieces(self.reader, process, selection, writer)]
        return b"".join(piece.data for piece in pieces) + f"{pieces[-1].row_count}".encode()

    def _named(self, rows: Sequence[Row]) -> list[Row]:
        """Rows of the one process as the other has them."""
        return [replace(row, repaired_by=self.repairs.get(row.repaired_by, "")) for row in rows]


async def begin(pool: PgPool) -> Sides:
    """Both processes, without rows."""
    made = Sides(PgLedger(pool), PgLedgerReader(pool), str(uuid.uuid4()), str(uuid.uuid4()), {})
    for process in (made.runs, made.alone):
        await made.ledger.start(Info(process, "default", "u", "a.csv", 9, "", 0))
    return made


def rejected(number: int, line: int, kind: Any) -> RejectedRow:
    """A row of a kind."""
    state, errors, cells, _ = kind
    filled = tuple(error._replace(value=error.value.format(number), message=error.message.format(number))
                   for error in errors)  # fmt: skip
    return RejectedRow(number, line, state, filled, tuple(cell.format(number) for cell in cells))


async def fill(sides: Sides, batches: list[list[tuple[int, Any]] | int], early: bool) -> int:
    """Record batches; each displaces a row that another one has loaded or, if `early`, will load. Returns the
    number of their rows."""
    made: list[tuple[Outcome, RowError | None, list[RejectedRow]]] = []
    first = line = 1
    for number, segments in enumerate(batches, 1):
        if isinstance(segments, int):
            batch = Batch(number, first, segments, line, first, first + 1)
            made.append((Outcome(batch, F, 0, segments, 0), WHOLE, []))
            first += segments
            continue
        kinds = [kind for count, kind in segments for _ in range(count)]
        rows = []
        for row, kind in enumerate(kinds, first):
            line += kind[3] if kind else 1
            if kind:
                rows.append(rejected(row, line, kind))
        counts = Counter(row.state for row in rows)
        batch = Batch(number, first, len(kinds), first, first, first + 1)
        good = len(kinds) - len(rows)
        made.append((Outcome(batch, S, good, counts["failed"], counts["skipped"]), None, rows))
        first += len(kinds)
    loaded = {
        row: outcome.batch.number
        for outcome, _, rows in made
        if outcome.default_state is S
        for row in range(outcome.batch.first_row, outcome.batch.first_row + outcome.batch.row_count)
        if row not in {found.row_number for found in rows}
    }
    for outcome, error, rows in made if early else reversed(made):
        away = next((row for row, number in loaded.items() if number > outcome.batch.number), None)
        displaced = []
        if away is not None and outcome.succeeded:
            del loaded[away]
            displaced.append(DisplacedRow(away, RowError("duplicate", "a", "", "Taken.", "load")))
        await sides.record(outcome, error, rows, displaced)
    for process in (sides.runs, sides.alone):
        await sides.ledger.change(process, lambda account: ledger.finished(account, first - 1, len(made)))
    return first - 1


async def test_runs_are_the_rows_one_by_one(pool_of: OpenPool) -> None:
    pool = await pool_of("status")
    loop = asyncio.get_running_loop()
    most_runs = 0

    async def example(
        batches: list[list[tuple[int, Any]] | int],
        repairs: list[list[tuple[int, RowState]]],
        filters: list[str],
        page: int,
        early: bool,
    ) -> None:
        nonlocal most_runs
        sides = await begin(pool)
        await fill(sides, batches, early)
        await sides.check(filters, page)
        for rows in repairs:
            await sides.repair(rows)
            await sides.check(filters, page)
        kept = await pool.fetchval("SELECT count(*) FROM row_runs WHERE process_id = $1", sides.runs)
        most_runs = max(most_runs, kept)

    def wait(work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, loop).result()

    @settings(max_examples=examples(120))
    @given(BATCHES, REPAIRS, FILTERS, st.sampled_from([1, 2, 5, 1000]), SIZES, st.booleans())
    @tried(TWO_RUNS, [], ["status=FAILED"], 2, (2**20, 10_000, 2**20), False)
    def run(
        batches: list[list[tuple[int, Any]] | int],
        repairs: list[list[tuple[int, RowState]]],
        filters: list[str],
        page: int,
        sizes: tuple[int, int, int],
        early: bool,
    ) -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(runs_module, "MAX_REST_BYTES", sizes[0])
            patch.setattr(runs_module, "MAX_SCATTERED_ROWS", sizes[1])
            patch.setattr(pg_own_rows, "_PAGE_RUN_BYTES", sizes[2])
            wait(example(batches, repairs, filters, page, early))

    await asyncio.to_thread(run)
    assert most_runs > 1
