"""Deliveries: conversions take no places of other files and end with their process; all end."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from ingestor.access.scope import within
from ingestor.runtime.errors import InvalidArgumentError, TransientError
from ingestor.services.upload.ports import IngestionPausedError
from ingestor.services.upload.uploads import Delivery
from tests.unit.upload.test_service import DATA, Suite, delivered


async def settled(suite: Suite, condition: object) -> None:
    """Wait for a condition."""
    assert callable(condition)
    async with asyncio.timeout(20):
        while not condition():
            suite.news.set()
            await asyncio.sleep(0)


async def test_conversions_take_no_places_of_other_files() -> None:
    """A tenant sends ten files that are being converted for ever, then a plain one."""
    suite = Suite()
    suite.converter.go_on.clear()
    slow = [await suite.uploaded(name=f"{number}.upper") for number in range(10)]
    plain = await suite.uploaded()
    stopping = asyncio.Event()
    running = asyncio.create_task(suite.worker().run(stopping))
    await settled(suite, lambda: plain in suite.ingestion.done)
    assert suite.converter.calls == 1  # of two places one is for another tenant
    with within("globex"):
        other, theirs = await suite.uploaded(name="b.upper"), await suite.uploaded()
    await settled(suite, lambda: theirs in suite.ingestion.done and suite.converter.calls == 2)
    suite.converter.go_on.set()
    await settled(suite, lambda: suite.ingestion.done == {plain, theirs, other, *slow})
    stopping.set()
    await running
    assert not any(work.converts for work in suite.uploads.work.values())
    assert all(work.delivery.failures == 0 for work in suite.uploads.work.values())


async def test_a_conversion_ends_with_its_process() -> None:
    suite = Suite()
    suite.converter.go_on.clear()
    process = await suite.uploaded(name="a.upper")
    stopping = asyncio.Event()
    running = asyncio.create_task(suite.worker().run(stopping))
    await settled(suite, suite.converter.busy.is_set)
    assert not suite.uploads.work[process].done
    suite.processes.ended.add(process)
    await settled(suite, lambda: suite.uploads.work[process].done)
    stopping.set()
    await running
    assert (suite.ingestion.received, suite.ingestion.refused) == ({}, {})


@pytest.mark.parametrize("fault", [UnicodeError("no"), OSError(7, "Argument list too long")])
async def test_what_fails_again_and_again_ends(fault: Exception) -> None:
    suite = Suite()
    suite.converter.fault = fault
    process = await suite.uploaded()
    with capture_logs() as logs:
        await delivered(suite, suite.worker())
    assert [entry["event"] for entry in logs].count("delivery failed") == 5
    assert suite.ingestion.refused == {process: "DELIVERY_FAILED"}
    assert suite.uploads.work[process].delivery.attempts == 5


async def test_what_the_orchestrator_never_takes_ends() -> None:
    suite = Suite()
    process = await suite.uploaded()
    suite.converter.fault = InvalidArgumentError("BATCH_CONFLICT", "no")
    with capture_logs():
        await delivered(suite, suite.worker())
    assert suite.ingestion.refused == {process: "DELIVERY_FAILED"}


async def test_what_passes_is_tried_without_end() -> None:
    suite = Suite()
    suite.converter.fault = TransientError("away")
    process = await suite.uploaded()
    stopping = asyncio.Event()
    running = asyncio.create_task(suite.worker().run(stopping))

    def moved() -> bool:
        suite.clock.time = max(suite.clock.time, suite.uploads.work[process].due)
        return suite.uploads.work[process].delivery.attempts > 20

    await settled(suite, moved)
    suite.converter.fault = None
    await settled(suite, lambda: moved() and process in suite.ingestion.done)
    stopping.set()
    await running
    assert bytes(suite.ingestion.received[process]) == DATA
    assert suite.uploads.work[process].delivery.failures == 0


async def test_paused_processes_hold_no_place() -> None:
    """Four of one tenant are paused, and have more files than there are places; a small file is delivered."""
    suite = Suite()
    paused = {await suite.uploaded() for _ in range(4)}
    begin, asked = suite.ingestion.begin, 0

    async def begins(delivery: Delivery) -> int | None:
        nonlocal asked
        if delivery.process_id in paused:
            asked += 1
            raise IngestionPausedError
        return await begin(delivery)

    suite.ingestion.begin = begins  # type: ignore[method-assign]
    stopping = asyncio.Event()
    running = asyncio.create_task(suite.worker().run(stopping))
    await settled(suite, lambda: asked >= 4)
    small = await suite.uploaded()
    await settled(suite, lambda: small in suite.ingestion.done)

    resumed = set(paused)
    paused.clear()

    def moved() -> bool:
        suite.clock.time = max(suite.clock.time, *(suite.uploads.work[one].due for one in resumed))
        return resumed <= suite.ingestion.done

    await settled(suite, moved)
    stopping.set()
    await running
    assert all(suite.uploads.work[process].delivery.failures == 0 for process in resumed)
