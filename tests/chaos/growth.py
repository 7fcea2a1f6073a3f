"""What the suite holds before and after a run: what has grown must come back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.soak.growth import Holdings, come_back, holdings
from tests.chaos.world import World

_MIB = 2**20


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
        self.after, grown = await come_back(lambda: _look(world), self.before)
        return grown

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
    return await holdings(world.look(), world.dsn, world.temporary)
