"""W3C Trace Context: one `traceparent` travels with a call, a message and every log line.

Rule: https://www.w3.org/TR/trace-context/ (version 00).
"""

from __future__ import annotations

import re
import secrets
from contextvars import ContextVar

TRACEPARENT = "traceparent"
_FORMAT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})")
_current: ContextVar[str | None] = ContextVar("traceparent", default=None)


def new_traceparent() -> str:
    """The root of a new trace."""
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"


def trace_id(traceparent: str) -> str:
    """The trace id: 32 hex digits."""
    return traceparent[3:35]


def continue_trace(traceparent: str | None) -> str:
    """Make a child of `traceparent`, or a new root if that is missing or malformed, and return it. It becomes
    current: every log line of this task has its trace id."""
    match = _FORMAT.fullmatch(traceparent or "")
    current = f"00-{match[1]}-{secrets.token_hex(8)}-{match[3]}" if match else new_traceparent()
    _current.set(current)
    return current


def current_traceparent() -> str:
    """The current traceparent; a new root if there is none."""
    return _current.get() or continue_trace(None)


def current_trace_id() -> str | None:
    """The trace id of the current traceparent; None outside a trace."""
    current = _current.get()
    return trace_id(current) if current else None
