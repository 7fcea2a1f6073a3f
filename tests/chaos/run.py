"""A run: a world, people who work in it, and one fault after the other."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.audit import audit
from tests.chaos.faults import clocks, database, links, processes, queue, senders
from tests.chaos.faults.fault import Fault, Promise
from tests.chaos.figures import STOPPED
from tests.chaos.growth import Growth
from tests.chaos.people import People
from tests.chaos.result import Injection, Result
from tests.chaos.watch import Watch
from tests.chaos.world import World, world

FAULTS: Sequence[Fault] = (
    *processes.FAULTS,
    *database.FAULTS,
    *links.FAULTS,
    *queue.FAULTS,
    *clocks.FAULTS,
    *senders.FAULTS,
)
_PEOPLE = 4
_RECOVERY_SECONDS = 180  # after which a fault counts as not mended
_PAUSE_SECONDS = (0.5, 3.0)
_AT_ONCE = 0.2  # chance that a second fault comes with the first
_SENT_SECONDS = 600  # for what is left to send at the end

Say = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What is to be done. `faults`: a pattern that their names match; `own`: the world with a database and a
    queue of its own, or the other, or (None) one after the other."""

    seed: int
    rows: int
    minutes: float
    faults: str = ""
    own: bool | None = None
    settings: Mapping[str, str] = field(default_factory=dict)


async def run(plan: Plan, folder: Path, say: Say) -> Result:
    """Do it."""
    result = Result()
    for own, part in ((False, 2 / 3), (True, 1 / 3)) if plan.own is None else ((plan.own, 1.0),):
        draw = random.Random(f"{plan.seed} {own}")
        name = "own" if own else "linked"
        async with world(folder / name, draw, own=own, settings=plan.settings) as made:
            say(f"# {name}: seed {plan.seed}, files in {made.environment.get('INGESTOR_FILE_STORE', 'disk')}")
            await _run(made, plan, part, draw, result, say)
    return result


async def _run(made: World, plan: Plan, part: float, draw: random.Random, result: Result, say: Say) -> None:
    people = People(made.gateway, made.folder / "sent", random.Random(draw.random()), int(plan.rows * part))
    made.people = people
    await people.arrive()
    growth = await Growth.begin(made)
    watch, stopping = Watch(made.gateway), asyncio.Event()
    watching = asyncio.create_task(watch.run())
    working = asyncio.create_task(people.work(stopping, _PEOPLE))
    began = time.monotonic()
    try:
        for faults in _drawn(plan, made.own, draw):
            if time.monotonic() - began > plan.minutes * 60 * part or working.done():
                break
            await asyncio.sleep(draw.uniform(*_PAUSE_SECONDS))  # between two faults
            await _one(made, faults, watch, draw, result, say, began)
        stopping.set()
        async with asyncio.timeout(_SENT_SECONDS):
            await working
        findings = await audit(made, people)
        result.findings.append(findings)
        say(f"  {findings}")
        say(f"  what clients of the library were told: {dict(people.errors) or 'nothing'}")
        findings.problems += await growth.end(made)
        for problem in findings.problems:
            say(f"  ! {problem}")
        for line in growth.lines():
            say(f"  {line}")
    finally:
        watching.cancel()
        working.cancel()
        await asyncio.gather(watching, working, return_exceptions=True)


def _drawn(plan: Plan, own: bool, draw: random.Random) -> Iterator[list[Fault]]:
    """Every fault, in an order of the draw; then all of them again in another."""
    chosen = [one for one in FAULTS if one.own in (None, own) and re.search(plan.faults, one.name)]
    if not chosen:
        raise SystemExit(f"no fault is called {plan.faults!r}")
    while True:
        for fault in draw.sample(chosen, len(chosen)):
            second = draw.random() < _AT_ONCE and len(chosen) > 1
            yield [fault, draw.choice(chosen)] if second and not fault.no_call_fails else [fault]


async def _one(
    made: World,
    faults: list[Fault],
    watch: Watch,
    draw: random.Random,
    result: Result,
    say: Say,
    began: float,
) -> None:
    name = " and ".join(dict.fromkeys(fault.name for fault in faults))
    start = time.monotonic()
    result.faults += [fault.name for fault in faults]
    promises: Sequence[Promise] = ()
    is_alone = len({fault.name for fault in faults}) == 1
    if is_alone:
        promises = await faults[0].inject(made, draw) or ()
    else:
        draws = [random.Random(draw.random()) for _ in faults]
        await asyncio.gather(*(one.inject(made, its) for one, its in zip(faults, draws, strict=True)))
    healed = time.monotonic()
    measuring = asyncio.gather(*(_measured(one) for one in promises))
    seconds = await _within(made.next_progress())
    seen = watch.since(start)
    figures = await measuring
    kept = "".join(f"; {one.figure}: {_told(value)}" for one, value in zip(promises, figures, strict=True))
    say(
        f"{start - began:7.1f} s  {name}: lasted {healed - start:.1f} s, next progress after "
        f"{_told(seconds)} s; {seen}{kept}"
    )
    if seconds is None:
        result.problems.append(f"{name}: no progress within {_RECOVERY_SECONDS} s")
    elif is_alone:
        result.injections[name].append(Injection(healed - start, seconds, seen))
        if faults[0].no_call_fails:
            result.figures[STOPPED].append(seen.failed.total())
            if seen.failed:
                result.problems.append(f"{name}: {seen}")
    for promise, value in zip(promises, figures, strict=True):
        if value is None:
            result.problems.append(f"{name}: {promise.figure}: not within {_RECOVERY_SECONDS} s")
        else:
            result.figures[promise.figure].append(value)


def _told(seconds: float | None) -> str:
    return "too long" if seconds is None else f"{seconds:.1f}"


async def _measured(promise: Promise) -> float | None:
    try:
        async with asyncio.timeout(_RECOVERY_SECONDS):
            return await promise.measure()
    except TimeoutError:
        return None


async def _within(waiting: Awaitable[None]) -> float | None:
    """Seconds until it is over; None when it takes too long."""
    began = time.monotonic()
    try:
        async with asyncio.timeout(_RECOVERY_SECONDS):
            await waiting
    except TimeoutError:
        return None
    return time.monotonic() - began
