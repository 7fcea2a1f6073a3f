"""Numbers with something around them, such as "€95" or "95 %": `bareNumber: false` of Table Schema.

What is not numeric is stripped from both ends. Whatever could mean another number is not, so that the
value is refused: digits of any script, dashes and other signs of mathematics ("<5", "±5", "5-"), a mark
that touches the number ("5,-"; "Rs.5" may be 5 or 0.5), a sign behind a letter ("No-5"), an opening
parenthesis in front, by which accountants mean a negative number, and a lone "e" behind, half an exponent.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import lru_cache

from ingestor.types.marks import Marks


@lru_cache
def _characters(*categories: str) -> str:
    """The characters of these Unicode categories as a part of a class of RE2 and Python, which know
    different ones by name."""
    ranges: list[list[int]] = []
    for code in range(sys.maxunicode + 1):
        if unicodedata.category(chr(code)) in categories:
            if ranges and ranges[-1][1] == code - 1:
                ranges[-1][1] = code
            else:
                ranges.append([code, code])
    return "".join(re.escape(chr(low)) + "-" + re.escape(chr(high)) for low, high in ranges)


@lru_cache(maxsize=256)
def bare_pattern(marks: Marks, whole: bool) -> str:
    """What such a text looks like (RE2 and Python)."""
    numeric = _characters("Nd", "Nl", "No", "Sm", "Pd")
    letters = _characters("Lu", "Ll", "Lt", "Lm", "Lo")
    # A blank between groups may touch the number: it means no other number there.
    touching = "".join(re.escape(mark) for mark in (marks.decimal, marks.group or "") if not mark.isspace())
    before = rf"[^{numeric}(]*[^{numeric}({touching}"
    behind = rf"(?:[eE][^{numeric}]+|[^{numeric}eE{touching}][^{numeric}]*)?"
    unsigned = marks.pattern(whole, sign="", leading_mark=False)
    signed = marks.pattern(whole, sign="[+-]", leading_mark=False)
    return rf"(?:{marks.pattern(whole)}|{before}]{unsigned}|{before}{letters}]{signed}){behind}"


def number_within(marks: Marks) -> str:
    """Of a text that bare_pattern matches, the group `number` (RE2 and Python): a quick search, for there are
    no digits and signs around it. A decimal mark without digits behind it is left out."""
    mark = re.escape(marks.decimal)
    return rf"(?:[^0-9+-]*[^0-9+{mark}-])?(?P<number>[+-]?{mark}?[0-9](?:.*[0-9])?)[^0-9]*"
