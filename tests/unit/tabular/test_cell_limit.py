"""The cap on cells."""

from __future__ import annotations

from ingestor.tabular.cell_limit import reject_long_cells
from ingestor.tabular.limits import Limits
from ingestor.tabular.parsers.csv import read_csv_slice
from tests.unit.tabular.tables import COMMA

LIMITS = Limits(max_cell_bytes=8)


def test_a_long_cell_costs_its_row_only() -> None:
    data = b"1,12345678\n2,123456789\n3\n4,\xc3\xa912345\n5,\xc3\xa91234567\n"
    table = reject_long_cells(read_csv_slice(data, 2, COMMA), len(data), LIMITS)
    assert table.columns[0].to_pylist() == ["1", "4"]
    assert table.row_index.tolist() == [0, 3]
    assert table.line_index.tolist() == [0, 3]
    assert [(record.row_number - 1, record.errors[0].code) for record in table.rejected] == [
        (1, "cell-too-long"), (2, "missing-cell"), (4, "cell-too-long"),
    ]  # fmt: skip
    assert table.rejected[0].errors[0].message == "The cell in column 2 is longer than 8 bytes."
    assert table.rejected[0].errors[0].value == "123456789"


def test_a_short_slice_is_not_looked_at() -> None:
    data = b"1,2\n"
    table = read_csv_slice(data, 2, COMMA)
    assert reject_long_cells(table, 8, LIMITS) is table
