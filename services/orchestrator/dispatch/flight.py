"""The batches of a stream that are in flight: sent, and without an outcome."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import structlog

from ingestor.runtime.errors import AbortedError, ServiceError
from ingestor.services.orchestrator.dispatch.window import Window
from ingestor.services.orchestrator.ports import Progress

log = structlog.get_logger(__name__)

Watch = Callable[[], AsyncGenerator[Progress, None]]
UntilDone = Callable[[str, Callable[[], Awaitable[None]]], Awaitable[None]]


class StoppedError(Exception):
    """The process has ended: it was cancelled, or too many rows failed."""


def paused_error() -> AbortedError:
    """The error of a stream whose process is paused: it would hold a place for nothing."""
    return AbortedError("INGESTION_PAUSED", "The process is paused; bring its file when it is resumed.")


class Flight:
    """Gives a stream its turns. Its process is followed at status from when the stream has to wait for one
    until nothing is in flight."""

    def __init__(
        self, window: Window, watch: Watch, until_done: UntilDone, check_running: Callable[[], None]
    ) -> None:
        """`watch` gives the progress of the process after every change; `check_running` raises
        UnavailableError when the service stops."""
        self.window = window
        self._watch = watch
        self._until_done = until_done
        self._check_running = check_running
        self._following: asyncio.Task[None] | None = None
        self._processed = 0
        self._terminal = False
        self._error: Exception | None = None
        self._left = False

    async def turn(self) -> None:
        """Wait until another batch may be sent; it is in flight then. Raises StoppedError when the process
        has ended, AbortedError (INGESTION_PAUSED) when it is paused meanwhile, UnavailableError when the
        service stops, and what following it raises."""
        self._check_running()
        if not self.window.may_send:
            self._follow()
            await self.window.turn(self._check)
        self.window.placed()

    async def landed(self) -> None:
        """Wait until nothing that was sent is in flight. Raises as `turn`."""
        self._follow()
        await self.window.landed(self._check)

    def sent(self) -> None:
        """A batch that had its turn is on its way."""
        self.window.sent()

    def told(self, progress: Progress) -> None:
        """Take what status has said of the process."""
        self._terminal = self._terminal or progress.terminal
        self.window.hold(progress.state == "PAUSED")
        self.window.ended(progress.batches_processed - self._processed)
        self._processed = max(self._processed, progress.batches_processed)

    def leave(self, *, follow: bool) -> asyncio.Task[None] | None:
        """The stream has ended. With `follow` what is in flight is followed to its end, by the task that is
        returned."""
        self._left = True
        if follow and self.window.in_flight and not self._done:
            return self._follow()
        if self._following:
            self._following.cancel()
        self.window.forget()
        return None

    @property
    def _done(self) -> bool:
        """Whether nothing more can be learned."""
        return self._terminal or self._error is not None or (self._left and not self.window.takes)

    def _check(self) -> None:
        self._check_running()
        if self._terminal:
            raise StoppedError
        if self.window.is_held:
            raise paused_error()
        if self._error:
            raise self._error

    def _follow(self) -> asyncio.Task[None]:
        if self._following is None:
            self._following = asyncio.create_task(self._run())
        return self._following

    async def _run(self) -> None:
        async def watch() -> None:
            async with aclosing(self._watch()) as watching:
                async for progress in watching:
                    self.told(progress)
                    self._check_running()
                    if self._done:
                        return

        try:
            await self._until_done("status", watch)
        except ServiceError as error:
            self._error = error
            log.info("process not followed", error=str(error))
        except Exception as error:  # who waits for a turn gets it
            self._error = error
            log.error("process not followed", exc_info=error)
        finally:
            if self._left:
                self.window.forget()
            else:
                self.window.tell()
