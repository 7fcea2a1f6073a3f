"""gRPC reflection."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from typing import Literal

import grpc
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection


def suite_services(package: str = "ingestor.v1") -> list[str]:
    """Full names of the services in the installed contract. Imports their descriptors, which reflection needs
    to describe them."""
    names = []
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        if module.name.endswith("_pb2"):
            descriptor = importlib.import_module(f"{package}.{module.name}").DESCRIPTOR
            names += [found.full_name for found in descriptor.services_by_name.values()]
    return names


def enable_reflection(
    server: grpc.aio.Server, of: Literal["service", "suite"], own_services: Sequence[str]
) -> None:
    """Let the server describe its own services, or the whole suite's: a gateway asks only one server."""
    names = own_services if of == "service" else suite_services()
    health = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
    reflection.enable_server_reflection([*names, health, reflection.SERVICE_NAME], server)
