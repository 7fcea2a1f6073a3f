"""Spans by OpenTelemetry. Where nothing exports them none is made, and what is here costs next to nothing.

A service begins spans for what reaches it from outside: calls, messages, deliveries. Everything within is a
child of such a span, and is made only if that one is recorded.
"""

from __future__ import annotations

from asyncio import CancelledError
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from contextvars import Token
from types import TracebackType
from typing import Self

from opentelemetry import context, trace
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
)
from opentelemetry.util.types import AttributeValue

from ingestor.runtime.observability import tracing

Attributes = Mapping[str, AttributeValue]

_ALL_BELOW = 32
_tracer: trace.Tracer | None = None  # None: nothing is exported


def use(provider: trace.TracerProvider | None) -> None:
    """Make spans by this provider from now on; None: make none."""
    global _tracer
    _tracer = provider.get_tracer("ingestor") if provider else None
    tracing.ask_for_spans(provider is None)


def tracer() -> trace.Tracer:
    """What makes spans here: a service's own, or that of an application that uses the client."""
    return _tracer or trace.get_tracer("ingestor")


def is_traced(number: int) -> bool:
    """Whether to record the spans of something of which a process may have very many, by its number (from 1):
    all below 32, then 16 in each doubling. So 40,000 batches leave the spans of 200."""
    return number < _ALL_BELOW or number % ((1 << number.bit_length() - 1) // 16) == 0


def begin(
    name: str,
    kind: SpanKind,
    parent: str | None,
    attributes: Attributes | None = None,
    *,
    linked: bool = False,
    number: int = 1,
) -> Span:
    """Begin a span as a child of a traceparent (of none: a new trace); with `linked` it has a link to it too.
    It is current for the rest of this task; whoever begins it ends it. If it is one of many attempts,
    `number` says which (see `is_traced`)."""
    if _tracer is None:
        tracing.continue_trace(parent)
        return trace.INVALID_SPAN
    within, links = context.Context(), []
    place = tracing.parse(parent)
    if place is None and not is_traced(number):
        place = tracing.parse(tracing.new_traceparent())
    if place:
        flags = place[2] if is_traced(number) else TraceFlags.DEFAULT
        before = SpanContext(place[0], place[1], True, TraceFlags(flags))
        within = trace.set_span_in_context(NonRecordingSpan(before), within)
        links = [Link(before)] if linked else []
    made = _tracer.start_span(name, within, kind, attributes, links)
    context.attach(trace.set_span_in_context(made))
    return made


def fail(made: Span, error: BaseException) -> None:
    """Note why a span fails. Only the kind of error is kept: its message may hold cells."""
    made.set_attribute("error.type", type(error).__name__)
    if not isinstance(error, CancelledError):
        made.set_status(Status(StatusCode.ERROR))


@contextmanager
def _ended(made: Span, token: Token[context.Context]) -> Iterator[None]:
    """End a span with the context; what was current before `token` is so again."""
    try:
        yield
    except BaseException as error:
        fail(made, error)
        raise
    finally:
        context.detach(token)
        made.end()


@contextmanager
def root(name: str, attributes: Attributes | None = None, *, number: int = 1) -> Iterator[Span]:
    """A trace of its own while the context lasts; `number` as of `begin`."""
    token = context.attach(context.get_current())
    made = begin(name, SpanKind.INTERNAL, None, attributes, number=number)
    with _ended(made, token):
        yield made


@contextmanager
def span(
    name: str, kind: SpanKind = SpanKind.INTERNAL, attributes: Attributes | None = None
) -> Iterator[Span]:
    """A part of the current span while the context lasts."""
    if _tracer is None or not trace.get_current_span().is_recording():
        yield trace.INVALID_SPAN
        return
    made = _tracer.start_span(name, kind=kind, attributes=attributes)
    with _ended(made, context.attach(trace.set_span_in_context(made))):
        yield made


class Stages:
    """Parts of the current span, one after the other: each ends where the next begins, the last with the
    context."""

    def __init__(self, first: str) -> None:
        """The first part begins with the context."""
        self._first = first
        self._open = ExitStack()

    def begin(self, name: str) -> None:
        """End the current part and begin the next."""
        self._open.close()
        self._open.enter_context(span(name))

    async def __aenter__(self) -> Self:
        self.begin(self._first)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, at)


@contextmanager
def counted(number: int) -> Iterator[None]:
    """What begins here is about one of very many: without spans unless `is_traced`, but of the same trace."""
    here = trace.get_current_span()
    if is_traced(number) or not here.is_recording():
        yield
        return
    at = here.get_span_context()
    silent = NonRecordingSpan(SpanContext(at.trace_id, at.span_id, False))
    token = context.attach(trace.set_span_in_context(silent))
    try:
        yield
    finally:
        context.detach(token)


def note(**facts: AttributeValue) -> None:
    """Add attributes ingestor.<name> to the current span. Never cells, statements or secrets."""
    here = trace.get_current_span()
    if here.is_recording():
        for name, value in facts.items():
            here.set_attribute(f"ingestor.{name}", value)


def exemplar() -> dict[str, str] | None:
    """The current span as the exemplar of a measurement; None unless it is recorded."""
    here = trace.get_current_span()
    if not here.is_recording():
        return None
    at = here.get_span_context()
    return {"trace_id": f"{at.trace_id:032x}", "span_id": f"{at.span_id:016x}"}
