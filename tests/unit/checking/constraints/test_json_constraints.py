"""Constraints of JSON in cells: sizes, enums, JSON Schema; and what JSON a cell may hold."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from ingestor.checking.document import check_document
from ingestor.checking.json_schemas import MAX_NESTED, MAX_UNFOLDED, schema_check
from ingestor.pipelines.document import parse_pipeline
from ingestor.types.notation.json_text import MAX_DEPTH, read_cell
from tests.unit.checking.check_tables import check_column, pipeline


def messages(values: list[str], field: dict[str, Any]) -> dict[int, list[str]]:
    checked = check_column(values, field)
    return {row.row_number - 1: [problem.message for problem in row.errors] for row in checked.rejected}


@contextmanager
def soon(seconds: float) -> Iterator[None]:
    """Generous, against what would take hours."""
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < seconds


@pytest.mark.parametrize("kind", ["array", "object"])
def test_sizes(kind: str) -> None:
    arrays, objects = ("[]", "[1,[2]]", "[1,2,3]"), ("{}", '{"a":[1,2,3]}', '{"a":1,"b":2,"c":3}')
    small, fit, large = arrays if kind == "array" else objects
    least = 2 if kind == "array" else 1
    field = {"type": kind, "constraints": {"minLength": least, "maxLength": 2}}
    assert messages([small, fit, large, ""], field) == {
        0: [f'f: "{small}" has fewer items than the minLength {least}'],
        2: [f"f: {json.dumps(large)} has more items than the maxLength 2"],
    }


def test_enums_compare_values() -> None:
    field = {"type": "object", "constraints": {"enum": [{"a": 1, "b": [0.1, True]}, '{"c": null}']}}
    assert sorted(
        messages(
            [
                '{"b": [1e-1, true], "a": 1.0}',
                '{"c":null}',
                '{"a":1}',
                '{"a":1,"b":[0.10000000000000000000001,true]}',
                '{"a":true,"b":[0.1,true]}',
                '{"c":false}',
                '{"a":"1","b":[0.1,true]}',
            ],
            field,
        )
    ) == [2, 3, 4, 5, 6]
    assert messages(["[1]", "[01]", "[1.0]"], {"type": "array", "constraints": {"enum": [[1]]}}) == {
        1: ['f: "[01]" is not a JSON array']
    }


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('["\\u0000"]', "holds the character U+0000, which PostgreSQL cannot store"),
        ('[{"\\u0000": 1}]', "holds the character U+0000, which PostgreSQL cannot store"),
        ('["\\ud800"]', "holds half of a surrogate pair, which is not valid Unicode"),
        ("[1e131072]", "holds a number that is outside the range of a number"),
        ("[" + "1" * 131073 + "]", "holds a number that is outside the range of a number"),
        ("[NaN]", "is not a JSON array"),
        ("[-Infinity]", "is not a JSON array"),
        ("[1,]", "is not a JSON array"),
        ("{}", "is not a JSON array"),
        (" [1", "is not a JSON array"),
        ("[" * 201 + "]" * 201, "is nested deeper than 200 levels"),
        ("[" * 100_000, "is nested deeper than 200 levels"),
    ],
)
def test_json_that_the_table_cannot_hold(text: str, why: str) -> None:
    found = messages(["[1]", text, "[]"], {"type": "array"})
    assert list(found) == [1]
    assert why in found[1][0]


def test_json_that_it_can() -> None:
    deep = "[" * MAX_DEPTH + "]" * MAX_DEPTH
    values = [
        deep,
        "[" + "[]," * 500 + "1]",
        '["\\ud83d\\ude00\\u00e9"]',
        "[1e131071]",
        '["\\\\u0000"]',
        " [ ] ",
    ]
    assert messages(values, {"type": "array"}) == {}


SCHEMA = {
    "type": "object",
    "required": ["sku"],
    "properties": {
        "sku": {"type": "string", "pattern": "^[A-Z]{2}-[0-9]+$"},
        "price": {"$ref": "#/$defs/money"},
        "dims": {"type": "array", "items": {"type": "integer"}, "maxItems": 3},
    },
    "additionalProperties": False,
    "$defs": {"money": {"type": "number", "minimum": 0, "maximum": 9007199254740993, "multipleOf": 0.01}},
}


def test_json_schema() -> None:
    values = [
        '{"sku": "AB-1", "price": 9007199254740993, "dims": [1, 2.0]}',
        '{"sku": "ab-1"}',
        '{"price": 1}',
        '{"sku": "AB-1", "price": 9007199254740993.01}',
        '{"sku": "AB-1", "price": 9007199254740994}',
        '{"sku": "AB-1", "price": 0.1}',
        '{"sku": "AB-1", "price": 0.10000000000000000000001}',
        '{"sku": "AB-1", "dims": [1, 2.5]}',
        '{"sku": "AB-1", "x": 1}',
        "[]",
        "",
    ]
    field = {"type": "object", "constraints": {"jsonSchema": SCHEMA}}
    found = messages(values, field)
    assert sorted(found) == [1, 2, 3, 4, 6, 7, 8, 9]
    assert found[7] == [
        f'f: {json.dumps(values[7])} does not fit the jsonSchema: at /dims/1, 2.5 is not of type "integer"'
    ]
    assert found[9] == ['f: "[]" is not a JSON object']
    assert 'at /sku, "ab-1" does not match' in found[1][0]
    assert '"sku" is a required property' in found[2][0]


def test_several_constraints_of_one_value() -> None:
    field = {"type": "array", "constraints": {"maxLength": 1, "jsonSchema": {"items": {"type": "integer"}}}}
    assert messages(['["a", 1]', "[1]"], field) == {
        0: [
            'f: "[\\"a\\", 1]" has more items than the maxLength 1',
            'f: "[\\"a\\", 1]" does not fit the jsonSchema: at /0, "a" is not of type "integer"',
        ]
    }


def nested(levels: int) -> dict[str, Any]:
    """A schema of lists in lists, by references."""
    lists = {str(n): {"items": {"$ref": f"#/$defs/{n + 1}"}} for n in range(levels)}
    return {"$ref": "#/$defs/0", "$defs": {**lists, str(levels): {}}}


def doubled(levels: int) -> dict[str, Any]:
    """A schema that looks at a value 2 ** levels times."""
    steps = {f"a{n}": {"allOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(levels)}
    return {"$ref": "#/$defs/a0", "$defs": {**steps, f"a{levels}": {"type": "array"}}}


@pytest.mark.parametrize(
    ("schema", "wrong"),
    [
        ({"type": "arr"}, {"/type": '"arr" is not valid under any of the schemas'}),
        (
            {"properties": {"a": {"maxLength": -1}}},
            {"/properties/a/maxLength": "-1 is less than the minimum of 0"},
        ),
        ({"items": {"pattern": "("}}, {"/items/pattern": 'is not a "regex" of Rust\'s regex crate'}),
        ({"pattern": "(a)\\1"}, {"/pattern": "no look-around or back-references"}),
        ({"pattern": "(?=a)b"}, {"/pattern": "no look-around or back-references"}),
        ({"pattern": "(?:a{1000}){1000}"}, {"/pattern": "or is too large"}),
        ({"patternProperties": {"(?!x)": {}}}, {"/patternProperties/(?!x)": "regex"}),
        ({"items": {"$ref": "https://example.org/a.json"}}, {"/items/$ref": "leads out of the schema"}),
        ({"$ref": "file:///etc/passwd"}, {"/$ref": "leads out of the schema"}),
        ({"$ref": "other.json#/a"}, {"/$ref": "leads out of the schema"}),
        ({"$ref": "http://json-schema.org/draft-07/schema#"}, {"/$ref": "leads out of the schema"}),
        ({"$ref": "#/$defs/none"}, {"/$ref": "leads to nothing"}),
        ({"$ref": "#none"}, {"/$ref": "leads to nothing"}),
        ({"allOf": [{"$ref": "#/allOf/7"}]}, {"/allOf/0/$ref": "leads to nothing"}),
        ({"$ref": "#/default", "default": {"items": {"$dynamicRef": "#"}}}, {"/$ref": "leads to no schema"}),
        ({"$ref": "#/properties", "properties": {"a": {}}}, {"/$ref": "leads to no schema"}),
        ({"$ref": "#"}, {"/$ref": "leads back to where it came from"}),
        ({"items": {"$ref": "#"}}, {"/items/$ref": "leads back to where it came from"}),
        (
            {
                "$defs": {"a": {"not": {"$ref": "#/$defs/b"}}, "b": {"items": {"$ref": "#/$defs/a"}}},
                "$ref": "#/$defs/a",
            },
            {"/$defs/b/items/$ref": "leads back to where it came from"},
        ),
        (
            {"$defs": {"a": {"$anchor": "x", "items": {"$ref": "#x"}}}, "$ref": "#/$defs/a"},
            {"/$defs/a/items/$ref": "leads back to where it came from"},
        ),
        # Names of the user's that are words of JSON Schema as well.
        ({"properties": {"default": {"$ref": "x.json"}}}, {"/properties/default/$ref": "leads out"}),
        ({"properties": {"$defs": {"items": {"$ref": "#"}}}}, {"/properties/$defs/items/$ref": "leads back"}),
        (
            {"$defs": {"enum": {"items": {"$ref": "#/$defs/enum"}}}, "$ref": "#/$defs/enum"},
            {"/$defs/enum/items/$ref": "leads back"},
        ),
        ({"items": {"$dynamicRef": "#x"}}, {"/items/$dynamicRef": "is not supported"}),
        ({"items": {"$id": "http://example.org/inner"}}, {"/items/$id": 'use "$defs"'}),
        (
            {"$schema": "https://example.org/own"},
            {"/$schema": "is not a known draft of JSON Schema"},
        ),
        ({"items": {"format": "colour"}}, {"/items/format": 'the format "colour" is not known'}),
        (
            nested(2000),
            {"": f"is nested deeper than {MAX_NESTED} levels when its references are followed"},
        ),
        ({"items": {"pattern": "(?:[ab]{0,100}a[ab]{0,100}b){8}c"}}, {"/items/pattern": "or is too large"}),
        (doubled(30), {"": f"has more than {MAX_UNFOLDED} parts when its references are followed"}),
    ],
)
def test_a_wrong_schema_is_named_by_its_place(schema: dict[str, Any], wrong: dict[str, str]) -> None:
    with soon(5):
        found = list(
            check_document(
                pipeline(
                    {"name": "a", "type": "string"},
                    {"name": "f", "type": "array", "constraints": {"jsonSchema": schema}},
                )
            )
        )
    assert [v.pointer for v in found] == [f"/schema/fields/1/constraints/jsonSchema{at}" for at in wrong]
    for violation, part in zip(found, wrong.values(), strict=True):
        assert part in violation.message


@pytest.mark.parametrize(
    "schema",
    [
        {},
        SCHEMA,
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "definitions": {"a": {}},
            "items": {"$ref": "#/definitions/a"},
        },
        {
            "$id": "https://example.org/root",
            "$defs": {"a~b/c": {"$anchor": "x"}},
            "items": {"$ref": "#/$defs/a~0b~1c"},
        },
        {"$defs": {"a": {"$anchor": "x"}}, "items": {"$ref": "#x"}, "contains": {"$ref": "#x"}},
        {
            "const": {"$ref": "https://example.org"},
            "enum": [{"$id": "x"}],
            "properties": {"$ref": {"type": "string"}},
        },
        {"items": {"format": "date"}},
        {"$ref": "#/$defs/all", "$defs": {"all": True}},
        doubled(5),
    ],
)
def test_schemas_that_are_right(schema: dict[str, Any]) -> None:
    assert not list(
        check_document(pipeline({"name": "f", "type": "array", "constraints": {"jsonSchema": schema}}))
    )


def test_formats_of_the_schema_are_checked() -> None:
    assert schema_check({"items": {"format": "date"}})(["2024-02-29"], 14) is None
    assert schema_check({"items": {"format": "date"}})(["2023-02-29"], 14) is not None


def test_expressions_take_time_in_proportion_to_the_text() -> None:
    field = {"type": "array", "constraints": {"jsonSchema": {"items": {"pattern": "^(a|a)*(a*)*$"}}}}
    with soon(10):
        assert list(messages([json.dumps(["a" * 200_000 + "!"])], field)) == [0]


def test_alternatives_collect_no_errors_of_a_large_cell() -> None:
    """A million errors, each with a copy of its value, took minutes and gigabytes."""
    check = schema_check({"anyOf": [{"items": {"type": "integer"}}, {"items": {"type": "boolean"}}]})
    assert "is not valid under any of the schemas" in str(check(["x"], 5))
    with soon(5):
        assert check(["x"] * 1_000_000, 4_000_001) == "does not fit the jsonSchema"


def test_the_first_error_is_enough() -> None:
    check = schema_check({"items": {"type": "integer"}})
    with soon(5):
        found = check(["x"] * 10_000, 40_001)
    assert found == 'does not fit the jsonSchema: at /0, "x" is not of type "integer"'


@pytest.mark.parametrize(
    ("schema", "most"),
    [
        ({"items": {"pattern": "a"}}, 2**19),
        ({"items": {"patternProperties": {"a": {}, "b": {}}}}, 2**18),
        ({"properties": {"pattern": {"type": "string"}}}, 2**28 // 4),
        (doubled(5), 2**28 // 189),
    ],
)
def test_what_a_check_costs_is_bounded(schema: dict[str, Any], most: int) -> None:
    """Bytes times parts of the schema, with its references followed, and times its regular expressions."""
    check = schema_check(schema)
    assert check([], most) is None
    assert check([], most + 1) == (
        f"has {most + 1} bytes, more than the {most} that its jsonSchema can be checked with"
    )


def test_numbers_of_a_document_stay_exact() -> None:
    document = parse_pipeline(
        '{"name":"p","schema":{"fields":[{"name":"f","type":"array","constraints":{"jsonSchema":'
        '{"items":{"const":0.10000000000000000000000000001}}}}]},"sink":{"table":"t"}}'
    )
    schema = document.fields[0].constraints.json_schema
    assert schema is not None
    value = read_cell("[0.10000000000000000000000000001]", list)
    assert schema_check(schema)(value, 33) is None
    assert schema_check(schema)(read_cell("[0.1]", list), 5) is not None
