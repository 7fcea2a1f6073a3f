"""Shakes hands with whatever listens on a port of this machine."""

from __future__ import annotations

import socket
import ssl
import time
import warnings
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from ingestor.local.tls.ca import Leaf


def handshake(port: int, version: ssl.TLSVersion | None = None, own: Leaf | None = None) -> bytes:
    """The certificate (DER) that is shown; by this version of TLS alone, and showing one of one's own. Raises
    ssl.SSLError when there is no agreement."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    if own:
        context.load_cert_chain(own.certificate, own.key)
    if version:
        context.set_ciphers("ALL:@SECLEVEL=0")  # else this side refuses old versions first
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
        context.wrap_socket(raw) as wrapped,
    ):
        shown = wrapped.getpeercert(binary_form=True)
    assert shown is not None
    return shown


def certificate(file: Path) -> bytes:
    """The first certificate (DER) of a file in PEM."""
    return x509.load_pem_x509_certificate(file.read_bytes()).public_bytes(Encoding.DER)


def wait_for_certificate(port: int, file: Path, own: Leaf | None = None, seconds: float = 30) -> None:
    """Shake hands until the certificate in the file is shown."""
    deadline = time.monotonic() + seconds
    while handshake(port, own=own) != certificate(file):
        assert time.monotonic() < deadline, f"{file} was not shown within {seconds:.0f} s"
        time.sleep(0.05)  # between two looks
