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
from typing import Any, TypeVar
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import psutil
from botocore.exceptions import BotoCoreError, ClientError

from ingestor.local.access import Access, make_tenants, open_access
from ingestor.local.children import last_line, rotate
from ingestor.local.envoy import Envoy
from ingestor.local.errors import SuiteError
from ingestor.local.folder import Folder
from ingestor.local.memory_group import MemoryGroup, memory_group
from ingestor.local.ministack import MiniStack
from ingestor.local.oidc.provider import DemoProvider
from ingestor.local.ports import LOOPBACK, free_port, is_free
from ingestor.local.postgres import EmbeddedPostgres
from ingestor.local.services import CONVERTER, OPERATOR, SERVICES, Endpoints, ServiceProcess, service_of
from ingestor.local.tls.postgres import PostgresTls
from ingestor.local.tls.suite import AWS, POSTGRES, WITHOUT_TLS, SuiteTls, open_tls
from ingestor.local.web import WebProcess
from ingestor.provisioning.database import NotAllowedError, provision, provision_without_roles
from ingestor.provisioning.reader import make_reader
from ingestor.provisioning.table_schemas import TableSchemaSettings
from ingestor.runtime.errors import TransientError
from ingestor.runtime.settings import AwsSettings, load_settings
from ingestor.web.page import find_page

A = TypeVar("A", bound=AwsSettings)
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


@dataclass(frozen=True)
class RunningSuite:
    """A suite that serves calls."""

    folder: Folder
    envoy: Envoy
    services: list[ServiceProcess]
    web: WebProcess | None  # None: the page was never built
    provider: DemoProvider | None  # None: nobody signs in, or elsewhere
    save: Callable[[], None]  # writes the state file again, after a restart
    tls: SuiteTls | None = None

    @property
    def supervised(self) -> Sequence[ServiceProcess | WebProcess | DemoProvider]:
        """The processes that are restarted when they end."""
        return [*self.services, *(process for process in (self.web, self.provider) if process)]


@contextmanager
def running(options: Options, say: Say) -> Iterator[RunningSuite]:
    """Start everything; leaving the context stops it in reverse order.

    Raises SuiteError after stopping what was started.
    """
    folder = Folder(options.data)
    folder.prepare(options.least_free_bytes)
    with folder.lock(), ExitStack() as stack:
        if not is_free(options.gateway_port):
            raise SuiteError(
                f"port {options.gateway_port} is in use; choose another for the gateway with --gateway-port"
            )
        ports = folder.ports()
        tls = open_tls(folder) if options.tls else None
        access = open_access(folder, ports, stack, say, gateway_port=options.gateway_port, auth=options.auth)
        external = options.database_direct_url or options.database_url
        admin_dsn = external or _start_postgres(folder, ports, tls, stack, say)
        endpoint = options.aws_endpoint_url
        aws_ca = Path(ca) if (ca := os.environ.get("INGESTOR_AWS_CA")) else None
        if endpoint is None and not options.aws:
            endpoint = _start_ministack(folder, ports, tls, stack, say)
            aws_ca = tls.aws.ca if tls else None
        elif endpoint is not None:  # an emulator may accept any credentials, but the client needs some
            os.environ.setdefault("AWS_ACCESS_KEY_ID", "local")
            os.environ.setdefault("AWS_SECRET_ACCESS_KEY", "local")
        direct = _provision(admin_dsn, folder, external=external is not None)
        databases = direct
        if options.database_direct_url and options.database_url:
            databases = {service: _at(options.database_url, dsn) for service, dsn in direct.items()}
        look_dsn = "" if external else _make_reader(admin_dsn, folder)
        make_tenants(admin_dsn, access.tenants)
        _make_queues(endpoint, aws_ca)
        _make_bucket(endpoint, aws_ca)
        web = _start_web(options, folder, ports, access, tls, stack, say)
        endpoints = _endpoints(
            options, folder, ports, databases, direct, endpoint, aws_ca, access, tls
        )  # fmt: skip
        group = stack.enter_context(memory_group(options.most_memory))
        if group is None:
            say("the memory of the services is not bounded: control groups cannot be made here")
        services = _start_services(folder, endpoints, group, stack, say)
        addresses = {service: endpoints.of(service) for service in SERVICES}
        if web is not None:
            web.wait()
            addresses["web"] = [web.address]
        say("starting Envoy")
        settings = access.gateway.model_copy(update=tls.gateway if tls else WITHOUT_TLS)
        envoy = Envoy(folder.path, port=options.gateway_port, clusters=addresses, settings=settings)
        stack.callback(envoy.stop)
        envoy.start()
        folder.save_ports(ports)

        def save() -> None:
            folder.save_state(_state(options, folder, admin_dsn, look_dsn, access, envoy, services, web, tls))

        stack.callback(folder.forget_state)
        save()
        yield RunningSuite(folder, envoy, services, web, access.provider, save, tls)


