"""Runs schedules: one from its seed and its plan, many in a row, and a failing one with fewer faults."""

from __future__ import annotations

import gc
import random
from collections.abc import Iterator, Sequence
from contextvars import Context
from dataclasses import dataclass

from tests.simulation.auditor import audit
from tests.simulation.faults import Fault, plan
from tests.simulation.loop import World
from tests.simulation.suite import Suite

_SECONDS = 900.0  # of virtual time, within which everything must be over
_STEPS = 60_000
_STOPPING = 60.0
_COLLECTED = 40  # schedules between two collections of garbage


@dataclass(frozen=True)
class Result:
    """What a schedule has shown."""

    seed: int
    faults: tuple[Fault, ...]
    problems: tuple[str, ...]
    trace: int
    steps: int
    seconds: float  # of virtual time
    log: tuple[str, ...] = ()


def plan_of(seed: int, focus: Sequence[str] = ()) -> tuple[Fault, ...]:
    """The faults of a seed; `focus` as of `plan`."""
    return plan(random.Random(f"plan {seed}"), focus)


def run(seed: int, faults: Sequence[Fault] | None = None, *, log: bool = False) -> Result:
    """Run the schedule of a seed, with other faults if they are given. Within `simulated`."""
    chosen = plan_of(seed) if faults is None else tuple(faults)
    return Context().run(_run, seed, chosen, log)


def _run(seed: int, faults: tuple[Fault, ...], log: bool) -> Result:
    random.seed(seed)
    world = World(seed)
    if log:
        world.log = []
    suite = Suite(world, faults)
    try:
        suite.begin()
        if not world.run(suite.is_over, until=_SECONDS, steps=_STEPS):
            world.find(f"not over after {world.now:.0f} s and {world.steps} steps: {_stuck(suite)}")
        else:
            problems = audit(suite)
            for problem in problems:
                world.find(problem)
            over = world.now
            suite.stop()
            if not world.run(suite.has_stopped, until=over + _STOPPING, steps=2 * _STEPS):
                world.find(f"still runs {_STOPPING:.0f} s after it was stopped: {suite.left()}")
    finally:
        world.close()
    return Result(
        seed, faults, tuple(world.findings), world.trace, world.steps, world.now, tuple(world.log or ())
    )


def _stuck(suite: Suite) -> str:
    states = [
        kept.account.state.name if (kept := suite.ledger.processes.get(sent.process_id)) else "unknown"
        for sent in suite.sent
    ]
    return (
        f"processes {states}, {len(suite.queue.messages)} messages, {len(suite.dead.messages)} dead letters, "
        f"{sum(not work.done for work in suite.uploads.work.values())} deliveries, "
        f"{len(suite.ledger.events) - len(suite.ledger.published)} events, {suite.pending} faults"
    )


def run_many(first: int, count: int, focus: Sequence[str] = ()) -> Iterator[Result]:
    """The schedules of so many seeds; `focus` as of `plan`. Within `simulated`."""
    gc.collect()
    gc.freeze()
    try:
        for number in range(count):
            yield run(first + number, plan_of(first + number, focus))
            if number % _COLLECTED == _COLLECTED - 1:
                gc.collect()
    finally:
        gc.unfreeze()


def shrink(failing: Result) -> Result:
    """The same seed with as few faults as still show a problem. Within `simulated`."""
    smallest = failing
    tried = True
    while tried:
        tried = False
        for fault in smallest.faults:
            fewer = tuple(one for one in smallest.faults if one is not fault)
            result = run(failing.seed, fewer)
            if result.problems:
                smallest, tried = result, True
                break
    return smallest
