"""Real control groups, where this machine lets us make them."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from ingestor.local.memory_group import MemoryGroup, memory_group

_MIB = 2**20
# Waits for a line, so that it is in the group by then; takes memory; says that it has, and stays.
_TAKES = """
import sys
from ingestor.runtime.memory import give_way
if sys.argv[2] == "gives-way": give_way()
sys.stdin.readline()
taken = bytearray(int(sys.argv[1]))
print("taken", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def group() -> Iterator[MemoryGroup]:
    """A group of 200 MiB."""
    with memory_group(200 * _MIB) as made:
        if made is None:
            pytest.skip("control groups cannot be made here")
        yield made
    assert not made.folder.exists()


def starts(group: MemoryGroup, mib: int, manner: str = "") -> subprocess.Popen[str]:
    """A process of the group that takes memory."""
    started = subprocess.Popen(
        [sys.executable, "-c", _TAKES, str(mib * _MIB), manner],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    group.take(started.pid)
    assert started.stdin
    started.stdin.write("\n")
    started.stdin.flush()
    return started


def says(process: subprocess.Popen[str]) -> str:
    """What a process says; empty if it has ended."""
    assert process.stdout
    return process.stdout.readline().strip()


def ends(*processes: subprocess.Popen[str]) -> None:
    """Let processes end."""
    for process in processes:
        process.communicate(timeout=30)


def test_processes_have_so_much_together(group: MemoryGroup) -> None:
    one, two = starts(group, 30), starts(group, 30)
    assert (says(one), says(two)) == ("taken", "taken")
    three = starts(group, 180)
    assert says(three) == ""
    ends(one, two, three)
    assert (one.returncode, two.returncode, three.returncode) == (0, 0, -signal.SIGKILL)


def test_who_gives_way_is_ended_first(group: MemoryGroup) -> None:
    reader = starts(group, 70, "gives-way")
    assert says(reader) == "taken"
    service = starts(group, 150)
    assert says(service) == "taken"
    ends(reader, service)
    assert (reader.returncode, service.returncode) == (-signal.SIGKILL, 0)


def test_a_process_that_has_ended_is_no_error(group: MemoryGroup) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    group.take(ended.pid)


def test_a_group_is_left_to_a_suite_that_runs_and_taken_from_one_that_was_killed(group: MemoryGroup) -> None:
    """Several suites may start at the same time; their groups are empty at first."""
    other = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    its = group.folder.with_name(f"ingestor-{other.pid}")
    its.mkdir()
    try:
        code = "from ingestor.local.memory_group import memory_group\nwith memory_group(2**28): pass"
        starting = [sys.executable, "-c", code]
        subprocess.run(starting, check=True)
        assert its.exists()
        other.communicate()
        subprocess.run(starting, check=True)
        assert not its.exists()
    finally:
        other.kill()
        if its.exists():
            its.rmdir()
