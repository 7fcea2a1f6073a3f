"""Splits text into records under a dialect that is being considered.

The rule is that of `records/exact.py`: a record that breaks the quoting rule is exactly one physical line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from ingestor.tabular.records.quick_text import LONGEST_LINE, quick_lines, quick_records
from ingestor.tabular.records.quoted_line import quoted_line

_LINE_END = re.compile(r"\r\n|\n|\r")
_LONGEST = LONGEST_LINE  # characters of a quoted cell that are looked at


@dataclass(frozen=True, slots=True)
class Form:
    """How cells are separated and quoted; `quote` and `escape` may be "" for none."""

    delimiter: str
    quote: str = '"'
    escape: str = ""
    comment: str = ""
    """Lines that begin with it are comments; they count as blank."""
    skip_blanks: bool = False
    """Blanks behind a delimiter are no part of a cell; runs of blanks are one delimiter where it is one."""

    @property
    def aligned(self) -> bool:
        """Whether columns are aligned by blanks."""
        return self.delimiter == " " and self.skip_blanks

    @property
    def simple(self) -> bool:
        """Whether cells are parted by one character, and only quotes make that text."""
        return len(self.delimiter) == 1 and not self.escape and not self.skip_blanks


class Record(NamedTuple):
    """A record: where it starts, and its cells."""

    line: int
    """Physical line on which it starts, from 0."""
    text: str
    """Without its line end."""
    cells: tuple[str, ...] | None
    """() for a blank record, None for a broken one."""

    @property
    def width(self) -> int:
        """Number of cells; 0 for a blank or broken one."""
        return len(self.cells or ())


def is_blank(record: Record) -> bool:
    """Whether a record holds no more than blanks."""
    return record.cells is not None and not "".join(record.cells).strip()


def split(text: str, form: Form, *, most: int = 1_000_000, first_line: int = 0) -> list[Record]:
    """The first records of a text, at most `most`."""
    return _split_quickly(text, form, most, first_line) or _split(text, form, most, first_line)


def _split_quickly(text: str, form: Form, most: int, first_line: int) -> list[Record] | None:
    """As `split`, where all records are lines; None where that takes a closer look."""
    if not form.simple or form.comment or (lines := quick_lines(text, most)) is None:
        return None
    if (rows := quick_records(lines, form.delimiter, form.quote)) is None:
        return None
    return [
        Record(line, text, tuple(cells))
        for line, (text, cells) in enumerate(zip(lines, rows, strict=True), first_line)
    ]


def _split(text: str, form: Form, most: int, first_line: int) -> list[Record]:
    records: list[Record] = []
    at, line, size = 0, first_line, len(text)
    while at < size and len(records) < most:
        found = _LINE_END.search(text, at)
        end, after = found.span() if found else (size, size)
        cells: tuple[str, ...] | None
        if at == end or (form.comment and text.startswith(form.comment, at)):
            cells = ()
        elif (form.quote and text.find(form.quote, at, end) >= 0) or (
            form.escape and text.find(form.escape, at, end) >= 0
        ):
            parsed = _in_line(text, at, end, form) or _quoted(text, at, form)
            if parsed is None:
                cells = None
            else:
                cells, last = parsed
                if last != end:
                    found = _LINE_END.match(text, last)
                    end, after = last, found.end() if found else size
        else:
            cells = _plain(text[at:end], form)
        piece = text[at:end]
        records.append(Record(line, piece, cells))
        line += 1
        if cells is not None and ("\n" in piece or "\r" in piece):
            line += len(_LINE_END.findall(piece))
        at = after
    return records


def _in_line(text: str, at: int, end: int, form: Form) -> tuple[tuple[str, ...], int] | None:
    """Cells and end of the record at `at`, whose first line ends at `end`; None if that takes a closer
    look."""
    cells = quoted_line(text[at:end], form.delimiter, form.quote, "") if form.simple else None
    return None if cells is None or end - at > _LONGEST else (tuple(cells), end)


def _plain(line: str, form: Form) -> tuple[str, ...]:
    if form.aligned:
        return tuple(line.split()) if "\t" not in line else tuple(re.split(" +", line.lstrip(" ")))
    cells = line.split(form.delimiter)
    if form.skip_blanks:
        cells = [cell.lstrip(" ") for cell in cells]
    return tuple(cells)


@lru_cache(maxsize=256)
def _patterns(form: Form) -> tuple[re.Pattern[str], re.Pattern[str] | None, re.Pattern[str]]:
    """Patterns of an unquoted cell, a quoted cell, and what separates cells."""
    quote, escape = re.escape(form.quote), re.escape(form.escape)
    delimiter = re.escape(form.delimiter)
    escaped = rf"|{escape}(?s:.)" if form.escape else ""
    stop = rf"{quote}{escape}\r\n"
    if len(form.delimiter) == 1:
        unquoted = rf"(?:[^{delimiter}{stop}]+{escaped})*"
    else:
        unquoted = rf"(?:(?!{delimiter})[^{stop}]{escaped})*"
    quoted = None
    if form.quote:
        quoted = re.compile(
            rf"{quote}([^{quote}{escape}]*(?:(?:{quote}{quote}{escaped})[^{quote}{escape}]*)*){quote}"
        )
    between = f"{delimiter}+" if form.aligned else delimiter + (" *" if form.skip_blanks else "")
    return re.compile(unquoted), quoted, re.compile(between)


def _quoted(text: str, at: int, form: Form) -> tuple[tuple[str, ...], int] | None:
    """Cells and end of the record at `at`; None when it breaks the rule."""
    unquoted, quoted, between = _patterns(form)
    cells: list[str] = []
    size = len(text)
    if form.skip_blanks:
        while at < size and text[at] == " ":
            at += 1
    while True:
        if quoted is not None and text.startswith(form.quote, at):
            found = quoted.match(text, at, at + _LONGEST)
            if not found:
                return None
            cells.append(found.group(1).replace(form.quote * 2, form.quote))
        else:
            found = unquoted.match(text, at)
            assert found is not None, "the pattern matches the empty text"
            cells.append(found.group())
        at = found.end()
        if at >= size or text[at] in "\r\n":
            return tuple(cells), at
        separator = between.match(text, at)
        if not separator:
            return None
        at = separator.end()
        if form.aligned and (at >= size or text[at] in "\r\n"):
            return tuple(cells), at
