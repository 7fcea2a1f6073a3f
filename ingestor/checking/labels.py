"""Which column of a file an error is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ingestor.checking.steps.filters import CODE as FILTERED
from ingestor.checking.steps.step import CODE as TRANSFORM_ERROR
from ingestor.outcomes import RowError
from ingestor.pipelines.document import Pipeline


def file_label(error: RowError, pipeline: Pipeline | None, columns: Sequence[str]) -> str:
    """The label of the file's column that an error's field is read from; "" if it is read from none or from
    several. `columns` are the labels of the file."""
    if not error.field:
        return ""
    # Errors of transforms and filters name columns, all others fields; those of a rule perhaps several.
    labels = [error.field]
    if pipeline is not None and error.code not in (TRANSFORM_ERROR, FILTERED):
        sources = {field.name: pipeline.source(field) for field in pipeline.fields}
        names = labels if error.field in sources else error.field.split(", ")
        labels = [sources.get(name, name) for name in names]
    return label_in_file(labels, pipeline, columns)


def label_in_file(labels: Iterable[str], pipeline: Pipeline | None, columns: Sequence[str]) -> str:
    """The label of the file's column that what the pipeline calls `labels` is made of; "" if it is made of
    none or of several. `columns` are the labels of the file, which may name one by another of its labels."""
    origins, known = set(labels), columns
    if pipeline is not None:
        origins = set[str]().union(*(pipeline.origins.get(label, {label}) for label in origins))
        known = pipeline.read_as(columns)
    (label,) = origins if len(origins) == 1 else ("",)
    return columns[known.index(label)] if label in known else ""
