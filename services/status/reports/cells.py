"""A row of the ledger as a line of a table, for CSV and XLSX.

Columns: those of the file in order, then _row,_line,(_state,)_code,_field,_value,_message. Several errors of
a row are joined by "; ". When the record could not be split, the file's columns are empty and _value holds
the record's text. _row is empty for a row without a number.
"""

from __future__ import annotations

from collections.abc import Sequence

from ingestor.services.status.reports.row_table import RowTable
from ingestor.services.status.rows import Row


def cells(row: Row, width: int, *, with_state: bool) -> list[str]:
    """The cells of a row; `width` is the number of columns of the file."""
    line = list(row.cells) if len(row.cells) == width else [""] * width
    line += (str(row.row_number) if row.row_number else "", str(row.line_number) if row.line_number else "")
    if with_state:
        line.append(row.state.name)
    if len(row.errors) == 1:
        error = row.errors[0]
        line += (error.code, error.field, error.value, error.message)
    else:
        line += (
            "; ".join(error.code for error in row.errors),
            "; ".join(error.field for error in row.errors),
            "; ".join(error.value for error in row.errors),
            "; ".join(error.message for error in row.errors),
        )
    return line


def file_columns(rows: RowTable, width: int) -> list[Sequence[str]]:
    """The file's columns, of which there are `width`."""
    if not width:
        return []
    texts = rows.separator.join(rows.cells_of(width)).split(rows.separator)
    return [texts[start::width] for start in range(width)]


def number_texts(numbers: Sequence[int]) -> list[str]:
    """The column of numbers of rows or lines."""
    if 0 in numbers:
        return [str(number) if number else "" for number in numbers]
    return list(map(str, numbers))


def reasons(rows: RowTable) -> Sequence[Sequence[str]]:
    """The columns of codes, fields, values and messages."""
    columns = [rows.codes, rows.fields, rows.values, rows.messages]
    if rows.have_one:
        return columns
    joined = [
        ["; ".join([error[part] for error in errors]) for part in range(len(columns))]
        if errors is not None
        else None
        for errors in rows.several
    ]
    return [
        [cell if found is None else found[part] for cell, found in zip(column, joined, strict=True)]
        for part, column in enumerate(columns)
    ]
