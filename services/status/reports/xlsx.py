"""Writes a report as an Excel workbook (ECMA-376) in a stream, never holding a whole part in memory or on
disk.

A wrong cell is filled with colour, and a note says why. A sheet has at most MAX_NOTES of them, since they are
held until it ends; `_message` says it anyway.

Every cell is an inline string, so Excel does not run it or turn it into a number or a date. Cells are still
guarded as in CSV, because programs that save one format as the other keep the guards: so a repair can always
remove them in the same way. The package is a ZIP file with data descriptors; the sheets come before the parts
that list them. A sheet ends before its XML needs ZIP64, which Excel does not accept for a part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import IO
from zipfile import ZIP_DEFLATED, ZipFile

from ingestor.outcomes import Notice
from ingestor.reports import guard, headings
from ingestor.services.status.processes import RowState
from ingestor.services.status.reports.cells import cells, file_columns, number_texts, reasons
from ingestor.services.status.reports.row_table import STATE_NAMES, RowTable
from ingestor.services.status.reports.writer import ReportWriter, TooManyColumnsError
from ingestor.services.status.reports.wrong_cells import NONE_WRONG, by_name, wrong_cells
from ingestor.services.status.reports.xlsx_notes import SheetNotes, content_types
from ingestor.services.status.reports.xlsx_rows import RowTemplates, cell, escaped, may_be_odd, texts_of
from ingestor.services.status.rows import Row

# https://support.microsoft.com/office/excel-specifications-and-limits
MAX_ROWS = 1_048_576
MAX_COLUMNS = 16_384

MAX_NOTES = 2_000  # of a sheet

_MAX_SHEET_BYTES = 2_000_000_000
# Level 6 makes files a sixth smaller, but takes half as long again.
_LEVEL = 1

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml"
_RELATIONSHIPS = f"""{_XML}<Relationships xmlns="{_PACKAGE}/relationships">\
<Relationship Id="rId1" Type="{_OFFICE}/officeDocument" Target="xl/workbook.xml"/></Relationships>"""
_STYLES = f"""{_XML}<styleSheet xmlns="{_MAIN}"><fonts count="1"><font><sz val="11"/><name val="Calibri"/>\
</font></fonts><fills count="3"><fill><patternFill patternType="none"/></fill><fill><patternFill \
patternType="gray125"/></fill><fill><patternFill patternType="solid"><fgColor rgb="FFFFC7CE"/></patternFill>\
</fill></fills><borders count="1"><border><left/><right/><top/><bottom/><diagonal/>\
</border></borders><cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/>\
</cellStyleXfs><cellXfs count="2"><xf numFmtId="0" fontId="0" fillId="0" borderId="0" xfId="0"/>\
<xf numFmtId="0" fontId="0" fillId="2" borderId="0" xfId="0" applyFill="1"/></cellXfs>\
<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>"""
# The first row is frozen.
_SHEET = f"""{_XML}<worksheet xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><sheetViews>\
<sheetView workbookViewId="0"><pane ySplit="1" topLeftCell="A2" activePane="bottomLeft" state="frozen"/>\
<selection pane="bottomLeft"/></sheetView></sheetViews><sheetData>"""
_SHEET_END = "</sheetData></worksheet>"
_SHEET_END_WITH_NOTES = '</sheetData><legacyDrawing r:id="rId1"/></worksheet>'


class XlsxReportWriter(ReportWriter):
    def __init__(self, max_rows: int = MAX_ROWS, max_sheet_bytes: int = _MAX_SHEET_BYTES) -> None:
        """The limits of a sheet: rows, header included, and about how many bytes of XML."""
        self._max_rows = max_rows
        self._max_sheet_bytes = max_sheet_bytes
        self._sink = _Sink()
        self._package = _Package(self._sink, "w", ZIP_DEFLATED, compresslevel=_LEVEL)
        self._headings: list[str] = []
        self._width = 0
        self._with_state = False
        self._letters: list[str] = []
        self._templates = RowTemplates([])
        self._sheet: IO[bytes] | None = None
        self._sheets = 0
        self._row = 0  # rows of the sheet so far
        self._bytes = 0  # of the sheet's XML so far
        self._columns: tuple[str, ...] = ()
        self._notes = SheetNotes(MAX_NOTES)  # of the sheet so far
        self._noted: list[int] = []  # sheets with notes

    def header(self, columns: Sequence[str], *, with_state: bool) -> bytes:
        self._headings = headings(columns, with_state=with_state)
        if len(self._headings) > MAX_COLUMNS:
            raise TooManyColumnsError(
                f"XLSX has at most {MAX_COLUMNS:,} columns, not {len(self._headings):,}"
            )
        self._width, self._with_state, self._columns = len(columns), with_state, tuple(columns)
        self._letters = [column_name(number) for number in range(1, len(self._headings) + 1)]
        self._templates = RowTemplates(self._letters)
        self._part("_rels/.rels", _RELATIONSHIPS)
        self._begin_sheet()
        return self._sink.take()

    def lines(self, rows: Iterable[Row]) -> bytes:
        made: list[str] = []
        size = 0
        for row in rows:
            if self._row == self._max_rows or self._bytes + size >= self._max_sheet_bytes:
                self._write("".join(made))
                made, size = [], 0
                self._end_sheet()
                self._begin_sheet()
            line = self._line(
                cells(row, self._width, with_state=self._with_state),
                wrong_cells(row, self._columns, self._headings),
            )
            size += len(line)
            made.append(line)
        self._write("".join(made))
        return self._sink.take()

    def table(self, rows: RowTable) -> bytes:
        states = [STATE_NAMES[state] for state in rows.states]
        marked = RowState.FAILED.name in states
        # Most rows of a long report have no note any more, and are in the midst of a sheet.
        if not len(rows) or self._row + len(rows) > self._max_rows or (marked and not self._notes.is_full):
            return self.lines(rows.rows())
        columns = [
            *map(texts_of, file_columns(rows, self._width)),
            number_texts(rows.numbers),
            number_texts(rows.lines),
            *([states] if self._with_state else []),
            *map(texts_of, reasons(rows)),
        ]
        wrong = [self._wrong(rows, at) for at in range(len(rows))] if marked else [()] * len(rows)
        text = "".join(
            self._templates.line(number, texts, places)
            for number, texts, places in zip(
                count(self._row + 1), zip(*columns, strict=True), wrong, strict=False
            )
        )
        if self._bytes + len(text) >= self._max_sheet_bytes:
            return self.lines(rows.rows())
        self._row += len(rows)
        self._write(text)
        return self._sink.take()

    def _wrong(self, rows: RowTable, at: int) -> tuple[int, ...]:
        """The columns of the cells to mark in a row."""
        alone = rows.several[at] is None
        if rows.states[at] == RowState.FAILED and alone and rows.widths[at] == self._width:
            field = rows.fields[at]
            if field and (found := by_name(field, self._columns)):
                return tuple(found)
        return tuple(wrong_cells(rows.row(at), self._columns, self._headings))

    def end(self, notices: Sequence[Notice]) -> bytes:
        self._end_sheet()
        names = [_name(number) for number in range(1, self._sheets + 1)]
        if notices:
            names.append("Notices")
            self._write_notices(notices)
        numbers = range(1, self._sheets + 1)
        self._part("xl/styles.xml", _STYLES)
        sheets = "".join(
            f'<sheet name="{name}" sheetId="{n}" r:id="rId{n}"/>' for n, name in enumerate(names, 1)
        )
        self._part(
            "xl/workbook.xml",
            f'{_XML}<workbook xmlns="{_MAIN}" xmlns:r="{_OFFICE}"><bookViews><workbookView/></bookViews>'
            f"<sheets>{sheets}</sheets></workbook>",
        )
        targets = "".join(
            f'<Relationship Id="rId{n}" Type="{_OFFICE}/worksheet" Target="worksheets/sheet{n}.xml"/>'
            for n in numbers
        )
        self._part(
            "xl/_rels/workbook.xml.rels",
            f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">{targets}'
            f'<Relationship Id="rId0" Type="{_OFFICE}/styles" Target="styles.xml"/></Relationships>',
        )
        types = "".join(
            f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_TYPE}.worksheet+xml"/>'
            for n in numbers
        )
        self._part(
            "[Content_Types].xml",
            f'{_XML}<Types xmlns="{_PACKAGE}/content-types"><Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            '<Default Extension="xml" ContentType="application/xml"/>'
            f"{content_types(self._noted)}"
            f'<Override PartName="/xl/workbook.xml" ContentType="{_TYPE}.sheet.main+xml"/>'
            f'<Override PartName="/xl/styles.xml" ContentType="{_TYPE}.styles+xml"/>{types}</Types>',
        )
        self._package.close()
        return self._sink.take()

    def _write_notices(self, notices: Sequence[Notice]) -> None:
        """Write the notices as the last sheet."""
        self._headings = ["code", "message", "rows", "row numbers"]
        self._letters = ["A", "B", "C", "D"]
        self._begin_sheet()
        for notice in notices:
            rows = str(notice.rows) if notice.rows else ""
            self._write(
                self._line([notice.code, notice.message, rows, ", ".join(map(str, notice.row_numbers))])
            )
        self._end_sheet()

    def _part(self, name: str, text: str) -> None:
        with self._package.open(name, "w") as part:
            part.write(text.encode())

    def _begin_sheet(self) -> None:
        self._sheets += 1
        self._sheet = self._package.open(f"xl/worksheets/sheet{self._sheets}.xml", "w")
        self._row = self._bytes = 0
        self._write(_SHEET + self._line(self._headings))

    def _end_sheet(self) -> None:
        assert self._sheet is not None, "no header was written"
        notes = self._notes
        self._write(_SHEET_END_WITH_NOTES if notes else _SHEET_END)
        self._sheet.close()
        if notes:
            self._noted.append(self._sheets)
            for name, text in notes.parts(self._sheets):
                self._part(name, text)
            self._notes = SheetNotes(MAX_NOTES)

    def _write(self, text: str) -> None:
        assert self._sheet is not None, "no header was written"
        self._bytes += self._sheet.write(text.encode())

    def _line(self, texts: list[str], wrong: Mapping[int, str] = NONE_WRONG) -> str:
        """A row's XML, without empty cells; `wrong` has the note of each cell to mark, by its column from
        0."""
        self._row = number = self._row + 1
        for column, note in wrong.items():
            self._notes.add(number, column, self._letters[column], escaped(note))
        texts = [guard(text) for text in texts]
        whole = "".join(texts)
        # Most rows have nothing to escape, which is found out at once for all of their cells.
        if may_be_odd(whole):
            texts = [escaped(text) for text in texts]
        parts = [
            cell(f"{letter}{number}", text, marked=column in wrong)
            for column, (letter, text) in enumerate(zip(self._letters, texts, strict=True))
            if text or column in wrong
        ]
        line = "".join(parts)
        return f'<row r="{number}">{line}</row>'


class _Sink:
    """The output of the package: a buffer that is emptied as it fills, so it cannot be seeked."""

    def __init__(self) -> None:
        self._data = bytearray()

    def write(self, data: bytes, /) -> int:
        self._data += data
        return len(data)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass

    def take(self) -> bytes:
        data = bytes(self._data)
        self._data.clear()
        return data


class _Package(ZipFile):
    """A ZIP file that can be dropped before it is complete."""

    def __del__(self) -> None:
        # The parent's would try to finish the file, and complain of the sheet that is still open.
        pass


def column_name(number: int) -> str:
    """The letters of a column: A for 1, Z for 26, AA for 27."""
    name = ""
    while number:
        number, rest = divmod(number - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def _name(sheet: int) -> str:
    return "Rows" if sheet == 1 else f"Rows {sheet}"
