"""The report as CSV can be read back, and no spreadsheet runs it."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestor.reports import guard, unguard
from ingestor.services.status.processes import RowState
from ingestor.services.status.reports.csv import CsvReportWriter
from ingestor.services.status.rows import Row
from tests.unit.status.reports.report_rows import BROKEN, PLAIN, TEXTS, failed_row

CELLS = TEXTS | st.text("'=+-@\t\r\n＝＋－＠5.")
EXTRA = ["_row", "_line", "_code", "_field", "_value", "_message"]


def read(columns: Sequence[str], rows: Sequence[Row], *, with_state: bool = False) -> list[list[str]]:
    """What a CSV reader finds in the file of these rows."""
    writer = CsvReportWriter()
    data = writer.header(columns, with_state=with_state) + writer.lines(rows) + writer.end(())
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


@given(CELLS)
def test_the_guard_is_undone_exactly(cell: str) -> None:
    guarded = guard(cell)
    assert unguard(guarded) == cell
    assert guarded == cell or guarded == "'" + cell


@pytest.mark.parametrize(
    "cell",
    [
        "=1+1",
        "+cmd",
        "-cmd|x",
        "@sum",
        "\tx",
        "\rx",
        "\nx",
        "\n=1",
        "＝1+1",
        "＋1",
        "－1",
        "＠x",
        "'=1",
        "'＝1",
    ],
)
def test_what_a_spreadsheet_would_run_is_guarded(cell: str) -> None:
    assert guard(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["-5", "+3.25", "-1e9", ".5", "", "a=b", "'quoted'", "O'Neill"])
def test_numbers_and_plain_text_are_left_alone(cell: str) -> None:
    assert guard(cell) == cell


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=5))
def test_a_csv_reader_gets_every_cell_back(rows: list[list[str]]) -> None:
    found = read(["a", "=b"], [failed_row(at, cells) for at, cells in enumerate(rows, 1)])
    assert found[0] == ["a", "'=b", *EXTRA]
    assert [[unguard(cell) for cell in line[:2]] for line in found[1:]] == rows
    assert [line[2] for line in found[1:]] == [str(number) for number in range(1, len(rows) + 1)]


def test_a_record_that_could_not_be_split_has_its_text_in_value() -> None:
    assert read(["a", "b"], [BROKEN])[1] == ["", "", "7", "9", "quote-error", "", 'x,"y', "open quote"]


def test_the_state_is_told_when_it_is_not_clear() -> None:
    found = read(["a"], [PLAIN, failed_row(6, ["x"])], with_state=True)
    assert found[0] == ["a", *EXTRA[:2], "_state", *EXTRA[2:]]
    assert found[1] == ["", "5", "", "SUCCEEDED", "", "", "", ""]
    assert found[2][:4] == ["x", "6", "7", RowState.FAILED.name]
