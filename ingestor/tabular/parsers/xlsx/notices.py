"""What a person is told of how a sheet was read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ingestor.outcomes import Notice, quoted
from ingestor.tabular.files.formats import Guess
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.parsers.xlsx.layout import Layout
from ingestor.tabular.parsers.xlsx.numbers import number_text, parsed
from ingestor.tabular.parsers.xlsx.sheet import Row, Sheet, letters

HIDDEN_ROW = ("hidden-rows", "Rows that are hidden or filtered out in the sheet were read like the others.")
_LISTED = 20  # columns that a message names


def layout_notices(rows: Sequence[Row], layout: Layout, options: ReadOptions) -> Iterator[Notice]:
    """How the header was found, as far as it was not declared. `rows` begin at the top of the sheet."""
    above = [row for row in rows if options.skip_lines < row.number <= layout.skip_lines]
    if above:
        yield Notice(
            "lines-above-header",
            f"{_rows(above[0].number, above[-1].number)} above the header and was not read: "
            f'{_shown(above[0])}. To read on from the first row, declare "skipLines": 0.',
        )
    if not layout.header and options.header:
        yield Notice(
            "no-header",
            f"Row {rows[0].number} looks like the rows below it, so it was read as data and the columns have "
            'numbers for names. If it is the header, declare "header": true.',
        )
    if layout.header_rows > 1 and "header_rows" not in options.model_fields_set:
        yield Notice(
            "header-rows",
            f"The header has {layout.header_rows} rows, whose labels were joined. To read one row only, "
            'declare "headerRows": 1.',
        )


def layout_guesses(layout: Layout, options: ReadOptions) -> Iterator[Guess]:
    """The options that say the same as the layout, as far as they were not declared."""
    if layout.skip_lines > options.skip_lines:
        yield Guess(
            "skipLines", str(layout.skip_lines), 0.9, "The rows above have fewer cells than the table below."
        )
    if layout.header_rows > 1 and "header_rows" not in options.model_fields_set:
        yield Guess(
            "headerRows", str(layout.header_rows), 0.95, "The header has cells that are merged over several."
        )
    if not layout.header and options.header:
        yield Guess("header", "false", 0.8, "The first row has the same kinds of values as those below.")


def footer_found(rows: Sequence[Row]) -> tuple[str, str]:
    """Code and message of the notice of rows that were found below the table."""
    return (
        "footer-not-read",
        f"{_rows(rows[0].number, rows[-1].number)} below the table and was not loaded: {_shown(rows[0])}. "
        'To load every row, declare "skipFooter": 0.',
    )


def percents(label: str, text: str) -> Notice:
    """A column under a percent format; `text` is one of its numbers."""
    shown = number_text(str(parsed(text) * 100))
    return Notice(
        "percent-as-number",
        f"{label}: {shown} % is read as {text}, the number that is stored; a string gets what is shown.",
    )


def hidden_columns(sheet: Sheet) -> Notice | None:
    """The columns that the sheet hides, if any."""
    columns = sorted(set().union(*sheet.hidden_columns))
    if not columns:
        return None
    names = ", ".join(map(letters, columns[:_LISTED])) + (", ..." if len(columns) > _LISTED else "")
    return Notice("hidden-columns", f"Columns that the sheet hides are read like the others: {names}.")


def _rows(first: int, last: int) -> str:
    return f"Row {first} stands" if first == last else f"What is in the rows {first} to {last} stands"


def _shown(row: Row) -> str:
    return quoted(" ".join(row.cells[column] for column in sorted(row.cells)))
