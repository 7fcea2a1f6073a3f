"""What interceptors of a server do with the handler of a method, whichever of the four kinds of RPC it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import grpc

Context = grpc.aio.ServicerContext[Any, Any]
if TYPE_CHECKING:
    Handler = grpc.RpcMethodHandler[Any, Any]


def behaviour_of(handler: Handler) -> Any:
    """The function that answers the calls."""
    return handler.unary_unary or handler.stream_unary or handler.unary_stream or handler.stream_stream


async def each(responses: Any) -> AsyncIterator[Any]:
    """The responses of a method that streams them."""
    if hasattr(responses, "__aiter__"):
        async for response in responses:
            yield response
    else:  # a coroutine that writes to the context, like reflection and the health service's Watch
        await responses


def replaced(
    handler: Handler,
    answer_one: Callable[[Any, Context], Awaitable[Any]],
    answer_many: Callable[[Any, Context], AsyncIterator[Any]],
    read: Callable[[bytes], Any] | None = None,
) -> Handler:
    """A handler of the same kind that answers by one of these: with one response, or with many. `read` makes
    requests of bytes; None leaves that as it is."""
    make: Any
    if handler.response_streaming:
        make = (
            grpc.stream_stream_rpc_method_handler
            if handler.request_streaming
            else grpc.unary_stream_rpc_method_handler
        )
    else:
        make = (
            grpc.stream_unary_rpc_method_handler
            if handler.request_streaming
            else grpc.unary_unary_rpc_method_handler
        )
    answer: Any = answer_many if handler.response_streaming else answer_one
    made: Handler = make(answer, read or handler.request_deserializer, handler.response_serializer)
    return made
