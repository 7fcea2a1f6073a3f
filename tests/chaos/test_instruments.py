"""The instruments of chaos themselves."""

from __future__ import annotations

import asyncio
import base64
import json
from dataclasses import replace

import pytest
import zstandard

from bench.soak.footprint import Footprint
from bench.soak.growth import Holdings, compare
from ingestor.access.keyring import SIGNATURE, KeyRing, is_signed, sign_message
from ingestor.internal.v1 import queue_pb2
from tests.chaos.links.previous import as_before
from tests.chaos.links.tcp import TcpLink

KEYS = KeyRing.parse("one:" + "1" * 32)


async def test_a_mute_link_loses_answers_and_no_requests() -> None:
    arrived: asyncio.Queue[bytes] = asyncio.Queue()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(b"yes")
            await writer.drain()
            arrived.put_nowait(data)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    link = TcpLink("127.0.0.1", server.sockets[0].getsockname()[1])
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", await link.start())
        writer.write(b"one")
        assert await reader.read(100) == b"yes"
        assert await arrived.get() == b"one"
        link.mute = True
        writer.write(b"two")
        assert await arrived.get() == b"two"
        link.cut(reset=True)
        with pytest.raises(ConnectionError):
            assert not await reader.read(100)
            raise ConnectionError  # or its end, without an answer
        writer.close()
    finally:
        await link.stop()
        server.close()


def request(batch: queue_pb2.RowBatch) -> bytes:
    body = base64.b64encode(zstandard.ZstdCompressor().compress(batch.SerializeToString())).decode()
    attributes = {"process_id": batch.process_id}
    attributes[SIGNATURE] = sign_message(KEYS, body, attributes)
    named = {name: {"DataType": "String", "StringValue": value} for name, value in attributes.items()}
    return json.dumps({"MessageBody": body, "MessageAttributes": named}).encode()


def test_a_message_of_the_release_before() -> None:
    batch = queue_pb2.RowBatch(process_id="p", data=b"1,2\n", columns=["a", "b"], reader_version=1)
    asked = json.loads(as_before(request(batch), KEYS))
    attributes = {name: value["StringValue"] for name, value in asked["MessageAttributes"].items()}
    assert is_signed(KEYS, asked["MessageBody"], attributes)
    packed = base64.b64decode(asked["MessageBody"])
    found = queue_pb2.RowBatch.FromString(zstandard.ZstdDecompressor().decompress(packed))
    batch.ClearField("reader_version")
    assert found == batch


@pytest.mark.parametrize(
    "sent",
    [
        request(queue_pb2.RowBatch(process_id="p", typed_cells=True, reader_version=2)),
        b'{"MessageBody": "garbage"}',
    ],
    ids=["new", "garbage"],
)
def test_messages_that_it_has_not_sent(sent: bytes) -> None:
    assert as_before(sent, KEYS) == sent


BEFORE = Holdings({"status": Footprint(1, 100 * 2**20, 50, 20, 5, 8)}, {"status": 5}, 1)


def grown(**more: int) -> Holdings:
    was = BEFORE.instances["status"]
    return replace(
        BEFORE,
        instances={"status": replace(was, **{name: getattr(was, name) + by for name, by in more.items()})},
    )


def test_growth_is_noticed() -> None:
    assert not list(compare(BEFORE, BEFORE))
    assert not list(compare(BEFORE, grown(tasks=5, descriptors=5, rss=2**20, connections=3)))
    for more in ({"tasks": 50}, {"descriptors": 50}, {"rss": 2**28}):
        [problem] = compare(BEFORE, grown(**more))
        assert next(iter(more)) in problem
    [problem] = compare(BEFORE, replace(BEFORE, sessions={"status": 9}))
    assert "9 sessions" in problem and "places for 8" in problem
    [problem] = compare(BEFORE, replace(BEFORE, temporary_files=2))
    assert "temporary files: 1, now 2" in problem
