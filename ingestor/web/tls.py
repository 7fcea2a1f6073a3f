"""TLS of the page server: only who has a certificate of the suite's CA, such as the gateway, is answered."""

from __future__ import annotations

import ssl

import structlog

from ingestor.runtime.grpc.credentials import TlsFiles

log = structlog.get_logger(__name__)


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """A context that uses renewed files for new connections. Raises OSError when the files cannot be used."""
    identity, current = files.current(), _context(files)

    def choose(connection: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        """Called at the beginning of each handshake, whether the client names a server or not."""
        nonlocal identity, current
        renewed = files.current()
        if renewed is not identity:
            try:
                identity, current = renewed, _context(files)
            except OSError as error:  # they are being replaced again
                log.warning("changed certificate files are not used", error=str(error))
        connection.context = current

    first = current
    first.sni_callback = choose
    return first


def _context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(files.certificate, files.key)
    context.load_verify_locations(files.ca)
    context.set_alpn_protocols(["http/1.1"])
    return context
