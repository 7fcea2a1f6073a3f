"""Checks people's tokens: JWTs of an OpenID Connect issuer.

Rules: RFC 7519 (JWT), RFC 8725 (its best practices: algorithms from a list of ours, never from the token),
RFC 9068 (JWT access tokens), OpenID Connect Discovery 1.0.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import jwt

from ingestor.access.principal import LOCAL_ADMIN
from ingestor.access.roles import Role, known_roles
from ingestor.access.scope import TENANT_NAME
from ingestor.access.settings import AccessSettings
from ingestor.runtime.errors import TransientError, UnauthenticatedError

if TYPE_CHECKING:
    import aiohttp

# Only signatures of key pairs: with a shared secret whoever can check a token can make one.
ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
_MOST_BYTES = 1_000_000  # of a document of the issuer
_FETCH_SECONDS = 10.0
_FRESH_SECONDS = 300.0  # so long the issuer's keys are used without asking
_LEAST_SECONDS = 10.0  # between two looks, however many unknown keys tokens name
_RETRY_SECONDS = 1.0  # after one that failed
_MOST_SUBJECT = 200  # characters, as of a member
_OWN_SUBJECTS = ("key:", "database:")  # of API keys, and of administrators of the database
_LATEST = 253_402_300_800  # the year 10000, which no date has


@dataclass(frozen=True)
class Claims:
    """What a valid token says."""

    subject: str
    emails: tuple[str, ...]  # verified
    display_name: str
    roles: Mapping[str, frozenset[Role]]  # by tenant
    expires_at: float  # Unix time


class KeySource(Protocol):
    """Where the issuer's public keys come from."""

    async def fetch(self) -> Mapping[str, Any]:
        """The JWKS document. Raises TransientError when it cannot be had."""
        ...


class FileKeys(KeySource):
    """A JWKS file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def fetch(self) -> Mapping[str, Any]:
        try:
            text = await asyncio.to_thread(self._path.read_text, "utf-8")
            return _document(text.encode(), str(self._path))
        except OSError as error:
            raise TransientError(f"the key file {self._path}: {error.strerror}") from error


class UrlKeys(KeySource):
    """A JWKS document at a URL, or where an issuer's discovery document says."""

    def __init__(self, *, issuer: str, url: str = "") -> None:
        self._issuer = issuer
        self._url = url

    async def fetch(self) -> Mapping[str, Any]:
        import aiohttp  # of no use without an issuer

        try:
            timeout = aiohttp.ClientTimeout(total=_FETCH_SECONDS)
            async with aiohttp.ClientSession(timeout=timeout) as session:
                if not self._url:
                    discovery = f"{self._issuer.rstrip('/')}/.well-known/openid-configuration"
                    found = await _get(session, discovery)
                    if found.get("issuer") != self._issuer:
                        raise TransientError(f"{discovery} is of another issuer: {found.get('issuer')}")
                    self._url = str(found["jwks_uri"])
                return await _get(session, self._url)
        except (aiohttp.ClientError, TimeoutError, OSError, KeyError) as error:
            raise TransientError(f"the keys of {self._issuer}: {type(error).__name__}: {error}") from error


async def _get(session: aiohttp.ClientSession, url: str) -> Mapping[str, Any]:
    async with session.get(url, allow_redirects=False) as answer:
        answer.raise_for_status()
        data = bytearray()
        async for piece in answer.content.iter_any():
            data += piece
            if len(data) > _MOST_BYTES:
                raise TransientError(f"{url} has more than {_MOST_BYTES:,} bytes")
        return _document(bytes(data), url)


def _document(data: bytes, where: str) -> Mapping[str, Any]:
    try:
        found = json.loads(data)
    except ValueError as error:
        raise TransientError(f"{where} is not JSON") from error
    if not isinstance(found, dict):
        raise TransientError(f"{where} is not a JSON object")
    return found


def key_source(settings: AccessSettings) -> KeySource:
    """As the settings say."""
    where = settings.oidc_jwks
    if where and "://" not in where:
        return FileKeys(Path(where))
    return UrlKeys(issuer=settings.oidc_issuer, url=where)


