"""Compares what file, ledger and table say of the rows of a batch."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ingestor.columns.arrow import Int64s, Mask
from ingestor.receipts.document import outcomes_digest
from ingestor.reports import NOT_FAILED
from ingestor.services.processor.verification.ports import LedgerBatch, RowSpan, TableBatch

MOST_KEPT = 1000  # disagreements with their sentences


@dataclass(frozen=True, slots=True)
class Disagreement:
    """What does not agree; `row` is 0 if it is about a batch or the process, `batch` 0 about the process."""

    row: int
    batch: int
    message: str


@dataclass
class Disagreements:
    """All of them are counted, the first are kept."""

    count: int = 0
    first: list[Disagreement] = field(default_factory=list)

    def add(self, row: int, batch: int, message: Callable[[], str]) -> None:
        """One more."""
        self.count += 1
        if len(self.first) < MOST_KEPT:
            self.first.append(Disagreement(row, batch, message()))


@dataclass(frozen=True, slots=True)
class FileRows:
    """What becomes of the rows of a batch by its file and pipeline alone: `rejected` by row number, with
    state and code of the first error; all others are good."""

    rejected: Mapping[int, tuple[str, str]]


@dataclass(frozen=True, slots=True)
class RowFacts:
    """The rows of a batch, by their position: their state in the ledger, whether a repair has set it, and
    whether they are verified at all. `numbers` are those by which the table knows them, 0 for none."""

    batch: LedgerBatch
    succeeded: Mask
    repaired: Mask
    verified: Mask
    numbers: Int64s

    @classmethod
    def of(cls, batch: LedgerBatch, verified: Mask, numbers: Int64s | None = None) -> RowFacts:
        """`numbers` None: those of the file."""
        first, count = batch.bounds.first_row, batch.bounds.row_count
        succeeded, repaired = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
        for span in batch.spans:
            at = slice(max(0, span.first_row - first), max(0, span.first_row - first + span.row_count))
            succeeded[at] = span.state == "succeeded"
            repaired[at] = span.repaired
        if numbers is None:
            numbers = np.arange(first, first + count, dtype=np.int64)
        return cls(batch, succeeded, repaired, verified, numbers)

    def span(self, position: int) -> RowSpan:
        """The span of a row."""
        row = self.batch.bounds.first_row + position
        at = bisect_right(self.batch.spans, row, key=lambda span: span.first_row) - 1
        if at >= 0 and row < self.batch.spans[at].first_row + self.batch.spans[at].row_count:
            return self.batch.spans[at]
        return RowSpan(row, 1, "unknown", "", "", repaired=False)


@dataclass(frozen=True, slots=True)
class Compared:
    """Counts of a batch: its rows that are in the table as they should be, and those that were replaced."""

    in_table: int
    replaced: int


def compare_ledger(batch: LedgerBatch, found: Disagreements) -> None:
    """Whether the rows of a batch, each once, give its counts."""
    bounds, counts = batch.bounds, batch.counts
    sums = dict.fromkeys(("succeeded", "failed", "skipped", "unprocessed"), 0)
    after = bounds.first_row
    for span in batch.spans:
        if span.first_row != after or span.state not in sums:
            break
        after += span.row_count
        sums[span.state] += span.row_count
    if after != bounds.first_row + bounds.row_count:
        found.add(
            0, bounds.number, lambda: f"Batch {bounds.number}: the ledger does not know all of its rows."
        )
        return
    for name, count in sums.items():
        known = getattr(counts, name)
        if count != known:
            found.add(
                0, bounds.number,
                lambda name=name, known=known, count=count: (  # type: ignore[misc]
                    f"Batch {bounds.number:,}: the ledger counts {known:,} rows {name.upper()}, "
                    f"and {count:,} of its rows are."
                ),
            )  # fmt: skip


def compare_rows(
    facts: RowFacts,
    file: FileRows | None,
    table: TableBatch | None,
    found: Disagreements,
    *,
    undone: bool,
    of_repair: bool,
) -> Compared:
    """Compare the verified rows of a batch. Without `file` or `table` that is not compared. In the table of
    an `undone` process no row is expected; which other rows a table has says the repaired process, not its
    repair."""
    suspects = _by_file(facts, file) if file else np.zeros(len(facts.numbers), np.bool_)
    counted = np.zeros(len(facts.numbers), np.int64)
    in_table = replaced = 0
    if table is not None:
        known, times = np.unique(table.numbers, return_counts=True)
        places = np.searchsorted(known, facts.numbers)
        places[places == len(known)] = 0
        if len(known):
            counted = np.where(known[places] == facts.numbers, times[places], 0)
        expected = facts.succeeded & facts.verified & (not undone)
        gone: Mask = np.isin(facts.numbers, np.fromiter(table.replaced, np.int64, len(table.replaced)))
        differs: Mask = np.isin(facts.numbers, np.fromiter(table.different, np.int64, len(table.different)))
        missing = expected & (counted == 0) & ~gone
        # A row that a repair did not load is in the table if another one has loaded it.
        extra = facts.verified & ~expected & (counted > 0) & (not of_repair)
        wrong = expected & (counted == 1) & differs & ~facts.repaired
        suspects |= missing | extra | wrong | (facts.verified & (counted > 1))
        in_table = int((expected & (counted == 1) & ~wrong).sum())
        replaced = int((expected & (counted == 0) & gone).sum())
    for position in np.flatnonzero(suspects & facts.verified).tolist():
        found.add(
            facts.batch.bounds.first_row + position,
            facts.batch.bounds.number,
            lambda position=position: _sentence(  # type: ignore[misc]
                facts, file, table, position, int(counted[position]), undone=undone
            ),
        )
    return Compared(in_table, replaced)


def _by_file(facts: RowFacts, file: FileRows) -> Mask:
    """Rows that the ledger has in another state than their file and pipeline give. A row that FAILED when it
    was loaded, or was never tried, can be anything by its file; so can a repaired one."""
    first = facts.batch.bounds.first_row
    wrong = np.zeros(len(facts.numbers), np.bool_)
    rejected = {number - first: what for number, what in file.rejected.items()}
    for position, (state, code) in rejected.items():
        span = facts.span(position)
        if span.repaired or span.state not in ("succeeded", "failed", "skipped") or span.code == NOT_FAILED:
            continue
        wrong[position] = span.phase != "load" and (span.state, span.code) != (state, code)
    for span in facts.batch.spans:
        if span.phase == "parse" and not span.repaired:
            for row in range(span.first_row, span.first_row + span.row_count):
                if row - first not in rejected:
                    wrong[row - first] = True
    return wrong


def _sentence(
    facts: RowFacts,
    file: FileRows | None,
    table: TableBatch | None,
    position: int,
    times: int,
    *,
    undone: bool,
) -> str:
    row = facts.batch.bounds.first_row + position
    number = int(facts.numbers[position])
    name = f"Row {row:,}" if number == row else f"Row {row:,} (row {number:,} of the repaired process)"
    if file is None:
        by_file = "not compared with the file"
    else:
        state, code = file.rejected.get(row, ("good", ""))
        by_file = f"{_state(state, code)} in the file"
    span = facts.span(position)
    in_ledger = f"{_state(span.state, span.code)} in the ledger"
    if undone:
        in_ledger += " of the process, which was undone"
    if table is None:
        in_table = "not compared with the table"
    elif times == 0:
        in_table = "replaced in the table" if number in table.replaced else "not in the table"
    elif times > 1:
        in_table = f"{times:,} times in the table"
    elif number in table.different:
        names = ", ".join(table.different[number])
        in_table = f"in the table with {f'another {names}' if names else 'other values'}"
    else:
        in_table = "in the table"
    return f"{name}: {by_file}, {in_ledger}, {in_table}."


def _state(state: str, code: str) -> str:
    shown = state if state in ("good", "unknown") else state.upper()
    return f"{shown} ({code})" if code else shown


def outcomes_hash(spans: Sequence[RowSpan]) -> str:
    """The hash of the rows of a batch."""

    def rows() -> Iterator[tuple[int, str, str]]:
        for span in spans:
            state = span.state.upper()
            for number in range(span.first_row, span.first_row + span.row_count):
                yield number, state, span.code

    return outcomes_digest(rows())
