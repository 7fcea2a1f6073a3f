"""The converter's gRPC API: translates messages to calls, nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from datetime import UTC, datetime
from json import dumps
from typing import Any

import grpc
import structlog

from ingestor.access.scope import tenant
from ingestor.internal.v1 import converter_pb2, converter_pb2_grpc
from ingestor.reports import OriginalTable
from ingestor.runtime.errors import (
    AbortedError,
    FailedPreconditionError,
    NotFoundError,
    ResourceExhaustedError,
)
from ingestor.runtime.grpc.requests import wrong
from ingestor.services.upload.converter.conversions import Conversions
from ingestor.services.upload.dry_runs import Excerpt
from ingestor.services.upload.ports import ConverterCrashedError, Inspector
from ingestor.services.upload.uploads import Upload, UploadState
from ingestor.services.upload.wire import content_message
from ingestor.stores.port import FileMissingError, StoreFullError
from ingestor.tabular.errors import UnreadableFileError
from ingestor.wire import notice_message

log = structlog.get_logger(__name__)

Context = grpc.aio.ServicerContext[Any, Any]
_PIECE = 2**20  # bytes of an excerpt in one message


class ConverterApi(converter_pb2_grpc.ConverterServiceServicer):
    def __init__(self, conversions: Conversions, inspector: Inspector) -> None:
        self._conversions = conversions
        self._inspector = inspector

    async def Convert(
        self, request: converter_pb2.ConvertRequest, context: Context
    ) -> AsyncIterator[converter_pb2.ConvertResponse]:
        repaired = None
        if request.HasField("repaired"):
            table = request.repaired
            repaired = OriginalTable(
                tuple(table.columns), table.row_count, table.empty_is_null, table.delimiter, table.quote
            )
        if request.as_is_only:
            yield converter_pb2.ConvertResponse()  # it works: if it is lost from now on, it has crashed
            with _errors(request.file):
                found = await self._conversions.as_is(
                    _upload(request.file), request.dialect_json, tuple(request.labels)
                )
            if found is not None:
                yield converter_pb2.ConvertResponse(content=content_message(found))
            return
        with _errors(request.file):
            made = self._conversions.convert(
                _upload(request.file), request.dialect_json, repaired, tuple(request.labels)
            )
            async with aclosing(made) as contents:
                async for content in contents:
                    yield converter_pb2.ConvertResponse(
                        content=None if content is None else content_message(content)
                    )

    async def Inspect(
        self, request: converter_pb2.InspectRequest, context: Context
    ) -> converter_pb2.InspectResponse:
        # Says that the call has begun, so that gRPC does not send it to another server after this one died.
        await context.send_initial_metadata(())
        with _errors(request.file):
            found = await self._inspector.inspect(
                _upload(request.file), request.dialect_json, request.rows, tuple(request.key)
            )
        return converter_pb2.InspectResponse(found_json=dumps(found, ensure_ascii=False))

    async def Excerpt(
        self, request: converter_pb2.ExcerptRequest, context: Context
    ) -> AsyncIterator[converter_pb2.ExcerptResponse]:
        await context.send_initial_metadata(())
        with _errors(request.file):
            excerpt = await self._inspector.excerpt(
                _upload(request.file), request.dialect_json, request.rows, tuple(request.labels)
            )
        for message in _pieces(excerpt):
            yield message


def _upload(file: converter_pb2.StoredFile) -> Upload:
    """As much of the upload as a converter needs."""
    if file.committed_size < 0:
        raise wrong("file.committed_size", "must not be negative")
    state = UploadState.COMPLETED if file.whole else UploadState.OPEN
    return Upload(
        file.upload_id, tenant(), None, file.file_name, 0, file.file_key, state, file.committed_size, None,
        datetime.now(UTC),
    )  # fmt: skip


@contextmanager
def _errors(file: converter_pb2.StoredFile) -> Iterator[None]:
    """Turn what a converter raises into errors of the contract."""
    try:
        yield
    except UnreadableFileError as error:
        raise FailedPreconditionError(error.reason, error.message) from None
    except FileMissingError:
        raise NotFoundError("FILE_MISSING", "The file does not exist any more.") from None
    except StoreFullError:
        raise ResourceExhaustedError("STORE_FULL", "The file store is full.") from None
    except ConverterCrashedError as error:
        log.warning("conversion interrupted", upload_id=file.upload_id, error=str(error))
        raise AbortedError("CONVERTER_CRASHED", f"{error}.") from error


def _pieces(excerpt: Excerpt) -> Iterator[converter_pb2.ExcerptResponse]:
    """The messages of an excerpt, each small enough."""
    message = converter_pb2.ExcerptResponse(
        facts=converter_pb2.ExcerptFacts(
            columns=excerpt.columns,
            complete=excerpt.complete,
            columns_known=excerpt.columns_known,
            dialect_json=excerpt.dialect,
            notices=map(notice_message, excerpt.notices),
        )
    )
    size = message.ByteSize()
    for row in excerpt.rows:
        record = converter_pb2.ExcerptRecord(
            row_number=row.row_number,
            line_number=row.line_number,
            cells=row.cells or (),
            unsplit=row.cells is None,
        )
        if size + record.ByteSize() > _PIECE:
            yield message
            message, size = converter_pb2.ExcerptResponse(), 0
        message.records.append(record)
        size += record.ByteSize()
    yield message
    for at in range(0, len(excerpt.content), _PIECE):
        yield converter_pb2.ExcerptResponse(content=excerpt.content[at : at + _PIECE])
