"""Slices depend on the file's bytes and the settings, not on how the bytes arrive."""

from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestor.tabular.limits import Limits
from ingestor.tabular.records.exact import read_exact
from ingestor.tabular.records.scan import scan_records
from ingestor.tabular.records.slices import RecordDelimiter, Slice, bytes_to_read, split
from ingestor.tabular.records.syntax import BrokenKind
from tests.unit.tabular.tables import COMMA, chunked, limits, reference_slices, tables, without_offsets

CUTS = st.lists(st.integers(0, 200), max_size=8)
SCAN_BYTES = st.sampled_from([1, 3, 10, 1000])


def feed_all(delimiter: RecordDelimiter, chunks: list[bytes]) -> list[Slice]:
    slices = [piece for chunk in chunks for piece in delimiter.feed(chunk)]
    return slices + delimiter.finish()


@given(
    data=tables,
    cuts=CUTS,
    limits=limits,
    target=st.integers(1, 100),
    max_rows=st.sampled_from([1, 2, 3, 100]),
    scan_bytes=SCAN_BYTES,
)
def test_any_chunks_give_the_reference_slices(
    data: bytes, cuts: list[int], limits: Limits, target: int, max_rows: int, scan_bytes: int
) -> None:
    target = min(target, limits.max_record_bytes)
    delimiter = RecordDelimiter(
        COMMA, target_slice_bytes=target, max_slice_rows=max_rows, scan_bytes=scan_bytes, limits=limits
    )
    slices = feed_all(delimiter, chunked(data, cuts))
    assert slices == reference_slices(data, target, max_rows, limits)


@given(data=tables, limits=limits, target=st.integers(1, 40))
def test_slices_hold_the_records_of_the_whole(data: bytes, limits: Limits, target: int) -> None:
    target = min(target, limits.max_record_bytes)
    slices = feed_all(RecordDelimiter(COMMA, target_slice_bytes=target, limits=limits), [data])
    records = [
        record
        for piece in slices
        for record in without_offsets(
            list(read_exact(piece.data, COMMA, limits=limits)), piece.first_line - 1
        )
    ]
    assert records == without_offsets(list(read_exact(data, COMMA, limits=limits)))
    assert [piece.byte_start for piece in slices] == [0, *(piece.byte_end for piece in slices)][:-1]
    assert sum(piece.byte_end - piece.byte_start for piece in slices) == len(data)


@given(data=tables, limits=limits, target=st.integers(1, 40), scan_bytes=SCAN_BYTES)
def test_a_delimiter_resumes_at_any_boundary(
    data: bytes, limits: Limits, target: int, scan_bytes: int
) -> None:
    target = min(target, limits.max_record_bytes)
    slices = feed_all(RecordDelimiter(COMMA, target_slice_bytes=target, limits=limits), [data])
    for number, piece in enumerate(slices[:-1], 1):
        resumed = RecordDelimiter(
            COMMA,
            target_slice_bytes=target,
            scan_bytes=scan_bytes,
            start_offset=piece.byte_end,
            first_row=piece.next_row,
            first_line=piece.next_line,
            limits=limits,
        )
        assert feed_all(resumed, [data[piece.byte_end :]]) == slices[number:]


@given(data=tables, targets=st.lists(st.integers(1, 60), min_size=2, max_size=4))
def test_row_and_line_numbers_do_not_depend_on_the_slice_size(data: bytes, targets: list[int]) -> None:
    numbered = []
    for target in targets:
        rows = {}
        for piece in feed_all(RecordDelimiter(COMMA, target_slice_bytes=target), [data]):
            scan = scan_records(piece.data, COMMA, final=True)
            assert scan.count == piece.row_count
            for index, (start, line) in enumerate(
                zip(scan.starts.tolist(), scan.lines.tolist(), strict=True)
            ):
                rows[piece.first_row + index] = (piece.byte_start + start, piece.first_line + line)
        assert list(rows) == list(range(1, len(rows) + 1))
        numbered.append(rows)
    assert all(rows == numbered[0] for rows in numbered)


@given(data=tables)
def test_split_halves_between_records(data: bytes) -> None:
    for piece in feed_all(RecordDelimiter(COMMA, target_slice_bytes=1000, start_offset=7), [data]):
        if piece.row_count == 1:
            with pytest.raises(ValueError, match="one record"):
                split(piece, COMMA)
            continue
        left, right = split(piece, COMMA)
        assert left.data + right.data == piece.data
        assert (left.first_row, left.first_line, left.byte_start) == (
            piece.first_row,
            piece.first_line,
            piece.byte_start,
        )
        assert (left.next_row, left.next_line, left.byte_end) == (
            right.first_row,
            right.first_line,
            right.byte_start,
        )
        assert (right.next_row, right.byte_end) == (piece.next_row, piece.byte_end)
        assert left.row_count >= 1 and right.row_count >= 1


