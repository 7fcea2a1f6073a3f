"""Streams end with their token."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any

import google_crc32c
import pytest

from ingestor.v1 import access_pb2, authorization_pb2, status_pb2, upload_pb2
from tests.e2e.access.calls import Names
from tests.e2e.access.conftest import VICTIM, AccessSuite

SHORT = 3  # seconds that a token lasts


def _request(method: str) -> Any:
    if method == "StatusService/WatchEvents":
        return status_pb2.WatchEventsRequest()
    return None


@pytest.mark.parametrize("method", ["StatusService/WatchEvents"])
def test_a_watch_ends_with_its_token(access: AccessSuite, victim: Names, method: str) -> None:
    token = access.issuer.token("ann", VICTIM, "viewer", exp=int(time.time()) + SHORT)
    began = time.monotonic()
    answer = access.ask(method, _request(method), token=token, whole=True, timeout=60)
    assert (answer.code, answer.reason) == ("UNAUTHENTICATED", "TOKEN_EXPIRED"), answer
    assert answer.responses, "it watched until then"
    # The services let a token last for as long as clocks may differ.
    assert time.monotonic() - began < SHORT + 35


def test_a_watch_ends_when_its_key_is_revoked(access: AccessSuite, victim: Names) -> None:
    admin = access.issuer.token("ann", VICTIM, "admin")
    made = access.must(
        "AccessService/CreateKey",
        access_pb2.CreateKeyRequest(name="watcher", roles=[authorization_pb2.ROLE_VIEWER]),
        admin,
    )
    request = access_pb2.RevokeKeyRequest(prefix=made.key.prefix)
    revoking = threading.Timer(1, lambda: access.must("AccessService/RevokeKey", request, admin))
    revoking.start()
    answer = access.ask(
        "StatusService/WatchEvents", status_pb2.WatchEventsRequest(), token=made.token, whole=True, timeout=60
    )
    revoking.join()
    assert (answer.code, answer.reason) == ("UNAUTHENTICATED", "KEY_INVALID"), answer
    assert access.ask("StatusService/ListProcesses", token=made.token).code == "UNAUTHENTICATED"


def test_an_upload_ends_with_its_token_and_goes_on(access: AccessSuite, victim: Names) -> None:
    token = access.issuer.token("ann", VICTIM, "uploader", exp=int(time.time()) + SHORT)
    created = access.must(
        "UploadService/CreateUpload", upload_pb2.CreateUploadRequest(file_name="slow.csv"), token
    )
    upload = created.upload.upload_id
    ended = threading.Event()

    def chunks() -> Iterator[upload_pb2.WriteUploadRequest]:
        data = b"id\n1\n"
        yield upload_pb2.WriteUploadRequest(
            upload_id=upload,
            chunk=upload_pb2.FileChunk(offset=0, data=data, crc32c=google_crc32c.value(data)),
        )
        ended.wait(60)  # the client has more to send, and is slow

    class Sent(list[Any]):
        def __iter__(self) -> Iterator[Any]:
            return chunks()

    answer = access.ask("UploadService/WriteUpload", Sent(), token=token, timeout=60)
    ended.set()
    assert (answer.code, answer.reason) == ("UNAUTHENTICATED", "TOKEN_EXPIRED"), answer
    fresh = access.issuer.token("ann", VICTIM, "uploader")
    found = access.must("UploadService/GetUpload", upload_pb2.GetUploadRequest(upload_id=upload), fresh)
    assert found.upload.committed_size == 5
