"""Finds the records of a table with numpy, by the rule of `exact.py`.

numpy finds the line ends and quotes. A line end ends a record when the number of quotes before it is
even. Strict quoting depends only on the neighbours of quotes: the first, third, ... quote must follow
a delimiter, a line end or another quote (it opens a cell, or is the second half of a doubled quote);
the second, fourth, ... must precede one of these. After a violation, counting starts anew on the next
physical line, so arrays prepared for both parities serve all the data.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from ingestor.tabular.limits import DEFAULT_LIMITS, Limits
from ingestor.tabular.records.syntax import CR, LF, BrokenKind, Dialect

Bytes = bytes | bytearray | memoryview
Int64Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class RecordScan:
    """The records of a piece of a table; offsets and lines count from the piece's start."""

    starts: Int64Array
    """Offset of each record's first byte, shape [count]."""
    ends: Int64Array
    """Offset just after each record, line end included, shape [count]."""
    lines: Int64Array
    """Physical line on which each record starts, from 0, shape [count]."""
    broken: Int64Array
    """Indices of the records that cannot be split into cells, ascending; each is one physical line."""
    broken_kind: npt.NDArray[np.uint8]
    """A BrokenKind for each of `broken`."""
    blank: Int64Array
    """Indices of the records with nothing before their line end, ascending."""
    consumed: int
    """Bytes that belong to these records; what follows is an incomplete record."""
    line_count: int
    """Physical lines in these bytes."""

    @property
    def count(self) -> int:
        """Number of records."""
        return len(self.starts)


def scan_records(
    data: Bytes,
    dialect: Dialect,
    *,
    final: bool,
    limits: Limits = DEFAULT_LIMITS,
    undecided_bytes: int = 0,
) -> RecordScan:
    """Find the records of `data`, which begins at the start of a record.

    Unless `final`, more data may follow: an incomplete record at the end is left out (`consumed` is where
    it starts), even when it is known to be broken but its line has not ended, or when its line ends with
    a CR that is the last byte (an LF may follow). A record is undecided for at most `max_record_bytes` + 2
    bytes, unless its first line is longer.

    `undecided_bytes`: an earlier scan of this many of the bytes found no whole record. It only saves time.

    Takes time and memory proportional to the data, however often the rule is broken.
    """
    view = memoryview(data)
    size = len(view)
    scans: list[RecordScan] = []
    offset = line = 0
    # Windows fit the CPU's cache; for a longer record the size doubles until it fits.
    window = max(_WINDOW_BYTES, 2 * undecided_bytes)
    while offset < size:
        last = offset + window >= size
        scan = _scan_window(view[offset : offset + window], dialect, final and last, limits.max_record_bytes)
        if scan.count:
            scans.append(_shifted(scan, offset, line))
            offset += scan.consumed
            line += scan.line_count
            window = _WINDOW_BYTES
        else:
            window *= 2
        if last:
            break
    return _joined(scans, offset, line)


def _scan_window(data: memoryview, dialect: Dialect, final: bool, max_bytes: int) -> RecordScan:
    """Scan one window; see scan_records."""
    marks = _Marks(np.frombuffer(data, np.uint8), dialect, final)
    if marks.size <= max_bytes and marks.violations(0).size == 0:
        line_of_end, broken_lines, kinds, consumed = _scan_clean(marks)
    else:
        line_of_end, broken_lines, kinds, consumed = _scan_strictly(marks, max_bytes)
    bounds = np.zeros(len(line_of_end) + 1, np.int64)
    np.take(marks.line_ends, line_of_end, out=bounds[1:], mode="clip")
    lines = np.zeros(len(line_of_end) + 1, np.int64)
    np.add(line_of_end, 1, out=lines[1:])
    line_count = int(lines[-1])
    if consumed > bounds[-1]:  # a last record without a line end
        bounds = np.append(bounds, consumed)
        line_count = len(marks.line_ends) + 1
    else:
        lines = lines[:-1]
    starts, ends = bounds[:-1], bounds[1:]
    return RecordScan(
        starts=starts,
        ends=ends,
        lines=lines,
        broken=np.searchsorted(lines, np.array(broken_lines, np.int64)).astype(np.int64, copy=False),
        broken_kind=np.array(kinds, np.uint8),
        blank=_blank(marks.bytes, starts, ends),
        consumed=consumed,
        line_count=line_count,
    )


def _shifted(scan: RecordScan, offset: int, line: int) -> RecordScan:
    """The same records, with `offset` added to their offsets and `line` to their lines."""
    if offset == 0:
        return scan
    return replace(scan, starts=scan.starts + offset, ends=scan.ends + offset, lines=scan.lines + line)


