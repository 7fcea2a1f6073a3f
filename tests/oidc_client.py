"""Signs in at the demonstration's OpenID provider as a browser and its person would, through its pages."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import secrets
import shutil
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from email.message import Message
from html import unescape
from http.client import HTTPMessage
from http.cookiejar import CookieJar
from pathlib import Path
from typing import IO, Any

import pytest

from ingestor.local.errors import SuiteError
from ingestor.local.oidc.provider import find_modules

PAGE = "ingestor-page"
COMMAND_LINE = "ingestor-cli"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


def needs_provider(folder: Path) -> None:
    """Skip the test where the demonstration's provider cannot run; CI must not skip silently."""
    reason = None if shutil.which("node") else "needs Node.js"
    try:
        find_modules(folder)
    except SuiteError as error:
        reason = str(error)
    if reason is not None:
        assert not os.environ.get("CI"), reason
        pytest.skip(reason)


class _Stay(urllib.request.HTTPRedirectHandler):
    """Leaves redirects to the caller."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> None:
        """Follow none."""


@dataclass
class Answer:
    """An answer of HTTP, after redirects."""

    status: int
    url: str
    headers: Message
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass
class Browser:
    """A person's browser: it keeps cookies and follows redirects, but does not leave the provider."""

    issuer: str
    _jar: CookieJar = field(default_factory=CookieJar)

    def ask(
        self, url: str, form: dict[str, str] | None = None, headers: dict[str, str] | None = None
    ) -> Answer:
        """GET, or POST a form; follows redirects up to one that leaves the provider, whose address is then
        `url`."""
        opener = urllib.request.build_opener(_Stay, urllib.request.HTTPCookieProcessor(self._jar))
        body = urllib.parse.urlencode(form).encode() if form is not None else None
        for _ in range(10):
            request = urllib.request.Request(url, body, headers or {})
            try:
                with opener.open(request, timeout=30) as answer:
                    return Answer(answer.status, url, answer.headers, answer.read())
            except urllib.error.HTTPError as error:
                with error:
                    found = Answer(error.code, url, error.headers, error.read())
            if found.status not in (302, 303):
                return found
            url, body = urllib.parse.urljoin(url, found.headers["location"]), None
            if not url.startswith(f"{self.issuer}/"):
                return Answer(found.status, url, found.headers, b"")
        raise AssertionError("redirected without end")

    def choose(self, page: Answer, user: str) -> Answer:
        """On the page "Sign in", choose a person."""
        assert f'value="{user}"' in page.text, page.text
        return self.ask(page.url, {"user": user})

    def press(self, page: Answer, **values: str) -> Answer:
        """Send the form of a page, with its hidden fields."""
        action = re.search(r'<form[^>]* action="([^"]+)"', page.text)
        assert action, page.text
        hidden = dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page.text))
        return self.ask(unescape(action[1]), {**hidden, **values})

    def authorize(self, redirect_uri: str, **more: str) -> tuple[Answer, str]:
        """Begin an authorization with PKCE: the first page, and the verifier."""
        verifier = secrets.token_urlsafe(32)
        digest = hashlib.sha256(verifier.encode()).digest()
        asked = {
            "client_id": PAGE,
            "response_type": "code",
            "redirect_uri": redirect_uri,
            "scope": "openid profile offline_access",
            "state": "here",
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
            **more,
        }
        return self.ask(f"{self.issuer}/auth?{urllib.parse.urlencode(asked)}"), verifier

    def redeem(self, back: Answer, verifier: str, redirect_uri: str) -> Any:
        """The tokens for the code with which the browser comes back."""
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(back.url).query))
        assert query["state"] == "here", query
        form = {
            "grant_type": "authorization_code",
            "client_id": PAGE,
            "code": query["code"],
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
        }
        return self.ask(f"{self.issuer}/token", form).json

    def sign_in(self, user: str, redirect_uri: str) -> Any:
        """Authorization code with PKCE; the answer of the token endpoint."""
        page, verifier = self.authorize(redirect_uri)
        return self.redeem(self.choose(page, user), verifier, redirect_uri)
