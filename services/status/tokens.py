"""Opaque page tokens (AIP-158): a position in a list, bound to its call."""

from __future__ import annotations

import base64
import hashlib
import json


class TokenError(ValueError):
    """The token is malformed or belongs to another call."""


def make_token(scope: str, position: int) -> str:
    """A token for the page after a position; `scope` names the call and its filter."""
    raw = json.dumps([_digest(scope), position]).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def read_token(scope: str, token: str) -> int | None:
    """The position in a token, None for the first page. Raises TokenError."""
    if not token:
        return None
    try:
        digest, position = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (ValueError, TypeError):
        raise TokenError("the page token is malformed") from None
    if digest != _digest(scope) or not isinstance(position, int):
        raise TokenError("the page token belongs to another call or filter")
    return position


def _digest(scope: str) -> str:
    return hashlib.sha256(scope.encode()).hexdigest()[:16]
