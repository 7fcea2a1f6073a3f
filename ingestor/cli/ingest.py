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
    is_document,
    json_option,
    no_wait_option,
)
from ingestor.cli.dry_run import print_dry_run, run_dry
from ingestor.cli.output import say
from ingestor.cli.progress import ShowProgress, first_look, follow, megabytes_left, showing_progress
from ingestor.cli.summary import print_result
from ingestor.client.client import Client
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
            lambda client: ingest(client, file, pipeline, dialect, resume, not no_wait, show, repairs or ""),
            patience=120,
        )
    sys.exit(print_result(settings, process, seconds, started=no_wait, as_json=as_json))


async def ingest(
    client: Client,
    path: Path,
    pipeline: str | None,
    dialect: str,
    resume: str | None,
    wait: bool,
    show: ShowProgress,
    repairs: str = "",
) -> tuple[status_pb2.Process, float]:
    """Send a file and follow its process; the process, and seconds from the upload's first byte. With
    `repairs` it is a repair file of that process."""
    size = path.stat().st_size
    reference = await resolve_pipeline(client, pipeline)
    if resume:
        upload = await client.get_upload(resume)
    else:
        upload = await client.create_upload(path.name, size)
    started = time.perf_counter()
    try:
        sha256 = await client.send_file(
            upload, path, lambda p: show("uploading", p.sent, p.size, megabytes_left(p))
        )
        process_id = await client.complete_upload(upload.upload_id, sha256, reference, dialect, repairs)
    except BaseException:
        repair = f"--repair {repairs} " if repairs else ""
        separator = "-- " if str(path).startswith("-") else ""
        say(
            "the upload is kept; continue with: "
            f"ingestor ingest {repair}--resume {upload.upload_id} {separator}{path}"
        )
        raise
    look = follow(client, process_id, show) if wait else first_look(client, process_id)
    return await look, time.perf_counter() - started


async def resolve_pipeline(client: Client, reference: str | None) -> str:
    """The name@version of a reference; a file is applied first."""
    if not reference:
        return ""
    if not is_document(reference):
        return reference
    applied = (await client.apply_pipeline(Path(reference).read_text("utf-8"))).pipeline
    return f"{applied.name}@{applied.version}"


COMMANDS = [ingest_command]
