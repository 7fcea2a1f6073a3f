"""The upload service's use cases behind fakes: what is acknowledged is kept, and a file is delivered."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import signal
import threading
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import google_crc32c
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from ingestor.access.scope import within
from ingestor.outcomes import RejectedRow, RowError
from ingestor.reports import OriginalTable
from ingestor.runtime.clock import TimeOrderedIds
from ingestor.runtime.errors import (
    AbortedError,
    DataLossError,
    FailedPreconditionError,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
    TransientError,
    UnavailableError,
)
from ingestor.services.upload import service
from ingestor.services.upload.adapters.file_metrics import ProgramRun
from ingestor.services.upload.adapters.subprocess_converter import _answer, _found
from ingestor.services.upload.delivery import Cleaner, DeliveryWorker
from ingestor.services.upload.dry_runs import DryRunResult, Excerpt, ExcerptRow, RowResult
from ingestor.services.upload.ports import (
    Converter,
    ConverterCrashedError,
    DryRuns,
    Ingestion,
    Inspector,
    PipelineReading,
    Pipelines,
    Processes,
)
from ingestor.services.upload.service import Chunk, Metrics, UploadService, Written
from ingestor.services.upload.uploads import Content, Delivery, Repair, Upload, UploadState
from ingestor.stores.port import FileMissingError
from ingestor.tabular.errors import UnreadableFileError
from tests.examples import examples
from tests.fakes.limits.quotas import MemoryQuotas
from tests.fakes.store import LargePieces, MemoryFileStore
from tests.fakes.uploads import MemoryUploads

DATA = b"id,name\n" + b"".join(b"%d,row\n" % number for number in range(200))
NOW = datetime(2026, 1, 2, tzinfo=UTC)
TABLE = OriginalTable(("id", "name"), 9, False)


class At:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.time = NOW

    def now(self) -> datetime:
        """The time."""
        return self.time


class OneIngestion(Ingestion):
    """An orchestrator: keeps what it gets; `failures` calls of `send` break after a piece."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.refused: dict[str, str] = {}
        self.received: dict[str, bytearray] = {}
        self.done: set[str] = set()
        self.failures = 0
        self.away = False
        self.blocked = asyncio.Event()
        self.blocked.set()

    async def prepare_repair(self, process_id: str) -> Repair:
        if process_id == "running":
            raise FailedPreconditionError("PROCESS_RUNNING", "no")
        return Repair("parent", "people", 2, TABLE)

    async def refuse(self, delivery: Delivery, reason: str, message: str) -> None:
        self.refused[delivery.process_id] = reason

    async def begin(self, delivery: Delivery) -> int | None:
        if self.away:
            raise TransientError("orchestrator away")
        self.begun.append(delivery.process_id)
        self.repairs = delivery.repair.process_id if delivery.repair else ""
        if delivery.content is None:
            return None
        if delivery.process_id in self.done:
            return None
        return len(self.received.setdefault(delivery.process_id, bytearray()))

    async def send(self, process_id: str, pieces: AsyncIterator[tuple[int, bytes, bool]]) -> None:
        await self.blocked.wait()
        received = self.received[process_id]
        async for offset, data, last in pieces:
            assert offset == len(received)
            if self.failures:
                self.failures -= 1
                received += data[: len(data) // 2]
                raise TransientError("connection lost")
            received += data
            if last:
                self.done.add(process_id)


class OnePipeline(Pipelines):
    """Knows the pipeline `people`, whose latest version is 3."""

    async def find(self, name: str, version: int | None) -> PipelineReading:
        if name != "people":
            raise NotFoundError("PIPELINE_NOT_FOUND", "no")
        return PipelineReading(version or 3, '{"delimiter": ";", "skipLines": 1}', ("id", "name"))

    async def reading_of(self, document: str) -> PipelineReading:
        if document == "bad":
            raise InvalidArgumentError("INVALID_PIPELINE", "no")
        return PipelineReading(0, '{"delimiter": "|"}', ("id",))


class OddRows(DryRuns):
    """Fails every second row; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []
        self.complete = True

    async def run(self, pipeline: str, document: str, dialect: str, content: bytes) -> DryRunResult:
        self.asked.append((pipeline, document, dialect))
        error = RowError("type-error", "f", "x", "f: bad", "validate")
        rows = [
            RejectedRow(row, row + 1, "failed", (error,), ()) for row in range(1, content.count(b"\n"), 2)
        ]
        return DryRunResult(tuple(RowResult(row, ("F",)) for row in rows), self.complete)


class Upper(Converter, Inspector):
    """Converts files whose name ends with .upper; those called bad.csv cannot be read, and reading
    killed.csv is killed."""

    def __init__(self, store: MemoryFileStore) -> None:
        self.store = store
        self.calls = 0
        self.busy = asyncio.Event()
        self.go_on = asyncio.Event()
        self.go_on.set()
        self.fault: Exception | None = None

    async def as_is(self, upload: Upload, dialect: str, labels: Sequence[str] = ()) -> Content | None:
        if self.fault:
            raise self.fault
        self.labels = labels
        if upload.file_name.endswith(".csv") and upload.file_name != "killed.csv":
            if upload.file_name == "bad.csv":
                raise UnreadableFileError("XLSX_INVALID", "It is damaged.")
            return Content(upload.file_key, upload.committed_size, False, dialect)
        return None

    async def convert(
        self,
        upload: Upload,
        dialect: str,
        repaired: OriginalTable | None = None,
        labels: Sequence[str] = (),
    ) -> Content:
        self.calls += 1
        self.labels = labels
        self.repaired = repaired
        self.busy.set()
        await self.go_on.wait()
        if upload.file_name == "killed.csv":
            raise ConverterCrashedError("9")
        if not upload.file_name.endswith(".upper"):
            return Content(upload.file_key, upload.committed_size, False, dialect)
        if upload.file_key not in self.store.files:
            raise FileMissingError(upload.file_key)
        made = bytes(self.store.files[upload.file_key]).upper()
        key = f"{upload.file_key}-text"
        await self.store.create(key)
        await self.store.append(key, 0, made)
        return Content(key, len(made), True, dialect)

    async def inspect(
        self, upload: Upload, dialect: str, rows: int, key: Sequence[str] = ()
    ) -> dict[str, Any]:
        if upload.file_name == "bad.csv":
            raise UnreadableFileError("XLSX_INVALID", "It is damaged.")
        return {"dialect": json.loads(dialect), "sampled_rows": rows}

    async def excerpt(self, upload: Upload, dialect: str, rows: int, labels: Sequence[str] = ()) -> Excerpt:
        if upload.file_name == "bad.csv":
            raise UnreadableFileError("XLSX_INVALID", "It is damaged.")
        if upload.file_name == "crash.csv":
            raise ConverterCrashedError("9")
        made = tuple(ExcerptRow(row, row + 1, (str(row),)) for row in range(1, rows + 1))
        known = not upload.file_name.endswith(".jsonl")
        return Excerpt(("F",), made, True, known, dialect, b"F\n" + b"x\n" * rows)


class EndedProcesses(Processes):
    """Knows which processes have ended."""

    def __init__(self) -> None:
        self.ended: set[str] = set()

    async def has_ended(self, process_id: str) -> bool:
        return process_id in self.ended


class Suite:
    """The service and its fakes."""

    def __init__(self, room: int | None = None) -> None:
        self.uploads = MemoryUploads()
        self.quotas = MemoryQuotas()
        self.store = MemoryFileStore(room)
        self.ingestion = OneIngestion()
        self.converter = Upper(self.store)
        self.dry_runs = OddRows()
        self.processes = EndedProcesses()
        self.clock = At()
        self.news = asyncio.Event()
        self.service = self.restart()

    def restart(self) -> UploadService:
        """A new instance, which remembers nothing."""
        self.service = UploadService(
            self.uploads,
            self.store,
            self.ingestion,
            OnePipeline(),
            self.converter,
            self.dry_runs,
            self.clock,
            TimeOrderedIds(self.clock),
            Metrics(CollectorRegistry()),
            self.quotas,
            max_upload_bytes=10_000,
            max_chunk_bytes=1_000,
            new_delivery=self.news,
        )
        return self.service

    def worker(self, owner: str = "me", lease_seconds: float = 30) -> DeliveryWorker:
        """A delivery worker."""
        return DeliveryWorker(
            self.uploads,
            self.ingestion,
            self.converter,
            OnePipeline(),
            self.store,
            self.processes,
            self.clock,
            owner=owner,
            at_once=2,
            lease_seconds=lease_seconds,
            new_delivery=self.news,
        )

    async def uploaded(self, data: bytes = DATA, pipeline: str = "", name: str = "a.csv") -> str:
        """A file that is sent and complete; its process."""
        upload = await self.service.create(name, 0, "")
        await self.service.write(upload.upload_id, chunks(data))
        return await self.service.complete(upload.upload_id, b"", pipeline)


async def chunks(data: bytes, offset: int = 0, size: int = 300) -> AsyncIterator[Chunk]:
    """The bytes from an offset on."""
    for start in range(offset, len(data), size):
        piece = data[start : start + size]
        yield Chunk(start, piece, google_crc32c.value(piece))


async def given_chunks(found: Iterable[Chunk]) -> AsyncIterator[Chunk]:
    """These chunks."""
    for chunk in found:
        yield chunk


def chunk(offset: int, data: bytes) -> Chunk:
    """One chunk."""
    return Chunk(offset, data, google_crc32c.value(data))


async def test_a_file_is_kept_and_checked() -> None:
    suite = Suite()
    upload = await suite.service.create("a.csv", len(DATA), "")
    assert await suite.service.write(upload.upload_id, chunks(DATA)) == Written(len(DATA), len(DATA))
    digest = hashlib.sha256(DATA).digest()
    process = await suite.service.complete(upload.upload_id, digest, "people")
    assert await suite.service.complete(upload.upload_id, digest, "people") == process
    assert bytes(suite.store.files[upload.file_key]) == DATA
    assert suite.ingestion.begun == [process]  # status knows it before the client asks
    delivery = await suite.uploads.take("x", NOW, NOW)
    assert delivery is not None
    assert (delivery.pipeline, delivery.pipeline_version) == ("people", 3)
    assert json.loads(delivery.dialect) == {"delimiter": ";", "skipLines": 1}
    with pytest.raises(FailedPreconditionError, match="completed"):
        await suite.service.write(upload.upload_id, chunks(b"more"))


class Steps(StrEnum):
    """What happens after a chunk that a browser has sent."""

    ANSWERED = "the answer comes"
    LOST = "the answer is lost"
    ELSEWHERE = "the answer is lost, and the next call goes to the other instance"
    RESTART = "the instance is started again"
    FULL = "other files need the room of what waits"


@settings(max_examples=examples(150))
@given(
    steps=st.lists(
        st.tuples(st.integers(1, 1000), st.booleans(), st.sampled_from(Steps)), min_size=1, max_size=40
    )  # size of the next chunk, whether it may wait, what happens then
)
def test_chunks_wait_for_others_and_none_is_lost(steps: list[tuple[int, bool, Steps]]) -> None:
    """As the page sends them, with two instances on one store of large pieces: what a client is told to be
    committed is, whatever happens."""

    async def run() -> None:
        suite = Suite()
        instances = []
        for _ in range(2):
            store = LargePieces(suite.store.files)
            suite.store = store
            instances.append((suite.restart(), store))
        upload_id = (await instances[0][0].create("a.csv", 0, "")).upload_id
        key = f"default/{upload_id}"
        at, now = 0, 0
        committed = 0
        for size, more, step in [*steps, (1000, False, Steps.ANSWERED), (1000, False, Steps.ANSWERED)]:
            service, store = instances[now]
            data = DATA[at : at + size]
            if not data:
                break
            more = more and at + size < len(DATA)
            try:
                written = await service.write(upload_id, given_chunks([chunk(at, data)]), more=more)
                assert written.committed <= written.received >= at + len(data)  # more: an answer was lost
                assert more or written.committed == written.received
                assert written.received - written.committed < store.sync_bytes
                committed = written.committed
            except FailedPreconditionError as error:
                assert error.reason == "WRONG_OFFSET"
                committed = at = int(error.metadata["committed_size"])
                continue
            finally:
                assert bytes(suite.store.files[key][:committed]) == DATA[:committed]
            match step:
                case Steps.ANSWERED:
                    at = written.received
                case Steps.LOST | Steps.ELSEWHERE:
                    at = (await service.get(upload_id)).committed_size
                    now ^= step is Steps.ELSEWHERE
                case Steps.RESTART:
                    at = written.received
                    suite.store = LargePieces(suite.store.files)
                    instances[now] = (suite.restart(), suite.store)
                case Steps.FULL:
                    at = written.received
                    store.forget()
        service = instances[now][0]
        while at < len(DATA):
            try:
                at = (await service.write(upload_id, chunks(DATA, at))).committed
            except FailedPreconditionError as error:
                at = int(error.metadata["committed_size"])
        await service.complete(upload_id, hashlib.sha256(DATA).digest(), "")
        assert bytes(suite.store.files[key][: len(DATA)]) == DATA

    asyncio.run(run())


async def test_a_client_that_forgets_to_say_that_it_is_done() -> None:
    suite = Suite()
    suite.store = LargePieces(suite.store.files)
    service = suite.restart()
    upload = await service.create("a.csv", 0, "")
    written = await service.write(upload.upload_id, given_chunks([chunk(0, DATA[:500])]), more=True)
    assert written == Written(0, 500)
    assert (await service.get(upload.upload_id)).committed_size == 0
    await service.complete(upload.upload_id, hashlib.sha256(DATA[:500]).digest(), "")
    assert bytes(suite.store.files[upload.file_key]) == DATA[:500]


@settings(max_examples=examples(60))
@given(
    steps=st.lists(
        st.tuples(st.integers(1, 1000), st.booleans(), st.booleans()), min_size=1, max_size=40
    )  # size of the next chunk, a broken connection after it, a restart of the service after that
)
def test_interrupted_anywhere_it_goes_on(steps: list[tuple[int, bool, bool]]) -> None:
    async def run() -> None:
        suite = Suite()
        upload_id = (await suite.service.create("a.csv", 0, "")).upload_id
        for size, broken, restarted in steps:
            committed = (await suite.service.get(upload_id)).committed_size
            pieces = [chunk(committed, DATA[committed : committed + size])] if committed < len(DATA) else []
            if broken:
                bad = chunk(committed + len(pieces[0].data) if pieces else committed, b"x" * 10)
                pieces.append(Chunk(bad.offset, bad.data, bad.crc32c ^ 1))
                with pytest.raises(AbortedError) as caught:
                    await suite.service.write(upload_id, given_chunks(pieces))
                assert caught.value.metadata == {"committed_size": str(bad.offset)}
            else:
                await suite.service.write(upload_id, given_chunks(pieces))
            now = (await suite.service.get(upload_id)).committed_size
            assert now == min(committed + size, len(DATA)) if committed < len(DATA) else now == committed
            if restarted:
                suite.restart()
        committed = (await suite.service.get(upload_id)).committed_size
        await suite.service.write(upload_id, chunks(DATA, committed))
        await suite.service.complete(upload_id, hashlib.sha256(DATA).digest(), "")

    asyncio.run(run())


async def test_a_client_that_goes_away_loses_nothing_that_was_written() -> None:
    suite = Suite()
    upload_id = (await suite.service.create("a.csv", 0, "")).upload_id
    sent = asyncio.Event()

    async def endless() -> AsyncIterator[Chunk]:
        yield chunk(0, DATA[:500])
        sent.set()
        await asyncio.Event().wait()

    writing = asyncio.create_task(suite.service.write(upload_id, endless()))
    await sent.wait()
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    assert (await suite.service.get(upload_id)).committed_size == 500


async def test_of_two_instances_one_goes_on() -> None:
    """Both write at the same offset; the slower one gets the committed size."""
    suite = Suite()
    first = suite.service
    upload_id = (await first.create("a.csv", 0, "")).upload_id
    second = suite.restart()

    async def slow() -> AsyncIterator[Chunk]:
        yield chunk(0, DATA[:100])
        await second.write(upload_id, given_chunks([chunk(0, DATA[:300])]))

    with pytest.raises(FailedPreconditionError) as caught:
        await first.write(upload_id, slow())
    assert caught.value.reason == "WRONG_OFFSET"
    assert caught.value.metadata == {"committed_size": "300"}


@pytest.mark.parametrize("start", [0, 1, 100, 299])
@pytest.mark.parametrize("end", [300, 301, 1_000])
async def test_bytes_that_are_here_are_skipped(start: int, end: int) -> None:
    """A chunk whose answer was lost may be sent again, and cut in another way."""
    suite = Suite()
    upload_id = (await suite.service.create("a.csv", len(DATA), "")).upload_id
    await suite.service.write(upload_id, given_chunks([chunk(0, DATA[:300])]))
    written = await suite.service.write(upload_id, given_chunks([chunk(start, DATA[start:end])]))
    assert (written.committed, written.received) == (end, end)
    rest = [chunk(at, DATA[at : at + 500]) for at in range(end, len(DATA), 500)]
    await suite.service.write(upload_id, given_chunks(rest))
    assert await suite.service.complete(upload_id, hashlib.sha256(DATA).digest(), "")
    assert bytes(suite.store.files[f"default/{upload_id}"]) == DATA


async def test_a_damaged_chunk_is_told_also_where_it_is_not_needed() -> None:
    suite = Suite()
    upload_id = (await suite.service.create("a.csv", 0, "")).upload_id
    await suite.service.write(upload_id, given_chunks([chunk(0, DATA[:300])]))
    damaged = Chunk(0, DATA[:100], chunk(0, DATA[:100]).crc32c ^ 1)
    with pytest.raises(AbortedError) as caught:
        await suite.service.write(upload_id, given_chunks([damaged]))
    assert caught.value.metadata == {"committed_size": "300"}


@pytest.mark.parametrize("offset", [301, 10_000])
async def test_a_wrong_offset_is_told_the_right_one(offset: int) -> None:
    suite = Suite()
    upload_id = (await suite.service.create("a.csv", 0, "")).upload_id
    await suite.service.write(upload_id, given_chunks([chunk(0, DATA[:300])]))
    with pytest.raises(FailedPreconditionError) as caught:
        await suite.service.write(upload_id, given_chunks([chunk(offset, b"x")]))
    assert (caught.value.reason, caught.value.metadata) == ("WRONG_OFFSET", {"committed_size": "300"})


@pytest.mark.parametrize(
    ("name", "size", "request_id"),
    [("", 0, ""), ("x" * 256, 0, ""), ("a\0b", 0, ""), ("a", -1, ""), ("a", 0, "r" * 129), ("a", 0, "\0")],
)
async def test_senseless_requests_are_refused(name: str, size: int, request_id: str) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        await Suite().service.create(name, size, request_id)
    assert caught.value.violations


async def test_limits() -> None:
    suite = Suite(room=2_000)
    with pytest.raises(ResourceExhaustedError) as caught:
        await suite.service.create("a.csv", 10_001, "")
    assert (caught.value.reason, caught.value.metadata) == ("FILE_TOO_LARGE", {"max_bytes": "10000"})
    announced = (await suite.service.create("a.csv", 10, "")).upload_id
    with pytest.raises(ResourceExhaustedError):
        await suite.service.write(announced, given_chunks([chunk(0, b"12345678901")]))
    with pytest.raises(DataLossError, match="0 bytes, but 10"):
        await suite.service.complete(announced, b"", "")
    upload_id = (await suite.service.create("a.csv", 0, "")).upload_id
    for data in (b"", b"x" * 1_001):
        with pytest.raises(InvalidArgumentError):
            await suite.service.write(upload_id, given_chunks([chunk(0, data)]))
    with pytest.raises(ResourceExhaustedError) as caught:
        await suite.service.write(
            upload_id, given_chunks([chunk(at, b"y" * 1000) for at in (0, 1000, 2000)])
        )  # fmt: skip
    assert caught.value.reason == "STORE_FULL"
    assert (await suite.service.get(upload_id)).committed_size == 2000


class HeldHash:
    """A hash that takes its next piece only when it may."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.entered, self.may, self.left = threading.Event(), threading.Event(), threading.Event()

    def update(self, data: bytes) -> None:
        self.entered.set()
        self.may.wait(10)
        self._inner.update(data)
        self.left.set()

    def digest(self) -> bytes:
        digest: bytes = self._inner.digest()
        return digest


async def test_another_tenant_does_not_wait_for_a_writer() -> None:
    suite = Suite()
    upload = await suite.service.create("a.csv", 0, "")
    async with suite.service._writing(upload.upload_id):
        with within("acme"), pytest.raises(NotFoundError):
            async with asyncio.timeout(10):
                await suite.service.write(upload.upload_id, given_chunks([chunk(0, b"x")]))


async def test_uploads_that_do_not_exist_take_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor do those that are done with, while somebody sends the oldest one slowly."""
    monkeypatch.setattr(service, "_MOST_HASHES", 2)
    suite = Suite()
    slow = await suite.service.create("a.csv", 0, "")
    async with suite.service._writing(slow.upload_id):
        for _ in range(9):
            with pytest.raises(NotFoundError):
                await suite.service.write(str(uuid.uuid4()), given_chunks([chunk(0, b"x")]))
        assert len(suite.service._running) == 1
        for _ in range(9):
            other = await suite.service.create("b.csv", 0, "")
            await suite.service.write(other.upload_id, given_chunks([chunk(0, b"x")]))
        assert len(suite.service._running) == 2


async def test_a_disconnect_while_the_stored_chunk_is_hashed() -> None:
    """The chunk is sent again; it must not be in the hash twice."""
    suite = Suite()
    upload = await suite.service.create("a.csv", 0, "")
    await suite.service.write(upload.upload_id, given_chunks([chunk(0, DATA[:300])]))
    running = suite.service._running["default", upload.upload_id]
    held = running.hash = HeldHash(running.hash)
    writing = asyncio.create_task(
        suite.service.write(upload.upload_id, given_chunks([chunk(300, DATA[300:600])]))
    )
    assert await asyncio.to_thread(held.entered.wait, 10)
    assert len(suite.store.files[upload.file_key]) == 600
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    held.may.set()
    assert await asyncio.to_thread(held.left.wait, 10)
    committed = (await suite.service.get(upload.upload_id)).committed_size
    await suite.service.write(upload.upload_id, chunks(DATA, committed))
    await suite.service.complete(upload.upload_id, hashlib.sha256(DATA).digest(), "")


async def test_a_wrong_hash_is_data_loss_also_after_a_restart() -> None:
    suite = Suite()
    upload_id = (await suite.service.create("a.csv", 0, "")).upload_id
    await suite.service.write(upload_id, chunks(DATA))
    for _ in range(2):
        with pytest.raises(DataLossError):
            await suite.service.complete(upload_id, bytes(32), "")
        suite.restart()
    await suite.service.complete(upload_id, hashlib.sha256(DATA).digest(), "")


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"%PDF-1.7", "PDF"),
        (b"\x89PNG", "PNG"),
        (b"\xd0\xcf\x11\xe0", "Microsoft Office"),
        (b"MZ\x90\0", "program"),
    ],
)
async def test_a_foreign_type_is_refused_by_content(head: bytes, kind: str) -> None:
    suite = Suite()
    upload_id = (await suite.service.create("a.csv", 0, "")).upload_id
    with pytest.raises(InvalidArgumentError, match=kind) as caught:
        await suite.service.write(upload_id, given_chunks([chunk(0, head)]))
    assert caught.value.reason == "UNSUPPORTED_FILE_TYPE"
    await suite.service.write(upload_id, given_chunks([chunk(0, b"MZ,PK\n1,2\n")]))  # text all the same


async def test_a_request_id_opens_one_upload() -> None:
    suite = Suite()
    first = await suite.service.create("a.csv", 5, "r")
    await suite.service.write(first.upload_id, given_chunks([chunk(0, b"12")]))
    again = await suite.service.create("a.csv", 5, "r")
    assert (again.upload_id, again.committed_size) == (first.upload_id, 2)
    with pytest.raises(InvalidArgumentError) as caught:
        await suite.service.create("b.csv", 5, "r")
    assert caught.value.reason == "REQUEST_ID_REUSED"


async def test_an_upload_whose_opening_was_lost_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    suite = Suite()
    add = suite.uploads.add

    async def lost(*arguments: Any, **named: Any) -> Upload:
        await add(*arguments, **named)
        raise TransientError("the answer is lost")

    monkeypatch.setattr(suite.uploads, "add", lost)
    with pytest.raises(TransientError):
        await suite.service.create("a.csv", 2, "r")
    monkeypatch.undo()
    upload_id = (await suite.service.create("a.csv", 2, "r")).upload_id
    written = await suite.service.write(upload_id, given_chunks([chunk(0, b"12")]))
    assert written.committed == 2


async def test_abort() -> None:
    suite = Suite()
    upload = await suite.service.create("a.csv", 0, "")
    for _ in range(2):
        await suite.service.abort(upload.upload_id)
    assert upload.file_key not in suite.store.files
    with pytest.raises(FailedPreconditionError) as caught:
        await suite.service.write(upload.upload_id, chunks(DATA))
    assert caught.value.reason == "UPLOAD_ABORTED"
    with pytest.raises(NotFoundError):
        await suite.service.abort(str(uuid.uuid4()))
    await suite.uploaded()
    completed = next(u for u in suite.uploads.uploads.values() if u.state is UploadState.COMPLETED)
    with pytest.raises(FailedPreconditionError):
        await suite.service.abort(completed.upload_id)


@pytest.mark.parametrize("pipeline", ["people@", "people@x", "people@0", "people@-1", "people@²"])
async def test_a_pipeline_that_is_no_reference(pipeline: str) -> None:
    suite = Suite()
    with pytest.raises(InvalidArgumentError):
        await suite.uploaded(pipeline=pipeline)
    with pytest.raises(NotFoundError):
        await suite.uploaded(pipeline="nobody")
    assert await suite.uploads.waiting() == 0


async def test_inspecting() -> None:
    suite = Suite()
    upload_id = (await suite.service.create("a.csv", 0, "")).upload_id
    assert await suite.service.inspect(upload_id, '{"delimiter": ";"}', 0) == {
        "dialect": {"delimiter": ";"}, "sampled_rows": 1000
    }  # fmt: skip
    for dialect, rows in (('{"delimiter": ""}', 1), ("", 100_001), ("{", 1)):
        with pytest.raises(InvalidArgumentError):
            await suite.service.inspect(upload_id, dialect, rows)
    bad = (await suite.service.create("bad.csv", 0, "")).upload_id
    with pytest.raises(FailedPreconditionError) as caught:
        await suite.service.inspect(bad, "", 0)
    assert caught.value.reason == "XLSX_INVALID"


# -- deliveries ------------------------------------------------------------------------------------


async def delivered(suite: Suite, worker: DeliveryWorker) -> None:
    """Run a worker until nothing waits. The clock moves on as deliveries become due."""
    stopping = asyncio.Event()
    running = asyncio.create_task(worker.run(stopping))
    async with asyncio.timeout(20):
        while await suite.uploads.waiting():
            for _ in range(20):
                await asyncio.sleep(0)
            suite.clock.time += timedelta(seconds=1)
            suite.news.set()
        stopping.set()
        await running


async def test_a_file_is_delivered_as_it_is() -> None:
    suite = Suite()
    suite.ingestion.away = True  # at the time of the upload
    processes = [await suite.uploaded(DATA), await suite.uploaded(b""), await suite.uploaded(b"id\n1\n")]
    suite.ingestion.away = False
    await delivered(suite, suite.worker())
    assert [bytes(suite.ingestion.received[process]) for process in processes] == [DATA, b"", b"id\n1\n"]
    assert suite.ingestion.done == set(processes)


async def test_an_interrupted_delivery_goes_on_where_it_is_wanted() -> None:
    suite = Suite()
    process = await suite.uploaded()
    suite.ingestion.failures = 3
    await delivered(suite, suite.worker())
    assert bytes(suite.ingestion.received[process]) == DATA
    assert suite.uploads.work[process].delivery.attempts == 4


async def test_what_is_declared_with_a_file_goes_before_the_pipeline() -> None:
    suite = Suite()
    upload_id = (await suite.service.create("a.csv", 0, "")).upload_id
    await suite.service.write(upload_id, chunks(DATA))
    with pytest.raises(InvalidArgumentError) as caught:
        await suite.service.complete(upload_id, b"", "people", '{"delimitr": "|", "skipLines": -1}')
    assert [violation.field for violation in caught.value.violations] == [
        "dialect_json/skipLines", "dialect_json/delimitr"
    ]  # fmt: skip
    await suite.service.complete(upload_id, b"", "people", '{"delimiter": "|"}')
    delivery = await suite.uploads.take("x", NOW, NOW)
    assert delivery is not None
    assert json.loads(delivery.dialect) == {"delimiter": "|", "skipLines": 1}


async def test_a_converted_file_is_converted_and_delivered_once() -> None:
    suite = Suite()
    process = await suite.uploaded(b"id\nabc\n" * 100, name="a.upper")
    suite.ingestion.failures = 2
    await delivered(suite, suite.worker())
    assert bytes(suite.ingestion.received[process]) == b"ID\nABC\n" * 100
    assert suite.converter.calls == 1


async def test_an_unreadable_file_is_refused() -> None:
    suite = Suite()
    process = await suite.uploaded(name="bad.csv")
    await delivered(suite, suite.worker())
    assert suite.ingestion.refused == {process: "XLSX_INVALID"}
    assert process not in suite.ingestion.received


async def test_a_converter_that_is_killed_is_tried_once_more() -> None:
    suite = Suite()
    process = await suite.uploaded(name="killed.csv")
    await delivered(suite, suite.worker())
    assert (suite.converter.calls, suite.ingestion.refused) == (2, {process: "FILE_UNREADABLE"})


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (-signal.SIGSEGV, UnreadableFileError),
        (-signal.SIGABRT, UnreadableFileError),
        (-signal.SIGKILL, ConverterCrashedError),
        (-signal.SIGTERM, ConverterCrashedError),
        (-signal.SIGXCPU, UnreadableFileError),
        (1, ConverterCrashedError),
    ],
)
def test_how_a_converter_ends(status: int, error: type[Exception]) -> None:
    run = ProgramRun()
    answer = _answer(status, io.BytesIO(), run)
    crashed = status in (-signal.SIGSEGV, -signal.SIGABRT)
    assert run.result == ("unreadable" if crashed else "killed")
    with pytest.raises(error):
        _found(status, answer, 5)


async def test_a_stopped_worker_hands_its_lease_back() -> None:
    suite = Suite()
    process = await suite.uploaded()
    suite.ingestion.blocked.clear()
    stopping = asyncio.Event()
    running = asyncio.create_task(suite.worker("first").run(stopping))
    async with asyncio.timeout(20):
        while suite.uploads.work[process].owner != "first":
            await asyncio.sleep(0)
        stopping.set()
        await running
    assert suite.uploads.work[process].owner is None
    suite.ingestion.blocked.set()
    await delivered(suite, suite.worker("second"))
    assert bytes(suite.ingestion.received[process]) == DATA


async def test_a_file_that_is_gone_is_tried_again_later() -> None:
    suite = Suite()
    process = await suite.uploaded()
    (upload,) = suite.uploads.uploads.values()
    kept = suite.store.files.pop(upload.file_key)
    stopping = asyncio.Event()
    running = asyncio.create_task(suite.worker().run(stopping))
    async with asyncio.timeout(20):
        while suite.uploads.work[process].due <= NOW:
            await asyncio.sleep(0)
        stopping.set()
        await running
    suite.store.files[upload.file_key] = kept
    await delivered(suite, suite.worker())
    assert bytes(suite.ingestion.received[process]) == DATA


async def test_abandoned_uploads_are_removed() -> None:
    suite = Suite()
    old = await suite.service.create("a.csv", 0, "")
    process = await suite.uploaded()
    suite.clock.time += timedelta(days=2)
    young = await suite.service.create("b.csv", 0, "")
    cleaner = Cleaner(suite.uploads, suite.store, suite.clock, timedelta(days=1))
    assert await cleaner.clean() == 1
    assert await cleaner.clean() == 0
    assert old.file_key not in suite.store.files
    assert young.file_key in suite.store.files
    await delivered(suite, suite.worker())
    assert bytes(suite.ingestion.received[process]) == DATA


async def test_a_repair_file_is_delivered_with_the_repaired_process() -> None:
    suite = Suite()
    upload = await suite.service.create("report.csv", 0, "")
    await suite.service.write(upload.upload_id, chunks(DATA))
    with pytest.raises(InvalidArgumentError) as caught:
        await suite.service.complete(upload.upload_id, b"", "people", repairs="repair")
    assert [violation.field for violation in caught.value.violations] == ["pipeline"]
    with pytest.raises(FailedPreconditionError):
        await suite.service.complete(upload.upload_id, b"", "", repairs="running")
    assert (await suite.service.get(upload.upload_id)).state is UploadState.OPEN  # it can be tried again
    process = await suite.service.complete(upload.upload_id, b"", "", '{"delimiter": ","}', "repair")
    assert suite.ingestion.repairs == "parent"
    delivery = suite.uploads.work[process].delivery
    assert (delivery.pipeline, delivery.pipeline_version) == ("people", 2)
    assert json.loads(delivery.dialect) == {"delimiter": ","}  # not that of the pipeline
    await delivered(suite, suite.worker())
    assert suite.converter.repaired == TABLE


async def test_a_dry_run() -> None:
    suite = Suite()
    upload_id = (await suite.service.create("a.csv", 0, "")).upload_id
    found = await suite.service.dry_run(upload_id, "people", "", '{"quoteChar": "|"}', 3)
    assert [(row.record.row_number, row.state) for row in found.rows] == [
        (1, "failed"), (2, "succeeded"), (3, "failed")
    ]  # fmt: skip
    assert found.rows[0].labels == ("F",)
    assert (found.count("failed"), found.count("succeeded"), found.complete) == (2, 1, True)
    ((pipeline, document, dialect),) = suite.dry_runs.asked
    assert (pipeline, document) == ("people@3", "")
    assert json.loads(dialect) == {"quoteChar": "|", "delimiter": ";", "skipLines": 1}
    assert len((await suite.service.dry_run(upload_id, "", "", "", 0)).rows) == 200
    await suite.service.dry_run(upload_id, "", "{}", "", 1)
    assert suite.dry_runs.asked[-1] == ("", "{}", '{"delimiter": "|"}')


async def test_a_dry_run_of_json_misses_no_columns() -> None:
    suite = Suite()
    upload_id = (await suite.service.create("a.jsonl", 0, "")).upload_id
    await suite.service.dry_run(upload_id, "", "", "", 0)
    assert json.loads(suite.dry_runs.asked[0][2]) == {"missingColumns": "ignore"}


async def test_an_incomplete_dry_run() -> None:
    """Rows after the last one of the result are left out."""
    suite = Suite()
    suite.dry_runs.complete = False
    upload_id = (await suite.service.create("a.csv", 0, "")).upload_id
    found = await suite.service.dry_run(upload_id, "", "", "", 4)
    assert ([row.record.row_number for row in found.rows], found.complete) == ([1, 2, 3], False)


async def test_refused_dry_runs() -> None:
    suite = Suite()
    upload_id = (await suite.service.create("a.csv", 0, "")).upload_id
    bad = (await suite.service.create("bad.csv", 0, "")).upload_id
    crash = (await suite.service.create("crash.csv", 0, "")).upload_id
    for arguments, kind, reason in (
        ((upload_id, "", "", "", 1001), InvalidArgumentError, "INVALID_ARGUMENT"),
        ((upload_id, "people", "{}", "", 0), InvalidArgumentError, "INVALID_ARGUMENT"),
        ((upload_id, "", "bad", "", 0), InvalidArgumentError, "INVALID_PIPELINE"),
        ((upload_id, "nobody", "", "", 0), NotFoundError, "PIPELINE_NOT_FOUND"),
        ((upload_id, "", "", '{"x": 1}', 0), InvalidArgumentError, "INVALID_DIALECT"),
        ((bad, "", "", "", 0), FailedPreconditionError, "XLSX_INVALID"),
        ((crash, "", "", "", 0), UnavailableError, "INSPECTION_FAILED"),
        ((str(uuid.uuid4()), "", "", "", 0), NotFoundError, "UPLOAD_NOT_FOUND"),
    ):
        with pytest.raises(kind) as caught:
            await suite.service.dry_run(*arguments)
        assert caught.value.reason == reason


async def test_storage() -> None:
    suite = Suite(room=10_000)
    await suite.uploaded(b"a,b\n1,2\n")
    found = await suite.service.storage()
    assert (found.file_count, found.file_bytes, found.free_bytes) == (1, 8, 9_992)
    assert (found.stored_bytes, found.temporary_bytes) == (8, 0)
