"""Drafts the pipeline that loads a file as its columns were inferred."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ingestor.pipelines.inference.columns import Column
from ingestor.pipelines.inference.readable_names import field_names, identifier
from ingestor.pipelines.transforms import MAX_STEPS
from ingestor.tabular.files.sample import Sample

# What of a dialect is of the table, whatever file it comes in. All else says how one file is written, and is
# found anew in the next one.
_OF_THE_TABLE = frozenset(
    ("emptyQuoted", "ragged", "duplicateColumns", "blankColumns", "missingColumns", "unexpectedColumns")
)
_WITH_STRAY_BLANKS = frozenset(("csv", "xlsx"))
# Of the table where its files have no header that names the columns.
_WITHOUT_LABELS = frozenset(("header", "columns"))


def draft_pipeline(name: str, sample: Sample, columns: Sequence[Column]) -> dict[str, Any]:
    """A pipeline document that loads the table as it was inferred, for people to complete."""
    names = field_names([column.name for column in columns])
    fields: list[dict[str, Any]] = []
    mapping: dict[str, str] = {}
    for column, field_name in zip(columns, names, strict=True):
        fields.append({"name": field_name, **column.keys})
        if field_name != column.name:
            mapping[field_name] = column.name
    schema: dict[str, Any] = {"fields": fields}
    # Blanks around values are nobody's, and a row of nothing else is none; as far as a document has room.
    # Formats with types write their texts as they are meant.
    trimmed = columns
    if len(columns) > MAX_STEPS // 2 or sample.plan.format not in _WITH_STRAY_BLANKS:
        trimmed = [column for column in columns if column.trimmed]
    trims = [{"column": column.name, "op": "trim"} for column in trimmed[:MAX_STEPS]]
    table = identifier(name, "table")
    document: dict[str, Any] = {"name": table.replace("_", "-"), "schema": schema}
    if trims:
        document["transforms"] = trims
    if mapping:
        document["mapping"] = mapping
    if dialect := _of_the_table(sample):
        document["dialect"] = dialect
    document["sink"] = {"table": table}
    return document


def _of_the_table(sample: Sample) -> dict[str, Any]:
    options = sample.plan.options
    detected = {guess.option for guess in sample.plan.guesses}
    kept = set(_OF_THE_TABLE) - detected
    if not options.header or (options.columns is not None and "columns" not in detected):
        kept |= _WITHOUT_LABELS
    return {key: value for key, value in json.loads(options.to_json()).items() if key in kept}
