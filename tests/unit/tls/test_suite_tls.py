"""Renewal while the suite runs: what is due is renewed, and who must be told is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from ingestor.local.errors import SuiteError
from ingestor.local.folder import Folder
from ingestor.local.tls.suite import LOOK_SECONDS, SuiteTls, open_tls


@pytest.fixture
def tls(tmp_path: Path) -> SuiteTls:
    return open_tls(Folder(tmp_path))


def days_left(tls: SuiteTls, name: str) -> int:
    pem = (tls.ca.folder / name / "tls.crt").read_bytes()
    left: timedelta = x509.load_pem_x509_certificate(pem).not_valid_after_utc - datetime.now(UTC)
    return left.days


def test_only_what_is_due_is_renewed_and_told(tls: SuiteTls) -> None:
    told: list[str] = []
    for name in ("postgres", "aws"):
        tls.on_renewed[name] = lambda name=name: told.append(name)  # type: ignore[misc]
    tls.ca.issue("postgres", days=2)
    tls.ca.issue("upload", days=2)
    tls.renew(told.append)
    assert days_left(tls, "postgres") == 1  # it has looked a moment ago
    tls.looked -= LOOK_SECONDS
    tls.renew(told.append)
    assert told == ["postgres"]
    assert days_left(tls, "postgres") > 80
    assert days_left(tls, "upload") > 80


def test_what_fails_is_said_and_tried_again_and_keeps_nothing_else_back(tls: SuiteTls) -> None:
    tries = [1, 2]

    def start_again() -> None:
        tries.pop()
        if tries:
            raise SuiteError("MiniStack was not ready within 60 s")

    tls.on_renewed["aws"] = start_again
    for name in ("aws", "gateway"):
        tls.ca.issue(name, days=2)
    tls.looked -= LOOK_SECONDS
    said: list[str] = []
    tls.renew(said.append)
    assert said == ["the certificate of aws could not be renewed: MiniStack was not ready within 60 s"]
    assert days_left(tls, "gateway") > 80
    tls.looked -= LOOK_SECONDS
    tls.renew(said.append)
    assert (len(said), tries) == (1, [])
