"""Constraints on whole columns: examples, and numbers and lengths against Python's own."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestor.checking.document import check_document
from ingestor.pipelines.document import parse_pipeline
from tests.examples import examples
from tests.unit.checking.check_tables import check_column, pipeline

BOUNDS = [
    "0",
    "-0.5",
    "100",
    "9007199254740993",
    "0.1",
    "1e400",
    "-1e400",
    "1e-400",
    "12345678901234567890.1",
]
NEAR = [*BOUNDS, "9007199254740992", "9007199254740994", "9007199254740993.0", "0.10000000000000000000001",
        "0.0999999999999999999999999", "+0.10", "0.00", "-0", "1e-401", "-1e-400", "1.0e400", "1e401",
        "100.0"]  # fmt: skip


def failing(values: list[str], field: dict[str, Any], **schema: Any) -> dict[int, list[str]]:
    """Messages by position; every one is a constraint error of the field."""
    checked = check_column(values, field, **schema)
    for row in checked.rejected:
        assert {(problem.code, problem.field) for problem in row.errors} <= {("constraint-error", "f")}
        assert [problem.value for problem in row.errors] == [values[row.row_number - 1]] * len(row.errors)
    assert sorted([*checked.good_index.tolist(), *(row.row_number - 1 for row in checked.rejected)]) == list(
        range(len(values))
    )
    return {row.row_number - 1: [problem.message for problem in row.errors] for row in checked.rejected}


@pytest.mark.parametrize(
    ("field", "values", "expected"),
    [
        ({"type": "string", "constraints": {"required": True}}, ["a", ""], {1: ["f: a value is required"]}),
        (
            {"type": "string", "constraints": {"minLength": 2, "maxLength": 3}},
            ["a", "ab", "äöü", "äöüß", "", "\U0001f600", "abcd"],
            {
                0: ['f: "a" is shorter than the minLength 2'],
                3: ['f: "äöüß" is longer than the maxLength 3'],
                5: ['f: "\U0001f600" is shorter than the minLength 2'],
                6: ['f: "abcd" is longer than the maxLength 3'],
            },
        ),
        (
            {"type": "string", "constraints": {"pattern": "[A-Z]{2}|x"}},
            ["DE", "DEU", "x", "ax", "", "DE\n"],
            {
                1: ['f: "DEU" does not match the pattern "[A-Z]{2}|x"'],
                3: ['f: "ax" does not match the pattern "[A-Z]{2}|x"'],
                5: ['f: "DE\\n" does not match the pattern "[A-Z]{2}|x"'],
            },
        ),
        (
            {"type": "string", "constraints": {"enum": ["a", "b"]}},
            ["a", "A", "", "b"],
            {1: ['f: "A" is not in the enum "a", "b"']},
        ),
        (
            {"type": "string", "constraints": {"enum": list("abcdefg"), "pattern": "[a-f]+", "maxLength": 1}},
            ["a", "zz"],
            {
                1: [
                    'f: "zz" is not in the enum "a", "b", "c", "d", "e" and 2 more',
                    'f: "zz" does not match the pattern "[a-f]+"',
                    'f: "zz" is longer than the maxLength 1',
                ]
            },
        ),
        (
            {"type": "integer", "constraints": {"minimum": -5, "maximum": "9007199254740992"}},
            ["-5", "-6", "+9007199254740992", "9007199254740993", ""],
            {
                1: ['f: "-6" is less than the minimum -5'],
                3: ['f: "9007199254740993" is more than the maximum "9007199254740992"'],
            },
        ),
        (
            {"type": "integer", "constraints": {"enum": [1, "20"]}},
            ["01", "2", "+20", ""],
            {1: ['f: "2" is not in the enum 1, "20"']},
        ),
        (
            {"type": "number", "constraints": {"enum": [1.50, 2, "3e0"], "minimum": 1}},
            ["1.5", "1.500", "2.0", "3", "0", ""],
            {4: ['f: "0" is not in the enum 1.5, 2, "3e0"', 'f: "0" is less than the minimum 1']},
        ),
        (
            {"type": "boolean", "constraints": {"enum": [True]}},
            ["1", "false", ""],
            {1: ['f: "false" is not in the enum true']},
        ),
        (
            {
                "type": "boolean",
                "trueValues": ["ja"],
                "falseValues": ["nein"],
                "constraints": {"enum": ["ja"]},
            },
            ["ja", "nein"],
            {1: ['f: "nein" is not in the enum "ja"']},
        ),
        (
            {"type": "date", "constraints": {"minimum": "2000-01-01", "maximum": "2024-12-31"}},
            ["1999-12-31", "2000-01-01", "", "2025-01-01"],
            {
                0: ['f: "1999-12-31" is less than the minimum "2000-01-01"'],
                3: ['f: "2025-01-01" is more than the maximum "2024-12-31"'],
            },
        ),
        (
            {"type": "date", "format": "%d.%m.%Y", "constraints": {"enum": ["31.12.2024"]}},
            ["31.12.2024", "30.12.2024"],
            {1: ['f: "30.12.2024" is not in the enum "31.12.2024"']},
        ),
        (
            {"type": "datetime", "constraints": {"minimum": "2024-01-01T00:00:00+01:00"}},
            ["2023-12-31T23:00:00Z", "2023-12-31 22:59:59.999999", "2024-01-01T00:00:00"],
            {1: ['f: "2023-12-31 22:59:59.999999" is less than the minimum "2024-01-01T00:00:00+01:00"']},
        ),
    ],
)
def test_examples(field: dict[str, Any], values: list[str], expected: dict[int, list[str]]) -> None:
    assert failing(values, field) == expected


def test_a_type_error_ends_the_checks_of_its_field() -> None:
    field = {"type": "integer", "constraints": {"minimum": 5, "enum": [7]}}
    (row,) = check_column(["x", "7"], field).rejected
    assert [problem.code for problem in row.errors] == ["type-error"]


@settings(max_examples=examples(200))
@given(
    values=st.lists(st.one_of(st.sampled_from(NEAR), st.decimals(-200, 200, places=2).map(str)), max_size=8),
    low=st.sampled_from(BOUNDS),
    high=st.sampled_from(BOUNDS),
)
def test_bounds_of_numbers_are_exact(values: list[str], low: str, high: str) -> None:
    if Decimal(low) > Decimal(high):
        low, high = high, low
    broken = failing(values, {"type": "number", "constraints": {"minimum": low, "maximum": high}})
    for index, text in enumerate(values):
        expected = []
        if Decimal(text) < Decimal(low):
            expected.append(f'f: "{text}" is less than the minimum "{low}"')
        if Decimal(text) > Decimal(high):
            expected.append(f'f: "{text}" is more than the maximum "{high}"')
        assert broken.get(index, []) == expected


@settings(max_examples=examples(100))
@given(values=st.lists(st.sampled_from(NEAR), max_size=8), allowed=st.sets(st.sampled_from(NEAR), min_size=1))
def test_enums_of_numbers_compare_values(values: list[str], allowed: set[str]) -> None:
    broken = failing(values, {"type": "number", "constraints": {"enum": sorted(allowed)}})
    legal = {Decimal(text) for text in allowed}
    assert sorted(broken) == [index for index, text in enumerate(values) if Decimal(text) not in legal]


@settings(max_examples=examples(100))
@given(values=st.lists(st.text("aé漢\U0001f600", max_size=6), max_size=6), low=st.integers(0, 4))
def test_lengths_count_characters(values: list[str], low: int) -> None:
    field = {"type": "string", "constraints": {"minLength": low, "maxLength": low + 1}}
    broken = failing(values, field, missingValues=["aa"])
    wrong = [i for i, text in enumerate(values) if text != "aa" and not low <= len(text) <= low + 1]
    assert sorted(broken) == wrong


@pytest.mark.parametrize("pattern", ["[", "a)(b", "(?=x)", "\\1", "(a{1000}){1000}", "(?P<n>a", "\\Qab"])
def test_patterns_that_re2_cannot_run(pattern: str) -> None:
    fields: list[dict[str, Any]] = [
        {"name": "a", "type": "string"},
        {"name": "b", "type": "string", "constraints": {"pattern": pattern}},
    ]
    (violation,) = check_document(pipeline(*fields))
    assert violation.pointer == "/schema/fields/1/constraints/pattern"
    assert violation.message.startswith("is not a regular expression of RE2: ")


@pytest.mark.parametrize("pattern", ["a|b", "\\p{L}+", "(?i)abc", "^a$", "[^@]+@[^@]+"])
def test_patterns_that_re2_runs(pattern: str) -> None:
    assert not check_document(pipeline({"name": "a", "type": "string", "constraints": {"pattern": pattern}}))


def test_numbers_of_the_document_stay_exact() -> None:
    text = (
        '{"name": "p", "schema": {"fields": [{"name": "f", "type": "number", '
        '"constraints": {"minimum": 0.1000000000000000000001}}]}, "sink": {"table": "t"}}'
    )
    assert parse_pipeline(text).fields[0].minimum == Decimal("0.1000000000000000000001")
    assert json.loads(parse_pipeline(text).canonical_json(), parse_float=Decimal) == json.loads(
        text, parse_float=Decimal
    )
