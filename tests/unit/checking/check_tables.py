"""Input for check_rows, made of plain lists."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ingestor.checking.rows import CheckedRows, check_rows
from ingestor.outcomes import RejectedRow
from ingestor.pipelines.document import Pipeline, parse_pipeline
from ingestor.tabular.text_table import TextTable


def table(*columns: Sequence[str], rejected: Sequence[RejectedRow] = ()) -> TextTable:
    """Columns of equal length; the arrays start inside their buffers, as slices of larger ones do. The
    rejected records lie between the others by their index, and every record has two lines."""
    count = len(columns[0])
    arrays = [pa.array(["padding", *column, "more"], pa.string()).slice(1, count) for column in columns]
    taken = {record.row_number - 1 for record in rejected}
    free = [index for index in range(count + len(taken)) if index not in taken]
    rows = np.array(free, np.int64)
    return TextTable(arrays, rows, rows * 2, len(free) + len(taken), list(rejected))


def pipeline(*fields: dict[str, Any], **schema: Any) -> Pipeline:
    """A pipeline with these fields and these other keys of the schema."""
    return parse_pipeline(
        json.dumps({"name": "p", "schema": {"fields": fields, **schema}, "sink": {"table": "t"}})
    )


def check_column(values: Sequence[str], field: dict[str, Any], **schema: Any) -> CheckedRows:
    """Check one column of a field named "f"."""
    return check_rows(table(values), ["f"], pipeline({"name": "f", **field}, **schema))


def with_steps(*fields: str, missing: Sequence[str] = ("",), **keys: Any) -> Pipeline:
    """A pipeline with these fields, "name" of text or "name:type", and these other keys of the document."""
    typed = [dict(zip(("name", "type"), (*field.split(":"), "string"), strict=False)) for field in fields]
    schema = {"fields": typed, "missingValues": list(missing)}
    return parse_pipeline(json.dumps({"name": "p", "schema": schema, "sink": {"table": "t"}, **keys}))
