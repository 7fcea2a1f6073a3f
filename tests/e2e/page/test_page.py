"""The page in Chromium against a real suite: runs `npm run e2e` in frontend/, which prints its figures."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Suite, running

FRONTEND = Path(__file__).parents[3] / "frontend"
CHROMIUM = os.environ.get("INGESTOR_CHROMIUM", "/usr/bin/chromium")


# These have tests of their own: test_page_access.py and test_page_traces.py.
ACCESS, TRACES = "access.test.ts", "traces.test.ts"
# Those of test_page_cases.py.
CASES, READING = "reading/cases.test.ts", "reading/reading.test.ts"


def missing() -> str | None:
    """Return what this machine lacks for these tests, if anything."""
    if not (FRONTEND / "dist" / "index.html").is_file() or shutil.which("npm") is None:
        return "the page is not built (make setup, with Node.js)"
    if not Path(CHROMIUM).is_file():
        return f"no Chromium at {CHROMIUM} (set INGESTOR_CHROMIUM to its path)"
    return None


@pytest.fixture(scope="module")
def page_suite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """A suite that serves the built page."""
    if (reason := missing()) is not None:
        # CI must not skip tests silently.
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)
    # Small batches, few at a time: so that a file that is read can be paused, however fast the machine.
    few = {"INGESTOR_SLICE_BYTES": "500000", "INGESTOR_MAX_BATCHES_IN_FLIGHT": "4"}
    with running(tmp_path_factory.mktemp("page"), **few) as started:
        yield started


def test_the_page(page_suite: Suite) -> None:
    others = [word for name in (ACCESS, TRACES, CASES, READING) for word in ("--exclude", name)]
    run_in_browser(*others, INGESTOR_PAGE=f"http://{page_suite.gateway}")


def run_in_browser(*which: str, **env: str) -> None:
    """Run these files of frontend/e2e, or all but those. The output is the test's: shown on failure, and with
    `pytest -s`."""
    done = subprocess.run(
        ["npm", "run", "--silent", "e2e", "--", *which],
        cwd=FRONTEND,
        env={**os.environ, **env, "NO_COLOR": "1"},
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0
