"""A repair file becomes the rows of a repair, however the report was changed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from ingestor.outcomes import UNREADABLE, RowError
from ingestor.repair_file import repair_content
from ingestor.reports import CUT, OriginalTable, guard, headings, row_column, unguard
from ingestor.services.status.processes import RowState
from ingestor.services.status.reports.formats import WRITERS, ReportFormat
from ingestor.services.status.rows import Row
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.convert import content, open_plan
from ingestor.tabular.normal_form import from_normal_form
from ingestor.tabular.options import parse_options
from ingestor.tabular.parsers.csv import read_csv_slice
from ingestor.tabular.records.syntax import EXTRA_COLUMNS, Dialect
from tests.examples import examples

TABLE = OriginalTable(("id", "name"), 100, False)
Cells = list[str | None]


def read(
    data: bytes, table: OriginalTable = TABLE, name: str = "report.csv"
) -> tuple[dict[int, Cells], list[tuple[int, str, str]]]:
    """Rows by their numbers, and (record from 1, state, code) of the others."""
    file = io.BytesIO(data)
    how = open_plan(file, len(data), name, parse_options("{}"))
    lines = b"".join(repair_content(file, how, table))
    header, _, body = lines.partition(b"\n")
    assert header.decode().count(",") >= len(EXTRA_COLUMNS) + len(table.columns)
    width = len(EXTRA_COLUMNS) + 1 + len(table.columns)
    found = from_normal_form(read_csv_slice(body, width, Dialect(), empty_is_null=True))
    numbers, *columns = (column.to_pylist() for column in found.columns)
    rows = {int(number): list(cells) for number, *cells in zip(numbers, *columns, strict=True)}
    assert len(rows) == len(numbers), "a number twice"
    return rows, [(record.row_number, record.state, record.errors[0].code) for record in found.rejected]


def row(number: int, *cells: str, code: str = "type-error") -> Row:
    """A failed row."""
    error = RowError(code, "id", "x", "x is no number", "validate")
    return Row(number, number + 1, 1, RowState.FAILED, (error,), cells)


def report(
    kind: ReportFormat, columns: Sequence[str], rows: Sequence[Row], *, with_state: bool = False
) -> bytes:
    """A report as the suite writes it."""
    writer = WRITERS[kind]()
    return writer.header(columns, with_state=with_state) + writer.lines(rows) + writer.end(())


CELLS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufffe\uffff")
    | st.sampled_from("'=+-@\t\r\n＝＋－＠")
)


@pytest.mark.parametrize("with_state", [False, True])
@pytest.mark.parametrize("kind", ReportFormat)
@settings(max_examples=examples(30))
@given(cells=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_a_report_of_each_kind_comes_back_cell_for_cell(
    kind: ReportFormat, with_state: bool, cells: list[tuple[str, str]]
) -> None:
    assume(not any(cell.endswith((CUT, UNREADABLE)) for found in cells for cell in found))
    rows = [row(number, *found) for number, found in enumerate(cells, 1)]
    rows_back, rejected = read(
        report(kind, TABLE.columns, rows, with_state=with_state), name=f"r.{kind.name.lower()}"
    )
    blank = [number for number, found in enumerate(cells, 1) if not any(found)]
    assert rows_back == {
        number: list(found) for number, found in enumerate(cells, 1) if any(found)
    }  # fmt: skip
    assert rejected == [(number, "skipped", "blank-row") for number in blank]


@given(cell=CELLS)
def test_the_guard_is_undone_exactly(cell: str) -> None:
    assert unguard(guard(cell)) == cell


def test_a_file_with_columns_called_like_the_reports_and_like_formulas() -> None:
    columns = ("_row", "-x", "__row", "_code", "=1+1")
    table = OriginalTable(columns, 9, False)
    assert row_column(columns) == "___row"
    assert headings(columns, with_state=False)[5:] == [
        "___row", "_line", "__code", "_field", "_value", "_message",
    ]  # fmt: skip
    for kind in ReportFormat:
        rows, rejected = read(
            report(kind, columns, [row(4, "a", "b", "c", "d", "e")]), table, f"r.{kind.name}"
        )
        assert (rows, rejected) == ({4: ["a", "b", "c", "d", "e"]}, [])


def test_what_a_spreadsheet_program_makes_of_it() -> None:
    """Other delimiter, encoding, order and columns; rows gone, in another order, and blank ones."""
    text = (
        "_message;note;name;_row;id\r\n"
        "bad;mine;Zoë Müßig;7;1\r\n"
        ";;;;\r\n"
        "bad;;'=SUM(A1);3.0;2\r\n"
        "\r\n"
        "bad;;''quoted;5;''=3\r\n"
    )
    rows, rejected = read(text.encode("cp1252"))
    assert rows == {7: ["1", "Zoë Müßig"], 3: ["2", "=SUM(A1)"], 5: ["'=3", "''quoted"]}
    assert rejected == [(2, "skipped", "blank-row"), (4, "skipped", "blank-row")]


def test_records_keep_their_lines_and_numbers_whatever_their_dialect() -> None:
    text = 'id,name,_row\n1,a,7\n2,"b\nb",8\n3,"c"x,9\n\n4,d,10\n'
    for data, name in ((text, "r.csv"), (text.replace(",", "\u00a6"), "odd.csv")):
        file = io.BytesIO(data.encode())
        options = parse_options(json.dumps({"delimiter": data[2]}))
        how = open_plan(file, len(data), name, options)
        assert how.form == ("as-is" if name == "r.csv" else "normal")
        lines = b"".join(repair_content(file, how, TABLE)).decode().splitlines()
        assert lines[1] == '2,,"7","1","a"'
        assert (lines[2], lines[3]) == ('3,,"8","2","b', 'b"')
        assert [line.split(",")[0] for line in lines[4:]] == ["5", "6", "7"]
        assert ["quote-error" in lines[4], "blank-row" in lines[5]] == [True, True]


def test_rows_that_stand_for_none_or_for_one_that_was_there() -> None:
    lines = [
        "id,name,_row", "1,a,7", "2,b,", "3,c,x", "4,d,0", "5,e,101", "6,f,7", "7,g,-1", "8,h,8.5",
        f"9,abc{CUT},9", f"9,bad \\xff end{UNREADABLE},9", "10,i,9", "11,j,99999999999999999999", "12,k",
        "13,l, 10 ",
    ]  # fmt: skip
    rows, rejected = read("\n".join(lines).encode())
    assert rows == {7: ["1", "a"], 9: ["10", "i"], 10: ["13", "l"]}
    assert [(number, code) for number, state, code in rejected if state == "failed"] == [
        (2, "row-number"), (3, "row-number"), (4, "row-number"), (5, "row-number"), (6, "repeated-row"),
        (7, "row-number"), (8, "row-number"), (9, "cell-cut"), (12, "row-number"), (13, "missing-cell"),
    ]  # fmt: skip
    assert [(number, code) for number, state, code in rejected if state == "skipped"] == [
        (10, "cell-unreadable")
    ]


def test_bytes_that_are_no_text_come_back_only_when_someone_wrote_text() -> None:
    unreadable = io.BytesIO()
    _, offsets, data = pa.array([b"bad \xff end", b"ok", b"a\0b"]).buffers()
    assert offsets is not None and data is not None
    column = pa.StringArray.from_buffers(3, offsets, data)
    pq.write_table(pa.table({"id": pa.array(["1", "2", "3"]), "name": column}), unreadable)
    unreadable.seek(0)
    how = open_plan(unreadable, len(unreadable.getvalue()), "t", parse_options("{}"))
    text = b"".join(content(unreadable, how)).partition(b"\n")[2]
    found = from_normal_form(read_csv_slice(text, 4, Dialect(), empty_is_null=True)).rejected
    assert [record.row_number for record in found] == [1, 3]
    for kind in ReportFormat:
        rows = [row(record.row_number, *record.cells) for record in found]
        assert read(report(kind, TABLE.columns, rows), name=f"r.{kind.name}") == (
            {}, [(1, "skipped", "cell-unreadable"), (2, "skipped", "cell-unreadable")],
        )  # fmt: skip


def test_the_first_of_equal_rows_counts_however_far_the_other_is() -> None:
    lines = ["id,name,_row", *(f"{n},x,{n % 20_000 + 1}" for n in range(40_000))]
    rows, rejected = read("\n".join(lines).encode(), OriginalTable(("id", "name"), 20_000, False))
    assert {number: cells[0] for number, cells in rows.items()} == {n + 1: str(n) for n in range(20_000)}
    assert [record for record, _, _ in rejected] == list(range(20_001, 40_001))


def test_empty_cells_are_what_they_are_in_the_table() -> None:
    for null, table in ((None, OriginalTable(("id", "name"), 9, True)), ("", TABLE)):
        assert read(b"id,name,_row\n1,,7\n", table)[0] == {7: ["1", null]}
        line = json.dumps({"row": 7, "cells": {"id": 1.10, "name": None}})
        assert read(line.encode(), table, "r.jsonl")[0] == {7: ["1.1", null]}


@pytest.mark.parametrize(
    ("cells", "code"),
    [
        ({"id": 1}, "missing-cell"),
        ({"id": 1, "name": 2, "other": 3}, "extra-cell"),
        ("text", "type-error"),
        ([1], "type-error"),
        ({}, "blank-row"),
        (None, "blank-row"),
    ],
)
def test_objects_with_other_cells(cells: object, code: str) -> None:
    rows, rejected = read(json.dumps({"row": 1, "cells": cells}).encode(), name="r.jsonl")
    assert (rows, [found for _, _, found in rejected]) == ({}, [code])


def test_columns_that_were_left_out_stay_so() -> None:
    table = OriginalTable(("id", "", "name"), 9, False)
    for kind in ReportFormat:
        rows, rejected = read(
            report(kind, table.columns, [row(2, "1", "gone", "n")]), table, f"r.{kind.name}"
        )
        assert (rows, rejected) == ({2: ["1", "", "n"]}, [])


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("id,name", 'lacks "_row"'),
        ("id,_row", 'lacks "name"'),
        ("a,b,c", 'lacks "_row", "id", "name"'),
        ("id,name,_row,id", '"id" more than once'),
        ('id,"na"me,_row', "quote inside an unquoted cell"),
    ],
)
def test_a_file_that_is_no_report_is_refused(header: str, message: str) -> None:
    with pytest.raises(UnreadableFileError, match=message) as caught:
        read(f"{header}\n1,2,3\n".encode())
    assert caught.value.reason == ("HEADER_UNREADABLE" if '"na"me' in header else "NOT_A_REPORT")


def test_cells_that_excel_cannot_hold_do_not_come_back_as_if_they_were_whole() -> None:
    data = report(ReportFormat.XLSX, TABLE.columns, [row(1, "1", "y" * 40_000), row(2, "2", "y" * 30_000)])
    rows, rejected = read(data, name="r.xlsx")
    assert rows == {2: ["2", "y" * 30_000]}
    assert rejected == [(1, "failed", "cell-cut")]


def test_a_report_written_by_csv_and_saved_again_by_pythons_csv_module() -> None:
    data = report(ReportFormat.CSV, TABLE.columns, [row(1, "=1", "a\nb"), row(2, "'@x", 'say "hi"')])
    lines = list(csv.reader(io.StringIO(data.decode(), newline="")))
    again = io.StringIO(newline="")
    csv.writer(again, delimiter="\t", quoting=csv.QUOTE_ALL).writerows(lines)
    assert read(again.getvalue().encode())[0] == {1: ["=1", "a\nb"], 2: ["'@x", 'say "hi"']}


SPLIT = OriginalTable(("id", "name"), 100, False, ",", '"')


def unsplit(number: int, text: str, code: str = "extra-cell") -> Row:
    """A row whose record could not be split."""
    return Row(number, number + 1, 1, RowState.FAILED, (RowError(code, "", text, "bad", "parse"),), ())


@pytest.mark.parametrize("kind", [ReportFormat.CSV, ReportFormat.XLSX])
def test_a_record_that_could_not_be_split_loads_when_its_text_is_corrected(kind: ReportFormat) -> None:
    rows = [
        unsplit(3, "3,Ada"),
        unsplit(4, '4,"a, ""b"""', "quote-error"),
        unsplit(5, "5,a,b"),
        unsplit(6, '6,"open', "quote-error"),
        unsplit(7, "7,x\n8,y"),
        unsplit(8, "=8,-x"),
        row(9, "9", "not touched"),
    ]
    found, rejected = read(report(kind, SPLIT.columns, rows), SPLIT, f"r.{kind.name.lower()}")
    assert found == {3: ["3", "Ada"], 4: ["4", 'a, "b"'], 8: ["=8", "-x"], 9: ["9", "not touched"]}
    assert rejected == [
        (3, "failed", "extra-cell"), (4, "failed", "quote-error"), (5, "failed", "extra-cell")
    ]  # fmt: skip


