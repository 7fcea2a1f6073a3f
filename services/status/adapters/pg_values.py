"""Converts errors and texts to values of the ledger's tables."""

from __future__ import annotations

from ingestor.services.status.rows import RowError


def error_values(error: RowError) -> list[object]:
    """An error as an element of `errors`: code, field, value, message, phase."""
    return [text(error.code), text(error.field), text(error.value), text(error.message), error.phase]


def text(value: str) -> str:
    """Replace U+0000, which PostgreSQL's text cannot hold, by the replacement character."""
    return value.replace("\0", "\ufffd")
