"""Splits records by the rule in its simplest form: a state machine, one byte at a time.

Slow and exact: the oracle in tests of the fast scanner, and the fallback of the parsers.

The rule. A record begins at the start of a physical line (physical lines end at CR, LF or CR LF,
even inside quotes) and ends at the first line end outside quotes, or at the end of the data. It is
broken when a quote occurs inside an unquoted cell, when text follows a closing quote, when a quoted
cell is still open at the end of the data, or when it has not ended within `max_record_bytes` + 1
bytes. A broken record is exactly one physical line; the next record begins on the next line. So the
result for a record does not depend on what precedes it, and data cut between records give the same
records as the whole.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto

from ingestor.tabular.limits import DEFAULT_LIMITS, Limits
from ingestor.tabular.records.syntax import CR, LF, BrokenKind, Dialect


@dataclass(frozen=True, slots=True)
class ExactRecord:
    """One record: data[start:end], line end included."""

    start: int
    end: int
    line: int
    """Physical line on which it starts, from 0."""
    cells: tuple[bytes, ...] | None
    """Cells without their quotes; () for a blank record, None for a broken one."""
    broken: BrokenKind | None

    @property
    def blank(self) -> bool:
        """True when nothing precedes the line end."""
        return self.cells == ()


def read_exact(
    data: bytes, dialect: Dialect, *, final: bool = True, limits: Limits = DEFAULT_LIMITS
) -> Iterator[ExactRecord]:
    """The records of `data`, in order. Unless `final`, more data may follow: an incomplete record at the
    end is left out, as is one that ends with a CR at the very end (an LF may follow)."""
    start = line = 0
    while start < len(data):
        outcome = _split(data, start, dialect, final, limits.max_record_bytes)
        if outcome is None:
            return
        end, cells = outcome
        broken: BrokenKind | None = None
        if cells is None:
            line_end = _line_end(data, start, final)
            if line_end is None:
                return
            end = line_end
            broken = _kind(data[start:end], dialect, limits.max_record_bytes)
        yield ExactRecord(start, end, line, cells, broken)
        line += _count_lines(data[start:end])
        start = end


class _State(Enum):
    CELL_START = auto()
    UNQUOTED = auto()
    QUOTED = auto()
    QUOTE_IN_QUOTED = auto()


def _split(
    data: bytes, start: int, dialect: Dialect, final: bool, max_bytes: int
) -> tuple[int, tuple[bytes, ...] | None] | None:
    """End and cells of the record at `start`, without cells when it is broken; None when only more data can
    decide."""
    delimiter, quote = ord(dialect.delimiter), ord(dialect.quote)
    state, cells, cell = _State.CELL_START, list[bytes](), bytearray()
    for at in range(start, len(data)):
        byte = data[at]
        if byte in (CR, LF) and state is not _State.QUOTED:
            end = _terminator_end(data, at, final)
            if end is None:
                return None
            return end, (*cells, bytes(cell)) if at > start else ()
        if state is _State.QUOTED:
            if byte == quote:
                state = _State.QUOTE_IN_QUOTED
            else:
                cell.append(byte)
        elif byte == quote:
            if state is _State.UNQUOTED:
                return at, None
            if state is _State.QUOTE_IN_QUOTED:
                cell.append(byte)
            state = _State.QUOTED
        elif byte == delimiter:
            cells.append(bytes(cell))
            cell = bytearray()
            state = _State.CELL_START
        elif state is _State.QUOTE_IN_QUOTED:
            return at, None
        else:
            cell.append(byte)
            state = _State.UNQUOTED
        if at - start == max_bytes:
            return at, None
    if not final:
        return None
    if state is _State.QUOTED:
        return len(data), None
    return len(data), (*cells, bytes(cell))


def _terminator_end(data: bytes, at: int, final: bool) -> int | None:
    """Where the line end that begins at `at` ends; None when only more data can decide."""
    if data[at] == LF:
        return at + 1
    if at + 1 == len(data):
        return at + 1 if final else None
    return at + 2 if data[at + 1] == LF else at + 1


def _line_end(data: bytes, start: int, final: bool) -> int | None:
    """Where the physical line at `start` ends, line end included; None when only more data can decide."""
    for at in range(start, len(data)):
        if data[at] in (CR, LF):
            return _terminator_end(data, at, final)
    return len(data) if final else None


def _kind(line: bytes, dialect: Dialect, max_bytes: int) -> BrokenKind:
    """Why this physical line is a broken record, from its bytes alone."""
    content = line.rstrip(b"\r\n")
    outcome = _split(content[: max_bytes + 1], 0, dialect, True, max_bytes + 1)
    assert outcome is not None
    at, cells = outcome
    if cells is None and at <= max_bytes and at < len(content):
        return BrokenKind.QUOTE
    return BrokenKind.TOO_LONG if len(content) > max_bytes else BrokenKind.UNCLOSED


def _count_lines(data: bytes) -> int:
    return data.count(b"\n") + data.count(b"\r") - data.count(b"\r\n")
