"""Both ways of sending a file through Envoy, cut and taken up again."""

from __future__ import annotations

import hashlib
import http.client
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from ingestor.v1 import common_pb2, status_pb2, upload_pb2, upload_pb2_grpc
from tests.e2e.conftest import Suite, wait_until
from tests.e2e.page.browser import Browser, chunk
from tests.e2e.tables import write_readings


def test_a_browser_sends_chunks_and_watches(connection: http.client.HTTPConnection, tmp_path: Path) -> None:
    data = write_readings(tmp_path / "r.csv", 40_000).read_bytes()
    browser = Browser(connection)
    request = upload_pb2.CreateUploadRequest(file_name="r.csv", size_bytes=len(data))
    upload = browser.unary("UploadService/CreateUpload", request, upload_pb2.CreateUploadResponse).upload
    offset = 0
    while offset < len(data):
        wrong, trailers = browser.call(  # the wrong place is refused and says the right one
            "UploadService/WriteChunk",
            upload_pb2.WriteChunkRequest(upload_id=upload.upload_id, chunk=chunk(data, offset + 1, 10)),
            upload_pb2.WriteChunkResponse,
        )
        assert (wrong, trailers["grpc-status"]) == ([], str(grpc.StatusCode.FAILED_PRECONDITION.value[0]))
        write = upload_pb2.WriteChunkRequest(
            upload_id=upload.upload_id, chunk=chunk(data, offset, upload.max_chunk_size)
        )
        offset = browser.unary(
            "UploadService/WriteChunk", write, upload_pb2.WriteChunkResponse
        ).committed_size
    complete = upload_pb2.CompleteUploadRequest(
        upload_id=upload.upload_id, sha256=hashlib.sha256(data).digest()
    )
    process = browser.unary(
        "UploadService/CompleteUpload", complete, upload_pb2.CompleteUploadResponse
    ).process_id
    seen, trailers = browser.call(
        "StatusService/WatchProcess",
        status_pb2.WatchProcessRequest(process_id=process),
        status_pb2.WatchProcessResponse,
    )
    assert trailers["grpc-status"] == "0"
    assert seen[-1].process.state == common_pb2.PROCESS_STATE_COMPLETED
    assert seen[-1].process.counts.succeeded == 40_000


def test_looking_at_a_file_forks_nothing(
    suite: Suite, connection: http.client.HTTPConnection, tmp_path: Path
) -> None:
    """A child of a fork may crash in gRPC's handlers, which the log shows by lines that are not ours."""
    data = write_readings(tmp_path / "r.csv", 10).read_bytes()
    browser = Browser(connection)
    request = upload_pb2.CreateUploadRequest(file_name="r.csv", size_bytes=len(data))
    upload = browser.unary("UploadService/CreateUpload", request, upload_pb2.CreateUploadResponse).upload
    write = upload_pb2.WriteChunkRequest(upload_id=upload.upload_id, chunk=chunk(data, 0, len(data)))
    browser.unary("UploadService/WriteChunk", write, upload_pb2.WriteChunkResponse)
    for _ in range(5):
        look = upload_pb2.InspectUploadRequest(upload_id=upload.upload_id)
        found = browser.unary("UploadService/InspectUpload", look, upload_pb2.InspectUploadResponse)
        assert found.sampled_rows == 10
    lines = (suite.data / "logs" / "upload.log").read_text("utf-8").splitlines()
    assert [line for line in lines if not line.startswith("{")] == []


async def test_a_cut_stream_goes_on_where_it_stopped(suite: Suite, tmp_path: Path) -> None:
    data = write_readings(tmp_path / "r.csv", 100_000).read_bytes()
    async with grpc.aio.insecure_channel(suite.gateway) as channel:
        stub = upload_pb2_grpc.UploadServiceStub(channel)
        created = await stub.CreateUpload(upload_pb2.CreateUploadRequest(file_name="r.csv"))
        upload_id = created.upload.upload_id

        async def committed() -> int:
            answer = await stub.GetUpload(upload_pb2.GetUploadRequest(upload_id=upload_id))
            return answer.upload.committed_size

        async def send(start: int, end: int, fail: bool) -> AsyncIterator[upload_pb2.WriteUploadRequest]:
            for offset in range(start, end, 70_001):
                size = min(70_001, end - offset)
                yield upload_pb2.WriteUploadRequest(upload_id=upload_id, chunk=chunk(data, offset, size))
            if fail:
                bad = chunk(data, end, 1_000)
                bad.crc32c ^= 1
                yield upload_pb2.WriteUploadRequest(upload_id=upload_id, chunk=bad)

        middle = len(data) // 2
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.WriteUpload(send(0, middle, fail=True))
        assert caught.value.code() is grpc.StatusCode.ABORTED
        assert await committed() == middle  # the bad chunk is dropped, the ones before it are kept

        call: Any = stub.WriteUpload()
        for offset in range(middle, middle + 500_000, 50_000):
            await call.write(
                upload_pb2.WriteUploadRequest(upload_id=upload_id, chunk=chunk(data, offset, 50_000))
            )
        call.cancel()  # the client is gone, its connection with it
        resume = await committed()
        assert middle <= resume <= middle + 500_000
        async for _ in _until_steady(committed):
            resume = await committed()
        answer = await stub.WriteUpload(send(resume, len(data), fail=False))
        assert answer.committed_size == len(data)
        request = upload_pb2.CompleteUploadRequest(upload_id=upload_id, sha256=hashlib.sha256(data).digest())
        process = (await stub.CompleteUpload(request)).process_id
        assert (await stub.CompleteUpload(request)).process_id == process
    answer_json = suite.json("watch", process)
    assert answer_json["counts"]["succeeded"] == 100_000


async def _until_steady(committed: Any) -> AsyncIterator[None]:
    """Yield until two looks in a row agree: the server has noticed that the client is gone."""
    last = -1
    while (now := await committed()) != last:
        last = now
        yield


async def test_a_wrong_hash_is_data_loss(suite: Suite) -> None:
    async with grpc.aio.insecure_channel(suite.gateway) as channel:
        stub = upload_pb2_grpc.UploadServiceStub(channel)
        created = await stub.CreateUpload(upload_pb2.CreateUploadRequest(file_name="r.csv"))
        upload_id = created.upload.upload_id
        await stub.WriteChunk(
            upload_pb2.WriteChunkRequest(upload_id=upload_id, chunk=chunk(b"a,b\n1,2\n", 0, 8))
        )
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.CompleteUpload(
                upload_pb2.CompleteUploadRequest(upload_id=upload_id, sha256=b"\0" * 32)
            )
        assert caught.value.code() is grpc.StatusCode.DATA_LOSS


def test_the_suite_can_be_asked_by_reflection(suite: Suite) -> None:
    """As `grpcurl` and `buf curl` do."""
    import subprocess
    import sys

    buf = Path(sys.executable).with_name("buf")

    def curl(*arguments: str) -> str:
        return subprocess.run(
            [buf, "curl", "--http2-prior-knowledge", "--protocol", "grpc", *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout

    base = f"http://{suite.gateway}"
    listed = curl("--list-methods", base)
    assert "ingestor.v1.UploadService/WriteUpload" in listed
    assert "ingestor.v1.StatusService/GetProcess" in listed
    processes = wait_until(lambda: suite.json("processes")["processes"], "a process")
    process = processes[0]["info"]["process_id"]
    got = curl("--data", f'{{"processId": "{process}"}}', f"{base}/ingestor.v1.StatusService/GetProcess")
    assert process in got
