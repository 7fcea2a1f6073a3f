"""Turns JSON values into cells without loss: numbers stay as written."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from ingestor.outcomes import quoted, shortened
from ingestor.tabular.words import looks_typed


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


class NotJson:
    """NaN or Infinity, which some programs write as if they were JSON."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


# Not strict: a tab or a line end inside a string is what it says, although RFC 8259 wants it escaped.
decoder = json.JSONDecoder(
    object_pairs_hook=JsonObject,
    parse_int=Number,
    parse_float=Number,
    parse_constant=NotJson,
    strict=False,
)


def raw_decode(text: str, at: int) -> tuple[Any, int]:
    """The value that starts at `at`, and where it ends. Raises json.JSONDecodeError or another ValueError."""
    found: tuple[Any, int] = decoder.raw_decode(text, at)
    return found


class RowError(Exception):
    """A record is not a row: code and message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


TOO_DEEP = "The record is nested too deeply."


def as_cell(value: Any) -> str | None:
    """A value as the text of a cell: strings unchanged, numbers and literals as written, null as None,
    objects and arrays as JSON without blanks. Raises RowError."""
    if value is None:
        return None
    if isinstance(value, str):
        return value
    if value is True:
        return "true"
    if value is False:
        return "false"
    try:
        return _text(value)
    except RecursionError:
        raise RowError("json-error", TOO_DEEP) from None


def _text(value: Any) -> str:
    if isinstance(value, Number):
        return value
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, JsonObject):
        if (name := value.repeated()) is not None:
            raise repeated_name(name)
        return "{" + ",".join(f"{_text(name)}:{_text(item)}" for name, item in value.members) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_text, value)) + "]"
    if isinstance(value, NotJson):
        raise RowError("json-error", f"{value.text} is not a JSON value; write null.")
    words: dict[Any, str] = {True: "true", False: "false", None: "null"}
    return words[value]


def repeated_name(name: str) -> RowError:
    """The error of an object that has a name more than once."""
    return RowError("json-error", f"The name {quoted(name)} occurs more than once in an object.")


_UNKEPT = re.compile("[\0\ud800-\udfff]")


def is_kept(text: str) -> bool:
    """Whether PostgreSQL can keep the text: it has neither NUL nor half of a surrogate pair."""
    return _UNKEPT.search(text) is None


def check_kept(value: Any) -> None:
    """Raise RowError when PostgreSQL cannot keep a string or a name in the value."""
    try:
        _check_kept(value, "")
    except RecursionError:
        raise RowError("json-error", TOO_DEEP) from None


def _check_kept(value: Any, member: str) -> None:
    if isinstance(value, str):
        _check_text(value, f"the member {quoted(member)}" if member else "the record")
    elif isinstance(value, list):
        for item in value:
            _check_kept(item, member)
    elif isinstance(value, JsonObject):
        for name, item in value.members:
            _check_text(name, f"the name of the member {json.dumps(shortened(name))}")
            _check_kept(item, f"{member}.{name}" if member else name)


def _check_text(text: str, where: str) -> None:
    if found := _UNKEPT.search(text):
        what = "the character" if found[0] == "\0" else "half of a surrogate pair,"
        raise RowError("encoding-error", f"PostgreSQL cannot keep {what} \\u{ord(found[0]):04x} in {where}.")


def row_of(value: Any, positions: dict[str, int]) -> tuple[Sequence[str | None], Sequence[int]]:
    """The cells of an object, and the positions of strings that look like numbers (see
    ingestor.tabular.words); `positions` are those of the columns, by name. Raises RowError."""
    if isinstance(value, RowError):
        raise value
    if not isinstance(value, JsonObject):
        raise RowError("type-error", "The record is not a JSON object.")
    cells: list[str | None] = [None] * len(positions)
    words: list[int] = []
    filled: set[str] = set()
    for name, item in value.members:
        if name in filled:
            raise repeated_name(name)
        filled.add(name)
        cell = as_cell(item)
        if name not in positions:
            raise RowError("extra-cell", f"The table has no column {quoted(name)}.")
        position = positions[name]
        cells[position] = cell
        if type(item) is str and looks_typed(item):
            words.append(position)
    return cells, words
