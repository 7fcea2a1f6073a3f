"""Two upload services behind a real Envoy, with their files in S3: a browser's chunks go to one of them, and
are put about once."""

from __future__ import annotations

import asyncio
import hashlib
import json
import urllib.request
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import google_crc32c
import grpc
import pytest
from aiobotocore.httpsession import AIOHTTPSession
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from ingestor.gateway.envoy import binary
from ingestor.gateway.render import load
from ingestor.local.children import answers, spawn, stop, wait_ready
from ingestor.local.envoy import render
from ingestor.local.ports import LOOPBACK, free_port
from ingestor.local.services import SERVICES
from ingestor.runtime.aws.clients import open_s3
from ingestor.runtime.host import host
from ingestor.runtime.settings import AwsSettings
from ingestor.services.upload.bootstrap import bootstrap
from ingestor.services.upload.settings import UploadSettings
from ingestor.v1 import upload_pb2, upload_pb2_grpc
from tests.conftest import service_dsn

MIB = 2**20
SIZE = 32 * MIB
DATA = b"id,name\n" + b"".join(b"%d,somebody\n" % row for row in range(SIZE // 16))
DATA += b"1,x\n" * ((SIZE - len(DATA)) // 4) + b"\n" * ((SIZE - len(DATA)) % 4)


@dataclass
class Instance:
    """A running upload service."""

    settings: UploadSettings
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    async def start(self) -> None:
        """Serve."""
        self.registry, self.stack = CollectorRegistry(), AsyncExitStack()
        await self.stack.enter_async_context(
            host(self.settings, lambda made: bootstrap(self.settings, made), self.registry)
        )

    @property
    def received(self) -> float:
        """Bytes of files that have come here."""
        return self.registry.get_sample_value("ingestor_bytes_received_total") or 0

    @property
    def answered(self) -> bool:
        """Whether it was asked for an upload."""
        labels = {"method": "/ingestor.v1.UploadService/GetUpload", "code": "NOT_FOUND"}
        return bool(self.registry.get_sample_value("grpc_server_handled_total", labels))


@pytest.fixture
async def instances(database_url: str, aws_endpoint: str) -> AsyncIterator[list[Instance]]:
    """Two, on one database and one bucket."""
    bucket = f"b-{uuid.uuid4().hex}"
    async with open_s3(AwsSettings(aws_endpoint_url=aws_endpoint)) as client:
        await client.create_bucket(Bucket=bucket)
    nobody = f"{LOOPBACK}:{free_port()}"
    found = [
        Instance(
            UploadSettings(
                listen=f"{LOOPBACK}:{free_port()}", metrics_listen="", file_store="s3", s3_bucket=bucket,
                database_url=SecretStr(service_dsn(database_url, "upload")), aws_endpoint_url=aws_endpoint,
                orchestrator_address=nobody, processor_address=nobody, status_address=nobody,
                drain_seconds=1,
            )
        )
        for _ in range(2)
    ]  # fmt: skip
    for instance in found:
        await instance.start()
    yield found
    for instance in found:
        await instance.stack.aclose()


@contextmanager
def gateway(folder: Path, instances: list[Instance]) -> Iterator[tuple[str, str]]:
    """Envoy as it is shipped, before both of them; its host:port, and the URL of its admin interface."""
    port, admin = free_port(), free_port()
    addresses = [instance.settings.listen for instance in instances]
    config = render(
        json.dumps(load()), port=port, admin_port=admin, clusters=dict.fromkeys(SERVICES, addresses)
    )
    path = folder / "envoy.json"
    path.write_text(json.dumps(config), "utf-8")
    log = folder / "envoy.log"
    process = spawn([binary(), "-c", path, "--log-level", "warn", "--use-dynamic-base-id"], log=log)
    try:
        wait_ready(process, lambda: answers(f"http://{LOOPBACK}:{admin}/ready"), what="Envoy", log=log)
        yield f"{LOOPBACK}:{port}", f"http://{LOOPBACK}:{admin}"
    finally:
        stop(process, seconds=5)


@dataclass
class Browser:
    """Sends as the page does: chunk by chunk, and from where the server says."""

    stub: Any
    named: bool = True  # its calls name their upload

    async def send(self, data: bytes, at_half: Any = None) -> str:
        """Send a file, and complete it; its upload. `at_half` runs in the middle."""
        request = upload_pb2.CreateUploadRequest(file_name="a.csv", size_bytes=len(data))
        upload = (await self.stub.CreateUpload(request)).upload
        about = (("ingestor-upload", upload.upload_id),) if self.named else ()
        at = 0
        while at < len(data):
            piece = data[at : at + MIB]
            chunk = upload_pb2.FileChunk(offset=at, data=piece, crc32c=google_crc32c.value(piece))
            more = at + len(piece) < len(data)
            request_ = upload_pb2.WriteChunkRequest(upload_id=upload.upload_id, chunk=chunk, more=more)
            try:
                answer = await self.stub.WriteChunk(request_, metadata=about, timeout=60)
                at = answer.received_size
            except grpc.aio.AioRpcError as error:
                if error.code() not in (
                    grpc.StatusCode.FAILED_PRECONDITION, grpc.StatusCode.UNAVAILABLE
                ):  # fmt: skip
                    raise
                at = await self.committed(upload.upload_id, about)
            if at_half is not None and at >= len(data) // 2:
                await at_half(upload.upload_id)
                at_half = None
        await self.stub.CompleteUpload(
            upload_pb2.CompleteUploadRequest(
                upload_id=upload.upload_id, sha256=hashlib.sha256(data).digest()
            ),
            metadata=about, timeout=120,
        )  # fmt: skip
        return str(upload.upload_id)

    async def committed(self, upload_id: str, about: tuple[tuple[str, str], ...]) -> int:
        """Where to go on, asked until somebody answers: the gateway sees an end after a while."""
        request = upload_pb2.GetUploadRequest(upload_id=upload_id)
        async with asyncio.timeout(60):
            while True:
                try:
                    answer = await self.stub.GetUpload(request, metadata=about)
                    return int(answer.upload.committed_size)
                except grpc.aio.AioRpcError as error:
                    if error.code() is not grpc.StatusCode.UNAVAILABLE:
                        raise
                    await asyncio.sleep(0.2)  # between two tries


@pytest.fixture
async def stub(tmp_path: Path, instances: list[Instance]) -> AsyncIterator[Any]:
    """The upload service, through the gateway, once that sends calls to both instances."""
    with gateway(tmp_path, instances) as (address, admin):
        async with asyncio.timeout(60):
            while await asyncio.to_thread(_healthy_uploads, admin) < len(instances):
                await asyncio.sleep(0.1)  # between two looks
        async with grpc.aio.insecure_channel(address) as channel:
            made: Any = upload_pb2_grpc.UploadServiceStub(channel)
            async with asyncio.timeout(60):
                # Envoy's threads hear up to a second later that an instance is healthy.
                while not all(instance.answered for instance in instances):
                    with suppress(grpc.aio.AioRpcError):
                        await made.GetUpload(upload_pb2.GetUploadRequest(upload_id=str(uuid.uuid4())))
            yield made


def _healthy_uploads(admin: str) -> int:
    """How many instances the gateway takes for healthy."""
    with urllib.request.urlopen(f"{admin}/clusters?format=json", timeout=10) as answer:
        clusters = json.load(answer)["cluster_statuses"]
    return sum(
        host_["health_status"].get("eds_health_status") == "HEALTHY"
        and not {"failed_active_health_check", "pending_active_hc"} & host_["health_status"].keys()
        for cluster in clusters
        if cluster["name"] == "upload"
        for host_ in cluster.get("host_statuses", [])
    )


@pytest.fixture
def put_bytes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the bodies of all PUT requests, as they go out."""
    found: list[int] = []
    send = AIOHTTPSession.send

    async def counted(session: AIOHTTPSession, request: Any) -> Any:
        if request.method == "PUT":
            found.append(int(request.headers.get("Content-Length") or len(request.body or b"")))
        return await send(session, request)

    monkeypatch.setattr(AIOHTTPSession, "send", counted)
    return found


async def test_what_a_browser_sends_is_put_about_once(
    stub: Any, instances: list[Instance], put_bytes: list[int]
) -> None:
    await Browser(stub).send(DATA)
    assert sorted(one.received for one in instances) == [0, len(DATA)]  # one of them has all of it
    assert len(DATA) <= sum(put_bytes) <= 40 * MIB


async def test_uploads_are_spread(stub: Any, instances: list[Instance]) -> None:
    await asyncio.gather(*(Browser(stub).send(DATA[: 2 * MIB]) for _ in range(16)))
    assert all(one.received >= 2 * MIB for one in instances)


async def test_an_old_page_gets_through_as_well(stub: Any, instances: list[Instance]) -> None:
    """Its calls name no upload, so they come to both instances; what waits at the other one is sent again."""
    await Browser(stub, named=False).send(DATA[: 3 * MIB + 5])
    assert sum(one.received for one in instances) >= 3 * MIB


async def test_the_instance_is_stopped_in_the_middle(stub: Any, instances: list[Instance]) -> None:
    async def stop_it(upload_id: str) -> None:
        (holder,) = (one for one in instances if one.received)
        await holder.stack.aclose()

    await Browser(stub).send(DATA[: 12 * MIB], at_half=stop_it)
