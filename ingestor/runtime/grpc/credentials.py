"""TLS between services: this process's certificate, its key and the CA, from files that may be renewed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import structlog

from ingestor.runtime.file_stamp import Stamp, stamp

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 1.0  # between two looks at the files


class TlsFileError(ValueError):
    """A file that cannot be used: which one, and why."""


@dataclass(frozen=True)
class Identity:
    """What a process shows to others, and by what it knows them; all PEM."""

    certificate: bytes  # and those between it and the CA
    key: bytes
    ca: bytes


class TlsFiles:
    """The files of a process. Anything that renews certificates may replace them while it runs."""

    def __init__(self, certificate: Path, key: Path, ca: Path) -> None:
        """Read the files. Raises TlsFileError when one cannot be read or they do not belong together."""
        self.certificate, self.key, self.ca = certificate, key, ca
        self._lock = threading.Lock()  # a server asks from gRPC's threads
        self._seen = self._stamp()
        self._looked = time.monotonic()
        self._identity = _read(self.certificate, self.key, self.ca)

    def current(self) -> Identity:
        """What the files hold now, or held when they last belonged together: they are replaced one after the
        other. The same object until they change."""
        with self._lock:
            now = time.monotonic()
            if now - self._looked >= _LOOK_SECONDS:
                self._looked = now
                self._look()
            return self._identity

    def _look(self) -> None:
        now = self._stamp()
        if now == self._seen:
            return
        self._seen = now
        try:
            self._identity = _read(self.certificate, self.key, self.ca)
        except TlsFileError as error:
            log.warning("changed certificate files are not used", error=str(error))
        else:
            log.info("certificate files read again", certificate=str(self.certificate))

    def _stamp(self) -> list[Stamp | None]:
        return [stamp(path) for path in (self.certificate, self.key, self.ca)]


def _read(certificate: Path, key: Path, ca: Path) -> Identity:
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    chain_pem, chain = _parsed(certificate, "certificate", x509.load_pem_x509_certificates)
    key_pem, private = _parsed(key, "private key", lambda pem: load_pem_private_key(pem, None))
    ca_pem, _ = _parsed(ca, "certificate", x509.load_pem_x509_certificates)
    if chain[0].public_key() != private.public_key():
        raise TlsFileError(f"the key in {key} is not that of the certificate in {certificate}")
    return Identity(chain_pem, key_pem, ca_pem)


def _parsed(path: Path, what: str, parse: Callable[[bytes], Any]) -> tuple[bytes, Any]:
    try:
        pem = path.read_bytes()
    except OSError as error:
        raise TlsFileError(f"{path} cannot be read: {error.strerror}") from None
    try:
        return pem, parse(pem)
    except (ValueError, TypeError):  # TypeError: the key has a password
        raise TlsFileError(f"{path} holds no {what} in PEM that can be used") from None


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Credentials of a server that asks every client for a certificate of the CA, and shows renewed
    certificates to new connections."""
    shown = files.current()

    def renewed() -> Any:
        nonlocal shown
        current = files.current()
        if current is shown:
            return None
        shown = current
        return _configuration(current)

    return grpc.dynamic_ssl_server_credentials(
        _configuration(shown), renewed, require_client_authentication=True
    )


def _configuration(identity: Identity) -> Any:
    return grpc.ssl_server_certificate_configuration([(identity.key, identity.certificate)], identity.ca)


def channel_credentials(identity: Identity) -> grpc.ChannelCredentials:
    """Credentials of a client."""
    return grpc.ssl_channel_credentials(identity.ca, identity.key, identity.certificate)


def server_name(service: str) -> tuple[str, str]:
    """The channel option by which a server must have a certificate that names `service`, whatever its
    address."""
    return ("grpc.ssl_target_name_override", service)


def peer_names(context: grpc.aio.ServicerContext[Any, Any]) -> frozenset[str] | None:
    """The names in the certificate of the caller, such as "upload"; None without TLS."""
    found = context.auth_context()
    if b"ssl" not in found.get("transport_security_type", ()):
        return None
    return frozenset(name.decode("utf-8", "replace") for name in found.get("peer_dns", ()))
