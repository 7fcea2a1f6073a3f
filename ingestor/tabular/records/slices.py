"""Cuts a table into slices, runs of whole records, as its bytes arrive in pieces of any size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ingestor.tabular.limits import DEFAULT_LIMITS, Limits
from ingestor.tabular.records.scan import Int64Array, scan_records
from ingestor.tabular.records.syntax import CR, LF, Dialect, line_end_size


@dataclass(frozen=True, slots=True)
class Slice:
    """Consecutive records of a file, as bytes of the file."""

    data: bytes
    """The bytes [byte_start, byte_end) of the file. A record whose line is longer than `max_record_bytes`
    is alone in its slice and cut to `max_record_bytes` + 1 bytes, enough to reject it as too long."""
    first_row: int
    """Row number of its first record; rows count from 1, with blank and broken records."""
    row_count: int
    """Number of records, at least 1."""
    first_line: int
    """Physical line on which its first record starts, from 1."""
    byte_start: int
    """Offset in the file of its first byte."""
    byte_end: int
    """Offset in the file just after its last byte."""
    next_line: int
    """Physical line on which the next record starts, if any."""

    @property
    def next_row(self) -> int:
        """Row number of the first record after it."""
        return self.first_row + self.row_count


def bytes_to_read(byte_start: int, byte_end: int, row_count: int, limits: Limits = DEFAULT_LIMITS) -> int:
    """How many bytes to read from `byte_start` to get the `data` of the slice with these bounds from the
    stored file. Bounds the memory for lines of any length."""
    size = byte_end - byte_start
    # Two bytes more, so that a record within the limit is read with its line end. A longer one may get a
    # byte more than in Slice.data; it is rejected all the same.
    return min(size, limits.max_record_bytes + 2) if row_count == 1 else size


class RecordDelimiter:
    """Delimits records and cuts slices.

    A slice starts where the one before ended and is the longest run of whole records of at most
    `target_slice_bytes` and `max_slice_rows`, but at least one record. So slices depend only on the file's
    bytes from `start_offset` on and these two numbers, never on the sizes of the pieces fed, and a delimiter
    that resumes at a slice's end, with its `next_row` and `next_line`, cuts the same slices. Holds at most
    one slice, one record (`max_record_bytes`) and the last piece in memory; of a longer line it keeps only
    the beginning. Scans wait for `scan_bytes` bytes, because each has a fixed cost of about 0.1 ms.

    Not thread-safe. Raises ValueError when `target_slice_bytes` is over `max_record_bytes`, or a number is
    below its minimum.
    """

    def __init__(
        self,
        dialect: Dialect,
        *,
        target_slice_bytes: int = 2_500_000,
        max_slice_rows: int = 100_000,
        scan_bytes: int = 1024 * 1024,
        start_offset: int = 0,
        first_row: int = 1,
        first_line: int = 1,
        limits: Limits = DEFAULT_LIMITS,
    ) -> None:
        if not 1 <= target_slice_bytes <= limits.max_record_bytes:
            raise ValueError("target_slice_bytes must be at least 1 and at most max_record_bytes")
        if min(max_slice_rows, scan_bytes) < 1 or start_offset < 0 or first_row < 1 or first_line < 1:
            raise ValueError("sizes, rows and lines must be at least 1, offsets at least 0")
        self._dialect = dialect
        self._target_bytes = target_slice_bytes
        self._max_rows = max_slice_rows
        self._limits = limits
        self._offset = start_offset
        self._row = first_row
        # The buffer begins with the next slice. Its first `_scanned` bytes are records whose ends (offsets in
        # the buffer) and first lines (line numbers of the file) are known.
        self._buffer = bytearray()
        self._scanned = 0
        self._scanned_line = first_line
        self._ends: list[Int64Array] = []
        self._lines: list[Int64Array] = []
        self._scan_bytes = scan_bytes
        self._next_scan = scan_bytes
        # How many of the bytes after those are known to hold no whole record.
        self._undecided = 0
        self._long_line: _LongLine | None = None
        self._finished = False

    def feed(self, chunk: bytes | bytearray | memoryview) -> list[Slice]:
        """Take the next bytes of the file; return the slices that they complete, in order.

        Raises ValueError after `finish`.
        """
        if self._finished:
            raise ValueError("the delimiter has finished")
        slices: list[Slice] = []
        rest = memoryview(chunk)
        while len(rest):
            if self._long_line is not None:
                rest = rest[self._long_line.take(rest) :]
                if not self._long_line.ended:
                    break
                slices.append(self._end_long_line(self._long_line))
                continue
            # Take a large piece in parts, to keep the buffer small.
            part = max(self._next_scan - (len(self._buffer) - self._scanned), 1)
            self._buffer += rest[:part]
            rest = rest[part:]
            if len(self._buffer) - self._scanned >= self._next_scan:
                self._scan(final=False)
                slices += self._cut(final=False)
                slices += self._begin_long_line()
        return slices

    def finish(self) -> list[Slice]:
        """End the file; return the remaining slices. Raises ValueError the second time."""
        if self._finished:
            raise ValueError("the delimiter has finished")
        self._finished = True
        if self._long_line is not None:
            return [self._end_long_line(self._long_line)]
        self._scan(final=True)
        return self._cut(final=True)

    def _scan(self, *, final: bool) -> None:
        with memoryview(self._buffer) as view, view[self._scanned :] as unscanned:
            scan = scan_records(
                unscanned,
                self._dialect,
                final=final,
                limits=self._limits,
                undecided_bytes=self._undecided,
            )
        if scan.count:
            self._ends.append(scan.ends + self._scanned)
            self._lines.append(scan.lines + self._scanned_line)
            self._scanned += scan.consumed
            self._scanned_line += scan.line_count
        # Scan an incomplete record again when twice as much of it has arrived, or enough to decide in any
        # case.
        self._undecided = len(self._buffer) - self._scanned
        self._next_scan = max(self._scan_bytes, min(2 * self._undecided, self._limits.max_record_bytes + 2))

    def _cut(self, *, final: bool) -> list[Slice]:
        """Cut slices off the buffer; unless `final`, only those that no further record could extend."""
        count = sum(map(len, self._ends))
        if count == 0 or not (final or self._scanned > self._target_bytes or count > self._max_rows):
            return []
        ends, lines = np.concatenate(self._ends), np.concatenate(self._lines)
        slices: list[Slice] = []
        record = start = 0
        while record < count:
            stop = int(ends.searchsorted(start + self._target_bytes, side="right"))
            stop = min(max(stop, record + 1), record + self._max_rows)
            full = ends[-1] - start > self._target_bytes or stop - record == self._max_rows
            if stop == count and not (final or full):
                break
            end = int(ends[stop - 1])
            next_line = int(lines[stop]) if stop < count else self._scanned_line
            slices.append(self._slice(start, end, stop - record, int(lines[record]), next_line))
            record, start = stop, end
        if start:
            del self._buffer[:start]
            self._offset += start
            self._scanned -= start
            self._ends, self._lines = [ends[record:] - start], [lines[record:]]
        return slices

    def _slice(self, start: int, end: int, row_count: int, line: int, next_line: int) -> Slice:
        """The buffer's bytes [start, end) as a slice."""
        size = self._kept(start, end) if row_count == 1 else end - start
        with memoryview(self._buffer) as view:
            data = bytes(view[start : start + size])
        cut = Slice(data, self._row, row_count, line, self._offset + start, self._offset + end, next_line)
        self._row += row_count
        return cut

    def _kept(self, start: int, end: int) -> int:
        """How many bytes of a single record [start, end) of the buffer a slice keeps."""
        max_bytes = self._limits.max_record_bytes
        if end - start <= max_bytes:
            return end - start
        content = end - start - line_end_size(self._buffer[max(start, end - 2) : end])
        return max_bytes + 1 if content > max_bytes else end - start

    def _begin_long_line(self) -> list[Slice]:
        """When the incomplete record is longer than any whole record can be, cut the slices before it, keep
        its beginning and skip the rest of its line as it arrives."""
        max_bytes = self._limits.max_record_bytes
        if len(self._buffer) - self._scanned < max_bytes + 2:
            return []
        slices = self._cut(final=True)  # such a line is alone in its slice
        line = _LongLine(bytes(self._buffer[: max_bytes + 1]))
        used = line.take(memoryview(self._buffer)[max_bytes + 1 :])
        assert max_bytes + 1 + used == len(self._buffer), "the scan would have found the line's end"
        self._buffer.clear()
        self._undecided = 0
        self._long_line = line
        return slices

    def _end_long_line(self, line: _LongLine) -> Slice:
        start = self._offset
        self._offset += line.size
        self._scanned_line += 1
        cut = Slice(line.head, self._row, 1, self._scanned_line - 1, start, self._offset, self._scanned_line)
        self._row += 1
        self._long_line = None
        self._next_scan = self._scan_bytes
        return cut


