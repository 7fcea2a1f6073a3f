"""Sending: of paths, files and data frames; resumed; with documents."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingestor import AsyncClient
from ingestor.client import (
    DataLossError,
    FileChangedError,
    InvalidArgumentError,
    NotFoundError,
    ProcessState,
    UploadProgress,
    aio_process,
)
from ingestor.runtime import errors
from ingestor.v1 import common_pb2
from tests.fakes.gateway import Suite, a_process

CONTENT = b"id,name\n1,Ann\n2,Bob\n3,Cleo\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "a.csv"
    path.write_bytes(CONTENT)
    return path


async def test_a_path_is_sent_and_its_process_is_answered(
    client: AsyncClient, suite: Suite, table: Path
) -> None:
    told: list[UploadProgress] = []
    process = await client.ingest(table, "customers@3", dialect={"delimiter": ","}, on_upload=told.append)
    assert bytes(suite.uploads.content) == CONTENT
    (created,), (completed,) = suite.uploads.created, suite.uploads.completed
    assert (created.file_name, created.size_bytes) == ("a.csv", len(CONTENT))
    assert (completed.pipeline, completed.dialect_json) == ("customers@3", '{"delimiter": ","}')
    assert (process.id, process.state, process.pipeline) == ("p1", ProcessState.COMPLETED, "customers@3")
    assert told[0] == UploadProgress(0, len(CONTENT), "u1")
    assert told[-1] == UploadProgress(len(CONTENT), len(CONTENT), "u1")


async def test_an_upload_goes_on_where_the_connection_was_lost(
    client: AsyncClient, suite: Suite, table: Path
) -> None:
    suite.uploads.break_at = 10
    await client.ingest(table)
    assert bytes(suite.uploads.content) == CONTENT


async def test_an_upload_is_resumed_by_its_identifier(client: AsyncClient, suite: Suite, table: Path) -> None:
    suite.uploads.content += CONTENT[:14]
    await client.ingest(table, resume="u1")
    assert bytes(suite.uploads.content) == CONTENT
    assert not suite.uploads.created


async def test_a_failure_says_how_to_resume(client: AsyncClient, suite: Suite, table: Path) -> None:
    suite.uploads.refuse = [errors.NotFoundError("PIPELINE_NOT_FOUND", "Pipeline p does not exist.")]
    with pytest.raises(NotFoundError) as caught:
        await client.ingest(table, "p")
    assert caught.value.__notes__ == ["the upload is kept: go on with resume='u1'"]


async def test_a_final_refusal_does_not_say_how_to_resume(
    client: AsyncClient, suite: Suite, table: Path
) -> None:
    suite.uploads.refuse = [errors.DataLossError("HASH_MISMATCH", "the file has changed")]
    with pytest.raises(DataLossError) as caught:
        await client.ingest(table)
    assert caught.value.reason == "HASH_MISMATCH"
    assert not getattr(caught.value, "__notes__", [])


def change_file(path: Path, how: str) -> None:
    if how == "shrinks":
        os.truncate(path, 30)
        return
    with path.open("r+b" if how == "is written again" else "ab") as file:
        file.write(b"9,Zoe")
    moved = path.stat().st_mtime_ns + 1  # two writes may be within one tick of the clock
    os.utime(path, ns=(moved, moved))


@pytest.mark.parametrize("how", ["grows", "shrinks", "is written again"])
async def test_a_file_that_changes_while_it_is_sent(
    client: AsyncClient, suite: Suite, table: Path, how: str
) -> None:
    """Told, and nothing of it is loaded."""
    await asyncio.to_thread(table.write_bytes, CONTENT * 100)

    def change(progress: UploadProgress) -> None:
        if progress.sent == 7:  # after the first piece
            change_file(table, how)

    with pytest.raises(FileChangedError, match=r"a\.csv changed while it was sent") as caught:
        await client.ingest(table, on_upload=change)
    assert not suite.uploads.completed
    assert suite.uploads.aborted == ["u1"]
    assert not getattr(caught.value, "__notes__", [])


@pytest.mark.parametrize("size", [3, 10_000])
async def test_a_file_in_memory_that_grows_or_shrinks(client: AsyncClient, suite: Suite, size: int) -> None:
    file = io.BytesIO(CONTENT * 100)  # far more than is read ahead

    def change(progress: UploadProgress) -> None:
        if progress.sent:
            file.truncate(size)
            file.seek(0, os.SEEK_END)
            file.write(b" " * (size - file.tell()))

    with pytest.raises(FileChangedError):
        await client.ingest(file, on_upload=change)
    assert not suite.uploads.completed


async def test_a_document_is_applied_first(
    client: AsyncClient, suite: Suite, table: Path, tmp_path: Path
) -> None:
    document = {"name": "customers"}
    path = tmp_path / "customers.pipeline.json"
    path.write_text(json.dumps(document))
    for pipeline in (document, path, str(path)):
        suite.uploads.content.clear()
        await client.ingest(table, pipeline)
        assert json.loads(suite.pipelines.applied[-1].document_json) == document
        assert suite.uploads.completed[-1].pipeline == "customers@1"
    assert len(suite.pipelines.applied) == 3


class Pipe(io.RawIOBase):
    """A stream that cannot seek."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._content.read(size)


@pytest.mark.parametrize("kind", [io.BytesIO, Pipe])
async def test_binary_files_are_sent_from_their_beginning(
    client: AsyncClient, suite: Suite, kind: Any
) -> None:
    await client.ingest(kind(CONTENT), file_name="b.csv")
    assert bytes(suite.uploads.content) == CONTENT
    assert suite.uploads.created[0].file_name == "b.csv"


