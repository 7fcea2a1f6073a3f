"""Starts the whole suite on this machine, supervises it, and stops it in order."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psutil

from ingestor.local.access import Access, make_tenants, open_access
from ingestor.local.aws.ministack import MiniStack
from ingestor.local.aws.resources import make_bucket, make_queues
from ingestor.local.children import rotate
from ingestor.local.envoy import Envoy
from ingestor.local.errors import SuiteError
from ingestor.local.folder import Folder
from ingestor.local.memory_group import MemoryGroup, memory_group
from ingestor.local.oidc.provider import DemoProvider
from ingestor.local.ports import LOOPBACK, free_port, is_free
from ingestor.local.postgres import EmbeddedPostgres
from ingestor.local.services import CONVERTER, OPERATOR, SERVICES, Endpoints, ServiceProcess, service_of
from ingestor.local.supervision.leftovers import end_leftovers, mark_processes
from ingestor.local.supervision.supervisor import Child, Supervisor
from ingestor.local.tls.postgres import PostgresTls
from ingestor.local.tls.suite import AWS, POSTGRES, WITHOUT_TLS, SuiteTls, open_tls
from ingestor.local.web import WebProcess
from ingestor.provisioning.database import NotAllowedError, provision, provision_without_roles
from ingestor.provisioning.reader import make_reader
from ingestor.provisioning.table_schemas import TableSchemaSettings
from ingestor.runtime.settings import load_settings
from ingestor.web.page import find_page

Say = Callable[[str], None]
SECRETS = ("database_url", "aws_access_key_id", "aws_secret_access_key")  # of the state
_MEMORY, _MEMORY_OF_FURTHER = 2 * 2**30, 2**29  # of the services, and of each that is added to the first four
_LOGS_SECONDS = 1.0  # between two looks at how long logs are


@dataclass(frozen=True)
class Options:
    """The options of `ingestor up`."""

    data: Path
    gateway_port: int
    processors: int = 1
    replicas: int = 1  # of each of the other services
    least_free_bytes: int = 2**30
    database_url: str | None = None  # an external PostgreSQL
    database_direct_url: str | None = None  # the same, if `database_url` leads to a pooler
    aws_endpoint_url: str | None = None  # an external SQS
    aws: bool = False  # AWS itself
    page_dir: str = ""  # of the built page; empty: the checkout's, or the installed one
    tls: bool = False  # everywhere, by a CA of this suite
    auth: bool = False  # people sign in
    memory_bytes: int = 0  # of all services together; 0: by their number

    @property
    def most_memory(self) -> int:
        """Most bytes that all services may have together."""
        further = self.processors - 1 + (self.replicas - 1) * (len(SERVICES) - 1)
        return self.memory_bytes or _MEMORY + further * _MEMORY_OF_FURTHER


@dataclass
class Servers:
    """PostgreSQL and MiniStack, unless the user has others."""

    postgres: EmbeddedPostgres | None = None
    ministack: MiniStack | None = None
    endpoint: str | None = None  # of SQS and S3
    aws_ca: Path | None = None

    @property
    def all(self) -> Sequence[EmbeddedPostgres | MiniStack]:
        """Those of the suite."""
        return [server for server in (self.postgres, self.ministack) if server]

    def make_resources(self) -> None:
        """Make the queues and the bucket that are missing. Raises SuiteError."""
        make_queues(self.endpoint, self.aws_ca)
        make_bucket(self.endpoint, self.aws_ca)


@dataclass(frozen=True)
class RunningSuite:
    """A suite that serves calls."""

    folder: Folder
    envoy: Envoy
    services: list[ServiceProcess]
    web: WebProcess | None  # None: the page was never built
    provider: DemoProvider | None  # None: nobody signs in, or elsewhere
    save: Callable[[], None]  # writes the state file again, after a restart
    servers: Servers
    tls: SuiteTls | None = None

    @property
    def supervised(self) -> Sequence[Child]:
        """The processes that are restarted when they end."""
        others = (*self.servers.all, self.web, self.provider, self.envoy)
        return [*self.services, *(process for process in others if process)]

    @property
    def restore(self) -> Mapping[str, Callable[[], None]]:
        """What an instance that was killed needs when it answers again."""
        ministack = self.servers.ministack
        return {ministack.instance: self.servers.make_resources} if ministack else {}


@contextmanager
def running(options: Options, say: Say) -> Iterator[RunningSuite]:
    """Start everything; leaving the context stops it in reverse order.

    Raises SuiteError after stopping what was started.
    """
    folder = Folder(options.data)
    folder.prepare(options.least_free_bytes)
    with folder.lock(), ExitStack() as stack:
        end_leftovers(folder.path, say)
        mark_processes(folder.path)
        if not is_free(options.gateway_port):
            raise SuiteError(
                f"port {options.gateway_port} is in use; choose another for the gateway with --gateway-port"
            )
        ports = folder.ports()
        servers = Servers(
            endpoint=options.aws_endpoint_url,
            aws_ca=Path(ca) if (ca := os.environ.get("INGESTOR_AWS_CA")) else None,
        )
        tls = open_tls(folder) if options.tls else None
        access = open_access(folder, ports, stack, say, gateway_port=options.gateway_port, auth=options.auth)
        external = options.database_direct_url or options.database_url
        # All that waits for nothing else starts first, and comes up side by side.
        if servers.endpoint is None and not options.aws:
            _start_ministack(folder, ports, tls, stack, say, servers)
        elif servers.endpoint is not None:
            # An emulator may accept any credentials, but the client needs some.
            os.environ.setdefault("AWS_ACCESS_KEY_ID", "local")
            os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "local")
        admin_dsn = external or _start_postgres(folder, ports, tls, stack, say, servers)
        web = _start_web(options, folder, ports, access, tls, stack, say)
        if servers.postgres:
            servers.postgres.wait()
        direct = _provision(admin_dsn, folder, external=external is not None)
        databases = direct
        if options.database_direct_url and options.database_url:
            databases = {service: _at(options.database_url, dsn) for service, dsn in direct.items()}
        look_dsn = "" if external else _make_reader(admin_dsn, folder)
        make_tenants(admin_dsn, access.tenants)
        if servers.ministack:
            servers.ministack.wait()
        servers.make_resources()
        endpoints = _endpoints(options, folder, ports, databases, direct, servers, access, tls)
        group = stack.enter_context(memory_group(options.most_memory))
        if group is None:
            say("the memory of the services is not bounded: control groups cannot be made here")
        services = _start_services(folder, endpoints, group, stack, say)
        addresses = {service: endpoints.of(service) for service in SERVICES}
        if web is not None:
            addresses["web"] = [web.address]
        settings = access.gateway.model_copy(update=tls.gateway if tls else WITHOUT_TLS)
        envoy = Envoy(folder.path, port=options.gateway_port, clusters=addresses, settings=settings)
        stack.callback(envoy.stop)
        envoy.start()
        for child in (*services, *((web,) if web else ()), envoy):
            child.wait()
        folder.save_ports(ports)

        def save() -> None:
            known = _state(options, folder, admin_dsn, look_dsn, access, envoy, services, web, tls)
            known["processes"] = {
                child.instance: {"pid": child.process.pid, "restarts": child.restarts}
                for child in suite.supervised
                if child.process
            }
            folder.save_state(known)

        suite = RunningSuite(folder, envoy, services, web, access.provider, save, servers, tls)
        stack.callback(folder.forget_state)
        save()
        yield suite


def _start_postgres(
    folder: Folder, ports: dict[str, int], tls: SuiteTls | None, stack: ExitStack, say: Say, servers: Servers
) -> str:
    """Start the embedded PostgreSQL, without waiting until it answers; the administrator's DSN."""
    say("starting PostgreSQL")
    postgres = EmbeddedPostgres(folder.path / "postgres", ports.get("postgres"), listen=tls is None)
    servers.postgres = postgres
    stack.callback(postgres.stop)
    postgres.start()
    ports["postgres"] = postgres.port
    if tls is None:
        return postgres.dsn
    before = PostgresTls(postgres.socket, tls.postgres, ports.get("postgres-tls"))
    stack.callback(before.stop)
    before.start()
    tls.on_renewed[POSTGRES] = before.renew
    ports["postgres-tls"] = before.port
    return before.dsn(postgres.password)


