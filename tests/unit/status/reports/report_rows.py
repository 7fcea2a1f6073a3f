"""Rows and texts that the tests of reports share."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st

from ingestor.outcomes import RowError
from ingestor.services.status.processes import RowState
from ingestor.services.status.rows import Row

# What PostgreSQL's text can hold.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))

BROKEN = Row(7, 9, 1, RowState.FAILED, (RowError("quote-error", "", 'x,"y', "open quote", "parse"),), ())
PLAIN = Row(5, 0, 1, RowState.SUCCEEDED, (), ())


def failed_row(number: int, cells: Sequence[str]) -> Row:
    """A row with one error in its first cell."""
    error = RowError("type-error", "a", cells[0], "bad", "validate")
    return Row(number, number + 1, 1, RowState.FAILED, (error,), tuple(cells))
