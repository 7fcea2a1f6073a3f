"""Every step against a plain oracle for one value, and what a refused cell means for the rest of a row."""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestor.checking.document import check_document
from ingestor.checking.rows import CheckedRows, check_rows
from ingestor.checking.steps.transforms import OPERATIONS
from tests.unit.checking.check_tables import table, with_steps

MISSING = ("", "NULL")
ANY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
# Letters whose large and small forms are one letter each in every version of Unicode.
LETTERS = st.text(string.ascii_letters + "äöüéèñçøåŁžΑβγΩЖд" + " '-.019_", max_size=12)
WORDS = st.sampled_from(["", "NULL", "m", "f", "M", " m", "ä", "1"])
Oracle = Callable[[str], Any]


class RefusedError(Exception):
    """What an oracle says of a value that makes a row error."""


def run(step: dict[str, Any], values: Sequence[str], missing: Sequence[str] = MISSING) -> CheckedRows:
    pipeline = with_steps("c", missing=missing, transforms=[{"column": "c", **step}])
    assert check_document(pipeline) == []
    return check_rows(table(values), ["c"], pipeline)


def compare(step: dict[str, Any], oracle: Oracle, values: Sequence[str]) -> None:
    expected, refused = [], []
    for position, value in enumerate(values):
        try:
            text = oracle(value)
        except RefusedError:
            refused.append(position)
        else:
            expected.append(None if text in MISSING else text)
    checked = run(step, values)
    assert checked.good.column("c").to_pylist() == expected
    assert [row.row_number - 1 for row in checked.rejected] == refused
    for row in checked.rejected:
        (problem,) = row.errors
        assert (problem.code, problem.field, problem.phase) == ("transform-error", "c", "validate")
        assert row.cells == (values[row.row_number - 1],) == (problem.value,)


def test_every_operation_of_the_documents_has_its_function() -> None:
    from ingestor.pipelines.transforms import BUILT_IN

    assert set(OPERATIONS) == BUILT_IN


@given(st.lists(st.one_of(ANY, ANY.map(lambda text: f" \t{text}\u2003\u00a0\x1f\x85"))))
def test_trim(values: list[str]) -> None:
    # A row of blanks alone is skipped, see test_blank_rows.py.
    compare({"op": "trim"}, str.strip, [value for value in values if value.strip()])


@pytest.mark.parametrize(("to", "oracle"), [("upper", str.upper), ("lower", str.lower), ("title", str.title)])
@given(values=st.lists(LETTERS))
def test_case(to: str, oracle: Oracle, values: list[str]) -> None:
    compare({"op": "case", "to": to}, oracle, values)


@given(
    st.lists(st.text("ab.\\ä", max_size=8)),
    st.text("ab.\\ä", min_size=1, max_size=2),
    st.text("ab\\1", max_size=3),
)
def test_replace_a_text(values: list[str], pattern: str, replacement: str) -> None:
    step = {"op": "replace", "pattern": pattern, "with": replacement}
    compare(step, lambda value: value.replace(pattern, replacement), values)


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [(r"[0-9]+", "#"), (r"(a)(b)", r"\2\1"), (r"^a", ""), (r"(?i)B", "x"), (r"\.", r"\\"), (r"ä|b", r"<\0>")],
)
@given(values=st.lists(st.text("abAB.12ä", max_size=8)))
def test_replace_an_expression(pattern: str, replacement: str, values: list[str]) -> None:
    step = {"op": "replace", "pattern": pattern, "with": replacement, "regex": True}
    compare(step, lambda value: re.sub(pattern, replacement.replace(r"\0", r"\g<0>"), value), values)


@given(st.lists(st.one_of(WORDS, ANY)), ANY)
def test_default(values: list[str], value: str) -> None:
    compare({"op": "default", "value": value}, lambda cell: value if cell in MISSING else cell, values)


def test_default_of_an_empty_cell_that_is_not_missing() -> None:
    checked = run({"op": "default", "value": "x"}, ["", "-", "a"], missing=["-"])
    assert checked.good.column("c").to_pylist() == ["x", "x", "a"]
    assert run({"op": "default", "value": "x"}, [""], missing=[]).good.column("c").to_pylist() == ["x"]


