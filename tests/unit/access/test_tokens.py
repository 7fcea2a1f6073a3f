"""People's tokens: valid ones, and every kind of wrong one."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from ingestor.access.roles import Role
from ingestor.access.settings import AccessSettings
from ingestor.access.tokens import (
    FileKeys,
    KeySource,
    TokenChecker,
    UrlKeys,
    claim,
    key_source,
    tenant_roles,
)
from ingestor.runtime.errors import TransientError, UnauthenticatedError
from tests.e2e.access.tokens import ISSUER, Issuer


class Published(KeySource):
    """The issuer's keys, which may change, and whether they can be had."""

    def __init__(self, *documents: Mapping[str, Any]) -> None:
        self.documents = list(documents)
        self.fetched = 0
        self.away = False

    async def fetch(self) -> Mapping[str, Any]:
        """What is published now."""
        self.fetched += 1
        if self.away:
            raise TransientError("away")
        return {"keys": [key for document in self.documents for key in document["keys"]]}


class Clock:
    """A clock that says what it is told."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        """The time it was told."""
        return self.now


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    """One with a key."""
    return Issuer()


def document(issuer: Issuer, folder: Path) -> Any:
    """The issuer's public keys."""
    issuer.publish(folder / "jwks.json")
    return json.loads((folder / "jwks.json").read_text())


def settings(**changes: Any) -> AccessSettings:
    """Settings with the issuer."""
    return AccessSettings(**{"auth": "local", "oidc_issuer": ISSUER, **changes})


@pytest.fixture
def published(issuer: Issuer, tmp_path: Path) -> Published:
    """Its keys."""
    return Published(document(issuer, tmp_path))


async def reason(checker: TokenChecker, token: str) -> str:
    """Why a token is refused."""
    with pytest.raises(UnauthenticatedError) as caught:
        await checker.check(token)
    assert token[:20] not in caught.value.message or len(token) < 20
    return caught.value.reason


async def test_what_a_token_says(issuer: Issuer, published: Published) -> None:
    claims = issuer.claims("ann", ["acme", "globex"], ["viewer", "globex/admin", "initech/author", "king"])
    claims |= {"email": "ann@acme.test", "email_verified": True}
    found = await TokenChecker(settings(), published).check(issuer.sign(claims))
    assert (found.subject, found.display_name, found.emails) == ("ann", "Ann", ("ann@acme.test",))
    assert found.roles == {
        "acme": {Role.VIEWER}, "globex": {Role.VIEWER, Role.ADMIN}, "initech": {Role.AUTHOR},
    }  # fmt: skip
    assert found.expires_at == claims["exp"]


@pytest.mark.parametrize("verified", [False, None, "true", 1])
async def test_an_email_address_counts_when_it_is_verified(
    issuer: Issuer, published: Published, verified: object
) -> None:
    claims = issuer.claims("ann", [], [], email="boss@acme.test", email_verified=verified)
    assert (await TokenChecker(settings(), published).check(issuer.sign(claims))).emails == ()


async def test_wrong_tokens(issuer: Issuer, published: Published) -> None:
    checker = TokenChecker(settings(), published)
    for name, token in issuer.wrong_tokens("acme").items():
        expected = "TOKEN_EXPIRED" if name == "expired" else "TOKEN_INVALID"
        assert await reason(checker, token) == expected, name
    await checker.check(issuer.token("ann", "acme", "viewer"))


@pytest.mark.parametrize("subject", [None, "", 5, ["ann"]])
async def test_a_token_needs_a_subject(issuer: Issuer, published: Published, subject: object) -> None:
    claims = issuer.claims("ann", ["acme"], ["admin"]) | {"sub": subject}
    token = issuer.sign({name: value for name, value in claims.items() if value is not None})
    assert await reason(TokenChecker(settings(), published), token) == "TOKEN_INVALID"


