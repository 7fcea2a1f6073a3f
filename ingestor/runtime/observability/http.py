"""What a service tells over HTTP, from a thread of its own: /metrics for Prometheus, and probes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from ingestor.runtime.addresses import split_address

_READ_SECONDS = 10.0  # a client that says nothing for so long is let go
_TEXT = [("Content-Type", "text/plain; charset=utf-8"), ("Cache-Control", "no-store")]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    address_family = socket.AF_INET


class _ServerOfIpv6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = _READ_SECONDS

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log no requests."""


@contextmanager
def serve_http(
    registry: CollectorRegistry, listen: str, probes: Mapping[str, Callable[[], bool]]
) -> Iterator[int | None]:
    """Serve while the context lasts; yields the port, None when `listen` is empty.

    `probes`: by path, what answers 200 while it is true, and 503 otherwise; called in threads. Raises OSError
    when the address is in use.
    """
    if not listen:
        yield None
        return
    metrics = make_wsgi_app(registry)

    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if probe := probes.get(path):
            good = probe()
            start("200 OK" if good else "503 Service Unavailable", _TEXT)
            return [b"ok\n" if good else b"not now\n"]
        if path in ("/", "/metrics"):
            return metrics(environ, start)  # type: ignore[no-any-return]
        start("404 Not Found", _TEXT)
        return [b"Not found\n"]

    host, port = split_address(listen)
    kind = _ServerOfIpv6 if ":" in host else _Server
    server = make_server(host, port, answer, kind, _Handler)
    thread = threading.Thread(target=server.serve_forever, name="http", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
