"""Errors and texts as the ledger's tables have them."""

from __future__ import annotations

from ingestor.services.status.rows import RowError


def error_values(error: RowError) -> list[object]:
    """A reason as an element of `errors`: code, field, value, message, phase."""
    return [text(error.code), text(error.field), text(error.value), text(error.message), error.phase]


def text(value: str) -> str:
    """PostgreSQL's text cannot hold U+0000; it is shown as the replacement character."""
    return value.replace("\0", "\ufffd")
