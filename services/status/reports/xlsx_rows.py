"""Rows of a sheet as XML (ECMA-376 part 1, 18.3.1.73), made from columns of texts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ingestor.reports import CUT, guard, may_need_guard

MAX_CHARACTERS = 32_767  # of a cell, as UTF-16 code units

# XML 1.0 forbids these, and parsers turn a carriage return into a line feed. Excel writes them as _xHHHH_
# (ECMA-376 part 1, 22.9.2.19, ST_Xstring), and an underscore that would start such a sequence as _x005F_.
_HIDDEN = "\x00-\x08\x0b-\x1f\ufffe\uffff"
_ESCAPED = re.compile(rf"_(?=x[0-9A-Fa-f]{{4}}[_{_HIDDEN}])|[{_HIDDEN}]")
_ODD = re.compile(rf"[&<>{_HIDDEN}]|_x")

_MOST_TEMPLATES = 1_000
_BETWEEN = "\x7f"


class RowTemplates:
    """Makes rows by templates: most rows of a table have the same cells empty and the same marked."""

    def __init__(self, letters: Sequence[str]) -> None:
        self._letters = letters
        self._made: dict[tuple[tuple[int, ...], tuple[bool, ...]], str] = {}

    def line(self, number: int, texts: Sequence[str], wrong: tuple[int, ...]) -> str:
        """The XML of a row from its number and the XML of its texts; `wrong` are the columns of the cells to
        mark. Other empty cells are left out."""
        key = wrong, tuple(map(bool, texts))
        template = self._made.get(key)
        if template is None:
            if len(self._made) == _MOST_TEMPLATES:
                self._made.clear()
            template = self._made[key] = self._template(*key)
        return template.replace("\0", str(number)) % tuple(filter(None, texts))

    def _template(self, wrong: tuple[int, ...], filled: Sequence[bool]) -> str:
        cells = [
            cell(f"{letter}\0", "%s" if is_filled else "", marked=column in wrong)
            for column, (letter, is_filled) in enumerate(zip(self._letters, filled, strict=True))
            if is_filled or column in wrong
        ]
        return f'<row r="\0">{"".join(cells)}</row>'


def cell(place: str, text: str, *, marked: bool) -> str:
    """A cell; `text` is XML."""
    style = ' s="1"' if marked else ""
    if not text:
        return f'<c r="{place}"{style}/>'
    return f'<c r="{place}"{style} t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


def texts_of(column: Sequence[str]) -> Sequence[str]:
    """The cells of a column, guarded (see ingestor.reports), as XML."""
    whole = _BETWEEN.join(column)
    if may_need_guard(whole, _BETWEEN):
        column = list(map(guard, column))
    if _ODD.search(whole) or max(map(len, column), default=0) > MAX_CHARACTERS // 2:
        return list(map(escaped, column))
    return column


def may_be_odd(text: str) -> bool:
    """Whether `escaped` may change a text, or a part of it."""
    return len(text) > MAX_CHARACTERS // 2 or _ODD.search(text) is not None


def escaped(text: str) -> str:
    """Cut a text at Excel's limit and escape it for XML."""
    if len(text) > MAX_CHARACTERS // 2:
        units = text.encode("utf-16-le")
        if len(units) > 2 * MAX_CHARACTERS:
            # A pair that the cut has halved is left out.
            text = units[: 2 * (MAX_CHARACTERS - len(CUT))].decode("utf-16-le", "ignore") + CUT
    text = _ESCAPED.sub(lambda found: f"_x{ord(found[0]):04X}_", text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
