"""The report can be read back, and no spreadsheet runs it."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.status import report
from services.status.processes import RowState
from services.status.rows import Row, RowError

CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")) | st.text("'=+-@\t\r5.")


@given(CELLS)
def test_the_guard_is_undone_exactly(cell: str) -> None:
    guarded = report.guard(cell)
    assert report.unguard(guarded) == cell
    assert guarded == cell or guarded == "'" + cell


@pytest.mark.parametrize("cell", ["=1+1", "+cmd", "-cmd|x", "@sum", "\tx", "\rx", "'=1"])
def test_what_a_spreadsheet_would_run_is_guarded(cell: str) -> None:
    assert report.guard(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["-5", "+3.25", "-1e9", ".5", "", "a=b", "'quoted'", "O'Neill"])
def test_numbers_and_plain_text_are_left_alone(cell: str) -> None:
    assert report.guard(cell) == cell


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=5))
def test_a_csv_reader_gets_every_cell_back(rows: list[list[str]]) -> None:
    made = [
        Row(at, at + 1, 1, RowState.FAILED, (RowError("type-error", "a", cells[0], "bad", 2),), tuple(cells))
        for at, cells in enumerate(rows, 1)
    ]
    text = (report.header(["a", "b"]) + report.lines(made, 2)).decode()
    found = list(csv.reader(io.StringIO(text, newline="")))
    assert found[0] == ["a", "b", *report.EXTRA_COLUMNS]
    assert [[report.unguard(cell) for cell in line[:2]] for line in found[1:]] == rows
    assert [line[2] for line in found[1:]] == [str(row.row_number) for row in made]


def test_a_record_that_could_not_be_split_has_its_text_in_value() -> None:
    broken = Row(7, 9, 1, RowState.FAILED, (RowError("quote-error", "", 'x,"y', "open quote", 1),), ())
    line = next(csv.reader(io.StringIO(report.lines([broken], 2).decode(), newline="")))
    assert line == ["", "", "7", "9", "quote-error", "", 'x,"y', "open quote"]
