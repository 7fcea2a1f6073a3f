"""Splits corrected texts: a report has the text of a record that could not be split, in _value."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from ingestor.outcomes import MAX_VALUE_CHARACTERS
from ingestor.reports import OriginalTable, reason_column, unguard
from ingestor.tabular.parsers.csv import read_csv_slice
from ingestor.tabular.records.syntax import Dialect

# Codes of records that could not be split.
_UNSPLIT = frozenset({"quote-error", "missing-cell", "extra-cell", "encoding-error"})
# How a report shows bytes that are no text.
_BYTE = re.compile(r"\\x[0-9A-Fa-f]{2}")


@dataclass(frozen=True, slots=True)
class SplitText:
    """A text by its position in a block: its cells, or the code and message of the reason why it still cannot
    be split."""

    position: int
    text: str
    cells: tuple[str, ...] = ()
    problem: tuple[str, str] | None = None


def split_texts(
    labels: Sequence[str],
    column: Callable[[str], pa.StringArray],
    blank: Sequence[int],
    table: OriginalTable,
) -> Iterator[SplitText]:
    """The texts of those rows at the positions `blank` (their cells are empty) that stand for records which
    could not be split. `column` gives a column of the report, whose `labels` may lack some."""
    code, field, value = (reason_column(name, table.columns) for name in ("_code", "_field", "_value"))
    if not table.delimiter or not blank or code not in labels or value not in labels:
        return
    codes, values = column(code), column(value)
    fields = column(field) if field in labels else None
    for position in blank:
        text = unguard(values[position].as_py() or "")
        found = codes[position].as_py() or ""
        if not text or found not in _UNSPLIT or (fields is not None and fields[position].as_py()):
            continue
        if found != "encoding-error" or not _BYTE.search(text):
            yield _split(position, text, table)


def _split(position: int, text: str, table: OriginalTable) -> SplitText:
    if len(text) >= MAX_VALUE_CHARACTERS:
        message = "The text in _value is only the beginning of the record; fill its cells in."
        return SplitText(position, text, problem=("cell-cut", message))
    if not any(mark in text for mark in (table.quote, "\r", "\n", "\0")):
        cells = text.split(table.delimiter)
        if len(cells) == len(table.columns):
            return SplitText(position, text, tuple(cells))
    dialect = Dialect(table.delimiter, table.quote)
    found = read_csv_slice(text.encode() + b"\n", len(table.columns), dialect)
    if found.rejected:
        error = found.rejected[0].errors[0]
        return SplitText(position, text, problem=(error.code, error.message))
    if len(found.row_index) != 1:
        message = f"The text in _value is {len(found.row_index)} records, not one."
        return SplitText(position, text, problem=("extra-cell", message))
    return SplitText(position, text, tuple(cells[0].as_py() or "" for cells in found.columns))
