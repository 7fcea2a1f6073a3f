"""Which messages were handed back for a newer release."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from ingestor.access.scope import within
from ingestor.services.processor.adapters.postgres.markers import PgHandedBack, PgProcessRecords
from tests.contract.sink.batches import key

if TYPE_CHECKING:
    from tests.contract.conftest import OpenPool


async def test_it_is_noted_once_and_of_its_tenant_alone(pool_of: OpenPool) -> None:
    handed_back = PgHandedBack(await pool_of("processor"))
    message, of = str(uuid.uuid4()), key()
    assert not await handed_back.is_noted(message, "default")
    await handed_back.note(message, of)
    await handed_back.note(message, of)
    assert await handed_back.is_noted(message, "default")
    assert not await handed_back.is_noted("another", "default")
    with within("acme"):
        assert not await handed_back.is_noted(message, "default")
        assert not await handed_back.is_noted(message, "acme")


async def test_it_goes_with_its_process(pool_of: OpenPool) -> None:
    pool = await pool_of("processor")
    handed_back, of = PgHandedBack(pool), key()
    await handed_back.note("before", of)
    await PgProcessRecords(pool).remove(of.process_id, "default", deleted=False)
    await handed_back.note("after", of)
    assert not await handed_back.is_noted("before", "default")
    assert not await handed_back.is_noted("after", "default")
