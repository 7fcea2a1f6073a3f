"""Expressions: what is let in, which columns they read, and that nothing else gets through."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingestor.pipelines.expressions import MAX_CHARACTERS, MAX_DEPTH, ExpressionError, parse_expression


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("a", ("a",)),
        ("A + a", ("A", "a")),
        ('"Customer No." || "say ""hi""" || \'it\'\'s "x"\'', ("Customer No.", 'say "hi"')),
        ("CAST(qty AS INT) * 2", ("qty",)),
        ("cast(try_cast(a as decimal(10, 2)) as varchar) || b", ("a", "b")),
        ("CASE WHEN a = 'x' THEN b ELSE c END", ("a", "b", "c")),
        ("CASE a WHEN 'x' THEN 1 END", ("a",)),
        ("a IS NOT NULL AND NOT b IN ('x', 'y') OR c NOT LIKE 'x%'", ("a", "b", "c")),
        ("EXTRACT(YEAR FROM starts) = 2024", ("starts",)),
        ("ends - INTERVAL '1 day' >= DATE '2024-01-01'", ("ends",)),
        ('date < "select" AND "end" BETWEEN left AND value', ("date", "select", "end", "left", "value")),
        ("größe > -1.5e3", ("größe",)),
        ("1 = 1", ()),
    ],
)
def test_columns(text: str, columns: tuple[str, ...]) -> None:
    assert parse_expression(text).columns == columns


def test_casts_are_taken_out() -> None:
    found = parse_expression("CAST(CAST(a AS DATE) AS TEXT) || LENGTH(b) || CAST(c AS NUMERIC(12, 2))")
    assert found.sql == '"k1" || "k2" || "k3"'
    assert [(cast.sql, cast.to) for cast in found.casts] == [
        ('"c0"', "date"), ('"k0"', "text"), ('LENGTH ( "c1" )', "integer"), ('"c2"', "decimal")
    ]  # fmt: skip
    assert (found.casts[3].precision, found.casts[3].scale) == (12, 2)


@pytest.mark.parametrize(
    ("text", "growth"),
    [
        ("a", (64, 1, 1)),
        ("1", (64 + 16, 0, 0)),
        ("a || b || 'xyz'", (64 + 5, 2, 1)),
        ("CAST(a AS INT) + 1", (64 + 2 * 16, 1, 1)),
        ("REPLACE(a, ', ', '; ')", (64, 1, 1)),
        ("REPLACE(a, 'x', 'xxxxx')", (64, 5, 1)),
        ("REPLACE(REPLACE(a, 'x', 'xxxxx'), 'x', 'xxxxxxxxxx')", (64, 50, 1)),
        ("REPLACE(a, '', 'xx')", (64 + 4, 1 + 4, 1)),  # the quotes count
        ("REPLACE(a, 'x', b)", (64, 1 + 1 + 1, 2)),
        ("REPLACE(a || 'x', 'x' || 'y', 'zz')", (64 + 3 + 4 * 4, 1 + 4, 1)),
        ("CONCAT_WS(', ', a, b)", (64 + 4 + 3 * 4, 2, 1)),
        ("UPPER(a)", (64, 3, 1)),
        ("LENGTH(REPLACE(a, 'x', 'xxx'))", (64 + 16, 3, 1)),  # while it is computed
    ],
)
def test_how_much_a_row_may_grow(text: str, growth: tuple[int, int, int]) -> None:
    found = parse_expression(text).growth
    assert (found.constant, found.factor, found.power) == growth