@pytest.mark.parametrize(
    "subject",
    ["a\0b", "a\ud800b", "a\nb", " ", "a" * 201, "local", "key:ing_k3x9a0bq", "database:postgres"],
)
async def test_subjects_that_cannot_be_stored_or_are_of_others(
    issuer: Issuer, published: Published, subject: str
) -> None:
    token = issuer.sign(issuer.claims("ann", ["acme"], ["admin"]) | {"sub": subject})
    assert await reason(TokenChecker(settings(), published), token) == "TOKEN_INVALID"


@pytest.mark.parametrize("end", [10**18, 10**400, float("inf"), -1, [1], {"a": 1}, None])
async def test_an_end_that_is_no_time(issuer: Issuer, published: Published, end: object) -> None:
    token = issuer.sign(issuer.claims("ann", ["acme"], ["admin"]) | {"exp": end})
    expected = "TOKEN_EXPIRED" if end == -1 else "TOKEN_INVALID"
    assert await reason(TokenChecker(settings(), published), token) == expected


@pytest.mark.parametrize(
    ("name", "shown"), [("Zoë \ud800\0 B", "Zoë  B"), ({"a": 1}, "ann"), (["Ann"], "ann"), ("\0", "ann")]
)
async def test_names_that_cannot_be_shown(
    issuer: Issuer, published: Published, name: object, shown: str
) -> None:
    token = issuer.sign(issuer.claims("ann", ["acme"], ["admin"]) | {"name": name})
    assert (await TokenChecker(settings(), published).check(token)).display_name == shown


async def test_the_clocks_may_differ_a_little(issuer: Issuer, published: Published) -> None:
    token = issuer.token("ann", "acme", "viewer", exp=int(time.time()) - 20)
    await TokenChecker(settings(oidc_clock_skew_seconds=60), published).check(token)
    assert (
        await reason(TokenChecker(settings(oidc_clock_skew_seconds=1), published), token) == "TOKEN_EXPIRED"
    )


async def test_other_names_of_claims(issuer: Issuer, published: Published) -> None:
    claims = issuer.claims("x", [], []) | {
        "preferred_username": "ann",
        "https://acme.test/org": "acme",
        "realm_access": {"roles": ["operator"]},
    }
    named = settings(
        oidc_subject_claim="preferred_username",
        oidc_name_claim="missing",
        oidc_tenants_claim="https://acme.test/org",
        oidc_roles_claim="realm_access.roles",
    )
    found = await TokenChecker(named, published).check(issuer.sign(claims))
    assert (found.subject, found.display_name) == ("ann", "ann")
    assert found.roles == {"acme": {Role.OPERATOR}}


async def test_a_new_key_is_looked_for_and_not_too_often(
    issuer: Issuer, published: Published, tmp_path: Path
) -> None:
    clock = Clock()
    checker = TokenChecker(settings(), published, clock)
    await checker.check(issuer.token("ann", "acme"))
    assert published.fetched == 1
    rotated = Issuer(key_id="two")
    for _ in range(50):  # an attacker's unknown keys do not make us ask the issuer each time
        assert await reason(checker, rotated.token("ann", "acme")) == "TOKEN_INVALID"
    assert published.fetched == 1
    published.documents.append(document(rotated, tmp_path))
    clock.now += 11
    await checker.check(rotated.token("ann", "acme"))
    await checker.check(issuer.token("ann", "acme"))
    assert published.fetched == 2
    published.documents.pop(0)  # withdrawn
    clock.now += 301
    assert await reason(checker, issuer.token("ann", "acme")) == "TOKEN_INVALID"


