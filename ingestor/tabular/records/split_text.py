"""Splits many records of a text at once, in any dialect but those aligned with blanks.

The rule is that of `text_records.py`. Quotes, delimiters, escape characters and line ends are found in all of
the text; they tell which records are plain, and where the cells of these begin and end. What is not plain
(such as a broken record, a comment, bytes that are not text) is left to the reader in Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ingestor.columns.arrow import Bytes, Int32s, Int64s, Mask, pc, text_columns, to_mask
from ingestor.tabular.files.encodings import BAD_BYTE
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.records.escapes import behind_escapes
from ingestor.tabular.records.syntax import CR, LF, UTF8_BOM

_BLANK = ord(" ")
_DELIMITER, _QUOTE, _ESCAPE, _LINE_END, _BAD = range(1, 6)
# Each can stand in for a longer character or delimiter, where a text does not hold it. Text to Arrow.
_STAND_INS = bytes((*range(1, 9), *range(14, 32), 127))


@dataclass(frozen=True, slots=True)
class TextDialect:
    """The characters of a dialect in UTF-8; b"" is one that it lacks."""

    delimiter: bytes
    quote: bytes
    escape: bytes
    comment: bytes
    quoting: bool
    """Without, the quote is text that may be escaped."""
    doubles: bool
    """A quote in quotes may be doubled."""
    skips_blanks: bool
    empty_is_null: bool
    """A cell without quotes and text is null."""

    @classmethod
    def of(cls, options: ReadOptions) -> TextDialect | None:
        """None for a dialect that only the reader in Python knows."""
        delimiter = options.delimiter or ","
        escape = options.escape_char or ""
        doubles = options.double_quote or escape == options.quote
        if options.quoting and escape == options.quote:
            escape = ""
        quote = options.quote if options.quoting or escape else ""
        used = list(filter(None, (quote, escape, options.comment_char)))
        if len({*used, " "}) <= len(used) or any(character in delimiter for character in used):
            return None
        if options.skip_initial_space and " " in delimiter:
            return None
        return cls(
            delimiter.encode(), quote.encode(), escape.encode(), (options.comment_char or "").encode(),
            options.quoting, doubles, options.skip_initial_space, options.empty_quoted == "text",
        )  # fmt: skip


class _Marks:
    """What structures a text: where it is, of which kind, and where the text goes on behind it."""

    def __init__(self, at: Int32s, kind: Bytes, behind: Int32s) -> None:
        self.at = at
        self.kind = kind
        self.behind = behind

    def where(self, chosen: Mask) -> _Marks:
        """Some of them."""
        return _Marks(self.at[chosen], self.kind[chosen], self.behind[chosen])


class SplitText:
    """The records of a text, by their position in it."""

    starts: Int32s
    """Where each begins; shape [records]."""
    ends: Int32s
    """Where each ends, without its line end."""
    lines: Int64s
    """The line on which each begins, from 0."""
    is_plain: Mask
    """Whether its cells are known. Another one is to be read by the reader in Python, from its beginning on;
    it may end elsewhere than here."""
    widths: Int64s
    """How many cells each plain one has."""
    line_count: int
    """Lines of all of them."""

    def __init__(self, data: bytes, dialect: TextDialect, most: int, *, ended: bool) -> None:
        """`data` begins with a record and ends with a line end. Unless `ended` more may follow: then a record
        that is incomplete is left out. One of more than `most` bytes is not plain."""
        self._dialect = dialect
        self._data, self._tokens, self._stand_ins = _with_stand_ins(data, dialect)
        self._most = most // max(map(len, self._stand_ins.values()), default=1)
        self._bytes: Bytes = np.frombuffer(self._data, np.uint8)
        if dialect.skips_blanks:
            self._not_blank = np.flatnonzero(self._bytes != _BLANK).astype(np.int32)
        self._has_escaped = self._has_doubled = False
        marks = self._without_escaped(self._marks())
        ends = np.flatnonzero(marks.kind == _LINE_END)
        quote = marks.kind == _QUOTE
        before = np.cumsum(quote, dtype=np.int32) - quote
        illegal = self._illegal(marks, before)
        closing = ends[before[ends] & 1 == 0]
        if illegal.size or not self._are_whole(marks, ends, before, closing, ended=ended):
            # A record that is broken is one line. So each line counts for itself; what is right in it is so
            # wherever the record before it ends.
            closing = ends
            of_line = np.zeros(len(ends), np.int32)
            of_line[1:] = before[ends[:-1]]
            before -= np.repeat(of_line, np.diff(ends, prepend=-1))
            illegal = self._illegal(marks, before)
        self._find(marks, ends, before, closing, illegal)

    def __len__(self) -> int:
        return len(self.starts)

    def text(self, first: int, last: int) -> str:
        """The text of the records from one to before another, which may be too far."""
        end = self.starts[last] if last < len(self) else self._end
        return self._text(self._data[self.starts[first] : end])

    def line(self, record: int) -> str:
        """The text of a record, without its line end."""
        return self._text(self._data[self.starts[record] : self.ends[record]])

    def rest(self) -> bytes:
        """The bytes behind the last record."""
        return self._restored(self._data[self._end :])

    def _text(self, data: bytes) -> str:
        return self._restored(data).decode("utf-8", "surrogateescape")

    def _restored(self, data: bytes) -> bytes:
        for stand_in, token in self._stand_ins.items():
            data = data.replace(stand_in, token)
        return data

    def _marks(self) -> _Marks:
        kinds = np.zeros(256, np.uint8)
        kinds[[CR, LF]] = _LINE_END
        kinds[[0, BAD_BYTE[0]]] = _BAD
        for kind, token in self._tokens.items():
            if token:
                kinds[token[0]] = kind
        at = np.flatnonzero((kinds > 0).take(self._bytes)).astype(np.int32)
        byte = self._bytes[at]
        marks = _Marks(at, kinds[byte], at + np.int32(1))
        if b"\r" not in self._data:
            return marks
        pair = np.flatnonzero((byte[:-1] == CR) & (byte[1:] == LF) & (np.diff(at) == 1))
        marks.behind[pair] += 1
        second = np.zeros(len(at), np.bool_)
        second[pair + 1] = True
        return marks.where(~second)

    def _without_escaped(self, marks: _Marks) -> _Marks:
        """The marks that are no plain text."""
        plain = np.zeros(len(marks.at), np.bool_)
        if _ESCAPE in self._tokens:
            escape = marks.kind == _ESCAPE
            escaped = behind_escapes(marks.at, escape) & (marks.kind <= _ESCAPE)
            self._has_escaped = bool(escaped.any())
            plain = escape | escaped
        if not self._dialect.quoting:
            plain |= marks.kind == _QUOTE
        return marks.where(~plain) if plain.any() else marks

    def _illegal(self, marks: _Marks, before: Int32s) -> Int64s:
        """The quotes that break the rule; of each mark `before` is how many quotes are before it."""
        quotes = np.flatnonzero(marks.kind == _QUOTE)
        doubles = self._dialect.doubles
        place = marks.at[quotes]
        kind = np.where(quotes, marks.kind[quotes - 1], _LINE_END)
        previous = np.where(quotes, marks.behind[quotes - 1], 0)
        doubled = (kind == _QUOTE) & (previous == place)
        begins = previous
        if self._dialect.skips_blanks:
            begins = self._behind_blanks(previous)
        opens = (begins == place) & ((kind == _DELIMITER) | (kind == _LINE_END))
        follows = marks.kind[quotes + 1]
        closes = (follows == _DELIMITER) | (follows == _LINE_END)
        if doubles:
            opens |= doubled
            closes |= follows == _QUOTE
        closes &= marks.at[quotes + 1] == place + 1
        is_closing = before[quotes] & 1 == 1
        self._has_doubled = doubles and bool((doubled & ~is_closing).any())
        wrong: Int64s = quotes[~np.where(is_closing, closes, opens)]
        return wrong

    def _behind_blanks(self, places: Int32s) -> Int32s:
        """Where the blanks end that begin at some places. The text ends with a line end."""
        return self._not_blank[np.searchsorted(self._not_blank, places)]

    def _begin_with(self, token: bytes, starts: Int32s) -> Mask:
        """Which places some bytes are at."""
        found = np.ones(len(starts), np.bool_)
        last = len(self._bytes) - 1
        for offset, byte in enumerate(token):
            found &= self._bytes[np.minimum(starts + offset, last)] == byte
        return found

    def _are_whole(
        self, marks: _Marks, ends: Int64s, before: Int32s, closing: Int64s, *, ended: bool
    ) -> bool:
        """Whether records end at the line ends outside quotes: all quotes are right, so it is so unless a
        quote is in a comment, is never closed or belongs to a record that is too long."""
        if not closing.size or (ended and closing[-1] != ends[-1]):
            return False
        sizes = np.diff(marks.behind[closing], prepend=np.int32(0))
        if len(closing) < len(ends) and (sizes > self._most).any():
            return False
        if not self._dialect.comment:
            return True
        starts = np.zeros(len(ends), np.int32)
        starts[1:] = marks.behind[ends[:-1]]
        quotes = np.diff(before[ends], prepend=np.int32(0))
        return not self._begin_with(self._dialect.comment, starts[quotes > 0]).any()

    def _find(self, marks: _Marks, ends: Int64s, before: Int32s, closing: Int64s, illegal: Int64s) -> None:
        """Set what is known of the records, which end at the marks `closing`."""
        count = len(closing)
        self.ends = marks.at[closing]
        self._end = int(marks.behind[closing[-1]])
        self.starts = np.zeros(count, np.int32)
        self.starts[1:] = marks.behind[closing[:-1]]
        self.lines = np.zeros(count, np.int64)
        through = np.searchsorted(ends, closing) + 1  # lines through the end of each
        self.lines[1:] = through[:-1]
        self.line_count = int(through[-1])
        delimiters = np.flatnonzero((marks.kind == _DELIMITER) & (before & 1 == 0))
        delimiters = delimiters[: np.searchsorted(delimiters, closing[-1])]
        self._at = marks.at[delimiters]
        through = np.searchsorted(delimiters, closing)  # delimiters through the end of each
        self._first = np.zeros(count, np.int64)
        self._first[1:] = through[:-1]
        self.widths = through - self._first + 1
        plain = (self.ends - self.starts <= self._most) & (before[closing] & 1 == 0)
        content = self._behind_blanks(self.starts) if self._dialect.skips_blanks else self.starts
        plain &= content < self.ends
        bad = np.concatenate([illegal, np.flatnonzero(marks.kind == _BAD)])
        owners = np.searchsorted(closing, bad)
        plain[owners[owners < count]] = False
        if self._dialect.comment:
            plain &= ~self._begin_with(self._dialect.comment, self.starts)
        if UTF8_BOM in self._data:
            plain &= ~self._begin_with(UTF8_BOM, self.starts)
        if any(token == b"" for token in self._tokens.values()):
            plain[:] = False
        self.is_plain = plain

    def columns(self, records: Int64s, width: int) -> list[pa.StringArray]:
        """The cells of some plain records of this width (at least 1)."""
        count = len(records)
        inner = self._at[self._first[records][:, None] + np.arange(width - 1)]
        bounds = np.empty((count, width, 2), np.int32)
        bounds[:, 0, 0] = self.starts[records]
        bounds[:, 1:, 0] = inner + 1
        bounds[:, :-1, 1] = inner
        bounds[:, -1, 1] = self.ends[records]
        if self._dialect.skips_blanks:
            bounds[:, :, 0] = np.minimum(self._behind_blanks(bounds[:, :, 0]), bounds[:, :, 1])
        quoted = np.zeros((count, width), np.bool_)
        if self._dialect.quoting:
            quoted = self._bytes[bounds[:, :, 0]] == self._tokens[_QUOTE][0]
            bounds[:, :, 0] += quoted
            bounds[:, :, 1] -= quoted
        found = []
        for position, column in enumerate(text_columns(self._data, bounds)):
            if self._dialect.empty_is_null:
                empty = bounds[:, position, 0] == bounds[:, position, 1]
                null = pa.array(empty & ~quoted[:, position])
                column = pc.if_else(null, pa.scalar(None, pa.string()), column)
            found.append(self._as_said(column))
        return found

    def _as_said(self, column: Any) -> pa.StringArray:
        """The cells without escape characters and doubled quotes, and with all their characters."""
        quote, escape = (self._tokens.get(kind, b"").decode() for kind in (_QUOTE, _ESCAPE))
        if self._has_doubled and not escape:
            column = _replaced(column, quote * 2, quote)
        elif self._has_doubled or self._has_escaped:
            delimiter = self._tokens.get(_DELIMITER, b"").decode()
            escapable = "".join(f"\\x{{{ord(token):x}}}" for token in (quote, delimiter, escape) if token)
            said = rf"\x{{{ord(escape):x}}}([{escapable}])"
            marked = to_mask(pc.match_substring(column, escape), null=False)
            if self._has_doubled:
                said += rf"|\x{{{ord(quote):x}}}(\x{{{ord(quote):x}}})"
                marked |= to_mask(pc.match_substring(column, quote * 2), null=False)
            if marked.any():
                mask = pa.array(marked)
                by = r"\1\2" if self._has_doubled else r"\1"
                column = pc.replace_with_mask(
                    column, mask, pc.replace_substring_regex(column.filter(mask), said, by)
                )
        for stand_in, token in self._stand_ins.items():
            column = _replaced(column, stand_in.decode(), token.decode())
        text: pa.StringArray = column
        return text


def _replaced(column: Any, text: str, by: str) -> Any:
    if not pc.any(pc.match_substring(column, text)).as_py():
        return column
    return pc.replace_substring(column, text, by)


def _with_stand_ins(data: bytes, dialect: TextDialect) -> tuple[bytes, dict[int, bytes], dict[bytes, bytes]]:
    """The data with a byte for each character and delimiter that is longer; by kind of mark its byte, b"" if
    none is free; and what each such byte stands for."""
    tokens = {_DELIMITER: dialect.delimiter, _QUOTE: dialect.quote, _ESCAPE: dialect.escape}
    tokens = {kind: token for kind, token in tokens.items() if token}
    free = (bytes([byte]) for byte in _STAND_INS)
    stand_ins: dict[bytes, bytes] = {}
    for kind, token in tokens.items():
        if len(token) > 1:
            found = next((byte for byte in free if byte not in data and byte not in tokens.values()), b"")
            tokens[kind] = found
            if found:
                stand_ins[found] = token
                data = data.replace(token, found)
    return data, tokens, stand_ins
