"""Keys that the services share: they sign calls between services and messages of the queue."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping

import structlog

log = structlog.get_logger(__name__)


class KeyRing:
    """Keys by id. The first signs, all verify: a new key is put first, and the old one taken out when nothing
    that it has signed is on its way any more."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys:
            raise ValueError("a key ring needs a key")
        # The keys, and what was derived from them by id and purpose. One object, since threads read it.
        self._state: tuple[dict[str, bytes], dict[tuple[str, str], bytes]] = dict(keys), {}
        self._source: Callable[[], str] | None = None
        self._text = ""
        self._shortest = 1

    @classmethod
    def parse(cls, text: str) -> KeyRing:
        """From `id:secret,id:secret`. Raises ValueError, which names no secret."""
        return cls(_parse(text))

    @classmethod
    def following(cls, source: Callable[[], str], *, shortest: int = 1) -> KeyRing:
        """The keys of a text that may change. A new text that is wrong, or has a secret with fewer than
        `shortest` characters, changes nothing. Raises ValueError as `parse` does."""
        text = source()
        made = cls.parse(text)
        made._source, made._text, made._shortest = source, text, shortest
        return made

    def _follow(self) -> None:
        if self._source is None or (text := self._source()) == self._text:
            return
        self._text = text
        try:
            keys = _parse(text, self._shortest)
        except ValueError as error:
            log.error("the new keys of the services are wrong, the old ones stay", reason=str(error))
            return
        self._state = keys, {}
        log.info("the keys of the services have changed", signing=self.signing, keys=len(keys))

    @property
    def signing(self) -> str:
        """The id of the key that signs."""
        return next(iter(self._state[0]))

    def signing_key(self, purpose: str) -> tuple[str, bytes]:
        """The id of the key that signs, and its 32 bytes for a purpose."""
        self._follow()
        state = self._state
        key_id = next(iter(state[0]))
        return key_id, _derived(state, key_id, purpose)

    def key(self, key_id: str, purpose: str) -> bytes | None:
        """The 32 bytes for one purpose that belong to a key; None for an unknown id."""
        self._follow()
        state = self._state
        return _derived(state, key_id, purpose) if key_id in state[0] else None

    def sign(self, purpose: str, *parts: bytes) -> str:
        """A signature, `id:hex`, of the parts in their order and lengths."""
        key_id, key = self.signing_key(purpose)
        return f"{key_id}:{_digest(key, parts)}"

    def verify(self, purpose: str, signature: str, *parts: bytes) -> bool:
        """Whether one of the keys has signed these parts for this purpose."""
        key_id, _, digest = signature.rpartition(":")
        key = self.key(key_id, purpose)
        return key is not None and hmac.compare_digest(_digest(key, parts).encode(), digest.encode())


def _derived(
    state: tuple[dict[str, bytes], dict[tuple[str, str], bytes]], key_id: str, purpose: str
) -> bytes:
    keys, known = state
    found = known.get((key_id, purpose))
    if found is None:
        found = hmac.digest(keys[key_id], f"ingestor/{purpose}".encode(), hashlib.sha256)
        known[key_id, purpose] = found
    return found


def _digest(key: bytes, parts: tuple[bytes, ...]) -> str:
    made = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        made.update(len(part).to_bytes(8, "big"))
        made.update(part)
    return made.hexdigest()


def _parse(text: str, shortest: int = 1) -> dict[str, bytes]:
    keys: dict[str, bytes] = {}
    for number, part in enumerate(text.split(","), 1):
        name, colon, secret = part.strip().partition(":")
        if not (name and colon and secret) or name in keys:
            raise ValueError(f"key {number} must be id:secret, and its id must not be repeated")
        if len(secret) < shortest:
            raise ValueError(f"the secret of key {number} is shorter than {shortest}")
        keys[name] = secret.encode()
    return keys


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
