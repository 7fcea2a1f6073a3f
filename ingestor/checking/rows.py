"""Checks the rows of a slice by column: good rows typed for the sink, the others with every reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import pyarrow as pa

from ingestor.checking.arrow import AnyArray, Int64s, Mask, texts_at
from ingestor.checking.constraints import broken_constraints
from ingestor.checking.conversion import convert, explain, plain_numbers, with_bad
from ingestor.checking.json_rows import json_rows
from ingestor.checking.steps.apply import Cells, filter_rows, transform
from ingestor.checking.steps.rules import broken_rules
from ingestor.checking.text_column import TextColumn, text_column
from ingestor.outcomes import Problem, RejectedState, RowProblem, capped, quoted
from ingestor.pipelines.document import Field, Pipeline

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
    other record, by ascending index, with the file's own cells.
    """

    good: pa.Table
    good_index: Int64s
    rejected: list[RowProblem]


def check_rows(text: TextTable, columns: Sequence[str], pipeline: Pipeline | None) -> CheckedRows:
    """Check every record of a slice: the pipeline's transforms, filters, schema and rules. `columns` are
    the labels of the file's columns, in order; a column called "" is left out. The cells of a column
    that the file lacks are missing: whether that is allowed is checked with the header
    (Pipeline.header_problem)."""
    rejected = [_of_reader(record) for record in text.rejected]
    good: list[AnyArray]
    if pipeline is None:
        good, good_index = [json_rows(text.columns, columns)], text.row_index
        names = [JSON_COLUMN]
    else:
        good, good_index = _check_pipeline(text, columns, pipeline, rejected)
        names = [field.name for field in pipeline.fields]
    rejected.sort(key=lambda row: row.index)
    return CheckedRows(pa.table(good, names=names), good_index, rejected)


def _check_pipeline(
    text: TextTable, columns: Sequence[str], pipeline: Pipeline, rejected: list[RowProblem]
) -> tuple[list[AnyArray], Int64s]:
    """Transforms, filters, the schema and the rules, in this order: the fields' columns of the good rows
    and their record numbers; the other rows go to `rejected`."""
    # Of columns with the same label, the first; no label that is read occurs twice.
    file: dict[str, pa.StringArray] = {}
    for label, column in zip(columns, text.columns, strict=True):
        file.setdefault(label, column)
    for label in pipeline.labels_of_file:
        if label not in file:
            file[label] = pa.nulls(len(text.row_index), pa.string())
    cells = transform(pipeline, file, len(text.row_index))
    cells, rows, unwanted = filter_rows(pipeline, cells)
    for condition in unwanted:
        skipped = {position: [problem] for position, problem in condition.problems()}
        rejected += _rejected(text, "skipped", skipped)
    problems = cells.problems
    arrays = _check_fields(cells, pipeline, problems)
    good, arrays = _without(arrays, np.arange(cells.count), problems)
    if pipeline.rules and len(good):
        _check_rules(cells, pipeline, good, arrays, problems)
        good, arrays = _without(arrays, good, problems)
    if rows is not None:
        problems = {int(rows[position]): found for position, found in problems.items()}
        good = rows[good]
    rejected += _rejected(text, "failed", problems)
    return arrays, text.row_index[good]


def _without(
    arrays: list[AnyArray], rows: Int64s, problems: Mapping[int, object]
) -> tuple[Int64s, list[AnyArray]]:
    """The rows, and their values, that have no problem; `rows` are the positions of the arrays' values."""
    if not problems:
        return rows, arrays
    keep = ~np.isin(rows, np.fromiter(problems, np.int64, len(problems)))
    if keep.all():
        return rows, arrays
    mask = pa.array(keep)
    return rows[keep], [array.filter(mask) for array in arrays]


def _check_fields(cells: Cells, pipeline: Pipeline, problems: dict[int, list[Problem]]) -> list[AnyArray]:
    """The fields' columns; every error goes to `problems`, by position."""
    key = frozenset(pipeline.key)
    arrays: list[AnyArray] = []
    for field in pipeline.fields:
        source = pipeline.source(field)
        column = text_column(cells.texts[source], pipeline.missing_values_of(field))
        found: dict[int, list[Problem]] = {}
        arrays.append(_check_field(field, column, field.name in key, found))
        refused = cells.refused.get(source)
        for position, errors in found.items():
            # What a transform refused has been said.
            if refused is None or not refused[position]:
                problems.setdefault(position, []).extend(errors)
    return arrays


def _check_rules(
    cells: Cells,
    pipeline: Pipeline,
    rows: Int64s,
    arrays: list[AnyArray],
    problems: dict[int, list[Problem]],
) -> None:
    """Every broken rule goes to `problems`; `rows` are the positions of the arrays' values."""
    columns = {field.name: array for field, array in zip(pipeline.fields, arrays, strict=True)}
    for broken in broken_rules(pipeline, columns, len(rows)):
        texts = {}
        for field in pipeline.fields:
            if field.name in broken.rule.names:
                column = cells.texts[pipeline.source(field)].take(rows)
                texts[field.name] = text_column(column, pipeline.missing_values_of(field)).array
        for position, problem in broken.problems(texts):
            problems.setdefault(int(rows[position]), []).append(problem)


def _check_field(
    field: Field, column: TextColumn, in_key: bool, problems: dict[int, list[Problem]]
) -> AnyArray:
    plain, unmarked = plain_numbers(field, column)
    converted = with_bad(convert(field, plain), unmarked)
    if converted.bad is not None:
        for position, value in _values(column, converted.bad):
            message = f"{field.name}: {quoted(value)} {explain(field, value)}"
            _add(problems, position, "type-error", field, value, message)
    for broken in broken_constraints(field, plain, converted):
        for position, value in _values(column, broken.rows):
            subject = "" if broken.constraint == "required" else quoted(value) + " "
            why = broken.message if isinstance(broken.message, str) else broken.message(value)
            message = f"{field.name}: {subject}{why}"
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


def _rejected(
    text: TextTable, state: RejectedState, problems: Mapping[int, Sequence[Problem]]
) -> list[RowProblem]:
    """Rows with problems, by position, with the file's own cells."""
    if not problems:
        return []
    positions = np.array(sorted(problems), np.int64)
    cells = zip(
        *([cell or "" for cell in column.take(positions).to_pylist()] for column in text.columns), strict=True
    )
    indices, lines = text.row_index[positions].tolist(), text.line_index[positions].tolist()
    return [
        RowProblem(index, line, state, tuple(problems[position]), row)
        for position, index, line, row in zip(positions.tolist(), indices, lines, cells, strict=True)
    ]


def _of_reader(record: RejectedRecord) -> RowProblem:
    problem = Problem(record.code, "", capped(record.text), record.message, "parse")
    return RowProblem(record.index, record.line_index, record.state, (problem,), record.cells)
