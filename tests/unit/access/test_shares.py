"""How much one caller and one tenant may take, and how often an address may guess at API keys."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from prometheus_client import CollectorRegistry

from ingestor.access import api_keys
from ingestor.access.authenticator import Authenticator
from ingestor.access.directory import StoredKey
from ingestor.access.keyring import KeyRing
from ingestor.access.limits.shares import Kind, Most, Shares
from ingestor.access.principal import LOCAL_ADMIN, Principal
from ingestor.access.roles import Role
from ingestor.runtime.errors import ServiceError, UnavailableError
from tests.fakes.callers.directory import MemoryDirectory

STRANGER = "203.0.113.7"


def person(name: str, tenant: str = "acme") -> Principal:
    """Somebody with a token."""
    return Principal("person", name, tenant)


def key(number: int, tenant: str = "acme") -> Principal:
    """A machine."""
    return Principal("key", f"key:ing_{number:08}", tenant)


class Open:
    """Calls that are under way."""

    def __init__(self, stack: ExitStack) -> None:
        self.shares = Shares(calls=Most(2, 3), streams=Most(1, 2), registry=CollectorRegistry())
        self._stack = stack

    def begin(self, who: Principal, kind: Kind = "calls") -> ExitStack:
        """Begin a call; it lasts until what is returned is closed."""
        call = self._stack.enter_context(ExitStack())
        call.enter_context(self.shares.place(who, kind))
        return call

    def refused(self, who: Principal, kind: Kind = "calls") -> str:
        """Whose limit refuses a call."""
        with pytest.raises(UnavailableError) as caught:
            self.begin(who, kind)
        assert (caught.value.reason, caught.value.retry_seconds) == ("TOO_MANY_CALLS", 0.5)
        return caught.value.metadata["of"]


def test_a_caller_and_a_tenant_have_a_share() -> None:
    with ExitStack() as stack:
        calls = Open(stack)
        first = calls.begin(person("ann"))
        calls.begin(person("ann"))
        assert calls.refused(person("ann")) == "caller"
        calls.begin(person("ben"))
        assert calls.refused(person("eve")) == "tenant"
        calls.begin(person("eve", "globex"))
        first.close()
        calls.begin(person("eve"))


def test_all_keys_of_a_tenant_are_one_caller() -> None:
    with ExitStack() as stack:
        calls = Open(stack)
        calls.begin(key(1))
        calls.begin(key(2))
        assert calls.refused(key(3)) == "caller"
        calls.begin(person("ann"))
        calls.begin(key(3, "globex"))


def test_streams_and_calls_are_counted_apart() -> None:
    with ExitStack() as stack:
        calls = Open(stack)
        calls.begin(person("ann"), "streams")
        assert calls.refused(person("ann"), "streams") == "caller"
        calls.begin(person("ann"))


def test_nothing_is_kept_of_calls_that_have_ended() -> None:
    with ExitStack() as stack:
        calls = Open(stack)
        for number in range(1000):
            calls.begin(person(f"p{number}", f"t{number}")).close()
        assert len(calls.shares._running) == 0


def test_the_local_admin_and_services_need_none() -> None:
    with ExitStack() as stack:
        calls = Open(stack)
        for _ in range(10):
            calls.begin(LOCAL_ADMIN)
            calls.begin(Principal("service", "ann", "acme", service="upload"))


class Door:
    """An authenticator, and a clock that says what it is told."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.directory = MemoryDirectory("acme")
        keys = KeyRing.parse("one:" + "s" * 32)
        self._authenticator = Authenticator(keys, self.directory, None, local=False, clock=lambda: self.now)

    def key(self) -> str:
        """A new key."""
        prefix, token = api_keys.new_key()
        self.directory.keys[prefix] = StoredKey(
            "acme", "k", api_keys.hash_of(token), frozenset({Role.VIEWER}), frozenset(), None
        )
        return token

    async def show(self, token: str, address: str = STRANGER) -> str:
        """Show a key; why it is refused, or nothing."""
        try:
            await self._authenticator.principal({"authorization": f"Bearer {token}"}, address)
        except ServiceError as error:
            return error.reason
        return ""

    async def guess(self, count: int, address: str = STRANGER) -> list[str]:
        """Show so many keys that nobody has."""
        return [await self.show(api_keys.new_key()[1], address) for _ in range(count)]


async def test_guesses_at_keys_cost_few_looks_into_the_database() -> None:
    door = Door()
    known = door.key()
    assert await door.show(known) == ""
    asked = door.directory.asked
    answers = await door.guess(1000)
    assert answers == ["KEY_INVALID"] * 30 + ["TOO_MANY_UNKNOWN_KEYS"] * 970
    assert door.directory.asked == asked + 30
    door.now += 60
    assert await door.show(known) == "", "a key that came before is looked up"
    door.now -= 55
    assert (await door.guess(10)).count("KEY_INVALID") == 5
    assert await door.show(door.key(), "203.0.113.8") == "", "others do not notice"


async def test_an_address_of_version_6_is_its_whole_network() -> None:
    door = Door()
    for number in range(30):
        await door.guess(1, f"2001:db8::{number:x}")
    assert await door.guess(1, "2001:db8::ffff") == ["TOO_MANY_UNKNOWN_KEYS"]
    assert await door.guess(1, "2001:db8:0:1::1") == ["KEY_INVALID"]


async def test_good_keys_are_no_guesses() -> None:
    door = Door()
    assert {await door.show(door.key()) for _ in range(100)} == {""}


async def test_a_key_of_a_database_that_is_away_is_no_guess() -> None:
    door = Door()
    token = door.key()
    door.directory.away = True
    for _ in range(50):
        with pytest.raises(Exception, match="away"):
            await door.show(token)
    door.directory.away = False
    assert await door.show(token) == ""


async def test_the_addresses_that_are_known_have_a_bound() -> None:
    door = Door()
    for number in range(5000):
        await door.guess(1, f"10.{number >> 8}.{number & 255}.1")
    assert len(door._authenticator._guesses._left) == 4096
