"""Checks the rows of a slice by column: good rows typed for the sink, the others with every error."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ingestor.checking.blank_rows import skip_blank_rows
from ingestor.checking.cell_notes import apply_cell_notes
from ingestor.checking.columns_read import columns_read
from ingestor.checking.constraints import broken_constraints
from ingestor.checking.steps.apply import Cells, filter_rows, transform
from ingestor.checking.steps.rules import broken_rules
from ingestor.checking.typed_cells import ReadColumn, Reader, TypedCells
from ingestor.columns.arrow import AnyArray, Int64s, Mask, pc, texts_at
from ingestor.columns.json_strings import escaped, json_strings
from ingestor.columns.text_column import TextColumn, text_column
from ingestor.outcomes import Notice, RejectedRow, RejectedState, RowError, capped, quoted
from ingestor.pipelines.document import Field, Pipeline
from ingestor.tabular.text_table import TextTable

# Name of the only column of rows without a pipeline.
JSON_COLUMN = "data"


@dataclass(frozen=True, slots=True)
class CheckedRows:
    """A slice after the checks."""

    good: pa.Table
    """The good rows: one column per field of the pipeline, in its order and under its name (without a
    pipeline: the column "data" with JSON text). pyarrow.csv.write_csv with quoting_style="needed" writes
    it as COPY (FORMAT csv) reads it exactly: NULL is empty and not quoted, text is quoted."""
    good_index: Int64s
    """The record number of each good row, ascending."""
    rejected: list[RejectedRow]
    """Every other record, by row number, with the file's own cells."""
    notices: tuple[Notice, ...] = ()
    """Those of the reader."""


def check_rows(
    text: TextTable, columns: Sequence[str], pipeline: Pipeline | None, *, typed: TypedCells = "none"
) -> CheckedRows:
    """Check every record of a slice: the pipeline's transforms, filters, schema and rules. `columns` are
    the labels of the file's columns, in order; a column called "" is left out. The cells of a column
    that the file lacks are missing; Pipeline.header_problem says whether that is allowed.
    `typed`: whether cells are numbers, dates and truth values that the file keeps so (see typed_cells)."""
    if pipeline is not None:
        columns = pipeline.read_as(columns)
    text = apply_cell_notes(text, columns, pipeline)
    if pipeline is not None:
        text = skip_blank_rows(text, columns, pipeline)
    rejected = list(text.rejected)
    good: list[AnyArray]
    if pipeline is None:
        good, good_index = [_json_rows(text.columns, columns)], text.row_index
        names = [JSON_COLUMN]
    else:
        good, good_index = _check_pipeline(text, columns, pipeline, rejected, typed)
        names = [field.name for field in pipeline.fields]
    rejected.sort(key=lambda row: row.row_number)
    return CheckedRows(pa.table(good, names=names), good_index, rejected, text.notices)


def _json_rows(columns: Sequence[pa.StringArray], labels: Sequence[str]) -> pa.StringArray:
    """One JSON object per row, in the columns' order; every value is a string, or null where the cell is.

    `labels` are unique but for "", which leaves a column out. There is at least one column.
    """
    parts: list[Any] = []
    for column, label in zip(columns, labels, strict=True):
        if not label:
            continue
        parts.append((", " if parts else "{") + json.dumps(label, ensure_ascii=False) + ": ")
        if column.null_count:
            parts.append(pc.fill_null(json_strings(column), "null"))
        else:  # without a copy in between
            parts += ['"', escaped(column), '"']
    if not parts:
        return pa.array(["{}"] * len(columns[0]), pa.string())
    rows: pa.StringArray = pc.binary_join_element_wise(*parts, "}", "")
    return rows


def _check_pipeline(
    text: TextTable,
    columns: Sequence[str],
    pipeline: Pipeline,
    rejected: list[RejectedRow],
    typed: TypedCells,
) -> tuple[list[AnyArray], Int64s]:
    """Transforms, filters, the schema and the rules, in this order: the fields' columns of the good rows
    and their record numbers; the other rows go to `rejected`."""
    file = columns_read(columns, text.columns, pipeline, len(text.row_index))
    cells = transform(pipeline, file, len(text.row_index))
    cells, rows, unwanted = filter_rows(pipeline, cells)
    for condition in unwanted:
        skipped = {position: [error] for position, error in condition.errors()}
        rejected += _rejected(text, "skipped", skipped)
    errors = cells.errors
    reader = Reader(pipeline, text, columns, typed)
    row_index = text.row_index if rows is None else text.row_index[rows]
    arrays = _check_fields(cells, pipeline, errors, reader, row_index)
    good, arrays = _without(arrays, np.arange(cells.count), errors)
    if pipeline.rules and len(good):
        _check_rules(cells, pipeline, good, arrays, errors)
        good, arrays = _without(arrays, good, errors)
    if rows is not None:
        errors = {int(rows[position]): found for position, found in errors.items()}
        good = rows[good]
    rejected += _rejected(text, "failed", errors)
    return arrays, text.row_index[good]


