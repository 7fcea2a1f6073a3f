"""Rows of blanks are skipped where the pipeline trims them."""

from __future__ import annotations

import pytest

from ingestor.checking.rows import check_rows
from tests.unit.checking.check_tables import table, with_steps

ROWS = [("1", "a"), (" ", ""), ("", "\u00a0"), ("", ""), (" ", "b")]


@pytest.mark.parametrize(
    ("fields", "trimmed", "blank"),
    [
        (("id", "name"), ("id", "name"), [2, 3, 4]),
        (("id", "name"), ("id",), [2, 4]),
        (("id", "name"), (), []),
        (("id",), ("id",), [2, 3, 4]),  # nobody reads the other column
    ],
)
def test_rows_of_blanks(fields: tuple[str, ...], trimmed: tuple[str, ...], blank: list[int]) -> None:
    pipeline = with_steps(*fields, transforms=[{"column": label, "op": "trim"} for label in trimmed])
    checked = check_rows(table(*zip(*ROWS, strict=True)), ["id", "name"], pipeline)
    assert [(row.row_number, row.state, row.errors[0].code) for row in checked.rejected] == [
        (number, "skipped", "blank-row") for number in blank
    ]
    assert (checked.good_index + 1).tolist() == [number for number in range(1, 6) if number not in blank]


def test_rows_of_nulls_are_records() -> None:
    pipeline = with_steps("id", transforms=[{"column": "id", "op": "trim"}])
    assert check_rows(table([None, " "]), ["id"], pipeline).good_index.tolist() == [0]  # type: ignore[list-item]
