"""Opens a file as a table, and turns whatever its parser raises into one reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from ingestor.plugins import ParsedTable
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.failures import failures_told
from ingestor.tabular.files.formats import parsers
from ingestor.tabular.limits import Limits
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.parsers.json_values import is_kept


@contextmanager
def open_table(file: BinaryIO, name: str, options: ReadOptions, limits: Limits) -> Iterator[ParsedTable]:
    """The table that the parser `name` reads in an open file. Raises UnreadableFileError for all that goes
    wrong inside."""
    parser = next(found for found in parsers() if found.name == name)
    with failures_told(name), parser.open(file, options, limits) as table:
        for position, label in enumerate(table.columns):
            if not is_kept(label):
                what = "a character that PostgreSQL cannot keep"
                if "\udcff" in label:  # in place of such a byte
                    what = f"a byte that is not valid {options.encoding or 'utf-8'}; declare the encoding"
                raise UnreadableFileError(
                    "HEADER_UNREADABLE", f"The label of column {position + 1} holds {what}."
                )
        yield table
