"""Numbers of a workbook as text, as a person sees them in a cell that is wide enough."""

from __future__ import annotations

import re
from decimal import ROUND_HALF_UP, Context, Decimal

_DIGITS = 15  # what a spreadsheet keeps of a number
_FIFTEEN = Context(prec=_DIGITS, rounding=ROUND_HALF_UP)
_WIDE = Context(prec=1000)
_FRACTION = re.compile(r"-?[0-9]{1,15}\.[0-9]+")
# Powers of ten beyond which a number is written with an exponent.
_LEAST, _MOST = -20, 20


def number_text(raw: str, zeros: int = 0) -> str:
    """The number that `raw` stands for, in its shortest form: 15 significant digits, as spreadsheets keep
    them, no zeros at the end, an exponent only below 1e-20 and from 1e21 on. An integer that is written in
    digits stays as it is. With `zeros` an integer gets zeros in front up to so many digits.

    Raises ValueError unless it is a finite number.
    """
    text = _shortest(raw)
    if zeros and text.removeprefix("-").isdigit():
        sign = "-" if text.startswith("-") else ""
        return sign + text.removeprefix("-").zfill(zeros)
    return text


def _shortest(raw: str) -> str:
    if raw.isascii() and raw.removeprefix("-").isdigit():
        return raw
    if _FRACTION.fullmatch(raw) and "e" not in (text := f"{float(raw):.{_DIGITS}g}"):
        return "0" if text == "-0" else text
    number = parsed(raw)
    if not number:
        return "0"
    if number == number.to_integral_value() and "e" not in raw.lower():
        return f"{number:.0f}"
    number = _FIFTEEN.plus(number).normalize(_FIFTEEN)
    return f"{number:f}" if _LEAST <= number.adjusted() <= _MOST else str(number)


def percent_text(number: str, decimals: int) -> str:
    """A hundred times the number with so many decimals. Raises ValueError where that is too large."""
    percent = parsed(str(parsed(number) * 100)).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP, _WIDE)
    return f"{percent:f}"


def parsed(raw: str) -> Decimal:
    """The number exactly. Raises ValueError unless it is finite, of a size that spreadsheets know."""
    try:
        number = Decimal(raw)
    except ArithmeticError:
        raise ValueError from None
    if not number.is_finite() or "_" in raw or not raw.isascii() or abs(number.adjusted()) > 400:
        raise ValueError
    return number
