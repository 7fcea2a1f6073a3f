"""The formula of docs/operations/cost.md."""

from __future__ import annotations

import pytest

from ingestor.services.status.costs import cost, units
from ingestor.stores.s3 import SEGMENT_BYTES

KIB = 2**10


@pytest.mark.parametrize(
    ("message_bytes", "billed"), [(0, 0), (1, 1), (64 * KIB, 1), (64 * KIB + 1, 2), (2**20, 16)]
)
def test_a_message_is_billed_by_64_kib(message_bytes: int, billed: int) -> None:
    assert units(message_bytes) == billed


def test_a_process_pays_for_each_message_and_each_segment_of_its_file() -> None:
    found = cost(rows=500_000, messages=10, message_units=160, file_bytes=20 * 2**20)
    assert (found.queue_requests, found.storage_writes, found.storage_reads) == (330, 10, 3)
    # 330 × 0.5 / 10⁶ + 10 × 5 / 10⁶ + 3 × 0.4 / 10⁶
    assert found.dollars == pytest.approx(0.0002162)
    assert found.dollars_per_million_rows == pytest.approx(0.0004324)


def test_segments_are_those_of_the_store() -> None:
    one, two = (cost(1, 1, 1, SEGMENT_BYTES + more) for more in (0, 1))
    assert (one.storage_reads, two.storage_reads) == (1, 2)


def test_nothing_is_divided_by_no_rows() -> None:
    assert cost(rows=0, messages=1, message_units=1, file_bytes=0).dollars_per_million_rows == 0
