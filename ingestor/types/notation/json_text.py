"""JSON: cells read exactly, within what PostgreSQL's jsonb holds; values compared; one canonical text."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from ingestor.types.number import parse_number
from ingestor.types.type import ValueFormatError, not_a

# Python's reader and PostgreSQL's go deeper, but how deep depends on the stack.
MAX_DEPTH = 200


def read_cell(text: str, kind: type[list[Any]] | type[dict[str, Any]]) -> Any:
    """The JSON array or object of a cell; numbers are int (of up to 18 characters) or Decimal, exactly.
    Raises ValueFormatError if it is no JSON of this kind, or JSON that jsonb cannot hold."""
    what, begin = ("a JSON array", "[") if kind is list else ("a JSON object", "{")
    if not text.lstrip(" \t\r\n").startswith(begin):
        raise not_a(what, text)
    try:
        value = _DECODER.decode(text)
    except ValueFormatError as error:
        raise ValueFormatError(f"holds a number that {error}") from None
    except ValueError:
        raise not_a(what, text) from None
    except RecursionError:
        raise _too_deep() from None
    if text.count("[") + text.count("{") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise _too_deep()
    if "\\u" in text:
        for found in _texts(value):
            if "\0" in found:
                raise ValueFormatError("holds the character U+0000, which PostgreSQL cannot store")
            if any("\ud800" <= character <= "\udfff" for character in found):
                raise ValueFormatError("holds half of a surrogate pair, which is not valid Unicode")
    return value


def comparable(value: Any) -> tuple[Any, ...]:
    """A key that is equal, with an equal hash, for values that are equal as JSON: numbers by value, objects
    in any order of their keys."""
    if isinstance(value, dict):
        return ("object", tuple(sorted((key, comparable(item)) for key, item in value.items())))
    if isinstance(value, list):
        return ("array", tuple(comparable(item) for item in value))
    return (_kind(value), value)


def is_number(value: Any) -> bool:
    """Whether it is a number, which true and false are not."""
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def canonical_json(value: Any) -> str:
    """One text for all documents that differ only in blanks, escapes and the order of keys. Numbers keep
    their digits."""
    if isinstance(value, dict):
        items = (f"{_string(key)}:{canonical_json(value[key])}" for key in sorted(value))
        return "{" + ",".join(items) + "}"
    if isinstance(value, list):
        return "[" + ",".join(canonical_json(item) for item in value) + "]"
    if isinstance(value, Decimal):
        return str(value)
    return _string(value)


def _string(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _kind(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return "null" if value is None else "boolean"
    return "string" if isinstance(value, str) else "number"


def _no_constant(text: str) -> None:
    raise ValueError(text)


def _whole(text: str) -> int | Decimal:
    return int(text) if len(text) <= 18 else parse_number(text)


def _fraction(text: str) -> Decimal:
    plain = len(text) <= 1000 and "e" not in text and "E" not in text
    return Decimal(text) if plain else parse_number(text)


# Made once: that takes longer than to read a short text.
_DECODER = json.JSONDecoder(parse_constant=_no_constant, parse_int=_whole, parse_float=_fraction)


def _too_deep() -> ValueFormatError:
    return ValueFormatError(f"is nested deeper than {MAX_DEPTH} levels")


def _inner(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level := [item for item in level if isinstance(item, dict | list)]:
        depth += 1
        level = [item for outer in level for item in _inner(outer)]
    return depth


def _texts(value: Any) -> Iterator[str]:
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict):
            yield from item
        left.extend(_inner(item))
