"""The newer words of Table Schema in a document: what they mean, and what is wrong with them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from ingestor.pipelines.document import Pipeline, parse_pipeline
from ingestor.pipelines.errors import PipelineError
from ingestor.tabular.options import parse_options
from ingestor.tabular.records.header import column_names


def parse(fields: list[dict[str, Any]], schema: dict[str, Any] | None = None, **keys: Any) -> Pipeline:
    return parse_pipeline(json.dumps(
        {"name": "p", "schema": {"fields": fields, **(schema or {})}, "sink": {"table": "t"}, **keys}
    ))  # fmt: skip


def violations(field: dict[str, Any], schema: dict[str, Any] | None = None, **keys: Any) -> dict[str, str]:
    with pytest.raises(PipelineError) as caught:
        parse([{"name": "f", **field}], schema, **keys)
    return {v.pointer.removeprefix("/schema/fields/0"): v.message for v in caught.value.violations}


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ({"type": "string", "bareNumber": False}, {"/bareNumber": "does not apply to the type string"}),
        ({"type": "number", "bareNumber": "no"}, {"/bareNumber": "must be a boolean"}),
        (
            {"type": "list", "itemType": "year"},
            {"/itemType": "must be 'string', 'integer', 'number', 'boolean', 'date', 'datetime' or 'time'"},
        ),
        ({"type": "list", "delimiter": ""}, {"/delimiter": "must have at least 1 character"}),
        (
            {"type": "array", "delimiter": ";", "itemType": "date"},
            {
                "/delimiter": "does not apply to the type array",
                "/itemType": "does not apply to the type array",
            },
        ),
        ({"type": "list", "format": "x"}, {"/format": 'only "default" is supported for the type list'}),
        (
            {"type": "geojson", "format": "array"},
            {"/format": 'only "default", "topojson" is supported for the type geojson'},
        ),
        (
            {"type": "geopoint", "format": "topojson"},
            {"/format": 'only "default", "array", "object" is supported for the type geopoint'},
        ),
        (
            {"type": "time", "format": "%Y"},
            {"/format": '"%Y" is not supported in a time format; supported are %H %I %M %S %f %p'},
        ),
        ({"type": "time", "format": "%M"}, {"/format": "%H is missing in the time format"}),
        ({"type": "time", "format": "%H%S"}, {"/format": "%S needs %M"}),
        ({"type": "date", "format": "any"}, {"/format": "%Y %m %d is missing in the date format"}),
        (
            {
                "type": "list",
                "itemType": "integer",
                "constraints": {"enum": ["", [1, "2"], [1.5], 5, {"a": 1}]},
            },
            {
                "/constraints/enum/0": '"" is not a list: it is empty',
                "/constraints/enum/2": "[1.5] is not a value of the type integer",
                "/constraints/enum/3": "5 is not a value of the type list",
                "/constraints/enum/4": '{"a":1} is not a value of the type list',
            },
        ),
        (
            {"type": "array", "constraints": {"enum": [{"a": 1}, "[1]", "x", True]}},
            {
                "/constraints/enum/0": '{"a":1} is not a JSON array',
                "/constraints/enum/2": '"x" is not a JSON array',
                "/constraints/enum/3": "true is not a JSON array",
            },
        ),
        (
            {"type": "array", "constraints": {"minLength": 2, "maxLength": 1}},
            {"/constraints/minLength": "is more than maxLength"},
        ),
        (
            {"type": "geojson", "constraints": {"minLength": 1, "jsonSchema": {}}},
            {
                "/constraints/jsonSchema": "does not apply to the type geojson",
                "/constraints/minLength": "does not apply to the type geojson",
            },
        ),
        (
            {"type": "object", "constraints": {"jsonSchema": []}},
            {"/constraints/jsonSchema": "must be an object"},
        ),
        (
            {"type": "duration", "constraints": {"minimum": "1D", "maximum": 5}},
            {
                "/constraints/minimum": '"1D" is not a duration of ISO 8601 such as P1DT12H',
                "/constraints/maximum": "5 is not a value of the type duration",
            },
        ),
        (
            {"type": "duration", "constraints": {"minimum": "P32D", "maximum": "P1M"}},
            {"/constraints/minimum": "is more than maximum"},
        ),
        ({"type": "number", "categories": [1]}, {"/categories": "does not apply to the type number"}),
        ({"type": "integer", "categories": []}, {"/categories": "must have at least 1 item"}),
        (
            {
                "type": "integer",
                "categories": [
                    1,
                    "x",
                    1.5,
                    True,
                    "01",
                    {"value": 2, "label": "b"},
                    {"value": 3, "label": "b"},
                ],
            },
            {
                "/categories/1": '"x" is not an integer',
                "/categories/2": "1.5 is not a value of the type integer",
                "/categories/3": "true is not a value of the type integer",
                "/categories/4": '"01" occurs twice',
                "/categories/6/label": '"b" occurs twice',
            },
        ),
        (
            {"type": "string", "categories": [{"label": "b"}, {"value": "a", "lable": "x"}]},
            {"/categories/0/value": '"value" is required', "/categories/1/lable": 'unknown key "lable"'},
        ),
        (
            {"type": "string", "categories": ["a", "b"], "constraints": {"enum": ["a", "c"]}},
            {"/constraints/enum/1": '"c" is not among the categories'},
        ),
        (
            {"type": "string", "categoriesOrdered": True},
            {"/categoriesOrdered": "needs categories"},
        ),
        (
            {"type": "string", "categories": ["a"], "categoriesOrdered": 1},
            {"/categoriesOrdered": "must be a boolean"},
        ),
        ({"type": "string", "missingValues": "-"}, {"/missingValues": "must be a list"}),
        (
            {"type": "string", "missingValues": [5, {"value": "x", "label": 7}]},
            {"/missingValues/0/value": "must be a string", "/missingValues/1/label": "must be a string"},
        ),
    ],
)
def test_violations_of_fields(field: dict[str, Any], wrong: dict[str, str]) -> None:
    assert violations(field) == wrong


def test_bounds_of_durations_that_are_neither_more_nor_less() -> None:
    parse([{"name": "f", "type": "duration", "constraints": {"minimum": "P30D", "maximum": "P1M"}}])


def test_what_may_stand_in_a_field() -> None:
    pipeline = parse(
        [
            {"name": "a", "type": "string", "categories": ["x", {"value": "y", "label": "Y"}],
             "categoriesOrdered": False, "missingValues": [{"value": "-99", "label": "refused"}, "?"]},
            {"name": "b", "type": "any", "rdfType": "http://schema.org/Country", "example": [1]},
            {"name": "c", "type": "string", "missingValues": []},
        ],
        {"missingValues": [{"value": "", "label": "omitted"}, {"value": "-"}], "fieldsMatch": "partial",
         "$schema": "https://datapackage.org/profiles/2.0/tableschema.json"},
    )  # fmt: skip
    assert pipeline.fields[0].category_values == ("x", "y")
    assert [pipeline.missing_values_of(field) for field in pipeline.fields] == [
        {"-99", "?"},
        {"", "-"},
        set(),
    ]


FIELDS = [{"name": "id", "type": "integer"}, {"name": "n", "type": "string"}, {"name": "m", "type": "string"}]


def header(
    match: str | None, labels: Sequence[str], keys: dict[str, Any] | None = None, **dialect: Any
) -> str:
    """ "" when the file fits, else the reason."""
    schema = {} if match is None else {"fieldsMatch": match}
    pipeline = parse(FIELDS, schema, **{"mapping": {"n": "Name"}, **(keys or {})})
    options = parse_options(dialect)
    problem = pipeline.header_problem(labels, column_names(labels, "rename", "rename"), options)
    return problem[0] if problem else ""


ALL, OTHER_ORDER, MORE, FEWER, NONE = (
    ["id", "Name", "m"], ["m", "id", "Name"], ["id", "Name", "m", "x"], ["Name", "id"], ["x", "y"]
)  # fmt: skip
BOTH = ["Name", "x"]


@pytest.mark.parametrize(
    ("match", "all_", "other_order", "more", "fewer", "both", "none"),
    [
        (None, "", "", "", "HEADER_MISMATCH", "HEADER_MISMATCH", "HEADER_MISMATCH"),
        (
            "exact",
            "",
            "HEADER_MISMATCH",
            "EXTRA_LABEL",
            "HEADER_MISMATCH",
            "HEADER_MISMATCH",
            "HEADER_MISMATCH",
        ),
        ("equal", "", "", "EXTRA_LABEL", "HEADER_MISMATCH", "HEADER_MISMATCH", "HEADER_MISMATCH"),
        ("subset", "", "", "", "HEADER_MISMATCH", "HEADER_MISMATCH", "HEADER_MISMATCH"),
        ("superset", "", "", "EXTRA_LABEL", "", "EXTRA_LABEL", "EXTRA_LABEL"),
        ("partial", "", "", "", "", "", "HEADER_MISMATCH"),
    ],
)
def test_how_columns_and_fields_match(
    match: str | None, all_: str, other_order: str, more: str, fewer: str, both: str, none: str
) -> None:
    found = [header(match, labels) for labels in (ALL, OTHER_ORDER, MORE, FEWER, BOTH, NONE)]
    assert found == [all_, other_order, more, fewer, both, none]


@pytest.mark.parametrize("match", [None, "exact", "equal", "subset", "superset", "partial"])
def test_a_label_that_occurs_twice_names_two_columns(match: str | None) -> None:
    strict = match in ("exact", "equal", "superset")
    assert header(match, ["id", "Name", "m", "m"]) == ("EXTRA_LABEL" if strict else "")


@pytest.mark.parametrize("match", ["exact", "equal", "superset"])
def test_a_column_without_a_label_is_one_too_many(match: str) -> None:
    assert header(match, [*ALL, ""]) == "EXTRA_LABEL"


def test_sink_and_dialect_may_be_stricter_or_more_lenient() -> None:
    sink = {"sink": {"table": "t", "schemaDrift": "freeze"}}
    assert header("subset", MORE, sink) == header("partial", BOTH, sink) == "EXTRA_LABEL"
    assert header("partial", MORE, unexpectedColumns="error") == "EXTRA_LABEL"
    # As the check of an upload says whose columns are not all known yet.
    assert header("subset", FEWER, missingColumns="ignore") == ""
    assert header("exact", ["id", "m"], missingColumns="ignore") == ""
    assert header("partial", [], missingColumns="ignore") == ""
    evolve = {"sink": {"table": "t", "schemaDrift": "evolve"}}
    assert header("subset", MORE, evolve) == header("partial", BOTH, evolve) == ""


def test_what_transforms_and_filters_read_must_be_there() -> None:
    keys = {
        "transforms": [
            {"column": "m", "op": "trim"},
            {"op": "concatenate", "columns": ["a", "b"], "into": "c"},
        ],
        "filters": [{"column": "k", "op": "not_empty", "reason": "r"}],
    }
    assert header("partial", ["id", "a", "b", "k"], keys) == ""
    assert header("superset", ["a", "b", "k"], keys) == ""
    assert header("partial", ["id", "a", "k"], keys) == "HEADER_MISMATCH"
    assert header("partial", ["id", "a", "b"], keys) == "HEADER_MISMATCH"
    assert header("exact", ["id", "Name", "m", "a", "b", "k"], keys) == ""
    assert header("exact", ["id", "Name", "a", "b", "k", "m"], keys) == "HEADER_MISMATCH"


def test_the_message_names_the_order() -> None:
    pipeline = parse(FIELDS, {"fieldsMatch": "exact"})
    assert pipeline.header_problem(["m", "n", "id"], ["m", "n", "id"], parse_options({})) == (
        "HEADER_MISMATCH",
        'The pipeline p wants the columns in this order: id, n, m. The file has "m", "n", "id".',
    )


def test_violations_of_fields_match() -> None:
    wrong = violations({"type": "string"}, {"fieldsMatch": "fuzzy"})
    assert wrong == {"/schema/fieldsMatch": "must be 'exact', 'equal', 'subset', 'superset' or 'partial'"}
    for match in ("exact", "equal", "superset"):
        wrong = violations(
            {"type": "string"}, {"fieldsMatch": match}, sink={"table": "t", "schemaDrift": "evolve"}
        )
        assert wrong == {"/sink/schemaDrift": f'contradicts the schema\'s fieldsMatch "{match}"'}
    for match in ("exact", "equal", "subset"):
        wrong = violations({"type": "string"}, {"fieldsMatch": match}, dialect={"missingColumns": "ignore"})
        assert wrong == {"/dialect/missingColumns": f'contradicts the schema\'s fieldsMatch "{match}"'}
