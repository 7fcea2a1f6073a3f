"""Reads a JSON document that is one array of objects, element by element."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from ingestor.plugins import TableParser
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.encodings import detect_encoding, text_pieces
from ingestor.tabular.limits import Limits
from ingestor.tabular.normal_form import BlockBuilder
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.parsers.json_values import JsonObject, RowError, raw_decode, row_of
from ingestor.tabular.text_table import TextTable

_SAMPLE = 64 * 1024
_BLANKS = " \t\r\n"


class _Elements:
    """The elements of an array with the lines on which they start. Holds one element and one piece."""

    def __init__(self, file: BinaryIO, encoding: str, limits: Limits) -> None:
        file.seek(0)
        self._pieces = text_pieces(file, encoding)
        self._text = ""
        self._at = 0
        self._line = 0
        self._most = limits.max_record_bytes

    def _more(self) -> bool:
        piece = next(self._pieces, None)
        if piece is None:
            return False
        self._line += self._text.count("\n", 0, self._at)
        self._text = self._text[self._at :] + piece
        self._at = 0
        return True

    def _next(self) -> str:
        """Skip blanks and return the next character, without taking it; "" at the end."""
        while True:
            while self._at < len(self._text) and self._text[self._at] in _BLANKS:
                self._at += 1
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _fail(self, what: str) -> UnreadableFileError:
        line = self._line + self._text.count("\n", 0, self._at) + 1
        return UnreadableFileError("JSON_INVALID", f"Line {line}: {what}.")

    def __iter__(self) -> Iterator[tuple[int, Any, str]]:
        """Yields (line from 0, value, the element's text)."""
        if self._next() != "[":
            raise self._fail("the document is not a JSON array")
        self._at += 1
        if self._next() != "]":
            while True:
                yield self._element()
                mark = self._next()
                self._at += 1
                if mark == "]":
                    break
                if mark != ",":
                    raise self._fail("a comma or the end of the array is missing after an element")
        else:
            self._at += 1
        if self._next():
            raise self._fail("text follows the array")

    def _element(self) -> tuple[int, Any, str]:
        if not self._next():
            raise self._fail("the array does not end")
        wanted = 0
        while True:
            if len(self._text) - self._at >= wanted:
                try:
                    value, end = raw_decode(self._text, self._at)
                    # A number at the end of the text may continue.
                    if end < len(self._text):
                        break
                except json.JSONDecodeError as error:
                    if error.pos < len(self._text) - 16 and not error.msg.startswith("Unterminated"):
                        raise self._fail(f"not JSON ({error.msg})") from None
                except ValueError as error:
                    raise self._fail(str(error)) from None
                except RecursionError:
                    raise self._fail("an element is nested too deeply") from None
                if len(self._text) - self._at > self._most:
                    raise self._fail("an element is too long")
                wanted = 2 * (len(self._text) - self._at)  # try again at twice the size, not at every piece
            if not self._more():
                try:
                    value, end = raw_decode(self._text, self._at)
                except (ValueError, RecursionError):
                    raise self._fail("the document ends inside an element, or is not JSON") from None
                break
        line = self._line + self._text.count("\n", 0, self._at)
        text = self._text[self._at : min(end, self._at + 1024)]
        self._line, self._text, self._at = line, self._text[self._at :], end - self._at
        return line, value, text


def whole_elements(text: str) -> str:
    """The incomplete text of an array, cut after its last whole element and closed; "" without a whole
    element. A text that is not an array is returned unchanged."""
    at, end = _skip_blanks(text, 0), 0
    if text[at : at + 1] != "[":
        return text
    while True:
        at = _skip_blanks(text, at + 1)
        try:
            _, after = raw_decode(text, at)
        except (ValueError, RecursionError):
            break
        if after == len(text):  # a number may continue
            break
        end = after
        at = _skip_blanks(text, after)
        if text[at : at + 1] != ",":
            break
    return f"{text[:end]}]" if end else ""


def _skip_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at] in _BLANKS:
        at += 1
    return at


class JsonArrayTable:
    """The columns are the names in all objects, so the file is read twice, and a document that is not valid
    JSON to its end is refused before any row is loaded."""

    def __init__(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> None:
        head = file.read(_SAMPLE)
        encoding = options.encoding or detect_encoding(head, whole=len(head) < _SAMPLE)
        self._open: Callable[[], Iterator[tuple[int, Any, str]]] = lambda: iter(
            _Elements(file, encoding, limits)
        )
        names: dict[str, None] = {}
        for _, value, _ in self._open():
            if isinstance(value, JsonObject):
                for name, _ in value.members:
                    names[name] = None
            if len(names) > limits.max_columns:
                raise UnreadableFileError(
                    "TOO_MANY_COLUMNS", f"The objects have more than {limits.max_columns} different names."
                )
        if not names:
            raise UnreadableFileError("FILE_EMPTY", "The array holds no object with a member.")
        self.columns: tuple[str, ...] = tuple(names)

    def blocks(self) -> Iterator[TextTable]:
        positions = {name: position for position, name in enumerate(self.columns)}
        builder = BlockBuilder(len(positions))
        for line, value, text in self._open():
            try:
                builder.add(line, row_of(value, positions), len(text))
            except RowError as error:
                builder.reject(line, error.code, error.message, text)
            if builder.full:
                yield builder.take()
        if not builder.empty:
            yield builder.take()


class JsonArrayParser(TableParser):
    name = "json"

    def recognises(self, head: bytes, file_name: str) -> bool:
        """Whether it begins with an array, unless its name is that of a CSV file."""
        text = head.removeprefix(b"\xef\xbb\xbf").replace(b"\0", b"").removeprefix(b"\xff\xfe").lstrip()
        named = file_name.lower().removesuffix(".gz").removesuffix(".zst")
        return text.startswith(b"[") and not named.endswith((".csv", ".tsv", ".txt"))

    @contextmanager
    def open(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Iterator[JsonArrayTable]:
        yield JsonArrayTable(file, options, limits)
