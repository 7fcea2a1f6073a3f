"""Rejected rows go to status in requests of about 1 MiB."""

from __future__ import annotations

from itertools import chain

import pytest

from ingestor.outcomes import RejectedRow
from ingestor.reports import CUT
from ingestor.services.processor.adapters.grpc_status import _requests
from ingestor.wire import rejected_row

_MIB = 1024 * 1024


def _row(number: int, *cells: str) -> RejectedRow:
    return RejectedRow.by_reader(number, number + 1, "failed", "type-error", "no number", cells, "x")


@pytest.mark.parametrize(("rows", "characters", "requests"), [(0, 1, 0), (3, 10, 1), (5_000, 1_000, 5)])
def test_all_rows_are_sent(rows: int, characters: int, requests: int) -> None:
    sent = [_row(number, "a" * characters, "b") for number in range(1, rows + 1)]
    found = list(_requests(sent))
    assert len(found) == requests
    assert all(request.ByteSize() <= 2 * _MIB for request in found)
    assert [rejected_row(row) for row in chain.from_iterable(one.rows for one in found)] == sent


def test_a_row_that_is_larger_is_shortened() -> None:
    """It stands between others, which are sent as they are."""
    before, long, after = _row(1, "a", "b"), _row(2, "é" * _MIB, "b"), _row(3, "c", "d")
    found = [rejected_row(row) for one in _requests([before, long, after]) for row in one.rows]
    assert [found[0], found[2]] == [before, after]
    assert found[1].errors == long.errors
    assert found[1].cells[0].endswith(CUT) and found[1].cells[1] == "b"
    assert len(found[1].cells[0].encode()) < _MIB
