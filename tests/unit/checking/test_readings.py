"""Values of a field as the file writes them, and as they are understood."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from ingestor.checking.readings import field_readings
from tests.unit.checking.check_tables import pipeline, table, with_steps


def readings(values: Sequence[str], field: dict[str, Any]) -> list[tuple[str, str]]:
    (found,) = field_readings(table(values), ["f"], pipeline({"name": "f", **field}))
    return list(found.values)


@pytest.mark.parametrize(
    ("field", "written", "understood"),
    [
        ({"type": "date", "format": "%d/%m/%Y"}, "08/01/2025", "2025-01-08"),
        (
            {"type": "datetime", "format": "%m/%d/%Y %I:%M %p"},
            "1/8/2025 2:05 PM",
            "2025-01-08T14:05:00+00:00",
        ),
        ({"type": "datetime"}, "2025-01-08T14:05:00.25+02:00", "2025-01-08T12:05:00.250000+00:00"),
        ({"type": "time"}, "14:05:00", "14:05:00"),
        ({"type": "number", "decimalChar": ",", "groupChar": "."}, "1.234,50", "1234.50"),
        ({"type": "number", "bareNumber": False}, "12 %", "12"),
        ({"type": "integer", "groupChar": ","}, "1,234", "1234"),
        ({"type": "boolean", "trueValues": ["ja"], "falseValues": ["nein"]}, "ja", "true"),
        ({"type": "string"}, "007", "007"),
        ({"type": "year"}, "2025", "2025"),
    ],
)
def test_a_value_becomes_what_is_loaded(field: dict[str, Any], written: str, understood: str) -> None:
    assert readings([written], field) == [(written, understood)]


def test_the_first_three_different_values_that_fit() -> None:
    values = ["", "1", "x", "1", "2", "3", "4"]
    assert readings(values, {"type": "integer"}) == [("1", "1"), ("2", "2"), ("3", "3")]
    assert readings(["x", ""], {"type": "integer"}) == []


def test_a_transform_stands_between_the_text_and_the_value() -> None:
    steps = [{"column": "a", "op": "trim"}, {"column": "a", "op": "case", "to": "upper"}]
    (found,) = field_readings(table([" x "]), ["a"], with_steps("a", transforms=steps))
    assert found.values == ((" x ", "X"),)


def test_a_column_of_another_of_the_fields_labels_is_read() -> None:
    fields = pipeline({"name": "a", "type": "integer", "labels": ["No."]})
    (found,) = field_readings(table(["1"]), ["No."], fields)
    assert (found.field, found.label, found.values) == ("a", "a", (("1", "1"),))


def test_a_column_that_the_file_lacks_has_no_values() -> None:
    found = field_readings(table(["1"]), ["a"], with_steps("a:integer", "b"))
    assert [(one.field, one.label, one.values) for one in found] == [
        ("a", "a", (("1", "1"),)),
        ("b", "b", ()),
    ]


def test_long_values_are_cut() -> None:
    assert readings(["x" * 1000], {"type": "string"}) == [("x" * 200, "x" * 200)]
