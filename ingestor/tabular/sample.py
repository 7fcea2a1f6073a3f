"""The beginning of a table: what an inspection looks at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from ingestor.plugins import ParsedTable
from ingestor.tabular.containers import ExpansionLimits, expanded
from ingestor.tabular.convert import open_plan
from ingestor.tabular.encodings import transcode
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.formats import Plan, fast_dialect, parsers
from ingestor.tabular.header import HeaderError, HeaderShape, column_names, read_header
from ingestor.tabular.limits import DEFAULT_LIMITS
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.parsers.csv import read_csv_slice
from ingestor.tabular.scan import scan_records
from ingestor.tabular.slices import RecordDelimiter
from ingestor.tabular.text_table import RejectedRecord, TextTable

_BYTES = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Sample:
    """The first records of a table as columns of cells, and the records that would be rejected."""

    plan: Plan
    labels: tuple[str, ...]
    names: tuple[str, ...]  # of the columns; "" for one that is not read
    cells: list[list[str | None]]  # by column
    row_numbers: list[int]
    line_numbers: list[int]
    rejected: list[tuple[int, RejectedRecord]]  # with their row numbers
    record_count: int
    complete: bool  # the sample is the whole table


def read_sample(
    file: BinaryIO, size: int, name: str, options: ReadOptions, *, rows: int = 1000, whole: bool = True
) -> Sample:
    """Read up to about `rows` records of a file of `size` bytes; `whole` False: more of it may follow.

    Raises UnreadableFileError.
    """
    how = open_plan(file, size, name, options)
    if how.form == "normal":
        parser = next(found for found in parsers() if found.name == how.format)
        opened = expanded(file, how.compression, ExpansionLimits())
        with parser.open(opened, how.options, DEFAULT_LIMITS) as table:
            return _of_blocks(how, table, rows)
    return _of_text(how, file, rows, whole)


def _of_text(how: Plan, file: BinaryIO, rows: int, whole: bool) -> Sample:
    assert how.encoding is not None
    text = bytearray()
    ended = whole
    for piece in transcode(expanded(file, how.compression, ExpansionLimits()), how.encoding):
        text += piece
        if len(text) > _BYTES:
            ended = False
            break
    options = how.options
    shape = HeaderShape(options.skip_lines, options.header, options.header_rows, options.header_join)
    dialect = fast_dialect(options)
    try:
        header = read_header(bytes(text), dialect, ended, shape=shape)
        if header is None:
            raise UnreadableFileError("HEADER_UNREADABLE", "The header is not there yet.")
        names = column_names(header.columns, options.duplicate_columns, options.blank_columns)
    except HeaderError as error:
        raise UnreadableFileError(error.reason.value, error.message) from error
    body = bytes(text[header.byte_end :])
    if not ended:  # the last record may go on
        body = body[: scan_records(body, dialect, final=False).consumed]
    cutter = RecordDelimiter(dialect, max_slice_rows=max(rows, 1), first_line=header.line_count + 1)
    slices = cutter.feed(body) + cutter.finish()
    collected = _Collected(how, header.columns, names)
    if slices:
        first = slices[0]
        collected.add(read_csv_slice(first.data, len(names), dialect), first.first_line - 1)
    return collected.sample(complete=ended and len(slices) <= 1)


def _of_blocks(how: Plan, table: ParsedTable, rows: int) -> Sample:
    options = how.options
    try:
        names = column_names(table.columns, options.duplicate_columns, options.blank_columns)
    except HeaderError as error:
        raise UnreadableFileError(error.reason.value, error.message) from error
    collected = _Collected(how, tuple(table.columns), names)
    for block in table.blocks():
        if collected.count >= rows:
            return collected.sample(complete=False)
        collected.add(block, 0)
    return collected.sample(complete=True)


class _Collected:
    def __init__(self, how: Plan, labels: tuple[str, ...], names: tuple[str, ...]) -> None:
        self.count = 0
        self._made = Sample(how, labels, names, [[] for _ in names], [], [], [], 0, False)

    def add(self, table: TextTable, first_line: int) -> None:
        """Add records; `first_line` counts from 0."""
        made = self._made
        for cells, column in zip(made.cells, table.columns, strict=True):
            cells += column.to_pylist()
        made.row_numbers.extend((table.row_index + self.count + 1).tolist())
        made.line_numbers.extend((table.line_index + first_line + 1).tolist())
        made.rejected.extend((self.count + record.index + 1, record) for record in table.rejected)
        self.count += table.record_count

    def sample(self, *, complete: bool) -> Sample:
        """What was collected."""
        made = self._made
        return Sample(
            made.plan, made.labels, made.names, made.cells, made.row_numbers, made.line_numbers,
            made.rejected, self.count, complete,
        )  # fmt: skip
