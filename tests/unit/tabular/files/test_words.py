"""Which cells of text look typed."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from ingestor.tabular.words import column_looks_typed, looks_typed, words_among

CELLS = st.lists(
    st.none() | st.text("0719.:-truefalsé \n/;", max_size=12) | st.sampled_from(["true", "false"])
)


@given(CELLS, st.integers(0, 5))
def test_a_column_is_as_its_cells(cells: list[str | None], first: int) -> None:
    """Of a part of a column, too, whose bytes begin within those of the whole."""
    column = pa.array(cells, pa.string()).slice(first)
    expected = [cell is not None and looks_typed(cell) is not None for cell in cells[first:]]
    assert column_looks_typed(column).tolist() == expected


@given(st.lists(st.tuples(st.sampled_from(["1.5", "2020-01-02", "a", "7", "true"]), st.booleans())))
def test_only_text_is_a_word(cells: list[tuple[str, bool]]) -> None:
    column = pa.array([cell for cell, _ in cells], pa.string())
    is_text = pa.array([text for _, text in cells], pa.bool_()).to_numpy(zero_copy_only=False)
    expected = [text and looks_typed(cell) is not None for cell, text in cells]
    assert words_among(column, is_text).tolist() == expected
