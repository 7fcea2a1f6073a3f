"""`ingestor report`: a report of rows into a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO

from ingestor.client.client import Client
from ingestor.v1 import status_pb2

EXTENSIONS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".xlsx": "xlsx"}


def format_of(output: str) -> str | None:
    """The format that the file's extension says; CSV for stdout, None when it says nothing."""
    return "csv" if output == "-" else EXTENSIONS.get(Path(output).suffix.lower())


async def save(client: Client, process: str, output: str, format_: str, rows: str) -> tuple[int, int]:
    """Write the report to the file (- for stdout); its rows and its bytes. Raises OSError."""
    if output == "-":
        return await _write(client, process, format_, rows, sys.stdout.buffer)
    # Complete or not there: a half report looks like a whole one.
    part = Path(f"{output}.part")
    try:
        with part.open("wb") as file:
            told = await _write(client, process, format_, rows, file)
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
    return told


async def _write(client: Client, process: str, format_: str, rows: str, file: IO[bytes]) -> tuple[int, int]:
    size, count = 0, 0
    async for answer in client.download_report(
        process,
        status_pb2.ReportFormat.Value(f"REPORT_FORMAT_{format_.upper()}"),
        status_pb2.ReportRows.Value(f"REPORT_ROWS_{rows.upper()}"),
    ):
        size += file.write(answer.data)
        count = answer.row_count
    file.flush()
    return count, size
