"""Calls that fail."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from ingestor.runtime.grpc.error_details import error_details


async def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    """Code and reason with which a call fails."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        if hasattr(call, "__aiter__"):
            async for _ in call:
                pass
        else:
            await call
    return failed.value.code(), error_details(failed.value).reason
