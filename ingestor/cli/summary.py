"""The summary of a process, and the exit status that follows from its state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import click

from ingestor.cli.common import Settings
from ingestor.cli.output import FAILED, OK, WITH_ERRORS, place, print_json, print_table, short, to_dict
from ingestor.client import AsyncClient, Row, UndoCounts
from ingestor.states import TERMINAL
from ingestor.v1 import common_pb2, status_pb2


def exit_status(state: common_pb2.ProcessState.ValueType, running: int = FAILED) -> int:
    """0 COMPLETED, 3 COMPLETED_WITH_ERRORS, 1 otherwise; `running` while it has not ended."""
    if state == common_pb2.PROCESS_STATE_COMPLETED:
        return OK
    if state == common_pb2.PROCESS_STATE_COMPLETED_WITH_ERRORS:
        return WITH_ERRORS
    return FAILED if state in TERMINAL else running


def summary(process: status_pb2.Process, seconds: float | None = None) -> dict[str, Any]:
    """What `--json` prints of a process."""
    made: dict[str, Any] = {
        "process_id": process.info.process_id,
        "state": short(common_pb2.ProcessState.Name(process.state)),
        "counts": to_dict(process.counts),
    }
    if seconds is not None:
        made["seconds"] = round(seconds, 3)
    made["file_name"] = process.info.file_name
    if process.info.repairs_process_id:
        made["repairs_process_id"] = process.info.repairs_process_id
    made["pipeline"] = (
        f"{process.info.pipeline}@{process.info.pipeline_version}" if process.info.pipeline else None
    )
    if process.HasField("failure"):
        made["failure"] = to_dict(process.failure)
    if process.pause_reason:
        made["pause_reason"] = process.pause_reason
    if process.notices:
        made["notices"] = [to_dict(notice) for notice in process.notices]
    return made


async def repaired_process(client: AsyncClient, process: status_pb2.Process) -> status_pb2.Process | None:
    """The process that a process repairs."""
    repaired = process.info.repairs_process_id
    return (await client.process(repaired)).raw if repaired else None


def with_repaired(summary_: dict[str, Any], repaired: status_pb2.Process | None) -> dict[str, Any]:
    """A summary for `--json`, with that of the repaired process."""
    return summary_ if repaired is None else {**summary_, "repaired": summary(repaired)}


def print_result(
    settings: Settings, process: status_pb2.Process, seconds: float, *, started: bool, as_json: bool
) -> int:
    """Print what ingest and retry end with; the exit status. `started`: nobody waited for the end."""
    if as_json:
        repaired = settings.run(lambda client: repaired_process(client, process))
        print_json(with_repaired(summary(process, seconds), repaired))
    else:
        print_process(settings, process, seconds, started=started)
    return OK if started else exit_status(process.state)


def print_process(
    settings: Settings, process: status_pb2.Process, seconds: float | None, *, started: bool = False
) -> None:
    """Print the summary, the first three errors, and where to look next."""
    made = summary(process)
    counts = made["counts"]
    rate = f" in {seconds:.1f} s" if seconds else ""
    if seconds and counts["read"]:
        rate += f" ({counts['read'] / seconds:,.0f} rows/s)"
    click.echo(f"{made['file_name']}: {made['state']}{'' if started else rate}")
    if "failure" in made:
        click.echo(f"  {made['failure']['message']} ({made['failure']['reason']})")
    process_id = made["process_id"]
    if process.pause_reason:
        click.echo(f"  {process.pause_reason}")
        if not process.pause_resumes:
            click.echo(f"  Then go on: ingestor resume {process_id}")
    _print_counts(counts)
    print_notices(process.notices)
    click.echo(f"process {process_id}")
    if process.HasField("undo"):
        click.echo(f"undone: {undo_sentence(process.undo, done=True)}")
    if process.expired:
        click.echo("its file and its records of rows were removed; its counts remain")
    elif process.HasField("expire_time"):
        click.echo(f"kept until {process.expire_time.ToDatetime().isoformat(' ', 'minutes')} UTC")
    repaired = settings.run(lambda client: repaired_process(client, process))
    if repaired is not None:
        other = summary(repaired)
        click.echo(f"\nrepairs {other['process_id']} ({other['file_name']}), now {other['state']}:")
        _print_counts(other["counts"])
    if started:
        click.echo(f"\nfollow it: ingestor watch {process_id}")
    if counts["failed"] and not process.expired:
        _print_errors(settings, process_id)


def print_notices(notices: Iterable[common_pb2.Notice]) -> None:
    """Print what a person should know of a file and its rows."""
    for notice in notices:
        click.echo(f"note: {notice.message}{_of_rows(notice)} [{notice.code}]")


def _of_rows(notice: common_pb2.Notice) -> str:
    if not notice.rows:
        return ""
    shown = ", ".join(f"{number}" for number in notice.row_numbers[:5])
    more = ", ..." if shown and notice.rows > 5 else ""
    count = f"{notice.rows:,} row{'' if notice.rows == 1 else 's'}"
    return f" ({count}{': ' if shown else ''}{shown}{more})"


def undo_sentence(counts: UndoCounts | status_pb2.UndoCounts, *, done: bool) -> str:
    """What an undo did or, unless `done`, would do."""
    to_be = "" if done else "to be "
    parts = [f"{counts.removed:,} rows {to_be}taken out", f"{counts.restored:,} {to_be}restored"]
    if counts.kept:
        parts.append(f"{counts.kept:,} {to_be}left alone, since a later process changed them")
    return ", ".join(parts)


def _print_counts(counts: dict[str, int]) -> None:
    print_table(list(counts), [[f"{count:,}" for count in counts.values()]])


def _print_errors(settings: Settings, process_id: str) -> None:
    async def first(client: AsyncClient) -> list[Row]:
        process = await client.process(process_id, look=False)
        return [row async for row in process.rows("status=FAILED", 3)]

    rows = settings.run(first)
    click.echo("\nfirst errors:")
    for row in rows:
        for error in row.errors[:1]:
            click.echo(f"  {place(row.number, row.line)}: {error.message} [{error.code}]")
    click.echo(
        f"\nlist them:     ingestor rows {process_id} --filter status=FAILED\n"
        f"count them:    ingestor errors {process_id}\n"
        f"save them:     ingestor report {process_id} -o rejected.csv\n"
        f"repair them:   ingestor ingest rejected.csv --repair {process_id}"
    )
