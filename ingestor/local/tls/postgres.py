"""TLS before the embedded PostgreSQL, whose wheel is built without it.

It answers PostgreSQL's own request for TLS, refuses connections without it, and hands the rest to the
server's Unix socket; no port takes what is not encrypted.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
import threading
from pathlib import Path
from urllib.parse import quote

import uvloop

from ingestor.local.errors import SuiteError
from ingestor.local.ports import LOOPBACK, free_port
from ingestor.local.tls.ca import Leaf

_LONGEST_SOCKET = 107  # bytes of a path, as Linux has it
_PIECE = 2**18
_REQUEST = struct.Struct("!II")  # length, code
_TLS, _KERBEROS = _REQUEST.pack(8, 80877103), _REQUEST.pack(8, 80877104)
_ANSWER_SECONDS = 30.0  # until which a connection must speak TLS


class PostgresTls:
    """Starts and stops it; it runs in a thread."""

    def __init__(self, socket: Path, leaf: Leaf, port: int | None = None) -> None:
        """`socket` of the server; without a `port`, `start` picks a free one. Raises SuiteError when the
        system takes no socket of this name."""
        if len(str(socket).encode()) > _LONGEST_SOCKET:
            raise SuiteError(
                f"the path of the data folder is too long for a socket ({socket}); choose another with --data"
            )
        self._socket = socket
        self._leaf = leaf
        self._port = port
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._loop: asyncio.AbstractEventLoop
        self._stopping = asyncio.Event()
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port that it listens on; raises RuntimeError before `start`."""
        if self._port is None:
            raise RuntimeError("not started")
        return self._port

    def dsn(self, password: str) -> str:
        """The superuser's DSN."""
        return (
            f"postgresql://postgres:{password}@{LOOPBACK}:{self.port}/postgres"
            f"?sslmode=verify-full&sslrootcert={quote(str(self._leaf.ca))}"
        )

    def start(self) -> None:
        """Start it. Raises OSError when it cannot listen."""
        self.renew()
        self._port = free_port(self._port)
        self._loop = uvloop.new_event_loop()
        listening = self._loop.run_until_complete(
            asyncio.start_server(self._serve, LOOPBACK, self._port, limit=_PIECE)
        )
        self._thread = threading.Thread(target=self._run, args=[listening], name="postgres-tls", daemon=True)
        self._thread.start()

    def renew(self) -> None:
        """Take the certificate from its files again, for connections from now on."""
        self._context.load_cert_chain(self._leaf.certificate, self._leaf.key)

    def stop(self) -> None:
        """Stop it, and end its connections."""
        if self._thread:
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()
            self._thread = None

    def _run(self, listening: asyncio.Server) -> None:
        async def until_stopped() -> None:
            await self._stopping.wait()
            listening.close()

        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:  # cancels what is under way
            runner.run(until_stopped())

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, TimeoutError), contextlib.closing(writer):
            async with asyncio.timeout(_ANSWER_SECONDS):
                asked = await reader.readexactly(_REQUEST.size)
                if asked == _KERBEROS:
                    writer.write(b"N")
                    asked = await reader.readexactly(_REQUEST.size)
                if asked != _TLS:
                    writer.write(_refusal("connections need TLS; add sslmode=verify-full"))
                    await writer.drain()
                    return
                writer.write(b"S")
                await writer.start_tls(self._context)
            server_reader, server_writer = await asyncio.open_unix_connection(self._socket, limit=_PIECE)
            with contextlib.closing(server_writer):
                ways = [_pass(reader, server_writer), _pass(server_reader, writer)]
                tasks = [asyncio.ensure_future(way) for way in ways]
                try:
                    await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while piece := await reader.read(_PIECE):
        writer.write(piece)
        await writer.drain()


def _refusal(message: str) -> bytes:
    """PostgreSQL's ErrorResponse for an authentication that is refused (28000)."""
    fields = b"SFATAL\0VFATAL\0C28000\0M" + message.encode() + b"\0\0"
    return b"E" + struct.pack("!I", 4 + len(fields)) + fields
