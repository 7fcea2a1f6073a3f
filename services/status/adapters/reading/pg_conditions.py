"""Comparisons of filters as SQL."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ingestor.services.status.filters import Comparison
from ingestor.services.status.processes import RowState

_OPERATORS = {"!=": "<>", ":": "ILIKE"}


def sql_operator(comparison: Comparison) -> str:
    """The operator of a comparison."""
    return _OPERATORS.get(comparison.operator, comparison.operator)


def row_arguments(comparisons: Sequence[Comparison]) -> list[object]:
    """What rows are compared with, in order."""
    return [
        int(RowState[str(comparison.value)]) if comparison.name == "status" else comparison.value
        for comparison in comparisons
    ]


def row_conditions(
    comparisons: Sequence[Comparison], state: str, errors: str, number: Callable[[Comparison, str], str]
) -> str:
    """The conditions of a statement whose sixth and following parameters are the `row_arguments`, each with
    AND before it. `state` and `errors` are SQL for those of a row; `number` makes the condition of a
    comparison of row or line with a parameter."""
    conditions = []
    for place, comparison in enumerate(comparisons, 6):
        sign = sql_operator(comparison)
        if comparison.name in ("code", "field"):
            index = 0 if comparison.name == "code" else 1
            negation = "NOT " if sign == "<>" else ""
            of_row = f"jsonb_array_elements({errors}) x WHERE x->>{index} = ${place}"
            conditions.append(f"{negation}EXISTS (SELECT FROM {of_row})")
        elif comparison.name == "status":
            conditions.append(f"{state} {sign} ${place}::smallint")
        else:
            conditions.append(number(comparison, f"${place}"))
    return "".join(f" AND {condition}" for condition in conditions)
