"""Checks the rows of a slice by column: good rows typed for the sink, the others with every reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import pyarrow as pa

from ingestor.pipelines.document import Field, Pipeline
from services.processor.arrow import AnyArray, Int64s, Mask, texts_at
from services.processor.constraints import broken_constraints
from services.processor.conversion import convert, explain
from services.processor.json_rows import json_rows
from services.processor.problems import Problem, RowProblem, capped, quoted
from services.processor.text_column import TextColumn, text_column

# Name of the only column of rows without a pipeline.
JSON_COLUMN = "data"


class RejectedRecord(Protocol):
    """A record that the reader could not split into the header's cells, or left out."""

    @property
    def index(self) -> int:
        """0-based number of the record in the slice."""

    @property
    def line_index(self) -> int:
        """0-based line of the slice on which it starts."""

    @property
    def state(self) -> Literal["failed", "skipped"]:
        """Whether it failed or was left out on purpose."""

    @property
    def code(self) -> str:
        """Frictionless error code."""

    @property
    def message(self) -> str:
        """One sentence."""

    @property
    def cells(self) -> tuple[str, ...] | None:
        """Its cells, None when it could not be split."""

    @property
    def text(self) -> str:
        """Its own text, perhaps shortened."""


class TextTable(Protocol):
    """The records of a slice as columns of text; n records could be split."""

    @property
    def columns(self) -> Sequence[pa.StringArray]:
        """One array of n values for each column of the file; null only where its format knows a null."""

    @property
    def row_index(self) -> Int64s:
        """int64[n]: 0-based number of each record in the slice, ascending."""

    @property
    def line_index(self) -> Int64s:
        """int64[n]: 0-based line of the slice on which each record starts."""

    @property
    def rejected(self) -> Sequence[RejectedRecord]:
        """The records that are not among the n."""


@dataclass(frozen=True, slots=True)
class CheckedRows:
    """What became of a slice.

    `good` has one column per field of the pipeline, in its order and under its name (without a
    pipeline: the column "data" with JSON text). pyarrow.csv.write_csv with quoting_style="needed"
    makes of it what COPY (FORMAT csv) reads exactly: NULL is empty and not quoted, text is quoted.
    `good_index` (int64) has the record number of each of its rows, ascending. `rejected` has every
    other record, by ascending index.
    """

    good: pa.Table
    good_index: Int64s
    rejected: list[RowProblem]


def check_rows(text: TextTable, columns: Sequence[str], pipeline: Pipeline | None) -> CheckedRows:
    """Check every record of a slice against the pipeline's schema. `columns` are the labels of the
    file's columns, in order; a column called "" is left out. The cells of a column that the file lacks
    are missing: whether that is allowed is checked with the header (Pipeline.check_header)."""
    problems: dict[int, list[Problem]] = {}
    arrays: list[AnyArray]
    if pipeline is None:
        names, arrays = [JSON_COLUMN], [json_rows(text.columns, columns)]
    else:
        names, arrays = _check_fields(text, columns, pipeline, problems)
    rejected = [_of_reader(record) for record in text.rejected]
    if problems:
        positions = np.array(sorted(problems), np.int64)
        good = np.ones(len(text.row_index), np.bool_)
        good[positions] = False
        keep = pa.array(good)
        arrays = [array.filter(keep) for array in arrays]
        good_index = text.row_index[good]
        rejected += _failed(text, positions, problems)
    else:
        good_index = text.row_index
    rejected.sort(key=lambda row: row.index)
    return CheckedRows(pa.table(arrays, names=names), good_index, rejected)


def _check_fields(
    text: TextTable, columns: Sequence[str], pipeline: Pipeline, problems: dict[int, list[Problem]]
) -> tuple[list[str], list[AnyArray]]:
    """The fields' columns; every error goes to `problems`, by position among the n records."""
    at = {label: position for position, label in reversed(list(enumerate(columns)))}
    missing = pipeline.missing_values
    key = frozenset(pipeline.key)
    arrays: list[AnyArray] = []
    for field in pipeline.fields:
        source = pipeline.source(field)
        if source in at:
            column = text_column(text.columns[at[source]], missing)
        else:  # allowed by the dialect: every cell is missing
            column = text_column(pa.nulls(len(text.row_index), pa.string()), missing)
        arrays.append(_check_field(field, column, field.name in key, problems))
    return [field.name for field in pipeline.fields], arrays


def _check_field(
    field: Field, column: TextColumn, in_key: bool, problems: dict[int, list[Problem]]
) -> AnyArray:
    converted = convert(field, column)
    if converted.bad is not None:
        for position, value in _values(column, converted.bad):
            message = f"{field.name}: {quoted(value)} {explain(field, value)}"
            _add(problems, position, "type-error", field, value, message)
    for broken in broken_constraints(field, column, converted):
        for position, value in _values(column, broken.rows):
            subject = "" if broken.constraint == "required" else quoted(value) + " "
            message = f"{field.name}: {subject}{broken.message}"
            _add(problems, position, "constraint-error", field, value, message)
    if in_key and column.valid is not None and not field.constraints.required:
        for position, value in _values(column, ~column.valid):
            message = f"{field.name}: a part of the primary key needs a value"
            _add(problems, position, "primary-key", field, value, message)
    return converted.column


def _values(column: TextColumn, rows: Mask) -> list[tuple[int, str]]:
    """Positions and texts of the marked rows; the text of a missing value is empty."""
    positions = np.flatnonzero(rows)
    texts = texts_at(column.array, positions)
    return [(position, text or "") for position, text in zip(positions.tolist(), texts, strict=True)]


def _add(
    problems: dict[int, list[Problem]], position: int, code: str, field: Field, value: str, message: str
) -> None:
    problem = Problem(code, field.name, capped(value), message, "validate")
    problems.setdefault(position, []).append(problem)


def _failed(text: TextTable, positions: Int64s, problems: dict[int, list[Problem]]) -> list[RowProblem]:
    cells = zip(
        *([cell or "" for cell in column.take(positions).to_pylist()] for column in text.columns), strict=True
    )
    indices, lines = text.row_index[positions].tolist(), text.line_index[positions].tolist()
    return [
        RowProblem(index, line, "failed", tuple(problems[position]), row)
        for position, index, line, row in zip(positions.tolist(), indices, lines, cells, strict=True)
    ]


def _of_reader(record: RejectedRecord) -> RowProblem:
    problem = Problem(record.code, "", capped(record.text), record.message, "parse")
    return RowProblem(record.index, record.line_index, record.state, (problem,), record.cells)
