"""Whole rows: every error listed, the reader's rejections among them, order, and rows as JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestor.checking.rows import JSON_COLUMN, check_rows
from ingestor.outcomes import RejectedRow
from ingestor.pipelines.document import parse_pipeline
from tests.examples import examples
from tests.unit.checking.check_tables import pipeline, table

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
LABELS = st.lists(TEXT, min_size=1, max_size=4, unique=True)

FIELDS = (
    {"name": "id", "type": "integer", "constraints": {"required": True}},
    {"name": "name", "type": "string", "constraints": {"minLength": 2, "pattern": "[a-z]*"}},
    {"name": "price", "type": "number", "constraints": {"minimum": 0}},
)


def test_every_error_of_every_row_is_listed_in_the_order_of_rows_and_fields() -> None:
    read = [
        RejectedRow.by_reader(1, 1, "skipped", "blank-row", "the record is blank", (), ""),
        RejectedRow.by_reader(4, 7, "failed", "missing-cell", "2 of 4 cells", ("x", "y"), "x,y" * 1000),
    ]
    text = table(
        ["1.5", "9", "x", "x", "", "-1"],
        ["10", "20", "", "40", "50", "60"],
        ["anna", "B", "carl", "dora", "e", "fritz"],
        ["?", "?", "?", "?", "?", "?"],
        rejected=read,
    )
    checked = check_rows(text, ["price", "id", "name", "other"], pipeline(*FIELDS))
    assert checked.good.column_names == ["id", "name", "price"]
    assert checked.good.to_pylist() == [
        {"id": 10, "name": "anna", "price": "1.5"},
    ]
    assert checked.good_index.tolist() == [1]
    found = [(row.row_number, row.line_number, row.state, [(e.code, e.field, e.phase) for e in row.errors])
             for row in checked.rejected]  # fmt: skip
    broken, typed = "constraint-error", "type-error"
    assert found == [
        (1, 1, "skipped", [("blank-row", "", "parse")]),
        (3, 5, "failed", [(broken, "name", "validate"), (broken, "name", "validate")]),
        (4, 7, "failed", [("missing-cell", "", "parse")]),
        (5, 9, "failed", [(broken, "id", "validate"), (typed, "price", "validate")]),
        (6, 11, "failed", [(typed, "price", "validate")]),
        (7, 13, "failed", [(broken, "name", "validate")]),
        (8, 15, "failed", [(broken, "price", "validate")]),
    ]
    assert [row.cells for row in checked.rejected] == [
        (),
        ("9", "20", "B", "?"),
        ("x", "y"),
        ("x", "", "carl", "?"),
        ("x", "40", "dora", "?"),
        ("", "50", "e", "?"),
        ("-1", "60", "fritz", "?"),
    ]
    assert checked.rejected[2].errors[0].value == ("x,y" * 1000)[:1024]
    assert checked.rejected[2].errors[0].message == "2 of 4 cells"


def test_a_key_needs_a_value() -> None:
    fields = (
        {"name": "a", "type": "string"},
        {"name": "b", "type": "integer", "constraints": {"required": True}},
    )
    checked = check_rows(table(["", "x"], ["", "1"]), ["a", "b"], pipeline(*fields, primaryKey=["a", "b"]))
    (row,) = checked.rejected
    assert [(e.code, e.field, e.message) for e in row.errors] == [
        ("primary-key", "a", "a: a part of the primary key needs a value"),
        ("constraint-error", "b", "b: a value is required"),
    ]


def test_a_field_can_read_a_column_of_another_name_and_two_fields_the_same() -> None:
    text = json.dumps(
        {
            "name": "p",
            "schema": {"fields": [{"name": "n", "type": "integer"}, {"name": "t", "type": "string"}]},
            "mapping": {"n": "Nr.", "t": "Nr."},
            "sink": {"table": "t"},
        }
    )
    checked = check_rows(table(["007"]), ["Nr."], parse_pipeline(text))
    assert checked.good.to_pylist() == [{"n": 7, "t": "007"}]


def test_the_cells_of_a_column_that_the_file_lacks_are_missing() -> None:
    checked = check_rows(
        table(["1", "2"]),
        ["id"],
        pipeline({"name": "id", "type": "string"}, {"name": "name", "type": "string"}),
    )
    assert checked.good.to_pylist() == [{"id": "1", "name": None}, {"id": "2", "name": None}]


def test_nulls_are_missing_and_stay_null() -> None:
    text = table(["1", "", "x"], ["a", "b", "c"])
    nulls = pa.array(["1", None, "x"], pa.string())
    text = replace(text, columns=[nulls, text.columns[1]])
    fields = pipeline(
        {"name": "id", "type": "integer"}, {"name": "name", "type": "string"}, missingValues=["b"]
    )
    checked = check_rows(text, ["id", "name"], fields)
    assert checked.good.to_pylist() == [{"id": 1, "name": "a"}, {"id": None, "name": None}]
    plain = check_rows(text, ["id", ""], None)
    assert plain.good.column(JSON_COLUMN).to_pylist() == ['{"id": "1"}', '{"id": null}', '{"id": "x"}']


@pytest.mark.parametrize("with_pipeline", [True, False])
def test_no_rows(with_pipeline: bool) -> None:
    checked = check_rows(
        table([], [], []), ["id", "name", "price"], pipeline(*FIELDS) if with_pipeline else None
    )
    assert checked.good.num_rows == 0
    assert checked.good_index.tolist() == []
    assert checked.rejected == []


def test_all_rows_bad() -> None:
    count = 3000
    checked = check_rows(table(["x"] * count, ["A"] * count, ["y"] * count), ["id", "name", "price"],
                         pipeline(*FIELDS))  # fmt: skip
    assert checked.good.num_rows == 0
    assert [row.row_number - 1 for row in checked.rejected] == list(range(count))
    assert {len(row.errors) for row in checked.rejected} == {4}


@settings(max_examples=examples(200))
@given(data=st.data(), labels=LABELS)
def test_rows_without_a_pipeline_are_json_objects(data: st.DataObject, labels: list[str]) -> None:
    count = data.draw(st.integers(0, 4))
    columns = [data.draw(st.lists(TEXT, min_size=count, max_size=count)) for _ in labels]
    checked = check_rows(table(*columns), labels, None)
    assert checked.good.column_names == [JSON_COLUMN]
    rows = [json.loads(str(text)) for text in checked.good.column(JSON_COLUMN).to_pylist()]
    assert [list(row.items()) for row in rows] == [
        [(label, cell) for label, cell in zip(labels, cells, strict=True) if label]
        for cells in zip(*columns, strict=True)
    ]
    assert checked.good_index.tolist() == list(range(count))


def test_json_escapes() -> None:
    value = '"\\\\" \n\r\t\b\f\x01\x1f\x7f \u2028 é'
    checked = check_rows(table([value]), ['l"\\'], None)
    assert checked.good.column("data").to_pylist() == [
        '{"l\\"\\\\": "\\"\\\\\\\\\\" \\n\\r\\t\\b\\f\\u0001\\u001f\x7f \u2028 é"}'
    ]
