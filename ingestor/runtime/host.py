"""Runs a service process: starts it, announces readiness last, drains at SIGTERM, stops in order."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import grpc
import structlog
import uvloop
from grpc_health.v1 import health, health_pb2_grpc
from prometheus_client import CollectorRegistry

from ingestor.runtime.grpc.admission import Admission
from ingestor.runtime.grpc.channel import MESSAGE_OPTIONS
from ingestor.runtime.grpc.credentials import server_credentials
from ingestor.runtime.grpc.health import Check, HealthMonitor
from ingestor.runtime.grpc.interceptors import ServerInterceptor
from ingestor.runtime.grpc.reflection import enable_reflection
from ingestor.runtime.memory import bound_memory, reuse_memory
from ingestor.runtime.observability.http import serve_http
from ingestor.runtime.observability.logs import configure_logging
from ingestor.runtime.observability.metrics import RpcMetrics
from ingestor.runtime.observability.otlp import exporting
from ingestor.runtime.observability.process import LoopLag, observe_certificates
from ingestor.runtime.release import this_release
from ingestor.runtime.retry import silence_stamina
from ingestor.runtime.settings import HostSettings

log = structlog.get_logger(__name__)

_SWITCH_SECONDS = 0.001
_OBJECTS_BETWEEN_COLLECTIONS = 50_000
LEAST_PING_MS = 20_000  # a client that asks more often whether a service is there is cut off
_KEEPALIVE_MS, _KEEPALIVE_TIMEOUT_MS = 20_000, 10_000
_AGE_GRACE_SECONDS = 3600  # after its age a connection ends, with the streams that are still on it


class Worker(Protocol):
    """Background work of a service."""

    name: str

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set, then finish or hand back what is in flight and return.

        An exception ends the process, which its supervisor restarts; so handle expected failures of external
        systems inside.
        """
        ...


@dataclass(frozen=True)
class Service:
    """What a bootstrap gives the host to run."""

    register: Callable[[grpc.aio.Server], None]  # adds the servicers
    grpc_services: tuple[str, ...]  # full names, for health and reflection
    checks: Mapping[str, Check]  # what readiness depends on
    workers: Sequence[Worker] = ()
    interceptors: Sequence[grpc.aio.ServerInterceptor] = ()  # run within the host's own
    of_workers: Mapping[str, Check] = field(default_factory=dict)  # what workers alone wait for


Bootstrap = Callable[[CollectorRegistry], AbstractAsyncContextManager[Service]]


@dataclass(frozen=True)
class RunningService:
    """A service that serves calls."""

    port: int  # of the gRPC server
    metrics_port: int | None
    leave: Callable[[], Awaitable[None]]  # not ready from now on, though calls are answered


