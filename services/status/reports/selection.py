"""Selects the rows of a report, merging ranges with rows that have own records."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from enum import Enum
from heapq import merge
from operator import attrgetter

from ingestor.services.status.processes import RowState
from ingestor.services.status.rows import Row, RowRange


class ReportRows(Enum):
    """Selections of rows; the numbers are those of the contract."""

    REJECTED = 1
    FAILED = 2
    SKIPPED = 3
    SUCCEEDED = 4
    UNPROCESSED = 5
    ALL = 6

    @property
    def states(self) -> frozenset[RowState]:
        """The states that the selection includes."""
        if self is ReportRows.ALL:
            return frozenset(RowState)
        if self is ReportRows.REJECTED:
            return REJECTED
        return frozenset({RowState[self.name]})


REJECTED = frozenset({RowState.FAILED, RowState.SKIPPED})


def opened(
    ranges: Sequence[RowRange], own: Sequence[Row], states: Collection[RowState], after: int, upto: int
) -> Iterator[Row]:
    """The rows in `states` after row `after` and up to `upto`, by number, one at a time.

    `ranges` are in one of the states; `own` are all rows between the two numbers that have own records. Both
    are sorted. A row's own record takes precedence over its range.
    """
    numbers = {row.row_number for row in own}

    def plain() -> Iterator[Row]:
        at = bisect_left(ranges, after + 1, key=attrgetter("last_row"))
        for found in ranges[at:]:
            if found.first_row > upto:
                return
            errors = (found.error,) if found.error and found.state is RowState.FAILED else ()
            for number in range(max(found.first_row, after + 1), min(found.last_row, upto) + 1):
                if number not in numbers:
                    yield Row(number, 0, found.batch_number, found.state, errors, ())

    wanted = (row for row in own if row.state in states)
    return merge(wanted, plain(), key=attrgetter("row_number"))
