"""The asynchronous client."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from functools import partial
from os import PathLike
from types import TracebackType
from typing import Self

from ingestor.client.access.aio import AsyncAccess
from ingestor.client.access.credentials import Credentials, Token
from ingestor.client.aio_process import AsyncProcess, first_look
from ingestor.client.channel import Endpoint, is_loopback
from ingestor.client.dry_run import dry_run
from ingestor.client.gateway import Gateway
from ingestor.client.models import DryRun, Overview, PipelineVersion, Queues, TableDraft, Upload
from ingestor.client.sources import Source, opened
from ingestor.client.upload import (
    Dialect,
    Document,
    OnProgress,
    about,
    apply_document,
    dialect_text,
    document_text,
    is_document,
    send,
)
from ingestor.client.verification.verify import PublicKey, receipt_key
from ingestor.v1 import orchestrator_pb2, pipelines_pb2, processor_pb2, status_pb2, upload_pb2

DEFAULT_ADDRESS = "127.0.0.1:8080"


class AsyncClient:
    """A client of one suite; an async context manager. Not bound to a task: calls may run side by side.

    Every call may raise IngestorError: UnavailableError when the suite cannot be reached,
    DeadlineExceededError after `timeout` seconds; UnauthenticatedError and PermissionDeniedError when it
    does not let the caller in, QuotaExceededError; further ones are named where they occur. No exception of
    gRPC is raised.
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
        """`address` is host:port, http://host:port or https://host:port of the gateway; it is connected to at
        the first call. `ca` is a file: the CA (PEM) that vouches for the gateway; without it, well-known ones
        do. `tls` says whether to use TLS; None: with https://, and with host:port and a `ca`. Raises
        ValueError or OSError for an address or a `ca` that cannot be used.

        `token` says who calls: an API key, a JWT, or a function that gives one, at first and whenever the
        last one has expired (plain or asynchronous; it must not call the client). None: INGESTOR_TOKEN, else
        what `ingestor login` has stored for this address, renewed as needed. `tenant`: in which one acts;
        needed by those who have roles in several; None: INGESTOR_TENANT. A token is sent over a connection
        without TLS only to this machine, unless `allow_plaintext_token`: calls raise
        FailedPreconditionError (TOKEN_NEEDS_TLS). Raises ValueError for a token or tenant that cannot be one.

        `timeout`: seconds a call may take, unless it is given one of its own. `patience`: seconds for
        which a lost connection is tried again; of uploads and `wait` counted from the last progress.
        `on_lost` is called with a sentence at every try.
        """
        endpoint = Endpoint.of(address, tls=tls, ca=ca)
        plaintext = allow_plaintext_token or endpoint.tls or is_loopback(endpoint.target)
        credentials = Credentials(endpoint.target, token, tenant, plaintext=plaintext)
        self._gateway = Gateway(endpoint, timeout, patience, on_lost, credentials)
        self.pipelines = AsyncPipelines(self._gateway)
        self.access = AsyncAccess(self._gateway)

    async def __aenter__(self) -> Self:
        """The client."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connection."""
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls raise RuntimeError from then on."""
        await self._gateway.close()

    async def ingest(
        self,
        source: Source,
        pipeline: Document | None = None,
        dialect: Dialect | None = None,
        file_name: str | None = None,
        resume: str | None = None,
        on_upload: OnProgress | None = None,
        timeout: float | None = None,
    ) -> AsyncProcess:
        """Send a table and begin its ingestion; its process, which runs (see `AsyncProcess.wait`). If the
        suite cannot say within 30 s how it stands, it is PENDING and has but its `id` and its `file_name`.

        `source`: a path; a file opened in binary mode (CSV, JSON, JSON Lines, XLSX, Parquet, compressed
        or not), sent from its beginning; or a data frame of pandas (from 2.2 on) or polars or an Arrow
        table, which is sent as Parquet, so that types and nulls stay as they are (needs pyarrow).
        Files that cannot seek and data frames pass through a temporary file.

        `pipeline`: a stored one's name ("customers": its latest version, "customers@3"); or a document, a
        mapping or the path of a JSON file, which is applied first. None: every row is stored as JSON.
        `dialect`: how to read the file, see docs/guides/reading-files.md; what it leaves out is detected.
        `file_name`: what people see; default: the path's. `resume`: the upload_id of an interrupted upload
        of the same file. `on_upload` is called with an UploadProgress (bytes) before the first piece and
        after each one. `timeout`: seconds for each answer; the transfer takes as long as it takes.

        Raises NotFoundError (PIPELINE_NOT_FOUND), InvalidArgumentError (INVALID_PIPELINE, a wrong
        dialect; `fields`), ResourceExhaustedError (FILE_TOO_LARGE), DataLossError, OSError, TypeError;
        ImportError for a data frame without pyarrow. A note on the error says how to resume.
        """
        reference = ""
        if pipeline is not None:
            if is_document(pipeline):
                reference = (await apply_document(self._gateway, pipeline, False, timeout)).reference
            else:
                reference = str(pipeline)
        info = await send(
            self._gateway, source, pipeline=reference, dialect=dialect, file_name=file_name,
            resume=resume, on_upload=on_upload, timeout=timeout,
        )  # fmt: skip
        return await first_look(self._gateway, info)

    async def dry_run(
        self,
        source: Source,
        pipeline: Document | None = None,
        dialect: Dialect | None = None,
        file_name: str | None = None,
        timeout: float | None = None,
    ) -> DryRun:
        """Say what would become of every row of a table; store nothing, not even a given document.

        Arguments as of `ingest`. The file is converted on this machine: ImportError names what is missing
        (`pip install 'data-ingestor[cli]'`). `timeout` is for all of it; None: 15 minutes. Raises
        NotFoundError (PIPELINE_NOT_FOUND), InvalidArgumentError (a wrong document or dialect, a file that
        is not a table), ResourceExhaustedError (TOO_MANY_DRY_RUNS), OSError.
        """
        name, document, stored = "", "", ""
        if pipeline is not None:
            if is_document(pipeline):
                document = document_text(pipeline)
            else:
                name = str(pipeline)
                stored = (await self.pipelines.get(name, timeout)).raw.document_json
        async with opened(source, file_name) as (file, shown):
            answer = await dry_run(
                self._gateway, file, shown, pipeline=name, document_json=document, stored_json=stored,
                dialect=dialect_text(dialect), timeout=timeout,
            )  # fmt: skip
        return DryRun.of(answer)

    async def process(self, process_id: str, look: bool = True, timeout: float | None = None) -> AsyncProcess:
        """A process. Without `look` the suite is not asked: that saves a call where the fields, empty then,
        are not needed. Raises NotFoundError (PROCESS_NOT_FOUND, PROCESS_DELETED)."""
        raw = status_pb2.Process()
        raw.info.process_id = process_id
        process = AsyncProcess(self._gateway, raw)
        return await process.refresh(timeout) if look else process

    def processes(
        self,
        filter: str = "",
        limit: int | None = None,
        timeout: float | None = None,
    ) -> AsyncIterator[AsyncProcess]:
        """Processes, newest first, at most `limit`; fetched in pages, each within `timeout`.

        `filter` joins comparisons by AND: `state=FAILED`, `pipeline="customers"`, `file_name:"cust"` (a
        part of it), `repairs="PROCESS"`, `create_time>="2026-01-31T12:00:00Z"`. Raises
        InvalidArgumentError (INVALID_FILTER).
        """

        async def fetch(size: int, token: str) -> tuple[list[AsyncProcess], str]:
            request = status_pb2.ListProcessesRequest(filter=filter, page_size=size, page_token=token)
            answer = await self._gateway.call(self._gateway.status.ListProcesses, request, timeout)
            return [AsyncProcess(self._gateway, raw) for raw in answer.processes], answer.next_page_token

        return self._gateway.pages(fetch, limit)

    async def upload(self, upload_id: str, timeout: float | None = None) -> Upload:
        """Where an upload stands. Raises NotFoundError."""
        request = upload_pb2.GetUploadRequest(upload_id=upload_id)
        get = partial(self._gateway.uploads.GetUpload, metadata=about(upload_id))
        answer = await self._gateway.call(get, request, timeout)
        return Upload.of(answer.upload)

    async def abort_upload(self, upload_id: str, timeout: float | None = None) -> None:
        """Drop an open upload and its bytes. Raises FailedPreconditionError (UPLOAD_COMPLETED)."""
        request = upload_pb2.AbortUploadRequest(upload_id=upload_id)
        abort = partial(self._gateway.uploads.AbortUpload, metadata=about(upload_id))
        await self._gateway.call(abort, request, timeout)

    async def queues(self, timeout: float | None = None) -> Queues:
        """How many batches wait."""
        request = orchestrator_pb2.GetQueuesRequest()
        return Queues.of(await self._gateway.call(self._gateway.orchestrator.GetQueues, request, timeout))

    async def receipt_key(self, timeout: float | None = None) -> PublicKey:
        """The public key that receipts can be checked with. Raises NotFoundError (NO_RECEIPT_KEY)."""
        return await receipt_key(self._gateway, timeout)

    async def overview(
        self,
        start: datetime | None = None,
        end: datetime | None = None,
        bucket_seconds: int = 0,
        timeout: float | None = None,
    ) -> Overview:
        """Processes by state and rows by outcome from `start` (None: 24 hours ago) to `end` (None: now);
        0 `bucket_seconds` cuts that into 60 pieces. Raises InvalidArgumentError."""
        request = status_pb2.GetOverviewRequest(bucket_seconds=bucket_seconds)
        if start is not None:
            request.start_time.FromDatetime(start)
        if end is not None:
            request.end_time.FromDatetime(end)
        return Overview.of(await self._gateway.call(self._gateway.status.GetOverview, request, timeout))


class AsyncPipelines:
    """The stored pipelines: `client.pipelines`."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def apply(
        self, document: Document, dry_run: bool = False, timeout: float | None = None
    ) -> PipelineVersion:
        """Store a document (a mapping, or the path of a JSON file) as its pipeline's next version; the same
        document makes no new one. With `dry_run` only check it. Raises InvalidArgumentError
        (INVALID_PIPELINE): `fields` maps the JSON Pointer of each wrong key to what is wrong; OSError."""
        return await apply_document(self._gateway, document, dry_run, timeout)

    async def get(self, name: str, timeout: float | None = None) -> PipelineVersion:
        """A pipeline's latest version ("name") or another one ("name@version"). Raises NotFoundError
        (PIPELINE_NOT_FOUND) and ValueError (the version is not a number)."""
        plain, _, version = name.partition("@")
        request = pipelines_pb2.GetPipelineRequest(name=plain, version=int(version or 0))
        answer = await self._gateway.call(self._gateway.pipelines.GetPipeline, request, timeout)
        return PipelineVersion.of(answer.pipeline)

    def list(self, timeout: float | None = None) -> AsyncIterator[PipelineVersion]:
        """The latest version of each pipeline by name."""

        async def fetch(size: int, token: str) -> tuple[list_[PipelineVersion], str]:
            request = pipelines_pb2.ListPipelinesRequest(page_size=size, page_token=token)
            answer = await self._gateway.call(self._gateway.pipelines.ListPipelines, request, timeout)
            return [PipelineVersion.of(raw) for raw in answer.pipelines], answer.next_page_token

        return self._gateway.pages(fetch)

    def versions(self, name: str, timeout: float | None = None) -> AsyncIterator[PipelineVersion]:
        """All versions of a pipeline, newest first, also of a deleted one. Raises NotFoundError."""

        async def fetch(size: int, token: str) -> tuple[list_[PipelineVersion], str]:
            request = pipelines_pb2.ListPipelineVersionsRequest(name=name, page_size=size, page_token=token)
            answer = await self._gateway.call(self._gateway.pipelines.ListPipelineVersions, request, timeout)
            return [PipelineVersion.of(raw) for raw in answer.pipelines], answer.next_page_token

        return self._gateway.pages(fetch)

    async def delete(self, name: str, timeout: float | None = None) -> None:
        """Take a pipeline out of use; its versions are kept for the processes that ran with them. Raises
        NotFoundError when it never existed."""
        request = pipelines_pb2.DeletePipelineRequest(name=name)
        await self._gateway.call(self._gateway.pipelines.DeletePipeline, request, timeout)

    async def of_table(self, table: str, timeout: float | None = None) -> TableDraft:
        """Draft a pipeline from a table that exists ("table" or "schema.table"). Raises NotFoundError
        (TABLE_NOT_FOUND), FailedPreconditionError (TABLE_FORBIDDEN), InvalidArgumentError."""
        request = processor_pb2.DescribeTableRequest(table=table)
        answer = await self._gateway.call(self._gateway.processor.DescribeTable, request, timeout)
        return TableDraft(json.loads(answer.document_json), tuple(answer.needed))


list_ = list  # `list` is a method above
