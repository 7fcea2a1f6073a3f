"""What becomes of the first values of each field: as the file writes them, and as they are understood."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from ingestor.checking.cell_notes import apply_cell_notes
from ingestor.checking.columns_read import columns_read
from ingestor.checking.steps.apply import transform
from ingestor.checking.typed_cells import ReadColumn, Reader, TypedCells
from ingestor.columns.text_column import TextColumn, text_column
from ingestor.pipelines.document import Field, Pipeline
from ingestor.readings import FieldReading
from ingestor.tabular.text_table import TextTable

_MOST = 3  # values of a field
_LOOKED_AT = 200  # rows
_LONGEST = 200  # characters of a value


def field_readings(
    text: TextTable, columns: Sequence[str], pipeline: Pipeline, *, typed: TypedCells = "none"
) -> list[FieldReading]:
    """The readings of the fields in the first rows; `columns` are the labels of the file's columns, `typed`
    is as for check_rows."""
    columns = pipeline.read_as(columns)
    text = apply_cell_notes(text, columns, pipeline)
    count = min(len(text.row_index), _LOOKED_AT)
    file = columns_read(columns, [column.slice(0, count) for column in text.columns], pipeline, count)
    reader = Reader(pipeline, text, columns, typed)
    cells = transform(pipeline, dict(file), count)
    found = []
    for field in pipeline.fields:
        label = pipeline.source(field)
        read = cells.texts[label]
        # What a transform makes of several columns is written nowhere else.
        written = file.get(label, read)
        column = text_column(read, pipeline.missing_values_of(field))
        read_as = reader.read(field, column, text.row_index[:count])
        found.append(FieldReading(field.name, label, _values(field, column, read_as, written)))
    return found


def _values(
    field: Field, column: TextColumn, read: ReadColumn, written: pa.StringArray
) -> tuple[tuple[str, str], ...]:
    bad = read.converted.bad
    good = np.ones(len(column), np.bool_) if bad is None else ~bad
    if column.valid is not None:
        good = good & column.valid
    seen: dict[str, str] = {}
    for position in np.flatnonzero(good).tolist():
        if len(seen) == _MOST:
            break
        text = column.array[position].as_py()
        shown = written[position].as_py() or text
        if shown not in seen:
            (seen[shown],) = read.kind_at(field, position).understood([text])
    return tuple((text[:_LONGEST], value[:_LONGEST]) for text, value in seen.items())
