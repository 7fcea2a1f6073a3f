"""What the queue between orchestrator and processor does, seen from both ends."""

from __future__ import annotations

import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest

from ingestor.access.keyring import SIGNATURE, KeyRing, sign_message
from ingestor.formats import BATCHES, NewerReleaseError
from ingestor.runtime.aws.clients import open_sqs
from ingestor.runtime.aws.queues import MAX_MESSAGE_BYTES, ensure_queues
from ingestor.runtime.observability.tracing import continue_trace
from ingestor.runtime.settings import QueueSettings
from ingestor.services.orchestrator.adapters.sqs_depths import SqsDepths
from ingestor.services.orchestrator.adapters.sqs_rows import SqsRows as SqsOut
from ingestor.services.orchestrator.dispatch import wire as wire_out
from ingestor.services.orchestrator.ingestions import Batch, Content, FileInfo, Layout, RetriedRows
from ingestor.services.orchestrator.ports import Depth, Message, Packed, TooLargeError
from ingestor.services.processor.adapters import sqs_rows as sqs_in
from ingestor.services.processor.adapters.sqs_rows import SqsRows as SqsIn
from ingestor.services.processor.batches import BatchKey, BatchRange, RepairedRows, StoredSlice
from ingestor.services.processor.ports import UnreadableBatchError
from tests.fakes.queue import MemoryQueue

if TYPE_CHECKING:
    from collections.abc import Mapping

    from types_aiobotocore_sqs import SQSClient

PROCESS = str(uuid.UUID(int=7))
LAYOUT = Layout(("id", "näme"), ";", 9, 2, "'")
FILE = FileInfo(PROCESS, "default", "u", "a.csv", 99, "people", 3)
CONTENT = Content("default/u-text", 99, True, "{}")
KEYS = KeyRing.parse("a:first,b:second")
BATCH = Batch(2, 11, 5, 12, 18, 100, 200)
KEY = BatchKey(PROCESS, "default", BatchRange(2, 11, 5, 12, 100, 200))


@dataclass
class Ends:
    """Both ends, and a way to send what is not ours."""

    out: SqsOut | MemoryQueue
    into: SqsIn | MemoryQueue
    send_raw: Callable[[str, Mapping[str, str]], Awaitable[object]]
    depths: SqsDepths | MemoryQueue


@pytest.fixture(params=["sqs", "memory"])
async def ends(request: pytest.FixtureRequest, aws_endpoint: str) -> AsyncIterator[Ends]:
    """A queue of the test's own."""
    if request.param == "memory":
        queue = MemoryQueue(wait_seconds=2)
        yield Ends(queue, queue, lambda body, attributes: queue.send(Packed(body, dict(attributes))), queue)
        return
    name = uuid.uuid4().hex
    async with open_sqs(QueueSettings(aws_endpoint_url=aws_endpoint)) as client:
        await ensure_queues(client, rows=name, dead_letter=f"{name}-dead", events=f"{name}-events")
        url = (await client.get_queue_url(QueueName=name))["QueueUrl"]

        async def send_raw(body: str, attributes: Mapping[str, str]) -> object:
            signed = {**attributes, SIGNATURE: sign_message(KEYS, body, attributes)}
            return await send(client, url, body, signed)

        yield Ends(
            SqsOut(client, name, KEYS),
            SqsIn(client, name, 30, KEYS),
            send_raw,
            SqsDepths(client, name, f"{name}-dead"),
        )


async def send(client: SQSClient, url: str, body: str, attributes: Mapping[str, str]) -> object:
    """Send a message as it is."""
    return await client.send_message(
        QueueUrl=url,
        MessageBody=body,
        MessageAttributes={
            key: {"DataType": "String", "StringValue": value} for key, value in attributes.items()
        },
    )


def message(data: bytes | None, batch: Batch = BATCH) -> Message:
    """A batch of these bytes."""
    return Message(FILE, CONTENT, LAYOUT, batch, data)


async def test_a_batch_goes_through_as_it_is(ends: Ends) -> None:
    data = "1;ä\r\n".encode() * 5
    await ends.out.send(ends.out.pack(message(data)))
    (delivery,) = await ends.into.receive(10)
    assert (delivery.key, delivery.receive_count) == (KEY, 1)
    batch = ends.into.decode(delivery)
    assert (batch.key, batch.data, batch.stored) == (KEY, data, None)
    assert (batch.columns, batch.delimiter, batch.quote) == (LAYOUT.columns, ";", "'")
    assert batch.normal_form
    assert (batch.pipeline, batch.pipeline_version) == ("people", 3)
    await ends.into.delete(delivery)
    await ends.into.delete(delivery)


