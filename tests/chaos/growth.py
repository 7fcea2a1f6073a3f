"""What the suite holds before and after a run: what has grown must come back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import psutil

from bench.footprint import Footprint, footprints, sessions
from tests.chaos.world import World

_COMES_BACK_SECONDS = 60
_MORE_TASKS = 10
_MORE_DESCRIPTORS = 24
_MORE_MEMORY = 1.5  # times
_MEMORY = 64 * 2**20  # bytes beside it
_MIB = 2**20


@dataclass(frozen=True)
class Holdings:
    """At one moment. `sessions`: at PostgreSQL, by service."""

    instances: Mapping[str, Footprint]
    sessions: Mapping[str, int]
    temporary_files: int


@dataclass
class Growth:
    """From the begin to the end."""

    before: Holdings
    after: Holdings | None = field(default=None)

    @classmethod
    async def begin(cls, world: World) -> Growth:
        """Look at a suite that has loaded something, so that it is warm."""
        return cls(await _look(world))

    async def end(self, world: World) -> list[str]:
        """Look again until everything has come back; what has not after a minute."""
        end = asyncio.get_running_loop().time() + _COMES_BACK_SECONDS
        while True:
            try:
                self.after = await _look(world)
                grown = list(compare(self.before, self.after))
            except (OSError, psutil.Error) as error:  # an instance that has just ended
                grown = [f"cannot look what the suite holds: {error}"]
            if not grown or asyncio.get_running_loop().time() > end:
                return grown
            await asyncio.sleep(1)  # between two looks

    def lines(self) -> Iterator[str]:
        """A table."""
        if self.after is None:
            return
        yield "held before and after: tasks, descriptors, connections, RSS in MiB (* another process)"
        for name, now in self.after.instances.items():
            was = self.before.instances[name]
            new = " " if was.pid == now.pid else "*"
            yield (
                f"{new} {name:<16} {was.tasks:4} {now.tasks:4}  {was.descriptors:4} {now.descriptors:4}  "
                f"{was.connections:4} {now.connections:4}  {was.rss / _MIB:5.0f} {now.rss / _MIB:5.0f}"
            )
        yield (
            f"temporary files {self.before.temporary_files} {self.after.temporary_files}, sessions at "
            f"PostgreSQL {sum(self.before.sessions.values())} {sum(self.after.sessions.values())}"
        )


async def _look(world: World) -> Holdings:
    facts = world.look()
    return Holdings(
        await asyncio.to_thread(footprints, facts),
        await sessions(world.dsn),
        sum(1 for path in world.temporary.rglob("*") if path.is_file()),
    )


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
