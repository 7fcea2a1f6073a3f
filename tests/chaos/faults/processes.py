"""Processes that are killed, that freeze, and that are told to stop."""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import psutil

from ingestor import Client
from tests.chaos.faults.fault import Fault, Inject, Promise, seconds_until
from tests.chaos.figures import BACKEND, BATCHES, GOES_ON, SERVES, SUPERVISOR
from tests.chaos.world import SERVICES, World

_FREEZE_SECONDS = (2, 20)
_STEADY_SECONDS = 4
_ROLL_SECONDS = 60

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
    async def inject(world: World, draw: random.Random) -> Sequence[Promise]:
        instances = {
            name: facts["pid"]
            for name, facts in world.look()["services"].items()
            if name.partition("-")[0] == service and facts["pid"]
        }
        name = draw.choice(sorted(instances))
        world.send(signal.SIGKILL, instances[name])
        promises = [
            seconds_until(SERVES, partial(world.serves_again, name, instances[name])),
            seconds_until(GOES_ON, world.next_progress),
        ]
        return [*promises, seconds_until(BATCHES, world.outcomes)] if service == "processor" else promises

    return inject


def _killed_server(what: str) -> Inject:
    """Envoy, PostgreSQL or the queue of the suite's own."""

    async def inject(world: World, draw: random.Random) -> Sequence[Promise]:
        pids = world.pids(what)
        world.send(signal.SIGKILL, *pids)

        async def goes_on() -> None:
            await world.has_again(what, pids)
            if what == "envoy":
                await asyncio.to_thread(_answers, world.port)
            await world.next_progress()

        return [seconds_until(BACKEND, goes_on)]

    return inject


def _answers(port: int) -> None:
    """Wait until the gateway answers a call."""
    with Client(f"127.0.0.1:{port}", patience=60) as client:
        client.overview()


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


async def _supervisor(world: World, draw: random.Random) -> Sequence[Promise]:
    """The suite's parent is killed, and started again at once or soon."""
    world.send(signal.SIGKILL, *world.pids("supervisor"))
    await asyncio.sleep(draw.choice([0, 0, 5]))  # the fault
    promise = seconds_until(SUPERVISOR, world.next_progress)
    await world.up()
    return [promise]


async def _roll(world: World, draw: random.Random) -> None:
    """Every instance of every service is told to stop, one after the other, as an upgrade does: the next one
    when the one before has been ready for a while, which Kubernetes calls minReadySeconds. The gateway sends
    nothing to an instance that its health checks have not seen."""
    for name in draw.sample(sorted(world.look()["services"]), len(world.look()["services"])):
        pid = world.look()["services"][name]["pid"]
        world.send(signal.SIGTERM, pid)
        async with asyncio.timeout(_ROLL_SECONDS):
            await world.serves_again(name, pid)
        await asyncio.sleep(_STEADY_SECONDS)  # as above


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
    Fault("restart every service, one after the other", _roll, no_call_fails=True),
    *(Fault(f"kill {what}", _killed_server(what), own=True) for what in ("envoy", "postgres", "queue")),
    *(Fault(f"freeze {what}", _frozen(what)) for what in ("envoy", "postgres", "queue", "supervisor")),
    Fault("kill the supervisor", _supervisor, own=True),
]
