"""Long lists are looked through in pieces."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestor.access.limits.reads import ReadTooLongError
from ingestor.access.limits.search import LEAST, search


class List:
    """Items at these positions; looking at a position takes so long."""

    def __init__(self, places: set[int], cost: float = 0.0, slow: range = range(0)) -> None:
        self.places = places
        self.cost = cost
        self.slow = slow  # positions that cost a second each
        self.now = 0.0
        self.pieces: list[tuple[int, int]] = []

    async def read(self, start: int, end: int, limit: int) -> list[int]:
        """The items after `start`, up to `end`."""
        self.pieces.append((start, end))
        slow = len(range(max(start + 1, self.slow.start), min(end + 1, self.slow.stop)))
        took = self.cost * (end - start) + slow
        self.now += min(took, 5)
        if took > 5:
            raise ReadTooLongError(5)
        return sorted(place for place in self.places if start < place <= end)[:limit]

    async def search(self, whole: int, limit: int = 10, seconds: float = 2.5) -> tuple[list[int], int | None]:
        """See `search`."""
        return await search(self.read, whole, limit, seconds, clock=lambda: self.now)


@given(st.sets(st.integers(1, 3_000_000)), st.integers(0, 3_000_000), st.integers(1, 20), st.floats(0, 1e-5))
async def test_pages_find_what_there_is(places: set[int], whole: int, limit: int, cost: float) -> None:
    looked_at = List(places, cost)
    found: list[int] = []
    start = 0
    while True:

        async def read(begin: int, end: int, most: int, start: int = start) -> list[int]:
            return await looked_at.read(start + begin, start + end, most)

        page, looked = await search(read, whole - start, limit, 2.5, clock=lambda: looked_at.now)
        found += page
        if looked is not None:
            assert looked > 0, "every page gets on"
            start += looked
        elif len(page) == limit:
            start = page[-1]
        else:
            break
    assert found == sorted(place for place in places if place <= whole)


async def test_pieces_grow_while_they_are_fast() -> None:
    looked_at = List({100_000_000})
    assert await looked_at.search(100_000_000) == ([100_000_000], None)
    assert len(looked_at.pieces) < 10


async def test_a_page_ends_with_its_time() -> None:
    looked_at = List(set(), cost=1 / LEAST)  # a second for the least piece
    assert await looked_at.search(100 * LEAST) == ([], 3 * LEAST)
    assert looked_at.now == 3


async def test_what_took_too_long_is_left_to_the_next_page() -> None:
    looked_at = List({1}, slow=range(LEAST + 1, LEAST + 100))
    assert await looked_at.search(100 * LEAST) == ([1], LEAST)
    with pytest.raises(ReadTooLongError):  # it gets nowhere
        await List(set(), slow=range(100)).search(LEAST)
