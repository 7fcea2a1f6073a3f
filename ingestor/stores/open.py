"""Opens the file store that the settings name; a new kind of store takes a module and a line here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ingestor.runtime.settings import FileStoreSettings
from ingestor.stores.disk import DiskFileStore
from ingestor.stores.port import FileStore


def for_work(store: FileStore) -> FileStore:
    """The same store for work that has begun, such as conversions of complete files: a disk keeps a part of
    its reserve for that."""
    return store.for_work() if isinstance(store, DiskFileStore) else store


@asynccontextmanager
async def open_store(
    settings: FileStoreSettings, observe: Callable[[Any], None] = lambda client: None
) -> AsyncIterator[FileStore]:
    """The file store; its connections close at the end of the context. `observe` gets the client of a remote
    one."""
    if settings.file_store == "disk":
        yield DiskFileStore(Path(settings.file_store_dir), settings.disk_reserve_bytes)
        return
    from ingestor.runtime.aws.clients import open_s3
    from ingestor.stores.s3 import S3FileStore

    async with open_s3(settings) as client:
        observe(client)
        yield S3FileStore(client, settings.s3_bucket, settings.s3_prefix)
