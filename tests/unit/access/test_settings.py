"""Settings of access that would let somebody in are refused at start."""

from __future__ import annotations

import pytest
from pydantic import SecretStr, ValidationError

from ingestor.access.settings import AccessSettings

SECRET = "s" * 32


class Listening(AccessSettings):
    """Settings of a service."""

    listen: str = "127.0.0.1:0"


@pytest.mark.parametrize(
    ("auth", "keys", "listen", "problem"),
    [
        ("required", "", "0.0.0.0:1", "INGESTOR_INTERNAL_KEYS is needed"),
        ("required", "one:short", "0.0.0.0:1", "is shorter than 32"),
        ("required", f"one:{SECRET},two:short", "0.0.0.0:1", "is shorter than 32"),
        ("required", f"{SECRET * 2}", "0.0.0.0:1", "is shorter than 32"),
        ("required", f"one:{SECRET},one:{SECRET}", "0.0.0.0:1", "must not be repeated"),
        ("local", "", "0.0.0.0:1", "must be on loopback"),
        ("local", "", "[::]:1", "must be on loopback"),
        ("local", "", "status:1", "must be on loopback"),
        ("off", "", "127.0.0.1:1", "Input should be 'required' or 'local'"),
    ],
)
def test_what_is_refused(auth: str, keys: str, listen: str, problem: str) -> None:
    with pytest.raises(ValidationError, match=problem) as caught:
        Listening(auth=auth, internal_keys=SecretStr(keys), listen=listen)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("listen", ["127.0.0.1:1", "localhost:1", "[::1]:1"])
def test_on_loopback_everybody_may_be_the_admin(listen: str) -> None:
    assert Listening(auth="local", listen=listen).keyring().signing == "local"


def test_required_is_what_one_gets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("INGESTOR_AUTH")
    monkeypatch.setenv("INGESTOR_INTERNAL_KEYS", f"one:{SECRET}")
    settings = Listening()
    assert settings.auth == "required" and settings.keyring().signing == "one"
    assert SECRET not in repr(settings)
