"""Change processes: pause, resume, cancel, retry, undo, delete."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from ingestor.cli.common import Settings, json_option, no_wait_option, process_argument
from ingestor.cli.output import FAILED, print_json
from ingestor.cli.progress import ShowProgress, follow, showing_progress
from ingestor.cli.summary import print_result, undo_sentence
from ingestor.client import AsyncClient, AsyncProcess, ProcessState, UndoCounts
from ingestor.v1 import status_pb2

yes_option = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


def _control(name: str, help_: str) -> click.Command:
    """A command that asks for a change of a process and prints the state after it."""

    @click.command(name, help=help_)
    @process_argument
    @json_option
    @click.pass_obj
    def command(settings: Settings, process: str, as_json: bool) -> None:
        async def change(client: AsyncClient) -> ProcessState:
            handle = await client.process(process, look=False)
            await getattr(handle, name)()
            return handle.state

        text = settings.run(change)
        if as_json:
            print_json({"process_id": process, "state": text})
        else:
            click.echo(text)

    return command


pause = _control("pause", "Hold PROCESS; batches already in the queue are still loaded.")
resume = _control("resume", "Continue a paused PROCESS; status says why it is paused.")
cancel = _control("cancel", "Stop PROCESS for good; loaded rows stay.")


@click.command("retry")
@process_argument
@no_wait_option
@json_option
@click.pass_obj
def retry_command(settings: Settings, process: str, no_wait: bool, as_json: bool) -> None:
    """Run failed rows of PROCESS again. Takes those whose cause may have passed (foreign-key, sink-error,
    batch-error) from the stored file.

    Exit status: as that of ingest.
    """
    with showing_progress(quiet=as_json) as show:
        found, seconds = settings.run(lambda client: retry(client, process, not no_wait, show), patience=120)
    sys.exit(print_result(settings, found, seconds, started=no_wait, as_json=as_json))


async def retry(
    client: AsyncClient, process_id: str, wait: bool, show: ShowProgress
) -> tuple[status_pb2.Process, float]:
    """Retry failed rows of a process and follow the process that runs them; that one, and seconds."""
    started = time.perf_counter()
    retry = await (await client.process(process_id, look=False)).retry()
    if wait:
        await follow(retry, show)
    return retry.raw, time.perf_counter() - started


@click.command("undo")
@process_argument
@click.option("--dry-run", is_flag=True, help="Count the rows that would change; change nothing.")
@yes_option
@json_option
@click.pass_obj
def undo_command(settings: Settings, process: str, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Undo what PROCESS loaded. Takes its rows out of the table again and restores those that it replaced.
    On a terminal, says how many and asks first."""
    answer = settings.run(lambda client: undo(client, process, dry_run, yes))
    if as_json:
        print_json(undo_json(process, answer, dry_run))
    else:
        click.echo(undo_sentence(answer, done=not dry_run))


@click.command("delete")
@process_argument
@yes_option
@json_option
@click.pass_obj
def delete_command(settings: Settings, process: str, yes: bool, as_json: bool) -> None:
    """Delete PROCESS and its file. Its records and events go too; loaded rows stay in the table. PROCESS
    must have ended. On a terminal, says what goes and asks first."""
    settings.run(lambda client: delete(client, process, yes))
    if as_json:
        print_json({"process_id": process, "deleted": True})
    else:
        click.echo("deleted")


def asks(yes: bool) -> bool:
    """Whether to ask a person first."""
    return not yes and sys.stdin.isatty()


def confirm(what: str) -> None:
    """Say what will happen and ask; "no" ends the program with exit status 1."""
    click.echo(what, err=True)
    if not click.confirm("Continue?", err=True):
        sys.exit(FAILED)


def deletion_sentences(process: AsyncProcess) -> str:
    """What a deletion will do."""
    what = f"{process.file_name or process.id} ({process.state}, {process.counts.read:,} rows read)"
    return (
        f"Deletes {what}: its file, its records of batches and rows, its events, and the processes that "
        "repair it. Loaded rows stay in the table; to take them out, run `ingestor undo` first."
    )


async def undo(client: AsyncClient, process_id: str, dry_run: bool, yes: bool) -> UndoCounts:
    """Undo a process, or only say what that would do."""
    process = await client.process(process_id, look=False)
    if dry_run or asks(yes):
        planned = await process.undo(dry_run=True)
        if dry_run:
            return planned
        confirm(f"Undoes {process_id}: {undo_sentence(planned, done=False)}.")
    return await process.undo()


async def delete(client: AsyncClient, process_id: str, yes: bool) -> None:
    """Delete a process."""
    process = await client.process(process_id, look=asks(yes))
    if asks(yes):
        confirm(deletion_sentences(process))
    await process.delete()


def undo_json(process: str, answer: UndoCounts, dry_run: bool) -> dict[str, Any]:
    """What `undo --json` prints."""
    counts = {"removed": answer.removed, "restored": answer.restored, "kept": answer.kept}
    return {"process_id": process, "dry_run": dry_run, **counts}


COMMANDS = [pause, resume, cancel, retry_command, undo_command, delete_command]
