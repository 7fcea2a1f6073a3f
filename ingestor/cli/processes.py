"""Look at processes: status, watch, processes, events, rows, row, errors."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from ingestor.cli.common import Settings, json_option, process_argument
from ingestor.cli.output import place, print_json, print_table, short, to_dict
from ingestor.cli.progress import follow, showing_progress
from ingestor.cli.summary import exit_status, print_process, repaired_process, summary, with_repaired
from ingestor.client import AsyncClient, ErrorGroup, Row
from ingestor.v1 import common_pb2, status_pb2


@click.command()
@process_argument
@json_option
@click.pass_obj
def status(settings: Settings, process: str, as_json: bool) -> None:
    """Show the state and counts of PROCESS.

    Exit status: as that of ingest; 0 while it runs.
    """
    found = settings.run(lambda client: client.process(process)).raw
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

    async def work(client: AsyncClient) -> status_pb2.Process:
        watched = await client.process(process)
        await follow(watched, show)
        return watched.raw

    with showing_progress(quiet=as_json) as show:
        found = settings.run(work, patience=120)
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
    found = [process.raw for process in settings.collect(lambda client: client.processes(filter_, limit))]
    if as_json:
        print_json({"processes": [to_dict(process) for process in found]})
        return
    print_table(
        ["process", "file", "pipeline", "state", "read", "failed", "started"],
        [
            [
                p.info.process_id, p.info.file_name, p.info.pipeline,
                short(common_pb2.ProcessState.Name(p.state)), f"{p.counts.read:,}", f"{p.counts.failed:,}",
                p.create_time.ToDatetime().isoformat(" ", "seconds"),
            ]
            for p in found
        ],
    )  # fmt: skip


@click.command()
@process_argument
@json_option
@click.pass_obj
def events(settings: Settings, process: str, as_json: bool) -> None:
    """List the events of PROCESS, oldest first."""

    async def collect(client: AsyncClient) -> list[dict[str, Any]]:
        handle = await client.process(process, look=False)
        return [
            {
                "sequence": event.sequence,
                "id": event.id,
                "type": event.type,
                "time": event.raw.time.ToJsonString(),
                "data": event.data,
            }
            async for event in handle.events()
        ]

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

    async def collect(client: AsyncClient) -> list[Row]:
        handle = await client.process(process, look=False)
        return [row async for row in handle.rows(filter_, limit + 1)]

    found = settings.run(collect)
    more = len(found) > limit
    del found[limit:]
    if as_json:
        print_json({"rows": [to_dict(row.raw) for row in found], "more": more})
        return
    lines = []
    for found_row in found:
        place = [
            str(found_row.number),
            str(found_row.line or ""),
            found_row.state,
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

    async def look(client: AsyncClient) -> Row:
        return await (await client.process(process, look=False)).row(number)

    found = settings.run(look)
    if as_json:
        print_json(to_dict(found.raw))
        return
    click.echo(f"{place(number, found.line)}: {found.state}")
    for error in found.errors:
        click.echo(f"  {error.message} [{error.code}]")
    if found.repairs_row:
        click.echo(f"repairs row {found.repairs_row} of the repaired process")
    for before in found.history:
        when = before.raw.replace_time.ToDatetime().isoformat(" ", "seconds")
        click.echo(f"FAILED until {when}, when {before.repaired_by} repaired it:")
        for error in before.errors:
            click.echo(f"  {error.message} [{error.code}]")


@click.command()
@process_argument
@json_option
@click.pass_obj
def errors(settings: Settings, process: str, as_json: bool) -> None:
    """Count the errors of PROCESS by code and field."""

    async def count(client: AsyncClient) -> list[ErrorGroup]:
        return await (await client.process(process, look=False)).errors()

    groups = settings.run(count)
    if as_json:
        print_json({"groups": [to_dict(group.raw) for group in groups]})
        return
    print_table(
        ["code", "field", "errors", "first row", "example"],
        [[g.code, g.field, f"{g.count:,}", str(g.first_row), g.example] for g in groups],
    )


COMMANDS = [status, watch, processes, events, rows, row, errors]
