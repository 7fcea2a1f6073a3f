"""What is remembered of the cells of files that were looked at."""

from __future__ import annotations

from ingestor.tabular.detection import cells


def test_long_cells_stay_in_no_memory() -> None:
    before = cells._known_kind_of.cache_info().currsize
    assert {cells.kind_of(f"{number} " + "x" * 1_000_000) for number in range(20)} == {"text"}
    assert cells._known_kind_of.cache_info().currsize == before
    assert cells.kind_of("12.5") == cells.kind_of(" 12.5 ") == "number"
