"""Formats of dates and times: strptime's directives, read on whole columns by one regular expression.

A month, a day or an hour may have one digit unless it touches other digits. A year of two digits is 1969 to
2068, as in POSIX. Names are read in either case, months also by their short names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ingestor.columns.arrow import full_match, pc
from ingestor.columns.late import pa
from ingestor.types.notation.fixed_format import FixedFormat, fixed_format
from ingestor.types.notation.month_names import month_names, weekday_names

# By directive: the expression (RE2 and Python), and the one that also takes a single digit.
_EXPRESSIONS = {
    "Y": ("[0-9]{4}", None),
    "y": ("[0-9]{2}", None),
    "m": ("[0-9]{2}", "[0-9]{1,2}"),
    "d": ("[0-9]{2}", "[0-9]{1,2}"),
    "H": ("(?:[01][0-9]|2[0-3])", "(?:[01]?[0-9]|2[0-3])"),
    "I": ("(?:0[1-9]|1[0-2])", "(?:0?[1-9]|1[0-2])"),
    "M": ("[0-5][0-9]", None),
    "S": ("[0-5][0-9]", None),
    "f": ("[0-9]{1,9}", None),
    "p": (r"[AaPp]\.?[Mm]\.?", None),
    "z": ("(?:Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)", None),
}
_NAMES = {"b": month_names, "B": month_names, "a": weekday_names, "A": weekday_names}
# Directives of which a format may have one, by the part that they tell.
_PARTS = {"Y": "Y", "y": "Y", "m": "m", "b": "m", "B": "m", "d": "d", "H": "H", "I": "H", "a": "a", "A": "a"}
# A directive that means nothing without another one.
_NEEDS = (("S", "M"), ("M", "H"), ("f", "S"), ("I", "p"), ("p", "I"))
_PIVOT = "69"
# Programs write several kinds of blanks, for instance before AM, and two of them before a single digit.
_BLANK = "[ \u00a0\u2009\u202f]{1,2}"


@dataclass(frozen=True, slots=True)
class TimeFormat:
    """How to read a text: `pattern` is its expression, with a group for each directive."""

    pattern: str
    letters: frozenset[str]
    iso_form: str
    locale: str
    fixed: FixedFormat | None

    def in_parts(self, array: pa.StringArray) -> pa.StringArray:
        """The texts in ISO 8601's order; null where a text is missing or not of this form. Days that no
        month has are for the ISO rules."""
        found = pc.extract_regex(array, pattern=full_match(self.pattern))
        part = {letter: pc.struct_field(found, letter) for letter in self.letters}
        pieces: list[Any] = []
        if "Y" in self.iso_form:
            pieces += [self._year(part), "-", self._month(part), "-", _two(part["d"])]
        if "H" in self.iso_form:
            pieces += ["T"] if pieces else []
            pieces += [self._hour(part), ":", part.get("M", "00"), ":", part.get("S", "00")]
            pieces += [".", part["f"]] if "f" in part else []
            if "z" in part:
                pieces.append(pc.replace_substring_regex(part["z"], pattern="UTC|GMT", replacement="Z"))
        joined: pa.StringArray = pc.binary_join_element_wise(*pieces, "")
        return joined

    def _year(self, part: dict[str, Any]) -> Any:
        if "Y" in part:
            return part["Y"]
        return pc.binary_join_element_wise(pc.if_else(pc.less(part["y"], _PIVOT), "20", "19"), part["y"], "")

    def _month(self, part: dict[str, Any]) -> Any:
        if "m" in part:
            return _two(part["m"])
        names = month_names(self.locale)
        numbers = pa.array([f"{number:02}" for number in names.values()])
        found = pc.utf8_lower(part["b"] if "b" in part else part["B"])
        return numbers.take(pc.index_in(found, value_set=pa.array(list(names))))

    def _hour(self, part: dict[str, Any]) -> Any:
        if "H" in part:
            return _two(part["H"])
        hour = part["I"].cast(pa.int64())
        hour = pc.if_else(pc.equal(hour, 12), 0, hour)
        afternoon = pc.starts_with(part["p"], "p", ignore_case=True)
        return _two(pc.if_else(afternoon, pc.add(hour, 12), hour).cast(pa.string()))


def _two(digits: Any) -> Any:
    return pc.ascii_lpad(digits, width=2, padding="0")


@lru_cache(maxsize=1024)
def parse_format(pattern: str, what: str, iso_form: str, directives: str, locale: str = "en") -> TimeFormat:
    """Read a pattern of `what` ("date"), which may have these directives, each once. `iso_form` has the ISO
    8601 text with the letters of the needed directives in the places of digits ("YYYY-mm-dd"; minutes and
    seconds need not be). Other characters are ASCII and stand for themselves, "%%" for a per cent sign.

    Raises ValueError with one sentence.
    """
    items = _items(pattern, what, directives)
    letters = [letter for letter, _ in items if letter]
    parts = [_PARTS.get(letter, letter) for letter in letters]
    told: dict[str, str] = {}
    for letter, part in zip(letters, parts, strict=True):
        if part in told:
            again = "occurs twice" if told[part] == letter else f"says the same as %{told[part]}"
            raise ValueError(f'"%{letter}" {again}')
        told[part] = letter
    needed = [letter for letter in dict.fromkeys(iso_form) if letter in "YmdH"]
    if missing := [f"%{letter}" for letter in needed if letter not in parts]:
        raise ValueError(f"{' '.join(missing)} is missing in the {what} format")
    for letter, other in _NEEDS:
        if letter in letters and other not in letters and other not in parts:
            raise ValueError(f"%{letter} needs %{other}")
    return TimeFormat(
        _expression(items, locale),
        frozenset(letters) - {"a", "A"},
        iso_form,
        locale,
        fixed_format(items, iso_form),
    )


def _items(pattern: str, what: str, directives: str) -> list[tuple[str, str]]:
    """The directives' letters, each with "", and the literal characters, each with "" in front."""
    items: list[tuple[str, str]] = []
    characters = iter(pattern)
    for character in characters:
        letter = next(characters, "") if character == "%" else "%"
        if letter == "%":
            if not " " <= character <= "~":
                raise ValueError("a format may hold only printable ASCII characters")
            items.append(("", character))
        elif letter and letter in directives:
            items.append((letter, ""))
        else:
            known = " ".join(f"%{name}" for name in directives)
            raise ValueError(f'"%{letter}" is not supported in a {what} format; supported are {known}')
    return items


def _expression(items: Sequence[tuple[str, str]], locale: str) -> str:
    def is_digits(place: int) -> bool:
        if not 0 <= place < len(items):
            return False
        letter, literal = items[place]
        return letter in "YymdHIMSf" if letter else literal.isdigit()

    found = ""
    for place, (letter, literal) in enumerate(items):
        if not letter:
            found += _BLANK if literal == " " else re.escape(literal)
        elif letter in _NAMES:
            found += _named(letter, _one_of(tuple(_NAMES[letter](locale))))
        else:
            exact, loose = _EXPRESSIONS[letter]
            touches = is_digits(place - 1) or is_digits(place + 1)
            found += _named(letter, exact if touches or loose is None else loose)
    return found


def _named(letter: str, expression: str) -> str:
    return f"(?P<{letter}>{expression})"


def _one_of(words: Sequence[str]) -> str:
    """The expression for one of these words of lower case, in any case."""
    longest_first = sorted(words, key=len, reverse=True)
    return "|".join(
        "".join(f"[{letter}{letter.upper()}]" if letter.isalpha() else re.escape(letter) for letter in word)
        for word in longest_first
    )