def _joined(scans: list[RecordScan], consumed: int, line_count: int) -> RecordScan:
    """All scans as one; indices continue from scan to scan."""
    if len(scans) == 1:
        return replace(scans[0], consumed=consumed, line_count=line_count)
    none = np.zeros(0, np.int64)
    before = np.cumsum([0, *(scan.count for scan in scans)]).tolist()

    def indices(name: Literal["broken", "blank"]) -> Int64Array:
        parts: list[Int64Array] = [
            getattr(scan, name) + base for scan, base in zip(scans, before, strict=False)
        ]
        return np.concatenate([none, *parts])

    return RecordScan(
        starts=np.concatenate([none, *(scan.starts for scan in scans)]),
        ends=np.concatenate([none, *(scan.ends for scan in scans)]),
        lines=np.concatenate([none, *(scan.lines for scan in scans)]),
        broken=indices("broken"),
        broken_kind=np.concatenate([none.astype(np.uint8), *(scan.broken_kind for scan in scans)]),
        blank=indices("blank"),
        consumed=consumed,
        line_count=line_count,
    )


_WINDOW_BYTES = 1024 * 1024
# numpy's masks of a piece of this size stay in the CPU's cache and reuse the same memory.
_PIECE_BYTES = 256 * 1024


class _Marks:
    """The positions of line ends and quotes, and what follows from them for either parity."""

    def __init__(self, data: npt.NDArray[np.uint8], dialect: Dialect, final: bool) -> None:
        self.bytes = data
        self.size = len(data)
        self.final = final
        undecided = not final and self.size > 0 and data[-1] == CR
        self.decided = self.size - 1 if undecided else self.size
        """Number of bytes without an undecided CR at the end."""
        self.quotes: Int64Array
        self.line_ends: Int64Array
        """Offset just after each decided line end."""
        self.line_ends, self.quotes = _find_marks(data, self.decided, ord(dialect.quote))
        self.quotes_before: Int64Array = np.searchsorted(self.quotes, self.line_ends)
        """Quotes before each line end."""
        self._neighbours = (ord(dialect.quote), ord(dialect.delimiter), LF, CR)
        self._violations: dict[int, Int64Array] = {}
        self._record_ends: dict[int, Int64Array] = {}

    def open_at_end(self, parity: int) -> bool:
        """Whether a quoted cell is open at the end of the data."""
        return len(self.quotes) & 1 != parity

    def content_length(self, start: int, end: int) -> int:
        """Length of the record data[start:end] without its line end."""
        if end > start and self.bytes[end - 1] in (LF, CR):
            end -= 2 if end - 2 >= start and self.bytes[end - 2] == CR and self.bytes[end - 1] == LF else 1
        return end - start

    def record_ends(self, parity: int) -> Int64Array:
        """Indices of the line ends that end a record, when the first quote counted has an index of this
        parity."""
        if parity not in self._record_ends:
            self._record_ends[parity] = np.flatnonzero((self.quotes_before & 1) == parity)
        return self._record_ends[parity]

    def violations(self, parity: int) -> Int64Array:
        """Offsets, ascending, of the bytes that break the quoting rule (a bare quote, or the byte after a
        closing one), when the first quote counted has an index of this parity."""
        if parity not in self._violations:
            opening, closing = self.quotes[parity::2], self.quotes[1 - parity :: 2]
            # The first and the last byte have no neighbour on one side.
            if opening.size and opening[0] == 0:
                opening = opening[1:]
            if closing.size and closing[-1] == self.size - 1:
                closing = closing[:-1]
            before, after = opening - 1, closing + 1
            bare = opening[self._illegal(before)]
            followed = after[self._illegal(after)]
            found = np.concatenate((bare, followed))
            found.sort()
            self._violations[parity] = found
        return self._violations[parity]

    def _illegal(self, offsets: Int64Array) -> Int64Array:
        """Indices of the offsets whose byte must not adjoin a quote on its outer side."""
        neighbours = self.bytes[offsets]
        illegal = neighbours != self._neighbours[0]
        for byte in self._neighbours[1:]:
            illegal &= neighbours != byte
        return np.flatnonzero(illegal)


def _find_marks(data: npt.NDArray[np.uint8], decided: int, quote: int) -> tuple[Int64Array, Int64Array]:
    """Offsets just after the line ends in data[:decided], and offsets of all quotes."""
    ends: list[Int64Array] = []
    quotes: list[Int64Array] = []
    mask, mask_cr = np.empty(_PIECE_BYTES, np.bool_), np.empty(_PIECE_BYTES, np.bool_)
    for offset in range(0, len(data), _PIECE_BYTES):
        piece = data[offset : offset + _PIECE_BYTES]
        hit, cr = mask[: len(piece)], mask_cr[: len(piece)]
        np.equal(piece, quote, out=hit)
        quotes.append(np.flatnonzero(hit) + offset)
        np.equal(piece, LF, out=hit)
        np.equal(piece, CR, out=cr)
        if cr.any():
            # A CR without an LF is a line end, too.
            after = offset + len(piece)
            if cr[-1] and (data[after] == LF if after < len(data) else decided < len(data)):
                cr[-1] = False
            cr[:-1] &= ~hit[1:]
            hit |= cr
        ends.append(np.flatnonzero(hit) + (offset + 1))
    if len(ends) == 1:
        return ends[0], quotes[0]
    nothing = np.zeros(0, np.int64)
    return np.concatenate([nothing, *ends]), np.concatenate([nothing, *quotes])


