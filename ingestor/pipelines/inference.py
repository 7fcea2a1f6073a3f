"""Infers the columns of a table from a sample, and drafts the pipeline that would load it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ingestor.pipelines.document import Field
from ingestor.pipelines.names import is_reserved
from ingestor.tabular.files.sample import Sample
from ingestor.types.type import ValueFormatError

# Least share of a column's values that a type must fit; the others would be rejected.
_LEAST = 0.9
# Words that people write for a missing value.
_MISSING = frozenset(("NULL", "null", "N/A", "n/a", "NA", "#N/A", "\\N", "-", "nil", "None", "none"))
_DATE_FORMATS = ("default", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%Y/%m/%d", "%d-%m-%Y", "%Y%m%d")
_DATETIME_FORMATS = (
    "default", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y %H:%M",
    "%d/%m/%Y %H:%M:%S", "%d/%m/%Y %H:%M", "%Y/%m/%d %H:%M:%S",
)  # fmt: skip
_CODE = re.compile(r"[+-]?0\d")  # a number with leading zeros is a code
_EXAMPLES = 5
_PLAIN_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a sample. `confidence` is the share of its values that fit the type (0 to 1), halved
    where another type fits as well (day and month may be either way round)."""

    label: str
    name: str
    type: str
    format: str
    confidence: float
    missing: int
    examples: tuple[str, ...]
    missing_words: tuple[str, ...]


def infer_columns(sample: Sample) -> list[Column]:
    """The columns that are read, with the narrowest type that fits."""
    return [
        _infer(label, name, cells)
        for label, name, cells in zip(sample.labels, sample.names, sample.cells, strict=True)
        if name
    ]


def _infer(label: str, name: str, cells: Sequence[str | None]) -> Column:
    present = [cell for cell in cells if cell]
    examples = tuple(value for value, _ in Counter(present).most_common(_EXAMPLES))
    missing = len(cells) - len(present)
    words = tuple(sorted(set(present) & _MISSING))
    values = [cell for cell in present if cell not in _MISSING]
    if values:
        best = max(_candidates(values), key=lambda found: found[2])
        if best[2] >= _LEAST:
            kind, format_, share = best
            rivals = [
                found for found in _candidates(values) if found[2] >= share and found[:2] != (kind, format_)
            ]
            rival_days = kind in ("date", "datetime") and any(found[0] == kind for found in rivals)
            confidence = share / 2 if rival_days else share
            missing += len(present) - len(values)
            return Column(label, name, kind, format_, round(confidence, 4), missing, examples, words)
    return Column(label, name, "string", "default", 1.0, missing, examples, ())


def _candidates(values: Sequence[str]) -> Iterator[tuple[str, str, float]]:
    """Types with the share of values that fit; of types that fit equally, the preferred one comes first."""
    distinct = Counter(values)
    total = len(values)

    def share(kind: str, format_: str = "default") -> float:
        parse = _parser(kind, format_)
        return sum(count for value, count in distinct.items() if parse(value)) / total

    if set(distinct) - {"0", "1"}:
        yield "boolean", "default", share("boolean")
    if not any(_CODE.match(value) for value in distinct):
        yield "integer", "default", share("integer")
        yield "number", "default", share("number")
    for format_ in _DATE_FORMATS:
        if format_ != "%Y%m%d" or all(_PLAIN_DIGITS.fullmatch(value) for value in distinct):
            yield "date", format_, share("date", format_)
    for format_ in _DATETIME_FORMATS:
        yield "datetime", format_, share("datetime", format_)


def _parser(kind: str, format_: str) -> Callable[[str], bool]:
    field = Field.model_validate({"name": "x", "type": kind, "format": format_})

    def fits(value: str) -> bool:
        try:
            field.kind.parse(value)
        except ValueFormatError:
            return False
        return True

    return fits


def draft_pipeline(name: str, sample: Sample, columns: Sequence[Column]) -> dict[str, Any]:
    """A pipeline document that loads the table as it was inferred, for people to complete."""
    names = _field_names([column.name for column in columns])
    fields: list[dict[str, Any]] = []
    mapping: dict[str, str] = {}
    words: set[str] = set()
    for column, field_name in zip(columns, names, strict=True):
        field: dict[str, Any] = {"name": field_name, "type": column.type}
        if column.format != "default":
            field["format"] = column.format
        fields.append(field)
        if field_name != column.name:
            mapping[field_name] = column.name
        words.update(column.missing_words)
    schema: dict[str, Any] = {"fields": fields}
    if words:
        schema["missingValues"] = ["", *sorted(words)]
    document: dict[str, Any] = {"name": _identifier(name, "table").replace("_", "-"), "schema": schema}
    if mapping:
        document["mapping"] = mapping
    dialect = json.loads(sample.plan.options.to_json())
    if sample.plan.options.header and any(guess.option == "columns" for guess in sample.plan.guesses):
        del dialect["columns"]  # a header of another file counts
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
