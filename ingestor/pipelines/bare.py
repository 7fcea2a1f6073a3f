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

from ingestor.pipelines.marks import Marks

# The groups of bare_pattern, one of which has the number.
BARE_GROUPS = ("alone", "unsigned", "signed")


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
    """An expression of RE2 and Python for such a text as a whole; one of BARE_GROUPS is the number."""
    numeric = _characters("Nd", "Nl", "No", "Sm", "Pd")
    letters = _characters("Lu", "Ll", "Lt", "Lm", "Lo")
    # A blank between groups may touch the number: it means no other number there.
    touching = "".join(re.escape(mark) for mark in (marks.decimal, marks.group or "") if not mark.isspace())
    before = rf"[^{numeric}(]*[^{numeric}({touching}"
    behind = rf"(?:[eE][^{numeric}]+|[^{numeric}eE{touching}][^{numeric}]*)?"
    unsigned = marks.pattern(whole, sign="", leading_mark=False)
    signed = marks.pattern(whole, sign="[+-]", leading_mark=False)
    return (
        rf"(?:(?P<alone>{marks.pattern(whole)})|{before}](?P<unsigned>{unsigned})"
        rf"|{before}{letters}](?P<signed>{signed})){behind}"
    )
