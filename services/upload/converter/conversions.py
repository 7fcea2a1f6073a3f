"""The conversions that a converter runs: none is left when it stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence

import structlog

from ingestor.reports import OriginalTable
from ingestor.runtime.errors import UnavailableError
from ingestor.runtime.host import Worker
from ingestor.services.upload.ports import Converter
from ingestor.services.upload.uploads import Content, Upload

log = structlog.get_logger(__name__)

_ALIVE_SECONDS = 5.0  # between two signs of life
_LAST_SECONDS = 2.0  # of the drain time: for telling whose conversion ends early


class Conversions(Worker):
    """Runs conversions. As a worker it waits for the end of the service: conversions then have the drain
    time, and those that are not done are ended, for another converter to begin anew."""

    name = "conversions"

    def __init__(
        self,
        converter: Converter,
        *,
        drain_seconds: float,
        alive_seconds: float = _ALIVE_SECONDS,
    ) -> None:
        self._converter = converter
        self._drain = max(0.0, drain_seconds - _LAST_SECONDS)
        self._alive = alive_seconds
        self._running: set[asyncio.Task[Content]] = set()
        self._stopping = False

    async def convert(
        self, upload: Upload, dialect: str, repaired: OriginalTable | None, labels: Sequence[str]
    ) -> AsyncGenerator[Content | None]:
        """Convert a file: None at once and every few seconds while it lasts, then the content. Ending the
        iteration early ends the conversion. Raises what Converter.convert raises, and UnavailableError
        (CONVERTER_STOPPING)."""
        if self._stopping:
            raise _stopping()

        working = asyncio.ensure_future(self._converter.convert(upload, dialect, repaired, labels))
        self._running.add(working)
        try:
            while not working.done():
                yield None
                await asyncio.wait([working], timeout=self._alive)
            if working.cancelled():
                raise _stopping()
            yield working.result()
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
            self._running.discard(working)

    async def as_is(self, upload: Upload, dialect: str, labels: Sequence[str]) -> Content | None:
        """See Converter.as_is."""
        return await self._converter.as_is(upload, dialect, labels)

    async def run(self, stopping: asyncio.Event) -> None:
        """Wait until `stopping` is set, then let conversions finish, or end them."""
        await stopping.wait()
        self._stopping = True
        if self._running:
            _, late = await asyncio.wait(self._running, timeout=self._drain)
            for task in late:
                task.cancel()
            if late:
                log.warning("conversions ended before they were done", count=len(late))


def _stopping() -> UnavailableError:
    return UnavailableError("CONVERTER_STOPPING", "This converter stops; another one can begin anew.")
