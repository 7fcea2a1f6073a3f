"""W3C Trace Context: one `traceparent` travels with a call, a message and every log line.

Rule: https://www.w3.org/TR/trace-context/ (version 00). The client library uses this module alone, so
OpenTelemetry may be missing. Where it is there, its current span is the current place in the trace.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

try:
    from opentelemetry import trace as _otel
except ImportError:
    _current_span: Callable[[], Any] | None = None
else:
    _current_span = _otel.get_current_span

TRACEPARENT = "traceparent"
_FORMAT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_current: ContextVar[str | None] = ContextVar("traceparent", default=None)
_asks = True


def new_traceparent() -> str:
    """The root of a new trace, which asks those who export spans for theirs."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-{_asks:02x}"


def ask_for_spans(wanted: bool) -> None:
    """Whether traces that begin here by themselves ask others for spans. Where spans are exported they do
    not: else each look of a worker at another service would be a trace."""
    global _asks
    _asks = wanted


def trace_id(traceparent: str) -> str:
    """The trace id: 32 hex digits."""
    return traceparent[3:35]


def parse(traceparent: str | None) -> tuple[int, int, int] | None:
    """Trace id, span id and flags; None if it is missing or malformed."""
    match = _FORMAT.fullmatch(traceparent or "")
    return (int(match[1], 16), int(match[2], 16), int(match[3], 16)) if match else None


def continue_trace(traceparent: str | None) -> str:
    """Make a child of `traceparent`, or a new root if that is missing or malformed, and return it. It becomes
    current: every log line of this task has its trace id."""
    match = _FORMAT.fullmatch(traceparent or "")
    current = f"00-{match[1]}-{secrets.token_hex(8)}-{match[3]}" if match else new_traceparent()
    _current.set(current)
    return current


def current_traceparent() -> str:
    """The current traceparent; a new root if there is none."""
    return _of_span() or _current.get() or continue_trace(None)


def current_trace_id() -> str | None:
    """The trace id of the current traceparent; None outside a trace."""
    current = _of_span() or _current.get()
    return trace_id(current) if current else None


def _of_span() -> str | None:
    if _current_span is None:
        return None
    at = _current_span().get_span_context()
    return f"00-{at.trace_id:032x}-{at.span_id:016x}-{at.trace_flags:02x}" if at.is_valid else None
