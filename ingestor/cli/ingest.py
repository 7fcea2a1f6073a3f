"""`ingestor ingest`: send a file, follow it to its end, print the summary."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from ingestor.cli.common import (
    Settings,
    dialect_options,
    file_argument,
    json_option,
    no_wait_option,
)
from ingestor.cli.dry_run import print_dry_run, run_dry
from ingestor.cli.output import say
from ingestor.cli.progress import ShowProgress, follow, megabytes_left, showing_progress
from ingestor.cli.summary import print_result
from ingestor.client import AsyncClient, UploadProgress
from ingestor.client.errors import can_resume
from ingestor.v1 import status_pb2


@click.command("ingest")
@file_argument()
@click.option(
    "--pipeline",
    metavar="NAME[@VERSION]|DOCUMENT",
    help="Load by this pipeline. DOCUMENT is a file; it is stored first, except in a dry run.",
)
@dialect_options
@click.option("--resume", metavar="UPLOAD", help="Continue an interrupted upload.")
@click.option(
    "--repair",
    "repairs",
    metavar="PROCESS",
    help="Repair this process; FILE is its corrected report.",
)
@no_wait_option
@click.option("--dry-run", is_flag=True, help="Check the rows as a real run would; store nothing.")
@json_option
@click.pass_obj
def ingest_command(
    settings: Settings,
    file: Path,
    pipeline: str | None,
    dialect: str,
    resume: str | None,
    repairs: str | None,
    no_wait: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Send FILE, follow it to its end, print the summary.

    Exit status: 0 COMPLETED, 3 COMPLETED_WITH_ERRORS, 1 otherwise.
    """
    if repairs and pipeline:
        raise click.UsageError("omit --pipeline: a repair runs with the pipeline of the repaired process")
    if dry_run:
        if resume or no_wait or repairs:
            raise click.UsageError("--dry-run excludes --resume, --no-wait and --repair")
        found = settings.run(lambda client: run_dry(client, file, pipeline, dialect))
        sys.exit(print_dry_run(found, file, as_json))
    with showing_progress(quiet=as_json) as show:
        process, seconds = settings.run(
            lambda client: ingest(client, file, pipeline, dialect, resume, not no_wait, show, repairs),
            patience=120,
        )
    sys.exit(print_result(settings, process, seconds, started=no_wait, as_json=as_json))


async def ingest(
    client: AsyncClient,
    path: Path,
    pipeline: str | None,
    dialect: str,
    resume: str | None,
    wait: bool,
    show: ShowProgress,
    repairs: str | None = None,
) -> tuple[status_pb2.Process, float]:
    """Send a file and follow its process; the process, and seconds from the upload's first byte. With
    `repairs` it is a repair file of that process."""
    upload_id, started = "", time.perf_counter()

    def on_upload(progress: UploadProgress) -> None:
        nonlocal upload_id, started
        if not upload_id:
            upload_id, started = progress.upload_id, time.perf_counter()
        show("uploading", progress.sent, progress.size, megabytes_left(progress))

    try:
        if repairs:
            repaired = await client.process(repairs, look=False)
            process = await repaired.repair(path, resume=resume, on_upload=on_upload, dialect=dialect)
        else:
            process = await client.ingest(path, pipeline, dialect, resume=resume, on_upload=on_upload)
    except BaseException as error:
        if upload_id and can_resume(error):
            repair = f"--repair {repairs} " if repairs else ""
            separator = "-- " if str(path).startswith("-") else ""
            say(
                "the upload is kept; continue with: "
                f"ingestor ingest {repair}--resume {upload_id} {separator}{path}"
            )
        raise
    if wait:
        await follow(process, show)
    return process.raw, time.perf_counter() - started


COMMANDS = [ingest_command]
