"""Reads JSON Lines (https://jsonlines.org): one object per line."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

import numpy as np

from ingestor.columns.arrow import Int64s, Mask
from ingestor.plugins import TableParser
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.encodings import BAD_BYTE, detect_encoding, text_pieces, transcode
from ingestor.tabular.limits import Limits
from ingestor.tabular.normal_form import BlockBuilder
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.parsers.json_shapes import LineBlock, Shape, line_blocks
from ingestor.tabular.parsers.json_values import (
    TOO_DEEP,
    JsonObject,
    RowError,
    check_kept,
    decoder,
    is_kept,
    raw_decode,
    row_of,
)
from ingestor.tabular.parsers.row_parts import RowPart, in_order, renumbered
from ingestor.tabular.text_table import TextTable

_SAMPLE = 64 * 1024
_BLOCK_BYTES = 512 * 1024
_MOST_SHAPES = 8  # lines of others are decoded one by one
_MAYBE_NAMES = re.compile(rb'"([^"\\]*)"[ \t\r]*:')
_SUSPECT = re.compile(rb"\0|\\u(?:0000|[dD][89a-fA-F])")  # NUL, and escapes of it and of surrogates
_BEGINNINGS = {
    "{": re.compile(r'\s*\{\s*(["}]|$)'),
    "[": re.compile(r'\s*\[\s*([\[{"\]\-0-9tfn]|$)'),
}


def begins_like(bracket: str, head: bytes, file_name: str) -> bool:
    """Whether a file begins like a JSON object ("{") or array ("["), and its name is not that of delimited
    text."""
    named = file_name.lower().removesuffix(".gz").removesuffix(".zst")
    if named.endswith((".csv", ".tsv", ".txt")):
        return False
    return _BEGINNINGS[bracket].match(_head_text(head[:1024])) is not None


def _head_text(head: bytes) -> str:
    encoding = detect_encoding(head, whole=False)
    return "".join(text_pieces(io.BytesIO(head), encoding))


def is_json_lines(head: bytes, file_name: str) -> bool:
    """Whether a file that begins like a JSON object has one object to a line.

    Its name says so; or its first line is an object, and another line follows or it holds no array of
    objects; or no object begins in its first line (which is broken then), but one is in a line behind it.
    """
    named = file_name.lower().removesuffix(".gz").removesuffix(".zst")
    if named.endswith((".jsonl", ".ndjson", ".jsonlines")):
        return True
    text = _head_text(head).lstrip()
    first, *others = text.split("\n", _LOOKED_AT)
    if _is_object(first):
        return any(map(str.strip, others)) or not _HOLDS_ARRAY.search(first)
    try:
        raw_decode(text, 0)
        return False
    except (ValueError, RecursionError):
        return any(map(_is_object, others[: _LOOKED_AT - 1]))


_LOOKED_AT = 6  # lines that tell whether each is an object
_HOLDS_ARRAY = re.compile(r":\s*\[\s*\{")


def _is_object(line: str) -> bool:
    try:
        return isinstance(decoder.decode(line), JsonObject)
    except (ValueError, RecursionError):
        return False


def not_in_encoding(encoding: str) -> RowError:
    """The error of a record with bytes that are not text."""
    return RowError("encoding-error", f"The record holds bytes that are not valid {encoding}.")


class JsonLinesTable:
    """The columns are the names in all objects, in order of appearance, so the file is read twice."""

    def __init__(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> None:
        self._file = file
        self._limits = limits
        self._skip = options.skip_lines
        head = file.read(_SAMPLE)
        self._encoding = options.encoding or detect_encoding(head, whole=len(head) < _SAMPLE)
        self._shapes: list[Shape] = []
        self.columns: tuple[str, ...] = tuple(self._names())
        self._positions = {name: position for position, name in enumerate(self.columns)}

    def _blocks(self) -> Iterator[tuple[int, LineBlock, Mask]]:
        """Some lines, the number of the first in the file, from 0, and which are too long; without what is
        skipped."""
        self._file.seek(0)
        first = 0
        most = self._limits.max_record_bytes
        for data, is_cut in line_blocks(transcode(self._file, self._encoding), _BLOCK_BYTES, most):
            block = LineBlock(data)
            skipped = min(max(self._skip - first, 0), len(block))
            first += skipped
            if skipped < len(block):
                block = LineBlock(data[block.starts[skipped] :]) if skipped else block
                yield first, block, (block.ends - block.starts > most) | is_cut
                first += len(block)

    def _names(self) -> list[str]:
        names: dict[str, None] = {}
        seen: set[bytes] = set()
        for _, block, too_long in self._blocks():
            left = ~too_long
            for shape in self._shapes:
                left[block.matching(shape, left)[0]] = False
            for index in range(len(block)):
                if left[index] and (new := self._learn(block, index, names, seen)):
                    left[block.matching(new, left)[0]] = False
        if not names:
            raise UnreadableFileError("FILE_EMPTY", "The file holds no JSON object with a member.")
        return list(names)

    def _learn(self, block: LineBlock, index: int, names: dict[str, None], seen: set[bytes]) -> Shape | None:
        """Add the names in a line to those that are known; its shape, if it is new."""
        data = block.line(index)
        if not data.strip():
            return None
        # A quoted text before a colon may be a name. Decoding is slow, so skip lines without new ones.
        found = _MAYBE_NAMES.findall(data)
        may_be_new = len(self._shapes) < _MOST_SHAPES
        if not may_be_new and b"\\" not in data and seen.issuperset(found):
            return None
        try:
            value = decoder.decode(data.decode())
        except (ValueError, RecursionError):
            return None  # reported when its record is read
        seen.update(found)
        if not isinstance(value, JsonObject):
            return None
        labels = [name for name, _ in value.members]
        names.update(dict.fromkeys(filter(is_kept, labels)))
        if len(names) > self._limits.max_columns:
            raise UnreadableFileError(
                "TOO_MANY_COLUMNS",
                f"The objects have more than {self._limits.max_columns} different names.",
            )
        if not may_be_new or not all(map(is_kept, labels)) or value.repeated() is not None:
            return None
        shape = block.shape_of(index, labels)
        if shape:
            self._shapes.append(shape)
        return shape

    def blocks(self) -> Iterator[TextTable]:
        rows = self._limits.rows_at_once(len(self.columns))
        for first, block, too_long in self._blocks():
            for start in range(0, len(block), rows):
                chosen = np.zeros(len(block), np.bool_)
                chosen[start : start + rows] = True
                yield self._table(first, block, too_long, chosen)

    def _table(self, first_line: int, block: LineBlock, too_long: Mask, chosen: Mask) -> TextTable:
        """The table of some lines of a block, which follow each other; `first_line` is the block's."""
        begin = int(np.argmax(chosen))
        left = chosen & ~too_long
        parts: list[RowPart] = []
        for shape in self._shapes:
            if left.any():
                found = block.rows(shape, left)
                left[found.lines] = False
                parts.append(found.of(shape.names, self.columns))
        others = np.flatnonzero(left | (too_long & chosen))
        alone = self._alone(first_line, block, too_long, others)
        parts.append(RowPart.of_table(alone, others))
        rows = in_order(parts)
        return TextTable(
            rows.columns, rows.lines - begin, rows.lines + first_line, int(chosen.sum()),
            renumbered(alone.rejected, others - begin),
            words={position: found - begin for position, found in rows.words.items()},
        )  # fmt: skip

    def _alone(self, first_line: int, block: LineBlock, too_long: Mask, lines: Int64s) -> TextTable:
        """The table of some lines of a block, decoded one by one."""
        builder = BlockBuilder(len(self.columns))
        for line in lines.tolist():
            data = block.line(line)
            try:
                cells, words = self._row(data, too_long=bool(too_long[line]))
                builder.add(first_line + line, cells, len(data), words)
            except RowError as error:
                if error.code == "blank-row":
                    builder.skip(first_line + line, error.code, error.message, "")
                    continue
                shown = data[: min(4096, self._limits.max_record_bytes)].decode(errors="backslashreplace")
                builder.reject(first_line + line, error.code, error.message, shown)
        return builder.take()

    def _row(self, data: bytes, *, too_long: bool) -> tuple[Sequence[str | None], Sequence[int]]:
        """The cells of a line, and which are words. Raises RowError, also for a blank line."""
        if too_long:
            message = f"The record is longer than {self._limits.max_record_bytes} bytes."
            raise RowError("record-too-long", message)
        if not data.strip():
            raise RowError("blank-row", "The record is blank.")
        if BAD_BYTE in data:
            raise not_in_encoding(self._encoding)
        try:
            value = decoder.decode(data.decode())
        except RecursionError:
            raise RowError("json-error", TOO_DEEP) from None
        except json.JSONDecodeError as error:
            message = f"The record is not JSON: {error.msg} (character {error.pos + 1})."
            raise RowError("json-error", message) from None
        if _SUSPECT.search(data):
            check_kept(value)
        return row_of(value, self._positions)


class JsonLinesParser(TableParser):
    name = "jsonl"

    def recognises(self, head: bytes, file_name: str) -> bool:
        """Whether it begins with objects, one to a line."""
        return begins_like("{", head, file_name) and is_json_lines(head, file_name)

    @contextmanager
    def open(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Iterator[JsonLinesTable]:
        yield JsonLinesTable(file, options, limits)
