"""Ingest a table, look at its failed rows, repair one of them: `python examples/client.py HOST:PORT`."""

import csv
import sys
from pathlib import Path

from ingestor import Client

SAMPLE = Path(__file__).parent / "sample"

with Client(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:8080") as client:
    process = client.ingest(SAMPLE / "customers.csv", pipeline=SAMPLE / "customers.pipeline.json")
    process.wait(progress=lambda now: print(f"{now.progress:.0%} of the rows have an outcome"))
    print(process.counts)
    for row in process.rows("status=FAILED"):
        print(f"row {row.number}, line {row.line}:", *(error.message for error in row.errors))
    report = process.report("rejected.csv")
    print(f"{report.rows} rejected rows are in rejected.csv")