def test_split_refuses_a_slice_of_other_records() -> None:
    with pytest.raises(ValueError, match="has 2 records, not 3"):
        split(Slice(b"a\nb\n", 1, 3, 1, 0, 4, 3), COMMA)


def test_real_sizes() -> None:
    rows = [f'{number},"say ""{number}""",{"x" * (number % 50)}\n'.encode() for number in range(100_000)]
    data = b"".join(rows)
    slices = feed_all(
        RecordDelimiter(COMMA, target_slice_bytes=500_000), chunked(data, range(0, len(data), 70_001))
    )
    assert b"".join(piece.data for piece in slices) == data
    assert sum(piece.row_count for piece in slices) == len(rows)
    for piece in slices[:-1]:
        # One more record would not have fitted.
        assert len(piece.data) <= 500_000 < len(piece.data) + len(rows[piece.next_row - 1])
        assert data[: piece.byte_end].count(b"\n") == piece.next_line - 1


def test_an_unclosed_quote_at_row_10_holds_no_more_than_one_record_limit() -> None:
    limits = Limits(max_record_bytes=1_000_000)
    row = b"1,abc,2024-01-02,some text\n"
    chunk = row * 3000
    delimiter = RecordDelimiter(COMMA, target_slice_bytes=100_000, limits=limits)
    rows = lost = 0
    tracemalloc.start()
    for number in range(200):
        piece = row * 9 + b'"' + row + chunk if number == 0 else chunk
        for made in delimiter.feed(piece):
            rows += made.row_count
            lost += scan_records(made.data, COMMA, final=True, limits=limits).broken.size
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    for made in delimiter.finish():
        rows += made.row_count
    assert (rows, lost) == (600_010, 1)
    assert peak < 8_000_000  # of 16 MB


def test_a_ten_mebibyte_cell_is_one_slice() -> None:
    cell = b'"' + b"line\r\n" * (10 * 1024 * 1024 // 6) + b'"'
    data = b"1,a\n" + b"2," + cell + b"\n" + b"3,c\n"
    slices = feed_all(RecordDelimiter(COMMA), chunked(data, range(0, len(data), 1_000_000)))
    assert [piece.row_count for piece in slices] == [1, 1, 1]
    assert slices[1].data == b"2," + cell + b"\n"
    assert slices[2].first_line == slices[1].next_line == 3 + cell.count(b"\n")


@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n"])
@pytest.mark.parametrize("chunk_bytes", [1, 7, 64, 10_000])
def test_of_a_line_over_the_limit_only_the_beginning_is_kept(line_end: bytes, chunk_bytes: int) -> None:
    limits = Limits(max_record_bytes=50)
    data = b"a,b" + line_end + b"x" * 5000 + line_end + b"c,d" + line_end
    delimiter = RecordDelimiter(COMMA, target_slice_bytes=50, scan_bytes=16, limits=limits)
    before, long, after = feed_all(delimiter, chunked(data, range(0, len(data), chunk_bytes)))
    assert before.data == b"a,b" + line_end
    assert long == Slice(b"x" * 51, 2, 1, 2, len(before.data), len(before.data) + 5000 + len(line_end), 3)
    assert after.data == b"c,d" + line_end
    assert (after.first_row, after.first_line) == (3, 3)
    scan = scan_records(long.data, COMMA, final=True, limits=limits)
    assert (scan.count, scan.broken_kind.tolist()) == (1, [BrokenKind.TOO_LONG])
    # Read from the stored file, it is the same single record.
    size = bytes_to_read(long.byte_start, long.byte_end, long.row_count, limits)
    assert size <= 52
    again = scan_records(data[long.byte_start :][:size], COMMA, final=True, limits=limits)
    assert (again.count, again.broken_kind.tolist()) == (1, [BrokenKind.TOO_LONG])
    assert bytes_to_read(0, 1000, 2, limits) == 1000


def test_finish_is_the_end() -> None:
    delimiter = RecordDelimiter(COMMA)
    assert delimiter.feed(b"a") == []
    assert [piece.data for piece in delimiter.finish()] == [b"a"]
    with pytest.raises(ValueError, match="finished"):
        delimiter.feed(b"b")
    with pytest.raises(ValueError, match="finished"):
        delimiter.finish()


@pytest.mark.parametrize(
    "settings",
    [
        {"target_slice_bytes": 17 * 1024 * 1024},
        {"target_slice_bytes": 0},
        {"max_slice_rows": 0},
        {"start_offset": -1},
        {"first_row": 0},
        {"first_line": 0},
    ],
)
def test_senseless_settings_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        RecordDelimiter(COMMA, **settings)