@asynccontextmanager
async def host(
    settings: HostSettings, bootstrap: Bootstrap, registry: CollectorRegistry
) -> AsyncIterator[RunningService]:
    """Run a service while the context lasts; drain it at the end: no new calls, those under way finish.

    Raises OSError when an address is in use, and whatever bootstrap raises.
    """
    async with bootstrap(registry) as service:
        server = grpc.aio.server(
            interceptors=[
                ServerInterceptor(RpcMetrics(registry)),
                Admission(settings.max_concurrent_rpcs, settings.max_concurrent_streams, registry),
                *service.interceptors,
            ],
            options=[
                *MESSAGE_OPTIONS,
                ("grpc.so_reuseport", 0),  # a second server on the same port must fail
                ("grpc.http2.min_recv_ping_interval_without_data_ms", LEAST_PING_MS),
                ("grpc.keepalive_permit_without_calls", 1),
                # A client whose machine is gone closes nothing; its calls end soon, with what they hold.
                ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
                ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
                ("grpc.http2.ping_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
                ("grpc.http2.max_pings_without_data", 0),
                *_connection_age(settings.max_connection_age_seconds),
            ],
        )
        observe_certificates(registry, settings.tls)
        health_servicer = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
        service.register(server)
        if settings.reflection != "off":
            enable_reflection(server, settings.reflection, service.grpc_services)
        monitor = HealthMonitor(health_servicer, service.grpc_services, service.checks, service.of_workers)
        await monitor.start()
        try:
            if settings.tls:
                port = server.add_secure_port(settings.listen, server_credentials(settings.tls))
            else:
                log.warning("no TLS between services: INGESTOR_TLS_CERT is not set")
                port = server.add_insecure_port(settings.listen)
        except RuntimeError as error:
            raise OSError(f"cannot listen on {settings.listen}: is the address in use?") from error
        probes = {"/livez": monitor.alive, "/readyz": monitor.ready}
        with serve_http(registry, settings.metrics_listen, probes) as metrics_port:
            await server.start()
            stopping = asyncio.Event()
            running = [
                asyncio.create_task(worker.run(stopping), name=worker.name)
                for worker in (*service.workers, monitor, LoopLag(registry))
            ]
            failed = asyncio.ensure_future(_first_failure(running))
            owner = asyncio.current_task()
            assert owner is not None
            failed.add_done_callback(lambda done: None if done.cancelled() else owner.cancel())
            log.info("started", release=this_release().version, port=port, metrics_port=metrics_port)
            try:
                yield RunningService(port, metrics_port, monitor.leave)
            finally:
                log.info("draining", seconds=settings.drain_seconds)
                worker_error = failed.done() and not failed.cancelled()
                failed.cancel()
                stopping.set()
                await monitor.leave()
                # gRPC and the workers stop together; the bootstrap then closes their dependencies.
                await asyncio.gather(
                    server.stop(settings.drain_seconds), _finish(running, settings.drain_seconds)
                )
                monitor.stop()
                log.info("stopped")
            if worker_error:
                raise RuntimeError("a worker failed")


def _connection_age(seconds: float) -> list[tuple[str, int]]:
    """Options of a server whose clients connect anew from time to time, and so find instances that are new.
    gRPC spreads it by a tenth."""
    if not seconds:
        return []
    return [
        ("grpc.max_connection_age_ms", round(seconds * 1000)),
        ("grpc.max_connection_age_grace_ms", _AGE_GRACE_SECONDS * 1000),
    ]


async def _first_failure(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Log the error of the first worker that raises, and return."""
    pending = set(tasks)
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if not task.cancelled() and (error := task.exception()):
                log.error("worker failed", worker=task.get_name(), exc_info=error)
                return
    await asyncio.Event().wait()


async def _finish(tasks: Sequence[asyncio.Task[None]], seconds: float) -> None:
    """Wait for the tasks, then cancel those that are late."""
    _, late = await asyncio.wait(tasks, timeout=seconds)
    for task in late:
        log.warning("worker did not finish in time", worker=task.get_name())
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _share_the_interpreter() -> None:
    """Let one batch's work in Python hold the others up less."""
    # What waits for the interpreter's lock waits so long each time: a batch that is columns takes it often.
    sys.setswitchinterval(_SWITCH_SECONDS)
    # What is there at the start stays, and rejected rows are many objects without cycles: looking through all
    # of them again and again took a third of the time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS, 20, 20)


async def _run_until_signal(
    settings: HostSettings, bootstrap: Bootstrap, registry: CollectorRegistry
) -> None:
    loop = asyncio.get_running_loop()
    asked: asyncio.Future[signal.Signals] = loop.create_future()

    def on_signal(number: signal.Signals) -> None:
        if asked.done():  # a second signal: exit at once
            os._exit(1)
        asked.set_result(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    async with host(settings, bootstrap, registry) as running:
        _share_the_interpreter()
        by = await asked
        await running.leave()
        if by is signal.SIGTERM and settings.lame_duck_seconds:
            # Whoever balances calls needs a moment to see that this instance leaves.
            log.info("leaving", seconds=settings.lame_duck_seconds)
            await asyncio.sleep(settings.lame_duck_seconds)


def run(service: str, settings: HostSettings, bootstrap: Bootstrap, registry: CollectorRegistry) -> None:
    """Run a service until SIGINT, or until its lame-duck time after SIGTERM has passed; exits with status 1
    when it cannot start or a worker fails."""
    configure_logging(service, settings.log_level, settings.log_format)
    reuse_memory()
    if settings.memory_bytes:
        bound_memory(settings.memory_bytes)
    silence_stamina()
    try:
        with exporting(service):
            uvloop.run(_run_until_signal(settings, bootstrap, registry))
    except asyncio.CancelledError:
        raise SystemExit(1) from None
    except Exception as error:
        log.error("service failed", exc_info=error)
        raise SystemExit(1) from None
