"""What a service needs to delimit a table: header, records, slices. Needs numpy, nothing else."""

from __future__ import annotations

from ingestor.tabular.dialect import Dialect, detect_delimiter
from ingestor.tabular.header import Header, HeaderError, HeaderReason, read_header, unique_columns
from ingestor.tabular.limits import DEFAULT_LIMITS, Limits
from ingestor.tabular.scan import RecordScan, scan_records
from ingestor.tabular.slices import RecordDelimiter, Slice, bytes_to_read, split
from ingestor.tabular.syntax import BrokenKind

__all__ = [
    "DEFAULT_LIMITS",
    "BrokenKind",
    "Dialect",
    "Header",
    "HeaderError",
    "HeaderReason",
    "Limits",
    "RecordDelimiter",
    "RecordScan",
    "Slice",
    "bytes_to_read",
    "detect_delimiter",
    "read_header",
    "scan_records",
    "split",
    "unique_columns",
]
