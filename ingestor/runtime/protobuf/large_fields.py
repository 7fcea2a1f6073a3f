"""Messages that are nearly all one large field: written without the copies that protobuf makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message

if TYPE_CHECKING:
    import grpc

Answer = TypeVar("Answer", bound=Message)

_LENGTH_DELIMITED = 2  # protobuf's number for what bytes and messages are


def with_large(message: Message, field: str, *value: bytes) -> list[bytes]:
    """The message as bytes, in parts, with a field (bytes or a message) of this value, itself in parts. Since
    fields may come in any order, it comes last."""
    number = message.DESCRIPTOR.fields_by_name[field].number
    head = message.SerializeToString() + _varint(number << 3 | _LENGTH_DELIMITED)
    return [head + _varint(sum(map(len, value))), *value]


def sending_bytes(
    channel: grpc.aio.Channel, service: ServiceDescriptor, method: str, answer: type[Answer]
) -> grpc.aio.StreamUnaryMultiCallable[bytes, Answer]:
    """A method that takes a stream, with requests that are bytes already."""
    return channel.stream_unary(f"/{service.full_name}/{method}", response_deserializer=answer.FromString)


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)
