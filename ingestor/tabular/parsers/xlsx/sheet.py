"""Reads the rows of a sheet as a stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from ingestor.tabular.parsers.xlsx.moments import moment_text
from ingestor.tabular.parsers.xlsx.numbers import number_text, parsed, percent_text
from ingestor.tabular.parsers.xlsx.package import Handler, invalid, local
from ingestor.tabular.parsers.xlsx.strings import SharedStrings, unescaped
from ingestor.tabular.parsers.xlsx.styles import PLAIN, Style

# The size of a sheet (https://support.microsoft.com/office/1672b34d-7043-467e-8e27-269d656771c3): rows, and
# columns up to XFD.
MAX_ROWS, MAX_COLUMNS = 1_048_576, 16_384
_MOST = 1000  # ranges of hidden columns that are kept
_TRUE = frozenset(("1", "true", "on"))
_BOOLEANS = {"1": "true", "0": "false", "true": "true", "false": "false"}
_SHOWN = 100  # characters of a bad value that a message shows


@dataclass(slots=True)
class Row:
    """The cells of a row that hold something, by column (from 0)."""

    number: int
    """From 1, as the spreadsheet shows it."""
    cells: dict[int, str] = field(default_factory=dict)
    words: set[int] = field(default_factory=set)
    """The columns whose cells are text."""
    faults: dict[int, str] = field(default_factory=dict)
    """By column, why a cell has no value; its text, if it has one, is among the cells."""
    shown: dict[int, str] = field(default_factory=dict)
    """By column, what a cell shows whose text is only its number."""
    hidden: bool = False
    empty_text: bool = False
    """A cell holds the empty text, as a formula may give it."""


@dataclass(frozen=True, slots=True)
class Book:
    """What the cells of a sheet refer to."""

    strings: SharedStrings
    styles: Sequence[Style]
    epoch_1904: bool


@dataclass(slots=True)
class Sheet:
    """What is found out about a sheet besides its rows."""

    hidden_columns: list[range] = field(default_factory=list)
    """Known before the first row."""
    percents: dict[int, str] = field(default_factory=dict)
    """By column with numbers under a percent format, the first of them."""


@dataclass(slots=True)
class _Cell:
    column: int
    kind: str
    style: str
    value: list[str] | None = None
    inline: list[str] | None = None
    formula: bool = False


class SheetHandler(Handler):
    """Makes rows of the XML of a sheet."""

    def __init__(self, book: Book, sheet: Sheet) -> None:
        self.rows: list[Row] = []
        """Those that are complete. Whoever takes them clears the list."""
        self.is_between_rows = False
        """Whether the last tag was the end of a row directly in the sheet's data."""
        self._level = 0
        self._data_level = -1
        self._book = book
        self._strings = book.strings.known
        self._styles = {str(number): style for number, style in enumerate(book.styles)}
        self._sheet = sheet
        self._row = Row(0)
        self._cell: _Cell | None = None
        self._column = -1
        self._reading: list[str] | None = None
        self._phonetic = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        name = local(name) if ":" in name else name
        cell = self._cell
        self._level += 1
        self.is_between_rows = False
        if name == "c":
            reference = attributes.get("r")
            self._column = column_of(reference) if reference else self._column + 1
            if self._column >= MAX_COLUMNS:
                raise invalid(f"the row {self._row.number} has cells beyond column XFD")
            self._cell = _Cell(self._column, attributes.get("t", "n"), attributes.get("s", ""))
        elif cell is not None:
            if name == "v":
                self._reading = cell.value = []
            elif name == "t" and not self._phonetic:
                if cell.inline is None:
                    cell.inline = []
                self._reading = cell.inline
            elif name == "f":
                cell.formula = True
            elif name == "rPh":
                self._phonetic = True
        elif name == "row":
            self._start_row(attributes)
        elif name == "sheetData":
            self._data_level = self._level
        elif name == "col" and attributes.get("hidden") in _TRUE:
            self._hide_columns(attributes)

    def end(self, name: str) -> None:
        """An element ends."""
        name = local(name) if ":" in name else name
        self._level -= 1
        if name == "c":
            if self._cell:
                self._take(self._cell)
            self._cell = None
        elif name in ("v", "t"):
            self._reading = None
        elif name == "rPh":
            self._phonetic = False
        elif name == "row":
            row = self._row
            self.is_between_rows = self._level == self._data_level
            if row.cells or row.faults or row.empty_text:
                self.rows.append(row)

    def text(self, data: str) -> None:
        """Character data."""
        if self._reading is not None:
            self._reading.append(data)

    @property
    def number(self) -> int:
        """The number of the last row."""
        return self._row.number

    def pass_rows(self, number: int) -> None:
        """Go on as if the rows up to this number had been read."""
        self._row = Row(number)

    def value(self, kind: str, raw: str, style: str) -> str:
        """What a cell says. Raises ValueError, LookupError or ArithmeticError where that is not all there is
        to say about it."""
        found = self._styles.get(style, PLAIN)
        if found.percent:
            raise ValueError
        return self._value(kind, raw, found)

    def strings(self, indices: Sequence[int]) -> list[str]:
        """Shared strings. Raises LookupError."""
        self._book.strings.at(max(indices, default=0))
        return list(map(self._strings.__getitem__, indices))

    def _start_row(self, attributes: dict[str, str]) -> None:
        number = attributes.get("r", "").strip()
        if number and not number.isdecimal():
            raise invalid(f"a row has the number {number[:_SHOWN]!r}")
        self._row = Row(int(number[:9]) if number else self._row.number + 1)
        if not 1 <= self._row.number <= MAX_ROWS:
            raise invalid(f"it has a row {self._row.number}; a sheet has {MAX_ROWS} rows")
        self._row.hidden = attributes.get("hidden") in _TRUE
        self._column = -1

    def _hide_columns(self, attributes: dict[str, str]) -> None:
        first, last = attributes.get("min", ""), attributes.get("max", "")
        found = self._sheet.hidden_columns
        if first.isdecimal() and last.isdecimal() and int(last[:9]) <= MAX_COLUMNS and len(found) < _MOST:
            found.append(range(int(first[:9]) - 1, int(last[:9])))

    def _take(self, cell: _Cell) -> None:
        row, column, kind = self._row, cell.column, cell.kind
        parts = cell.value
        if parts is None or (kind == "inlineStr" and cell.inline is not None):
            parts, kind = cell.inline, "inlineStr"
        if parts is None:
            if cell.formula:
                self._fault(
                    cell,
                    "has a formula without a stored value; save the workbook in a program that computes it",
                )
            return
        raw = parts[0] if len(parts) == 1 else "".join(parts)
        try:
            value = self._value(kind, raw, self._styles.get(cell.style, PLAIN))
        except (ValueError, LookupError, ArithmeticError):
            self._fault(cell, f"holds {raw[:_SHOWN]!r}, which is not a valid value for its type")
            row.cells[column] = raw
            return
        text = kind in ("s", "str", "inlineStr")
        if value == "":
            row.empty_text |= text
            return
        row.cells[column] = value
        if text:
            row.words.add(column)
        elif kind == "e":
            self._fault(cell, f"holds the error {raw[:_SHOWN]}")

    def _string(self, raw: str) -> str:
        index = int(raw)
        # Most are known, and a list is the fastest way to them.
        return self._strings[index] if index < len(self._strings) else self._book.strings.at(index)

    def _fault(self, cell: _Cell, what: str) -> None:
        self._row.faults[cell.column] = f"The cell {letters(cell.column)}{self._row.number} {what}."

    def _value(self, kind: str, raw: str, style: Style) -> str:
        if kind == "s":
            return self._string(raw) if raw.strip().isdecimal() else _no_value(raw)
        if kind in ("str", "inlineStr"):
            return unescaped(raw)
        raw = raw.strip()
        if raw == "" or kind == "e":
            return raw
        if kind == "b":
            return _BOOLEANS[raw.lower()]
        if kind == "d":
            return _iso(raw, style)
        if style.kind == "number":
            text = number_text(raw, style.zeros)
            if style.percent:
                self._row.shown[self._column] = percent_text(text, style.decimals) + style.percent
                self._sheet.percents.setdefault(self._column, text)
            return text
        return moment_text(parsed(raw), style.kind, epoch_1904=self._book.epoch_1904)


def _no_value(raw: str) -> str:
    if raw.strip():
        raise ValueError
    return ""


def _iso(raw: str, style: Style) -> str:
    """A date or datetime of ISO 8601 as the cell's format shows it."""
    day, _, clock = raw.partition("T")
    if style.kind == "date" and clock in ("00:00:00", "00:00:00.000"):
        return day
    return f"{day}T00:00:00" if style.kind == "datetime" and not clock and ":" not in day else raw


def column_of(reference: str) -> int:
    """0 for A1, 27 for AB7; -1 for what is no reference."""
    return _column(reference.rstrip("0123456789"))


@lru_cache(MAX_COLUMNS)
def _column(name: str) -> int:
    column = 0
    for character in name.replace("$", "").upper():
        if not "A" <= character <= "Z":
            return -1
        column = min(column * 26 + ord(character) - 64, 10**6)
    return column - 1


def letters(column: int) -> str:
    """A for 0, AB for 27."""
    text = ""
    column += 1
    while column:
        column, letter = divmod(column - 1, 26)
        text = chr(65 + letter) + text
    return text
