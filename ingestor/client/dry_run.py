"""A dry run of a local file: it is converted here, as the upload service would, and streamed."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, BinaryIO

import grpc

from ingestor.client.errors import (
    DeadlineExceededError,
    InvalidArgumentError,
    UnauthenticatedError,
    from_rpc,
    raise_missing_package,
)
from ingestor.client.gateway import LONG_SECONDS, Gateway
from ingestor.notices import merged
from ingestor.v1 import common_pb2, processor_pb2
from ingestor.wire import notice_message, notices_in

if TYPE_CHECKING:
    from ingestor.outcomes import Notice
    from ingestor.tabular.files.formats import Plan
    from ingestor.tabular.options import ReadOptions

_PIECE = 2**20  # bytes


async def dry_run(
    gateway: Gateway,
    file: BinaryIO,
    file_name: str,
    *,
    pipeline: str,
    document_json: str,
    stored_json: str,
    dialect: str,
    timeout: float | None,
) -> processor_pb2.DryRunResponse:
    """See AsyncClient.dry_run. `stored_json` is the document that `pipeline` names."""
    try:
        from ingestor.tabular.errors import UnreadableFileError
        from ingestor.tabular.files.convert import content, open_plan
        from ingestor.tabular.options import OptionsError, parse_options, pipeline_labels, pipeline_options
    except ImportError as error:
        raise_missing_package("a dry run", error)

    failed: list[Exception] = []
    notices: list[Notice] = []

    def plan() -> Plan:
        options = parse_options(dialect)
        labels: tuple[str, ...] = ()
        if document := stored_json or document_json:
            options, labels = options.over(pipeline_options(document)), pipeline_labels(document)
        size = file.seek(0, os.SEEK_END)
        file.seek(0)
        return open_plan(file, size, file_name, options, labels)

    async def requests(how: Plan) -> AsyncIterator[processor_pb2.DryRunRequest]:
        normal = how.form == "normal"
        yield processor_pb2.DryRunRequest(
            pipeline=pipeline,
            document_json=document_json,
            dialect_json=_for_text(how.options),
            form=common_pb2.CONTENT_FORM_NORMAL if normal else common_pb2.CONTENT_FORM_DELIMITED,
        )
        pieces = (
            iter(lambda: file.read(_PIECE), b"")
            if how.form == "as-is"
            else content(file, how, notices=notices)
        )
        try:
            while data := await asyncio.to_thread(next, pieces, b""):
                for at in range(0, len(data), _PIECE):
                    yield processor_pb2.DryRunRequest(data=data[at : at + _PIECE])
        except (OSError, UnreadableFileError) as error:
            failed.append(error)
            raise

    limit = max(gateway.timeout, LONG_SECONDS) if timeout is None else timeout

    async def run() -> processor_pb2.DryRunResponse:
        notices.clear()
        how = await asyncio.to_thread(plan)
        try:
            answer = await gateway.processor.DryRun(requests(how), timeout=limit)
            told = merged(how.notices, notices, notices_in(answer.notices))
            del answer.notices[:]
            answer.notices.extend(map(notice_message, told))
            return answer
        except asyncio.CancelledError:
            if failed:  # gRPC cancels a call whose requests cannot be made
                raise failed[0] from None
            raise

    pauses = gateway.pauses()
    try:
        while True:
            try:
                return await run()
            except grpc.aio.AioRpcError as error:
                known = from_rpc(error)
                if not (isinstance(known, UnauthenticatedError) and await gateway.again(known, pauses)):
                    raise
    except UnreadableFileError as error:
        raise InvalidArgumentError(error.message, reason=error.reason) from error
    except OptionsError as error:
        wrong = {"/".join(map(str, ("dialect", *path))): message for path, message in error.problems}
        raise InvalidArgumentError("the dialect is wrong", reason="INVALID_DIALECT", fields=wrong) from error
    except grpc.aio.AioRpcError as error:
        known = from_rpc(error)
        if known.code == DeadlineExceededError.code:
            raise DeadlineExceededError(f"no result within {limit:g} s") from None
        raise known from None


def _for_text(options: ReadOptions) -> str:
    """The dialect of a file that has become text in UTF-8."""
    found = json.loads(options.to_json())
    return json.dumps({key: value for key, value in found.items() if key not in ("encoding", "compression")})