def _start_ministack(
    folder: Folder, ports: dict[str, int], tls: SuiteTls | None, stack: ExitStack, say: Say, servers: Servers
) -> None:
    """Start MiniStack, without waiting until it answers."""
    say("starting MiniStack (SQS)")
    access_key = folder.password("aws")
    os.environ |= {"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": access_key}
    ministack = MiniStack(
        folder.path / "ministack", ports.get("ministack"), tls.aws if tls else None, access_key
    )
    stack.callback(ministack.stop)
    ministack.start()
    ports["ministack"] = ministack.port
    servers.ministack, servers.endpoint = ministack, ministack.endpoint
    servers.aws_ca = tls.aws.ca if tls else None
    if tls is not None:

        def start_again() -> None:  # it reads its certificate only then
            ministack.stop()
            ministack.start()
            ministack.wait()

        tls.on_renewed[AWS] = start_again


def _provision(admin_dsn: str, folder: Folder, *, external: bool) -> Mapping[str, str]:
    """A DSN per service: the administrator's for all of them when it may not create roles."""
    passwords = {service: folder.password(service) for service in SERVICES}
    schemas = load_settings(TableSchemaSettings).schemas
    try:
        try:
            return asyncio.run(provision(admin_dsn, passwords, schemas=schemas))
        except NotAllowedError:
            asyncio.run(provision_without_roles(admin_dsn, schemas=schemas))
            return dict.fromkeys(SERVICES, admin_dsn)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        where = "INGESTOR_DATABASE_URL: " if external else ""
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise SuiteError(f"{where}PostgreSQL cannot be used: {reason}") from error