def test_a_text_that_still_cannot_be_split_is_kept_as_it_is() -> None:
    data = report(ReportFormat.CSV, SPLIT.columns, [unsplit(5, "5,a,b")])
    file = io.BytesIO(data)
    lines = b"".join(repair_content(file, open_plan(file, len(data), "r.csv", parse_options("{}")), SPLIT))
    _, _, body = lines.partition(b"\n")
    width = len(EXTRA_COLUMNS) + 1 + len(SPLIT.columns)
    (rejected,) = from_normal_form(read_csv_slice(body, width, Dialect(), empty_is_null=True)).rejected
    assert rejected.errors[0].value == "5,a,b"


@pytest.mark.parametrize(
    ("table", "found", "why"),
    [
        (TABLE, unsplit(3, "3,Ada"), "skipped"),  # its records are no delimited text
        (SPLIT, unsplit(3, "3,\\xE9", "encoding-error"), "skipped"),  # no text of the file
        (SPLIT, unsplit(3, "3," + "x" * 1022), "failed"),  # only the beginning
        (SPLIT, unsplit(3, "3,Ada", "primary-key"), "skipped"),  # the key of a displaced row
    ],
)
def test_texts_that_are_not_split(table: OriginalTable, found: Row, why: str) -> None:
    rows, rejected = read(report(ReportFormat.CSV, table.columns, [found]), table)
    assert rows == {}
    assert [state for _, state, _ in rejected] == [why]


def test_cells_that_were_filled_in_count_not_the_text() -> None:
    data = f"id,name,_row,_code,_field,_value\n3,Eve,3,extra-cell,,{chr(34)}3,Ada,x{chr(34)}\n".encode()
    assert read(data, SPLIT) == ({3: ["3", "Eve"]}, [])
