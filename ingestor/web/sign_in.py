"""What the page and the command line have to know to sign people in."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import urlsplit

from ingestor.web.settings import WebSettings


@dataclass(frozen=True)
class SignIn:
    """How people sign in, as /config.json says it, and the origins that the page connects to for it."""

    document: bytes
    origins: tuple[str, ...] = ()


LOCAL = SignIn(b'{"auth": "local"}')


def sign_in(settings: WebSettings) -> SignIn:
    """As the settings say."""
    if settings.auth == "local":
        return LOCAL
    known = {
        "auth": "oidc",
        "issuer": settings.oidc_issuer,
        "clientId": settings.page_client_id,
        "scope": settings.page_scope,
        "resource": settings.page_resource,
        "commandLineClientId": settings.cli_client_id,
    }
    issuer = urlsplit(settings.oidc_issuer)
    others = (part.strip() for part in settings.page_connect_origins.split(","))
    origins = (f"{issuer.scheme}://{issuer.netloc}", *(origin for origin in others if origin))
    return SignIn(json.dumps({key: value for key, value in known.items() if value}).encode(), origins)
