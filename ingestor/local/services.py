"""Runs the services as child processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from ingestor.local.children import spawn, stop, wait_ready
from ingestor.local.memory_group import MemoryGroup
from ingestor.local.tls.ca import Leaf, tls_settings
from ingestor.runtime.grpc.credentials import TlsFiles, channel_credentials, server_name

# In the order in which they start; none waits for another to become ready.
SERVICES = ("status", "orchestrator", "upload", "processor")
CONVERTER = "converter"  # a process of its own in a suite with TLS; else a part of upload
_LAME_DUCK = "3"  # two health checks of the gateway fail
OPERATOR = "operator"  # the name in the certificate of whoever runs the suite


@dataclass(frozen=True)
class Endpoints:
    """The addresses of the parts of a suite, and the folder of its files."""

    databases: Mapping[str, str]  # service -> DSN
    direct: Mapping[str, str]  # the same around a pooler; empty without one
    aws_endpoint_url: str | None
    addresses: Mapping[str, str]  # instance -> host:port
    metrics: Mapping[str, str]  # instance -> host:port
    files: Path
    access: Mapping[str, str]  # settings that say who may call
    tls: Mapping[str, Leaf] = field(default_factory=dict)  # service or "operator" -> certificate
    aws_ca: Path | None = None
    receipt_key: Path | None = None

    def of(self, service: str) -> list[str]:
        """host:port at which callers find each instance of a service that answers calls."""
        if service == "processor" and _only_the_first_serves():
            return [self.addresses[service]]
        ways = _ways()
        return [
            ways.get(address, address)
            for instance, address in self.addresses.items()
            if service_of(instance) == service
        ]

    def target(self, service: str) -> str:
        """What gRPC calls the service by: host:port, or all of them."""
        first, *others = self.of(service)
        return f"ipv4:{','.join([first, *others])}" if others else first


def _ways() -> dict[str, str]:
    """By an instance's address, the one at which callers find it instead: tests put links in between, which
    they can break (INGESTOR_WAYS, address=address,...). Never set elsewhere."""
    pairs = (part.partition("=") for part in os.environ.get("INGESTOR_WAYS", "").split(",") if part)
    return {address: way for address, _, way in pairs}


def _only_the_first_serves() -> bool:
    """Whether the user has the first processor answer calls only, so that further ones are its workers."""
    return os.environ.get("INGESTOR_PROCESSOR_ROLE") == "api"


def service_of(instance: str) -> str:
    """The service of an instance, such as processor-2."""
    return instance.partition("-")[0]


def environment(service: str, instance: str, endpoints: Endpoints) -> dict[str, str]:
    """The settings of a service as environment variables, with those that the user has set (such as
    INGESTOR_LOG_LEVEL)."""
    ours = {
        "INGESTOR_LISTEN": endpoints.addresses[instance],
        "INGESTOR_METRICS_LISTEN": endpoints.metrics[instance],
        "INGESTOR_FILE_STORE_DIR": str(endpoints.files),
        "INGESTOR_LOG_FORMAT": "json",
        **endpoints.access,
    }
    if service != CONVERTER:
        ours["INGESTOR_DATABASE_URL"] = endpoints.databases[service]
        if endpoints.direct:
            ours["INGESTOR_DATABASE_DIRECT_URL"] = endpoints.direct[service]
    # The user's secrets that the suite's replace, and of the converter, which reads what strangers have sent,
    # those that it has no use for.
    replaced = {*ours, "INGESTOR_DATABASE_URL", "INGESTOR_DATABASE_DIRECT_URL"}
    replaced |= {f"{name}_FILE" for name in replaced}
    variables = {name: value for name, value in os.environ.items() if name not in replaced} | ours
    variables.setdefault("INGESTOR_REFLECTION", "suite")
    if len(endpoints.of(service)) > 1:  # until the gateway sends calls to the others
        variables.setdefault("INGESTOR_LAME_DUCK_SECONDS", _LAME_DUCK)
    if service == "processor" and instance != service and _only_the_first_serves():
        variables["INGESTOR_PROCESSOR_ROLE"] = "worker"
    signs = {"INGESTOR_RECEIPT_KEY", "INGESTOR_RECEIPT_KEY_FILE"}
    if service == "processor" and endpoints.receipt_key and not signs & {*os.environ}:
        variables["INGESTOR_RECEIPT_KEY_FILE"] = str(endpoints.receipt_key)
    if service == "upload" and CONVERTER in endpoints.addresses:
        variables["INGESTOR_CONVERTER_ADDRESS"] = endpoints.target(CONVERTER)
    for other in SERVICES:
        variables[f"INGESTOR_{other.upper()}_ADDRESS"] = endpoints.target(other)
    if endpoints.aws_endpoint_url:
        variables["INGESTOR_AWS_ENDPOINT_URL"] = endpoints.aws_endpoint_url
    if endpoints.aws_ca:
        variables["INGESTOR_AWS_CA"] = str(endpoints.aws_ca)
    return variables | tls_settings(endpoints.tls.get(service))


@dataclass
class ServiceProcess:
    """One service process and its replacements."""

    service: str
    instance: str  # the service's name, or processor-2, ...
    endpoints: Endpoints
    log: Path
    group: MemoryGroup | None = None
    process: subprocess.Popen[bytes] | None = None
    restarts: int = field(default=0)

    def start(self) -> None:
        """Start it, without waiting until it serves."""
        program = f"upload.{CONVERTER}" if self.service == CONVERTER else self.service
        self.process = spawn(
            [sys.executable, "-m", f"ingestor.services.{program}"],
            log=self.log,
            env=environment(self.service, self.instance, self.endpoints),
        )
        if self.group:
            self.group.take(self.process.pid)

    def wait(self) -> None:
        """Wait until it is SERVING. Raises SuiteError when it is not in time."""
        assert self.process is not None
        wait_ready(self.process, self.is_ready, what=self.instance, log=self.log)

    def is_ready(self) -> bool:
        """Whether it is SERVING."""
        address, tls = self.endpoints.addresses[self.instance], self.endpoints.tls.get(OPERATOR)
        return is_serving(address, self.service, tls)

    def stop(self) -> None:
        """Let it drain (25 s) at once, since the gateway has gone already; then kill it."""
        if self.process:
            stop(self.process, signal.SIGINT, seconds=25)


def is_serving(address: str, service: str, tls: Leaf | None = None, timeout: float = 1.0) -> bool:
    """Whether the gRPC server of a service at host:port is SERVING; `tls` is the caller's certificate."""
    with _channel(address, service, tls) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=timeout)
        except grpc.RpcError:
            return False
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def _channel(address: str, service: str, tls: Leaf | None) -> grpc.Channel:
    if tls is None:
        return grpc.insecure_channel(address)
    identity = TlsFiles(tls.certificate, tls.key, tls.ca).current()
    return grpc.secure_channel(address, channel_credentials(identity), options=[server_name(service)])
