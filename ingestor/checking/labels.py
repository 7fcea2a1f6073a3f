"""Which column of a file an error is about."""

from __future__ import annotations

from collections.abc import Collection

from ingestor.checking.steps.filters import CODE as FILTERED
from ingestor.checking.steps.step import CODE as TRANSFORM_ERROR
from ingestor.outcomes import Problem
from ingestor.pipelines.document import Pipeline


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
