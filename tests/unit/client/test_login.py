"""Signing in by a device code, the file of sign-ins, and renewal from it."""

from __future__ import annotations

import asyncio
import io
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ingestor import AsyncClient
from ingestor.client import (
    DeadlineExceededError,
    FailedPreconditionError,
    PermissionDeniedError,
    UnauthenticatedError,
    UnavailableError,
)
from ingestor.client.access import oauth
from ingestor.client.access.logins import Login, Logins
from ingestor.client.access.oauth import DeviceCode, SignIn
from ingestor.client.channel import Endpoint
from tests.fakes.gateway import Suite
from tests.fakes.issuer import Issuer, serving


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with serving(Issuer()) as made:
        yield made


@pytest.fixture
def logins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Logins:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return Logins()


def sign_in(issuer: Issuer, waits: list[float] | None = None) -> Login:
    """A person who agrees at once."""
    found = oauth.how_to_sign_in(Endpoint.of(issuer.address))
    assert found
    return oauth.sign_in(found, lambda code: None, wait=(waits if waits is not None else []).append)


def test_the_gateway_says_where_to_sign_in(issuer: Issuer) -> None:
    gateway = Endpoint.of(issuer.address)
    assert oauth.how_to_sign_in(gateway) == SignIn(issuer.url, "ingestor-cli", "openid", "urn:r")
    issuer.config = {"auth": "oidc", "issuer": "https://i", "commandLineClientId": "other"}
    assert oauth.how_to_sign_in(gateway) == SignIn("https://i", "other", "openid profile offline_access", "")
    issuer.config = {"auth": "local"}
    assert oauth.how_to_sign_in(gateway) is None
    issuer.config = {}
    with pytest.raises(FailedPreconditionError, match="does not say where to sign in; give --issuer"):
        oauth.how_to_sign_in(gateway)


def test_a_gateway_elsewhere_is_asked_over_tls_only() -> None:
    with pytest.raises(FailedPreconditionError, match="is not an address with TLS"):
        oauth.how_to_sign_in(Endpoint.of("suite.example:80"))


def test_a_person_signs_in(issuer: Issuer) -> None:
    issuer.pending = 2
    shown: list[DeviceCode] = []
    waits: list[float] = []
    how = oauth.how_to_sign_in(Endpoint.of(issuer.address))
    assert how
    login = oauth.sign_in(how, shown.append, wait=waits.append)
    assert (shown[0].url, shown[0].user_code) == (f"{issuer.url}/go", "ABCD-EFGH")
    assert (login.access_token, login.refresh_token, waits) == ("token-1", "refresh-1", [1, 1, 1])
    assert login.expires_at and 3500 < login.expires_at - time.time() < 3700
    assert issuer.asked[0] == {"client_id": "ingestor-cli", "scope": "openid", "resource": "urn:r"}
    assert issuer.asked[1]["device_code"] == "secret-code"


def test_an_issuer_that_asks_for_patience_gets_it(issuer: Issuer) -> None:
    issuer.answers = [(400, {"error": "slow_down"}), (400, {"error": "authorization_pending"})]
    waits: list[float] = []
    sign_in(issuer, waits)
    assert waits == [1, 6, 6]


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        ({"error": "access_denied"}, PermissionDeniedError, "was refused"),
        ({"error": "expired_token"}, DeadlineExceededError, "nobody has entered the code in time"),
        ({"error": "invalid_client", "error_description": "no such client"}, FailedPreconditionError,
         "gives no token: no such client"),
    ],
)  # fmt: skip
def test_a_sign_in_may_fail(
    issuer: Issuer, answer: dict[str, str], error: type[Exception], said: str
) -> None:
    issuer.answers = [(400, answer)]
    with pytest.raises(error, match=said):
        sign_in(issuer)


def test_the_code_expires(issuer: Issuer) -> None:
    issuer.pending = 10**6
    now = 0.0

    def wait(seconds: float) -> None:
        nonlocal now
        now += seconds

    with pytest.raises(DeadlineExceededError):
        oauth.sign_in(SignIn(issuer.url, "c"), lambda code: None, wait=wait, now=lambda: now)
    assert now == 60


@pytest.mark.parametrize(
    ("says", "said"),
    [
        ({"issuer": "https://other"}, "does not describe itself"),
        ({"device_authorization_endpoint": ""}, "has no device flow"),
        ({"token_endpoint": "http://suite.example/token"}, "not an address with TLS"),
        ({"token_endpoint": "file:///etc/passwd"}, "not an address with TLS"),
        ({"token_endpoint": ""}, "names no token endpoint"),
    ],
)
def test_an_issuer_that_is_none_is_told(issuer: Issuer, says: dict[str, str], said: str) -> None:
    issuer.discovery = says
    with pytest.raises(FailedPreconditionError, match=said):
        sign_in(issuer)


def test_an_issuer_that_does_not_answer_is_told() -> None:
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1 does not answer"):
        oauth.discover("http://127.0.0.1:1")


