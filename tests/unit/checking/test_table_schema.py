"""What the newer words of Table Schema make of rows: categories, missing values, columns that lack, bounds of
durations, formats of times."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta
from datetime import time as clock
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestor.checking.rows import check_rows
from ingestor.pipeline_documents import read_document
from ingestor.pipelines.document import Field, Pipeline
from ingestor.types.duration import points
from tests.examples import examples
from tests.unit.checking.check_tables import check_column, pipeline, table


def messages(values: list[str], field: dict[str, Any], **schema: Any) -> dict[int, list[str]]:
    checked = check_column(values, field, **schema)
    return {row.row_number - 1: [problem.message for problem in row.errors] for row in checked.rejected}


def test_categories() -> None:
    words = {"type": "string", "categories": ["apple", {"value": "pear", "label": "Pear"}]}
    assert messages(["apple", "pear", "Pear", "", "plum"], words) == {
        2: ['f: "Pear" is not among the categories "apple", "pear"'],
        4: ['f: "plum" is not among the categories "apple", "pear"'],
    }
    values = [{"value": 1, "label": "no"}, 2, "3"]
    levels = {"type": "integer", "categories": values, "constraints": {"enum": [1, 2]}}
    assert messages(["01", "+2", "3", "4", "x"], levels) == {
        2: ['f: "3" is not in the enum 1, 2'],
        3: ['f: "4" is not in the enum 1, 2', 'f: "4" is not among the categories 1, 2, "3"'],
        4: ['f: "x" is not an integer'],
    }


def test_missing_values_of_a_field_replace_those_of_the_schema() -> None:
    document = pipeline(
        {"name": "a", "type": "integer"},
        {"name": "b", "type": "integer", "missingValues": ["-", {"value": "?", "label": "unknown"}]},
        {"name": "c", "type": "string", "missingValues": []},
        missingValues=["", {"value": "NA", "label": "not asked"}],
    )
    checked = check_rows(
        table(["", "NA", "1", "-"], ["-", "?", "", "2"], ["", "NA", "x", "y"]), ["a", "b", "c"], document
    )
    assert checked.good.to_pylist() == [{"a": None, "b": None, "c": ""}, {"a": None, "b": None, "c": "NA"}]
    errors = {row.row_number - 1: [problem.message for problem in row.errors] for row in checked.rejected}
    assert errors == {2: ['b: "" is not an integer'], 3: ['a: "-" is not an integer']}


def test_a_column_that_may_lack_is_missing_in_every_row() -> None:
    document = pipeline(
        {"name": "a", "type": "integer"},
        {"name": "b", "type": "list", "itemType": "integer"},
        {"name": "c", "type": "number", "bareNumber": False},
        {"name": "d", "type": "object", "constraints": {"minLength": 1, "jsonSchema": {}}},
        {"name": "e", "type": "duration", "constraints": {"minimum": "P1D"}},
        fieldsMatch="superset",
    )
    checked = check_rows(table(["1", "2"]), ["a"], document)
    assert checked.good.to_pylist() == [
        {"a": number, "b": None, "c": None, "d": None, "e": None} for number in (1, 2)
    ]
    required = pipeline(
        {"name": "a", "type": "integer"},
        {"name": "b", "type": "string", "constraints": {"required": True}},
        fieldsMatch="partial",
    )
    checked = check_rows(table(["1", "2"]), ["a"], required)
    assert [[problem.message for problem in row.errors] for row in checked.rejected] == [
        ["b: a value is required"],
        ["b: a value is required"],
    ]


BOUNDS = [
    ({"minimum": "P1M"}, ["P1M", "P31D", "P1Y", "P5W"], ["P30D", "P28D", "P4W", "PT1S", "-P1M"]),
    ({"maximum": "P1M"}, ["P1M", "P28D", "PT0S", "-P2M"], ["P29D", "P31D", "P1MT0.000001S"]),
    ({"exclusiveMinimum": "P1D"}, ["PT24H0.000001S", "P1DT1S", "P2D"], ["P1D", "PT24H", "PT86400S", "PT1S"]),
    ({"exclusiveMaximum": "P1Y"}, ["P11M", "P364D", "P364DT23H59M59.999999S"], ["P1Y", "P12M", "P365D"]),
    ({"minimum": "-P1D"}, ["-P1D", "-PT24H", "P0D", "-PT23H"], ["-P2D", "-PT24H0.5S"]),
    ({"maximum": "P999999999D"}, ["P999999999D", "PT999999999H", "P999999Y999999M"], ["P999999999DT1S"]),
    (
        {"minimum": "P999999Y", "maximum": "P999999Y999999M999999999DT999999999H999999999M999999999S"},
        ["P999999Y", "P999999Y999999M999999999DT999999999H999999999M999999999S"],
        ["P999998Y11M"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("constraints", "good", "bad"), BOUNDS)
def test_bounds_of_durations(constraints: dict[str, str], good: list[str], bad: list[str]) -> None:
    field = {"type": "duration", "constraints": constraints}
    checked = check_column([*good, "", "x", *bad], field)
    assert checked.good_index.tolist() == list(range(len(good) + 1))
    assert [row.cells for row in checked.rejected] == [(value,) for value in ("x", *bad)]
    codes = [[problem.code for problem in row.errors] for row in checked.rejected]
    assert codes == [["type-error"], *[["constraint-error"]] * len(bad)]


def test_what_is_said_of_a_bound_of_durations() -> None:
    assert messages(["P30D"], {"type": "duration", "constraints": {"minimum": "P1M", "maximum": "P1M"}}) == {
        0: ['f: "P30D" is not at least the minimum "P1M"', 'f: "P30D" is not at most the maximum "P1M"']
    }


def moved(moment: datetime, months: int, rest: timedelta) -> datetime:
    """XML Schema's rule with the calendar of Python."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    return moment.replace(year=year, month=month + 1) + rest


