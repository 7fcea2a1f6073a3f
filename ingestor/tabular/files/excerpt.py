"""Makes an excerpt of a file: its first records, in normal form and for display.

    ingestor.tabular.files.excerpt (see file_process)

A separate process, like ingestor.tabular.files.convert. RESULT is {"dialect": {...}, "columns": [...],
"rows": [[row, line, [cell, ...] or null], ...], "notices", "complete", "columns_known"}.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from ingestor.notices import as_objects
from ingestor.tabular.files.containers import size_of
from ingestor.tabular.files.file_process import Request, answer_request
from ingestor.tabular.files.sample import Sample, read_sample, sample_table
from ingestor.tabular.normal_form import block_lines, header_line
from ingestor.tabular.options import ReadOptions

_CELL = 1000  # characters shown of a cell
_ROW_BYTES = 2**18
_BYTES = 2 * 2**20  # shown of all cells together


@dataclass(frozen=True, slots=True)
class Shown:
    """A record for display: numbered from 1, without cells when it could not be split."""

    row_number: int
    line_number: int
    cells: list[str] | None


def shown_records(sample: Sample) -> list[Shown]:
    """The records of a sample in order: at least one, and at most 2 MiB of cells."""
    found = [
        Shown(row, line, _shown([cells[position] or "" for cells in sample.cells]))
        for position, (row, line) in enumerate(zip(sample.row_numbers, sample.line_numbers, strict=True))
    ]
    found += [
        Shown(record.row_number, record.line_number, _shown(record.cells) if record.cells else None)
        for record in sample.rejected
    ]
    found.sort(key=lambda record: record.row_number)
    size = 0
    for position, record in enumerate(found):
        size += sum(len(cell.encode()) for cell in record.cells or ())
        if size > _BYTES and position:
            return found[:position]
    return found


def _shown(cells: list[str] | tuple[str, ...]) -> list[str]:
    most = max(16, min(_CELL, _ROW_BYTES // max(len(cells), 1)))
    return [cell[:most] for cell in cells]


def make_excerpt(
    file: BinaryIO, name: str, options: ReadOptions, *, rows: int, whole: bool, labels: Sequence[str] = ()
) -> tuple[dict[str, object], bytes]:
    """RESULT (see the module) for at most `rows` records, and their normal form; `labels` are those that the
    pipeline reads. Unless `whole`, more of the
    file may follow. Raises UnreadableFileError."""
    sample = read_sample(
        file, size_of(file), name, options, rows=rows, whole=whole, labels=labels, bounded=True, faults=True
    )  # fmt: skip
    shown = shown_records(sample)
    content = header_line(sample.labels) + block_lines(sample_table(sample))
    return {
        "dialect": json.loads(sample.plan.options.to_json()),
        "columns": sample.labels,
        "rows": [[record.row_number, record.line_number, record.cells] for record in shown],
        "notices": as_objects(sample.notices),
        "complete": sample.complete and len(shown) == sample.record_count,
        # A later JSON object may add a column.
        "columns_known": sample.complete or sample.plan.format not in ("json", "jsonl"),
    }, content


def _excerpt(request: Request, file: BinaryIO, out: BinaryIO) -> dict[str, object]:
    answer, content = make_excerpt(
        file, request.name, request.options, rows=request.rows, whole=request.whole, labels=request.labels
    )
    out.write(content)
    return answer


def main() -> int:
    """Be that process: its exit status."""
    return answer_request(_excerpt)
