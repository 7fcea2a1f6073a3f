"""A certificate authority in the data folder, which vouches for this machine's suite and for nothing else."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ingestor.local.errors import SuiteError

CA_DAYS = 3650
LEAF_DAYS = 90
_RENEW_DAYS = 30  # before the end
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Leaf:
    """The files of one certificate, as PEM."""

    certificate: Path
    key: Path
    ca: Path


def tls_settings(leaf: Leaf | None) -> dict[str, str]:
    """The environment of a service that has this certificate; without one empty values, whatever the suite's
    own environment says."""
    files = (leaf.certificate, leaf.key, leaf.ca) if leaf else ("", "", "")
    names = ("INGESTOR_TLS_CERT", "INGESTOR_TLS_KEY", "INGESTOR_TLS_CA")
    return {name: str(file) for name, file in zip(names, files, strict=True)}


class LocalCa:
    """Makes and renews certificates. The CA's own is made once and kept, so that whoever trusts it once does
    so for good; it cannot vouch for any other host name."""

    def __init__(self, folder: Path, names: Sequence[str]) -> None:
        """`names`: those of the parts of the suite, which the CA may sign for besides this machine's own.
        Makes the CA if the folder has none. Raises SuiteError when its own certificate has ended, or is for
        other parts."""
        self.folder = folder.absolute()
        self._names: dict[str, Sequence[str]] = {}
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.certificate = self.folder / "ca.crt"
        key_file = self.folder / "ca.key"
        if not (self.certificate.exists() and key_file.exists()):
            self._make(key_file, [*names, "localhost"])
        self._certificate = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        key = serialization.load_pem_private_key(key_file.read_bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key
        if self._certificate.not_valid_after_utc < datetime.now(UTC):
            raise SuiteError(
                f"the suite's CA in {self.folder} has expired; delete the folder, and a new one is made"
            )
        allowed = self._certificate.extensions.get_extension_for_class(x509.NameConstraints).value
        if not {x509.DNSName(name) for name in names} <= set(allowed.permitted_subtrees or ()):
            raise SuiteError(
                f"the suite's CA in {self.folder} is of an earlier version, which had fewer parts; "
                "delete the folder, and a new one is made"
            )

    def _make(self, key_file: Path, names: Sequence[str]) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Data Ingestor on this machine")])
        # Of addresses BoringSSL knows no constraints.
        allowed = x509.NameConstraints([x509.DNSName(found) for found in names], None)
        certificate = (
            _builder(name, name, key, CA_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(ca=True), critical=True)
            .add_extension(allowed, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        _write(key_file, _pem(key))
        _write(self.certificate, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)

    def leaf(self, name: str, *, local: bool = False) -> Leaf:
        """The files of the certificate of `name`, made or renewed as needed; with `local` it also names this
        machine, as that of a server must to which clients connect by address."""
        self._names[name] = (name, *LOCAL_NAMES) if local else (name,)
        files = self._files(name)
        if not self._is_good(files, name):
            self.issue(name)
        return files

    def due(self) -> list[str]:
        """The names of the certificates near their end."""
        return [name for name in self._names if not self._is_good(self._files(name), name)]

    def issue(self, name: str, *, days: float = LEAF_DAYS, names: Sequence[str] | None = None) -> None:
        """Make a certificate that ends in `days` (or has ended, if negative) and replace the files, each at
        once, the key first."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        alternatives = [_general(found) for found in names or self._names.get(name, (name,))]
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        certificate = (
            _builder(subject, self._certificate.subject, key, days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(issuer, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        files = self._files(name)
        files.certificate.parent.mkdir(exist_ok=True, mode=0o700)
        _write(files.ca, self.certificate.read_bytes(), mode=0o644)
        _write(files.key, _pem(key))
        _write(files.certificate, certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)

    def _files(self, name: str) -> Leaf:
        folder = self.folder / name
        return Leaf(folder / "tls.crt", folder / "tls.key", folder / "ca.crt")

    def _is_good(self, files: Leaf, name: str) -> bool:
        """Whether the certificate is this CA's, has its names, and lasts a while yet."""
        try:
            found = x509.load_pem_x509_certificate(files.certificate.read_bytes())
            key = serialization.load_pem_private_key(files.key.read_bytes(), None)
            found.verify_directly_issued_by(self._certificate)
            alternatives = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except Exception:  # whatever is wrong with the files, new ones are right
            return False
        return (
            found.public_key() == key.public_key()
            and list(alternatives) == [_general(known) for known in self._names[name]]
            and found.not_valid_after_utc - datetime.now(UTC) > timedelta(days=_RENEW_DAYS)
        )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: float
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    end = now + timedelta(days=days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, end) - timedelta(hours=1))  # clocks differ
        .not_valid_after(end)
    )


def _usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace a file atomically; nobody but its owner can ever read it if `mode` says so."""
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
    part.replace(path)
