"""Signing in at the demonstration's OpenID provider, as its person does, and calling with what one gets."""

from __future__ import annotations

import json
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jwt
import pytest

from ingestor.client.errors import UnauthenticatedError
from ingestor.gateway.settings import GatewaySettings
from ingestor.gateway.sign_in import GatewayError, discover_keys
from ingestor.local.oidc.provider import AUDIENCE, RESOURCE, DemoProvider, users
from ingestor.local.ports import free_port
from tests.gateway import Gateway, gateway
from tests.oidc_client import COMMAND_LINE, DEVICE_GRANT, PAGE, Browser, needs_provider

ORIGIN = "http://127.0.0.1:8080"
BACK = f"{ORIGIN}/signed-in"


@contextmanager
def providing(folder: Path, port: int | None = None, token_seconds: int = 60) -> Iterator[DemoProvider]:
    """A running provider; skips the test where it cannot run."""
    needs_provider(folder)
    made = DemoProvider(folder, port or free_port(), [ORIGIN], folder / "oidc.log", token_seconds)
    made.start()
    try:
        made.wait()
        yield made
    finally:
        made.stop()


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoProvider]:
    """A running provider."""
    with providing(tmp_path_factory.mktemp("provider")) as made:
        yield made


@pytest.fixture(scope="module")
def checking(provider: DemoProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that finds the provider's keys by its discovery document."""
    folder = tmp_path_factory.mktemp("gateway")
    with gateway(folder, GatewaySettings(auth="required", oidc_issuer=provider.issuer)) as running:
        yield running


@pytest.fixture
def browser(provider: DemoProvider) -> Browser:
    """A browser in which nobody has signed in yet."""
    return Browser(provider.issuer)


def claims(provider: DemoProvider, token: str, audience: str = AUDIENCE) -> dict[str, Any]:
    """The claims of a token, checked by the provider's published keys."""
    keys = jwt.PyJWKClient(f"{provider.issuer}/jwks")
    found: dict[str, Any] = jwt.decode(
        token, keys.get_signing_key_from_jwt(token), ["RS256"], audience=audience, issuer=provider.issuer
    )
    return found


def test_there_are_people_of_each_role_in_both_tenants() -> None:
    found = {(tenant, role) for user in users() for tenant in user["tenants"] for role in user["roles"]}
    roles = ("viewer", "uploader", "author", "operator", "admin")
    assert found >= {(tenant, role) for tenant in ("acme", "globex") for role in roles}
    assert ("default", "admin") in found
    assert [user for user in users() if len(user["tenants"]) == 2]


async def test_code_with_pkce(provider: DemoProvider, checking: Gateway, browser: Browser) -> None:
    tokens = browser.sign_in("uploader@acme", BACK)
    found = claims(provider, tokens["access_token"])
    assert (found["sub"], found["name"]) == ("uploader@acme", "Uli of acme")
    assert (found["tenants"], found["roles"]) == (["acme"], ["uploader"])
    assert found["exp"] - found["iat"] == 60
    await checking.call(tokens["access_token"])
    identity = claims(provider, tokens["id_token"], PAGE)
    assert (identity["sub"], identity["name"]) == ("uploader@acme", "Uli of acme")


async def test_an_id_token_is_for_the_page_alone(checking: Gateway, browser: Browser) -> None:
    tokens = browser.sign_in("admin@acme", BACK)
    assert await checking.refusal(tokens["id_token"]) == ("UNAUTHENTICATED", "TOKEN_INVALID")


def test_the_page_may_name_the_resource(provider: DemoProvider, browser: Browser) -> None:
    page, verifier = browser.authorize(BACK, resource=RESOURCE)
    tokens = browser.redeem(browser.choose(page, "viewer@globex"), verifier, BACK)
    assert claims(provider, tokens["access_token"])["tenants"] == ["globex"]


def test_a_code_without_its_verifier_is_worth_nothing(browser: Browser) -> None:
    page, _ = browser.authorize(BACK)
    back = browser.choose(page, "admin@acme")
    assert browser.redeem(back, "0" * 43, BACK)["error"] == "invalid_grant"


def test_pkce_is_not_optional(browser: Browser) -> None:
    asked = {"client_id": PAGE, "response_type": "code", "redirect_uri": BACK, "scope": "openid"}
    back = browser.ask(f"{browser.issuer}/auth?{urllib.parse.urlencode(asked)}")
    assert "error=invalid_request" in back.url


def test_the_provider_sends_nobody_elsewhere(browser: Browser) -> None:
    page, _ = browser.authorize("https://evil.example/signed-in")
    assert page.status == 400
    assert "redirect_uri did not match" in page.text


def test_an_issuer_is_written_as_it_writes_itself(provider: DemoProvider) -> None:
    assert discover_keys(provider.issuer) == f"{provider.issuer}/jwks"
    with pytest.raises(GatewayError, match=f"is of another issuer; is '{provider.issuer}' meant"):
        discover_keys(f"{provider.issuer}/")


def test_it_answers_under_its_own_name_only(provider: DemoProvider, browser: Browser) -> None:
    discovery = f"{provider.issuer}/.well-known/openid-configuration"
    assert browser.ask(discovery).status == 200
    assert browser.ask(discovery, headers={"host": f"evil.example:{provider.port}"}).status == 403


def test_nobody_signs_in_as_somebody_unknown(browser: Browser) -> None:
    page, _ = browser.authorize(BACK)
    again = browser.ask(page.url, {"user": "root@acme"})
    assert (again.status, "Who signs in" in again.text) == (200, True)


def test_a_page_renews_its_token_silently(provider: DemoProvider, browser: Browser) -> None:
    tokens = browser.sign_in("consultant", BACK)
    form = {"grant_type": "refresh_token", "client_id": PAGE, "refresh_token": tokens["refresh_token"]}
    answer = browser.ask(f"{provider.issuer}/token", form, {"origin": ORIGIN})
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    renewed = claims(provider, answer.json["access_token"])
    assert renewed["tenants"] == ["acme", "globex"]
    assert renewed["jti"] != claims(provider, tokens["access_token"])["jti"]
    # A page of elsewhere gets nothing, and a refresh token counts once.
    form["refresh_token"] = answer.json["refresh_token"]
    assert browser.ask(f"{provider.issuer}/token", form, {"origin": "https://evil.example"}).status == 400
    form["refresh_token"] = tokens["refresh_token"]
    assert browser.ask(f"{provider.issuer}/token", form, {"origin": ORIGIN}).json["error"] == "invalid_grant"


def test_after_signing_out_one_has_to_choose_again(provider: DemoProvider, browser: Browser) -> None:
    tokens = browser.sign_in("viewer@acme", BACK)
    assert browser.authorize(BACK)[0].url.startswith(BACK)  # known already
    asked = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": f"{ORIGIN}/"}
    page = browser.ask(f"{provider.issuer}/session/end?{urllib.parse.urlencode(asked)}")
    assert browser.press(page, logout="yes").url == f"{ORIGIN}/"
    assert "Who signs in" in browser.authorize(BACK)[0].text


async def test_device_flow(provider: DemoProvider, checking: Gateway, browser: Browser) -> None:
    command_line = Browser(provider.issuer)
    asked = {"client_id": COMMAND_LINE, "scope": "openid profile offline_access"}
    begun = command_line.ask(f"{provider.issuer}/device/auth", asked).json
    poll = {"grant_type": DEVICE_GRANT, "client_id": COMMAND_LINE, "device_code": begun["device_code"]}
    assert command_line.ask(f"{provider.issuer}/token", poll).json["error"] == "authorization_pending"
    page = browser.press(browser.ask(begun["verification_uri"]), user_code=begun["user_code"])
    assert begun["user_code"] in page.text
    page = browser.choose(browser.press(page), "operator@acme")
    assert "Go back to the command line" in page.text
    tokens = command_line.ask(f"{provider.issuer}/token", poll).json
    assert claims(provider, tokens["access_token"])["roles"] == ["operator"]
    await checking.call(tokens["access_token"])
    form = {
        "grant_type": "refresh_token",
        "client_id": COMMAND_LINE,
        "refresh_token": tokens["refresh_token"],
    }
    assert "access_token" in command_line.ask(f"{provider.issuer}/token", form).json


def test_a_wrong_code_of_a_device_is_said(browser: Browser) -> None:
    page = browser.press(browser.ask(f"{browser.issuer}/device"), user_code="BBBB-BBBB")
    assert "This code is not known" in page.text


async def test_tokens_end_and_new_keys_replace_old_ones(tmp_path: Path) -> None:
    port = free_port()
    folder = tmp_path / "provider"
    with providing(folder, port, token_seconds=1) as first:
        settings = GatewaySettings(
            auth="required",
            oidc_issuer=first.issuer,
            oidc_jwks=f"{first.issuer}/jwks",
            oidc_clock_skew_seconds=0,
            oidc_jwks_seconds=1,
        )
        with gateway(tmp_path / "gateway", settings) as running:
            token = Browser(first.issuer).sign_in("viewer@acme", BACK)["access_token"]
            assert await _outcome(running, token, "TOKEN_EXPIRED") == "TOKEN_EXPIRED"
            first.stop()
            (old,) = json.loads((folder / "keys.json").read_text())["keys"]
            (folder / "keys.json").unlink()
            with providing(folder, port, token_seconds=60) as second:
                token = Browser(second.issuer).sign_in("viewer@acme", BACK)["access_token"]
                assert await _outcome(running, token, "") == ""
                forged = jwt.encode(
                    {
                        "iss": second.issuer,
                        "aud": AUDIENCE,
                        "sub": "admin@acme",
                        "exp": int(time.time()) + 60,
                    },
                    jwt.PyJWK(old).key,
                    "RS256",
                    {"kid": old["kid"]},
                )
                assert await running.refusal(forged) == ("UNAUTHENTICATED", "TOKEN_INVALID")


async def _outcome(running: Gateway, token: str, wanted: str) -> str:
    """Call until the outcome is the wanted one: "" for success, else the reason of the refusal."""
    deadline = time.monotonic() + 30
    outcome = None
    while outcome != wanted and time.monotonic() < deadline:
        try:
            await running.call(token)
            outcome = ""
        except UnauthenticatedError as error:
            outcome = error.reason
    return str(outcome)
