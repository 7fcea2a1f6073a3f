"""People who send files and do things to processes, while everything breaks."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from contextlib import suppress
from pathlib import Path

from ingestor import AsyncClient
from ingestor.client.aio_process import AsyncProcess
from ingestor.client.errors import IngestorError
from tests.chaos.files import PIPELINE, File

_PATIENCE = 300.0  # a client's
_ACTS = ("none",) * 10 + ("pause", "pause", "cancel", "undo", "delete", "retry")


class People:
    """Send files until so many rows are sent and it is time to stop; small files beside large ones."""

    def __init__(self, gateway: str, folder: Path, draw: random.Random, rows: int) -> None:
        self._gateway = gateway
        self._folder = folder
        self._draw = draw
        self._numbers = itertools.count(1)
        large = [rows // 4, rows // 8, rows // 8]
        self._sizes = [*large, *[max(1, (rows - sum(large)) // 8)] * 8]
        self.attempted: list[File] = []
        self.acknowledged: dict[str, File] = {}
        """By process."""
        self.errors = Counter[str]()
        """What clients were told, by code and reason."""
        self.deleted: set[str] = set()

    async def work(self, stopping: asyncio.Event, people: int) -> None:
        """Work until told to stop and everything is sent."""
        self._folder.mkdir(exist_ok=True)
        async with AsyncClient(self._gateway, patience=_PATIENCE) as client:
            await self._insist(lambda: client.pipelines.apply(PIPELINE))
            await asyncio.gather(*(self._one(client, stopping) for _ in range(people)))

    async def _insist(self, call: object) -> None:
        while True:
            try:
                await call()  # type: ignore[operator]
            except IngestorError as error:
                self._note(error)
                await asyncio.sleep(0.2)  # between two tries
            else:
                return

    def _note(self, error: IngestorError) -> None:
        self.errors[f"{error.code} {error.reason}".strip()] += 1

    def _next(self, stopping: asyncio.Event) -> File | None:
        if self._sizes:
            rows = self._sizes.pop(self._draw.randrange(len(self._sizes)))
        elif stopping.is_set():
            return None
        else:
            rows = self._draw.choice([1, 100, 1_000, 1_000, 5_000])
        return File(next(self._numbers), rows, self._draw.choice([0, 3, 100]))

    async def _one(self, client: AsyncClient, stopping: asyncio.Event) -> None:
        while file := self._next(stopping):
            path = await asyncio.to_thread(file.write, self._folder)
            self.attempted.append(file)
            try:
                process = await client.ingest(path, "chaos")
                self.acknowledged[process.id] = file
                await self._act(process)
            except IngestorError as error:
                self._note(error)
            finally:
                path.unlink()

    async def _act(self, process: AsyncProcess) -> None:
        act = self._draw.choice(_ACTS)
        if act in ("pause", "cancel"):
            await asyncio.sleep(self._draw.uniform(0, 2))  # what a person does
        if act == "cancel":
            await process.cancel()
        if act == "pause":
            try:
                await process.pause()
                await asyncio.sleep(self._draw.uniform(0, 5))  # what a person does
            finally:
                with suppress(IngestorError):
                    await process.resume()
        await process.wait(timeout=_PATIENCE)
        if act == "undo":
            await process.undo()
        if act == "delete":
            self.deleted.add(process.id)  # perhaps, if the answer is lost
            await process.delete()
        if act == "retry" and process.counts.failed:
            await (await process.retry()).wait(timeout=_PATIENCE)
