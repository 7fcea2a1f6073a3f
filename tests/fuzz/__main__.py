"""`python -m tests.fuzz [TARGET ...] --seconds 600`: fuzzes every target, or these, one after the other,
and prints what it has found so that it can be kept as a test."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Result:
    """How fuzzing a target ended."""

    said: str
    found: bytes | None  # the input that it does not take; None if there is none

    def told(self, name: str) -> str:
        """What was found, and how to keep it."""
        return (
            f"{self.said[-4000:]}\n{name} does not take this input. Correct the parser, and keep the input "
            f"in tests/fuzz/kept.py:\n    ({name!r}, {self.found!r}),"
        )


def fuzz(name: str, seconds: int, corpus: Path | None = None) -> Result:
    """Fuzz a target in a process of its own. `corpus`: where inputs that reach new code are kept for the next
    time."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ingestor-fuzz-")))
        inputs = corpus or folder / "inputs"
        findings = folder / "findings"
        for made in (inputs, findings):
            made.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            [sys.executable, "-m", "tests.fuzz.child", name, str(seconds), inputs, findings],
            cwd=ROOT, capture_output=True, text=True, errors="replace", check=False, timeout=seconds + 120,
        )  # fmt: skip
        # A coarse signal alone is none: libFuzzer names what it keeps by what was wrong with it.
        found = next(
            (path.read_bytes() for path in sorted(findings.iterdir()) if "slow-unit" not in path.name), None
        )
        if done.returncode and found is None:
            raise RuntimeError(
                f"fuzzing {name} ended with status {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return Result(done.stdout + done.stderr, found)


def main(arguments: Sequence[str]) -> int:
    """The status is 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"one of {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=int, default=600, help="for all targets together (600)")
    parser.add_argument("--corpus", type=Path, help="folder that keeps inputs for the next time")
    given = parser.parse_args(arguments)
    if unknown := set(given.targets) - TARGETS.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    names = given.targets or list(TARGETS)
    status = 0
    for name in names:
        each = max(1, given.seconds // len(names))
        sys.stdout.write(f"{name}: {each} s\n")
        sys.stdout.flush()
        result = fuzz(name, each, given.corpus and given.corpus / name)
        if result.found is not None:
            sys.stdout.write(result.told(name) + "\n")
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
