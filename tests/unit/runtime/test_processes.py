"""Work in real processes: what dies, what is told, and what stays."""

from __future__ import annotations

import asyncio
import ctypes
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ingestor.runtime.processes.pool import OverLimitError, ProcessPool, open_processes

HERE = "tests.unit.runtime.test_processes"
MEGABYTE = 2**20


def who() -> int:
    return os.getpid()


def crash() -> None:
    ctypes.string_at(0)


def take(megabytes: int) -> int:
    return len(bytearray(megabytes * MEGABYTE))


def take_long(seconds: float) -> int:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass
    return os.getpid()


def settings() -> list[str]:
    return [name for name in os.environ if name.startswith(("INGESTOR_", "AWS_"))]


def noisy() -> str:
    sys.stdout.write("x" * 100_000)
    return "said"


def fail() -> None:
    raise LookupError("a secret of the caller")


@pytest.fixture
async def pool(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ProcessPool]:
    monkeypatch.setenv("INGESTOR_DATABASE_DSN", "secret")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    async with open_processes(HERE, most=1, memory_bytes=256 * MEGABYTE) as pool:
        yield pool


def alive(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


async def gone(process: int) -> None:
    """Wait until a process has ended."""
    async with asyncio.timeout(30):
        while alive(process):
            await asyncio.sleep(0.01)


async def test_calls_go_to_one_process_elsewhere_without_settings(pool: ProcessPool) -> None:
    first = await pool.call(f"{HERE}:who", seconds=30)
    assert first != os.getpid()
    assert await pool.call(f"{HERE}:noisy", seconds=30) == "said"
    assert await pool.call(f"{HERE}:settings", seconds=30) == []
    assert await pool.call(f"{HERE}:who", seconds=30) == first


@pytest.mark.parametrize(
    ("function", "arguments", "seconds", "why"),
    [
        ("crash", (), 30, "took more memory than there is for it, or crashed"),
        ("take", (400,), 30, "took more memory than there is for it, or crashed"),
        ("take_long", (60,), 0.5, r"took more than (0\.5|2) seconds"),
    ],
)
async def test_a_call_over_a_limit_ends_its_process_only(
    pool: ProcessPool, function: str, arguments: tuple[int, ...], seconds: float, why: str
) -> None:
    first = await pool.call(f"{HERE}:who", seconds=30)
    with pytest.raises(OverLimitError, match=why):
        await pool.call(f"{HERE}:{function}", *arguments, seconds=seconds)
    await gone(first)
    assert await pool.call(f"{HERE}:who", seconds=30) != first
    assert await pool.call(f"{HERE}:take", 100, seconds=30) == 100 * MEGABYTE


async def test_what_a_function_raises_is_told_without_its_words(pool: ProcessPool) -> None:
    first = await pool.call(f"{HERE}:who", seconds=30)
    with pytest.raises(RuntimeError, match=f"^{HERE}:fail raised LookupError$"):
        await pool.call(f"{HERE}:fail", seconds=30)
    assert await pool.call(f"{HERE}:who", seconds=30) == first


async def test_a_call_that_is_given_up_is_ended(pool: ProcessPool) -> None:
    first = await pool.call(f"{HERE}:who", seconds=30)
    call = asyncio.create_task(pool.call(f"{HERE}:take_long", 60, seconds=60))
    await asyncio.sleep(0)
    while not pool.busy:
        await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await gone(first)


async def test_a_process_without_work_ends(pool: ProcessPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingestor.runtime.processes.pool._IDLE_SECONDS", 0.05)
    await gone(await pool.call(f"{HERE}:who", seconds=30))
    assert await pool.call(f"{HERE}:who", seconds=30)


async def test_a_group_that_takes_long_leaves_a_place_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    async with open_processes(HERE, most=2, memory_bytes=256 * MEGABYTE) as pool:
        long = [
            asyncio.ensure_future(pool.call(f"{HERE}:take_long", 60, seconds=100, group="crowd"))
            for _ in range(3)
        ]
        async with asyncio.timeout(30):
            assert await pool.call(f"{HERE}:who", seconds=30, group="other")
        assert not any(call.done() for call in long)
        for call in long:
            call.cancel()
        await asyncio.gather(*long, return_exceptions=True)


async def test_the_end_of_the_pool_is_the_end_of_its_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    async with open_processes(HERE, most=2, memory_bytes=256 * MEGABYTE) as pool:
        found = await asyncio.gather(
            *(pool.call(f"{HERE}:take_long", 0.2, seconds=30, group=group) for group in "ab")
        )
    assert len(set(found)) == 2
    for process in found:
        await gone(process)
