"""Page tokens of the list of keys hold a time."""

from __future__ import annotations

from typing import Any

import pytest

from ingestor.access.scope import tenant
from ingestor.runtime.clock import SystemClock
from ingestor.runtime.errors import InvalidArgumentError
from ingestor.runtime.grpc.requests import make_token
from ingestor.services.status.access.service import AccessService


@pytest.mark.parametrize("position", ["", "yesterday ing_x", "0001-01-01T00:00:00+23:59 ing_x"])
async def test_a_time_that_no_key_has_is_refused(position: str) -> None:
    nothing: Any = None  # nothing is asked
    service = AccessService(
        nothing, nothing, nothing, nothing, nothing, SystemClock(), platform_tenant="default"
    )
    with pytest.raises(InvalidArgumentError, match="page token"):
        await service.keys(make_token(f"{tenant()} keys", position), 10)
