"""Messages that are nearly all one large field."""

from __future__ import annotations

import pytest

from ingestor.internal.v1 import queue_pb2
from ingestor.runtime.protobuf.large_fields import with_large
from ingestor.v1 import upload_pb2


@pytest.mark.parametrize("size", [0, 1, 127, 128, 2**14, 2**20 + 1])
def test_the_message_is_the_one_with_the_field(size: int) -> None:
    data = b"x" * size
    head = queue_pb2.RowBatch(process_id="p", columns=["a", "b"], normal_form=True)
    written = b"".join(with_large(head, "data", data))
    head.data = data
    assert queue_pb2.RowBatch.FromString(written) == head


@pytest.mark.parametrize("size", [1, 120, 2**20])
def test_a_field_may_be_a_message_that_has_one(size: int) -> None:
    data = b"x" * size
    chunk = upload_pb2.FileChunk(offset=7, crc32c=2**32 - 1)
    parts = with_large(
        upload_pb2.WriteUploadRequest(upload_id="u"), "chunk", *with_large(chunk, "data", data)
    )
    assert parts[-1] is data  # it was not copied
    chunk.data = data
    expected = upload_pb2.WriteUploadRequest(upload_id="u", chunk=chunk)
    assert upload_pb2.WriteUploadRequest.FromString(b"".join(parts)) == expected
