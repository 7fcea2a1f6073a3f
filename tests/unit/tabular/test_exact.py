"""The record rule, by examples and against Python's own csv module on legal tables."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestor.tabular.limits import Limits
from ingestor.tabular.records.exact import read_exact
from ingestor.tabular.records.syntax import BrokenKind, Dialect
from tests.unit.tabular.tables import COMMA

QUOTE, UNCLOSED, TOO_LONG = BrokenKind.QUOTE, BrokenKind.UNCLOSED, BrokenKind.TOO_LONG


@pytest.mark.parametrize(
    ("data", "cells"),
    [
        (b"", []),
        (b"a,b\nc,d", [(b"a", b"b"), (b"c", b"d")]),
        (b"a\rb\r\nc\n", [(b"a",), (b"b",), (b"c",)]),
        (b"\n\r\n\r", [(), (), ()]),
        (b'""\n', [(b"",)]),
        (b",\n", [(b"", b"")]),
        (b'"a""b","c\r\nd"\n', [(b'a"b', b"c\r\nd")]),
        (b'"a,b"', [(b"a,b",)]),
        (b' "a"\nb\n', [None, (b"b",)]),
    ],
)
def test_cells(data: bytes, cells: list[tuple[bytes, ...] | None]) -> None:
    assert [record.cells for record in read_exact(data, COMMA)] == cells


@pytest.mark.parametrize(
    ("data", "kinds"),
    [
        (b'a"b,c\nd,e\n', [QUOTE, None]),
        (b'"a"b,c\nd,e\n', [QUOTE, None]),
        (b'"a,b\nc,d\n', [UNCLOSED, None]),
        # The violation is seen on the second line, and the second line breaks the rule by itself.
        (b'"a\nb"c\nd\n', [UNCLOSED, QUOTE, None]),
        (b"123456789\nd\n", [TOO_LONG, None]),
        (b"12345678\nd\n", [None, None]),
        # Over the limit only because of a quoted line end: the line by itself leaves a cell open.
        (b'"12345\n789"\nd\n', [UNCLOSED, QUOTE, None]),
        (b'12345678"\n', [QUOTE]),
        (b'123456789"\n', [TOO_LONG]),
    ],
)
def test_a_violation_costs_one_physical_line(data: bytes, kinds: list[BrokenKind | None]) -> None:
    records = list(read_exact(data, COMMA, limits=Limits(max_record_bytes=8)))
    assert [record.broken for record in records] == kinds
    assert [record.line for record in records] == list(range(len(kinds)))


def test_a_cr_at_the_end_of_unfinished_data_is_undecided() -> None:
    assert [record.end for record in read_exact(b"a\nb\r", COMMA, final=False)] == [2]
    assert [record.end for record in read_exact(b"a\nb\r", COMMA, final=True)] == [2, 4]
    assert [record.end for record in read_exact(b"a\nb\r\n", COMMA, final=False)] == [2, 5]


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
ROWS = st.lists(st.lists(CELLS, min_size=2, max_size=4), max_size=6)


@given(
    rows=ROWS,
    delimiter=st.sampled_from(",;\t|"),
    line_end=st.sampled_from(["\n", "\r\n", "\r"]),
    quote_all=st.booleans(),
)
def test_reads_what_the_csv_module_writes(
    rows: list[list[str]], delimiter: str, line_end: str, quote_all: bool
) -> None:
    out = io.StringIO()
    if not quote_all:
        line_end = "\r\n"  # the writer quotes only what could be its own line end
    writer = csv.writer(
        out,
        delimiter=delimiter,
        lineterminator=line_end,
        quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL,
    )
    writer.writerows(rows)
    records = read_exact(out.getvalue().encode(), Dialect(delimiter))
    assert [record.cells for record in records] == [tuple(cell.encode() for cell in row) for row in rows]