def test_tokens_are_the_owners_alone(issuer: Issuer, logins: Logins) -> None:
    login = sign_in(issuer)
    logins.put("Suite.example:443", login)
    assert stat.S_IMODE(logins.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(logins.path.parent.stat().st_mode) == 0o700
    assert logins.get("suite.example:443") == login
    assert logins.get("suite.example:444") is None
    assert "token-1" not in repr(login) and "refresh-1" not in repr(login)
    logins.put("suite.example:443", None)
    assert logins.get("suite.example:443") is None


def test_a_damaged_file_is_told(logins: Logins) -> None:
    logins.path.parent.mkdir()
    for text in ("{", "[]", '{"a": {"x": 1}}'):
        logins.path.write_text(text)
        with pytest.raises(FailedPreconditionError, match="is damaged; delete it"):
            logins.get("a")


async def test_a_client_uses_what_login_has_stored(suite: Suite, issuer: Issuer, logins: Logins) -> None:
    logins.put(suite.address, sign_in(issuer))
    suite.door.tokens = {"token-1"}
    async with AsyncClient(suite.address) as client:
        await client.process("p1")
        # Refused, it is renewed, for the next program too.
        suite.door.tokens = {"token-2"}
        await client.process("p1")
    stored = logins.get(suite.address)
    assert stored and (stored.access_token, stored.refresh_token) == ("token-2", "refresh-2")
    assert issuer.asked[-1] == {
        "grant_type": "refresh_token", "client_id": "ingestor-cli", "refresh_token": "refresh-1",
        "resource": "urn:r",
    }  # fmt: skip


async def test_the_environment_comes_before_what_is_stored(
    suite: Suite, issuer: Issuer, logins: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    logins.put(suite.address, sign_in(issuer))
    monkeypatch.setenv("INGESTOR_TOKEN", "key")
    async with AsyncClient(suite.address) as client:
        await client.process("p1")
    assert suite.door.seen == [("GetProcess", "key", "")]


async def test_an_expired_sign_in_is_renewed_first(suite: Suite, issuer: Issuer, logins: Logins) -> None:
    logins.put(suite.address, replace(sign_in(issuer), expires_at=1.0))
    async with AsyncClient(suite.address) as client:
        await client.process("p1")
    assert suite.door.seen == [("GetProcess", "token-2", "")]


async def test_two_clients_renew_one_after_the_other(suite: Suite, issuer: Issuer, logins: Logins) -> None:
    """The refresh token is good for one of them only."""
    logins.put(suite.address, replace(sign_in(issuer), expires_at=1.0))
    async with AsyncClient(suite.address) as one, AsyncClient(suite.address) as two:
        await asyncio.gather(one.process("p1"), two.process("p1"))
    assert [token for _, token, _ in suite.door.seen] == ["token-2"] * 2


@pytest.mark.parametrize("answer", [(400, {"error": "invalid_grant"}), None])
async def test_a_sign_in_that_has_ended_says_so(
    suite: Suite, issuer: Issuer, logins: Logins, answer: tuple[int, dict[str, str]] | None
) -> None:
    login = replace(sign_in(issuer), expires_at=1.0)
    if answer:
        issuer.answers = [answer]
    else:
        login = replace(login, refresh_token="")
    logins.put(suite.address, login)
    async with AsyncClient(suite.address) as client:
        with pytest.raises(UnauthenticatedError, match="has ended; run `ingestor login`") as caught:
            await client.process("p1")
    assert caught.value.reason == "LOGIN_ENDED" and not suite.door.seen


async def test_an_upload_waits_for_an_issuer_that_is_away(
    suite: Suite, issuer: Issuer, logins: Logins
) -> None:
    logins.put(suite.address, sign_in(issuer))
    suite.door.tokens = {"token-1"}
    issuer.answers = [(503, {}), (503, {})]
    lost: list[str] = []

    def arrived(size: int) -> None:
        if suite.door.tokens == {"token-1"}:
            suite.door.expire("token-2")

    suite.uploads.arrived = arrived
    async with AsyncClient(suite.address, on_lost=lost.append) as client:
        await client.ingest(io.BytesIO(b"id\n" + b"1\n" * 50), file_name="a.csv")
    assert suite.uploads.completed
    assert any("answers with status 503" in reason for reason in lost)


def test_signing_out_revokes(issuer: Issuer) -> None:
    login = sign_in(issuer)
    assert oauth.revoke(login)
    assert issuer.revoked == ["refresh-1"]
    assert not oauth.revoke(replace(login, revocation_endpoint=""))
    assert not oauth.revoke(replace(login, revocation_endpoint="http://127.0.0.1:1/revoke"))


def test_the_lock_is_for_one_program_at_a_time(logins: Logins) -> None:
    order: list[str] = []

    def other() -> None:
        with logins.alone():
            order.append("other")

    with logins.alone():
        thread = threading.Thread(target=other)
        thread.start()
        thread.join(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "other"]
