"""Who may call a suite on this machine, as `ingestor up` settles it."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from ingestor.access.keyring import KeyRing
from ingestor.local import access
from ingestor.local.access import open_access
from ingestor.local.errors import SuiteError
from ingestor.local.folder import Folder
from ingestor.local.oidc import provider


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """A data folder."""
    made = Folder(tmp_path)
    made.prepare(0)
    return made


def settle(folder: Folder, auth: bool) -> access.Access:
    """What `ingestor up` settles in a folder, with --auth or without."""
    with ExitStack() as stack:
        return open_access(folder, {}, stack, lambda line: None, gateway_port=8080, auth=auth)


def test_nobody_signs_in_by_default(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGESTOR_AUTH", "required")  # of somebody's shell
    monkeypatch.setenv("INGESTOR_OIDC_ISSUER", "https://issuer.example")
    found = settle(folder, auth=False)
    assert found.environment["INGESTOR_AUTH"] == found.gateway.auth == "local"
    assert (found.provider, found.tenants, found.state) == (None, (), None)


def test_services_know_each_other_by_a_key_that_lasts(folder: Folder) -> None:
    first, second = (settle(folder, auth=False).internal_keys for _ in range(2))
    assert first == second
    KeyRing.parse(first)


def test_your_own_provider_is_used(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGESTOR_OIDC_ISSUER", "https://issuer.example")
    found = settle(folder, auth=True)
    assert found.environment["INGESTOR_AUTH"] == found.gateway.auth == "required"
    assert found.gateway.oidc_issuer == "https://issuer.example"
    assert (found.provider, found.tenants) == (None, ())
    assert found.state == {"issuer": "https://issuer.example", "pid": None, "users": []}


def test_what_is_missing_for_the_demonstration_is_said(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("INGESTOR_OIDC_ISSUER", raising=False)
    monkeypatch.setattr(provider, "_HERE", tmp_path / "a" / "b" / "c")
    with pytest.raises(SuiteError, match=r"npm install --prefix .*/oidc oidc-provider"):
        settle(folder, auth=True)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SuiteError, match=r"needs Node\.js"):
        settle(folder, auth=True)


@pytest.mark.parametrize("seconds", ["soon", "0", "-1", "1.5", "86401"])
def test_the_life_of_tokens_is_a_number(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, seconds: str
) -> None:
    monkeypatch.delenv("INGESTOR_OIDC_ISSUER", raising=False)
    monkeypatch.setenv("INGESTOR_DEMO_TOKEN_SECONDS", seconds)
    with pytest.raises(SuiteError, match="INGESTOR_DEMO_TOKEN_SECONDS"):
        settle(folder, auth=True)


def test_a_wrong_origin_is_said(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INGESTOR_CORS_ORIGINS", "app.example.com")
    with pytest.raises(SuiteError, match=r"INGESTOR_CORS_ORIGINS: .*is not an origin"):
        settle(folder, auth=False)
