"""What can be ingested, as a file that can be read from any offset: paths, binary files, data frames."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from ingestor.client.errors import raise_missing_package


class ArrowStream(Protocol):
    """A data frame or table that exports itself as a stream of Arrow record batches: of pandas from 2.2
    on, polars, pyarrow, DuckDB, ..."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The stream, a PyCapsule."""


class InterchangeFrame(Protocol):
    """A data frame of the data frame interchange protocol."""

    def __dataframe__(self, nan_as_null: bool = False, allow_copy: bool = True) -> Any:
        """The frame."""


StrPath = str | os.PathLike[str]
File = StrPath | BinaryIO
Source = File | ArrowStream | InterchangeFrame
"""What `ingest` takes."""


@asynccontextmanager
async def opened(source: Source, file_name: str | None) -> AsyncIterator[tuple[BinaryIO, str]]:
    """A seekable file with the source's content, and its name for people.

    A file that cannot seek is copied to a temporary one; a data frame is written to one as Parquet,
    record batch by record batch. Raises OSError, ImportError (no pyarrow) and TypeError.
    """
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        with path.open("rb") as stored:
            yield stored, file_name or path.name
    elif hasattr(source, "read"):
        file = cast(BinaryIO, source)
        name = file_name or _name_of(file)
        if file.seekable():
            yield file, name
            return
        with tempfile.TemporaryFile() as copy:
            await asyncio.to_thread(shutil.copyfileobj, file, copy, 2**20)
            yield copy, name
    elif hasattr(source, "__arrow_c_stream__") or hasattr(source, "__dataframe__"):
        with tempfile.TemporaryFile() as made:
            await asyncio.to_thread(_write_parquet, source, made)
            yield made, file_name or "table.parquet"
    else:
        raise TypeError(
            f"cannot ingest {type(source).__name__}: pass a path, a file opened in binary mode, "
            "a pandas or polars data frame, or an Arrow table"
        )


def file_facts(file: BinaryIO) -> tuple[int, ...]:
    """What differs when somebody has written to an open file: its size, and its time if it is on a disk."""
    size = file.seek(0, os.SEEK_END)  # writes what this process has still to write of it
    try:
        return size, os.fstat(file.fileno()).st_mtime_ns
    except (AttributeError, OSError):  # it is in memory
        return (size,)


def _name_of(file: BinaryIO) -> str:
    """A file's own name; an open file descriptor and a file in memory have none."""
    name = getattr(file, "name", None)
    return Path(name).name if isinstance(name, str) and Path(name).name else "upload"


def _write_parquet(frame: Any, file: Any) -> None:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
        from pyarrow.interchange.from_dataframe import from_dataframe
    except ImportError as error:
        raise_missing_package("ingesting a data frame", error)
    if hasattr(frame, "__arrow_c_stream__"):
        batches = pa.RecordBatchReader.from_stream(frame)
    else:
        batches = from_dataframe(frame).to_reader()
    with batches, pq.ParquetWriter(file, batches.schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
