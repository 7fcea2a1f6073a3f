"""Runs of rejected rows: opened they are the rows again, and none is larger than it may be."""

from __future__ import annotations

import zlib
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingestor import runs
from ingestor.internal.v1 import ledger_pb2
from ingestor.outcomes import RejectedRow, RowError
from ingestor.runs import RejectedRun, packed
from ingestor.wire import rejected_run, run_message

TEXTS = st.sampled_from(["", "a", "b", 'ö"\\\n', "0"])
ERRORS = st.builds(
    RowError, st.sampled_from(["x", "y"]), st.sampled_from(["", "f"]), TEXTS, TEXTS,
    st.sampled_from(["parse", "load"]),
)  # fmt: skip
# What comes after a row: how many good rows and further lines are between, and a row, or the same one again.
ROWS = st.tuples(
    st.sampled_from([0, 0, 0, 0, 1, 7]),
    st.sampled_from([0, 0, 0, 1]),
    st.sampled_from(["failed", "skipped"]),
    st.lists(ERRORS, max_size=2).map(tuple),
    st.lists(TEXTS, max_size=2).map(tuple),
    st.integers(0, 3),
)


Drawn = list[tuple[int, int, str, tuple[RowError, ...], tuple[str, ...], int]]


def rows_of(
    drawn: Drawn,
) -> list[RejectedRow]:
    """The rows, in order; each comes as often again as drawn, with other values and messages."""
    found: list[RejectedRow] = []
    number = line = 1
    for good, lines, state, errors, cells, more in drawn:
        for again in range(more + 1):
            number += 1 + good * (not again)
            line += 1 + (good + lines) * (not again)
            changed = tuple(error._replace(value=error.value * again) for error in errors)
            found.append(RejectedRow(number, line, state, changed, cells[:again] or cells))  # type: ignore[arg-type]
    return found


def opened(alone: list[RejectedRow], found: list[RejectedRun]) -> list[RejectedRow]:
    """All rows, in order."""
    rows = [*alone, *(row for run in found for row in run.rows())]
    return sorted(rows, key=lambda row: row.row_number)


@pytest.mark.parametrize("small", [False, True])
@given(drawn=st.lists(ROWS, max_size=12))
def test_rows_come_back(drawn: Drawn, small: bool) -> None:
    rows = rows_of(drawn)
    with pytest.MonkeyPatch.context() as patch:
        if small:
            patch.setattr(runs, "MAX_REST_BYTES", 24)
            patch.setattr(runs, "MAX_SCATTERED_ROWS", 3)
        alone, found = packed(rows)
    assert opened(alone, found) == rows
    for run in found:
        run.check()
        assert list(run.rows(run.first.row_number + 1, run.last_row - 1)) == list(run.rows())[1:-1]
        sent = ledger_pb2.RejectedRun.FromString(run_message(run).SerializeToString())
        assert rejected_run(sent) == run


@given(drawn=st.lists(ROWS, max_size=12))
def test_no_two_neighbours_for_the_same_reasons_are_apart(
    drawn: Drawn,
) -> None:
    alone, found = packed(rows_of(drawn))
    spans = sorted([*((row, row) for row in alone), *((run.first, list(run.rows())[-1]) for run in found)],
                   key=lambda span: span[0].row_number)  # fmt: skip

    def reasons(row: RejectedRow) -> object:
        return row.state, [(error.code, error.field, error.phase) for error in row.errors]

    for (_, last), (first, _) in pairwise(spans):
        assert first.row_number > last.row_number + 1 or reasons(first) != reasons(last)


# What stands between the cells of a run, in cells.
BRACKETS = st.text(st.sampled_from(',[]"\\0\x7fé'), max_size=4)
CELLS = st.lists(BRACKETS | st.sampled_from(['","', "],[", "]],", ",", "]],[", "x"]), max_size=3).map(tuple)


