"""Numbers with marks of their own, such as 1.234,50: what they look like, and as PostgreSQL reads them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Marks:
    """The characters at a number's decimal point and, if any, between its groups of three digits: neither
    digits nor parts of numbers otherwise, and different ones."""

    decimal: str = "."
    group: str | None = None

    def pattern(self, whole: bool = False, sign: str = "[+-]?", leading_mark: bool = True) -> str:
        """What a number (`whole`: a whole one) with such a sign looks like, that begins with the decimal
        mark only if `leading_mark`; RE2 and Python read the expression alike."""
        digits = r"[0-9]+"
        if self.group is not None:
            digits = rf"(?:[0-9]{{1,3}}(?:{re.escape(self.group)}[0-9]{{3}})+|[0-9]+)"
        if whole:
            return sign + digits
        decimal = re.escape(self.decimal)
        bare_fraction = rf"|{decimal}[0-9]+" if leading_mark else ""
        return rf"{sign}(?:{digits}(?:{decimal}[0-9]*)?{bare_fraction})(?:[eE][+-]?[0-9]+)?"

    def plain(self, text: str) -> str:
        """A number that matches, as PostgreSQL reads it."""
        if self.group is not None:
            text = text.replace(self.group, "")
        return text.replace(self.decimal, ".")

    def explain(self, what: str) -> str:
        """Why a text that does not match is none: a sentence without its subject."""
        named = f"the decimal mark {_quoted(self.decimal)}"
        if self.group is not None:
            named += f" and the group mark {_quoted(self.group)}"
        return f"is not {what} with {named}"


def _quoted(mark: str) -> str:
    return json.dumps(mark, ensure_ascii=False)
