"""Who calls, from the metadata of a call."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from ingestor.access import api_keys
from ingestor.access.authenticator import TENANT, Authenticator, Remembered
from ingestor.access.calls import CALL, CallSigner
from ingestor.access.directory import StoredKey
from ingestor.access.keyring import KeyRing
from ingestor.access.principal import LOCAL_ADMIN
from ingestor.access.roles import Role
from ingestor.access.scope import within
from ingestor.access.settings import AccessSettings
from ingestor.access.tokens import Claims, FileKeys, TokenChecker
from ingestor.runtime.errors import PermissionDeniedError, ServiceError, TransientError, UnauthenticatedError
from tests.e2e.access.tokens import ISSUER, Issuer
from tests.fakes.callers.directory import MemoryDirectory

KEYS = KeyRing.parse("one:" + "s" * 32)


class Clock:
    """A clock that says what it is told."""

    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        """The time it was told."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """The time now."""
    return Clock()


@pytest.fixture
def directory() -> MemoryDirectory:
    """Three tenants."""
    return MemoryDirectory("default", "acme", "globex")


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    """One with a key."""
    return Issuer()


@pytest.fixture
def authenticator(issuer: Issuer, directory: MemoryDirectory, clock: Clock, tmp_path: Path) -> Authenticator:
    """One that demands tokens."""
    issuer.publish(tmp_path / "jwks.json")
    checker = TokenChecker(
        AccessSettings(auth="local", oidc_issuer=ISSUER), FileKeys(tmp_path / "jwks.json"), clock
    )
    return Authenticator(KEYS, directory, checker, local=False, clock=clock)


def bearer(token: str, tenant: str = "") -> dict[str, str]:
    """Metadata with a token."""
    return {"authorization": f"Bearer {token}", **({TENANT: tenant} if tenant else {})}


async def reason(authenticator: Authenticator, metadata: Mapping[str, str]) -> str:
    """Why a call is refused."""
    with pytest.raises(ServiceError) as caught:
        await authenticator.principal(metadata)
    assert isinstance(caught.value, UnauthenticatedError | PermissionDeniedError)
    return caught.value.reason


async def test_nobody(authenticator: Authenticator, directory: MemoryDirectory) -> None:
    assert await reason(authenticator, {}) == "TOKEN_MISSING"
    assert await reason(authenticator, {"authorization": ""}) == "TOKEN_MISSING"
    for wrong in ("Basic YTpi", "Bearer", "Bearer  ", "token", "bearer"):
        assert await reason(authenticator, {"authorization": wrong}) == "TOKEN_INVALID", wrong
    assert directory.asked == 0


async def test_in_local_mode_nobody_is_the_admin(directory: MemoryDirectory) -> None:
    local = Authenticator(KEYS, directory, None, local=True)
    assert await local.principal({}) == LOCAL_ADMIN
    assert await local.principal({TENANT: "globex"}) == LOCAL_ADMIN  # which has one tenant
    # Whoever shows something must show the right thing.
    assert await reason(local, bearer("a.b.c")) == "TOKEN_INVALID"
    assert await reason(local, bearer(api_keys.new_key()[1])) == "KEY_INVALID"
    assert await reason(local, {CALL: "a.b.c"}) == "TOKEN_INVALID"


async def test_a_service(authenticator: Authenticator) -> None:
    with within("acme"):
        call = CallSigner(KEYS, "upload").token()
    found = await authenticator.principal({CALL: call, TENANT: "globex"})
    assert (found.kind, found.service, found.tenant, found.roles) == (
        "service",
        "upload",
        "acme",
        frozenset(),
    )
    # It counts before a person's token, and a wrong one is not made good by that.
    assert await reason(authenticator, {CALL: call + "x"}) == "TOKEN_INVALID"


async def test_a_person(authenticator: Authenticator, issuer: Issuer, directory: MemoryDirectory) -> None:
    found = await authenticator.principal(bearer(issuer.token("ann", "acme", "viewer", "author")))
    assert (found.kind, found.subject, found.tenant, found.tenants) == ("person", "ann", "acme", ("acme",))
    assert found.roles == {Role.VIEWER, Role.AUTHOR} and found.expires_at
    assert await authenticator.principal({"authorization": f"bearer {issuer.token('x', 'acme', 'viewer')}"})
    for name, wrong in issuer.wrong_tokens("acme").items():
        expected = "TOKEN_EXPIRED" if name == "expired" else "TOKEN_INVALID"
        expected = "KEY_INVALID" if "ing_" in wrong else expected
        assert await reason(authenticator, bearer(wrong)) == expected, name


async def test_tenants_of_a_person(
    authenticator: Authenticator, issuer: Issuer, directory: MemoryDirectory
) -> None:
    both = issuer.sign(issuer.claims("ann", ["acme", "globex", "initech"], ["viewer", "default/king"]))
    assert await reason(authenticator, bearer(both)) == "TENANT_NOT_CHOSEN"
    found = await authenticator.principal(bearer(both, "globex"))
    assert (found.tenant, found.tenants) == ("globex", ("acme", "globex"))
    for other in ("initech", "default", "*", "acme'"):
        assert await reason(authenticator, bearer(both, other)) == "NOT_A_MEMBER", other
    assert await reason(authenticator, bearer(issuer.token("ann", "initech", "admin"))) == "NOT_A_MEMBER"
    assert await reason(authenticator, bearer(issuer.token("ann", "acme"))) == "NOT_A_MEMBER"  # no role


async def test_stored_roles(
    authenticator: Authenticator, issuer: Issuer, directory: MemoryDirectory, clock: Clock
) -> None:
    directory.members["globex", "ann"] = frozenset({Role.OPERATOR})
    directory.members["globex", "ann@acme.test"] = frozenset({Role.AUTHOR})
    token = issuer.token("ann", "acme", "viewer")
    assert (await authenticator.principal(bearer(token, "globex"))).roles == {Role.OPERATOR}
    more = issuer.token("ann", "globex", "viewer", email="ann@acme.test", email_verified=True)
    assert (await authenticator.principal(bearer(more))).roles == {Role.OPERATOR, Role.AUTHOR, Role.VIEWER}
    directory.members.clear()
    clock.now += 9
    assert (await authenticator.principal(bearer(token, "globex"))).roles == {Role.OPERATOR}
    clock.now += 2
    assert await reason(authenticator, bearer(token, "globex")) == "NOT_A_MEMBER"


async def test_a_removed_tenant(
    authenticator: Authenticator, issuer: Issuer, directory: MemoryDirectory, clock: Clock
) -> None:
    token = bearer(issuer.token("ann", "acme", "viewer"))
    await authenticator.principal(token)
    directory.tenants.remove("acme")
    clock.now += 11
    assert await reason(authenticator, token) == "NOT_A_MEMBER"


class Counting(TokenChecker):
    """Takes every token for one of ann's that ends at a time."""

    def __init__(self, expires_at: float) -> None:
        self.expires_at = expires_at
        self.checked = 0

    async def check(self, token: str) -> Claims:
        """What the token says."""
        self.checked += 1
        return Claims("ann", (), "Ann", {"acme": frozenset({Role.VIEWER})}, self.expires_at)


