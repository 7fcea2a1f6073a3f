"""What the number formats of a workbook's cells show."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ingestor.tabular.parsers.xlsx.package import Package

Kind = Literal["number", "date", "datetime", "time", "elapsed"]

# ECMA-376 18.8.30: built-in formats that show dates and times (27 to 36 and 50 to 58 in East Asia).
_DATES = frozenset((14, 15, 16, 17, *range(27, 32), 36, *range(50, 59)))
_TIMES = frozenset((18, 19, 20, 21, *range(32, 36), 45, 47))
_DATETIME, _ELAPSED = 22, 46
_PERCENTS = {9: "0%", 10: "0.00%"}
# What a format shows as it stands: text in quotes, a character behind a backslash or an underscore; colours
# and locales.
_LITERAL = re.compile(r'"[^"]*"|\\.|_.|\*.|\[(?![hms]+\])[^\]]*\]', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Style:
    """What a number format shows. `zeros` is the least number of digits where the format consists of zeros
    only, as 00000 does for codes; else 0. A percent format shows a hundred times the number with so many
    `decimals`, and `percent` behind it, which is "%" or " %"; it is "" for other formats."""

    kind: Kind = "number"
    zeros: int = 0
    percent: str = ""
    decimals: int = 0


PLAIN = Style()


def style_of(code: str) -> Style:
    """What a custom format shows, by its section for positive numbers."""
    plain = _LITERAL.sub("", code.split(";")[0]).lower().strip()
    if re.search(r"\[(h+|m+|s+)\]", plain):
        return Style("elapsed")
    if "general" in plain:
        return PLAIN
    if re.fullmatch("0{2,}", plain):
        only = all(re.fullmatch(r"-?0*", _LITERAL.sub("", part).strip()) for part in code.split(";")[1:])
        bare = '"' not in code and "\\" not in code
        return Style("number", len(plain) if only and bare else 0)
    clock = re.search(r"[hs]|am/pm", plain) is not None
    day = re.search(r"[yde]", re.sub("e[+-]", "", plain)) is not None
    if day or ("m" in plain and not clock):
        return Style("datetime" if clock else "date")
    if clock:
        return Style("time")
    return _percent(code) if "%" in plain else PLAIN


def _percent(code: str) -> Style:
    section = code.split(";")[0]
    decimals = re.search(r"\.(0+)", section)
    blank = re.search(r"""[ \u00a0]["']?\\?%""", section)
    return Style(percent=" %" if blank else "%", decimals=len(decimals[1]) if decimals else 0)


def _built_in(number: int) -> Style:
    if number == _DATETIME:
        return Style("datetime")
    if number == _ELAPSED:
        return Style("elapsed")
    if number in _PERCENTS:
        return _percent(_PERCENTS[number])
    if number in _DATES:
        return Style("date")
    return Style("time") if number in _TIMES else PLAIN


def cell_styles(package: Package, part: str) -> list[Style]:
    """The styles of cells by their number. Raises UnreadableFileError."""
    custom: dict[int, str] = {}
    styles: list[Style] = []
    inside = False
    for name, attributes in package.elements(part):
        if name == "numFmt":
            if (number := _number(attributes.get("numFmtId"))) >= 0:
                custom[number] = attributes.get("formatCode", "")
        elif name in ("cellXfs", "cellStyleXfs", "cellStyles", "dxfs"):
            inside = name == "cellXfs"
        elif name == "xf" and inside:
            number = _number(attributes.get("numFmtId"))
            styles.append(style_of(custom[number]) if number in custom else _built_in(number))
    return styles


def _number(text: str | None) -> int:
    return int(text) if text and text.strip().isdecimal() else -1
