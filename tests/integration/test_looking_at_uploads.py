"""Inspections and excerpts by real processes, of files in a store that is not this machine's disk."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from prometheus_client import CollectorRegistry

from ingestor.services.upload.adapters import subprocess_converter
from ingestor.services.upload.adapters.file_metrics import ProgramMetrics
from ingestor.services.upload.adapters.scratch import Scratch
from ingestor.services.upload.adapters.subprocess_converter import ConverterLimits, SubprocessConverter
from ingestor.services.upload.dry_runs import ExcerptRow
from ingestor.services.upload.ports import ConverterCrashedError
from ingestor.services.upload.uploads import Upload, UploadState
from ingestor.stores.port import FileMissingError, FileReader
from ingestor.tabular.errors import UnreadableFileError
from tests.fakes.store import MemoryFileStore

CSV = b"id,name\n" + b"".join(b"%d,row\n" % number for number in range(1, 50_001))


class Counting(MemoryFileStore, FileReader):
    """Counts the bytes that are read."""

    read_bytes = 0

    async def read(self, key: str, start: int = 0, end: int | None = None) -> AsyncIterator[bytes]:
        async for piece in super().read(key, start, end):
            self.read_bytes += len(piece)
            yield piece


async def stored(store: MemoryFileStore, name: str, data: bytes, declared: int = 0) -> Upload:
    """An open upload of which these bytes are there."""
    key = "default/u"
    await store.create(key)
    await store.append(key, 0, data)
    return Upload(
        "u", "default", None, name, declared, key, UploadState.OPEN, len(data), None,
        datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def in_folder(folder: Path) -> int:
    """How many looks have temporary files there."""
    return len(list(folder.iterdir()))


def looking(store: MemoryFileStore, folder: Path, memory: int = 8 * 2**30) -> SubprocessConverter:
    """A converter of files in a store."""
    return SubprocessConverter(
        store, Scratch(folder), ProgramMetrics(CollectorRegistry()), ConverterLimits(memory, 60, 3)
    )


async def test_an_excerpt(tmp_path: Path) -> None:
    store = MemoryFileStore()
    upload = await stored(store, "a.csv", b"id,name\n1,a\n2\n3,")
    found = await looking(store, tmp_path).excerpt(upload, "{}", 10)
    assert found.columns == ("id", "name")
    assert found.rows == (ExcerptRow(1, 2, ("1", "a")), ExcerptRow(2, 3, ("2",)))
    assert (found.complete, json.loads(found.dialect)["delimiter"]) == (False, ",")
    assert found.content.count(b"\n") == 3
    # All that was announced is there, or it is complete: then the last record counts.
    for whole in (replace(upload, declared_size=16), replace(upload, state=UploadState.COMPLETED)):
        assert len((await looking(store, tmp_path).excerpt(whole, "{}", 10)).rows) == 3
    assert in_folder(tmp_path) == 0


async def test_of_a_text_only_the_beginning_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess_converter, "_COPIED", 100_000)
    store = Counting()
    found = await looking(store, tmp_path).excerpt(await stored(store, "a.csv", CSV, len(CSV)), "{}", 1000)
    assert (len(found.rows), found.complete) == (1000, False)
    assert store.read_bytes < 300_000 < len(CSV)
    sink = io.BytesIO()
    pq.write_table(pa.table({"id": pa.array(range(100_000))}), sink, compression="none")
    data = sink.getvalue()
    assert len(data) > 100_000
    upload = await stored(store, "a.parquet", data, len(data))
    inspected = await looking(store, tmp_path).inspect(upload, "{}", 5)
    assert (inspected["sampled_rows"], inspected["columns"][0]["label"]) == (5, "id")


async def test_what_cannot_be_looked_at(tmp_path: Path) -> None:
    store = MemoryFileStore()
    converter = looking(store, tmp_path)
    upload = await stored(store, "a.csv", b"%PDF-1.7")
    with pytest.raises(UnreadableFileError, match="PDF"):
        await converter.excerpt(upload, "{}", 5)
    with pytest.raises(FileMissingError):
        await converter.excerpt(replace(upload, file_key="default/other"), "{}", 5)
    table = await stored(store, "b.csv", CSV)
    # Too little memory: told, or (where a library ends the process) a crash that may pass.
    with pytest.raises((UnreadableFileError, ConverterCrashedError)):
        await looking(store, tmp_path, memory=2**24).excerpt(table, "{}", 5)
    assert in_folder(tmp_path) == 0


async def test_nobody_waits_and_the_process_ends(tmp_path: Path) -> None:
    store = MemoryFileStore()
    upload = await stored(store, "a.csv", CSV)
    looks = [
        asyncio.create_task(looking(store, tmp_path).excerpt(upload, "{}", 5)),
        asyncio.create_task(looking(store, tmp_path).inspect(upload, "{}", 5)),
    ]

    def children() -> list[psutil.Process]:
        return [child for child in psutil.Process().children() if _looks(child)]

    async with asyncio.timeout(30):
        while len(children()) < 2:
            await asyncio.sleep(0.01)
    for look in looks:
        look.cancel()
    await asyncio.gather(*looks, return_exceptions=True)
    assert children() == []
    assert in_folder(tmp_path) == 0


def _looks(process: psutil.Process) -> bool:
    try:
        return "ingestor.tabular.files.stand_by" in process.cmdline()
    except psutil.Error:
        return False


async def test_few_look_at_once(tmp_path: Path) -> None:
    store = MemoryFileStore()
    upload = await stored(store, "a.csv", b"id\n1\n")
    converter = looking(store, tmp_path)
    most = 0

    async def watch() -> None:
        nonlocal most
        while True:
            most = max(most, in_folder(tmp_path))
            await asyncio.sleep(0.01)

    watching = asyncio.create_task(watch())
    await asyncio.gather(*(converter.excerpt(upload, "{}", 5) for _ in range(9)))
    watching.cancel()
    assert 1 < most <= 4


async def test_a_name_that_begins_with_a_dash(tmp_path: Path) -> None:
    store = MemoryFileStore()
    upload = await stored(store, "--rows.csv", b"id\n1\n", 5)
    assert (await looking(store, tmp_path).inspect(upload, "{}", 5))["sampled_rows"] == 1
