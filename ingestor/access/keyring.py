"""Keys that the services share: they sign calls between services and messages of the queue."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping


class KeyRing:
    """Keys by id. The first signs, all verify: a new key is put first, and the old one taken out when nothing
    that it has signed is on its way any more."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys:
            raise ValueError("a key ring needs a key")
        self._keys = dict(keys)
        self._derived: dict[tuple[str, str], bytes] = {}

    @classmethod
    def parse(cls, text: str) -> KeyRing:
        """From `id:secret,id:secret`. Raises ValueError, which names no secret."""
        keys = {}
        for number, part in enumerate(text.split(","), 1):
            name, colon, secret = part.strip().partition(":")
            if not (name and colon and secret) or name in keys:
                raise ValueError(f"key {number} must be id:secret, and its id must not be repeated")
            keys[name] = secret.encode()
        return cls(keys)

    @property
    def signing(self) -> str:
        """The id of the key that signs."""
        return next(iter(self._keys))

    def key(self, key_id: str, purpose: str) -> bytes | None:
        """The 32 bytes for one purpose that belong to a key; None for an unknown id."""
        if (secret := self._keys.get(key_id)) is None:
            return None
        known = self._derived.get((key_id, purpose))
        if known is None:
            known = hmac.digest(secret, f"ingestor/{purpose}".encode(), hashlib.sha256)
            self._derived[key_id, purpose] = known
        return known

    def sign(self, purpose: str, *parts: bytes) -> str:
        """A signature, `id:hex`, of the parts in their order and lengths."""
        return f"{self.signing}:{self._digest(self.signing, purpose, parts)}"

    def verify(self, purpose: str, signature: str, *parts: bytes) -> bool:
        """Whether one of the keys has signed these parts for this purpose."""
        key_id, _, digest = signature.rpartition(":")
        expected = self._digest(key_id, purpose, parts)
        return expected is not None and hmac.compare_digest(expected.encode(), digest.encode())

    def _digest(self, key_id: str, purpose: str, parts: tuple[bytes, ...]) -> str | None:
        if (key := self.key(key_id, purpose)) is None:
            return None
        made = hmac.new(key, digestmod=hashlib.sha256)
        for part in parts:
            made.update(len(part).to_bytes(8, "big"))
            made.update(part)
        return made.hexdigest()


SIGNATURE = "signature"  # the attribute of a queue message that vouches for its body and other attributes
_MESSAGES = "queue"


def sign_message(keys: KeyRing, body: str, attributes: Mapping[str, str]) -> str:
    """The signature of a queue message with these attributes."""
    return keys.sign(_MESSAGES, *_parts(body, attributes))


def is_signed(keys: KeyRing, body: str, attributes: Mapping[str, str | None]) -> bool:
    """Whether a received message is as one of the keys has signed it. All attributes must be texts."""
    texts = {name: value for name, value in attributes.items() if value is not None}
    signature = texts.pop(SIGNATURE, "")
    if len(texts) != len(attributes) - 1:
        return False
    return keys.verify(_MESSAGES, signature, *_parts(body, texts))


def _parts(body: str, attributes: Mapping[str, str]) -> list[bytes]:
    named = [text for name in sorted(attributes) for text in (name, attributes[name])]
    return [text.encode() for text in (body, *named)]
