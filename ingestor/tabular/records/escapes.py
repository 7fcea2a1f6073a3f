"""Finds what escape characters stand before, in many texts at once."""

from __future__ import annotations

import numpy as np

from ingestor.columns.arrow import Int32s, Mask


def behind_escapes(at: Int32s, escape: Mask) -> Mask:
    """Which of some marked places (ascending; those of `escape` are escape characters) are directly behind an
    escape character that is not escaped itself."""
    found = np.zeros(len(at), np.bool_)
    escapes = np.flatnonzero(escape)
    # Where they follow each other, the first escapes the second, the third the fourth.
    begins = np.ones(len(escapes), np.bool_)
    begins[1:] = np.diff(at[escapes]) != 1
    order = np.arange(len(escapes))
    within = order - np.maximum.accumulate(np.where(begins, order, 0))
    escaping = escapes[within % 2 == 0]
    behind = np.minimum(escaping + 1, len(at) - 1)
    found[behind[at[behind] == at[escaping] + 1]] = True
    return found