FORBIDDEN = [
    "SELECT 1", "(SELECT a FROM t)", "a IN (SELECT a FROM t)", "EXISTS (SELECT 1)", "a FROM t",
    "WITH x AS (a) x", "a; DROP TABLE t", "a -- b", "a /* b */", "a AS b", "a b", "a 'b'", "'a' b", "a, b",
    "*", "t.*", "t.a", "COUNT(*)", "SUM(a)", "MIN(a)", "SUM(a) OVER ()", "ROW_NUMBER() OVER (ORDER BY a)",
    "FIRST(a)", "LAG(a)", "read_csv('/etc/passwd')", "READ_PARQUET('x')", "scan_csv('x')",
    "pg_read_file('x')", "COLUMNS('.*')", "RANDOM()", "NOW()", "UNNEST(a)", "REPEAT(a, 1000000)",
    "LPAD(a, 1000000000, 'x')", "a = ANY (b)", "a::int", "a ~ 'x'", "$1", "`a`", "[a]", "{a}", "a @ b",
    "X'41'", "E'a'", "a\\b", "a # b", "?", ":a", "a & b", "a | b",
]  # fmt: skip
WRONG = [
    "", " ", "a +", "* a", "(a", "a)", "()", "a ()", "COALESCE()", "COALESCE(a, )", "COALESCE(, a)", "'a",
    '"a', '""', "a AND", "AND a", "IN (a)", "CAST(a)", "CAST(a AS)", "CAST(AS INT)", "CAST(a AS INT",
    "CAST(a AS INT) b", "CAST(a AS INT b)", "CAST(a AS BLOB)", "CAST(a AS DECIMAL(39, 2))",
    "CAST(a AS DECIMAL(2, 3))", "CAST(a AS VARCHAR(3))", "CAST(a AS DECIMAL(x))", "CAST(a, b AS INT)",
    "EXTRACT(YEAR a)", "EXTRACT(CENTURY FROM a)", "EXTRACT(YEAR FROM)", "TRIM(BOTH 'x' FROM a)",
    "a IS DISTINCT FROM b", "a\0b",
]  # fmt: skip


@pytest.mark.parametrize("text", FORBIDDEN + WRONG)
def test_nothing_but_an_expression_of_one_row_gets_in(text: str) -> None:
    with pytest.raises(ExpressionError, match=r"^[^\n]+$"):
        parse_expression(text)


def test_limits() -> None:
    assert parse_expression("(" * MAX_DEPTH + "a" + ")" * MAX_DEPTH)
    with pytest.raises(ExpressionError, match="nested deeper"):
        parse_expression("(" * (MAX_DEPTH + 1) + "a" + ")" * (MAX_DEPTH + 1))
    assert parse_expression("a" + " " * (MAX_CHARACTERS - 1))
    with pytest.raises(ExpressionError, match="longer than"):
        parse_expression("a" * (MAX_CHARACTERS + 1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a b", "an operator is missing before b (character 3)"),
        ("sum(a)", "sum is not an allowed function (character 1)"),
        ("a + ", "ends where a value should follow"),
        ("a ; b", "; is not understood (character 3)"),
        (
            "a = (SELECT 1)",
            "SELECT is not allowed: only an expression over the columns of one row is; "
            "a column of that name goes in double quotes (character 6)",
        ),
    ],
)
def test_messages(text: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        parse_expression(text)
    assert str(caught.value) == message


PIECES = st.sampled_from([
    "a", '"b c"', "'x'", "1", "1.5", "(", ")", ",", "+", "-", "*", "=", "<=", "||", "AND", "NOT", "IN",
    "IS", "NULL", "CASE", "WHEN", "THEN", "ELSE", "END", "CAST(", "AS", "INT", "DATE", "SELECT", "FROM",
    "OVER", "COALESCE(", "SUM(", "EXTRACT(", "YEAR", "INTERVAL", ";", "--", "/*", "\\", "'", '"',
])  # fmt: skip


@example("' SELECT '")
@given(st.one_of(st.text(max_size=30), st.lists(PIECES, max_size=12).map(" ".join)))
def test_any_text_is_an_expression_or_an_error(text: str) -> None:
    try:
        found = parse_expression(text)
    except ExpressionError:
        return
    for sql in (found.sql, *(cast.sql for cast in found.casts)):
        code = re.sub("'(?:[^']|'')*'", "''", sql)  # a text may say what it likes
        assert not {"SELECT", "FROM", "OVER"} & set(code.replace("EXTRACT ( YEAR FROM", "").split())
        assert ";" not in code
