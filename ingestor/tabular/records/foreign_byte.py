"""Names a byte that is not UTF-8, for people."""

from __future__ import annotations


def described(byte: int) -> str:
    """The byte, and what it is in the encoding that it is most often in."""
    shown = bytes([byte]).decode("cp1252", "replace")
    reads = f' ("{shown}" in cp1252)' if shown.isprintable() and shown != "\ufffd" else ""
    return f"0x{byte:02X}{reads}"
