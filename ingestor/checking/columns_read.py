"""The columns of a file as a pipeline reads them."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from ingestor.pipelines.document import Pipeline


def columns_read(
    columns: Sequence[str], texts: Sequence[pa.StringArray], pipeline: Pipeline, count: int
) -> dict[str, pa.StringArray]:
    """The texts (`count` rows) by the labels by which the pipeline reads them; `columns` are the labels of
    the file. The cells of a column that the file lacks are missing."""
    # Of columns with the same label, the first; no label that is read occurs twice.
    found: dict[str, pa.StringArray] = {}
    for label, text in zip(pipeline.read_as(columns), texts, strict=True):
        found.setdefault(label, text)
    for label in pipeline.labels_of_file:
        if label not in found:
            found[label] = pa.nulls(count, pa.string())
    return found
