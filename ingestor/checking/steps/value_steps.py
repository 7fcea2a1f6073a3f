"""Steps that look at a cell as a whole: default, map, parse."""

from __future__ import annotations

import pyarrow as pa

from ingestor.checking.arrow import pc, to_mask
from ingestor.checking.steps.step import Inputs, Made, faults
from ingestor.pipelines.transforms import Default, Map, Parse
from ingestor.types.marks import Marks


def default(step: Default, inputs: Inputs) -> Made:
    """A value for cells that are empty or missing."""
    column = inputs.columns[step.column]
    empty = to_mask(pc.equal(column, ""), null=True) | inputs.absent(step.column)
    return Made({step.column: pc.if_else(pa.array(empty), step.value, column)})


def map_words(step: Map, inputs: Inputs) -> Made:
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


def parse(step: Parse, inputs: Inputs) -> Made:
    """Numbers with marks of their own; groups have three digits each."""
    column = inputs.columns[step.column]
    marks = Marks(step.decimal, step.group)
    number = rf"\A(?:{marks.pattern()})\z"
    absent = inputs.absent(step.column)
    refused = ~to_mask(pc.match_substring_regex(column, pattern=number), null=True) & ~absent
    result = column
    if step.group is not None:
        result = pc.replace_substring(result, pattern=step.group, replacement="")
    if step.decimal != ".":
        result = pc.replace_substring(result, pattern=step.decimal, replacement=".")
    problems = []
    if refused.any():
        problems = faults(step.column, column, refused, marks.explain("a number"))
    if absent.any():  # a missing value keeps its own marks
        result = pc.if_else(pa.array(absent), column, result)
    return Made({step.column: result}, problems)
