"""Signing in at an OpenID provider without a browser of one's own: the device flow (RFC 8628), renewal by a
refresh token, revocation (RFC 7009). Everything here blocks."""

from __future__ import annotations

import json
import os
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ingestor.client.access.logins import Login
from ingestor.client.channel import Endpoint, is_loopback
from ingestor.client.errors import (
    DeadlineExceededError,
    FailedPreconditionError,
    PermissionDeniedError,
    UnauthenticatedError,
    UnavailableError,
)

_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_SECONDS = 15.0  # for an answer
_MOST_BYTES = 2**20  # of an answer


@dataclass(frozen=True)
class SignIn:
    """Where and as which client the command line signs people in."""

    issuer: str
    client_id: str
    scope: str = "openid profile offline_access"
    resource: str = ""


@dataclass(frozen=True)
class DeviceCode:
    """What a person has to do: open `url` and enter `user_code` there; `complete_url`, when the provider has
    one, holds the code already."""

    url: str
    user_code: str
    complete_url: str
    expires_in: float  # seconds
    interval: float  # seconds between two questions
    device_code: str


@dataclass(frozen=True)
class Provider:
    """The addresses of an OpenID provider that are needed here; empty: it does not have it."""

    token: str
    device: str
    revocation: str


def how_to_sign_in(endpoint: Endpoint) -> SignIn | None:
    """What a gateway says of it; None when nobody signs in there.

    Raises UnavailableError; FailedPreconditionError (NO_SIGN_IN) when it says nothing.
    """
    scheme = "https" if endpoint.tls else "http"
    status, found = _ask(f"{scheme}://{endpoint.target}/config.json", ca=endpoint.ca)
    if status == 200 and found.get("auth") == "local":
        return None
    if status == 200 and found.get("issuer"):
        return SignIn(
            str(found["issuer"]),
            str(found.get("commandLineClientId") or "ingestor-cli"),
            str(found.get("scope") or SignIn.scope),
            str(found.get("resource") or ""),
        )
    raise FailedPreconditionError(
        f"{endpoint.target} does not say where to sign in; give --issuer and --client-id, or use an API key",
        reason="NO_SIGN_IN",
    )


def discover(issuer: str) -> Provider:
    """An OpenID provider by its issuer. Raises UnavailableError; FailedPreconditionError (ISSUER_WRONG)."""
    status, found = _ask(issuer.rstrip("/") + "/.well-known/openid-configuration")
    if status != 200 or str(found.get("issuer", "")).rstrip("/") != issuer.rstrip("/"):
        raise _wrong(issuer, "it does not describe itself as one")
    if not found.get("token_endpoint"):
        raise _wrong(issuer, "it names no token endpoint")
    return Provider(
        str(found["token_endpoint"]),
        str(found.get("device_authorization_endpoint") or ""),
        str(found.get("revocation_endpoint") or ""),
    )


def sign_in(
    how: SignIn,
    show: Callable[[DeviceCode], None],
    wait: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.time,
) -> Login:
    """Sign a person in; `show` says what to do, then this waits until it is done.

    Raises UnavailableError, FailedPreconditionError (ISSUER_WRONG), PermissionDeniedError (SIGN_IN_REFUSED),
    DeadlineExceededError when the code has expired.
    """
    provider = discover(how.issuer)
    if not provider.device:
        raise _wrong(how.issuer, "it has no device flow (RFC 8628); use an API key")
    form = {"client_id": how.client_id, "scope": how.scope}
    if how.resource:
        form["resource"] = how.resource
    status, found = _ask(provider.device, form)
    if status != 200 or not found.get("device_code"):
        raise _wrong(how.issuer, f"it refuses the device flow for {how.client_id}: {_said(found)}")
    code = DeviceCode(
        str(found.get("verification_uri") or found.get("verification_url") or ""),
        str(found.get("user_code", "")),
        str(found.get("verification_uri_complete") or ""),
        float(found.get("expires_in", 600)),
        float(found.get("interval", 5)),
        str(found["device_code"]),
    )
    show(code)
    end, interval = now() + code.expires_in, code.interval
    form = {"grant_type": _DEVICE_GRANT, "client_id": how.client_id, "device_code": code.device_code}
    if how.resource:
        form["resource"] = how.resource
    while now() < end:
        wait(interval)
        try:
            status, found = _ask(provider.token, form)
        except UnavailableError:
            interval *= 2  # as RFC 8628 asks for
            continue
        if status == 200 and found.get("access_token"):
            return _login(
                Login(
                    how.issuer, how.client_id, provider.token, provider.revocation, how.scope, how.resource,
                    "", None, "",
                ),
                found, now(),
            )  # fmt: skip
        match found.get("error"):
            case "authorization_pending":
                pass
            case "slow_down":
                interval += 5
            case "expired_token":
                break
            case "access_denied":
                raise PermissionDeniedError("the sign-in was refused", reason="SIGN_IN_REFUSED")
            case _:
                raise _wrong(how.issuer, f"it gives no token: {_said(found)}")
    raise DeadlineExceededError("nobody has entered the code in time; run `ingestor login` again")


