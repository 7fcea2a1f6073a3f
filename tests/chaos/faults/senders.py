"""People who send more than their share, or the same thing twice."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence

from ingestor.client.errors import IngestorError
from tests.chaos.faults.fault import Fault, Promise
from tests.chaos.figures import BESIDE
from tests.chaos.people import People
from tests.chaos.world import World

_FLOOD_ROWS, _FLOOD_AT_ONCE = 1_000, 12
_SMALL_FILES, _SMALL_ROWS = 3, 100
_WAIT_SECONDS = 180.0


async def _flood(world: World, draw: random.Random) -> Sequence[Promise]:
    """A second tenant sends one file after the other, many at once, and somebody of the first one small files
    meanwhile."""
    people = _people(world)
    async with people.client(world.flood) as crowd:
        await people.prepare(crowd)
        over = asyncio.Event()

        async def one() -> None:
            while not over.is_set():
                file = people.new_file(_FLOOD_ROWS, draw.choice([0, 100]))
                if process := await people.send(crowd, file):
                    await process.wait(timeout=_WAIT_SECONDS)

        flood = asyncio.gather(*(one() for _ in range(_FLOOD_AT_ONCE)))
        try:
            seconds = await _small(people)
            over.set()
            await flood
        except IngestorError as error:
            people.note(error)
            return []
        finally:
            flood.cancel()
            await asyncio.gather(flood, return_exceptions=True)
    return [_of(value) for value in seconds]


async def _small(people: People) -> list[float]:
    """Seconds of small files, one after the other."""
    found = []
    async with people.client() as client:
        for _ in range(_SMALL_FILES):
            began = time.monotonic()
            if process := await people.send(client, people.new_file(_SMALL_ROWS)):
                await process.wait(timeout=_WAIT_SECONDS)
                found.append(time.monotonic() - began)
    return found


def _of(seconds: float) -> Promise:
    async def measure() -> float:
        return seconds

    return Promise(BESIDE, measure)


async def _two_writers(world: World, draw: random.Random) -> None:
    people = _people(world)
    async with people.client() as client:
        for _ in range(3):
            file = people.new_file(draw.choice([100, 20_000, 60_000]), draw.choice([0, 100]))
            await people.send(client, file, writers=draw.randint(2, 3))


def _people(world: World) -> People:
    assert world.people
    return world.people


FAULTS = [
    Fault("one tenant's flood of files", _flood),
    Fault("several writers of one upload", _two_writers),
]
