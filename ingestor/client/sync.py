"""The client for plain code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from os import PathLike
from types import TracebackType
from typing import Self

from ingestor.client.access.credentials import Token
from ingestor.client.access.sync import Access
from ingestor.client.aio import DEFAULT_ADDRESS, AsyncClient, AsyncPipelines
from ingestor.client.models import DryRun, Overview, PipelineVersion, Queues, TableDraft, Upload
from ingestor.client.sources import Source
from ingestor.client.sync_process import Process, Runner, documented_by
from ingestor.client.upload import Dialect, Document, OnProgress
from ingestor.client.verification.verify import PublicKey


@documented_by(AsyncClient)
class Client:
    """AsyncClient for plain code: the same methods with the same arguments, results and errors; iterators
    where those are asynchronous. A context manager. May be used from several threads.

    Calls run on a background thread, and so do `on_upload` and `on_lost`, which must not call the client;
    the `progress` of `Process.wait` may.
    """

    def __init__(
        self,
        address: str = DEFAULT_ADDRESS,
        *,
        timeout: float = 60.0,
        patience: float = 30.0,
        on_lost: Callable[[str], None] | None = None,
        tls: bool | None = None,
        ca: str | PathLike[str] | None = None,
        token: Token | None = None,
        tenant: str | None = None,
        allow_plaintext_token: bool = False,
    ) -> None:
        """See AsyncClient."""
        self._async = AsyncClient(
            address, timeout=timeout, patience=patience, on_lost=on_lost, tls=tls, ca=ca, token=token,
            tenant=tenant, allow_plaintext_token=allow_plaintext_token,
        )  # fmt: skip
        self._runner = Runner()
        self.pipelines = Pipelines(self._runner, self._async.pipelines)
        self.access = Access(self._runner, self._async.access)

    def __enter__(self) -> Self:
        """The client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        self.close()

    def close(self) -> None:
        """See AsyncClient.close."""
        if not self._runner.closed:
            self._runner.run(self._async.close())
            self._runner.close()

    def ingest(
        self,
        source: Source,
        pipeline: Document | None = None,
        dialect: Dialect | None = None,
        file_name: str | None = None,
        resume: str | None = None,
        on_upload: OnProgress | None = None,
        timeout: float | None = None,
    ) -> Process:
        """See AsyncClient.ingest."""
        return Process(
            self._runner,
            self._runner.run(
                self._async.ingest(source, pipeline, dialect, file_name, resume, on_upload, timeout)
            ),
        )

    def dry_run(
        self,
        source: Source,
        pipeline: Document | None = None,
        dialect: Dialect | None = None,
        file_name: str | None = None,
        timeout: float | None = None,
    ) -> DryRun:
        """See AsyncClient.dry_run."""
        return self._runner.run(self._async.dry_run(source, pipeline, dialect, file_name, timeout))

    def process(self, process_id: str, look: bool = True, timeout: float | None = None) -> Process:
        """See AsyncClient.process."""
        return Process(self._runner, self._runner.run(self._async.process(process_id, look, timeout)))

    def processes(
        self, filter: str = "", limit: int | None = None, timeout: float | None = None
    ) -> Iterator[Process]:
        """See AsyncClient.processes."""
        for found in self._runner.iterate(self._async.processes(filter, limit, timeout)):
            yield Process(self._runner, found)

    def upload(self, upload_id: str, timeout: float | None = None) -> Upload:
        """See AsyncClient.upload."""
        return self._runner.run(self._async.upload(upload_id, timeout))

    def abort_upload(self, upload_id: str, timeout: float | None = None) -> None:
        """See AsyncClient.abort_upload."""
        self._runner.run(self._async.abort_upload(upload_id, timeout))

    def queues(self, timeout: float | None = None) -> Queues:
        """See AsyncClient.queues."""
        return self._runner.run(self._async.queues(timeout))

    def receipt_key(self, timeout: float | None = None) -> PublicKey:
        """See AsyncClient.receipt_key."""
        return self._runner.run(self._async.receipt_key(timeout))

    def overview(
        self,
        start: datetime | None = None,
        end: datetime | None = None,
        bucket_seconds: int = 0,
        timeout: float | None = None,
    ) -> Overview:
        """See AsyncClient.overview."""
        return self._runner.run(self._async.overview(start, end, bucket_seconds, timeout))


@documented_by(AsyncPipelines)
class Pipelines:
    """AsyncPipelines for plain code."""

    def __init__(self, runner: Runner, pipelines: AsyncPipelines) -> None:
        self._runner = runner
        self._async = pipelines

    def apply(
        self, document: Document, dry_run: bool = False, timeout: float | None = None
    ) -> PipelineVersion:
        """See AsyncPipelines.apply."""
        return self._runner.run(self._async.apply(document, dry_run, timeout))

    def get(self, name: str, timeout: float | None = None) -> PipelineVersion:
        """See AsyncPipelines.get."""
        return self._runner.run(self._async.get(name, timeout))

    def list(self, timeout: float | None = None) -> Iterator[PipelineVersion]:
        """See AsyncPipelines.list."""
        return self._runner.iterate(self._async.list(timeout))

    def versions(self, name: str, timeout: float | None = None) -> Iterator[PipelineVersion]:
        """See AsyncPipelines.versions."""
        return self._runner.iterate(self._async.versions(name, timeout))

    def delete(self, name: str, timeout: float | None = None) -> None:
        """See AsyncPipelines.delete."""
        self._runner.run(self._async.delete(name, timeout))

    def of_table(self, table: str, timeout: float | None = None) -> TableDraft:
        """See AsyncPipelines.of_table."""
        return self._runner.run(self._async.of_table(table, timeout))
