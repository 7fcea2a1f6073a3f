"""Ranges and rows with records of their own make every row once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingestor.outcomes import RowError
from ingestor.services.status.processes import RowState
from ingestor.services.status.reports.row_table import EMPTY, table_of
from ingestor.services.status.reports.selection import MOST_OPENED, ReportRows, opened
from ingestor.services.status.rows import Row, RowRange

ERROR = RowError("batch-error", "", "", "No.", "load")
DEFAULTS = [RowState.SUCCEEDED, RowState.FAILED, RowState.UNPROCESSED, RowState.QUEUED]


@given(
    st.lists(st.tuples(st.integers(1, 6), st.sampled_from(DEFAULTS)), max_size=6),
    st.dictionaries(st.integers(1, 36), st.sampled_from([RowState.FAILED, RowState.SKIPPED])),
    st.sampled_from(ReportRows),
    st.data(),
)
def test_a_row_is_told_once_in_its_state(
    batches: list[tuple[int, RowState]],
    exceptions: dict[int, RowState],
    selection: ReportRows,
    data: st.DataObject,
) -> None:
    states: dict[int, RowState] = {}
    ranges = []
    for number, (size, state) in enumerate(batches, 1):
        first = len(states) + 1
        ranges.append(RowRange(first, first + size - 1, number, state, ERROR))
        states |= dict.fromkeys(range(first, first + size), state)
    own = [
        Row(number, number + 1, 0, state, (), ("x",))
        for number, state in sorted(exceptions.items())
        if number <= len(states)
    ]
    states |= {row.row_number: row.state for row in own}
    wanted = selection.states
    # The pages of a reader may end anywhere, and so may what is opened at a time.
    place = data.draw(st.integers(0, len(states)))
    most = data.draw(st.sampled_from([1, 2, 100]))
    found = [
        row
        for after, upto in ((0, place), (place, len(states)))
        for table in opened(
            [r for r in ranges if r.state in wanted],
            table_of([row for row in own if after < row.row_number <= upto]),
            wanted, after, upto, most,
        )
        for row in table.rows()
    ]  # fmt: skip
    assert [(row.row_number, row.state) for row in found] == [
        (number, state) for number, state in sorted(states.items()) if state in wanted
    ]
    for row in found:
        is_own = row in own
        assert row.cells == (("x",) if is_own else ())
        assert row.errors == ((ERROR,) if row.state is RowState.FAILED and not is_own else ())


def test_a_range_of_a_hundred_million_rows_is_opened_as_it_is_read() -> None:
    whole = [RowRange(1, 10**8, 1, RowState.SUCCEEDED, None)]
    tables = opened(whole, EMPTY, {RowState.SUCCEEDED}, 0, 2**63 - 1)
    for first in (1, 1 + MOST_OPENED):
        assert next(tables).numbers == range(first, first + MOST_OPENED)
