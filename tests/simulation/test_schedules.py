"""Ten thousand schedules of the suite: nothing is lost, nothing is there twice, whatever breaks."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ingestor.runtime.errors import TransientError
from tests.simulation.environment import simulated
from tests.simulation.faults import Fault
from tests.simulation.loop import World
from tests.simulation.network import Network, Node
from tests.simulation.parts import told
from tests.simulation.schedule import plan_of, run, run_many, shrink
from tests.simulation.wires import as_effect

SCHEDULES = int(os.environ.get("INGESTOR_TEST_SCHEDULES", "10000"))
FIRST = int(os.environ.get("INGESTOR_TEST_SEED", "1"))
PARTS = 20  # tests, so that every worker has its share
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_is_lost_and_nothing_twice(part: int) -> None:
    each = SCHEDULES // PARTS
    with simulated():
        for result in run_many(FIRST + part * each, each):
            if result.problems:
                pytest.fail(told(shrink(result)))


def test_a_seed_is_a_schedule(tmp_path: Path) -> None:
    """The same in every process, whatever else that has done."""
    seeds = [seed for seed in range(200) if len(plan_of(seed)) > 2][:12]
    script = (
        "import sys\n"
        "from tests.simulation.environment import simulated\n"
        "from tests.simulation.schedule import run\n"
        "with simulated():\n"
        "    run(1)\n"
        "    print(*(f'{run(int(seed)).trace}' for seed in sys.argv[1:]))\n"
    )
    other = subprocess.run(
        [sys.executable, "-c", script, *map(str, reversed(seeds))],
        cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": "7"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    with simulated():
        first = [run(seed) for seed in seeds]
        again = [run(seed, result.faults, log=True) for seed, result in zip(seeds, first, strict=True)]
    assert [(r.trace, r.steps) for r in again] == [(r.trace, r.steps) for r in first]
    assert other.stdout.split() == [str(result.trace) for result in reversed(first)]
    assert len({result.trace for result in first}) == len(seeds)


def test_a_failing_schedule_shrinks(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the faults that it needs, and says how to run it again."""
    from tests.fakes.sink import MemorySink
    from tests.simulation.mutants import MUTANTS

    ignored = next(mutant for mutant in MUTANTS if mutant.guard.startswith("a batch with a marker"))
    for _, name, made in ignored.patches():
        monkeypatch.setattr(MemorySink, name, made)
    needed = Fault("deliver again", "", 1, 0, 0.001)
    others = (Fault("clock", "status 0", 0, 0, 1.0), Fault("pause", "", 0, 0.2, 0.1))
    with simulated():
        failing = next(
            result
            for seed in range(50)
            if (result := run(seed, (others[0], needed, others[1]))).problems
            and not run(seed, others).problems
        )
        smallest = shrink(failing)
    assert smallest.faults == (needed,)
    assert "more than once" in told(smallest) and f"--seed {failing.seed} " in told(smallest)


class _Effects:
    """What has happened in two processes."""

    def __init__(self) -> None:
        self.world = World(1)
        self.network = Network(self.world, (), self.world.loop("stores", 0))
        self.node = Node(self.world, "node 0", 0)
        self.done: list[str] = []

    def run(self) -> None:
        """Until nothing is left to happen."""
        self.world.run(lambda: False, until=1000, steps=1000)


def test_a_process_that_crashed_does_nothing_more() -> None:
    """Neither what comes after what it waited for, nor what `finally` would do."""
    effects = _Effects()

    async def work() -> None:
        try:
            await effects.network.store(
                effects.node, "store.first", as_effect(lambda: effects.done.append("first"))
            )
            effects.done.append("after")
        finally:
            effects.done.append("finally")
            await effects.network.store(
                effects.node, "store.last", as_effect(lambda: effects.done.append("last"))
            )

    effects.node.loop.create_task(work())
    effects.world.after(0, lambda: effects.world.after(0, effects.node.loop.die))
    effects.run()
    assert effects.done == ["first"]  # the call was on its way
    effects.done.clear()
    effects.world.close()
    assert "after" not in effects.done and "last" not in effects.done


def test_time_is_that_of_the_world() -> None:
    effects = _Effects()

    async def sleep() -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        await asyncio.sleep(600)
        effects.done.append(f"slept {loop.time() - began:.0f} s")
        async with asyncio.timeout(5):
            try:
                await asyncio.sleep(10)
            finally:
                effects.done.append(f"{loop.time() - began:.0f} s")

    task = effects.node.loop.create_task(sleep())
    effects.run()
    assert effects.done == ["slept 600 s", "605 s"]
    assert isinstance(task.exception(), TimeoutError)
    effects.world.close()


def test_lost_calls() -> None:
    """A request that is lost has no effect; an answer that is lost has one."""
    world = World(1)
    lost = (Fault("lose request", "store.add", 1), Fault("lose response", "store.add", 2))
    network = Network(world, lost, world.loop("stores", 0))
    node = Node(world, "node 0", 0)
    done: list[int] = []
    failed: list[int] = []

    async def work() -> None:
        for number in (1, 2, 3):
            try:
                await network.store(node, "store.add", as_effect(lambda number=number: done.append(number)))  # type: ignore[misc]
            except TransientError:
                failed.append(number)

    node.loop.create_task(work())
    world.run(lambda: False, until=10, steps=1000)
    assert (done, failed) == ([2, 3], [1, 2])
    world.close()
