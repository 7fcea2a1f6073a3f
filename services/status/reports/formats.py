"""The kinds of report files: a new one is a ReportWriter and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum

from services.status.reports.csv import CsvReportWriter
from services.status.reports.jsonl import JsonlReportWriter
from services.status.reports.writer import ReportWriter
from services.status.reports.xlsx import XlsxReportWriter


class ReportFormat(Enum):
    """Kinds of report files; the numbers are those of the contract."""

    CSV = 1
    JSONL = 2
    XLSX = 3


WRITERS: Mapping[ReportFormat, Callable[[], ReportWriter]] = {
    ReportFormat.CSV: CsvReportWriter,
    ReportFormat.JSONL: JsonlReportWriter,
    ReportFormat.XLSX: XlsxReportWriter,
}
