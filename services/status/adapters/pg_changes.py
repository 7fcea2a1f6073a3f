"""Watches processes through PostgreSQL's NOTIFY, on one connection for all watchers."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import structlog

from ingestor.runtime.errors import TransientError
from ingestor.runtime.postgres.login import Database
from ingestor.runtime.retry import Retries
from ingestor.runtime.workers import pause
from ingestor.services.status.adapters.pg_account import CHANGES_CHANNEL, ENDS_CHANNEL
from ingestor.services.status.ports import Changes

log = structlog.get_logger(__name__)

KEEPALIVE_SECONDS = 20.0  # proxies close streams that are silent for minutes


@dataclass(frozen=True, eq=False)
class _Watcher:
    """What a watcher waits for."""

    changed: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class PgChanges(Changes):
    """Also the worker that listens. It wakes every watcher after a lost connection, when notifications may
    have been missed."""

    name = "changes"

    def __init__(self, database: Database, retries: Retries) -> None:
        self._database = database
        self._retries = retries
        self._watchers: dict[str | None, set[_Watcher]] = defaultdict(set)
        self._stopping = False

    @property
    def watchers(self) -> int:
        """Number of watchers of single processes."""
        return sum(len(found) for process_id, found in self._watchers.items() if process_id is not None)

    async def watch(self, process_id: str | None, min_interval: float = 0.0) -> AsyncIterator[None]:
        watcher = _Watcher()
        loop = asyncio.get_running_loop()
        self._watchers[process_id].add(watcher)
        try:
            while not self._stopping:
                due = loop.time() + min_interval
                yield
                await pause(KEEPALIVE_SECONDS, watcher.changed)
                if (early := due - loop.time()) > 0:
                    await pause(early, watcher.ended)
                watcher.changed.clear()
        finally:
            self._watchers[process_id].discard(watcher)
            if not self._watchers[process_id]:
                del self._watchers[process_id]

    async def run(self, stopping: asyncio.Event) -> None:
        """Listen until `stopping` is set, then end all watchers."""
        listening = asyncio.create_task(self._listen())
        try:
            await stopping.wait()
        finally:
            self._stopping = True
            self._wake_all()
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _listen(self) -> None:
        while True:
            lost = asyncio.Event()
            connection = await self._retries.until_done("database", self._connect)
            try:
                connection.add_termination_listener(lambda _, lost=lost: lost.set())
                await connection.add_listener(CHANGES_CHANNEL, self._heard)
                await connection.add_listener(ENDS_CHANNEL, self._heard)
                self._wake_all()
                await lost.wait()
                log.warning("lost the connection that listens for changes; reconnecting")
            finally:
                connection.terminate()

    async def _connect(self) -> asyncpg.Connection[asyncpg.Record]:
        try:
            return await self._database.connect(
                direct=True, timeout=10, server_settings={"application_name": "ingestor-status-changes"}
            )
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise TransientError(f"listening for changes: {type(error).__name__}: {error}") from error

    def _heard(self, connection: Any, pid: int, channel: str, payload: object) -> None:
        for process_id in (str(payload), None):
            for watcher in self._watchers.get(process_id, ()):
                watcher.changed.set()
                if channel == ENDS_CHANNEL:
                    watcher.ended.set()

    def _wake_all(self) -> None:
        for found in self._watchers.values():
            for watcher in found:
                watcher.changed.set()
                if self._stopping:
                    watcher.ended.set()
