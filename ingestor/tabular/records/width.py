"""Finds out how wide a delimited table is, where its first record does not say so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ingestor.outcomes import Notice, quoted
from ingestor.tabular.limits import DEFAULT_LIMITS
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.records.header import HeaderError, HeaderShape, column_names, numbered
from ingestor.tabular.records.quick_text import quick_lines, quick_records
from ingestor.tabular.records.text_records import RecordReader

_LISTED = 20  # columns that a message names
Row = Sequence[str | None]


@dataclass(frozen=True, slots=True)
class Found:
    """The value that an option should have, how sure that is (0 to 1), and why."""

    value: object
    confidence: float
    why: str


def detect_width(text: str, whole: bool, options: ReadOptions) -> tuple[dict[str, Found], tuple[Notice, ...]]:
    """Options that the beginning of a file suggests, by their names, and what a person should know of it.
    `whole`: it is all of the file; otherwise its last record does not count.

    Without a header, `columns` are as many as most records have cells. With one, the columns at its end
    without a label are left out where no record has anything in them. `extraEmptyCells` is "drop" where
    most records have empty cells, and nothing else, beyond the last column.
    """
    records = _records(text, whole, options)
    if not options.header:
        rows = _rows(records)
        if options.columns is not None:
            return _dropped(rows, len(options.columns)), ()
        widths = Counter(map(len, rows))
        if not widths:
            return {}, ()
        ((width, count),) = widths.most_common(1)
        width = min(width, DEFAULT_LIMITS.max_columns)
        why = f"{count} of the first {len(records)} records have {width} cells."
        columns = Found(list(numbered(width)), round(count / len(records), 2), why)
        return {"columns": columns, **_dropped(rows, width)}, ()
    header, rows = _rows(records[: options.header_rows]), _rows(records[options.header_rows :])
    if options.columns is None and (not header or len(header) < min(options.header_rows, len(records))):
        return {}, ()  # the file is empty, or its header cannot be read
    labels = HeaderShape.of(options).labels([[cell or "" for cell in cells] for cells in header])
    width = len(labels)
    while width and not labels[width - 1].strip():
        width -= 1
    unused = (
        options.columns is None and 0 < width < len(labels) and not any(any(cells[width:]) for cells in rows)
    )
    if not unused or options.extra_empty_cells == "error" or options.blank_columns != "rename":
        return _dropped(rows, len(labels)), _renamed(labels, options)
    which = "column has" if len(labels) - width == 1 else f"{len(labels) - width} columns have"
    why = f"The last {which} no label and no content."
    found = {
        "columns": Found(list(labels[:width]), 1.0 if whole else 0.9, why),
        "extraEmptyCells": Found("drop", 1.0 if whole else 0.9, why),
    }
    message = f'{why[:-1]} and is not read. Declare "extraEmptyCells": "error" to read it.'
    if len(labels) - width > 1:
        message = f'{why[:-1]} and are not read. Declare "extraEmptyCells": "error" to read them.'
    return found, (Notice("empty-columns-not-read", message), *_renamed(labels[:width], options))


def _renamed(labels: Sequence[str], options: ReadOptions) -> tuple[Notice, ...]:
    """The notice of columns that are not read by their own labels."""
    try:
        names = column_names(labels, options.duplicate_columns, options.blank_columns)
    except HeaderError:  # the file is refused for that
        return ()
    new = [
        f"column {position} {quoted(label) if label.strip() else 'without a label'} is read as {quoted(name)}"
        for position, (label, name) in enumerate(zip(labels, names, strict=True), 1)
        if name and name != label
    ]
    if not new:
        return ()
    more = f", and {len(new) - _LISTED} more" if len(new) > _LISTED else ""
    message = f"Labels are missing or not unique: {', '.join(new[:_LISTED])}{more}."
    return (Notice("labels-renamed", message),)


def _records(text: str, whole: bool, options: ReadOptions) -> list[Row | None]:
    """The cells of the records after the skipped lines, without blank ones and comments; None for a broken
    one."""
    records = _quick_records(text, whole, options)
    if records is None:
        reader = RecordReader(iter((text,)), options, DEFAULT_LIMITS)
        for _ in range(options.skip_lines):
            reader.skip_line()
        records = [() if record.kind == "comment-row" else record.cells for record in reader.records()]
        if not whole and len(records) > 1:
            records.pop()
    return [cells for cells in records if cells is None or cells]


def _quick_records(text: str, whole: bool, options: ReadOptions) -> list[Row | None] | None:
    """All records but the last of a text that goes on, where each is a line; None where that takes a closer
    look. An empty cell is "" whatever the options say."""
    if options.escape_char or options.comment_char or options.skip_initial_space or not options.double_quote:
        return None
    delimiter, quote = options.delimiter or ",", options.quote if options.quoting else ""
    lines = quick_lines(text, len(text))
    if lines is None or len(delimiter) != 1:
        return None
    lines = lines[options.skip_lines :]
    if not whole and len(lines) > 1:
        lines.pop()
    found = quick_records(lines, delimiter, quote)
    return None if found is None else list(found)


def _rows(records: Sequence[Row | None]) -> list[Row]:
    return [cells for cells in records if cells is not None]


def _dropped(rows: Sequence[Row], width: int) -> dict[str, Found]:
    """The option for cells beyond the last column."""
    rows = [cells for cells in rows if any(cells)]
    trailing = sum(len(cells) > width and not any(cells[width:]) for cells in rows)
    if 2 * trailing <= len(rows):
        return {}
    why = f"{trailing} of the first {len(rows)} rows end with empty cells beyond the last column."
    return {"extraEmptyCells": Found("drop", round(trailing / len(rows), 2), why)}
