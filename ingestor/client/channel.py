"""Where the suite is and how to connect to it: forms of addresses, TLS, and what may be wrong with that."""

from __future__ import annotations

import ipaddress
import re
import ssl
import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Self

import grpc

from ingestor.runtime.grpc.call_metadata import client_interceptors

_OPTIONS: list[tuple[str, int | str]] = [
    ("grpc.max_send_message_length", 5 * 2**20),
    ("grpc.max_receive_message_length", 5 * 2**20),
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_reconnect_backoff_ms", 2_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
]
_URL = re.compile(r"(https?)://([^/]+)/?", re.IGNORECASE)
_PORT = re.compile(r":\d+$")


def is_loopback(address: str) -> bool:
    """Whether an address (host:port or a URL) is on this machine."""
    if "://" not in address:
        address = f"//{address}"
    try:
        host = urllib.parse.urlsplit(address).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@dataclass(frozen=True)
class Endpoint:
    """A gateway."""

    target: str  # host:port
    tls: bool
    ca: bytes | None  # PEM; None: the CAs that gRPC brings

    @classmethod
    def of(cls, address: str, *, tls: bool | None = None, ca: str | PathLike[str] | None = None) -> Self:
        """`address` is host:port, http://host:port or https://host:port; `tls` None: by https://, and by
        host:port with a `ca`, which is a file.

        Raises ValueError for what contradicts itself or is no such address or file, OSError for a file that
        cannot be read.
        """
        target, wanted = address, ca is not None
        if "://" in address:
            found = _URL.fullmatch(address)
            if not found:
                raise ValueError(
                    f"the address {address!r} is not host:port, http://host:port or https://host:port"
                )
            wanted = found[1].lower() == "https"
            if tls is not None and tls != wanted:
                raise ValueError(f"the address {address!r} contradicts tls={tls}")
            target = found[2] if _PORT.search(found[2]) else f"{found[2]}:{443 if wanted else 80}"
        tls = wanted if tls is None else tls
        return cls(target, tls, _read_ca(Path(ca)) if ca is not None and tls else None)

    def open_channel(self, interceptors: Sequence[grpc.aio.ClientInterceptor] = ()) -> grpc.aio.Channel:
        """A channel, which belongs to the event loop that runs now; calls carry the current trace."""
        every = [*client_interceptors(), *interceptors]
        if not self.tls:
            return grpc.aio.insecure_channel(self.target, options=_OPTIONS, interceptors=every)
        credentials = grpc.ssl_channel_credentials(self.ca)
        return grpc.aio.secure_channel(self.target, credentials, options=_OPTIONS, interceptors=every)


def _read_ca(path: Path) -> bytes:
    pem = path.read_bytes()
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem.decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise ValueError(f"{path} holds no certificate of a CA (PEM)") from None
    return pem


def refused_hint(message: str) -> str | None:
    """What to say of a connection that was closed before anything was said; None for other messages."""
    if not message.startswith("failed to connect") or not message.endswith("Socket closed"):
        return None
    return "the connection was closed at once; a gateway with TLS has an address with https://"


def tls_problem(message: str) -> str | None:
    """What gRPC's message about a handshake that failed means; None for other messages."""
    if "Hostname Verification Check failed" in message:
        return "its certificate is for another host name; call it by a name or address in the certificate"
    if "handshake failed" not in message:
        return None
    if "WRONG_VERSION_NUMBER" in message:
        return "it does not speak TLS; write the address as http://host:port"
    if "certificate has expired" in message:
        return "its certificate has expired"
    if "certificate is not yet valid" in message:
        return "its certificate is not valid yet; is the clock right?"
    if "CERTIFICATE_VERIFY_FAILED" in message:
        return "no CA that is trusted here has signed its certificate; name the file of its CA (--ca)"
    return "TLS cannot be agreed on"
