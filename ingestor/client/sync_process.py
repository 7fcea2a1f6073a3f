"""The handle of a process for plain code, and the thread that its calls run on."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Self, TypeVar

from ingestor.client.aio_process import AsyncProcess
from ingestor.client.fields import ProcessFields
from ingestor.client.models import Batch, ErrorGroup, Event, Report, Row, UndoCounts
from ingestor.client.reports import ReportFormat, ReportRows, Target
from ingestor.client.sources import Source
from ingestor.client.upload import Dialect, OnProgress
from ingestor.client.verification.verify import OnVerified, Verification
from ingestor.v1 import status_pb2

T = TypeVar("T")
_END = object()


class Runner:
    """Runs coroutines on a background thread, which starts with the first one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether it takes no more work."""
        return self._closed

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of a coroutine; it is cancelled when waiting for it is interrupted (Ctrl-C)."""
        try:
            loop = self._started()
        except RuntimeError:
            work.close()
            raise
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        """The items one by one, each fetched when it is asked for."""

        async def following() -> Any:
            return await anext(items, _END)

        async def close() -> None:
            if hasattr(items, "aclose"):
                await items.aclose()

        try:
            while (item := self.run(following())) is not _END:
                yield item
        finally:
            if not self._closed:
                self.run(close())

    def close(self) -> None:
        """End the thread; harmless when it has ended."""
        with self._lock:
            self._closed = True
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is not None and thread is not None:
            asyncio.run_coroutine_threadsafe(_end_tasks(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._closed:
                raise RuntimeError("the client is closed")
            if self._loop is None or self._thread is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="ingestor-client", daemon=True
                )
                self._thread.start()
            if threading.current_thread() is self._thread:
                raise RuntimeError("on_upload and on_lost must not call the client: it would wait for itself")
            return self._loop


async def _end_tasks() -> None:
    """Cancel what else runs on this loop, and wait for its end."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    await asyncio.get_running_loop().shutdown_asyncgens()


def documented_by(original: type) -> Callable[[type[T]], type[T]]:
    """A class's methods get the texts of the asynchronous ones, for help() and the documentation."""

    def decorate(cls: type[T]) -> type[T]:
        for name, method in vars(cls).items():
            if not name.startswith("_") and inspect.isfunction(method):
                text = getattr(original, name).__doc__
                method.__doc__ = text.replace("AsyncClient", "Client").replace("AsyncProcess", "Process")
        return cls

    return decorate


@documented_by(AsyncProcess)
class Process(ProcessFields):
    """AsyncProcess for plain code: the same methods with the same arguments, results and errors."""

    def __init__(self, runner: Runner, process: AsyncProcess) -> None:
        self._runner = runner
        self._async = process

    @property
    def raw(self) -> status_pb2.Process:
        """The message of the last look."""
        return self._async.raw

    def refresh(self, timeout: float | None = None) -> Self:
        """See AsyncProcess.refresh."""
        self._runner.run(self._async.refresh(timeout))
        return self

    def watch(self, timeout: float | None = None) -> Iterator[Self]:
        """See AsyncProcess.watch."""
        for _ in self._runner.iterate(self._async.watch(timeout)):
            yield self

    def wait(self, progress: Callable[[Process], None] | None = None, timeout: float | None = None) -> Self:
        """See AsyncProcess.wait."""
        for process in self.watch(timeout):
            if progress:
                progress(process)
        return self

    def rows(self, filter: str = "", limit: int | None = None, timeout: float | None = None) -> Iterator[Row]:
        """See AsyncProcess.rows."""
        return self._runner.iterate(self._async.rows(filter, limit, timeout))

    def row(self, number: int, timeout: float | None = None) -> Row:
        """See AsyncProcess.row."""
        return self._runner.run(self._async.row(number, timeout))

    def errors(self, timeout: float | None = None) -> list[ErrorGroup]:
        """See AsyncProcess.errors."""
        return self._runner.run(self._async.errors(timeout))

    def events(self, timeout: float | None = None) -> Iterator[Event]:
        """See AsyncProcess.events."""
        return self._runner.iterate(self._async.events(timeout))

    def batches(self, timeout: float | None = None) -> Iterator[Batch]:
        """See AsyncProcess.batches."""
        return self._runner.iterate(self._async.batches(timeout))

    def report(
        self,
        target: Target,
        format: ReportFormat | None = None,
        rows: ReportRows = "rejected",
        timeout: float | None = None,
    ) -> Report:
        """See AsyncProcess.report."""
        return self._runner.run(self._async.report(target, format, rows, timeout))

    def verify(
        self,
        target: Target | None = None,
        sample: int = 0,
        progress: OnVerified | None = None,
        timeout: float | None = None,
    ) -> Verification:
        """See AsyncProcess.verify."""
        return self._runner.run(self._async.verify(target, sample, progress, timeout))

    def repair(
        self,
        source: Source,
        file_name: str | None = None,
        resume: str | None = None,
        on_upload: OnProgress | None = None,
        dialect: Dialect | None = None,
        timeout: float | None = None,
    ) -> Process:
        """See AsyncProcess.repair."""
        return Process(
            self._runner,
            self._runner.run(self._async.repair(source, file_name, resume, on_upload, dialect, timeout)),
        )

    def retry(self, timeout: float | None = None) -> Process:
        """See AsyncProcess.retry."""
        return Process(self._runner, self._runner.run(self._async.retry(timeout)))

    def pause(self, timeout: float | None = None) -> Self:
        """See AsyncProcess.pause."""
        self._runner.run(self._async.pause(timeout))
        return self

    def resume(self, timeout: float | None = None) -> Self:
        """See AsyncProcess.resume."""
        self._runner.run(self._async.resume(timeout))
        return self

    def cancel(self, timeout: float | None = None) -> Self:
        """See AsyncProcess.cancel."""
        self._runner.run(self._async.cancel(timeout))
        return self

    def undo(self, dry_run: bool = False, timeout: float | None = None) -> UndoCounts:
        """See AsyncProcess.undo."""
        return self._runner.run(self._async.undo(dry_run, timeout))

    def delete(self, timeout: float | None = None) -> None:
        """See AsyncProcess.delete."""
        self._runner.run(self._async.delete(timeout))
