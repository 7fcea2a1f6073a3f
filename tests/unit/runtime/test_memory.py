"""What a bound on memory does to a process."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts mappings")
MIB = 2**20


def run(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", f"from ingestor.runtime.memory import *\n{script}"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.strip()


TAKE = f"""
try:
    print(len(bytearray(100 * {MIB})))
except MemoryError:
    print("refused")
"""


def test_more_than_the_bound_is_refused() -> None:
    assert run(f"bound_memory(400 * {MIB})\n{TAKE}") == str(100 * MIB)
    assert run(f"bound_memory(80 * {MIB})\n{TAKE}") == "refused"


def test_a_bound_for_ever_cannot_be_raised() -> None:
    again = f"bound_memory(400 * {MIB})\n"
    assert run(f"bound_memory(80 * {MIB})\n{again}{TAKE}") == str(100 * MIB)
    kept = f"try:\n    {again}except ValueError:\n    print('kept')"
    assert run(f"bound_memory(80 * {MIB}, for_ever=True)\n{kept}") == "kept"


# Three pieces of 8 MiB come and go, over and over; prints how often the kernel had to map a page for them.
_PIECES = """
import resource
from ingestor.runtime.memory import reuse_memory
{first}
def come_and_go():
    pieces = [b"x" * (8 * 2**20 + number) for number in range(3)]
come_and_go(); come_and_go()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(20):
    come_and_go()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(first: str) -> int:
    """Page faults of a process that does this first."""
    code = _PIECES.format(first=first)
    return int(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc")
def test_pieces_use_the_memory_of_those_before() -> None:
    assert faults("reuse_memory()") < 1_000 < 20_000 < faults("")
