"""Opaque page tokens (AIP-158): a place in a list, bound to the call that it belongs to."""

from __future__ import annotations

import base64
import hashlib
import json


class TokenError(ValueError):
    """The token is not one of ours, or belongs to another call."""


def make_token(scope: str, place: int) -> str:
    """A token for the page behind `place`; `scope` names the call and its filter."""
    raw = json.dumps([_digest(scope), place]).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def read_token(scope: str, token: str) -> int | None:
    """The place of a token, None for the first page. Raises TokenError."""
    if not token:
        return None
    try:
        digest, place = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
    except (ValueError, TypeError):
        raise TokenError("the page token is not one that this service gave") from None
    if digest != _digest(scope) or not isinstance(place, int):
        raise TokenError("the page token belongs to another call or filter")
    return place


def _digest(scope: str) -> str:
    return hashlib.sha256(scope.encode()).hexdigest()[:16]
