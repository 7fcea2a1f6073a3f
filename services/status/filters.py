"""Filters of list calls: a subset of AIP-160 (https://google.aip.dev/160): comparisons joined by AND."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

_TOKEN = re.compile(
    r"""\s*(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*(?P<op><=|>=|!=|=|<|>)\s*"""
    r"""(?:"(?P<text>(?:[^"\\]|\\.)*)"|(?P<word>[^\s"]+)))\s*"""
)
_AND = re.compile(r"AND\b")

Operator = Literal["=", "!=", "<", "<=", ">", ">="]


class FilterError(ValueError):
    """The filter cannot be used; says what is wrong and at which character (from 1)."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """`name operator value`; a numeric field's value is an int."""

    name: str
    operator: Operator
    value: str | int


@dataclass(frozen=True, slots=True)
class Fields:
    """What may be compared: texts by = and !=, numbers by all, enumerations by their names."""

    texts: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    enums: dict[str, frozenset[str]] | None = None


def parse_filter(text: str, fields: Fields) -> list[Comparison]:
    """Parse a filter; an empty one has no comparisons. Raises FilterError."""
    found: list[Comparison] = []
    position = 0
    if not text.strip():
        return found
    while True:
        match = _TOKEN.match(text, position)
        if match is None:
            raise FilterError(f"character {position + 1}: expected a comparison such as status=FAILED")
        found.append(_comparison(match, fields))
        position = match.end()
        if position == len(text):
            return found
        joint = _AND.match(text, position)
        if joint is None:
            raise FilterError(f"character {position + 1}: expected AND")
        position = joint.end()


def _comparison(match: re.Match[str], fields: Fields) -> Comparison:
    name, operator = match["name"], match["op"]
    value = match["word"] if match["text"] is None else re.sub(r"\\(.)", r"\1", match["text"])
    at = f"character {match.start('name') + 1}"
    enums = fields.enums or {}
    if name in fields.numbers:
        if not value.isascii() or not value.isdigit() or len(value) > 18:
            raise FilterError(f"{at}: {name} is compared with a whole number, not {value!r}")
        return Comparison(name, operator, int(value))  # type: ignore[arg-type]
    if name not in fields.texts and name not in enums:
        known = ", ".join(sorted({*fields.texts, *fields.numbers, *enums}))
        raise FilterError(f"{at}: there is no field {name!r}; known are {known}")
    if operator not in ("=", "!="):
        raise FilterError(f"{at}: {name} can be compared by = and != only")
    if name in enums and value not in enums[name]:
        raise FilterError(f"{at}: {name} is one of {', '.join(sorted(enums[name]))}, not {value!r}")
    return Comparison(name, operator, value)  # type: ignore[arg-type]
