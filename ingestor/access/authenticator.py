"""Finds out who calls, from the metadata of a call."""

from __future__ import annotations

import functools
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, Protocol, TypeVar

from ingestor.access import api_keys
from ingestor.access.calls import CALL, read_call
from ingestor.access.directory import Directory, StoredKey
from ingestor.access.keyring import KeyRing
from ingestor.access.limits.guesses import Guesses
from ingestor.access.principal import LOCAL_ADMIN, Principal
from ingestor.access.roles import Role
from ingestor.access.tokens import Claims, TokenChecker
from ingestor.runtime.errors import PermissionDeniedError, TransientError, UnauthenticatedError

TENANT = "ingestor-tenant"
_MOST_SEEN = 4096
REMEMBERED_SECONDS = 10.0  # a revoked key, a changed member, a removed tenant count after that

K = TypeVar("K")
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """Answers of the last seconds, at most `most` of them."""

    def __init__(self, seconds: float, clock: Callable[[], float], most: int = 4096) -> None:
        self._seconds = seconds
        self._clock = clock
        self._most = most
        self._known: OrderedDict[K, tuple[float, V]] = OrderedDict()

    async def get(
        self, key: K, ask: Callable[[], Awaitable[V]], until: Callable[[V], float] | None = None
    ) -> V:
        """The remembered answer, or a new one; `until` may end its time earlier."""
        now = self._clock()
        if (known := self._known.get(key)) and known[0] > now:
            return known[1]
        answer = await ask()
        end = now + self._seconds
        self._known[key] = (min(end, until(answer)) if until else end, answer)
        self._known.move_to_end(key)
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return answer


class Callers(Protocol):
    """Finds out who calls."""

    async def principal(self, metadata: Mapping[str, str], address: str = "") -> Principal:
        """Who calls, from which address. Raises UnauthenticatedError, PermissionDeniedError,
        ResourceExhaustedError, TransientError."""
        ...


class ServicesOnly(Callers):
    """Knows services by their keys, and nobody else."""

    def __init__(self, keys: KeyRing) -> None:
        self._keys = keys

    async def principal(self, metadata: Mapping[str, str], address: str = "") -> Principal:
        if call := metadata.get(CALL):
            return read_call(self._keys, call)
        raise UnauthenticatedError("TOKEN_MISSING", "Only services call this server.")


class Authenticator(Callers):
    """Knows services by their keys, people by their tokens, machines by API keys, and in local mode everybody
    else as the local admin."""

    def __init__(
        self,
        keys: KeyRing,
        directory: Directory,
        tokens: TokenChecker | None,
        *,
        local: bool,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`tokens`: None when there is no issuer."""
        self._keys = keys
        self._directory = directory
        self._tokens = tokens
        self._local = local
        self._clock = clock
        self._claims = Remembered[bytes, Claims](60.0, clock)
        self._members = Remembered[tuple[str, ...], Mapping[str, frozenset[Role]]](REMEMBERED_SECONDS, clock)
        self._stored = Remembered[str, StoredKey | None](REMEMBERED_SECONDS, clock)
        self._seen = OrderedDict[str, None]()  # prefixes of keys that there were
        self._guesses = Guesses(clock)
        self._tenants = Remembered[str, bool](REMEMBERED_SECONDS, clock)
        self._used = Remembered[str, None](REMEMBERED_SECONDS, clock)

    async def principal(self, metadata: Mapping[str, str], address: str = "") -> Principal:
        """Who calls. Raises UnauthenticatedError (TOKEN_MISSING, TOKEN_INVALID, TOKEN_EXPIRED, KEY_INVALID),
        PermissionDeniedError (NOT_A_MEMBER, TENANT_NOT_CHOSEN), ResourceExhaustedError
        (TOO_MANY_UNKNOWN_KEYS: only with an `address`), TransientError."""
        if call := metadata.get(CALL):
            return read_call(self._keys, call)
        authorization = metadata.get("authorization", "")
        if not authorization:
            if self._local:
                return LOCAL_ADMIN
            raise UnauthenticatedError("TOKEN_MISSING", "This call needs a token or an API key.")
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise UnauthenticatedError("TOKEN_INVALID", "The header authorization must be `Bearer TOKEN`.")
        wanted = metadata.get(TENANT, "")
        if api_keys.is_key(token.strip()):
            return await self._machine(token.strip(), wanted, address)
        return await self._person(token.strip(), wanted)

    async def _machine(self, token: str, wanted: str, address: str) -> Principal:
        prefix = api_keys.prefix_of(token)
        ask = functools.partial(self._look_up, prefix or "", address)
        found = await self._stored.get(prefix, ask) if prefix else None
        expired = found is not None and found.expires_at is not None and found.expires_at <= self._clock()
        if found is None or expired or not api_keys.is_same(token, found.sha256):
            raise UnauthenticatedError("KEY_INVALID", "The API key is unknown, revoked or expired.")
        assert prefix is not None
        await self._used.get(prefix, lambda: self._directory.note_use(prefix))
        if wanted not in ("", found.tenant):
            raise _not_a_member(wanted)
        return Principal(
            "key", f"key:{prefix}", found.tenant, found.roles, found.name, (found.tenant,), found.pipelines,
            found.expires_at,
        )  # fmt: skip

    async def _look_up(self, prefix: str, address: str) -> StoredKey | None:
        """The key in the database. Whoever guesses at an address bars it for guesses, not for keys that came
        before."""
        if not address or prefix in self._seen:
            return await self._directory.key(prefix)
        self._guesses.take(address)
        try:
            found = await self._directory.key(prefix)
        except TransientError:
            self._guesses.give_back(address)
            raise
        if found is not None:
            self._guesses.give_back(address)
            self._seen[prefix] = None
            if len(self._seen) > _MOST_SEEN:
                self._seen.popitem(last=False)
        return found

    async def _person(self, token: str, wanted: str) -> Principal:
        checker = self._tokens
        if checker is None:
            raise UnauthenticatedError("TOKEN_INVALID", "This suite knows API keys, and no issuer of tokens.")
        claims = await self._claims.get(
            hashlib.sha256(token.encode()).digest(),
            lambda: checker.check(token),
            until=lambda checked: checked.expires_at,
        )
        roles = dict(claims.roles)
        subjects = (claims.subject, *claims.emails)
        stored = await self._members.get(subjects, lambda: self._directory.memberships(subjects))
        for tenant, added in stored.items():
            roles[tenant] = roles.get(tenant, frozenset()) | added
        tenants = sorted([tenant for tenant in roles if roles[tenant] and await self._exists(tenant)])
        if wanted and wanted not in tenants:
            raise _not_a_member(wanted)
        if not tenants:
            raise PermissionDeniedError(
                "NOT_A_MEMBER", "You have a role in no tenant; ask an admin of yours to add you."
            )
        if not wanted and len(tenants) > 1:
            raise PermissionDeniedError(
                "TENANT_NOT_CHOSEN",
                f"Choose a tenant by the metadata {TENANT}: {', '.join(tenants)}.",
                metadata={"tenants": ",".join(tenants)},
            )
        tenant = wanted or tenants[0]
        return Principal(
            "person", claims.subject, tenant, roles[tenant], claims.display_name, tuple(tenants),
            expires_at=claims.expires_at,
        )  # fmt: skip

    async def _exists(self, tenant: str) -> bool:
        return await self._tenants.get(tenant, lambda: self._directory.tenant_exists(tenant))


def _not_a_member(tenant: str) -> PermissionDeniedError:
    return PermissionDeniedError("NOT_A_MEMBER", f"You have no role in a tenant {tenant[:40]}.")