@given(cells=st.lists(CELLS, min_size=2, max_size=8))
@example(cells=[("a", "b"), ("c", "d"), (",", "]],["), ("],[", "]],")])
@example(cells=[("",), ("]],", ",,")])
@example(cells=[("a",), ("],[",), (",",), ("b",)])
@example(cells=[("a", "b"), ("c",), ("d", "e", "f")])
def test_cells_are_joined_without_a_look_at_each(cells: list[tuple[str, ...]]) -> None:
    error = RowError("x", "f", "v", "m", "parse")
    rows = [RejectedRow(at, at, "failed", (error,), row) for at, row in enumerate(cells, 1)]
    _, [run] = packed(rows)
    for separator in ("\x7f", "\x7f01"):
        joined, widths, parts = run.joined_columns(separator)
        assert joined == [separator.join(row) for row in cells]
        assert widths == list(map(len, cells))
        assert parts == run.columns()[1]


def test_most_runs_are_joined_at_once() -> None:
    assert runs._joined('[[["a","b"],["c","é"]],null,["m"]]'.encode(), "\x7f") == (
        ["a\x7fb", "c\x7fé"],
        b'[null,["m"]]',
    )


def blank(count: int) -> list[RejectedRow]:
    """Blank records, one a line."""
    error = RowError("blank-row", "", "", "The record is blank.", "parse")
    return [RejectedRow(row, row + 1, "skipped", (error,), ()) for row in range(1, count + 1)]


def test_rows_that_differ_by_their_numbers_take_no_room() -> None:
    alone, [run] = packed(blank(100_000))
    assert (alone, run.row_count, run.lines, run.rest, run.rest_size) == ([], 100_000, (), b"", 0)


def test_what_a_run_holds_is_bounded() -> None:
    """Differences of 32 KiB, however long the texts; lines that are anywhere; and no wide row twice."""
    error = RowError("x", "", "v" * 1024, "m", "parse")
    wide = [RejectedRow(row, row + 1, "failed", (error,), (str(row) + "ä" * 1000,)) for row in range(1, 3001)]
    scattered = [row._replace(line_number=2 * row.row_number) for row in blank(25_000)]
    _, found = packed(wide)
    assert max(run.rest_size for run in found) <= runs.MAX_REST_BYTES
    assert 150 < len(found) < 250
    alone, found = packed(scattered)
    assert (alone, [run.row_count for run in found]) == ([], [10_000, 10_000, 5_000])
    huge = [row._replace(cells=("x" * 2_000_000,)) for row in blank(3)]
    assert packed(huge) == (huge, [])
    # The last of many values that are the same must not count for all of them.
    values = [row._replace(errors=(error,)) for row in blank(50_000)]
    values[-1] = values[-1]._replace(errors=(error._replace(value="w"),))
    [last], [run] = packed(values)
    assert (last, run.row_count, run.rest) == (values[-1], 49_999, b"")
    values[9] = values[9]._replace(errors=(error._replace(value="w"),))
    _, found = packed(values)
    assert max(run.rest_size for run in found) <= 2 * runs.MAX_REST_BYTES
    assert len(found) < 20


def broken(**changes: object) -> RejectedRun:
    """A run of two rows that differ in their cells, with something wrong."""
    first = RejectedRow(1, 2, "failed", (RowError("x", "f", "v", "m", "parse"),), ("a",))
    _, [run] = packed([first, first._replace(row_number=2, line_number=3, cells=("b",))])
    run.check()
    return replace(run, **changes)  # type: ignore[arg-type]


def deflated(text: bytes) -> dict[str, object]:
    """The differences of a run."""
    return {"rest": zlib.compress(text), "rest_size": len(text)}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"row_count": 1}, "at least two"),
        ({"lines": (2, 3, 4)}, "2 rows has 3 lines"),
        ({"rest": b"no"}, "cannot be read"),
        ({"rest_size": 7}, "not of 7 bytes"),
        (deflated(b"{"), "cannot be read"),
        (deflated(b"7"), "cannot be read"),
        (deflated(b"[null]"), "cannot be read"),
        (deflated(b'[[["b"],["c"]],null,null]'), "not of 2 rows"),
        (deflated(b'["b",null,null]'), "not of 2 rows"),
        (deflated(b"[[[1]],null,null]"), "a text is none"),
        (deflated(b'[["b"],null,null]'), "cells are no list"),
        (deflated(b"[null,[1],null]"), "a text is none"),
        ({"rest": b"[null]", "rest_size": 6}, "cannot be read"),
        (deflated(b" " * 9 * 2**20), "too long"),
    ],
)
def test_what_is_no_run_is_an_error(changes: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        broken(**changes).check()
