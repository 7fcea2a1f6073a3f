"""The region and the credentials of AWS are found as every AWS program finds them. Requests go to a server
of the test's own that notes them."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from ingestor.runtime.aws.clients import AwsRegionError, open_s3, open_sqs
from ingestor.runtime.settings import AwsSettings

ASSUMED = """<AssumeRoleWithWebIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIAFROMSTS</AccessKeyId>
<SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken><Expiration>{until}</Expiration></Credentials>
</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"""


@dataclass
class Aws:
    """Answers like STS and SQS, and notes what was asked."""

    url: str = ""
    assumed: list[dict[str, str]] = field(default_factory=list)
    signed_by: list[tuple[str, str]] = field(default_factory=list)  # access key, region

    async def answer(self, request: web.Request) -> web.Response:
        form = await request.post()
        if form.get("Action") == "AssumeRoleWithWebIdentity":
            self.assumed.append({name: str(value) for name, value in form.items()})
            until = datetime.now(UTC) + timedelta(hours=1)
            return web.Response(text=ASSUMED.format(until=until.isoformat()), content_type="text/xml")
        found = re.search(r"Credential=(\w+)/\d+/([\w-]+)/", request.headers["Authorization"])
        assert found
        self.signed_by.append((found[1], found[2]))
        return web.json_response({"QueueUrls": []}, content_type="application/x-amz-json-1.0")


@pytest.fixture
async def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> AsyncIterator[Aws]:
    for name in list(os.environ):
        if name.startswith("AWS_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    made = Aws()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    monkeypatch.setenv("AWS_ENDPOINT_URL_SQS", made.url)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", made.url)
    yield made
    await runner.cleanup()


def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")


@pytest.mark.parametrize(
    ("ours", "variables", "profile", "endpoint", "region"),
    [
        ("eu-west-1", {"AWS_REGION": "eu-west-2", "AWS_DEFAULT_REGION": "eu-west-3"}, "", False, "eu-west-1"),
        ("", {"AWS_REGION": "eu-west-2", "AWS_DEFAULT_REGION": "eu-west-3"}, "", False, "eu-west-2"),
        ("", {"AWS_DEFAULT_REGION": "eu-west-3"}, "eu-north-1", False, "eu-west-3"),
        ("", {}, "eu-north-1", False, "eu-north-1"),
        ("", {}, "eu-north-1", True, "eu-north-1"),
        ("", {}, "", True, "us-east-1"),
    ],
)
async def test_where_the_region_is_from(
    aws: Aws,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    ours: str,
    variables: dict[str, str],
    profile: str,
    endpoint: bool,
    region: str,
) -> None:
    keys(monkeypatch)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    if profile:
        (tmp_path / "config").write_text(f"[default]\nregion = {profile}\n")
    settings = AwsSettings(aws_region=ours, aws_endpoint_url=aws.url if endpoint else None)
    async with open_sqs(settings) as client:
        await client.list_queues()
    assert aws.signed_by == [("AKIAENV", region)]


async def test_without_a_region_aws_is_not_guessed(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    keys(monkeypatch)
    for opening in (open_sqs, open_s3):
        with pytest.raises(AwsRegionError, match="set INGESTOR_AWS_REGION"):
            async with opening(AwsSettings(aws_endpoint_url="")):
                pass


async def test_a_web_identity_is_exchanged_at_sts(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As IRSA sets it up in a pod."""
    (tmp_path / "token").write_text("of-kubernetes")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/ingestor-processor")
    monkeypatch.setenv("AWS_REGION", "eu-west-2")
    async with open_sqs(AwsSettings()) as client:
        await client.list_queues()
    (assumed,) = aws.assumed
    assert assumed["WebIdentityToken"] == "of-kubernetes"
    assert assumed["RoleArn"] == "arn:aws:iam::123456789012:role/ingestor-processor"
    assert aws.signed_by == [("ASIAFROMSTS", "eu-west-2")]


async def test_new_keys_in_the_shared_file_are_taken(
    aws: Aws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_REGION", "eu-west-2")
    file = tmp_path / "credentials"
    text = "[default]\naws_access_key_id = {}\naws_secret_access_key = s\n"
    file.write_text(text.format("AKIAONE"))
    async with open_sqs(AwsSettings()) as client:
        await client.list_queues()
        file.write_text(text.format("AKIATWO00"))
        await client.list_queues()
        for half_written in ("[default]\n", "[defa"):
            file.write_text(half_written)
            await client.list_queues()
        file.unlink()
        await client.list_queues()
        file.write_text(text.format("AKIATHREE"))
        await client.list_queues()
    assert [key for key, _ in aws.signed_by] == ["AKIAONE", *["AKIATWO00"] * 4, "AKIATHREE"]


async def test_keys_of_a_profile(aws: Aws, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("AWS_PROFILE", "other")
    text = "aws_access_key_id = {}\naws_secret_access_key = s\n"
    (tmp_path / "credentials").write_text(
        f"[default]\n{text.format('AKIAONE')}[other]\n{text.format('AKIAOTHER')}"
    )
    (tmp_path / "config").write_text("[profile other]\nregion = eu-south-1\n")
    async with open_sqs(AwsSettings()) as client:
        await client.list_queues()
    assert aws.signed_by == [("AKIAOTHER", "eu-south-1")]
