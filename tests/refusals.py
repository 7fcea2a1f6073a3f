"""Calls that fail."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from ingestor.runtime.errors import ServiceError, from_rpc_error


async def refusal(call: Any) -> tuple[grpc.StatusCode, str]:
    """Code and reason with which a call fails."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        if hasattr(call, "__aiter__"):
            async for _ in call:
                pass
        else:
            await call
    error = from_rpc_error(failed.value)
    assert isinstance(error, ServiceError), error
    return error.code, error.reason
