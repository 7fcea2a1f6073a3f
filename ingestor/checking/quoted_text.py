"""Missing values where quotes matter (`"emptyQuoted": "text"`): without quotes null, with them text."""

from __future__ import annotations

from collections.abc import Sequence

from ingestor.pipelines.document import Pipeline
from ingestor.pipelines.field import Field, MissingValue

_EMPTY = frozenset(("",))


def unquoted_nulls(pipeline: Pipeline | None, columns: Sequence[str]) -> list[frozenset[str]]:
    """For each of the file's columns the texts that are null without quotes; without a pipeline, the empty
    one."""
    if pipeline is None:
        return [_EMPTY] * len(columns)
    fields = {pipeline.source(field): field for field in reversed(pipeline.fields)}
    return [
        pipeline.missing_values_of(fields[label]) if label in fields else pipeline.missing_values
        for label in pipeline.read_as(columns)
    ]


def without_missing_values(pipeline: Pipeline, *, only_empty: bool) -> Pipeline:
    """The pipeline for text whose missing values are null already (with `only_empty`: the empty text alone).
    Fields of other types than text have no use for a text that is missing, so they keep theirs."""

    def kept(words: frozenset[str]) -> list[str]:
        return sorted(words - _EMPTY) if only_empty else []

    def field_of(field: Field) -> Field:
        words = pipeline.missing_values_of(field)
        if field.type == "string":
            words = frozenset(kept(words))
        return field.model_copy(update={"missing_values": _missing(sorted(words))})

    schema = pipeline.table_schema.model_copy(
        update={
            "fields_": [field_of(field) for field in pipeline.fields],
            "missing_values": _missing(kept(pipeline.missing_values)),
        }
    )
    return pipeline.model_copy(update={"table_schema": schema})


def _missing(words: Sequence[str]) -> list[MissingValue]:
    return [MissingValue(value=word) for word in words]
