"""API keys: `ing_` and eight characters, by which a key is known, then `_` and the secret."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets

_FORM = re.compile(r"(ing_[a-z0-9]{8})_[A-Za-z0-9_-]{43}")
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def new_key() -> tuple[str, str]:
    """A prefix and the whole key: 256 random bits, so that a plain hash of it is enough."""
    prefix = "ing_" + "".join(secrets.choice(_LETTERS) for _ in range(8))
    return prefix, f"{prefix}_{secrets.token_urlsafe(32)}"


def is_key(token: str) -> bool:
    """Whether a token is meant to be a key."""
    return token.startswith("ing_")


def prefix_of(token: str) -> str | None:
    """The prefix of a key; None for something of another form."""
    match = _FORM.fullmatch(token)
    return match[1] if match else None


def hash_of(token: str) -> bytes:
    """What is stored of a key."""
    return hashlib.sha256(token.encode()).digest()


def is_same(token: str, stored: bytes) -> bool:
    """Whether a key is the stored one."""
    return hmac.compare_digest(hash_of(token), stored)
