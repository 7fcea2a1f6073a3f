"""Writes a report as CSV (RFC 4180, UTF-8, CRLF) that is safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from ingestor.outcomes import Notice
from ingestor.reports import guard, headings
from ingestor.services.status.reports.cells import cells
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

    def end(self, notices: Sequence[Notice]) -> bytes:
        return b""


def _lines(rows: Iterable[Sequence[str]]) -> bytes:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\r\n").writerows([guard(cell) for cell in row] for row in rows)
    return buffer.getvalue().encode()
