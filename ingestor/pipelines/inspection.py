"""Inspects a file: how it is read, what its columns hold, what would be rejected, a pipeline's draft.

    ingestor.pipelines.inspection (see ingestor.tabular.files.file_process)

RESULT is what `inspect_open` returns.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from ingestor.notices import as_objects, merged
from ingestor.pipelines.inference.columns import all_notices, infer_columns, worth_reading
from ingestor.pipelines.inference.draft import draft_pipeline
from ingestor.pipelines.inference.keys import repeated_rows
from ingestor.pipelines.inference.readable_names import load_letters, stem_of
from ingestor.tabular.files.containers import size_of
from ingestor.tabular.files.encodings import to_utf8
from ingestor.tabular.files.file_process import Request, answer_request
from ingestor.tabular.files.sample import Sample, read_sample
from ingestor.tabular.files.top import TopLine, top_of_text, with_rejected
from ingestor.tabular.options import ReadOptions

_FIRST_ROWS = 20
_MOST_REJECTED = 100
_MOST_DUPLICATES = 10


def inspect_file(
    path: Path,
    name: str,
    options: ReadOptions,
    *,
    rows: int = 1000,
    whole: bool = True,
    key: Sequence[str] = (),
) -> dict[str, Any]:
    """What the first records of a file say; see inspect_open."""
    with path.open("rb") as file:
        return inspect_open(file, name, options, rows=rows, whole=whole, key=key)


def inspect_open(
    file: BinaryIO,
    name: str,
    options: ReadOptions,
    *,
    rows: int = 1000,
    whole: bool = True,
    key: Sequence[str] = (),
) -> dict[str, Any]:
    """What the first `rows` records of a file say; `whole` False: more of it may follow; `key`: columns that
    may be a key.

    {"format", "compression", "encoding", "dialect": {...}, "columns": [{"label", "name", "type",
    "format", "confidence", "missing", "examples", "why", "unique", "values",
    "candidates": [{"keys", "values": [(written, understood)]}]}], "first_rows": [{"row", "line", "cells"}],
    "rejected": [{"row", "line", "state", "code", "message", "text"}], "rejected_count",
    "sampled_rows", "complete", "pipeline": {...}, "guesses": [{"option", "value_json", "confidence", "why"}],
    "notices": [{"code", "message", "rows", "row_numbers"}],
    "lines": [{"line", "role", "cells", "width", "why"}],
    "sheets": [{"name", "rows", "columns", "hidden", "readable"}], "duplicate_count",
    "duplicate_rows": [...]}. Raises UnreadableFileError.
    """
    sample = read_sample(file, size_of(file), name, options, rows=rows, whole=whole)
    columns = infer_columns(sample)
    repeated = repeated_rows(sample, key)
    first = range(min(_FIRST_ROWS, len(sample.row_numbers)))
    return {
        "format": sample.plan.format,
        "compression": sample.plan.compression,
        "encoding": sample.plan.encoding,
        "dialect": json.loads(sample.plan.options.to_json()),
        "columns": [
            {
                "label": column.label, "name": column.name, "type": column.type, "format": column.format,
                "confidence": column.confidence, "missing": column.missing,
                "examples": [example[:200] for example in column.examples],
                "candidates": [{"keys": keys, "values": values} for keys, values in column.candidates],
                "why": column.why,
                "unique": column.unique, "values": column.values,
            }
            for column in columns
        ],
        "first_rows": [
            {
                "row": sample.row_numbers[place], "line": sample.line_numbers[place],
                "cells": [_shown(cells[place]) for cells in sample.cells],
            }
            for place in first
        ],
        "rejected": [
            {
                "row": record.row_number, "line": record.line_number, "state": record.state,
                "code": error.code, "message": error.message, "text": error.value,
            }
            for record in sample.rejected[:_MOST_REJECTED]
            for error in record.errors
        ],
        "rejected_count": len(sample.rejected),
        "sampled_rows": sample.record_count,
        "complete": sample.complete,
        "pipeline": draft_pipeline(stem_of(name), sample, worth_reading(columns)),
        "guesses": [
            {
                "option": guess.option, "value_json": guess.value_json, "confidence": guess.confidence,
                "why": guess.why,
            }
            for guess in sample.plan.guesses
        ],
        "notices": as_objects(merged(sample.notices, all_notices(columns))),
        "lines": [
            {
                "line": line.number, "role": line.role, "cells": [_kept(cell) for cell in line.cells],
                "width": line.width, "why": line.why,
            }
            for line in _lines(file, sample, whole=whole)
        ],
        "sheets": [asdict(sheet) for sheet in sample.sheets],
        "duplicate_count": len(repeated),
        "duplicate_rows": repeated[:_MOST_DUPLICATES],
    }  # fmt: skip


def _lines(file: BinaryIO, sample: Sample, *, whole: bool) -> list[TopLine]:
    """The first lines of delimited text or a workbook; none of other formats."""
    top = top_of_text(file, sample.plan, whole=whole) if sample.plan.format == "csv" else sample.top
    return with_rejected(top, sample.rejected)


def _kept(cell: str) -> str:
    """A cell as text that JSON and a message can hold."""
    return to_utf8(cell).decode("utf-8", "backslashreplace").replace("\0", "\\x00")


def _shown(cell: str | None) -> str | None:
    return cell if cell is None else cell[:1000]


def _inspect(request: Request, file: BinaryIO, _: BinaryIO) -> dict[str, Any]:
    return inspect_open(
        file, request.name, request.options, rows=request.rows, whole=request.whole, key=request.key
    )


def main() -> int:
    """Be that process: its exit status."""
    return answer_request(_inspect, load_letters)
