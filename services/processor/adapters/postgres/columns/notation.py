"""Values in the notation that a column's type reads."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import pyarrow as pa

from ingestor.columns.arrow import AnyArray, pc
from ingestor.types.notation.json_text import canonical_json, read_cell


def as_text(values: AnyArray) -> AnyArray:
    """The values as texts: moments in UTC as 2024-01-31T10:00:00.5Z."""
    if pa.types.is_string(values.type):
        return values
    if not pa.types.is_timestamp(values.type):
        return pc.cast(values, pa.string())  # type: ignore[no-any-return]
    texts = pc.cast(pc.cast(values, pa.timestamp("us")), pa.string())  # with six digits of a second
    texts = pc.replace_substring(texts, pattern=" ", replacement="T")
    texts = pc.ascii_rtrim(pc.ascii_rtrim(texts, characters="0"), characters=".")
    return pc.binary_join_element_wise(texts, "Z", "")  # type: ignore[no-any-return]


def without_point(numbers: AnyArray) -> AnyArray:
    """Decimal numbers, without the zeros behind the point of whole ones: 7.0 is 7."""
    return pc.replace_substring_regex(  # type: ignore[no-any-return]
        numbers, pattern=r"\A([+-]?[0-9]+)\.0*\z", replacement=r"\1"
    )


def hexadecimal(text: str) -> str:
    """Base64 as PostgreSQL writes bytes."""
    return "\\x" + b64decode(text).hex()


def array_literal(text: str) -> str:
    """A JSON array as PostgreSQL writes arrays; what its items are is up to their type. Raises
    ValueFormatError for other JSON."""
    return _braced(read_cell(text, list))


def _braced(items: list[Any]) -> str:
    return "{" + ",".join(_item(item) for item in items) + "}"


def _item(item: Any) -> str:
    if item is None:
        return "NULL"
    if isinstance(item, list):
        return _braced(item)
    if isinstance(item, dict):
        item = canonical_json(item)
    elif not isinstance(item, str):
        return str(item).lower()
    escaped = str(item).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
