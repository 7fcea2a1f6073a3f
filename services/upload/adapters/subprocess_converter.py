"""Runs ingestor.tabular.files.convert and ingestor.repair_file in separate processes."""

from __future__ import annotations

import asyncio
import json
import signal
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

import structlog

from ingestor.notices import from_objects, merged
from ingestor.reports import OriginalTable
from ingestor.runtime.fair_slots import FairSlots
from ingestor.services.upload.adapters.file_metrics import ProgramMetrics, ProgramRun
from ingestor.services.upload.adapters.programs import Running, running
from ingestor.services.upload.adapters.scratch import Scratch
from ingestor.services.upload.converter.settings import ConversionSettings
from ingestor.services.upload.dry_runs import Excerpt, ExcerptRow
from ingestor.services.upload.ports import Converter, ConverterCrashedError, Inspector, TemporaryFiles
from ingestor.services.upload.uploads import Content, Upload
from ingestor.stores.keys import text_key
from ingestor.stores.port import FileMissingError, FileStore, StoreFullError
from ingestor.tabular.errors import UNREADABLE, UnreadableFileError
from ingestor.tabular.files.containers import ExpansionLimits
from ingestor.tabular.files.file_process import Request
from ingestor.tabular.files.formats import HEAD_BYTES, TAIL_BYTES, head_size, is_plainly_delimited, plan
from ingestor.tabular.options import parse_options

log = structlog.get_logger(__name__)

_PIECE = 1024 * 1024
_COPIED = 32 * 2**20  # bytes copied from the beginning of a file to examine it
# Signals of a program that crashes by its own doing.
_CRASHES = (signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGSYS)
_LOOK_SECONDS = 30  # of processor time, for a look at the beginning of a file
# A program may wait for the store, and for the processor where others use it.
_PATIENCE = 2  # times its processor time
_EXCERPT_BYTES = 32 * 2**20  # that a look may give at most


@dataclass(frozen=True, slots=True)
class ConverterLimits:
    """What the programs that read files may take, each `memory_bytes` of its own.

    There are places for `conversions` and for as many looks at the beginning of files, but for `conversions`
    + 1 programs in all. So neither a look nor a conversion waits for all of the others. The last place of
    each kind is for a tenant that has none."""

    memory_bytes: int
    seconds: int
    """Of processor time for a conversion."""
    conversions: int
    max_expanded_bytes: int = ExpansionLimits().max_bytes
    max_ratio: int = ExpansionLimits().max_ratio


def converter_limits(settings: ConversionSettings) -> ConverterLimits:
    """The limits that the settings say."""
    return ConverterLimits(
        settings.converter_memory_bytes,
        settings.conversion_seconds,
        settings.conversions_at_once,
        settings.max_expanded_bytes,
        settings.max_expansion_ratio,
    )


