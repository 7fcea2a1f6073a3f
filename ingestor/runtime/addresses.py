"""Addresses written as host:port."""

from __future__ import annotations


def split_address(address: str) -> tuple[str, int]:
    """Split "host:port" ("[::1]:80" for IPv6); raises ValueError naming the address."""
    host, colon, port = address.rpartition(":")
    if not colon or not host or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{address!r} is not host:port")
    return host.strip("[]"), int(port)
