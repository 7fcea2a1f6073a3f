"""Numbers, dates and truth values of a workbook, under a pipeline that says how others write them."""

from __future__ import annotations

import io
from datetime import date, datetime, time
from typing import Any

import openpyxl
import pytest

from ingestor.checking.rows import CheckedRows, check_rows
from ingestor.checking.typed_cells import TypedCells
from ingestor.pipelines.document import parse_pipeline
from ingestor.tabular.files.sample import read_sample, sample_table
from ingestor.tabular.options import ReadOptions
from ingestor.types.notation.json_text import canonical_json

GERMAN = {"type": "number", "decimalChar": ",", "groupChar": "."}


def checked(field: dict[str, Any], *values: Any, typed: TypedCells = "marked", **more: Any) -> CheckedRows:
    """The rows of a workbook with these cells in a column."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["x", "note"])
    for value in values:
        sheet.append([value, "n"])
    data = io.BytesIO()
    book.save(data)
    size = data.tell()
    data.seek(0)
    sample = read_sample(data, size, "t.xlsx", ReadOptions(), faults=True)
    document = {
        "name": "p",
        "schema": {"fields": [{"name": "x", **field}]},
        "sink": {"table": "t"},
        **more,
    }
    pipeline = parse_pipeline(canonical_json(document))
    return check_rows(sample_table(sample), sample.names, pipeline, typed=typed)


def loaded(*arguments: Any, **more: Any) -> tuple[list[Any], list[int]]:
    """The values that are loaded, and the numbers of the rows that fail."""
    found = checked(*arguments, **more)
    return found.good.column("x").to_pylist(), [row.row_number for row in found.rejected]


def test_a_number_is_what_the_workbook_says() -> None:
    values = [12.345, 0.5, 1234567, "1.234,50", "12.345", "12,5", "x"]
    assert loaded(GERMAN, *values) == (["12.345", "0.5", "1234567", "1234.50", "12345", "12.5"], [7])


def test_an_integer_with_groups() -> None:
    assert loaded({"type": "integer", "groupChar": ","}, 1200, "1,200", "12") == ([1200, 1200, 12], [])


@pytest.mark.parametrize(
    ("field", "value", "text", "expected"),
    [
        ({"type": "date", "format": "%d.%m.%Y"}, date(2024, 2, 29), "29.02.2024", date(2024, 2, 29)),
        ({"type": "time", "format": "%H.%M"}, time(8, 30), "08.30", "08:30:00"),
    ],
)
def test_a_date_or_a_time(field: dict[str, Any], value: Any, text: str, expected: Any) -> None:
    assert loaded(field, value, text, "never") == ([expected, expected], [3])


def test_a_datetime() -> None:
    moment = datetime(2024, 2, 29, 8, 30)
    values, failed = loaded({"type": "datetime", "format": "%d.%m.%Y %H:%M"}, moment, "29.02.2024 08:30")
    assert ([value.replace(tzinfo=None) for value in values], failed) == ([moment, moment], [])


def test_a_boolean_keeps_its_own_words() -> None:
    field = {"type": "boolean", "trueValues": ["ja", "0"], "falseValues": ["nein", "1"]}
    values = [True, False, "ja", "nein", 0, 1, "wahr"]
    assert loaded(field, *values) == ([True, False, True, False, True, False], [7])


def test_per_cent_is_what_the_cell_shows_where_the_pipeline_expects_it() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["x", "n"])
    sheet.append([0.125, "n"])
    sheet["A2"].number_format = "0.0%"
    data = io.BytesIO()
    book.save(data)
    size = data.tell()
    data.seek(0)
    sample = read_sample(data, size, "t.xlsx", ReadOptions(), faults=True)
    for bare, expected in ((False, "12.5"), (True, "0.125")):
        field = {"name": "x", "type": "number", "decimalChar": ",", "bareNumber": bare}
        document = {"name": "p", "schema": {"fields": [field]}, "sink": {"table": "t"}}
        pipeline = parse_pipeline(canonical_json(document))
        found = check_rows(sample_table(sample), sample.names, pipeline, typed="marked")
        assert found.good.column("x").to_pylist() == [expected]


def test_constraints_hold_for_both() -> None:
    field = {**GERMAN, "constraints": {"maximum": 100}}
    assert loaded(field, 99.5, 100.5, "99,5", "100,5") == (["99.5", "99.5"], [2, 4])


def test_filtered_rows_keep_their_places() -> None:
    filters = [{"column": "x", "op": "not_in", "values": ["7"], "reason": "seven"}]
    assert loaded(GERMAN, 7, "12.345", 12.345, filters=filters) == (["12345", "12.345"], [1])


def test_what_a_step_makes_is_text() -> None:
    step = {"column": "x", "op": "replace", "pattern": "EUR", "with": ""}
    assert loaded(GERMAN, "12.345EUR", "1,5EUR", transforms=[step]) == (["12345", "1.5"], [])
    trim = {"column": "x", "op": "trim"}
    assert loaded(GERMAN, 12.345, " 1,5", transforms=[trim]) == (["12.345", "1.5"], [])


def test_text_alone_is_read_as_declared() -> None:
    assert loaded(GERMAN, "12.345", "12,5", typed="none") == (["12345", "12.5"], [])
