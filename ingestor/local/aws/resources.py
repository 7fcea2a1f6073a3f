"""Makes the queues and the bucket that the services expect."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from ingestor.local.errors import SuiteError
from ingestor.runtime.errors import TransientError
from ingestor.runtime.settings import AwsSettings

A = TypeVar("A", bound=AwsSettings)


def make_queues(endpoint: str | None, ca: Path | None) -> None:
    """Make the queues that are missing. Raises SuiteError."""
    from ingestor.runtime.aws.clients import aws_errors, open_sqs
    from ingestor.runtime.aws.queues import QueueNames, ensure_queues
    from ingestor.runtime.settings import QueueSettings

    async def make() -> None:
        settings = _aws(QueueSettings, endpoint, ca)
        async with open_sqs(settings) as client, aws_errors("SQS"):
            names = QueueNames()
            await ensure_queues(
                client, rows=names.rows_queue, dead_letter=names.rows_dead_letter_queue,
                events=names.events_queue,
            )  # fmt: skip

    _run(make, "SQS", endpoint)


def make_bucket(endpoint: str | None, ca: Path | None) -> None:
    """Make the file store's bucket if the store is S3 and the bucket is missing. Raises SuiteError."""
    from ingestor.runtime.aws.buckets import ensure_bucket
    from ingestor.runtime.aws.clients import aws_errors, open_s3
    from ingestor.runtime.settings import FileStoreSettings

    settings = _aws(FileStoreSettings, endpoint, ca)
    if settings.file_store != "s3":
        return

    async def make() -> None:
        async with open_s3(settings) as client, aws_errors("S3"):
            await ensure_bucket(client, settings.s3_bucket)

    _run(make, "S3", endpoint)


def _run(make: Callable[[], Coroutine[Any, Any, None]], what: str, endpoint: str | None) -> None:
    try:
        asyncio.run(make())
    except (TransientError, ClientError, BotoCoreError) as error:
        raise SuiteError(f"{what} at {endpoint or 'AWS'} cannot be used: {error}") from error


def _aws(settings: type[A], endpoint: str | None, ca: Path | None) -> A:
    """The user's settings of AWS, with this endpoint and CA if there are any."""
    known: dict[str, Any] = {"aws_endpoint_url": endpoint, "aws_ca": str(ca) if ca else None}
    return settings(**{name: value for name, value in known.items() if value is not None})
