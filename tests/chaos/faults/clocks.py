"""Clocks that are set back or forward by minutes, as by a time service that finds them wrong."""

from __future__ import annotations

import asyncio
import random

from tests.chaos.faults.fault import Fault, Inject
from tests.chaos.world import SERVICES, World

_SECONDS = (120.0, 600.0)


def _stepped(sign: int) -> Inject:
    """Those of some instances, and back again; see `ingestor.runtime.fail_points.clock_step`."""

    async def inject(world: World, draw: random.Random) -> None:
        pids = [pid for service in SERVICES for pid in world.pids(service)]
        chosen = draw.sample(pids, draw.randint(1, len(pids)))
        files = [world.fail_points / f"clock.{pid}" for pid in chosen]
        for file in files:
            made = file.with_suffix(".new")
            made.write_text(str(sign * draw.uniform(*_SECONDS)), "ascii")
            made.rename(file)
        await asyncio.sleep(draw.uniform(5, 20))  # the fault
        for file in files:
            file.unlink()

    return inject


FAULTS = [
    Fault("clocks are set back", _stepped(-1)),
    Fault("clocks are set forward", _stepped(1)),
]
