"""`ingestor up --auth` as its people meet it: they sign in, and may do what their role allows."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from ingestor.client.errors import IngestorError, from_rpc
from ingestor.local.children import answers
from ingestor.local.folder import Folder
from ingestor.v1 import status_pb2, status_pb2_grpc, upload_pb2, upload_pb2_grpc
from tests.e2e.conftest import Suite, running, wait_until
from tests.e2e.page.built_page import write_page
from tests.oidc_client import Browser, needs_provider


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Suite]:
    """A suite in which people sign in."""
    data = tmp_path_factory.mktemp("guarded")
    needs_provider(data)
    page = write_page(tmp_path_factory.mktemp("built"))
    with running(data, "--auth", INGESTOR_PAGE_DIR=str(page)) as started:
        yield started


@pytest.fixture(scope="module")
def config(guarded: Suite) -> dict[str, str]:
    """What the page and the command line are told."""
    with urllib.request.urlopen(f"http://{guarded.gateway}/config.json", timeout=30) as answer:
        found: dict[str, str] = json.load(answer)
        return found


def sign_in(guarded: Suite, config: dict[str, str], user: str) -> str:
    """An access token."""
    tokens = Browser(config["issuer"]).sign_in(user, f"http://{guarded.gateway}/signed-in")
    return str(tokens["access_token"])


async def look(guarded: Suite, token: str | None, tenant: str = "") -> None:
    """List processes. Raises IngestorError as the client does."""
    request = status_pb2.ListProcessesRequest()
    await _call(guarded, status_pb2_grpc.StatusServiceStub, "ListProcesses", request, token, tenant)


async def send(guarded: Suite, token: str, tenant: str = "") -> None:
    """Begin an upload. Raises IngestorError as the client does."""
    request = upload_pb2.CreateUploadRequest(file_name="a.csv", size_bytes=4)
    await _call(guarded, upload_pb2_grpc.UploadServiceStub, "CreateUpload", request, token, tenant)


async def _call(guarded: Suite, stub: Any, method: str, request: Any, token: str | None, tenant: str) -> Any:
    metadata = [("authorization", f"Bearer {token}")] if token else []
    metadata += [("ingestor-tenant", tenant)] if tenant else []
    async with grpc.aio.insecure_channel(guarded.gateway) as channel:
        try:
            await getattr(stub(channel), method)(request, metadata=metadata, timeout=30)
        except grpc.aio.AioRpcError as error:
            raise from_rpc(error) from error


async def refusal(call: Any) -> tuple[str, str]:
    """Code and reason of a call that is refused."""
    with pytest.raises(IngestorError) as caught:
        await call
    return caught.value.code, caught.value.reason


def test_it_says_where_to_sign_in_and_as_whom(guarded: Suite, config: dict[str, str]) -> None:
    assert f"sign in at {config['issuer']}" in guarded.said
    for user in ("viewer@acme", "admin@globex", "consultant", "admin@default"):
        assert user in guarded.said
    assert guarded.facts["sign_in"]["issuer"] == config["issuer"]


async def test_nobody_calls_without_a_token(guarded: Suite) -> None:
    assert await refusal(look(guarded, None)) == ("UNAUTHENTICATED", "TOKEN_MISSING")
    done = guarded.run("processes", status=None)
    assert done.returncode != 0
    assert "TOKEN_MISSING" in done.stderr


async def test_a_viewer_looks_and_an_uploader_sends(guarded: Suite, config: dict[str, str]) -> None:
    viewer = sign_in(guarded, config, "viewer@acme")
    await look(guarded, viewer)
    assert await refusal(send(guarded, viewer)) == ("PERMISSION_DENIED", "ROLE_MISSING")
    await send(guarded, sign_in(guarded, config, "uploader@acme"))


async def test_somebody_of_two_tenants_chooses_one(guarded: Suite, config: dict[str, str]) -> None:
    token = sign_in(guarded, config, "consultant")
    assert await refusal(look(guarded, token)) == ("PERMISSION_DENIED", "TENANT_NOT_CHOSEN")
    for tenant in ("acme", "globex"):
        await look(guarded, token, tenant)
    assert await refusal(look(guarded, token, "default")) == ("PERMISSION_DENIED", "NOT_A_MEMBER")


async def test_a_service_does_not_trust_the_gateway(guarded: Suite, config: dict[str, str]) -> None:
    """The same calls at the service's own port."""
    address = guarded.facts["services"]["status"]["address"]
    behind = Suite(guarded.data, {**guarded.facts, "gateway": address}, guarded.said)
    assert await refusal(look(behind, None)) == ("UNAUTHENTICATED", "TOKEN_MISSING")
    token = sign_in(guarded, config, "viewer@globex")
    await look(behind, token)
    assert await refusal(look(behind, f"{token}x")) == ("UNAUTHENTICATED", "TOKEN_INVALID")


async def test_the_provider_is_restarted_and_tokens_stay_good(guarded: Suite, config: dict[str, str]) -> None:
    token = sign_in(guarded, config, "viewer@acme")
    pid = _provider(guarded)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: _provider(guarded) != pid and answers(f"{config['issuer']}/jwks"), "the provider")
    await look(guarded, token)
    await look(guarded, sign_in(guarded, config, "viewer@acme"))


def _provider(guarded: Suite) -> int:
    state = Folder(guarded.data).state()
    assert state is not None
    return int(state["sign_in"]["pid"])