async def test_a_token_is_checked_again_after_a_minute_and_at_its_end(
    directory: MemoryDirectory, clock: Clock
) -> None:
    for lasts, seconds, checked in ((3600, 59, 1), (3600, 61, 2), (5, 4, 1), (5, 6, 2)):
        checker = Counting(clock.now + lasts)
        authenticator = Authenticator(KEYS, directory, checker, local=False, clock=clock)
        await authenticator.principal(bearer("a.b.c"))
        clock.now += seconds
        await authenticator.principal(bearer("a.b.c"))
        assert checker.checked == checked, (lasts, seconds)
        await authenticator.principal(bearer("x.y.z"))  # another one
        assert checker.checked == checked + 1


def store(directory: MemoryDirectory, expires_at: float | None = None) -> str:
    """A key of acme."""
    prefix, token = api_keys.new_key()
    directory.keys[prefix] = StoredKey(
        "acme", "nightly", api_keys.hash_of(token), frozenset({Role.UPLOADER}), frozenset({"p"}), expires_at
    )
    return token


async def test_who_does_not_have_a_key_does_not_use_it(
    authenticator: Authenticator, directory: MemoryDirectory
) -> None:
    prefix = str(api_keys.prefix_of(store(directory)))
    forged = prefix + api_keys.new_key()[1][len(prefix) :]
    assert await reason(authenticator, bearer(forged)) == "KEY_INVALID"
    assert directory.used == []


