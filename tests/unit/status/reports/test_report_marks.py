"""In the report as a workbook the wrong cells are marked, with the reason as a note."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pytest
from openpyxl import load_workbook

from ingestor.outcomes import RowError
from ingestor.services.status.processes import RowState
from ingestor.services.status.reports.xlsx import MAX_NOTES, XlsxReportWriter
from ingestor.services.status.rows import Row

COLUMNS = ("id", "Credit limit", "Name", "City")


def error(field: str, value: str, message: str = "is wrong") -> RowError:
    """An error of a field."""
    return RowError("type-error", field, value, message, "validate" if field else "parse")


def failed(number: int, cells: Sequence[str], *errors: RowError) -> Row:
    """A failed row."""
    return Row(number, number + 1, 1, RowState.FAILED, errors, tuple(cells))


def marks(*rows: Row, max_rows: int = 1000) -> dict[str, dict[str, str]]:
    """The notes of each sheet by their cells; each noted cell is filled with colour, and no other."""
    writer = XlsxReportWriter(max_rows=max_rows)
    data = writer.header(COLUMNS, with_state=False) + writer.lines(rows) + writer.end(())
    found: dict[str, dict[str, str]] = {}
    for sheet in load_workbook(io.BytesIO(data)):
        cells = [cell for row in sheet.iter_rows() for cell in row]
        notes = {cell.coordinate: cell.comment.text for cell in cells if cell.comment}
        assert {cell.coordinate for cell in cells if cell.fill.patternType == "solid"} == notes.keys()
        found[sheet.title] = notes
    return found


@pytest.mark.parametrize(
    ("wrong", "cells"),
    [
        pytest.param(error("id", "x"), ["A2"], id="the field has the label's name"),
        pytest.param(error("credit_limit", ""), ["B2"], id="the label becomes the field's name"),
        pytest.param(error("person", "Ada"), ["C2"], id="one cell alone has the value"),
        pytest.param(error("id, City", "x"), ["A2", "D2"], id="a rule of two fields"),
        pytest.param(error("computed", ""), ["J2"], id="no cell is known: the message"),
        pytest.param(error("", "x,,Ada"), ["J2"], id="the whole row: the message"),
    ],
)
def test_where_an_error_is_marked(wrong: RowError, cells: list[str]) -> None:
    assert marks(failed(1, ["x", "", "Ada", ""], wrong)) == {"Rows": dict.fromkeys(cells, "is wrong")}


def test_a_record_that_could_not_be_split_is_marked_at_its_text() -> None:
    assert marks(failed(1, [], error("", 'x,"y', "a quote is open"))) == {"Rows": {"I2": "a quote is open"}}


def test_the_errors_of_one_cell_are_one_note_and_other_rows_have_none() -> None:
    both = [error("id", "x", "is no <number> & more"), error("id", "x", "is too large")]
    skipped = Row(2, 3, 1, RowState.SKIPPED, (error("id", "x"),), ("x", "", "", ""))
    assert marks(failed(1, ["x", "", "", ""], *both), skipped) == {
        "Rows": {"A2": "is no <number> & more\nis too large"}
    }


def test_each_sheet_has_its_own_notes() -> None:
    rows = [failed(number, ["x", "", "", ""], error("id", "x", str(number))) for number in (1, 2, 3)]
    assert marks(*rows, max_rows=3) == {"Rows": {"A2": "1", "A3": "2"}, "Rows 2": {"A2": "3"}}


def test_notes_are_bounded_and_marks_are_not() -> None:
    writer = XlsxReportWriter()
    rows = [failed(number, ["x", "", "", ""], error("id", "x")) for number in range(1, MAX_NOTES + 11)]
    data = writer.header(COLUMNS, with_state=False) + writer.lines(rows) + writer.end(())
    sheet = load_workbook(io.BytesIO(data)).active
    assert sheet is not None
    column = [sheet.cell(row, 1) for row in range(2, MAX_NOTES + 12)]
    assert sum(cell.comment is not None for cell in column) == MAX_NOTES
    assert all(cell.fill.patternType == "solid" for cell in column)
