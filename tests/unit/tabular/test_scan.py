"""The vectorised scan says what the exact reader says, and does so in time."""

from __future__ import annotations

import time
from unittest.mock import patch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ingestor.tabular.limits import Limits
from ingestor.tabular.records import scan as scan_module
from ingestor.tabular.records.exact import read_exact
from ingestor.tabular.records.scan import scan_records
from ingestor.tabular.records.syntax import BrokenKind, Dialect
from tests.unit.tabular.tables import COMMA, limits, tables


@given(data=tables, final=st.booleans(), limits=limits, window=st.sampled_from([1, 2, 5, 16, 1000]))
@example(data=b'"\n",,a"\n\r",aa,a,\n\r', final=False, limits=Limits(8), window=1000)
@example(data=b'"\n"', final=True, limits=Limits(3), window=1)
@example(data=b"", final=True, limits=Limits(3), window=1)
def test_agrees_with_the_exact_reader(data: bytes, final: bool, limits: Limits, window: int) -> None:
    with patch.object(scan_module, "_WINDOW_BYTES", window):
        scan = scan_records(data, COMMA, final=final, limits=limits)
    exact = list(read_exact(data, COMMA, final=final, limits=limits))
    assert scan.count == len(exact)
    assert scan.starts.tolist() == [record.start for record in exact]
    assert scan.ends.tolist() == [record.end for record in exact]
    assert scan.lines.tolist() == [record.line for record in exact]
    assert scan.broken.tolist() == [index for index, record in enumerate(exact) if record.broken]
    assert scan.broken_kind.tolist() == [int(record.broken) for record in exact if record.broken]
    assert scan.blank.tolist() == [index for index, record in enumerate(exact) if record.blank]
    assert scan.consumed == (exact[-1].end if exact else 0)
    consumed = data[: scan.consumed]
    ended = consumed.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    assert scan.line_count == len(ended.splitlines())


@given(data=tables, limits=limits)
def test_data_cut_between_records_give_the_same_records(data: bytes, limits: Limits) -> None:
    whole = scan_records(data, COMMA, final=True, limits=limits)
    kinds = dict(zip(whole.broken.tolist(), whole.broken_kind.tolist(), strict=True))
    for first in range(whole.count):
        for stop in range(first + 1, whole.count + 1):
            start, end = whole.starts[first], whole.ends[stop - 1]
            part = scan_records(data[start:end], COMMA, final=True, limits=limits)
            assert (part.ends + start).tolist() == whole.ends[first:stop].tolist()
            assert (part.lines + whole.lines[first]).tolist() == whole.lines[first:stop].tolist()
            assert {
                index + first: kind
                for index, kind in zip(part.broken.tolist(), part.broken_kind.tolist(), strict=True)
            } == {index: kind for index, kind in kinds.items() if first <= index < stop}


def test_pieces_and_windows_of_the_usual_size_join_without_a_seam() -> None:
    rows = [f'{number},"a,\r\n""{"x" * (number % 90)}",{number}\r\n'.encode() for number in range(60_000)]
    data = b"".join(rows)
    assert len(data) > 3 * scan_module._WINDOW_BYTES
    scan = scan_records(data, COMMA, final=False)
    assert (scan.ends - scan.starts).tolist() == [len(row) for row in rows]
    assert scan.lines.tolist() == list(range(0, 120_000, 2))
    assert (scan.consumed, scan.line_count) == (len(data), 120_000)


@pytest.mark.parametrize("row", [b"1,abc,2024-01-02,some text\n", b'"1","abc","2024-01-02","some text"\n'])
def test_an_unclosed_quote_costs_one_record(row: bytes) -> None:
    data = row * 9 + b'"' + row + row * 50_000
    scan = scan_records(data, COMMA, final=True)
    assert scan.broken.tolist()[0] == 9
    assert scan.count == 50_010
    assert scan.broken.size == 1


def test_time_is_linear_however_often_the_rule_is_broken() -> None:
    # A scan that began anew after each violation would take minutes.
    bad = b'1,a"b,c\n' * 20_000 + b'"1,a,b\n1,a,b\n' * 20_000
    began = time.process_time()
    scan = scan_records(bad, COMMA, final=True)
    assert time.process_time() - began < 10
    assert scan.count >= 40_000
    assert BrokenKind.QUOTE in scan.broken_kind


def test_other_dialects() -> None:
    scan = scan_records(b"'a;b\n';c\nd\"e;f\n", Dialect(";", "'"), final=True)
    assert (scan.ends.tolist(), scan.broken.tolist()) == ([9, 15], [])
