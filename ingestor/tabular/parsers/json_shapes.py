"""Reads lines of JSON Lines column by column, where their objects are alike.

A shape is the names of an object's members, as written and in their order. Files have few of them, and lines
of a known shape need no decoding one by one: what structures them is found in all of them at once. A line
that is not plain (a list or an object in it, a repeated name, bytes that are not text, anything that is not
JSON) is not matched here; its caller decodes it alone, and says what is wrong with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from ingestor.columns.arrow import Bytes, Int64s, Mask, fully, pc, text_columns, to_mask
from ingestor.tabular.files.encodings import BAD_BYTE
from ingestor.tabular.parsers.json_values import decoder, is_kept
from ingestor.tabular.parsers.row_parts import RowPart
from ingestor.tabular.records.escapes import behind_escapes
from ingestor.tabular.words import words_among

_QUOTE, _BACKSLASH, _LF, _OPEN, _CLOSE, _COLON, _COMMA = b'"\\\n{}:,'
_BARE = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null"  # RFC 8259
_MOST_BLANKS = 16  # beside a name or a value; a line with more is decoded alone
_MARKED = np.zeros(256, np.bool_)
_MARKED[list(b'"\\\n{}[]:,\0' + BAD_BYTE)] = True
_IS_BLANK = np.zeros(256, np.bool_)
_IS_BLANK[list(b" \t\r")] = True


def line_blocks(pieces: Iterator[bytes], size: int, most: int) -> Iterator[tuple[bytes, bool]]:
    """Text cut behind lines, into blocks of about `size` bytes, each with a line end behind its last line. A
    line that does not end within `size` and `most` bytes comes alone, cut at `most`, with True."""
    buffer = bytearray()
    cut = False  # the rest of the line does not count
    for piece in pieces:
        if cut:
            end = piece.find(b"\n") + 1
            if not end:
                continue
            cut, piece = False, piece[end:]
        buffer += piece
        if len(buffer) >= size and (end := buffer.rfind(b"\n") + 1):
            yield bytes(buffer[:end]), False
            del buffer[:end]
        if len(buffer) > max(size, most):
            yield bytes(buffer[:most]) + b"\n", True
            buffer.clear()
            cut = True
    if buffer:
        yield bytes(buffer) + (b"" if buffer.endswith(b"\n") else b"\n"), False


@dataclass(frozen=True, slots=True)
class Shape:
    """The names of an object."""

    written: tuple[bytes, ...]
    """As they are written, with their quotes."""
    names: tuple[str, ...]
    """What they say."""


class LineBlock:
    """Some lines, and where their structure is."""

    def __init__(self, data: bytes) -> None:
        """`data` ends with a line end."""
        self.data = data
        self._bytes: Bytes = np.frombuffer(data, np.uint8)
        at = np.flatnonzero(_MARKED.take(self._bytes)).astype(np.int32)
        kind = self._bytes[at]
        is_end = kind == _LF
        ends = at[is_end]
        self.ends: Int64s = ends
        """Of each line where its line end is; shape [n]."""
        self.starts: Int64s = np.concatenate([[0], ends[:-1] + 1])
        """Where it begins."""
        line = np.cumsum(is_end, dtype=np.int32) - is_end
        quote, backslash = kind == _QUOTE, kind == _BACKSLASH
        self._has_escapes = bool(backslash.any())
        if self._has_escapes:
            quote &= ~behind_escapes(at, backslash)
        quotes = np.cumsum(quote, dtype=np.int32) - quote  # before each place
        closing = np.flatnonzero(is_end)
        before_line = np.concatenate([[0], quotes[closing[:-1]]])
        quotes -= before_line[line]
        bad = (kind == 0) | (kind == BAD_BYTE[0])
        structural = ((quotes & 1) == 0) & ~quote & ~is_end
        self._at, self._kind, self._quotes = at[structural], kind[structural], quotes[structural]
        counts = np.bincount(line[structural], minlength=len(ends))
        self._first = np.cumsum(counts) - counts
        self._counts = counts
        self.is_plain: Mask = (quotes[closing] & 1) == 0
        """Whether it is text and ends outside strings."""
        self.is_plain[line[bad]] = False

    def __len__(self) -> int:
        return len(self.ends)

    def line(self, index: int) -> bytes:
        """A line without its line end."""
        return self.data[self.starts[index] : self.ends[index]]

    def shape_of(self, index: int, names: Sequence[str]) -> Shape | None:
        """The shape of a line, which holds an object with these names; None when the line is not plain."""
        count = 2 * len(names) + 1
        if not self.is_plain[index] or self._counts[index] != count or not names:
            return None
        places = np.arange(self._first[index], self._first[index] + count)
        if (self._kind[places] != _kinds(len(names))).any():
            return None
        at = self._at[places]
        written = [self.data[at[n] + 1 : at[n + 1]].strip(b" \t\r") for n in range(0, count - 1, 2)]
        return Shape(tuple(written), tuple(names))

    def matching(self, shape: Shape, among: Mask) -> tuple[Int64s, Int64s]:
        """The lines of a shape (array [n]), and where their structure is (array [n, 2 * names + 1]). Their
        values are not looked at."""
        width = len(shape.names)
        lines = np.flatnonzero(among & self.is_plain & (self._counts == 2 * width + 1))
        places = self._first[lines][:, None] + np.arange(2 * width + 1)
        good = (self._kind[places] == _kinds(width)).all(axis=1)
        lines, places = lines[good], places[good]
        at = self._at[places]
        good = self._is_blank(self.starts[lines], at[:, 0]) & self._is_blank(at[:, -1] + 1, self.ends[lines])
        for position, name in enumerate(shape.written):
            start, end = self._trimmed(at[:, 2 * position] + 1, at[:, 2 * position + 1])
            good &= end - start == len(name)
            texts = self._bytes[np.minimum(start[:, None] + np.arange(len(name)), len(self._bytes) - 1)]
            good &= (texts == np.frombuffer(name, np.uint8)).all(axis=1)
        return lines[good], places[good]

    def rows(self, shape: Shape, among: Mask) -> RowPart:
        """The rows in the lines of a shape, without those that need a closer look."""
        lines, structure = self.matching(shape, among)
        at, quotes = self._at[structure], self._quotes[structure]
        good = np.ones(len(lines), np.bool_)
        bounds = np.empty((len(lines), len(shape.names), 2), np.int32)
        texts = np.empty((len(lines), len(shape.names)), np.bool_)
        for position in range(len(shape.names)):
            colon, behind = 2 * position + 1, 2 * position + 2
            start, end = self._trimmed(at[:, colon] + 1, at[:, behind])
            count = quotes[:, behind] - quotes[:, colon]
            is_text = count == 2
            last = self._bytes[np.maximum(end - 1, 0)]
            quoted = (self._bytes[np.minimum(start, len(self._bytes) - 1)] == _QUOTE) & (last == _QUOTE)
            good &= (end > start) & np.where(is_text, quoted, count == 0)
            texts[:, position] = is_text
            bounds[:, position, 0] = start + is_text
            bounds[:, position, 1] = end - is_text
        lines, bounds, texts = lines[good], bounds[good], texts[good]
        good = np.ones(len(lines), np.bool_)
        columns, words = [], {}
        for position, found in enumerate(text_columns(self.data, bounds)):
            column, right = self._values(found, texts[:, position])
            good &= right
            columns.append(column)
            word = words_among(column, texts[:, position])
            if word.any():
                words[position] = word
        if not good.all():
            columns = [column.filter(pa.array(good)) for column in columns]
        return RowPart(
            lines[good], columns, {position: lines[word & good] for position, word in words.items()}
        )

    def _values(self, cells: pa.StringArray, is_text: Mask) -> tuple[pa.StringArray, Mask]:
        """The cells with their escapes replaced, and null where they are so; and which are values."""
        good = np.ones(len(cells), np.bool_)
        if not is_text.all():
            bare = pa.array(~is_text)
            good[~is_text] = fully(cells.filter(bare), _BARE)
            null = pc.and_(bare, pc.equal(cells, "null"))
            cells = pc.if_else(null, pa.scalar(None, pa.string()), cells)
        if self._has_escapes:
            escaped = is_text & to_mask(pc.match_substring(cells, "\\"), null=False)
            if escaped.any():
                mask = pa.array(escaped)
                encoded = cells.filter(mask).dictionary_encode()
                texts = [_unescaped(text) for text in map(str, encoded.dictionary.to_pylist())]
                values = pa.array(texts, pa.string()).take(encoded.indices)
                good[escaped] &= to_mask(pc.is_valid(values), null=False)
                cells = pc.replace_with_mask(cells, mask, values)
        return cells, good

    def _trimmed(self, start: Int64s, end: Int64s) -> tuple[Int64s, Int64s]:
        """The bounds of texts without the blanks around them; of some with very many, none is taken away."""
        for _ in range(_MOST_BLANKS):
            blank = _IS_BLANK[self._bytes[start]] & (start < end)
            if not blank.any():
                break
            start = start + blank
        for _ in range(_MOST_BLANKS):
            blank = _IS_BLANK[self._bytes[end - 1]] & (start < end)
            if not blank.any():
                break
            end = end - blank
        return start, end

    def _is_blank(self, start: Int64s, end: Int64s) -> Mask:
        """Whether there is nothing but blanks between two places."""
        first, last = self._trimmed(start, end)
        blank: Mask = first == last
        return blank


def _kinds(width: int) -> Bytes:
    """What structures a flat object: braces, colons and commas."""
    kinds = np.array([_COMMA, _COLON] * width + [_CLOSE], np.uint8)
    kinds[0] = _OPEN
    return kinds


def _unescaped(text: str) -> str | None:
    """What a JSON string says; None when it is none, or says what PostgreSQL cannot keep."""
    try:
        said = decoder.decode(f'"{text}"')
    except ValueError:
        return None
    return said if isinstance(said, str) and is_kept(said) else None
