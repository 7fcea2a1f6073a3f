"""Settings of the database that contradict each other are told at start."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from ingestor.runtime.settings import DatabaseSettings

URL = "postgresql://upload:secret@db.example.com:6432/ingestor"
OPEN = "postgresql://upload@db.example.com/ingestor"
TLS = f"{OPEN}?sslmode=verify-full"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"database_url": URL, "database_password": "x"}, "has a password, and INGESTOR_DATABASE_PASSWORD"),
        ({"database_url": URL, "database_pooler": "transaction"}, "DIRECT_URL must lead to PostgreSQL"),
        ({"database_url": URL, "database_direct_url": URL}, "DIRECT_URL is for a pooler"),
        ({"database_url": OPEN, "database_auth": "rds-iam"}, "must ask for TLS"),
        ({"database_url": f"{OPEN}?sslmode=prefer", "database_auth": "rds-iam"}, "must ask for TLS"),
        ({"database_url": f"{URL}?sslmode=require", "database_auth": "rds-iam"}, "must be no password"),
        (
            {"database_url": TLS, "database_auth": "rds-iam", "database_password": "x"},
            "must be no password",
        ),
        (
            {"database_url": "postgresql:///ingestor?sslmode=require", "database_auth": "rds-iam"},
            "must name role and host",
        ),
        (
            {
                "database_url": TLS, "database_auth": "rds-iam", "database_pooler": "transaction",
                "database_direct_url": OPEN,
            },
            "INGESTOR_DATABASE_DIRECT_URL must ask for TLS",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem) as caught:
        _settings(settings)
    assert "secret@" not in str(caught.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"database_url": URL},
        {"database_url": OPEN, "database_password": "x"},
        {"database_url": TLS, "database_auth": "rds-iam"},
        {"database_url": URL, "database_pooler": "transaction", "database_direct_url": URL},
    ],
)
def test_what_is_taken(settings: dict[str, Any]) -> None:
    assert _settings(settings).database_url.get_secret_value() == settings["database_url"]


def _settings(settings: dict[str, Any]) -> DatabaseSettings:
    secrets = ("database_url", "database_password", "database_direct_url")
    values: dict[str, Any] = {
        name: SecretStr(value) if name in secrets else value for name, value in settings.items()
    }
    return DatabaseSettings(**values)
