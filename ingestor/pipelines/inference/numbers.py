"""Columns of numbers, with the marks and the currencies that people write.

Digits that identify something stay text: a leading zero, 16 to 18 digits, a telephone number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ingestor.outcomes import quoted
from ingestor.pipelines.inference.values import Reading, Values

_BLANKS = " \u00a0\u2007\u2009\u202f"
_MARKS = re.compile(rf"[.,'\u2019{_BLANKS}]")
_LEADING_ZERO = re.compile(r"[+-]?0[0-9]+")
# Digits of cards, accounts and the like; more are only in large numbers, which `number` keeps exactly.
_LONG, _LONGEST = 16, 18
_TELEPHONE_DIGITS = 7
_TELEPHONE = re.compile(r"\+[0-9][0-9 ./()-]{6,}")
_HAS_BLANKS = re.compile(rf"[0-9]+(?:[{_BLANKS}][0-9]+)+")
_ADDRESS = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
# What is neither a digit, a mark, a sign nor a parenthesis.
_WORD = re.compile(rf"[^0-9.,'\u2019{_BLANKS}()+-]+")
_CURRENCIES = frozenset((
    "AED", "ARS", "AUD", "BGN", "BRL", "CAD", "CHF", "CLP", "CNY", "COP", "CZK", "DKK", "EUR", "GBP", "HKD",
    "HUF", "IDR", "ILS", "INR", "ISK", "JPY", "KRW", "MXN", "MYR", "NOK", "NZD", "PHP", "PLN", "RON", "RUB",
    "SAR", "SEK", "SGD", "THB", "TRY", "TWD", "UAH", "USD", "VND", "ZAR", "$", "€", "£", "¥", "₹", "₽", "₩",
    "US$", "R$", "kr", "zł", "Kč", "Ft", "Fr", "Rs", "₺", "₪", "₴", "₫", "฿", "¢",
))  # fmt: skip
# Decimal and group mark.
_PAIRS = ((".", ","), (",", "."), (".", " "), (",", " "), (".", "'"), (",", "'"))
_ONE_COMMA = re.compile(r"[^0-9]*[1-9][0-9]{0,2},[0-9]{3}[^0-9]*")
_DIGITS = re.compile(r"[0-9]+")


def is_code(values: Values) -> bool:
    """Whether the digits are no quantity."""
    return bool(_code(values))


def why_text(values: Values) -> str:
    """Why a column of digits stays text, in one sentence; "" for other text."""
    if not all(text[-1].isdigit() and not _WORD.search(text) for text in values.distinct):
        return ""
    return _code(values)


def _code(values: Values) -> str:
    texts = values.distinct
    lengths = {len("".join(_DIGITS.findall(text))) for text in texts}
    if zero := next((text for text in texts if _LEADING_ZERO.match(text)), ""):
        return f"{quoted(zero)} begins with a zero, which a number would lose."
    if any(_TELEPHONE.fullmatch(text) for text in texts):
        return "These are telephone numbers."
    if _LONG <= min(lengths) <= max(lengths) <= _LONGEST and all(text.isdigit() for text in texts):
        return "Digits this long identify something, such as a card or an account."
    # Blanks in numbers that all have the same length.
    if len(lengths) == 1 and min(lengths) >= _TELEPHONE_DIGITS and all(map(_HAS_BLANKS.fullmatch, texts)):
        return "These are telephone numbers."
    return "These are addresses of computers." if all(map(_ADDRESS.fullmatch, texts)) else ""


def number_readings(values: Values) -> Iterator[Reading]:
    """Readings as integers and as decimal numbers."""
    plain = [Reading({"type": kind}, values.share({"type": kind})) for kind in ("integer", "number")]
    yield from plain
    if any(reading.share == 1 for reading in plain):
        return
    dressed = _dressed(values)
    if dressed is None:
        return
    readings = [reading for pair in _PAIRS if (reading := _with_marks(values, dressed, *pair)) is not None]
    best = max((reading.share for reading in readings), default=0.0)
    finest = [reading for reading in readings if reading.share == best]
    commas = [text for text in values.distinct if _ONE_COMMA.fullmatch(text)]
    rivals = {reading.keys.get("groupChar") == ",": reading.keys for reading in finest}
    if len(rivals) == 2 and commas and not _bare_below_thousand(values, commas):
        doubt = f'"{commas[0]}" can be read with "," as the group mark or as the decimal mark'
        yield Reading({"type": "number", **dressed}, best, (rivals[True], rivals[False]), doubt)
    else:
        yield from finest[:1]


def _dressed(values: Values) -> dict[str, Any] | None:
    """The keys for what stands around the numbers; None if it is more than one currency or a per cent sign
    beside all of them."""
    keys: dict[str, Any] = {}
    words: set[str] = set()
    for text in filter(_DIGITS.search, values.distinct):
        found = _WORD.findall(text)
        if len(found) > 1:
            return None
        words.update(found or [""])
    worn = words - {""}
    if worn:
        if len(worn) > 1 or not (worn <= _CURRENCIES or words == {"%"}):
            return None
        keys["bareNumber"] = False
    if any(text.rstrip(_BLANKS).endswith(("-", ")")) for text in values.distinct):
        keys["accounting"] = True
    return keys


def _with_marks(values: Values, dressed: dict[str, Any], decimal: str, group: str) -> Reading | None:
    """The reading with these marks, as far as they occur."""
    groups = {" ": _BLANKS, "'": "'\u2019"}.get(group, group)
    numbers = [_stripped(text) for text in values.distinct]
    marks = set(_MARKS.findall("".join(numbers)))
    if not marks <= {decimal, *groups} or any(
        number[:1] == "0" and number[1:2] in [*groups] for number in numbers
    ):
        return None
    keys = dict(dressed)
    if marks & set(groups):
        keys["groupChar"] = group
    number = {"type": "number", **keys, **({} if decimal == "." else {"decimalChar": decimal})}
    share = values.share(number)
    whole = {"type": "integer", **keys}
    if decimal not in marks and values.share(whole) == share:
        return Reading(whole, share)
    return Reading(number, share)


def _stripped(text: str) -> str:
    """A number without what stands around it."""
    found = re.search(r"(?:(?<!\w)[.,])?[0-9](?:.*[0-9.,])?", text)
    return found[0] if found else ""


def _bare_below_thousand(values: Values, commas: list[str]) -> bool:
    """Whether the numbers without a comma are all below 1000, and there are some: those with one are then
    thousands."""
    without = [text for text in values.distinct if text not in commas]
    return bool(without) and all("," in text or len("".join(_DIGITS.findall(text))) <= 3 for text in without)
