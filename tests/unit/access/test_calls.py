"""Tokens of calls between services."""

from __future__ import annotations

import contextvars
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest

from ingestor.access.calls import CallSigner, read_call
from ingestor.access.keyring import KeyRing
from ingestor.access.principal import Principal, set_principal
from ingestor.access.roles import Role
from ingestor.access.scope import NoScopeError, everything, within
from ingestor.runtime.errors import UnauthenticatedError

KEYS = KeyRing.parse("one:" + "1" * 32 + ",two:" + "2" * 32)
ANN = Principal("person", "ann", "acme", frozenset({Role.ADMIN}), pipelines=frozenset({"people"}))


class Clocks:
    """A clock and a monotonic one, which say what they are told."""

    def __init__(self) -> None:
        self.time = datetime.now(UTC)
        self.seconds = 0.0

    def now(self) -> datetime:
        """The time it was told."""
        return self.time

    def monotonic(self) -> float:
        """The seconds it was told."""
        return self.seconds


@pytest.fixture
def clocks() -> Clocks:
    """Some."""
    return Clocks()


@pytest.fixture
def signer(clocks: Clocks) -> CallSigner:
    """One of the upload service."""
    return CallSigner(KEYS, "upload", clocks, clocks.monotonic)


def test_a_call_says_who_for_whom_and_for_which_tenant(signer: CallSigner) -> None:
    with within("acme"):
        found = read_call(KEYS, signer.token())
    assert found == Principal("service", "", "acme", service="upload")

    def for_ann() -> Principal:
        set_principal(ANN)
        with within("acme"):
            return read_call(KEYS, signer.token())

    found = contextvars.copy_context().run(for_ann)
    # Its roles are not handed on: what a service may do is its own right.
    assert found == Principal("service", "ann", "acme", pipelines=frozenset({"people"}), service="upload")
    with everything():
        assert read_call(KEYS, signer.token()).tenant == "*"


def test_tokens_are_used_again_for_a_minute(signer: CallSigner, clocks: Clocks) -> None:
    with within("acme"):
        first = signer.token()
        assert signer.token() == first
        clocks.seconds += 59
        assert signer.token() == first
        clocks.seconds += 2
        clocks.time += timedelta(seconds=61)
        assert signer.token() != first
    with within("globex"):
        assert read_call(KEYS, signer.token()).tenant == "globex"


def test_a_token_is_renewed_though_the_clock_was_set_back(signer: CallSigner, clocks: Clocks) -> None:
    with within("acme"):
        first = signer.token()
        clocks.time -= timedelta(minutes=10)
        clocks.seconds += 61
        assert signer.token() != first


def test_a_signer_remembers_a_bounded_number(signer: CallSigner) -> None:
    for number in range(2500):
        with within(f"t{number}"):
            signer.token()
    assert len(signer._made) <= 1001


def test_without_a_scope_there_is_no_call() -> None:
    with pytest.raises(NoScopeError):
        contextvars.Context().run(CallSigner(KEYS, "upload").token)


def forged(claims: dict[str, Any], secret: bytes | None = None, **header: Any) -> str:
    """A token of one's own."""
    key = secret if secret is not None else KEYS.key("one", "calls")
    assert key is not None
    return jwt.encode(claims, key, algorithm="HS256", headers={"kid": "one", **header})


GOOD: dict[str, Any] = {"iss": "upload", "aud": "ingestor-services", "tenant": "acme", "exp": 2_000_000_000}
OTHER_PURPOSE = KEYS.key("one", "queue")
FORGED: dict[str, str] = {
    "none": jwt.encode(GOOD, "", algorithm="none", headers={"kid": "one"}),
    "another secret": forged(GOOD, b"x" * 32),
    "the secret itself": forged(GOOD, b"1" * 32),
    "a key for another purpose": forged(GOOD, OTHER_PURPOSE),
    "an unknown key": forged(GOOD, kid="three"),
    "another key's name": forged(GOOD, kid="two"),
    "expired": forged({**GOOD, "exp": time.time() - 60}),
    "endless": forged({name: value for name, value in GOOD.items() if name != "exp"}),
    "for somebody else": forged({**GOOD, "aud": "ingestor"}),
    "for nobody": forged({name: value for name, value in GOOD.items() if name != "aud"}),
    "from nobody": forged({name: value for name, value in GOOD.items() if name != "iss"}),
    "no token": "x.y.z",
    "empty": "",
}


@pytest.mark.parametrize("name", FORGED)
def test_forged_calls(name: str) -> None:
    with pytest.raises(UnauthenticatedError, match="its signature is not valid") as caught:
        read_call(KEYS, FORGED[name])
    assert caught.value.reason == "TOKEN_INVALID"


def test_what_is_forged_is_good_otherwise() -> None:
    assert read_call(KEYS, forged(GOOD)).service == "upload"


def test_rotation() -> None:
    new = KeyRing.parse("two:" + "2" * 32 + ",one:" + "1" * 32)
    with within("acme"):
        assert read_call(KEYS, CallSigner(new, "upload").token()).service == "upload"
        assert read_call(new, CallSigner(KEYS, "upload").token()).service == "upload"
        only_new = KeyRing.parse("two:" + "2" * 32)
        with pytest.raises(UnauthenticatedError):
            read_call(only_new, CallSigner(KEYS, "upload").token())
