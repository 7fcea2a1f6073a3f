"""Which tokens the gateway lets through: a real Envoy, and keys of the test's own."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import HMACAlgorithm, RSAAlgorithm
from jwt.utils import base64url_encode

from ingestor.client.errors import UnauthenticatedError
from ingestor.gateway.settings import GatewaySettings
from ingestor.local.ports import LOOPBACK, free_port
from tests.gateway import HEALTH, METHOD, REFLECTION, Gateway, gateway

ISSUER = "https://issuer.test/realm"
PAGE = "https://app.example.com"


def new_key() -> RSAPrivateKey:
    """A private key of an issuer."""
    return generate_private_key(65537, 2048)


KEY, OTHER_KEY = new_key(), new_key()


def key_set(keys: Mapping[str, RSAPrivateKey]) -> str:
    """A JWKS of the public keys, by their ids."""
    return json.dumps(
        {
            "keys": [
                {**RSAAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": name, "use": "sig"}
                for name, key in keys.items()
            ]
        }
    )


def token(key: Any = KEY, kid: str = "first", algorithm: str = "RS256", /, **claims: object) -> str:
    """A token that is valid, unless the claims change that; None takes one away."""
    known = {"iss": ISSUER, "aud": "ingestor", "sub": "somebody", "exp": int(time.time()) + 60, **claims}
    told = {name: value for name, value in known.items() if value is not None}
    return jwt.encode(told, key, algorithm, headers={"kid": kid})


@pytest.fixture(scope="module")
def checking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that has the issuer's keys from a file."""
    folder = tmp_path_factory.mktemp("gateway")
    (folder / "keys.json").write_text(key_set({"first": KEY}))
    settings = GatewaySettings(
        auth="required",
        oidc_issuer=ISSUER,
        oidc_jwks=str(folder / "keys.json"),
        cors_origins=f"https://other.test, {PAGE}",
    )
    with gateway(folder, settings) as running:
        yield running


async def test_a_valid_token_reaches_the_services_as_it_is(checking: Gateway) -> None:
    sent = token()
    await checking.call(sent, ingestor_tenant="acme")
    path, metadata = checking.upstream.calls[-1]
    assert path == METHOD
    assert metadata["authorization"] == f"Bearer {sent}"
    assert metadata["ingestor-tenant"] == "acme"


async def test_the_scheme_is_written_as_one_likes(checking: Gateway) -> None:
    await checking.call(authorization=f"bearer {token()}")
    await checking.call(authorization="bearer ing_12345678_secret")


async def test_one_of_several_audiences_is_enough(checking: Gateway) -> None:
    await checking.call(token(aud=["account", "ingestor"]))


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        pytest.param(lambda: None, "TOKEN_MISSING", id="missing"),
        pytest.param(lambda: "", "TOKEN_INVALID", id="empty"),
        pytest.param(lambda: "garbage", "TOKEN_INVALID", id="garbage"),
        pytest.param(lambda: token(exp=int(time.time()) - 31), "TOKEN_EXPIRED", id="expired"),
        pytest.param(lambda: token(exp=None), "TOKEN_INVALID", id="endless"),
        pytest.param(lambda: token(nbf=int(time.time()) + 60), "TOKEN_INVALID", id="too-early"),
        pytest.param(lambda: token(iss="https://issuer.test/other"), "TOKEN_INVALID", id="other-issuer"),
        pytest.param(lambda: token(iss=None), "TOKEN_INVALID", id="no-issuer"),
        pytest.param(lambda: token(aud="another-api"), "TOKEN_INVALID", id="other-audience"),
        pytest.param(lambda: token(aud=None), "TOKEN_INVALID", id="no-audience"),
        pytest.param(lambda: token(OTHER_KEY), "TOKEN_INVALID", id="other-key"),
        pytest.param(lambda: token(OTHER_KEY, "unknown"), "TOKEN_INVALID", id="unknown-key"),
        pytest.param(lambda: token(None, "first", "none"), "TOKEN_INVALID", id="alg-none"),
        pytest.param(lambda: token(b"k" * 32, "first", "HS256"), "TOKEN_INVALID", id="symmetric"),
        pytest.param(lambda: f"{token()}x", "TOKEN_INVALID", id="altered"),
    ],
)
async def test_other_tokens_are_refused(
    checking: Gateway, sent: Callable[[], str | None], reason: str
) -> None:
    assert await checking.refusal(sent()) == ("UNAUTHENTICATED", reason)


