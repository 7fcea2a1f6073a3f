"""The example of the Python client, as a reader of the README runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.e2e.conftest import Suite

EXAMPLE = Path(__file__).parents[2] / "examples" / "client.py"


async def test_the_example_of_the_client(suite: Suite, tmp_path: Path) -> None:
    done = subprocess.run(  # noqa: ASYNC221 - nothing else runs meanwhile
        [sys.executable, EXAMPLE, suite.gateway],
        cwd=tmp_path,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    first = next(line for line in lines if line.startswith("COMPLETED_WITH_ERRORS"))
    assert "read=1000, succeeded=979, failed=20, skipped=1" in first
    assert "100%" in lines
    assert lines[-1] == "RowCounts(read=1000, succeeded=980, failed=19, skipped=1, unprocessed=0)"
    assert await suite.fetch("SELECT credit_limit FROM sample_customers WHERE customer_id = 57") == [(12.5,)]
