"""Runs: neighbouring rows that failed or were skipped for the same reasons, as one object.

A file of blank lines has as many rejected rows as lines. A run keeps its first row whole, and of the others
only what differs from the row before: lines, cells, and values and messages of errors.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from ingestor.outcomes import RejectedRow, RowError

MAX_REST_BYTES = 2**15
"""About how many bytes the differences of a run may have, inflated: all of them are read to show one of its
rows. With more the run ends, and the next one begins."""
MAX_SCATTERED_ROWS = 10_000
"""Rows of a run some of which do not begin on the line after the row before."""

# Runs of earlier releases have up to 1 MiB, and JSON escapes a byte by up to 6.
_MOST_INFLATED = 8 * 2**20
_LONG = 512  # bytes; less is not worth the time
_AS_BEFORE = 0
_as_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class RejectedRun:
    """Neighbouring rows in the same state, whose errors have the same codes, fields and phases in the same
    order."""

    first: RejectedRow
    row_count: int
    """At least 2."""
    lines: tuple[int, ...] = ()
    """The line of each row; empty if each begins on the line after the row before."""
    rest: bytes = b""
    """How the rows differ besides: JSON, if it is long deflated (zlib); empty if they do not. An array of the
    cells, then of the value and the message of each error. Each is null or has an entry for each row after
    the first: 0 if it is as in the row before."""
    rest_size: int = 0
    """Bytes of `rest`, inflated."""

    @property
    def last_row(self) -> int:
        """Number of its last row."""
        return self.first.row_number + self.row_count - 1

    def check(self) -> None:
        """Raise ValueError when it is no run, or cannot be read."""
        if self.row_count < 2:
            raise ValueError("a run has at least two rows")
        if self.lines and len(self.lines) != self.row_count:
            raise ValueError(f"a run of {self.row_count} rows has {len(self.lines)} lines")
        self.columns()

    def rows(self, first: int = 0, last: int | None = None) -> Iterator[RejectedRow]:
        """Its rows from number `first` up to `last`, in order. Raises ValueError when it cannot be read."""
        begin, state, line = self.first.row_number, self.first.state, self.first.line_number
        last = self.last_row if last is None else min(last, self.last_row)
        cells, parts = self.columns()
        errors = self.first.errors
        same = not any(parts)
        for index in range(max(first - begin, 0), last - begin + 1):
            yield RejectedRow(
                begin + index,
                self.lines[index] if self.lines else line + index,
                state,
                errors if same else _errors(errors, parts, index),
                cells[index] if cells else self.first.cells,
            )

    def columns(self) -> tuple[list[tuple[str, ...]] | None, list[list[str] | None]]:
        """The cells of each row, and for the value and the message of each error those of each row; None
        where all are those of the first row. Raises ValueError when it cannot be read."""
        return self._columns(_rows)

    def joined_columns(self, separator: str) -> tuple[list[str], list[int], list[list[str] | None]]:
        """The cells of each row joined, how many they are, and the rest as `columns` has it."""
        first = self.first.cells
        try:
            if first and self.rest and (found := _joined(self._text(), separator)):
                texts, others = found
                if len(texts) == self.row_count - 1:
                    widths = [text.count(separator) + 1 for text in texts]
                    texts.insert(0, separator.join(first))
                    return texts, [len(first), *widths], self._parts(json.loads(others))
            rows, parts = self._columns(_lists)
            rows = rows or [first] * self.row_count
            return list(map(separator.join, rows)), list(map(len, rows)), parts
        except (zlib.error, ValueError, TypeError) as problem:
            raise _unreadable(problem) from problem

    def _columns(
        self, read: Callable[[list[object]], list[Any]]
    ) -> tuple[list[Any] | None, list[list[str] | None]]:
        if not self.rest:
            return None, [None] * (2 * len(self.first.errors))
        try:
            cells, *others = json.loads(self._text())
            return _filled(self.first.cells, cells, self.row_count, read), self._parts(others)
        except (zlib.error, ValueError, TypeError) as problem:
            raise _unreadable(problem) from problem

    def _text(self) -> bytes:
        text = _inflated(self.rest)
        if len(text) != self.rest_size:
            raise ValueError(f"they are not of {self.rest_size} bytes")
        return text

    def _parts(self, others: Sequence[object]) -> list[list[str] | None]:
        parts = [text for error in self.first.errors for text in (error.value, error.message)]
        return [
            _filled(part, found, self.row_count, _texts) for part, found in zip(parts, others, strict=True)
        ]


def _unreadable(problem: Exception) -> ValueError:
    return ValueError(f"the differences of a run cannot be read: {problem}")


def _joined(rest: bytes, separator: str) -> tuple[list[str], bytes] | None:
    """The cells of each row joined, and the JSON of the rest, without a look at each cell: that takes half of
    the time. None if it is not as simple as that.

    What is replaced and what is split at are pairs of neighbouring quotes. If all quotes but the first and
    the last are in such pairs, then each pair is the end of a text and the beginning of the next one."""
    end = rest.find(b'"]],', 4)
    cells = rest[4:end]
    between = separator.encode()
    if end < 0 or not rest.startswith(b'[[["') or b"\\" in cells or between in cells:
        return None
    joined = cells.replace(b'","', between).decode()
    rows = joined.split('"],["')
    if joined.count('"') != 2 * (len(rows) - 1):
        return None
    return rows, b"[" + rest[end + 4 :]


def _inflated(rest: bytes) -> bytes:
    """The JSON of what is perhaps deflated, which never begins with a bracket. Raises zlib.error, and
    ValueError when it is too long."""
    if rest.startswith(b"["):
        return rest
    inflater = zlib.decompressobj()
    text = inflater.decompress(rest, _MOST_INFLATED)
    if not inflater.eof:
        raise ValueError("they are too long, or cut off")
    return text


def _errors(
    errors: Sequence[RowError], parts: Sequence[list[str] | None], index: int
) -> tuple[RowError, ...]:  # fmt: skip
    return tuple(
        RowError(
            error.code,
            error.field,
            values[index] if values else error.value,
            messages[index] if messages else error.message,
            error.phase,
        )
        for error, values, messages in zip(errors, parts[::2], parts[1::2], strict=True)
    )


def _texts(found: list[Any]) -> list[str]:
    try:
        "".join(found)  # takes a tenth of the time of looking at each
    except TypeError:
        raise ValueError("a text is none") from None
    return found


def _rows(found: list[Any]) -> list[tuple[str, ...]]:
    return [tuple(_texts(cells)) for cells in _lists(found)]


def _lists(found: list[Any]) -> list[list[str]]:
    if not {*map(type, found)} <= {list}:
        raise ValueError("cells are no list")
    return found


def _filled(
    before: Any, found: object, count: int, read: Callable[[list[Any]], list[Any]]
) -> list[Any] | None:
    """The column of `count` rows that begins with `before`; None if all are like that."""
    if found is None:
        return None
    if not isinstance(found, list) or len(found) != count - 1:
        raise ValueError(f"a column is not of {count} rows")
    if _AS_BEFORE not in found:
        return [before, *read(found)]
    entries = iter(read([entry for entry in found if entry != _AS_BEFORE]))
    column = [before]
    for entry in found:
        if entry != _AS_BEFORE:
            before = next(entries)
        column.append(before)
    return column


def packed(rows: Iterable[RejectedRow]) -> tuple[list[RejectedRow], list[RejectedRun]]:
    """Rows, which are in order, as rows without such neighbours and as runs, both in order."""
    alone: list[RejectedRow] = []
    runs: list[RejectedRun] = []
    group: list[RejectedRow] = []
    size, scattered, same = 0, False, True

    def close() -> None:
        if len(group) == 1:
            alone.append(group[0])
        elif group:
            runs.append(_run(group, scattered=scattered))

    for row in rows:
        if group and _continues(group[-1], row) and (len(group) > 1 or _is_small(group[0])):
            more = _difference(group[-1], row)
            scatters = scattered or row.line_number != group[-1].line_number + 1
            # While all rows are the same, nothing is kept of them.
            alike = same and row.cells == group[-1].cells and row.errors == group[-1].errors
            fits = alike or size + more <= MAX_REST_BYTES
            if fits and (not scatters or len(group) < MAX_SCATTERED_ROWS):
                group.append(row)
                size += more
                scattered, same = scatters, alike
                continue
        close()
        group, size, scattered, same = [row], 0, False, True
    close()
    return alone, runs


def _is_small(row: RejectedRow) -> bool:
    """Whether a run may begin with the row: it is sent as it is."""
    return sum(map(_length, row.cells)) <= MAX_REST_BYTES


def _continues(before: RejectedRow, row: RejectedRow) -> bool:
    if row.row_number != before.row_number + 1 or row.state != before.state:
        return False
    errors, old_errors = row.errors, before.errors
    if len(errors) == 1 == len(old_errors):  # by far the most
        (new,), (old,) = errors, old_errors
        return new.code == old.code and new.field == old.field and new.phase == old.phase
    return len(errors) == len(old_errors) and all(
        new.code == old.code and new.field == old.field and new.phase == old.phase
        for new, old in zip(errors, old_errors, strict=True)
    )


def _difference(before: RejectedRow, row: RejectedRow) -> int:
    """About how many bytes a row adds to those of the row before it."""
    size = 2 if row.cells == before.cells else 3 + sum(map(_length, row.cells))
    if row.errors == before.errors:
        return size + 4 * len(row.errors)
    for new, old in zip(row.errors, before.errors, strict=True):
        size += 2 if new.value == old.value else _length(new.value)
        size += 2 if new.message == old.message else _length(new.message)
    return size


def _length(text: str) -> int:
    return 3 + (len(text) if text.isascii() else len(text.encode()))


def _run(rows: Sequence[RejectedRow], *, scattered: bool) -> RejectedRun:
    first = rows[0]
    columns: list[list[Any] | None] = [_changes([row.cells for row in rows])]
    for index in range(len(first.errors)):
        columns.append(_changes([row.errors[index].value for row in rows]))
        columns.append(_changes([row.errors[index].message for row in rows]))
    rest = _as_json(columns).encode() if any(columns) else b""
    return RejectedRun(
        first,
        len(rows),
        tuple([row.line_number for row in rows]) if scattered else (),
        zlib.compress(rest, 1) if len(rest) > _LONG else rest,
        len(rest),
    )


def _changes(column: Sequence[Any]) -> list[Any] | None:
    """What is not as in the row before; None if everything is."""
    found = [_AS_BEFORE if new == old else new for old, new in pairwise(column)]
    return found if any(entry != _AS_BEFORE for entry in found) else None
