"""What a kind of report file has to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from ingestor.services.status.rows import Row


class TooManyColumnsError(ValueError):
    """The format cannot hold the table; says how many columns it can."""


class ReportWriter(Protocol):
    """Makes one file, piece by piece; keeps no rows. Holds nothing that has to be released, so that
    it can be dropped at any time."""

    def header(self, columns: Sequence[str], *, with_state: bool) -> bytes:
        """The file's beginning; called once, first. `columns` are the labels of the ingested file;
        `with_state`: a row's state is not clear from the kind of report. Raises
        TooManyColumnsError."""
        ...

    def lines(self, rows: Iterable[Row]) -> bytes:
        """The next rows; may be empty when they are still being compressed."""
        ...

    def end(self) -> bytes:
        """The file's end; called once, last."""
        ...
