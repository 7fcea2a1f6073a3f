"""Columns of dates and times, in the formats that people and programs write."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ingestor.pipelines.field import Field
from ingestor.pipelines.inference.values import Reading, Values
from ingestor.types.notation.month_names import LOCALES, month_names
from ingestor.types.type import ValueFormatError

# Orders of a date's parts, with the words for the orders that can be taken for one another.
_ORDERS = {
    "%d/%m/%Y": "day first", "%m/%d/%Y": "month first", "%Y/%m/%d": "",
    "%d.%m.%Y": "", "%Y.%m.%d": "",
    "%d-%m-%Y": "day first", "%m-%d-%Y": "month first", "%Y-%m-%d": "",
    "%d %m %Y": "",
    "%d/%m/%y": "day first", "%m/%d/%y": "month first", "%y/%m/%d": "year first",
    "%d.%m.%y": "",
    "%d-%m-%y": "day first", "%m-%d-%y": "month first", "%y-%m-%d": "year first",
}  # fmt: skip
_NAMED = (
    "%d %b %Y", "%d-%b-%Y", "%d/%b/%Y", "%d. %b %Y", "%d.%b.%Y", "%d%b%Y", "%d %b, %Y", "%b %d, %Y",
    "%b %d %Y", "%b-%d-%Y", "%Y-%b-%d", "%Y %b %d", "%Y/%b/%d", "%d %b %y", "%d-%b-%y", "%d/%b/%y",
    "%d%b%y", "%b %d, %y", "%a, %d %b %Y", "%a %d %b %Y", "%a, %b %d, %Y", "%a %b %d %Y", "%a %b %d, %Y",
)  # fmt: skip
# A date, what separates it from the time of day, and the time.
_MOMENT = re.compile(
    r"(?P<date>.*?[^ T,:])(?P<between>,? {1,2}|T|:)(?P<time>[0-9]{1,2}(?P<mark>[:.])[0-9]{2}"
    r"(?P<seconds>(?P=mark)[0-9]{2}(?P<fraction>\.[0-9]{1,9})?)?"
    r"(?:(?P<blank>[ \u00a0\u202f]?)(?P<half>[AaPp]\.?[Mm]\.?))?)"
    r"(?P<gap> ?)(?P<zone>Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?"
)
_COMPACT = ("%Y%m%dT%H%M%S", "%Y%m%dT%H%M%S%z", "%Y%m%d %H%M%S", "%a %b %d %H:%M:%S %Y")
_TIMES = ("%H:%M", "%I:%M:%S %p", "%I:%M %p", "%I:%M:%S%p", "%I:%M%p")
# Words of three letters and more, of which a date has a month's name.
_WORD = re.compile(r"[^\W\d_]{3,}")
_MAY_BE = re.compile(r"(?s)(?=.*[0-9]).{3,60}")


def time_readings(values: Values) -> Iterator[Reading]:
    """Readings as dates, datetimes, times and durations."""
    seeds = [text.lower() for text in values.seeds if _MAY_BE.fullmatch(text)]
    words = [set(_WORD.findall(text)) - {"utc", "gmt"} for text in seeds]
    locales = [locale for locale in LOCALES if not set().union(*words).isdisjoint(month_names(locale))]
    if not locales and all(words):
        return
    days = [*(_ORDERS if not all(words) else ()), *(_NAMED if locales else ())]
    for locale in locales or ["en"]:
        yield from _of_kind(values, "date", days, locale)
        yield from _of_kind(values, "datetime", [*_datetime_formats(values, days), *_COMPACT], locale)
    if not all(words):
        yield from _of_kind(values, "time", _TIMES)
        yield Reading({"type": "duration"}, values.share({"type": "duration"}))


def _datetime_formats(values: Values, days: Sequence[str]) -> Iterator[str]:
    """Formats of datetimes whose time of day looks as in one of the values."""
    seen = set()
    for text in values.seeds:
        found = _MOMENT.fullmatch(text)
        if found is None:
            continue
        clock = ("%I" if found["half"] else "%H") + found["mark"] + "%M"
        clock += (found["mark"] + "%S" if found["seconds"] else "") + (".%f" if found["fraction"] else "")
        clock += (" " if found["blank"] else "") + "%p" if found["half"] else ""
        end = found["between"].replace("  ", " ") + clock + (found["gap"] + "%z" if found["zone"] else "")
        if end not in seen:
            seen.add(end)
            for day in days:
                yield day + end


def _of_kind(values: Values, kind: str, formats: Sequence[str], locale: str = "en") -> Iterator[Reading]:
    """The reading in the default format, and the best one of other formats; where two orders of day, month
    and year fit equally, one with a doubt."""
    default = {"type": kind}
    share = values.share(default) if _fits_one(values, default) else 0.0
    yield Reading(default, share)
    if share == 1:
        return
    readings = []
    for format_ in formats:
        keys = {**default, "format": format_, **({} if locale == "en" else {"locale": locale})}
        if _fits_one(values, keys):
            readings.append(Reading(keys, values.share(keys)))
    best = max((reading.share for reading in readings), default=0.0)
    if best:
        yield _unless_in_doubt([reading for reading in readings if reading.share == best], values)


def _unless_in_doubt(finest: list[Reading], values: Values) -> Reading:
    finest = _by_years(finest, values)
    first = finest[0]
    if len(finest) == 1:
        return first
    ways = [f'{_order(reading.keys["format"])} ("{reading.keys["format"]}")' for reading in finest]
    doubt = f'"{values.first(first.keys)}" can be read {", ".join(ways[:-1])} or {ways[-1]}'
    return Reading(first.keys, first.share, tuple(reading.keys for reading in finest), doubt)


def _by_years(finest: list[Reading], values: Values) -> list[Reading]:
    """Without the orders that put a year of two digits where the days are: days differ more than years."""
    year_first = [reading for reading in finest if reading.keys["format"].startswith("%y")]
    others = [reading for reading in finest if reading not in year_first]
    if not year_first or not others:
        return finest
    numbers = [re.findall("[0-9]+", text)[:3] for text in values.distinct]
    first, last = ({found[place] for found in numbers if len(found) == 3} for place in (0, 2))
    if len(first) == len(last):
        return finest
    return year_first if len(first) < len(last) else others


def _order(format_: str) -> str:
    return next((order for day, order in _ORDERS.items() if format_.startswith(day)), "") or "as"


def _fits_one(values: Values, keys: dict[str, str]) -> bool:
    kind = Field.model_validate({"name": "x", **keys}).kind
    for text in values.seeds:
        try:
            kind.parse(text)
        except ValueFormatError:
            continue
        return True
    return False
