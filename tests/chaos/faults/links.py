"""Links that are slow, narrow or cut, and answers that are lost on them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence

from tests.chaos.faults.fault import Fault, Inject
from tests.chaos.links.tcp import TcpLink
from tests.chaos.world import SERVICES, World

Make = Callable[[str], Inject]


def _chosen(world: World, name: str, draw: random.Random) -> Sequence[TcpLink]:
    """The link of this name, or those of all instances of a service."""
    if name == "to_services":
        return world.to_services[draw.choice(SERVICES)]
    found = getattr(world, name)
    assert isinstance(found, TcpLink)
    return [found]


def _strained(strain: Callable[[TcpLink, random.Random], None], least: float, most: float) -> Make:
    """What strains a link for so many seconds."""

    def of(name: str) -> Inject:
        async def inject(world: World, draw: random.Random) -> None:
            chosen = _chosen(world, name, draw)
            for link in chosen:
                strain(link, draw)
            await asyncio.sleep(draw.uniform(least, most))  # the fault
            for link in chosen:
                link.heal()

        return inject

    return of


def _slow(link: TcpLink, draw: random.Random) -> None:
    link.delay = draw.uniform(0.02, 0.3)


def _narrow(link: TcpLink, draw: random.Random) -> None:
    link.bytes_per_second = draw.choice([100_000, 1_000_000])


def _refuse(link: TcpLink, draw: random.Random) -> None:
    link.refuses = True
    link.cut()


def _lost_answers(name: str) -> Inject:
    """What is asked for is done, and the connection ends before anybody hears of it."""

    async def inject(world: World, draw: random.Random) -> None:
        chosen = _chosen(world, name, draw)
        for _ in range(draw.randint(2, 5)):
            for link in chosen:
                link.mute = True
            await asyncio.sleep(draw.uniform(0.2, 1.5))  # the fault
            for link in chosen:
                link.cut(reset=True)
                link.heal()
            await asyncio.sleep(draw.uniform(0.2, 1))  # between two

    return inject


def _cut(name: str) -> Inject:
    async def inject(world: World, draw: random.Random) -> None:
        chosen = _chosen(world, name, draw)
        for _ in range(draw.randint(1, 5)):
            for link in chosen:
                link.cut(reset=draw.random() < 0.5)
            await asyncio.sleep(draw.uniform(0, 1.5))  # the fault

    return inject


FAULTS = [
    *(
        Fault(f"{how} {what}", make(name), own=own)
        for name, what, own in (
            ("to_database", "the way to the database", False),
            ("to_gateway", "the way to the gateway", None),
            ("to_services", "the ways to a service", False),
        )
        for how, make in (
            ("slow", _strained(_slow, 3, 15)),
            ("narrow", _strained(_narrow, 3, 10)),
            ("cut", _cut),
            ("refuse", _strained(_refuse, 1, 8)),
            ("lose answers on", _lost_answers),
        )
    ),
]
