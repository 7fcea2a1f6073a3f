"""python -m ingestor.web"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
import uvicorn

from ingestor.runtime.addresses import split_address
from ingestor.runtime.observability.logs import configure_logging
from ingestor.runtime.settings import load_settings
from ingestor.web.app import PageApp
from ingestor.web.page import find_page, prepared
from ingestor.web.settings import WebSettings
from ingestor.web.sign_in import sign_in
from ingestor.web.tls import server_context

log = structlog.get_logger(__name__)


class _Server(uvicorn.Server):
    """Leaves signals to `_serve`: uvicorn would raise the signal again after stopping."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture no signals."""
        yield


def _listen(address: str) -> socket.socket:
    """A listening socket. Raises OSError naming the address."""
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        raise OSError(f"cannot listen on {address}: {error.strerror}") from error


async def _serve(app: PageApp, listening: socket.socket, settings: WebSettings) -> None:
    """Serve until SIGINT, or until the lame-duck time after SIGTERM has passed; a second signal ends the
    process at once."""
    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=75,  # the gateway keeps its connections
        timeout_graceful_shutdown=max(1, round(settings.drain_seconds)),
    )
    config.load()
    config.ssl = server_context(settings.tls) if settings.tls else None
    server = _Server(config)

    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.should_exit = True

    def on_signal(number: signal.Signals) -> None:
        if app.leaving:
            os._exit(1)
        app.leaving = True
        loop.call_later(settings.lame_duck_seconds if number is signal.SIGTERM else 0, stop)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)
    log.info("started", port=listening.getsockname()[1])
    await server.serve(sockets=[listening])
    log.info("stopped")


def main() -> int:
    """Serve the page; return the exit status."""
    settings = load_settings(WebSettings)
    configure_logging("web", settings.log_level, settings.log_format)
    page = find_page(settings.page_dir)
    if page is None:
        where = settings.page_dir or "the package"
        log.error(f"no built page in {where}; set INGESTOR_PAGE_DIR to its folder")
        return 1
    try:
        with prepared(page) as folder, _listen(settings.listen) as listening:
            asyncio.run(_serve(PageApp(folder, sign_in(settings)), listening, settings))
    except (OSError, ValueError) as error:
        log.error("the page cannot be served", error=str(error))
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
