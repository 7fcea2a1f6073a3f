"""What the contract tests of sinks share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ingestor.runtime.postgres import PgPool
    from tests.contract.conftest import OpenPool


@pytest.fixture
async def pool(pool_of: OpenPool) -> PgPool:
    """The processor's database."""
    return await pool_of("processor")
