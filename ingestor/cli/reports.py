"""`ingestor report`: save a report of rows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import IO

import click

from ingestor.cli.common import Settings, json_option, process_argument
from ingestor.cli.output import print_json
from ingestor.client.client import Client
from ingestor.v1 import status_pb2

EXTENSIONS = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".xlsx": "xlsx"}


@click.command()
@process_argument
@click.option("-o", "--output", required=True, metavar="FILE", help="Write to this file; - for stdout.")
@click.option(
    "--format", "format_", type=click.Choice(["csv", "jsonl", "xlsx"]),
    help="Write this format. Default: the one that FILE's extension names; csv for stdout.",
)  # fmt: skip
@click.option(
    "--rows", "selection", default="rejected", show_default=True, help="Include these rows.",
    type=click.Choice(["rejected", "failed", "skipped", "succeeded", "unprocessed", "all"]),
)  # fmt: skip
@json_option
@click.pass_obj
def report(
    settings: Settings, process: str, output: str, format_: str | None, selection: str, as_json: bool
) -> None:
    """Save the rejected rows of PROCESS. The file has the original columns and the errors.

    Correct it, then load it with: ingest FILE --repair PROCESS.
    """
    kind = format_ or format_of(output)
    if kind is None:
        raise click.UsageError(f"give --format: {output!r} ends in none of {', '.join(EXTENSIONS)}")
    count, size = settings.run(lambda client: save(client, process, output, kind, selection))
    if output == "-":
        return
    if as_json:
        print_json({"file": output, "format": kind, "rows": count, "bytes": size})
    else:
        click.echo(f"{output}: {count:,} rows, {size:,} bytes")


def format_of(output: str) -> str | None:
    """The format that the file's extension names; CSV for stdout, None when it names none."""
    return "csv" if output == "-" else EXTENSIONS.get(Path(output).suffix.lower())


async def save(client: Client, process: str, output: str, format_: str, rows: str) -> tuple[int, int]:
    """Write the report to the file (- for stdout); its rows and its bytes. Raises OSError."""
    if output == "-":
        return await _write(client, process, format_, rows, sys.stdout.buffer)
    # Complete or absent: half a report looks like a whole one.
    part = Path(f"{output}.part")
    try:
        with part.open("wb") as file:
            written = await _write(client, process, format_, rows, file)
        part.replace(output)
    finally:
        part.unlink(missing_ok=True)
    return written


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


COMMANDS = [report]
