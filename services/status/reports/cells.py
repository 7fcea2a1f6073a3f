"""A row of the ledger as a line of a table, for CSV and XLSX.

Columns: those of the file in their order, then _row,_line,(_state,)_code,_field,_value,_message. Several
errors of a row are joined by "; ". A row whose record could not be split leaves the file's columns empty
and has the record's text in _value. Without a number _row is empty.
"""

from __future__ import annotations

from ingestor.services.status.rows import Row


def cells(row: Row, width: int, *, with_state: bool) -> list[str]:
    """The cells of a row; `width` is the number of columns of the file."""
    made = list(row.cells) if len(row.cells) == width else [""] * width
    made += (str(row.row_number) if row.row_number else "", str(row.line_number) if row.line_number else "")
    if with_state:
        made.append(row.state.name)
    if len(row.errors) == 1:
        error = row.errors[0]
        made += (error.code, error.field, error.value, error.message)
    else:
        made += (
            "; ".join(error.code for error in row.errors),
            "; ".join(error.field for error in row.errors),
            "; ".join(error.value for error in row.errors),
            "; ".join(error.message for error in row.errors),
        )
    return made
