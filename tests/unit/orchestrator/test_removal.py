"""Ingestions of removed processes: they go, and what comes late does not make them again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ingestor.removals.ports import Removal
from ingestor.runtime.errors import TransientError
from ingestor.services.orchestrator.ingestions import IngestionState
from ingestor.services.orchestrator.reconciler import Reconciler
from ingestor.services.orchestrator.remover import IngestionRemover
from tests.unit.orchestrator.test_service import Suite


class LaterClock:
    """A clock that is a day ahead."""

    def now(self) -> datetime:
        """Tomorrow."""
        return datetime.now(UTC) + timedelta(days=1)


async def deleted() -> Suite:
    """A process that was dispatched, cancelled and deleted."""
    suite = Suite()
    await suite.deliver()
    await suite.service.cancel(suite.process)
    suite.status.delete(suite.process)
    return suite


async def test_an_ingestion_goes_when_nobody_holds_it() -> None:
    suite = await deleted()
    remover = IngestionRemover(suite.ingestions)
    removal = Removal(1, suite.process, "default", True)
    async with suite.ingestions.hold(suite.process):
        with pytest.raises(TransientError):
            await remover(removal)
    assert await suite.ingestions.get(suite.process) is not None
    for _ in range(2):
        await remover(removal)
        assert await suite.ingestions.get(suite.process) is None


async def test_a_delivery_that_comes_late_is_told_to_stop() -> None:
    suite = await deleted()
    await suite.ingestions.remove(suite.process)
    for content in (None, suite.content):
        assert await suite.service.begin(suite.file, content) == (IngestionState.STOPPED, 0)
        assert await suite.ingestions.get(suite.process) is None
    state = await suite.service.refuse(suite.file, "FILE_EMPTY", "It is empty.")
    assert state is IngestionState.STOPPED
    assert await suite.ingestions.get(suite.process) is None
    assert suite.status.processes == {}


async def test_the_reconciler_removes_what_was_left() -> None:
    suite = await deleted()
    sent = len(suite.queue.sent)
    reconciler = Reconciler(
        suite.ingestions, suite.status, suite.service, LaterClock(), redispatch_seconds=10
    )
    assert await reconciler.reconcile() == 0
    assert await suite.ingestions.get(suite.process) is None
    assert len(suite.queue.sent) == sent
