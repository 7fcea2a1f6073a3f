"""An error cell rejects its row where the pipeline reads its column, and nowhere else."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from ingestor.checking.rows import CheckedRows, check_rows
from ingestor.notices import merged
from ingestor.outcomes import Notice
from ingestor.pipelines.document import parse_pipeline
from ingestor.services.processor.batches import RepairedRows
from ingestor.services.processor.reading import repair_table
from ingestor.tabular.files.convert import content, open_plan
from ingestor.tabular.files.sample import read_sample, sample_table
from ingestor.tabular.normal_form import from_normal_form
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.parsers.csv import read_csv_slice
from ingestor.tabular.records.syntax import Dialect
from ingestor.tabular.text_table import CellNote, TextTable
from tests.unit.tabular.workbooks.building import Cell, error, number, read, workbook

COLUMNS = ("id", "name", "lookup")
ROWS: list[list[Any]] = [
    list(COLUMNS),
    [1, "a", 5],
    [2, "b", error("#N/A")],
    [3, "c", error("#DIV/0!")],
    [4, "d", 7],
    [5, "e", Cell(None, more="<f>1+1</f>")],
    [6, "f", Cell("x")],
]
MESSAGES = {
    2: "The cell C3 holds the error #N/A.",
    3: "The cell C4 holds the error #DIV/0!.",
    5: "The cell C6 has a formula without a stored value; save the workbook in a program that computes it.",
    6: "The cell C7 holds 'x', which is not a valid value for its type.",
}


def batch(data: bytes) -> TextTable:
    """The workbook as a batch brings it."""
    file = io.BytesIO(data)
    lines = b"".join(content(file, open_plan(file, len(data), "t.xlsx", ReadOptions())))
    return from_normal_form(read_csv_slice(lines.partition(b"\n")[2], 5, Dialect(), empty_is_null=True))


def check(read: list[str], **field: Any) -> CheckedRows:
    """The batch checked by a pipeline of strings that reads these columns."""
    fields = [{"name": name, "type": "string", **(field if name == "lookup" else {})} for name in read]
    document = {"name": "p", "schema": {"fields": fields}, "sink": {"table": "t"}}
    return check_rows(batch(workbook(ROWS)), COLUMNS, parse_pipeline(json.dumps(document)))


def test_a_column_that_is_not_read_rejects_nothing() -> None:
    checked = check(["id", "name"])
    assert checked.good.num_rows == 6
    assert not checked.rejected


@pytest.mark.parametrize("pipeline", [True, False])
def test_a_column_that_is_read_rejects_its_rows(pipeline: bool) -> None:
    checked = check(["id", "lookup"]) if pipeline else check_rows(batch(workbook(ROWS)), COLUMNS, None)
    assert {row.row_number: row.errors[0].message for row in checked.rejected} == MESSAGES
    assert {row.errors[0].code for row in checked.rejected} == {"cell-error"}
    assert {row.state for row in checked.rejected} == {"failed"}
    first = checked.rejected[0]
    assert (first.line_number, first.cells, first.errors[0].value) == (3, ("2", "b", "#N/A"), "#N/A")
    assert checked.good_index.tolist() == [0, 3]


def test_an_error_that_the_pipeline_calls_missing_is_missing() -> None:
    checked = check(["id", "lookup"], missingValues=["#N/A"])
    assert [row.row_number for row in checked.rejected] == [3, 5, 6]
    assert checked.good["lookup"].to_pylist() == ["5", None, "7"]


def test_a_column_without_a_label_is_not_read() -> None:
    found = read(workbook([["id", "name"], [1, "a", error("#N/A")], [2, error("#REF!"), error("#N/A")]]))
    assert found.rows == [("1", "a"), ("2", "#REF!")]
    assert found.faults == [CellNote(1, 1, "The cell B3 holds the error #REF!.")]
    assert not found.rejected


def test_an_error_in_the_header_is_a_label() -> None:
    assert read(workbook([["id", error("#REF!")], [1, "a"]])).columns == ("id", "#REF!")


def test_an_inspection_shows_such_rows_as_rejected() -> None:
    data = workbook(ROWS)
    sample = read_sample(io.BytesIO(data), len(data), "t.xlsx", ReadOptions())
    assert {row.row_number: row.errors[0].message for row in sample.rejected} == MESSAGES
    assert sample.cells[0] == ["1", "4"]
    kept = read_sample(io.BytesIO(data), len(data), "t.xlsx", ReadOptions(), faults=True)
    assert [fault.row_index + 1 for fault in sample_table(kept).cell_notes] == list(MESSAGES)
    assert not kept.rejected


def test_a_repair_by_row_numbers_keeps_the_faults_of_its_rows() -> None:
    rows = RepairedRows("p", COLUMNS, (2, 4, 5), 1)
    found = repair_table(rows, batch(workbook(ROWS)))
    assert [(fault.row_index, fault.fault) for fault in found.table.cell_notes] == [
        (0, MESSAGES[2]), (2, MESSAGES[5]),
    ]  # fmt: skip
    checked = check_rows(found.table, COLUMNS, None)
    assert [row.row_number for row in checked.rejected] == [1, 3]


def test_notices_of_later_blocks_name_the_rows_of_the_file() -> None:
    data = workbook([["id", "name"], *([at, "x"] for at in range(1, 10_003))], hidden=[2, 10_003])
    file = io.BytesIO(data)
    notices: list[Notice] = []
    for _ in content(file, open_plan(file, len(data), "t.xlsx", ReadOptions()), notices=notices):
        pass
    (told,) = merged(notices)
    assert (told.code, told.rows, told.row_numbers) == ("hidden-rows", 2, (1, 10_002))


def test_a_percentage_is_its_number_or_what_a_field_of_text_shows() -> None:
    rows = [["a", "b"], [number("0.12", 1), 1], [number("-0.125", 2), 2], [number("0.5"), 3]]
    data = workbook(rows, formats=["0%", "0.0 %"])
    file = io.BytesIO(data)
    lines = b"".join(content(file, open_plan(file, len(data), "t.xlsx", ReadOptions())))
    table = from_normal_form(read_csv_slice(lines.partition(b"\n")[2], 4, Dialect(), empty_is_null=True))
    for kind, values in {"string": ["12%", "-12.5 %", "0.5"], "number": ["0.12", "-0.125", "0.5"]}.items():
        fields = [{"name": "a", "type": kind}, {"name": "b", "type": "integer"}]
        document = {"name": "p", "schema": {"fields": fields}, "sink": {"table": "t"}}
        checked = check_rows(table, ("a", "b"), parse_pipeline(json.dumps(document)))
        assert checked.good["a"].to_pylist() == values
        assert checked.good["b"].to_pylist() == [1, 2, 3]
