"""What every inbox and every log of removals does."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from ingestor.removals.pg_inbox import PgRemovalInbox
from ingestor.removals.ports import Removal, RemovalInbox
from tests.fakes.removals import MemoryRemovalInbox

if TYPE_CHECKING:
    from tests.contract.conftest import OpenPool

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def removal(sequence: int, *, deleted: bool = True) -> Removal:
    """A removal of a process of its own."""
    return Removal(sequence, str(uuid.uuid4()), "default", deleted)


@pytest.fixture(params=["upload", "orchestrator", "processor", "memory"])
async def inbox(request: pytest.FixtureRequest, pool_of: OpenPool) -> RemovalInbox:
    """An inbox: in each schema that has one, and in memory."""
    if request.param == "memory":
        return MemoryRemovalInbox()
    return PgRemovalInbox(await pool_of(request.param), request.param)


async def test_what_is_accepted_is_done_once(inbox: RemovalInbox) -> None:
    first, second = removal(3), removal(7, deleted=False)
    assert await inbox.cursor() == 0
    assert await inbox.accept(0, [first, second])
    assert await inbox.cursor() == 7
    assert await inbox.take(NOW, NOW + SECOND) == (first, 1)
    assert await inbox.take(NOW, NOW + SECOND) == (second, 1)
    assert await inbox.take(NOW, NOW + SECOND) is None
    assert await inbox.waiting() == 2
    await inbox.done(3)
    await inbox.done(3)
    assert await inbox.waiting() == 1
    assert await inbox.take(NOW + SECOND, NOW + 2 * SECOND) == (second, 2)  # its holder died


async def test_of_two_instances_one_accepts(inbox: RemovalInbox) -> None:
    found = [removal(1), removal(2)]
    assert await inbox.accept(0, found)
    while taken := await inbox.take(NOW, NOW + SECOND):
        await inbox.done(taken[0].sequence)
    assert not await inbox.accept(0, found)  # late: it would do again what is done
    assert await inbox.waiting() == 0
    assert await inbox.accept(2, [removal(3)])
    assert await inbox.cursor() == 3


async def test_what_is_put_back_comes_last(inbox: RemovalInbox) -> None:
    failing, other = removal(1), removal(2)
    assert await inbox.accept(0, [failing, other])
    assert await inbox.take(NOW, NOW + SECOND) == (failing, 1)
    await inbox.put_back(1, NOW + 5 * SECOND)
    assert await inbox.take(NOW + 2 * SECOND, NOW + 9 * SECOND) == (other, 1)
    assert await inbox.take(NOW + 4 * SECOND, NOW + 9 * SECOND) is None
    assert await inbox.take(NOW + 5 * SECOND, NOW + 9 * SECOND) == (failing, 2)
    await inbox.put_back(99, NOW)  # one that is done meanwhile
