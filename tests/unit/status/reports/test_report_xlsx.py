"""The report as a workbook gives every text back, to a reader of workbooks and to an XML parser."""

from __future__ import annotations

import gc
import io
import re
from collections.abc import Sequence
from xml.etree import ElementTree
from zipfile import ZipFile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_calamine import CalamineWorkbook

from ingestor.outcomes import Notice
from ingestor.reports import CUT, guard, unguard
from ingestor.services.status.reports.writer import TooManyColumnsError
from ingestor.services.status.reports.xlsx import (
    MAX_COLUMNS,
    MAX_ROWS,
    XlsxReportWriter,
    column_name,
)
from ingestor.services.status.reports.xlsx_rows import MAX_CHARACTERS
from ingestor.services.status.rows import Row
from tests.unit.status.reports.report_rows import BROKEN, PLAIN, TEXTS, failed_row

# Half of the texts look like what the writer makes of forbidden characters.
CELLS = TEXTS | st.text("_x0041F&<>\x01\r\n\t \ufffe\uffff")
MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def made(
    columns: Sequence[str],
    rows: Sequence[Row],
    writer: XlsxReportWriter | None = None,
    *,
    state: bool = False,
) -> bytes:
    """The file of these rows, written one by one."""
    writer = writer or XlsxReportWriter()
    pieces = [
        writer.header(columns, with_state=state),
        *(writer.lines([row]) for row in rows),
        writer.end(()),
    ]
    return b"".join(pieces)


def xml_rows(data: bytes, sheet: int = 1) -> list[dict[str, str]]:
    """Cells of a sheet by their references, as the standard says that they are read (ST_Xstring)."""
    root = ElementTree.fromstring(ZipFile(io.BytesIO(data)).read(f"xl/worksheets/sheet{sheet}.xml"))
    found = []
    for row in root.iter(f"{MAIN}row"):
        cells = {}
        for cell in row.iter(f"{MAIN}c"):
            if len(cell) == 0:  # empty, but marked
                continue
            assert cell.get("t") == "inlineStr"  # a text, whatever it looks like
            text = "".join(part.text or "" for part in cell.iter(f"{MAIN}t"))
            cells[cell.attrib["r"]] = re.sub(
                "_x([0-9A-Fa-f]{4})_", lambda escape: chr(int(escape[1], 16)), text
            )
        found.append(cells)
    return found


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=5))
def test_every_text_comes_back(rows: list[list[str]]) -> None:
    data = made(["a", "=b"], [failed_row(at, cells) for at, cells in enumerate(rows, 1)])
    found = xml_rows(data)
    assert (found[0]["A1"], found[0]["B1"], found[0]["C1"]) == ("a", "'=b", "_row")
    assert [
        [cells.get(f"{letter}{at}", "") for letter in "ABCG"] for at, cells in enumerate(found[1:], 2)
    ] == [[*map(guard, cells), str(number), guard(cells[0])] for number, cells in enumerate(rows, 1)]


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=5))
def test_a_reader_of_workbooks_gets_every_text_back(rows: list[list[str]]) -> None:
    # The reader leaves _xFFFE_ and _xFFFF_ as they are.
    rows = [[re.sub("[\ufffe\uffff]", "", cell) for cell in cells] for cells in rows]
    data = made(["a", "b"], [failed_row(at, cells) for at, cells in enumerate(rows, 1)])
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_name("Rows")
    assert [[unguard(str(cell)) for cell in line[:2]] for line in sheet.to_python()[1:]] == rows


def test_numbers_dates_and_formulas_stay_texts() -> None:
    texts = ["=1+1", "0012", "1e5", "2024-02-03", "TRUE", "#N/A", " x "]
    data = made(list("abcdefg"), [failed_row(1, texts)])
    sheet = CalamineWorkbook.from_filelike(io.BytesIO(data)).get_sheet_by_name("Rows")
    texts[0] = "'=1+1"  # guarded as in CSV, since a program may make the one of the other
    assert sheet.to_python()[1] == [*texts, "1", "2", "type-error", "a", "'=1+1", "bad"]