def renew(login: Login, now: Callable[[], float] = time.time) -> Login:
    """New tokens. Raises UnavailableError; UnauthenticatedError (LOGIN_ENDED)."""
    if not login.refresh_token:
        raise _ended(login)
    form = {
        "grant_type": "refresh_token",
        "client_id": login.client_id,
        "refresh_token": login.refresh_token,
    }
    if login.resource:
        form["resource"] = login.resource
    status, found = _ask(login.token_endpoint, form)
    if status >= 500 or status == 429:
        raise UnavailableError(f"{login.issuer} answers with status {status}")
    if status != 200 or not found.get("access_token"):
        raise _ended(login)
    return _login(login, found, now())


def revoke(login: Login) -> bool:
    """Tell the issuer that its tokens are not used any more; whether it knows now."""
    if not login.revocation_endpoint:
        return False
    form = {"client_id": login.client_id, "token": login.refresh_token or login.access_token}
    try:
        return _ask(login.revocation_endpoint, form)[0] == 200
    except UnavailableError:
        return False


def _login(before: Login, found: Mapping[str, Any], now: float) -> Login:
    seconds = found.get("expires_in")
    return replace(
        before,
        access_token=str(found["access_token"]),
        expires_at=now + float(seconds) if seconds else None,
        refresh_token=str(found.get("refresh_token") or before.refresh_token),
    )


def signed_out(address: str) -> UnauthenticatedError:
    """The error of a sign-in that is no longer stored."""
    return UnauthenticatedError(
        f"nobody is signed in at {address} any more; run `ingestor login`",
        reason="LOGIN_ENDED",
    )


def _ended(login: Login) -> UnauthenticatedError:
    return UnauthenticatedError(
        f"your sign-in at {login.issuer} has ended; run `ingestor login`", reason="LOGIN_ENDED"
    )


def _wrong(issuer: str, why: str) -> FailedPreconditionError:
    return FailedPreconditionError(f"nobody can sign in at {issuer}: {why}", reason="ISSUER_WRONG")


def _said(found: Mapping[str, Any]) -> str:
    """What an OAuth error says."""
    return str(found.get("error_description") or found.get("error") or "no reason given")[:300]


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: what is sent here is a secret."""

    def redirect_request(self, *_: Any) -> None:
        """None."""


def _ask(
    url: str, form: Mapping[str, str] | None = None, ca: bytes | None = None
) -> tuple[int, dict[str, Any]]:
    """The status of an answer, and its JSON object; an empty one when it is something else. Raises
    UnavailableError."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(url)):
        raise FailedPreconditionError(f"{url[:200]} is not an address with TLS", reason="ISSUER_WRONG")
    handlers: list[urllib.request.BaseHandler] = [_Stay()]
    if parts.scheme == "https":
        handlers.append(urllib.request.HTTPSHandler(context=_trust(ca)))
    if is_loopback(url):
        handlers.append(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(  # noqa: S310 - the scheme was looked at
        url,
        data=urllib.parse.urlencode(form).encode() if form is not None else None,
        headers={"accept": "application/json"},
    )
    host = parts.netloc
    try:
        with urllib.request.build_opener(*handlers).open(request, timeout=_SECONDS) as answer:
            status, body = answer.status, answer.read(_MOST_BYTES)
    except urllib.error.HTTPError as error:
        with error:
            status, body = error.code, error.read(_MOST_BYTES)
    except urllib.error.URLError as error:
        raise UnavailableError(f"{host} does not answer: {error.reason}") from None
    except (OSError, ValueError) as error:
        raise UnavailableError(f"{host} does not answer: {error}") from None
    try:
        found = json.loads(body)
    except ValueError:
        found = {}
    return status, found if isinstance(found, dict) else {}


def _trust(ca: bytes | None) -> ssl.SSLContext:
    """Trust well-known CAs, that of INGESTOR_CA, and this one."""
    context = ssl.create_default_context()
    if ca:
        context.load_verify_locations(cadata=ca.decode("ascii"))
    if file := os.environ.get("INGESTOR_CA"):
        try:
            context.load_verify_locations(file)
        except OSError as error:
            raise UnavailableError(f"INGESTOR_CA: {file} cannot be used: {error.strerror or error}") from None
    return context
