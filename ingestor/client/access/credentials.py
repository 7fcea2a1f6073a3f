"""What a client sends with every call to say who calls: a token and a tenant."""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
import os
import re
import time
from collections.abc import Awaitable, Callable
from typing import Protocol

import grpc

from ingestor.client.access.logins import Login, Logins
from ingestor.client.errors import FailedPreconditionError, UnavailableError
from ingestor.runtime.grpc.call_metadata import adding

TokenProvider = Callable[[], str | Awaitable[str]]
"""Gives a token, at first and whenever the last one has expired; plain or asynchronous."""
Token = str | TokenProvider

_SENDABLE = re.compile(r"[\x21-\x7e]+")
_SPARE_SECONDS = 30.0  # a token is renewed so long before its end, or in the last tenth of its life


class _Source(Protocol):
    """Where tokens come from that can be renewed."""

    async def fetch(self, refused: str | None) -> tuple[str, float | None]:
        """A token, another one than the refused, and when it ends (Unix time; None: unknown)."""
        ...


class Credentials:
    """The token and the tenant of one client. A token is renewed before its end, and when it is refused."""

    def __init__(
        self,
        address: str,
        token: Token | None = None,
        tenant: str | None = None,
        *,
        plaintext: bool,
        logins: Logins | None = None,
    ) -> None:
        """`token` None: INGESTOR_TOKEN, else what `ingestor login` has stored for the address. `tenant` None:
        INGESTOR_TENANT. `plaintext`: a token may be sent although the connection has no TLS. Raises
        ValueError when something cannot be sent."""
        self._address = address
        self._plaintext = plaintext
        self._logins = logins
        self._lock = asyncio.Lock()
        self._source: _Source | None = None
        self._token: str | None = None
        self._renew_at: float | None = None
        self.generation = 0  # how often the token was renewed
        given = token if token is not None else os.environ.get("INGESTOR_TOKEN") or None
        self._asks_logins = given is None
        if callable(given):
            self._source = _Provided(given)
        elif given is not None:
            self._token = sendable("token", given)
        tenant = tenant if tenant is not None else os.environ.get("INGESTOR_TENANT", "")
        self._tenant = sendable("tenant", tenant) if tenant else ""

    def __repr__(self) -> str:
        """Without the token, so that no log shows it."""
        return f"Credentials(address={self._address!r}, tenant={self._tenant!r})"

    async def metadata(self) -> list[tuple[str, str]]:
        """What goes with a call. Raises UnauthenticatedError (LOGIN_ENDED), UnavailableError when there is no
        token yet and none can be got, FailedPreconditionError (TOKEN_NEEDS_TLS, LOGINS_UNREADABLE), and what
        a provider raises."""
        found = [("ingestor-tenant", self._tenant)] if self._tenant else []
        if token := await self._current():
            if not self._plaintext:
                raise FailedPreconditionError(
                    f"the connection to {self._address} has no TLS, so that others could read the token; use "
                    "TLS, or allow it (Client(allow_plaintext_token=True), --allow-plaintext-token)",
                    reason="TOKEN_NEEDS_TLS",
                )
            found.append(("authorization", f"Bearer {token}"))
        return found

    async def renew(self, seen: int) -> bool:
        """Get another token because one was refused; whether there is one. `seen`: the generation when the
        call began, since another call may have renewed it meanwhile. Raises as `metadata`."""
        async with self._lock:
            if self._source is None or self._token is None:
                return False
            if self.generation != seen:
                return True
            refused = self._token
            await self._fetch(refused)
            return self._token != refused

    def interceptors(self) -> list[grpc.aio.ClientInterceptor]:
        """What sends them with every call of a channel."""
        return adding(self.metadata)

    async def _current(self) -> str | None:
        async with self._lock:
            if self._asks_logins:
                logins = self._logins or Logins()
                if await asyncio.to_thread(logins.get, self._address):
                    self._source = _SignedIn(self._address, logins)
                self._asks_logins = False
            if self._source is None:
                return self._token
            if self._token is None:
                await self._fetch(None)
            elif self._renew_at is not None and time.time() >= self._renew_at:
                try:
                    await self._fetch(self._token)
                except UnavailableError:
                    self._renew_at = None  # the suite will say whether it is too late
            return self._token

    async def _fetch(self, refused: str | None) -> None:
        assert self._source is not None
        token, end = await self._source.fetch(refused)
        self._token = sendable("token", token)
        self.generation += refused is not None
        now = time.time()
        # Of a clock that is wrong nothing is concluded.
        known = end is not None and end > now
        self._renew_at = end - min(_SPARE_SECONDS, (end - now) / 10) if known and end is not None else None


def sendable(what: str, text: str) -> str:
    """A text that can be sent as metadata. Raises ValueError, without the text: it may be a secret."""
    text = text.strip()
    if not _SENDABLE.fullmatch(text):
        raise ValueError(f"the {what} is empty, or holds a character that cannot be in one, such as a space")
    return text


class _Provided:
    """Tokens from a function of the caller's."""

    def __init__(self, provide: TokenProvider) -> None:
        self._provide = provide

    async def fetch(self, refused: str | None) -> tuple[str, float | None]:
        if inspect.iscoroutinefunction(self._provide):
            token = await self._provide()
        else:
            found = await asyncio.to_thread(self._call)
            token = await found if inspect.isawaitable(found) else found
        return token, _end_of(token)

    def _call(self) -> str | Awaitable[str]:
        try:
            return self._provide()
        except StopIteration:  # which no future can hold, so that nobody would hear of it
            raise RuntimeError("the function that gives tokens has no more of them") from None


class _SignedIn:
    """Tokens of `ingestor login`. Several programs may share them: whichever finds them expired renews them
    for all."""

    def __init__(self, address: str, logins: Logins) -> None:
        self._address = address
        self._logins = logins

    async def fetch(self, refused: str | None) -> tuple[str, float | None]:
        login = await asyncio.to_thread(self._fetch, refused)
        return login.access_token, login.expires_at

    def _fetch(self, refused: str | None) -> Login:
        from ingestor.client.access import oauth  # takes long, and few need it

        with self._logins.alone():
            login = self._logins.get(self._address)
            if login is None:
                raise oauth.signed_out(self._address)
            usable = login.expires_at is None or login.expires_at > time.time()
            if login.access_token == refused or not usable:
                login = oauth.renew(login)
                self._logins.put(self._address, login)
            return login


def _end_of(token: str) -> float | None:
    """When a JWT ends; None for anything else. Nothing is trusted here: the suite checks it."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
        return float(claims["exp"])
    except (ValueError, KeyError, TypeError):
        return None
