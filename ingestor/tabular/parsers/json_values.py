"""Turns JSON values into cells without loss: numbers stay as written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


class Number(str):
    """A number as written (RFC 8259)."""

    __slots__ = ()


class JsonObject:
    """An object with its members in order, repeated ones included."""

    __slots__ = ("members",)

    def __init__(self, members: list[tuple[str, Any]]) -> None:
        self.members = members

    def repeated(self) -> str | None:
        """A name that occurs more than once; None when there is no such name."""
        seen: set[str] = set()
        for name, _ in self.members:
            if name in seen:
                return name
            seen.add(name)
        return None


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not a JSON value")


decoder = json.JSONDecoder(
    object_pairs_hook=JsonObject, parse_int=Number, parse_float=Number, parse_constant=_no_constant
)


def raw_decode(text: str, at: int) -> tuple[Any, int]:
    """The value that starts at `at`, and where it ends. Raises json.JSONDecodeError or another ValueError."""
    found: tuple[Any, int] = decoder.raw_decode(text, at)
    return found


class RepeatedNameError(ValueError):
    """An object has a name more than once."""


def as_cell(value: Any) -> str | None:
    """A value as the text of a cell: strings unchanged, numbers and literals as written, null as None,
    objects and arrays as JSON without blanks. Raises RepeatedNameError."""
    if value is None:
        return None
    if isinstance(value, str):
        return value
    if value is True:
        return "true"
    if value is False:
        return "false"
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, Number):
        return value
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, JsonObject):
        if name := value.repeated():
            raise RepeatedNameError(name)
        return "{" + ",".join(f"{_text(name)}:{_text(item)}" for name, item in value.members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    words: dict[Any, str] = {True: "true", False: "false", None: "null"}
    return words[value]


class RowError(Exception):
    """A record is not a row: code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def row_of(value: Any, positions: dict[str, int]) -> Sequence[str | None]:
    """The cells of an object; `positions` are those of the columns, by name. Raises RowError."""
    if not isinstance(value, JsonObject):
        raise RowError("type-error", "The record is not a JSON object.")
    cells: list[str | None] = [None] * len(positions)
    filled: set[str] = set()
    try:
        for name, item in value.members:
            if name in filled:
                raise RepeatedNameError(name)
            filled.add(name)
            cells[positions[name]] = as_cell(item)
    except RepeatedNameError as error:
        raise RowError("json-error", f"The name {error} occurs more than once in an object.") from None
    except KeyError as error:
        raise RowError("extra-cell", f"The table has no column {error}.") from None
    return cells
