"""What a verification refuses: when there is no place, and when the process changes under it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from ingestor.access.scope import within
from ingestor.runtime.clock import SystemClock
from ingestor.runtime.errors import FailedPreconditionError, ResourceExhaustedError
from ingestor.services.processor.batches import RowBatch
from ingestor.services.processor.verification.ports import (
    Counts,
    LedgerBatch,
    ProcessRecord,
    Statements,
    StoredContent,
)
from ingestor.services.processor.verification.service import News, VerificationService

TIME = datetime(2026, 11, 30, 12, tzinfo=UTC)
EMPTY = ProcessRecord(
    "p", "default", "a.csv", 0, "", 0, "COMPLETED", True, False, "", (), Counts(0, 0, 0, 0, 0),
    TIME, TIME, TIME,
)  # fmt: skip


class Said(Statements):
    """Says of a process without rows what it is told to, when it is let."""

    def __init__(self) -> None:
        self.record = EMPTY
        self.waiting = 0
        self.may_go_on = asyncio.Event()

    async def process(self, process_id: str) -> ProcessRecord:
        return self.record

    async def ledger(self, process_id: str) -> AsyncGenerator[LedgerBatch, None]:
        self.waiting += 1
        try:
            await self.may_go_on.wait()
        finally:
            self.waiting -= 1
        batches: tuple[LedgerBatch, ...] = ()
        for batch in batches:
            yield batch

    async def stored(self, process_id: str) -> AsyncGenerator[StoredContent | RowBatch | None, None]:
        yield None


class NoRepairs:
    async def repairs_of(self, process_id: str) -> tuple[()]:
        return ()


def service_of(said: Said, most: int = 2) -> VerificationService:
    """A service that asks for nothing else: a process without rows has no file and no table."""
    nothing = cast(Any, None)
    return VerificationService(
        said, cast(Any, NoRepairs()), nothing, nothing, nothing, SystemClock(), None, most=most, patience=0.01
    )


async def verify(service: VerificationService, tenant: str = "default") -> list[News]:
    with within(tenant):
        async with aclosing(service.verify("p")) as news:
            return [one async for one in news]


async def waits(said: Said, count: int) -> None:
    """Wait until so many verifications are under way."""
    async with asyncio.timeout(30):
        while said.waiting != count:
            await asyncio.sleep(0)


async def test_the_last_place_is_for_a_tenant_that_has_none() -> None:
    said = Said()
    service = service_of(said)
    first = asyncio.create_task(verify(service))
    await waits(said, 1)
    with pytest.raises(ResourceExhaustedError) as refused:
        await verify(service)
    assert refused.value.reason == "TOO_MANY_VERIFICATIONS"
    other = asyncio.create_task(verify(service, "acme"))
    await waits(said, 2)
    said.may_go_on.set()
    for one in (first, other):
        result = (await one)[-1].result
        assert result is not None and result.agrees
    await verify(service)


async def test_a_cancelled_one_gives_its_place_back() -> None:
    said = Said()
    service = service_of(said, most=1)
    first = asyncio.create_task(verify(service))
    await waits(said, 1)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert said.waiting == 0
    said.may_go_on.set()
    await verify(service)


@pytest.mark.parametrize("what", ["updated", "expired"])
async def test_a_process_that_changes_meanwhile(what: str) -> None:
    said = Said()
    running = asyncio.create_task(verify(service_of(said)))
    await waits(said, 1)
    change: dict[str, Any] = {"updated": TIME + timedelta(seconds=1), "expired": True}
    said.record = replace(EMPTY, **{what: change[what]})
    said.may_go_on.set()
    with pytest.raises(FailedPreconditionError) as refused:
        await running
    assert refused.value.reason == "PROCESS_CHANGED"
