"""Files of rows that fail or are skipped for the same reason: the ledger knows every row, and keeps some
records for each batch."""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path

import pytest

from tests.e2e.conftest import Suite
from tests.e2e.tables import readings_pipeline
from tests.examples import NIGHTLY

HEADER = "id,name,amount\n"
SIZE = 10_000_000 if NIGHTLY else 1_500_000
LINES = {"blank": "         \n", "numbers": "{}\n"}
STATES = {"blank": "skipped", "numbers": "failed"}
CODES = {"blank": "blank-row", "numbers": "missing-cell"}
# Of a batch, which has at most 100,000 rows: rows that differ by their numbers only are one record; if each
# has other cells and another message, there is one for about each MiB of these.
MOST = {"blank": 1, "numbers": 75}
KEPT = """
WITH records AS (
    SELECT pg_column_size(r.*) AS size FROM status.row_exceptions r WHERE process_id = $1::uuid
    UNION ALL SELECT pg_column_size(r.*) FROM status.row_runs r WHERE process_id = $1::uuid)
SELECT count(*), sum(size), (SELECT count(*) FROM status.batches WHERE process_id = $1::uuid) FROM records
"""


@pytest.mark.parametrize("kind", LINES)
async def test_a_file_of_rejected_rows_fills_no_ledger(suite: Suite, tmp_path: Path, kind: str) -> None:
    source, report = tmp_path / "rows.csv", tmp_path / "report.csv"
    size = last = 0
    with source.open("w") as file:
        file.write(HEADER)
        while size < SIZE:
            last += 1
            size += file.write(LINES[kind].format(last))
    pipeline = tmp_path / "pipeline.json"
    pipeline.write_text(json.dumps({**readings_pipeline(f"many_{kind}"), "dialect": {"delimiter": ","}}))
    began = time.monotonic()
    process = suite.ingest(source, "--pipeline", str(pipeline), status=0 if kind == "blank" else 3)
    seconds = time.monotonic() - began
    assert process["counts"][STATES[kind]] == process["counts"]["read"] == last
    [(records, kept, batches)] = await suite.fetch(KEPT, process["process_id"])
    told = f"{kind}: {size} bytes, {last} rows, {batches} batches, {seconds:.1f} s"
    print(f"{told}; {records} records, {kept} bytes")  # noqa: T201 - pytest -s shows it
    assert records <= MOST[kind] * batches

    began = time.monotonic()
    suite.run("report", process["process_id"], "--output", str(report))
    print(f"report: {time.monotonic() - began:.1f} s")  # noqa: T201
    number = 0
    with report.open(newline="") as file:
        for number, row in enumerate(csv.DictReader(file), 1):
            assert (row["_row"], row["_line"], row["_code"]) == (str(number), str(number + 1), CODES[kind])
            assert row["_value"] == LINES[kind].format(number)[:-1]
    assert number == last
