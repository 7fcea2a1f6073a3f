"""Steps that make columns out of others: split, concatenate."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from ingestor.checking.arrow import pc
from ingestor.checking.steps.step import Inputs, Made
from ingestor.pipelines.transforms import Concatenate, Split

_NOTHING = pa.scalar(None, pa.string())


def split(step: Split, inputs: Inputs) -> Made:
    """Pieces from left to right, the last one with the rest; columns without a piece are missing."""
    pieces: Any = pc.split_pattern(
        inputs.columns[step.column], pattern=step.separator, max_splits=step.most - 1
    )
    counts = pc.fill_null(pc.list_value_length(pieces), 0).to_numpy(zero_copy_only=False)
    starts = pieces.offsets.to_numpy()[:-1]
    made = {}
    for number, label in enumerate(step.into):
        there = counts > number
        at = pa.array(np.where(there, starts + number, 0), mask=~there)
        made[label] = pieces.values.take(at)
    return Made(made)


def concatenate(step: Concatenate, inputs: Inputs) -> Made:
    """Missing cells are left out together with their separator; the text of none is missing."""
    parts = []
    all_absent = np.ones(inputs.count, np.bool_)
    for label in step.columns:
        absent = inputs.absent(label)
        all_absent &= absent
        # Each with its separator in front; null_handling="skip" would lose rows of nulls only.
        part = pc.binary_join_element_wise(step.separator, inputs.columns[label], "")
        parts.append(pc.if_else(pa.array(absent), "", part))
    joined = pc.binary_join_element_wise(*parts, "")
    if step.separator:
        joined = pc.utf8_slice_codeunits(joined, start=len(step.separator))
    if all_absent.any():
        joined = pc.if_else(pa.array(all_absent), _NOTHING, joined)
    return Made({step.into: joined})
