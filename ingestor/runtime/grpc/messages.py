"""What is wrong with a message before anybody knows what it asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from ingestor.runtime.errors import InvalidArgumentError, UnavailableError
from ingestor.runtime.grpc.requests import wrong

_UNREADABLE, _TOO_LARGE_NOW = object(), object()


def lenient(deserializer: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
    """A deserializer that leaves it to `readable` to refuse bytes that are no message, or for which there is
    no memory now: gRPC would answer INTERNAL."""
    if deserializer is None:
        return None

    def read(data: bytes) -> Any:
        try:
            return deserializer(data)
        except MemoryError:
            return _TOO_LARGE_NOW
        except DecodeError as error:
            return _TOO_LARGE_NOW if "alloc failed" in str(error) else _UNREADABLE

    return read


def readable(request: Any) -> Any:
    """The request, or the requests of a stream. Raises InvalidArgumentError when one is no message,
    UnavailableError when there was no memory for it."""
    if request is _TOO_LARGE_NOW:
        raise UnavailableError(
            "TOO_MANY_CALLS",
            "The service is short of memory; try again shortly.",
            metadata={"of": "instance"},
        )
    if request is _UNREADABLE:
        raise InvalidArgumentError(
            "INVALID_ARGUMENT", "The request is not a message of this method, or has text that is not UTF-8."
        )
    return _each(request) if hasattr(request, "__aiter__") else request


async def _each(requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        yield readable(request)


def check_texts(message: Message, path: str = "") -> None:
    """Raise InvalidArgumentError for U+0000, which no name, identifier or document may hold and PostgreSQL's
    text cannot."""
    for field, value in message.ListFields():
        if field.type not in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_MESSAGE):
            continue
        for one in value if field.is_repeated else (value,):
            if isinstance(one, Message):
                check_texts(one, f"{path}{field.name}.")
            elif "\0" in one:
                raise wrong(f"{path}{field.name}", "must not hold U+0000")