@pytest.mark.parametrize("otherwise", ["keep", "missing", "error"])
@given(values=st.lists(WORDS), words=st.dictionaries(WORDS, ANY, min_size=1, max_size=4))
def test_map(otherwise: str, values: list[str], words: dict[str, str]) -> None:
    def oracle(value: str) -> str:
        if value in words:
            return words[value]
        if otherwise == "error" and value not in MISSING:
            raise RefusedError
        return "" if otherwise == "missing" else value

    compare({"op": "map", "values": words, "otherwise": otherwise}, oracle, values)


def parsed(value: str, decimal: str, group: str | None) -> str:
    """Digit by digit."""
    if value in MISSING:
        return value
    if group in (" ", "\u00a0"):  # blanks are alike
        value = value.replace(" ", group).replace("\u00a0", group)
    rest = value[1:] if value[:1] in ("+", "-") else value
    mantissa, exponent = rest, ""
    for letter in "eE":
        if letter in rest:
            mantissa, _, exponent = rest.partition(letter)
            digits = exponent[1:] if exponent[:1] in ("+", "-") else exponent
            if not digits or set(digits) - set(string.digits):
                raise RefusedError
    whole, _, fraction = mantissa.partition(decimal)
    groups = whole.split(group) if group else [whole]
    if len(groups) > 1 and (not 1 <= len(groups[0]) <= 3 or any(len(part) != 3 for part in groups[1:])):
        raise RefusedError
    digits = "".join(groups)
    if set(digits + fraction) - set(string.digits) or not digits + fraction:
        raise RefusedError
    return value.replace(group or "\0", "").replace(decimal, ".")


NUMBERS = st.one_of(
    st.text("0123456789.,' +-eE", max_size=12),
    st.decimals(allow_nan=False, allow_infinity=False).map(str),
    st.builds(lambda n, d: f"{n:,}.{d}", st.integers(-(10**12), 10**12), st.integers(0, 999)),
    st.builds(lambda n, d: f"{n:,}.{d}".translate(str.maketrans(",.", ".,")), st.integers(), st.integers(0)),
    st.sampled_from(
        ["1.234,50", "1,2.3", "1.2345", "1\u00a0234,5", "١", "1e5", "NULL", "", "1.", ",5", ".", "-"]
    ),
)


@pytest.mark.parametrize(
    ("decimal", "group"),
    [
        (",", "."),
        (".", ","),
        (".", None),
        (",", " "),
        (",", "\u00a0"),
        (".", "'"),
        ("·", None),
        ("|", "\\"),
        ("^", "]"),
    ],
)
@given(values=st.lists(NUMBERS))
def test_parse(decimal: str, group: str | None, values: list[str]) -> None:
    step = {"op": "parse", "as": "number", "decimal": decimal}
    if group:
        step["group"] = group
    compare(step, lambda value: parsed(value, decimal, group), values)


def test_parse_says_what_it_wanted() -> None:
    checked = run({"op": "parse", "as": "number", "decimal": ",", "group": "."}, ["1.234,50", "1,234.50"])
    assert checked.good.column("c").to_pylist() == ["1234.50"]
    assert checked.rejected[0].errors[0].message == (
        'c: "1,234.50" is not a number with the decimal mark "," and the group mark "."'
    )


@given(
    values=st.lists(st.text("ab, ", max_size=10)),
    separator=st.sampled_from([" ", ",", ", ", "ab"]),
    count=st.integers(1, 4),
    most=st.none() | st.integers(1, 5),
)
def test_split(values: list[str], separator: str, count: int, most: int | None) -> None:
    into = [f"p{number}" for number in range(count)]
    step: dict[str, Any] = {"op": "split", "column": "c", "separator": separator, "into": into}
    if most:
        step["max"] = most
    checked = check_rows(table(values), ["c"], with_steps(*into, "c", transforms=[step]))
    expected = []
    for value in values:
        pieces = value.split(separator, (most or count) - 1)[:count]
        row = dict(zip(into, [*pieces, *[""] * count], strict=False)) | {"c": value}
        expected.append({label: text or None for label, text in row.items()})
    assert checked.good.to_pylist() == expected


@given(st.lists(st.tuples(WORDS, ANY, WORDS)), st.sampled_from(["", " ", ", "]))
def test_concatenate(rows: list[tuple[str, str, str]], separator: str) -> None:
    step = {"op": "concatenate", "columns": ["a", "b", "c"], "separator": separator, "into": "full"}
    pipeline = with_steps("full", missing=MISSING, transforms=[step])
    columns = list(zip(*rows, strict=True)) or [(), (), ()]
    checked = check_rows(table(*columns), ["a", "b", "c"], pipeline)
    joined = [separator.join(text for text in row if text not in MISSING) for row in rows]
    assert checked.good.column("full").to_pylist() == [
        None if text in MISSING else text for text in joined
    ]  # fmt: skip


