"""Cells that the file keeps as numbers, dates or truth values: they are what they are, however the pipeline
says that text is written.

Such a cell comes as plain text: a decimal point and no groups, ISO 8601, true or false. Cells of text that
look so are marked as words (see ingestor.tabular.words).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import pyarrow as pa

from ingestor.columns.arrow import Int64s, Mask, pc
from ingestor.columns.text_column import TextColumn
from ingestor.pipelines.document import Pipeline
from ingestor.pipelines.field import Field
from ingestor.pipelines.notations import fields_with_notation
from ingestor.tabular.text_table import TextTable
from ingestor.tabular.words import column_looks_typed
from ingestor.types.type import Converted, FieldType

TypedCells = Literal["none", "marked", "perhaps"]
"""Whether a table has typed cells: none; all that look so and are not marked as words; those that can be read
so, since words are not marked (a repair file of a table that has typed cells)."""


@dataclass(frozen=True, slots=True)
class ReadColumn:
    """A field's column. The cells of `typed` were read as `plain` reads them, the others as the field's own
    type does."""

    converted: Converted
    typed: Mask | None = None
    plain: FieldType | None = None

    def kind_at(self, field: Field, position: int) -> FieldType:
        """The type that has read a cell."""
        if self.plain is None or self.typed is None or not self.typed[position]:
            return field.kind
        return self.plain


class Reader:
    """Reads the fields of a table's rows."""

    def __init__(
        self, pipeline: Pipeline, text: TextTable, columns: Sequence[str], typed: TypedCells
    ) -> None:
        """`columns` are the labels by which the pipeline reads the table's columns."""
        self._pipeline = pipeline
        self._typed = typed
        self._words: dict[str, Int64s] = {}
        if typed == "marked":
            for column, rows in text.words.items():
                self._words.setdefault(columns[column], rows)

    @cached_property
    def _fields(self) -> Collection[str]:
        return fields_with_notation(self._pipeline) if self._typed != "none" else ()

    def read(self, field: Field, column: TextColumn, row_index: Int64s) -> ReadColumn:
        """The column of a field; `row_index` as in TextTable, of the column's rows."""
        if field.name not in self._fields:
            return ReadColumn(field.kind.convert(column))
        typed = column_looks_typed(column.array)
        if column.valid is not None:
            typed &= column.valid
        words = self._words.get(self._pipeline.source(field))
        if words is not None:
            typed &= ~np.isin(row_index, words)
        if not typed.any():
            return ReadColumn(field.kind.convert(column))
        return _read_mixed(field, column, typed, sure=self._typed == "marked")


def _read_mixed(field: Field, column: TextColumn, typed: Mask, *, sure: bool) -> ReadColumn:
    declared = field.kind.convert(column)
    kind = _plainly(field).kind
    plain = kind.convert(column)
    if not sure and plain.bad is not None:
        typed = typed & ~plain.bad
    if field.type == "boolean":  # the declared words come first
        typed = typed & declared.bad if declared.bad is not None else np.zeros(len(typed), np.bool_)
    mask = pa.array(typed)
    bad = np.where(typed, _mask(plain.bad, len(typed)), _mask(declared.bad, len(typed)))
    converted = Converted(
        pc.if_else(mask, plain.column, declared.column),
        pc.if_else(mask, plain.comparable, declared.comparable),
        bad if bad.any() else None,
    )
    return ReadColumn(converted, typed, kind)


def _mask(bad: Mask | None, count: int) -> Mask:
    return np.zeros(count, np.bool_) if bad is None else bad


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
