"""How much the transforms of a batch may make of its rows: a bound on each cell, and one on all made cells.

A row over a bound fails, never its neighbours: where a batch is over its bound, the rows fail that take more
than their even share. What a step will make is computed before it is made, where the step tells.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from ingestor.checking.steps.step import Inputs, Texts
from ingestor.columns.arrow import AnyArray, Int64s, Mask, pc, to_mask
from ingestor.pipelines.transforms import Concatenate, Default, Map, Replace, Step
from ingestor.tabular.limits import DEFAULT_LIMITS

MAX_CELL_BYTES = DEFAULT_LIMITS.max_cell_bytes
# Most bytes of all cells that the transforms have made of one batch, which by default has 2.5 MB.
MAX_MADE_BYTES = 64 * 2**20
# What Arrow keeps of a cell beside its text.
_CELL = 8
_GROUP = re.compile(r"\\[0-9]")


class Room:
    """The room of a batch of `count` rows."""

    def __init__(
        self, count: int, *, most_cell: int = MAX_CELL_BYTES, most_made: int = MAX_MADE_BYTES
    ) -> None:
        self._most_cell = most_cell
        self._most_made = most_made
        self._share = most_made // max(count, 1)
        self._taken = np.zeros(count, np.int64)
        self._made: set[str] = set()

    def before(self, step: Step, inputs: Inputs, before: Mapping[str, Texts]) -> Mask | None:
        """Rows (bool[count]) for which the step would make too much; None for none, or if only the result
        shows it. `before` are the columns that there are."""
        sizes = _to_make(step, inputs, self._most_made)
        if sizes is None:
            return None
        return self._over(sizes, sizes + _CELL - self._replaced(step.writes[0], before))

    def after(self, before: Mapping[str, Texts], made: Mapping[str, Texts]) -> Mask | None:
        """Rows for which columns that were made take too much; None for none. `before` are the columns that
        there were."""
        if not made:
            return None
        longest, more = np.zeros_like(self._taken), np.zeros_like(self._taken)
        for label, texts in made.items():
            sizes = bytes_of(texts)
            np.maximum(longest, sizes, out=longest)
            more += sizes + _CELL - self._replaced(label, before)
        return self._over(longest, more)

    def take(self, before: Mapping[str, Texts], made: Mapping[str, Texts]) -> None:
        """Note that the columns were made."""
        for label, texts in made.items():
            self._taken += bytes_of(texts) + _CELL - self._replaced(label, before)
            self._made.add(label)

    def _replaced(self, label: str, before: Mapping[str, Texts]) -> Int64s | int:
        """What was taken by a column that is made anew."""
        return bytes_of(before[label]) + _CELL if label in self._made else 0

    def _over(self, longest: Int64s, more: Int64s) -> Mask | None:
        over = longest > self._most_cell
        total = np.where(over, 0, self._taken + more)
        if total.sum() > self._most_made:
            over |= total > self._share
        return over if over.any() else None


def bytes_of(texts: Texts) -> Int64s:
    """The bytes of each text (int64[n]), 0 for null."""
    return _numbers(pc.binary_length(texts))


def blanked(array: AnyArray, rows: Mask) -> AnyArray:
    """The array with nulls in these rows, and nothing below them: `if_else` keeps the bytes there,
    and Polars computes with them."""
    at: AnyArray = pa.array(np.arange(len(array)), mask=rows)
    return array.take(at)


def _to_make(step: Step, inputs: Inputs, plenty: int) -> Int64s | None:
    """The most bytes of the cell that a step makes of each row; None if only its result shows them, which
    then take hardly more than what it reads. Up to `plenty` bytes in all nothing is computed exactly."""
    if isinstance(step, Concatenate):
        joined = np.full(inputs.count, len(step.separator.encode()) * (len(step.columns) - 1), np.int64)
        for label in step.columns:
            joined += bytes_of(inputs.columns[label])
        return joined
    if isinstance(step, Default):
        return np.maximum(bytes_of(inputs.columns[step.column]), len(step.value.encode()))
    if isinstance(step, Map):
        return _mapped(step, inputs.columns[step.column], plenty)
    if isinstance(step, Replace):
        return _replaced(step, inputs.columns[step.column], plenty)
    return None


def _mapped(step: Map, column: Texts, plenty: int) -> Int64s:
    sizes = bytes_of(column)
    values = np.array([len(value.encode()) for value in step.values.values()], np.int64)
    most: Int64s = np.maximum(sizes, values.max())
    if most.sum() <= plenty:
        return most
    found = pc.index_in(column, value_set=pa.array(list(step.values), pa.string()))
    known = to_mask(pc.is_valid(found), null=False)
    made: Int64s = np.where(known, values[_numbers(found)], sizes)
    return made


def _replaced(step: Replace, column: Texts, plenty: int) -> Int64s:
    sizes = bytes_of(column)
    new = len(step.replacement.encode())
    groups = 0
    if step.regex:  # a group is at most the whole text, once in each place of it that matches
        groups = len(_GROUP.findall(step.replacement))
        new -= 2 * groups
    most = sizes * (1 + groups) + (sizes + 1) * new
    if most.sum() <= plenty and most.max(initial=0) <= MAX_CELL_BYTES:
        return most
    if not step.regex:
        counts = _numbers(pc.count_substring(column, pattern=step.pattern))
        return sizes + counts * (new - len(step.pattern.encode()))
    if pc.match_substring_regex(pa.array([""]), pattern=step.pattern)[0].as_py():
        return most  # it matches between all characters
    counts = _numbers(pc.count_substring_regex(column, pattern=step.pattern))
    return sizes * (1 + groups) + counts * new


def _numbers(values: AnyArray) -> Int64s:
    numbers: Int64s = pc.fill_null(values, 0).to_numpy(zero_copy_only=False).astype(np.int64)
    return numbers
