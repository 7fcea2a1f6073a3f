"""Names as SQL has them."""

from __future__ import annotations

from collections.abc import Iterable


def quoted(name: str) -> str:
    """A name as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def qualified(schema: str, name: str) -> str:
    """The name of a table."""
    return f"{quoted(schema)}.{quoted(name)}"


def listed(names: Iterable[str], prefix: str = "") -> str:
    """Names as a list of identifiers; `prefix` such as "t." goes before each."""
    return ", ".join(f"{prefix}{quoted(name)}" for name in names)


def not_null(names: Iterable[str], prefix: str = "") -> str:
    """A condition: none of the columns is NULL."""
    return " AND ".join(f"{prefix}{quoted(name)} IS NOT NULL" for name in names)
