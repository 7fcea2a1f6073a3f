"""The next page of a report is read while one is written, and nothing is left when nobody wants more."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from ingestor.services.status.reports.stream import _one_ahead


class Source:
    """Gives numbers, and raises after `raises` of them."""

    def __init__(self, raises: int | None = None) -> None:
        self.raises = raises
        self.made = 0
        self.wanted = asyncio.Event()
        self.closed = False

    async def numbers(self, count: int) -> AsyncGenerator[int, None]:
        try:
            for number in range(1, count + 1):
                if number == self.raises:
                    raise ZeroDivisionError
                await asyncio.sleep(0)
                self.made = number
                if number > 1:
                    self.wanted.set()
                yield number
        finally:
            self.closed = True


async def test_one_page_is_read_ahead_and_no_more() -> None:
    source = Source()
    ahead = _one_ahead(source.numbers(5))
    assert await anext(ahead) == 1
    await asyncio.wait_for(source.wanted.wait(), 10)  # nobody has asked for the second
    for _ in range(20):
        await asyncio.sleep(0)
    assert source.made == 2
    assert [number async for number in ahead] == [2, 3, 4, 5]
    assert source.closed


@pytest.mark.parametrize("taken", [0, 1, 2])
async def test_nothing_goes_on_when_nobody_wants_more(taken: int) -> None:
    source = Source()
    others = asyncio.all_tasks()
    ahead = _one_ahead(source.numbers(5))
    for _ in range(taken):
        await anext(ahead)
    await ahead.aclose()
    assert source.closed == bool(taken)
    assert asyncio.all_tasks() == others


async def test_an_error_comes_in_its_place() -> None:
    source = Source(raises=3)
    ahead = _one_ahead(source.numbers(5))
    assert [await anext(ahead), await anext(ahead)] == [1, 2]
    with pytest.raises(ZeroDivisionError):
        await anext(ahead)
    assert source.closed
