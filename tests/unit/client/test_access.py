"""Who calls: tokens and tenants on every call, renewed when they end; the calls about access."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from ingestor import AsyncClient
from ingestor.client import (
    FailedPreconditionError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    Role,
    UnauthenticatedError,
)
from ingestor.client.access.credentials import Credentials
from ingestor.runtime import errors
from ingestor.v1 import common_pb2
from tests.fakes.gateway import Suite, a_process


def several(*tokens: str) -> Callable[[], str]:
    """A provider that gives these one after the other, and the last one from then on."""
    left = list(tokens)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def jwt(seconds: float, name: str = "") -> str:
    """Something like a JWT that ends in so many seconds."""
    claims = json.dumps({"exp": time.time() + seconds, "name": name}).encode()
    return f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.c2ln"


async def test_every_kind_of_call_says_who_calls(suite: Suite) -> None:
    async with AsyncClient(suite.address, token="t1", tenant="acme") as client:
        process = await client.ingest(io.BytesIO(b"id\n1\n"), file_name="a.csv")
        await process.report(io.BytesIO())
        await client.dry_run(io.BytesIO(b"id\n1\n"), file_name="a.csv")
    assert {method for method, _, _ in suite.door.seen} == {
        "CreateUpload", "WriteUpload", "CompleteUpload", "WatchProcess", "DownloadReport", "DryRun",
    }  # fmt: skip
    assert {call[1:] for call in suite.door.seen} == {("t1", "acme")}


async def test_without_a_token_nothing_is_sent(client: AsyncClient, suite: Suite) -> None:
    await client.process("p1")
    assert suite.door.seen == [("GetProcess", "", "")]


async def test_the_environment_has_a_token_and_a_tenant(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INGESTOR_TOKEN", " of-env\n")
    monkeypatch.setenv("INGESTOR_TENANT", "globex")
    async with AsyncClient(suite.address) as client:
        await client.process("p1")
    async with AsyncClient(suite.address, token="mine", tenant="acme") as client:
        await client.process("p1")
    assert [call[1:] for call in suite.door.seen] == [("of-env", "globex"), ("mine", "acme")]


async def test_a_token_of_a_function_is_renewed_once_and_remembered(suite: Suite) -> None:
    suite.door.tokens = {"new"}
    async with AsyncClient(suite.address, token=several("old", "new")) as client:
        found = await asyncio.gather(*(client.process("p1") for _ in range(5)))
        await client.process("p1")
    assert len(found) == 5
    tokens = [token for _, token, _ in suite.door.seen]
    assert tokens[-1] == "new" and tokens.count("old") <= 5


async def test_an_asynchronous_function_gives_tokens(suite: Suite) -> None:
    async def provide() -> str:
        await asyncio.sleep(0)
        return "t"

    async with AsyncClient(suite.address, token=provide) as client:
        await client.process("p1")
    assert suite.door.seen[0][1] == "t"


async def test_what_the_function_raises_is_raised(suite: Suite) -> None:
    for provide in (iter(()).__next__, lambda: 1 / 0):
        async with AsyncClient(suite.address, token=provide) as client:  # type: ignore[arg-type]
            with pytest.raises((RuntimeError, ZeroDivisionError)):
                await asyncio.wait_for(client.process("p1"), 20)


async def test_a_token_is_renewed_before_its_end(suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    monkeypatch.setattr("ingestor.client.access.credentials.time", SimpleNamespace(time=lambda: now))
    ending, good = jwt(600), jwt(3600)
    async with AsyncClient(suite.address, token=several(ending, good)) as client:
        await client.process("p1")
        await client.process("p1")
        now += 599
        await client.process("p1")
    assert [token for _, token, _ in suite.door.seen] == [ending, ending, good]


async def test_a_renewed_token_that_is_refused_ends_it(suite: Suite) -> None:
    suite.door.tokens = set()
    count = 0

    def provide() -> str:
        nonlocal count
        count += 1
        return f"t{count}"

    async with AsyncClient(suite.address, token=provide) as client:
        with pytest.raises(UnauthenticatedError, match=r"expired.*`ingestor login`") as caught:
            await client.process("p1")
    assert caught.value.reason == "TOKEN_EXPIRED" and count == 2


async def test_a_fixed_token_is_not_tried_again(suite: Suite) -> None:
    suite.door.tokens = set()
    async with AsyncClient(suite.address, token="t") as client:
        with pytest.raises(UnauthenticatedError):
            await client.process("p1")
    assert len(suite.door.seen) == 1


async def test_an_upload_goes_on_with_a_new_token(suite: Suite) -> None:
    """The stream is cut in its middle, three times, by the end of its token."""
    content = b"id\n" + b"1\n" * 200

    count = 0

    def provide() -> str:
        nonlocal count
        count += 1
        return f"t{count}"

    suite.door.tokens = {"t1"}

    def arrived(size: int) -> None:
        if count < 4 and size > 60 * count:
            suite.door.expire(f"t{count + 1}")

    suite.uploads.arrived = arrived
    async with AsyncClient(suite.address, token=provide) as client:
        process = await client.ingest(io.BytesIO(content), file_name="a.csv")
    assert process.counts.read == 10
    assert bytes(suite.uploads.content) == content
    assert count == 4


async def test_a_watch_goes_on_with_a_new_token(suite: Suite) -> None:
    suite.status.course = [a_process(state=common_pb2.PROCESS_STATE_PENDING)]
    suite.status.silent = True
    suite.door.tokens = {"old"}
    lost: list[str] = []
    async with AsyncClient(suite.address, token=several("old", "new"), on_lost=lost.append) as client:
        process = await client.process("p1", look=False)
        states: list[str] = []

        def progress(process: object) -> None:
            states.append(suite.status.course[-1].state.__str__())
            suite.status.course = [a_process()]
            suite.door.expire("new")

        await process.wait(progress)
    assert process.state == "COMPLETED" and len(states) == 2 and not lost


async def test_a_token_is_not_sent_in_the_open() -> None:
    async with AsyncClient("suite.example:80", token="secret", patience=0.1) as client:
        with pytest.raises(FailedPreconditionError, match=r"suite\.example:80 has no TLS") as caught:
            await client.process("p1")
        assert caught.value.reason == "TOKEN_NEEDS_TLS" and "secret" not in str(caught.value)
        with pytest.raises(FailedPreconditionError):
            await (await client.process("p1", look=False)).wait()


@pytest.mark.parametrize("address", ["localhost:1", "127.0.0.1:1", "[::1]:1", "127.8.8.8"])
async def test_to_this_machine_a_token_may_go_in_the_open(address: str) -> None:
    async with AsyncClient(address, token="t") as client:
        assert ("authorization", "Bearer t") in await client._gateway.credentials.metadata()


async def test_who_asks_for_it_sends_a_token_in_the_open() -> None:
    async with AsyncClient("suite.example:80", token="t", allow_plaintext_token=True) as client:
        assert ("authorization", "Bearer t") in await client._gateway.credentials.metadata()


@pytest.mark.parametrize("token", ["", " ", "a b", "a\nb", "ключ"])
def test_what_cannot_be_a_token_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(ValueError, match="the token is empty, or holds") as caught:
        AsyncClient(token=token)
    assert not token.strip() or token not in str(caught.value)


async def test_a_token_is_never_logged_or_shown(suite: Suite, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    suite.door.tokens = set()
    async with AsyncClient(suite.address, token="very-secret") as client:
        with pytest.raises(UnauthenticatedError) as caught:
            await client.process("p1")
    assert "very-secret" not in caplog.text + repr(caught.value) + str(caught.value)
    assert "very-secret" not in repr(Credentials("a:1", "very-secret", plaintext=True))


@pytest.mark.parametrize(
    ("error", "type_", "said"),
    [
        (errors.UnauthenticatedError("TOKEN_MISSING", "No token."), UnauthenticatedError, "`ingestor login`"),
        (errors.UnauthenticatedError("KEY_INVALID", "Bad key."), UnauthenticatedError, "Ask an admin"),
        (
            errors.PermissionDeniedError("ROLE_MISSING", "This needs the role operator or admin."),
            PermissionDeniedError, "needs the role operator or admin. `ingestor whoami`",
        ),
        (
            errors.PermissionDeniedError("TENANT_NOT_CHOSEN", "Choose.", metadata={"tenants": "acme,globex"}),
            PermissionDeniedError, "several tenants: acme, globex. Choose one by --tenant",
        ),
    ],
)  # fmt: skip
async def test_a_refusal_says_what_to_do(
    suite: Suite, error: errors.ServiceError, type_: type[Exception], said: str
) -> None:
    suite.door.tokens, suite.door.error = set(), error
    async with AsyncClient(suite.address, token="t") as client:
        with pytest.raises(type_, match=said):
            await client.process("p1")


async def test_the_tenants_to_choose_from_are_told(suite: Suite) -> None:
    suite.door.tokens = set()
    suite.door.error = errors.PermissionDeniedError(
        "TENANT_NOT_CHOSEN", "Choose.", metadata={"tenants": "acme,globex"}
    )
    async with AsyncClient(suite.address) as client:
        with pytest.raises(PermissionDeniedError) as caught:
            await client.process("p1")
    assert caught.value.tenants == ("acme", "globex")


async def test_a_quota_that_is_used_up_says_which_and_until_when(suite: Suite) -> None:
    facts = {"quota": "rows_per_day", "limit": "100", "used": "100", "reset_time": "2026-11-30T00:00:00Z"}
    suite.uploads.refuse = [
        errors.ResourceExhaustedError("QUOTA_EXCEEDED", "acme has used its 100 rows.", metadata=facts)
    ]
    async with AsyncClient(suite.address) as client:
        with pytest.raises(QuotaExceededError) as caught:
            await client.ingest(io.BytesIO(b"id\n1\n"), file_name="a.csv")
    error = caught.value
    assert (error.quota, error.limit, error.used) == ("rows_per_day", 100, 100)
    assert error.until == datetime(2026, 11, 30, tzinfo=UTC)
    assert error.code == "RESOURCE_EXHAUSTED"
    assert "resume='u1'" in error.__notes__[0]


async def test_whoami(client: AsyncClient) -> None:
    me = await client.access.whoami()
    assert (me.subject, me.name, me.tenant, me.roles) == ("anna", "Anna", "acme", (Role.ADMIN,))
    assert me.tenants == ("acme", "globex") and "ingestor.v1.AccessService/GetAccess" in me.methods
    assert me.expires == datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


async def test_keys(client: AsyncClient) -> None:
    end = datetime(2027, 1, 1, tzinfo=UTC)
    made = await client.access.create_key("nightly", ["uploader", Role.VIEWER], ["customers"], end)
    assert (made.token, made.roles) == ("ing_00000000_secret", (Role.UPLOADER, Role.VIEWER))
    assert (made.expires, made.pipelines, made.revoked) == (end, ("customers",), None)
    assert "secret" not in repr(made)
    for name in "ab":
        await client.access.create_key(name, ["viewer"])
    found = [key async for key in client.access.keys()]  # noqa: SIM118 - no mapping
    assert [(key.name, key.token) for key in found] == [("nightly", ""), ("a", ""), ("b", "")]
    assert (await client.access.revoke_key(made.prefix)).revoked
    with pytest.raises(NotFoundError):
        await client.access.revoke_key("ing_nothing")
    with pytest.raises(ValueError, match="king"):
        await client.access.create_key("c", ["king"])


async def test_a_key_is_not_created_twice(suite: Suite) -> None:
    """Nobody knows whether the first try has made one."""
    suite.door.tokens, suite.door.error = set(), errors.UnavailableError("STARTING", "starting")
    async with AsyncClient(suite.address) as client:
        with pytest.raises(Exception, match="starting"):
            await client.access.create_key("a", ["viewer"])
    assert len(suite.door.seen) == 1


async def test_members(client: AsyncClient) -> None:
    member = await client.access.set_member("bob@example.com", ["operator"])
    assert (member.subject, member.roles) == ("bob@example.com", (Role.OPERATOR,))
    assert [found.subject async for found in client.access.members()] == ["bob@example.com"]
    await client.access.remove_member("bob@example.com")
    assert [found async for found in client.access.members()] == []


async def test_quotas(client: AsyncClient) -> None:
    rows, pipelines = await client.access.quotas()
    assert (rows.name, rows.limit, rows.used) == ("rows_per_day", 1_000_000, 1234)
    assert rows.until == datetime(2026, 1, 3, tzinfo=UTC)
    assert (pipelines.limit, pipelines.until) == (None, None)


async def test_quotas_of_tenants(client: AsyncClient) -> None:
    assert [tenant.limits async for tenant in client.access.tenants()] == [{"pipelines": 5}]
    tenant = await client.access.set_quotas("acme", {"pipelines": None, "streams": 3})
    assert tenant.limits == {"streams": 3}


async def test_audit(client: AsyncClient, suite: Suite) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    (record,) = [found async for found in client.access.audit(subject="bob", start=start, limit=10)]
    assert (record.subject, record.object, record.outcome) == ("bob", "p1", "OK")
    assert record.time == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    asked = suite.access.audited[0]
    assert asked.subject == "bob" and asked.start_time.ToDatetime(UTC) == start
    assert not asked.HasField("end_time")
