"""`ingestor up` is killed in the middle of a load, and started again at once."""

from __future__ import annotations

import json
import os
import signal
import time
from dataclasses import replace
from pathlib import Path

from tests.e2e.conftest import ingestor, running, wait_until
from tests.e2e.tables import write_pipeline, write_readings
from tests.e2e.test_crashes import ROWS, batches_processed, check_exactly_once, start


async def test_the_supervisor_is_killed_in_mid_run(tmp_path: Path) -> None:
    """It goes on by itself: every row is loaded once."""
    data = tmp_path / "data"
    with running(data) as suite:
        rows = 2 * ROWS
        source = write_readings(tmp_path / "r.csv", rows)
        process = start(suite, source, write_pipeline(tmp_path, "supervised"))
        wait_until(lambda: batches_processed(suite, process) >= 1, "a processed batch")
        known = suite.json("status", process, status=None)
        os.kill(suite.facts["pid"], signal.SIGKILL)
        assert known["state"] != "COMPLETED", "the file is too small"
        killed = time.monotonic()
        port = suite.gateway.rpartition(":")[2]
        said = ingestor("up", "--detach", "--gateway-port", port, data=data).stderr
        up = time.monotonic() - killed
        again = replace(suite, facts=json.loads(ingestor("env", "--secrets", "--json", data=data).stdout))
        before = known["batches_processed"]
        wait_until(lambda: batches_processed(again, process) > before, "progress")
        goes_on = time.monotonic() - killed
        await check_exactly_once(again, process, rows, "supervised")
        print(f"up after {up:.1f} s, goes on after {goes_on:.1f} s")  # noqa: T201 - pytest -s shows it
        assert "Traceback" not in said
