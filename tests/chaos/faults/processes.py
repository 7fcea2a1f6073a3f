"""Processes that are killed, that freeze, and that are told to stop."""

from __future__ import annotations

import asyncio
import random
import signal
from contextlib import suppress

import psutil

from tests.chaos.faults.fault import Fault, Inject
from tests.chaos.world import SERVICES, World

_FREEZE_SECONDS = (2, 20)

# Between two durable steps: `ingestor.runtime.fail_points`.
POINTS = {
    "file.complete": "upload",
    "file.delivered": "upload",
    "batch.recorded": "orchestrator",
    "batch.sent": "orchestrator",
    "rows.committed": "processor",
    "outcome.recorded": "processor",
    "outcome.forgotten": "processor",
    "events.published": "status",
}


def _killed(service: str) -> Inject:
    async def inject(world: World, draw: random.Random) -> None:
        if pids := world.pids(service):
            world.send(signal.SIGKILL, draw.choice(pids))

    return inject


def _frozen(what: str) -> Inject:
    async def inject(world: World, draw: random.Random) -> None:
        pids = world.pids(what)
        chosen = [draw.choice(pids)] if what in SERVICES and pids else pids
        world.send(signal.SIGSTOP, *chosen)
        await asyncio.sleep(draw.uniform(*_FREEZE_SECONDS))  # the fault
        world.send(signal.SIGCONT, *chosen)

    return inject


def _stopped(service: str) -> Inject:
    async def inject(world: World, draw: random.Random) -> None:
        pids = world.pids(service)
        if len(pids) < 2:  # the other one is not back yet
            return
        pid = draw.choice(pids)
        world.send(signal.SIGTERM, pid)
        for _ in range(600):
            if not psutil.pid_exists(pid):
                break
            await asyncio.sleep(0.1)  # between two looks

    return inject


def _killed_at(point: str) -> Inject:
    async def inject(world: World, draw: random.Random) -> None:
        armed = world.fail_points / point
        armed.touch()
        for _ in range(100):
            if not armed.exists():
                return
            await asyncio.sleep(0.1)  # until a process comes by
        armed.unlink(missing_ok=True)

    return inject


async def _supervisor(world: World, draw: random.Random) -> None:
    """The suite's parent is killed, and started again at once or soon."""
    world.send(signal.SIGKILL, *world.pids("supervisor"))
    await asyncio.sleep(draw.choice([0, 0, 5]))  # the fault
    await world.up()


async def _all_processors(world: World, draw: random.Random) -> None:
    """Every processor again and again."""
    for _ in range(6):
        with suppress(OSError):
            world.send(signal.SIGKILL, *world.pids("processor"))
        await asyncio.sleep(draw.uniform(0.5, 3))  # the fault


FAULTS = [
    *(Fault(f"kill {service}", _killed(service)) for service in SERVICES),
    *(Fault(f"freeze {service}", _frozen(service)) for service in SERVICES),
    *(Fault(f"stop {service}", _stopped(service), no_call_fails=True) for service in SERVICES),
    *(Fault(f"kill at {point}", _killed_at(point)) for point in POINTS),
    Fault("kill every processor, six times", _all_processors),
    *(Fault(f"kill {what}", _killed(what), own=True) for what in ("envoy", "postgres", "queue")),
    *(Fault(f"freeze {what}", _frozen(what)) for what in ("envoy", "postgres", "queue")),
    Fault("kill the supervisor", _supervisor, own=True),
]