class SubprocessConverter(Converter, Inspector, TemporaryFiles):
    """Stores the converted file next to the original."""

    def __init__(
        self,
        store: FileStore,
        scratch: Scratch,
        metrics: ProgramMetrics,
        limits: ConverterLimits,
        run: Running = running,
    ) -> None:
        """`scratch` has copies of files from a remote store, and the folders of the programs, which `run`
        runs."""
        self._store = store
        self._scratch = scratch
        self._metrics = metrics
        self._limits = limits
        self._run_program = run
        self._conversions = FairSlots(limits.conversions, reserved=1)
        self._looks = FairSlots(limits.conversions, reserved=1)
        self._programs = FairSlots(limits.conversions + 1)

    async def convert(
        self,
        upload: Upload,
        dialect: str,
        repaired: OriginalTable | None = None,
        labels: Sequence[str] = (),
    ) -> Content:
        request = self._request(upload, dialect, labels=tuple(labels))
        if repaired is None:
            return await self._run("ingestor.tabular.files.convert", upload, request)
        return await self._run("ingestor.repair_file", upload, replace(request, repaired=repaired.to_json()))

    async def as_is(self, upload: Upload, dialect: str, labels: Sequence[str] = ()) -> Content | None:
        options = parse_options(dialect)
        size = upload.committed_size
        head = await self._part(upload, 0, head_size(size))
        if not is_plainly_delimited(head, upload.file_name, options):
            return None
        tail = await self._part(upload, max(size - TAIL_BYTES, len(head)), size)
        how = await asyncio.to_thread(plan, head, size, upload.file_name, options, labels=labels, tail=tail)
        if how.form != "as-is":
            return None
        return Content(upload.file_key, size, False, how.options.to_json(), merged(how.notices))

    def _request(self, upload: Upload, dialect: str, **more: Any) -> Request:
        limits = self._limits
        return Request(
            memory_bytes=limits.memory_bytes, cpu_seconds=limits.seconds,
            name=upload.file_name, dialect=dialect, max_bytes=limits.max_expanded_bytes,
            max_ratio=limits.max_ratio, **more,
        )  # fmt: skip

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
            await self._scratch.check_room(upload.committed_size)
            with path.open("wb") as copy:
                async for piece in self._store.read(upload.file_key, 0, upload.committed_size):
                    await asyncio.to_thread(copy.write, piece)
        elif not await asyncio.to_thread(path.exists):
            raise FileMissingError(upload.file_key)
        yield path

    async def _run(self, module: str, upload: Upload, request: Request) -> Content:
        key = text_key(upload.file_key)
        size = 0

        async def store(piece: bytes) -> None:
            nonlocal size
            await self._store.append(key, size, piece)
            size += len(piece)

        async with (
            self._conversions.place(upload.tenant),
            self._scratch.folder(upload.tenant) as folder,
            self._local(upload, folder) as source,
        ):
            try:
                await self._store.create(key)
                found = await self._execute(module, upload, request, folder, source, store)
            except (UnreadableFileError, StoreFullError):  # what is there takes room that others may need
                await self._store.delete(key)
                raise
        notices = merged(from_objects(found.get("notices", ())))
        if found["form"] == "as-is":
            await self._store.delete(key)
            return Content(upload.file_key, upload.committed_size, False, found["dialect"], notices)
        await self._store.seal(key, size)
        log.info("converted", upload_id=upload.upload_id, form=found["form"], size=size)
        return Content(key, size, found["form"] == "normal", found["dialect"], notices)

    async def temporary_bytes(self, tenant: str) -> int:
        return await self._scratch.temporary_bytes(tenant)

    async def _execute(
        self,
        module: str,
        upload: Upload,
        request: Request,
        folder: Path,
        source: Path,
        take: Callable[[bytes], Awaitable[None]],
    ) -> dict[str, Any]:
        """What a module finds out about the file `source`, run in a process of its own, no longer than this
        call lasts. `take` gets what it writes. Raises UnreadableFileError, ConverterCrashedError."""
        own = folder / "own"  # the program's, which may change what is in it
        own.mkdir(mode=0o700)
        async with self._programs.place(upload.tenant):
            with (
                self._metrics.run(module) as run,
                source.open("rb") as file,
                tempfile.TemporaryFile(dir=folder) as asked,
                tempfile.TemporaryFile(dir=folder) as result,
            ):
                asked.write(request.to_json().encode())
                asked.seek(0)
                try:
                    async with (
                        asyncio.timeout(request.cpu_seconds * _PATIENCE),
                        self._run_program(module, own, file, asked, result) as program,
                    ):
                        while piece := await program.output.read(_PIECE):
                            await take(piece)
                        status = await program.wait()
                except TimeoutError:
                    status = -signal.SIGXCPU
                answer = await asyncio.to_thread(_answer, status, result, run)  # it may be large
            return _found(status, answer, request.cpu_seconds)

    async def inspect(
        self, upload: Upload, dialect: str, rows: int, key: Sequence[str] = ()
    ) -> dict[str, Any]:
        module = "ingestor.pipelines.inspection"
        found, _ = await self._examine(module, upload, dialect, rows, key=key)
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
        self,
        module: str,
        upload: Upload,
        dialect: str,
        rows: int,
        labels: Sequence[str] = (),
        key: Sequence[str] = (),
    ) -> tuple[dict[str, Any], bytes]:
        """The result and the output of a module that reads the beginning of a file."""
        content = bytearray()

        async def keep(piece: bytes) -> None:
            content.extend(piece)
            if len(content) > _EXCERPT_BYTES:
                raise UnreadableFileError(
                    "FILE_TOO_COMPLEX",
                    f"The first records of the file take more than {_EXCERPT_BYTES} bytes; ask for fewer.",
                )

        async with (
            self._looks.place(upload.tenant),
            self._scratch.folder(upload.tenant) as folder,
            self._beginning(upload, dialect, folder) as (source, whole),
        ):
            request = self._request(upload, dialect, rows=rows, labels=tuple(labels), whole=whole)
            request = replace(request, key=tuple(key))
            request = replace(request, cpu_seconds=min(request.cpu_seconds, _LOOK_SECONDS))
            found = await self._execute(module, upload, request, folder, source, keep)
        return found, bytes(content)

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


def _answer(status: int, result: IO[bytes], run: ProgramRun) -> dict[str, Any]:
    """What a process has written, and for the metrics how it has ended."""
    if status not in (0, UNREADABLE):
        run.result = "unreadable" if -status in _CRASHES else "killed"
        return {}
    run.result = "unreadable" if status else "done"
    result.seek(0)
    found: dict[str, Any] = json.load(result)
    run.peak_memory = found.pop("peak_memory_bytes", None)
    return found


def _found(status: int, answer: dict[str, Any], seconds: int) -> dict[str, Any]:
    """The result of a process. Raises UnreadableFileError, ConverterCrashedError."""
    if -status in _CRASHES:
        log.error("the converter crashed", signal=-status)
        raise UnreadableFileError(
            "FILE_UNREADABLE",
            "The program that reads the file crashed: the file is damaged, or the program has a defect.",
        )
    if -status == signal.SIGXCPU:
        raise UnreadableFileError(
            "FILE_TOO_COMPLEX", f"Reading the file takes longer than the {seconds} seconds that it may."
        )
    if status not in (0, UNREADABLE):  # it was killed, or a disk is full
        raise ConverterCrashedError(f"the converter ended with status {status}")
    if status == UNREADABLE:
        raise UnreadableFileError(answer["reason"], answer["message"])
    return answer
