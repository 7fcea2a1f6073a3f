"""Expressions on columns: values against plain Python, rows that cannot be computed, and every function."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingestor.checking.document import check_document
from ingestor.checking.rows import check_rows
from ingestor.checking.steps.evaluation import (
    Answer,
    UnfitExpressionError,
    check_evaluation,
    evaluate,
)
from ingestor.pipelines import expressions
from ingestor.pipelines.expressions import FUNCTIONS, MAX_OPERANDS, ExpressionError, parse_expression
from tests.examples import examples
from tests.unit.checking.check_tables import table, with_steps
from tests.unit.pipelines.test_expressions import PIECES

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
CELLS = st.one_of(
    st.none(), TEXT, st.integers(-(2**64), 2**64).map(str), st.sampled_from(["a", "5", "-7", "x"])
)


def values(sql: str, answer: Answer = "text", **columns: Sequence[Any]) -> list[Any]:
    """The expression over columns of text."""
    arrays: dict[str, Any] = {label: pa.array(column, pa.string()) for label, column in columns.items()}
    found, failed = evaluate(parse_expression(sql), arrays, len(next(iter(columns.values()))), answer)
    return ["failed" if bad else value for value, bad in zip(found.to_pylist(), failed.tolist(), strict=True)]


def integer(text: str | None) -> int | None:
    digits = "" if text is None else text.removeprefix("+") if text[:1] == "+" else text.removeprefix("-")
    if not digits.isascii() or not digits.isdigit():
        return None
    value = int(text or "")
    return value if -(2**63) <= value < 2**63 else None


@settings(max_examples=examples(60))
@given(st.lists(CELLS, min_size=1))
def test_whole_numbers(cells: list[str | None]) -> None:
    numbers = [integer(cell) for cell in cells]
    assert values("CAST(a AS INT) * 2", a=cells) == [None if n is None else str(n * 2) for n in numbers]
    assert values("CAST(a AS BIGINT) * CAST(a AS INT) - 1", a=cells) == [
        None if n is None else str(n * n - 1) for n in numbers
    ]


@settings(max_examples=examples(60))
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1))
def test_texts_and_conditions(rows: list[tuple[str | None, str | None]]) -> None:
    a, b = zip(*rows, strict=True)
    assert values("a || '-' || b", a=a, b=b) == [
        None if x is None or y is None else f"{x}-{y}" for x, y in rows
    ]
    assert values("COALESCE(a, b, '?')", a=a, b=b) == [
        x if x is not None else y if y is not None else "?" for x, y in rows
    ]
    assert values("CASE WHEN a = b THEN 'same' WHEN a IS NULL THEN 'none' ELSE b END", a=a, b=b) == [
        "same" if x is not None and x == y else "none" if x is None else y for x, y in rows
    ]
    assert values("a <> b", "truth", a=a, b=b) == [
        None if x is None or y is None else x != y for x, y in rows
    ]
    assert values("a IN ('a', '5')", "truth", a=a) == [None if x is None else x in ("a", "5") for x in a]
    assert values("LENGTH(a) - 100", a=a) == [None if x is None else str(len(x) - 100) for x in a]


# Every function that is allowed: (expression, value) with a = ' Ab-c ', n = '-7', d = '2024-02-29'.
EXAMPLES: dict[str, tuple[str, str | None]] = {
    "ABS": ("ABS(CAST(n AS INT))", "7"),
    "CEIL": ("CEIL(CAST('1.2' AS DOUBLE))", "2.0"),
    "FLOOR": ("FLOOR(CAST('1.8' AS NUMERIC(4, 1)))", "1.0"),
    "ROUND": ("ROUND(CAST('1.256' AS NUMERIC(9, 3)), 2)", "1.260"),
    "SIGN": ("SIGN(CAST(n AS INT))", "-1"),
    "SQRT": ("SQRT(9)", "3.0"),
    "MOD": ("MOD(7, 4)", "3"),
    "GREATEST": ("GREATEST(CAST(n AS INT), 3)", "3"),
    "LEAST": ("LEAST(CAST(n AS INT), 3)", "-7"),
    "COALESCE": ("COALESCE(NULLIF(n, '-7'), a)", " Ab-c "),
    "IFNULL": ("IFNULL(NULLIF(n, '-7'), 'x')", "x"),
    "NULLIF": ("NULLIF(n, '-7')", None),
    "IF": ("IF(n = '-7', 'yes', 'no')", "yes"),
    "CONCAT": ("CONCAT(n, a)", "-7 Ab-c "),
    "CONCAT_WS": ("CONCAT_WS('/', n, d)", "-7/2024-02-29"),
    "LENGTH": ("LENGTH(a)", "6"),
    "CHAR_LENGTH": ("CHAR_LENGTH('ä')", "1"),
    "OCTET_LENGTH": ("OCTET_LENGTH('ä')", "2"),
    "LOWER": ("LOWER(a)", " ab-c "),
    "UPPER": ("UPPER(a)", " AB-C "),
    "INITCAP": ("INITCAP('anna b')", "Anna B"),
    "LEFT": ("LEFT(n, 1)", "-"),
    "RIGHT": ("RIGHT(n, 1)", "7"),
    "SUBSTR": ("SUBSTR(d, 6, 2)", "02"),
    "SUBSTRING": ("SUBSTRING(d, 6)", "02-29"),
    "TRIM": ("TRIM(a)", "Ab-c"),
    "LTRIM": ("LTRIM(a)", "Ab-c "),
    "RTRIM": ("RTRIM(a)", " Ab-c"),
    "REPLACE": ("REPLACE(d, '-', '')", "20240229"),
    "REVERSE": ("REVERSE(n)", "7-"),
    "STARTS_WITH": ("STARTS_WITH(n, '-')", "true"),
    "ENDS_WITH": ("ENDS_WITH(n, '-')", "false"),
    "STRPOS": ("STRPOS(d, '-') - 6", "-1"),
    "SPLIT_PART": ("SPLIT_PART(d, '-', 2)", "02"),
    "REGEXP_LIKE": ("REGEXP_LIKE(d, '^2024')", "true"),
    "STRFTIME": ("STRFTIME(CAST(d AS DATE), '%d.%m.%Y')", "29.02.2024"),
}


def test_every_function_has_an_example() -> None:
    assert set(EXAMPLES) == FUNCTIONS


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        *EXAMPLES.values(),
        ("EXTRACT(DAY FROM CAST(d AS DATE)) * 20 * 20", "11600"),
        ("CAST(d AS DATE) + INTERVAL '1 day'", "2024-03-01"),
        ("CAST(d || 'T10:00:00.5' AS TIMESTAMP)", "2024-02-29 10:00:00.500000"),
        ("CAST(CAST(d || ' 10:00:00' AS TIMESTAMP) AS DATE)", "2024-02-29"),
        ("CAST(d || ' 24:00:00' AS TIMESTAMP)", None),
        ("CAST('2023-02-29' AS DATE)", None),
        ("CAST('2024-2-9' AS DATE)", None),
        ("CAST('0000-01-01' AS DATE)", None),
        ("CAST(n AS BOOLEAN)", None),
        ("CAST('TRUE' AS BOOLEAN) AND NOT CAST('0' AS BOOLEAN)", "true"),
        ("CAST(n AS NUMERIC(12, 2)) / 2", "-3.50000000"),
        ("0.1 + 0.2", "0.3"),
        ("24 * 60 * 60 * 1000 * 1000", "86400000000"),
        ("5 / 2", "2.5"),
        ("CASE WHEN n = '-7' THEN 100000 ELSE 0 END * 100000", "10000000000"),
        ("n LIKE '-%' AND n NOT LIKE '_8' AND n ILIKE '-7'", "true"),
        ("n BETWEEN '-1' AND '-9'", "true"),
        ("NULL", None),
        (r"'a\' || '''' || n", r"a\'-7"),
        ('"a" || "^.*$" || "*" || "c1"', " Ab-c 123"),
    ],
)
def test_values(sql: str, value: str | None) -> None:
    cells = {"a": " Ab-c ", "n": "-7", "d": "2024-02-29", "^.*$": "1", "*": "2", "c1": "3"}
    arrays: dict[str, Any] = {label: pa.array([cell]) for label, cell in cells.items()}
    found, failed = evaluate(parse_expression(sql), arrays, 1, "text")
    assert (found.to_pylist(), failed.tolist()) == ([value], [False])


def test_a_row_that_cannot_be_computed_fails_alone() -> None:
    cells = ["1", "0", "4", "x", "0", "8"]
    sql = "CAST('16' AS NUMERIC(6, 2)) / CAST(a AS NUMERIC(6, 2))"
    assert values(sql, a=cells) == ["16.00000000", "failed", "4.00000000", None, "failed", "2.00000000"]
    steps = [{"into": "b", "op": "expression", "sql": sql}]
    checked = check_rows(table(cells), ["a"], with_steps("b:number", transforms=steps))
    assert checked.good.column("b").to_pylist() == ["16.00000000", "4.00000000", None, "2.00000000"]
    assert [(row.row_number - 1, row.cells, row.errors[0].message) for row in checked.rejected] == [
        (1, ("0",), "b: the expression cannot be computed for this row"),
        (4, ("0",), "b: the expression cannot be computed for this row"),
    ]


def test_an_expression_sees_missing_values_as_null() -> None:
    steps = [{"into": "b", "op": "expression", "sql": "COALESCE(a, 'none')"}]
    checked = check_rows(
        table(["x", "", "NULL"]), ["a"], with_steps("b", missing=["", "NULL"], transforms=steps)
    )
    assert checked.good.column("b").to_pylist() == ["x", "none", "none"]


@pytest.mark.parametrize(
    ("sql", "answer", "message"),
    [
        ("a + 1", "text", "cannot be run: arithmetic on dtypes str and"),
        ("CASE a END", "text", "cannot be run: "),
        ("LENGTH(a, a)", "text", "cannot be run: "),
        ("a = 1", "truth", "cannot be run: cannot compare string with numeric type"),
        ("a", "truth", "is neither true nor false, but a text"),
        ("CAST(a AS INT)", "truth", "is neither true nor false, but a whole number"),
        ("DATE '2024-01-01' - CAST(a AS DATE)", "text", "makes a span of time, which cannot become text"),
        ("REGEXP_LIKE(a, '(')", "truth", "cannot be run: "),
        ("a LIKE a", "truth", "cannot be run: LIKE/ILIKE pattern must be a string literal; found \"a\""),
        ("a IN (b)", "text", ""),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_told_when_the_pipeline_is_applied(
    sql: str, answer: Answer, message: str
) -> None:
    found = parse_expression(sql)
    types: dict[str, pa.DataType] = dict.fromkeys(found.columns, pa.string())
    if not message:
        check_evaluation(found, types, answer)
        return
    with pytest.raises(UnfitExpressionError) as caught:
        check_evaluation(found, types, answer)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_violations_point_at_the_expression() -> None:
    pipeline = with_steps(
        "a", "n:integer", "d:date",
        transforms=[{"into": "b", "op": "expression", "sql": "a + 1"}],
        filters=[{"expression": "a", "reason": "r"}],
        rules=[
            {"name": "right", "expression": "n + 1 > 2 AND d < DATE '2024-01-01'"},
            {"name": "wrong", "expression": "d < a"},
        ],
    )  # fmt: skip
    assert [violation.pointer for violation in check_document(pipeline)] == [
        "/transforms/0/sql", "/filters/0/expression", "/rules/1/expression"
    ]  # fmt: skip


@settings(max_examples=examples(200))
@given(st.lists(PIECES, min_size=1, max_size=8).map(" ".join))
def test_what_is_let_in_runs_on_one_row_or_is_refused(sql: str) -> None:
    try:
        found = parse_expression(sql)
        check_evaluation(found, dict.fromkeys(found.columns, pa.string()), "text")
    except (ExpressionError, UnfitExpressionError):
        return
    arrays: dict[str, Any] = {label: pa.array(["x", None, "7"]) for label in found.columns}
    result, failed = evaluate(found, arrays, 3, "text")
    assert len(result) == len(failed) == 3


def test_a_long_chain_does_not_end_the_process() -> None:
    assert values("+".join(["1"] * MAX_OPERANDS), a=["x"]) == [str(MAX_OPERANDS)]
    assert values(" || ".join(["a"] * MAX_OPERANDS), a=["x", None]) == ["x" * MAX_OPERANDS, None]
    with pytest.raises(ExpressionError, match="combines more than 200 values"):
        parse_expression("||".join(["a"] * 440))
    for chain in (
        "NOT " * 900 + "TRUE",
        "- " * 1900 + "1",
        "CASE WHEN TRUE THEN " * 150 + "1" + " END" * 150,
    ):
        with pytest.raises(UnfitExpressionError):
            check_evaluation(parse_expression(chain), {}, "text")


CHAINS = [
    "-".join(["CAST(a AS INT)"] * 60),
    "CAST(a AS DOUBLE)" + "*1.01-0.3/2+CAST(b AS INT)" * 20,
    "a || " + "CASE WHEN a = '1' THEN '+' ELSE b END || " * 40 + "b",
    " || ".join(["REPLACE(a, '1', b)", "SUBSTR(b, 1, 1)"] * 40),
]
CONDITIONS = [
    " AND ".join(["NOT a LIKE 'x%'", "b NOT LIKE 'q'"] * 30),
    " OR ".join(["a NOT IN ('x', 'q') AND b IS NOT NULL"] * 40),
    " AND ".join(["a NOT BETWEEN 'a' AND 'b' OR NOT b = 'y'"] * 20),
    "=".join(["a"] * 60),
    "CASE WHEN " + " OR ".join(["a = 'x'"] * 80) + " THEN TRUE ELSE b = 'y' END",
]


@pytest.mark.parametrize("text", [*CHAINS, *CONDITIONS])
def test_a_chain_in_pieces_makes_what_it_makes_in_one(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer: Answer = "truth" if text in CONDITIONS else "text"
    rows = {"a": ["x", "1", None, "", "y"], "b": ["y", "2", "z", None, "q"]}
    columns = {name: pa.array(cells, pa.string()) for name, cells in rows.items()}
    pieces = parse_expression(text)
    monkeypatch.setattr(expressions, "_PIECE", 10**6)
    whole = parse_expression(text)
    assert len(pieces.casts) > len(whole.casts) or text.startswith("CASE")
    found, failed = evaluate(pieces, columns, 5, answer)
    wanted, unfit = evaluate(whole, columns, 5, answer)
    assert (found.to_pylist(), failed.tolist()) == (wanted.to_pylist(), unfit.tolist())


def test_polars_is_imported_for_expressions_only() -> None:
    code = """
import sys
from tests.unit.checking.check_tables import table, with_steps
from ingestor.checking.rows import check_rows
from ingestor.checking.document import check_document
from ingestor.services.processor import bootstrap
steps = [{"column": "a", "op": "trim"}]
plain = with_steps("a", transforms=steps, filters=[{"column": "a", "op": "not_empty", "reason": "r"}])
assert not check_document(plain) and check_rows(table(["x"]), ["a"], plain).good.num_rows == 1
assert "polars" not in sys.modules
check_rows(table(["x"]), ["a"], with_steps("a", rules=[{"name": "r", "expression": "a = 'x'"}]))
assert "polars" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_decimals_are_exact() -> None:
    assert Decimal(str(values("CAST(a AS NUMERIC(38, 18)) + 0.1", a=["0.2"])[0])) == Decimal("0.3")
