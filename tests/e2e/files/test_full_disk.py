"""A suite whose disk of files becomes full: no new file is taken, and what runs comes to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import google_crc32c
import grpc
import pytest

from ingestor import Client
from ingestor.runtime.grpc.error_details import error_details
from ingestor.v1 import upload_pb2, upload_pb2_grpc
from tests.e2e.conftest import Suite, running, wait_until
from tests.e2e.tables import write_readings
from tests.small_disk import free_bytes, small_disk

MEGABYTE = 2**20


@pytest.fixture
def tight(tmp_path: Path) -> Iterator[Suite]:
    """A suite with a disk of 48 MiB for its files."""
    data = tmp_path / "data"
    with small_disk(data / "files", 48), running(data, INGESTOR_PAGE_DIR=str(tmp_path)) as started:
        yield started


def refused(call: Callable[[], object], reason: str) -> str:
    """The message of a refused call."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    error = caught.value
    assert isinstance(error, grpc.Call)
    details = error_details(error)
    assert (error.code(), details.reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, reason)
    return error.details() or ""


def test_a_disk_is_full_before_it_is_full(tight: Suite, tmp_path: Path) -> None:
    files = tight.data / "files"
    readings = write_readings(tmp_path / "r.csv", 100_000)
    with Client(tight.gateway) as client, grpc.insecure_channel(tight.gateway) as channel:
        uploads = upload_pb2_grpc.UploadServiceStub(channel)
        process = client.ingest(readings)

        def create(size: int = 0) -> str:
            request = upload_pb2.CreateUploadRequest(file_name="x.csv", size_bytes=size)
            return str(uploads.CreateUpload(request).upload.upload_id)

        message = refused(lambda: create(100 * 2**30), "STORE_FULL")
        assert "the file needs 107,374,182,400, and open uploads of the tenant have announced 0." in message
        announced = create(10 * MEGABYTE)
        assert "have announced 10,485,760." in refused(lambda: create(36 * MEGABYTE), "STORE_FULL")

        junk, piece = create(), b"1,2\n" * (MEGABYTE // 4)

        def write(number: int, upload_id: str = junk) -> None:
            chunk = upload_pb2.FileChunk(
                offset=number * MEGABYTE, data=piece, crc32c=google_crc32c.value(piece)
            )
            uploads.WriteChunk(upload_pb2.WriteChunkRequest(upload_id=upload_id, chunk=chunk))

        def fill() -> None:
            for number in count():
                write(number)

        assert "the bytes sent so far are kept" in refused(fill, "STORE_FULL")
        # What has not been sent is no reason to stop; the reserve is.
        assert 4.5 * MEGABYTE < free_bytes(files) < 6 * MEGABYTE
        (files / "other").write_bytes(b"x" * (free_bytes(files) - 4 * MEGABYTE))
        refused(create, "STORE_FULL")
        done = upload_pb2.CompleteUploadRequest(upload_id=junk)
        assert "only its reserve left" in refused(lambda: uploads.CompleteUpload(done), "STORE_FULL")

        assert process.wait().state == "COMPLETED"
        assert process.counts.succeeded == 100_000

        def storage() -> upload_pb2.GetStorageResponse:
            return uploads.GetStorage(upload_pb2.GetStorageRequest())

        there = sum(path.stat().st_size for path in (files / "default").iterdir())
        wait_until(lambda: storage().stored_bytes == there, "the bytes that are there")
        assert there > 35 * MEGABYTE
        assert storage().free_bytes == 0

        uploads.AbortUpload(upload_pb2.AbortUploadRequest(upload_id=junk))
        write(0, announced)
        assert client.ingest(readings).wait().state == "COMPLETED"


def test_open_uploads_are_bounded_without_a_quota(tmp_path: Path) -> None:
    bounds = {"INGESTOR_MAX_OPEN_UPLOADS": "3", "INGESTOR_MAX_ANNOUNCED_BYTES": str(10 * MEGABYTE)}
    with (
        running(tmp_path / "data", INGESTOR_PAGE_DIR=str(tmp_path), **bounds) as suite,
        grpc.insecure_channel(suite.gateway) as channel,
    ):
        uploads = upload_pb2_grpc.UploadServiceStub(channel)

        def create(size: int) -> None:
            uploads.CreateUpload(upload_pb2.CreateUploadRequest(file_name="x.csv", size_bytes=size))

        create(6 * MEGABYTE)
        assert "have announced 6,291,456 bytes" in refused(lambda: create(5 * MEGABYTE), "QUOTA_EXCEEDED")
        create(4 * MEGABYTE)
        create(0)
        assert "all of its 3 open uploads" in refused(lambda: create(0), "QUOTA_EXCEEDED")
        with Client(suite.gateway) as client:
            shown = {quota.name: (quota.used, quota.limit) for quota in client.access.quotas()}
        assert shown["bytes_announced"] == (10 * MEGABYTE, 10 * MEGABYTE)
        assert shown["open_uploads"] == (3, 3)
