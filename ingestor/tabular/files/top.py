"""The first lines of a file as they stand there, and the sheets of a workbook: so that a person can see where
the table begins."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, Literal, Protocol, runtime_checkable

from ingestor.outcomes import RejectedRow
from ingestor.tabular.detection.text import Form, Record, split
from ingestor.tabular.files.containers import ExpansionLimits, expanded
from ingestor.tabular.files.encodings import text_pieces
from ingestor.tabular.files.formats import Plan

MOST_LINES = 30
_MOST_FOOTER = 10  # lines of a footer that are shown behind them
_MOST_CELLS = 50  # of a line
_LONGEST = 100  # characters of a cell
_LOOKED_AT = 64 * 1024  # characters of a text
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r|$)")

Role = Literal["above", "header", "row", "skipped", "failed", "footer"]


@dataclass(frozen=True, slots=True)
class TopLine:
    """A line of a file, or a row of a sheet: what it is taken for, and its cells, shortened; `width` counts
    all of them, `why` says why it is no row."""

    number: int
    role: Role
    cells: tuple[str, ...]
    width: int
    why: str = ""


@dataclass(frozen=True, slots=True)
class SheetFacts:
    """A sheet of a workbook; rows and columns are 0 where they are unknown, `readable` False for a chart."""

    name: str
    rows: int
    columns: int
    hidden: bool
    readable: bool


@runtime_checkable
class OfWorkbook(Protocol):
    """What the table of a workbook also shows."""

    @property
    def top(self) -> Sequence[TopLine]:
        """The first rows of the sheet."""
        ...

    @property
    def sheets(self) -> Sequence[SheetFacts]:
        """All sheets in order."""
        ...


def top_line(number: int, role: Role, cells: Sequence[str]) -> TopLine:
    """A line with its cells shortened."""
    return TopLine(number, role, tuple(cell[:_LONGEST] for cell in cells[:_MOST_CELLS]), len(cells))


def top_of_text(file: BinaryIO, how: Plan, *, whole: bool) -> list[TopLine]:
    """The first lines of delimited text: a record that has several lines is one. Those above the header are
    split like the others."""
    assert how.encoding is not None
    file.seek(0)
    text, ended = "", whole
    for piece in text_pieces(
        expanded(file, how.compression, ExpansionLimits(), partial=not whole), how.encoding
    ):
        text += piece
        if len(text) > _LOOKED_AT:
            ended = False
            break
    options = how.options
    form = Form(
        options.delimiter or ",",
        options.quote if options.quoting else "",
        options.escape_char or "",
        options.comment_char or "",
        options.skip_initial_space,
    )
    lines: list[TopLine] = []
    at = 0
    for number in range(1, options.skip_lines + 1):
        found = _LINE.match(text, at)
        if found is None or at >= len(text):
            break
        at = found.end()
        if len(lines) < MOST_LINES:
            (record,) = split(found[0], form, most=1) or [Record(0, "", ())]
            lines.append(top_line(number, "above", _cells(record)))
    records = split(text[at:], form, most=MOST_LINES + 1)
    if not ended and len(records) > 1 and len(records) <= MOST_LINES:
        records.pop()  # it may be incomplete
    header = options.header_rows if options.header else 0
    for record in records[: MOST_LINES - len(lines)]:
        role: Role = "row"
        if record.cells != () and header:
            role, header = "header", header - 1
        lines.append(top_line(options.skip_lines + record.line + 1, role, _cells(record)))
    return lines


def _cells(record: Record) -> Sequence[str]:
    return [record.text] if record.cells is None else record.cells


def with_rejected(lines: Sequence[TopLine], rejected: Sequence[RejectedRow]) -> list[TopLine]:
    """The lines, those that are no rows told apart; and behind them the first of a footer further down."""
    by_line = {record.line_number: record for record in rejected}
    found = [
        _judged(line, by_line[line.number]) if line.role == "row" and line.number in by_line else line
        for line in lines
    ]
    last = found[-1].number if found else 0
    footer = [
        record for record in rejected if record.line_number > last and record.errors[0].code == "footer-row"
    ]
    return found + [
        _judged(top_line(record.line_number, "footer", [record.errors[0].value]), record)
        for record in footer[:_MOST_FOOTER]
    ]


def _judged(line: TopLine, record: RejectedRow) -> TopLine:
    error = record.errors[0]
    role: Role = "footer" if error.code == "footer-row" else record.state
    return replace(line, role=role, why=error.message[:300])
