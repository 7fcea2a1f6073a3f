"""python -m tests.chaos --seed 1 --rows 1000000 --minutes 20: one line for each fault, and what is wrong at
the end. The exit status is 1 if anything is."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import shutil
import sys
from pathlib import Path

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
    parser.add_argument("--json", type=Path, help="write seconds to recover there")
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
        print(f"{seconds:8.1f}  {name} ({len(result.recoveries[name])})")
    for problem in result.problems:
        print(f"! {problem}")
    if options.json:
        options.json.write_text(json.dumps({"seed": plan.seed, "recoveries": result.recoveries}, indent=1))
    if not result.is_clean:
        sys.exit(1)
    shutil.rmtree(data, ignore_errors=True)


if __name__ == "__main__":
    main()
