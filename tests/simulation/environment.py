"""What services find around them in the simulation: time, logs, metrics, and what was computed before."""

from __future__ import annotations

import asyncio
import gc
import random
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, TypeVar
from unittest.mock import patch

from prometheus_client import CollectorRegistry

import ingestor.removals.follower as follower
import ingestor.runtime.workers as workers
import ingestor.services.orchestrator.dispatch.flight as flight
import ingestor.services.orchestrator.reconciler as reconciler
import ingestor.services.orchestrator.service as orchestrator
import ingestor.services.processor.dead_letters.handler as dead_letters
import ingestor.services.processor.service as processor
import ingestor.services.processor.worker as worker
import ingestor.services.status.events.publisher as publisher
import ingestor.services.status.service as status
import ingestor.services.upload.delivery as delivery
from ingestor.checking.rows import CheckedRows, check_rows
from ingestor.checking.typed_cells import TypedCells
from ingestor.pipeline_documents import read_stored
from ingestor.pipelines.document import Pipeline
from ingestor.runtime.errors import ServiceError, TransientError
from ingestor.runtime.retry import Retries
from ingestor.services.processor.batches import BatchKey, BatchRange, RowBatch
from ingestor.services.processor.checks.port import ThreadChecks
from ingestor.services.processor.reading import parse, read_batch
from ingestor.services.processor.service import BatchService
from ingestor.tabular.options import parse_options
from ingestor.tabular.records.layout import read_table_head
from ingestor.tabular.text_table import TextTable
from tests.simulation.files import pipeline
from tests.simulation.loop import NodeLoop
from tests.simulation.network import Node

T = TypeVar("T")
START = datetime(2030, 1, 1, tzinfo=UTC)
_LOGS = (
    follower,
    workers,
    flight,
    reconciler,
    orchestrator,
    processor,
    dead_letters,
    worker,
    publisher,
    delivery,
)
# Polling that costs steps and finds nothing: seconds.
_IDLE = 4.0


class NodeClock:
    """The clock of a process."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def now(self) -> datetime:
        """As of the port."""
        return START + timedelta(seconds=self._node.world.now + self._node.skew)


class PlainRetries(Retries):
    """The retries of services, without what counts them."""

    def __init__(self) -> None:
        """Nothing is counted."""

    async def until_done(self, what: str, call: Callable[[], Awaitable[T]]) -> T:
        wait = 0.1
        while True:
            try:
                return await call()
            except TransientError:
                await asyncio.sleep(wait + random.uniform(0, 0.5))
                wait = min(2 * wait, 5.0)


class NoRegistry(CollectorRegistry):
    """Takes every metric, however often."""

    def register(self, collector: Any) -> None:
        """Not kept."""


REGISTRY = NoRegistry()


@cache
def metrics_of(service: str) -> Any:
    """The metrics of a service; all instances share them."""
    made: Any = {"orchestrator": orchestrator, "processor": processor, "status": status}[service]
    found = made.Metrics(REGISTRY)
    found.retries = PlainRetries()
    return found


class SimulatedLog:
    """Stands in for the log of a module. Errors that nobody expects are findings."""

    def _tell(self, level: str, event: str, values: dict[str, Any]) -> None:
        loop = asyncio._get_running_loop()
        if not isinstance(loop, NodeLoop) or loop.is_dead:
            return
        error = values.pop("exc_info", None)
        if isinstance(error, Exception) and not isinstance(error, TransientError | ServiceError):
            loop.world.find(f"{loop.name}: {event}: {error!r}")
        elif loop.world.log is not None:
            facts = " ".join(f"{name}={value}" for name, value in values.items())
            loop.world.log.append(f"{loop.world.now:9.3f} {loop.name} [{level}] {event} {facts}")

    def log(self, level: int, event: str, **values: Any) -> None:
        """As of structlog."""
        self._tell(str(level), event, values)

    def debug(self, event: str, **values: Any) -> None:
        """As of structlog."""
        self._tell("debug", event, values)

    def info(self, event: str, **values: Any) -> None:
        """As of structlog."""
        self._tell("info", event, values)

    def warning(self, event: str, **values: Any) -> None:
        """As of structlog."""
        self._tell("warning", event, values)

    def error(self, event: str, **values: Any) -> None:
        """As of structlog."""
        self._tell("error", event, values)


@cache
def _read(
    bounds: BatchRange, data: bytes, name: str, columns: tuple[str, ...]
) -> tuple[TextTable, CheckedRows]:
    batch = RowBatch(BatchKey("", "default", bounds), columns, name, 1, ",", data, None)
    of = pipeline(name).evolved(columns) if name else None
    table = parse(batch, data, of)
    return table, check_rows(table, columns, of)


@cache
def _text(bounds: BatchRange, data: bytes, columns: tuple[str, ...]) -> TextTable:
    return read_batch(RowBatch(BatchKey("", "default", bounds), columns, "", 0, ",", data, None), data)


def _known_text(batch: RowBatch, data: bytes) -> TextTable:
    """As `read_batch`, of a batch that was read before."""
    return _text(batch.key.range, data, batch.columns)


class KnownChecks(ThreadChecks):
    """What was found of a batch before: it depends on nothing else."""

    def __init__(self) -> None:
        self._checked: CheckedRows | None = None

    async def parse(self, batch: RowBatch, data: bytes, of: Pipeline | None) -> TextTable:
        """As of Checks."""
        table, self._checked = _read(batch.key.range, data, batch.pipeline, batch.columns)
        return table

    async def check(
        self, table: TextTable, columns: Sequence[str], of: Pipeline | None, *, typed: TypedCells
    ) -> CheckedRows:
        """As of Checks, of the table that was read last."""
        assert self._checked
        return self._checked


class SimulatedBatches(BatchService):
    """The real one, with what is known."""

    async def apply(self, batch: RowBatch, checks: Any = None) -> None:
        """As of BatchService."""
        await super().apply(batch, KnownChecks())


@contextmanager
def simulated() -> Iterator[None]:
    """Let the services of this process run in simulations while that lasts, each faster than real."""
    state = random.getstate()
    with ExitStack() as stack:
        log = SimulatedLog()
        for module in _LOGS:
            stack.enter_context(patch.object(module, "log", log))
        stack.enter_context(patch.object(orchestrator, "read_stored", cache(read_stored)))
        stack.enter_context(patch.object(orchestrator, "parse_options", cache(parse_options)))
        stack.enter_context(patch.object(orchestrator, "read_table_head", cache(read_table_head)))
        stack.enter_context(patch.object(processor, "read_batch", _known_text))
        stack.enter_context(patch.object(publisher, "_IDLE_SECONDS", _IDLE))
        enabled = gc.isenabled()
        gc.disable()  # between steps no abandoned task is collected, which would do something
        try:
            yield
        finally:
            random.setstate(state)
            if enabled:
                gc.enable()
            gc.collect()
