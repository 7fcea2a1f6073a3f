"""The interface of a report format."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from ingestor.outcomes import Notice
from ingestor.services.status.reports.row_table import RowTable
from ingestor.services.status.rows import Row


class TooManyColumnsError(ValueError):
    """The format cannot hold that many columns; the message names the limit."""


class ReportWriter(Protocol):
    """Writes one file piece by piece. Keeps no rows and holds nothing that must be released, so it can be
    dropped at any time."""

    def header(self, columns: Sequence[str], *, with_state: bool) -> bytes:
        """The beginning of the file; called once, first. `columns` are the labels of the ingested file;
        `with_state` adds the state of each row. Raises TooManyColumnsError."""
        ...

    def lines(self, rows: Iterable[Row]) -> bytes:
        """The next rows; no bytes while the compressor still collects them."""
        ...

    def table(self, rows: RowTable) -> bytes:
        """The same bytes as `lines`, for millions of rows."""
        return self.lines(rows.rows())

    def end(self, notices: Sequence[Notice]) -> bytes:
        """The end of the file, with the notices of the process if the format has a place for them; called
        once, last."""
        ...
