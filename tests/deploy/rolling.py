"""Callers of a suite whose services are restarted, and what fails for them."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import signal
import urllib.request
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import google_crc32c
import grpc

from ingestor.local.folder import Folder
from ingestor.local.services import is_serving, service_of
from ingestor.v1 import (
    orchestrator_pb2,
    orchestrator_pb2_grpc,
    pipelines_pb2,
    pipelines_pb2_grpc,
    status_pb2,
    status_pb2_grpc,
    upload_pb2,
    upload_pb2_grpc,
)
from tests.e2e.conftest import Suite

ROOT = Path(__file__).parents[2]
ROWS = b"id,name\n" + b"".join(b"%d,name %d\n" % (row, row) for row in range(50)) + b"x\n"
PIPELINE = json.dumps(
    {
        "name": "rolling",
        "schema": {"fields": [{"name": "id", "type": "integer"}, {"name": "name", "type": "string"}]},
        "sink": {"table": "rolling", "mode": "append"},
    }
)
# The order of a rolling restart: side by side those of two services, but never both instances of one.
ROUNDS = tuple(
    tuple(f"{service}{number}" for service in services)
    for number in ("", "-2")
    for services in (("upload", "status"), ("orchestrator", "processor"))
)
_SECONDS = 30  # for one call
_STREAM_TRIES = 20


@dataclass
class Load:
    """Calls of every kind, by one gRPC channel, and what became of them. `policy`: streams are opened again
    and chunks sent again, as docs/operations/clients.md says; unary calls are left to the channel."""

    channel: grpc.aio.Channel
    policy: bool = True
    done: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    opened_again: Counter[str] = field(default_factory=Counter)
    _known: list[str] = field(default_factory=list)  # processes that have ended
    _stopped: bool = False

    def __post_init__(self) -> None:
        self._uploads = upload_pb2_grpc.UploadServiceStub(self.channel)
        self._status = status_pb2_grpc.StatusServiceStub(self.channel)
        self._pipelines = pipelines_pb2_grpc.PipelineServiceStub(self.channel)
        self._orchestrator = orchestrator_pb2_grpc.OrchestratorServiceStub(self.channel)

    @property
    def calls(self) -> int:
        """How many were made."""
        return self.done.total()

    async def prepare(self) -> None:
        """Make a process and a pipeline to look at."""
        await self._pipelines.ApplyPipeline(pipelines_pb2.ApplyPipelineRequest(document_json=PIPELINE))
        process = await self.upload()
        assert process, self.failed
        await self.watch(process)
        self._known.append(process)

    async def run(self, workers: int) -> None:
        """Call until `stop`."""
        await asyncio.gather(*(self._work(random.Random(number)) for number in range(workers)))

    async def made(self, calls: int) -> None:
        """Return when so many were made."""
        while self.calls < calls:
            await asyncio.sleep(0.1)

    def stop(self) -> None:
        """Let each worker end its turn."""
        self._stopped = True

    async def _work(self, chance: random.Random) -> None:
        while not self._stopped:
            process = chance.choice(self._known)
            for name, method, request in chance.choices(*self._looks(process), k=20):
                await self._call(name, method, request)
            await self.report(process)
            if chance.random() < 0.3:
                new = await self.upload()
                if new and await self.watch(new):
                    self._known = [*self._known[-20:], new]

    def _looks(self, process_id: str) -> tuple[list[tuple[str, Any, Any]], list[int]]:
        """A call of each kind that has one answer, and how often each is made: cheap ones more often."""
        rows = status_pb2.ListRowsRequest(process_id=process_id, page_size=5)
        apply = pipelines_pb2.ApplyPipelineRequest(document_json=PIPELINE)
        pipeline = pipelines_pb2.GetPipelineRequest(name="rolling")
        return [
            ("GetProcess", self._status.GetProcess, status_pb2.GetProcessRequest(process_id=process_id)),
            ("ListProcesses", self._status.ListProcesses, status_pb2.ListProcessesRequest(page_size=5)),
            ("ListRows", self._status.ListRows, rows),
            ("GetPipeline", self._pipelines.GetPipeline, pipeline),
            ("ApplyPipeline", self._pipelines.ApplyPipeline, apply),
            ("GetQueues", self._orchestrator.GetQueues, orchestrator_pb2.GetQueuesRequest()),
            ("GetStorage", self._uploads.GetStorage, upload_pb2.GetStorageRequest()),
        ], [6, 2, 2, 5, 1, 1, 3]

    async def _call(self, name: str, method: Any, request: Any) -> Any:
        """The answer; None for a call that failed."""
        self.done[name] += 1
        try:
            return await method(request, timeout=_SECONDS)
        except grpc.aio.AioRpcError as error:
            self._fail(name, error)
            return None

    def _fail(self, name: str, error: grpc.aio.AioRpcError) -> None:
        self.failed.append(f"{name}: {error.code().name} {error.details()}")

    async def upload(self) -> str:
        """Send a small file by chunks, as a browser does; the process, empty when a call failed."""
        request = upload_pb2.CreateUploadRequest(
            file_name="a.csv", size_bytes=len(ROWS), request_id=str(uuid.uuid4())
        )
        answer = await self._call("CreateUpload", self._uploads.CreateUpload, request)
        if answer is None:
            return ""
        upload_id = answer.upload.upload_id
        if not await self._write(upload_id):
            return ""
        done = await self._call(
            "CompleteUpload",
            self._uploads.CompleteUpload,
            upload_pb2.CompleteUploadRequest(upload_id=upload_id, sha256=hashlib.sha256(ROWS).digest()),
        )
        return str(done.process_id) if done else ""

    async def _write(self, upload_id: str) -> bool:
        """Send the bytes as one chunk. It may have arrived though its call failed, so the committed size says
        where to go on."""
        self.done["WriteChunk"] += 1
        offset = 0
        for attempt in range(_STREAM_TRIES):
            chunk = upload_pb2.FileChunk(
                offset=offset, data=ROWS[offset:], crc32c=google_crc32c.value(ROWS[offset:])
            )
            request = upload_pb2.WriteChunkRequest(upload_id=upload_id, chunk=chunk)
            try:
                await self._uploads.WriteChunk(request, timeout=_SECONDS)
                return True
            except grpc.aio.AioRpcError as error:
                if not self.policy or not _passes(error):
                    self._fail("WriteChunk", error)
                    return False
            self.opened_again["WriteChunk"] += 1
            await asyncio.sleep(_wait(attempt))
            known = await self._call(
                "GetUpload", self._uploads.GetUpload, upload_pb2.GetUploadRequest(upload_id=upload_id)
            )
            if known is None:
                return False
            offset = known.upload.committed_size
            if offset == len(ROWS):
                return True
        self.failed.append("WriteChunk: tried too often")
        return False

    async def watch(self, process_id: str) -> status_pb2.Process | None:
        """Follow a process until it has ended; as it is then, None when the stream failed."""
        request = status_pb2.WatchProcessRequest(process_id=process_id, min_interval_ms=100)
        last: status_pb2.Process | None = None

        def read(answer: status_pb2.WatchProcessResponse) -> bool:
            nonlocal last
            last = answer.process
            return bool(last.HasField("end_time"))

        ended = await self._stream("WatchProcess", lambda: self._status.WatchProcess(request), read)
        return last if ended else None

    async def report(self, process_id: str) -> None:
        """Download a report; a part of one is worth nothing, so it begins from its first byte again."""
        request = status_pb2.DownloadReportRequest(
            process_id=process_id, format=status_pb2.REPORT_FORMAT_CSV, rows=status_pb2.REPORT_ROWS_ALL
        )
        await self._stream(
            "DownloadReport", lambda: self._status.DownloadReport(request, timeout=_SECONDS), lambda _: False,
            complete=True,
        )  # fmt: skip

    async def _stream(
        self, name: str, open_: Callable[[], Any], read: Callable[[Any], bool], *, complete: bool = False
    ) -> bool:
        """Read a stream until `read` says that it is enough; `complete`: or until its end."""
        self.done[name] += 1
        attempt = 0
        while attempt < _STREAM_TRIES:
            call = open_()
            try:
                async for answer in call:
                    attempt = 0
                    if read(answer):
                        return True
                if complete:
                    return True
            except grpc.aio.AioRpcError as error:
                early = "PROCESS_NOT_FOUND" in str(
                    error.trailing_metadata()
                )  # status has not heard of it yet
                if not early and not (self.policy and _passes(error)):
                    self._fail(name, error)
                    return False
                self.opened_again[name] += not early
            finally:
                call.cancel()
            await asyncio.sleep(_wait(attempt))
            attempt += 1
        self.failed.append(f"{name}: opened too often")
        return False


def _passes(error: grpc.aio.AioRpcError) -> bool:
    """Whether to go on after this error: what a stream that was cut ends with."""
    return error.code() in (
        grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
    )  # fmt: skip


def _wait(attempt: int) -> float:
    return float(min(2.0, 0.1 * 2**attempt) * random.uniform(0.8, 1.2))


@asynccontextmanager
async def calling(address: str, workers: int) -> AsyncIterator[Load]:
    """Callers who follow the documented policy, for as long as the context lasts."""
    config = (ROOT / "docs/operations/service-config.json").read_text("utf-8")
    options = [("grpc.service_config", config)]
    async with grpc.aio.insecure_channel(address, options=options) as channel:
        load = Load(channel)
        await load.prepare()
        running = asyncio.create_task(load.run(workers))
        try:
            yield load
        finally:
            load.stop()
            await running


async def restart(suite: Suite, instances: Iterable[str]) -> None:
    """End these instances by SIGTERM, side by side; return when others are in their places and the gateway
    sends calls there. Raises TimeoutError."""
    before = {instance: suite.pid(instance) for instance in instances}
    for pid in before.values():
        os.kill(pid, signal.SIGTERM)
    async with asyncio.timeout(120):
        while any(suite.pid(instance) == pid for instance, pid in before.items()):
            await asyncio.sleep(0.1)
        state = Folder(suite.data).state()
        assert state is not None
        addresses = {instance: state["services"][instance]["address"] for instance in before}
        for instance, address in addresses.items():  # the gateway may not have noticed that it was away
            while not await asyncio.to_thread(is_serving, address, service_of(instance)):
                await asyncio.sleep(0.1)
        while not await asyncio.to_thread(_takes_calls, suite.facts["envoy_admin"], addresses.values()):
            await asyncio.sleep(0.1)


def _takes_calls(admin: str, addresses: Iterable[str]) -> bool:
    with urllib.request.urlopen(f"{admin}/clusters?format=json", timeout=5) as answer:
        clusters = json.load(answer)["cluster_statuses"]
    healthy = set()
    for cluster in clusters:
        for host in cluster.get("host_statuses", ()):
            place = host["address"].get("socket_address")
            status = host["health_status"]
            if place and status.get("eds_health_status") == "HEALTHY" and len(status) == 1:
                healthy.add(f"{place['address']}:{place['port_value']}")
    return healthy.issuperset(addresses)
