"""The bucket of a development store. On AWS whoever runs the suite makes it, with what it needs of
encryption, versions and rights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from types_aiobotocore_s3 import S3Client


async def ensure_bucket(client: S3Client, bucket: str) -> bool:
    """Make a bucket unless it is there; whether it was made. Raises ClientError."""
    try:
        await client.head_bucket(Bucket=bucket)
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") != 404:
            raise
        await client.create_bucket(Bucket=bucket)
        return True
    return False
