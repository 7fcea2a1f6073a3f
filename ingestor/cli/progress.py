"""Progress of an upload and of a process on stderr: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from ingestor.cli.output import say
from ingestor.client import AsyncProcess, UploadProgress

ShowProgress = Callable[[str, float, float, str], None]  # phase, done, total, remarks


async def follow(process: AsyncProcess, show: ShowProgress) -> None:
    """Watch a process to its end."""
    told = [""]  # the reason of a pause

    def show_rows(now: AsyncProcess) -> None:
        counts = now.counts
        done = counts.succeeded + counts.failed + counts.skipped
        # Rows of the whole file, estimated from the part that is dispatched.
        share = now.raw.bytes_dispatched / now.raw.content_bytes if now.raw.content_bytes else 0.0
        total = counts.read / share if share else 0
        failed = f"{counts.failed:,} failed" if counts.failed else ""
        if now.pause_reason and now.pause_reason != told[0]:
            then = "" if now.raw.pause_resumes else f" Then go on: ingestor resume {now.id}"
            say(f"paused: {now.pause_reason}{then}")
        told[0] = now.pause_reason
        show("ingesting", done, max(total, done), failed)

    await process.wait(show_rows)


def megabytes_left(progress: UploadProgress) -> str:
    """How much is still to be sent."""
    left = (progress.size - progress.sent) / 2**20
    return f"{left:,.0f} MiB left" if left >= 1 else ""


def showing_progress(quiet: bool) -> AbstractContextManager[ShowProgress]:
    """How to show progress; nothing is shown when quiet."""
    if quiet:
        return _silence()
    return _bar() if sys.stderr.isatty() else _lines()


@contextmanager
def _silence() -> Iterator[ShowProgress]:
    yield lambda phase, done, total, remarks: None


@contextmanager
def _lines() -> Iterator[ShowProgress]:
    last = [0.0]

    def show(phase: str, done: float, total: float, remarks: str) -> None:
        now = time.monotonic()
        if now - last[0] >= 5:
            last[0] = now
            percent = f"{100 * done / total:.0f} %" if total else ""
            say(f"{phase} {percent} {done:,.0f} {remarks}".rstrip())

    yield show


@contextmanager
def _bar() -> Iterator[ShowProgress]:
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

        def show(phase: str, done: float, total: float, remarks: str) -> None:
            if phase not in tasks:
                tasks[phase] = progress.add_task(phase, total=total or None, rate="", remarks="")
                begun[phase] = time.monotonic()
            seconds = time.monotonic() - begun[phase]
            rate = ""
            if seconds > 0.2:
                speed = done / seconds
                rate = f"{speed / 2**20:,.0f} MiB/s" if phase == "uploading" else f"{speed:,.0f} rows/s"
            progress.update(tasks[phase], completed=done, total=total or None, rate=rate, remarks=remarks)

        yield show
