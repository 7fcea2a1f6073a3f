"""`python -m tests.simulation --seed 1 --schedules 1000`: runs schedules, and prints those that fail with the
fewest faults that show the problem."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from tests.simulation.environment import simulated
from tests.simulation.schedule import Result, run, run_many, shrink


def told(result: Result) -> str:
    """A failing schedule, and how to run it again."""
    lines = [f"seed {result.seed}: {problem}" for problem in result.problems]
    lines += [f"    {fault}" for fault in result.faults] or ["    without faults"]
    lines.append(f"    again: python -m tests.simulation --seed {result.seed} --schedules 1 --log")
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """The status is 1 if a schedule has failed."""
    parser = argparse.ArgumentParser(prog="tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--schedules", type=int, default=1000, help="how many")
    parser.add_argument("--log", action="store_true", help="print what happens")
    chosen = parser.parse_args(arguments)
    began = time.monotonic()
    failed = steps = 0
    with simulated():
        for result in run_many(chosen.seed, chosen.schedules):
            steps += result.steps
            if chosen.log:
                print(*run(result.seed, log=True).log, sep="\n")
            if result.problems:
                failed += 1
                print(told(shrink(result)))
    took = time.monotonic() - began
    print(
        f"{chosen.schedules} schedules, {failed} failed, {steps} steps in {took:.1f} s: "
        f"{took / chosen.schedules * 1000:.1f} ms each"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
