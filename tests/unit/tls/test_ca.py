"""The CA of the suite on one machine."""

from __future__ import annotations

import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from ingestor.local.errors import SuiteError
from ingestor.local.tls import ca as ca_module
from ingestor.local.tls.ca import LocalCa

NAMES = ["upload", "status"]


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def verify(root: Path, leaf: Path, name: str) -> None:
    """As a client does, by the rules of the web. Raises VerificationError."""
    store = Store([read(root)])
    PolicyBuilder().store(store).build_server_verifier(x509.DNSName(name)).verify(read(leaf), [])


def test_only_the_owner_reads_keys(tmp_path: Path) -> None:
    ca = LocalCa(tmp_path / "tls", NAMES)
    keys = [tmp_path / "tls" / "ca.key", ca.leaf("upload").key]
    assert [stat.S_IMODE(key.stat().st_mode) for key in keys] == [0o600, 0o600]
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700


def test_the_ca_and_good_certificates_are_kept(tmp_path: Path) -> None:
    first = LocalCa(tmp_path, NAMES)
    before = (first.certificate.read_bytes(), first.leaf("upload").certificate.read_bytes())
    second = LocalCa(tmp_path, NAMES)
    assert (second.certificate.read_bytes(), second.leaf("upload").certificate.read_bytes()) == before
    assert second.due() == []


def test_certificates_are_renewed_before_they_end(tmp_path: Path) -> None:
    ca = LocalCa(tmp_path, NAMES)
    upload = ca.leaf("upload")
    ca.leaf("status")
    ca.issue("upload", days=29)
    assert ca.due() == ["upload"]
    ca.issue("upload")
    assert ca.due() == []
    left = read(upload.certificate).not_valid_after_utc - datetime.now(UTC)
    assert left > timedelta(days=80)
    verify(ca.certificate, upload.certificate, "upload")


def test_a_damaged_or_foreign_certificate_is_replaced(tmp_path: Path) -> None:
    ca = LocalCa(tmp_path / "a", NAMES)
    upload = ca.leaf("upload")
    upload.key.write_text("nonsense")
    verify(ca.certificate, ca.leaf("upload").certificate, "upload")
    other = LocalCa(tmp_path / "b", NAMES).leaf("upload")
    upload.certificate.write_bytes(other.certificate.read_bytes())
    upload.key.write_bytes(other.key.read_bytes())
    verify(ca.certificate, ca.leaf("upload").certificate, "upload")


def test_a_certificate_names_one_service(tmp_path: Path) -> None:
    ca = LocalCa(tmp_path, NAMES)
    verify(ca.certificate, ca.leaf("upload").certificate, "upload")
    with pytest.raises(VerificationError):
        verify(ca.certificate, ca.leaf("upload").certificate, "status")


def test_the_ca_vouches_for_no_other_host(tmp_path: Path) -> None:
    """Whoever stole its key could not pretend to be a bank to those who trust it."""
    ca = LocalCa(tmp_path, NAMES)
    bank = ca.leaf("upload")
    ca.issue("upload", names=["bank.example"])
    with pytest.raises(VerificationError, match="constraint"):
        verify(ca.certificate, bank.certificate, "bank.example")


def test_openssl_finds_the_certificates_in_order(tmp_path: Path) -> None:
    """Also by the strict rules that newer Pythons have by default."""
    ca = LocalCa(tmp_path, NAMES)
    leaf = ca.leaf("upload", local=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(leaf.certificate, leaf.key)
    client = ssl.create_default_context(cafile=ca.certificate)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(to_client, to_server, server_hostname="127.0.0.1")
    answering = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (asking, answering, asking, answering):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert asking.getpeercert()


def test_an_expired_ca_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ca_module, "CA_DAYS", -1)
    with pytest.raises(SuiteError, match="has expired; delete the folder"):
        LocalCa(tmp_path, NAMES)


def test_a_ca_for_fewer_parts_is_told(tmp_path: Path) -> None:
    LocalCa(tmp_path, NAMES)
    with pytest.raises(SuiteError, match="earlier version"):
        LocalCa(tmp_path, [*NAMES, "archive"])
