"""Finds out how wide a delimited table is, where its first record does not say so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ingestor.outcomes import Notice
from ingestor.tabular.limits import DEFAULT_LIMITS
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.records.header import HeaderShape, numbered
from ingestor.tabular.records.text_records import Record, RecordReader

Row = Sequence[str | None]


def detect_width(
    text: str, whole: bool, options: ReadOptions
) -> tuple[dict[str, object], tuple[Notice, ...]]:
    """Options that the beginning of a file suggests, and what a person should know of it. `whole`: it is all
    of the file; otherwise its last record does not count.

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
        ((width, _),) = widths.most_common(1)
        width = min(width, DEFAULT_LIMITS.max_columns)
        return {"columns": list(numbered(width)), **_dropped(rows, width)}, ()
    header, rows = _rows(records[: options.header_rows]), _rows(records[options.header_rows :])
    if options.columns is None and len(header) < min(options.header_rows, len(records)):
        return {}, ()  # it cannot be read
    labels = HeaderShape.of(options).labels([[cell or "" for cell in cells] for cells in header])
    width = len(labels)
    while width and not labels[width - 1].strip():
        width -= 1
    unused = 0 < width < len(labels) and not any(any(cells[width:]) for cells in rows)
    if not unused or options.extra_empty_cells == "error" or options.blank_columns != "rename":
        return _dropped(rows, len(labels)), ()
    message = (
        f"The last {len(labels) - width} columns have no label and hold nothing; they are not read. "
        'Declare "extraEmptyCells": "error" to read them.'
    )
    found: dict[str, object] = {"columns": list(labels[:width]), "extraEmptyCells": "drop"}
    return found, (Notice("empty-columns-not-read", message),)


def _records(text: str, whole: bool, options: ReadOptions) -> list[Record]:
    """The records after the skipped lines, without blank ones and comments."""
    reader = RecordReader(iter((text,)), options, DEFAULT_LIMITS)
    for _ in range(options.skip_lines):
        reader.skip_line()
    records = list(reader.records())
    if not whole and len(records) > 1:
        records.pop()
    return [record for record in records if record.kind != "comment-row" and record.cells != ()]


def _rows(records: Sequence[Record]) -> list[Row]:
    return [record.cells for record in records if record.cells is not None]


def _dropped(rows: Sequence[Row], width: int) -> dict[str, object]:
    """The option for cells beyond the last column."""
    rows = [cells for cells in rows if any(cells)]
    trailing = sum(len(cells) > width and not any(cells[width:]) for cells in rows)
    return {"extraEmptyCells": "drop"} if 2 * trailing > len(rows) else {}
