"""Which column of a file an error is about."""

from __future__ import annotations

from collections.abc import Collection

from ingestor.pipelines.document import Pipeline
from services.processor.problems import Problem
from services.processor.transforms.filters import CODE as FILTERED
from services.processor.transforms.step import CODE as TRANSFORM_ERROR


def file_label(problem: Problem, pipeline: Pipeline | None, columns: Collection[str]) -> str:
    """The label of the file's column that a problem's field is read from; "" where it is read from none
    or from several. `columns` are the labels of the file."""
    if not problem.field:
        return ""
    origins = {problem.field}
    if pipeline is not None:
        # Transforms and filters name columns, everything else names fields, a rule perhaps several.
        labels = [problem.field]
        if problem.code not in (TRANSFORM_ERROR, FILTERED):
            sources = {field.name: pipeline.source(field) for field in pipeline.fields}
            names = labels if problem.field in sources else problem.field.split(", ")
            labels = [sources.get(name, name) for name in names]
        origins = set[str]().union(*(pipeline.origins.get(label, {label}) for label in labels))
    (label,) = origins if len(origins) == 1 else ("",)
    return label if label in columns else ""
