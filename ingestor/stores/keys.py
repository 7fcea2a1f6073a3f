"""Keys of files that belong together."""

from __future__ import annotations

_CONVERTED = "-text"


def text_key(file_key: str) -> str:
    """Key of a file's conversion."""
    return f"{file_key}{_CONVERTED}"


def original_key(file_key: str) -> str:
    """Key of the file that a client has sent, of itself or of its conversion."""
    return file_key.removesuffix(_CONVERTED)