async def test_only_a_newer_release_can_read_it(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message says what its reader must know, by the newest field that it uses."""
    if isinstance(ends.into, MemoryQueue):
        pytest.skip("a fake has no format")
    tomorrow = replace(BATCHES, since={**BATCHES.since, "RowBatch.normal_form": BATCHES.version + 1})
    with monkeypatch.context() as patching:
        patching.setattr(wire_out, "BATCHES", tomorrow)
        await ends.out.send(ends.out.pack(message(b"x")))
        plain = Message(FILE, replace(CONTENT, normal_form=False), LAYOUT, BATCH, b"x")
        await ends.out.send(ends.out.pack(plain))
    found = list[bool]()
    while len(found) < 2:
        for delivery in await ends.into.receive(10):
            assert delivery.key == KEY  # whoever cannot read it knows what it is about
            try:
                found.append(ends.into.decode(delivery).normal_form)
            except NewerReleaseError:
                with monkeypatch.context() as patching:
                    patching.setattr(sqs_in, "BATCHES", tomorrow)
                    found.append(ends.into.decode(delivery).normal_form)
    assert sorted(found) == [False, True]


async def test_a_claim_check(ends: Ends) -> None:
    await ends.out.send(ends.out.pack(message(None)))
    (delivery,) = await ends.into.receive(1)
    batch = ends.into.decode(delivery)
    assert (batch.data, batch.stored) == (b"", StoredSlice("default/u-text", 100, 200))


@pytest.mark.parametrize("data", [b"x", None])
async def test_batches_of_repairs(ends: Ends, data: bytes | None) -> None:
    parent = str(uuid.UUID(int=9))
    columns = ("id", "", "näme")
    retry = replace(FILE, repairs=parent, retry=True)
    batch = replace(BATCH, retried=RetriedRows((41, 43, 47), 40))
    await ends.out.send(ends.out.pack(Message(retry, CONTENT, LAYOUT, batch, data, columns)))
    await ends.out.send(
        ends.out.pack(Message(replace(FILE, repairs=parent), CONTENT, LAYOUT, BATCH, data, columns))
    )
    await ends.out.send(ends.out.pack(message(data)))
    found: list[RepairedRows | None] = []
    while len(found) < 3:
        for delivery in await ends.into.receive(10):
            found.append(ends.into.decode(delivery).repairs)
            await ends.into.delete(delivery)
    assert sorted(found, key=repr) == sorted(
        [RepairedRows(parent, columns, (41, 43, 47), 40), RepairedRows(parent, columns, (), 0), None],
        key=repr,
    )


async def test_a_limit_on_the_batch(ends: Ends) -> None:
    """Bytes that do not compress: the largest that fits is sent, a larger one refused."""
    noise = random.Random(1)
    with pytest.raises(TooLargeError):
        ends.out.pack(message(noise.randbytes(MAX_MESSAGE_BYTES + 1)))
    largest = 780_000  # a message's bytes in base64 are a third more
    packed = ends.out.pack(message(noise.randbytes(largest)))
    assert len(packed.body) <= MAX_MESSAGE_BYTES
    await ends.out.send(packed)
    (delivery,) = await ends.into.receive(1)
    assert len(ends.into.decode(delivery).data) == largest


async def test_a_message_that_is_handed_back_comes_again(ends: Ends) -> None:
    await ends.out.send(ends.out.pack(message(b"x")))
    (first,) = await ends.into.receive(10)
    await ends.into.hide(first, 0)
    (second,) = await ends.into.receive(10)
    assert second.message_id == first.message_id
    assert second.receive_count == 2
    await ends.into.hide(first, 0)  # an old receipt does no harm
    await ends.into.delete(second)


async def test_a_received_message_is_hidden(ends: Ends) -> None:
    await ends.out.send(ends.out.pack(message(b"x", Batch(1, 1, 1, 2, 3, 0, 1))))
    (first,) = await ends.into.receive(10)
    await ends.out.send(ends.out.pack(message(b"y")))
    (other,) = await ends.into.receive(10)
    assert other.key == KEY
    assert first.key != KEY


async def test_how_full_it_is(ends: Ends) -> None:
    assert await ends.depths.rows() == Depth(0, 0)
    for _ in range(3):
        await ends.out.send(ends.out.pack(message(b"x")))
    (taken,) = await ends.into.receive(1)
    assert await ends.depths.rows() == Depth(2, 1)
    await ends.into.delete(taken)
    assert await ends.depths.rows() == Depth(2, 0)
    assert await ends.depths.dead_letters() == Depth(0, 0)


async def test_dead_letters_are_counted(aws_endpoint: str) -> None:
    name = uuid.uuid4().hex
    async with open_sqs(QueueSettings(aws_endpoint_url=aws_endpoint)) as client:
        await ensure_queues(client, rows=name, dead_letter=f"{name}-dead", events=f"{name}-events")
        dead = SqsOut(client, f"{name}-dead", KEYS)
        await dead.send(dead.pack(message(b"x")))
        depths = SqsDepths(client, name, f"{name}-dead")
        assert (await depths.rows(), await depths.dead_letters()) == (Depth(0, 0), Depth(1, 0))


@pytest.mark.parametrize("kind", ["sqs", "memory"])
async def test_a_message_that_was_received_too_often_is_a_dead_letter(
    request: pytest.FixtureRequest, kind: str
) -> None:
    """It keeps its identifier, and says what batch it is about."""

    async def check(out: SqsOut | MemoryQueue, into: SqsIn | MemoryQueue, dead: SqsIn | MemoryQueue) -> None:
        await out.send(out.pack(message(b"x")))
        received = []
        for _ in range(2):
            (delivery,) = await into.receive(1)
            received.append((delivery.message_id, delivery.receive_count))
            await into.hide(delivery, 0)
        assert await into.receive(1) == []
        (last,) = await dead.receive(1)
        assert (last.message_id, last.key) == (received[0][0], KEY)
        assert [count for _, count in received] == [1, 2]
        assert dead.decode(last).data == b"x"

    if kind == "memory":
        dead = MemoryQueue(wait_seconds=1)
        queue = MemoryQueue(wait_seconds=1, dead_letters_to=dead, most_receives=2)
        await check(queue, queue, dead)
        assert await queue.dead_letters() == Depth(0, 1)
        return
    async with open_sqs(QueueSettings(aws_endpoint_url=request.getfixturevalue("aws_endpoint"))) as client:
        name = uuid.uuid4().hex
        await ensure_queues(
            client, rows=name, dead_letter=f"{name}-dead", events=f"{name}-events", max_receive_count=2
        )
        ends = (SqsIn(client, queue, 30, KEYS) for queue in (name, f"{name}-dead"))
        await check(SqsOut(client, name, KEYS), *ends)


async def test_never_more_than_asked_for(ends: Ends) -> None:
    for _ in range(5):
        await ends.out.send(ends.out.pack(message(b"x")))
    found = await ends.into.receive(2)
    assert 1 <= len(found) <= 2


@pytest.mark.parametrize("body", ["hello", "aGVsbG8=", "KLUv/SAAAQAA", "{}"])
async def test_a_body_that_is_no_batch(ends: Ends, body: str) -> None:
    attributes = ends.out.pack(message(b"x")).attributes
    await ends.send_raw(body, attributes)
    (delivery,) = await ends.into.receive(1)
    assert delivery.key == KEY
    with pytest.raises(UnreadableBatchError):
        ends.into.decode(delivery)


async def test_a_message_that_is_not_ours(ends: Ends) -> None:
    await ends.send_raw("hello", {"process_id": PROCESS})
    (delivery,) = await ends.into.receive(1)
    assert delivery.key is None


Attributes = dict[str, str]
OTHER_PROCESS = str(uuid.UUID(int=8))


def _other(name: str, value: str) -> Callable[[str, Attributes], tuple[str, Attributes]]:
    return lambda body, attributes: (body, {**attributes, name: value})


def _without(name: str) -> Callable[[str, Attributes], tuple[str, Attributes]]:
    return lambda body, attributes: (body, {key: text for key, text in attributes.items() if key != name})


def _signed(keys: KeyRing, purpose: str) -> Callable[[str, Attributes], tuple[str, Attributes]]:
    def sign(body: str, attributes: Attributes) -> tuple[str, Attributes]:
        bare = {name: text for name, text in attributes.items() if name != SIGNATURE}
        parts = [body, *(text for name in sorted(bare) for text in (name, bare[name]))]
        return body, {**bare, SIGNATURE: keys.sign(purpose, *map(str.encode, parts))}

    return sign


FORGED: dict[str, Callable[[str, Attributes], tuple[str, Attributes]]] = {
    "no signature": _without(SIGNATURE),
    "a signature of nobody": _other(SIGNATURE, "a:" + "0" * 64),
    "a signature that is none": _other(SIGNATURE, "\u00e4"),
    "another body": lambda body, attributes: ("A" + body[1:], attributes),
    "another tenant": _other("tenant", "acme"),
    "another process": _other("process_id", OTHER_PROCESS),
    "another batch": _other("batch_number", "3"),
    "another trace": _other("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    "one attribute less": _without("traceparent"),
    "two attributes swapped": lambda body, attributes: (
        body,
        {**attributes, "first_row": attributes["first_line"], "first_line": attributes["first_row"]},
    ),
    "signed for another purpose": _signed(KEYS, "calls"),
    "signed by another key": _signed(KeyRing.parse("a:stolen"), "queue"),
    "signed by a key of another name": _signed(KeyRing.parse("c:first"), "queue"),
}


@pytest.mark.parametrize("how", FORGED)
async def test_a_forged_message_is_not_read(aws_endpoint: str, how: str) -> None:
    async with open_sqs(QueueSettings(aws_endpoint_url=aws_endpoint)) as client:
        name = uuid.uuid4().hex
        await ensure_queues(client, rows=name, dead_letter=f"{name}-dead", events=f"{name}-events")
        url = (await client.get_queue_url(QueueName=name))["QueueUrl"]
        out, into = SqsOut(client, name, KEYS), SqsIn(client, name, 30, KEYS)
        packed = out.pack(message(b"x"))
        attributes = {**packed.attributes, "traceparent": "t"}
        attributes[SIGNATURE] = sign_message(KEYS, packed.body, attributes)
        await send(client, url, packed.body, attributes)
        (real,) = await into.receive(1)
        assert (real.is_authentic, real.key) == (True, KEY)
        await into.delete(real)
        await send(client, url, *FORGED[how](packed.body, attributes))
        (forged,) = await into.receive(1)
        assert (forged.is_authentic, forged.key, forged.body, forged.traceparent) == (False, None, "", None)


def test_a_signature_made_as_in_these_cases_is_valid() -> None:
    """So they fail for their own reason."""
    _, attributes = _signed(KEYS, "queue")("body", {"b": "1", "a": "2"})
    assert attributes[SIGNATURE] == sign_message(KEYS, "body", {"a": "2", "b": "1"})


@pytest.mark.parametrize("signing", ["b:second,a:first", "b:second"])
async def test_keys_are_rotated(aws_endpoint: str, signing: str) -> None:
    """Whatever key of the ring has signed a message, and however many there are."""
    async with open_sqs(QueueSettings(aws_endpoint_url=aws_endpoint)) as client:
        name = uuid.uuid4().hex
        await ensure_queues(client, rows=name, dead_letter=f"{name}-dead", events=f"{name}-events")
        out = SqsOut(client, name, KeyRing.parse(signing))
        await out.send(out.pack(message(b"x")))
        (delivery,) = await SqsIn(client, name, 0, KEYS).receive(1)
        assert (delivery.is_authentic, delivery.key) == (True, KEY)
        (delivery,) = await SqsIn(client, name, 30, KeyRing.parse("a:first")).receive(1)
        assert not delivery.is_authentic


async def test_the_trace_goes_with_the_message(aws_endpoint: str) -> None:
    name = uuid.uuid4().hex
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with open_sqs(QueueSettings(aws_endpoint_url=aws_endpoint)) as client:
        await ensure_queues(client, rows=name, dead_letter=f"{name}-dead", events=f"{name}-events")
        continue_trace(trace)
        out = SqsOut(client, name, KEYS)
        await out.send(out.pack(message(b"x")))
        (delivery,) = await SqsIn(client, name, 30, KEYS).receive(1)
    assert delivery.traceparent is not None
    assert delivery.traceparent.split("-")[1] == trace.split("-")[1]
