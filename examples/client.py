"""Ingest a table, look at its failed rows, correct one of them: `python examples/client.py [HOST:PORT]`."""

import sys
from pathlib import Path

from ingestor import Client

SAMPLE = Path(__file__).parent / "sample"
ADDRESS = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:8080"

with Client(ADDRESS) as client:
    process = client.ingest(SAMPLE / "customers.csv", pipeline=SAMPLE / "customers.pipeline.json")
    process.wait(progress=lambda now: print(f"{now.progress:.0%}"))
    print(process.state, process.counts)
    for row in process.rows("status=FAILED", limit=3):
        print(row.number, row.errors[0].message)
    process.report("rejected.csv")
    corrected = Path("rejected.csv").read_text("utf-8").replace('"12,5",true', "12.5,true")
    Path("corrected.csv").write_text(corrected, "utf-8")
    process.repair("corrected.csv").wait()
    print(process.refresh().counts)
