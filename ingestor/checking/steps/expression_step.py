"""The step that computes a column out of others."""

from __future__ import annotations

from typing import cast

import numpy as np

from ingestor.checking.arrow import AnyArray
from ingestor.checking.steps.evaluation import evaluate
from ingestor.checking.steps.step import CODE, Inputs, Made, Texts
from ingestor.checking.text_column import text_column
from ingestor.outcomes import Problem
from ingestor.pipelines.transforms import Compute


def compute(step: Compute, inputs: Inputs) -> Made:
    """The expression sees missing values as NULL, and what it makes NULL is missing."""
    columns: dict[str, AnyArray] = {label: present(inputs, label) for label in step.reads}
    values, failed = evaluate(step.expression, columns, inputs.count, "text")
    message = f"{step.into}: the expression cannot be computed for this row"
    problems = [
        (position, Problem(CODE, step.into, "", message, "validate"))
        for position in np.flatnonzero(failed).tolist()
    ]
    return Made({step.into: cast("Texts", values)}, problems)


def present(inputs: Inputs, label: str) -> Texts:
    """The column with nulls for missing values."""
    return text_column(inputs.columns[label], inputs.missing).array