async def test_a_public_key_is_no_secret(checking: Gateway) -> None:
    pem = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    # PyJWT refuses to make this token, so it is made by hand.
    head, body = token(b"k" * 32, "first", "HS256").split(".")[:2]
    forged = HMACAlgorithm(HMACAlgorithm.SHA256).sign(f"{head}.{body}".encode(), pem)
    assert await checking.refusal(f"{head}.{body}.{base64url_encode(forged).decode()}") == (
        "UNAUTHENTICATED",
        "TOKEN_INVALID",
    )


async def test_other_schemes_are_no_token(checking: Gateway) -> None:
    assert await checking.refusal(authorization="Basic dXNlcjpwYXNz") == ("UNAUTHENTICATED", "TOKEN_MISSING")


async def test_a_token_in_the_address_counts_for_nothing(checking: Gateway) -> None:
    assert await checking.refusal(path=f"{METHOD}?access_token={token()}") == (
        "UNAUTHENTICATED",
        "TOKEN_MISSING",
    )


async def test_a_refusal_says_what_to_do(checking: Gateway) -> None:
    with pytest.raises(UnauthenticatedError, match="needs a token or an API key"):
        await checking.call()


async def test_the_services_check_api_keys(checking: Gateway) -> None:
    await checking.call("ing_12345678_secret")
    assert checking.upstream.calls[-1][1]["authorization"] == "Bearer ing_12345678_secret"


async def test_health_needs_no_token_and_reflection_does(checking: Gateway) -> None:
    await checking.call(path=HEALTH)
    assert await checking.refusal(path=REFLECTION) == ("UNAUTHENTICATED", "TOKEN_MISSING")
    await checking.call(token(), REFLECTION)


async def test_a_call_from_outside_does_not_pass_for_a_service(checking: Gateway) -> None:
    await checking.call(token(), ingestor_call="of-a-service")
    assert "ingestor-call" not in checking.upstream.calls[-1][1]


async def test_clocks_may_differ_a_little(tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(key_set({"first": KEY}))
    settings = GatewaySettings(
        auth="required",
        oidc_issuer=ISSUER,
        oidc_jwks=str(tmp_path / "keys.json"),
        oidc_clock_skew_seconds=300,
    )
    with gateway(tmp_path, settings) as patient:
        await patient.call(token(exp=int(time.time()) - 200))
        assert await patient.refusal(token(exp=int(time.time()) - 301)) == (
            "UNAUTHENTICATED",
            "TOKEN_EXPIRED",
        )


class _Keys(BaseHTTPRequestHandler):
    """Serves the keys that the issuer has now."""

    def __init__(self, now: dict[str, RSAPrivateKey], *arguments: Any) -> None:
        self._now = now
        super().__init__(*arguments)

    def do_GET(self) -> None:
        body = key_set(self._now).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def wait_until(condition: Callable[[], bool]) -> None:
    """Look again and again until it holds."""
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)  # between two looks


async def _passes(running: Gateway, sent: str) -> None:
    """Wait until the gateway lets a token through."""
    deadline = time.monotonic() + 30
    while True:
        try:
            await running.call(sent)
        except UnauthenticatedError:
            assert time.monotonic() < deadline, "the gateway has not heard of the new key"
        else:
            return


async def test_keys_of_a_url_may_come_late_and_change(tmp_path: Path) -> None:
    port = free_port()
    settings = GatewaySettings(
        auth="required", oidc_issuer=ISSUER, oidc_jwks=f"http://{LOOPBACK}:{port}/keys", oidc_jwks_seconds=1
    )
    now = {"first": KEY}
    with gateway(tmp_path, settings) as running:
        assert await running.refusal(token()) == ("UNAVAILABLE", "DEPENDENCY_UNAVAILABLE")
        server = ThreadingHTTPServer((LOOPBACK, port), partial(_Keys, now))
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            await _passes(running, token())
            assert await running.refusal(token(OTHER_KEY, "second")) == ("UNAUTHENTICATED", "TOKEN_INVALID")
            now["second"] = OTHER_KEY
            await _passes(running, token(OTHER_KEY, "second"))
            await running.call(token())
            # Perhaps it knows keys that were fetched for a call; wait for those of its own rounds.
            fetched = running.stat("jwks_fetch_success")
            wait_until(lambda: running.stat("jwks_fetch_success") > fetched + 1)
        finally:
            server.shutdown()
            server.server_close()
        # The keys that it knows stay good while the issuer is away.
        failed = running.stat("jwks_fetch_failed")
        wait_until(lambda: running.stat("jwks_fetch_failed") > failed)
        await running.call(token(OTHER_KEY, "second"))


