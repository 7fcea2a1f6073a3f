"""Names in a document that become names in PostgreSQL, and which ones are allowed."""

from __future__ import annotations

import hashlib
from collections.abc import Container
from typing import Any

from pydantic_core import PydanticCustomError

# The longest identifier of PostgreSQL.
MAX_NAME_BYTES = 63
# Columns that the suite adds to a table, and those that PostgreSQL has in every table.
RESERVED_COLUMNS = frozenset(
    ("_process_id", "_row_number", "ctid", "xmin", "xmax", "cmin", "cmax", "tableoid")
)
RESERVED_PREFIX = "_ingestor"
# Schemas that belong to the suite or to PostgreSQL itself.
RESERVED_SCHEMAS = frozenset(
    ("access", "upload", "orchestrator", "processor", "status", "information_schema")
)

# Hexadecimal digits that keep apart labels which cannot be names themselves.
_DIGEST = 8
_VERSION_DIGITS = 10


def identifier(value: str) -> str:
    """A name of PostgreSQL."""
    if not 1 <= len(value.encode()) <= MAX_NAME_BYTES:
        raise PydanticCustomError("identifier", "must be 1 to 63 bytes long, to be a name in PostgreSQL")
    return value


def is_reserved(value: str) -> bool:
    """Whether a column cannot have this name."""
    return value in RESERVED_COLUMNS or value.startswith(RESERVED_PREFIX)


def column(value: str) -> str:
    """The name of a column."""
    if is_reserved(value):
        raise PydanticCustomError("reserved", "is a name that the suite or PostgreSQL uses itself")
    return identifier(value)


def table(value: str) -> str:
    """The name of a table, with or without its schema."""
    schema, dot, name = value.partition(".")
    for part in (schema, name) if dot else (value,):
        identifier(part)
    if "." in name:
        raise PydanticCustomError("table", 'must be "table" or "schema.table"')
    if dot and (schema in RESERVED_SCHEMAS or schema.startswith("pg_")):
        raise PydanticCustomError("reserved", "the schema belongs to the suite or to PostgreSQL")
    return value


def reference(text: str) -> tuple[str, int]:
    """Name and version of "name@version", or of "name", whose version is 0: the latest. Raises ValueError."""
    name, at, version = text.partition("@")
    if not at:
        return name, 0
    digits = version.isascii() and version.isdigit() and len(version) <= _VERSION_DIGITS
    if not digits or not 1 <= int(version) < 2**31:
        raise ValueError("must be a name, or name@version")
    return name, int(version)


def listed(value: Any) -> Any:
    """A single name as a list of one."""
    return [value] if isinstance(value, str) else value


def column_for(label: str, taken: Container[str]) -> str:
    """The name of the column that takes a file's column with this label: the label itself. If that cannot
    be a name or is `taken`, as much of it as fits and 8 hexadecimal digits of its SHA-256. It depends on
    nothing else, so the columns with one label in several files go to the same column."""
    size = len(label.encode())
    if 1 <= size <= MAX_NAME_BYTES and not is_reserved(label) and label not in taken:
        return label
    digest = hashlib.sha256(label.encode()).hexdigest()[:_DIGEST]
    stem = "column" if label.startswith(RESERVED_PREFIX) else label
    return f"{stem.encode()[: MAX_NAME_BYTES - _DIGEST - 1].decode(errors='ignore')}_{digest}"
