"""One suite for both ways to convert and to look at files: beside the upload service, and by a converter of
its own, over a real channel. Then what only the second can meet."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import openpyxl
import psutil
import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from ingestor.access.calls import CallSigner
from ingestor.access.keyring import KeyRing
from ingestor.access.scope import within
from ingestor.internal.v1 import converter_pb2, converter_pb2_grpc
from ingestor.local.ports import free_port
from ingestor.notices import as_objects
from ingestor.reports import OriginalTable
from ingestor.runtime.errors import (
    PermissionDeniedError,
    TransientError,
)
from ingestor.runtime.grpc.channel import open_channel
from ingestor.runtime.host import host
from ingestor.services.upload.adapters.file_metrics import ProgramMetrics
from ingestor.services.upload.adapters.grpc_converter import GrpcConverter
from ingestor.services.upload.adapters.scratch import Scratch
from ingestor.services.upload.adapters.subprocess_converter import ConverterLimits, SubprocessConverter
from ingestor.services.upload.converter.bootstrap import bootstrap
from ingestor.services.upload.converter.settings import ConverterSettings
from ingestor.services.upload.ports import ConverterCrashedError
from ingestor.services.upload.uploads import Content, Upload, UploadState
from ingestor.stores.disk import DiskFileStore
from ingestor.stores.port import FileMissingError
from ingestor.tabular.errors import UnreadableFileError
from tests.waiting import until

KEYS = "one:" + "s" * 32
MOST_EXPANDED = 2**22
TABLE = OriginalTable(("id", "name"), 3, False)

Both = GrpcConverter | SubprocessConverter
OpenConverter = Callable[[], AbstractAsyncContextManager[Both]]


def settings_of(root: Path, **more: Any) -> ConverterSettings:
    """Of a converter of the files below `root`; it has only what a converter needs."""
    known: dict[str, Any] = {
        "listen": "127.0.0.1:0", "metrics_listen": "", "auth": "required",
        "internal_keys": SecretStr(KEYS), "file_store_dir": str(root), "drain_seconds": 3,
        "max_expanded_bytes": MOST_EXPANDED,
    }  # fmt: skip
    return ConverterSettings(**(known | more))


@asynccontextmanager
async def asking(port: int, service: str = "upload", silence: float = 20) -> AsyncIterator[GrpcConverter]:
    """A service's adapter for a converter at a port."""
    interceptors = CallSigner(KeyRing.parse(KEYS), service).interceptors()
    async with open_channel(f"127.0.0.1:{port}", interceptors) as channel:
        yield GrpcConverter(channel, silence=silence)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of the store."""
    return tmp_path / "files"


@pytest.fixture(params=["subprocess", "grpc"])
async def converter(request: pytest.FixtureRequest, root: Path) -> AsyncIterator[Both]:
    """Both adapters."""
    if request.param == "subprocess":
        store = DiskFileStore(root)
        metrics = ProgramMetrics(CollectorRegistry())
        limits = ConverterLimits(448 * 2**20, 60, 2, max_expanded_bytes=MOST_EXPANDED)
        yield SubprocessConverter(store, Scratch(None), metrics, limits)
        return
    settings = settings_of(root)
    async with (
        host(settings, lambda registry: bootstrap(settings, registry), CollectorRegistry()) as service,
        asking(service.port) as made,
    ):
        yield made


async def kept(root: Path, name: str, data: bytes, tenant: str = "default") -> Upload:
    """A complete upload of these bytes."""
    store = DiskFileStore(root)
    key = f"{tenant}/u"
    with within(tenant):
        await store.create(key)
        await store.append(key, 0, data)
        await store.seal(key, len(data))
    return Upload(
        "u", tenant, None, name, len(data), key, UploadState.COMPLETED, len(data), None,
        datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def workbook(rows: int = 3) -> bytes:
    """An XLSX file with a hidden second sheet, which is a notice."""
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["id", "name"])
    for number in range(1, rows + 1):
        sheet.append([number, f"row {number}"])
    book.create_sheet("Lists").sheet_state = "hidden"
    made = io.BytesIO()
    book.save(made)
    return made.getvalue()


async def endless(root: Path) -> Upload:
    """A file whose conversion does not end while its program is held."""
    return await kept(root, "endless.csv", b"_row,id,name\n2,7,seven\n")


async def held(of: psutil.Process | None = None) -> psutil.Process:
    """The program that converts, stopped as soon as it is there."""
    await until(lambda: children(of), "the program")
    (program,) = children(of)
    program.suspend()
    return program


def children(of: psutil.Process | None = None) -> list[psutil.Process]:
    """The programs that convert now."""
    found = []
    for child in (of or psutil.Process()).children(recursive=True):
        try:
            if "ingestor.tabular.files.stand_by" in child.cmdline():
                found.append(child)
        except psutil.Error:
            pass
    return found


async def text_of(root: Path, content: Content) -> bytes:
    """The bytes of a content."""
    return b"".join([piece async for piece in DiskFileStore(root).read(content.file_key, 0, content.size)])


# -- both -------------------------------------------------------------------------------------------


async def test_a_workbook_becomes_text(converter: Both, root: Path) -> None:
    upload = await kept(root, "a.xlsx", workbook())
    content = await converter.convert(upload, "{}", None, ("id",))
    assert (content.file_key, content.normal_form) == ("default/u-text", True)
    text = await text_of(root, content)
    assert len(text) == content.size and text.splitlines()[1].endswith(b'"1","row 1"')
    assert json.loads(content.dialect)["format"] == "xlsx"
    assert [notice["code"] for notice in as_objects(content.notices)] == ["other-sheets"]
    assert await converter.convert(upload, "{}", None, ("id",)) == content  # it may be repeated


async def test_what_is_plain_stays_as_it_is(converter: Both, root: Path) -> None:
    upload = await kept(root, "a.csv", b"id;name\n1;a\n")
    content = await converter.as_is(upload, '{"delimiter": ";"}')
    assert content is not None
    assert (content.file_key, content.size, content.normal_form) == (upload.file_key, 12, False)
    assert json.loads(content.dialect)["delimiter"] == ";"


async def test_what_needs_a_conversion_is_not_as_it_is(converter: Both, root: Path) -> None:
    for name, data in (("a.xlsx", workbook()), ("a.csv", "id\nä\n".encode("utf-16"))):
        upload = await kept(root, name, data)
        assert await converter.as_is(upload, "{}") is None
        assert not (root / "default/u-text").exists()


async def test_a_repair_file(converter: Both, root: Path) -> None:
    upload = await kept(root, "r.csv", b"_row,id,name\n2,7,seven\n")
    content = await converter.convert(upload, "{}", TABLE)
    assert (await text_of(root, content)).splitlines()[1].endswith(b'"2","7","seven"')
    wrong = await kept(root, "r.csv", b"id,name\n7,seven\n")
    with pytest.raises(UnreadableFileError, match='it lacks "_row"') as caught:
        await converter.convert(wrong, "{}", TABLE)
    assert caught.value.reason == "NOT_A_REPORT"


async def test_what_cannot_be_read(converter: Both, root: Path) -> None:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"id\n" + b"1\n" * MOST_EXPANDED)
    bomb = await kept(root, "a.zip", made.getvalue())
    with pytest.raises(UnreadableFileError) as caught:
        await converter.convert(bomb, "{}")
    assert caught.value.reason and str(MOST_EXPANDED // 2**20) in caught.value.message
    assert not (root / "default/u-text").exists()
    with pytest.raises(FileMissingError):
        await converter.convert(replace(bomb, file_key="default/other"), "{}")
    with pytest.raises(FileMissingError):
        await converter.inspect(replace(bomb, file_key="default/other"), "{}", 5)


async def test_looking_at_the_beginning(converter: Both, root: Path) -> None:
    upload = replace(await kept(root, "a.csv", b"id,name\n1,a\n2\n3,"), state=UploadState.OPEN)
    found = await converter.inspect(replace(upload, declared_size=99), "{}", 10)
    assert [column["label"] for column in found["columns"]] == ["id", "name"]
    part = await converter.excerpt(replace(upload, declared_size=99), "{}", 10, ("id",))
    assert [(row.row_number, row.line_number, row.cells) for row in part.rows] == [
        (1, 2, ("1", "a")), (2, 3, ("2",))
    ]  # fmt: skip
    assert (part.columns, part.complete, part.content.count(b"\n")) == (("id", "name"), False, 3)
    whole = await converter.excerpt(replace(upload, state=UploadState.COMPLETED), "{}", 10)
    assert len(whole.rows) == 3


async def test_an_excerpt_larger_than_a_message(converter: Both, root: Path) -> None:
    cells = b",".join([b"x" * 900] * 10)
    data = b",".join([b"c%d" % n for n in range(10)]) + b"\n" + (cells + b"\n") * 1000
    part = await converter.excerpt(await kept(root, "wide.csv", data), "{}", 1000)
    shown = sum(len("".join(row.cells or ())) for row in part.rows)
    assert shown > 2**20 and len(part.content) > 2**21  # several messages each
    assert part.rows[100].cells == ("x" * 900,) * 10


async def test_another_tenants_file_is_out_of_reach(converter: Both, root: Path) -> None:
    upload = await kept(root, "a.xlsx", workbook(), tenant="globex")
    with pytest.raises((ValueError, TransientError)):
        await converter.convert(replace(upload, tenant="default"), "{}")
    assert not (root / "globex/u-text").exists()


async def test_a_call_that_is_cancelled_ends_the_program(converter: Both, root: Path) -> None:
    upload = await endless(root)
    running = asyncio.create_task(converter.convert(upload, "{}", TABLE))
    await held()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await until(lambda: not children(), "the end of the program")


async def test_a_program_that_is_killed(converter: Both, root: Path) -> None:
    upload = await endless(root)
    running = asyncio.create_task(converter.convert(upload, "{}", TABLE))
    (await held()).kill()
    with pytest.raises(ConverterCrashedError):
        await running


# -- a converter of its own --------------------------------------------------------------------------


def spawn(root: Path, **env: str) -> tuple[subprocess.Popen[bytes], int]:
    """A converter as Kubernetes runs it, with nothing but its own settings; and its port."""
    port = free_port()
    own = {
        "INGESTOR_LISTEN": f"127.0.0.1:{port}",
        "INGESTOR_METRICS_LISTEN": "",
        "INGESTOR_AUTH": "required",
        "INGESTOR_INTERNAL_KEYS": KEYS,
        "INGESTOR_FILE_STORE_DIR": str(root),
        **env,
    }
    others = {name: value for name, value in os.environ.items() if not name.startswith("INGESTOR_")}
    command = [sys.executable, "-m", "ingestor.services.upload.converter"]
    return subprocess.Popen(command, env=others | own), port


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGKILL, ConverterCrashedError), (signal.SIGTERM, TransientError)]
)
async def test_a_converter_that_ends(root: Path, number: int, error: type[Exception]) -> None:
    """Killed, it counts as a crash; asked to stop, it hands the file back."""
    upload = await endless(root)
    process, port = spawn(root, INGESTOR_DRAIN_SECONDS="2")
    try:
        async with asking(port) as converter:
            running = asyncio.create_task(_when_there(converter, upload))
            program = await held(psutil.Process(process.pid))
            process.send_signal(number)
            with pytest.raises(error):
                async with asyncio.timeout(20):
                    await running
        await asyncio.to_thread(process.wait, 20)
        with suppress(psutil.NoSuchProcess):
            program.resume()  # it may have been stopped before it was told to end with its parent
        await until(lambda: not program.is_running(), "the end of the program")
    finally:
        process.kill()
        process.wait()


async def _when_there(converter: GrpcConverter, upload: Upload) -> Content:
    """Convert as soon as the converter answers at all."""
    while True:
        try:
            return await converter.convert(upload, "{}", TABLE)
        except TransientError as error:
            if "CONVERTER" in str(error) or "stops" in str(error):
                raise
            await asyncio.sleep(0.1)  # between two tries


async def test_a_converter_that_says_nothing_any_more(root: Path) -> None:
    upload = await endless(root)
    process, port = spawn(root)
    try:
        async with asking(port, silence=7) as converter:
            running = asyncio.create_task(_when_there(converter, upload))
            await held(psutil.Process(process.pid))
            await asyncio.wait([running], timeout=9)
            assert not running.done()  # it works, and says so
            process.send_signal(signal.SIGSTOP)
            with pytest.raises(ConverterCrashedError):
                async with asyncio.timeout(20):
                    await running
        for program in children(psutil.Process(process.pid)):
            program.kill()
    finally:
        process.kill()
        process.wait()


async def test_no_converter() -> None:
    upload = Upload(
        "u", "default", None, "a.csv", 1, "default/u", UploadState.COMPLETED, 1, None,
        datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    async with asking(free_port()) as converter:
        with pytest.raises(TransientError):
            await converter.convert(upload, "{}")
        with pytest.raises(TransientError):
            await converter.inspect(upload, "{}", 5)


async def test_so_many_at_once_and_the_others_wait(root: Path) -> None:
    upload = await endless(root)
    settings = settings_of(root, conversions_at_once=3)  # the last place is for another tenant
    async with (
        host(settings, lambda registry: bootstrap(settings, registry), CollectorRegistry()) as service,
        asking(service.port) as converter,
    ):
        running = [asyncio.create_task(converter.convert(upload, "{}", TABLE)) for _ in range(3)]
        seen: set[psutil.Process] = set()

        def number_held() -> int:
            """Stops each program as soon as it is there."""
            for program in set(children()) - seen:
                program.suspend()
                seen.add(program)
            return len(seen)

        await until(lambda: number_held() == 2, "two programs")
        first = children()[0]
        first.kill()
        await until(lambda: number_held() == 3 and first not in children(), "the third program")
        assert len(children()) == 2
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await until(lambda: not children(), "the end of the programs")


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        (("authorization", "Bearer dik_abcdefghijkl_" + "x" * 43),),
        (("ingestor-call", "forged"),),
    ],
)
async def test_nobody_but_the_upload_service_may_ask(
    root: Path, metadata: tuple[tuple[str, str], ...]
) -> None:
    await kept(root, "a.xlsx", workbook())
    settings = settings_of(root)
    request = converter_pb2.InspectRequest(file=converter_pb2.StoredFile(file_key="default/u"))
    async with host(settings, lambda registry: bootstrap(settings, registry), CollectorRegistry()) as service:
        async with open_channel(f"127.0.0.1:{service.port}") as channel:
            stub = converter_pb2_grpc.ConverterServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Inspect(request, metadata=metadata)
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        async with asking(service.port, service="status") as stranger:
            with pytest.raises(PermissionDeniedError):
                await stranger.inspect(await kept(root, "a.xlsx", workbook()), "{}", 5)
    assert not (root / "default/u-text").exists()
