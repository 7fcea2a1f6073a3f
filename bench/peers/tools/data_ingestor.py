"""The suite: `ingestor ingest` and `ingestor report`, as a person would use them."""

from __future__ import annotations

import csv
import json
import sys
import tempfile
from pathlib import Path

from bench.files.data import write_pipeline
from bench.peers.tools.common import command, finish, options

_WITH_ERRORS = 3


def main() -> None:
    """Load the file, and get the report of what failed."""
    chosen = options()
    program = Path(sys.executable).with_name("ingestor")
    with tempfile.TemporaryDirectory() as folder:
        document, report = Path(folder) / "pipeline.json", Path(folder) / "report.csv"
        write_pipeline(document, chosen.table)
        status, said = command(
            [program, "ingest", chosen.file, "--pipeline", document, "--json"],
            INGESTOR_ADDRESS=chosen.gateway,
        )
        named = []
        if status == _WITH_ERRORS:
            process = json.loads(said)["process_id"]
            status, said = command(
                [program, "report", process, "--output", report], INGESTOR_ADDRESS=chosen.gateway
            )
            with report.open(newline="") as rows:
                named = [int(row["_row"]) for row in csv.DictReader(rows)]
    finish(status, said, named)


if __name__ == "__main__":
    main()
