"""Fields that read text in a notation of their own, in which values that a file keeps typed are not
written."""

from __future__ import annotations

from collections.abc import Collection

from ingestor.pipelines.document import Pipeline
from ingestor.pipelines.field import Field
from ingestor.pipelines.transforms import Trim

_PLAIN_FORMAT = frozenset(("date", "datetime", "time", "boolean", "integer", "number"))


def fields_with_notation(pipeline: Pipeline) -> Collection[str]:
    """Names of the fields that read a column as the file has it, blanks aside, in a notation of their own."""
    made = {label for step in pipeline.transforms if not isinstance(step, Trim) for label in step.writes}
    return {
        field.name
        for field in pipeline.fields
        if field.type in _PLAIN_FORMAT and _has_notation(field) and pipeline.source(field) not in made
    }


def _has_notation(field: Field) -> bool:
    if field.type == "boolean":
        return field.true_values is not None or field.false_values is not None
    if field.type in ("integer", "number"):
        return field.decimal_char != "." or field.group_char is not None
    return field.format not in ("default", "any")
