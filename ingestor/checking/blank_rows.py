"""Skips rows that hold nothing but blanks which the pipeline trims. The reader has skipped those without."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ingestor.columns.arrow import Int64s, pc, to_mask
from ingestor.outcomes import RejectedRow
from ingestor.pipelines.document import Pipeline
from ingestor.pipelines.transforms import Trim
from ingestor.tabular.text_table import TextTable


def skip_blank_rows(text: TextTable, columns: Sequence[str], pipeline: Pipeline) -> TextTable:
    """Skip, as `blank-row`, the rows whose cells are empty or, in columns that the pipeline trims or does not
    read, blank. Rows of nulls alone stay: they are records of formats that have nulls. `columns` are the
    labels of the columns."""
    trimmed = {step.column for step in pipeline.transforms if isinstance(step, Trim)}
    if not trimmed:
        return text
    rows = np.arange(len(text.row_index), dtype=np.int64)
    has_text = np.zeros(len(rows), np.bool_)
    exact = set(pipeline.labels_of_file) - trimmed
    for label, column in zip(columns, text.columns, strict=True):
        cells = column.take(rows) if len(rows) < len(column) else column
        bare = cells if label in exact else pc.utf8_trim_whitespace(cells)
        empty = to_mask(pc.equal(pc.binary_length(bare), 0), null=True)
        has_text = (has_text | to_mask(pc.is_valid(cells), null=False))[empty]
        rows = rows[empty]
        if not len(rows):
            return text
    return _skipped(text, rows[has_text])


def _skipped(text: TextTable, rows: Int64s) -> TextTable:
    blank = np.zeros(len(text.row_index), np.bool_)
    blank[rows] = True
    skipped = [
        RejectedRow.by_reader(
            text.row_number(row), text.line_number(row), "skipped", "blank-row",
            "The record holds nothing but blanks, which the pipeline trims.", (), "",
        )
        for row in rows.tolist()
    ]  # fmt: skip
    return text.rejecting(blank, skipped)
