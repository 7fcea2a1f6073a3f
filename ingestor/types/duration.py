"""Durations of ISO 8601, compared as XML Schema does.

A duration is so many months and so much time. It is less than another one only if that holds from each of
four moments on, since months differ in length: https://www.w3.org/TR/xmlschema-2/#duration-order
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ingestor.columns.arrow import AnyArray, Mask, full_match, fully, pc, to_mask
from ingestor.columns.late import pa
from ingestor.columns.text_column import TextColumn, text_column
from ingestor.types.type import ORDERED, Bound, Converted, FieldType, Value, not_a

# With so few digits a part that PostgreSQL's interval can hold it. Years and hours that PostgreSQL made of
# months and minutes may have one more.
_DURATION = (
    r"-?P(?:[0-9]{1,8}W|(?:1?[0-9]{1,6}Y)?(?:[0-9]{1,6}M)?(?:[0-9]{1,9}D)?"
    r"(?:T(?:1?[0-9]{1,9}H)?(?:[0-9]{1,9}M)?(?:[0-9]{1,9}(?:\.[0-9]{1,6})?S)?)?)"
)
# Named parts, for RE2 and Python; matches every duration as a whole.
_PARTS = (
    r"(?P<minus>-?)P(?:(?P<weeks>[0-9]+)W)?(?:(?P<years>[0-9]+)Y)?(?:(?P<months>[0-9]+)M)?"
    r"(?:(?P<days>[0-9]+)D)?(?:T(?:(?P<hours>[0-9]+)H)?(?:(?P<minutes>[0-9]+)M)?"
    r"(?:(?P<seconds>[0-9]+)(?:\.(?P<fraction>[0-9]+))?S)?)?"
)
# As PostgreSQL writes an interval of one sign: "-1 years -2 mons -10 days -02:30:00", for each sign.
_POSTGRES = {
    sign: rf"(?:{sign}(?P<years>[0-9]+) years? ?)?(?:{sign}(?P<months>[0-9]+) mons? ?)?"
    rf"(?:{sign}(?P<days>[0-9]+) days? ?)?"
    rf"(?:{sign}(?P<hours>[0-9]{{2,}}):(?P<minutes>[0-9]{{2}}):(?P<seconds>[0-9]{{2}}(?:\.[0-9]{{1,6}})?))?"
    for sign in ("", "-")
}
_LETTERS = {"years": "Y", "months": "M", "days": "D", "hours": "H", "minutes": "M", "seconds": "S"}
_NAMES = ("minus", "years", "months", "weeks", "days", "hours", "minutes", "seconds", "fraction")
_DAY = 86_400_000_000
# The four moments, each the first of a month: years and months.
_MOMENTS = ((1696, 9), (1697, 2), (1903, 3), (1903, 7))


class DurationType(FieldType):
    """A duration such as P1Y2M10DT2H30M, of at least one part, or as PostgreSQL writes it, "1 year 2 mons
    10 days 02:30:00"; becomes text of ISO 8601, as PostgreSQL reads it."""

    name = "duration"
    examples = ("P1M", "P30D", "-P1Y2M10DT2H30M", "PT0.5S", "P3W", "-1 years -2 mons -02:30:00", "00:00:00")
    postgres_type = "interval"
    constraints = ORDERED
    # P30D is neither less nor more than P1M, nor the same.
    bound_messages: ClassVar[Mapping[Bound, str]] = {
        "minimum": "is not at least the minimum",
        "maximum": "is not at most the maximum",
        "exclusiveMinimum": "is not more than the exclusiveMinimum",
        "exclusiveMaximum": "is not less than the exclusiveMaximum",
    }

    def parse(self, text: str) -> str:
        iso = _value_of_postgres(text) or text
        if not re.fullmatch(_DURATION, iso) or iso.endswith(("P", "T")):
            raise not_a("a duration of ISO 8601 such as P1DT12H", text)
        return iso

    def convert(self, text: TextColumn) -> Converted:
        if (
            pc.any(pc.match_substring(text.array, " ")).as_py()
            or pc.any(pc.match_substring(text.array, ":")).as_py()
        ):
            text = text_column(_column_of_postgres(text.array), frozenset())
        empty = to_mask(pc.or_(pc.ends_with(text.array, "P"), pc.ends_with(text.array, "T")), null=False)
        bad = text.present(~fully(text.array, _DURATION)) | empty
        return Converted(_for_postgres(text.array), text.array, bad if bad.any() else None)

    def beyond(self, bound: Bound, limit: Value, text: TextColumn, converted: Converted) -> Mask | None:
        months, days, micros = _column_parts(converted.comparable)
        broken = np.zeros(len(text), np.bool_)
        instants = _instants(months, micros)
        for (day, rest), (limit_day, limit_rest) in zip(instants, points(str(limit)), strict=True):
            day = day + days
            less = (day < limit_day) | ((day == limit_day) & (rest < limit_rest))
            same = (day == limit_day) & (rest == limit_rest)
            wrong = less if bound in ("minimum", "exclusiveMinimum") else ~(less | same)
            broken |= wrong | same if bound.startswith("exclusive") else wrong
        return text.present(converted.good(broken))

    def exceeds(self, one: Any, other: Any) -> bool:
        return all(mine > its for mine, its in zip(points(one), points(other), strict=True))


