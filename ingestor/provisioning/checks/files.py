"""Looks whether files can be kept where the settings say."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from ingestor.provisioning.checks.report import Report
from ingestor.runtime.aws.clients import AwsRegionError, aws_errors, open_s3
from ingestor.runtime.errors import TransientError

if TYPE_CHECKING:
    from ingestor.runtime.settings import FileStoreSettings

_NAME = "file store"


async def check_files(report: Report, settings: FileStoreSettings) -> None:
    """Look at the folder, or write an object into the bucket and remove it. Adds to the report; raises
    nothing."""
    if settings.file_store == "disk":
        _folder(report, Path(settings.file_store_dir))
        return
    bucket = settings.s3_bucket
    where = settings.aws_endpoint_url or "AWS"
    key = f"{settings.s3_prefix}check/{uuid.uuid4().hex}"
    try:
        async with open_s3(settings) as client, aws_errors(f"S3 at {where}"):
            await client.put_object(Bucket=bucket, Key=key, Body=b"ingestor admin check")
            await client.get_object(Bucket=bucket, Key=key)
            await client.delete_object(Bucket=bucket, Key=key)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code == "NoSuchBucket":
            report.bad(_NAME, f"there is no bucket {bucket}", "make it, or set INGESTOR_S3_BUCKET")
        else:
            call = error.operation_name
            report.bad(_NAME, f"{call} in the bucket {bucket}: {code}", "mend the rights of this identity")
    except (AwsRegionError, TransientError, BotoCoreError) as error:
        report.bad(_NAME, str(error), "mend INGESTOR_AWS_… and the credentials, or the network")
    else:
        report.good(_NAME, f"the bucket {bucket} can be written, read and emptied")


def _folder(report: Report, folder: Path) -> None:
    if not folder.is_dir():
        report.bad(_NAME, f"there is no folder {folder}", "make it, or set INGESTOR_FILE_STORE_DIR")
    elif not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        report.bad(_NAME, f"the folder {folder} cannot be written", "give it to the user of the services")
    else:
        report.good(_NAME, f"the folder {folder}, which upload, orchestrator and processor must share")
