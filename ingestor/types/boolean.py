"""Booleans: one of some words, exactly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np

from ingestor.columns.arrow import AnyArray, pc, to_mask
from ingestor.columns.late import pa
from ingestor.columns.text_column import TextColumn
from ingestor.types.type import Converted, FieldType, Settings, not_a

# Those of Table Schema, and PostgreSQL's own.
_TRUE = ("true", "True", "TRUE", "1", "t")
_FALSE = ("false", "False", "FALSE", "0", "f")


class BooleanType(FieldType):
    """True or false."""

    name = "boolean"
    examples = ("true", "0", "t")
    postgres_type = "boolean"
    keys = frozenset(("trueValues", "falseValues"))
    is_item = True

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.trues, self.falses = _words(settings)
        self._words = pa.array([*self.trues, *self.falses], pa.string())

    @classmethod
    def setting_problems(cls, settings: Settings) -> Iterator[tuple[str, str]]:
        trues, falses = _words(settings)
        if both := [word for word in trues if word in falses]:
            yield "trueValues", f"{json.dumps(both[0], ensure_ascii=False)} is also among the falseValues"

    @property
    def rule_type(self) -> pa.DataType:
        return pa.bool_()

    def parse(self, text: str) -> bool:
        if text in self.trues:
            return True
        if text in self.falses:
            return False
        raise not_a("a boolean", text)

    def from_json(self, raw: Any) -> bool | None:
        return raw if isinstance(raw, bool) else None

    def convert(self, text: TextColumn) -> Converted:
        found = pc.index_in(text.array, value_set=self._words)
        values = pc.less(found, len(self.trues))
        missing = 0 if text.valid is None else len(text) - int(np.count_nonzero(text.valid))
        if found.null_count == missing:
            return Converted(values, values, None)
        bad = text.present(to_mask(pc.is_null(found), null=False))
        return Converted(values, values, bad)

    def json_texts(self, column: AnyArray) -> Any:
        return pc.if_else(column, "true", "false")


def _words(settings: Settings) -> tuple[tuple[str, ...], tuple[str, ...]]:
    trues = _TRUE if settings.true_values is None else tuple(settings.true_values)
    falses = _FALSE if settings.false_values is None else tuple(settings.false_values)
    return trues, falses
