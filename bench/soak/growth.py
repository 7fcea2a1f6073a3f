"""What a suite holds when it has come to rest, and what it holds more of than before."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.soak.footprint import Footprint, footprints, sessions

_COMES_BACK_SECONDS = 60
_MORE_TASKS = 10
_MORE_DESCRIPTORS = 24
_MORE_MEMORY = 1.5  # times
_MEMORY = 64 * 2**20  # bytes beside it


@dataclass(frozen=True)
class Holdings:
    """At one moment. `sessions`: at PostgreSQL, by service."""

    instances: Mapping[str, Footprint]
    sessions: Mapping[str, int]
    temporary_files: int = 0


async def holdings(facts: Mapping[str, Any], dsn: str, temporary: Path | None = None) -> Holdings:
    """Those of a suite (`ingestor env --json`), and of the folder of its temporary files. Raises OSError, or
    psutil.Error when an instance has just ended."""
    return Holdings(
        await asyncio.to_thread(footprints, facts),
        await sessions(dsn),
        await asyncio.to_thread(_files, temporary) if temporary else 0,
    )


def _files(folder: Path) -> int:
    return sum(1 for path in folder.rglob("*") if path.is_file())


def compare(before: Holdings, now: Holdings) -> Iterator[str]:
    """What has grown, in words."""
    for name, is_now in now.instances.items():
        was = before.instances[name]
        for what, most in (
            ("tasks", was.tasks + _MORE_TASKS),
            ("descriptors", was.descriptors + _MORE_DESCRIPTORS),
            ("rss", was.rss * _MORE_MEMORY + _MEMORY),
        ):
            if (found := getattr(is_now, what)) > most:
                yield f"{name} has grown: {what} {getattr(was, what):,}, now {found:,}"
    for service, count in now.sessions.items():
        places = sum(
            one.most_connections for name, one in now.instances.items() if name.partition("-")[0] == service
        )
        places = max(places, before.sessions.get(service, 0))  # beside pools there are those that listen
        if count > places:
            yield f"{service} has {count} sessions at PostgreSQL, and places for {places}"
    if now.temporary_files > before.temporary_files:
        yield f"temporary files: {before.temporary_files}, now {now.temporary_files}"


async def come_back(
    look: Callable[[], Awaitable[Holdings]], before: Holdings
) -> tuple[Holdings | None, list[str]]:
    """Look again until nothing has grown; what was seen last, and what has not come back after a minute."""
    now: Holdings | None = None
    end = asyncio.get_running_loop().time() + _COMES_BACK_SECONDS
    while True:
        try:
            now = await look()
            grown = list(compare(before, now))
        except (OSError, psutil.Error) as error:  # an instance that has just ended
            grown = [f"cannot look what the suite holds: {error}"]
        if not grown or asyncio.get_running_loop().time() > end:
            return now, grown
        await asyncio.sleep(1)  # between two looks
