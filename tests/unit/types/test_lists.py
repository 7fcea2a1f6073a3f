"""Lists: items cut at a delimiter, each by the rules of its type, as JSON."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestor.pipelines.document import Field
from ingestor.types.type import ValueFormatError
from tests.examples import examples
from tests.unit.checking.check_tables import check_column


def of(item_type: str, **keys: Any) -> dict[str, Any]:
    return {"type": "list", "itemType": item_type, **keys}


@pytest.mark.parametrize(
    ("field", "text", "made"),
    [
        ({"type": "list"}, "a,b", '["a", "b"]'),
        ({"type": "list"}, "a", '["a"]'),
        ({"type": "list"}, ",", '["", ""]'),
        ({"type": "list"}, ' a,"é"\\\n', '[" a", "\\"é\\"\\\\\\n"]'),
        ({"type": "list", "delimiter": ";"}, "a,b;c", '["a,b", "c"]'),
        ({"type": "list", "delimiter": ", "}, "a, b,c", '["a", "b,c"]'),
        ({"type": "list", "delimiter": "aa"}, "aaab", '["", "ab"]'),
        ({"type": "list", "delimiter": "."}, "a.b", '["a", "b"]'),
        (of("integer"), "1,-2,+3,007,-0", "[1, -2, 3, 7, 0]"),
        (of("integer"), "9007199254740993,9223372036854775807", "[9007199254740993, 9223372036854775807]"),
        (of("number"), "1.50,-.5,5.,+1e3,007.0,-0,1E-3", "[1.50, -0.5, 5, 1e3, 7.0, -0, 1E-3]"),
        (of("number"), "9007199254740993,1e400", "[9007199254740993, 1e400]"),
        (of("boolean"), "true,0,FALSE,1", "[true, false, false, true]"),
        (of("date"), "2024-02-29,0001-01-01", '["2024-02-29", "0001-01-01"]'),
        (
            of("datetime", delimiter="|"),
            "2024-02-29T23:59:59+01:00|0001-01-01 00:00:00.50|2024-01-01T10:10:10Z",
            '["2024-02-29T22:59:59Z", "0001-01-01T00:00:00.5Z", "2024-01-01T10:10:10Z"]',
        ),
        (of("time"), "23:59:59,10:00:00.5", '["23:59:59", "10:00:00.5"]'),
    ],
)
def test_lists_become_json(field: dict[str, Any], text: str, made: str) -> None:
    checked = check_column(["none", text, "none", text], field, missingValues=["none"])
    assert not checked.rejected
    assert checked.good.column("f").to_pylist() == [None, made, None, made]
    json.loads(made)
    one = Field.model_validate({"name": "f", **field})
    assert one.kind.parse(text) == text
    assert one.kind.postgres_type == "jsonb"


@pytest.mark.parametrize(
    ("field", "text", "why"),
    [
        ({"type": "list"}, "", "is not a list: it is empty"),
        (of("integer"), "1,x,3", 'is not a list of the type integer: item 2, "x", is not an integer'),
        (of("integer"), "1,,3", 'is not a list of the type integer: item 2, "", is not an integer'),
        (
            of("integer"),
            "1, 2",
            'is not a list of the type integer: item 2, " 2", is not an integer (there are blanks around it)',
        ),
        (
            of("integer"),
            "9223372036854775808",
            'is not a list of the type integer: item 1, "9223372036854775808", '
            "is outside the range of an integer, -9223372036854775808 to 9223372036854775807",
        ),
        (of("number"), "1;2", 'is not a list of the type number: item 1, "1;2", is not a number'),
        (of("number"), "NaN", 'is not a list of the type number: item 1, "NaN", is not a number'),
        (of("boolean"), "true,yes", 'is not a list of the type boolean: item 2, "yes", is not a boolean'),
        (
            of("date"),
            "2024-02-29,2023-02-29",
            'is not a list of the type date: item 2, "2023-02-29", is not a day of the calendar',
        ),
        (
            of("datetime"),
            "2024-02-30T00:00:00",
            'is not a list of the type datetime: item 1, "2024-02-30T00:00:00", is not a day of the calendar',
        ),
    ],
)
def test_the_error_names_the_item(field: dict[str, Any], text: str, why: str) -> None:
    good = {"integer": "1,2", "number": "1", "boolean": "1", "date": "2024-01-01"}.get(
        field.get("itemType", ""), "2024-01-01T00:00:00Z"
    )
    checked = check_column([good, text, good, "none"], field, missingValues=["none"])
    assert checked.good_index.tolist() == [0, 2, 3]
    (row,) = checked.rejected
    assert [(problem.code, problem.message) for problem in row.errors] == [
        ("type-error", f"f: {json.dumps(text)} {why}")
    ]
    with pytest.raises(ValueFormatError):
        Field.model_validate({"name": "f", **field}).kind.parse(text)


ITEMS: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0|"), max_size=5),
    "integer": st.integers(-(2**63), 2**63 - 1),
    "number": st.decimals(allow_nan=False, allow_infinity=False),
    "boolean": st.booleans(),
}


@pytest.mark.parametrize("item_type", ITEMS)
@settings(max_examples=examples(100))
@given(data=st.data())
def test_lists_round_trip(item_type: str, data: st.DataObject) -> None:
    lists = data.draw(st.lists(st.lists(ITEMS[item_type], min_size=1, max_size=5), max_size=5))
    texts = ["|".join(str(item) for item in items) for items in lists]
    checked = check_column(texts, of(item_type, delimiter="|"), missingValues=[])
    empty = [row.row_number - 1 for row in checked.rejected]
    assert empty == [index for index, text in enumerate(texts) if not text]
    made = [
        json.loads(str(text), parse_float=Decimal, parse_int=Decimal if item_type == "number" else int)
        for text in checked.good.column("f").to_pylist()
    ]
    assert made == [items for items, text in zip(lists, texts, strict=True) if text]


def test_constraints_of_lists() -> None:
    field = of("number", constraints={"minLength": 2, "maxLength": 3, "enum": ["1,2", [1, 2.5, 3], "7"]})
    checked = check_column(["1.0,2e0", "01,2.50,3", "7", "1,2,3,4", "2,1", "x,y,z,w"], field)
    assert checked.good_index.tolist() == [0, 1]
    errors = [[problem.message for problem in row.errors] for row in checked.rejected]
    assert errors == [
        ['f: "7" has fewer items than the minLength 2'],
        [
            'f: "1,2,3,4" is not in the enum "1,2", [1,2.5,3], "7"',
            'f: "1,2,3,4" has more items than the maxLength 3',
        ],
        ['f: "2,1" is not in the enum "1,2", [1,2.5,3], "7"'],
        ['f: "x,y,z,w" is not a list of the type number: item 1, "x", is not a number'],
    ]
