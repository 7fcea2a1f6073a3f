"""A run: a world, people who work in it, and one fault after the other."""

from __future__ import annotations

import asyncio
import random
import re
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.chaos.audit import Findings, audit
from tests.chaos.faults import database, links, processes
from tests.chaos.faults.fault import Fault
from tests.chaos.people import People
from tests.chaos.watch import Seen, Watch
from tests.chaos.world import World, world

FAULTS: Sequence[Fault] = (*processes.FAULTS, *database.FAULTS, *links.FAULTS)
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


@dataclass
class Result:
    """What came of it. `faults` that were injected; `recoveries`: seconds from the end of each that came
    alone to the next progress."""

    faults: list[str] = field(default_factory=list)
    findings: list[Findings] = field(default_factory=list)
    recoveries: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    seen: dict[str, list[Seen]] = field(default_factory=lambda: defaultdict(list))
    problems: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was lost, doubled or unexpected, and everything was mended."""
        return not self.problems and all(one.is_clean for one in self.findings)

    def medians(self) -> dict[str, float]:
        """Seconds to recover, by fault."""
        return {name: statistics.median(found) for name, found in self.recoveries.items()}


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
        for problem in findings.problems:
            say(f"  ! {problem}")
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
    if len({fault.name for fault in faults}) > 1:
        draws = [random.Random(draw.random()) for _ in faults]
        await asyncio.gather(*(one.inject(made, its) for one, its in zip(faults, draws, strict=True)))
    else:
        await faults[0].inject(made, draw)
    healed = time.monotonic()
    seconds = await _recovery(made)
    seen = watch.since(start)
    say(
        f"{start - began:7.1f} s  {name}: lasted {healed - start:.1f} s, next progress after "
        f"{'too long' if seconds is None else f'{seconds:.1f} s'}; {seen}"
    )
    if seconds is None:
        result.problems.append(f"{name}: no progress within {_RECOVERY_SECONDS} s")
    elif len(faults) == 1:
        result.recoveries[name].append(seconds)
        result.seen[name].append(seen)
        if faults[0].no_call_fails and seen.failed:
            result.problems.append(f"{name}: {seen}")


async def _recovery(made: World) -> float | None:
    """Seconds until something is loaded; None when it takes too long."""
    began = time.monotonic()
    first: int | None = None
    while (seconds := time.monotonic() - began) < _RECOVERY_SECONDS:
        found = await made.progress()
        if first is None:
            first = found
        elif found is not None and found > first:
            return seconds
        await asyncio.sleep(0.1)  # between two looks
    return None
