"""Dates, times and durations of a workbook, which are numbers of days."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache

from ingestor.tabular.parsers.xlsx.styles import Kind

_DAY = 86_400_000  # milliseconds
_END = 2_958_466  # the first serial number after the year 9999
# Below, a number under a time format is a time of day or a span; from here on it is a moment of which the
# format shows the time only.
_FIRST_MOMENT = 367


def moment_text(serial: Decimal, kind: Kind, *, epoch_1904: bool) -> str:
    """A serial number as ISO 8601, to the millisecond as spreadsheets show it: a date, a datetime, a time of
    day, or for `elapsed` a duration.

    A date format shows a time of day where there is one; a datetime format keeps midnight; a time format
    shows 24:00:00 and more where a number is a day or more. Raises ValueError for what is not a date (before
    the epoch, 29 February 1900).
    """
    if abs(serial) >= _END or (serial < 0 and kind != "elapsed"):
        raise ValueError
    milliseconds = int((serial * _DAY).to_integral_value(ROUND_HALF_EVEN))
    if kind == "elapsed":
        return _duration(milliseconds)
    if serial < 1 and (kind == "time" or (serial and not epoch_1904)):
        return _clock(min(milliseconds, _DAY - 1))
    if kind == "time" and serial < _FIRST_MOMENT:
        return _clock(milliseconds)
    days, rest = divmod(milliseconds, _DAY)
    day = _day(days, epoch_1904=epoch_1904)
    return f"{day}T{_clock(rest)}" if rest or kind != "date" else day


@lru_cache(10_000)
def _day(days: int, *, epoch_1904: bool) -> str:
    if epoch_1904:
        return (date(1904, 1, 1) + timedelta(days)).isoformat()
    if days in (0, 60):
        raise ValueError  # 0 January and 29 February 1900, which Excel inherited from Lotus 1-2-3
    return (date(1899, 12, 31 if days < 60 else 30) + timedelta(days)).isoformat()


def _clock(milliseconds: int) -> str:
    seconds, thousandth = divmod(milliseconds, 1000)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{clock}.{thousandth:03}" if thousandth else clock


def _duration(milliseconds: int) -> str:
    sign = "-" if milliseconds < 0 else ""
    seconds, thousandth = divmod(abs(milliseconds), 1000)
    second = f"{seconds % 60}.{thousandth:03}".rstrip("0") if thousandth else f"{seconds % 60}"
    parts = [(f"{seconds // 3600}", "H"), (f"{seconds // 60 % 60}", "M"), (second, "S")]
    text = "".join(number + unit for number, unit in parts if number != "0")
    return f"{sign}PT{text or '0S'}"
