"""Cells that a workbook keeps as numbers, dates or truth values: they are what they are, however the pipeline
says that others write them.

Such a cell comes as plain text: a decimal point and no groups, ISO 8601, true or false. A cell of text that
could be taken for one has a note that shows its own text.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa

from ingestor.columns.arrow import Int64s, Mask, pc
from ingestor.columns.text_column import TextColumn
from ingestor.pipelines.document import Pipeline
from ingestor.pipelines.field import Field
from ingestor.pipelines.transforms import Trim
from ingestor.tabular.text_table import TextTable
from ingestor.types.type import Converted

_PLAIN_FORMAT = frozenset(("date", "datetime", "time", "boolean", "integer", "number"))


def words_of(text: TextTable, columns: Sequence[str]) -> Mapping[str, Int64s]:
    """By label, the `row_index` of cells of text that could be taken for typed ones."""
    found: dict[str, list[int]] = {}
    for note in text.cell_notes:
        if note.shown:
            place = int(text.row_index.searchsorted(note.row_index))
            if text.columns[note.column][place].as_py() == note.shown:
                found.setdefault(columns[note.column], []).append(note.row_index)
    return {label: np.array(rows, np.int64) for label, rows in found.items()}


def typed_fields(pipeline: Pipeline) -> Collection[str]:
    """Names of the fields that read a column as the file has it, blanks aside, in a notation of their own."""
    made = {label for step in pipeline.transforms if not isinstance(step, Trim) for label in step.writes}
    return {
        field.name
        for field in pipeline.fields
        if field.type in _PLAIN_FORMAT and _has_notation(field) and pipeline.source(field) not in made
    }


def convert_typed(field: Field, column: TextColumn, words: Mask) -> Converted:
    """A field's column, in which all cells but the `words` may be typed ones."""
    declared = field.kind.convert(column)
    plain = _plainly(field).kind.convert(column)
    typed = ~words
    if plain.bad is not None:
        typed &= ~plain.bad
    if field.type == "boolean" and typed.any():  # the declared words come first
        bad = declared.bad
        typed &= np.zeros(len(typed), np.bool_) if bad is None else bad
    if not typed.any():
        return declared
    mask = pa.array(typed)
    bad = None if declared.bad is None or not (rest := declared.bad & ~typed).any() else rest
    return Converted(
        pc.if_else(mask, plain.column, declared.column),
        pc.if_else(mask, plain.comparable, declared.comparable),
        bad,
    )


def _has_notation(field: Field) -> bool:
    if field.type == "boolean":
        return field.true_values is not None or field.false_values is not None
    if field.type in ("integer", "number"):
        return field.decimal_char != "." or field.group_char is not None
    return field.format not in ("default", "any")


def _plainly(field: Field) -> Field:
    """The field as typed cells are written."""
    keys: dict[str, object] = {"name": field.name, "type": field.type}
    if field.type == "boolean":
        keys |= {"trueValues": ["true"], "falseValues": ["false"]}
    if field.type in ("integer", "number"):
        keys |= {"bareNumber": field.bare_number}
    if field.type == "datetime" and field.timezone is not None:
        keys |= {"timezone": field.timezone}
    if field.rounding is not None:
        keys |= {"rounding": field.rounding}
    return Field.model_validate(keys)
