"""Sending a file and beginning its ingestion, for a new process and for a repair."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ingestor.client.gateway import LONG_SECONDS, Gateway
from ingestor.client.models import PipelineVersion
from ingestor.client.sources import Source, StrPath, opened
from ingestor.client.upload import OnProgress, UploadProgress, send_file
from ingestor.v1 import pipelines_pb2, upload_pb2

Document = Mapping[str, Any] | StrPath
"""A pipeline document: parsed, or the path of its JSON file."""
Dialect = Mapping[str, Any] | str
"""How to read a file (docs/reader.md): a mapping, or its JSON text."""


def document_text(document: Document) -> str:
    """The JSON text of a pipeline document. Raises OSError."""
    if isinstance(document, Mapping):
        return json.dumps(document)
    return Path(document).read_text("utf-8")


def dialect_text(dialect: Dialect | None) -> str:
    """The JSON text of a dialect; empty for none."""
    return dialect if isinstance(dialect, str) else json.dumps(dialect) if dialect else ""


def is_document(pipeline: Document) -> bool:
    """Whether this is a document, not the name of a stored pipeline."""
    if isinstance(pipeline, Mapping | os.PathLike):
        return True
    return pipeline.endswith(".json") or Path(pipeline).is_file()


async def apply_document(
    gateway: Gateway, document: Document, dry_run: bool, timeout: float | None
) -> PipelineVersion:
    """See AsyncPipelines.apply."""
    request = pipelines_pb2.ApplyPipelineRequest(document_json=document_text(document), dry_run=dry_run)
    answer = await gateway.call(gateway.pipelines.ApplyPipeline, request, timeout)
    return PipelineVersion.of(answer.pipeline, answer.created)


async def send(
    gateway: Gateway,
    source: Source,
    *,
    pipeline: str = "",
    dialect: Dialect | None,
    file_name: str | None,
    resume: str | None,
    on_upload: OnProgress | None,
    repairs: str = "",
    timeout: float | None,
) -> str:
    """Send a file, or the rest of it, and begin its ingestion; the process."""
    async with opened(source, file_name) as (file, name):
        size = file.seek(0, os.SEEK_END)
        if resume:
            known = upload_pb2.GetUploadRequest(upload_id=resume)
            upload = (await gateway.call(gateway.uploads.GetUpload, known, timeout)).upload
        else:
            new = upload_pb2.CreateUploadRequest(
                file_name=name, size_bytes=size, request_id=str(uuid.uuid4())
            )
            upload = (await gateway.call(gateway.uploads.CreateUpload, new, timeout)).upload
        if on_upload:
            on_upload(UploadProgress(upload.committed_size, size, upload.upload_id))
        try:
            sha256 = await send_file(
                gateway.uploads, upload, file, on_upload, gateway.patience, gateway.on_lost
            )
            request = upload_pb2.CompleteUploadRequest(
                upload_id=upload.upload_id, sha256=sha256, pipeline=pipeline,
                dialect_json=dialect_text(dialect), repairs_process_id=repairs,
            )  # fmt: skip
            answer = await gateway.call(gateway.uploads.CompleteUpload, request, timeout, LONG_SECONDS)
        except Exception as error:
            error.add_note(f"the upload is kept: go on with resume={upload.upload_id!r}")
            raise
        return answer.process_id
