"""The next page of rows is asked for before one is parsed, and nothing is left when nobody wants more."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from ingestor.access.scope import within
from ingestor.services.status.adapters.reading import pg_own_rows
from ingestor.services.status.adapters.reading.pg_own_rows import own_pages
from ingestor.services.status.processes import RowState

LAST = 30


class Ledger:
    """Gives rows 1 to LAST, and waits once it has given so many pages."""

    def __init__(self, pages: int = 99, odd: str = "") -> None:
        """`odd` is in the only cell of row 15, and in the value of its error."""
        self.asked: list[int] = []
        self.pages = pages
        self.odd = odd

    async def run(self, statements: Any) -> Any:
        """What the statements would find; they are those of a page of rows."""
        _, _, after, upto, limit, (_, between) = statements.args
        self.asked.append(after)
        if len(self.asked) > self.pages:
            await asyncio.Event().wait()
        numbers = range(after + 1, min(after + limit, LAST) + 1)
        if not numbers:
            return None, [], upto
        texts = between.join(
            between.join([str(n), str(n + 1), "4 0 1 2", "code", "field", self.text(n), "m", self.text(n)])
            for n in numbers
        )
        page = {"rows": len(numbers), "last": numbers[-1], "cut": False, "texts": texts}
        return page, [], upto

    def text(self, number: int) -> str:
        """What is in a row."""
        return self.odd if number == 15 and self.odd else f"c{number}"


class Runs(Ledger):
    """The same rows in runs of seven, which begin with row 2: row 1 and each eighth have no record."""

    async def run(self, statements: Any) -> Any:
        """What the statements would find; they are those of a page of runs."""
        _, _, after, upto, _, _ = statements.args
        self.asked.append(after)
        if len(self.asked) > self.pages:
            await asyncio.Event().wait()
        runs = [
            {
                "run_first_row": first, "run_first_line": first + 1, "run_state": int(RowState.FAILED),
                "run_errors": '[["code", "field", "value", "m", 2]]', "run_cells": ["c"], "run_row_count": 7,
                "run_lines": None, "run_rest": None, "run_rest_size": 0, "run_repairs_rows": None,
            }
            for first in range(2, LAST, 8)
            if first + 6 > after
        ]  # fmt: skip
        return None, runs, upto


def pages_of(ledger: Ledger) -> Any:
    """Its pages of at most ten rows."""
    return own_pages(ledger.run, "process", {RowState.FAILED}, 0, 99, 10)


async def test_pages_follow_one_another() -> None:
    with within("default"):
        numbers = [list(page.numbers) async for page in pages_of(Ledger())]
    assert numbers == [list(range(1, 11)), list(range(11, 21)), list(range(21, 31))]


@pytest.mark.parametrize("odd", ["\x7f", "a\x1fb", "\x1f"])
async def test_a_page_with_separators_in_its_texts_is_read_again(odd: str) -> None:
    ledger = Ledger(odd=odd)
    with within("default"):
        rows = [row for page in [page.rows() async for page in pages_of(ledger)] for row in page]
    assert [row.cells for row in rows] == [(ledger.text(row.row_number),) for row in rows]
    assert [row.errors[0].value for row in rows] == [ledger.text(row.row_number) for row in rows]
    assert [row.row_number for row in rows] == list(range(1, LAST + 1))
    assert ledger.asked == [0, 10, 20, 10, 20, 30]


async def test_the_next_page_is_asked_for_before_one_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger, parse = Ledger(), pg_own_rows._table
    asked = []

    async def in_thread(*arguments: Any) -> Any:
        await asyncio.sleep(0)
        asked.append(list(ledger.asked))
        return parse(*arguments[1:])

    monkeypatch.setattr(asyncio, "to_thread", in_thread)
    with within("default"):
        assert len(await anext(pages_of(ledger))) == 10
    assert asked == [[0, 10]]


async def test_where_a_page_of_runs_ends_is_known_before_it_is_parsed() -> None:
    ledger = Runs()
    with within("default"):
        pages = [list(page.numbers) async for page in pages_of(ledger)]
    known = [number for number in range(2, 33) if number % 8 != 1]
    assert pages == [known[:10], known[10:20], known[20:]]
    assert ledger.asked == [0, known[9], known[19], known[-1]]


@pytest.mark.parametrize("ledger", [Ledger, Runs])
async def test_the_next_page_is_under_way_when_one_is_given(ledger: type[Ledger]) -> None:
    with within("default"):
        pages = pages_of(found := ledger())
        await anext(pages)
        await pages.aclose()
    assert len(found.asked) == 2


@pytest.mark.parametrize("taken", [1, 2])
async def test_nothing_goes_on_when_nobody_wants_more(taken: int) -> None:
    others = asyncio.all_tasks()
    with within("default"):
        pages = pages_of(Ledger(taken))
        for _ in range(taken):
            await anext(pages)
        await pages.aclose()
    assert asyncio.all_tasks() == others
