"""Parses filters of list calls: comparisons joined by AND, a subset of AIP-160 (https://google.aip.dev/160)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from ingestor.runtime.clock import USUAL_YEARS, is_usual_time

_TOKEN = re.compile(
    r"""\s*(?:(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*(?P<op><=|>=|!=|=|<|>|:)\s*"""
    r"""(?:"(?P<text>(?:[^"\\]|\\.)*)"|(?P<word>[^\s"]+)))\s*"""
)
_AND = re.compile(r"AND\b")
MAX_COMPARISONS = 20
MAX_FILTER = 4096  # characters
_SHOWN = 40  # characters of a value or name that a message repeats

Operator = Literal["=", "!=", "<", "<=", ">", ">=", ":"]


class FilterError(ValueError):
    """A filter is invalid: at which character (from 1), and why."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """`name operator value`; the value of a number is an int, that of a time a datetime. The operator ":"
    asks whether the text contains the value, ignoring case."""

    name: str
    operator: Operator
    value: str | int | datetime


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a filter. Texts allow = and !=, those in `searched` also :, enumerations = and != with
    their names, numbers and times every operator except :."""

    texts: frozenset[str] = frozenset()
    searched: frozenset[str] = frozenset()
    numbers: frozenset[str] = frozenset()
    times: frozenset[str] = frozenset()
    enums: dict[str, frozenset[str]] | None = None


def parse_filter(text: str, fields: Fields) -> list[Comparison]:
    """Parse a filter, which may be empty. Raises FilterError."""
    found: list[Comparison] = []
    position = 0
    if len(text) > MAX_FILTER:
        raise FilterError(f"character {MAX_FILTER + 1}: a filter has at most {MAX_FILTER} characters")
    if "\0" in text:
        raise FilterError(f"character {text.index(chr(0)) + 1}: U+0000 is not allowed")
    if not text.strip():
        return found
    while True:
        match = _TOKEN.match(text, position)
        if match is None:
            raise FilterError(f"character {position + 1}: expected a comparison such as status=FAILED")
        if len(found) == MAX_COMPARISONS:
            raise FilterError(
                f"character {match.start('name') + 1}: a filter has at most {MAX_COMPARISONS} comparisons"
            )
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
    if operator == ":" and name not in fields.searched and name in {*fields.numbers, *fields.times}:
        raise FilterError(f"{at}: {name} is not a text and cannot be compared by :")
    if name in fields.times:
        return Comparison(name, operator, _time(at, name, value))  # type: ignore[arg-type]
    if name in fields.numbers:
        if not value.isascii() or not value.isdigit() or len(value) > 18:
            raise FilterError(f"{at}: {name} must be compared with a whole number, not {_shown(value)}")
        return Comparison(name, operator, int(value))  # type: ignore[arg-type]
    if name not in fields.texts and name not in enums:
        known = ", ".join(sorted({*fields.texts, *fields.numbers, *fields.times, *enums}))
        raise FilterError(f"{at}: unknown field {_shown(name)}; use one of {known}")
    if operator not in ("=", "!=", *(":" if name in fields.searched else "")):
        possible = "=, != and :" if name in fields.searched else "= and !="
        raise FilterError(f"{at}: {name} can be compared by {possible} only")
    if name in enums and value not in enums[name]:
        raise FilterError(
            f"{at}: {name} must be one of {', '.join(sorted(enums[name]))}, not {_shown(value)}"
        )
    return Comparison(name, operator, value)  # type: ignore[arg-type]


def _time(at: str, name: str, value: str) -> datetime:
    """Parse an RFC 3339 time; without an offset it is in UTC."""
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        raise FilterError(
            f'{at}: {name} must be compared with a time such as "2026-01-31T12:00:00Z", not {_shown(value)}'
        ) from None
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    if not is_usual_time(found):
        years = f"{USUAL_YEARS.start} to {USUAL_YEARS.stop - 1}"
        raise FilterError(f"{at}: {name} must be compared with a time of the years {years}")
    return found


def _shown(value: str) -> str:
    """A value as a message repeats it."""
    return repr(value if len(value) <= _SHOWN else value[: _SHOWN - 1] + "…")