def ask(
    running: Gateway, method: str = "POST", *, origin: str = PAGE, host: str | None = None, **headers: str
) -> tuple[int, dict[str, str]]:
    """What a browser is answered on a page of `origin` that calls by gRPC-web: status and headers."""
    sent = {"content-type": "application/grpc-web+proto", "x-grpc-web": "1", "origin": origin}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    if host is not None:
        sent["host"] = host
    with closing(http.client.HTTPConnection(LOOPBACK, running.port, timeout=20)) as connection:
        connection.request(method, METHOD, body=b"\0\0\0\0\0" if method == "POST" else None, headers=sent)
        answer = connection.getresponse()
        answer.read()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}


def preflight(running: Gateway, origin: str) -> dict[str, str]:
    """The headers of the answer to a browser that wants to know whether a page may call."""
    asked = {"access_control_request_method": "POST", "access_control_request_headers": "authorization"}
    return ask(running, "OPTIONS", origin=origin, **asked)[1]


def test_a_page_learns_why_it_is_refused(checking: Gateway) -> None:
    status, headers = ask(checking)
    assert (status, headers["grpc-status"]) == (401, "16")
    assert "needs a token" in headers["grpc-message"]
    assert headers["access-control-allow-origin"] == PAGE
    assert "grpc-status-details-bin" in headers["access-control-expose-headers"]


def test_a_page_of_a_named_origin_calls_with_a_token(checking: Gateway) -> None:
    allowed = preflight(checking, PAGE)
    assert allowed["access-control-allow-origin"] == PAGE
    assert {"authorization", "ingestor-tenant"} <= set(allowed["access-control-allow-headers"].split(", "))
    assert "access-control-allow-credentials" not in allowed  # cookies are nobody's token
    status, headers = ask(checking, authorization=f"Bearer {token()}")
    assert (status, headers["access-control-allow-origin"]) == (200, PAGE)


@pytest.mark.parametrize("origin", ["https://evil.example", "http://app.example.com", f"{PAGE}.evil.example"])
def test_a_page_of_another_origin_is_told_nothing(checking: Gateway, origin: str) -> None:
    assert "access-control-allow-origin" not in preflight(checking, origin)
    assert "access-control-allow-origin" not in ask(checking, origin=origin)[1]


async def test_without_sign_in_the_gateway_answers_this_machine_only(tmp_path: Path) -> None:
    """A page of elsewhere whose name points to this machine (DNS rebinding) sends its own host."""
    settings = GatewaySettings(auth="local", cors_origins="https://box.example:8443")
    with gateway(tmp_path, settings) as running:
        await running.call()
        port = running.port
        for host in (
            f"localhost:{port}",
            f"127.0.0.1:{port}",
            "localhost",
            f"[::1]:{port}",
            "box.example:8443",
        ):
            assert ask(running, host=host)[0] == 200, host
        calls = len(running.upstream.calls)
        for host in (f"evil.example:{port}", "localhost.evil.example", f"127.0.0.1.evil.example:{port}"):
            assert ask(running, host=host)[0] == 403, host
        assert len(running.upstream.calls) == calls
        # A page of another server on this machine was named by nobody.
        for origin in ("http://localhost:3000", f"http://127.0.0.1:{port + 1}", "https://evil.example"):
            assert "access-control-allow-origin" not in preflight(running, origin), origin
        assert preflight(running, "https://box.example:8443")["access-control-allow-origin"]


async def test_the_gateway_answers_under_its_names(tmp_path: Path) -> None:
    settings = GatewaySettings(auth="required", gateway_hosts="ingest.example.com, 10.1.2.3:8443")
    with gateway(tmp_path, settings) as running:
        key = {"authorization": "Bearer ing_12345678_x"}
        for host in ("ingest.example.com", "ingest.example.com:443", "10.1.2.3:8443"):
            assert ask(running, host=host, **key)[0] == 200, host
        for host in ("evil.example", "10.1.2.3", f"localhost:{running.port}", "x.ingest.example.com"):
            assert ask(running, host=host, **key)[0] == 403, host
