"""What file, ledger and table say of rows: which combinations agree, and how one that does not is told."""

from __future__ import annotations

import numpy as np
import pytest

from ingestor.services.processor.batches import BatchRange
from ingestor.services.processor.verification.comparison import (
    MOST_KEPT,
    Compared,
    Disagreements,
    FileRows,
    RowFacts,
    compare_ledger,
    compare_rows,
)
from ingestor.services.processor.verification.ports import Counts, LedgerBatch, RowSpan, TableBatch

FIRST = 11
GOOD = FileRows({})


def span(state: str, code: str = "", phase: str = "", row: int = FIRST, *, repaired: bool = False) -> RowSpan:
    return RowSpan(row, 1, state, code, phase, repaired)


def table(*numbers: int, different: tuple[int, ...] = (), replaced: tuple[int, ...] = ()) -> TableBatch:
    return TableBatch(
        np.array(numbers, np.int64), {number: ["name"] for number in different}, frozenset(replaced)
    )


def compared(
    row: RowSpan, file: FileRows | None, there: TableBatch | None, *, undone: bool = False, repair: int = 0
) -> tuple[list[str], Compared]:
    """Compare a batch of one row; `repair`: its number in the repaired process."""
    batch = LedgerBatch(BatchRange(3, FIRST, 1, 1, 0, 9), Counts(1, 0, 0, 0, 0), (row,))
    found = Disagreements()
    numbers = np.array([repair], np.int64) if repair else None
    facts = RowFacts.of(batch, np.ones(1, np.bool_), numbers)
    counts = compare_rows(facts, file, there, found, undone=undone, of_repair=bool(repair))
    assert found.count == len(found.first)
    return [one.message for one in found.first], counts


OK = "succeeded"
BAD = FileRows({FIRST: ("failed", "type-error")})


@pytest.mark.parametrize(
    ("row", "file", "there"),
    [
        (span(OK), GOOD, table(FIRST)),
        (span(OK), GOOD, table(replaced=(FIRST,))),
        (span(OK), GOOD, None),
        (span(OK), None, table(FIRST)),
        (span("failed", "type-error", "validate"), BAD, table()),
        (span("failed", "primary-key", "load"), GOOD, table()),
        (span("failed", "batch-error", "load"), BAD, table()),  # it was never checked
        (span("unprocessed"), BAD, table()),
        (span(OK, repaired=True), BAD, table(FIRST, different=(FIRST,))),  # the repair has its values
        (span("failed", "constraint-error", "validate"), GOOD, table()),  # the column refused the value
    ],
)
def test_these_agree(row: RowSpan, file: FileRows | None, there: TableBatch | None) -> None:
    assert compared(row, file, there)[0] == []


@pytest.mark.parametrize(
    ("row", "file", "there", "sentence"),
    [
        (span(OK), GOOD, table(), "Row 11: good in the file, SUCCEEDED in the ledger, not in the table."),
        (span(OK), GOOD, table(FIRST, FIRST),
         "Row 11: good in the file, SUCCEEDED in the ledger, 2 times in the table."),
        (span(OK), GOOD, table(FIRST, different=(FIRST,)),
         "Row 11: good in the file, SUCCEEDED in the ledger, in the table with another name."),
        (span(OK), BAD, None,
         "Row 11: FAILED (type-error) in the file, SUCCEEDED in the ledger, not compared with the table."),
        (span("failed", "type-error", "validate"), BAD, table(FIRST),
         "Row 11: FAILED (type-error) in the file, FAILED (type-error) in the ledger, in the table."),
        (span("failed", "other", "validate"), BAD, table(),
         "Row 11: FAILED (type-error) in the file, FAILED (other) in the ledger, not in the table."),
        (span("skipped", "type-error", "validate"), BAD, table(),
         "Row 11: FAILED (type-error) in the file, SKIPPED (type-error) in the ledger, not in the table."),
        (span("failed", "quote-error", "parse"), GOOD, table(),
         "Row 11: good in the file, FAILED (quote-error) in the ledger, not in the table."),
        (span("unprocessed"), None, table(FIRST),
         "Row 11: not compared with the file, UNPROCESSED in the ledger, in the table."),
        (span(OK, repaired=True), BAD, table(),
         "Row 11: FAILED (type-error) in the file, SUCCEEDED in the ledger, not in the table."),
    ],
)  # fmt: skip
def test_these_do_not(row: RowSpan, file: FileRows | None, there: TableBatch | None, sentence: str) -> None:
    assert compared(row, file, there)[0] == [sentence]


def test_no_row_of_an_undone_process_is_expected() -> None:
    assert compared(span(OK), GOOD, table(), undone=True) == ([], Compared(0, 0))
    (sentence,), _ = compared(span(OK), GOOD, table(FIRST), undone=True)
    assert "SUCCEEDED in the ledger of the process, which was undone, in the table" in sentence


def test_rows_of_a_repair_are_found_by_their_numbers_in_the_repaired_process() -> None:
    assert compared(span(OK), GOOD, table(5), repair=5) == ([], Compared(1, 0))
    (sentence,), _ = compared(span(OK), GOOD, table(), repair=5)
    assert sentence.startswith("Row 11 (row 5 of the repaired process): good")
    # Another repair may have loaded what this one did not.
    assert compared(span("failed", "type-error", "validate"), BAD, table(5), repair=5)[0] == []


def test_rows_that_are_not_verified_say_nothing() -> None:
    batch = LedgerBatch(
        BatchRange(1, 1, 3, 1, 0, 9), Counts(3, 3, 0, 0, 0), (RowSpan(1, 3, OK, "", "", False),)
    )
    found = Disagreements()
    facts = RowFacts.of(batch, np.array([True, False, True]))
    assert compare_rows(facts, GOOD, table(1), found, undone=False, of_repair=False) == Compared(1, 0)
    assert [one.row for one in found.first] == [3]


@pytest.mark.parametrize(
    ("spans", "said"),
    [
        ([span(OK), span("failed", row=12)], []),
        ([span(OK)], ["Batch 3: the ledger does not know all of its rows."]),
        ([span(OK), span(OK)], ["Batch 3: the ledger does not know all of its rows."]),
        (
            [span(OK), span(OK, row=12)],
            [
                "Batch 3: the ledger counts 1 rows SUCCEEDED, and 2 of its rows are.",
                "Batch 3: the ledger counts 1 rows FAILED, and 0 of its rows are.",
            ],
        ),
    ],
)
def test_the_rows_of_a_batch_give_its_counts(spans: list[RowSpan], said: list[str]) -> None:
    found = Disagreements()
    compare_ledger(LedgerBatch(BatchRange(3, FIRST, 2, 1, 0, 9), Counts(2, 1, 1, 0, 0), tuple(spans)), found)
    assert [one.message for one in found.first] == said


def test_all_are_counted_and_the_first_are_kept() -> None:
    rows = MOST_KEPT + 5
    batch = LedgerBatch(
        BatchRange(1, 1, rows, 1, 0, 9), Counts(rows, rows, 0, 0, 0), (RowSpan(1, rows, OK, "", "", False),)
    )
    found = Disagreements()
    facts = RowFacts.of(batch, np.ones(rows, np.bool_))
    compare_rows(facts, GOOD, table(), found, undone=False, of_repair=False)
    assert (found.count, len(found.first), found.first[-1].row) == (rows, MOST_KEPT, MOST_KEPT)