async def test_a_key(authenticator: Authenticator, directory: MemoryDirectory, clock: Clock) -> None:
    token = store(directory, clock.now + 100)
    found = await authenticator.principal(bearer(token))
    prefix = str(api_keys.prefix_of(token))
    assert (found.kind, found.subject, found.tenant) == ("key", f"key:{prefix}", "acme")
    assert found.roles == {Role.UPLOADER} and found.pipelines == {"p"} and found.display_name == "nightly"
    assert found.expires_at == clock.now + 100
    assert directory.used == [prefix]
    assert await authenticator.principal(bearer(token, "acme")) == found
    assert await reason(authenticator, bearer(token, "globex")) == "NOT_A_MEMBER"
    other = api_keys.new_key()[1]
    forged = prefix + other[len(prefix) :]
    for wrong in (forged, other, token[:-1], token + "x", token.upper(), "ing_", "ing_x_y"):
        assert await reason(authenticator, bearer(wrong)) in ("KEY_INVALID", "TOKEN_INVALID"), wrong
    clock.now += 101
    assert await reason(authenticator, bearer(token)) == "KEY_INVALID"


async def test_a_revoked_key(authenticator: Authenticator, directory: MemoryDirectory, clock: Clock) -> None:
    token = store(directory)
    assert (await authenticator.principal(bearer(token))).expires_at is None
    directory.revoked.add(str(api_keys.prefix_of(token)))
    clock.now += 11
    assert await reason(authenticator, bearer(token)) == "KEY_INVALID"


async def test_the_directory_is_asked_seldom_and_may_be_away(
    authenticator: Authenticator, directory: MemoryDirectory, issuer: Issuer, clock: Clock
) -> None:
    key, person = bearer(store(directory)), bearer(issuer.token("ann", "acme", "viewer"))
    for _ in range(100):
        await authenticator.principal(key)
        await authenticator.principal(person)
    assert directory.asked == 4  # key, use, members, tenant
    directory.away = True
    clock.now += 11
    for metadata in (key, person):
        with pytest.raises(TransientError):
            await authenticator.principal(metadata)
    directory.away = False
    await authenticator.principal(key)


async def test_what_is_remembered_is_bounded() -> None:
    clock = Clock()
    remembered = Remembered[int, int](10.0, clock, most=3)
    asked = []

    async def ask(number: int) -> int:
        async def answer() -> int:
            asked.append(number)
            return number

        return await remembered.get(number, answer)

    for number in (1, 2, 3, 4, 4, 3, 1):
        assert await ask(number) == number
    assert asked == [1, 2, 3, 4, 1]


def test_keys_are_random_and_of_one_form() -> None:
    made = [api_keys.new_key() for _ in range(200)]
    assert len({prefix for prefix, _ in made}) == len({token for _, token in made}) == 200
    for prefix, token in made:
        assert api_keys.prefix_of(token) == prefix and api_keys.is_key(token)
        assert api_keys.is_same(token, api_keys.hash_of(token))
        assert len(token.removeprefix(prefix)) == 44
    assert api_keys.prefix_of(made[0][1] + "\n") is None
    assert not api_keys.is_same(made[0][1], api_keys.hash_of(made[1][1]))
    assert json.dumps(made)  # plain ASCII
