"""Keys that sign receipts: Ed25519 (RFC 8032)."""

from __future__ import annotations

import base64
import hashlib
from typing import Self

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ALGORITHM = "Ed25519"
_RAW = serialization.Encoding.Raw, serialization.PublicFormat.Raw


class ReceiptKeyError(ValueError):
    """A text is not a key of receipts; the message does not show it."""


class ReceiptKey:
    """The private key."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        self._public = key.public_key().public_bytes(*_RAW)

    @classmethod
    def parse(cls, text: str) -> Self:
        """From PEM, as `openssl genpkey -algorithm ed25519` writes it. Raises ReceiptKeyError."""
        try:
            key = serialization.load_pem_private_key(text.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, Ed25519PrivateKey):
            raise ReceiptKeyError(
                "it must be an Ed25519 private key in PEM, as `openssl genpkey -algorithm ed25519` writes it"
            )
        return cls(key)

    @classmethod
    def new(cls) -> Self:
        """A key that nobody else has."""
        return cls(Ed25519PrivateKey.generate())

    def to_pem(self) -> str:
        """The private key as `parse` reads it."""
        return self._key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ).decode()

    @property
    def public_pem(self) -> str:
        """The public key in PEM."""
        return (
            self._key.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode()
        )

    @property
    def key_id(self) -> str:
        """A short name of the key pair."""
        return key_id(self._public)

    def sign(self, data: bytes) -> dict[str, str]:
        """The signature of bytes, as a receipt has it."""
        return {
            "algorithm": ALGORITHM,
            "key_id": self.key_id,
            "public_key": base64.b64encode(self._public).decode(),
            "value": base64.b64encode(self._key.sign(data)).decode(),
        }


def key_id(public: bytes) -> str:
    """The name of a key: the first 16 hexadecimal digits of the SHA-256 of the public key's 32 bytes."""
    return hashlib.sha256(public).hexdigest()[:16]


def public_key(text: str) -> bytes:
    """The 32 bytes of a public key, from PEM, or from base64 as receipts have it. Raises ReceiptKeyError."""
    try:
        if "-----BEGIN" in text:
            key = serialization.load_pem_public_key(text.encode())
            if isinstance(key, Ed25519PublicKey):
                return key.public_bytes(*_RAW)
        elif len(raw := base64.b64decode(text.strip(), validate=True)) == 32:
            return raw
    except (ValueError, UnsupportedAlgorithm):
        pass
    raise ReceiptKeyError("it is no public key of receipts: `ingestor receipt key` prints one")


def is_signed(public: bytes, signature: bytes, data: bytes) -> bool:
    """Whether the signature of the bytes was made with the private key of this public key."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True
