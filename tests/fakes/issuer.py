"""A small OpenID provider over HTTP in this process, with the device flow, and the gateway's /config.json."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl


@dataclass
class Issuer:
    """`pending` questions go by before the person agrees; refresh tokens are accepted once."""

    url: str = ""
    pending: int = 0
    seconds: int = 3600  # that tokens last
    answers: list[tuple[int, dict[str, Any]]] = field(default_factory=list)  # of the token endpoint, first
    asked: list[dict[str, str]] = field(default_factory=list)
    revoked: list[str] = field(default_factory=list)
    config: dict[str, Any] | None = None  # None: what says that one signs in here
    discovery: dict[str, Any] = field(default_factory=dict)  # instead of what it says of itself
    refresh_token: str = ""
    made: int = 0

    @property
    def address(self) -> str:
        """host:port."""
        return self.url.partition("://")[2]

    def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """The answer to a GET."""
        match path:
            case "/config.json":
                mine = {"auth": "oidc", "issuer": self.url, "scope": "openid", "resource": "urn:r"}
                return 200, mine if self.config is None else self.config
            case "/.well-known/openid-configuration":
                return 200, {
                    "issuer": self.url,
                    "token_endpoint": f"{self.url}/token",
                    "device_authorization_endpoint": f"{self.url}/device",
                    "revocation_endpoint": f"{self.url}/revoke",
                    **self.discovery,
                }
            case _:
                return 404, {}

    def post(self, path: str, form: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """The answer to a form."""
        self.asked.append(form)
        if path == "/device":
            return 200, {
                "device_code": "secret-code", "user_code": "ABCD-EFGH", "verification_uri": f"{self.url}/go",
                "verification_uri_complete": f"{self.url}/go?c=ABCD-EFGH", "expires_in": 60, "interval": 1,
            }  # fmt: skip
        if path == "/revoke":
            self.revoked.append(form["token"])
            return 200, {}
        if self.answers:
            return self.answers.pop(0)
        if form["grant_type"] == "refresh_token":
            if form["refresh_token"] != self.refresh_token:
                return 400, {"error": "invalid_grant"}
        elif self.pending:
            self.pending -= 1
            return 400, {"error": "authorization_pending"}
        self.made += 1
        self.refresh_token = f"refresh-{self.made}"
        return 200, {
            "access_token": f"token-{self.made}",
            "refresh_token": self.refresh_token,
            "expires_in": self.seconds,
        }


@contextmanager
def serving(issuer: Issuer) -> Iterator[Issuer]:
    """The provider on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(*issuer.get(self.path))

        def do_POST(self) -> None:
            text = self.rfile.read(int(self.headers["content-length"])).decode()
            self._answer(*issuer.post(self.path, dict(parse_qsl(text))))

        def _answer(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield issuer
        finally:
            server.shutdown()
            thread.join()