_Found = tuple[Int64Array, list[int], list[int], int]
"""Indices of the line ends that end records, lines and kinds of the broken records, bytes consumed."""


def _scan_clean(marks: _Marks) -> _Found:
    """Find records where nothing breaks the quoting rule or is too long: parity alone decides."""
    line_of_end = marks.record_ends(0)
    tail = int(marks.line_ends[line_of_end[-1]]) if line_of_end.size else 0
    if not marks.final or tail == marks.size:
        return line_of_end, [], [], tail
    if marks.quotes.size & 1:  # open at the end
        return _scan_strictly(marks, marks.size)
    return line_of_end, [], [], marks.size


def _scan_strictly(marks: _Marks, max_bytes: int) -> _Found:
    """Find records segment by segment: a segment begins at the start or after a broken record, and ends with
    its first broken record.

    The time stays linear: two records that are broken because they do not end start more than `max_bytes`
    apart (the second one's opening quote would have closed the first one's cell), so each such look-ahead is
    spread over as many bytes. The rest of a segment's work is binary search."""
    line_ends = marks.line_ends
    is_record_end = np.zeros(len(line_ends), np.bool_)
    broken_lines: list[int] = []
    kinds: list[int] = []
    line, start = 0, 0
    while True:
        parity = int(marks.quotes_before[line - 1]) & 1 if line else 0
        violation = _first_from(marks.violations(parity), start)
        record_ends = marks.record_ends(parity)
        first = int(record_ends.searchsorted(line))
        # Records that end before the violation are whole; the next one contains it.
        stop = len(record_ends)
        if violation is not None:
            stop = int(record_ends.searchsorted(line_ends.searchsorted(violation, side="right")))
        whole = record_ends[first:stop]
        too_long = _first_too_long(marks, start, line_ends[whole], max_bytes)
        whole = whole[:too_long]
        is_record_end[whole] = True
        if whole.size:
            line, start = int(whole[-1]) + 1, int(line_ends[whole[-1]])

        if violation is None and too_long is None:
            is_open = marks.open_at_end(parity)
            # An unquoted CR at the very end may turn out to end the record.
            size = marks.size if marks.final or is_open else marks.decided
            if size - start <= max_bytes and not (marks.final and is_open):
                consumed = marks.size if marks.final else start
                break
        # The record at `start` is broken: it is exactly its physical line.
        last = line == len(line_ends)
        if last and not marks.final:
            consumed = start
            break
        end = marks.size if last else int(line_ends[line])
        broken_lines.append(line)
        kinds.append(_kind(marks, start, end, violation, max_bytes))
        if last:
            consumed = end
            break
        is_record_end[line] = True
        line, start = line + 1, end
    return np.flatnonzero(is_record_end), broken_lines, kinds, consumed


def _first_from(offsets: Int64Array, start: int) -> int | None:
    """The first of the ascending `offsets` that is at least `start`."""
    index = int(offsets.searchsorted(start))
    return int(offsets[index]) if index < len(offsets) else None


def _first_too_long(marks: _Marks, start: int, ends: Int64Array, max_bytes: int) -> int | None:
    """Index of the first record over the limit, of those from `start` on that end at `ends`."""
    if ends.size == 0 or ends[-1] - start <= max_bytes:
        return None
    for index in np.flatnonzero(np.diff(ends, prepend=start) > max_bytes):
        record_start = int(ends[index - 1]) if index else start
        if marks.content_length(record_start, int(ends[index])) > max_bytes:
            return int(index)
    return None


def _kind(marks: _Marks, start: int, end: int, violation: int | None, max_bytes: int) -> BrokenKind:
    """Why the physical line [start, end) is a broken record, from its bytes alone."""
    if violation is not None and violation < end and violation - start <= max_bytes:
        return BrokenKind.QUOTE
    if marks.content_length(start, end) > max_bytes:
        return BrokenKind.TOO_LONG
    return BrokenKind.UNCLOSED


def _blank(data: npt.NDArray[np.uint8], starts: Int64Array, ends: Int64Array) -> Int64Array:
    """Indices of the records that consist only of a line end."""
    lengths = ends - starts
    short = np.flatnonzero(lengths <= 2)
    if short.size == 0:
        return short
    first, last = data[starts[short]], data[ends[short] - 1]
    one = (lengths[short] == 1) & ((first == LF) | (first == CR))
    # CR first and LF last: a CR alone would have ended the record after one byte.
    two = (lengths[short] == 2) & (first == CR) & (last == LF)
    blank: Int64Array = short[one | two]
    return blank