def _make_reader(admin_dsn: str, folder: Folder) -> str:
    """A DSN for looking at the data, by a role that can change nothing."""
    return asyncio.run(make_reader(admin_dsn, folder.password("look")))


def _at(pooler: str, dsn: str) -> str:
    """A DSN, at the pooler."""
    parts, login = urlsplit(pooler), urlsplit(dsn).netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc.rpartition('@')[2]}"))


def _start_web(
    options: Options,
    folder: Folder,
    ports: dict[str, int],
    access: Access,
    tls: SuiteTls | None,
    stack: ExitStack,
    say: Say,
) -> WebProcess | None:
    """Start the page server, which compresses the page while the services start. None without a page."""
    page = find_page(options.page_dir)
    if page is None:
        where = f" in {options.page_dir}" if options.page_dir else ""
        say(f"the page is not built{where}; make setup builds it (with Node.js 20 or later)")
        return None
    ports["web"] = free_port(ports.get("web"))
    web = WebProcess(
        page, f"{LOOPBACK}:{ports['web']}", folder.logs / "web.log", access.environment,
        tls=tls.web if tls else None, operator=tls.services[OPERATOR] if tls else None,
    )  # fmt: skip
    stack.callback(web.stop)
    web.start()
    return web


def _endpoints(
    options: Options,
    folder: Folder,
    ports: dict[str, int],
    databases: Mapping[str, str],
    direct: Mapping[str, str],
    servers: Servers,
    access: Access,
    tls: SuiteTls | None,
) -> Endpoints:
    """Where the services will be, each at a port of its own."""
    instances = [*SERVICES]
    if tls and not os.environ.get("INGESTOR_CONVERTER_ADDRESS"):
        instances.insert(0, CONVERTER)  # so that it ends after those that call it
    for service in SERVICES:
        count = options.processors if service == "processor" else options.replicas
        instances += [f"{service}-{number}" for number in range(2, count + 1)]
    for instance in instances:
        for name in (instance, f"{instance}-metrics"):
            ports[name] = free_port(ports.get(name))
    return Endpoints(
        databases=databases,
        direct=direct if options.database_direct_url else {},
        aws_endpoint_url=servers.endpoint,
        addresses={instance: f"{LOOPBACK}:{ports[instance]}" for instance in instances},
        metrics={instance: f"{LOOPBACK}:{ports[f'{instance}-metrics']}" for instance in instances},
        files=folder.files,
        access={**access.environment, "INGESTOR_INTERNAL_KEYS": access.internal_keys},
        tls=tls.services if tls else {},
        aws_ca=servers.aws_ca,
        receipt_key=folder.receipt_key(),
    )


