"""The formats of reports; a new one takes a ReportWriter and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum

from ingestor.services.status.reports.csv import CsvReportWriter
from ingestor.services.status.reports.jsonl import JsonlReportWriter
from ingestor.services.status.reports.writer import ReportWriter
from ingestor.services.status.reports.xlsx import XlsxReportWriter


class ReportFormat(Enum):
    """Formats of reports; the numbers are those of the contract."""

    CSV = 1
    JSONL = 2
    XLSX = 3


WRITERS: Mapping[ReportFormat, Callable[[], ReportWriter]] = {
    ReportFormat.CSV: CsvReportWriter,
    ReportFormat.JSONL: JsonlReportWriter,
    ReportFormat.XLSX: XlsxReportWriter,
}
