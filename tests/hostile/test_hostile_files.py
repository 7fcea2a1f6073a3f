"""Every hostile file through the converter as the upload service runs it, with its default limits: it ends in
time, with a result or one clear reason, and gives no more than it may."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from ingestor.access.scope import within
from ingestor.services.upload.adapters.file_metrics import ProgramMetrics
from ingestor.services.upload.adapters.scratch import Scratch
from ingestor.services.upload.adapters.subprocess_converter import SubprocessConverter, converter_limits
from ingestor.services.upload.converter.settings import ConversionSettings
from ingestor.services.upload.ports import ConverterCrashedError
from ingestor.services.upload.uploads import Upload, UploadState
from ingestor.stores.disk import DiskFileStore
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.containers import ExpansionLimits
from tests.hostile import archives, csv, json, parquet, workbooks

ZIPS = ("zip_bomb", "zip_that_lies", "many_entries", "damaged_zlib")
KINDS: tuple[tuple[Any, dict[str, str], str], ...] = (
    (archives, dict.fromkeys(ZIPS, "zip"), "gz"),
    (csv, {}, "csv"),
    (json, {"new_names": "jsonl", "sparse": "jsonl"}, "json"),
    (parquet, {}, "parquet"),
    (workbooks, {}, "xlsx"),
)
CASES = [
    pytest.param(f"{name}.{endings.get(name, ending)}", maker, id=f"{module.__name__.split('.')[-1]}-{name}")
    for module, endings, ending in KINDS
    for name, maker in module.FILES.items()
]
# The reason of those that must not be read; all others may be, within the limits.
REASONS = {
    "gzip_bomb.gz": "EXPANDS_TOO_FAR",
    "zstd_bomb.gz": "EXPANDS_TOO_FAR",
    "zip_bomb.zip": "EXPANDS_TOO_FAR",
    "many_entries.zip": None,
    "nested.gz": "ARCHIVE_UNSUITABLE",
    "cut_off.gz": None,
    "open_string.json": "JSON_INVALID",
    "names.json": "TOO_MANY_COLUMNS",
    "new_names.jsonl": "TOO_MANY_COLUMNS",
    "arrays.json": "JSON_PATH_UNKNOWN",
    "sparse.jsonl": None,
    "nulls.parquet": "EXPANDS_TOO_FAR",
    "repeated_text.parquet": "EXPANDS_TOO_FAR",
    "long_list.parquet": "FILE_TOO_COMPLEX",
    "wide.parquet": "TOO_MANY_COLUMNS",
    "footer_that_lies.parquet": "PARQUET_INVALID",
    "far_cell.xlsx": "XLSX_INVALID",
    "far_header.xlsx": "TOO_MANY_COLUMNS",
    "far_row.xlsx": "XLSX_INVALID",
    "rows_without_numbers.xlsx": "XLSX_INVALID",
    "shared_string.xlsx": "EXPANDS_TOO_FAR",
    "inline_string.xlsx": None,
    "entities.xlsx": "XLSX_INVALID",
}
SECONDS = 60  # of processor time here; the default is half an hour


@pytest.fixture
def converter(tmp_path: Path) -> Iterator[SubprocessConverter]:
    """As the upload service makes it by default, but for the time."""
    limits = converter_limits(ConversionSettings(conversion_seconds=SECONDS))
    metrics = ProgramMetrics(CollectorRegistry())
    yield SubprocessConverter(DiskFileStore(tmp_path / "files"), Scratch(tmp_path), metrics, limits)


async def kept(root: Path, name: str, data: bytes) -> Upload:
    """A complete upload of these bytes."""
    store = DiskFileStore(root / "files")
    with within("default"):
        await store.create("default/u")
        await store.append("default/u", 0, data)
        await store.seal("default/u", len(data))
    return Upload(
        "u", "default", None, name, len(data), "default/u", UploadState.COMPLETED, len(data), None,
        datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip


def temporary(root: Path) -> list[Path]:
    """What programs have left behind."""
    return list(root.glob("ingestor-*"))


def converted(root: Path) -> bool:
    """Whether a conversion is stored."""
    return (root / "files/default/u-text").exists()


@pytest.mark.parametrize(("name", "make"), CASES)
async def test_a_hostile_file(
    name: str, make: Callable[[], bytes], converter: SubprocessConverter, tmp_path: Path
) -> None:
    data = make()
    upload = await kept(tmp_path, name, data)
    most = ExpansionLimits().most(len(data))
    began = time.monotonic()
    reason = None
    try:
        content = await converter.as_is(upload, "{}") or await converter.convert(upload, "{}")
        assert content.size <= most
    except UnreadableFileError as error:
        reason = error.reason
        assert len(error.message) < 2000
        assert not converted(tmp_path)
    if name in REASONS:
        assert reason is not None
        assert REASONS[name] in (None, reason)
    for look in (converter.inspect(upload, "{}", 100), converter.excerpt(upload, "{}", 100)):
        try:
            await look
        except UnreadableFileError as error:
            assert len(error.message) < 2000
    assert time.monotonic() - began < 6 * SECONDS
    assert not temporary(tmp_path)


async def test_a_program_that_lacks_memory_says_so(tmp_path: Path) -> None:
    """The limit is the program's, not the machine's."""
    data = workbooks.shared_strings(200)
    limits = converter_limits(ConversionSettings())
    metrics = ProgramMetrics(CollectorRegistry())
    converter = SubprocessConverter(DiskFileStore(tmp_path / "files"), Scratch(tmp_path), metrics, limits)
    upload = await kept(tmp_path, "a.xlsx", data)
    with pytest.raises((UnreadableFileError, ConverterCrashedError)) as caught:
        await converter.convert(upload, "{}")
    assert isinstance(caught.value, UnreadableFileError)
    assert caught.value.reason == "FILE_TOO_COMPLEX"
