"""`ingestor undo` and `ingestor delete`: say what will happen, ask on a terminal, do it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from ingestor.cli.output import FAILED, short
from ingestor.v1 import common_pb2, processor_pb2, status_pb2

if TYPE_CHECKING:
    from ingestor.client.client import Client


def asks(yes: bool) -> bool:
    """Whether a person is to be asked first."""
    return not yes and sys.stdin.isatty()


def confirmed(what: str) -> None:
    """Say what will happen and ask; "no" ends the program with exit status 1."""
    click.echo(what, err=True)
    if not click.confirm("Go on?", err=True):
        sys.exit(FAILED)


def of_undo(answer: processor_pb2.UndoProcessResponse | status_pb2.UndoCounts, *, done: bool) -> str:
    """What an undo did or would do, in a sentence."""
    to_be = "" if done else "to be "
    parts = [
        f"{answer.removed:,} rows {to_be}taken out",
        f"{answer.restored:,} {to_be}set back to what they were",
    ]
    if answer.kept:
        parts.append(f"{answer.kept:,} {to_be}left alone, since a later process has changed them")
    return ", ".join(parts)


def of_deletion(process: status_pb2.Process) -> str:
    """What a deletion will do, in two sentences."""
    state = short(common_pb2.ProcessState.Name(process.state))
    what = f"{process.info.file_name or process.info.process_id} ({state}, {process.counts.read:,} rows read)"
    return (
        f"Deletes {what}: its file, its records of batches and rows, its events, and the processes that "
        "repair it. What it has loaded stays in the table; `ingestor undo` takes that out, before."
    )


async def undo(client: Client, process: str, dry_run: bool, yes: bool) -> processor_pb2.UndoProcessResponse:
    """Undo a process, or only say what that would do."""
    if dry_run or asks(yes):
        planned = await client.undo_process(process, dry_run=True)
        if dry_run:
            return planned
        confirmed(f"Undoes {process}: {of_undo(planned, done=False)}.")
    return await client.undo_process(process)


async def delete(client: Client, process: str, yes: bool) -> None:
    """Delete a process."""
    if asks(yes):
        confirmed(of_deletion(await client.get_process(process)))
    await client.delete_process(process)


def undo_json(process: str, answer: processor_pb2.UndoProcessResponse, dry_run: bool) -> dict[str, Any]:
    """What `undo --json` prints."""
    counts = {"removed": answer.removed, "restored": answer.restored, "kept": answer.kept}
    return {"process_id": process, "dry_run": dry_run, **counts}
