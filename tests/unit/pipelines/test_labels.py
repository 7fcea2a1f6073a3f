"""Labels by which a field's column is known too."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ingestor.checking.labels import file_label
from ingestor.checking.rows import check_rows
from ingestor.outcomes import RowError
from ingestor.pipelines.document import Pipeline, PipelineError, parse_pipeline
from ingestor.tabular.options import parse_options
from ingestor.tabular.parsers.csv import read_csv_slice
from ingestor.tabular.records.syntax import Dialect

OPTIONS = parse_options({})


def pipeline(**changes: Any) -> Pipeline:
    """Customers, whose number has three labels."""
    base: dict[str, Any] = {
        "name": "customers",
        "schema": {
            "fields": [
                {"name": "id", "type": "integer", "labels": ["Kd-Nr", "No"]},
                {"name": "name", "type": "string"},
            ]
        },
        "mapping": {"id": "Customer No."},
        "transforms": [{"column": "Customer No.", "op": "replace", "pattern": "C", "with": ""}],
        "filters": [{"column": "Customer No.", "op": "not_empty", "reason": "no number"}],
        "sink": {"table": "customers"},
    }
    return parse_pipeline(json.dumps({**base, **changes}))


@pytest.mark.parametrize(
    ("columns", "read"),
    [
        (["Customer No.", "name"], ["Customer No.", "name"]),
        (["name", "Kd-Nr"], ["name", "Customer No."]),
        (["No", "Kd-Nr", "name"], ["No", "Customer No.", "name"]),  # the order of the field's list decides
        (["No", "Customer No."], ["No", "Customer No."]),  # its own label comes first
        (["Nr", "name"], ["Nr", "name"]),
    ],
)
def test_how_columns_are_read(columns: list[str], read: list[str]) -> None:
    assert list(pipeline().read_as(columns)) == read


def test_steps_and_fields_read_the_column_under_its_own_label() -> None:
    columns = ("Kd-Nr", "name")
    made = pipeline()
    assert made.header_problem(columns, columns, OPTIONS) is None
    table = read_csv_slice(b"C7,Anna\n,Bert\nCx,Clara\n", 2, Dialect())
    checked = check_rows(table, columns, made)
    assert checked.good.to_pylist() == [{"id": 7, "name": "Anna"}]
    assert [(row.row_number, row.state) for row in checked.rejected] == [(2, "skipped"), (3, "failed")]
    error = checked.rejected[1].errors[0]
    assert (error.field, file_label(error, made, columns)) == ("id", "Kd-Nr")
    assert file_label(RowError("filtered", "Customer No.", "", "", "validate"), made, columns) == "Kd-Nr"


def test_a_file_without_any_of_them_does_not_fit() -> None:
    problem = pipeline().header_problem(["Nr", "name"], ["Nr", "name"], OPTIONS)
    assert problem is not None
    assert "Customer No." in problem[1]


def test_a_column_that_is_known_is_none_that_the_table_lacks() -> None:
    sink = {"table": "customers", "schemaDrift": "evolve"}
    evolved = pipeline(sink=sink).evolved(["No", "name", "City"])
    assert [field.name for field in evolved.fields] == ["id", "name", "City"]
    frozen = pipeline(sink={**sink, "schemaDrift": "freeze"})
    assert frozen.header_problem(["No", "name"], ["No", "name"], OPTIONS) is None


def violations(fields: list[dict[str, Any]], **changes: Any) -> dict[str, str]:
    with pytest.raises(PipelineError) as caught:
        pipeline(schema={"fields": fields}, **changes)
    return {violation.pointer: violation.message for violation in caught.value.violations}


def test_a_label_is_of_one_column() -> None:
    id_, name = {"name": "id", "type": "integer"}, {"name": "name", "type": "string"}
    other = '"{}" is the label of another column'
    assert violations([{**id_, "labels": ["x", "name"]}, name]) == {
        "/schema/fields/0/labels/1": other.format("name")
    }
    assert violations([{**id_, "labels": ["x"]}, {**name, "labels": ["y", "x"]}]) == {
        "/schema/fields/1/labels/1": other.format("x")
    }
    assert violations([id_, {**name, "labels": ["Customer No."]}]) == {
        "/schema/fields/1/labels/0": other.format("Customer No.")
    }


def test_a_column_that_a_transform_makes_has_no_labels() -> None:
    step = {"op": "concatenate", "columns": ["a", "b"], "into": "name"}
    fields = [{"name": "name", "type": "string", "labels": ["x"]}]
    found = violations(fields, mapping={}, transforms=[step], filters=[])
    assert found == {
        "/schema/fields/0/labels": "are for a column of the file, not for one that a transform makes"
    }


@pytest.mark.parametrize("labels", [[], [""], "x", [1], ["x" * 1001], ["x"] * 101])
def test_labels_of_the_wrong_shape(labels: Any) -> None:
    found = violations([{"name": "id", "type": "integer", "labels": labels}], mapping={})
    assert next(iter(found)).startswith("/schema/fields/0/labels")
