"""Reads the head of a table's text: its columns, and where the records begin."""

from __future__ import annotations

from dataclasses import dataclass

from ingestor.tabular.files.formats import fast_dialect
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.records.header import PLAIN_HEADER, HeaderShape, column_names, read_header
from ingestor.tabular.records.syntax import EXTRA_COLUMNS, Dialect


@dataclass(frozen=True, slots=True)
class TableHead:
    """`labels` are those of the header, `columns` the names of the columns (distinct; "" for one that is not
    read). The records begin at `byte_end`, after `line_count` lines."""

    labels: tuple[str, ...]
    columns: tuple[str, ...]
    dialect: Dialect
    byte_end: int
    line_count: int


def read_table_head(head: bytes, final: bool, options: ReadOptions, normal_form: bool) -> TableHead | None:
    """Read the head from the beginning of a file; None when more bytes are needed (never if `final`).

    Raises HeaderError.
    """
    dialect, shape = Dialect(), PLAIN_HEADER
    if not normal_form:
        dialect = fast_dialect(options)
        shape = HeaderShape.of(options)
    header = read_header(head, dialect, final, shape=shape)
    if header is None:
        return None
    labels = header.columns[len(EXTRA_COLUMNS) :] if normal_form else header.columns
    columns = column_names(labels, options.duplicate_columns, options.blank_columns)
    return TableHead(labels, columns, dialect, header.byte_end, header.line_count)
