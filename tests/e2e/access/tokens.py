"""Tokens of an issuer that the test plays itself: valid ones, and every kind of wrong one."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ISSUER = "https://issuer.test"
AUDIENCE = "ingestor"


class Issuer:
    """An issuer with one key; `url` is what its tokens say."""

    def __init__(self, url: str = ISSUER, key_id: str = "one") -> None:
        self._url = url
        self._key_id = key_id
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)

    def publish(self, path: Path) -> None:
        """Write the public key as a JWKS file."""
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key()))
        path.write_text(json.dumps({"keys": [{**key, "kid": self._key_id, "use": "sig", "alg": "RS256"}]}))

    def claims(
        self, subject: str, tenants: Sequence[str], roles: Sequence[str], **more: Any
    ) -> dict[str, Any]:
        """The claims of a token of one hour."""
        now = int(time.time())
        return {
            "iss": self._url, "aud": AUDIENCE, "sub": subject, "name": subject.title(), "iat": now,
            "exp": now + 3600, "tenants": list(tenants), "roles": list(roles), **more,
        }  # fmt: skip

    def sign(self, claims: dict[str, Any], key_id: str | None = None) -> str:
        """A token that says these claims."""
        return jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": key_id or self._key_id})

    def token(self, subject: str, tenant: str, *roles: str, **more: Any) -> str:
        """A valid token of a person with these roles in a tenant."""
        return self.sign(self.claims(subject, [tenant], roles, **more))

    def wrong_tokens(self, tenant: str) -> dict[str, str]:
        """Tokens of an admin of the tenant, each wrong in one way."""
        claims = self.claims("mallory", [tenant], ["admin"])
        past = int(time.time()) - 3600
        public = self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        header = {"kid": self._key_id}
        valid = self.sign(claims)
        start, _, signature = valid.rpartition(".")
        swapped = "B" if signature[10] != "B" else "C"
        return {
            "expired": self.sign({**claims, "exp": past, "iat": past - 60}),
            "another issuer": self.sign({**claims, "iss": "https://other.test"}),
            "another audience": self.sign({**claims, "aud": "something-else"}),
            "no audience": self.sign({key: value for key, value in claims.items() if key != "aud"}),
            "never ends": self.sign({key: value for key, value in claims.items() if key != "exp"}),
            "alg none": jwt.encode(claims, "", algorithm="none", headers=header),
            "public key as a shared secret": _hs256(claims, public, self._key_id),
            "key of somebody else": Issuer(self._url, self._key_id).sign(claims),
            "unknown key": self.sign(claims, key_id="two"),
            "altered signature": f"{start}.{signature[:10]}{swapped}{signature[11:]}",
            "not yet valid": self.sign({**claims, "nbf": int(time.time()) + 3600}),
            "not a token": "abc",
            "key that does not exist": f"ing_abcdefgh_{'x' * 43}",
            "malformed key": "ing_x",
        }


def _hs256(claims: dict[str, Any], secret: bytes, key_id: str) -> str:
    """A token signed by a secret that the library refuses as one."""
    header = {"alg": "HS256", "typ": "JWT", "kid": key_id}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, claims)]
    signature = hmac.digest(secret, b".".join(parts), "sha256")
    return b".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()
