"""A converter of its own, over gRPC."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import grpc

from ingestor.internal.v1 import converter_pb2, converter_pb2_grpc
from ingestor.reports import OriginalTable
from ingestor.runtime.errors import TransientError, from_rpc_error
from ingestor.runtime.grpc.error_details import error_details
from ingestor.services.upload.dry_runs import Excerpt, ExcerptRow
from ingestor.services.upload.ports import Converter, ConverterCrashedError, Inspector
from ingestor.services.upload.uploads import Content, Upload
from ingestor.services.upload.wire import content_in
from ingestor.stores.port import FileMissingError, StoreFullError
from ingestor.tabular.errors import UnreadableFileError
from ingestor.wire import notices_in

_SILENCE = 60.0  # seconds without a sign of life after which a converter is lost
_LOOK = 180.0  # seconds that looking at a file may take, as at the gateway
# Codes of a call whose server is gone.
_LOST = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNKNOWN)


class GrpcConverter(Converter, Inspector):
    def __init__(self, channel: grpc.aio.Channel, *, silence: float = _SILENCE) -> None:
        """`silence`: seconds without a sign of life after which a converter is lost."""
        self._stub = converter_pb2_grpc.ConverterServiceStub(channel)
        self._silence = silence

    async def convert(
        self,
        upload: Upload,
        dialect: str,
        repaired: OriginalTable | None = None,
        labels: Sequence[str] = (),
    ) -> Content:
        request = converter_pb2.ConvertRequest(
            file=_file(upload, whole=True), dialect_json=dialect, labels=labels
        )
        if repaired is not None:
            request.repaired.CopyFrom(
                converter_pb2.OriginalTable(
                    columns=repaired.columns,
                    row_count=repaired.row_count,
                    empty_is_null=repaired.empty_is_null,
                    delimiter=repaired.delimiter,
                    quote=repaired.quote,
                )
            )
        found = await self._convert(request)
        if found is None:
            raise ConverterCrashedError("the converter ended without a result")
        return found

    async def as_is(self, upload: Upload, dialect: str, labels: Sequence[str] = ()) -> Content | None:
        return await self._convert(
            converter_pb2.ConvertRequest(
                file=_file(upload, whole=True), dialect_json=dialect, labels=labels, as_is_only=True
            )
        )

    async def _convert(self, request: converter_pb2.ConvertRequest) -> Content | None:
        """The content; None if the converter ends without."""
        begun = False
        call = self._stub.Convert(request)
        try:
            async with asyncio.timeout(self._silence) as silence:
                async for answer in call:
                    begun = True
                    silence.reschedule(asyncio.get_running_loop().time() + self._silence)
                    if answer.HasField("content"):
                        return content_in(answer.content)
        except TimeoutError:
            if begun:
                raise ConverterCrashedError("the converter says nothing any more") from None
            raise TransientError("no converter answers") from None
        except grpc.aio.AioRpcError as error:
            if begun and error.code() in _LOST and not error_details(error).reason:
                raise ConverterCrashedError("the converter was lost") from error
            raise _known(error) from error
        finally:
            call.cancel()
        return None

    async def inspect(
        self, upload: Upload, dialect: str, rows: int, key: Sequence[str] = ()
    ) -> dict[str, Any]:
        request = converter_pb2.InspectRequest(file=_file(upload), dialect_json=dialect, rows=rows, key=key)
        try:
            answer = await self._stub.Inspect(request, timeout=_LOOK)
        except grpc.aio.AioRpcError as error:
            raise _known(error) from error
        found: dict[str, Any] = json.loads(answer.found_json)
        return found

    async def excerpt(self, upload: Upload, dialect: str, rows: int, labels: Sequence[str] = ()) -> Excerpt:
        request = converter_pb2.ExcerptRequest(
            file=_file(upload), dialect_json=dialect, rows=rows, labels=labels
        )
        facts = converter_pb2.ExcerptFacts()
        records: list[ExcerptRow] = []
        content = bytearray()
        try:
            async for answer in self._stub.Excerpt(request, timeout=_LOOK):
                if answer.HasField("facts"):
                    facts = answer.facts
                records += [
                    ExcerptRow(row.row_number, row.line_number, None if row.unsplit else tuple(row.cells))
                    for row in answer.records
                ]
                content += answer.content
        except grpc.aio.AioRpcError as error:
            raise _known(error) from error
        return Excerpt(
            tuple(facts.columns), tuple(records), facts.complete, facts.columns_known, facts.dialect_json,
            bytes(content), notices_in(facts.notices),
        )  # fmt: skip


def _file(upload: Upload, *, whole: bool = False) -> converter_pb2.StoredFile:
    return converter_pb2.StoredFile(
        upload_id=upload.upload_id,
        file_key=upload.file_key,
        file_name=upload.file_name,
        committed_size=upload.committed_size,
        whole=whole or upload.whole,
    )


def _known(error: grpc.aio.AioRpcError) -> Exception:
    """What the converter has raised."""
    reason, message = error_details(error).reason, error.details() or ""
    match error.code(), reason:
        case grpc.StatusCode.FAILED_PRECONDITION, _:
            return UnreadableFileError(reason, message)
        case grpc.StatusCode.NOT_FOUND, "FILE_MISSING":
            return FileMissingError(message)
        case grpc.StatusCode.RESOURCE_EXHAUSTED, "STORE_FULL":
            return StoreFullError(message)
        case grpc.StatusCode.ABORTED, "CONVERTER_CRASHED":
            return ConverterCrashedError(message)
    return from_rpc_error(error)