MOMENTS = [datetime(1696, 9, 1), datetime(1697, 2, 1), datetime(1903, 3, 1), datetime(1903, 7, 1)]
PARTS = st.tuples(
    st.booleans(), st.integers(0, 50), st.integers(0, 40), st.integers(0, 2000), st.integers(0, 60),
    st.integers(0, 100), st.integers(0, 100_000_000),
)  # fmt: skip


@settings(max_examples=examples(200))
@given(one=PARTS, other=PARTS)
def test_durations_are_compared_as_from_four_moments(one: tuple[Any, ...], other: tuple[Any, ...]) -> None:
    texts, instants = [], []
    for minus, years, months, days, hours, minutes, micros in (one, other):
        seconds = f"{micros // 1_000_000}.{micros % 1_000_000:06}"
        texts.append(f"{'-' * minus}P{years}Y{months}M{days}DT{hours}H{minutes}M{seconds}S")
        sign = -1 if minus else 1
        rest = sign * timedelta(days=days, hours=hours, minutes=minutes, microseconds=micros)
        instants.append([moved(moment, sign * (years * 12 + months), rest) for moment in MOMENTS])
    pairs = list(zip(*instants, strict=True))
    expected = {
        "minimum": all(a >= b for a, b in pairs),
        "maximum": all(a <= b for a, b in pairs),
        "exclusiveMinimum": all(a > b for a, b in pairs),
        "exclusiveMaximum": all(a < b for a, b in pairs),
    }
    assert [a < b for a, b in zip(*map(points, texts), strict=True)] == [a < b for a, b in pairs]
    for name, fits in expected.items():
        found = messages([texts[0]], {"type": "duration", "constraints": {name: texts[1]}})
        assert (not found) == fits


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        ("%H:%M", {"23:59": "23:59:00"}, ["24:00", ":00", "12:60", "12:00:00", ""]),
        ("%Hh%M", {"07h05": "07:05:00"}, ["07:05", "7h5"]),
        ("%S.%M.%H", {"01.02.03": "03:02:01"}, ["60.00.00", "é1.02.0"]),
        ("%H", {"07": "07:00:00"}, ["x", "24"]),
    ],
)
def test_formats_of_times(pattern: str, good: dict[str, str], bad: list[str]) -> None:
    field = {"type": "time", "format": pattern, "constraints": {"minimum": next(iter(good))}}
    checked = check_column([*good, "none", *bad], field, missingValues=["none"])
    assert checked.good.column("f").to_pylist() == [*good.values(), None]
    assert [row.cells for row in checked.rejected] == [(value,) for value in bad]
    one = Field.model_validate({"name": "f", **field})
    for text, value in good.items():
        assert one.kind.parse(text) == clock.fromisoformat(value)


def with_rule(types: dict[str, str], expression: str) -> Pipeline:
    """Checked as `pipelines apply` does."""
    fields = [{"name": name, "type": kind} for name, kind in types.items()]
    rules = [{"name": "r", "expression": expression}]
    return read_document(json.dumps(
        {"name": "p", "schema": {"fields": fields}, "rules": rules, "sink": {"table": "t"}}
    ))  # fmt: skip


@pytest.mark.parametrize(
    "kind", ["time", "year", "yearmonth", "duration", "geopoint", "geojson", "array", "object", "list", "any"]
)
def test_fields_of_every_type_can_stand_beside_rules(kind: str) -> None:
    document = with_rule({"f": kind, "n": "integer"}, "n > 1 AND f IS NULL")
    checked = check_rows(table(["", ""], ["1", "2"]), ["f", "n"], document)
    assert checked.good_index.tolist() == [1]


def test_rules_see_years_as_numbers_and_times_as_text() -> None:
    document = with_rule({"y": "year", "t": "time"}, "y - 1 = 2023 AND t < '12:00:00'")
    checked = check_rows(
        table(["2024", "2023", "2024"], ["11:00:00", "11:00:00", "13:00:00"]), ["y", "t"], document
    )
    assert checked.good_index.tolist() == [0]


def test_a_list_beside_many_rows() -> None:
    chance = random.Random(7)
    rows = [[chance.randrange(1000) for _ in range(chance.randrange(1, 5))] for _ in range(1000)]
    texts = [";".join(map(str, row)) for row in rows]
    texts[500] = "1;x"
    checked = check_column(texts, {"type": "list", "itemType": "integer", "delimiter": ";"})
    assert [row.row_number - 1 for row in checked.rejected] == [500]
    assert checked.good.column("f").to_pylist() == [str(row) for n, row in enumerate(rows) if n != 500]