def test_steps_build_on_each_other_and_on_made_columns() -> None:
    pipeline = with_steps(
        "first", "last", "initials",
        mapping={"last": "family"},
        transforms=[
            {"column": "name", "op": "trim"},
            {"column": "name", "op": "split", "separator": " ", "into": ["first", "family"]},
            {"column": "family", "op": "case", "to": "upper"},
            {"into": "initials", "op": "expression", "sql": "LEFT(first, 1) || LEFT(family, 1)"},
        ],
    )  # fmt: skip
    assert pipeline.labels_of_file == ("name",)
    checked = check_rows(table([" Anna de Vries ", "Bo"]), ["name"], pipeline)
    assert checked.good.to_pylist() == [
        {"first": "Anna", "last": "DE VRIES", "initials": "AD"},
        {"first": "Bo", "last": None, "initials": None},
    ]


def test_a_refused_cell_is_reported_once_and_the_rest_of_the_row_as_ever() -> None:
    pipeline = with_steps(
        "amount:number", "double:number", "id:integer",
        transforms=[
            {"column": "amount", "op": "parse", "as": "number", "decimal": ","},
            {"into": "double", "op": "expression", "sql": "CAST(amount AS NUMERIC(12, 2)) * 2"},
            {"column": "double", "op": "map", "values": {"x": "y"}, "otherwise": "keep"},
            {"column": "amount", "op": "default", "value": "0"},
        ],
    )  # fmt: skip
    checked = check_rows(table(["1,5", "1.5", "", "z"], ["1", "x", "3", "4"]), ["amount", "id"], pipeline)
    assert checked.good.to_pylist() == [
        {"amount": "1.5", "double": "3.00", "id": 1}, {"amount": "0", "double": None, "id": 3}
    ]  # fmt: skip
    assert [
        (row.row_number, row.cells, [(e.code, e.field) for e in row.errors]) for row in checked.rejected
    ] == [
        (2, ("1.5", "x"), [("transform-error", "amount"), ("type-error", "id")]),
        (4, ("z", "4"), [("transform-error", "amount")]),
    ]


def test_a_message_shows_the_transformed_value_and_the_report_the_cell_that_was_sent() -> None:
    pipeline = with_steps("age:integer", transforms=[{"column": "age", "op": "trim"}])
    (row,) = check_rows(table([" old "]), ["age"], pipeline).rejected
    assert row.cells == (" old ",)
    assert (row.errors[0].value, row.errors[0].message) == ("old", 'age: "old" is not an integer')


def test_a_missing_word_may_come_out_of_a_transform() -> None:
    checked = run({"op": "trim"}, [" NULL ", " x "])
    assert checked.good.column("c").to_pylist() == [None, "x"]


def test_a_missing_value_without_a_word_for_it() -> None:
    """With no missingValues a transform can still make a value missing."""
    checked = run({"op": "map", "values": {"a": "b"}, "otherwise": "missing"}, ["a", "c", ""], missing=[])
    assert checked.good.column("c").to_pylist() == ["b", None, None]


def test_a_column_that_the_file_has_not() -> None:
    pipeline = with_steps("a", transforms=[{"column": "b", "op": "trim"}])
    assert pipeline.check_header(["a"]) == ["b"]
    # Where the pipeline lets it be missing, its cells are.
    pipeline = with_steps("a", transforms=[{"columns": ["a", "b"], "op": "concatenate", "into": "a"}])
    assert check_rows(table(["x"]), ["a"], pipeline).good.column("a").to_pylist() == ["x"]


def test_wrong_expressions_of_re2_are_told_when_the_pipeline_is_applied() -> None:
    pipeline = with_steps(
        "c",
        transforms=[
            {"column": "c", "op": "replace", "pattern": "(", "with": "", "regex": True},
            {"column": "c", "op": "replace", "pattern": "(a)", "with": r"\2", "regex": True},
            {"column": "c", "op": "replace", "pattern": "(", "with": r"\2"},
        ],
        filters=[{"column": "c", "op": "matches", "pattern": "a)(b", "reason": "r"}],
    )
    assert [violation.pointer for violation in check_document(pipeline)] == [
        "/transforms/0/pattern", "/transforms/1/with", "/filters/0/pattern"
    ]  # fmt: skip
