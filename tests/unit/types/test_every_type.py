"""What holds for every registered type: its rule for one value and its rule for a column agree."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestor.columns.text_column import text_column
from ingestor.pipelines.document import Field
from ingestor.types.json import JsonType
from ingestor.types.registry import ITEM_TYPES, TYPES
from ingestor.types.type import Value, ValueFormatError
from tests.unit.checking.check_tables import check_column

KINDS = [(name, format_) for name, type_ in TYPES.items() for format_ in ("default", *type_.formats)]
each_kind = pytest.mark.parametrize(("name", "format_"), KINDS)

ODD = st.sampled_from(
    ["", " ", "0", "1", "-1", "é", "١", "null", "[]", "{}", "[1,2]", "NaN", "1e400", "2024-02-30"]
)
CHARACTERS = st.sampled_from("0123456789+-.,:eEPTZD \n[]{}\"'éxNull\u0661\U0001f600")


def field_of(name: str, format_: str, **keys: Any) -> dict[str, Any]:
    return {"type": name, "format": format_, **keys}


@st.composite
def texts(draw: st.DrawFn, name: str) -> str:
    """Examples of a type, with up to three characters put in, taken out or replaced; and others."""
    text = draw(st.one_of(st.sampled_from(TYPES[name].examples), ODD))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text)))
        text = text[:at] + draw(st.one_of(st.just(""), CHARACTERS)) + text[at + draw(st.integers(0, 1)) :]
    return text


def value(field: Field, text: str) -> Value | None:
    """The value of a text by the rule for one value; None if it refuses the text."""
    try:
        return field.kind.parse(text)
    except ValueFormatError as error:
        assert str(error)
        return None


@each_kind
def test_examples_have_every_format(name: str, format_: str) -> None:
    field = Field.model_validate({"name": "f", **field_of(name, format_)})
    assert any(value(field, text) is not None for text in TYPES[name].examples)


@each_kind
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_a_value_is_good_in_a_column_where_it_is_good_alone(
    name: str, format_: str, data: st.DataObject
) -> None:
    cells = data.draw(st.lists(texts(name), max_size=8))
    field = Field.model_validate({"name": "f", **field_of(name, format_)})
    values = [value(field, cell) for cell in cells]
    checked = check_column(cells, field_of(name, format_), missingValues=[])
    assert checked.good_index.tolist() == [place for place, found in enumerate(values) if found is not None]
    for row in checked.rejected:
        (error,) = row.errors
        assert error.code == "type-error"
        assert re.match(r'f: ".*" \S', error.message)


@each_kind
@settings(max_examples=120, deadline=None)
@given(data=st.data())
def test_a_column_has_the_values_of_the_rule_for_one(name: str, format_: str, data: st.DataObject) -> None:

    field = Field.model_validate({"name": "f", **field_of(name, format_)})
    cells = [cell for cell in data.draw(st.lists(texts(name), max_size=8)) if value(field, cell) is not None]
    converted = field.kind.convert(text_column(pa.array(cells, pa.string()), frozenset()))
    assert converted.bad is None
    if isinstance(field.kind, JsonType):
        assert [json.loads(str(text)) for text in converted.column.to_pylist()] == [
            json.loads(json.dumps(field.kind.json_value(cell), default=float)) for cell in cells
        ]
    else:
        values = [value(field, cell) for cell in cells]
        exact = [float(one) if isinstance(one, Decimal) else one for one in values]
        assert converted.comparable.to_pylist() == exact
    if name in ITEM_TYPES:
        rendered = field.kind.json_texts(converted.column).to_pylist()
        read = [json.loads(text, parse_float=Decimal) for text in rendered]
        item = Field.model_validate({"name": "f", "type": name}).kind
        assert [item.value_of(text) for text in read] == [value(field, cell) for cell in cells]


@each_kind
@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_constraints_compare_values(name: str, format_: str, data: st.DataObject) -> None:
    field = Field.model_validate({"name": "f", **field_of(name, format_)})
    good = [text for text in TYPES[name].examples if value(field, text) is not None]
    others = data.draw(st.lists(texts(name), max_size=6))
    cells = [data.draw(st.sampled_from(good)), *(text for text in others if value(field, text) is not None)]
    values = [field.kind.value_of(cell) for cell in cells]
    less = {place for place, one in enumerate(values) if field.kind.exceeds(values[0], one)}
    more = {place for place, one in enumerate(values) if field.kind.exceeds(one, values[0])}
    same = {place for place, one in enumerate(values) if one == values[0]}
    # Values that are neither more nor less nor the same may break a bound.
    for constraint, broken, kept in (
        ("enum", set(range(len(cells))) - same, same),
        ("minimum", less, more | same),
        ("maximum", more, less | same),
        ("exclusiveMinimum", less | same, more),
        ("exclusiveMaximum", more | same, less),
    ):
        if constraint in field.kind.constraints:
            limit: Any = cells[:1] if constraint == "enum" else cells[0]
            keys = field_of(name, format_, constraints={constraint: limit})
            found = {row.row_number - 1 for row in check_column(cells, keys, missingValues=[]).rejected}
            assert broken <= found
            assert not found & kept