class _LongLine:
    """A line over the limit, of which only the beginning is kept."""

    def __init__(self, head: bytes) -> None:
        self.head = head
        self.size = len(head)
        """Bytes taken so far, line end included."""
        self.ended = False
        self._after_cr = False

    def take(self, piece: memoryview) -> int:
        """Take the next bytes; return how many of them belong to the line. Sets `ended` at its LF, or at the
        first byte after it."""
        if not len(piece):
            return 0
        if self._after_cr:
            self.ended = True
            used = 1 if piece[0] == LF else 0
        else:
            values = np.frombuffer(piece, np.uint8)
            line_ends = np.flatnonzero((values == LF) | (values == CR))
            used = int(line_ends[0]) + 1 if line_ends.size else len(piece)
            if line_ends.size:
                self._after_cr = piece[used - 1] == CR
                self.ended = not self._after_cr
                if self._after_cr and used < len(piece):
                    self.ended = True
                    used += piece[used] == LF
        self.size += used
        return used


def split(piece: Slice, dialect: Dialect, limits: Limits = DEFAULT_LIMITS) -> tuple[Slice, Slice]:
    """Split a slice at the record boundary nearest to its middle (of two equally near, the earlier).

    Raises ValueError when it has only one record, or when its data are not `row_count` records.
    """
    if piece.row_count < 2:
        raise ValueError("a slice of one record cannot be split")
    scan = scan_records(piece.data, dialect, final=True, limits=limits)
    if scan.count != piece.row_count:
        raise ValueError(f"the slice has {scan.count} records, not {piece.row_count}")
    # Only boundaries between records: the last end is the slice's own.
    at = int(np.argmin(np.abs(scan.ends[:-1] * 2 - len(piece.data))))
    cut, rows = int(scan.ends[at]), at + 1
    middle, line = piece.byte_start + cut, piece.first_line + int(scan.lines[rows])
    return (
        Slice(piece.data[:cut], piece.first_row, rows, piece.first_line, piece.byte_start, middle, line),
        Slice(
            piece.data[cut:],
            piece.first_row + rows,
            piece.row_count - rows,
            line,
            middle,
            piece.byte_end,
            piece.next_line,
        ),
    )
