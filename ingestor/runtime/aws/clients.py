"""AWS clients (aiobotocore), and which of their errors are transient."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session
from botocore.exceptions import BotoCoreError, ClientError

from ingestor.runtime.aws.shared_file import reload_shared_file
from ingestor.runtime.errors import TransientError
from ingestor.runtime.release import this_release
from ingestor.runtime.settings import AwsSettings

_NO_QUEUE = ("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist")

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client
    from types_aiobotocore_sqs import SQSClient


def _config(connections: int, **more: Any) -> AioConfig:
    return AioConfig(
        connect_timeout=5,
        read_timeout=30,  # longer than the longest poll (20 s)
        max_pool_connections=connections,
        retries={"mode": "standard", "max_attempts": 3},
        # Without one, botocore puts one together for each request, a sixth of the time of a call.
        user_agent=f"data-ingestor/{this_release().version}",
        **more,
    )


class AwsRegionError(RuntimeError):
    """No region is known."""


def _session() -> AioSession:
    session = get_session()
    reload_shared_file(session)
    return session


def _region(settings: AwsSettings, session: AioSession) -> str:
    """Raises AwsRegionError."""
    found = (
        settings.aws_region
        or os.environ.get("AWS_REGION")  # botocore knows only AWS_DEFAULT_REGION and the profile
        or session.get_config_variable("region")
        or ("us-east-1" if settings.aws_endpoint_url else "")
    )
    if not found:
        raise AwsRegionError(
            "no AWS region is known: set INGESTOR_AWS_REGION, AWS_REGION or the region of the profile"
        )
    return str(found)


def _client(service: str, settings: AwsSettings, config: AioConfig) -> AbstractAsyncContextManager[Any]:
    session = _session()
    return session.create_client(
        service,
        region_name=_region(settings, session),
        endpoint_url=settings.aws_endpoint_url or None,
        verify=settings.aws_ca or None,
        config=config,
    )


@asynccontextmanager
async def open_sqs(settings: AwsSettings, *, connections: int = 32) -> AsyncIterator[SQSClient]:
    """An SQS client, closed at the end of the context. Raises AwsRegionError."""
    async with _client("sqs", settings, _config(connections)) as client:
        yield client


@asynccontextmanager
async def open_s3(settings: AwsSettings, *, connections: int = 32) -> AsyncIterator[S3Client]:
    """An S3 client, closed at the end of the context. Raises AwsRegionError."""
    # Other implementations of S3 do not have a host name for each bucket.
    s3 = {"addressing_style": "path"} if settings.aws_endpoint_url else {}
    async with _client("s3", settings, _config(connections, s3=s3)) as client:
        yield client


async def database_token(settings: AwsSettings, *, host: str, port: int, role: str) -> str:
    """A password for a role of RDS, valid for 15 minutes. Raises AwsRegionError, and TransientError when no
    credentials can be had."""
    session = _session()
    async with (
        aws_errors("token for the database"),
        session.create_client("rds", region_name=_region(settings, session)) as client,
    ):
        token: str = await client.generate_db_auth_token(DBHostname=host, Port=port, DBUsername=role)
    return token


@asynccontextmanager
async def aws_errors(what: str) -> AsyncIterator[None]:
    """Turn failed connections, throttling, 5xx answers and missing queues into TransientError naming `what`;
    AWS's other errors stay ClientError."""
    try:
        yield
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        code = error.response.get("Error", {}).get("Code", "")
        # A queue may be missing until its emulator, killed and started again, has got it back.
        if status >= 500 or status == 429 or "Throttl" in code or code in _NO_QUEUE:
            raise TransientError(f"{what}: {code}") from error
        raise
    except (BotoCoreError, aiohttp.ClientError, OSError, TimeoutError) as error:
        raise TransientError(f"{what}: {type(error).__name__}: {error}") from error
