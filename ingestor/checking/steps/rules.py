"""A pipeline's row rules, checked on rows whose values are all of their types.

Numbers are compared as decimals: with 9 to 19 digits behind the point if a row's numbers fit, otherwise in
double precision. Which one depends only on the row's own numbers, never on its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from ingestor.checking.steps.evaluation import evaluate
from ingestor.columns.arrow import AnyArray, Int64s, Mask, pc, texts_at, to_mask
from ingestor.outcomes import RowError, capped, quoted
from ingestor.pipelines.document import Pipeline
from ingestor.pipelines.row_rules import Rule
from ingestor.types.number import parse_number

CODE = "row-constraint"

# Digits behind the point with which numbers are computed, and digits before it that stay free for the result.
# The first pair that all of a row's numbers fit is used.
_SCALES = ((9, 1), (15, 1), (19, 1), (9, 0), (19, 0))
_PLAIN = r"\A[+-]?[0-9]*\.?[0-9]*\z"


@dataclass(frozen=True, slots=True)
class BrokenRule:
    """A rule and the rows (bool[n]) for which it is false or cannot be computed."""

    rule: Rule
    rows: Mask
    failed: Mask

    def errors(self, texts: Mapping[str, pa.StringArray]) -> Iterator[tuple[int, RowError]]:
        """The position and error of each row; `texts` has the fields' texts."""
        positions = np.flatnonzero(self.rows)
        names = self.rule.names
        columns = [texts_at(texts[name], positions) for name in names]
        for at, position in enumerate(positions.tolist()):
            values = [column[at] for column in columns]
            shown = ", ".join(
                f"{name}: {'missing' if value is None else quoted(value)}"
                for name, value in zip(names, values, strict=True)
            )
            message = self.rule.message or f"breaks the rule {self.rule.name}"
            if self.failed[position]:
                message = f"the rule {self.rule.name} cannot be computed"
            message = f"{message} ({shown})" if shown else message
            value = capped(values[0] or "") if len(values) == 1 else ""
            yield position, RowError(CODE, ", ".join(names), value, message, "validate")


def broken_rules(pipeline: Pipeline, columns: Mapping[str, AnyArray], count: int) -> Iterator[BrokenRule]:
    """Every rule that some of the rows break. `columns` are the sink's, by field, of `count` rows."""
    kinds = {field.name: field.kind for field in pipeline.fields}
    for rule in pipeline.rules:
        values = {name: kinds[name].for_rules(columns[name]) for name in rule.parsed.columns}
        numbers = [name for name in rule.parsed.columns if pa.types.is_decimal(kinds[name].rule_type)]
        false, failed = _false(rule, values, numbers, count)
        if false.any():
            yield BrokenRule(rule, false, failed)


def _false(rule: Rule, values: dict[str, AnyArray], numbers: list[str], count: int) -> tuple[Mask, Mask]:
    if not numbers:
        return _outcome(rule, values, count)
    digits = {name: _Digits(values[name]) for name in numbers}
    false, failed = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    left = np.ones(count, np.bool_)
    for scale, spare in (*_SCALES, (None, 0)):
        fitting = left.copy()
        if scale is not None:
            for column in digits.values():
                fitting &= column.fits(scale, spare)
        if not fitting.any():
            continue
        left &= ~fitting
        rows = np.flatnonzero(fitting)
        part = {
            name: digits[name].at(rows, scale) if name in digits else column.take(rows)
            for name, column in values.items()
        }
        false[rows], failed[rows] = _outcome(rule, part, len(rows))
    return false, failed


def _outcome(rule: Rule, values: Mapping[str, AnyArray], count: int) -> tuple[Mask, Mask]:
    """Rows for which the rule is false (NULL passes, as in SQL's CHECK) or cannot be computed."""
    truth, failed = evaluate(rule.parsed, values, count, "truth")
    return ~to_mask(truth, null=True) | failed, failed


class _Digits:
    """A column of numbers as text, and how many digits each has."""

    def __init__(self, column: AnyArray) -> None:
        self._column: Any = column
        plain = to_mask(pc.match_substring_regex(column, pattern=_PLAIN), null=True)
        texts: Any = column
        if not plain.all():
            texts = self._without_exponents(np.flatnonzero(~plain), plain)
        texts = pc.ascii_ltrim(pc.ascii_ltrim(texts, characters="+-"), characters="0")
        length = _numpy(pc.binary_length(texts))
        point = _numpy(pc.find_substring(texts, pattern="."), -1)
        self._before = np.where(point < 0, length, point)
        self._behind = np.where(point < 0, 0, length - point - 1)

    def _without_exponents(self, rows: Int64s, plain: Mask) -> Any:
        """Numbers with exponents are written out, if that is not too long."""
        written = []
        for text in texts_at(self._column, rows):
            number = parse_number(text or "0")
            short = abs(number.adjusted()) <= 40 and len(number.as_tuple().digits) <= 60
            written.append(format(number if number else Decimal(0), "f") if short else "9" * 60)
        replaced: Any = pc.replace_with_mask(self._column, pa.array(~plain), pa.array(written, pa.string()))
        self._column = pc.if_else(pa.array(~plain & (_numpy(pc.binary_length(replaced)) == 60)),
                                  self._column, replaced)  # fmt: skip
        return replaced

    def fits(self, scale: int, spare: int) -> Mask:
        """Which numbers decimal128(38, scale) holds exactly, with so many digits to spare."""
        fitting: Mask = (self._before <= 38 - scale - spare) & (self._behind <= scale)
        return fitting

    def at(self, rows: Int64s, scale: int | None) -> AnyArray:
        """These numbers as decimals that fit, or as float64 without a scale."""
        kind = pa.float64() if scale is None else pa.decimal128(38, scale)
        numbers: AnyArray = pc.cast(self._column.take(pa.array(rows)), kind)
        return numbers


def _numpy(values: Any, null: int = 0) -> Any:
    return pc.fill_null(values, null).to_numpy(zero_copy_only=False)
