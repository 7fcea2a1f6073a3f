"""Reads JSON text piece by piece: steps into arrays and objects, and takes one value at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.parsers.json_values import TOO_DEEP, RowError, raw_decode

_SHOWN = 1024
_BLANKS = re.compile(r"[ \t\r\n]*")
_STRUCTURE = re.compile(r'["\[\]{}]')
_STRING_REST = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_BARE_END = re.compile(r"[ \t\r\n,\]}]")


@dataclass(frozen=True, slots=True)
class Element:
    """A value of a JSON text."""

    line: int
    """On which it starts, from 0."""
    value: Any
    """The value, or the RowError that says why it cannot be taken."""
    text: str
    """Its text, shortened."""
    size: int
    """Its length in characters."""
    suspect: bool
    """Whether its text may hold what PostgreSQL cannot keep."""
    damaged: bool
    """Whether it holds bytes that are not valid in the file's encoding."""


BAD_CHARACTER = "\udcff"
"""In place of a byte that is not valid in the file's encoding."""
# The escapes of NUL and of surrogates.
_SUSPECT = re.compile(rf"\0|\\u(?:0000|[dD][89a-fA-F])|{BAD_CHARACTER}")


class JsonText:
    """A cursor. Holds at most one value and two pieces, so what it costs grows with the text alone,
    wherever the pieces end. Raises UnreadableFileError, with the line, for what is not JSON."""

    def __init__(self, pieces: Iterator[str], most: int) -> None:
        """`most`: characters of the longest value that `value` takes."""
        self._pieces = pieces
        self._most = most
        self._text = ""
        self._at = 0
        self._line = 0  # of the place `_counted` in `_text`
        self._counted = 0

    @property
    def position(self) -> int:
        """Characters taken of the text, if it came as one piece."""
        return self._at

    def peek(self) -> str:
        """The next character that is not blank, without taking it; "" at the end."""
        while True:
            self._at = _BLANKS.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def take(self) -> str:
        """The next character that is not blank; "" at the end."""
        found = self.peek()
        self._at += len(found)
        return found

    def fail(self, what: str) -> UnreadableFileError:
        """The error that `what` is wrong here."""
        return UnreadableFileError("JSON_INVALID", f"Line {self._line_of(self._at) + 1}: {what}.")

    def elements(self) -> Iterator[Element]:
        """Take the elements of the array that comes next."""
        if self.take() != "[":
            raise self.fail("an array is missing")
        if self.peek() == "]":
            self.take()
            return
        while True:
            yield self.value()
            mark = self.take()
            if mark == "]":
                return
            if not mark:
                raise self.fail("the array does not end")
            if mark != ",":
                raise self.fail("a comma or the end of the array is missing after an element")

    def members(self) -> Iterator[str]:
        """The names in the object that comes next; the caller takes each member's value in between."""
        if self.take() != "{":
            raise self.fail("an object is missing")
        if self.peek() == "}":
            self.take()
            return
        while True:
            if self.peek() != '"':
                raise self.fail("the name of a member is missing")
            name = self.value().value
            if isinstance(name, RowError):
                raise self.fail("the name of a member is too long")
            if self.take() != ":":
                raise self.fail("a colon is missing after a name")
            yield name
            mark = self.take()
            if mark == "}":
                return
            if mark != ",":
                raise self.fail("a comma or the end of the object is missing after a member")

    def value(self) -> Element:
        """Take a value. One that is too long or nested too deeply is an element with a RowError."""
        mark = self.peek()
        if not mark:
            raise self.fail("a value is missing at the end")
        try:
            value, end = raw_decode(self._text, self._at)
        except (ValueError, RecursionError):
            return self._long_value()
        # Of a number, `20` may be the beginning of `20e1` when the piece ends there.
        if mark not in '{["' and _BARE_END.match(self._text, end) is None:
            return self._long_value()
        return self._element(value, end)

    def _element(self, value: Any, end: int) -> Element:
        text, start = self._text, self._at
        size = end - start
        if size > self._most:
            value = self._too_long()
        suspect = _SUSPECT.search(text, start, end) is not None
        damaged = suspect and text.find(BAD_CHARACTER, start, end) >= 0
        self._at = end
        shown = text[start : min(end, start + _SHOWN)]
        return Element(self._line_of(start), value, shown, size, suspect, damaged)

    def _too_long(self) -> RowError:
        return RowError("record-too-long", f"The record is longer than {self._most} characters.")

    def _line_of(self, at: int) -> int:
        """The line of a place not before the last one asked for, from 0."""
        self._line += self._text.count("\n", self._counted, at)
        self._counted = at
        return self._line

    def _long_value(self) -> Element:
        """Take a value whose end is not in this piece, or that does not decode."""
        line = self._line_of(self._at)
        self._text, self._at, self._counted = self._text[self._at :], 0, 0
        first = self._text[:_SHOWN]
        size, ended = self._pass(0, keep=True)
        unended = UnreadableFileError(
            "JSON_INVALID", f"The file ends inside the value that begins in line {line + 1}."
        )
        if size > self._most:
            if not ended:
                raise unended
            return Element(line, self._too_long(), first, size, False, False)
        try:
            value, end = raw_decode(self._text, 0)
            if end != size:
                raise json.JSONDecodeError("Extra characters", self._text, end)
        except json.JSONDecodeError as error:
            if not ended and error.pos >= len(self._text.rstrip()):
                raise unended from None
            line += self._text.count("\n", 0, error.pos) + 1
            raise UnreadableFileError("JSON_INVALID", f"Line {line}: not JSON ({error.msg}).") from None
        except RecursionError:
            if not ended:
                raise unended from None
            value = RowError("json-error", TOO_DEEP)
        self._at = 0
        return self._element(value, size)

    def skip(self, depth: int = 0) -> None:
        """Pass over a value, or over the rest of one of which `depth` brackets are open."""
        self.peek()
        _, ended = self._pass(depth, keep=False)
        if not ended:
            raise self.fail("the text ends inside a value")

    def _pass(self, depth: int, *, keep: bool) -> tuple[int, bool]:
        """Go to the end of a value by its brackets and quotes alone. Returns the characters passed and
        whether it has an end. With `keep` the text of a value that is not too long stays."""
        start, passed = self._at, 0
        in_string = False
        bare = depth == 0 and self._text[start : start + 1] not in ("", '"', "[", "{")
        while True:
            text, at, size = self._text, self._at, len(self._text)
            done = False
            while at < size and not done:
                if bare:
                    found = _BARE_END.search(text, at)
                    at, done = (size, False) if found is None else (found.start(), True)
                elif in_string:
                    # Past its end by one: a quote, or a backslash whose character is in the next piece.
                    at = _STRING_REST.match(text, at).end() + 1  # type: ignore[union-attr]
                    if at <= size and text[at - 1] == '"':
                        in_string, done = False, depth == 0
                    elif at <= size:
                        at += 1
                    else:
                        at = size
                else:
                    found = _STRUCTURE.search(text, at)
                    if found is None:
                        at = size
                    else:
                        at = found.end()
                        if found[0] == '"':
                            in_string = True
                        else:
                            depth += 1 if found[0] in "[{" else -1
                            done = depth <= 0
            self._at = at
            if done:
                return passed + at - start, True
            beyond = at - size
            if not keep or passed + size - start > self._most:
                self._line_of(size)
                passed += size - start
                start, keep = 0, False
                self._text, self._counted = "", 0
            piece = next(self._pieces, None)
            if piece is None:
                return passed + len(self._text) - start, bare
            self._at = len(self._text) + beyond
            self._text += piece

    def _more(self) -> bool:
        piece = next(self._pieces, None)
        if piece is None:
            return False
        self._line_of(self._at)
        self._text = self._text[self._at :] + piece
        self._at = self._counted = 0
        return True
