"""Places that go to the group with the fewest."""

from __future__ import annotations

import asyncio

import pytest

from ingestor.runtime.fair_slots import FairSlots


class Crowd:
    """Tasks that hold a place until they are told to leave."""

    def __init__(self, slots: FairSlots) -> None:
        self.slots = slots
        self.inside: list[str] = []
        self.leave: dict[str, asyncio.Event] = {}

    def come(self, name: str) -> asyncio.Task[None]:
        """A member of the group that its name begins with."""
        self.leave[name] = asyncio.Event()

        async def stay() -> None:
            async with self.slots.place(name[0]):
                self.inside.append(name)
                await self.leave[name].wait()
                self.inside.remove(name)

        return asyncio.create_task(stay())


async def settle() -> None:
    """Let every task run as far as it can."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_has_the_fewest_places_is_next() -> None:
    crowd = Crowd(FairSlots(2))
    tasks = [crowd.come(name) for name in ("a1", "a2", "a3", "a4", "b1", "c1")]
    await settle()
    assert crowd.inside == ["a1", "a2"]
    order = {"a1": ["a2", "b1"], "a2": ["b1", "a3"], "b1": ["a3", "c1"], "a3": ["c1", "a4"]}
    for leaving, inside in order.items():
        crowd.leave[leaving].set()
        await settle()
        assert crowd.inside == inside
    for name in ("c1", "a4"):
        crowd.leave[name].set()
    await asyncio.gather(*tasks)
    last = [crowd.come(name) for name in ("d1", "d2", "d3")]
    await settle()
    assert crowd.inside == ["d1", "d2"]  # all places were free again
    for task in last:
        task.cancel()


@pytest.mark.parametrize("given", [False, True])
async def test_who_gives_up_waiting_takes_no_place(given: bool) -> None:
    crowd = Crowd(FairSlots(1))
    first, waiting, behind = crowd.come("a1"), crowd.come("b1"), crowd.come("b2")
    await settle()
    if given:  # it gets the place in the moment in which it gives up
        crowd.leave["a1"].set()
        while not first.done():
            await asyncio.sleep(0)
    if crowd.inside != ["b1"]:
        waiting.cancel()
    crowd.leave["a1"].set()
    crowd.leave["b1"].set()
    await settle()
    assert crowd.inside == ["b2"]
    crowd.leave["b2"].set()
    await behind


async def test_the_last_place_is_for_who_has_none() -> None:
    crowd = Crowd(FairSlots(3, reserved=1))
    tasks = [crowd.come(name) for name in ("a1", "a2", "a3")]
    await settle()
    assert crowd.inside == ["a1", "a2"]
    tasks += [crowd.come("b1"), crowd.come("b2")]
    await settle()
    assert crowd.inside == ["a1", "a2", "b1"]
    crowd.leave["b1"].set()
    await settle()
    assert crowd.inside == ["a1", "a2", "b2"]
    crowd.leave["a1"].set()
    await settle()
    assert crowd.inside == ["a2", "b2"]  # the free one is for a third
    crowd.leave["b2"].set()
    await settle()
    assert crowd.inside == ["a2", "a3"]
    for name in ("a2", "a3"):
        crowd.leave[name].set()
    await asyncio.gather(*tasks)
