"""Splits text of any dialect into records, record by record, in Python.

The rule is that of `exact.py`: a record begins at the start of a physical line; one that breaks the quoting
rule is exactly that line, and the next begins after it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ingestor.tabular.limits import Limits
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.records.quoted_line import quoted_line

_LINE_END = re.compile(r"\r\n|\n|\r")
_KEPT = 1024  # characters kept of a rejected record
_QUICK = 8192  # characters of a line that may be split at once


@dataclass(frozen=True, slots=True)
class Record:
    """A record: its cells, or why it has none."""

    line: int
    """Physical line on which it starts, from 0."""
    cells: tuple[str | None, ...] | None
    """() for a blank record, None for a broken one. With `emptyQuoted` "text" an empty cell without quotes is
    None."""
    text: str
    """Without its line end."""
    kind: str = ""
    """"quote-error" or "record-too-long" for a broken record, "comment-row" for a comment."""


class RecordReader:
    """Splits a text that arrives in pieces into records. Holds one piece and one record of at most
    `max_record_bytes` characters."""

    def __init__(self, pieces: Iterator[str], options: ReadOptions, limits: Limits) -> None:
        self._pieces = pieces
        self._text = ""
        self._at = 0  # where the next record begins
        self._line = 0
        self._ended = False
        self._most = limits.max_record_bytes
        self._delimiter = options.delimiter or ","
        self._skips_blanks = options.skip_initial_space
        self._aligned = options.skip_initial_space and not self._delimiter.strip(" ")
        self._quote = options.quote if options.quoting else None
        self._empty = None if options.empty_quoted == "text" else ""  # a cell without quotes and text
        escape = options.escape_char
        self._double = options.double_quote or escape == self._quote
        self._escape = None if escape == self._quote else escape
        self._comment = options.comment_char
        # What an escape character makes plain text; it is text itself before anything else.
        self._escaped = (options.quote, self._delimiter, escape) if escape else ()
        special = "".join(map(re.escape, (self._quote or "", self._escape or "")))
        # What ends a plain run, outside and inside quotes.
        self._outside = re.compile(f"[{special}\r\n]|{re.escape(self._delimiter)}")
        self._inside = re.compile(f"[{special}]") if self._quote else None
        # Whether most lines can be split at once.
        self._simple = len(self._delimiter) == 1 and not (self._escape or self._skips_blanks)

    def _more(self) -> bool:
        """Append the next piece; False at the end of the text."""
        if self._ended:
            return False
        piece = next(self._pieces, None)
        if piece is None:
            self._ended = True
            return False
        self._text = self._text[self._at :] + piece
        self._at = 0
        return True

    def skip_line(self) -> bool:
        """Skip a physical line; False at the end of the text."""
        end, after = self._line_end()
        if after == self._at and end == after:
            return False
        self._at = after
        self._line += 1
        return True

    def _line_end(self) -> tuple[int, int]:
        """Where the physical line ends, without its line end, and where the next one starts."""
        seen = 0
        while True:
            found = _LINE_END.search(self._text, self._at + max(seen - 1, 0))
            # After a CR at the very end an LF may follow.
            if found and (found.end() < len(self._text) or self._ended):
                return found.span()
            seen = len(self._text) - self._at
            if not self._more():
                found = _LINE_END.search(self._text, self._at)
                return found.span() if found else (len(self._text), len(self._text))

    def records(self) -> Iterator[Record]:
        """The remaining records."""
        while record := self.record():
            yield record

    def record(self) -> Record | None:
        """The next record; None at the end of the text."""
        while self._at == len(self._text):
            if not self._more():
                return None
        return self._record()

    @property
    def line(self) -> int:
        """The physical line on which the next record starts, from 0."""
        return self._line

    def rest(self) -> str:
        """What was taken from the pieces and is in no record yet."""
        return self._text[self._at :]

    def certain(self, skip_lines: int) -> int:
        """How many characters of a text, fed as one piece, are records that no further text can change."""
        for _ in range(skip_lines):
            self.skip_line()
        end = 0
        for _ in self.records():
            if self._ended:
                break
            end = self._at
        return end

    def _record(self) -> Record:
        line = self._line
        if self._comment and self._text.startswith(self._comment, self._at):
            return self._line_record(comment=True)
        while True:
            outcome = (self._simple and self._split_line()) or self._split()
            if outcome != "more":
                break
            if len(self._text) - self._at > self._most + 2:
                return self._line_record()
            if not self._more():
                outcome = self._split()
                break
        if isinstance(outcome, str):
            return self._line_record()
        cells, end, after = outcome
        if end - self._at > self._most:
            return self._line_record()
        text = self._text[self._at : end]
        self._at = after
        self._line += 1 + sum(1 for _ in _LINE_END.finditer(text))
        blank = not (text.lstrip(" ") if self._skips_blanks else text)
        return Record(line, () if blank else cells, text)

    def _line_record(self, *, comment: bool = False) -> Record:
        """The physical line as a record without cells; keeps only the beginning of a long line."""
        line, kept, size = self._line, "", 0
        while True:
            found = _LINE_END.search(self._text, self._at)
            end = found.start() if found else len(self._text)
            size += end - self._at
            kept += self._text[self._at : min(end, self._at + _KEPT - len(kept))]
            self._at = end
            if found and (found.end() < len(self._text) or self._ended):
                self._at = found.end()
                break
            if not self._more() and not found:
                break
        self._line += 1
        too_long = "record-too-long" if size > self._most else "quote-error"
        return Record(line, None, kept, "comment-row" if comment else too_long)

    def _split_line(self) -> tuple[tuple[str | None, ...], int, int] | None:
        """As _split, of a line that can be split at once; else None."""
        text, at = self._text, self._at
        found = _LINE_END.search(text, at)
        if not found or (found.end() == len(text) and not self._ended):
            return None
        end = found.start()
        if end - at > _QUICK or self._quote is None:
            return None
        cells = quoted_line(text[at:end], self._delimiter, self._quote, self._empty)
        return None if cells is None else (tuple(cells), end, found.end())

    def _split(self) -> tuple[tuple[str | None, ...], int, int] | str:
        """Cells of the record at `_at`, its end, and where the next one begins; or "more" when only more text
        can decide, or "broken"."""
        text, at, size, ended = self._text, self._at, len(self._text), self._ended
        quote, delimiter = self._quote, self._delimiter
        cells: list[str | None] = []
        while True:
            while self._skips_blanks and text.startswith(" ", at):
                at += 1
            if at == size and not ended:
                return "more"
            quoted = quote is not None and text.startswith(quote, at)
            parsed = self._quoted(at + 1) if quoted else self._plain(at)
            if isinstance(parsed, str):
                return parsed
            cell, at = parsed
            follows = self._starts(delimiter, at)
            if follows is None:
                return "more"
            at_end = at == size or text[at] in "\r\n"
            if not (follows or at_end):
                return "broken"
            # Blanks at the end of an aligned record are no delimiter.
            if quoted or cell or not (self._aligned and at_end and cells):
                cells.append(cell if quoted or cell else self._empty)
            if follows:
                at += len(delimiter)
                continue
            if at == size:
                return (tuple(cells), at, at) if ended else "more"
            if text[at] == "\n":
                return tuple(cells), at, at + 1
            if at + 1 == size and not ended:
                return "more"
            return tuple(cells), at, at + 2 if text[at + 1 : at + 2] == "\n" else at + 1

    def _starts(self, token: str, at: int) -> bool | None:
        """Whether the token stands at this place; None when only more text can tell."""
        if self._text.startswith(token, at):
            return True
        rest = len(self._text) - at
        return None if not self._ended and rest < len(token) and token.startswith(self._text[at:]) else False

    def _plain(self, at: int) -> tuple[str, int] | str:
        """The cell without quotes at this place, and its end; or "more" or "broken", see _split."""
        text = self._text
        parts: list[str] = []
        while True:
            found = self._outside.search(text, at)
            if not found:
                return ("".join(parts) + text[at:], len(text)) if self._ended else "more"
            parts.append(text[at : found.start()])
            at = found.start()
            if text[at] == self._escape:
                plain = self._after_escape(at + 1)
                if plain is None:
                    return "more"
                parts.append(plain or self._escape)
                at += 1 + len(plain)
            elif text[at] == self._quote:
                return "broken"
            else:
                return "".join(parts), at

    def _quoted(self, at: int) -> tuple[str, int] | str:
        """The quoted cell whose opening quote is before `at`, and the position after its closing quote; or
        "more" or "broken", see _split."""
        text, ended = self._text, self._ended
        assert self._inside is not None
        parts: list[str] = []
        while True:
            found = self._inside.search(text, at)
            if not found:
                return "broken" if ended else "more"
            parts.append(text[at : found.start()])
            at = found.start()
            following = text[at + 1 : at + 2]
            if not following and not ended:
                return "more"
            if text[at] == self._escape:
                plain = self._after_escape(at + 1)
                if plain is None:
                    return "more"
                parts.append(plain or self._escape)
                at += 1 + len(plain)
            elif self._double and following == self._quote:
                parts.append(following)
                at += 2
            else:
                return "".join(parts), at + 1

    def _after_escape(self, at: int) -> str | None:
        """What the escape character before this place makes plain text, "" if nothing; None when only more
        text can tell."""
        starts = [(token, self._starts(token, at)) for token in self._escaped]
        if any(found is None for _, found in starts):
            return None
        return next((token for token, found in starts if found), "")


def whole_records(text: str, options: ReadOptions, limits: Limits) -> str:
    """The part of an incomplete text that holds the records that no further text can change."""
    reader = RecordReader(iter((text,)), options, limits)
    return text[: reader.certain(options.skip_lines)]