def test_rows_without_cells_and_their_states() -> None:
    found = xml_rows(made(["a"], [PLAIN, BROKEN], state=True))
    assert list(found[0]) == [f"{letter}1" for letter in "ABCDEFGH"]
    assert " ".join(found[0].values()) == "a _row _line _state _code _field _value _message"
    assert found[1] == {"B2": "5", "D2": "SUCCEEDED"}
    assert (found[2]["B3"], found[2]["G3"]) == ("7", 'x,"y')


def test_the_header_stays_in_view() -> None:
    root = ElementTree.fromstring(ZipFile(io.BytesIO(made(["a"], []))).read("xl/worksheets/sheet1.xml"))
    panes = [pane.attrib for pane in root.iter(f"{MAIN}pane")]
    assert panes == [{"ySplit": "1", "topLeftCell": "A2", "activePane": "bottomLeft", "state": "frozen"}]


@pytest.mark.parametrize("limits", [(4, 10**9), (MAX_ROWS, 2_000)])
def test_a_full_sheet_is_followed_by_another(limits: tuple[int, int]) -> None:
    rows = [failed_row(number, [f"cell {number}"]) for number in range(1, 9)]
    data = made(["a"], rows, XlsxReportWriter(*limits))
    workbook = CalamineWorkbook.from_filelike(io.BytesIO(data))
    assert workbook.sheet_names == ["Rows", "Rows 2", "Rows 3"]
    found = [workbook.get_sheet_by_name(name).to_python() for name in workbook.sheet_names]
    assert {sheet[0][1] for sheet in found} == {"_row"}
    assert [line[0] for sheet in found for line in sheet[1:]] == [row.cells[0] for row in rows]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("x" * MAX_CHARACTERS, "x" * MAX_CHARACTERS),
        ("x" * (MAX_CHARACTERS + 1), "x" * (MAX_CHARACTERS - len(CUT)) + CUT),
        # Excel counts UTF-16 code units, and half of a pair is no character.
        ("😀" * 16_384, "😀" * 16_380 + CUT),
        ("x" + "😀" * 16_383, "x" + "😀" * 16_383),
        ("\r" * (MAX_CHARACTERS - 1), "'" + "\r" * (MAX_CHARACTERS - 1)),
    ],
)
def test_a_cell_is_cut_where_excel_would_refuse_it(text: str, kept: str) -> None:
    assert xml_rows(made(["a"], [failed_row(1, [text])]))[1]["A2"] == kept


def test_more_columns_than_a_sheet_has_are_refused() -> None:
    XlsxReportWriter().header(["a"] * (MAX_COLUMNS - 6), with_state=False)
    with pytest.raises(TooManyColumnsError, match="16,384"):
        XlsxReportWriter().header(["a"] * (MAX_COLUMNS - 5), with_state=False)


def test_columns_are_named_as_in_a_spreadsheet() -> None:
    assert [column_name(n) for n in (1, 26, 27, 52, 53, 702, 703, MAX_COLUMNS)] == [
        "A", "Z", "AA", "AZ", "BA", "ZZ", "AAA", "XFD"
    ]  # fmt: skip


def test_the_file_comes_as_it_is_written_and_may_be_dropped() -> None:
    writer = XlsxReportWriter()
    sent = len(writer.header(["a"], with_state=False))
    for number in range(1, 3_000):
        sent += len(writer.lines([failed_row(number, [f"{number * 2654435761 % 2**32:08x}"])]))
    assert sent > 20_000
    # A client that went away: nothing complains (a warning would fail this test).
    cycle = [writer]
    cycle.append(cycle)  # type: ignore[arg-type]
    del writer, cycle
    gc.collect()


def test_notices_are_the_last_sheet() -> None:
    writer = XlsxReportWriter()
    notice = Notice("rows-left-out", "A trigger left rows out.", 3, (7, 9))
    data = writer.header(["a"], with_state=False) + writer.lines([]) + writer.end([notice])
    assert "Notices" in ZipFile(io.BytesIO(data)).read("xl/workbook.xml").decode()
    _, row = xml_rows(data, 2)
    assert row == {"A2": "rows-left-out", "B2": "A trigger left rows out.", "C2": "3", "D2": "7, 9"}
