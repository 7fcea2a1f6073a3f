"""What the number formats of a workbook's cells show."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ingestor.tabular.parsers.xlsx.package import Handler, Package, invalid, local

Kind = Literal["number", "date", "datetime", "time", "elapsed"]

# ECMA-376 18.8.30: built-in formats that show dates and times (27 to 36 and 50 to 58 in East Asia).
_DATES = frozenset((14, 15, 16, 17, *range(27, 32), 36, *range(50, 59)))
_TIMES = frozenset((18, 19, 20, 21, *range(32, 36), 45, 47))
_DATETIME, _ELAPSED = 22, 46
_PERCENTS = {9: "0%", 10: "0.00%"}
# Of a format in Excel (https://support.microsoft.com/office/1672b34d-7043-467e-8e27-269d656771c3). A longer
# one is not read: the cell is shown as a number.
_LONGEST = 255
_MOST_STYLES = 65_536  # Excel keeps 65,490
_DIGITS = 10  # of the number of a format


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
    """What a custom format shows, by its section for positive numbers; PLAIN for one that is too long."""
    if len(code) > _LONGEST:
        return PLAIN
    section, *others = _sections(code)
    plain = section.lower().strip()
    if re.search(r"\[(h+|m+|s+)\]", plain):
        return Style("elapsed")
    if "general" in plain:
        return PLAIN
    if re.fullmatch("0{2,}", plain):
        only = all(re.fullmatch(r"-?0*", other.strip()) for other in others)
        bare = '"' not in code and "\\" not in code
        return Style("number", len(plain) if only and bare else 0)
    clock = re.search(r"[hs]|am/pm", plain) is not None
    day = re.search(r"[yde]", re.sub("e[+-]", "", plain)) is not None
    if day or ("m" in plain and not clock):
        return Style("datetime" if clock else "date")
    if clock:
        return Style("time")
    return _percent(code) if "%" in plain else PLAIN


def _sections(code: str) -> list[str]:
    """The sections of a format without what they show as it stands: text in quotes, a character behind a
    backslash, an underscore or an asterisk; colours and locales. Looks at each character once."""
    found = [""]
    at = 0
    while at < len(code):
        mark = code[at]
        end = at
        if mark in '["':
            end = code.find("]" if mark == "[" else mark, at + 1)
            if end < 0:  # it does not end: the rest is text
                break
            inside = code[at + 1 : end]
            if mark == "[" and inside and not inside.lower().strip("hms"):
                found[-1] += f"[{inside}]"
        elif mark in "\\_*":
            end = at + 1
        elif mark == ";":
            found.append("")
        else:
            found[-1] += mark
        at = end + 1
    return found


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
    handler = _Styles()
    for _ in package.parse(part, handler):
        pass
    return handler.styles


class _Styles(Handler):
    def __init__(self) -> None:
        self.styles: list[Style] = []
        self._custom: dict[int, Style] = {}
        self._inside = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        name = local(name)
        if name == "numFmt":
            if (number := _number(attributes.get("numFmtId"))) >= 0:
                self._custom[number] = style_of(attributes.get("formatCode", ""))
        elif name in ("cellXfs", "cellStyleXfs", "cellStyles", "dxfs"):
            self._inside = name == "cellXfs"
        elif name == "xf" and self._inside:
            number = _number(attributes.get("numFmtId"))
            self.styles.append(self._custom.get(number) or _built_in(number))
        if max(len(self.styles), len(self._custom)) > _MOST_STYLES:
            raise invalid(f"it has more than {_MOST_STYLES} styles of cells")


def _number(text: str | None) -> int:
    return int(text) if text and len(text) < _DIGITS and text.strip().isdecimal() else -1
