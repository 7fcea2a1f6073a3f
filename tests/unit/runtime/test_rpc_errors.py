"""Which errors of calls between services may pass."""

from __future__ import annotations

import grpc
import pytest

from ingestor.runtime.errors import ServiceError, TransientError, from_rpc_error

PASSING = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "UNKNOWN", "INTERNAL", "UNAUTHENTICATED"}


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_codes(code: grpc.StatusCode) -> None:
    none = grpc.aio.Metadata()
    found = from_rpc_error(grpc.aio.AioRpcError(code, none, none, "it is so"))
    if code.name in PASSING:
        assert isinstance(found, TransientError)
    else:
        assert isinstance(found, ServiceError)
        assert found.code is code
