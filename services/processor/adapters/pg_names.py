"""Names as SQL has them."""

from __future__ import annotations

from collections.abc import Iterable


def quoted(name: str) -> str:
    """A name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def listed(names: Iterable[str], prefix: str = "") -> str:
    """Names as a list of identifiers; `prefix` such as "t." goes before each."""
    return ", ".join(f"{prefix}{quoted(name)}" for name in names)