def _start_postgres(
    folder: Folder, ports: dict[str, int], tls: SuiteTls | None, stack: ExitStack, say: Say
) -> str:
    """Start the embedded PostgreSQL; the administrator's DSN."""
    say("starting PostgreSQL")
    postgres = EmbeddedPostgres(folder.path / "postgres", ports.get("postgres"), listen=tls is None)
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
    folder: Folder, ports: dict[str, int], tls: SuiteTls | None, stack: ExitStack, say: Say
) -> str:
    """Start MiniStack; its endpoint."""
    say("starting MiniStack (SQS)")
    access_key = folder.password("aws")
    os.environ |= {"AWS_ACCESS_KEY_ID": access_key, "AWS_SECRET_ACCESS_KEY": access_key}
    ministack = MiniStack(
        folder.path / "ministack", ports.get("ministack"), tls.aws if tls else None, access_key
    )
    stack.callback(ministack.stop)
    ministack.start()
    ports["ministack"] = ministack.port
    if tls is not None:

        def start_again() -> None:  # it reads its certificate only then
            ministack.stop()
            ministack.start()

        tls.on_renewed[AWS] = start_again
    return ministack.endpoint


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


def _aws(settings: type[A], endpoint: str | None, ca: Path | None) -> A:
    """The user's settings of AWS, with this endpoint and CA if there are any."""
    known: dict[str, Any] = {"aws_endpoint_url": endpoint, "aws_ca": str(ca) if ca else None}
    return settings(**{name: value for name, value in known.items() if value is not None})


def _make_queues(endpoint: str | None, ca: Path | None) -> None:
    from ingestor.runtime.aws.clients import aws_errors, open_sqs
    from ingestor.runtime.aws.queues import QueueNames, ensure_queues
    from ingestor.runtime.settings import QueueSettings

    async def make() -> None:
        settings = _aws(QueueSettings, endpoint, ca)
        async with open_sqs(settings) as client, aws_errors("SQS"):
            names = QueueNames()
            await ensure_queues(
                client, rows=names.rows_queue, dead_letter=names.rows_dead_letter_queue,
                events=names.events_queue,
            )  # fmt: skip

    try:
        asyncio.run(make())
    except (TransientError, ClientError, BotoCoreError) as error:
        raise SuiteError(f"SQS at {endpoint or 'AWS'} cannot be used: {error}") from error


def _make_bucket(endpoint: str | None, ca: Path | None) -> None:
    """Make the file store's bucket if the store is S3 and the bucket is missing."""
    from ingestor.runtime.aws.buckets import ensure_bucket
    from ingestor.runtime.aws.clients import aws_errors, open_s3
    from ingestor.runtime.settings import FileStoreSettings

    settings = _aws(FileStoreSettings, endpoint, ca)
    if settings.file_store != "s3":
        return

    async def make() -> None:
        async with open_s3(settings) as client, aws_errors("S3"):
            await ensure_bucket(client, settings.s3_bucket)

    try:
        asyncio.run(make())
    except (TransientError, ClientError, BotoCoreError) as error:
        raise SuiteError(f"S3 at {endpoint or 'AWS'} cannot be used: {error}") from error


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
    aws_endpoint_url: str | None,
    aws_ca: Path | None,
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
        aws_endpoint_url=aws_endpoint_url,
        addresses={instance: f"{LOOPBACK}:{ports[instance]}" for instance in instances},
        metrics={instance: f"{LOOPBACK}:{ports[f'{instance}-metrics']}" for instance in instances},
        files=folder.files,
        access={**access.environment, "INGESTOR_INTERNAL_KEYS": access.internal_keys},
        tls=tls.services if tls else {},
        aws_ca=aws_ca,
        receipt_key=folder.receipt_key(),
    )


def _start_services(
    folder: Folder, endpoints: Endpoints, group: MemoryGroup | None, stack: ExitStack, say: Say
) -> list[ServiceProcess]:
    services = [
        ServiceProcess(service_of(instance), instance, endpoints, folder.logs / f"{instance}.log", group)
        for instance in endpoints.metrics
    ]
    say("starting the services")
    for service in services:
        stack.callback(service.stop)
        service.start()
    for service in services:
        service.wait()
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


@dataclass
class Backoff:
    """The wait before a process that has ended is restarted: 0.2 s, doubled up to 10 s, and 0.2 s again after
    the process has run for a minute."""

    seconds: float = 0.2
    started: float = 0.0

    def next(self, now: float) -> float:
        """Seconds to wait after the process has ended at `now`."""
        if now - self.started > 60:
            self.seconds = 0.2
        wait, self.seconds = self.seconds, min(self.seconds * 2, 10.0)
        self.started = now + wait
        return wait


def supervise(suite: RunningSuite, stopping: Callable[[], bool], say: Say) -> None:
    """Restart processes that end, until `stopping()`. Raises SuiteError when Envoy ends."""
    backoffs = {service.instance: Backoff() for service in suite.supervised}
    due: dict[str, float] = {}
    logs_due = 0.0
    while not stopping():
        now = time.monotonic()
        if now >= logs_due:
            logs_due = now + _LOGS_SECONDS
            for log in suite.folder.all_logs():
                rotate(log)
        for service in suite.supervised:
            process = service.process
            if process is None or process.poll() is None:
                continue
            if service.instance not in due:
                due[service.instance] = now + backoffs[service.instance].next(now)
                reason = last_line(service.log)
                say(f"{service.instance} ended with status {process.returncode}, restarting: {reason}")
            elif now >= due[service.instance]:
                del due[service.instance]
                service.start()
                service.restarts += 1
                suite.save()
        if suite.tls:
            suite.tls.renew(say)
        envoy = suite.envoy.process
        if envoy is not None and envoy.poll() is not None:
            raise SuiteError(f"Envoy ended with status {envoy.returncode} (see its log)")
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
