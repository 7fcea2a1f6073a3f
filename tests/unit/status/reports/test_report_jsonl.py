"""The report as JSON Lines gives every text back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ingestor.outcomes import RowError
from ingestor.services.status.processes import RowState
from ingestor.services.status.reports.jsonl import JsonlReportWriter
from ingestor.services.status.rows import Row
from tests.unit.status.reports.report_rows import BROKEN, PLAIN, TEXTS, failed_row


def read(columns: Sequence[str], rows: Sequence[Row]) -> list[Any]:
    """The objects of the file of these rows, a line each."""
    writer = JsonlReportWriter()
    data = writer.header(columns, with_state=False) + writer.lines(rows) + writer.end(())
    assert data == b"" or data.endswith(b"\n")
    return [json.loads(line) for line in data.split(b"\n")[:-1]]


@given(st.lists(st.lists(TEXTS, min_size=2, max_size=2), max_size=5))
def test_every_text_comes_back(rows: list[list[str]]) -> None:
    found = read(["a", "é\n"], [failed_row(at, cells) for at, cells in enumerate(rows, 1)])
    assert [list(made["cells"].values()) for made in found] == rows
    assert [made["errors"][0]["value"] for made in found] == [cells[0] for cells in rows]
    assert [made["row"] for made in found] == list(range(1, len(rows) + 1))


def test_a_row_has_all_that_the_ledger_knows() -> None:
    errors = (
        RowError("type-error", "a", "x", "bad", "validate"),
        RowError("unique-error", "", "", "twice", "load"),
    )
    assert read(["a", "b"], [Row(3, 4, 1, RowState.FAILED, errors, ("x", "=y"))]) == [
        {
            "row": 3, "line": 4, "state": "FAILED", "cells": {"a": "x", "b": "=y"},
            "errors": [
                {"code": "type-error", "field": "a", "value": "x", "message": "bad", "phase": "VALIDATE"},
                {"code": "unique-error", "field": "", "value": "", "message": "twice", "phase": "LOAD"},
            ],
        }
    ]  # fmt: skip


def test_a_record_that_could_not_be_split_has_its_text() -> None:
    (made,) = read(["a", "b"], [BROKEN])
    assert (made["cells"], made["text"], made["errors"][0]["phase"]) == ({}, 'x,"y', "PARSE")


def test_a_row_of_which_only_the_range_is_known_has_no_text() -> None:
    dead = Row(8, 0, 2, RowState.FAILED, (RowError("batch-error", "", "", "No.", "load"),), ())
    assert [(m["line"], m["cells"], "text" in m) for m in read(["a"], [PLAIN, dead])] == [
        (None, {}, False), (None, {}, False)
    ]  # fmt: skip
