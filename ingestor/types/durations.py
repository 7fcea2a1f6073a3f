"""Durations of ISO 8601 compared as XML Schema does: a duration is so many months and so much time, and is
less than another one only if that holds from each of four moments on, for months are of different lengths.
https://www.w3.org/TR/xmlschema-2/#duration-order
"""

from __future__ import annotations

import re
from typing import Any

# Named parts, for RE2 as well; a text that fulfils values.DURATION_PATTERN matches as a whole.
PARTS_PATTERN = (
    r"(?P<minus>-?)P(?:(?P<weeks>[0-9]+)W)?(?:(?P<years>[0-9]+)Y)?(?:(?P<months>[0-9]+)M)?"
    r"(?:(?P<days>[0-9]+)D)?(?:T(?:(?P<hours>[0-9]+)H)?(?:(?P<minutes>[0-9]+)M)?"
    r"(?:(?P<seconds>[0-9]+)(?:\.(?P<fraction>[0-9]+))?S)?)?"
)
DAY = 86_400_000_000
# The four moments, each the first of a month: years and months.
_MOMENTS = ((1696, 9), (1697, 2), (1903, 3), (1903, 7))


def instants(months: Any, micros: Any) -> list[tuple[Any, Any]]:
    """Days, and microseconds of the day, from each of the four moments on. Takes whole numbers, or arrays of
    them. Microseconds of any size; only a duration's own days are to be added to the days."""
    found = []
    more, rest = micros // DAY, micros % DAY
    for year, month in _MOMENTS:
        first = year * 12 + month - 1
        found.append((_day(first + months) - _day(first) + more, rest))
    return found


def _day(month: Any) -> Any:
    """The number of the first day of a month, which is counted from the year 0 on."""
    shifted = month - 2  # years that begin in March
    year, place = shifted // 12, shifted % 12
    return year * 365 + year // 4 - year // 100 + year // 400 + (153 * place + 2) // 5


def points(text: str) -> tuple[tuple[int, int], ...]:
    """The same of a duration's text, which is one."""
    match = re.fullmatch(PARTS_PATTERN, text)
    assert match is not None, "a duration's text has these parts"
    part = {name: int(value or 0) for name, value in match.groupdict().items() if name not in _TEXTS}
    fraction = int((match["fraction"] or "").ljust(6, "0"))
    sign = -1 if match["minus"] else 1
    micros = ((part["hours"] * 60 + part["minutes"]) * 60 + part["seconds"]) * 1_000_000 + fraction
    days = part["weeks"] * 7 + part["days"]
    found = instants(sign * (part["years"] * 12 + part["months"]), sign * micros)
    return tuple((day + sign * days, rest) for day, rest in found)


_TEXTS = ("minus", "fraction")
