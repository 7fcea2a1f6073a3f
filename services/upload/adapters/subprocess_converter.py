"""Runs ingestor.tabular.files.convert and ingestor.repair_file in separate processes."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from ingestor.notices import from_objects, merged
from ingestor.reports import OriginalTable
from ingestor.runtime.fair_slots import FairSlots
from ingestor.services.upload.adapters.file_metrics import ProgramMetrics, ProgramRun
from ingestor.services.upload.adapters.programs import Program, running
from ingestor.services.upload.dry_runs import Excerpt, ExcerptRow
from ingestor.services.upload.ports import Converter, ConverterCrashedError, Inspector
from ingestor.services.upload.uploads import Content, Upload, text_key
from ingestor.stores.port import FileMissingError, FileStore
from ingestor.tabular.errors import UNREADABLE, UnreadableFileError
from ingestor.tabular.files.formats import HEAD_BYTES, TAIL_BYTES, head_size, is_plainly_delimited, plan
from ingestor.tabular.options import parse_options

log = structlog.get_logger(__name__)

_PIECE = 1024 * 1024
_COPIED = 32 * 2**20  # bytes copied from the beginning of a file to examine it
# Signals of a program that crashes by its own doing.
_CRASHES = (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGSYS)
_EXAMINED = 4  # files examined at the same time, each in a process


class SubprocessConverter(Converter, Inspector):
    """Stores the converted file next to the original."""

    def __init__(
        self,
        store: FileStore,
        scratch: Path | None,
        metrics: ProgramMetrics,
        *,
        max_expanded_bytes: int,
        memory_bytes: int,
    ) -> None:
        """`scratch` is a folder for results and for copies of files from a remote store."""
        self._store = store
        self._scratch = scratch
        self._metrics = metrics
        self._max_expanded = max_expanded_bytes
        self._memory = memory_bytes
        self._slots = FairSlots(_EXAMINED)

    async def convert(
        self,
        upload: Upload,
        dialect: str,
        repaired: OriginalTable | None = None,
        labels: Sequence[str] = (),
    ) -> Content:
        if repaired is not None:
            with tempfile.TemporaryDirectory(dir=self._scratch, prefix="ingestor-") as folder:
                table = Path(folder) / "repair.json"
                await asyncio.to_thread(table.write_text, repaired.to_json(), "utf-8")
                async with self._local(upload, Path(folder)) as source:
                    result = Path(folder) / "result.json"
                    more = ("--repair", str(table))
                    return await self._run("ingestor.repair_file", upload, dialect, source, result, *more)
        options = parse_options(dialect)
        size = upload.committed_size
        head = await self._part(upload, 0, head_size(size))
        if is_plainly_delimited(head, upload.file_name, options):
            tail = await self._part(upload, max(size - TAIL_BYTES, len(head)), size)
            how = await asyncio.to_thread(
                plan, head, size, upload.file_name, options, labels=labels, tail=tail
            )
            if how.form == "as-is":
                return Content(upload.file_key, size, False, how.options.to_json(), merged(how.notices))
        with tempfile.TemporaryDirectory(dir=self._scratch, prefix="ingestor-") as folder:
            async with self._local(upload, Path(folder)) as source:
                result = Path(folder) / "result.json"
                more = ("--labels", json.dumps(list(labels)))
                return await self._run(
                    "ingestor.tabular.files.convert", upload, dialect, source, result, *more
                )

    async def _part(self, upload: Upload, start: int, end: int) -> bytes:
        """The bytes from `start` to `end` of the file, or to its end."""
        end = min(end, upload.committed_size)
        if start >= end:
            return b""
        return b"".join([piece async for piece in self._store.read(upload.file_key, start, end)])

    @asynccontextmanager
    async def _local(self, upload: Upload, folder: Path) -> AsyncIterator[Path]:
        """The file on the local disk."""
        path = self._store.local_path(upload.file_key)
        if path is None:
            path = folder / "source"
            with path.open("wb") as copy:
                async for piece in self._store.read(upload.file_key, 0, upload.committed_size):
                    await asyncio.to_thread(copy.write, piece)
        elif not await asyncio.to_thread(path.exists):
            raise FileMissingError(upload.file_key)
        yield path

    async def _run(
        self, module: str, upload: Upload, dialect: str, source: Path, result: Path, *more: str
    ) -> Content:
        key = text_key(upload.file_key)
        most = ("--max-bytes", str(self._max_expanded))
        with self._metrics.run(module) as run:
            async with self._program(module, upload, dialect, source, result, *most, *more) as program:
                await self._store.create(key)
                size = 0
                while piece := await program.output.read(_PIECE):
                    await self._store.append(key, size, piece)
                    size += len(piece)
                status = await program.wait()
            answer = await _answer(status, result, run)
        try:
            found = _found(status, answer)
        except UnreadableFileError:
            await self._store.delete(key)
            raise
        notices = merged(from_objects(found.get("notices", ())))
        if found["form"] == "as-is":
            await self._store.delete(key)
            return Content(upload.file_key, upload.committed_size, False, found["dialect"], notices)
        await self._store.seal(key, size)
        log.info("converted", upload_id=upload.upload_id, form=found["form"], size=size)
        return Content(key, size, found["form"] == "normal", found["dialect"], notices)

    async def inspect(self, upload: Upload, dialect: str, rows: int) -> dict[str, Any]:
        found, _ = await self._examine("ingestor.pipelines.inspection", upload, dialect, rows)
        return found

    async def excerpt(self, upload: Upload, dialect: str, rows: int, labels: Sequence[str] = ()) -> Excerpt:
        found, content = await self._examine("ingestor.tabular.files.excerpt", upload, dialect, rows, labels)
        return Excerpt(
            tuple(found["columns"]),
            tuple(
                ExcerptRow(row, line, None if cells is None else tuple(cells))
                for row, line, cells in found["rows"]
            ),
            found["complete"],
            found["columns_known"],
            json.dumps(found["dialect"], ensure_ascii=False),
            content,
            from_objects(found["notices"]),
        )

    async def _examine(
        self, module: str, upload: Upload, dialect: str, rows: int, labels: Sequence[str] = ()
    ) -> tuple[dict[str, Any], bytes]:
        """The result and the output of a module that reads the beginning of a file."""
        async with self._slots.place(upload.tenant):
            with tempfile.TemporaryDirectory(dir=self._scratch, prefix="ingestor-") as folder:
                async with self._beginning(upload, dialect, Path(folder)) as (source, whole):
                    result = Path(folder) / "result.json"
                    partial = [] if whole else ["--partial"]
                    more = ("--rows", str(rows), "--labels", json.dumps(list(labels)), *partial)
                    with self._metrics.run(module) as run:
                        async with self._program(module, upload, dialect, source, result, *more) as program:
                            content = await program.output.read()
                            status = await program.wait()
                        answer = await _answer(status, result, run)
                    return _found(status, answer), content

    @asynccontextmanager
    async def _beginning(
        self, upload: Upload, dialect: str, folder: Path
    ) -> AsyncIterator[tuple[Path, bool]]:
        """The file on the local disk, and whether it is whole. Of a large remote file that can be read from
        the front only the beginning is copied."""
        size = upload.committed_size
        if size <= _COPIED or self._store.local_path(upload.file_key) is not None:
            async with self._local(upload, folder) as path:
                yield path, upload.whole
            return
        head = await self._part(upload, 0, HEAD_BYTES)
        how = plan(head, size, upload.file_name, parse_options(dialect))
        if how.encoding is None or how.compression == "zip":
            async with self._local(upload, folder) as path:
                yield path, upload.whole
            return
        async with self._local(replace(upload, committed_size=_COPIED), folder) as path:
            yield path, False

    def _program(
        self, module: str, upload: Upload, dialect: str, source: Path, result: Path, *more: str
    ) -> AbstractAsyncContextManager[Program]:
        """A module that runs in a process of its own, no longer than the context."""
        return running(
            sys.executable, "-m", module, str(source), str(result), "--options", dialect,
            f"--name={upload.file_name}",  # which may begin with a dash
            "--memory-bytes", str(self._memory), *more,
        )  # fmt: skip


async def _answer(status: int, result: Path, run: ProgramRun) -> dict[str, Any]:
    """What a process has written, and for the metrics how it has ended."""
    if status not in (0, UNREADABLE):
        run.result = "unreadable" if -status in _CRASHES else "killed"
        return {}
    run.result = "unreadable" if status else "done"
    found: dict[str, Any] = json.loads(await asyncio.to_thread(result.read_text, "utf-8"))
    run.peak_memory = found.pop("peak_memory_bytes", None)
    return found


def _found(status: int, answer: dict[str, Any]) -> dict[str, Any]:
    """The result of a process. Raises UnreadableFileError, ConverterCrashedError."""
    if -status in _CRASHES:
        log.error("the converter crashed", signal=-status)
        raise UnreadableFileError(
            "FILE_UNREADABLE",
            "The program that reads the file crashed: the file is damaged, or the program has a defect.",
        )
    if status not in (0, UNREADABLE):  # it was killed, or a disk is full
        raise ConverterCrashedError(f"the converter ended with status {status}")
    if status == UNREADABLE:
        raise UnreadableFileError(answer["reason"], answer["message"])
    return answer