async def test_the_issuer_may_be_away_for_a_while(issuer: Issuer, published: Published) -> None:
    clock = Clock()
    checker = TokenChecker(settings(), published, clock)
    published.away = True
    for _ in range(50):  # tokens do not make us ask an issuer each time that does not answer
        with pytest.raises(TransientError):
            await checker.check(issuer.token("ann", "acme"))
    assert published.fetched == 1
    published.away = False
    clock.now += 2
    await checker.check(issuer.token("ann", "acme"))
    published.away = True
    clock.now += 301
    await checker.check(issuer.token("ann", "acme"))
    fetched = published.fetched
    await checker.check(issuer.token("ann", "acme"))
    assert published.fetched == fetched


async def test_keys_of_other_kinds(tmp_path: Path) -> None:
    curve, edwards = ec.generate_private_key(ec.SECP256R1()), ed25519.Ed25519PrivateKey.generate()
    keys = [
        {**json.loads(jwt.algorithms.ECAlgorithm.to_jwk(curve.public_key())), "kid": "ec"},
        {**json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(edwards.public_key())), "kid": "ed"},
        {"kty": "oct", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", "kid": "secret", "alg": "HS256"},
        {"kty": "from the future", "kid": "future"},
        {"kty": "EC", "crv": "secp256k1", "kid": "bitcoin", "x": "", "y": ""},
        "no object",
    ]
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": keys}))
    checker = TokenChecker(settings(), FileKeys(path))
    claims = Issuer().claims("ann", ["acme"], ["viewer"])
    private: list[tuple[Any, str, str]] = [(curve, "ES256", "ec"), (edwards, "EdDSA", "ed")]
    for key, algorithm, name in private:
        await checker.check(jwt.encode(claims, key, algorithm=algorithm, headers={"kid": name}))
    shared = jwt.encode(claims, b"secret" * 6, algorithm="HS256", headers={"kid": "secret"})
    assert await reason(checker, shared) == "TOKEN_INVALID"


async def test_keys_at_a_url_that_come_in_pieces(issuer: Issuer, tmp_path: Path) -> None:
    text = json.dumps(document(issuer, tmp_path)).encode()

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for at in range(0, len(text), 50):
            await response.write(text[at : at + 50])
        return response

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 100_000)

    app = web.Application()
    app.router.add_get("/keys", answer)
    app.router.add_get("/endless", endless)
    async with TestServer(app) as server:
        keys = await UrlKeys(issuer=ISSUER, url=str(server.make_url("/keys"))).fetch()
        assert json.loads(text) == keys
        with pytest.raises(TransientError, match="has more than 1,000,000 bytes"):
            await UrlKeys(issuer=ISSUER, url=str(server.make_url("/endless"))).fetch()


async def test_keys_in_a_file(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match="the key file"):
        await FileKeys(tmp_path / "missing.json").fetch()
    (tmp_path / "bad.json").write_text("no JSON")
    with pytest.raises(TransientError, match="is not JSON"):
        await FileKeys(tmp_path / "bad.json").fetch()
    (tmp_path / "list.json").write_text("[]")
    with pytest.raises(TransientError, match="is not a JSON object"):
        await FileKeys(tmp_path / "list.json").fetch()
    assert isinstance(key_source(settings(oidc_jwks=str(tmp_path / "a.json"))), FileKeys)


@pytest.mark.parametrize(
    ("claims", "path", "expected"),
    [
        ({"roles": ["a"]}, "roles", ["a"]),
        ({"realm": {"roles": "a"}}, "realm.roles", "a"),
        ({"a.b": 1, "a": {"b": 2}}, "a.b", 1),
        ({"a": "text"}, "a.b", None),
        ({}, "a", None),
    ],
)
def test_claims_by_their_paths(claims: dict[str, Any], path: str, expected: object) -> None:
    assert claim(claims, path) == expected


def test_roles_of_tenants() -> None:
    assert tenant_roles(
        ["acme", "Not A Tenant", "*"], ["viewer", "*/admin", "/admin", "acme/globex/author"]
    ) == {"acme": {Role.VIEWER}}
    assert tenant_roles([], ["admin"]) == {}
    assert tenant_roles(["acme"], []) == {"acme": frozenset()}
