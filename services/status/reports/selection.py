"""Selects the rows of a report, merging ranges with rows that have own records."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterator, Sequence
from enum import Enum
from operator import attrgetter

from ingestor.services.status.processes import RowState
from ingestor.services.status.reports.row_table import RowTable, merged, without_records
from ingestor.services.status.rows import RowRange

MOST_OPENED = 4_000


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
    ranges: Sequence[RowRange],
    own: RowTable,
    states: Collection[RowState],
    after: int,
    upto: int,
    most: int = MOST_OPENED,
) -> Iterator[RowTable]:
    """The rows in `states` after row `after` and up to `upto`, by number; of a range `most` at a time.

    `ranges` are in one of the states; `own` are all rows between the two numbers that have own records. Both
    are sorted. A row's own record takes precedence over its range.
    """
    wanted = own.in_states(states)
    begun = after  # what comes up to here is told
    at = bisect_left(ranges, after + 1, key=attrgetter("last_row"))
    for found in ranges[at:]:
        if found.first_row > upto:
            break
        last = min(found.last_row, upto)
        for first in range(max(found.first_row, after + 1), last + 1, most):
            if first - 1 > begun:
                yield from _if_any(wanted.between(begun, first - 1))
            begun = min(first + most - 1, last)
            numbers: Sequence[int] = range(first, begun + 1)
            if here := own.between(first - 1, begun).numbers:
                numbers = sorted({*numbers}.difference(here))
            error = found.error if found.state is RowState.FAILED else None
            plain = without_records(numbers, found.state, error, own.separator)
            yield from _if_any(merged(wanted.between(first - 1, begun), plain))
    yield from _if_any(wanted.between(begun, upto))


def _if_any(table: RowTable) -> Iterator[RowTable]:
    if len(table):
        yield table
