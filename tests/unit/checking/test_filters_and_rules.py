"""Filters skip rows, rules fail them; the dry run says the same as the real one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ingestor.checking.document import check_document
from ingestor.checking.rows import CheckedRows, check_rows
from ingestor.outcomes import RejectedRow
from ingestor.services.processor.batches import BatchKey, BatchRange, RowBatch, outcome_of
from ingestor.services.processor.dry_run import dry_run
from ingestor.services.processor.reading import check
from ingestor.tabular.options import ReadOptions
from tests.examples import examples
from tests.fakes.dry_run import MemoryDryRunTables
from tests.fakes.work import WORK
from tests.unit.checking.check_tables import table, with_steps

CELLS = st.lists(st.sampled_from(["", "NULL", "a", "b", "ab", " a", "B"]), max_size=8)
MISSING = ("", "NULL")


@pytest.mark.parametrize(
    ("condition", "wanted"),
    [
        ({"op": "in", "values": ["a", "NULL"]}, lambda cell: cell in ("a", "NULL")),
        ({"op": "not_in", "values": ["a", "b"]}, lambda cell: cell not in ("a", "b")),
        ({"op": "matches", "pattern": "a|b"}, lambda cell: cell in ("a", "b")),
        ({"op": "empty"}, lambda cell: cell in MISSING),
        ({"op": "not_empty"}, lambda cell: cell not in MISSING),
    ],
)
@given(cells=CELLS)
def test_filters_of_a_column(
    condition: dict[str, Any], wanted: Callable[[str], bool], cells: list[str]
) -> None:
    filters = [{"column": "c", **condition, "reason": "not wanted"}]
    checked = check_rows(table(cells), ["c"], with_steps("c", missing=MISSING, filters=filters))
    assert checked.good_index.tolist() == [index for index, cell in enumerate(cells) if wanted(cell)]
    assert [(row.row_number - 1, row.state, row.cells) for row in checked.rejected] == [
        (index, "skipped", (cell,)) for index, cell in enumerate(cells) if not wanted(cell)
    ]
    for row in checked.rejected:
        (problem,) = row.errors
        assert (problem.code, problem.field, problem.value) == ("filtered", "c", cells[row.row_number - 1])
        assert (problem.message, problem.phase) == ("not wanted", "validate")


@settings(max_examples=examples(50))
@given(CELLS)
def test_a_filter_by_expression_wants_what_is_true(cells: list[str]) -> None:
    filters = [{"expression": "c <> 'a'", "reason": "r"}]
    checked = check_rows(table(cells), ["c"], with_steps("c", missing=MISSING, filters=filters))
    assert checked.good_index.tolist() == [
        index for index, cell in enumerate(cells) if cell not in MISSING and cell != "a"
    ]


def test_a_row_whose_filter_cannot_be_computed_fails() -> None:
    filters = [{"expression": "1.0 / CAST(c AS NUMERIC(4, 1)) > 0.3", "reason": "too large"}]
    checked = check_rows(table(["2", "0", "5"]), ["c"], with_steps("c", filters=filters))
    assert checked.good_index.tolist() == [0]
    assert [(row.state, row.errors[0].code, row.errors[0].message) for row in checked.rejected] == [
        ("failed", "transform-error", 'the filter "too large" cannot be computed for this row'),
        ("skipped", "filtered", "too large"),
    ]


def test_transforms_then_filters_then_the_schema_then_rules() -> None:
    pipeline = with_steps(
        "n:integer", "country",
        transforms=[
            {"column": "country", "op": "trim"},
            {"column": "n", "op": "parse", "as": "number", "decimal": ","},
        ],
        filters=[
            {"column": "country", "op": "not_in", "values": ["XX"], "reason": "not our market"},
            {"expression": "n <> '0'", "reason": "nothing sold"},
        ],
        rules=[{"name": "few", "expression": "n < 10", "message": "too many"}],
    )  # fmt: skip
    read = [RejectedRow.by_reader(1, 1, "skipped", "blank-row", "the record is blank", (), "")]
    n = ["1", "x", "x", "2,5", "0", "10", ""]
    country = ["DE", "XX ", "DE", "DE", "XX", "DE", " DE"]
    checked = check_rows(table(n, country, rejected=read), ["n", "country"], pipeline)
    assert checked.good.to_pylist() == [{"n": 1, "country": "DE"}]
    assert [(row.row_number, row.line_number, row.state, row.cells, [(e.code, e.message) for e in row.errors])
            for row in checked.rejected] == [
        (1, 1, "skipped", (), [("blank-row", "the record is blank")]),
        (3, 5, "skipped", ("x", "XX "), [("filtered", "not our market")]),
        (4, 7, "failed", ("x", "DE"),
         [("transform-error", 'n: "x" is not a number with the decimal mark ","')]),
        (5, 9, "failed", ("2,5", "DE"), [("type-error", 'n: "2.5" is not an integer')]),
        (6, 11, "skipped", ("0", "XX"), [("filtered", "not our market")]),
        (7, 13, "failed", ("10", "DE"), [("row-constraint", 'too many (n: "10")')]),
        (8, 15, "skipped", ("", " DE"), [("filtered", "nothing sold")]),
    ]  # fmt: skip


def rule(expression: str, *fields: str, **more: Any) -> Callable[..., CheckedRows]:
    pipeline = with_steps(*fields, rules=[{"name": "r", "expression": expression, **more}])
    assert check_document(pipeline) == []
    names = [field.partition(":")[0] for field in fields]
    return lambda *columns: check_rows(table(*columns), names, pipeline)


def test_a_broken_rule_names_its_fields_and_their_values() -> None:
    checked = rule(
        "starts <= ends",
        "starts:date",
        "ends:date",
        message="starts is after ends",
        fields=["starts", "ends"],
    )(["2024-01-01", "2024-01-02", "", "x"], ["2024-01-01", "2024-01-01", "2024-01-01", ""])
    assert checked.good_index.tolist() == [0, 2]  # NULL passes
    errors = [error for row in checked.rejected for error in row.errors]
    assert [(e.code, e.field, e.value, e.message, e.phase) for e in errors] == [
        ("row-constraint", "starts, ends", "", 'starts is after ends (starts: "2024-01-02", '
         'ends: "2024-01-01")', "validate"),
        ("type-error", "starts", "x", 'starts: "x" is not a date of the form YYYY-MM-DD', "validate"),
    ]  # fmt: skip


def test_every_broken_rule_is_listed() -> None:
    rules = [{"name": "one", "expression": "a > 1"}, {"name": "two", "expression": "a + b = 5"},
             {"name": "three", "expression": "b IS NOT NULL", "fields": ["b", "a"]}]  # fmt: skip
    checked = check_rows(
        table(["1", "2"], ["", "3"]), ["a", "b"], with_steps("a:integer", "b:integer", rules=rules)
    )
    (row,) = checked.rejected
    assert [(e.field, e.value, e.message) for e in row.errors] == [
        ("a", "1", 'breaks the rule one (a: "1")'),
        ("b, a", "", 'breaks the rule three (b: missing, a: "1")'),
    ]


def test_values_have_their_types() -> None:
    checked = rule(
        "n + 1 = 3 AND x * 2 = 0.3 AND b AND d < DATE '2024-03-01' AND t = TIMESTAMP '2024-01-01 09:00:00' "
        "AND s = '2' AND EXTRACT(YEAR FROM d) = 2024",
        "n:integer", "x:number", "b:boolean", "d:date", "t:datetime", "s",
    )(["2", "2"], ["0.15", "15e-2"], ["true", "1"], ["2024-02-29"] * 2, ["2024-01-01T10:00:00+01:00"] * 2,
      ["2", "2"])  # fmt: skip
    assert checked.rejected == []


def test_whole_numbers_do_not_overflow() -> None:
    largest = str(2**63 - 1)
    assert rule("a + 1 > a AND a * a > a", "a:integer")([largest]).rejected == []


NUMBERS = st.one_of(
    st.decimals(-(10**6), 10**6, places=2).map(str),
    st.decimals(-(10**18), 10**18, places=15).map(str),
    st.sampled_from(["", "1e3", "1E-3", "-0", "+5", ".5", "5.", "0.0000000001", "0e99", "9999999999999999999",
                     "0.1000000000000000001", "0.1", "000000000000000000000000000000000000000001"]),
)  # fmt: skip


@settings(max_examples=examples(100))
@example([("-1.000000000000000", "9999999999999999999")])
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=6))
def test_numbers_are_compared_exactly(rows: list[tuple[str, str]]) -> None:
    def passes(a: str, b: str) -> bool:
        return a == "" or b == "" or Decimal(a) <= Decimal(b)

    a, b = zip(*rows, strict=True)
    checked = rule("a <= b", "a:number", "b:number")(a, b)
    assert checked.good_index.tolist() == [index for index, row in enumerate(rows) if passes(*row)]
    checked = rule("a - b <= 0", "a:number", "b:number")(a, b)
    assert checked.good_index.tolist() == [index for index, row in enumerate(rows) if passes(*row)]


def test_numbers_with_very_many_digits_are_compared_as_double_precision() -> None:
    cells = ["9" * 300, "1e300", "1e-300", "-1" + "0" * 50, "0." + "1" * 40]
    assert rule("a > 0", "a:number")(cells).good_index.tolist() == [0, 1, 2, 4]


def test_a_rule_that_cannot_be_computed_fails_its_row() -> None:
    checked = rule("100 / a > 5", "a:number")(["10", "0", "25", "4"])
    assert checked.good_index.tolist() == [0, 3]
    assert [row.errors[0].message for row in checked.rejected] == [
        'the rule r cannot be computed (a: "0")', 'breaks the rule r (a: "25")'
    ]  # fmt: skip


async def test_the_dry_run_says_what_the_real_run_says() -> None:
    pipeline = with_steps(
        "n:integer", "full",
        transforms=[
            {"op": "concatenate", "columns": ["a", "b"], "separator": " ", "into": "full"},
            {"column": "n", "op": "map", "values": {"one": "1"}, "otherwise": "keep"},
        ],
        filters=[{"expression": "full <> 'x y'", "reason": "r"}],
        rules=[{"name": "few", "expression": "n < 10"}],
    )  # fmt: skip
    rows = b"one,x,y\none,a,b\n11,a,b\nz,a,b\n\n5,,\n7,c,\n"

    async def chunks() -> AsyncIterator[bytes]:
        yield b"n,a,b\n" + rows

    found = await dry_run(chunks(), pipeline, ReadOptions(delimiter=","), False, MemoryDryRunTables(), WORK)
    bounds = BatchRange(1, 1, 7, 2, 6, 6 + len(rows))
    batch = RowBatch(BatchKey("", "", bounds), ("n", "a", "b"), "", 0, ",", rows, None)
    real = outcome_of(batch.key, check(batch, rows, pipeline).rejected)
    assert (found.read, found.succeeded, found.failed, found.skipped) == (7, 2, 2, 3)
    assert (real.succeeded, real.failed, real.skipped) == (2, 2, 3)
    assert found.rows == list(real.rows)
    assert json.loads(json.dumps([row.cells for row in found.rows])) == [
        ["one", "x", "y"], ["11", "a", "b"], ["z", "a", "b"], [], ["5", "", ""]
    ]  # fmt: skip
