"""The lexical rules of each type, for one value: the text of a cell to a Python value.

The rules follow Frictionless Table Schema, narrowed to what PostgreSQL keeps exactly. The processor
applies the same rules to whole columns; here they serve the values inside pipeline documents and the
messages about rejected cells.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

# Values of JSON are tuples (see json_cells.comparable).
Value = str | int | Decimal | bool | date | datetime | time | tuple[Any, ...]

INTEGER_MIN = -(2**63)
INTEGER_MAX = 2**63 - 1
# PostgreSQL's numeric: https://www.postgresql.org/docs/current/datatype-numeric.html
NUMBER_MAX_INTEGRAL_DIGITS = 131_072
NUMBER_MAX_SCALE = 16_383
# The largest exponent that PostgreSQL reads, whatever the digits.
NUMBER_MAX_EXPONENT = 2**30 - 1

INTEGER_PATTERN = r"[+-]?[0-9]+"
NUMBER_PATTERN = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
DATE_PATTERN = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
DATETIME_PATTERN = (
    DATE_PATTERN + r"[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])?"
)

TIME_PATTERN = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
YEAR_PATTERN = r"[0-9]{4}"
YEARMONTH_PATTERN = r"[0-9]{4}-(?:0[1-9]|1[0-2])"
# ISO 8601, with at most 9 digits a part, so that PostgreSQL's interval can hold it.
DURATION_PATTERN = (
    r"-?P(?:[0-9]{1,9}W|(?:[0-9]{1,6}Y)?(?:[0-9]{1,6}M)?(?:[0-9]{1,9}D)?"
    r"(?:T(?:[0-9]{1,9}H)?(?:[0-9]{1,9}M)?(?:[0-9]{1,9}(?:\.[0-9]{1,6})?S)?)?)"
)
LONGITUDE_PATTERN = r"[+-]?(?:180(?:\.0+)?|(?:1[0-7][0-9]|[0-9]?[0-9])(?:\.[0-9]+)?)"
LATITUDE_PATTERN = r"[+-]?(?:90(?:\.0+)?|[0-8]?[0-9](?:\.[0-9]+)?)"
GEOPOINT_PATTERN = LONGITUDE_PATTERN + r", ?" + LATITUDE_PATTERN
# What the formats of strings look like; RE2 and Python read these expressions alike.
STRING_FORMATS = {
    # The HTML standard's rule for <input type=email>, and a domain with a dot.
    "email": r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
    r"(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)+",
    # RFC 3986: a scheme, and characters that may stand in a URI.
    "uri": r"[a-zA-Z][a-zA-Z0-9+.-]*:(?:[a-zA-Z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9a-fA-F]{2})+",
    # RFC 9562, either case.
    "uuid": r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
    # RFC 4648.
    "binary": r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?",
}

_INTEGER = re.compile(INTEGER_PATTERN)
_NUMBER = re.compile(r"([+-]?)(?:([0-9]+)\.?([0-9]*)|\.([0-9]+))(?:[eE]([+-]?[0-9]+))?")
_DATE = re.compile(DATE_PATTERN)
_DATETIME = re.compile(DATETIME_PATTERN)
_SHIFT = re.compile(r"([+-])([0-9]{2}):([0-9]{2})\Z")


class ValueFormatError(ValueError):
    """The text is no value of the type; the message goes on from the quoted text ("is not a date")."""


def not_a(what: str, text: str) -> ValueFormatError:
    """The error of a text that is not `what`; blanks around it are mentioned."""
    if text != text.strip():
        return ValueFormatError(f"is not {what} (there are blanks around it)")
    return ValueFormatError(f"is not {what}")


def parse_integer(text: str) -> int:
    """An optional sign and ASCII digits, within 64 bits. Raises ValueFormatError."""
    if not _INTEGER.fullmatch(text):
        raise not_a("an integer", text)
    # Python refuses to read more than a few thousand digits; leading zeros carry nothing.
    digits = text.lstrip("+-").lstrip("0") or "0"
    value = int(digits) if len(digits) <= 19 else INTEGER_MAX + 2
    if text[0] == "-":
        value = -value
    if not INTEGER_MIN <= value <= INTEGER_MAX:
        raise ValueFormatError(f"is outside the range of an integer, {INTEGER_MIN} to {INTEGER_MAX}")
    return value


def parse_number(text: str) -> Decimal:
    """A decimal number, exactly: sign, digits, one point, exponent; no NaN, no infinity, no grouping.

    Raises ValueFormatError, also for what PostgreSQL's numeric cannot hold: more than 131072 digits
    before or 16383 after the point once the exponent is applied.
    """
    match = _NUMBER.fullmatch(text)
    if not match:
        raise not_a("a number", text)
    integral, fraction = match[2] or "", (match[3] if match[2] else match[4]) or ""
    exponent_text = match[5] or "0"
    exponent_digits = exponent_text.lstrip("+-").lstrip("0") or "0"
    exponent = int(exponent_digits) if len(exponent_digits) <= 10 else NUMBER_MAX_EXPONENT + 1
    if exponent_text[0] == "-":
        exponent = -exponent
    digits = integral + fraction
    significant = digits.lstrip("0")
    before = len(integral) - (len(digits) - len(significant)) + exponent if significant else 0
    after = max(0, len(fraction) - exponent)
    if abs(exponent) > NUMBER_MAX_EXPONENT or before > NUMBER_MAX_INTEGRAL_DIGITS or after > NUMBER_MAX_SCALE:
        raise ValueFormatError(
            f"is outside the range of a number, {NUMBER_MAX_INTEGRAL_DIGITS} digits before and "
            f"{NUMBER_MAX_SCALE} after the point"
        )
    return Decimal(text)


def parse_boolean(text: str, true_values: Collection[str], false_values: Collection[str]) -> bool:
    """One of the listed words, exactly. Raises ValueFormatError."""
    if text in true_values:
        return True
    if text in false_values:
        return False
    raise not_a("a boolean", text)


def parse_date(text: str) -> date:
    """YYYY-MM-DD, a day of the calendar, years 0001 to 9999. Raises ValueFormatError."""
    if not _DATE.fullmatch(text):
        raise not_a("a date of the form YYYY-MM-DD", text)
    try:
        return date(int(text[:4]), int(text[5:7]), int(text[8:10]))
    except ValueError:
        raise ValueFormatError("is not a day of the calendar") from None


def parse_datetime(text: str) -> datetime:
    """YYYY-MM-DDThh:mm:ss (or a blank for the T), up to 6 digits of a second, then Z, ±hh:mm or
    nothing, which means UTC. The answer is in UTC.

    Raises ValueFormatError, also for 24:00, a 60th second, and instants outside the years 0001 to
    9999 in UTC.
    """
    if not _DATETIME.fullmatch(text):
        raise not_a("a datetime of the form YYYY-MM-DDThh:mm:ss[.ffffff][Z|±hh:mm]", text)
    day = parse_date(text[:10])
    clock, zone = text[11:], UTC
    if shift := _SHIFT.search(clock):
        offset = timedelta(hours=int(shift[2]), minutes=int(shift[3]))
        zone = timezone(-offset if shift[1] == "-" else offset)
        clock = clock[:-6]
    clock = clock.removesuffix("Z")
    micros = int(clock[9:].ljust(6, "0")) if len(clock) > 8 else 0
    try:
        return datetime(
            day.year, day.month, day.day, int(clock[:2]), int(clock[3:5]), int(clock[6:8]), micros, zone
        ).astimezone(UTC)
    except OverflowError:
        raise ValueFormatError("is outside the years 0001 to 9999 in UTC") from None


def parse_string(text: str, format_: str) -> str:
    """A text in one of STRING_FORMATS, or any. Raises ValueFormatError."""
    pattern = STRING_FORMATS.get(format_)
    if pattern is not None and not re.fullmatch(pattern, text):
        raise ValueFormatError(f"is not a text of the format {format_}")
    return text


def parse_time(text: str) -> time:
    """hh:mm:ss, up to 6 digits of a second. Raises ValueFormatError."""
    if not re.fullmatch(TIME_PATTERN, text):
        raise not_a("a time of the form hh:mm:ss[.ffffff]", text)
    micros = int(text[9:].ljust(6, "0")) if len(text) > 8 else 0
    return time(int(text[:2]), int(text[3:5]), int(text[6:8]), micros)


def parse_year(text: str) -> int:
    """Four digits. Raises ValueFormatError."""
    if not re.fullmatch(YEAR_PATTERN, text):
        raise not_a("a year of four digits", text)
    return int(text)


def parse_yearmonth(text: str) -> str:
    """YYYY-MM. Raises ValueFormatError."""
    if not re.fullmatch(YEARMONTH_PATTERN, text):
        raise not_a("a month of the form YYYY-MM", text)
    return text


def parse_duration(text: str) -> str:
    """ISO 8601, such as P1Y2M10DT2H30M; at least one part. Raises ValueFormatError."""
    if not re.fullmatch(DURATION_PATTERN, text) or text.endswith(("P", "T")):
        raise not_a("a duration of ISO 8601 such as P1DT12H", text)
    return text


def parse_geopoint(text: str) -> str:
    """Longitude and latitude in degrees: "lon,lat". Raises ValueFormatError."""
    if not re.fullmatch(GEOPOINT_PATTERN, text):
        raise not_a('a point "longitude,latitude" in degrees', text)
    return text
