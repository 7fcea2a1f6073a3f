"""A TCP connection's way through a place where it can be delayed, narrowed or cut."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress

_PIECE = 2**16


class TcpLink:
    """Passes connections on to host:port. What it does to them may be changed at any time."""

    def __init__(self, host: str, port: int) -> None:
        self._target = (host, port)
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._passing: set[asyncio.Task[None]] = set()
        self.delay = 0.0
        """Seconds that each piece is late."""
        self.bytes_per_second = 0
        """0: as many as there are."""
        self.refuses = False
        """Whether new connections are closed at once."""
        self.mute = False
        """Whether answers are lost on their way: requests arrive, and nobody hears of it."""

    async def start(self, port: int = 0) -> int:
        """Listen; the port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Close everything."""
        if self._server:
            self._server.close()
        self.cut()
        for task in self._passing:
            task.cancel()
        await asyncio.gather(*self._passing, return_exceptions=True)

    def cut(self, *, reset: bool = True) -> None:
        """End every connection: by RST, as a machine that is gone and back, or by FIN."""
        for writer in self._open:
            if writer.is_closing():
                continue
            if reset:
                link: socket.socket = writer.get_extra_info("socket")
                with suppress(OSError):
                    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                writer.transport.abort()
            else:
                writer.close()

    def heal(self) -> None:
        """Do nothing to connections any more."""
        self.delay, self.bytes_per_second, self.refuses, self.mute = 0.0, 0, False, False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            writer.transport.abort()
            return
        try:
            there, to_there = await asyncio.open_connection(*self._target)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, to_there}
        ways = [
            asyncio.create_task(self._pass(reader, to_there, are_answers=False)),
            asyncio.create_task(self._pass(there, writer, are_answers=True)),
        ]
        self._passing.update(ways)
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait(ways, timeout=5)  # a side that has ended still reads
        for way in ways:
            way.cancel()
            self._passing.discard(way)
        for one in (writer, to_there):
            self._open.discard(one)
            one.transport.abort()

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, are_answers: bool
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(_PIECE):
                if self.mute and are_answers:
                    continue
                if self.delay:
                    await asyncio.sleep(self.delay)
                if self.bytes_per_second:
                    await asyncio.sleep(len(data) / self.bytes_per_second)
                writer.write(data)
                await writer.drain()
            if not writer.is_closing():
                writer.write_eof()
