"""Numbers with marks of their own, such as 1.234,50, and numbers with text around them, such as "€95".

Around a number (`bareNumber: false` of Table Schema), what is not numeric is stripped from both ends. A
value is refused if what is stripped could mean another number: digits of any script, dashes and other
mathematical signs ("<5", "±5", "5-"), a mark that touches the number ("5,-"; "Rs.5" may be 5 or 0.5), a sign
behind a letter ("No-5"), an opening parenthesis in front, by which accountants mean a negative number, and a
lone "e" behind, half an exponent. A sign may stand in front of a currency ("-$5", "-EUR 5").

A field may say that its numbers are an accountant's: "(5)" and "5-" are then -5.
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ingestor.columns.arrow import full_match, pc

# Kinds of blanks between groups, and of apostrophes: where one of them is the mark, the others are too.
_BLANKS = " \u00a0\u2007\u2009\u202f"
_APOSTROPHES = "'\u2019"


@dataclass(frozen=True, slots=True)
class Marks:
    """The characters at a number's decimal point and, if any, between its groups of three digits. They
    differ, and are neither digits nor other parts of a number."""

    decimal: str = "."
    group: str | None = None

    def pattern(self, whole: bool = False, sign: str = "[+-]?", leading_mark: bool = True) -> str:
        """The expression (RE2 and Python) for a number, or a whole one, with this sign. `leading_mark`: it
        may begin with the decimal mark."""
        digits = r"[0-9]+"
        if self.group is not None:
            digits = rf"(?:[0-9]{{1,3}}(?:{self._group_expression}[0-9]{{3}})+|[0-9]+)"
        if whole:
            return sign + digits
        decimal = re.escape(self.decimal)
        bare_fraction = rf"|{decimal}[0-9]+" if leading_mark else ""
        return rf"{sign}(?:{digits}(?:{decimal}[0-9]*)?{bare_fraction})(?:[eE][+-]?[0-9]+)?"

    @property
    def groups(self) -> str:
        """The characters that separate groups; none if there are no groups."""
        for alike in (_BLANKS, _APOSTROPHES):
            if self.group is not None and self.group in alike:
                return alike
        return self.group or ""

    @property
    def _group_expression(self) -> str:
        return f"[{re.escape(self.groups)}]"

    def plain(self, text: str) -> str:
        """A number that matches, written as PostgreSQL reads it."""
        for mark in self.groups:
            text = text.replace(mark, "")
        return text.replace(self.decimal, ".")

    def plain_column(self, array: Any) -> Any:
        """The same for a column."""
        if self.group is not None:
            array = pc.replace_substring_regex(array, pattern=self._group_expression, replacement="")
        if self.decimal != ".":
            array = pc.replace_substring(array, pattern=self.decimal, replacement=".")
        return array

    def explain(self, what: str) -> str:
        """What is wrong with a text that does not match: a sentence without its subject."""
        named = f"the decimal mark {_quoted(self.decimal)}"
        if self.group is not None:
            named += f" and the group mark {_quoted(self.group)}"
        return f"is not {what} with {named}"


def _quoted(mark: str) -> str:
    return json.dumps(mark, ensure_ascii=False)


@lru_cache
def _characters(*categories: str) -> str:
    """The characters of these Unicode categories as part of a character class. RE2 and Python know
    different categories by name."""
    ranges: list[list[int]] = []
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code)) in categories:
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return "".join(re.escape(chr(low)) + "-" + re.escape(chr(high)) for low, high in ranges)


@lru_cache
def _moves(accounting: bool, bare: bool) -> tuple[tuple[str, str], ...]:
    """Expressions for texts whose sign is not in front of the digits, and what makes it so."""
    currency = f"[{_characters('Sc')}]"
    blank = f"[{_BLANKS}]?"
    moves = []
    if accounting:
        moves.append((rf"({currency}?{blank})\(([^()+-]+)\)([^()+-]*)", r"-\1\2\3"))
        moves.append((rf"([^()+-]*[0-9]){blank}-({blank}{currency}?)", r"-\1\2"))
    if not bare:
        moves.append((rf"([+-]){blank}((?:{currency}|[A-Z]{{3}}){blank})([^+-].*)", r"\2 \1\3"))
    return tuple(moves)


def sign_in_front(text: str, accounting: bool, bare: bool) -> str:
    """The text with its sign in front of the digits, if it is a number that has it elsewhere; other texts
    stay. `bare`: nothing may stand around a number."""
    for pattern, replacement in _moves(accounting, bare):
        if match := re.fullmatch(pattern, text):
            text = match.expand(replacement)
    return text


def column_sign_in_front(array: Any, accounting: bool, bare: bool) -> Any:
    """The same for a column."""
    for pattern, replacement in _moves(accounting, bare):
        array = pc.replace_substring_regex(array, pattern=full_match(pattern), replacement=replacement)
    return array


@lru_cache(maxsize=256)
def bare_pattern(marks: Marks, whole: bool) -> str:
    """The expression (RE2 and Python) for a number with text around it."""
    numeric = _characters("Nd", "Nl", "No", "Sm", "Pd")
    letters = _characters("Lu", "Ll", "Lt", "Lm", "Lo")
    # A blank between groups may touch the number: it means no other number there.
    touching = "".join(re.escape(mark) for mark in (marks.decimal, *marks.groups) if not mark.isspace())
    before = rf"[^{numeric}(]*[^{numeric}({touching}"
    behind = rf"(?:[eE][^{numeric}]+|[^{numeric}eE{touching}][^{numeric}]*)?"
    unsigned = marks.pattern(whole, sign="", leading_mark=False)
    signed = marks.pattern(whole, sign="[+-]", leading_mark=False)
    return rf"(?:{marks.pattern(whole)}|{before}]{unsigned}|{before}{letters}]{signed}){behind}"


def number_within(marks: Marks) -> str:
    """The expression (RE2 and Python) that finds the group `number` in a text that bare_pattern matches: a
    quick search, as no digits or signs stand around it. It drops a decimal mark without digits behind it."""
    mark = re.escape(marks.decimal)
    return rf"(?:[^0-9+-]*[^0-9+{mark}-])?(?P<number>[+-]?{mark}?[0-9](?:.*[0-9])?)[^0-9]*"
