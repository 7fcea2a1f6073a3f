"""`python -m tests.simulation --seed 1 --schedules 1000`: runs schedules, and prints those that fail with the
fewest faults that show the problem."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from multiprocessing import get_context

from tests.simulation.environment import simulated
from tests.simulation.parts import run_part
from tests.simulation.schedule import run

_EACH = 250  # schedules that a process takes at once


def main(arguments: Sequence[str]) -> int:
    """The status is 1 if a schedule has failed."""
    parser = argparse.ArgumentParser(prog="tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--schedules", type=int, default=1000, help="how many")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="side by side")
    parser.add_argument("--log", action="store_true", help="print what happens")
    chosen = parser.parse_args(arguments)
    began = time.monotonic()
    failed = steps = 0
    end = chosen.seed + chosen.schedules
    if chosen.log:
        with simulated():
            for seed in range(chosen.seed, end):
                print(*run(seed, log=True).log, sep="\n")
    parts = [(first, min(_EACH, end - first)) for first in range(chosen.seed, end, _EACH)]
    processes = max(1, min(chosen.processes, len(parts)))
    with ExitStack() as stack:
        several = processes > 1
        of_parts = stack.enter_context(get_context("spawn").Pool(processes)).imap if several else map
        for taken, problems in of_parts(run_part, parts):
            steps += taken
            failed += len(problems)
            for problem in problems:
                print(problem, flush=True)
    took = time.monotonic() - began
    print(
        f"{chosen.schedules} schedules, {failed} failed, {steps} steps in {took:.1f} s: "
        f"{took / chosen.schedules * 1000:.1f} ms each"
    )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
