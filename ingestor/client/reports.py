"""Saving a report of rows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Literal

import grpc

from ingestor.client.errors import DeadlineExceededError, InvalidArgumentError, UnauthenticatedError, from_rpc
from ingestor.client.gateway import Gateway
from ingestor.client.models import Notice, Report
from ingestor.client.sources import File
from ingestor.v1 import status_pb2

Target = File
ReportFormat = Literal["csv", "jsonl", "xlsx"]
ReportRows = Literal["rejected", "failed", "skipped", "succeeded", "unprocessed", "all"]

_MOST_CUT = 3  # times that a report is begun anew

EXTENSIONS: dict[str, ReportFormat] = {
    ".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".xlsx": "xlsx"
}  # fmt: skip
_FORMATS = {
    "csv": status_pb2.REPORT_FORMAT_CSV,
    "jsonl": status_pb2.REPORT_FORMAT_JSONL,
    "xlsx": status_pb2.REPORT_FORMAT_XLSX,
}
_ROWS = {
    "rejected": status_pb2.REPORT_ROWS_REJECTED,
    "failed": status_pb2.REPORT_ROWS_FAILED,
    "skipped": status_pb2.REPORT_ROWS_SKIPPED,
    "succeeded": status_pb2.REPORT_ROWS_SUCCEEDED,
    "unprocessed": status_pb2.REPORT_ROWS_UNPROCESSED,
    "all": status_pb2.REPORT_ROWS_ALL,
}


async def save_report(
    gateway: Gateway,
    process_id: str,
    target: Target,
    format_: ReportFormat | None,
    rows: ReportRows,
    timeout: float | None,
) -> Report:
    """See AsyncProcess.report."""
    path = Path(target) if isinstance(target, str | os.PathLike) else None
    kind = format_ or EXTENSIONS.get(path.suffix.lower() if path else "", "csv")
    for name, value, known in (("format", kind, _FORMATS), ("rows", rows, _ROWS)):
        if value not in known:
            raise InvalidArgumentError(f"{name} is {value!r}, not one of {', '.join(known)}")
    request = status_pb2.DownloadReportRequest(process_id=process_id, format=_FORMATS[kind], rows=_ROWS[rows])
    if path is None:
        return await _write(gateway, request, target, timeout)  # type: ignore[arg-type]
    with complete_or_absent(path) as file:
        return await _write(gateway, request, file, timeout)


@contextmanager
def complete_or_absent(path: Path) -> Iterator[BinaryIO]:
    """A file that appears at `path` at the end, unless there is an error: half of it looks like a whole
    one."""
    part = path.with_name(f"{path.name}.part")
    try:
        with part.open("wb") as file:
            yield file
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


async def _write(
    gateway: Gateway, request: status_pb2.DownloadReportRequest, file: BinaryIO, timeout: float | None
) -> Report:
    start = file.tell() if file.seekable() else None
    pauses = gateway.pauses()
    cut = 0
    while True:
        size, count = 0, 0
        notices: tuple[Notice, ...] = ()
        try:
            async for answer in gateway.status.DownloadReport(request, timeout=timeout):
                pauses.progress()
                file.write(answer.data)
                size += len(answer.data)
                count = answer.row_count
                notices = tuple(map(Notice.of, answer.notices))
            return Report(count, size, notices)
        except grpc.aio.AioRpcError as error:
            known = from_rpc(error)
            if known.code == DeadlineExceededError.code:
                raise DeadlineExceededError(f"the report was not complete within {timeout:g} s") from error
            # A report that has begun cannot go on by another call: it begins anew, if what is there can be
            # taken back. One whose token has ended would end with the next one, too.
            cut += bool(size)
            if size and (start is None or cut > _MOST_CUT or isinstance(known, UnauthenticatedError)):
                raise known from error
            if not await gateway.again(known, pauses):
                raise known from error
            if size and start is not None:
                file.seek(start)
                file.truncate()
