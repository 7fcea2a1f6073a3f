"""`ingestor ingest --dry-run`: what a run would do with a file's rows."""

from __future__ import annotations

from pathlib import Path

import click

from ingestor.cli.output import OK, WITH_ERRORS, place, print_json, print_table, to_dict
from ingestor.cli.summary import print_notices
from ingestor.client import AsyncClient
from ingestor.v1 import processor_pb2

_SHOWN = 20


async def run_dry(
    client: AsyncClient, path: Path, pipeline: str | None, dialect: str
) -> processor_pb2.DryRunResponse:
    """Run a file's rows dry; `pipeline` is what `ingest` takes. Nothing is stored, not even a document."""
    return (await client.dry_run(path, pipeline, dialect)).raw


def print_dry_run(found: processor_pb2.DryRunResponse, path: Path, as_json: bool) -> int:
    """Print the result; the exit status."""
    if as_json:
        print_json({"file_name": path.name, **to_dict(found)})
    else:
        _print(found)
    return WITH_ERRORS if found.counts.failed else OK


def _print(found: processor_pb2.DryRunResponse) -> None:
    counts = to_dict(found.counts)
    print_table(list(counts), [[f"{count:,}" for count in counts.values()]])
    print_notices(found.notices)
    for row in found.rows[:_SHOWN]:
        for error in row.errors:
            click.echo(f"  {place(row.row_number, row.line_number)}: {error.message} [{error.code}]")
    more = found.counts.failed + found.counts.skipped - min(len(found.rows), _SHOWN)
    if more > 0:
        click.echo(f"  and {more:,} rows more; --json has the first {len(found.rows):,}")
