"""`ingestor report`: save a report of rows."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ingestor.cli.common import Settings, json_option, process_argument
from ingestor.cli.output import print_json
from ingestor.cli.summary import print_notices
from ingestor.client import AsyncClient, Report
from ingestor.client.reports import EXTENSIONS, ReportFormat, ReportRows


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
    settings: Settings,
    process: str,
    output: str,
    format_: ReportFormat | None,
    selection: ReportRows,
    as_json: bool,
) -> None:
    """Save the rejected rows of PROCESS. The file has the original columns and the errors.

    Correct it, then load it with: ingest FILE --repair PROCESS.
    """
    kind = format_ or format_of(output)
    if kind is None:
        raise click.UsageError(f"give --format: {output!r} ends in none of {', '.join(EXTENSIONS)}")
    saved = settings.run(lambda client: save(client, process, output, kind, selection))
    if output == "-":
        return
    if as_json:
        print_json({"file": output, "format": kind, "rows": saved.rows, "bytes": saved.size})
    else:
        click.echo(f"{output}: {saved.rows:,} rows, {saved.size:,} bytes")
        print_notices(notice.raw for notice in saved.notices)


def format_of(output: str) -> ReportFormat | None:
    """The format that the file's extension names; CSV for stdout, None when it names none."""
    return "csv" if output == "-" else EXTENSIONS.get(Path(output).suffix.lower())


async def save(
    client: AsyncClient, process_id: str, output: str, format_: ReportFormat, rows: ReportRows
) -> Report:
    """Write the report to the file (- for stdout). Raises OSError."""
    process = await client.process(process_id, look=False)
    target = sys.stdout.buffer if output == "-" else output
    report = await process.report(target, format_, rows)
    sys.stdout.buffer.flush()
    return report


COMMANDS = [report]
