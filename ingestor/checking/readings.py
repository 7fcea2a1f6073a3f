"""What becomes of the first values of each field: as the file writes them, and as they are understood."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from ingestor.checking.columns_read import columns_read
from ingestor.checking.steps.apply import transform
from ingestor.columns.text_column import text_column
from ingestor.pipelines.document import Field, Pipeline
from ingestor.readings import FieldReading
from ingestor.tabular.text_table import TextTable

_MOST = 3  # values of a field
_LOOKED_AT = 200  # rows
_LONGEST = 200  # characters of a value


def field_readings(text: TextTable, columns: Sequence[str], pipeline: Pipeline) -> list[FieldReading]:
    """The readings of the fields in the first rows; `columns` are the labels of the file's columns."""
    count = min(len(text.row_index), _LOOKED_AT)
    file = columns_read(columns, [column.slice(0, count) for column in text.columns], pipeline, count)
    cells = transform(pipeline, dict(file), count)
    found = []
    for field in pipeline.fields:
        label = pipeline.source(field)
        read = cells.texts[label]
        # What a transform makes of several columns is written nowhere else.
        written = file.get(label, read)
        found.append(FieldReading(field.name, label, _values(field, pipeline, read, written)))
    return found


def _values(
    field: Field, pipeline: Pipeline, read: pa.StringArray, written: pa.StringArray
) -> tuple[tuple[str, str], ...]:
    column = text_column(read, pipeline.missing_values_of(field))
    bad = field.kind.convert(column).bad
    good = np.ones(len(read), np.bool_) if bad is None else ~bad
    if column.valid is not None:
        good = good & column.valid
    seen: dict[str, str] = {}
    for position in np.flatnonzero(good).tolist():
        if len(seen) == _MOST:
            break
        text = read[position].as_py()
        seen.setdefault(written[position].as_py() or text, text)
    values = field.kind.understood(list(seen.values()))
    return tuple((text[:_LONGEST], value[:_LONGEST]) for text, value in zip(seen, values, strict=True))
