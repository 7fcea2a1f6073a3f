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
from ingestor.client.upload import UploadProgress
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

    def client(self, token: str | None = None) -> AsyncClient:
        """A patient client, of the first tenant unless it has a token."""
        return AsyncClient(self._gateway, patience=_PATIENCE, token=token)

    async def arrive(self) -> None:
        """Prepare everything, and load a small file, so that the suite is warm."""
        self._folder.mkdir(exist_ok=True)
        async with self.client() as client:
            await self.prepare(client)
            for _ in range(4):
                if process := await self.send(client, self.new_file(1_000)):
                    await process.wait(timeout=_PATIENCE)

    async def work(self, stopping: asyncio.Event, people: int) -> None:
        """Work until told to stop and everything is sent."""
        async with self.client() as client:
            await asyncio.gather(*(self._one(client, stopping) for _ in range(people)))

    async def prepare(self, client: AsyncClient) -> None:
        """Store the pipeline, in the client's tenant."""
        while True:
            try:
                await client.pipelines.apply(PIPELINE)
            except IngestorError as error:
                self.note(error)
                await asyncio.sleep(0.2)  # between two tries
            else:
                return

    def new_file(self, rows: int, bad_every: int = 0) -> File:
        """A file that nobody has sent."""
        return File(next(self._numbers), rows, bad_every)

    async def send(self, client: AsyncClient, file: File, writers: int = 1) -> AsyncProcess | None:
        """Send a file, by several `writers` to one upload at once; None when none of them was told that it
        has arrived."""
        path = await asyncio.to_thread(file.write, self._folder)
        self.attempted.append(file)
        found: list[AsyncProcess] = []
        others: list[asyncio.Task[None]] = []

        async def write(resume: str | None = None) -> None:
            try:
                found.append(await client.ingest(path, "chaos", resume=resume, on_upload=join))
            except IngestorError as error:
                self.note(error)

        def join(progress: UploadProgress) -> None:
            while len(others) < writers - 1:
                others.append(asyncio.create_task(write(progress.upload_id)))

        try:
            await write()
            await asyncio.gather(*others)
        finally:
            path.unlink()
        for process in found:
            self.acknowledged[process.id] = file
        return found[0] if found else None

    def note(self, error: IngestorError) -> None:
        """Count what a client was told."""
        self.errors[f"{error.code} {error.reason}".strip()] += 1

    def _next(self, stopping: asyncio.Event) -> File | None:
        if self._sizes:
            rows = self._sizes.pop(self._draw.randrange(len(self._sizes)))
        elif stopping.is_set():
            return None
        else:
            rows = self._draw.choice([1, 100, 1_000, 1_000, 5_000])
        return self.new_file(rows, self._draw.choice([0, 3, 100]))

    async def _one(self, client: AsyncClient, stopping: asyncio.Event) -> None:
        while file := self._next(stopping):
            try:
                if process := await self.send(client, file):
                    await self._act(process)
            except IngestorError as error:
                self.note(error)

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
