"""Which sheet of a workbook is read, and what is said of the others."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.sample import read_sample
from ingestor.tabular.options import ReadOptions
from tests.unit.tabular.workbooks.building import NOTHING, packed, parts_of, read, relationships, sheet_xml

DATA = sheet_xml([["id", "name"], [1, "a"], [2, "b"]])
LISTS = sheet_xml([["code"], ["x"], ["y"]]).replace("<sheetData>", '<dimension ref="A1:A3"/><sheetData>')
COVER = sheet_xml([["Sales of 2025"], ["by the finance team"]])
EMPTY = sheet_xml([])
BLANK = sheet_xml([[NOTHING, NOTHING], [NOTHING]])


def book(sheets: dict[str, str], **states: str) -> bytes:
    """A workbook with these sheets and their states."""
    return packed(parts_of(sheets, states=states))


@pytest.mark.parametrize(
    ("sheets", "states"),
    [
        ({"Lists": LISTS, "Data": DATA}, {"Lists": "hidden"}),
        ({"Lists": DATA, "Data": DATA}, {"Lists": "veryHidden"}),
        ({"Cover": COVER, "Data": DATA}, {}),
        ({"Empty": EMPTY, "Data": DATA}, {}),
        ({"Blank": BLANK, "Data": DATA, "More": DATA}, {}),
        ({"Data": DATA, "Lists": LISTS}, {}),
    ],
)
def test_the_first_visible_sheet_with_a_table(sheets: dict[str, str], states: dict[str, str]) -> None:
    found = read(book(sheets, **states))
    assert found.rows == [("1", "a"), ("2", "b")]
    message = found.notices["other-sheets"].message
    assert message.startswith('Only the sheet "Data" is read.')
    for name in sheets:
        assert f'"{name}"' in message


def test_hidden_sheets_and_their_sizes_are_said() -> None:
    found = read(book({"Lists": LISTS, "Data": DATA}, Lists="hidden"))
    assert '"Lists" (hidden, A1:A3)' in found.notices["other-sheets"].message


def test_a_single_column_is_a_table_where_there_is_no_other() -> None:
    assert read(book({"Empty": EMPTY, "Lists": LISTS})).rows == [("x",), ("y",)]


def test_one_sheet_needs_no_word() -> None:
    assert not read(book({"Data": DATA})).notices


@pytest.mark.parametrize("sheet", ["Lists", "lists ", 2])
def test_a_sheet_that_is_asked_for_is_read_though_it_is_hidden(sheet: Any) -> None:
    assert read(book({"Data": DATA, "Lists": LISTS}, Lists="hidden"), sheet=sheet).columns == ("code",)


@pytest.mark.parametrize(
    ("data", "sheet", "reason", "message"),
    [
        (book({"A": DATA}, A="hidden"), None, "SHEET_NOT_FOUND", 'no visible sheet with cells.*"A" .hidden'),
        (book({"A": EMPTY, "B": BLANK}), None, "FILE_EMPTY", 'No visible sheet .* anything; .*"A", "B"'),
        (book({"A": DATA, "B": EMPTY}), "C", "SHEET_NOT_FOUND", "no sheet 'C'; its sheets are \"A\", \"B\""),
        (book({"A": DATA}), 2, "SHEET_NOT_FOUND", "no sheet number 2; it has 1"),
        (book({"A": DATA, "B": EMPTY}), "B", "FILE_EMPTY", 'The sheet "B" has no header'),
    ],
)  # fmt: skip
def test_a_workbook_without_the_sheet_is_refused(data: bytes, sheet: Any, reason: str, message: str) -> None:
    with pytest.raises(UnreadableFileError, match=message) as caught:
        read(data, sheet=sheet) if sheet else read(data)
    assert caught.value.reason == reason


def test_a_chart_is_no_table() -> None:
    parts = parts_of({"Chart": EMPTY, "Data": DATA})
    parts["xl/_rels/workbook.xml.rels"] = relationships(
        [("rId1", "chartsheet", "chartsheets/sheet1.xml"), ("rId2", "worksheet", "worksheets/sheet2.xml")]
    )
    found = read(packed(parts))
    assert found.columns == ("id", "name")
    assert '"Chart" (no cells)' in found.notices["other-sheets"].message
    with pytest.raises(UnreadableFileError, match="it is a chart"):
        read(packed(parts), sheet="Chart")


def test_an_inspection_says_what_was_found_and_how_sure_it_is() -> None:
    rows = {1: ["Sales"], 3: ["Person", None, "Address", None], 4: ["First", "Last", "City", "Zip"]}
    rows |= {at: ["a", "b", "c", "d"] for at in range(5, 9)}
    data = book({"Empty": EMPTY, "Data": sheet_xml(rows, merged=["A3:B3", "C3:D3"])})
    sample = read_sample(io.BytesIO(data), len(data), "t.xlsx", ReadOptions())
    assert {guess.option: json.loads(guess.value_json) for guess in sample.plan.guesses} == {
        "sheet": "Data", "skipLines": 2, "headerRows": 2,
    }  # fmt: skip
    declared = ReadOptions.model_validate({"sheet": "Data", "skipLines": 2, "headerRows": 2})
    told = read_sample(io.BytesIO(data), len(data), "t.xlsx", declared)
    assert not told.plan.guesses
    assert told.labels == sample.labels
    assert told.cells == sample.cells
