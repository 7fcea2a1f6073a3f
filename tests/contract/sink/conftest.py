"""What the contract tests of sinks share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ingestor.services.processor.adapters.tenant_pool import TenantPool

if TYPE_CHECKING:
    from tests.contract.conftest import OpenPool


@pytest.fixture
async def pool(pool_of: OpenPool) -> TenantPool:
    """The processor's database; what runs in its transactions runs as a tenant."""
    return await TenantPool.of(await pool_of("processor"))
