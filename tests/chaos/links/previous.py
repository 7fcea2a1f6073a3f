"""Messages as the release before has sent them."""

from __future__ import annotations

import base64
import json

import zstandard

from ingestor.access.keyring import SIGNATURE, KeyRing, sign_message
from ingestor.formats import BATCHES
from ingestor.internal.v1 import queue_pb2

_OLD = 1  # the version of the format that every reader knows


def as_before(request: bytes, keys: KeyRing) -> bytes:
    """A request to send a batch, with the batch as an orchestrator sends it that knows neither the newest
    fields nor a reader's version. One that needs a newer reader stays as it is: such were not sent before."""
    asked = json.loads(request)
    attributes = {name: value["StringValue"] for name, value in asked.get("MessageAttributes", {}).items()}
    if SIGNATURE not in attributes:
        return request
    packed = base64.b64decode(asked["MessageBody"])
    batch = queue_pb2.RowBatch.FromString(zstandard.ZstdDecompressor().decompress(packed))
    if BATCHES.needed(batch) > _OLD:
        return request
    known = queue_pb2.RowBatch()
    for field, value in batch.ListFields():
        if BATCHES.since[f"RowBatch.{field.name}"] <= _OLD and field.name != "reader_version":
            known.MergeFrom(queue_pb2.RowBatch(**{field.name: value}))
    body = base64.b64encode(zstandard.ZstdCompressor(level=3).compress(known.SerializeToString())).decode()
    del attributes[SIGNATURE]
    asked["MessageBody"] = body
    asked["MessageAttributes"][SIGNATURE]["StringValue"] = sign_message(keys, body, attributes)
    return json.dumps(asked).encode()
