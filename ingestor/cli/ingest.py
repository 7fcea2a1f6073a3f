"""`ingestor ingest`: send a file, follow it to its end, say what became of it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from ingestor.cli.output import FAILED, OK, WITH_ERRORS, say, short, to_dict
from ingestor.client.client import Client
from ingestor.client.upload import UploadProgress
from ingestor.states import TERMINAL
from ingestor.v1 import common_pb2, status_pb2

Report = Callable[[str, float, float, str], None]  # phase, done, total, remarks


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
    return made


async def resolve_pipeline(client: Client, reference: str | None) -> str:
    """The name@version of a reference; a file is applied first."""
    if not reference:
        return ""
    if not is_document(reference):
        return reference
    applied = (await client.apply_pipeline(Path(reference).read_text("utf-8"))).pipeline
    return f"{applied.name}@{applied.version}"


def is_document(reference: str) -> bool:
    """Whether a reference to a pipeline is a document's file, not a name."""
    return reference.endswith(".json") or Path(reference).is_file()


async def ingest(
    client: Client,
    path: Path,
    pipeline: str | None,
    dialect: str,
    resume: str | None,
    wait: bool,
    report: Report,
    repairs: str = "",
) -> tuple[status_pb2.Process, float]:
    """Send a file and follow its process; the process, and seconds from the upload's first byte. With
    `repairs` it is a corrected report of that process."""
    size = path.stat().st_size
    reference = await resolve_pipeline(client, pipeline)
    if resume:
        upload = await client.get_upload(resume)
    else:
        upload = await client.create_upload(path.name, size)
    started = time.perf_counter()
    try:
        sha256 = await client.send_file(
            upload, path, lambda p: report("uploading", p.sent, p.size, megabytes_left(p))
        )
        process_id = await client.complete_upload(upload.upload_id, sha256, reference, dialect, repairs)
    except BaseException:
        again = f"--repair {repairs} " if repairs else ""
        say(f"the upload is kept; go on with: ingestor ingest {path} {again}--resume {upload.upload_id}")
        raise
    if not wait:
        return await _first_look(client, process_id), time.perf_counter() - started
    process = await follow(client, process_id, report)
    return process, time.perf_counter() - started


async def retry(
    client: Client, process_id: str, wait: bool, report: Report
) -> tuple[status_pb2.Process, float]:
    """Run rows of a process again and follow the process that does; that one, and seconds."""
    started = time.perf_counter()
    retried = await client.retry_rows(process_id)
    look = follow(client, retried.process_id, report) if wait else _first_look(client, retried.process_id)
    return await look, time.perf_counter() - started


async def repaired_process(client: Client, process: status_pb2.Process) -> status_pb2.Process | None:
    """The process that a process repairs."""
    parent = process.info.repairs_process_id
    return await client.get_process(parent) if parent else None


def described(
    process: status_pb2.Process, parent: status_pb2.Process | None, seconds: float
) -> dict[str, Any]:
    """What `--json` prints of a process that was run, and of the one that it repairs."""
    made = summary(process, seconds)
    if parent is not None:
        made["repaired"] = summary(parent)
    return made


async def _first_look(client: Client, process_id: str) -> status_pb2.Process:
    """The process as soon as status knows it."""
    async for process in client.watch_process(process_id):
        return process
    raise AssertionError("a watch says something before it ends")


async def follow(client: Client, process_id: str, report: Report) -> status_pb2.Process:
    """Watch a process to its end."""
    process = status_pb2.Process()
    async for process in client.watch_process(process_id):
        counts, size = process.counts, process.content_bytes
        done = counts.succeeded + counts.failed + counts.skipped
        # Rows of the whole file, estimated from the part that is dispatched.
        share = process.bytes_dispatched / size if size else 0.0
        total = counts.read / share if share else 0
        failed = f"{counts.failed:,} failed" if counts.failed else ""
        report("ingesting", done, max(total, done), failed)
    return process


def megabytes_left(progress: UploadProgress) -> str:
    """What is left to send."""
    left = (progress.size - progress.sent) / 2**20
    return f"{left:,.0f} MiB left" if left >= 1 else ""


def progress_report(quiet: bool) -> AbstractContextManager[Report]:
    """A bar on a terminal, a line now and then elsewhere, nothing when quiet."""
    if quiet:
        return _silence()
    return _bar() if sys.stderr.isatty() else _lines()


@contextmanager
def _silence() -> Iterator[Report]:
    yield lambda phase, done, total, remarks: None


@contextmanager
def _lines() -> Iterator[Report]:
    last = [0.0]

    def report(phase: str, done: float, total: float, remarks: str) -> None:
        now = time.monotonic()
        if now - last[0] >= 5:
            last[0] = now
            percent = f"{100 * done / total:.0f} %" if total else ""
            say(f"{phase} {percent} {done:,.0f} {remarks}".rstrip())

    yield report


@contextmanager
def _bar() -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description:<10}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[rate]:>16}"),
        TimeRemainingColumn(compact=True),
        TextColumn("[red]{task.fields[remarks]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        tasks: dict[str, Any] = {}
        begun: dict[str, float] = {}

        def report(phase: str, done: float, total: float, remarks: str) -> None:
            if phase not in tasks:
                tasks[phase] = progress.add_task(phase, total=total or None, rate="", remarks="")
                begun[phase] = time.monotonic()
            seconds = time.monotonic() - begun[phase]
            rate = ""
            if seconds > 0.2:
                speed = done / seconds
                rate = f"{speed / 2**20:,.0f} MiB/s" if phase == "uploading" else f"{speed:,.0f} rows/s"
            progress.update(tasks[phase], completed=done, total=total or None, rate=rate, remarks=remarks)

        yield report
