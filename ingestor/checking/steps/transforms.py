"""The steps that are built in, by the `op` of the document."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pyarrow as pa

from ingestor.checking.steps.evaluation import evaluate_texts
from ingestor.checking.steps.step import CODE, Inputs, Made, Operation, Texts, faults
from ingestor.columns.arrow import AnyArray, full_match, pc, to_mask
from ingestor.outcomes import RowError
from ingestor.pipelines.transforms import (
    Case,
    Compute,
    Concatenate,
    Default,
    Map,
    Parse,
    Replace,
    Split,
    Trim,
)
from ingestor.types.notation.marks import Marks

_NOTHING = pa.scalar(None, pa.string())
_CASES = {"upper": pc.utf8_upper, "lower": pc.utf8_lower, "title": pc.utf8_title}


def _trim(step: Trim, inputs: Inputs) -> Made:
    """Blanks are what Unicode calls white space, and the separators U+001C to U+001F."""
    return Made({step.column: pc.utf8_trim_whitespace(inputs.columns[step.column])})


def _case(step: Case, inputs: Inputs) -> Made:
    """Unicode's simple mapping: one letter stays one letter."""
    return Made({step.column: _CASES[step.to](inputs.columns[step.column])})


def _replace(step: Replace, inputs: Inputs) -> Made:
    """Every occurrence, from left to right; in `with`, \\1 to \\9 are groups of a regular expression."""
    function = pc.replace_substring_regex if step.regex else pc.replace_substring
    column = inputs.columns[step.column]
    return Made({step.column: function(column, pattern=step.pattern, replacement=step.replacement)})


def _default(step: Default, inputs: Inputs) -> Made:
    """A value for cells that are empty or missing."""
    column = inputs.columns[step.column]
    empty = to_mask(pc.equal(column, ""), null=True) | inputs.absent(step.column)
    return Made({step.column: pc.if_else(pa.array(empty), step.value, column)})


def _map(step: Map, inputs: Inputs) -> Made:
    """Words to words; a missing cell that is not among the words stays as it is."""
    column = inputs.columns[step.column]
    found = pc.index_in(column, value_set=pa.array(list(step.values), pa.string()))
    mapped = pa.array(list(step.values.values()), pa.string()).take(found)
    unknown = to_mask(pc.is_null(found), null=True)
    if step.otherwise == "missing":
        return Made({step.column: mapped})
    result = pc.if_else(pa.array(unknown), column, mapped)
    if step.otherwise == "keep":
        return Made({step.column: result})
    refused = unknown & ~inputs.absent(step.column)
    return Made({step.column: result}, faults(step.column, column, refused, "is not among the known values"))


def _parse(step: Parse, inputs: Inputs) -> Made:
    """Numbers with marks of their own; groups have three digits each."""
    column = inputs.columns[step.column]
    marks = Marks(step.decimal, step.group)
    absent = inputs.absent(step.column)
    matches = pc.match_substring_regex(column, pattern=full_match(marks.pattern()))
    refused = ~to_mask(matches, null=True) & ~absent
    result = marks.plain_column(column)
    errors = []
    if refused.any():
        errors = faults(step.column, column, refused, marks.explain("a number"))
    if absent.any():  # a missing value keeps its own marks
        result = pc.if_else(pa.array(absent), column, result)
    return Made({step.column: result}, errors)


def _split(step: Split, inputs: Inputs) -> Made:
    """Pieces from left to right, the last one with the rest; columns without a piece are missing."""
    pieces: Any = pc.split_pattern(
        inputs.columns[step.column], pattern=step.separator, max_splits=step.most - 1
    )
    counts = pc.fill_null(pc.list_value_length(pieces), 0).to_numpy(zero_copy_only=False)
    starts = pieces.offsets.to_numpy()[:-1]
    made = {}
    for number, label in enumerate(step.into):
        has_piece = counts > number
        at = pa.array(np.where(has_piece, starts + number, 0), mask=~has_piece)
        made[label] = pieces.values.take(at)
    return Made(made)


def _concatenate(step: Concatenate, inputs: Inputs) -> Made:
    """Missing cells are left out together with their separator; if all are missing, so is the result."""
    parts = []
    all_absent = np.ones(inputs.count, np.bool_)
    for label in step.columns:
        absent = inputs.absent(label)
        all_absent &= absent
        # Each with its separator in front; null_handling="skip" would lose rows that have only nulls.
        part = pc.binary_join_element_wise(step.separator, inputs.columns[label], "")
        parts.append(pc.if_else(pa.array(absent), "", part))
    joined = pc.binary_join_element_wise(*parts, "")
    if step.separator:
        joined = pc.utf8_slice_codeunits(joined, start=len(step.separator))
    if all_absent.any():
        joined = pc.if_else(pa.array(all_absent), _NOTHING, joined)
    return Made({step.into: joined})


def _compute(step: Compute, inputs: Inputs) -> Made:
    """The expression sees missing values as NULL, and what it makes NULL is missing."""
    columns: dict[str, AnyArray] = {label: inputs.present(label) for label in step.reads}
    values, failed, large = evaluate_texts(step.expression, columns, inputs.count)
    errors = [
        (position, RowError(CODE, step.into, "", f"{step.into}: the expression {reason}", "validate"))
        for rows, reason in (
            (failed, "cannot be computed for this row"),
            (large, "makes more of this row than a cell or a batch has room for"),
        )
        for position in np.flatnonzero(rows).tolist()
    ]
    return Made({step.into: cast("Texts", values)}, errors)


OPERATIONS: dict[str, Operation] = {
    "trim": _trim,
    "case": _case,
    "replace": _replace,
    "default": _default,
    "map": _map,
    "parse": _parse,
    "split": _split,
    "concatenate": _concatenate,
    "expression": _compute,
}