def _without(
    arrays: list[AnyArray], rows: Int64s, errors: Mapping[int, object]
) -> tuple[Int64s, list[AnyArray]]:
    """The rows, and their values, that have no error; `rows` are the positions of the arrays' values."""
    if not errors:
        return rows, arrays
    keep = ~np.isin(rows, np.fromiter(errors, np.int64, len(errors)))
    if keep.all():
        return rows, arrays
    mask = pa.array(keep)
    return rows[keep], [array.filter(mask) for array in arrays]


def _check_fields(
    cells: Cells,
    pipeline: Pipeline,
    errors: dict[int, list[RowError]],
    reader: Reader,
    row_index: Int64s,
) -> list[AnyArray]:
    """The fields' columns; every error goes to `errors`, by position. `row_index` as in TextTable."""
    key = frozenset(pipeline.key)
    arrays: list[AnyArray] = []
    for field in pipeline.fields:
        source = pipeline.source(field)
        column = text_column(cells.texts[source], pipeline.missing_values_of(field))
        found: dict[int, list[RowError]] = {}
        read = reader.read(field, column, row_index)
        arrays.append(_check_field(field, column, read, field.name in key, found))
        refused = cells.refused.get(source)
        for position, more in found.items():
            # What a transform refused has been reported.
            if refused is None or not refused[position]:
                errors.setdefault(position, []).extend(more)
    return arrays


def _check_rules(
    cells: Cells,
    pipeline: Pipeline,
    rows: Int64s,
    arrays: list[AnyArray],
    errors: dict[int, list[RowError]],
) -> None:
    """Every broken rule goes to `errors`; `rows` are the positions of the arrays' values."""
    columns = {field.name: array for field, array in zip(pipeline.fields, arrays, strict=True)}
    for broken in broken_rules(pipeline, columns, len(rows)):
        texts = {}
        for field in pipeline.fields:
            if field.name in broken.rule.names:
                column = cells.texts[pipeline.source(field)].take(rows)
                texts[field.name] = text_column(column, pipeline.missing_values_of(field)).array
        for position, error in broken.errors(texts):
            errors.setdefault(int(rows[position]), []).append(error)


def _check_field(
    field: Field,
    column: TextColumn,
    read: ReadColumn,
    in_key: bool,
    errors: dict[int, list[RowError]],
) -> AnyArray:
    converted = read.converted
    if converted.bad is not None:
        for position, value in _values(column, converted.bad):
            message = f"{field.name}: {quoted(value)} {read.kind_at(field, position).explain(value)}"
            _add(errors, position, "type-error", field, value, message)
    for broken in broken_constraints(field, column, converted):
        for position, value in _values(column, broken.rows):
            subject = "" if broken.constraint == "required" else quoted(value) + " "
            why = broken.message if isinstance(broken.message, str) else broken.message(value)
            message = f"{field.name}: {subject}{why}"
            _add(errors, position, "constraint-error", field, value, message)
    if in_key and column.valid is not None and not field.constraints.required:
        for position, value in _values(column, ~column.valid):
            message = f"{field.name}: a part of the primary key needs a value"
            _add(errors, position, "primary-key", field, value, message)
    return converted.column


def _values(column: TextColumn, rows: Mask) -> list[tuple[int, str]]:
    """Positions and texts of the marked rows; the text of a missing value is empty."""
    positions = np.flatnonzero(rows)
    texts = texts_at(column.array, positions)
    return [(position, text or "") for position, text in zip(positions.tolist(), texts, strict=True)]


def _add(
    errors: dict[int, list[RowError]], position: int, code: str, field: Field, value: str, message: str
) -> None:
    error = RowError(code, field.name, capped(value), message, "validate")
    errors.setdefault(position, []).append(error)


def _rejected(
    text: TextTable, state: RejectedState, errors: Mapping[int, Sequence[RowError]]
) -> list[RejectedRow]:
    """Rows with errors, by position, with the file's own cells."""
    if not errors:
        return []
    positions = np.array(sorted(errors), np.int64)
    cells = zip(
        *([cell or "" for cell in column.take(positions).to_pylist()] for column in text.columns), strict=True
    )
    rows = (text.row_index[positions] + text.first_row).tolist()
    lines = (text.line_index[positions] + text.first_line).tolist()
    return [
        RejectedRow(row, line, state, tuple(errors[position]), found)
        for position, row, line, found in zip(positions.tolist(), rows, lines, cells, strict=True)
    ]
