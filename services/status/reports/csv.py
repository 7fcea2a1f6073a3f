"""Writes a report as CSV (RFC 4180, UTF-8, CRLF) that is safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from ingestor.outcomes import Notice
from ingestor.reports import guard, headings
from ingestor.services.status.reports.cells import cells, file_columns, number_texts, reasons
from ingestor.services.status.reports.csv_fields import fields, is_plain
from ingestor.services.status.reports.row_table import STATE_NAMES, RowTable
from ingestor.services.status.reports.writer import ReportWriter
from ingestor.services.status.rows import Row


class CsvReportWriter(ReportWriter):
    def __init__(self) -> None:
        self._width = 0
        self._with_state = False

    def header(self, columns: Sequence[str], *, with_state: bool) -> bytes:
        self._width, self._with_state = len(columns), with_state
        return _lines([headings(columns, with_state=with_state)])

    def lines(self, rows: Iterable[Row]) -> bytes:
        return _lines(cells(row, self._width, with_state=self._with_state) for row in rows)

    def table(self, rows: RowTable) -> bytes:
        if not len(rows):
            return b""
        numbers, lines = number_texts(rows.numbers), number_texts(rows.lines)
        codes, names, values, messages = map(fields, reasons(rows))
        columns = [_of_file(rows, self._width)] if self._width else []
        columns += (numbers, lines)
        if self._with_state:
            columns.append([STATE_NAMES[state] for state in rows.states])
        columns += (codes, names, values, messages)
        return ("\r\n".join(map(",".join, zip(*columns, strict=True))) + "\r\n").encode()

    def end(self, notices: Sequence[Notice]) -> bytes:
        return b""


def _of_file(rows: RowTable, width: int) -> Sequence[str]:
    """For each row its fields of the file's columns, of which there is at least one."""
    separator = rows.separator
    texts = rows.cells_of(width)
    whole = "\n".join(texts)
    if whole.count("\n") < len(texts) and is_plain(whole.replace("\n", separator), separator):
        return whole.replace(separator, ",").split("\n")
    columns = map(fields, file_columns(rows, width))
    return list(map(",".join, zip(*columns, strict=True)))


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerows([guard(cell) for cell in row] for row in rows)
    return buffer.getvalue().encode()
