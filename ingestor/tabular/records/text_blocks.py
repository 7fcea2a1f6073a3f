"""Splits a text that arrives in pieces into records, many at once where they are plain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice

import numpy as np

from ingestor.columns.arrow import Int64s, Mask
from ingestor.tabular.files.encodings import to_utf8
from ingestor.tabular.limits import Limits
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.records.split_text import SplitText, TextDialect
from ingestor.tabular.records.text_records import Record, RecordReader

_BLOCK_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class TextBlock:
    """Records that follow each other, by their position."""

    split: SplitText | None
    """None if the reader in Python has read all of them."""
    places: Int64s
    """The position of each in `split`; shape [records]."""
    lines: Int64s
    """The physical line on which each starts, from 0."""
    is_plain: Mask
    """Whether its cells are to be taken from `split`."""
    odd: dict[int, Record]
    """The others."""

    def __len__(self) -> int:
        return len(self.lines)


class TextBlocks:
    """The records of a text of any dialect, in blocks. Holds a block, and one record of at most
    `max_record_bytes`."""

    def __init__(self, pieces: Iterator[str], line: int, options: ReadOptions, limits: Limits) -> None:
        """The text begins with a record, on this line from 0."""
        self._pieces = pieces
        self._line = line
        self._options = options
        self._limits = limits
        self._dialect = TextDialect.of(options)
        self._rest = bytearray()  # of the text, in UTF-8
        self._ended = False

    def blocks(self) -> Iterator[TextBlock]:
        """All of them; none is empty."""
        if self._dialect is None:
            yield from self._one_by_one(RecordReader(self._pieces, self._options, self._limits), None)
            return
        while self._fill():
            end = self._line_end() or (len(self._rest) if self._ended else 0)
            if not end:  # its first line is too long
                reader = RecordReader(self._following(), self._options, self._limits)
                yield from self._one_by_one(reader, 1)
                self._rest[:0] = to_utf8(reader.rest())
                continue
            data = self._taken(end)
            data += b"" if data.endswith((b"\n", b"\r")) else b"\n"
            ended = self._ended and not self._rest
            split = SplitText(data, self._dialect, self._limits.max_record_bytes, ended=ended)
            self._rest[:0] = split.rest()
            yield self._block(split)

    def record(self, block: TextBlock, position: int) -> Record:
        """One record of a block."""
        if position in block.odd:
            return block.odd[position]
        assert block.split is not None
        text = block.split.line(int(block.places[position]))
        record = RecordReader(iter((text,)), self._options, self._limits).record()
        assert record is not None, "a plain record is not blank"
        return replace(record, line=int(block.lines[position]))

    def _one_by_one(self, reader: RecordReader, most: int | None) -> Iterator[TextBlock]:
        """The records of a reader, at most so many."""
        found: list[Record] = []
        size = 0
        for record in islice(reader.records(), most):
            found.append(replace(record, line=self._line + record.line))
            size += len(record.text) + 1
            if size >= _BLOCK_BYTES or len(found) >= self._limits.block_rows:
                yield block_of(found)
                found, size = [], 0
        if found:
            yield block_of(found)
        self._line += reader.line

    def _fill(self) -> bool:
        """Wait for a block of text, or as much of it as a line may have; False at the end."""
        while not self._ended and len(self._rest) <= self._limits.max_record_bytes + 2:
            if len(self._rest) >= _BLOCK_BYTES and self._line_end():
                break
            piece = next(self._pieces, None)
            self._ended = piece is None
            self._rest += to_utf8(piece or "")
        return bool(self._rest)

    def _line_end(self) -> int:
        """Where a line ends, as far behind as a block is large, or the first one behind that; 0 if none does
        for certain."""
        rest, last = self._rest, len(self._rest) - 1  # an LF may follow a CR
        end = rest.rfind(b"\n", 0, _BLOCK_BYTES) + 1 or rest.rfind(b"\r", 0, min(_BLOCK_BYTES, last)) + 1
        if not end:
            ends = (rest.find(b"\n") + 1, rest.find(b"\r", 0, max(last, 0)) + 1)
            end = min(filter(None, ends), default=0)
        return end + (rest[end - 1 : end + 1] == b"\r\n") if end else 0

    def _taken(self, end: int) -> bytes:
        data = bytes(self._rest[:end])
        del self._rest[:end]
        return data

    def _following(self) -> Iterator[str]:
        """The text that is in no block yet."""
        while self._rest:
            yield self._taken(self._line_end() or len(self._rest)).decode("utf-8", "surrogateescape")
        # Not "yield from", which would close the pieces when this ends early.
        while (piece := next(self._pieces, None)) is not None:
            yield piece

    def _block(self, split: SplitText) -> TextBlock:
        begin = self._line
        self._line += split.line_count
        is_record = np.ones(len(split), np.bool_)
        odd: dict[int, Record] = {}
        behind = 0
        for place in np.flatnonzero(~split.is_plain).tolist():
            if place < behind:
                continue  # within a record
            ahead = _Ahead(split, place)
            reader = RecordReader(chain(ahead, self._following()), self._options, self._limits)
            record = reader.record()
            assert record is not None, "a record begins here"
            line = begin + int(split.lines[place])
            odd[place] = replace(record, line=line)
            behind = int(np.searchsorted(split.lines, split.lines[place] + reader.line))
            if ahead.ended:
                behind = len(split)
                self._rest[:0] = to_utf8(reader.rest())
                self._line = line + reader.line
            is_record[place + 1 : behind] = False
        places = np.flatnonzero(is_record)
        positions = np.searchsorted(places, list(odd)).tolist()
        return TextBlock(
            split, places, split.lines[places] + begin, split.is_plain[places],
            dict(zip(positions, odd.values(), strict=True)),
        )  # fmt: skip


class _Ahead:
    """The text of a block from a record on, in pieces that grow: most records end soon."""

    def __init__(self, split: SplitText, place: int) -> None:
        self.ended = False
        """Whether all of it was taken."""
        self._split = split
        self._place = place
        self._count = 2

    def __iter__(self) -> Iterator[str]:
        while self._place < len(self._split):
            first, self._place = self._place, self._place + self._count
            self._count *= 2
            yield self._split.text(first, self._place)
        self.ended = True


def block_of(records: list[Record]) -> TextBlock:
    """A block of records that the reader in Python has read."""
    count = len(records)
    lines = np.array([record.line for record in records], np.int64)
    return TextBlock(None, np.arange(count), lines, np.zeros(count, np.bool_), dict(enumerate(records)))
