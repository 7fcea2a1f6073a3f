"""TLS to SQS and S3: MiniStack with a certificate of the suite's own CA."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestor.local.aws.ministack import MiniStack
from ingestor.local.tls.ca import LocalCa
from ingestor.runtime.aws.clients import aws_errors, open_s3, open_sqs
from ingestor.runtime.errors import TransientError
from ingestor.runtime.settings import AwsSettings


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> LocalCa:
    return LocalCa(tmp_path_factory.mktemp("ca"), ["aws"])


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory, ca: LocalCa, aws_endpoint: str) -> Iterator[str]:
    """URL of an API by TLS; the fixture `aws_endpoint` has set credentials."""
    server = MiniStack(tmp_path_factory.mktemp("aws"), tls=ca.leaf("aws", local=True))
    server.start()
    server.wait()
    yield server.endpoint
    server.stop()


async def test_queues_work_by_tls(endpoint: str, ca: LocalCa) -> None:
    assert endpoint.startswith("https://")
    settings = AwsSettings(aws_endpoint_url=endpoint, aws_ca=str(ca.certificate))
    async with open_sqs(settings) as client:
        made = await client.create_queue(QueueName=f"q{uuid.uuid4().hex}")
        await client.send_message(QueueUrl=made["QueueUrl"], MessageBody="hello")
        got = await client.receive_message(QueueUrl=made["QueueUrl"])
    assert [message["Body"] for message in got["Messages"]] == ["hello"]


async def test_files_work_by_tls(endpoint: str, ca: LocalCa) -> None:
    settings = AwsSettings(aws_endpoint_url=endpoint, aws_ca=str(ca.certificate))
    async with open_s3(settings) as client:
        bucket = f"b{uuid.uuid4().hex}"
        await client.create_bucket(Bucket=bucket)
        await client.put_object(Bucket=bucket, Key="k", Body=b"hello")
        got = await client.get_object(Bucket=bucket, Key="k")
        assert await got["Body"].read() == b"hello"


async def test_without_the_ca_nothing_is_sent(endpoint: str, tmp_path: Path) -> None:
    other = LocalCa(tmp_path, ["aws"])
    for trusted in ("", str(other.certificate)):
        async with open_sqs(AwsSettings(aws_endpoint_url=endpoint, aws_ca=trusted)) as client:
            with pytest.raises(TransientError, match="CERTIFICATE_VERIFY_FAILED"):
                async with aws_errors("SQS"):
                    await client.list_queues()
