"""What gRPC reflection tells of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import grpc
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection


def suite_services() -> list[str]:
    """Full names of the suite's services. Their descriptors are loaded with them: reflection answers
    from those that this process knows."""
    from ingestor.v1 import orchestrator_pb2, processor_pb2, status_pb2, upload_pb2

    modules = (upload_pb2, orchestrator_pb2, processor_pb2, status_pb2)
    return [found.full_name for module in modules for found in module.DESCRIPTOR.services_by_name.values()]


def enable_reflection(
    server: grpc.aio.Server, of: Literal["service", "suite"], own_services: Sequence[str]
) -> None:
    """Let the server describe its own services, or the whole suite's (a gateway asks one of them)."""
    names = own_services if of == "service" else suite_services()
    health = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
    reflection.enable_server_reflection([*names, health, reflection.SERVICE_NAME], server)
