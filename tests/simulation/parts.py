"""Runs schedules in a process of their own, and tells of those that fail."""

from __future__ import annotations

from tests.simulation.environment import simulated
from tests.simulation.schedule import Result, run_many, shrink


def told(result: Result) -> str:
    """A failing schedule, and how to run it again."""
    lines = [f"seed {result.seed}: {problem}" for problem in result.problems]
    lines += [f"    {fault}" for fault in result.faults] or ["    without faults"]
    lines.append(f"    again: python -m tests.simulation --seed {result.seed} --schedules 1 --log")
    return "\n".join(lines)


def run_part(seeds: tuple[int, int]) -> tuple[int, list[str]]:
    """How many steps the schedules of so many seeds take, and those that fail as texts."""
    steps, failed = 0, []
    with simulated():
        for result in run_many(*seeds):
            steps += result.steps
            if result.problems:
                failed.append(told(shrink(result)))
    return steps, failed
