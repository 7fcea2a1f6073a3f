"""Writes a report as JSON Lines (https://jsonlines.org): one object per row.

{"row": 7, "line": 8, "state": "FAILED",
 "errors": [{"code": …, "field": …, "value": …, "message": …, "phase": "PARSE"}], "cells": {label: text}}

`line` is null when only the row's batch is known, `row` when the row has no number. `cells` is empty when the
ledger has none; when the record could not be split, "text" holds its first 1024 characters.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from ingestor.outcomes import Notice
from ingestor.services.status.reports.writer import ReportWriter
from ingestor.services.status.rows import Row

_as_json = json.JSONEncoder(ensure_ascii=False, check_circular=False).encode


class JsonlReportWriter(ReportWriter):
    def __init__(self) -> None:
        self._columns: tuple[str, ...] = ()

    def header(self, columns: Sequence[str], *, with_state: bool) -> bytes:
        """No bytes: JSON Lines have no header, and every object has its state."""
        self._columns = tuple(columns)
        return b""

    def lines(self, rows: Iterable[Row]) -> bytes:
        return "".join(_as_json(self._object(row)) + "\n" for row in rows).encode()

    def end(self, notices: Sequence[Notice]) -> bytes:
        return b""

    def _object(self, row: Row) -> dict[str, object]:
        split = len(row.cells) == len(self._columns)
        item: dict[str, object] = {
            "row": row.row_number or None,
            "line": row.line_number or None,
            "state": row.state.name,
            "errors": [
                {
                    "code": error.code,
                    "field": error.field,
                    "value": error.value,
                    "message": error.message,
                    "phase": error.phase.upper(),
                }
                for error in row.errors
            ],
            "cells": dict(zip(self._columns, row.cells, strict=True)) if split else {},
        }
        if not split:
            whole = [e.value for e in row.errors if e.phase == "parse" and not e.field]
            if whole:
                item["text"] = whole[0]
        return item
