"""What a dry run computes of a file and its pipeline, in a process that may die of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import pyarrow as pa

from ingestor.checking.readings import field_readings
from ingestor.columns.arrow import Int64s
from ingestor.outcomes import Notice, RejectedRow
from ingestor.pipelines.document import Pipeline, parse_pipeline
from ingestor.readings import FieldReading
from ingestor.services.processor.batches import RowBatch, outcome_of
from ingestor.services.processor.reading import check_table, parse, pipeline_of_text, typed_of
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.formats import HEAD_BYTES, plan
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.records.header import HeaderError
from ingestor.tabular.records.layout import TableHead, read_table_head
from ingestor.tabular.text_table import TextTable


@dataclass(frozen=True, slots=True)
class FileHead:
    """How a file is read; `head` is None when more of it is needed."""

    head: TableHead | None
    options: ReadOptions
    notices: tuple[Notice, ...]


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why no file with this beginning can be run."""

    reason: str
    message: str


def read_head(
    data: bytes, final: bool, options: ReadOptions, normal_form: bool, labels: Sequence[str]
) -> FileHead | Unusable:
    """Find out how to read a file with this beginning; `labels` are those that its pipeline reads."""
    notices: tuple[Notice, ...] = ()
    try:
        if not normal_form:
            how = plan(data[:HEAD_BYTES], len(data) + (not final), "", options, labels=labels)
            if how.form != "as-is":
                return Unusable(
                    "CONVERSION_NEEDED",
                    "Only delimited text in UTF-8 can be checked as it is; convert the file first.",
                )
            options, notices = how.options, tuple(how.notices)
        return FileHead(read_table_head(data, final, options, normal_form), options, notices)
    except (HeaderError, UnreadableFileError) as error:
        return Unusable(str(error.reason), error.message)


@dataclass(frozen=True, slots=True)
class CheckedSlice:
    """A slice after the checks: counts of its rows, the first of those that are not good, and what of the
    good ones was asked for."""

    failed: int
    skipped: int
    rows: tuple[RejectedRow, ...]
    notices: tuple[Notice, ...]
    good: pa.Table | None
    good_index: Int64s
    readings: tuple[FieldReading, ...] = ()


def check_slice(batch: RowBatch, document: str, most_rows: int, with_good: bool) -> CheckedSlice:
    """Check the rows of a slice by a document ("" for none), which is valid; of the first slice with the
    readings of its fields. Raises ValueError when the data do not match the batch."""
    pipeline = _pipeline(document).evolved(batch.columns) if document else None
    table = parse(batch, batch.data, pipeline)
    checked = check_table(batch, table, pipeline)
    outcome = outcome_of(batch.key, checked.rejected)
    return CheckedSlice(
        outcome.failed,
        outcome.skipped,
        outcome.rows[:most_rows],
        tuple(checked.notices),
        checked.good if with_good else None,
        checked.good_index,
        _readings(batch, table, pipeline),
    )


def _readings(batch: RowBatch, table: TextTable, pipeline: Pipeline | None) -> tuple[FieldReading, ...]:
    if pipeline is None or batch.key.range.first_row > 1:
        return ()
    pipeline = pipeline_of_text(batch, pipeline)
    assert pipeline is not None
    return tuple(field_readings(table, batch.columns, pipeline, typed=typed_of(batch)))


@lru_cache(maxsize=4)
def _pipeline(document: str) -> Pipeline:
    return parse_pipeline(document)
