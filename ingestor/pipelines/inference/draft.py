"""Drafts the pipeline that loads a file as its columns were inferred."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from ingestor.pipelines.inference.columns import Column
from ingestor.pipelines.names import is_reserved
from ingestor.pipelines.transforms import MAX_STEPS
from ingestor.tabular.files.sample import Sample


def draft_pipeline(name: str, sample: Sample, columns: Sequence[Column]) -> dict[str, Any]:
    """A pipeline document that loads the table as it was inferred, for people to complete."""
    names = _field_names([column.name for column in columns])
    fields: list[dict[str, Any]] = []
    mapping: dict[str, str] = {}
    for column, field_name in zip(columns, names, strict=True):
        fields.append({"name": field_name, **column.keys})
        if field_name != column.name:
            mapping[field_name] = column.name
    schema: dict[str, Any] = {"fields": fields}
    # Blanks around values are nobody's, and a row of nothing else is none; as far as a document has room.
    trimmed = columns if len(columns) <= MAX_STEPS // 2 else [column for column in columns if column.trimmed]
    trims = [{"column": column.name, "op": "trim"} for column in trimmed[:MAX_STEPS]]
    document: dict[str, Any] = {"name": _identifier(name, "table").replace("_", "-"), "schema": schema}
    if trims:
        document["transforms"] = trims
    if mapping:
        document["mapping"] = mapping
    dialect = json.loads(sample.plan.options.to_json())
    # What belongs to this file alone is found anew in the next one.
    alone = {"skipLines", "skipFooter", *(("columns",) if sample.plan.options.header else ())}
    for guess in sample.plan.guesses:
        if guess.option in alone:
            dialect.pop(guess.option, None)
    document["dialect"] = dialect
    document["sink"] = {"table": _identifier(name, "table")}
    return document


def _field_names(labels: Sequence[str]) -> list[str]:
    """Names of columns in lower case, all different."""
    names: list[str] = []
    for position, label in enumerate(labels, 1):
        base = _identifier(label, f"column_{position}")
        name, number = base, 1
        while name in names or is_reserved(name):
            number += 1
            name = f"{base}_{number}"
        names.append(name)
    return names


def _identifier(text: str, otherwise: str) -> str:
    """A text turned into a name of PostgreSQL that needs no quotes."""
    made = re.sub(r"[^a-z0-9]+", "_", text.lower().encode("ascii", "ignore").decode()).strip("_")
    if not made:
        return otherwise
    return (made if made[0].isalpha() else f"c_{made}")[:50]
