"""Reads sheets of Office Open XML workbooks (ECMA-376, .xlsx) as a stream.

Numbers keep their stored digits instead of passing through a float; error cells and formulas without a stored
value are row errors. Existing libraries read a whole sheet into memory, turn numbers into floats, and errors
into text or nothing.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import BinaryIO, cast
from xml.parsers import expat

from ingestor.plugins import TableParser
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.containers import is_workbook
from ingestor.tabular.limits import Limits
from ingestor.tabular.normal_form import BlockBuilder
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.parsers.delimited import header_labels
from ingestor.tabular.text_table import TextTable

_PIECE = 256 * 1024
_MAX_SHARED_BYTES = 2 * 2**30  # shared strings are kept in memory
_MAX_ENTRY_BYTES = 32 * 2**30
_MAX_RATIO = 1000
_FREE_BYTES = 64 * 2**20
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_WHOLE = re.compile(r"(-?\d+)\.0+")
# ECMA-376 18.8.30: built-in formats that show dates and times (27 to 36 and 50 to 58 in East Asia).
_DATE_FORMATS = frozenset((14, 15, 16, 17, 22, *range(27, 37), *range(50, 59)))
_TIME_FORMATS = frozenset((18, 19, 20, 21, 45, 46, 47))
_QUOTED = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?![hms]+\])[^\]]*\]', re.IGNORECASE)


def _invalid(what: str) -> UnreadableFileError:
    return UnreadableFileError("XLSX_INVALID", f"The workbook is damaged: {what}.")


def _parse(file: BinaryIO, handler: _Handler, what: str, packed_size: int) -> Iterator[None]:
    """Feed an XML part to a handler, yielding after each piece. Refuses entities and document types."""
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = handler.start
    parser.EndElementHandler = handler.end
    parser.CharacterDataHandler = handler.text

    def forbid(*_: object) -> None:
        raise _invalid(f"{what} declares a document type or an entity")

    parser.StartDoctypeDeclHandler = forbid
    parser.EntityDeclHandler = forbid
    size = 0
    try:
        while piece := file.read(_PIECE):
            size += len(piece)
            if size > _MAX_ENTRY_BYTES or (size > _FREE_BYTES and size > packed_size * _MAX_RATIO):
                raise UnreadableFileError("EXPANDS_TOO_FAR", f"The workbook's {what} expands too far.")
            parser.Parse(piece, False)
            yield
        parser.Parse(b"", True)
        yield
    except expat.ExpatError as error:
        raise _invalid(f"{what}: {error}") from error
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise _invalid(what) from error


class _Handler:
    """Receives the events of an XML part."""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""

    def end(self, name: str) -> None:
        """An element ends."""

    def text(self, data: str) -> None:
        """Character data."""


def _local(name: str) -> str:
    return name.rpartition(":")[2] if ":" in name else name


class _Elements(_Handler):
    """Collects (name, attributes) of every element of a small part, without namespace prefixes."""

    def __init__(self) -> None:
        self.found: list[tuple[str, dict[str, str]]] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        self.found.append((_local(name), {_local(key): value for key, value in attributes.items()}))
        if len(self.found) > 1_000_000:
            raise _invalid("too many elements")


class _SharedStrings(_Handler):
    """Collects the shared strings, without their phonetic hints."""

    def __init__(self) -> None:
        self.strings: list[str] = []
        self._parts: list[str] = []
        self._in_text = self._phonetic = False
        self._size = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        name = _local(name)
        if name == "si":
            self._parts = []
        elif name == "rPh":
            self._phonetic = True
        elif name == "t":
            self._in_text = not self._phonetic

    def end(self, name: str) -> None:
        """An element ends."""
        name = _local(name)
        if name == "t":
            self._in_text = False
        elif name == "rPh":
            self._phonetic = False
        elif name == "si":
            self.strings.append(_unescape("".join(self._parts)))

    def text(self, data: str) -> None:
        """Character data."""
        if self._in_text:
            self._parts.append(data)
            self._size += len(data)
            if self._size > _MAX_SHARED_BYTES:
                raise UnreadableFileError("EXPANDS_TOO_FAR", "The workbook's shared strings are too large.")


def _unescape(text: str) -> str:
    """Decode _xHHHH_ (ECMA-376 22.9.2.19)."""
    if "_x" not in text:
        return text
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


@dataclass(slots=True)
class _Cell:
    column: int
    kind: str
    style: int
    parts: list[str] = field(default_factory=list)
    formula: bool = False
    has_value: bool = False


@dataclass(frozen=True, slots=True)
class _Row:
    """Cells by column (from 0); `error` is (column, sentence) of the first unreadable cell."""

    number: int  # from 1, as the spreadsheet shows it
    cells: dict[int, str]
    error: tuple[int, str] | None


@dataclass(frozen=True, slots=True)
class _Book:
    """What the cells of a sheet refer to."""

    strings: Sequence[str]
    kinds: Sequence[str]  # by style: "" (a number), "date", "time" or "elapsed"
    epoch_1904: bool


class _Sheet(_Handler):
    """Collects the rows of a sheet; rows without values are left out."""

    def __init__(self, book: _Book) -> None:
        self.rows: list[_Row] = []
        self._book = book
        self._number = 0
        self._cells: dict[int, str] = {}
        self._error: tuple[int, str] | None = None
        self._cell: _Cell | None = None
        self._column = 0
        self._reading = False
        self._phonetic = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        name = _local(name)
        if name == "c":
            reference = attributes.get("r", "")
            self._column = _column_of(reference) if reference else self._column + 1
            self._cell = _Cell(self._column, attributes.get("t", "n"), int(attributes.get("s", "0")))
        elif name == "v":
            self._reading = True
            if self._cell:
                self._cell.has_value = True
        elif name == "t":
            self._reading = not self._phonetic
            if self._cell:
                self._cell.has_value = True
        elif name == "f":
            if self._cell:
                self._cell.formula = True
        elif name == "rPh":
            self._phonetic = True
        elif name == "row":
            self._number = int(attributes.get("r", self._number + 1))
            self._cells, self._error, self._column = {}, None, -1

    def end(self, name: str) -> None:
        """An element ends."""
        name = _local(name)
        if name == "c":
            if self._cell:
                self._take(self._cell)
            self._cell = None
        elif name in ("v", "t"):
            self._reading = False
        elif name == "rPh":
            self._phonetic = False
        elif name == "row" and (self._cells or self._error):
            self.rows.append(_Row(self._number, self._cells, self._error))

    def text(self, data: str) -> None:
        """Character data."""
        if self._reading and self._cell:
            self._cell.parts.append(data)

    def _take(self, cell: _Cell) -> None:
        raw = "".join(cell.parts)
        if not cell.has_value or (raw == "" and cell.kind == "n"):
            if cell.formula:
                self._fail(
                    cell.column,
                    "has a formula without a stored value; save the workbook in a program that computes it",
                )
            return
        try:
            value = self._value(cell, raw)
        except (ValueError, IndexError, OverflowError):
            self._fail(cell.column, f"holds {raw[:100]!r}, which is not a valid value for its type")
            return
        if cell.kind == "e":
            self._fail(cell.column, f"holds the error {raw[:100]}")
        elif value != "" or cell.kind in ("s", "str", "inlineStr"):
            self._cells[cell.column] = value

    def _fail(self, column: int, what: str) -> None:
        if self._error is None:
            self._error = (column, f"The cell {_letters(column)}{self._number} {what}.")

    def _value(self, cell: _Cell, raw: str) -> str:
        if cell.kind == "s":
            index = int(raw)
            if index < 0:
                raise IndexError
            return self._book.strings[index]
        if cell.kind in ("str", "inlineStr"):
            return _unescape(raw)
        if cell.kind == "b":
            return {"1": "true", "0": "false", "true": "true", "false": "false"}[raw.strip().lower()]
        if cell.kind == "d":
            return raw.strip()
        if cell.kind == "e":
            return raw
        number = raw.strip()
        kind = self._book.kinds[cell.style] if cell.style < len(self._book.kinds) else ""
        if kind:
            return _moment(Decimal(number), kind, self._book.epoch_1904)
        if not number.isdigit():
            Decimal(number)  # raises unless it is a number
            if whole := _WHOLE.fullmatch(number):
                return whole[1]
        return number


def _column_of(reference: str) -> int:
    """0 for A1, 27 for AB7."""
    column = 0
    for character in reference:
        if not "A" <= character <= "Z":
            break
        column = column * 26 + ord(character) - 64
    return column - 1


def _letters(column: int) -> str:
    letters = ""
    column += 1
    while column:
        column, letter = divmod(column - 1, 26)
        letters = chr(65 + letter) + letters
    return letters


def _moment(serial: Decimal, kind: str, epoch_1904: bool) -> str:
    """A serial number as a date, date and time, or time of day, to the millisecond like Excel. Raises
    ValueError for what is not a date (before the epoch, 29 February 1900)."""
    if not serial.is_finite() or serial < 0 or serial >= 2_958_466:
        raise ValueError
    milliseconds = int((serial * 86_400_000).to_integral_value(ROUND_HALF_EVEN))
    days, rest = divmod(milliseconds, 86_400_000)
    clock = ""
    if rest or kind == "time":
        seconds, thousandth = divmod(rest, 1000)
        clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        clock += f".{thousandth:03}" if thousandth else ""
    if kind == "time" and days == 0:
        return clock
    if kind == "elapsed":
        seconds = milliseconds // 1000
        return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    if epoch_1904:
        day = date(1904, 1, 1) + timedelta(days)
    elif days == 60:
        raise ValueError  # 29 February 1900, which Excel inherited from Lotus 1-2-3, did not exist
    else:
        day = date(1899, 12, 31 if days < 60 else 30) + timedelta(days)
    return f"{day.isoformat()}T{clock}" if clock else day.isoformat()


def _format_kind(code: str) -> str:
    """What a custom number format shows: "date", "time", "elapsed" or "" (a number)."""
    plain = _QUOTED.sub("", code.split(";")[0]).lower()
    if re.search(r"\[(h+|m+|s+)\]", plain):
        return "elapsed"
    if "general" in plain:
        return ""
    if re.search(r"[yd]", plain) or ("m" in plain and not re.search(r"[hs]", plain)):
        return "date"
    return "time" if re.search(r"[hs]", plain) else ""


class XlsxTable:
    """A sheet; a record's line is its row number in the sheet, and rows without values are not records."""

    def __init__(self, archive: zipfile.ZipFile, options: ReadOptions, limits: Limits) -> None:
        self._archive = archive
        names = set(archive.namelist())
        if len(archive.infolist()) > 10_000:
            raise _invalid("it has too many parts")
        workbook = self._elements("xl/workbook.xml")
        strings = self._strings() if "xl/sharedStrings.xml" in names else []
        kinds = self._kinds() if "xl/styles.xml" in names else []
        epoch = any(
            name == "workbookPr" and attributes.get("date1904", "0") in ("1", "true")
            for name, attributes in workbook
        )
        book = _Book(strings, kinds, epoch)
        path = self._sheet_path([a for name, a in workbook if name == "sheet"], options.sheet)
        if path not in names:
            raise _invalid(f"the part {path} is missing")
        self._options = options
        self._rows = self._read(path, book)
        self._skipped = options.skip_lines
        self._first: list[_Row] = []
        self.columns: tuple[str, ...] = self._read_header(limits)

    def _open(self, name: str) -> tuple[BinaryIO, int]:
        try:
            return cast(BinaryIO, self._archive.open(name)), self._archive.getinfo(name).compress_size
        except (KeyError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
            raise _invalid(f"the part {name} cannot be read") from error

    def _elements(self, name: str) -> list[tuple[str, dict[str, str]]]:
        handler = _Elements()
        file, size = self._open(name)
        for _ in _parse(file, handler, name, size):
            pass
        return handler.found

    def _strings(self) -> list[str]:
        handler = _SharedStrings()
        file, size = self._open("xl/sharedStrings.xml")
        for _ in _parse(file, handler, "shared strings", size):
            pass
        return handler.strings

    def _kinds(self) -> list[str]:
        custom: dict[int, str] = {}
        kinds: list[str] = []
        inside = False
        for name, attributes in self._elements("xl/styles.xml"):
            if name == "numFmt":
                custom[int(attributes["numFmtId"])] = attributes.get("formatCode", "")
            elif name in ("cellXfs", "cellStyleXfs", "cellStyles", "dxfs"):
                inside = name == "cellXfs"
            elif name == "xf" and inside:
                number = int(attributes.get("numFmtId", "0"))
                if number in custom:
                    kinds.append(_format_kind(custom[number]))
                elif number == 46:
                    kinds.append("elapsed")
                else:
                    kinds.append(
                        "date" if number in _DATE_FORMATS else "time" if number in _TIME_FORMATS else ""
                    )
        return kinds

    def _sheet_path(self, sheets: list[dict[str, str]], wanted: str | int | None) -> str:
        if not sheets:
            raise _invalid("it has no sheet")
        names = [sheet.get("name", "") for sheet in sheets]
        if isinstance(wanted, str):
            if wanted not in names:
                listed = ", ".join(names[:20])
                raise UnreadableFileError(
                    "SHEET_NOT_FOUND", f"The workbook has no sheet {wanted!r}; its sheets are {listed}."
                )
            sheet = sheets[names.index(wanted)]
        else:
            number = wanted or 1
            if number > len(sheets):
                raise UnreadableFileError(
                    "SHEET_NOT_FOUND", f"The workbook has no sheet number {number}; it has {len(sheets)}."
                )
            sheet = sheets[number - 1]
        for name, attributes in self._elements("xl/_rels/workbook.xml.rels"):
            if name == "Relationship" and attributes.get("Id") == sheet.get("id"):
                target = attributes.get("Target", "")
                return target.lstrip("/") if target.startswith("/") else f"xl/{target}"
        raise _invalid("its sheet is missing")

    def _read(self, path: str, book: _Book) -> Iterator[_Row]:
        handler = _Sheet(book)
        file, size = self._open(path)
        for _ in _parse(file, handler, "sheet", size):
            yield from handler.rows
            handler.rows.clear()

    def _read_header(self, limits: Limits) -> tuple[str, ...]:
        rows: list[list[str]] = []
        wanted = self._options.header_rows if self._options.header else 1
        for row in self._rows:
            if row.number <= self._skipped:
                continue
            if row.error:
                raise UnreadableFileError("HEADER_UNREADABLE", row.error[1])
            width = max(row.cells) + 1
            if width > limits.max_columns:
                raise UnreadableFileError(
                    "TOO_MANY_COLUMNS",
                    f"The header has {width} columns; at most {limits.max_columns} can be loaded.",
                )
            rows.append([row.cells.get(column, "") for column in range(width)])
            if not self._options.header:
                self._first = [row]
            if len(rows) == wanted:
                break
        if not rows:
            raise UnreadableFileError("FILE_EMPTY", "The sheet has no header: it is empty.")
        return header_labels(rows, self._options)

    def blocks(self) -> Iterator[TextTable]:
        width = len(self.columns)
        builder = BlockBuilder(width)
        waiting: list[_Row] = []
        footer = self._options.skip_footer
        for rows in (self._first, self._rows):
            for row in rows:
                waiting.append(row)
                if len(waiting) > footer:
                    self._add(builder, waiting.pop(0), width)
                    if builder.full:
                        yield builder.take()
        for row in waiting:
            text = ",".join(row.cells.values())
            builder.skip(row.number - 1, "footer-row", "The record belongs to the footer.", text)
        if not builder.empty:
            yield builder.take()

    @staticmethod
    def _add(builder: BlockBuilder, row: _Row, width: int) -> None:
        line, cells = row.number - 1, row.cells
        last = max(cells, default=-1)
        if row.error is None and last < width:
            builder.add(line, [cells.get(column) for column in range(width)], sum(map(len, cells.values())))
            return
        shown = [cells.get(column, "") for column in range(max(width, last + 1))]
        text = ",".join(shown)
        if row.error:
            builder.reject(line, "cell-error", row.error[1], text, shown)
        else:
            message = f"The record has {last + 1} cells, the header has {width}."
            builder.reject(line, "extra-cell", message, text, shown)


class XlsxParser(TableParser):
    name = "xlsx"

    def recognises(self, head: bytes, file_name: str) -> bool:
        """Whether the first entries of the archive are those of a workbook."""
        return is_workbook(head)

    @contextmanager
    def open(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Iterator[XlsxTable]:
        try:
            archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, OSError) as error:
            raise _invalid("it is not a zip archive") from error
        with archive:
            try:
                table = XlsxTable(archive, options, limits)
            except (ValueError, KeyError) as error:
                raise _invalid("a value in it is invalid") from error
            yield table
