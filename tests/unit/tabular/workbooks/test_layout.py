"""The table in a sheet: titles above it, headers of several rows, none, and what stands below."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.tabular.workbooks.building import NOTHING, Cell, Rows, number, read, workbook

PEOPLE: list[list[Any]] = [["id", "name", "city"], [1, "Anna", "Rom"], [2, "Bob", "Oslo"], [3, "Eve", "Bern"]]
VALUES = [("1", "Anna", "Rom"), ("2", "Bob", "Oslo"), ("3", "Eve", "Bern")]


def below(*above: list[Any], gap: int = 0) -> dict[int, list[Any]]:
    """The people below these rows and `gap` empty ones."""
    rows = {at: row for at, row in enumerate(above, 1) if row}
    first = len(above) + gap + 1
    return rows | dict(enumerate(PEOPLE, first))


@pytest.mark.parametrize(
    "rows",
    [
        below(["Sales 2025"]),
        below(["Sales 2025"], gap=1),
        below(["Sales 2025"], [], ["Region: North"], gap=1),
        below([None, "centred title"], gap=2),
        below(["Printed", number("45010", 1)], gap=1),
        below(["Sales", "of 2025"], ["all shops"]),
        below([NOTHING, NOTHING, NOTHING]),
    ],
)
def test_titles_stand_above_the_header(rows: Rows) -> None:
    found = read(workbook(rows, formats=["yyyy-mm-dd"]))
    assert found.columns == ("id", "name", "city")
    assert found.rows == VALUES
    assert not found.rejected


def test_what_stands_above_is_told_and_can_be_asked_for() -> None:
    data = workbook(below(["Sales 2025"], gap=1))
    assert 'Row 1 stands above the header and was not read: "Sales 2025".' in (
        read(data).notices["lines-above-header"].message
    )
    told = read(data, skipLines=0)
    assert told.columns == ("Sales 2025",)
    assert not told.notices
    assert read(data, skipLines=3).columns == ("1", "Anna", "Rom")


@pytest.mark.parametrize(
    "rows",
    [
        PEOPLE,
        [["only"], ["a"], ["b"]],
        [["id", "name"]],
        [["id", 2023, 2024], ["a", 5, 6], ["b", 7, 8]],
        [["item", 1, 2, 3], ["a", 5, 6, 7], ["b", 7, 8, 9]],
        [["id", None, "name"], [1, "x", "y"], [2, "x", "y"]],
        [["item", number("45010", 1)], ["a", 5], ["b", 7]],
        [["a", "b", "c"], ["x", None, None], [None, "y", None], [None, None, "z"]],
    ],
)
def test_an_ordinary_header_is_the_first_row(rows: list[list[Any]]) -> None:
    found = read(workbook(rows, formats=["yyyy-mm-dd"]))
    assert len(found.columns) == len(rows[0])
    assert found.columns[0] == rows[0][0]
    assert len(found.rows) == len(rows) - 1
    assert not found.notices


GROUPS: list[list[Any]] = [
    ["Person", None, "Address", None],
    ["First", "Last", "City", "Zip"],
    ["A", "B", "C", "1"],
    ["D", "E", "F", "2"],
]
JOINED = ("Person First", "Person Last", "Address City", "Address Zip")


@pytest.mark.parametrize(
    ("rows", "merged", "columns", "first"),
    [
        (GROUPS, ["A1:B1", "C1:D1"], JOINED, 3),
        (GROUPS, ["A1:B1"], ("Person First", "Person Last", "Address City", "Zip"), 3),
        ([["Report 2025"], *GROUPS], ["A1:D1", "A2:B2", "C2:D2"], JOINED, 4),
        (
            [["Id", "Address", None], [None, "Street", "City"], [1, "x", "y"], [2, "x", "y"]],
            ["A1:A2", "B1:C1"],
            ("Id", "Address Street", "Address City"),
            3,
        ),
        (
            [["Id", "2024", None], [None, "H1", None], [None, "Q1", "Q2"], [1, 5, 6], [2, 7, 8]],
            ["A1:A3", "B1:C1", "B2:C2"],
            ("Id", "2024 H1 Q1", "2024 H1 Q2"),
            4,
        ),
        (
            [["Id", "Name", "Price"], [None, None, "net"], [1, "x", 3], [2, "y", 4]],
            ["A1:A2", "B1:B2"],
            ("Id", "Name", "Price net"),
            3,
        ),
    ],
)
def test_a_header_of_merged_cells(
    rows: list[list[Any]], merged: list[str], columns: tuple[str, ...], first: int
) -> None:
    found = read(workbook(rows, merged=merged))
    assert found.columns == columns
    assert found.lines[0] == first
    assert "header-rows" in found.notices


def test_merged_cells_of_the_data_change_nothing() -> None:
    found = read(workbook(PEOPLE, merged=["A2:A3", "B3:C3"]))
    assert found.columns == ("id", "name", "city")
    assert not found.notices


def test_a_title_that_is_merged_over_the_whole_sheet_makes_no_columns() -> None:
    found = read(workbook([["People"], *PEOPLE], merged=["A1:XFD1"]), headerRows=1)
    assert found.columns == ("People", "People", "People")


def test_declared_header_rows_are_joined_with_their_merged_cells() -> None:
    found = read(workbook(GROUPS, merged=["A1:B1", "C1:D1"]), headerRows=2, headerJoin="/")
    assert found.columns == ("Person/First", "Person/Last", "Address/City", "Address/Zip")
    assert not found.notices
    one = read(workbook(GROUPS, merged=["A1:B1", "C1:D1"]), skipLines=1, headerRows=1)
    assert one.columns == ("First", "Last", "City", "Zip")
    assert read(workbook(GROUPS), headerRows=2).columns == (
        "Person First", "Last", "Address City", "Zip",
    )  # fmt: skip


def test_no_header_is_found_told_and_can_be_overruled() -> None:
    data = workbook([[1, "Anna", 5.5], [2, "Bob", 6], [3, "Eve", 7]])
    found = read(data)
    assert found.columns == ("column_1", "column_2", "column_3")
    assert len(found.rows) == 3
    assert found.notices["no-header"].message.startswith("Row 1 looks like the rows below it")
    assert read(data, header=True).columns == ("1", "Anna", "5.5")
    told = read(data, header=False)
    assert len(told.rows) == 3
    assert not told.notices


def test_a_table_that_begins_further_right_and_down() -> None:
    rows = {
        4: [None, None, "id", "name"],
        5: [None, None, 1, "Anna"],
        6: ["note", None, 2, "Bob"],
        7: [None, None, 3, "Eve", "x"],
        8: [None, None, 4, "Ian", NOTHING],
    }
    found = read(workbook(rows))
    assert found.columns == ("", "", "id", "name")  # the note shows that the table may begin there
    later = dict(rows) | {6: [None, None, 2, "Bob"]} | {at: [None, None, at, "n"] for at in range(9, 300)}
    later[400] = ["note", None, 400, "n"]
    found = read(workbook(later))
    assert found.columns == ("id", "name")
    assert found.rejected == [
        (7, "failed", "extra-cell",
         "The cell E7 stands outside the table, whose header has the columns C to D."),
        (400, "failed", "extra-cell",
         "The cell A400 stands outside the table, whose header has the columns C to D."),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "tail",
    [
        {5: ["Total", None, 6]},
        {5: ["TOTAL:"]},
        {5: [None, "Total", 6]},
        {5: ["Summe", None, 6]},
        {5: ["Source: the registry"]},
        {6: ["Printed on Monday"]},
        {6: ["Total", None, 6], 8: ["Source: the registry"]},
        {6: [None, None, 6]},
    ],
)
def test_totals_and_notes_below_the_table_are_skipped_and_told(tail: dict[int, list[Any]]) -> None:
    data = workbook(dict(enumerate(PEOPLE, 1)) | tail)
    found = read(data)
    assert found.rows == VALUES
    assert [(line, state, code) for line, state, code, _ in found.rejected] == [
        (line, "skipped", "footer-row") for line in tail
    ]
    told = found.notices["footer-not-read"]
    assert told.rows == len(tail)
    assert told.row_numbers == tuple(range(4, 4 + len(tail)))
    everything = read(data, skipFooter=0)
    assert len(everything.rows) == 3 + len(tail)
    assert not everything.notices


@pytest.mark.parametrize(
    "tail",
    [
        {5: [4, "Total", "Paris"]},
        {5: ["x"]},
        {6: [4, "Zoe", "Ulm"]},
        {5: [4], 7: [5, "Ada", None]},
        {5: ["Totalis", "Max", "Ulm"]},
    ],
)
def test_rows_like_the_others_are_loaded_to_the_last(tail: dict[int, list[Any]]) -> None:
    found = read(workbook(dict(enumerate(PEOPLE, 1)) | tail))
    assert len(found.rows) == 3 + len(tail)
    assert not found.rejected


def test_rows_and_cells_of_empty_text_hold_nothing() -> None:
    rows = [
        ["id", "name"],
        [1, "a", NOTHING],
        [NOTHING, "b", NOTHING],
        [NOTHING, NOTHING],
        [None, NOTHING],
        [2, NOTHING],
        ["", ""],
        [Cell(""), Cell(None, style=0)],  # only formatted
    ]
    found = read(workbook(rows))
    assert found.rows == [("1", "a"), (None, "b"), ("2", None)]
    assert [(line, state, code) for line, state, code, _ in found.rejected] == [
        (4, "skipped", "blank-row"), (5, "skipped", "blank-row"), (7, "skipped", "blank-row"),
    ]  # fmt: skip


def test_hidden_rows_and_columns_are_read_and_told() -> None:
    found = read(workbook(PEOPLE, hidden=[3, 4], columns='<cols><col min="2" max="2" hidden="1"/></cols>'))
    assert found.rows == VALUES
    assert found.notices["hidden-rows"].row_numbers == (2, 3)
    assert found.notices["hidden-columns"].message.endswith("read like the others: B.")


def test_columns_and_row_names_are_declared_as_for_other_tables() -> None:
    data = workbook([[None, "x", "y"], ["a", 1, 2], ["b", 3, 4]])
    assert read(data).columns == ("", "x", "y")
    assert read(data, rowNames=True).columns == ("row_name", "x", "y")
    named = read(data, columns=["n", "x", "y", "z"])
    assert named.columns == ("n", "x", "y", "z")
    assert named.rows == [("a", "1", "2", None), ("b", "3", "4", None)]
    narrow = read(data, columns=["n", "x"])
    assert [code for _, _, code, _ in narrow.rejected] == ["extra-cell", "extra-cell"]
    data = workbook([[1, 2, 3], [4, 5, 6], [7, 8, 9.5]])
    assert read(data, columns=["a", "b", "c"], header=False).rows[0] == ("1", "2", "3")