def _start_services(
    folder: Folder, endpoints: Endpoints, group: MemoryGroup | None, stack: ExitStack, say: Say
) -> list[ServiceProcess]:
    """Start the services, without waiting until they serve."""
    services = [
        ServiceProcess(service_of(instance), instance, endpoints, folder.logs / f"{instance}.log", group)
        for instance in endpoints.metrics
    ]
    say("starting the services and Envoy")
    for service in services:
        stack.callback(service.stop)
        service.start()
    return services


def _state(
    options: Options,
    folder: Folder,
    dsn: str,
    look_dsn: str,
    access: Access,
    envoy: Envoy,
    services: list[ServiceProcess],
    web: WebProcess | None,
    tls: SuiteTls | None,
) -> dict[str, Any]:
    """What `ingestor env` prints, with SECRETS if it is asked for them. `look_dsn`: empty for a database of
    the user's own."""
    url = f"{'https' if tls else 'http'}://{LOOPBACK}:{options.gateway_port}"
    endpoints = services[0].endpoints
    own = endpoints.tls.get(OPERATOR)
    own_aws = not (options.aws or options.aws_endpoint_url)
    page = None
    if web is not None:
        page = {
            "url": f"{url}/",
            "pid": web.process.pid if web.process else None,
            "address": web.address,
            "restarts": web.restarts,
        }
    return {
        "pid": os.getpid(),
        "pid_started": psutil.Process().create_time(),
        "data": str(folder.path),
        "gateway": f"{LOOPBACK}:{options.gateway_port}",
        "gateway_url": url,
        "tls": {
            "ca": str(tls.ca.certificate),
            # With these the services can be called, and nobody's identity but the operator's is shown.
            "cert": str(own.certificate),
            "key": str(own.key),
        }
        if tls and own
        else None,
        "page": page,
        "sign_in": access.state,
        "envoy_admin": envoy.admin,
        "gateway_metrics": envoy.metrics,
        "look_url": look_dsn or None,
        "database_url": dsn,
        "aws_access_key_id": os.environ.get("AWS_ACCESS_KEY_ID") if own_aws else None,
        "aws_secret_access_key": os.environ.get("AWS_SECRET_ACCESS_KEY") if own_aws else None,
        "aws_endpoint_url": endpoints.aws_endpoint_url,
        "aws_ca": str(endpoints.aws_ca) if endpoints.aws_ca else None,
        "logs": str(folder.logs),
        "memory_group": str(services[0].group.folder) if services[0].group else None,
        "services": {
            service.instance: {
                "pid": service.process.pid if service.process else None,
                "address": service.endpoints.addresses[service.instance],
                "metrics": f"http://{service.endpoints.metrics[service.instance]}/metrics",
                "restarts": service.restarts,
            }
            for service in services
        },
    }


def supervise(suite: RunningSuite, stopping: Callable[[], bool], say: Say) -> None:
    """Restart processes that end, until `stopping()`."""
    supervisor = Supervisor(suite.supervised, say, suite.save, suite.restore)
    logs_due = 0.0
    while not stopping():
        now = time.monotonic()
        if now >= logs_due:
            logs_due = now + _LOGS_SECONDS
            for log in suite.folder.all_logs():
                rotate(log)
        supervisor.look()
        if suite.tls:
            suite.tls.renew(say)
        time.sleep(0.1)


def run(options: Options, say: Say, announce: Callable[[], None]) -> None:
    """Run the suite until SIGINT or SIGTERM; a second signal ends it at once.

    Raises SuiteError when it cannot start or continue.
    """
    signals = 0
    os.umask(0o077)  # whatever the suite and its processes write is nobody else's

    def on_signal(number: int, frame: object) -> None:
        nonlocal signals
        signals += 1
        if signals == 1 and not started:
            raise SuiteError("stopped before the suite was ready")
        if signals > 1:
            os._exit(1)  # the children get their death signal

    started = False
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    with running(options, say) as suite:
        started = True
        announce()
        supervise(suite, lambda: signals > 0, say)
        say("stopping")
    sys.stdout.flush()
