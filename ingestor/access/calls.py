"""Calls between services: each carries a short-lived token that says which service calls, for which tenant
and for whom."""

from __future__ import annotations

import time
from collections.abc import Callable

import grpc
import jwt

from ingestor.access import scope
from ingestor.access.keyring import KeyRing
from ingestor.access.principal import Principal, current_principal
from ingestor.runtime.clock import Clock, SystemClock
from ingestor.runtime.errors import UnauthenticatedError
from ingestor.runtime.grpc.call_metadata import FROM_SERVICE, adding

CALL = FROM_SERVICE
_PURPOSE = "calls"
_SECONDS = 120.0  # a token is valid so long
_RENEWED_AFTER = 60.0  # and used so long
_SKEW = 30.0
_AUDIENCE = "ingestor-services"
_CLOCK = SystemClock()


class CallSigner:
    """Makes the tokens of one service."""

    def __init__(
        self,
        keys: KeyRing,
        service: str,
        clock: Clock = _CLOCK,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """`steady` are seconds by which tokens are renewed: when the clock is set back, those that were made
        before are used no longer than otherwise."""
        self._keys = keys
        self._service = service
        self._clock = clock
        self._steady = steady
        self._made: dict[tuple[str, str, tuple[str, ...]], tuple[float, str]] = {}

    def token(self) -> str:
        """A token for a call of the current scope and principal. Raises NoScopeError without a scope."""
        principal = current_principal()
        pipelines = tuple(sorted(principal.pipelines)) if principal else ()
        key = (scope.current(), principal.subject if principal else "", pipelines)
        now = self._steady()
        made = self._made.get(key)
        if made is None or made[0] < now:
            if len(self._made) > 1000:
                self._made.clear()
            claims = {
                "iss": self._service, "aud": _AUDIENCE, "tenant": key[0], "sub": key[1],
                "exp": self._clock.now().timestamp() + _SECONDS,
            }  # fmt: skip
            if pipelines:
                claims["pipelines"] = pipelines
            key_id, secret = self._keys.signing_key(_PURPOSE)
            text = jwt.encode(claims, secret, algorithm="HS256", headers={"kid": key_id})
            made = self._made[key] = (now + _RENEWED_AFTER, text)
        return made[1]

    def interceptors(self) -> list[grpc.aio.ClientInterceptor]:
        """What sends the token with every call of a channel."""
        return adding(self._metadata)

    async def _metadata(self) -> list[tuple[str, str]]:
        return [(CALL, self.token())]


def read_call(keys: KeyRing, token: str) -> Principal:
    """The service that calls. Raises UnauthenticatedError (TOKEN_INVALID)."""
    try:
        key_id = jwt.get_unverified_header(token).get("kid")
        secret = keys.key(str(key_id), _PURPOSE)
        if secret is None:
            raise jwt.InvalidTokenError("unknown key")
        claims = jwt.decode(
            token, secret, algorithms=["HS256"], audience=_AUDIENCE, leeway=_SKEW,
            options={"require": ["exp", "iss", "aud"]},
        )  # fmt: skip
    except jwt.InvalidTokenError:
        raise UnauthenticatedError(
            "TOKEN_INVALID", "The call claims to be from a service, but its signature is not valid."
        ) from None
    return Principal(
        "service",
        str(claims.get("sub", "")),
        str(claims.get("tenant", "")),
        pipelines=frozenset(claims.get("pipelines", ())),
        service=str(claims["iss"]),
    )