def _value_of_postgres(text: str) -> str | None:
    """A text of PostgreSQL in the form of ISO 8601; None if it is none."""
    for sign, pattern in _POSTGRES.items():
        if text and (match := re.fullmatch(pattern, text)):
            part = {name: value and f"{value}{_LETTERS[name]}" for name, value in match.groupdict("").items()}
            clock = part["hours"] + part["minutes"] + part["seconds"]
            return f"{sign}P{part['years']}{part['months']}{part['days']}{'T' if clock else ''}{clock}"
    return None


def _column_of_postgres(array: pa.StringArray) -> Any:
    """A column whose texts of PostgreSQL have the form of ISO 8601."""
    result: Any = array
    for sign, pattern in _POSTGRES.items():
        found = pc.extract_regex(array, pattern=full_match(pattern))
        part: dict[str, Any] = {}
        for name, letter in _LETTERS.items():
            digits = pc.struct_field(found, name)
            part[name] = pc.if_else(pc.equal(digits, ""), "", pc.binary_join_element_wise(digits, letter, ""))
        clock = pc.binary_join_element_wise(part["hours"], part["minutes"], part["seconds"], "")
        time = pc.if_else(pc.equal(clock, ""), "", pc.binary_join_element_wise("T", clock, ""))
        iso = pc.binary_join_element_wise(f"{sign}P", part["years"], part["months"], part["days"], time, "")
        matched = pc.fill_null(pc.and_(pc.is_valid(found), pc.not_equal(array, "")), False)
        result = pc.if_else(matched, iso, result)
    return result


def _for_postgres(array: pa.StringArray) -> Any:
    """Durations as PostgreSQL reads them: -P1DT2H is P-1DT-2H there."""
    negative = pc.starts_with(array, "-")
    if not pc.any(negative).as_py():
        return array
    signed = pc.replace_substring_regex(array, pattern="([0-9.]+[A-Z])", replacement=r"-\1")
    return pc.if_else(negative, pc.utf8_slice_codeunits(signed, 1), array)


def points(text: str) -> tuple[tuple[int, int], ...]:
    """Days, and microseconds of the day, from each of the four moments to the end of a duration."""
    match = re.fullmatch(_PARTS, text)
    assert match is not None, "a duration's text has these parts"
    part = {name: int(value or 0) for name, value in match.groupdict().items() if name not in _TEXTS}
    fraction = int((match["fraction"] or "").ljust(6, "0"))
    sign = -1 if match["minus"] else 1
    micros = ((part["hours"] * 60 + part["minutes"]) * 60 + part["seconds"]) * 1_000_000 + fraction
    days = part["weeks"] * 7 + part["days"]
    found = _instants(sign * (part["years"] * 12 + part["months"]), sign * micros)
    return tuple((day + sign * days, rest) for day, rest in found)


_TEXTS = ("minus", "fraction")


def _column_parts(array: AnyArray) -> tuple[Any, Any, Any]:
    """Months, days and microseconds of each duration (int64[n]); meaningless for missing values."""
    parts = pc.extract_regex(array, pattern=full_match(_PARTS))
    named: Any = {name: pc.fill_null(pc.struct_field(parts, name), "") for name in _NAMES}
    minus = pc.equal(named.pop("minus"), "-").to_numpy(zero_copy_only=False)
    named["fraction"] = pc.ascii_rpad(named["fraction"], width=6, padding="0")
    number = {
        name: pc.cast(pc.if_else(pc.equal(texts, ""), "0", texts), "int64").to_numpy(zero_copy_only=False)
        for name, texts in named.items()
    }
    sign = np.where(minus, -1, 1)
    # At most 3.7e18, as no part has more than 9 digits.
    micros = ((number["hours"] * 60 + number["minutes"]) * 60 + number["seconds"]) * 1_000_000
    micros = sign * (micros + number["fraction"])
    return (
        sign * (number["years"] * 12 + number["months"]),
        sign * (number["weeks"] * 7 + number["days"]),
        micros,
    )


def _instants(months: Any, micros: Any) -> list[tuple[Any, Any]]:
    """Days, and microseconds of the day, from each of the four moments on. Takes whole numbers or arrays of
    them. A duration's own days are to be added to the days."""
    found = []
    more, rest = micros // _DAY, micros % _DAY
    for year, month in _MOMENTS:
        first = year * 12 + month - 1
        found.append((_day(first + months) - _day(first) + more, rest))
    return found


def _day(month: Any) -> Any:
    """The number of the first day of a month, which is counted from the year 0 on."""
    shifted = month - 2  # years that begin in March
    year, place = shifted // 12, shifted % 12
    return year * 365 + year // 4 - year // 100 + year // 400 + (153 * place + 2) // 5
