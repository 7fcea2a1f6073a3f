"""The rows of a batch as spans: each row once, and what its own record, its run or its batch says."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from ingestor.services.status.outcomes.spans import Span, spans_of
from ingestor.services.status.processes import RowState

FIRST, COUNT = 11, 12
STATES = st.sampled_from([RowState.SUCCEEDED, RowState.FAILED, RowState.SKIPPED])


@st.composite
def layers(draw: st.DrawFn) -> tuple[list[Span], list[Span]]:
    """Runs that do not overlap, and own records, in order."""
    runs, at = [], FIRST
    while at < FIRST + COUNT - 2 and draw(st.booleans()):
        at += draw(st.integers(0, 3))
        length = draw(st.integers(2, 5))
        if at + length > FIRST + COUNT:
            break
        runs.append(Span(at, length, draw(STATES), draw(st.sampled_from(["", "a"]))))
        at += length
    numbers = sorted(draw(st.sets(st.integers(FIRST, FIRST + COUNT - 1))))
    return runs, [Span(number, 1, draw(STATES), "own", 0, draw(st.booleans())) for number in numbers]


@given(layers(), STATES)
def test_every_row_is_there_once_and_says_what_counts_for_it(
    found: tuple[list[Span], list[Span]], state: RowState
) -> None:
    runs, own = found
    default = Span(FIRST, COUNT, state)
    expected = {}
    for layer in ([default], runs, own):
        for span in layer:
            for row in range(span.first_row, span.end):
                expected[row] = (span.state, span.code, span.repaired)
    spans = spans_of(default, runs, own)
    said = [
        (row, (span.state, span.code, span.repaired))
        for span in spans
        for row in range(span.first_row, span.end)
    ]
    assert said == sorted(expected.items())
    kinds = [(span.state, span.code, span.repaired) for span in spans]
    assert all(one != other for one, other in pairwise(kinds))
