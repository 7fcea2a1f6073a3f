"""The page as an ASGI application."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from pathlib import Path
from typing import Any
from wsgiref.headers import Headers

from servestatic import ServeStaticASGI
from servestatic.asgi import FileServerASGI

from ingestor.web.page import INDEX
from ingestor.web.sign_in import LOCAL, SignIn

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

LIVE = "/livez"
READY = ("/readyz", "/healthz")  # the gateway asks the second one
CONFIG = "/config.json"
_ASSETS = "/assets/"  # the build names these files by a hash of their content
# The page loads nothing from elsewhere and has no inline styles.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "worker-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
_UNUSED = "accelerometer camera display-capture geolocation gyroscope magnetometer microphone payment usb"
SECURITY_HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": ", ".join(f"{feature}=()" for feature in _UNUSED.split()),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
# A path of the page itself, such as /processes/1, has no dot in its last part.
_FILE = re.compile(r"\.[^/]*$")


class PageApp:
    """Serves the files of a folder by GET and HEAD, and /config.json, which says how people sign in. The
    page's own paths, which name no file, get the index."""

    def __init__(self, folder: Path, sign_in: SignIn = LOCAL) -> None:
        self.leaving = False  # not ready any more, though requests are answered
        self._config = sign_in.document
        self._security = _security(sign_in.origins)
        self._files = ServeStaticASGI(
            self._no_file,
            root=folder,
            allow_all_origins=False,
            max_age=None,
            immutable_file_test=_never,
            add_headers_function=_cache,
        )
        self._index = FileServerASGI(self._files.files[f"/{INDEX}"])

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Respond to a request."""
        if scope["type"] != "http":
            raise ValueError(f"{scope['type']} is not served")

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *self._security]
            await send(message)

        if scope["method"] not in ("GET", "HEAD"):
            await _answer(send_safely, 405, b"Method not allowed\n", (b"allow", b"GET, HEAD"))
        elif scope["path"] == LIVE:
            await _answer(send_safely, 200, b"ok\n")
        elif scope["path"] in READY:
            await _answer(send_safely, *((503, b"not now\n") if self.leaving else (200, b"ok\n")))
        elif scope["path"] == CONFIG:
            await _answer(send_safely, 200, self._config, content_type=b"application/json")
        else:
            await self._files(scope, receive, send_safely)

    async def _no_file(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        path = scope["path"]
        if path.startswith(_ASSETS) or _FILE.search(path):
            await _answer(send, 404, b"Not found\n")
        else:
            await self._index(scope, receive, send)


def _never(path: str, url: str) -> bool:
    return False


def _cache(headers: Headers, path: str, url: str) -> None:
    """Let files named by their content be cached for a year, and others be revalidated by their ETag."""
    kept = url.startswith(_ASSETS)
    headers["Cache-Control"] = "public, max-age=31536000, immutable" if kept else "no-cache"


def _security(origins: Sequence[str]) -> list[tuple[bytes, bytes]]:
    """The security headers of a page that also connects to these origins."""
    policy = POLICY.replace("connect-src 'self'", " ".join(("connect-src 'self'", *origins)))
    headers = {**SECURITY_HEADERS, "content-security-policy": policy}
    return [(name.encode(), value.encode()) for name, value in headers.items()]


async def _answer(
    send: Send,
    status: int,
    body: bytes,
    *more: tuple[bytes, bytes],
    content_type: bytes = b"text/plain; charset=utf-8",
) -> None:
    headers = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
        *more,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
