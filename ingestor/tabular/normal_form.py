"""Writes and reads the normal form: what a table that is not plain CSV becomes before it is cut into batches.

It is CSV in UTF-8 with two extra columns in front: `_line`, the line of the original file on which the record
starts, and `_reject`, empty for a row. For a rejected record `_reject` holds a JSON array [state, code,
message, cells or null, text], and the columns of the table are null. For a row with notes of cells
it holds ["cells", [[column from 0, fault, shown], ...]]; a note without a fault and without what is shown
marks a word (see ingestor.tabular.words). Null is an empty cell without quotes; empty text is `""`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as compute
import pyarrow.csv as pacsv

from ingestor.outcomes import MAX_NOTICE_ROWS, UNREADABLE, Notice, RejectedRow, RejectedState
from ingestor.tabular.files.encodings import to_utf8
from ingestor.tabular.records.syntax import EXTRA_COLUMNS
from ingestor.tabular.text_table import CellNote, TextTable
from ingestor.tabular.words import marks_of

pc: Any = compute  # the stubs know too few of its overloads
Int64s = npt.NDArray[np.int64]
_CELLS = "cells"
_CELL_SIZE = 16  # what a cell counts at least in a block: its place in lists and columns takes memory, too
_OPTIONS = pacsv.WriteOptions(include_header=False, quoting_style="needed")


def header_line(columns: Sequence[str]) -> bytes:
    """The first line: the labels, those of the extra columns included."""
    return _write([pa.array([label], pa.string()) for label in (*EXTRA_COLUMNS, *columns)])


def block_lines(block: TextTable) -> bytes:
    """The lines of a block, in the order of its records. Rejects rows whose text PostgreSQL cannot store
    (bytes that are not UTF-8, NUL)."""
    if block.record_count == 0:
        return b""
    lines = _lines(block)
    return lines if _can_be_stored(lines) else _lines(text_only(block))


def _can_be_stored(lines: bytes) -> bool:
    """Whether PostgreSQL can store these lines as text, and so each cell: between cells there is ASCII."""
    if b"\0" in lines:
        return False
    whole: Any = pa.array([0, len(lines)], pa.int32()).buffers()[1]
    try:
        pa.StringArray.from_buffers(1, whole, pa.py_buffer(lines)).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def text_only(block: TextTable) -> TextTable:
    """Reject the rows whose text PostgreSQL cannot store."""
    bad = _bad_text(block)
    return _rejecting(block, bad) if bad.any() else block


def _bad_text(block: TextTable) -> npt.NDArray[np.bool_]:
    """True for each row with text that PostgreSQL cannot store; shape [rows of the block]."""
    bad = np.zeros(len(block.row_index), np.bool_)
    for column in block.columns:
        bad |= pc.fill_null(pc.match_substring(column, "\0"), False).to_numpy(zero_copy_only=False)
        try:
            column.validate(full=True)
        except pa.ArrowInvalid:
            for row, cell in enumerate(column.cast(pa.binary()).to_pylist()):
                bad[row] |= cell is not None and not _is_text(cell)
    return bad


def _is_text(cell: bytes) -> bool:
    try:
        cell.decode()
    except UnicodeDecodeError:
        return False
    return True


def _shown_cell(cell: bytes) -> str:
    """A cell as a report shows it."""
    shown = cell.decode(errors="backslashreplace").replace("\0", "\\x00")
    return shown if b"\0" not in cell and _is_text(cell) else shown + UNREADABLE


def _rejecting(block: TextTable, bad: npt.NDArray[np.bool_]) -> TextTable:
    rejected = []
    binary = [column.cast(pa.binary()) for column in block.columns]
    for row in np.flatnonzero(bad).tolist():
        found = [column[row].as_py() for column in binary]
        cells = tuple("" if cell is None else _shown_cell(cell) for cell in found)
        column = next(
            position for position, cell in enumerate(found)
            if cell is not None and (b"\0" in cell or not _is_text(cell))
        )  # fmt: skip
        message = f"The cell in column {column + 1} holds a NUL byte or bytes that are not UTF-8."
        rejected.append(
            RejectedRow.by_reader(
                block.row_number(row), block.line_number(row), "failed", "encoding-error", message, cells,
                cells[column],
            )
        )  # fmt: skip
    return block.rejecting(bad, rejected)


def _lines(block: TextTable) -> bytes:
    count = block.record_count
    if not block.rejected and not block.cell_notes and not block.words:
        return _write(
            [
                pa.array(block.line_index + block.first_line),
                pa.nulls(count, pa.string()),
                *block.columns,
            ]
        )
    lines = np.zeros(count, np.int64)
    lines[block.row_index] = block.line_index + block.first_line
    code, with_words = marks_of(block.words, count)
    marks = [None if not found else _as_json([_CELLS, _marks(found)]) for found in with_words]
    rejects: dict[int, str] = {}
    for record in block.rejected:
        (error,) = record.errors
        index = record.row_number - block.first_row
        lines[index] = record.line_number
        cells = [_shown_cell(to_utf8(cell)) for cell in record.cells] or None
        text = error.value.replace("\udcff", "\\xff")
        rejects[index] = _as_json([record.state, error.code, error.message, cells, text])
    rejected = {record.row_number - block.first_row for record in block.rejected}
    for index, notes in _by_row(block.cell_notes).items():
        if index not in rejected:
            rejects[index] = _as_json([_CELLS, notes + _marks(with_words[code[index]])])
    places: Any = pa.array(code)
    reject: Any = pa.array(marks, pa.string()).take(places)
    if rejects:
        chosen = np.zeros(count, np.bool_)
        chosen[list(rejects)] = True
        texts = pa.array([rejects[index] for index in sorted(rejects)], pa.string())
        reject = pc.replace_with_mask(reject, pa.array(chosen), texts)
    columns = block.columns
    if len(block.row_index) < count:
        # For each record its position among the block's rows; null for a rejected one.
        positions = np.full(count, -1, np.int64)
        positions[block.row_index] = np.arange(len(block.row_index))
        indices: Any = pa.array(positions, mask=positions < 0)
        columns = [column.take(indices) for column in columns]
    return _write([pa.array(lines), reject, *columns])


def _marks(columns: Iterable[int]) -> list[tuple[int, str, str]]:
    return [(column, "", "") for column in columns]


def _by_row(notes: Iterable[CellNote]) -> dict[int, list[tuple[int, str, str]]]:
    found: dict[int, list[tuple[int, str, str]]] = {}
    for note in notes:
        found.setdefault(note.row_index, []).append((note.column, note.fault, note.shown))
    return found


def _as_json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace").decode()


def _write(arrays: Sequence[Any]) -> bytes:
    sink = pa.BufferOutputStream()
    names = [str(position) for position in range(len(arrays))]
    pacsv.write_csv(pa.table(list(arrays), names=names), sink, _OPTIONS)
    return sink.getvalue().to_pybytes()


def from_normal_form(table: TextTable) -> TextTable:
    """The table in a slice of the normal form: `table` is the slice as text, all its columns, with nulls.

    Raises ValueError when it is malformed.
    """
    if len(table.columns) <= len(EXTRA_COLUMNS) or table.rejected:
        raise ValueError("the data are not in normal form")
    line, reject, *columns = table.columns
    lines = pc.cast(line, pa.int64()).to_numpy(zero_copy_only=False)
    line_index = lines - table.first_line
    if reject.null_count == len(reject):
        return replace(table, columns=columns, line_index=line_index)
    noted = pc.fill_null(pc.starts_with(reject, f'["{_CELLS}",'), False)
    is_row = pc.or_(pc.is_null(reject), noted)
    keep = is_row.to_numpy(zero_copy_only=False)
    notes, words = _notes(reject.filter(noted), table.row_index[noted.to_numpy(zero_copy_only=False)])
    rejected = []
    for position in np.flatnonzero(~keep).tolist():
        state, code, message, cells, text = json.loads(reject[position].as_py())
        rejected.append(
            RejectedRow.by_reader(
                table.row_number(position), int(lines[position]), state, code, message, tuple(cells or ()),
                text,
            )
        )  # fmt: skip
    return replace(
        table,
        columns=[column.filter(is_row) for column in columns],
        row_index=table.row_index[keep],
        line_index=line_index[keep],
        rejected=rejected,
        cell_notes=tuple(notes),
        words=words,
    )


def _notes(texts: pa.StringArray, rows: Int64s) -> tuple[list[CellNote], dict[int, Int64s]]:
    """The notes of cells and the words in the texts of rows. Where there are many words, few texts differ."""
    notes: list[CellNote] = []
    words: dict[int, list[Int64s]] = {}
    encoded: Any = texts.dictionary_encode()
    codes = encoded.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    ends = np.cumsum(np.bincount(codes, minlength=len(encoded.dictionary)))
    for of_code, text in zip(np.split(rows[order], ends[:-1]), encoded.dictionary.to_pylist(), strict=False):
        of_text: Int64s = of_code
        for column, fault, shown in json.loads(text)[1]:
            if fault or shown:
                notes += [CellNote(row, column, fault, shown) for row in of_text.tolist()]
            else:
                words.setdefault(column, []).append(of_text)
    notes.sort(key=lambda note: note.row_index)
    return notes, {column: np.sort(np.concatenate(found)) for column, found in words.items()}


class BlockBuilder:
    """Collects records into blocks, for parsers that read one record at a time."""

    def __init__(
        self, width: int, rows: int = 10_000, size: int = 8 * 2**20, notices: tuple[Notice, ...] = ()
    ) -> None:
        """A block is full at `rows` records or about `size` characters. The first one gets the `notices`."""
        self._notices = notices
        self._width = width
        self._row_size = width * _CELL_SIZE
        self._most_rows = rows
        self._most_size = size
        self._clear()

    def _clear(self) -> None:
        self._rows: list[Sequence[str | None]] = []
        self._index: list[int] = []
        self._lines: list[int] = []
        self._rejected: list[RejectedRow] = []
        self._cell_notes: list[CellNote] = []
        self._words: dict[int, list[int]] = {}
        self._noted: dict[tuple[str, str], list[int]] = {}
        self._count = self._size = 0

    def add(self, line_index: int, cells: Sequence[str | None], size: int, words: Iterable[int] = ()) -> None:
        """Add a row as wide as the table; `size` is its approximate number of characters, `words` are the
        columns with one (see ingestor.tabular.words)."""
        for column in words:
            self._words.setdefault(column, []).append(self._count)
        self._rows.append(cells)
        self._index.append(self._count)
        self._lines.append(line_index)
        self._count += 1
        self._size += max(size, self._row_size)

    def cell_note(self, column: int, *, fault: str = "", shown: str = "") -> None:
        """Say more of a cell of the row that was added last; see CellNote."""
        self._cell_notes.append(CellNote(self._count - 1, column, fault, shown))

    def note(self, code: str, message: str) -> None:
        """Add a notice about the last row."""
        self._noted.setdefault((code, message), []).append(self._count)

    def reject(self, line_index: int, code: str, message: str, text: str, cells: Iterable[str] = ()) -> None:
        """Add a failed record."""
        self._reject(line_index, "failed", code, message, text, cells)

    def skip(self, line_index: int, code: str, message: str, text: str) -> None:
        """Add a skipped record."""
        self._reject(line_index, "skipped", code, message, text, ())

    def _reject(
        self,
        line_index: int,
        state: RejectedState,
        code: str,
        message: str,
        text: str,
        cells: Iterable[str],
    ) -> None:
        kept = tuple(cells)
        self._rejected.append(
            RejectedRow.by_reader(self._count + 1, line_index + 1, state, code, message, kept, text)
        )
        self._count += 1
        self._size += len(text) + len(kept) * _CELL_SIZE

    @property
    def full(self) -> bool:
        """Whether `take` is due."""
        return self._count >= self._most_rows or self._size >= self._most_size

    @property
    def empty(self) -> bool:
        """Whether nothing was collected."""
        return self._count == 0

    def take(self) -> TextTable:
        """Return the collected block and start the next."""
        columns = list(zip(*self._rows, strict=True)) if self._rows else [()] * self._width
        block = TextTable(
            [text_column(column) for column in columns],
            np.array(self._index, np.int64),
            np.array(self._lines, np.int64),
            self._count,
            self._rejected,
            cell_notes=tuple(self._cell_notes),
            words={column: np.array(rows, np.int64) for column, rows in self._words.items()},
            notices=(
                *self._notices,
                *(
                    Notice(code, message, len(rows), tuple(rows[:MAX_NOTICE_ROWS]))
                    for (code, message), rows in self._noted.items()
                ),
            ),
        )
        self._notices = ()
        self._clear()
        return block


def text_column(cells: Sequence[str | None]) -> pa.StringArray:
    """A column of text; a lone surrogate becomes a byte that is not UTF-8."""
    try:
        return pa.array(cells, pa.string())
    except UnicodeEncodeError:
        packed = pa.array([None if cell is None else to_utf8(cell) for cell in cells], pa.binary())
        return pa.StringArray.from_buffers(len(packed), *_string_buffers(packed))


def _string_buffers(packed: Any) -> tuple[Any, Any, Any]:
    valid, offsets, data = packed.buffers()
    return offsets, data, valid
