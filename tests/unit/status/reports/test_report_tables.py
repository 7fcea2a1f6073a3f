"""A report written from columns has the bytes of one written row by row, whatever the rows hold."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingestor.outcomes import RowError
from ingestor.services.status.processes import RowState
from ingestor.services.status.reports import xlsx
from ingestor.services.status.reports.formats import WRITERS, ReportFormat
from ingestor.services.status.reports.row_table import (
    EMPTY,
    SEPARATOR,
    RowTable,
    merged,
    table_of,
    without_records,
)
from ingestor.services.status.rows import Row
from tests.unit.status.reports.report_rows import BROKEN, PLAIN, TEXTS, failed_row

# Quotes, line ends, what a spreadsheet runs, what templates and JSON escape, the separator of tables.
AWKWARD = [
    "", " ", '"', '""', ",", "a,b", "\r", "\n", "x\r\ny", "\n=1", "=1+1", "-5", "+3.25", "-", "-x", "@a",
    "'=1", "'", "O'Neill", "＝1", "a=b", "%s", "%", "\\", "\\n", "\\u007f", "\x01", "\u2028", "é", "😀",
    "\t", "_x0041_", "<&>", SEPARATOR, f"a{SEPARATOR}=b", f"{SEPARATOR}{SEPARATOR}",
]  # fmt: skip
CELLS = st.sampled_from(AWKWARD) | TEXTS
COLUMNS = st.sampled_from([[], ["a"], ["a", "b"], ["a", "%s", '"c"'], ["a", "a", "_row"]])
ERRORS = st.lists(
    st.builds(
        RowError, st.sampled_from(["type-error", "rule"]), st.sampled_from(["a", "", "a, b", '"']), CELLS,
        CELLS,
        st.sampled_from(["parse", "validate", "load"]),
    ),
    max_size=3,
).map(tuple)  # fmt: skip
ROWS = st.lists(
    st.builds(
        Row, st.integers(0, 9), st.integers(0, 2**40), st.just(0), st.sampled_from(RowState),
        ERRORS, st.lists(CELLS, max_size=4).map(tuple), st.integers(0, 3),
    ),
    max_size=8,
)  # fmt: skip
FORMATS = list(ReportFormat)


def separator_for(rows: Sequence[Row]) -> str:
    """The usual separator, or one that is in no cell."""
    return f"{SEPARATOR}0123" if any(SEPARATOR in cell for row in rows for cell in row.cells) else SEPARATOR


@pytest.mark.parametrize("format_", FORMATS)
@given(
    rows=ROWS, columns=COLUMNS, with_state=st.booleans(), even=st.booleans(), notes=st.sampled_from([0, 0, 2])
)
@example(rows=[BROKEN, PLAIN], columns=["a", "b"], with_state=True, even=False, notes=0)
@example(rows=[failed_row(7, ["-5", "x"])] * 9, columns=["a", "b"], with_state=False, even=True, notes=0)
def test_a_table_has_the_bytes_of_its_rows(
    format_: ReportFormat, rows: list[Row], columns: list[str], with_state: bool, even: bool, notes: int
) -> None:
    if even:  # as most reports are: each row has a cell for each column
        made = [(*row.cells, *columns)[: len(columns)] for row in rows]
        rows = [
            Row(r.row_number, r.line_number, 0, r.state, r.errors, cells, r.repairs_row)
            for r, cells in zip(rows, made, strict=True)
        ]
    table = table_of(rows, separator_for(rows))
    assert table.is_clear
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xlsx, "MAX_NOTES", notes)
        compare(format_, table, rows, columns, with_state=with_state)


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("text", AWKWARD)
def test_one_awkward_text_among_plain_ones(format_: ReportFormat, text: str) -> None:
    for cells in ([text, "x"], ["x", text], ["x", f"a{text}"]):
        rows = [failed_row(1, ["x", "y"]), failed_row(2, cells), failed_row(3, ["x", "y"])]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(xlsx, "MAX_NOTES", 0)
            compare(format_, table_of(rows, separator_for(rows)), rows, ["a", "b"], with_state=True)


def compare(
    format_: ReportFormat, table: RowTable, rows: list[Row], columns: list[str], *, with_state: bool
) -> None:
    """The report of a table, and that of its rows."""
    by_rows, by_table = WRITERS[format_](), WRITERS[format_]()
    assert by_rows.header(columns, with_state=with_state) == by_table.header(columns, with_state=with_state)
    for _ in range(2):  # a workbook goes on
        assert by_table.table(table) == by_rows.lines(rows)
    assert by_table.end(()) == by_rows.end(())


@given(ROWS)
def test_a_table_gives_its_rows_back(rows: list[Row]) -> None:
    rows = [Row(r.row_number, r.line_number, 0, r.state, r.errors, r.cells, r.repairs_row) for r in rows]
    table = table_of(rows, separator_for(rows))
    assert table.rows() == rows
    wanted = {RowState.FAILED, RowState.SKIPPED}
    assert table.in_states(wanted).rows() == [row for row in rows if row.state in wanted]


@given(st.lists(CELLS, min_size=1, max_size=3))
def test_cells_that_hold_the_separator_are_noticed(cells: list[str]) -> None:
    table = table_of([failed_row(1, cells), failed_row(2, ["x"])])
    assert table.is_clear == (not any(SEPARATOR in cell for cell in cells))


@given(st.sets(st.integers(1, 20)), st.sets(st.integers(1, 20)))
def test_own_records_come_before_others(own: set[int], others: set[int]) -> None:
    mine = table_of([failed_row(number, ["own"]) for number in sorted(own)]) if own else EMPTY
    plain = without_records(sorted(others), RowState.SUCCEEDED, None, SEPARATOR)
    found = merged(mine, plain)
    assert list(found.numbers) == sorted(own | others)
    assert [row.cells == ("own",) for row in found.rows()] == [number in own for number in found.numbers]
