"""Finds the table in the rows at the top of a sheet: titles above the header, a header of several rows, or
none; and what stands below the table."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from statistics import median_low

from ingestor.tabular.options import ReadOptions
from ingestor.tabular.parsers.xlsx.merges import Merge
from ingestor.tabular.parsers.xlsx.sheet import Row

PEEKED = 200  # rows that decide
_DEEPEST = 5  # rows of a header
_LONGEST_LABEL = 200
_YEAR = re.compile(r"(?:1[89]|20|21)\d\d")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:E[+-]?\d+)?")
_TOTAL = re.compile(
    r"(?:(?:grand |sub)?[ -]?totals?|sum|(?:gesamt|zwischen)?summe|gesamt|insgesamt|total général|totale|"
    r"suma|razem|totaal|итого|всего|总计|合计|合計|小計)[ :.=]*",
    re.IGNORECASE,
)
_NOTE = re.compile(
    r"(?:sources?|notes?|quellen?|anmerkung(?:en)?|hinweis(?:e)?|remarks?|fuente|fonte|generated|exported|"
    r"created|erstellt|stand|page|seite|copyright)\b|[*†©]|\(\d\)|\d\)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the header is: `skip_lines` rows of the sheet stand above it, `header_rows` rows that hold
    something make it up. Without a header (`header` False) the first row behind is data."""

    skip_lines: int
    header: bool
    header_rows: int


def find_layout(rows: Sequence[Row], merges: Sequence[Merge], options: ReadOptions) -> Layout:
    """The layout of a sheet whose first rows with cells are these. Where the options declare anything of it,
    only the number of the header's rows is found; where nothing is plain, the first row is the header."""
    if not options.header:
        return Layout(options.skip_lines, False, 0)
    if "header_rows" in options.model_fields_set:
        return Layout(options.skip_lines, True, options.header_rows)
    first = 0
    if not {"skip_lines", "header"} & options.model_fields_set:
        if _is_data(rows):
            return Layout(0, False, 0)
        first = _first_wide(rows)
        if not _are_labels(rows[first]):
            first = 0
    last = _bottom(rows, first, merges)
    first = _top(rows, first, merges)
    return Layout(rows[first].number - 1 if first else options.skip_lines, True, last - first + 1)


def _first_wide(rows: Sequence[Row]) -> int:
    """The position of the first row that is about as wide as the table; 0 if there is no table."""
    counts = [len(row.cells) for row in rows]
    wide = [count for count in counts if count > 1]
    if len(wide) < 2:
        return 0
    typical = median_low(wide)
    first = next(position for position, count in enumerate(counts) if count > 1 and count > typical / 2)
    # A title of several cells, if types show that the first row of full width is the header.
    full = next(position for position, count in enumerate(counts) if count >= typical)
    if len(rows[full].words) == counts[full] and _typed_below(rows, full):
        return full
    return first


def _typed_below(rows: Sequence[Row], header: int) -> bool:
    """Whether a column has text in the header, and in at least two rows below something else throughout."""
    for column in rows[header].words:
        filled = [row for row in rows[header + 1 :] if column in row.cells]
        if len(filled) > 1 and not any(column in row.words for row in filled):
            return True
    return False


def _are_labels(row: Row) -> bool:
    """Whether the cells can be labels: text, or years beside text."""
    return bool(row.words) and all(
        len(text) <= _LONGEST_LABEL and (column in row.words or _YEAR.fullmatch(text))
        for column, text in row.cells.items()
    )


def _is_data(rows: Sequence[Row]) -> bool:
    """Whether the first row is one like those below: a number, date or boolean stands where they have one,
    and text where most have text. Years, and numbers that count on, may be labels."""
    first, below = rows[0], rows[1:]
    typed = {column: text for column, text in first.cells.items() if column not in first.words}
    if len(below) < 2 or not typed or all(map(_YEAR.fullmatch, typed.values())) or _count_on(typed.values()):
        return False
    for column, text in first.cells.items():
        filled = [row for row in below if column in row.cells]
        words = sum(column in row.words for row in filled)
        if column not in typed:
            if 2 * words < len(filled):
                return False
        elif not filled or words or any(_kind(row.cells[column]) != _kind(text) for row in filled):
            return False
    return True


def _count_on(texts: Collection[str]) -> bool:
    numbers = [int(text) for text in texts if text.isdecimal() and len(text) < 10]
    return len(numbers) == len(texts) > 2 and numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _kind(text: str) -> str:
    """What kind of value a cell that is not text shows."""
    if text in ("true", "false"):
        return "boolean"
    return "number" if _NUMBER.fullmatch(text) else "moment"


def _top(rows: Sequence[Row], first: int, merges: Sequence[Merge]) -> int:
    """The first row of a header whose widest row is at `first`: above it stand the names of groups of
    columns, each merged over its columns."""
    while first and rows[first - 1].number == rows[first].number - 1:
        above = rows[first - 1]
        left = min(rows[first].cells)
        groups = [
            merge for merge in merges
            if merge.first_row == above.number and merge.last_column > merge.first_column
            and merge.first_column in above.cells
        ]  # fmt: skip
        if not groups or (len(above.cells) == 1 and min(above.cells) <= left):
            break  # one merged cell from the left on is a title
        first -= 1
    return first


def _bottom(rows: Sequence[Row], first: int, merges: Sequence[Merge]) -> int:
    """The last row of a header that begins at `first`: below a cell that is merged over several columns stand
    their labels; a cell that is merged over several rows belongs to each."""
    last = first
    for position in range(first, min(first + _DEEPEST, len(rows))):
        if position > last:
            break
        number = rows[position].number
        for merge in merges:
            if merge.first_row != number or merge.first_column not in rows[position].cells:
                continue
            across = merge.last_column > merge.first_column
            wanted = merge.last_row + (1 if across else 0)
            reached = max((i for i, row in enumerate(rows) if row.number <= wanted), default=first)
            if all(_are_labels(row) for row in rows[first + 1 : reached + 1]):
                last = max(last, reached)
    return min(last, first + _DEEPEST - 1)


def with_merged(rows: Sequence[Row], merges: Sequence[Merge], end: int) -> list[dict[int, str]]:
    """The cells of a header's rows; one that is merged over several columns stands in each before `end`."""
    found = []
    for row in rows:
        cells = dict(row.cells)
        for merge in merges:
            if merge.first_row == row.number and merge.first_column in cells:
                for column in range(merge.first_column, min(merge.last_column + 1, end)):
                    cells.setdefault(column, cells[merge.first_column])
        found.append(cells)
    return found


def footer_length(rows: Sequence[Row], width: int) -> int:
    """How many of the last rows of a sheet stand below its table of `width` columns: totals, and notes in one
    cell."""
    length = 0
    for position in range(len(rows) - 1, 0, -1):
        row = rows[position]
        if row.cells:
            gap = row.number > rows[position - 1].number + 1 or not rows[position - 1].cells
            if not _is_footer(row, width, gap=gap):
                break
            length = len(rows) - position
    return length


def _is_footer(row: Row, width: int, *, gap: bool) -> bool:
    first = min(row.cells)
    text = row.cells[first].strip()
    if first in row.words and _TOTAL.fullmatch(text) and (width > 1 or gap):
        return True
    if len(row.cells) == 1 and width > 1 and first in row.words:
        return (gap and width > 2) or _NOTE.match(text) is not None
    return gap and first > 0 and not row.words and 2 * len(row.cells) <= width