class OldFrame:
    """A data frame that knows the interchange protocol only."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self._table = frame.to_arrow()

    def __dataframe__(self, nan_as_null: bool = False, allow_copy: bool = True) -> Any:
        return self._table.__dataframe__(nan_as_null, allow_copy)


FRAME = pl.DataFrame({"id": [1, 2], "name": ["Ann", None], "born": [None, "x"]})


@pytest.mark.parametrize(
    "frame", [FRAME, FRAME.to_arrow(), OldFrame(FRAME)], ids=["polars", "pyarrow", "interchange"]
)
async def test_a_data_frame_is_sent_as_parquet(client: AsyncClient, suite: Suite, frame: Any) -> None:
    await client.ingest(frame)
    assert suite.uploads.created[0].file_name == "table.parquet"
    sent = pq.read_table(pa.BufferReader(bytes(suite.uploads.content)))
    assert sent.to_pylist() == FRAME.to_dicts()


async def test_what_is_no_table_is_refused(client: AsyncClient, suite: Suite) -> None:
    with pytest.raises(TypeError, match="cannot ingest int"):
        await client.ingest(3)  # type: ignore[arg-type]
    assert not suite.uploads.created


async def test_a_data_frame_without_pyarrow_names_what_to_install(
    client: AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r"pip install 'data-ingestor\[cli\]'"):
        await client.ingest(FRAME)


async def test_an_error_of_on_upload_ends_the_upload(client: AsyncClient, table: Path) -> None:
    def stop(progress: UploadProgress) -> None:
        if progress.sent:
            raise ValueError("enough")

    with pytest.raises(ValueError, match="enough"):
        await client.ingest(table, on_upload=stop)


async def test_a_missing_file_is_an_os_error(client: AsyncClient, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        await client.ingest(tmp_path / "missing.csv")


async def test_a_repair_names_the_process_that_it_repairs(
    client: AsyncClient, suite: Suite, table: Path
) -> None:
    process = await client.process("p1")
    repair = await process.repair(table)
    assert suite.uploads.completed[0].repairs_process_id == "p1"
    assert repair.id == "p1" and repair is not process


async def test_a_dry_run_streams_the_file_and_stores_no_document(
    client: AsyncClient, suite: Suite, table: Path
) -> None:
    found = await client.dry_run(table, {"name": "customers"})
    assert suite.processor.content == CONTENT
    assert json.loads(suite.processor.first.document_json) == {"name": "customers"}
    assert (found.counts.read, found.counts.failed, found.rows[0].number) == (3, 1, 1)
    assert not suite.pipelines.applied and not suite.uploads.created


async def test_a_dry_run_of_a_wrong_dialect_names_the_key(client: AsyncClient, table: Path) -> None:
    with pytest.raises(InvalidArgumentError) as caught:
        await client.dry_run(table, dialect={"delimiter": "too long for us"})
    assert caught.value.reason == "INVALID_DIALECT"
    assert list(caught.value.fields) == ["dialect/delimiter"]


async def test_a_dry_run_without_its_packages_names_what_to_install(
    client: AsyncClient, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ingestor.tabular.files.convert", None)
    with pytest.raises(ImportError, match=r"pip install 'data-ingestor\[cli\]'"):
        await client.dry_run(table)


async def test_the_process_may_become_known_late(client: AsyncClient, suite: Suite, table: Path) -> None:
    suite.status.not_yet = 1
    assert (await client.ingest(table)).id == "p1"


async def test_a_process_that_is_not_known_for_long_has_begun_all_the_same(
    client: AsyncClient, suite: Suite, table: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aio_process, "_FIRST_LOOK_SECONDS", 0.5)
    suite.status.not_yet = 1000
    process = await client.ingest(table)
    assert (process.id, process.state, process.raw.info.file_name) == ("p1", "PENDING", table.name)
    suite.status.not_yet = 0
    assert (await process.wait()).state.ended


async def test_the_first_look_leaves_no_watch_behind(client: AsyncClient, suite: Suite, table: Path) -> None:
    suite.status.course = [a_process(state=common_pb2.PROCESS_STATE_PENDING)]
    suite.status.silent = True
    assert (await client.ingest(table)).state == "PENDING"
    await asyncio.wait_for(suite.status.left.wait(), 20)


async def test_a_deleted_process_is_not_waited_for(client: AsyncClient, suite: Suite) -> None:
    process = await client.process("p1")
    suite.status.deleted = True
    with pytest.raises(NotFoundError) as caught:
        await process.wait()
    assert caught.value.reason == "PROCESS_DELETED"


def test_a_process_shows_itself() -> None:
    from ingestor.client.aio_process import AsyncProcess

    shown = repr(AsyncProcess(None, a_process()))  # type: ignore[arg-type]
    assert shown == "<AsyncProcess p1 'a.csv' COMPLETED read=10 succeeded=8 failed=1>"


async def test_a_slow_disk_does_not_mix_up_pieces_when_a_stream_is_cut(suite: Suite) -> None:
    """The read that was under way goes on, beside those of the next stream."""
    content = b"id\n" + bytes(range(48, 58)) * 20 + b"\n"
    suite.door.tokens = {"t1"}
    cut = False

    def provide() -> str:
        return "t2" if cut else "t1"

    class Slow(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            nonlocal cut
            if self.tell() == 70 and not cut:
                cut = True
                loop.call_soon_threadsafe(suite.door.expire, "t2")
            time.sleep(0.05)
            return super().read(size)

    loop = asyncio.get_running_loop()
    async with AsyncClient(suite.address, token=provide) as client:
        await client.ingest(Slow(content), file_name="a.csv")
    assert bytes(suite.uploads.content) == content
