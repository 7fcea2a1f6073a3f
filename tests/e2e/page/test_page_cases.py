"""Files of real kinds, loaded by clicks alone (frontend/e2e/reading/cases.test.ts): their tables hold what
the right answers of tests/e2e/cases say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cases.test_case_files import FILES, Case
from tests.e2e.conftest import Suite
from tests.e2e.page.test_page import CASES, READING, page_suite, run_in_browser

__all__ = ["page_suite"]

NAMES = (
    "duplicate-and-blank-labels", "trailing-delims", "title-blank-header", "sep_line", "no-header",
    "us-dates", "thousands", "yesno", "null-words", "cyrillic", "hidden-first", "title-rows", "merged-header",
    "formula-empty-string", "floats",
)  # fmt: skip
CHOSEN = [case for case in FILES if Path(case.file).stem in NAMES]


@pytest.fixture(scope="module")
def loaded(page_suite: Suite) -> Iterator[Suite]:
    """The suite, once the page has loaded all files."""
    run_in_browser(CASES, READING, INGESTOR_PAGE=f"http://{page_suite.gateway}")
    yield page_suite


def test_every_case_is_here() -> None:
    assert len(CHOSEN) == len(NAMES)


@pytest.mark.parametrize("case", CHOSEN, ids=lambda case: Path(case.file).stem)
async def test_a_file_loads_by_clicks_as_it_was_meant(loaded: Suite, case: Case) -> None:
    table = f"page_{Path(case.file).stem.replace('-', '_')}"
    columns = await loaded.fetch(
        "SELECT column_name FROM information_schema.columns WHERE table_name = $1"
        " AND column_name NOT IN ('_process_id', '_row_number') ORDER BY ordinal_position",
        table,
    )
    listed = ", ".join(f'"{name}"::text' for (name,) in columns)
    rows = await loaded.fetch(f'SELECT {listed} FROM "{table}" ORDER BY _row_number')
    assert rows == [tuple(row) for row in case.rows]