class TokenChecker:
    """Checks tokens of one issuer."""

    def __init__(
        self, settings: AccessSettings, source: KeySource, clock: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._source = source
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._asked_at = float("-inf")
        self._failure: TransientError | None = None  # of the last fetch
        self._lock = asyncio.Lock()

    async def check(self, token: str) -> Claims:
        """What the token says. Raises UnauthenticatedError (TOKEN_INVALID, TOKEN_EXPIRED), TransientError
        when the issuer's keys cannot be had."""
        try:
            header = jwt.get_unverified_header(token)
            if header.get("alg") not in ALGORITHMS:
                raise _invalid("is signed in a way that is not accepted here")
            key = await self._key(header.get("kid"))
            claims = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=self._settings.oidc_audience,
                issuer=self._settings.oidc_issuer,
                leeway=self._settings.oidc_clock_skew_seconds,
                options={"require": ["exp", "iss", "aud"]},
            )
        except jwt.ExpiredSignatureError:
            raise UnauthenticatedError(
                "TOKEN_EXPIRED", "The token has expired; sign in again, or renew it."
            ) from None
        except jwt.InvalidIssuerError:
            raise _invalid("is from another issuer") from None
        except jwt.InvalidAudienceError:
            raise _invalid("is for another audience") from None
        except jwt.MissingRequiredClaimError as error:
            raise _invalid(f"has no claim {error.claim}") from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError):
            raise _invalid("is malformed, or its signature is wrong") from None
        return self._read(claims)

    async def _key(self, key_id: object) -> jwt.PyJWK:
        """The public key that a token names; the only one when it names none."""
        known = self._find(key_id)
        if self._is_due(known) and not (known and self._lock.locked()):
            async with self._lock:
                if self._is_due(self._find(key_id)):  # nobody has asked meanwhile
                    await self._fetch()
            known = self._find(key_id)
        if known is None:
            if self._failure is not None:
                raise self._failure
            raise _invalid("is signed by a key that its issuer does not publish")
        return known

    def _is_due(self, known: jwt.PyJWK | None) -> bool:
        """Whether to ask the issuer for its keys: for an unknown key, and now and then; but seldom, also when
        it does not answer, whatever keys tokens name."""
        now = self._clock()
        stale = known is None or now - self._fetched_at > _FRESH_SECONDS
        return stale and now - self._asked_at > (_LEAST_SECONDS if self._failure is None else _RETRY_SECONDS)

    async def _fetch(self) -> None:
        """Ask for the keys. When that fails, those published before still count."""
        try:
            document = await self._source.fetch()
        except TransientError as error:
            self._failure = error
        else:
            self._keys = _public_keys(document)
            self._failure = None
            self._fetched_at = self._clock()
        self._asked_at = self._clock()

    def _find(self, key_id: object) -> jwt.PyJWK | None:
        if key_id is None:
            return next(iter(self._keys.values())) if len(self._keys) == 1 else None
        return self._keys.get(str(key_id))

    def _read(self, claims: Mapping[str, Any]) -> Claims:
        settings = self._settings
        subject = claim(claims, settings.oidc_subject_claim)
        if not isinstance(subject, str) or not subject:
            raise _invalid(f"has no claim {settings.oidc_subject_claim}")
        if not _is_subject(subject):
            raise _invalid(
                f"has a claim {settings.oidc_subject_claim} of other than 1 to {_MOST_SUBJECT} printable "
                "characters"
            )
        if subject == LOCAL_ADMIN.subject or subject.startswith(_OWN_SUBJECTS):
            raise _invalid(f"has a claim {settings.oidc_subject_claim} by which the suite knows others")
        expires = int(claims["exp"])
        if not 0 < expires < _LATEST:
            raise _invalid("has a claim exp that is no time")
        email = claims.get("email") if claims.get("email_verified") is True else None
        emails = (email,) if isinstance(email, str) and _is_subject(email) else ()
        name = claim(claims, settings.oidc_name_claim)
        return Claims(
            subject,
            emails,
            _printable(name) or (*emails, subject)[0],
            tenant_roles(
                _names(claim(claims, settings.oidc_tenants_claim)),
                _names(claim(claims, settings.oidc_roles_claim)),
            ),
            float(expires),
        )


def _public_keys(document: Mapping[str, Any]) -> dict[str, jwt.PyJWK]:
    """The keys of a JWKS document that can check signatures, by their ids. A shared secret in it is none: who
    has the document could sign with it."""
    found: dict[str, jwt.PyJWK] = {}
    listed = document.get("keys")
    for each in listed if isinstance(listed, list) else ():
        if not isinstance(each, dict) or each.get("use", "sig") != "sig":
            continue
        try:
            key = jwt.PyJWK(each)
        except jwt.PyJWTError:  # of a kind that this library does not know
            continue
        if key.algorithm_name in ALGORITHMS:
            found[str(key.key_id)] = key
    return found


def _is_subject(text: str) -> bool:
    """Whether a text can be stored as a member, and shown."""
    return 1 <= len(text) <= _MOST_SUBJECT and text.isprintable() and not text.isspace()


def _printable(name: object) -> str:
    """The printable characters of a name, at most 200; "" for something that is no text."""
    return "".join(filter(str.isprintable, name))[:200].strip() if isinstance(name, str) else ""


def claim(claims: Mapping[str, Any], path: str) -> Any:
    """A claim by its name, or by a path such as `realm_access.roles`; None without one."""
    if path in claims:  # names may contain dots: https://example.com/roles
        return claims[path]
    found: Any = claims
    for name in path.split("."):
        if not isinstance(found, Mapping) or name not in found:
            return None
        found = found[name]
    return found


def tenant_roles(tenants: list[str], roles: list[str]) -> dict[str, frozenset[Role]]:
    """Roles by tenant: `ROLE` holds in each of `tenants`, `TENANT/ROLE` in that tenant."""
    everywhere = known_roles(role for role in roles if "/" not in role)
    found = {tenant: everywhere for tenant in tenants if TENANT_NAME.fullmatch(tenant)}
    for role in roles:
        tenant, slash, name = role.rpartition("/")
        if slash and TENANT_NAME.fullmatch(tenant):
            found[tenant] = found.get(tenant, frozenset()) | known_roles([name])
    return found


def _names(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [name for name in value if isinstance(name, str)] if isinstance(value, list) else []


def _invalid(problem: str) -> UnauthenticatedError:
    return UnauthenticatedError("TOKEN_INVALID", f"The token {problem}.")
