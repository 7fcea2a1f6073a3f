"""Look at processes: status, watch, processes, events, rows, row, errors."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from ingestor.cli.common import Settings, json_option, process_argument
from ingestor.cli.output import print_json, print_table, short, to_dict
from ingestor.cli.progress import follow, showing_progress
from ingestor.cli.summary import exit_status, print_process, repaired_process, summary, with_repaired
from ingestor.client.client import Client
from ingestor.v1 import common_pb2, status_pb2


@click.command()
@process_argument
@json_option
@click.pass_obj
def status(settings: Settings, process: str, as_json: bool) -> None:
    """Show the state and counts of PROCESS.

    Exit status: as that of ingest; 0 while it runs.
    """
    found = settings.run(lambda client: client.get_process(process))
    if as_json:
        repaired = settings.run(lambda client: repaired_process(client, found))
        print_json(with_repaired({**to_dict(found), **summary(found)}, repaired))
    else:
        print_process(settings, found, None)
    sys.exit(exit_status(found.state, running=0))


@click.command()
@process_argument
@json_option
@click.pass_obj
def watch(settings: Settings, process: str, as_json: bool) -> None:
    """Follow PROCESS to its end.

    Exit status: as that of ingest.
    """
    with showing_progress(quiet=as_json) as show:
        found = settings.run(lambda client: follow(client, process, show), patience=120)
    if as_json:
        print_json(summary(found))
    else:
        print_process(settings, found, None)
    sys.exit(exit_status(found.state))


@click.command()
@click.option(
    "--filter", "filter_", default="", help='Select, for example state=FAILED or pipeline="customers".'
)
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="List at most this many."
)
@json_option
@click.pass_obj
def processes(settings: Settings, filter_: str, limit: int, as_json: bool) -> None:
    """List processes, newest first."""
    page = settings.run(lambda client: client.list_processes(filter_, limit))
    if as_json:
        print_json(to_dict(page))
        return
    print_table(
        ["process", "file", "pipeline", "state", "read", "failed", "started"],
        [
            [
                p.info.process_id, p.info.file_name, p.info.pipeline,
                short(common_pb2.ProcessState.Name(p.state)), f"{p.counts.read:,}", f"{p.counts.failed:,}",
                p.create_time.ToDatetime().isoformat(" ", "seconds"),
            ]
            for p in page.processes
        ],
    )  # fmt: skip


@click.command()
@process_argument
@json_option
@click.pass_obj
def events(settings: Settings, process: str, as_json: bool) -> None:
    """List the events of PROCESS, oldest first."""

    async def collect(client: Client) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        token = ""
        while True:
            page = await client.list_events(process, page_token=token)
            found += [
                {
                    "sequence": event.sequence,
                    "id": event.event_id,
                    "type": event.type,
                    "time": event.time.ToJsonString(),
                    "data": json.loads(event.data_json),
                }
                for event in page.events
            ]
            token = page.next_page_token
            if not token:
                return found

    found = settings.run(collect)
    if as_json:
        print_json({"events": found})
        return
    print_table(["time", "event", "data"], [[e["time"], e["type"], json.dumps(e["data"])] for e in found])


@click.command()
@process_argument
@click.option(
    "--filter", "filter_", default="",
    help='Select, for example status=FAILED AND code="type-error"; fields: status, code, field, row, line.',
)  # fmt: skip
@click.option(
    "--limit", type=click.IntRange(1), default=50, show_default=True, help="List at most this many."
)
@json_option
@click.pass_obj
def rows(settings: Settings, process: str, filter_: str, limit: int, as_json: bool) -> None:
    """List rows of PROCESS by number, with their errors."""

    async def collect(client: Client) -> tuple[list[status_pb2.Row], str]:
        found: list[status_pb2.Row] = []
        token = ""
        while True:
            page = await client.list_rows(process, filter_, min(1000, limit - len(found)), token)
            found += page.rows
            token = page.next_page_token
            if not token or len(found) >= limit:
                return found, token

    found, more = settings.run(collect)
    if as_json:
        print_json({"rows": [to_dict(row) for row in found], "more": bool(more)})
        return
    lines = []
    for found_row in found:
        place = [
            str(found_row.row_number),
            str(found_row.line_number or ""),
            short(common_pb2.RowState.Name(found_row.state)),
        ]
        reasons = [[e.code, e.field, e.value[:80], e.message] for e in found_row.errors]
        lines += [[*place, *reason] for reason in reasons or [["", "", "", ""]]]
    print_table(["row", "line", "state", "code", "field", "value", "message"], lines)
    if more:
        click.echo("more rows match: raise --limit or narrow --filter")


@click.command()
@process_argument
@click.argument("number", type=click.IntRange(1))
@json_option
@click.pass_obj
def row(settings: Settings, process: str, number: int, as_json: bool) -> None:
    """Show row NUMBER of PROCESS, its errors and its earlier repairs."""
    found = settings.run(lambda client: client.get_row(process, number))
    if as_json:
        print_json(to_dict(found))
        return
    line = f", line {found.line_number}" if found.line_number else ""
    click.echo(f"row {number}{line}: {short(common_pb2.RowState.Name(found.state))}")
    for error in found.errors:
        click.echo(f"  {error.message} [{error.code}]")
    if found.repairs_row:
        click.echo(f"repairs row {found.repairs_row} of the repaired process")
    for before in found.history:
        when = before.replace_time.ToDatetime().isoformat(" ", "seconds")
        click.echo(f"FAILED until {when}, when {before.repair_process_id} repaired it:")
        for error in before.errors:
            click.echo(f"  {error.message} [{error.code}]")


@click.command()
@process_argument
@json_option
@click.pass_obj
def errors(settings: Settings, process: str, as_json: bool) -> None:
    """Count the errors of PROCESS by code and field."""
    groups = settings.run(lambda client: client.summarize_errors(process))
    if as_json:
        print_json({"groups": [to_dict(group) for group in groups]})
        return
    print_table(
        ["code", "field", "errors", "first row", "example"],
        [[g.code, g.field, f"{g.count:,}", str(g.first_row), g.example_message] for g in groups],
    )


COMMANDS = [status, watch, processes, events, rows, row, errors]
