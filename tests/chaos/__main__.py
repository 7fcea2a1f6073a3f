"""python -m tests.chaos --seed 1 --rows 1000000 --minutes 20: one line for each fault, and what is wrong at
the end. The exit status is 1 if anything is."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import subprocess
import sys
from pathlib import Path

from tests.chaos.figures import lines
from tests.chaos.run import FAULTS, Plan, run


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--faults", default="", help="a pattern of names; without it all")
    parser.add_argument("--own", action=argparse.BooleanOptionalAction, help="only one of the two worlds")
    parser.add_argument("--data", type=Path, default=Path(".chaos"))
    parser.add_argument("--json", type=Path, help="write what came of it there, for tests.chaos.table")
    parser.add_argument("--list", action="store_true", help="the names of the faults")
    options = parser.parse_args()
    if options.list:
        print("\n".join(fault.name for fault in FAULTS))
        return
    plan = Plan(options.seed, options.rows, options.minutes, options.faults, options.own)
    data = options.data.absolute() / str(options.seed)
    shutil.rmtree(data, ignore_errors=True)
    result = asyncio.run(run(plan, data, lambda text: print(text, flush=True)))
    print("\nmedian seconds from the end of a fault to the next progress:")
    for name, seconds in sorted(result.medians().items(), key=lambda one: -one[1]):
        print(f"{seconds:8.1f}  {name} ({len(result.injections[name])})")
    print("\n  median  slowest times bound")
    for line in lines(result.figures):
        print(line)
    for problem in result.problems:
        print(f"! {problem}")
    if options.json:
        about = {"seed": plan.seed, "commit": _commit(), "minutes": plan.minutes, "asked_rows": plan.rows}
        options.json.write_text(json.dumps(result.as_json(about), indent=1))
    if not result.is_clean:
        sys.exit(1)
    shutil.rmtree(data, ignore_errors=True)


def _commit() -> str:
    """What is tested; empty in a copy without its history."""
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


if __name__ == "__main__":
    main()
