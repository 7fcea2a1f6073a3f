"""Which column of the file an error is about."""

from __future__ import annotations

import pytest

from ingestor.checking.labels import file_label
from ingestor.outcomes import RowError
from tests.unit.checking.check_tables import with_steps

PIPELINE = with_steps(
    "id", "first", "last", "whole", "city",
    mapping={"id": "Kunden-Nr", "first": "First"},
    transforms=[
        {"op": "trim", "column": "Kunden-Nr"},
        {"op": "split", "column": "Name", "separator": " ", "into": ["First", "last"]},
        {"op": "concatenate", "columns": ["First", "City"], "into": "whole"},
    ],
)  # fmt: skip
COLUMNS = ("Kunden-Nr", "Name", "City")


@pytest.mark.parametrize(
    ("code", "field", "label"),
    [
        ("type-error", "id", "Kunden-Nr"),
        ("constraint-error", "first", "Name"),
        ("type-error", "last", "Name"),
        ("type-error", "whole", ""),  # made of two columns
        ("type-error", "city", ""),  # the file lacks it
        ("transform-error", "Kunden-Nr", "Kunden-Nr"),
        ("filtered", "First", "Name"),
        ("row-constraint", "first, last", "Name"),
        ("row-constraint", "id, last", ""),
        ("quote-error", "", ""),
    ],
)
def test_the_label(code: str, field: str, label: str) -> None:
    assert file_label(RowError(code, field, "x", "m", "validate"), PIPELINE, COLUMNS) == label


def test_without_a_pipeline() -> None:
    assert file_label(RowError("x", "City", "", "", "load"), None, COLUMNS) == "City"
