"""The strings that the cells of a workbook share."""

from __future__ import annotations

import re

from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.parsers.xlsx.package import Handler, Package, local

_MAX_SHARED_BYTES = 2 * 2**30  # shared strings are kept in memory
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


def unescaped(text: str) -> str:
    """Decode _xHHHH_ (ECMA-376 22.9.2.19)."""
    if "_x" not in text:
        return text
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


class SharedStrings:
    """The strings, without their phonetic hints, read as far as cells ask for them: the first rows of a large
    workbook need few of them."""

    def __init__(self, package: Package | None = None, part: str = "") -> None:
        """None of them without a package."""
        self._handler = _Strings()
        self._pieces = iter(()) if package is None else package.parse(part, self._handler)
        self.known: list[str] = self._handler.strings
        """Those that have been read. It grows."""

    def at(self, index: int) -> str:
        """One that may not have been read. Raises LookupError if there is none, UnreadableFileError."""
        while index >= len(self.known):
            if next(self._pieces, self) is self:
                break
        return self.known[index]


class _Strings(Handler):
    def __init__(self) -> None:
        self.strings: list[str] = []
        self._parts: list[str] = []
        self._in_text = self._phonetic = False
        self._size = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        name = local(name)
        if name == "si":
            self._parts = []
        elif name == "rPh":
            self._phonetic = True
        elif name == "t":
            self._in_text = not self._phonetic

    def end(self, name: str) -> None:
        """An element ends."""
        name = local(name)
        if name == "t":
            self._in_text = False
        elif name == "rPh":
            self._phonetic = False
        elif name == "si":
            self.strings.append(unescaped("".join(self._parts)))

    def text(self, data: str) -> None:
        """Character data."""
        if self._in_text:
            self._parts.append(data)
            self._size += len(data)
            if self._size > _MAX_SHARED_BYTES:
                raise UnreadableFileError("EXPANDS_TOO_FAR", "The workbook's shared strings are too large.")
