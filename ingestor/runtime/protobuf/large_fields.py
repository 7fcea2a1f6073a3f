"""Messages that are nearly all one large field: written without the copies that protobuf makes of it."""

from __future__ import annotations

from google.protobuf.message import Message

_LENGTH_DELIMITED = 2  # protobuf's number for what bytes and messages are


def with_large(message: Message, field: str, *value: bytes) -> list[bytes]:
    """The message as bytes, in parts, with a field (bytes or a message) of this value, itself in parts. Since
    fields may come in any order, it comes last."""
    number = message.DESCRIPTOR.fields_by_name[field].number
    head = message.SerializeToString() + _varint(number << 3 | _LENGTH_DELIMITED)
    return [head + _varint(sum(map(len, value))), *value]


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)
