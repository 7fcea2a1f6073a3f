"""The gateway's first look at tokens: Envoy's filter jwt_authn, and refusals that say what is wrong.

The services check every token again; the gateway keeps off what they would refuse anyway.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from math import ceil
from typing import Any
from urllib.parse import urlsplit

from ingestor.gateway.outside import outside_cluster
from ingestor.gateway.replies import reply
from ingestor.gateway.settings import GatewaySettings
from ingestor.runtime.errors import UnauthenticatedError, UnavailableError

KEYS_CLUSTER = "oidc_keys"
API_KEY_PREFIX = "Bearer ing_"
_FILTER = "envoy.filters.http.jwt_authn"
_EXTENSIONS = "type.googleapis.com/envoy.extensions"
_PROVIDER = "oidc"
_WITH_TOKEN = ("/ingestor.", "/grpc.reflection.")  # paths of which each call needs a token
_MOST_DISCOVERED = 1_000_000  # bytes
# What Envoy says of a refused token, the reason that clients get, and one sentence for people. The first
# that applies counts.
_REFUSALS = (
    ("Jwks_remote_fetch_is_failed", 503, "DEPENDENCY_UNAVAILABLE",
     "Tokens cannot be checked now, because the keys of their issuer cannot be fetched; try again later."),
    ("Jwt_is_missing", 401, "TOKEN_MISSING", "This call needs a token or an API key."),
    ("Jwt_is_expired", 401, "TOKEN_EXPIRED", "The token has expired; sign in again, or renew it."),
    ("", 401, "TOKEN_INVALID",
     "The token is malformed, is from another issuer or for another audience, or its signature is wrong."),
)  # fmt: skip


class GatewayError(Exception):
    """The configuration cannot be made; the message says why."""


def discover_keys(issuer: str, timeout: float = 10) -> str:
    """URL of the issuer's keys, from its discovery document. Raises GatewayError."""
    url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    if urlsplit(url).scheme not in ("http", "https"):
        raise GatewayError(f"INGESTOR_OIDC_ISSUER: {issuer!r} is not a URL")
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:  # noqa: S310
            found = json.loads(answer.read(_MOST_DISCOVERED))
            named, keys = str(found["issuer"]), str(found["jwks_uri"])
    except (urllib.error.URLError, OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "reason", None) or "it is no discovery document"
        raise GatewayError(
            f"INGESTOR_OIDC_ISSUER: {url} cannot be read ({reason}); correct the issuer, or set "
            "INGESTOR_OIDC_JWKS to the URL or the file of its keys"
        ) from error
    if named != issuer:
        raise GatewayError(f"INGESTOR_OIDC_ISSUER: {url} is of another issuer; is {named!r} meant?")
    return keys


def require_tokens(config: dict[str, Any], settings: GatewaySettings) -> None:
    """Let the gateway refuse calls without a valid token of the issuer, in place. API keys pass; the services
    check them. Raises GatewayError when the issuer cannot be asked for its keys."""
    keys = settings.oidc_jwks or discover_keys(settings.oidc_issuer)
    (listener,) = config["static_resources"]["listeners"]
    for chain in listener["filter_chains"]:
        manager = chain["filters"][-1]["typed_config"]
        # Before the router, behind the filter of CORS: a browser may read why it is refused.
        manager["http_filters"].insert(-1, _filter(settings, keys))
        manager["local_reply_config"] = {"mappers": [_refusal(*refusal) for refusal in _REFUSALS]}
    if "://" in keys:
        config["static_resources"]["clusters"].append(_cluster(keys))


def _filter(settings: GatewaySettings, keys: str) -> dict[str, Any]:
    provider: dict[str, Any] = {
        "issuer": settings.oidc_issuer,
        "audiences": [settings.oidc_audience],
        "forward": True,  # the services check it again
        "require_expiration": True,
        # The only place: neither the address nor cookies.
        "from_headers": [
            {"name": "authorization", "value_prefix": prefix} for prefix in ("Bearer ", "bearer ")
        ],
        "clock_skew_seconds": max(1, ceil(settings.oidc_clock_skew_seconds)),  # 0 would be Envoy's own 60
    }
    if "://" in keys:
        provider["remote_jwks"] = {
            "http_uri": {"uri": keys, "cluster": KEYS_CLUSTER, "timeout": "5s"},
            "cache_duration": f"{settings.oidc_jwks_seconds}s",
            # Kept fresh in the background: no call waits for the issuer.
            "async_fetch": {"failed_refetch_duration": "1s"},
            "retry_policy": {"num_retries": 2},
        }
    else:
        provider["local_jwks"] = {"filename": keys}
    api_key = {"name": "authorization", "string_match": {"prefix": API_KEY_PREFIX, "ignore_case": True}}
    rules: list[dict[str, Any]] = [{"match": {"prefix": "/", "headers": [api_key]}}]
    rules += [
        {"match": {"prefix": prefix}, "requires": {"provider_name": _PROVIDER}} for prefix in _WITH_TOKEN
    ]
    return {
        "name": _FILTER,
        "typed_config": {
            "@type": f"{_EXTENSIONS}.filters.http.jwt_authn.v3.JwtAuthentication",
            "providers": {_PROVIDER: provider},
            "rules": rules,
        },
    }


def _refusal(detail: str, status: int, reason: str, message: str) -> dict[str, Any]:
    """A reply of jwt_authn."""
    kind = UnavailableError if status == 503 else UnauthenticatedError
    condition = f"response.code_details.startsWith('jwt_authn_access_denied{{{detail}')"
    return reply(condition, status, kind(reason, message))


def _cluster(keys: str) -> dict[str, Any]:
    """The host of the keys. With https its certificate must be that of a known authority."""
    url = urlsplit(keys)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise GatewayError(f"INGESTOR_OIDC_JWKS: {keys!r} is neither a URL nor a file")
    port = 443 if url.scheme == "https" else 80
    return outside_cluster(KEYS_CLUSTER, url, port=port, connect_timeout="5s")
