"""Which rows a pipeline's filters want."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ingestor.checking.steps.evaluation import evaluate
from ingestor.checking.steps.step import Inputs, Texts
from ingestor.columns.arrow import AnyArray, Mask, full_match, pc, texts_at, to_mask
from ingestor.outcomes import RowError, capped
from ingestor.pipelines.row_rules import EmptyFilter, ExpressionFilter, PatternFilter, RowFilter, WordFilter

CODE = "filtered"


@dataclass(slots=True)
class Unwanted:
    """The rows (bool[n]) that a filter does not want, its reason, and the column that it looks at; None for
    an expression. `unknown` (bool[n]) are the rows for which the expression cannot be computed."""

    rows: Mask
    unknown: Mask
    reason: str
    label: str | None
    column: Texts | None

    def errors(self) -> Iterator[tuple[int, RowError]]:
        """The position and error of each row."""
        positions = np.flatnonzero(self.rows)
        if self.column is None:
            values: list[str | None] = [""] * len(positions)
        else:
            values = texts_at(self.column, positions)
        for position, value in zip(positions.tolist(), values, strict=True):
            yield position, RowError(CODE, self.label or "", capped(value or ""), self.reason, "validate")


def unwanted(condition: RowFilter, inputs: Inputs) -> Unwanted:
    """The rows that do not pass a filter."""
    if isinstance(condition, ExpressionFilter):
        true, unknown = _true(condition, inputs)
        return Unwanted(~true & ~unknown, unknown, condition.reason, None, None)
    column = inputs.columns[condition.column]
    passing, known = _passing(condition, column, inputs), np.zeros(inputs.count, np.bool_)
    return Unwanted(~passing, known, condition.reason, condition.column, column)


def _true(condition: ExpressionFilter, inputs: Inputs) -> tuple[Mask, Mask]:
    """Rows for which the expression is true (neither false nor NULL, as in SQL's WHERE), and those for
    which it cannot be computed."""
    columns: dict[str, AnyArray] = {label: inputs.present(label) for label in condition.reads}
    values, unknown = evaluate(condition.parsed, columns, inputs.count, "truth")
    return to_mask(values, null=False), unknown


def _passing(condition: WordFilter | PatternFilter | EmptyFilter, column: Texts, inputs: Inputs) -> Mask:
    if isinstance(condition, WordFilter):
        known = pc.is_in(column, value_set=pa.array(condition.values, pa.string()))
        listed = to_mask(known, null=False)
        return listed if condition.op == "in" else ~listed
    if isinstance(condition, PatternFilter):
        matches = pc.match_substring_regex(column, pattern=full_match(condition.pattern))
        return to_mask(matches, null=False)
    empty = to_mask(pc.equal(column, ""), null=True) | inputs.absent(condition.column)
    return empty if condition.op == "empty" else ~empty
